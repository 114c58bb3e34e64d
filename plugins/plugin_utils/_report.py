# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that a tired operator can read, out of diagnoses, plans and outcomes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._outcome import Outcome, Result
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._plan import Plan
from ansible_collections.netlink.remediation.plugins.module_utils._found import Finding

LINE = 400
# Text that YAML reads as the same text without quotes, inside brackets too.
_PLAIN_TEXT = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.+=@-]*")
# What Ansible would carry out when it is copied into a play: anybody can give a program such a name.
_TEMPLATE = re.compile(r"\{[{%#]")
_YAML_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
EVIDENCE_LINES = 4


def clean(text: Any) -> str:
    """One printable line: anybody can write a process name or a log line, and terminals obey control characters."""
    line = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in str(text))
    return line if len(line) <= LINE else line[: LINE - 3] + "..."


def verdict_lines(
    workloads: Sequence[Mapping[str, Any]],
    findings: Sequence[Finding],
    plan: Optional[Plan] = None,
    only_found: bool = False,
) -> list[str]:
    """One verdict a workload, followed by its findings, indented; refused ones first.

    plan: says for each remedy whether it is applied, and what to name or accept. only_found: leave out workloads that
    have no finding (a selection was made), but for those that could not be looked at.
    """
    lines: list[str] = []
    order = {"refused": 0, "unknown": 1, "allowed": 2}
    for workload in sorted(workloads, key=lambda entry: order.get(entry["verdict"], 3)):
        own = [finding for finding in findings if finding.workload == workload["name"]]
        if own or not only_found or workload.get("unresolved"):
            lines.append(f"{workload['name']} ({_subject(workload)}): {workload['verdict'].upper()}")
            if not own and workload["verdict"] == "unknown" and describe_unknown(workload):
                lines.append(f"  not asked: {describe_unknown(workload)}")
            lines += [f"  note: {text}" for text in workload.get("notes") or []]
            for finding in own:
                lines += _finding_lines(finding)
            lines += _next_lines(workload, plan)
    nothing = "no workload has a finding that is selected" if only_found else "nothing that was looked at is refused"
    return [clean(line) for line in lines] or [nothing]


def _subject(workload: Mapping[str, Any]) -> str:
    """What the workload is, for example "unit vpn.service, pid 812"."""
    kind = workload.get("kind") or "workload"
    text = f"{kind} {workload.get(kind) or '?'}"
    if kind != "pid" and workload.get("pid"):
        text += f", pid {workload['pid']}"
    if kind == "pid" and workload.get("executable"):
        text += f", {workload['executable']}"
    return text


def describe_unknown(workload: Mapping[str, Any]) -> str:
    """Why the kernel was not asked about a workload, or did not answer; empty if that is not known either."""
    why = [probe.get("detail") for probe in workload.get("probes") or [] if probe.get("answer") == "unknown"]
    return str(workload.get("unresolved") or next(filter(None, why), ""))


def _finding_lines(finding: Finding) -> list[str]:
    also = f"; also: {', '.join(finding.also)}" if finding.also else ""
    lines = [
        f"  cause: {finding.cause} / {finding.reason} ({finding.certainty}{also})",
        f"    {finding.summary}",
    ]
    lines += [f"    seen: {entry.source}: {entry.text}" for entry in finding.evidence[:EVIDENCE_LINES]]
    if finding.remedy:
        lines.append(f"    remedy: role {finding.remedy.role} with {describe_variables(finding.remedy.variables)}")
        lines += [f"    adds: {text}" for text in finding.remedy.adds]
        lines += [f"    disrupts: {text}" for text in finding.remedy.disrupts]
    if finding.advice:
        lines.append(f"    advice: {finding.advice}")
    return lines


def describe_variables(variables: Mapping[str, Any]) -> str:
    """Variables of a role on one line, as YAML; empty values are left out, but for settings by key (null removes)."""
    return ", ".join(f"{name}: {flow(value, whole=True)}" for name, value in variables.items())


