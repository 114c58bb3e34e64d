# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 3a out of the answers of the policy that a state holds."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose import diagnose
from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._parts import (
    Denial,
    Domain,
    Executable,
    KernelModule,
    Probe,
    Transition,
)
from ansible_collections.netlink.remediation.plugins.module_utils._plain import from_plain, to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._selinux import checks_of
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    Credentials,
    Host,
    IdRange,
    NetNamespace,
    Process,
    State,
    Thread,
    UserNamespace,
    Workload,
)

USER_NS, NET_NS, CHILD_NS = 4026531837, 4026531840, 4026532000
CONTEXT = "system_u:system_r:{}:s0"
ROOT = Credentials(effective=ALL_CAPABILITIES, permitted=ALL_CAPABILITIES, bounding=ALL_CAPABILITIES)


def answers(name, *denied, operation="link", hidden=(), capability="capability", permissive=False, extended=False):
    """A domain that is denied some words ("class permission") and allowed the rest of an operation."""
    domain = Domain(CONTEXT.format(name), name, permissive)
    wanted = [check.words for check in checks_of(operation, extended)]
    for word in [*wanted, "capability net_admin", "cap_userns net_admin"]:
        kind, permission = word.split()
        (domain.denied if word in denied else domain.allowed).setdefault(kind, []).append(permission)
    for word in hidden:
        kind, permission = word.split()
        domain.hidden.setdefault(kind, []).append(permission)
    return domain


def host_of(workload, *domains, mode="enforcing"):
    """The state of a host with SELinux, one process 100 in the workload's domain, and the initial namespaces."""
    state = State(workloads=[workload])
    state.host = Host(lsm=["capability", "selinux"], selinux=mode, initial_user_ns=USER_NS, initial_net_ns=NET_NS)
    state.host.kernel = [6, 12]
    all_ids = [IdRange(0, 0, 4294967295)]
    initial = UserNamespace(USER_NS, uid_map=all_ids, gid_map=all_ids)
    state.user_namespaces = {USER_NS: initial, CHILD_NS: UserNamespace(CHILD_NS, USER_NS, 1000)}
    state.net_namespaces = {NET_NS: NetNamespace(NET_NS, USER_NS)}
    process = Process(100, 1, 1, "agent", executable="/usr/sbin/agent", label=workload.label)
    process.threads = [Thread(100, "agent", ROOT, USER_NS, NET_NS)]
    state.processes = {100: process} if workload.processes else {}
    state.executables = {"/usr/sbin/agent": Executable("/usr/sbin/agent", real_path="/usr/sbin/agent", mode=0o755)}
    state.executables["/usr/sbin/agent"].uid = state.executables["/usr/sbin/agent"].gid = 0
    state.domains = {domain.context: domain for domain in domains}
    return state


def running(name="agent_t", **more):
    label = CONTEXT.format(name)
    workload = Workload("agent", "pid", pid=100, processes=[100], label=label, **more)
    for operation in workload.operations:
        workload.probes.append(Probe(operation, "allowed", layer="ack", not_reproduced=[f"LSM label {label}"]))
    return workload


def starting(**transition):
    """A program that a login starts, from user_t to agent_t unless given."""
    workload = Workload("agent", "executable", executable="/usr/sbin/agent", user="root", credentials=ROOT)
    workload.user_ns, workload.net_ns = USER_NS, NET_NS
    values = {"before": CONTEXT.format("user_t"), "file": "/usr/sbin/agent", "after": CONTEXT.format("agent_t")}
    workload.transition = Transition(**{**values, **transition})
    workload.label = workload.transition.after
    workload.probes = [Probe("link", "allowed", layer="ack", not_reproduced=[f"LSM label {workload.label}"])]
    return workload


def judged(state):
    """Verdict and findings; they must survive a snapshot."""
    diagnosis = diagnose(from_plain(State, to_plain(state)))
    return diagnosis.verdicts[0].verdict, [item for item in diagnosis.findings if item.cause == "selinux_denied"]


