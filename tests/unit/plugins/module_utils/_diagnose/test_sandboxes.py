# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What units and containers take away: judged from states that the tests on real hosts do not reach cheaply."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose import diagnose
from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES, CAP_NET_ADMIN
from ansible_collections.netlink.remediation.plugins.module_utils._parts import (
    Container,
    ContainerOwner,
    Directive,
    Executable,
    Link,
    Probe,
    Seccomp,
    Sysctl,
    Unit,
)
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

INIT_USER, INIT_NET, OWN_NET = 4026531837, 4026531840, 4026532000
BIT = 1 << CAP_NET_ADMIN
OTHERS = ALL_CAPABILITIES & ~BIT
ROOT = Credentials(effective=ALL_CAPABILITIES, permitted=ALL_CAPABILITIES, bounding=ALL_CAPABILITIES)
BOUND = Credentials(effective=OTHERS, permitted=OTHERS, bounding=OTHERS)
USER = Credentials(1, 1, 1, 1, 1, 1, 1, 1, bounding=ALL_CAPABILITIES)
FILE = "/etc/systemd/system/w.service"


def unit(*lines: str, **more: Any) -> Unit:
    directives = [
        Directive("Service", line.partition("=")[0], line.partition("=")[2], FILE, number)
        for number, line in enumerate(lines, 3)
    ]
    return Unit("w.service", load="loaded", directives=directives, **more)


def container(kind: str = "hand", **more: Any) -> Container:
    owner = ContainerOwner(kind, files=["/srv/app/compose.yml"], project="app", service="web")
    found = Container("c" * 64, "web1", "docker", pid=42, specification="/run/config.json", owner=owner)
    return dataclasses.replace(found, **more)


def state(credentials: Credentials = ROOT, *, answer: str = "EPERM", **found: Any) -> State:
    """Process 42, of a unit or in a container; found: unit or container, operations, interface, net_ns."""
    own_unit, box = found.get("unit"), found.get("container")
    net_ns = found.get("net_ns", INIT_NET)
    process = Process(42, 1, 1, "netd", [Thread(42, "netd", credentials, INIT_USER, net_ns)], executable="/srv/netd")
    process.unit, process.container = (own_unit.name if own_unit else None), (box.id if box else None)
    operations = found.get("operations", ["link"])
    seccomp = ["seccomp filter"] if credentials.seccomp else []
    probes = [Probe(operation, answer, layer="ack", not_reproduced=seccomp) for operation in operations]
    kind = "unit" if own_unit else "container"
    workload = Workload("w", kind, unit="w.service" if own_unit else None, processes=[42], operations=operations)
    workload.probes, workload.interface = probes, found.get("interface")
    return State(
        host=Host(kernel=[6, 18], initial_user_ns=INIT_USER, initial_net_ns=INIT_NET, bounding=ALL_CAPABILITIES),
        workloads=[workload],
        processes={42: process},
        user_namespaces={INIT_USER: UserNamespace(INIT_USER)},
        net_namespaces={
            INIT_NET: NetNamespace(INIT_NET, INIT_USER, links=[Link(1, "lo"), Link(2, "eth7")], routes=[]),
            OWN_NET: NetNamespace(OWN_NET, INIT_USER, links=[Link(1, "lo")], routes=[]),
        },
        executables={"/srv/netd": Executable("/srv/netd", real_path="/srv/netd", mode=0o100755, uid=0, gid=0)},
        units={own_unit.name: own_unit} if own_unit else {},
        containers={box.id: box} if box else {},
    )


def first(found: State) -> Any:
    return diagnose(found).findings[0]


# --- units ------------------------------------------------------------------------------------------------------------


def test_a_unit_that_runs_as_a_user_is_offered_an_ambient_capability() -> None:
    finding = first(state(USER, unit=unit("User=daemon")))
    assert (finding.cause, finding.reason, finding.policy_owner) == ("missing_capability", "not_root", "unit")
    assert finding.remedy.variables == {"netlink_unit_units": [{"unit": "w.service", "grant": ["cap_net_admin"]}]}
    assert finding.remedy.adds == ["w.service gains cap_net_admin over the HOST network"]
    assert finding.remedy.consent == []


