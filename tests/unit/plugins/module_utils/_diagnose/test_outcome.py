# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcome: what became of the workloads, what is taken back, why a host fails."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._outcome import judge_outcome
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._plan import ROLES, Call, Item, make_plan
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._diagnose._samples import (
    capability,
    container,
    finding,
    link,
    sysctl,
    unit,
    userns,
)

MODULE = {
    "netlink_capability": "file_capabilities",
    "netlink_container": "container_capabilities",
    "netlink_unit": "unit_dropin",
    "netlink_sysctl": "sysctl_settings",
    "netlink_userns": "subid_ranges",
    "netlink_link": "link_state",
}
UNIT_FILE = "/etc/systemd/system/{}.d/50-netlink-remediation.conf"


def name_of(role):
    """The id of the receipt that a role leaves in these tests; it tells when the role ran."""
    return f"{ROLES.index(role)} {role}"


def receipt(role, *targets, **more):
    changes = [{"target": target} for target in targets]
    return {"id": name_of(role), "module": f"x.y.{MODULE[role]}", "changes": changes, **more}


def call(role, workloads=("agent",), **more):
    return Call(role, list(workloads), **{"changed": True, "receipt": name_of(role), **more})


def outcome_of(before, after, found=(), running=False, plans=(), applied=(), errors=(), named=("agent",), **more):
    """The outcome where each role in `applied` changed something for its workloads, and left a receipt of it."""
    roles = [(plan, role) for plan in plans for role in applied if role in plan.roles]
    calls = more.get("calls", [call(role, plan.roles[role].workloads) for plan, role in roles])
    left = more.get("receipts", [] if after is None else [receipt(role, *more.get("targets", [])) for role in applied])
    return judge_outcome(before, after, list(found), dict.fromkeys(named, running), list(plans), calls, errors, left)


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
    ("remedies", "targets", "reverted"),
    [
        (
            (capability("/opt/a"), capability("/opt/b")),
            ["/opt/a security.capability", "/opt/b security.capability"],
            ["/opt/b security.capability"],
        ),
        ((capability("/opt/a"), capability("/opt/a", "cap_net_raw+ep")), ["/opt/a security.capability"], None),
        ((sysctl(net__a="1"), sysctl(net__b="1")), ["/etc/sysctl.d/x.conf", "net.a", "net.b"], None),
        (
            (unit("a.service", grant=["cap_net_admin"]), unit("b.service", grant=["cap_net_admin"])),
            [UNIT_FILE.format("a.service"), UNIT_FILE.format("b.service"), "unit a.service", "unit b.service"],
            [UNIT_FILE.format("b.service"), "unit b.service"],
        ),
        ((unit(grant=["cap_net_admin"]), unit(lift=["private_users"])), [UNIT_FILE.format("agent.service")], None),
        ((container("a", cap_add=["NET_ADMIN"]), container("b", cap_add=["NET_ADMIN"])), ["/srv/override.json"], None),
    ],
    ids=["files", "a shared file", "sysctls share a file", "units", "a shared unit", "containers may share a file"],
)
def test_a_change_that_helped_one_of_its_workloads_stays(remedies, targets, reverted):
    found = [finding("a", remedy=remedies[0]), finding("b", remedy=remedies[1])]
    outcome = outcome_of(
        {"a": "refused", "b": "refused"},
        {"a": "allowed", "b": "refused"},
        found[1:],
        named=("a", "b"),
        plans=[planned(*found)],
        applied=[remedies[0].role],
        targets=targets,
    )
    assert states(outcome) == {"a": "fixed", "b": "refused"}
    assert reverts(outcome) == ([(name_of(remedies[0].role), reverted)] if reverted else [])
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
    assert reverts(outcome) == [("7 netlink_link", None), ("0 netlink_capability", None)]


def test_a_role_left_out_by_tags_reverts_nothing():
    found = [finding(remedy=capability()), finding(gate="object", remedy=link(name="eth1", state="up"))]
    outcome = outcome_of(
        {"agent": "refused"}, {"agent": "refused"}, found, plans=[planned(*found)], applied=["netlink_link"]
    )
    assert states(outcome) == {"agent": "partial"}
    assert outcome.revert == []
    assert outcome.failures == ["agent is still refused: netlink_capability was left out by --tags or --skip-tags"]


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


# --- what waits for a new start ---------------------------------------------------------------------------------------

GRANT = finding(remedy=unit(grant=["cap_net_admin"]))
START = finding(
    cause="unit_sandbox", reason="not_restarted", remedy=unit(adds=(), consent=["restart"], restart=True), pending=True
)
REFUSED = {"agent": "refused"}
RESTART = [{"kind": "unit", "name": "agent.service"}]


