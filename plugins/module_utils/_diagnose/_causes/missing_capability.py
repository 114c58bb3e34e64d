# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 1: the sending thread does not hold the capability in the user namespace that counts."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._execve import after_start
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Actor, Cause, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._void import find_void
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding, Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAP_NET_ADMIN,
    CAPABILITIES,
    NETLINK_ROUTE,
    capability_names,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Executable, Unit
from ansible_collections.netlink.remediation.plugins.module_utils._tools import classify_tool, is_launcher

CAUSE = Cause(
    "1",
    "missing_capability",
    "The thread that sends the request does not hold the capability in its effective set.",
    {
        "not_root": "The workload runs as a user other than root and was given no capability.",
        "dropped": "The workload runs as root or used to hold the capability, but this thread dropped it.",
        "held_not_raised": "The capability is permitted but not effective: the program raises it on demand.",
        "stale_socket": "The thread holds the capability, but its netlink socket was opened by a user who did not.",
    },
)

PENDING = "Start the workload anew: a new process of it has the capability, one that runs already does not gain it."


def judge(subject: Subject) -> list[Finding]:
    """One finding for the first refused actor, or one for a stale socket of an actor that is not refused."""
    refused = [
        (actor, refusal)
        for actor in subject.actors
        for refusal in subject.refusals(actor)
        if refusal[4].why == "not_effective"
    ]
    if not refused:
        return _stale_socket(subject)
    actor, (operation, gate, bit, _user_ns, _decision) = refused[0]
    raised = bool(actor.credentials.permitted >> bit & 1)
    if find_void(subject, actor, bit) or subject.claimed_by_unit(actor, bit) or (subject.container and not raised):
        return []
    mixed = len({item[0] for item in refused}) < len(subject.actors)
    reason = _reason(subject, actor, bit, mixed)
    pending = reason == "not_root" and _granted_anew(subject, actor, bit)
    remedy, advice = (None, PENDING) if pending else _remedy(subject, actor, reason, bit)
    certainty = "possible" if mixed else subject.certainty(operation)
    return [
        subject.finding(
            CAUSE,
            reason,
            gate=gate,
            capability=bit,
            certainty=certainty,
            effect="may_refuse" if mixed or reason == "held_not_raised" else "refuses",
            policy_owner=_policy_owner(subject),
            summary=_summary(subject, actor, reason, bit, mixed),
            evidence=_evidence(actor, bit) + subject.probe_evidence(operation),
            remedy=remedy,
            advice=advice,
            pending=pending,
        )
    ]


def _granted_anew(subject: Subject, actor: Actor, bit: int) -> bool:
    """Whether the program would have the capability if it were started anew as it is (a fix came after its start)."""
    file = subject.executable
    if file is None or not file.exists or file.mode is None:
        return False
    above = subject.parent.threads[0].credentials if subject.parent and subject.parent.threads else None
    before = above if above is not None and above.euid == actor.credentials.euid else actor.credentials
    after = subject.predict(before, file).credentials
    return after is not None and bool(after_start(after, file).effective >> bit & 1)


def _reason(subject: Subject, actor: Actor, bit: int, mixed: bool) -> str:
    credentials = actor.credentials
    if credentials.permitted >> bit & 1:
        return "held_not_raised"
    if mixed or not credentials.bounding >> bit & 1:
        return "dropped"
    if subject.unit is not None and subject.process:
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._sandbox import runs_as_root

        if runs_as_root(subject.unit):
            return "dropped"  # the unit started it as root, and it went on as another user
    is_root = {0, *subject.rootids()[:1]} & {credentials.ruid, credentials.euid}
    return "dropped" if is_root else "not_root"


def _policy_owner(subject: Subject) -> str:
    process = subject.process
    if process and process.container:
        return "container engine"
    name = process.unit if process else subject.unit.name if subject.unit else None
    return "unit" if name and name.endswith(".service") else "host"


def _summary(subject: Subject, actor: Actor, reason: str, bit: int, mixed: bool) -> str:
    name, capability, uid = subject.workload.name, CAPABILITIES[bit], actor.credentials.euid
    who = f"Thread {actor.tid} ({actor.name}) of {name}" if mixed else name
    if reason == "held_not_raised":
        return f"{who} may raise {capability} but has not: it is permitted, not effective."
    if reason == "not_root":
        return f"{who} runs as uid {uid} without {capability}, which the kernel wants for this request."
    where = "even its bounding set lacks it" if not actor.credentials.bounding >> bit & 1 else "it was dropped"
    return f"{who} runs as uid {uid} but has no {capability}: {where}."


def _evidence(actor: Actor, bit: int) -> list[Evidence]:
    credentials = actor.credentials
    held = [
        label
        for label, mask in (
            ("effective", credentials.effective),
            ("permitted", credentials.permitted),
            ("inheritable", credentials.inheritable),
            ("bounding", credentials.bounding),
            ("ambient", credentials.ambient),
        )
        if mask >> bit & 1
    ]
    text = f"uid {credentials.euid}; {CAPABILITIES[bit]} is in the sets: {', '.join(held) or 'none'}"
    names = capability_names(credentials.effective)
    effective = "all others" if len(names) > 20 else ", ".join(names) or "nothing"
    return [Evidence(actor.place, text), Evidence(actor.place, f"effective: {effective}")]


