# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs without its drop-in is started anew, or named where that is not accepted or cannot be."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import _unit_restart
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import ActivationChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._unit_restart import RestartPlan, plan_restart

STATE = {"ActiveState": "active", "SubState": "running", "InvocationID": "i1", "InactiveExitTimestampMonotonic": "1"}
STATE = {**STATE, "RefuseManualStart": "no", "RefuseManualStop": "no", "RequiredBy": "", "BoundBy": ""}
STATE = {**STATE, "ConsistsOf": "", "ControlGroup": "/system.slice/a.service", "KillMode": "control-group"}


def planned(state: dict[str, str], path: str = "/p", **options: Any) -> RestartPlan:
    return plan_restart("a.service", {**STATE, **state}, path, **{"due": True, "accepted": True, **options})


def only(plan: RestartPlan) -> ActivationChange:
    (change,) = plan.changes
    assert isinstance(change, ActivationChange)
    return change


def test_what_runs_is_started_anew():
    change = only(planned({}))
    assert (change.target, change.deferred) == ("unit a.service", False)
    assert change.details == {"how": "unit", "unit": "a.service", "instance": "i1", "files": ["/p"]}
    assert change.disrupts == ["a restart interrupts a.service"]
    assert only(planned({}, accepted=False)).deferred is True


@pytest.mark.parametrize(
    ("state", "instance"),
    [
        ({"ActiveState": "failed", "SubState": "failed"}, None),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, "i1"),
    ],
)
def test_what_was_not_up_need_not_be_up_after_a_revert(state, instance):
    details = only(planned(state)).details
    assert (details["was"], details["instance"]) == ("down", instance)


def test_what_does_not_run_is_left_alone():
    assert planned({"ActiveState": "inactive", "SubState": "dead"}) == RestartPlan()


def test_what_was_started_before_its_drop_in_is_due_and_what_was_started_after_is_not(tmp_path):
    path = tmp_path / "drop-in"
    path.write_text("")
    early, late = int((time.monotonic() - 60) * 1e6), int((time.monotonic() + 60) * 1e6)
    assert only(planned({"InactiveExitTimestampMonotonic": str(early)}, str(path), due=False))
    assert planned({"InactiveExitTimestampMonotonic": str(late)}, str(path), due=False) == RestartPlan()
    assert planned({"InactiveExitTimestampMonotonic": "0"}, str(path), due=False) == RestartPlan()
    assert planned({"InactiveExitTimestampMonotonic": str(early)}, str(tmp_path / "none"), due=False) == RestartPlan()


def test_units_that_go_down_with_it_are_said():
    change = only(planned({"RequiredBy": "b.service x.target", "ConsistsOf": "c.service b.service"}))
    assert change.disrupts == ["a restart interrupts a.service, and with it b.service, c.service"]


@pytest.mark.parametrize("directive", ["RefuseManualStart", "RefuseManualStop"])
def test_what_refuses_to_be_restarted_by_hand_is_named(directive):
    plan = planned({directive: "yes"})
    assert (plan.changes, plan.restart_required) == ([], [{"kind": "unit", "name": "a.service"}])
    assert plan.warnings == [f"a.service is not restarted: it has {directive}=yes"]
    assert planned({directive: "yes"}, accepted=False).warnings == []


def test_the_unit_that_this_module_runs_in_is_not_restarted(tmp_path, monkeypatch):
    own = Path("/proc/self/cgroup").read_text().splitlines()[-1].split(":", 2)[2]
    if own == "/":
        monkeypatch.setattr(_unit_restart, "_runs_in", lambda group: group == "/")
    plan = planned({"ControlGroup": own})
    assert plan.changes == [] and "this module runs in it" in plan.warnings[0]
    assert planned({"ControlGroup": own, "KillMode": "process"}).changes != []
    assert planned({"ControlGroup": f"{own}x/none.service"}).changes != []
    assert planned({"ControlGroup": ""}).changes != []
