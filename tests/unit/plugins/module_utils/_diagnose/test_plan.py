# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: what is applied, what is withheld, how remedies of several workloads become one call per role."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._plan import (
    Call,
    Plan,
    PlanError,
    make_plan,
    name_again,
)
from ansible_collections.netlink.remediation.plugins.module_utils._found import Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._plain import from_plain, to_plain
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._diagnose._samples import (
    capability,
    container,
    finding,
    link,
    sysctl,
    unit,
    userns,
)


def files_of(plan):
    return plan.roles["netlink_capability"].variables["netlink_capability_files"]


def test_a_named_workload_gets_its_remedy():
    plan = make_plan([finding(remedy=capability())], named={"agent": False})
    assert files_of(plan) == [{"path": "/opt/agent", "capabilities": "cap_net_admin+ep", "state": "present"}]
    assert plan.roles["netlink_capability"].workloads == ["agent"]
    assert not plan.withheld


@pytest.mark.parametrize("remedy", [capability(), sysctl(net__ipv4__ip_forward="1"), link(name="eth1", state="up")])
def test_a_discovered_workload_gets_none(remedy):
    plan = make_plan([finding(remedy=remedy)], accept=["interpreter"], named={"other": False})
    assert not plan.roles
    assert [entry.missing for entry in plan.withheld] == [["name the workload"]]


def test_missing_consent_withholds_and_says_exactly_the_missing_words():
    found = [finding(remedy=capability(consent=["shared_tool", "interpreter"]))]
    plan = make_plan(found, accept=["interpreter"], named={"agent": False})
    assert not plan.roles
    assert plan.withheld[0].missing == ["shared_tool"]
    assert "shared_tool" in plan.withheld[0].why
    given = make_plan(found, accept=["interpreter", "shared_tool"], named={"agent": False})
    assert given.roles["netlink_capability"].accept == ["interpreter", "shared_tool"]


def test_advice_is_kept_apart():
    plan = make_plan([finding(cause="foreign_netns", advice="Use a netns of its own.")], named={"agent": False})
    assert not plan.roles
    assert [entry.text for entry in plan.advice] == ["Use a netns of its own."]


def test_privilege_is_not_added_where_another_gate_stays_shut():
    shut = finding(cause="foreign_netns", reason="cannot_join", gate="setns", advice="Start it there.")
    plan = make_plan([shut, finding(remedy=capability())], named={"agent": False})
    assert not plan.roles
    assert "foreign_netns (cannot_join)" in plan.withheld[0].why


@pytest.mark.parametrize(
    "other",
    [
        {"gate": "setns", "certainty": "possible"},
        {"gate": "setns", "effect": "later"},
        {"gate": "setns", "effect": "none"},
        {"gate": "ack"},
    ],
    ids=["only possible", "only after a reboot", "no failure", "an alternative at the same gate"],
)
def test_privilege_is_added_where_nothing_else_refuses(other):
    plan = make_plan([finding(cause="other", **other), finding(remedy=capability())], named={"agent": False})
    assert files_of(plan)


def test_state_without_privilege_is_applied_even_where_another_gate_stays_shut():
    shut = finding(cause="foreign_netns", gate="setns")
    plan = make_plan([shut, finding(gate="object", remedy=link(name="eth1", state="up"))], named={"agent": False})
    assert list(plan.roles) == ["netlink_link"]


def test_roles_stand_in_the_order_of_the_catalogue():
    found = [
        finding(gate="object", remedy=link(name="eth1", state="up")),
        finding(gate="setns", remedy=userns(containers=[{"container": "web1", "userns": "host"}])),
        finding(gate="write", remedy=sysctl(net__ipv4__ip_forward="1")),
        finding(gate="socket", remedy=unit(lift=["restrict_address_families"])),
        finding(gate="send", remedy=container(cap_add=["NET_ADMIN"])),
        finding(remedy=capability()),
    ]
    assert list(make_plan(found, named={"agent": False}).roles) == [
        "netlink_capability",
        "netlink_container",
        "netlink_unit",
        "netlink_sysctl",
        "netlink_userns",
        "netlink_link",
    ]


def test_a_remedy_of_an_earlier_round_is_not_planned_again():
    found = [finding(remedy=capability())]
    first = make_plan(found, named={"agent": False})
    assert not make_plan(found, named={"agent": False}, done=first.remedies).roles
    more = [*found, finding(gate="object", remedy=link(name="eth1", state="up"))]
    assert list(make_plan(more, named={"agent": False}, done=first.remedies).roles) == ["netlink_link"]


def test_a_pending_workload_starts_no_other_remedy():
    first = make_plan([finding(remedy=capability())], named={"agent": True})
    found = [finding(remedy=capability()), finding(gate="object", remedy=link(name="eth1", state="up"))]
    second = make_plan(found, named={"agent": True}, done=first.remedies)
    assert second.pending == ["agent"]
    assert not second.roles


def test_a_workload_whose_finding_is_pending_starts_no_other_remedy():
    found = [finding(pending=True), finding(gate="object", remedy=link(name="eth1", state="up"))]
    plan = make_plan(found, named={"agent": True})
    assert (plan.pending, plan.roles) == (["agent"], {})


def test_a_remedy_of_a_role_that_does_not_exist_is_an_error():
    with pytest.raises(PlanError, match="netlink_magic"):
        make_plan([finding(remedy=Remedy("netlink_magic", {}))], named={"agent": False})


def test_a_plan_survives_its_plain_form():
    plan = make_plan([finding(remedy=capability()), finding("x", remedy=capability())], named={"agent": False})
    assert from_plain(Plan, to_plain(plan)) == plan