def _remedy(subject: Subject, actor: Actor, reason: str, bit: int) -> tuple[Optional[Remedy], str]:
    """The remedy, or None and the advice that stands for it."""
    capability, process, file = CAPABILITIES[bit], subject.process, subject.executable
    if reason == "held_not_raised":
        return None, "Nothing to grant: the program raises it when it needs it; look at its own error otherwise."
    if process and process.container:
        return None, f"Grant {capability} where the container is defined (cap_add), then recreate it."
    if subject.unit is not None and bit == CAP_NET_ADMIN:
        return _unit_remedy(subject, subject.unit, actor, capability)
    if process and process.unit and process.unit.endswith(".service") and bit == CAP_NET_ADMIN:
        return None, (
            f"Give the unit {process.unit} a drop-in with AmbientCapabilities={capability.upper()} (and the same in "
            "CapabilityBoundingSet= where one is set), then restart it."
        )
    if bit != CAP_NET_ADMIN:
        return (
            None,
            f"Do not grant {capability}, it is next to root: let root enter the namespace and start the program there.",
        )
    if reason == "dropped":
        return (
            None,
            "Whoever starts the workload, or the program itself, must keep the capability; a file cannot add it.",
        )
    if actor.credentials.no_new_privs:
        return None, "The workload has no_new_privs: grant the capability where it is started (AmbientCapabilities=)."
    if file is not None and file.elsewhere:
        return None, f"{file.path} lies in another mount namespace (an image, a chroot): grant it where that is built."
    if file is None or not file.exists or file.mode is None:
        return None, "Its executable could not be read, so no file can be named for the capability."
    return _file_remedy(file, capability)


def _unit_remedy(subject: Subject, unit: Unit, actor: Actor, capability: str) -> tuple[Optional[Remedy], str]:
    """A grant by the unit reaches only a program that is started as the user it runs as."""
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._sandbox import (
        grants,
        lines,
        runs_as_root,
        unit_remedy,
    )

    if runs_as_root(unit) and not any("noroot" in line.value.split() for line in lines(unit, "SecureBits")):
        who = f"as uid {actor.credentials.euid}" if actor.credentials.euid else f"without {capability}"
        return None, (
            f"{unit.name} is started as root and goes on {who} by itself: let the program keep {capability}, or start "
            "it with User= and AmbientCapabilities=."
        )
    if grants(unit, CAP_NET_ADMIN):
        return None, f"{unit.name} grants {capability} at its start, and the program drops it: let the program keep it."
    where = " over the HOST network" if subject.host_network else ""
    return unit_remedy(subject, unit, grant=capability, adds=f"{unit.name} gains {capability}{where}"), ""


def _file_remedy(file: Executable, capability: str) -> tuple[Optional[Remedy], str]:
    path = file.interpreter or file.real_path or file.path
    if file.nosuid:
        return (
            None,
            f"{path} lies on a nosuid mount, where file capabilities are ignored; use AmbientCapabilities= in a unit.",
        )
    if file.drops_capabilities:
        return None, (
            f"setcap on {path} does nothing, this program drops it at start: run it from a unit with "
            "AmbientCapabilities=, or as root."
        )
    if path.rpartition("/")[2] == "bwrap":
        return None, (
            f"setcap on {path} would keep it from starting (Unexpected capabilities but not setuid). It works in a "
            "user namespace that it makes: judge it with operations: [userns]."
        )
    if file.origin:
        return None, (
            f"A capability on {path} would keep its loader from {file.origin}: run it from a unit with "
            "AmbientCapabilities=, which does not."
        )
    if is_launcher(path):
        return None, (
            f"A capability on {path} would not reach the programs that it starts: grant it to the one that talks to "
            "the kernel, or run this from a unit with AmbientCapabilities=."
        )
    if file.writable_by:
        return None, (
            f"{file.writable_by} can be changed by users other than root, so {path} must not get a capability: "
            "install the program where only root can write."
        )
    kind = classify_tool(path)
    wanted = [{"path": path, "capabilities": f"{capability}+ep", "state": "present"}]
    adds = [f"every user who may execute {path} gains {capability}"]
    consent = [kind] if kind else []
    return Remedy("netlink_capability", {"netlink_capability_files": wanted}, adds=adds, consent=consent), ""


def _stale_socket(subject: Subject) -> list[Finding]:
    """A socket that another user opened: sends without an address (pyroute2) are judged by the opener too.

    Only the creator's uid can be seen, not its capabilities, so this is never more than possible.
    """
    process = subject.process
    if process is None or not subject.actors:
        return []
    actor = subject.actors[0]
    for socket in process.sockets:
        stale = socket.opener_uid not in (None, 0, actor.credentials.euid)
        if socket.protocol == NETLINK_ROUTE and stale and actor.credentials.effective >> CAP_NET_ADMIN & 1:
            return [
                subject.finding(
                    CAUSE,
                    "stale_socket",
                    gate="ack",
                    capability=CAP_NET_ADMIN,
                    certainty="possible",
                    effect="may_refuse",
                    summary=f"{subject.workload.name} holds the capability, but uid {socket.opener_uid}, which opened "
                    "its netlink socket, may not have: sends without an address are refused.",
                    evidence=[
                        Evidence(f"/proc/{process.pid}/fd", f"netlink socket {socket.inode} of uid {socket.opener_uid}")
                    ],
                    remedy=_restart(subject),
                    advice="Restart the workload, so that it opens its socket with the credentials that it has now.",
                )
            ]
    return []


def _restart(subject: Subject) -> Optional[Remedy]:
    """A restart of the unit or container that holds the socket."""
    if subject.container is not None:
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._containers import container_remedy

        return container_remedy(subject, subject.container, {"recreate": True}, "")
    if subject.unit is not None:
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._sandbox import unit_remedy

        return unit_remedy(subject, subject.unit, restart=True)
    return None
