# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links of some kinds in all network namespaces that can be reached: unloading a module deletes the links of its kinds.

One raw dump of RTM_GETLINK for each namespace, so that nothing needs pyroute2.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Collection, Iterator

from ansible_collections.netlink.remediation.plugins.module_utils._linux import CLONE_NEWNET, NETLINK_ROUTE
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import join, run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import NAMED_NETNS
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import list_pids

RTM_GETLINK, NLMSG_DONE, NLMSG_ERROR = 18, 3, 2
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND = 3, 18, 1
_HEADER, _IFINFOMSG = 16, 16


class UnseenLinksError(Exception):
    """One sentence: the links of some network namespace cannot be seen."""


def links_of_kinds(kinds: Collection[str]) -> list[str]:
    """The links of these kinds, each as "name (network namespace inode)". Raises UnseenLinksError."""
    places = netns_paths()
    outcome = run_joined(lambda: _look(places, frozenset(kinds)), timeout=60.0)
    if outcome.error is not None:
        raise UnseenLinksError(f"links in other network namespaces cannot be seen: {outcome.error}")
    return [str(item) for item in outcome.value]


def netns_paths() -> dict[int, str]:
    """A path for each network namespace that a thread is in, that has a name, or that somebody holds open."""
    found: dict[int, str] = {}
    for path in _candidates():
        try:
            status = os.stat(path)
        except OSError:
            continue  # It ended meanwhile.
        if status.st_dev == os.stat("/proc/self/ns/net").st_dev:
            found.setdefault(status.st_ino, path)
    return found


def _candidates() -> Iterator[str]:
    yield "/proc/self/ns/net"
    for directory in NAMED_NETNS:
        yield from (f"{directory}/{name}" for name in _names(directory))
    for pid in list_pids():
        yield from (f"/proc/{pid}/task/{tid}/ns/net" for tid in _names(f"/proc/{pid}/task"))
        for number in _names(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{number}"
            if _link(path).startswith("net:["):
                yield path


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _look(places: dict[int, str], kinds: frozenset[str]) -> list[str]:
    """In the child: enters one namespace after the other. Raises OSError."""
    found = []
    for inode, path in places.items():
        try:
            join(path, CLONE_NEWNET)
        except FileNotFoundError:
            continue
        found += [f"{name} (network namespace {inode})" for name, kind in _dump() if kind in kinds]
    return found


def _dump() -> Iterator[tuple[str, str]]:
    """Name and kind of each link of the own network namespace that has a kind."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_ROUTE) as channel:
        channel.settimeout(10)
        request = struct.pack("=IHHII", _HEADER + _IFINFOMSG, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
        channel.sendto(request + bytes(_IFINFOMSG), (0, 0))
        while True:
            data = channel.recv(1 << 20)
            for kind, body in _messages(data):
                if kind == NLMSG_ERROR:
                    raise OSError(-struct.unpack_from("=i", body)[0], "the links cannot be listed")
                if kind == NLMSG_DONE:
                    return
                attributes = dict(parse_attributes(body[_IFINFOMSG:]))
                information = dict(parse_attributes(attributes.get(IFLA_LINKINFO, b"")))
                if IFLA_INFO_KIND in information:
                    yield _text(attributes.get(IFLA_IFNAME, b"")), _text(information[IFLA_INFO_KIND])


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER:
        length, kind = struct.unpack_from("=IH", data)
        if length < _HEADER:
            return
        yield kind, data[_HEADER:length]
        data = data[length + -length % 4 :]


def parse_attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type, less its flags, and value of each attribute of a netlink message."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            return
        yield kind & 0x3FFF, data[4:length]
        data = data[length + -length % 4 :]


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")
