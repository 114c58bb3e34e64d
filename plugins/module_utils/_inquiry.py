# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inquiry behind diagnosis_info: read the host, ask the kernel, judge, report. It changes nothing.

Ansible sends a module as sources, which Python compiles in each run, from a zip archive even twice. That is most of the
work on a host with nothing to ask or to judge: what is not needed in every run is imported where it is used.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._commands import run, use
from ansible_collections.netlink.remediation.plugins.module_utils._observe._collect import collect
from ansible_collections.netlink.remediation.plugins.module_utils._observe._grants import read_grants
from ansible_collections.netlink.remediation.plugins.module_utils._plain import from_plain, to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    NO_PYROUTE2,
    OPERATIONS,
    SNAPSHOT_SCHEMA,
    State,
    Unseen,
)

if TYPE_CHECKING:
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose import Verdict

WORKLOAD_ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "pid": {"type": "int"},
    "executable": {"type": "path"},
    "unit": {"type": "str"},
    "container": {"type": "str"},
    "user": {"type": "str"},
    "operations": {"type": "list", "elements": "str", "choices": list(OPERATIONS), "default": ["link"]},
    "interface": {"type": "str"},
    "address": {"type": "str"},
    "route": {
        "type": "dict",
        "options": {
            "dst": {"type": "str", "required": True},
            "gateway": {"type": "str"},
            "interface": {"type": "str"},
            "table": {"type": "int", "default": 254},
        },
    },
    "netns": {"type": "path"},
    "master": {"type": "str"},
    "group": {"type": "str"},
    "link_kind": {"type": "str"},
    "qdisc_kind": {"type": "str"},
    "mac": {"type": "str"},
}

ARGUMENTS: dict[str, Any] = {
    "workloads": {"type": "list", "elements": "dict", "options": WORKLOAD_ARGUMENTS, "default": []},
    "discover": {"type": "bool"},
    "evidence_hours": {"type": "float", "default": 0},
    "snapshot": {"type": "dict"},
    "snapshot_file": {"type": "path"},
    "include_snapshot": {"type": "bool", "default": False},
    "probe": {"type": "bool", "default": True},
    # PYROUTE2_ARGUMENTS of _pyroute2, which is not imported here: see the head of this file.
    "ship_pyroute2": {"type": "bool", "default": True},
    "_pyroute2_path": {"type": "path"},
}


def judge_host(module: AnsibleModule) -> None:
    """Carry out the module's task and exit."""
    use(module)
    parameters = module.params
    judged_here = parameters["snapshot"] is None and not parameters["snapshot_file"]
    try:
        if judged_here:
            state = inquire(parameters, keep=not module.check_mode)
        else:
            state = load_snapshot(parameters["snapshot"], parameters["snapshot_file"])
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    try:
        result = report(state)
    except ValueError as exc:  # an address or a number in a snapshot that no host could have given
        if judged_here:
            raise
        module.fail_json(msg=f"snapshot: {exc}")
    if parameters["include_snapshot"]:
        result["snapshot"] = to_plain(state)
    if judged_here and any(item.reason == NO_PYROUTE2 for item in state.unseen):
        result["pyroute2_missing"] = True  # the action plugin takes it out, ships pyroute2 and asks once more
    module.exit_json(changed=False, **result)


def inquire(parameters: dict[str, Any], *, keep: bool = False) -> State:
    """The state of this host with the kernel's answers in it; keep: a shipped pyroute2 may stay for the next time.

    Raises ValueError for bad input.
    """
    discover = parameters["discover"]
    if not parameters["workloads"] and not parameters["evidence_hours"]:
        return _hint_at_root(collect([], discover=discover is not False, grants=read_grants(), ask=run))
    # Imported here: see the head of this file.
    from ansible_collections.netlink.remediation.plugins.module_utils._named import (
        ask_kernel,
        prepare_workloads,
        read_records,
    )

    workloads = prepare_workloads(parameters, keep)
    records = read_records(parameters["evidence_hours"])
    discovers = not workloads if discover is None else discover
    state = collect(
        [*workloads, *(records.candidates() if discovers else [])], discover=discovers, grants=read_grants(), ask=run
    )
    records.attach(state)
    if parameters["probe"]:
        for workload in state.workloads:
            if not workload.discovered or workload.evidence:
                ask_kernel(state, workload)
    return _hint_at_root(state)


def _hint_at_root(state: State) -> State:
    """Put first among what was not seen why: most of it is for want of root, which the single entries do not say."""
    if os.geteuid() != 0:
        why = f"this runs as uid {os.geteuid()}, which may not read it: set become to true"
        state.unseen.insert(0, Unseen("what belongs to other users", why))
    return state


def load_snapshot(data: Any, path: Optional[str]) -> State:
    """A saved state from a dict or a JSON file. Raises ValueError with one sentence for one that cannot be used."""
    option = "snapshot" if path is None else f"snapshot_file {path}"
    if path is not None:
        try:
            with open(path, encoding="utf-8") as file:
                data = json.load(file)
        except OSError as exc:
            raise ValueError(
                f"snapshot_file: {path} cannot be read ({exc.strerror}), expected a saved snapshot"
            ) from None
        except ValueError as exc:
            raise ValueError(f"snapshot_file: {path} is no JSON ({exc}), expected a saved snapshot") from None
    if not isinstance(data, dict) or data.get("schema") != SNAPSHOT_SCHEMA:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        raise ValueError(f"{option}: schema is {found!r}, expected a snapshot of schema {SNAPSHOT_SCHEMA}")
    try:
        return from_plain(State, data)
    except ValueError as exc:
        raise ValueError(f"{option}: {exc}") from None


def report(state: State) -> dict[str, Any]:
    """Judge a state; the diagnosis in the form that the module returns."""
    if not state.workloads:
        return {"workloads": [], "findings": [], "unseen": to_plain(state.unseen)}
    # Imported here: see the head of this file.
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose import diagnose

    diagnosis = diagnose(state)
    return {
        "workloads": [_verdict(item) for item in diagnosis.verdicts],
        "findings": to_plain(diagnosis.findings),
        "unseen": to_plain(diagnosis.unseen),
    }


def _verdict(item: Verdict) -> dict[str, Any]:
    workload = item.workload
    keys = ("operation", "answer", "sent", "layer", "detail", "not_reproduced")
    return {
        "name": workload.name,
        "kind": workload.kind,
        "pid": workload.pid or next(iter(workload.processes), None),
        "executable": item.executable,
        "user": workload.user if workload.kind == "executable" else None,
        "operations": workload.operations,
        "unit": item.unit,
        "container": item.container,
        "discovered": workload.discovered,
        "unresolved": workload.unresolved,
        "verdict": item.verdict,
        "notes": item.notes,
        "evidence": to_plain(workload.evidence),
        "probes": [{key: getattr(answer, key) for key in keys} for answer in workload.probes],
    }