@pytest.mark.parametrize("after", [REFUSED, {"agent": "unknown"}], ids=["refused", "unknown"])
@pytest.mark.parametrize(
    ("kind", "name", "remedy", "says"),
    [
        (
            "unit",
            "agent.service",
            unit(grant=["cap_net_admin"]),
            "restart agent.service, or accept that with {}: [restart]",
        ),
        (
            "container",
            "app/web",
            container(cap_add=["NET_ADMIN"]),
            "recreate app/web, or accept that with {}: [recreate]",
        ),
        ("container", "web1", container(cap_add=["NET_ADMIN"]), "restart web1, or accept that with {}: [restart]"),
        (
            "unit",
            "web.service",
            container(cap_add=["NET_ADMIN"]),
            "restart web.service, or accept that with {}: [restart]",
        ),
        ("process", "web1", container(cap_add=["NET_ADMIN"]), "it takes effect with a new start: start web1 anew"),
        ("daemon", "docker", userns(daemon={"a": 1}), "restart the daemon docker, or accept that with {}: [restart]"),
    ],
)
def test_what_was_not_started_anew_is_pending_and_says_what_to_do(after, kind, name, remedy, says):
    found = [finding(remedy=remedy)]
    calls = [call(remedy.role, restart_required=[{"kind": kind, "name": name}])]
    outcome = outcome_of(REFUSED, after, found, True, [planned(*found)], [remedy.role], calls=calls)
    assert (states(outcome), outcome.failures, outcome.revert) == ({"agent": "pending"}, [], [])
    assert says.format("netlink_remediate_accept") in outcome.results[0].why


def test_check_mode_says_which_start_it_will_take():
    calls = [call("netlink_unit", restart_required=RESTART)]
    outcome = outcome_of(REFUSED, None, [GRANT], True, [planned(GRANT)], calls=calls)
    assert states(outcome) == {"agent": "preview"}
    assert "restart agent.service, or accept that" in outcome.results[0].why


@pytest.mark.parametrize("after", [REFUSED, None], ids=["run", "check mode"])
def test_files_that_were_written_by_an_earlier_run_wait_for_their_start(after):
    calls = [call("netlink_unit", changed=False, receipt=None, restart_required=RESTART)]
    outcome = outcome_of(REFUSED, after, [GRANT], True, [planned(GRANT)], calls=calls)
    assert (states(outcome), outcome.failures) == ({"agent": "pending"}, [])


@pytest.mark.parametrize("after", [REFUSED, None], ids=["run", "check mode"])
def test_a_start_that_was_due_before_is_pending_until_it_is_accepted(after):
    outcome = outcome_of(REFUSED, after, [START], True, [planned(START)])
    assert (states(outcome), outcome.failures) == ({"agent": "pending"}, [])
    assert "restart agent.service, or accept that with netlink_remediate_accept: [restart]" in outcome.results[0].why


def test_a_start_that_was_due_before_and_is_accepted_is_previewed_and_fixed():
    plan = make_plan([START], ["restart"], {"agent": True})
    assert states(outcome_of(REFUSED, None, [START], True, [plan], ["netlink_unit"])) == {"agent": "preview"}
    fixed = outcome_of(REFUSED, {"agent": "allowed"}, [], True, [plan], ["netlink_unit"])
    assert states(fixed) == {"agent": "fixed"}


def test_of_two_containers_each_workload_is_told_its_own():
    found = [finding(name, remedy=container(name, cap_add=["NET_ADMIN"])) for name in ("a1", "b1")]
    waiting = [{"kind": "container", "name": name} for name in ("a1", "b1")]
    calls = [call("netlink_container", ["a1", "b1"], restart_required=waiting)]
    refused = dict.fromkeys(("a1", "b1"), "refused")
    outcome = outcome_of(refused, refused, named=("a1", "b1"), plans=[planned(*found)], calls=calls)
    assert ["restart a1" in one.why for one in outcome.results] == [True, False]
    assert ["restart b1" in one.why for one in outcome.results] == [False, True]


def test_a_container_whose_new_start_is_due_is_told_the_word_of_its_remedy():
    again = container(adds=(), consent=["recreate"], recreate=True)
    found = [finding(cause="container_without_capability", reason="not_applied", remedy=again, pending=True)]
    outcome = outcome_of(REFUSED, REFUSED, found, True, [planned(*found)])
    assert "recreate web1, or accept that with netlink_remediate_accept: [recreate]" in outcome.results[0].why


def test_a_finding_that_waits_without_a_remedy_says_what_its_cause_advises():
    found = [finding(pending=True, advice="Start it anew.")]
    for after in (REFUSED, None):
        outcome = outcome_of(REFUSED, after, found, True, [planned(*found)])
        assert (states(outcome), outcome.failures) == ({"agent": "pending"}, [])
        assert outcome.results[0].why == "Start it anew."


