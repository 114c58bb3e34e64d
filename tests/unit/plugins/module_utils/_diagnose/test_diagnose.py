# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose import diagnose
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._catalogue import CAUSES
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    ALL_CAPABILITIES,
    CAP_NET_ADMIN,
    FileCapability,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import (
    Executable,
    Link,
    Probe,
    RouteRequest,
    Sysctl,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    Credentials,
    Host,
    NetNamespace,
    Process,
    State,
    Thread,
    Unseen,
    UserNamespace,
    Workload,
)

INIT_USER, INIT_NET = 4026531837, 4026531840
BIT = 1 << CAP_NET_ADMIN
ROOT = Credentials(effective=ALL_CAPABILITIES, permitted=ALL_CAPABILITIES, bounding=ALL_CAPABILITIES)
NOBODY = Credentials(ruid=99, euid=99, suid=99, fsuid=99, bounding=ALL_CAPABILITIES)
CATALOGUE = Path(__file__).parents[5] / "docs/docsite/rst/causes.rst"


def state(*workloads: Workload, credentials: Credentials = ROOT) -> State:
    """A host with one process, 42, of the given credentials."""
    return State(
        host=Host(kernel=[6, 18], initial_user_ns=INIT_USER, initial_net_ns=INIT_NET, bounding=ALL_CAPABILITIES),
        workloads=list(workloads),
        processes={
            42: Process(
                42, 1, 1, "netd", [Thread(42, "netd", credentials, INIT_USER, INIT_NET)], executable="/srv/netd"
            )
        },
        user_namespaces={INIT_USER: UserNamespace(INIT_USER)},
        net_namespaces={INIT_NET: NetNamespace(INIT_NET, INIT_USER, links=[Link(1, "lo", flags=["UP"])], routes=[])},
        executables={"/srv/netd": Executable("/srv/netd", real_path="/srv/netd", mode=0o100755, uid=0, gid=0)},
    )


def pid(answer: str = "allowed", **more) -> Workload:
    operations = more.get("operations", ["link"])
    probes = [Probe(operation, answer, layer="ack") for operation in operations]
    return Workload("w", "pid", pid=42, processes=[42], probes=probes, **more)


def verdicts(found):
    return [item.verdict for item in found.verdicts]


def named(found):
    return [(item.cause, item.reason, item.certainty) for item in found.findings]


def test_a_passed_probe_of_an_unconfined_workload_is_allowed():
    found = diagnose(state(pid()))
    assert (verdicts(found), named(found)) == (["allowed"], [])


def test_a_refused_probe_proves_the_cause_that_the_state_gives():
    found = diagnose(state(pid("EPERM"), credentials=NOBODY))
    assert (verdicts(found), named(found)) == (["refused"], [("missing_capability", "not_root", "proven")])
    assert found.findings[0].remedy.variables == {
        "netlink_capability_files": [{"path": "/srv/netd", "capabilities": "cap_net_admin+ep", "state": "present"}]
    }


def test_without_a_probe_the_cause_is_only_likely_and_health_is_unknown():
    workload = Workload("w", "pid", pid=42, processes=[42])
    assert named(diagnose(state(workload, credentials=NOBODY))) == [("missing_capability", "not_root", "likely")]
    assert verdicts(diagnose(state(workload))) == ["unknown"]


def test_a_gate_that_the_probe_left_out_makes_the_verdict_unknown():
    workload = pid()
    workload.probes[0].not_reproduced = ["the workload's seccomp filter"]
    found = diagnose(state(workload))
    assert (verdicts(found), named(found)) == (["unknown"], [])


def test_a_refusal_that_nothing_explains_is_unknown_and_says_where_to_look():
    found = diagnose(state(pid("EPERM")))
    assert (verdicts(found), named(found)) == (["refused"], [("unknown", "unexplained", "proven")])
    assert "journalctl" in found.findings[0].advice