def test_a_program_that_becomes_a_user_by_itself_gets_advice_since_a_grant_would_not_reach_it() -> None:
    finding = first(state(USER, unit=unit()))
    assert (finding.reason, finding.remedy) == ("dropped", None)
    assert "User=" in finding.advice


def test_a_bounding_set_is_blamed_with_its_line() -> None:
    finding = first(state(BOUND, unit=unit("User=", "CapabilityBoundingSet=CAP_CHOWN")))
    assert (finding.cause, finding.reason) == ("unit_sandbox", "capability_bounding_set")
    assert (finding.evidence[0].source, finding.evidence[0].text) == (f"{FILE}:4", "CapabilityBoundingSet=CAP_CHOWN")


def test_a_bounding_set_that_the_unit_does_not_limit_is_not_its_fault() -> None:
    finding = first(state(BOUND, unit=unit("CapabilityBoundingSet=~CAP_CHOWN")))
    assert (finding.cause, finding.reason) == ("missing_capability", "dropped")


@pytest.mark.parametrize(
    ("credentials", "lines"),
    [
        (USER, ("User=daemon", "AmbientCapabilities=CAP_NET_ADMIN")),
        (BOUND, ("CapabilityBoundingSet=CAP_NET_ADMIN",)),
    ],
)
def test_what_the_files_grant_by_now_waits_for_a_restart(credentials: Credentials, lines: tuple[str, ...]) -> None:
    finding = first(state(credentials, unit=unit(*lines, stale=True)))
    assert (finding.cause, finding.reason, finding.pending) == ("unit_sandbox", "not_restarted", True)
    assert finding.remedy.consent == ["restart"]
    assert finding.remedy.variables == {"netlink_unit_units": [{"unit": "w.service", "restart": True}]}


def ours(*lines: str) -> Unit:
    """A unit whose last line is our drop-in's, written after what runs was started."""
    made = unit(*lines, stale=True)
    made.directives[-1] = dataclasses.replace(made.directives[-1], file=f"{FILE}.d/50-netlink-remediation.conf", line=2)
    return made


@pytest.mark.parametrize(
    ("lines", "more"),
    [
        (("RestrictAddressFamilies=AF_INET", "RestrictAddressFamilies=AF_NETLINK"), {"seccomp": 2}),
        (("PrivateNetwork=yes", "PrivateNetwork=no"), {"net_ns": OWN_NET, "interface": "eth7"}),
        (("PrivateUsers=yes", "PrivateUsers=no"), {"user_ns": 7}),
    ],
)
def test_what_our_drop_in_lifted_waits_for_a_restart(lines: tuple[str, ...], more: dict[str, Any]) -> None:
    filtered = dataclasses.replace(ROOT, seccomp=more.pop("seccomp", 0))
    user_ns = more.pop("user_ns", INIT_USER)
    found = state(filtered, unit=ours(*lines), answer="allowed", **more)
    found.processes[42].threads[0].user_ns = user_ns
    found.user_namespaces[7] = UserNamespace(7, INIT_USER, 0)
    finding = first(found)
    assert (finding.cause, finding.reason, finding.pending) == ("unit_sandbox", "not_restarted", True)
    assert diagnose(found).verdicts[0].verdict in ("refused", "unknown")


def test_a_change_of_the_files_that_grants_nothing_is_no_reason_to_restart() -> None:
    finding = first(state(USER, unit=unit("User=daemon", stale=True)))
    assert (finding.cause, finding.reason) == ("missing_capability", "not_root")


def test_a_unit_that_grants_and_is_not_stale_has_a_program_that_drops() -> None:
    finding = first(state(USER, unit=unit("User=daemon", "AmbientCapabilities=CAP_NET_ADMIN")))
    assert (finding.cause, finding.remedy) == ("missing_capability", None)
    assert finding.advice


def test_a_unit_of_a_users_manager_gets_advice() -> None:
    finding = first(state(USER, unit=unit(manager="user")))
    assert (finding.cause, finding.reason, finding.remedy) == ("unit_sandbox", "user_manager", None)


def test_a_stale_socket_of_a_unit_is_offered_a_restart() -> None:
    from ansible_collections.netlink.remediation.plugins.module_utils._state import Socket

    found = state(ROOT, unit=unit(), answer="allowed")
    found.processes[42].sockets = [Socket(7, 0, INIT_NET, 33)]
    finding = first(found)
    assert (finding.reason, finding.remedy.consent) == ("stale_socket", ["restart"])


