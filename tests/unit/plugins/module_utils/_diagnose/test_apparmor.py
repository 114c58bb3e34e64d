# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AppArmor refuses, judged from states that the tests in a guest do not reach: no probe, stacks, generated
profiles, another credential missing, the restriction of user namespaces that only Ubuntu has.
"""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import parse_rule
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose import diagnose
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    ALL_CAPABILITIES,
    CAP_SYS_ADMIN,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import (
    Denial,
    DeviceNode,
    Executable,
    Probe,
    Profile,
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

INIT_USER, INIT_NET = 4026531837, 4026531840
ROOT = Credentials(effective=ALL_CAPABILITIES, permitted=ALL_CAPABILITIES, bounding=ALL_CAPABILITIES)
NOBODY = Credentials(99, 99, 99, 99, 99, 99, 99, 99, bounding=ALL_CAPABILITIES)
FILE = "/etc/apparmor.d/netd"
RAW, DGRAM, ADMIN = "network netlink raw,", "network netlink dgram,", "capability net_admin,"
RESTRICTION = "kernel/apparmor_restrict_unprivileged_userns"


def profile(*rules, name="netd", mode="enforce", file=FILE, **more):
    found = Profile(name, mode=mode, file=file, line=3 if file else None, **more)
    for line, text in enumerate(rules, 4):
        found.rules.append(dataclasses.replace(parse_rule(text), file=file, line=line))
    return found


def state(*profiles, label="netd (enforce)", credentials=ROOT, types=("raw",), probes=(), **more):
    process = Process(
        42, 1, 1, "netd", [Thread(42, "netd", credentials, INIT_USER, INIT_NET)], executable="/srv/netd", label=label
    )
    workload = Workload("w", "pid", pid=42, processes=[42], label=label, socket_types=list(types))
    workload = dataclasses.replace(workload, probes=list(probes), **more)
    return State(
        host=Host(
            kernel=[6, 8],
            lsm=["capability", "apparmor"],
            initial_user_ns=INIT_USER,
            initial_net_ns=INIT_NET,
            bounding=ALL_CAPABILITIES,
        ),
        workloads=[workload],
        processes={42: process},
        user_namespaces={
            INIT_USER: UserNamespace(INIT_USER, uid_map=[IdRange(0, 0, 1 << 32)], gid_map=[IdRange(0, 0, 1 << 32)])
        },
        net_namespaces={INIT_NET: NetNamespace(INIT_NET, INIT_USER)},
        executables={"/srv/netd": Executable("/srv/netd", real_path="/srv/netd", mode=0o755, uid=0, gid=0)},
        profiles={item.name: item for item in profiles},
    )


def judged(given):
    found = diagnose(given)
    return found.verdicts[0].verdict, [(item.cause, item.reason, item.certainty) for item in found.findings]


def rules_of(given):
    found = diagnose(given).findings
    variables = [item.remedy.variables["netlink_apparmor_profiles"] for item in found if item.remedy]
    return [rule for entries in variables for entry in entries for rule in entry["rules"]]


def test_without_a_probe_the_rules_decide():
    assert judged(state(profile(RAW))) == ("refused", [("apparmor_denied", "capability", "likely")])
    assert judged(state(profile(ADMIN))) == ("refused", [("apparmor_denied", "network_rule", "likely")])
    assert judged(state(profile(RAW, ADMIN))) == ("unknown", [])


def test_findings_come_in_the_order_of_the_gates_with_exactly_the_missing_rules():
    given = state(profile())
    assert [item.gate for item in diagnose(given).findings] == ["socket", "ack"]
    assert rules_of(given) == [RAW, ADMIN]
    assert "over the HOST network" in diagnose(given).findings[1].remedy.adds[0]


def test_the_answer_of_the_kernel_in_that_profile_proves_it():
    refused = [Probe("link", "EPERM", layer="ack", tid=42)]
    assert judged(state(profile(RAW), probes=refused)) == ("refused", [("apparmor_denied", "capability", "proven")])
    at_socket = [Probe("link", "EACCES", layer="socket", sent=False, tid=42)]
    found = judged(state(profile(), probes=at_socket))
    assert found == (
        "refused",
        [("apparmor_denied", "network_rule", "proven"), ("apparmor_denied", "capability", "likely")],
    )


def test_what_the_kernel_lets_through_in_that_profile_is_no_finding_whatever_the_file_says():
    passed = [Probe("link", "allowed", layer="ack", tid=42)]
    assert judged(state(profile(), probes=passed)) == ("allowed", [])


def on_tun(*profiles, answer=None, **more):
    probes = [Probe("tun", answer, layer="open", sent=False, tid=42)] if answer else []
    return state(*profiles, operations=["tun"], probes=probes, **{"device": DeviceNode(), **more})


@pytest.mark.parametrize(
    ("rules", "answer", "found"),
    [
        ((), None, ("tun_rule", "likely")),
        ((), "EACCES", ("tun_rule", "proven")),
        (("/dev/net/tun r,",), "EACCES", ("tun_rule", "proven")),
        (("file,", "deny /dev/net/tun w,"), None, ("explicit_deny", "likely")),
        (("owner /dev/net/tun rw,",), None, None),
        (("/dev/net/tun r,", "owner /dev/net/tun w,"), None, None),
        (("/dev/net/tun r,", "/dev/** w,"), None, None),
    ],
)
def test_the_tun_device_needs_a_rule_for_files(rules, answer, found):
    given = on_tun(profile(ADMIN, *rules), answer=answer)
    assert judged(given)[1] == ([("apparmor_denied", *found)] if found else [])
    assert rules_of(given) == (["/dev/net/tun rw,"] if found and found[0] == "tun_rule" else [])


def test_a_mode_that_refuses_the_tun_device_is_not_laid_to_the_profile():
    node = DeviceNode(mode=0o600, uid=0)
    found = judged(on_tun(profile(file=None), answer="EACCES", device=node, credentials=NOBODY))[1]
    assert ("module_missing", "tun_node_mode", "proven") in found
    assert "apparmor_denied" not in {cause for cause, _reason, _certainty in found}
    found = judged(on_tun(profile(file=None), answer="EACCES"))[1]
    assert found == [("apparmor_denied", "tun_rule", "proven")]


def test_a_probe_without_the_profile_neither_proves_nor_acquits():
    passed = [Probe("link", "allowed", layer="ack", tid=42, not_reproduced=["LSM label netd (enforce)"])]
    assert judged(state(profile(RAW), probes=passed)) == ("refused", [("apparmor_denied", "capability", "likely")])
    assert judged(state(profile(RAW, ADMIN), probes=passed)) == ("unknown", [])


@pytest.mark.parametrize("mode", ["complain", "unconfined"])
def test_a_mode_that_refuses_nothing_is_no_gap_of_the_probe(mode):
    passed = [Probe("link", "allowed", layer="ack", tid=42, not_reproduced=[f"LSM label netd ({mode})"])]
    given = state(profile(mode=mode), label=f"netd ({mode})", probes=passed)
    assert judged(given) == ("allowed", [])


def test_a_recorded_denial_of_the_same_process_proves_it_and_one_of_another_is_only_evidence():
    denial = Denial(
        "audit", "apparmor", "net_admin", "capability", 1.0, 2.0, subject="netd", pid=42, text="DENIED net_admin"
    )
    found = diagnose(state(profile(RAW), evidence=[denial])).findings[0]
    assert (found.certainty, found.evidence[-1].text) == ("proven", "DENIED net_admin")
    other = diagnose(state(profile(RAW), evidence=[dataclasses.replace(denial, pid=7)])).findings[0]
    assert (other.certainty, other.evidence[-1].text) == ("likely", "DENIED net_admin")


def test_a_denial_does_not_make_a_finding():
    denial = Denial("audit", "apparmor", "net_admin", "capability", 1.0, 2.0, subject="netd", pid=42)
    passed = [Probe("link", "allowed", layer="ack", tid=42)]
    assert judged(state(profile(RAW, ADMIN), evidence=[denial], probes=passed)) == ("allowed", [])


def test_the_type_of_socket_comes_from_the_program_or_the_record_and_else_both_are_asked():
    assert rules_of(state(profile(ADMIN), types=("dgram",))) == [DGRAM]
    record = Denial("audit", "apparmor", "create", "netlink dgram", 1.0, 2.0, subject="netd")
    assert rules_of(state(profile(ADMIN), types=(), evidence=[record])) == [DGRAM]
    assert rules_of(state(profile(ADMIN), types=())) == [RAW, DGRAM]


def test_a_profile_that_lets_only_one_type_through_may_refuse_where_the_type_is_not_known():
    given = state(profile(RAW, ADMIN), types=())
    found = diagnose(given).findings[0]
    assert (found.reason, found.effect, found.certainty) == ("network_rule", "may_refuse", "possible")
    assert judged(given)[0] == "unknown" and rules_of(given) == [DGRAM]


def test_a_deny_rule_is_named_with_its_line_and_no_rule_is_offered():
    found = diagnose(state(profile(RAW, ADMIN, "audit deny capability net_admin,", package="netd"))).findings
    assert [(item.reason, item.remedy, item.policy_owner) for item in found] == [
        ("explicit_deny", None, "package netd")
    ]
    assert f"{FILE}:6" in [item.source for item in found[0].evidence]
    assert f"line 6 of {FILE}" in found[0].advice


def test_without_the_capability_both_are_found_and_the_capability_comes_first():
    refused = [Probe("link", "EPERM", layer="ack", tid=42)]
    found = judged(state(profile(RAW), credentials=NOBODY, probes=refused))
    assert found == (
        "refused",
        [("missing_capability", "not_root", "proven"), ("apparmor_denied", "capability", "likely")],
    )
    assert judged(state(profile(RAW, ADMIN), credentials=NOBODY, probes=refused))[1] == [
        ("missing_capability", "not_root", "proven")
    ]


def test_each_profile_of_a_stack_has_to_allow_it():
    both = (profile(RAW, ADMIN, name="a"), profile(RAW, name="b", file="/etc/apparmor.d/b"))
    found = diagnose(state(*both, label="a//&b (enforce)")).findings
    assert [item.remedy.variables["netlink_apparmor_profiles"][0]["profile"] for item in found] == ["b"]
    harmless = (both[0], profile(name="b", mode="complain"))
    assert judged(state(*harmless, label="a//&b (mixed)")) == ("unknown", [])


def test_a_profile_without_a_file_is_judged_by_the_kernel_alone():
    refused = [Probe("link", "EPERM", layer="ack", tid=42)]
    unknown = profile(name="docker-default", file=None, generator="docker")
    assert judged(state(unknown, label="docker-default (enforce)")) == ("unknown", [])
    found = diagnose(state(unknown, label="docker-default (enforce)", probes=refused)).findings[0]
    assert (found.reason, found.certainty, found.remedy) == ("capability", "proven", None)
    assert found.policy_owner == "container engine" and "docker makes this profile anew" in found.advice
    snap = profile(name="snap.x.y", file=None, generator="snap")
    found = diagnose(state(snap, label="snap.x.y (enforce)", probes=refused)).findings[0]
    assert found.policy_owner == "snap" and found.remedy is None


def test_a_rule_under_a_condition_is_not_known_to_hold_and_not_known_to_be_missing():
    given = profile(RAW, ADMIN)
    given.rules[1].conditional = True
    assert judged(state(given)) == ("unknown", [])


def test_what_the_abi_leaves_out_needs_no_rule():
    assert judged(state(profile(ADMIN, unmediated=["network"]))) == ("unknown", [])
    assert judged(state(profile(unmediated=["network"])))[1] == [("apparmor_denied", "capability", "likely")]


def test_a_label_of_another_module_is_none_of_its_business():
    given = state(profile(RAW))
    given.host.lsm = ["capability", "selinux"]
    assert "apparmor_denied" not in [item.cause for item in diagnose(given).findings]


def test_a_program_whose_profile_is_not_known_is_not_allowed():
    given = state(label=None, probes=[Probe("link", "allowed", layer="ack")])
    given.workloads[0] = Workload(
        "w", "executable", executable="/srv/netd", user="root", credentials=ROOT, user_ns=INIT_USER, net_ns=INIT_NET,
        probes=[Probe("link", "allowed", layer="ack")],
    )  # fmt: skip
    assert judged(given) == ("unknown", [])
    given.workloads[0].label = "unconfined"
    assert judged(given) == ("allowed", [])


def test_user_namespaces_need_their_rule_and_more_consent_for_tools_that_all_share():
    given = state(profile("capability sys_admin,", executable="/usr/bin/unshare"), operations=["userns"])
    found = diagnose(given).findings[0]
    assert (found.reason, found.gate, rules_of(given)) == ("userns", "unshare", ["userns,"])
    assert found.remedy.consent == ["shared_tool"]
    own = state(profile("capability sys_admin,", executable="/srv/netd"), operations=["userns"])
    assert diagnose(own).findings[0].remedy.consent == []


def test_the_capability_for_namespaces_is_not_offered():
    found = diagnose(state(profile("userns,"), operations=["userns"])).findings
    assert [(item.reason, item.capability, item.remedy) for item in found] == [("capability", "cap_sys_admin", None)]
    assert "next to root" in found[0].advice


# Rows measured on Ubuntu 24.04 (Linux 6.8.0-31, AppArmor 4.0): what "unshare -Urn" and bwrap do under the switch. No
# other kernel has it, so the cause is judged by the state, as here.
AMBIENT = dataclasses.replace(NOBODY, effective=1 << CAP_SYS_ADMIN, permitted=1 << CAP_SYS_ADMIN)
LOADED, NOT_LOADED = profile(name="unprivileged_userns", file="/etc/apparmor.d/unprivileged_userns"), None
REASON = "apparmor_restrict_unprivileged_userns"
UBUNTU = [
    ("nopol-U", NOT_LOADED, "unconfined", NOBODY, "EACCES", True),
    ("nopol-root", NOT_LOADED, "unconfined", ROOT, "allowed", False),
    ("nopol-ambient-sysadmin", NOT_LOADED, "unconfined", AMBIENT, "allowed", False),
    ("pol-Ur", LOADED, "unconfined", NOBODY, "allowed", True),
    ("pol-bwrap", LOADED, "unconfined", NOBODY, "allowed", True),
    ("pol-root", LOADED, "unconfined", ROOT, "allowed", False),
    ("pol-profile-with-userns", LOADED, "netd (unconfined)", NOBODY, "allowed", False),
    ("pol-aa-exec-unconfined", LOADED, "unconfined", NOBODY, "allowed", True),
]


@pytest.mark.parametrize(
    ("row", "policy", "label", "credentials", "answer", "refused"), UBUNTU, ids=lambda item: str(item)[:24]
)
def test_user_namespaces_that_ubuntu_restricts_are_refused_as_there(row, policy, label, credentials, answer, refused):
    probes = [Probe("userns", answer, layer="clone", tid=42)]
    given = state(
        *([policy] if policy else []), profile("userns,", mode="unconfined"), label=label, credentials=credentials,
        probes=probes, operations=["userns"],
    )  # fmt: skip
    given.host.restrictions[RESTRICTION] = 1
    found = diagnose(given)
    assert found.verdicts[0].verdict == ("refused" if refused else "allowed"), row
    assert [item.reason for item in found.findings] == ([REASON] if refused else []), row
    if refused:
        assert found.findings[0].remedy.variables == {
            "netlink_apparmor_profiles": [{"profile": "srv.netd", "rules": ["userns,"], "executable": "/srv/netd"}]
        }
    given.host.restrictions[RESTRICTION] = 0
    assert REASON not in [item.reason for item in diagnose(given).findings]


def test_what_runs_in_such_a_user_namespace_already_is_refused_by_the_same_cause():
    given = state(LOADED, label="unprivileged_userns (enforce)", probes=[Probe("link", "EPERM", layer="ack", tid=42)])
    found = diagnose(given)
    assert found.verdicts[0].verdict == "refused"
    assert [(item.cause, item.reason, item.gate) for item in found.findings] == [("userns_restricted", REASON, "ack")]
    complain = dataclasses.replace(LOADED, mode="complain")
    given = state(
        complain, label="unprivileged_userns (complain)", probes=[Probe("link", "allowed", layer="ack", tid=42)]
    )
    assert judged(given) == ("allowed", [])


def test_a_profile_for_a_tool_that_all_share_must_be_accepted():
    given = state(LOADED, label="unconfined", credentials=NOBODY, operations=["userns"])
    given.host.restrictions[RESTRICTION] = 1
    given.processes[42].executable = "/usr/bin/bwrap"
    given.executables["/usr/bin/bwrap"] = Executable(
        "/usr/bin/bwrap", real_path="/usr/bin/bwrap", mode=0o755, uid=0, gid=0
    )
    found = diagnose(given).findings[0]
    assert found.remedy.consent == ["shared_tool"]
    assert found.remedy.variables["netlink_apparmor_profiles"][0]["profile"] == "usr.bin.bwrap"


def test_a_program_that_was_started_before_its_profile_was_loaded_has_to_be_started_anew():
    made = profile("userns,", name="srv.netd", mode="unconfined")
    given = state(LOADED, made, label="unconfined", credentials=NOBODY, operations=["userns"])
    given.host.restrictions[RESTRICTION] = 1
    found = diagnose(given).findings[0]
    assert (found.reason, found.pending, found.remedy) == (REASON, True, None) and "anew" in found.advice


def test_what_is_unconfined_in_a_namespace_of_policy_is_unconfined():
    outer = profile("network,", "capability,", name="lxd-web_</var/lib/lxd>", file=None, generator="lxd")
    label = f"{outer.name}//&:lxd-web_<var-lib-lxd>:unconfined (enforce)"
    passed = [Probe("link", "allowed", layer="ack", tid=42, not_reproduced=[f"LSM label {label}"])]
    assert judged(state(outer, label=label, probes=passed)) == ("unknown", [])
    outer.mode = "complain"
    assert judged(state(outer, label=label.replace("enforce", "complain"), probes=passed)) == ("allowed", [])
