# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the kernel what it would answer a workload: harmless requests, sent in the workload's own context.

A probe that passed is not a verdict: gates that cannot be imitated are named in Probe.not_reproduced, and the state of
the object is not looked at. No probe opens a netlink family or a device that is not registered, since that could load
a module.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe import _requests
from ansible_collections.netlink.remediation.plugins.module_utils._observe._imitate import (
    Context,
    ImitationError,
    context_of_credentials,
    context_of_thread,
    imitate,
    read_label,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import parse_credentials, read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._observe._requests import Answer
from ansible_collections.netlink.remediation.plugins.module_utils._state import OPERATIONS, Credentials, Probe

PROBES = (*OPERATIONS, "move")


def probe_thread(
    pid: int,
    operations: Sequence[str],
    *,
    tid: Optional[int] = None,
    start_time: Optional[int] = None,
    net_ns: Optional[str] = None,
    **how: Any,
) -> list[Probe]:
    """probe() for a running thread (see context_of_thread()); one that cannot be read answers unknown at "setup"."""
    try:
        context = context_of_thread(pid, tid, start_time=start_time, net_ns=net_ns)
    except ImitationError as exc:
        return _unknown(operations, str(exc), tid=tid or pid)
    with context:
        context.chrooted = bool(how.pop("chrooted", False))
        context.foreign_socket = bool(how.pop("foreign_socket", False))
        return probe(context, operations, **how)


def probe_credentials(
    credentials: Credentials, operations: Sequence[str], *, net_ns: Optional[str] = None, **how: Any
) -> list[Probe]:
    """probe() for credentials in the observer's own namespaces (net_ns: path of another network namespace)."""
    try:
        context = context_of_credentials(credentials, net_ns=net_ns)
    except ImitationError as exc:
        return _unknown(operations, str(exc))
    with context:
        return probe(context, operations, **how)


def probe(
    context: Context,
    operations: Sequence[str],
    *,
    target_netns: Optional[int] = None,
    protocols: Optional[Collection[int]] = None,
    timeout: float = 5.0,
) -> list[Probe]:
    """One Probe for each operation, in the order given; never raises for what the kernel says.

    operations: words of PROBES. target_netns: a descriptor open on another network namespace: "move" asks to move a
    link there, and "netns" to enter it instead of making one. protocols: numbers of the registered netlink families,
    None to read them. timeout: seconds for all of them.
    """
    own = parse_credentials(read_bytes("/proc/self/status"))
    if own.seccomp:
        return _unknown(operations, "a seccomp filter on this module itself could answer for the kernel", context)
    keep = [context.user_ns, context.net_ns, context.root]
    keep += [target_netns] if target_netns is not None else []
    outcome = run_joined(lambda: _live_as(context, operations, target_netns, protocols), keep=keep, timeout=timeout)
    if outcome.error is not None:
        return _unknown(operations, outcome.error, context)
    if isinstance(outcome.value, str):
        return _unknown(operations, outcome.value, context)
    label = read_label("/proc/self")
    return [
        Probe(
            operation=operation,
            net_ns=context.net_inode,
            tid=context.tid,
            not_reproduced=not_reproduced(context, operation, label),
            **answer,
        )
        for operation, answer in zip(operations, outcome.value)
    ]


def not_reproduced(context: Context, operation: str, own_label: Optional[str]) -> list[str]:
    """The gates between this workload and the operation that a probe cannot imitate."""
    gates = []
    if context.label != own_label:
        gates.append(f"LSM label {context.label}")
    if context.credentials.seccomp:
        gates.append("seccomp filter")
    if context.foreign_socket:
        gates.append("open socket of another network namespace")
    if context.chrooted and operation == "userns":
        gates.append("chroot")
    if operation == "tun" and context.cgroup is not None and context.cgroup != read_bytes("/proc/self/cgroup"):
        gates.append("device control group")
    return gates


def _unknown(
    operations: Sequence[str], reason: str, context: Optional[Context] = None, tid: Optional[int] = None
) -> list[Probe]:
    """Nothing was asked, since the workload's context could not be taken."""
    net_ns = context.net_inode if context else None
    tid = context.tid if context else tid
    return [Probe(operation, "unknown", False, "setup", reason, net_ns, tid) for operation in operations]


def _live_as(
    context: Context, operations: Sequence[str], target: Optional[int], protocols: Optional[Collection[int]]
) -> Any:
    """In the child: the plain answers, or a sentence that says why the context could not be taken."""
    try:
        imitate(context)
        registered = _registered() if protocols is None else protocols
        # Entering another network namespace comes last: it moves the child.
        order = sorted(range(len(operations)), key=lambda index: operations[index] == "netns")
        answers = {index: asdict(_ask(context, operations[index], target, registered)) for index in order}
    except ImitationError as exc:
        return str(exc)
    return [answers[index] for index in range(len(operations))]


def _ask(context: Context, operation: str, target: Optional[int], registered: Collection[int]) -> Answer:
    message = _requests.MESSAGES.get(operation)
    if message is not None:
        if message.protocol not in registered:
            detail = f"netlink family {message.protocol} is not registered, asking could load a module"
            return Answer("unknown", "socket", sent=False, detail=detail)
        return _requests.send(message)
    if operation == "move":
        if target is None:
            return Answer("unknown", "setup", sent=False, detail="no other network namespace is named")
        return _requests.move(target)
    if operation == "netns":
        return _requests.create_netns() if target is None else _requests.enter(target)
    if operation == "userns":
        return _requests.create_userns()
    if operation == "forward":
        return _requests.forward(context.root)
    if not _has_tun():
        return Answer("unknown", "open", sent=False, detail="tun is not registered, asking could load a module")
    return _requests.tun(context.root)


def _registered() -> set[int]:
    """Netlink families that the kernel listens to in the own network namespace: rows of port 0."""
    rows = [line.split(None, 3) for line in read_bytes("/proc/self/net/netlink", 1 << 26).splitlines()[1:]]
    return {int(row[1]) for row in rows if len(row) > 2 and row[2] == b"0"}


def _has_tun() -> bool:
    return any(line.split()[-1:] == [b"tun"] for line in read_bytes("/proc/misc").splitlines())