def test_a_network_without_the_named_link_is_blamed_on_the_line_that_made_it() -> None:
    finding = first(state(unit=unit("PrivateNetwork=yes"), net_ns=OWN_NET, interface="eth7", answer="allowed"))
    assert (finding.cause, finding.reason) == ("unit_sandbox", "private_network")
    assert finding.remedy.variables["netlink_unit_units"] == [{"unit": "w.service", "lift": ["private_network"]}]


def test_a_namespace_path_is_the_users_own_and_gets_advice() -> None:
    finding = first(state(unit=unit("NetworkNamespacePath=/run/netns/x"), net_ns=OWN_NET, interface="eth7"))
    assert (finding.reason, finding.remedy) == ("private_network", None)
    assert "/run/netns/x" in finding.advice


def test_a_link_that_the_private_network_has_is_no_finding() -> None:
    found = state(unit=unit("PrivateNetwork=yes"), net_ns=OWN_NET, interface="lo", answer="allowed")
    assert diagnose(found).findings == []


def test_read_only_tunables_matter_only_to_who_switches_forwarding() -> None:
    lines = unit("ProtectKernelTunables=yes")
    found = state(unit=lines, operations=["forward"], answer="EROFS")
    found.sysctls = [Sysctl("net/ipv4/ip_forward", INIT_NET, "0", read_only=True)]
    assert (first(found).reason, first(found).gate) == ("protect_kernel_tunables", "write")
    assert diagnose(state(unit=lines, answer="allowed")).findings == []


def test_a_filter_of_the_unit_that_lets_netlink_pass_leaves_no_doubt() -> None:
    filtered = dataclasses.replace(ROOT, seccomp=2)
    found = diagnose(state(filtered, unit=unit("LockPersonality=yes"), answer="allowed"))
    assert found.verdicts[0].verdict == "allowed"


@pytest.mark.parametrize("lines", [unit(), unit("LockPersonality=yes", stale=True)])
def test_a_filter_that_nobody_explains_leaves_the_verdict_open(lines: Unit) -> None:
    filtered = dataclasses.replace(ROOT, seccomp=2)
    assert diagnose(state(filtered, unit=lines, answer="allowed")).verdicts[0].verdict == "unknown"


def test_a_filter_of_files_that_changed_since_may_not_be_the_one_that_runs() -> None:
    filtered = dataclasses.replace(ROOT, seccomp=2)
    found = diagnose(state(filtered, unit=unit("RestrictAddressFamilies=AF_INET", stale=True), answer="allowed"))
    assert (found.findings[0].effect, found.verdicts[0].verdict) == ("may_refuse", "unknown")


def test_a_process_without_a_filter_is_not_refused_by_one() -> None:
    found = diagnose(state(unit=unit("RestrictAddressFamilies=AF_INET"), answer="allowed"))
    assert (found.findings, found.verdicts[0].verdict) == ([], "allowed")


@pytest.mark.parametrize(
    ("lines", "filters", "verdict"),
    [
        (("LockPersonality=yes",), 3, "allowed"),
        (("LockPersonality=yes",), 4, "unknown"),
        (("SystemCallArchitectures=native", "RestrictAddressFamilies=AF_NETLINK"), 3, "allowed"),
        (("SystemCallArchitectures=native", "RestrictAddressFamilies=AF_NETLINK"), 4, "unknown"),
        (("DynamicUser=yes", "RestrictSUIDSGID=yes"), 4, "unknown"),
    ],
)
def test_more_filters_than_the_unit_asks_for_are_the_programs_own(lines: Any, filters: int, verdict: str) -> None:
    found = state(dataclasses.replace(ROOT, seccomp=2), unit=unit(*lines), answer="allowed")
    found.processes[42].seccomp_filters = filters
    assert diagnose(found).verdicts[0].verdict == verdict


def stopped(*lines: str, credentials: Credentials = ROOT, **more: Any) -> State:
    """The same unit while it does not run."""
    found = state(unit=unit(*lines, **more.pop("unit", {})), answer="allowed", **more)
    workload = found.workloads[0]
    workload.processes, workload.executable, workload.credentials = [], "/srv/netd", credentials
    workload.user_ns, workload.net_ns = INIT_USER, INIT_NET
    all_ids = [IdRange(0, 0, 2**32 - 1)]
    found.user_namespaces[INIT_USER] = UserNamespace(INIT_USER, uid_map=all_ids, gid_map=all_ids)
    return found


