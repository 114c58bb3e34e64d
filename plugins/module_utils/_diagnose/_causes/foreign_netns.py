# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 5: the network namespace belongs to a user namespace in which the workload's capabilities do not count."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._predicate import ABOVE
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Actor, Cause, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding, Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAP_NET_ADMIN,
    CAPABILITIES,
    NETLINK_ROUTE,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container

CAUSE = Cause(
    "5",
    "foreign_netns",
    "The network namespace is owned by a user namespace in which the workload's capabilities do not count.",
    {
        "userns_remap": "A container of a remapped user namespace works on the network of the host.",
        "rootless_host_network": "A user's own user namespace (rootless) works on the network of the host.",
        "other_owner": "The network namespace is owned by another user namespace.",
        "cannot_join": "Entering the named network namespace needs cap_sys_admin over its owner.",
        "target_netns": "The other namespace named in the request is not the workload's to change.",
        "socket_of_other_netns": "The workload's netlink socket belongs to another network namespace than it is in.",
        "init_only_operation": (
            "The operation needs the capability in the initial user namespace, whoever owns the netns."
        ),
    },
)

USELESS = "Adding capabilities or subordinate ids does not help. "
ADVICE = {
    "userns_remap": USELESS
    + (
        "Give the container a network namespace of its own, or run that container in the host's user "
        "namespace (userns: host)."
    ),
    "rootless_host_network": USELESS
    + "Create the network namespace together with the user namespace (unshare -Urn, rootless container network).",
    "other_owner": USELESS
    + "Do the change from the owning user namespace, or create the network namespace from this one.",
    "cannot_join": (
        "Let root of the owning user namespace start the program there (ip netns exec, nsenter, NetworkNamespacePath=)."
    ),
    "target_netns": "Let a process with the capability over both namespaces move the link.",
    "socket_of_other_netns": "Open the socket after entering the namespace, or restart the workload inside it.",
    "init_only_operation": (
        "Only a process with the capability in the host's initial user namespace can do this operation."
    ),
}


def judge(subject: Subject) -> list[Finding]:
    """One finding for each gate at which the first refused actor meets a namespace that is not its own."""
    found: dict[str, Finding] = {}
    for actor in subject.actors:
        for operation, gate, bit, _user_ns, decision in subject.refusals(actor):
            if decision.why == "foreign" and not subject.foreign_by_unit(gate):
                reason = _reason(subject, actor, operation, gate)
                found.setdefault(reason, _finding(subject, actor, reason, operation, gate, bit))
        if found:
            return list(found.values())
    return _socket(subject)


def _reason(subject: Subject, actor: Actor, operation: str, gate: str) -> str:
    if gate == "setns":
        return "cannot_join"
    if gate == "target":
        return "target_netns"
    if operation == "action" and subject.decide(actor, CAP_NET_ADMIN, subject.owner(subject.net_ns)).allowed:
        return "init_only_operation"
    if not subject.host_network or subject.state.host.nested:
        return "other_owner"
    own = subject.state.user_namespaces.get(actor.user_ns) if actor.user_ns is not None else None
    if own is None or own.owner_uid != 0:
        return "rootless_host_network"
    # Root of the host is root in one that no engine remapped: of PrivateUsers=, or of a program that left by itself.
    remapped = all(line.outside != 0 for line in own.uid_map if line.inside == 0)
    return "userns_remap" if remapped else "other_owner"


def _owner(owner: Optional[int]) -> str:
    return "a user namespace above the observer's" if owner == ABOVE else f"user:[{owner}]"


def _finding(subject: Subject, actor: Actor, reason: str, operation: str, gate: str, bit: int) -> Finding:
    name, capability = subject.workload.name, CAPABILITIES[bit]
    asked = "move" if gate == "target" else operation
    net_ns = subject.workload.target_ns if gate in ("setns", "target") else subject.net_ns
    summary = {
        "cannot_join": f"{name} may not enter the named network namespace: it has no {capability} over its owner.",
        "target_netns": f"{name} may not move a link into a network namespace that another user namespace owns.",
        "init_only_operation": (
            f"{name} is root of its own namespace only; this operation wants {capability} on the host."
        ),
    }.get(
        reason,
        f"{name} holds its capabilities in a user namespace that does not own the network namespace it works on"
        + (" (the host's)." if subject.host_network and not subject.state.host.nested else "."),
    )
    evidence = [
        Evidence(f"/proc/{actor.tid}/ns/user" if actor.tid else "user namespace", f"user:[{actor.user_ns}]"),
        Evidence(f"net:[{net_ns}]", f"is owned by {_owner(subject.owner(net_ns))}"),
    ]
    own = subject.state.user_namespaces.get(actor.user_ns) if actor.user_ns is not None else None
    if own is not None and own.parent is not None:
        mapping = ", ".join(f"{line.inside} {line.outside} {line.count}" for line in own.uid_map)
        evidence.append(Evidence("uid_map", f"user:[{own.inode}] of uid {own.owner_uid}: {mapping or 'empty'}"))
    remedy, advice = None, ADVICE[reason]
    if reason == "userns_remap" and subject.container is not None:
        remedy, advice = _host_users(subject.container)
    return subject.finding(
        CAUSE,
        reason,
        gate=gate,
        capability=bit,
        certainty="possible" if subject.mixed else subject.certainty(asked),
        effect="may_refuse" if subject.mixed else "refuses",
        policy_owner="container engine" if reason == "userns_remap" else "host",
        summary=summary,
        evidence=evidence + subject.probe_evidence(asked),
        remedy=remedy,
        advice=advice,
    )


def _host_users(container: Container) -> tuple[Optional[Remedy], str]:
    """The host's user namespace for that container, or the advice where its definition cannot be changed from here."""
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._containers import (
        advice_for,
        changeable,
    )

    if not changeable(container):
        return None, f"{ADVICE['userns_remap']} {advice_for(container, {'userns': 'host'})}"
    remedy = Remedy(
        "netlink_userns",
        {"netlink_userns_containers": [{"container": container.name, "userns": "host"}]},
        adds=[f"root of container {container.name} is root of the host, as far as its capabilities go"],
        disrupts=[f"container {container.name} is made anew; files of its volumes keep their remapped owners"],
    )
    return remedy, ""


def _socket(subject: Subject) -> list[Finding]:
    """An allowed actor whose open rtnetlink socket belongs to a namespace that is not its own to change."""
    process = subject.process
    if process is None or not subject.actors:
        return []
    actor = subject.actors[0]
    for socket in process.sockets:
        if socket.protocol != NETLINK_ROUTE or socket.net_ns in (None, actor.net_ns):
            continue
        if subject.decide(actor, CAP_NET_ADMIN, subject.owner(socket.net_ns)).allowed is False:
            return [
                subject.finding(
                    CAUSE,
                    "socket_of_other_netns",
                    gate="ack",
                    capability=CAP_NET_ADMIN,
                    certainty="likely",
                    summary=f"{subject.workload.name} sends through a socket of another network namespace, "
                    "which stays bound to the one it was opened in.",
                    evidence=[
                        Evidence(f"/proc/{process.pid}/fd", f"socket {socket.inode} belongs to net:[{socket.net_ns}]")
                    ],
                    advice=ADVICE["socket_of_other_netns"],
                )
            ]
    return []