def test_a_domain_that_is_allowed_everything_makes_the_probe_count():
    assert judged(host_of(running(), answers("agent_t"))) == ("allowed", [])


def test_without_an_answer_of_the_policy_it_stays_unknown():
    assert judged(host_of(running())) == ("unknown", [])


def test_a_permission_that_was_not_asked_about_leaves_it_unknown():
    domain = answers("agent_t")
    domain.allowed["netlink_route_socket"].remove("write")
    assert judged(host_of(running(), domain)) == ("unknown", [])


@pytest.mark.parametrize("mode", ["permissive", "enforcing"])
def test_what_is_only_logged_refuses_nothing(mode):
    domain = answers("agent_t", "netlink_route_socket create", permissive=mode == "enforcing")
    assert judged(host_of(running(), domain, mode=mode)) == ("allowed", [])


def test_all_that_is_missing_is_named_at_once_in_the_order_of_the_gates():
    denied = ["netlink_route_socket create", "netlink_route_socket nlmsg_write", "capability net_admin"]
    verdict, findings = judged(host_of(running(), answers("agent_t", *denied)))
    assert verdict == "refused"
    assert [(item.reason, item.gate) for item in findings] == [
        ("netlink_socket", "socket"),
        ("nlmsg", "send"),
        ("capability", "ack"),
    ]
    assert {item.certainty for item in findings} == {"proven"}
    rules = [item.remedy.variables["netlink_selinux_allow"] for item in findings]
    assert rules[0] == [
        {"domain": "agent_t", "class": "netlink_route_socket", "permissions": ["create"], "target": "self"}
    ]
    assert "over the HOST network" in findings[2].remedy.adds[0]


def test_the_user_namespace_decides_the_class_of_the_capability():
    denied = answers("agent_t", "cap_userns net_admin")
    state = host_of(running(), denied)
    assert judged(state) == ("allowed", [])
    state.net_namespaces[NET_NS].owner = state.processes[100].threads[0].user_ns = CHILD_NS
    verdict, findings = judged(state)
    assert (verdict, [item.reason for item in findings]) == ("refused", ["capability"])
    assert findings[0].remedy.variables["netlink_selinux_allow"][0]["class"] == "cap_userns"


def test_what_not_every_client_needs_may_refuse_and_a_record_makes_it_certain():
    domain = answers("agent_t", "netlink_route_socket bind")
    verdict, (finding,) = judged(host_of(running(), domain))
    assert (verdict, finding.effect, finding.certainty) == ("unknown", "may_refuse", "likely")
    record = Denial("audit", "selinux", "bind", "netlink_route_socket", 1.0, 1.0, subject=domain.context, pid=100)
    verdict, (finding,) = judged(host_of(running(evidence=[record]), domain))
    assert (verdict, finding.effect, finding.certainty) == ("refused", "refuses", "proven")


@pytest.mark.parametrize("change", [{"enforced": False}, {"subject": CONTEXT.format("other_t")}, {"succeeded": True}])
def test_a_record_of_another_domain_or_that_stopped_nothing_proves_nothing(change):
    domain = answers("agent_t", "netlink_route_socket bind")
    values = {"subject": domain.context, "pid": 100, **change}
    record = Denial("audit", "selinux", "bind", "netlink_route_socket", 1.0, 1.0, **values)
    assert judged(host_of(running(evidence=[record]), domain))[0] == "unknown"


def test_ip_is_known_to_bind():
    state = host_of(running(), answers("agent_t", "netlink_route_socket bind"))
    state.executables["/usr/sbin/agent"].drops_capabilities = True
    assert judged(state)[0] == "refused"


def test_a_denial_that_no_log_tells_is_said_to_be_hidden():
    domain = answers("agent_t", "capability net_admin", hidden=["capability net_admin"])
    (finding,) = judged(host_of(running(), domain))[1]
    assert "dontaudit" in finding.evidence[0].text