# --- what changed nothing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [REFUSED, None], ids=["run", "check mode"])
def test_a_role_that_changed_nothing_mends_nothing_and_says_what_it_advises(after):
    found = [finding(remedy=container(cap_add=["NET_ADMIN"]))]
    calls = [call("netlink_container", changed=False, receipt=None, advice={"web1": "Add --cap-add NET_ADMIN."})]
    outcome = outcome_of(REFUSED, after, found, True, [planned(*found)], calls=calls)
    assert states(outcome) == {"agent": "refused"}
    assert "Role netlink_container changed nothing for it. Add --cap-add NET_ADMIN" in outcome.failures[0]
    assert outcome.revert == []


def test_a_container_that_a_role_only_advised_on_is_not_mended_by_what_it_did_to_another():
    found = [finding(name, remedy=container(name, cap_add=["NET_ADMIN"])) for name in ("a1", "b1")]
    calls = [call("netlink_container", ["a1", "b1"], advice={"b1": "Patch the pod."})]
    refused = dict.fromkeys(("a1", "b1"), "refused")
    outcome = outcome_of(refused, None, found, True, [planned(*found)], calls=calls, named=("a1", "b1"))
    assert states(outcome) == {"a1": "preview", "b1": "refused"}
    assert outcome.failures == ["b1: b1 is refused. Role netlink_container changed nothing for it. Patch the pod"]


def test_a_workload_that_passes_without_a_change_is_no_success_of_ours():
    calls = [call("netlink_unit", changed=False, receipt=None)]
    outcome = outcome_of(REFUSED, {"agent": "allowed"}, [], True, [planned(GRANT)], calls=calls)
    assert states(outcome) == {"agent": "allowed"}


def test_check_mode_never_says_fixed():
    later = finding(effect="later", remedy=sysctl(net__ipv4__ip_forward="1"))
    plan = planned(later, finding(gate="object", effect="none", remedy=link(name="eth1", state="up")))
    outcome = outcome_of({"agent": "allowed"}, None, [later], plans=[plan], applied=["netlink_sysctl"])
    assert states(outcome) == {"agent": "allowed"}


# --- whose receipt is it ----------------------------------------------------------------------------------------------

HOST = userns(containers=[{"container": "web1", "userns": "host"}])


@pytest.mark.parametrize(
    ("fixed", "reverted"), [("a", ["6 netlink_userns"]), ("b", ["1 netlink_container"]), ("ab", [])]
)
def test_receipts_of_one_module_are_told_apart_by_the_role_that_got_them(fixed, reverted):
    found = [finding("a", remedy=container(cap_add=["NET_ADMIN"])), finding("b", gate="setns", remedy=HOST)]
    module = "container_capabilities"
    outcome = outcome_of(
        dict.fromkeys("ab", "refused"),
        {name: "allowed" if name in fixed else "refused" for name in "ab"},
        named=("a", "b"),
        plans=[planned(*found)],
        applied=["netlink_container", "netlink_userns"],
        receipts=[receipt("netlink_container", module=module), receipt("netlink_userns", module=module)],
    )
    assert [entry.id for entry in outcome.revert] == reverted


@pytest.mark.parametrize(("fixed", "reverted"), [("a", []), ("b", []), ("", ["1 netlink_container"])])
def test_a_receipt_that_no_role_got_is_taken_back_only_if_it_can_have_helped_nobody(fixed, reverted):
    found = [finding("a", remedy=container(cap_add=["NET_ADMIN"])), finding("b", gate="setns", remedy=HOST)]
    outcome = outcome_of(
        dict.fromkeys("ab", "refused"),
        {name: "allowed" if name in fixed else "refused" for name in "ab"},
        named=("a", "b"),
        plans=[planned(*found)],
        errors=["the daemon did not come up"],
        receipts=[receipt("netlink_container")],
    )
    assert [entry.id for entry in outcome.revert] == reverted


def test_a_receipt_of_a_later_round_is_judged_by_those_of_that_round():
    first = planned(finding("a", remedy=unit("a.service", grant=["cap_net_admin"])))
    second = planned(finding("b", remedy=unit("b.service", grant=["cap_net_admin"])))
    outcome = outcome_of(
        dict.fromkeys("ab", "refused"),
        {"a": "allowed", "b": "refused"},
        named=("a", "b"),
        plans=[first, second],
        calls=[call("netlink_unit", "a", receipt="1"), call("netlink_unit", "b", receipt="2")],
        receipts=[receipt("netlink_unit", id="1"), receipt("netlink_unit", id="2")],
    )
    assert reverts(outcome) == [("2", None)]
