# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every cause on a real kernel: the broken case is refused and named, its fix works and is taken back, its look-alike
passes.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

import apparmor_situations
import container_situations
import pytest
import selinux_situations
import unit_situations
from minihost import MiniHost
from situations import Case
from thread_situations import BROKEN, HEALTHY

ROLE_MODULES = {
    "netlink_capability": "file_capabilities",
    "netlink_sysctl": "sysctl_settings",
    "netlink_link": "link_state",
}


def calls(remedy: dict[str, Any]) -> list[dict[str, Any]]:
    """The module calls that the role of a remedy makes, as parameters."""
    variables = remedy["variables"]
    accept = {"accept": remedy["consent"]}
    if remedy["role"] == "netlink_capability":
        return [{"files": variables["netlink_capability_files"], **accept}]
    if remedy["role"] == "netlink_link":
        return [{"links": variables["netlink_link_links"], **accept}]
    supersede = {"supersede": variables.get("netlink_sysctl_supersede", False)}
    found = [{**item, "persist": False, **accept} for item in variables.get("netlink_sysctl_namespaces", [])]
    if "netlink_sysctl_settings" in variables:
        found.append({"settings": variables["netlink_sysctl_settings"], **supersede, **accept})
    return found


def apply(host: MiniHost, remedy: dict[str, Any], check: bool = False) -> list[dict[str, Any]]:
    results = [host.module(ROLE_MODULES[remedy["role"]], check=check, run_id="case", **call) for call in calls(remedy)]
    assert not [result for result in results if result.get("failed")], results
    return results


@contextlib.contextmanager
def host_of(case: Case) -> Any:
    with MiniHost(bounding=case.bounding) as host:
        yield host


@pytest.mark.parametrize("case", HEALTHY, ids=lambda case: f"{case.cause}-{case.reason}-{case.name}")
def test_a_healthy_look_alike_is_allowed_without_a_finding(case: Case) -> None:
    with host_of(case) as host:
        situation = case.setup(host)
        result = host.diagnose(situation.workload)
        assert result["findings"] == []
        assert result["workloads"][0]["verdict"] == "allowed", result
        assert situation.client() == "ok"


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case.cause}-{case.reason}-{case.name}")
def test_a_broken_case_is_named_and_its_fix_works_and_can_be_taken_back(case: Case) -> None:
    with host_of(case) as host:
        situation = case.setup(host)
        if case.symptom:
            assert re.search(case.symptom, situation.client())
        untouched = host.snapshot()
        result = host.diagnose(situation.workload)
        assert host.snapshot() == untouched, "the diagnosis changed the host"
        assert result["findings"], result
        first = result["findings"][0]
        assert (first["cause"], first["reason"]) == (case.cause, case.reason), result["findings"]
        assert result["workloads"][0]["verdict"] == case.verdict, result
        assert first["remedy"] or first["advice"], "neither a remedy nor advice"
        assert bool(first["remedy"]) == case.fix, first
        if case.fix:
            fix_and_take_back(host, case, situation, first["remedy"], untouched)


def fix_and_take_back(host: MiniHost, case: Case, situation: Any, remedy: dict[str, Any], untouched: str) -> None:
    preview = apply(host, remedy, check=True)
    assert host.snapshot() == untouched, "the preview changed the host"
    assert all(result["changed"] and result["receipt"] is None for result in preview)

    real = apply(host, remedy)
    assert [result["changes"] for result in real] == [result["changes"] for result in preview]
    assert [result["diff"] for result in real] == [result["diff"] for result in preview]
    if situation.restart:
        pending = host.diagnose(situation.workload)
        assert pending["workloads"][0]["verdict"] == "refused" and pending["findings"][0]["remedy"] is None
        situation = situation.restart()
    fixed = host.diagnose(situation.workload)
    assert fixed["workloads"][0]["verdict"] == "allowed", fixed
    assert [finding for finding in fixed["findings"] if finding["effect"] != "none"] == []
    assert situation.client() == "ok"
    if situation.undo:
        host.sh(situation.undo)

    again = apply(host, remedy)
    assert not any(result["changed"] or result["changes"] for result in again)

    back = host.module("receipt", run="latest")
    assert back["changed"], back
    assert host.snapshot() == untouched, "the rollback did not restore the host"
    if case.symptom:
        situation = situation.restart() if situation.restart else situation
        assert re.search(case.symptom, situation.client())
    assert not host.module("receipt", run="latest")["changed"]


def test_every_reason_has_a_broken_case_and_every_cause_a_healthy_look_alike() -> None:
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._catalogue import CAUSES

    elsewhere = {
        ("module_missing", "modules_disabled"),  # needs a kernel that has modules and can be rebooted: tests/lab
        ("link_state", "up"),  # needs the module of bonds: tests/lab
        ("driver_refused", "rfkill"),  # needs a radio and a card: tests/lab/test_drivers.py
        ("driver_refused", "sriov_trust"),  # the same
        ("userns_restricted", "unprivileged_userns_clone"),  # needs a kernel with that switch: tests/lab
        # Only Ubuntu's kernel has that switch: tests/unit judges rows that were measured there.
        ("userns_restricted", "apparmor_restrict_unprivileged_userns"),
        ("unit_sandbox", "not_restarted"),  # a test of its own in test_units
        ("unit_sandbox", "user_manager"),  # the same
        ("container_without_capability", "not_applied"),  # on the way of each fix in test_containers
    }
    broken = {(case.cause, case.reason) for case in [*BROKEN, *unit_situations.BROKEN, *container_situations.BROKEN]}
    healthy = {case.cause for case in [*HEALTHY, *unit_situations.HEALTHY, *container_situations.HEALTHY]}
    broken |= {("apparmor_denied", case.reason) for case in apparmor_situations.BROKEN}
    healthy |= {"apparmor_denied" for _case in apparmor_situations.HEALTHY}
    broken |= {(case.cause, case.reason) for case in [*selinux_situations.BROKEN, *selinux_situations.OTHERS]}
    healthy |= {case.cause for case in selinux_situations.HEALTHY}
    reasons = {(cause.name, reason) for cause in CAUSES for reason in cause.reasons}
    assert reasons - broken == elsewhere
    healthy.add("driver_refused")  # tests/lab/test_drivers.py
    assert {cause.name for cause in CAUSES} - healthy == {"unknown"}