def test_a_start_as_a_user_with_users_of_its_own_meets_both_gates() -> None:
    findings = diagnose(stopped("User=daemon", "PrivateUsers=yes", credentials=USER)).findings
    assert [finding.reason for finding in findings] == ["private_users", "not_root"]
    assert (findings[0].also, findings[1].policy_owner) == (["missing_capability"], "unit")


def test_users_of_its_own_do_not_keep_a_unit_from_a_new_network() -> None:
    found = diagnose(stopped("PrivateUsers=yes", operations=["netns"]))
    assert (found.findings, found.verdicts[0].verdict) == ([], "allowed")


def test_a_command_with_full_privilege_has_no_sandbox() -> None:
    found = diagnose(stopped("ExecStart=+/srv/netd", "PrivateUsers=yes", "RestrictAddressFamilies=AF_UNIX"))
    assert (found.findings, found.verdicts[0].verdict) == ([], "allowed")


@pytest.mark.parametrize(
    ("lines", "properties", "verdict"),
    [
        (("ExecStart=/srv/netd",), {"Result": "exit-code", "ExecMainStatus": "2"}, "allowed"),
        (("ExecStart=/srv/netd",), {"Result": "exit-code", "ExecMainStatus": "226"}, "unknown"),
        (("ExecStartPre=/srv/x", "ExecStart=/srv/netd"), {"Result": "exit-code", "ExecMainStatus": "0"}, "unknown"),
        (("ExecStartPre=/srv/x", "ExecStart=/srv/netd"), {"Result": "success"}, "allowed"),
        (("RootDirectory=/srv/root", "ExecStart=/srv/netd"), {}, "unknown"),
    ],
)
def test_a_start_that_failed_elsewhere_is_not_allowed(lines: Any, properties: dict[str, str], verdict: str) -> None:
    found = diagnose(stopped(*lines, unit={"properties": properties}))
    assert (found.findings, found.verdicts[0].verdict) == ([], verdict)


def test_a_link_that_another_unit_may_have_made_in_the_shared_network_is_not_known_to_be_missing() -> None:
    joined = {"properties": {"JoinsNamespaceOf": "other.service", "PrivateNetwork": "yes"}}
    found = diagnose(stopped("PrivateNetwork=yes", unit=joined, interface="eth7"))
    assert (found.findings[0].reason, found.verdicts[0].verdict) == ("private_network", "unknown")


def test_a_scope_starts_nothing_and_gets_no_settings() -> None:
    found = state(USER, unit=dataclasses.replace(unit(), name="s.scope"))
    assert (first(found).reason, first(found).policy_owner) == ("not_root", "host")
    assert first(found).remedy.role == "netlink_capability"


def test_root_that_its_unit_denies_its_privilege_is_granted_it() -> None:
    credentials = dataclasses.replace(ROOT, effective=0, permitted=0)
    assert first(state(credentials, unit=unit("SecureBits=noroot"))).remedy.role == "netlink_unit"


def test_a_user_namespace_that_root_left_for_is_no_remapped_container() -> None:
    found = state(unit=unit())
    found.processes[42].threads[0].user_ns = 7
    found.user_namespaces[7] = UserNamespace(7, INIT_USER, 0, [IdRange(0, 0, 1)])
    assert (first(found).cause, first(found).reason) == ("foreign_netns", "other_owner")


# --- containers -------------------------------------------------------------------------------------------------------


def test_a_compose_service_is_mended_where_it_is_defined() -> None:
    finding = first(state(BOUND, container=container("compose")))
    assert (finding.cause, finding.reason) == ("container_without_capability", "not_granted")
    expected = [{"container": "web1", "cap_add": ["NET_ADMIN"]}]
    assert finding.remedy.variables == {"netlink_container_containers": expected}
    assert finding.remedy.adds == ["container web1 gains cap_net_admin over the HOST network"]


