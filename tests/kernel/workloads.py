# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads of the probe's tests: real processes in a context of their own that carry out real operations on request.

They live in network namespaces made for the test; all that they make is gone with these.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

from ansible_collections.netlink.remediation.tests.kernel.contexts import (
    ALL,
    CLONE_NEWNET,
    CLONE_NEWUSER,
    LIBC,
    NET_ADMIN,
    become,
    capset,
    check,
    prctl,
    unshare,
)

USER = 4242
SYS_ADMIN = 1 << 21


class Workload:
    """A process that does what it is told in its own context; tid is the thread that does it."""

    def __init__(self, prepare: Callable[[], None], thread: Callable[[], None] | None = None) -> None:
        ask, self._ask = os.pipe()
        self._answers, answer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._ask)
            os.close(self._answers)
            _live(prepare, thread, os.fdopen(ask), answer)
        os.close(ask)
        os.close(answer)
        first = self._read()
        if "error" in first:
            raise RuntimeError(first["error"])
        self.tid = first["tid"]

    def __call__(self, *arguments: str | int) -> bool:
        """Carry out a command (a program and its arguments), or one of OWN_OPERATIONS; whether it succeeded."""
        os.write(self._ask, json.dumps(arguments).encode() + b"\n")
        return bool(self._read()["succeeded"])

    def _read(self) -> dict:
        data = b""
        while not data.endswith(b"\n"):
            part = os.read(self._answers, 4096)
            if not part:
                raise RuntimeError("the workload ended")
            data += part
        return json.loads(data)

    def end(self) -> None:
        os.close(self._ask)
        os.close(self._answers)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


@contextmanager
def running(prepare: Callable[[], None], thread: Callable[[], None] | None = None) -> Iterator[Workload]:
    workload = Workload(prepare, thread)
    try:
        yield workload
    finally:
        workload.end()


def _live(prepare, thread, questions, answer) -> None:
    def serve() -> None:
        if thread is not None:
            thread()
        os.write(answer, json.dumps({"tid": threading.get_native_id()}).encode() + b"\n")
        for line in questions:
            words = json.loads(line)
            done = OWN_OPERATIONS.get(words[0])
            result = _succeeds(lambda done=done, words=words: done(words[1])) if done else _run(words)
            os.write(answer, json.dumps({"succeeded": result}).encode() + b"\n")

    try:
        prctl(1, signal.SIGKILL)
        prepare()
        prctl(1, signal.SIGKILL)
        if thread is None:
            serve()
        else:
            runner = threading.Thread(target=serve)
            runner.start()
            runner.join()
    except BaseException as exc:
        os.write(answer, json.dumps({"error": repr(exc)}).encode() + b"\n")
    finally:
        os._exit(0)


def _run(words: list[str]) -> bool:
    child = os.fork()
    if child == 0:
        try:
            null = os.open("/dev/null", os.O_RDWR)
            for end in range(3):
                os.dup2(null, end)
            os.execvp(words[0], [str(word) for word in words])
        finally:
            os._exit(127)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _succeeds(step: Callable[[], object]) -> bool:
    try:
        step()
    except OSError:
        return False
    return True


# --- what a thread does by itself, since execve would give it other credentials ---------------------------------------


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _request(kind: int, flags: int, body: bytes) -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as channel:
        channel.sendto(struct.pack("=IHHII", 16 + len(body), kind, 5 | flags, 1, 0) + body, (0, 0))
        (number,) = struct.unpack_from("=i", channel.recv(65536), 16)
    if number:
        raise OSError(-number, os.strerror(-number))


def _add_link(number: int) -> None:
    kind = _attribute(18, _attribute(1, b"bridge"))
    body = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + _attribute(3, f"own{number}".encode() + b"\0") + kind
    _request(16, 0x600, body)


def _add_address(number: int) -> None:
    body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, 1) + _attribute(2, bytes([198, 51, 100, number]))
    _request(20, 0x600, body)


def _make_tap(number: int) -> None:
    opened = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(opened, 0x400454CA, struct.pack("16sH22x", f"tap{number}".encode(), 0x1002))
    os.close(opened)


def _forward(_number: int) -> None:
    opened = os.open("/proc/thread-self/net/../../../../sys/net/ipv4/ip_forward", os.O_WRONLY)
    try:
        os.write(opened, b"1")
    finally:
        os.close(opened)


def _unshare(flags: int) -> Callable[[int], None]:
    def step(_number: int) -> None:
        child = os.fork()
        if child == 0:
            os._exit(0 if LIBC.unshare(flags) == 0 else 1)
        if os.waitpid(child, 0)[1]:
            raise PermissionError("unshare")

    return step


OWN_OPERATIONS = {
    "own link": _add_link,
    "own address": _add_address,
    "own tun": _make_tap,
    "own forward": _forward,
    "own netns": _unshare(CLONE_NEWNET),
    "own userns": _unshare(CLONE_NEWUSER | CLONE_NEWNET),
}


# --- contexts ---------------------------------------------------------------------------------------------------------


def root() -> None:
    """Nothing to take."""


def user(**how) -> Callable[[], None]:
    return lambda: become((USER, USER, USER), (USER, USER, USER), **how)


def in_userns(flags: int = 0, *, drop: int = 0) -> None:
    """A user namespace in which one's own ids are root, as rootless tools make it."""
    uid, gid = os.geteuid(), os.getegid()
    prctl(4, 1)  # Ids that were changed make /proc/self/uid_map root's, dumpable makes it one's own again.
    unshare(CLONE_NEWUSER | flags)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as handle:
            handle.write(text)
    if drop:
        for bit in range(41):
            if drop >> bit & 1:
                prctl(24, bit)
        capset(ALL & ~drop, ALL & ~drop, 0)


def steps(*parts: Callable[[], object]) -> Callable[[], None]:
    def prepare() -> None:
        for part in parts:
            part()

    return prepare


def enter(path: str, kind: int = CLONE_NEWNET) -> Callable[[], None]:
    def step() -> None:
        opened = os.open(path, os.O_RDONLY)
        check(LIBC.setns(opened, kind))
        os.close(opened)

    return step


def without_net_admin() -> None:
    become(permitted=ALL & ~NET_ADMIN, without=NET_ADMIN)


def drop_all() -> None:
    capset(0, 0, 0)
