# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection over which Ansible reached this host, and whether a change of a link would cut it."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change._link import (
    State,
    route_text,
    surplus_addresses,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Link


@dataclass
class Session:
    """The addresses of both ends, and the names of the links that carry it (the last one, and those it lies on)."""

    client: str
    server: str
    carriers: set[str] = field(default_factory=set)


def find_session(pid: Optional[int] = None) -> Optional[Session]:
    """The SSH session above a process (default: this one), None when there is none. See ssh(1), SSH_CONNECTION.

    sudo and su drop the variable, so the environments of the ancestors are read.
    """
    pid = os.getpid() if pid is None else pid
    while pid > 0:
        words = _environment(pid).get("SSH_CONNECTION", "").split()
        if len(words) == 4 and words[0] != "UNKNOWN":  # What sshd says of a connection that is no TCP, e.g. vsock.
            return Session(client=words[0].split("%")[0], server=words[2].split("%")[0])
        pid = _parent(pid)
    return None


def _environment(pid: int) -> dict[str, str]:
    if pid == os.getpid():
        return dict(os.environ)
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            items = stream.read().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(item.split("=", 1) for item in items if "=" in item)


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return int(stream.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def locate(session: Session, links: list[Link], netlink: Any) -> None:
    """Fill in the carriers: the link of the server's address, that of the route to the client, and those below them."""
    names = {link.index: link.name for link in links}
    for link in links:
        if any(_same(address.address, session.server) for address in link.addresses):
            session.carriers.add(link.name)
    try:
        for message in netlink.route("get", dst=session.client):
            session.carriers.add(names.get(message.get_attr("RTA_OIF"), ""))
    except Exception as error:  # pylint: disable=broad-except
        if not getattr(error, "code", None):  # no route to the client: the link of the own address stays known
            raise
    session.carriers.discard("")
    session.carriers |= _below(session.carriers, links)


def _below(names: set[str], links: list[Link]) -> set[str]:
    found = set(names)
    while True:
        lowers = {link.lower for link in links if link.name in found}
        more = {link.name for link in links if link.index in lowers or link.master in found} - found
        if not more:
            return found
        found |= more


def cuts(session: Session, name: str, before: State, after: State) -> list[str]:
    """Why a change of the link would or could cut the session; empty when it does not touch it."""
    found = []
    if name in session.carriers and before["up"] and not after["up"]:
        found.append("it goes down")
    if name in session.carriers and before["mtu"] != after["mtu"]:
        found.append("its MTU changes")
    surplus = surplus_addresses(before["addresses"], after["addresses"])
    if any(_same(item["address"].split("/")[0], session.server) for item in surplus):
        found.append(f"its address {session.server} is removed")
    for routes, others, word in (
        (before["routes"], after["routes"], "removed"),
        (after["routes"], before["routes"], "added"),
    ):
        for route in routes:
            if route not in others and _covers(route, session.client):
                found.append(f"the route {route_text(route)} is {word}")
    return found


def _address(text: str) -> Any:
    address = ipaddress.ip_address(text.split("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _same(one: str, other: str) -> bool:
    return bool(_address(one) == _address(other))


def _covers(route: State, text: str) -> bool:
    address = _address(text)
    if (route["family"] == "inet6") != (address.version == 6):
        return False
    return route["dst"] == "default" or address in ipaddress.ip_network(route["dst"])