def test_what_a_user_keeps_for_himself_is_not_changed_from_here() -> None:
    finding = first(state(BOUND, container=container("compose", engine_uid=1000)))
    assert finding.remedy is None and "--cap-add NET_ADMIN" in finding.advice


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("hand", "--cap-add NET_ADMIN where web1 is started"),
        ("unit", "--cap-add NET_ADMIN in unit"),
        ("kubernetes", "capabilities: {add: [NET_ADMIN]}"),
        ("nspawn", "Capability=CAP_NET_ADMIN"),
    ],
)
def test_what_cannot_be_changed_from_here_gets_the_exact_words(kind: str, words: str) -> None:
    finding = first(state(BOUND, container=container(kind)))
    assert finding.remedy is None
    assert words in finding.advice


def test_a_user_of_docker_becomes_root_with_this_capability_alone() -> None:
    box = container("compose", user="1000:1000", capabilities={"bounding": ALL_CAPABILITIES})
    finding = first(state(USER, container=box))
    assert finding.reason == "nonroot_user"
    entry = finding.remedy.variables["netlink_container_containers"][0]
    assert (entry["user"], entry["cap_drop"], entry["cap_add"]) == ("0:0", ["ALL"], ["NET_ADMIN"])


@pytest.mark.parametrize(
    ("credentials", "more"),
    [
        (BOUND, {"granted": BIT}),
        (USER, {"granted": BIT, "granted_user": "0:0", "user": "1000:1000"}),
    ],
)
def test_what_the_definition_grants_by_now_waits_to_be_made_anew(credentials: Credentials, more: Any) -> None:
    finding = first(state(credentials, container=container("compose", **more)))
    assert (finding.reason, finding.pending, finding.remedy.consent) == ("not_applied", True, ["recreate"])


def test_a_root_program_that_dropped_what_the_container_has_is_told_so() -> None:
    credentials = dataclasses.replace(ROOT, effective=OTHERS, permitted=OTHERS)
    finding = first(state(credentials, container=container(capabilities={"bounding": ALL_CAPABILITIES})))
    assert (finding.reason, finding.remedy, finding.policy_owner) == ("dropped", None, "image")


def test_a_profile_that_allows_all_leaves_no_doubt() -> None:
    filtered = dataclasses.replace(ROOT, seccomp=2)
    box = container(seccomp=Seccomp("SCMP_ACT_ALLOW"), seccomp_known=True)
    assert diagnose(state(filtered, container=box, answer="allowed")).verdicts[0].verdict == "allowed"


def test_a_filter_beside_that_of_the_engine_is_the_programs_own_and_unknown() -> None:
    box = container(seccomp=Seccomp("SCMP_ACT_ALLOW"), seccomp_known=True)
    found = state(dataclasses.replace(ROOT, seccomp=2), container=box, answer="allowed")
    found.processes[42].seccomp_filters = 2
    assert diagnose(found).verdicts[0].verdict == "unknown"


@pytest.mark.parametrize("user_ns", [INIT_USER, 7])
def test_a_second_process_that_is_refused_leaves_it_open(user_ns: int) -> None:
    found = state(container=container(capabilities={"bounding": ALL_CAPABILITIES}), answer="allowed")
    worker = Process(43, 1, 42, "worker", [Thread(43, "worker", USER, user_ns, INIT_NET)], container="c" * 64)
    found.processes[43] = worker
    found.user_namespaces[7] = UserNamespace(7, INIT_USER, 1)
    found.workloads[0].processes.append(43)
    assert (first(found).effect, first(found).certainty) == ("may_refuse", "possible")
    assert diagnose(found).verdicts[0].verdict == "unknown"


def test_a_filter_in_a_container_without_a_profile_is_the_programs_own_and_unknown() -> None:
    filtered = dataclasses.replace(ROOT, seccomp=2)
    box = container(seccomp_known=True)
    assert diagnose(state(filtered, container=box, answer="allowed")).verdicts[0].verdict == "unknown"


def test_a_sysctl_of_a_container_is_set_where_the_container_is_defined() -> None:
    found = state(container=container("compose"), net_ns=OWN_NET, operations=["forward"], answer="allowed")
    found.sysctls = [Sysctl("net/ipv4/ip_forward", OWN_NET, "0")]
    remedy = first(found).remedy
    assert remedy.role == "netlink_container"
    assert remedy.variables["netlink_container_containers"][0]["sysctls"] == {"net.ipv4.ip_forward": "1"}