# --- units and containers, and what waits for a new start -------------------------------------------------------------

GRANT = unit(grant=["cap_net_admin"])
START = unit(adds=(), consent=["restart"], restart=True)
STALE = finding(cause="unit_sandbox", reason="not_restarted", remedy=START, pending=True)


def call(role="netlink_unit", workloads=("agent",), **more):
    return Call(role, list(workloads), **{"changed": True, **more})


def units_of(plan):
    return plan.roles["netlink_unit"].variables["netlink_unit_units"]


def test_a_file_is_written_without_the_word_for_the_restart_which_is_passed_on():
    found = [finding(remedy=GRANT)]
    for accept in ([], ["restart"]):
        plan = make_plan(found, accept, {"agent": True})
        assert plan.roles["netlink_unit"].accept == accept
        assert units_of(plan) == [{"unit": "agent.service", "grant": ["cap_net_admin"]}]
        assert not plan.withheld


def test_a_new_start_that_is_due_waits_for_its_word():
    plan = make_plan([STALE], named={"agent": True})
    assert (plan.pending, plan.roles) == (["agent"], {})
    assert plan.withheld[0].missing == ["restart"]


def test_a_new_start_that_is_due_is_planned_when_accepted_and_nothing_else_is():
    found = [STALE, finding(gate="object", remedy=link(name="eth1", state="up"))]
    plan = make_plan(found, ["restart"], {"agent": True})
    assert units_of(plan) == [{"unit": "agent.service", "restart": True}]
    assert (list(plan.roles), plan.pending) == (["netlink_unit"], ["agent"])


def test_a_new_start_is_made_once():
    first = make_plan([STALE], ["restart"], {"agent": True})
    assert not make_plan([STALE], ["restart"], {"agent": True}, done=first.remedies).roles


@pytest.mark.parametrize(
    "required",
    [{"kind": "unit", "name": "agent.service"}, {"kind": "daemon", "name": "docker"}],
    ids=["its unit", "the daemon of all"],
)
def test_a_workload_whose_start_a_module_asks_for_starts_no_other_remedy(required):
    done = make_plan([finding(remedy=GRANT)], named={"agent": True}).remedies
    found = [finding(gate="socket", remedy=unit(lift=["restrict_address_families"]))]
    plan = make_plan(found, named={"agent": True}, done=done, calls=[call(restart_required=[required])])
    assert (plan.pending, plan.roles) == (["agent"], {})


@pytest.mark.parametrize(
    "answer",
    [
        call(restart_required=[{"kind": "unit", "name": "other.service"}]),
        call(workloads=["other"], restart_required=[{"kind": "unit", "name": "agent.service"}]),
        call(activated=True),
    ],
    ids=["another unit", "another workload", "nothing"],
)
def test_a_later_round_goes_on_where_no_start_is_due(answer):
    done = make_plan([finding(remedy=GRANT)], named={"agent": True}).remedies
    found = [finding(gate="socket", remedy=unit(lift=["restrict_address_families"]))]
    plan = make_plan(found, named={"agent": True}, done=done, calls=[answer])
    assert (plan.pending, list(plan.roles)) == ([], ["netlink_unit"])


def test_a_later_round_names_all_that_was_wanted_of_the_same_unit_but_not_its_start():
    first = [finding(remedy=unit(grant=["cap_net_admin"], restart=True)), finding("b", remedy=unit("b.service"))]
    done = make_plan(first, ["restart"], {"agent": True, "b": True}).remedies
    found = [finding(gate="socket", remedy=unit(lift=["restrict_address_families"]))]
    plan = make_plan(found, ["restart"], {"agent": True}, done=done)
    assert units_of(plan) == [
        {"unit": "agent.service", "grant": ["cap_net_admin"], "lift": ["restrict_address_families"]}
    ]
    assert plan.roles["netlink_unit"].workloads == ["agent"]


def test_a_file_capability_does_not_wait_where_its_workload_was_started_anew():
    done = make_plan([finding(remedy=capability()), finding(remedy=GRANT)], ["restart"], {"agent": True}).remedies
    assert make_plan([], named={"agent": True}, done=done, calls=[call()]).pending == ["agent"]
    assert make_plan([], named={"agent": True}, done=done, calls=[call(activated=True)]).pending == []


def test_a_conflict_of_one_workload_with_itself_names_it_once():
    both = Remedy("netlink_sysctl", {"netlink_sysctl_settings": {"net.ipv4.ip_forward": 1, "net/ipv4/ip_forward": 0}})
    with pytest.raises(PlanError, match=r"^agent wants different things of net.ipv4.ip_forward: 1 or 0$"):
        make_plan([finding(remedy=both)], named={"agent": False})


@pytest.mark.parametrize(
    ("remedy", "accept", "again"),
    [
        (GRANT, ["restart"], {"unit": "agent.service"}),
        (container(cap_add=["NET_ADMIN"]), ["recreate"], {"container": "web1"}),
        (userns(containers=[{"container": "web1", "userns": "host"}]), ["restart"], {"container": "web1"}),
        (GRANT, [], {"pid": 7}),
        (capability(), ["restart"], {"pid": 7}),
    ],
)
def test_a_process_that_is_started_anew_is_diagnosed_again_by_its_unit_or_container(remedy, accept, again):
    items = make_plan([finding(remedy=remedy)], accept, {"agent": True}).remedies
    workloads = [{"name": "agent", "pid": 7, "operations": ["qdisc"]}, {"name": "other", "pid": 8}]
    assert name_again(workloads, [*items, *items], accept) == [
        {"name": "agent", "operations": ["qdisc"], **again},
        {"name": "other", "pid": 8},
    ]
