# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 2b: a line of a systemd unit takes away what netlink needs; the line is named and only it is lifted."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._filters import Blocked, needed_calls
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._sandbox import (
    blames_bounding_set,
    blames_private_users,
    blocked,
    capability_words,
    claims,
    enabled,
    evidence,
    lifted,
    private_network,
    unit_remedy,
    unsandboxed,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Cause, Subject, find_link
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_NET_ADMIN, CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Unit

CAUSE = Cause(
    "2b",
    "unit_sandbox",
    "A line of the systemd unit takes away what netlink needs.",
    {
        "capability_bounding_set": "CapabilityBoundingSet= leaves the capability out.",
        "private_users": (
            "PrivateUsers= gives the unit a user namespace of its own, whose capabilities do not count for its network."
        ),
        "restrict_address_families": "RestrictAddressFamilies= refuses netlink sockets.",
        "restrict_namespaces": "RestrictNamespaces= refuses new network or user namespaces.",
        "no_new_privileges": "NoNewPrivileges= makes the file capability of the program void.",
        "private_network": (
            "PrivateNetwork= or NetworkNamespacePath= gives the unit a network without the link that it names."
        ),
        "system_call_filter": "SystemCallFilter= refuses system calls that every netlink client needs.",
        "protect_kernel_tunables": "ProtectKernelTunables= makes /proc/sys read-only for the unit.",
        "not_restarted": "The unit's files grant it by now, but what runs was started before that.",
        "user_manager": "The unit belongs to a user's own service manager, which cannot grant capabilities.",
    },
)

_BLOCKERS = {
    "RestrictAddressFamilies": "restrict_address_families",
    "RestrictNamespaces": "restrict_namespaces",
    "SystemCallFilter": "system_call_filter",
}


def judge(subject: Subject) -> list[Finding]:
    """One finding for each line of the unit that refuses one of the named operations."""
    unit = subject.unit
    if unit is None:
        return []
    found = [_blocked(subject, unit, reason, calls) for reason, calls in _by_reason(blocked(subject)).items()]
    found += [] if found else _old_filter(subject, unit)
    for look in (_users, _privilege, _network, _tunables):
        finding = look(subject, unit)
        found += [finding] if finding else []
    return found


def _by_reason(calls: list[Blocked]) -> dict[str, list[Blocked]]:
    reasons: dict[str, list[Blocked]] = {}
    for call in calls:
        reasons.setdefault(_BLOCKERS[call.source], []).append(call)
    return reasons


def _finding(subject: Subject, unit: Unit, reason: str, names: tuple[str, ...], **more: Any) -> Finding:
    """A finding whose evidence are the lines of these directives."""
    more.setdefault("certainty", "likely")
    lines = evidence(unit, *names) + more.pop("evidence", [])
    return subject.finding(CAUSE, reason, policy_owner="unit", evidence=lines, **more)


def _blocked(subject: Subject, unit: Unit, reason: str, calls: list[Blocked]) -> Finding:
    source, first = calls[0].source, calls[0]
    named = ", ".join(dict.fromkeys(call.call for call in calls))
    stale = _stale_filter(subject, unit)
    what = "netlink sockets" if reason == "restrict_address_families" else named
    return _finding(
        subject,
        unit,
        reason,
        (source,),
        gate=min((call.gate for call in calls), key=("unshare", "socket", "bind", "send").index),
        effect="refuses" if any(call.certain for call in calls) and not stale else "may_refuse",
        summary=f"{source}= of {unit.name} refuses {what} to {subject.workload.name} ({first.answer}).",
        remedy=unit_remedy(subject, unit, lift=reason, adds=f"{unit.name} may use {what}"),
    )


def _old_filter(subject: Subject, unit: Unit) -> list[Finding]:
    """What runs has a filter from before ours was lifted; which one cannot be seen."""
    if subject.process is None or not subject.process.threads[0].credentials.seccomp:
        return []
    names = [name for name in _BLOCKERS if lifted(subject, name)]
    if not names or not needed_calls(subject.workload.operations):
        return []
    text = f"{names[0]}= of {unit.name} lets netlink pass by now, but {subject.workload.name} was started before."
    return [_not_restarted(subject, unit, "socket", text, names=tuple(names), effect="may_refuse")]


def _stale_filter(subject: Subject, unit: Unit) -> bool:
    """Whether what runs may still have a filter of before: then it is not known to be this one."""
    return unit.stale and subject.process is not None


def _privilege(subject: Subject, unit: Unit) -> Optional[Finding]:
    """The first privilege that the unit's lines keep from an actor."""
    prediction = subject.prediction
    if prediction is not None and prediction.error == "EPERM" and blames_bounding_set(subject, None, CAP_NET_ADMIN):
        return _bounding_set(subject, unit, CAP_NET_ADMIN, "execve", "link")
    for actor in subject.actors:
        for operation, gate, bit, _user_ns, decision in subject.refusals(actor):
            if decision.why == "foreign":
                blamed = blames_private_users(subject, gate)
                return _private_users(subject, unit, gate, bit, operation) if blamed else None
            reason = claims(subject, actor, bit)
            if reason == "user_manager":
                return _user_manager(subject, unit, gate, bit)
            if reason == "not_restarted":
                text = f"{unit.name} grants {CAPABILITIES[bit]} by now, but {subject.workload.name} was started before."
                return _not_restarted(subject, unit, gate, text, capability=bit)
            if reason == "capability_bounding_set":
                return _bounding_set(subject, unit, bit, gate, operation)
            if reason == "no_new_privileges":
                return _no_new_privileges(subject, unit, gate, bit)
            return None
    return None


def _users(subject: Subject, unit: Unit) -> Optional[Finding]:
    """What does not run yet will get a user namespace of its own, which owns none of the network namespaces."""
    if not subject.starts or unsandboxed(subject) or not enabled(unit, "PrivateUsers"):
        return None
    for actor in subject.actors:
        for operation in subject.workload.operations:
            for gate, bit, _owner in subject.needs(actor, operation):
                if gate in ("ack", "setns"):
                    return _private_users(subject, unit, gate, bit, operation)
    return None


def _not_restarted(subject: Subject, unit: Unit, gate: str, summary: str, **more: Any) -> Finding:
    return _finding(
        subject,
        unit,
        "not_restarted",
        more.pop("names", ("AmbientCapabilities", "CapabilityBoundingSet", "User")),
        gate=gate,
        summary=summary,
        remedy=unit_remedy(subject, unit, restart=True),
        advice=f"Restart {unit.name}.",
        pending=True,
        **more,
    )


def _user_manager(subject: Subject, unit: Unit, gate: str, bit: int) -> Finding:
    return _finding(
        subject,
        unit,
        "user_manager",
        (),
        gate=gate,
        capability=bit,
        summary=f"{unit.name} is run by a user's own service manager, which has no {CAPABILITIES[bit]} to give.",
        evidence=[Evidence("cgroup", (subject.process.cgroup if subject.process else None) or unit.name)],
        advice="Make it a system unit with User= and AmbientCapabilities=, or put a file capability on its program.",
    )


def _private_users(subject: Subject, unit: Unit, gate: str, bit: int, operation: str) -> Finding:
    if lifted(subject, "PrivateUsers"):
        text = f"PrivateUsers= of {unit.name} is off by now, but {subject.workload.name} was started before."
        return _not_restarted(subject, unit, gate, text, names=("PrivateUsers",), capability=bit)
    return _finding(
        subject,
        unit,
        "private_users",
        ("PrivateUsers",),
        gate=gate,
        capability=bit,
        certainty=subject.certainty(operation),
        summary=f"PrivateUsers= of {unit.name} puts {subject.workload.name} into a user namespace of its own, whose "
        "capabilities do not count for its network namespace.",
        evidence=subject.probe_evidence(operation),
        remedy=unit_remedy(subject, unit, lift="private_users", adds=f"{unit.name} runs in the host's user namespace"),
    )


def _bounding_set(subject: Subject, unit: Unit, bit: int, gate: str, operation: str) -> Finding:
    name = CAPABILITIES[bit]
    remedy, advice = None, f"Do not add {name}: it is next to root. Let another unit enter the namespace."
    if bit == CAP_NET_ADMIN:
        adds = f"{unit.name} gains {name}" + (" over the HOST network" if subject.host_network else "")
        remedy, advice = unit_remedy(subject, unit, grant=name, adds=adds), ""
    return _finding(
        subject,
        unit,
        "capability_bounding_set",
        ("CapabilityBoundingSet", "AmbientCapabilities"),
        gate=gate,
        capability=bit,
        certainty=subject.certainty(operation),
        summary=f"CapabilityBoundingSet= of {unit.name} leaves out {capability_words(bit)}, so nothing in it can hold "
        "it, not even root.",
        evidence=subject.probe_evidence(operation),
        remedy=remedy,
        advice=advice,
    )


def _no_new_privileges(subject: Subject, unit: Unit, gate: str, bit: int) -> Finding:
    """The line can stay: a capability that is ambient already is none that execve would add."""
    name, file = CAPABILITIES[bit], subject.executable
    return _finding(
        subject,
        unit,
        "no_new_privileges",
        ("NoNewPrivileges", "DynamicUser"),
        gate=gate,
        capability=bit,
        summary=f"{unit.name} is started with no_new_privs, so the file capability of its program adds nothing.",
        evidence=[Evidence(file.path if file else unit.name, f"has {name} as file capability")],
        remedy=unit_remedy(subject, unit, grant=name, adds=f"{unit.name} gains {name}"),
    )


def _network(subject: Subject, unit: Unit) -> Optional[Finding]:
    """A link that the unit names and that its network of its own has not."""
    line = private_network(subject)
    if line is None or not subject.workload.names_object:
        return None
    if subject.workload.target_ns not in (None, subject.workload.net_ns):
        return None
    # Imported here: an AnsiballZ payload is compiled in each run, and most workloads name no object.
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._causes.sysctl import (
        interface_of,
        route_interface_of,
    )

    names = [name for name in (interface_of(subject), route_interface_of(subject), subject.workload.master) if name]
    if not names:
        return None
    made_anew = subject.starts and line.name == "PrivateNetwork"
    namespace = None if made_anew else subject.namespace
    if namespace is not None and (namespace.links is None or all(find_link(namespace, name) for name in names)):
        return None
    if namespace is None and names == ["lo"]:
        return None
    if lifted(subject, "PrivateNetwork"):
        text = f"PrivateNetwork= of {unit.name} is off by now, but {subject.workload.name} was started before."
        return _not_restarted(subject, unit, "object", text, names=("PrivateNetwork",))
    remedy = None
    joins = made_anew and bool(unit.properties.get("JoinsNamespaceOf"))  # another unit may have made the link there
    if line.name == "PrivateNetwork":
        adds = f"{unit.name} reaches the HOST network"
        remedy = unit_remedy(subject, unit, lift="private_network", adds=adds)
    return _finding(
        subject,
        unit,
        "private_network",
        ("PrivateNetwork", "NetworkNamespacePath"),
        gate="object",
        certainty="possible" if joins else "likely" if namespace is None else "proven",
        effect="may_refuse" if joins else "refuses",
        summary=f"{line.name}= gives {unit.name} a network of its own, and that has no link {names[0]}.",
        remedy=remedy,
        advice="" if remedy else f"Put {names[0]} into the namespace at {line.value}, or change that line.",
    )


def _tunables(subject: Subject, unit: Unit) -> Optional[Finding]:
    """A unit that switches forwarding itself cannot, while /proc/sys is read-only for it."""
    old = lifted(subject, "ProtectKernelTunables")
    if "forward" not in subject.workload.operations or not (enabled(unit, "ProtectKernelTunables") or old):
        return None
    if unsandboxed(subject):
        return None
    switches = [item for item in subject.state.sysctls if item.net_ns == subject.net_ns and item.key.endswith("ward")]
    if all(item.value == "1" for item in switches):
        return None
    if old:
        text = f"ProtectKernelTunables= of {unit.name} is off by now, but {subject.workload.name} was started before."
        return _not_restarted(subject, unit, "write", text, names=("ProtectKernelTunables",))
    return _finding(
        subject,
        unit,
        "protect_kernel_tunables",
        ("ProtectKernelTunables",),
        gate="write",
        certainty="proven" if any(item.read_only for item in switches) else "likely",
        summary=f"ProtectKernelTunables= makes /proc/sys read-only for {unit.name}, so it cannot switch forwarding on.",
        evidence=[Evidence(f"/proc/sys/{item.key}", item.value or "") for item in switches],
        remedy=unit_remedy(
            subject, unit, lift="protect_kernel_tunables", adds=f"{unit.name} may write to /proc/sys and /sys"
        ),
    )
