# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a function in a forked child, in other namespaces, and bring its answer back as plain data.

The caller's own namespaces and credentials stay as they are: setns(2) happens in the child only. The caller must be
single-threaded at that moment, and the function must not import anything.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CLONE_NEWNET,
    CLONE_NEWUSER,
    PROBE_NAME,
    errno_name,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15

LIBC = ctypes.CDLL(None, use_errno=True)
_NAME = ctypes.create_string_buffer(PROBE_NAME.encode())
LIBC.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

# A namespace: the path of a namespace file (/proc/PID/ns/net, /run/netns/x) or a descriptor open on one.
Namespace = Union[str, int]


@dataclass(frozen=True)
class Outcome:
    """What came back from the child.

    value: what the function returned, as JSON gives it back. error: None, or one sentence that says what failed.
    errno: its number where the kernel gave one. step: where it failed (fork, setns, function, timeout, child).
    """

    value: Any = None
    error: Optional[str] = None
    errno: Optional[int] = None
    step: Optional[str] = None


def run_joined(
    function: Callable[[], Any],
    *,
    net_ns: Optional[Namespace] = None,
    user_ns: Optional[Namespace] = None,
    keep: Optional[Collection[int]] = None,
    timeout: float = 5.0,
) -> Outcome:
    """Call a function in a child that joined the given namespaces (none: those of the caller).

    The result must be JSON-able; it and every failure, exceptions of the function included, come back in the Outcome.
    keep: descriptors that stay open in the child while it closes all others but the standard ones; None closes none.
    After `timeout` seconds the child is killed. It is reaped in any case. Never raises.
    """
    try:
        reader, writer = os.pipe()
    except OSError as exc:
        return _failure("fork", "no pipe to a child", exc)
    try:
        child = os.fork()
    except OSError as exc:
        os.close(reader)
        os.close(writer)
        return _failure("fork", "no child process", exc)
    if child == 0:
        os.close(reader)
        _live_in_child(function, net_ns, user_ns, keep, writer)
    os.close(writer)
    try:
        return _collect(reader, timeout)
    finally:
        os.close(reader)
        try:
            os.kill(child, signal.SIGKILL)  # Not reaped yet, so the pid is still its own.
        except PermissionError:
            pass  # An AppArmor profile that it took may refuse signals; then it ends by an alarm of its own.
        os.waitpid(child, 0)


def join(namespace: Namespace, kind: int) -> None:
    """setns(2) for the calling process; does nothing when it is in that namespace already.

    kind: CLONE_NEWNET or CLONE_NEWUSER. Raises OSError. (The kernel refuses a user namespace that is one's own.)
    """
    opened = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC) if isinstance(namespace, str) else namespace
    try:
        own = os.stat("/proc/self/ns/" + ("net" if kind == CLONE_NEWNET else "user"))
        there = os.fstat(opened)
        if (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino):
            return
        if LIBC.setns(opened, kind) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        if isinstance(namespace, str):
            os.close(opened)


def read_limits(user_ns: Namespace, unseen: list[Unseen]) -> dict[str, int]:
    """Limits of a user namespace: /proc/sys/user/max_* as read inside it, e.g. {"max_net_namespaces": 1000}.

    A failure is appended to `unseen` and gives {}. Source: namespaces(7).
    """
    outcome = run_joined(_read_own_limits, user_ns=user_ns)
    if outcome.error is not None:
        unseen.append(Unseen(f"/proc/sys/user in {user_ns}", outcome.error))
        return {}
    return {str(name): int(value) for name, value in outcome.value.items()}


def _read_own_limits() -> dict[str, int]:
    limits = {}
    for name in sorted(os.listdir("/proc/sys/user")):
        with open(f"/proc/sys/user/{name}", encoding="ascii") as handle:
            limits[name] = int(handle.read())
    return limits


def _close_others(keep: Collection[int]) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in keep:
            try:
                os.close(int(name))
            except OSError:
                pass  # The descriptor with which the directory was read.


def _live_in_child(
    function: Callable[[], Any],
    net_ns: Optional[Namespace],
    user_ns: Optional[Namespace],
    keep: Optional[Collection[int]],
    writer: int,
) -> None:
    """The child's whole life: join, call, report, and leave without running the caller's exit handlers."""
    try:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        LIBC.prctl(PR_SET_NAME, ctypes.addressof(_NAME), 0, 0, 0)
        if keep is not None:
            _close_others({0, 1, 2, writer, *keep})
        report = _report(function, net_ns, user_ns)
        data = json.dumps(report).encode()
        while data:
            data = data[os.write(writer, data) :]
    except BaseException:
        os._exit(1)
    os._exit(0)


def _report(function: Callable[[], Any], net_ns: Optional[Namespace], user_ns: Optional[Namespace]) -> dict[str, Any]:
    # The network namespace first: once in the user namespace, the privilege over the former may be gone.
    for namespace, kind, word in ((net_ns, CLONE_NEWNET, "network"), (user_ns, CLONE_NEWUSER, "user")):
        if namespace is None:
            continue
        try:
            join(namespace, kind)
        except OSError as exc:
            return vars(_failure("setns", f"cannot join the {word} namespace {namespace}", exc))
    try:
        return vars(Outcome(value=function()))
    except OSError as exc:
        return vars(_failure("function", exc.filename or "the call", exc))
    except BaseException as exc:
        return vars(Outcome(error=f"{type(exc).__name__}: {exc}", step="function"))


def _failure(step: str, what: object, exc: OSError) -> Outcome:
    reason = f"{exc.strerror or exc} ({errno_name(exc.errno)})" if exc.errno else str(exc)
    return Outcome(error=f"{what}: {reason}", errno=exc.errno, step=step)


def _collect(reader: int, timeout: float) -> Outcome:
    deadline = time.monotonic() + timeout
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    data = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return Outcome(error=f"no answer within {timeout:g} s", step="timeout")
        chunk = os.read(reader, 65536)
        if not chunk:
            break
        data += chunk
    try:
        return Outcome(**json.loads(data))
    except ValueError:
        return Outcome(error="the child ended without an answer", step="child")
