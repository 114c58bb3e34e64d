# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Harmless requests: each is one that the kernel must judge but cannot carry out.

A request passes when the kernel's answer comes from behind the gate of privilege: it found fault with the request
itself. None of them may be simplified: a zeroed RTM_DELROUTE deletes the default route, a zeroed RTM_DELRULE rule 0.
tests/kernel proves that nothing changes, whoever sends them. Nothing here imports anything when it is called.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import socket
import struct
from dataclasses import dataclass
from typing import Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWUSER,
    CLONE_SYSVSEM,
    NETLINK_NETFILTER,
    NETLINK_ROUTE,
    NETLINK_XFRM,
    errno_name,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC

NLM_F_REQUEST, NLM_F_ACK = 1, 4
NLMSG_ERROR = 2
NO_INDEX = 0x7FFFFFFE  # No link ever has this index.
ANSWER_TIMEOUT = 1.0

SOCKET_TYPES = {"raw": socket.SOCK_RAW, "dgram": socket.SOCK_DGRAM}

# Numbers of system calls that are the same on every architecture, since they are newer than the unified table.
SYS_CLONE3 = 435
SYS_OPENAT2 = 437
RESOLVE_IN_ROOT = 0x10
TUNSETIFF = 0x400454CA


@dataclass(frozen=True)
class Answer:
    """What the kernel said: "allowed", "unknown" or an errno name, at which layer, and whether a request was sent."""

    answer: str
    layer: Optional[str] = None
    sent: bool = True
    detail: Optional[str] = None


@dataclass(frozen=True)
class Message:
    """A netlink message. passed: errnos that come from behind the gate; 0 is an acknowledgement."""

    protocol: int
    type: int
    payload: bytes
    passed: tuple[int, ...]
    flags: int = NLM_F_REQUEST | NLM_F_ACK


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _ifinfomsg(index: int) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, 0, 0)


AF_INET = int(socket.AF_INET)

# Message types: include/uapi/linux/rtnetlink.h, xfrm.h.
MESSAGES = {
    # RTM_SETLINK of index -1: "no interface given".
    "link": Message(NETLINK_ROUTE, 19, _ifinfomsg(-1), (errno.EINVAL,)),
    # RTM_DELADDR of 192.0.2.1 on a link that does not exist; IFA_LOCAL is 2.
    "address": Message(
        NETLINK_ROUTE,
        21,
        struct.pack("=BBBBI", AF_INET, 32, 0, 0, NO_INDEX) + _attribute(2, socket.inet_aton("192.0.2.1")),
        (errno.ENODEV,),
    ),
    # RTM_DELROUTE with a route type that does not exist.
    "route": Message(
        NETLINK_ROUTE, 25, struct.pack("=BBBBBBBBI", AF_INET, 0, 0, 0, 254, 0, 0, 255, 0), (errno.EINVAL,)
    ),
    # RTM_DELRULE with a source prefix length and no source.
    "rule": Message(NETLINK_ROUTE, 33, struct.pack("=BBBBBBBBI", AF_INET, 0, 1, 0, 0, 0, 0, 0, 0), (errno.EINVAL,)),
    # RTM_DELNEIGH without an address.
    "neighbour": Message(NETLINK_ROUTE, 29, struct.pack("=BxHiHBB", AF_INET, 0, 0, 0, 0, 0), (errno.EINVAL,)),
    # RTM_DELQDISC on a link that does not exist.
    "qdisc": Message(NETLINK_ROUTE, 37, struct.pack("=BxHiIII", 0, 0, NO_INDEX, 0, 0, 0), (errno.ENODEV,)),
    # RTM_DELACTION without a table of actions.
    "action": Message(NETLINK_ROUTE, 49, struct.pack("=BxH", 0, 0), (errno.EINVAL,)),
    # A bare header of type NLMSG_NOOP and below: nfnetlink asks for the privilege and acknowledges.
    "nftables": Message(NETLINK_NETFILTER, 0, b"", (0,)),
    # XFRM_MSG_GETSADINFO, a read; xfrm wants the privilege for every message.
    "xfrm": Message(NETLINK_XFRM, 0x23, struct.pack("=I", 0), (0,), flags=NLM_F_REQUEST),
}


def send(message: Message, kind: str = "raw") -> Answer:
    """Send one message with an address, so that only the sender counts, and read the answer.

    kind: type of the socket, raw or dgram, which are the same to netlink and not to a security module.
    """
    try:
        channel = socket.socket(socket.AF_NETLINK, SOCKET_TYPES[kind] | socket.SOCK_CLOEXEC, message.protocol)
    except OSError as exc:
        return _refused(exc, "socket", sent=False)
    with channel:
        channel.settimeout(ANSWER_TIMEOUT)
        header = struct.pack("=IHHII", 16 + len(message.payload), message.type, message.flags, 1, 0)
        try:
            channel.sendto(header + message.payload, (0, 0))
        except OSError as exc:
            return _refused(exc, "send")
        try:
            reply = channel.recv(65536)
        except socket.timeout:
            return Answer("unknown", "ack", detail=f"the kernel did not answer within {ANSWER_TIMEOUT:g} s")
        except OSError as exc:
            return _refused(exc, "ack")
    return _read(reply, message.passed)


