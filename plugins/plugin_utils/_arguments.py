# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filters take, decoded into typed values; anything else is one clear AnsibleFilterError."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._plan import Call, Plan
from ansible_collections.netlink.remediation.plugins.module_utils._found import Finding
from ansible_collections.netlink.remediation.plugins.module_utils._plain import from_plain
from ansible_collections.netlink.remediation.plugins.plugin_utils._plain import plain


def decode_findings(who: str, value: Any) -> list[Finding]:
    """Findings as M(netlink.remediation.diagnosis_info) returns them."""
    return [_decode(who, Finding, entry) for entry in _list(who, "findings", plain(value))]


def decode_plans(who: str, value: Any) -> list[Plan]:
    """Plans as the filter plan returns them."""
    return [_decode(who, Plan, entry) for entry in _list(who, "plans", plain(value))]


def decode_words(who: str, name: str, value: Any) -> list[str]:
    """A list of words; a single word counts as a list of one, and commas separate (for -e on the command line)."""
    value = plain(value)
    value = [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value
    return [str(word) for word in _list(who, name, value)]


def decode_named(who: str, value: Any) -> dict[str, bool]:
    """Workloads that the user named (dicts or names) -> whether each is a running process, not an executable."""
    named: dict[str, bool] = {}
    for entry in _list(who, "workloads", plain(value)):
        if isinstance(entry, str):
            named[entry] = False
        elif isinstance(entry, dict) and isinstance(entry.get("name"), str):
            named[entry["name"]] = not entry.get("executable")
        else:
            raise AnsibleFilterError(f"{who}: workloads holds {entry!r:.80}, expected a name or a dict with a name")
    return named


def decode_calls(who: str, value: Any) -> list[Call]:
    """What the modules of each role answered: dicts with role, workloads and results (as the role registered them)."""
    calls = []
    for entry in _list(who, "results", plain(value)):
        if not isinstance(entry, dict) or not {"role", "workloads", "results"} <= set(entry):
            raise AnsibleFilterError(
                f"{who}: results holds {entry!r:.80}, expected a dict with role, workloads and results"
            )
        for result in _list(who, "results", entry["results"]):
            if not isinstance(result, dict):
                raise AnsibleFilterError(f"{who}: a result is {result!r:.80}, expected what a module returned")
            # A task with a loop registers the results of its module in a list.
            calls += [_call(entry["role"], entry["workloads"], one) for one in result.get("results", [result])]
    return calls


def _call(role: str, workloads: list[str], result: dict[str, Any]) -> Call:
    changes = result.get("changes") or []
    return Call(
        role,
        workloads,
        bool(result.get("changed")),
        (result.get("receipt") or {}).get("id"),
        any(change.get("kind") == "activation" for change in changes),
        result.get("restart_required") or [],
        {entry["container"]: entry["text"] for entry in result.get("advice") or []},
    )


def _list(who: str, name: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise AnsibleFilterError(f"{who}: {name} is {value!r:.80}, expected a list")
    return value


def _decode(who: str, kind: Any, entry: Any) -> Any:
    try:
        return from_plain(kind, entry)
    except ValueError as error:
        raise AnsibleFilterError(f"{who}: this is no {kind.__name__.lower()}: {error}") from None
