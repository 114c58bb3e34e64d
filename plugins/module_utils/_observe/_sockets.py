# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds netlink sockets, and to which network namespace each belongs."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
from dataclasses import dataclass
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    NETLINK_GENERIC,
    NETLINK_NETFILTER,
    NETLINK_ROUTE,
    NETLINK_XFRM,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import (
    GONE,
    list_pids,
    namespace_inode,
    note,
    read_bytes,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Socket, Unseen

# Numbers of pidfd_open(2) and pidfd_getfd(2), the same on all architectures but alpha; SIOCGSKNS of linux/sockios.h.
SYS_PIDFD_OPEN = 434
SYS_PIDFD_GETFD = 438
SIOCGSKNS = 0x894C
SO_PROTOCOL = 38
# Protocols by which something is changed: not those on which processes only listen (uevents, audit).
ASKING = (NETLINK_ROUTE, NETLINK_XFRM, NETLINK_NETFILTER, NETLINK_GENERIC)


@dataclass(frozen=True)
class Row:
    """One line of /proc/PID/net/netlink: protocol (column Eth), port (column Pid; 0 is the kernel), inode."""

    protocol: int
    port: int
    inode: int


def netlink_table(pid: int) -> list[Row]:
    """The bound netlink sockets of the network namespace that a process is in. Raises OSError."""
    rows = []
    for line in read_bytes(f"/proc/{pid}/net/netlink", 1 << 26).split(b"\n")[1:]:
        words = line.split()
        if len(words) >= 10:
            rows.append(Row(int(words[1]), int(words[2]), int(words[9])))
    return rows


def netlink_holders(unseen: list[Unseen]) -> dict[int, list[Socket]]:
    """The netlink sockets of every process that holds one; a socket shared by several appears with each."""
    pids = list_pids()
    tables = _tables(pids, unseen)
    found = {pid: _sockets(pid, tables, unseen) for pid in pids}
    return {pid: sockets for pid, sockets in found.items() if sockets}


def sockets_of(pid: int, unseen: list[Unseen]) -> list[Socket]:
    """The netlink sockets of one process."""
    return _sockets(pid, _tables([pid], unseen), unseen)


def socket_types(pid: int) -> set[str]:
    """Types (raw, dgram) of the netlink sockets of a process through which it could ask; empty where none is held, or
    it may not be looked at. Nothing in /proc tells: a duplicate of each descriptor is asked and closed again.
    """
    found: set[str] = set()
    directory = f"/proc/{pid}/fd/"
    try:
        for name in os.listdir(directory):
            if not os.readlink(directory + name).startswith("socket:["):
                continue
            if os.getxattr(directory + name, "system.sockprotoname").rstrip(b"\0") != b"NETLINK":
                continue
            with _duplicate(pid, int(name)) as own:
                if own.getsockopt(socket.SOL_SOCKET, SO_PROTOCOL) in ASKING:
                    found.add("raw" if own.type == socket.SOCK_RAW else "dgram")
    except OSError:
        pass  # Gone, or not ours to look at.
    return found


def _tables(pids: list[int], unseen: list[Unseen]) -> dict[int, tuple[int, int]]:
    """Socket inode -> (protocol, network namespace), from one table for each namespace that the processes are in."""
    seen: set[int] = set()
    known: dict[int, tuple[int, int]] = {}
    for pid in pids:
        namespace = namespace_inode(f"/proc/{pid}/ns/net", unseen)
        if namespace is None or namespace in seen:
            continue
        try:
            for row in netlink_table(pid):
                if row.port:
                    known[row.inode] = (row.protocol, namespace)
            seen.add(namespace)
        except OSError as exc:
            if exc.errno not in GONE:
                note(unseen, f"/proc/{pid}/net/netlink", exc)
    return known


def _sockets(pid: int, tables: dict[int, tuple[int, int]], unseen: list[Unseen]) -> list[Socket]:
    directory = f"/proc/{pid}/fd/"
    try:
        names = os.listdir(directory)
    except OSError as exc:
        if exc.errno not in GONE:
            note(unseen, f"/proc/{pid}/fd", exc)
        return []
    found: dict[int, Socket] = {}
    namespace: Optional[int]
    for name in names:
        try:
            target = os.readlink(directory + name)
            if target[:8] != "socket:[":
                continue
            inode = int(target[8:-1])
            if inode in found:
                continue
            if inode in tables:
                protocol, namespace = tables[inode]
            elif os.getxattr(directory + name, "system.sockprotoname").rstrip(b"\0") == b"NETLINK":
                protocol, namespace = _ask_socket(pid, int(name))
            else:
                continue
            found[inode] = Socket(inode, protocol, namespace, os.stat(directory + name).st_uid)
        except OSError as exc:
            if exc.errno not in GONE:
                note(unseen, directory + name, exc)
    return list(found.values())


def _ask_socket(pid: int, descriptor: int) -> tuple[int, Optional[int]]:
    """(protocol, network namespace) of a socket that no table lists: not bound, or nobody is in its namespace.

    A duplicate of the descriptor is asked and closed again. Raises OSError.
    """
    with _duplicate(pid, descriptor) as own:
        protocol = own.getsockopt(socket.SOL_SOCKET, SO_PROTOCOL)
        try:
            namespace = fcntl.ioctl(own, SIOCGSKNS)
        except OSError:
            return protocol, None
    try:
        return protocol, os.fstat(namespace).st_ino
    finally:
        os.close(namespace)


def _duplicate(pid: int, descriptor: int) -> socket.socket:
    """A duplicate of a socket of another process. Raises OSError."""
    process = _syscall(SYS_PIDFD_OPEN, pid, 0)
    try:
        return socket.socket(fileno=_syscall(SYS_PIDFD_GETFD, process, descriptor, 0))
    finally:
        os.close(process)


def _syscall(number: int, *arguments: int) -> int:
    result = int(LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(item) for item in arguments)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