@pytest.mark.parametrize(("name", "owner"), [("container_t", "container engine"), ("initrc_t", "host")])
def test_the_domain_of_many_programs_gets_no_rule(name, owner):
    (finding,) = judged(host_of(running(name), answers(name, "capability net_admin")))[1]
    assert finding.remedy is None and "domain of its own" in finding.advice and finding.policy_owner == owner


def test_a_boolean_comes_before_a_rule_and_others_that_would_do_are_named():
    domain = answers("agent_t", "capability net_admin", "netlink_route_socket nlmsg_write")
    domain.booleans = {"narrow": ["capability net_admin"]}
    domain.booleans |= {"wide": ["capability net_admin", "netlink_route_socket nlmsg_write"]}
    (finding,) = judged(host_of(running(), domain))[1]
    assert (finding.reason, finding.gate) == ("boolean_off", "send")
    assert finding.remedy.variables == {"netlink_selinux_booleans": {"wide": True}}


def test_a_boolean_that_leaves_something_of_the_same_reason_is_no_use():
    domain = answers("agent_t", "netlink_route_socket create", "netlink_route_socket write")
    domain.booleans = {"half": ["netlink_route_socket create"]}
    (finding,) = judged(host_of(running(), domain))[1]
    assert finding.reason == "netlink_socket" and "netlink_selinux_allow" in finding.remedy.variables


def test_extended_permissions_are_never_taken_for_an_answer():
    domain = answers("agent_t", extended=True)
    domain.partly = {"netlink_route_socket": ["nlmsg"]}
    assert judged(host_of(running(), domain)) == ("unknown", [])
    domain = answers("agent_t", "netlink_route_socket nlmsg", extended=True)
    verdict, (finding,) = judged(host_of(running(), domain))
    assert (verdict, finding.reason) == ("refused", "nlmsg")


def test_a_program_that_does_not_run_is_judged_by_the_domain_that_it_will_get():
    denied = answers("agent_t", "capability net_admin")
    verdict, (finding,) = judged(host_of(starting(), denied))
    assert (verdict, finding.certainty) == ("refused", "likely")
    assert any("user_t" in entry.text and "agent_t" in entry.text for entry in finding.evidence)
    assert judged(host_of(starting(), answers("agent_t"))) == ("allowed", [])


def test_a_program_of_which_the_domain_is_not_known_stays_unknown():
    workload = starting()
    workload.transition = workload.label = None
    workload.probes = [Probe("link", "allowed", layer="ack")]
    assert judged(host_of(workload, answers("agent_t")))[0] == "unknown"


def with_labels(state, label, expected):
    file = state.executables["/usr/sbin/agent"]
    file.label, file.expected_label = f"system_u:object_r:{label}:s0", f"system_u:object_r:{expected}:s0"
    return state


def test_a_wrong_label_is_mended_and_the_wrong_domain_allowed_nothing():
    right = CONTEXT.format("right_t")
    domains = [answers("agent_t", "capability net_admin", "netlink_route_socket create"), answers("right_t")]
    state = with_labels(host_of(starting(mended=right), *domains), "agent_exec_t", "right_exec_t")
    verdict, (finding,) = judged(state)
    assert (verdict, finding.reason, finding.gate) == ("refused", "mislabelled", "socket")
    contexts = [{"path": "/usr/sbin/agent", "type": "right_exec_t"}]
    assert finding.remedy.variables == {"netlink_selinux_contexts": contexts}


def test_what_the_right_domain_lacks_as_well_is_allowed_to_that_one():
    right = CONTEXT.format("right_t")
    domains = [
        answers("agent_t", "capability net_admin", "netlink_route_socket create"),
        answers("right_t", "capability net_admin"),
    ]
    state = with_labels(host_of(starting(mended=right), *domains), "agent_exec_t", "right_exec_t")
    findings = judged(state)[1]
    assert [item.reason for item in findings] == ["mislabelled", "capability"]
    assert findings[1].remedy.variables["netlink_selinux_allow"][0]["domain"] == "right_t"


