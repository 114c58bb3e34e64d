# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: what is applied, what is withheld, how remedies of several workloads become one call per role."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._plan import (
    ROLES,
    Item,
    Plan,
    PlanError,
    judge_outcome,
    make_plan,
    sysctl_path,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Finding, Remedy, from_plain, to_plain


def finding(workload="agent", cause="missing_capability", reason="not_root", remedy=None, gate="ack", **more):
    values = {"certainty": "proven", "policy_owner": "host", "summary": f"{workload} is refused.", **more}
    return Finding(workload=workload, cause=cause, reason=reason, gate=gate, remedy=remedy, **values)


def capability(path="/opt/agent", text="cap_net_admin+ep", consent=(), adds=("cap_net_admin",), **more):
    files = [{"path": path, "capabilities": text, "state": "present", **more}]
    return Remedy("netlink_capability", {"netlink_capability_files": files}, list(adds), [], list(consent))


def sysctl(**settings):
    variables = {"netlink_sysctl_settings": {key.replace("__", "."): value for key, value in settings.items()}}
    return Remedy("netlink_sysctl", variables)


def link(**entry):
    return Remedy("netlink_link", {"netlink_link_links": [entry]})


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


def test_capabilities_of_one_file_add_up():
    found = [
        finding("a", remedy=capability()),
        finding("b", remedy=capability(text="cap_net_raw+ep")),
        finding("c", remedy=capability(path="/opt/other")),
    ]
    plan = make_plan(found, named={"a": False, "b": False, "c": False})
    assert [(entry["path"], entry["capabilities"]) for entry in files_of(plan)] == [
        ("/opt/agent", "cap_net_admin,cap_net_raw=ep"),
        ("/opt/other", "cap_net_admin+ep"),
    ]


@pytest.mark.parametrize(
    ("left", "right", "about"),
    [
        (capability(), capability(text="cap_net_raw+p"), "/opt/agent capabilities"),
        (capability(), capability(rootid=7), None),
        (capability(rootid=8), capability(rootid=7), "/opt/agent rootid: 8 or 7"),
        (sysctl(net__ipv4__ip_forward="1"), sysctl(net__ipv4__ip_forward="0"), "net.ipv4.ip_forward: 1 or 0"),
        (link(name="eth1", netns=None, state="up"), link(name="eth1", netns=None, state="down"), "eth1 state"),
        (link(name="eth1", state="up"), link(name="eth1", netns="/run/netns/x", state="down"), None),
        (
            link(name="e", routes=[{"dst": "default", "gateway": "10.0.0.1"}]),
            link(name="e", routes=[{"dst": "default", "gateway": "10.0.0.2"}]),
            "e route default",
        ),
    ],
)
def test_workloads_that_disagree_are_an_error_that_names_both(left, right, about):
    found = [finding("left", gate="object", remedy=left), finding("right", gate="object", remedy=right)]
    named = {"left": False, "right": False}
    if about is None:
        assert make_plan(found, named=named).roles
        return
    with pytest.raises(PlanError) as raised:
        make_plan(found, named=named)
    assert str(raised.value).startswith("left and right want different things of " + about)


def test_sysctls_merge_whatever_the_spelling_of_key_and_value():
    slashes = Remedy("netlink_sysctl", {"netlink_sysctl_settings": {"net/ipv4/ip_forward": 1}})
    dots = Remedy("netlink_sysctl", {"netlink_sysctl_settings": {"net.ipv4.ip_forward": "1", "net.core.somaxconn": 9}})
    plan = make_plan([finding("a", remedy=slashes), finding("b", remedy=dots)], named={"a": False, "b": False})
    assert plan.roles["netlink_sysctl"].variables == {
        "netlink_sysctl_settings": {"net/ipv4/ip_forward": "1", "net.core.somaxconn": "9"}
    }


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.100/x", "net/ipv4/conf/eth0.100/x"),
        ("net.ipv4.conf.eth0/100.x", "net/ipv4/conf/eth0.100/x"),
        ("plain", "plain"),
    ],
)
def test_the_first_separator_of_a_sysctl_key_decides(key, path):
    assert sysctl_path(key) == path


def test_sysctls_of_namespaces_merge_by_namespace():
    def in_netns(path, **settings):
        return Remedy("netlink_sysctl", {"netlink_sysctl_namespaces": [{"netns": path, "settings": settings}]})

    found = [
        finding("a", remedy=in_netns("/run/netns/a", x="1")),
        finding("b", remedy=in_netns("/run/netns/a", y="2")),
        finding("c", remedy=in_netns("/run/netns/c", x="0")),
    ]
    plan = make_plan(found, named=dict.fromkeys("abc", False))
    assert plan.roles["netlink_sysctl"].variables["netlink_sysctl_namespaces"] == [
        {"netns": "/run/netns/a", "settings": {"x": "1", "y": "2"}},
        {"netns": "/run/netns/c", "settings": {"x": "0"}},
    ]