def test_a_discovered_workload_is_left_out_unless_something_refuses_it_and_never_more_than_possible():
    workload = dataclasses.replace(pid(), probes=[], discovered=True)
    assert diagnose(state(workload)).verdicts == []
    assert named(diagnose(state(workload, credentials=NOBODY))) == [("missing_capability", "not_root", "possible")]


def test_a_workload_that_is_not_running_is_unknown():
    workload = Workload("w", "unit", unit="x.service", unresolved="no process of unit x.service is running")
    assert verdicts(diagnose(state(workload))) == ["unknown"]


def test_findings_come_in_the_order_of_the_gates_and_the_first_names_the_others():
    workload = pid("EPERM", operations=["link", "forward"], interface="eth7")
    snapshot = state(workload, credentials=NOBODY)
    snapshot.sysctls = [Sysctl("net/ipv4/ip_forward", INIT_NET, "0")]
    found = diagnose(snapshot)
    assert [item.cause for item in found.findings] == ["missing_capability", "sysctl", "link_state"]
    assert found.findings[0].also == ["sysctl", "link_state"]
    assert found.findings[1].also == []


def test_objects_that_were_not_read_make_the_verdict_unknown():
    snapshot = state(pid(interface="lo"))
    assert verdicts(diagnose(snapshot)) == ["allowed"]
    snapshot.net_namespaces[INIT_NET].links = None
    assert verdicts(diagnose(snapshot)) == ["unknown"]


def test_what_was_not_seen_is_passed_on():
    snapshot = state(pid())
    snapshot.unseen = [Unseen("/proc/1/ns/net", "EACCES")]
    assert diagnose(snapshot).unseen == snapshot.unseen


def test_the_switch_for_unprivileged_user_namespaces_is_named_and_wants_consent():
    workload = pid("EPERM", operations=["userns"])
    snapshot = state(workload, credentials=NOBODY)
    snapshot.user_namespaces[INIT_USER].uid_map = snapshot.user_namespaces[INIT_USER].gid_map = []
    snapshot.host.restrictions = {"kernel/unprivileged_userns_clone": 0}
    found = diagnose(snapshot)
    assert named(found)[0] == ("userns_restricted", "unprivileged_userns_clone", "proven")
    assert found.findings[0].remedy.consent == ["world_userns"]


@pytest.mark.parametrize("credentials", [ROOT, NOBODY])
def test_the_switch_does_not_concern_root_nor_a_host_that_leaves_it_on(credentials):
    snapshot = state(pid(operations=["userns"]), credentials=credentials)
    snapshot.host.restrictions = {"kernel/unprivileged_userns_clone": int(credentials is NOBODY)}
    reasons = [reason for _cause, reason, _certainty in named(diagnose(snapshot))]
    assert "unprivileged_userns_clone" not in reasons


def test_a_kernel_without_ipv6_is_named():
    workload = pid(operations=["address"], interface="lo", address="2001:db8::1/64")
    snapshot = state(workload)
    snapshot.sysctls = [Sysctl("net/ipv6/conf/all/disable_ipv6", INIT_NET, None, exists=False)]
    found = diagnose(snapshot)
    assert named(found) == [("sysctl", "ipv6_off_at_boot", "proven")]
    assert "ipv6.disable=1" in found.findings[0].advice


def test_forwarding_is_never_judged_for_another_operation():
    snapshot = state(pid(operations=["route"], route=RouteRequest("198.51.100.0/24")))
    snapshot.sysctls = [
        Sysctl("net/ipv4/ip_forward", INIT_NET, "0"),
        Sysctl("net/ipv4/conf/all/rp_filter", INIT_NET, "1"),
    ]
    assert named(diagnose(snapshot)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"writable_by": "/srv"}, "can be changed by users other than root"),
        ({"elsewhere": True}, "another mount namespace"),
        ({"exists": False}, "could not be read"),
        ({"drops_capabilities": True}, "drops it at start"),
        ({"nosuid": True}, "nosuid"),
        ({"capability": FileCapability(BIT, 0, True)}, "Start the workload anew"),
    ],
)
def test_a_file_that_must_not_or_need_not_get_a_capability_gets_advice(change, words):
    snapshot = state(pid("EPERM"), credentials=NOBODY)
    snapshot.executables["/srv/netd"] = dataclasses.replace(snapshot.executables["/srv/netd"], **change)
    finding = diagnose(snapshot).findings[0]
    assert finding.remedy is None
    assert words in finding.advice


