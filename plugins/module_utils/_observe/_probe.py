# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the kernel what it would answer a workload: harmless requests, sent in the workload's own context.

A probe that passed is not a verdict: gates that cannot be imitated are named in Probe.not_reproduced, and the state of
the object is not looked at. AppArmor is asked as well, in the workload's own profile. No probe opens a netlink family
or a device that is not registered, since that could load a module.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe import _requests
from ansible_collections.netlink.remediation.plugins.module_utils._observe._imitate import (
    Context,
    ImitationError,
    Place,
    imitate,
    open_place,
    profile_to_take,
    read_label,
    take_profile,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import parse_credentials, read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._observe._requests import Answer
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Probe
from ansible_collections.netlink.remediation.plugins.module_utils._state import OPERATIONS

__all__ = ["PROBES", "Context", "probe"]

PROBES = (*OPERATIONS, "move")


@dataclass(frozen=True)
class Registered:
    """What the kernel has already: netlink families by number, and the device of TUN. Read before a profile is taken,
    which may forbid the reading.
    """

    protocols: Collection[int]
    tun: bool


def probe(
    context: Context,
    operations: Sequence[str],
    *,
    target_netns: Optional[str] = None,
    protocols: Optional[Collection[int]] = None,
    timeout: float = 5.0,
) -> list[Probe]:
    """One Probe for each operation, in the order given; never raises for what the kernel says.

    operations: words of PROBES. target_netns: path of a network namespace other than the context's: the operations are
    asked there, as of a workload that got into it, "netns" asks to enter it instead of making one, and "move" asks in
    the context's own to move a link there. protocols: numbers of the registered netlink families, None to read them.
    timeout: seconds for all of them. A context that cannot be taken answers unknown, at layer "setup".
    """
    answers: dict[str, Probe] = {}
    for there, group in ((target_netns, [word for word in operations if word != "move"]), (None, ["move"])):
        if set(group) & set(operations):
            for item in _probe_in(context, group, there, target_netns, protocols, timeout):
                answers[item.operation] = item
    return [answers[operation] for operation in operations]


def _probe_in(
    context: Context,
    operations: Sequence[str],
    net_ns: Optional[str],
    target: Optional[str],
    protocols: Optional[Collection[int]],
    timeout: float,
) -> list[Probe]:
    """The probes that are asked in one network namespace, from one child."""
    tid = context.tid or context.pid
    try:
        if parse_credentials(read_bytes("/proc/self/status")).seccomp:
            raise ImitationError("a seccomp filter on this module itself could answer for the kernel")
        with open_place(context, net_ns) as place, open_place(Context(), target) as other:
            inode = os.fstat(place.net_ns).st_ino
            label, cgroup = read_label("/proc/self"), read_bytes("/proc/self/cgroup")
            profile = profile_to_take(place.label, label)
            outcome = run_joined(
                lambda: _live_at(
                    context, place, operations, other.net_ns if target else None, protocols, profile, timeout
                ),
                keep=[place.user_ns, place.net_ns, place.root, other.net_ns],
                timeout=timeout,
            )
            if outcome.error is not None or isinstance(outcome.value, str):
                raise ImitationError(outcome.error or outcome.value)
            if outcome.value["taken"]:
                label = place.label
            gates = {word: not_reproduced(context, place, word, label, cgroup) for word in operations}
            for word, by_type in zip(operations, outcome.value["by_type"]):
                gates[word] += ["type of the socket"] if by_type else []
    except ImitationError as exc:
        return [Probe(word, "unknown", False, "setup", str(exc), None, tid) for word in operations]
    return [
        Probe(word, net_ns=inode, tid=tid, not_reproduced=gates[word], **answer)
        for word, answer in zip(operations, outcome.value["answers"])
    ]


def not_reproduced(
    context: Context, place: Place, operation: str, own_label: Optional[str], own_cgroup: bytes
) -> list[str]:
    """The gates between a workload and an operation that a probe cannot imitate."""
    gates = []
    if place.label != own_label:
        gates.append(f"LSM label {place.label}")
    if place.credentials.seccomp:
        gates.append("seccomp filter")
    if context.foreign_socket:
        gates.append("open socket of another network namespace")
    if context.chrooted and operation == "userns":
        gates.append("chroot")
    if operation == "tun" and place.cgroup != own_cgroup:
        gates.append("device control group")
    return gates


def _live_at(
    context: Context,
    place: Place,
    operations: Sequence[str],
    target: Optional[int],
    protocols: Optional[Collection[int]],
    profile: Optional[str],
    timeout: float,
) -> Any:
    """In the child: {"answers": [...], "by_type": [whether each is one for sockets of some types only, ...], "taken":
    whether it got into the profile}, or a sentence that says why the context could not be taken.
    """
    try:
        imitate(place)
        registered = Registered(_registered() if protocols is None else protocols, _has_tun())
        taken = profile is not None and take_profile(profile, timeout)
        types = context.socket_types if taken else ("raw",)
        # Entering another network namespace comes last: it moves the child.
        order = sorted(range(len(operations)), key=lambda index: operations[index] == "netns")
        answers = {index: _ask(place, operations[index], target, registered, types) for index in order}
    except ImitationError as exc:
        return str(exc)
    in_order = [answers[index] for index in range(len(operations))]
    return {
        "answers": [asdict(item) for item in in_order],
        "by_type": [isinstance(item, ByType) for item in in_order],
        "taken": taken,
    }


def _ask(place: Place, operation: str, target: Optional[int], registered: Registered, types: Sequence[str]) -> Answer:
    message = _requests.MESSAGES.get(operation)
    if message is not None:
        if message.protocol not in registered.protocols:
            detail = f"netlink family {message.protocol} is not registered, asking could load a module"
            return Answer("unknown", "socket", sent=False, detail=detail)
        return _in_common({kind: _requests.send(message, kind) for kind in types})
    if operation == "move":
        if target is None:
            return Answer("unknown", "setup", sent=False, detail="no other network namespace is named")
        return _in_common({kind: _requests.move(target, kind) for kind in types})
    if operation == "netns":
        return _requests.create_netns() if target is None else _requests.enter(target)
    if operation == "userns":
        return _requests.create_userns()
    if operation == "forward":
        return _requests.forward(place.root)
    if not registered.tun:
        return Answer("unknown", "open", sent=False, detail="tun is not registered, asking could load a module")
    return _requests.tun(place.root)


@dataclass(frozen=True)
class ByType(Answer):
    """An answer that sockets of another type did not get."""


def _in_common(answers: dict[str, Answer]) -> Answer:
    """What sockets of every type in question were answered, or those that were not refused when they were opened."""
    opened = [item for item in answers.values() if (item.answer, item.layer) != ("EACCES", "socket")]
    if len(opened) in (0, len(answers)):
        return next(iter(answers.values()))
    detail = ", ".join(f"{kind}: {item.answer} at {item.layer}" for kind, item in answers.items())
    return ByType(**{**asdict(opened[0]), "detail": detail})


def _registered() -> set[int]:
    """Netlink families that the kernel listens to in the own network namespace: rows of port 0."""
    rows = [line.split(None, 3) for line in read_bytes("/proc/self/net/netlink", 1 << 26).splitlines()[1:]]
    return {int(row[1]) for row in rows if len(row) > 2 and row[2] == b"0"}


def _has_tun() -> bool:
    return any(line.split()[-1:] == [b"tun"] for line in read_bytes("/proc/misc").splitlines())
