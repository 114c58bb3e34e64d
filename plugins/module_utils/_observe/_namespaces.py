# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""User and network namespaces: who owns them, who their parents are, what ids they map (ioctl_nsfs(2))."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterable, Sequence
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CLONE_NEWNET,
    NS_GET_NSTYPE,
    NS_GET_OWNER_UID,
    NS_GET_PARENT,
    NS_GET_USERNS,
    errno_name,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import read_limits
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import (
    GONE,
    list_pids,
    note,
    read_bytes,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    IdRange,
    NetNamespace,
    Process,
    Unseen,
    UserNamespace,
)

OWN_NETNS = "/proc/self/ns/net"
# Where iproute2 and docker bind network namespaces.
NAMED_NETNS = ("/run/netns", "/var/run/docker/netns")


def netns_inode(path: str) -> int:
    """Inode number of a network namespace file. Raises OSError for a path that is none."""
    status = os.stat(path)
    if status.st_dev == os.stat("/proc/self/ns/net").st_dev:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if fcntl.ioctl(handle, NS_GET_NSTYPE) == CLONE_NEWNET:
                return status.st_ino
        finally:
            os.close(handle)
    raise OSError(errno.EINVAL, "not a network namespace", path)


def observe_namespaces(
    processes: Sequence[Process], unseen: list[Unseen], extra_netns_paths: Sequence[str] = ()
) -> tuple[dict[int, UserNamespace], dict[int, NetNamespace]]:
    """The namespaces of processes and the named ones, with all user namespaces above those, as inode -> namespace.

    extra_netns_paths: further network namespace files. A namespace whose last process ended meanwhile is missing. Ids
    are those that the observer sees. Links and routes are not read.
    """
    users: dict[int, UserNamespace] = {}
    nets: dict[int, NetNamespace] = {}
    members: dict[int, str] = {}
    for process in processes:
        for thread in process.threads:
            if thread.user_ns is not None and thread.user_ns not in members:
                members[thread.user_ns] = f"/proc/{process.pid}/task/{thread.tid}"
            if thread.net_ns is not None and thread.net_ns not in nets:
                _add_net(f"/proc/{process.pid}/task/{thread.tid}/ns/net", nets, users, unseen, thread.net_ns)
    for inode, place in members.items():
        if inode not in users:
            _add_user(place + "/ns/user", users, unseen, inode)
    for path in _named(unseen):
        _add_net(path, nets, users, unseen)
    for path in extra_netns_paths:
        _add_net(path, nets, users, unseen)
    _complete(users, members, unseen)
    return users, nets


def _named(unseen: list[Unseen]) -> Iterable[str]:
    own = os.stat("/proc/self/ns/net").st_dev
    for directory in NAMED_NETNS:
        try:
            entries = sorted(os.listdir(directory))
        except OSError as exc:
            if exc.errno != errno.ENOENT:
                unseen.append(Unseen(directory, _reason(exc)))
            continue
        for entry in entries:
            path = f"{directory}/{entry}"
            try:
                if os.stat(path).st_dev == own:  # Else a leftover file with no namespace bound to it.
                    yield path
            except OSError as exc:
                unseen.append(Unseen(path, _reason(exc)))


def _add_net(
    path: str,
    nets: dict[int, NetNamespace],
    users: dict[int, UserNamespace],
    unseen: list[Unseen],
    expected: Optional[int] = None,
) -> None:
    handle = _open(path, unseen)
    if handle is None:
        return
    try:
        inode = os.fstat(handle).st_ino
        if expected is not None and inode != expected:
            return  # The process moved on, or its pid was reused.
        namespace = nets.setdefault(inode, NetNamespace(inode))
        if not path.startswith("/proc/") and path not in namespace.names:
            namespace.names.append(path)
        if namespace.owner is None:
            namespace.owner = _owner(handle, users)
    finally:
        os.close(handle)


def _owner(handle: int, users: dict[int, UserNamespace]) -> Optional[int]:
    """The user namespace that owns a namespace; None when it is neither the observer's own nor below (EPERM)."""
    try:
        owner = fcntl.ioctl(handle, NS_GET_USERNS)
    except OSError:
        return None
    try:
        return _walk_up(owner, users)
    finally:
        os.close(owner)


def _add_user(path: str, users: dict[int, UserNamespace], unseen: list[Unseen], expected: int) -> None:
    handle = _open(path, unseen)
    if handle is None:
        return
    try:
        if os.fstat(handle).st_ino == expected:
            _walk_up(handle, users)
    finally:
        os.close(handle)


def _walk_up(handle: int, users: dict[int, UserNamespace]) -> int:
    """Note a user namespace and all above it; returns its inode number."""
    inode = os.fstat(handle).st_ino
    if inode in users:
        return inode
    found = users[inode] = UserNamespace(inode)
    number = bytearray(4)
    try:
        fcntl.ioctl(handle, NS_GET_OWNER_UID, number)
        (found.owner_uid,) = struct.unpack("=I", number)
        parent = fcntl.ioctl(handle, NS_GET_PARENT)
    except OSError:
        return inode  # EPERM: the topmost that the observer may see.
    try:
        found.parent = _walk_up(parent, users)
    finally:
        os.close(parent)
    return inode


def _complete(users: dict[int, UserNamespace], members: dict[int, str], unseen: list[Unseen]) -> None:
    """Read the maps through a process that is in the namespace, and the limits from within."""
    lacking = set(users) - set(members)
    if lacking:
        members = {**_find_members(lacking), **members}
    own = os.stat("/proc/self/ns/user").st_ino
    for inode, namespace in users.items():
        place = "/proc/self" if inode == own else members.get(inode)
        if place is None:
            unseen.append(Unseen(f"user:[{inode}]", "no process is in it, through which its id maps could be read"))
            continue
        try:
            namespace.uid_map = read_map(place + "/uid_map")
            namespace.gid_map = read_map(place + "/gid_map")
            # Per process, not per thread, in /proc.
            namespace.setgroups = read_bytes(place.partition("/task/")[0] + "/setgroups").strip().decode()
        except OSError as exc:
            if exc.errno not in GONE:
                note(unseen, place + "/uid_map", exc)
        namespace.limits = _own_limits(unseen) if inode == own else read_limits(place + "/ns/user", unseen)


def _own_limits(unseen: list[Unseen]) -> dict[str, int]:
    directory = "/proc/sys/user"
    try:
        return {name: int(read_bytes(f"{directory}/{name}")) for name in sorted(os.listdir(directory))}
    except OSError as exc:
        unseen.append(Unseen(directory, _reason(exc)))
        return {}


def _find_members(wanted: set[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for pid in list_pids():
        try:
            inode = os.stat(f"/proc/{pid}/ns/user").st_ino
        except OSError:
            continue
        if inode in wanted:
            found.setdefault(inode, f"/proc/{pid}")
    return found


def read_map(path: str) -> list[IdRange]:
    """The lines of a uid_map or gid_map (user_namespaces(7)); outside ids as the observer sees them. Raises OSError."""
    return parse_map(read_bytes(path))


def parse_map(data: bytes) -> list[IdRange]:
    """The lines of the content of such a file."""
    return [IdRange(*map(int, line.split())) for line in data.splitlines()]


def _open(path: str, unseen: list[Unseen]) -> Optional[int]:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as exc:
        if path.startswith("/proc/"):
            if exc.errno not in GONE:
                note(unseen, path, exc)
        else:
            unseen.append(Unseen(path, _reason(exc)))
        return None


def _reason(exc: OSError) -> str:
    return f"{exc.strerror} ({errno_name(exc.errno or 0)})"