@pytest.mark.parametrize(
    ("name", "consent"), [("python3.11", ["interpreter"]), ("busybox", ["shared_tool"]), ("netd", [])]
)
def test_a_tool_that_everybody_uses_wants_consent(name, consent):
    snapshot = state(pid("EPERM"), credentials=NOBODY)
    path = snapshot.processes[42].executable = f"/usr/bin/{name}"
    snapshot.executables = {path: Executable(path, real_path=path, mode=0o100755)}
    assert diagnose(snapshot).findings[0].remedy.consent == consent


def test_bwrap_does_not_start_with_a_capability():
    snapshot = state(pid("EPERM"), credentials=NOBODY)
    path = snapshot.processes[42].executable = "/usr/bin/bwrap"
    snapshot.executables = {path: Executable(path, real_path=path, mode=0o100755)}
    finding = diagnose(snapshot).findings[0]
    assert finding.remedy is None
    assert finding.advice.endswith("judge it with operations: [userns].")


@pytest.mark.parametrize(
    ("unit", "container", "owner"), [("vpn.service", None, "unit"), (None, "abc", "container engine")]
)
def test_what_a_unit_or_container_runs_is_mended_there(unit, container, owner):
    snapshot = state(pid("EPERM"), credentials=NOBODY)
    snapshot.processes[42].unit, snapshot.processes[42].container = unit, container
    finding = diagnose(snapshot).findings[0]
    assert (finding.remedy, finding.policy_owner) == (None, owner)


def test_the_catalogue_in_the_documentation_lists_every_cause_and_reason():
    text = CATALOGUE.read_text()
    for cause in CAUSES:
        assert f"{cause.number} ``{cause.name}``\n" in text and cause.summary in text
        for reason, meaning in cause.reasons.items():
            assert f"``{reason}``\n  {meaning}" in text


@pytest.mark.parametrize("operation", ["link", "action"])
def test_a_nested_observer_knows_a_namespace_above_its_own_as_foreign(operation):
    """It may not ask for the owner of its network namespace (EPERM), which therefore is none of its own."""
    found = state(pid("EPERM", operations=[operation]))
    found.host.nested = True
    if operation == "link":
        found.net_namespaces[INIT_NET].owner = None
    finding = diagnose(found).findings[0]
    expected = {"link": "other_owner", "action": "init_only_operation"}
    assert (finding.cause, finding.reason) == ("foreign_netns", expected[operation])
    assert "user:[0]" not in str(finding.evidence)


def test_a_nested_observer_calls_root_of_its_own_network_allowed():
    found = state(pid())
    found.host.nested = True
    diagnosis = diagnose(found)
    assert (diagnosis.verdicts[0].verdict, diagnosis.findings) == ("allowed", [])


def test_what_was_not_seen_is_not_called_ruled_out():
    found = state(pid("EPERM"))
    found.net_namespaces[INIT_NET].owner = None
    finding = diagnose(found).findings[0]
    assert finding.cause == "unknown"
    assert all(item.source != "ruled out" for item in finding.evidence)


def test_a_launcher_gets_no_capability_since_its_children_would_not_inherit_it():
    found = state(pid("EPERM"), credentials=NOBODY)
    for path, offered in (("/usr/bin/bash", False), ("/usr/bin/env", False), ("/srv/netd", True)):
        found.executables = {"/srv/netd": Executable("/srv/netd", real_path=path, mode=0o100755, uid=0, gid=0)}
        finding = diagnose(found).findings[0]
        assert (finding.remedy is not None) == offered
