# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a unit has to be started anew for its drop-in to count, and whether that can be done."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import ActivationChange

RESTART_PROPERTIES = (
    *("ActiveState", "SubState", "InvocationID", "InactiveExitTimestampMonotonic", "RefuseManualStart"),
    *("RefuseManualStop", "RequiredBy", "BoundBy", "ConsistsOf", "ControlGroup", "KillMode"),
)


@dataclass
class RestartPlan:
    """restart_required: units that are not restarted here although they run without what was written."""

    changes: list[Change] = field(default_factory=list)
    restart_required: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def plan_restart(name: str, state: Mapping[str, str], path: Optional[str], *, due: bool, accepted: bool) -> RestartPlan:
    """state: RESTART_PROPERTIES as systemd shows them; path: of our drop-in, None when there is none and was none.

    due: it is changed, or a restart is asked for. A drop-in of an earlier call that the unit was not started with since
    counts as well. What does not run needs none: it starts with the files that there are then. A unit that failed is
    started: it is why somebody wants its files changed.
    """
    active = state["ActiveState"]
    if active == "inactive" or not (due or (path and _started_before(path, state))):
        return RestartPlan()
    hindrance = _hindrance(name, state)
    if hindrance:
        return RestartPlan([], [{"kind": "unit", "name": name}], [hindrance] if accepted else [])
    down = active == "failed" or state["SubState"] == "auto-restart"
    details = {
        "how": "unit",
        "unit": name,
        "instance": None if active == "failed" else state["InvocationID"] or "?",
        **({"was": "down"} if down else {}),
        **({"files": [path]} if path else {}),
    }
    change = ActivationChange(f"unit {name}", disrupts=[_disrupts(name, state)], details=details, deferred=not accepted)
    return RestartPlan([change])


def _started_before(path: str, state: Mapping[str, str]) -> bool:
    """Whether a unit that runs was started before a file was written."""
    started = state.get("InactiveExitTimestampMonotonic", "0")
    try:
        written = os.stat(path).st_mtime
    except OSError:
        return False
    boot = time.time() - time.monotonic()
    return started.isdigit() and started != "0" and written > boot + int(started) / 1_000_000


def _hindrance(name: str, state: Mapping[str, str]) -> str:
    """Why a unit cannot be restarted from here, "" when it can."""
    for directive in ("RefuseManualStart", "RefuseManualStop"):
        if state.get(directive) == "yes":
            return f"{name} is not restarted: it has {directive}=yes"
    group = state.get("ControlGroup")
    if group and state.get("KillMode") not in ("process", "none") and _runs_in(group):
        return f"{name} is not restarted: this module runs in it and would be ended by that"
    return ""


def _runs_in(group: str) -> bool:
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            own = [line.rstrip("\n").split(":", 2)[-1] for line in file]
    except OSError:
        return False
    return any(path == group or path.startswith(f"{group}/") for path in own)


def _disrupts(name: str, state: Mapping[str, str]) -> str:
    others = " ".join(state.get(key, "") for key in ("RequiredBy", "BoundBy", "ConsistsOf")).split()
    more = [unit for unit in dict.fromkeys(others) if unit.endswith(".service")]
    return f"a restart interrupts {name}" + (f", and with it {', '.join(more)}" if more else "")