def test_links_add_up_addresses_and_routes():
    one = link(name="eth1", state="up", addresses=["10.0.0.1/24"])
    other = link(name="eth1", addresses=["10.0.0.1/24", "10.0.0.2/24"], routes=[{"dst": "default"}])
    plan = make_plan(
        [finding("a", gate="object", remedy=one), finding("b", gate="object", remedy=other)],
        named={"a": False, "b": False},
    )
    assert plan.roles["netlink_link"].variables["netlink_link_links"] == [
        {
            "name": "eth1",
            "state": "up",
            "addresses": ["10.0.0.1/24", "10.0.0.2/24"],
            "routes": [{"dst": "default"}],
        }
    ]


def test_roles_stand_in_the_order_of_the_catalogue():
    found = [
        finding(gate="object", remedy=link(name="eth1", state="up")),
        finding(gate="write", remedy=sysctl(net__ipv4__ip_forward="1")),
        finding(remedy=capability()),
    ]
    assert list(make_plan(found, named={"agent": False}).roles) == [
        "netlink_capability",
        "netlink_sysctl",
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


def test_a_workload_whose_finding_is_pending_starts_no_other_remedy_and_fails_no_host():
    found = [finding(pending=True), finding(gate="object", remedy=link(name="eth1", state="up"))]
    plan = make_plan(found, named={"agent": True})
    assert (plan.pending, plan.roles) == (["agent"], {})
    for after in ({"agent": "refused"}, None):
        outcome = outcome_of({"agent": "refused"}, after, found, running=True, plans=[plan])
        assert (states(outcome), outcome.failures) == ({"agent": "pending"}, [])


def test_a_remedy_of_a_role_that_does_not_exist_is_an_error():
    with pytest.raises(PlanError, match="netlink_unit"):
        make_plan([finding(remedy=Remedy("netlink_unit", {}))], named={"agent": False})


def test_a_plan_survives_its_plain_form():
    plan = make_plan([finding(remedy=capability()), finding("x", remedy=capability())], named={"agent": False})
    assert from_plain(Plan, to_plain(plan)) == plan


MODULE = {"netlink_capability": "file_capabilities", "netlink_sysctl": "sysctl_settings", "netlink_link": "link_state"}


# --- outcome ----------------------------------------------------------------------------------------------------------


def outcome_of(before, after, found=(), named=("agent",), running=False, plans=(), applied=(), errors=()):
    """The outcome where each role that ran has left one receipt, named after it."""
    names = dict.fromkeys(named, running)
    left = (
        []
        if after is None
        else [{"id": f"{ROLES.index(one)} {one}", "module": f"x.y.{MODULE[one]}"} for one in applied]
    )
    return judge_outcome(before, after, list(found), names, list(plans), list(applied), list(errors), left)


def planned(*found, running=False):
    return make_plan(list(found), named=dict.fromkeys((one.workload for one in found), running))


def reverts(outcome):
    return [(entry.id, entry.targets) for entry in outcome.revert]


def states(outcome):
    return {result.workload: result.state for result in outcome.results}


def test_a_workload_that_is_allowed_after_its_remedy_is_fixed():
    plan = planned(finding(remedy=capability()))
    outcome = outcome_of({"agent": "refused"}, {"agent": "allowed"}, plans=[plan], applied=["netlink_capability"])
    assert (states(outcome), outcome.failures, outcome.revert) == ({"agent": "fixed"}, [], [])


def test_a_workload_that_was_allowed_all_along_is_no_success_of_ours():
    assert states(outcome_of({"agent": "allowed"}, {"agent": "allowed"})) == {"agent": "allowed"}


def test_a_remedy_for_the_next_boot_counts_as_fixed():
    plan = planned(finding(effect="later", remedy=sysctl(net__ipv4__ip_forward="1")))
    outcome = outcome_of({"agent": "allowed"}, {"agent": "allowed"}, plans=[plan], applied=["netlink_sysctl"])
    assert states(outcome) == {"agent": "fixed"}


def test_check_mode_previews_and_never_says_fixed():
    found = [finding(remedy=capability())]
    outcome = outcome_of({"agent": "refused"}, None, found, plans=[planned(*found)], applied=["netlink_capability"])
    assert (states(outcome), outcome.failures) == ({"agent": "preview"}, [])


def test_check_mode_fails_where_the_run_would_fail():
    found = [finding(cause="foreign_netns", advice="Use another netns.")]
    outcome = outcome_of({"agent": "refused"}, None, found, plans=[planned(*found)])
    assert states(outcome) == {"agent": "refused"}
    assert outcome.failures == ["agent: agent is refused. Use another netns"]


def test_a_running_process_that_got_a_file_capability_is_pending():
    found = [finding(remedy=capability())]
    plan = planned(*found, running=True)
    outcome = outcome_of(
        {"agent": "refused"}, {"agent": "refused"}, found, running=True, plans=[plan], applied=["netlink_capability"]
    )
    assert (states(outcome), outcome.failures, outcome.revert) == ({"agent": "pending"}, [], [])


def test_a_remedy_that_did_not_help_is_reverted_and_fails_the_host():
    found = [finding(remedy=capability())]
    outcome = outcome_of(
        {"agent": "refused"}, {"agent": "refused"}, found, plans=[planned(*found)], applied=["netlink_capability"]
    )
    assert states(outcome) == {"agent": "refused"}
    assert reverts(outcome) == [("0 netlink_capability", None)]
    assert outcome.failures == ["agent is still refused: agent is refused"]


@pytest.mark.parametrize(
    ("remedies", "reverted"),
    [
        ((capability("/opt/a"), capability("/opt/b")), [("0 netlink_capability", ["/opt/b security.capability"])]),
        ((capability("/opt/a"), capability("/opt/a", "cap_net_raw+ep")), []),
        ((sysctl(net__a="1"), sysctl(net__b="1")), []),
    ],
    ids=["single files are reverted", "a shared file stays", "sysctls stay, they share a file"],
)
def test_a_change_that_helped_one_of_its_workloads_stays(remedies, reverted):
    found = [finding("a", remedy=remedies[0]), finding("b", remedy=remedies[1])]
    outcome = outcome_of(
        {"a": "refused", "b": "refused"},
        {"a": "allowed", "b": "refused"},
        found[1:],
        named=("a", "b"),
        plans=[planned(*found)],
        applied=[remedies[0].role],
    )
    assert states(outcome) == {"a": "fixed", "b": "refused"}
    assert reverts(outcome) == reverted
    assert len(outcome.failures) == 1


def test_reverts_are_newest_first():
    found = [finding(remedy=capability()), finding(gate="object", remedy=link(name="eth1", state="up"))]
    outcome = outcome_of(
        {"agent": "refused"},
        {"agent": "refused"},
        found,
        plans=[planned(*found)],
        applied=["netlink_capability", "netlink_link"],
    )
    assert reverts(outcome) == [("2 netlink_link", None), ("0 netlink_capability", None)]


def test_a_role_left_out_by_tags_reverts_nothing():
    found = [finding(remedy=capability()), finding(gate="object", remedy=link(name="eth1", state="up"))]
    outcome = outcome_of(
        {"agent": "refused"}, {"agent": "refused"}, found, plans=[planned(*found)], applied=["netlink_link"]
    )
    assert states(outcome) == {"agent": "partial"}
    assert outcome.revert == []
    assert outcome.failures == ["agent is still refused: netlink_capability was left out"]


def test_check_mode_says_what_tags_leave_out():
    found = [finding(remedy=capability()), finding(gate="object", remedy=link(name="eth1", state="up"))]
    outcome = outcome_of({"agent": "refused"}, None, found, plans=[planned(*found)], applied=["netlink_link"])
    assert states(outcome) == {"agent": "partial"}


def test_a_role_that_failed_reverts_what_did_not_help():
    found = [finding(remedy=capability()), finding(gate="object", remedy=link(name="eth1", state="up"))]
    outcome = outcome_of(
        {"agent": "refused"},
        {"agent": "refused"},
        found,
        plans=[planned(*found)],
        applied=["netlink_capability"],
        errors=["netlink_link: eth1 does not exist"],
    )
    assert reverts(outcome) == [("0 netlink_capability", None)]
    assert outcome.failures[0] == "netlink_link: eth1 does not exist"


def test_an_unknown_verdict_neither_fails_nor_reverts():
    found = [finding(remedy=capability())]
    outcome = outcome_of(
        {"agent": "refused"}, {"agent": "unknown"}, found, plans=[planned(*found)], applied=["netlink_capability"]
    )
    assert (states(outcome), outcome.failures, outcome.revert) == ({"agent": "unknown"}, [], [])


def test_a_workload_that_nobody_named_never_fails_a_host():
    outcome = outcome_of({"seen": "refused"}, {"seen": "refused"}, [finding("seen", remedy=capability())])
    assert (states(outcome), outcome.failures) == ({"seen": "reported"}, [])


def test_state_asked_for_by_variables_is_never_reverted():
    extra = [Item("netlink_remediate_links", "wanted", "by_variable", "netlink_link", {"netlink_link_links": []})]
    plan = make_plan([], extra=extra)
    outcome = outcome_of({"agent": "refused"}, {"agent": "refused"}, plans=[plan], applied=["netlink_link"])
    assert outcome.revert == []