def test_a_wrong_label_that_changes_nothing_is_no_cause():
    domains = [answers("agent_t", "capability net_admin"), answers("right_t", "capability net_admin")]
    state = with_labels(host_of(starting(mended=CONTEXT.format("right_t")), *domains), "agent_exec_t", "right_exec_t")
    (finding,) = judged(state)[1]
    assert finding.reason == "capability"
    assert finding.remedy.variables["netlink_selinux_allow"][0]["domain"] == "agent_t"


def test_a_file_that_others_can_write_is_not_labelled_for_them():
    domains = [answers("agent_t", "capability net_admin"), answers("right_t")]
    state = with_labels(host_of(starting(mended=CONTEXT.format("right_t")), *domains), "agent_exec_t", "right_exec_t")
    state.executables["/usr/sbin/agent"].writable_by = "/usr/sbin/agent"
    (finding,) = judged(state)[1]
    assert finding.remedy is None and "/usr/sbin/agent" in finding.advice


def test_a_start_that_the_policy_refuses_is_no_matter_of_rules_for_netlink():
    verdict, findings = judged(host_of(starting(refused=["file entrypoint"]), answers("agent_t")))
    assert (verdict, [item.reason for item in findings]) == ("refused", ["entrypoint"])
    assert findings[0].remedy is None and findings[0].gate == "execve"


def test_a_start_that_the_label_refuses_is_mended_by_the_label():
    values = {"refused": ["file execute"], "mended": CONTEXT.format("agent_t")}
    state = with_labels(host_of(starting(**values), answers("agent_t")), "user_home_t", "agent_exec_t")
    verdict, (finding,) = judged(state)
    assert (verdict, finding.reason, finding.gate) == ("refused", "mislabelled", "execve")


def test_who_was_not_named_and_of_whom_nothing_was_recorded_is_left_in_peace():
    domain = answers("agent_t", "capability net_admin")
    state = host_of(running(discovered=True), domain)
    assert not diagnose(state).findings


def test_the_node_of_tun_devices_and_user_namespaces_get_advice():
    for operation, word in (("tun", "chr_file open"), ("userns", "user_namespace create")):
        domain = answers("agent_t", word, operation=operation)
        (finding,) = judged(host_of(running(operations=[operation]), domain))[1]
        assert finding.remedy is None and "netlink_selinux_classes" in finding.advice


def test_a_process_that_chose_its_domain_is_not_judged_by_the_label_of_its_program():
    workload = running("chosen_t")
    values = {
        "before": CONTEXT.format("user_t"),
        "after": CONTEXT.format("agent_t"),
        "mended": CONTEXT.format("right_t"),
    }
    workload.transition = Transition(file="/usr/sbin/agent", **values)
    domains = [answers("chosen_t", "capability net_admin"), answers("agent_t"), answers("right_t")]
    state = with_labels(host_of(workload, *domains), "agent_exec_t", "right_exec_t")
    (finding,) = judged(state)[1]
    assert finding.reason == "capability"
    workload.transition.after = CONTEXT.format("chosen_t")
    (finding,) = judged(state)[1]
    assert finding.reason == "mislabelled"


@pytest.mark.parametrize(("present", "refused"), [(False, True), (True, False)])
def test_a_module_that_the_domain_may_not_ask_for_is_loaded_for_it(present, refused):
    domain = answers("agent_t")
    domain.denied["system"] = ["module_request"]
    state = host_of(running(link_kind="vxlan"), domain)
    state.modules = [KernelModule("kind vxlan", "vxlan", present, file="/lib/modules/6.12/vxlan.ko")]
    verdict, findings = judged(state)
    assert verdict == ("refused" if refused else "allowed")
    assert [item.reason for item in findings] == ["module_request"] * refused
    if refused:
        assert findings[0].gate == "object"
        modules = [{"name": "vxlan", "state": "present"}]
        assert findings[0].remedy.variables == {"netlink_module_modules": modules}