def _read(reply: bytes, passed: tuple[int, ...]) -> Answer:
    if len(reply) < 16:
        return Answer("unknown", "ack", detail=f"the kernel answered {len(reply)} bytes")
    (kind,) = struct.unpack_from("=H", reply, 4)
    number = -struct.unpack_from("=i", reply, 16)[0] if kind == NLMSG_ERROR and len(reply) >= 20 else 0
    return _judge(number, passed, "ack")


def _judge(number: int, passed: tuple[int, ...], layer: str) -> Answer:
    if number in passed:
        return Answer("allowed", layer)
    if number == 0:
        return Answer("unknown", layer, detail="the kernel carried out a request that it should have found faulty")
    return Answer(errno_name(number), layer)


def _refused(exc: OSError, layer: str, sent: bool = True) -> Answer:
    return Answer(errno_name(exc.errno or 0), layer, sent, detail=exc.strerror)


def move(target: int, kind: str = "raw") -> Answer:
    """Ask to move a link that does not exist to the network namespace open at descriptor `target`; kind: as above."""
    payload = _ifinfomsg(-1) + _attribute(28, struct.pack("=I", target))  # IFLA_NET_NS_FD
    answer = send(Message(NETLINK_ROUTE, 19, payload, (errno.EINVAL, errno.ENODEV)), kind)
    release = [int(number) for number in re.findall(r"\d+", os.uname().release)[:2]]
    if answer.answer == "allowed" and release < [6, 13]:
        return Answer("unknown", "ack", detail="kernels before 6.13 look at the link before the other namespace")
    return answer


def enter(target: int) -> Answer:
    """Join the network namespace open at descriptor `target`, in this process only."""
    if LIBC.setns(target, CLONE_NEWNET) == 0:
        return Answer("allowed", "setns")
    return Answer(errno_name(ctypes.get_errno()), "setns")


def create_netns() -> Answer:
    """clone3(2) of a network namespace with flags that exclude each other, looked at after the privilege."""
    return _clone(CLONE_NEWNET | CLONE_NEWIPC | CLONE_SYSVSEM)


def create_userns() -> Answer:
    """The same with a user namespace as well, as rootless tools do."""
    return _clone(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | CLONE_SYSVSEM)


def _clone(flags: int) -> Answer:
    arguments = struct.pack("=8Q", flags, 0, 0, 0, 0, 0, 0, 0)
    buffer = ctypes.create_string_buffer(arguments, len(arguments))
    child = LIBC.syscall(ctypes.c_long(SYS_CLONE3), buffer, ctypes.c_size_t(len(arguments)))
    if child == 0:
        os._exit(0)
    if child > 0:
        os.waitpid(child, 0x40000000)  # __WALL: it has no exit signal.
    number = ctypes.get_errno() if child < 0 else 0
    if number == errno.ENOSYS:
        return Answer("unknown", "clone", sent=False, detail="clone3 is not available (before Linux 5.3, or filtered)")
    return _judge(number, (errno.EINVAL,), "clone")


def _open_in(root: int, path: str, flags: int) -> int:
    """openat2(2) of a path as the process whose root is open at `root` would find it. Raises OSError."""
    how = struct.pack("=3Q", flags | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT)
    buffer = ctypes.create_string_buffer(how, len(how))
    opened = LIBC.syscall(
        ctypes.c_long(SYS_OPENAT2), ctypes.c_int(root), path.encode(), buffer, ctypes.c_size_t(len(how))
    )
    if opened < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(opened)


def _on_file(root: int, path: str, flags: int, ask: Callable[[int], object], layer: str) -> Answer:
    try:
        opened = _open_in(root, path, flags)
    except OSError as exc:
        if exc.errno == errno.ENOSYS:
            return Answer("unknown", "open", sent=False, detail="openat2 is not available (before Linux 5.6)")
        return Answer(errno_name(exc.errno or 0), "open", sent=False, detail=f"/{path}: {exc.strerror}")
    try:
        ask(opened)
    except OSError as exc:
        return _judge(exc.errno or 0, (errno.EINVAL,), layer)
    finally:
        os.close(opened)
    return _judge(0, (errno.EINVAL,), layer)


def tun(root: int) -> Answer:
    """TUNSETIFF of a device that is neither TUN nor TAP."""
    return _on_file(
        root,
        "dev/net/tun",
        os.O_RDWR,
        lambda opened: fcntl.ioctl(opened, TUNSETIFF, struct.pack("16sH22x", b"", 0)),
        "ioctl",
    )


def forward(root: int) -> Answer:
    """Write what is no number to ip_forward."""
    return _on_file(root, "proc/sys/net/ipv4/ip_forward", os.O_WRONLY, lambda opened: os.write(opened, b"x"), "write")