def flow(value: Any, *, whole: bool = False) -> str:
    """A value as YAML on one line, without the double quotes that Ansible's output would escape.

    Empty values of dictionaries are left out, unless it is the whole of one that is wanted.
    """
    if isinstance(value, dict):
        shown = {key: item for key, item in value.items() if whole or item not in (None, [], {})}
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in shown.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN_TEXT.fullmatch(value) and value.lower() not in _YAML_WORDS:
        return value
    tag = "!unsafe " if _TEMPLATE.search(value) else ""
    return tag + "'" + value.replace("'", "''") + "'"


def _next_lines(workload: Mapping[str, Any], plan: Optional[Plan]) -> list[str]:
    """What to name or accept for the remedies that are withheld."""
    withheld = [entry for entry in plan.withheld if entry.workload == workload["name"]] if plan else []
    lines = []
    if any("name the workload" in entry.missing for entry in withheld):
        kind = _lasting_kind(workload, [entry.role for entry in withheld])
        named = {"name": workload["name"], kind: workload.get(kind)}
        if kind == "executable" and workload.get("user"):
            named["user"] = workload["user"]
        if workload.get("operations") not in (None, [], ["link"]):
            named["operations"] = workload["operations"]
        lines.append(f"  to have it mended, name it: netlink_remediate_workloads: {flow([named])}")
    words = sorted({word for entry in withheld for word in entry.missing} - {"name the workload"})
    if words:
        lines.append(f"  to have it mended, accept: netlink_remediate_accept: {flow(words)}")
    lines += [f"  not applied: {entry.why}" for entry in withheld if not entry.missing]
    return lines


def _lasting_kind(workload: Mapping[str, Any], roles: Sequence[str]) -> str:
    """How to name a workload so that it is found again: a unit or container that is started anew has another pid."""
    for role, kind in (("netlink_container", "container"), ("netlink_userns", "container"), ("netlink_unit", "unit")):
        if role in roles and workload.get(kind):
            return kind
    return workload.get("kind") or "pid"


def unseen_lines(unseen: Sequence[Mapping[str, Any]], limit: int = 5) -> list[str]:
    """What could not be read, since a verdict may be unknown for it."""
    lines = [clean(f"not seen: {entry['source']}: {entry['reason']}") for entry in unseen[:limit]]
    return lines + ([f"not seen: {len(unseen) - limit} more"] if len(unseen) > limit else [])


STATES = {
    "allowed": "allowed, nothing was wrong",
    "fixed": "FIXED, verified",
    "preview": "would be mended (check mode, not verified)",
    "pending": "PENDING",
    "partial": "STILL REFUSED",
    "unknown": "UNKNOWN",
    "refused": "REFUSED",
}


def outcome_lines(outcome: Outcome) -> list[str]:
    """One line for each workload that was named."""
    lines = []
    for result in outcome.results:
        if result.state != "reported":
            lines.append(f"{result.workload}: {_state(result)}" + (f": {result.why}" if result.why else ""))
    return [clean(line) for line in lines] or [
        "no workload was named in netlink_remediate_workloads, so none is mended"
    ]


def _state(result: Result) -> str:
    if result.state == "allowed" and result.before != "allowed":
        return "allowed by now, without a change of this run"
    return STATES[result.state]


def rollback_lines(receipts: Sequence[Mapping[str, Any]], outcome: Outcome) -> list[str]:
    """How to take back what a run leaves on the host: nothing where it only started something anew."""
    gone = [entry.id for entry in outcome.revert if entry.targets is None]
    kept = [receipt for receipt in receipts if receipt["id"] not in gone]
    names = [receipt["run_id"] for receipt in kept if any(one["kind"] != "activation" for one in receipt["changes"])]
    return [
        f"to take this run back: playbook rollback_netlink with netlink_run_id: {clean(name)}" for name in names[:1]
    ]
