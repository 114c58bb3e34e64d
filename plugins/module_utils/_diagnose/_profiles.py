# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the AppArmor profiles of a workload let through: rules of their text, and the kernel's answers to probes.

A label may be a stack of profiles, and each of them has to let a request through (apparmor.d(5)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import (
    granted,
    parse_rule,
    refuses,
    split_label,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Subject
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_SYS_ADMIN, CAPABILITIES, TUN
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial, Probe, Profile, ProfileRule

UNCONFINED = "unconfined"
SOCKET_TYPES = ("raw", "dgram")
# Operations that need a netlink socket, and all the others.
OVER_NETLINK = ("link", "address", "route", "rule", "neighbour", "qdisc", "action", "nftables", "xfrm")


@dataclass(frozen=True)
class Want:
    """One thing that an operation needs of a profile. reason: of cause apparmor_denied; gate: where it is asked;
    rule: that grants it, as text; operation: the first that needs it; capability: its number, for a rule of that kind;
    maybe: it is one of several types of sockets, and not known which of them the program opens.
    """

    reason: str
    gate: str
    rule: str
    operation: str
    capability: Optional[int] = None
    maybe: bool = False


def apparmor_label(subject: Subject) -> Optional[str]:
    """The workload's label, where AppArmor gave it."""
    return subject.workload.label if "apparmor" in subject.state.host.lsm else None


def confining(subject: Subject) -> list[Profile]:
    """The profiles of the workload's label that can refuse; one that was not read has neither mode nor rules."""
    found = []
    for name, mode in split_label(apparmor_label(subject) or UNCONFINED):
        profile = subject.state.profiles.get(name) or Profile(name, mode)
        free = name.rpartition(":")[2] == UNCONFINED  # Also in a namespace of policy, ":lxd-web:unconfined".
        if (
            not free
            and (mode or profile.mode) != "unconfined"
            and not (_complains(profile, mode) and _lenient(profile))
        ):
            found.append(profile)
    return found


def _complains(profile: Profile, mode: Optional[str] = None) -> bool:
    return (mode or profile.mode) == "complain"


def _lenient(profile: Profile) -> bool:
    """Whether complain mode lets all of a profile through: what its deny rules refuse without a log line, those without
    "audit", is refused in that mode too (measured on Linux 7.2).
    """
    return not any(rule.deny and not rule.audit for rule in profile.rules)


def harmless_label(subject: Subject) -> bool:
    """Whether the label is one of AppArmor's that refuses nothing, so that a probe may leave it out."""
    return apparmor_label(subject) is not None and not confining(subject)


def types_of(subject: Subject) -> tuple[str, ...]:
    """Types of the netlink sockets that the workload opens; none where nothing that was read or recorded tells."""
    recorded = {denial.object for denial in subject.workload.evidence}
    return tuple(
        kind for kind in SOCKET_TYPES if kind in subject.workload.socket_types or f"netlink {kind}" in recorded
    )


def wants(subject: Subject) -> list[Want]:
    """What the named operations need of a profile, in the kernel's order, each once."""
    found: dict[str, Want] = {}
    types = types_of(subject)
    for operation in subject.workload.operations:
        needed = []
        if operation == "userns":  # With a network namespace, which wants the capability in the new user namespace.
            needed.append(Want("userns", "unshare", "userns,", operation))
            needed.append(Want("capability", "unshare", "capability sys_admin,", operation, CAP_SYS_ADMIN))
        if operation == "tun":
            needed.append(Want("tun_rule", "open", f"{TUN} rw,", operation))
        if operation in OVER_NETLINK:
            for kind in types or SOCKET_TYPES:
                rule = f"network netlink {kind},"
                needed.append(Want("network_rule", "socket", rule, operation, maybe=not types))
        for actor in subject.actors:
            for gate, bit, _user_ns in subject.needs(actor, operation):
                rule = f"capability {CAPABILITIES[bit][len('cap_') :]},"
                needed.append(Want("capability", gate, rule, operation, bit))
        for want in needed:
            found.setdefault(want.rule, want)
    return list(found.values())


@dataclass(frozen=True)
class Reading:
    """What the text of a profile says of a want: allows; refuses (deny: the rule that does, if one is explicit); or
    neither, where there is no text or a rule with a condition.
    """

    allows: bool
    refuses: bool
    deny: Optional[ProfileRule] = None


def read(profile: Profile, want: Want) -> Reading:
    """Look a want up in a profile's rules."""
    rule = parse_rule(want.rule)
    if rule is None or rule.kind in profile.unmediated:
        return Reading(True, False)
    if profile.file is None:
        return Reading(False, False)
    complains = _complains(profile)
    deny = next((item for item in profile.rules if refuses(item, rule) and not (complains and item.audit)), None)
    if deny is not None:
        return Reading(False, True, deny)
    if complains or granted(profile, rule):
        return Reading(True, False)
    # A rule under a condition counts as neither.
    plain = [replace(item, conditional=False) for item in profile.rules if not (item.deny and item.conditional)]
    return Reading(False, not granted(replace(profile, rules=plain), rule))


def answer(subject: Subject, want: Want) -> Optional[str]:
    """What the kernel itself answered to a want: "allowed", an errno's name, or None where it was not asked in the
    workload's profile, or a probe did not get that far.
    """
    found = [_answer(subject, want, probe) for probe in subject.workload.probes if _bears_on(want, probe)]
    refused = next((item for item in found if item not in (None, "allowed")), None)
    return refused or ("allowed" if "allowed" in found else None)


def _bears_on(want: Want, probe: Probe) -> bool:
    """Whether a probe asked for what is wanted, and in the workload's profile."""
    if any(gate.startswith("LSM label") for gate in probe.not_reproduced):
        return False
    if want.reason == "network_rule":
        # Where sockets of one type were refused and others not, the probe has the answer that the others got.
        return probe.operation in OVER_NETLINK and "type of the socket" not in probe.not_reproduced
    if want.gate == "ack":
        return probe.operation in (*OVER_NETLINK, "tun")
    if want.reason == "tun_rule":
        return probe.operation == "tun"
    return probe.operation == ("userns" if want.operation == "userns" else "netns")


def _answer(subject: Subject, want: Want, probe: Probe) -> Optional[str]:
    if probe.answer in ("allowed", "unknown"):
        return "allowed" if probe.answer == "allowed" else None
    if want.reason == "network_rule":
        if probe.layer == "socket" or (probe.layer == "send" and probe.answer == "EACCES"):
            return probe.answer if probe.answer == "EACCES" else None
        return "allowed" if probe.sent else None
    if want.reason == "tun_rule":
        if probe.layer == "ioctl":
            return "allowed"
        return probe.answer if (probe.layer, probe.answer) == ("open", "EACCES") and _lets_open(subject) else None
    layers = {"ack": ("ack", "ioctl"), "unshare": ("clone",), "setns": ("setns",)}.get(want.gate, ())
    if probe.layer not in layers:
        return None
    if want.reason == "userns":
        return probe.answer if probe.answer == "EACCES" else None
    return probe.answer if probe.answer == "EPERM" and _holds(subject, want, probe) else None


def _holds(subject: Subject, want: Want, probe: Probe) -> bool:
    """Whether the credentials hold the capability, which is asked for before AppArmor is: then a refusal is its own."""
    for actor in subject.actors:
        if probe.tid in (None, actor.tid):
            needed = [item for item in subject.needs(actor, probe.operation) if item[1] == want.capability]
            return bool(needed) and all(subject.decide(actor, bit, user_ns).allowed for _gate, bit, user_ns in needed)
    return False


def _lets_open(subject: Subject) -> bool:
    """Whether owner, mode and mount of /dev/net/tun refuse it to nobody: they come before AppArmor, with its errno."""
    # Imported here: an AnsiballZ payload is compiled in each run, and most workloads want no such device.
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._device import may_open

    node = subject.workload.device
    return node is not None and node.right and all(may_open(subject, actor, node) for actor in subject.actors)


def records(subject: Subject, profile: Profile, want: Want) -> list[Denial]:
    """What the host recorded of such a refusal by this profile, newest first."""
    found = [item for item in subject.workload.evidence if _is_record(item, profile, want)]
    return sorted(found, key=lambda item: -item.last)


def _is_record(denial: Denial, profile: Profile, want: Want) -> bool:
    if denial.module != "apparmor" or not denial.enforced or denial.subject != profile.name:
        return False
    if want.reason == "capability":
        return denial.permission == want.rule.split()[1].rstrip(",")
    if want.reason == "userns":
        return denial.permission == "userns_create"
    if want.reason == "tun_rule":
        return denial.object == TUN
    return denial.object == want.rule[len("network ") :].rstrip(",")
