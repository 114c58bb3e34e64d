# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change of one link: up or down, MTU, static addresses and routes, in any network namespace.

A value is a dict {up, mtu, addresses, routes}. Addresses and routes are dicts that hold what differs from the default,
so that they can be set again; what the kernel or a router makes by itself (link-local addresses, connected routes,
whatever has a lifetime) is left out. write() converges: the kernel drops more than it is told to (secondary addresses
with their primary, all IPv4 routes with the last IPv4 address), so it looks again after each removal.
"""

from __future__ import annotations

import ipaddress
import os
import platform
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._links import (
    ROUTE_PROTOCOLS,
    ROUTE_TYPES,
    SCOPES,
    inside_netns,
    read_links,
    read_routes,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Address, Link, Route
from ansible_collections.netlink.remediation.plugins.module_utils._pyroute2 import load_pyroute2

State = dict[str, Any]

FAMILY = {"inet": 2, "inet6": 10}
KEPT_ADDRESS_FLAGS = {"nodad": 0x02, "home": 0x10, "mngtmpaddr": 0x100, "noprefixroute": 0x200, "autojoin": 0x400}
# Routes that come back by themselves when their cause does.
OTHERS_ROUTES = ("kernel", "redirect", "ra")
LOCAL_TABLE = 255
RTNH_F_ONLINK = 4
EINVAL, ENODEV, EADDRNOTAVAIL = 22, 19, 99
DAD_SECONDS = 5.0


class LinkChange(Change):
    """One link: see the module's docstring for the values. details: name, netns (path or None) and its inode."""

    kind: ClassVar[str] = "link"

    def read(self) -> State:
        """The link as it is now. Raises ChangeError when it or its namespace is gone."""
        with self._netlink() as netlink:
            return self._read(netlink)

    def write(self, value: State) -> None:
        """Bring the link to value. Raises ChangeError with one sentence for the first step that the kernel refuses."""
        with self._netlink() as netlink:
            link = self._find(netlink)
            if value["mtu"] != link.mtu:
                self._try(f"mtu {value['mtu']}", netlink.link, "set", index=link.index, mtu=value["mtu"])
            if value["up"] != ("UP" in link.flags):
                state = "up" if value["up"] else "down"
                self._try(state, netlink.link, "set", index=link.index, state=state)
            self._write_addresses(netlink, link.index, value["addresses"])
            self._write_routes(netlink, link.index, value["routes"])

    def validate(self) -> list[str]:
        """Raise ChangeError when the link is gone or may not be changed. Values are checked by _link_plan before."""
        with self._netlink() as netlink:
            self._find(netlink)
            # No link has that index, so that the answer is ENODEV to those who may and EPERM to the rest.
            self._try("changing links", netlink.addr, "del", allow=ENODEV, **_harmless())
        return []

    def interrupted(self, current: Any) -> bool:
        """A write has many steps: between them the link holds nothing but parts of before and after."""
        known = self.before["routes"] + self.after["routes"]
        return (
            all(current[key] in (self.before[key], self.after[key]) for key in ("up", "mtu"))
            and all(item in self.before["addresses"] + self.after["addresses"] for item in current["addresses"])
            # The kernel takes an IPv6 source address off the routes that name it, so that it does not count here.
            and all(_sourceless(item) in map(_sourceless, known) for item in current["routes"])
        )

    def consents(self, current: State, value: State) -> dict[str, str]:
        """own_connection, where going to a value can cut the session over which Ansible came."""
        # Imported only here, since it imports this file.
        from ansible_collections.netlink.remediation.plugins.module_utils._change._own_connection import (
            cuts,
            find_session,
            locate,
        )

        session = find_session() if self.details["inode"] == netns_inode(None) else None
        if session is None:
            return {}
        with self._netlink() as netlink:
            locate(session, read_links(netlink), netlink)
        reasons = ", ".join(cuts(session, self.details["name"], current, value))
        ends = f"{session.client} to {session.server}"
        return {"own_connection": f"this can cut the connection of Ansible from {ends} ({reasons})"} if reasons else {}

    def render(self, value: State) -> str:
        """The value in the words of `ip`, one line each."""
        return render_state(self.details["name"], value)

    @contextmanager
    def _netlink(self) -> Iterator[Any]:
        pyroute2 = load_pyroute2()
        if pyroute2 is None:
            raise ChangeError(f"{self.target}: pyroute2 (0.7 to 0.9) is not installed on this host")
        netns = self.details["netns"]
        if netns and netns_inode(netns) != self.details["inode"]:
            raise ChangeError(f"{self.target}: that network namespace is gone, another one lies at its path")
        try:
            with inside_netns(netns), pyroute2.IPRoute() as netlink:
                yield netlink
        except (OSError, ValueError) as error:
            raise ChangeError(f"{self.target}: {getattr(error, 'strerror', None) or error}") from error

    def _find(self, netlink: Any) -> Link:
        for link in read_links(netlink):
            if link.name == self.details["name"]:
                return link
        raise ChangeError(f"{self.target}: there is no link of that name")

    def _read(self, netlink: Any) -> State:
        link = self._find(netlink)
        return link_state(link, read_routes(netlink, {link.index: link.name}))

    def _write_addresses(self, netlink: Any, index: int, wanted: list[State]) -> None:
        surplus = surplus_addresses(self._read(netlink)["addresses"], wanted)
        for address in reversed(surplus):
            # A secondary address may have gone with its primary.
            self._try(
                f"removing {address['address']}", netlink.addr, "del", allow=EADDRNOTAVAIL, **_request(address, index)
            )
        present = self._read(netlink)["addresses"]
        for address in wanted:
            if address not in present:
                self._try(f"adding {address['address']}", netlink.addr, "add", **_request(address, index))

    def _write_routes(self, netlink: Any, index: int, wanted: list[State]) -> None:
        for route in self._read(netlink)["routes"]:
            if route not in wanted:
                self._try(f"removing route {route_text(route)}", netlink.route, "del", **_route_request(route, index))
        present = self._read(netlink)["routes"]
        # Routes without a gateway first: they are what gateways are reached through.
        for route in sorted(wanted, key=lambda item: "gateway" in item):
            if route not in present:
                self._add_route(netlink, route, index)

    def _add_route(self, netlink: Any, route: State, index: int) -> None:
        # The kernel takes an IPv6 source address only when duplicate address detection is done with it.
        deadline = time.monotonic() + (DAD_SECONDS if route["family"] == "inet6" and "prefsrc" in route else 0)
        while True:
            try:
                return self._try(
                    f"adding route {route_text(route)}", netlink.route, "add", **_route_request(route, index)
                )
            except ChangeError as error:
                if getattr(error.__cause__, "code", 0) != EINVAL or time.monotonic() >= deadline:
                    raise
            time.sleep(0.1)

    def _try(self, what: str, call: Any, *arguments: Any, allow: int = 0, **attributes: Any) -> None:
        try:
            call(*arguments, **attributes)
        except Exception as error:  # pylint: disable=broad-except
            code = getattr(error, "code", None)
            if not code:
                raise
            if code != allow:
                raise ChangeError(f"{self.target}: {what} was refused: {errno_name(code)} {error.args[-1]}") from error


def _sourceless(route: State) -> State:
    return {key: value for key, value in route.items() if key != "prefsrc"}


def _harmless() -> dict[str, Any]:
    return {
        "index": 0x7FFFFFFE,
        "family": FAMILY["inet"],
        "address": "192.0.2.1",
        "local": "192.0.2.1",
        "prefixlen": 32,
    }


def link_change(name: str, netns: Optional[str], before: State, after: State, disrupts: list[str]) -> LinkChange:
    """A LinkChange of a link in the namespace at netns (None: the own one)."""
    target = f"{name} in {netns}" if netns else name
    details = {"name": name, "netns": netns, "inode": netns_inode(netns)}
    return LinkChange(target, before, after, disrupts=disrupts, details=details)


def netns_inode(path: Optional[str]) -> int:
    """Inode of the network namespace at path (None: the own one). Raises ChangeError when it cannot be read."""
    try:
        status = os.stat(path or "/proc/self/ns/net")
    except (OSError, ValueError) as error:
        raise ChangeError(f"network namespace {path!r}: {getattr(error, 'strerror', None) or error}") from error
    if not stat.S_ISREG(status.st_mode):  # To open a FIFO would wait for its writer.
        raise ChangeError(f"network namespace {path}: it is no file such as /run/netns/blue")
    return status.st_ino


# --- values -----------------------------------------------------------------------------------------------------------


def link_state(link: Link, routes: list[Route]) -> State:
    """The value of a link: what somebody configured on it, in canonical order."""
    return {
        "up": "UP" in link.flags,
        "mtu": link.mtu,
        "addresses": sort_addresses([address_state(item, link.name) for item in link.addresses if configured(item)]),
        "routes": sort_routes(
            [route_state(item) for item in routes if item.interface == link.name and restorable(item)]
        ),
    }


def configured(address: Address) -> bool:
    """Whether somebody set this address, in contrast to the kernel, a router or a DHCP lease."""
    if "permanent" not in address.flags or address.protocol in ("kernel_ll", "kernel_ra", "kernel_lo"):
        return False
    # Before 5.18 the kernel does not say which link-local addresses it made.
    made_by_kernel = address.family == "inet6" and address.scope == "link" and not kernel_tells_protocol()
    return not made_by_kernel and not (address.scope == "host" and address.address in ("127.0.0.1", "::1"))


def kernel_tells_protocol() -> bool:
    """Whether this kernel reports IFA_PROTO (since 5.18)."""
    numbers = platform.release().split("-")[0].split(".")[:2]
    return [int(number) for number in numbers if number.isdigit()] >= [5, 18]


def restorable(route: Route) -> bool:
    """Whether a route belongs to the value of its link: somebody set it, and it can be set again as it was."""
    ours = route.protocol not in OTHERS_ROUTES and route.table != LOCAL_TABLE
    return ours and not route.nexthops and not route.extra and route.type == "unicast"


def address_state(address: Address, name: str) -> State:
    """An address as it stands in a value."""
    scope = "host" if ipaddress.ip_address(address.address).is_loopback and address.family == "inet6" else "global"
    optional: State = {
        "peer": address.peer,
        "broadcast": address.broadcast,
        "label": address.label if address.label != name else None,
        "scope": address.scope if address.scope != scope and address.family == "inet" else None,
        "flags": [flag for flag in address.flags if flag in KEPT_ADDRESS_FLAGS] or None,
    }
    shown = {key: value for key, value in optional.items() if value is not None}
    return {"family": address.family, "address": f"{address.address}/{address.prefix}", **shown}


def route_state(route: Route) -> State:
    """A route as it stands in a value."""
    optional: State = {
        "gateway": route.gateway,
        "table": route.table if route.table != 254 else None,
        "metric": route.metric or None,
        "prefsrc": route.prefsrc,
        "onlink": route.onlink or None,
        "metrics": route.metrics or None,
    }
    shown = {key: value for key, value in optional.items() if value is not None}
    plain = {"family": route.family, "dst": route.dst, "protocol": route.protocol, "scope": route.scope}
    return {**plain, **shown}


def subnet(address: State) -> str:
    """The subnet of an address; IPv4 addresses of one subnet are primary and secondaries, in the order of the list."""
    host = address.get("peer", address["address"].split("/")[0])
    return str(ipaddress.ip_interface(f"{host}/{address['address'].split('/')[1]}").network)


def sort_addresses(addresses: list[State]) -> list[State]:
    """Canonical order: by subnet, IPv4 addresses of a subnet as they came (the first one is the primary)."""
    return sorted(
        addresses,
        key=lambda item: (item["family"], subnet(item), "" if item["family"] == "inet" else item["address"]),
    )


def sort_routes(routes: list[State]) -> list[State]:
    """Canonical order of routes."""
    return sorted(
        routes,
        key=lambda item: (item["family"], item.get("table", 254), item["dst"], item.get("metric", 0), repr(item)),
    )


def surplus_addresses(present: list[State], wanted: list[State]) -> list[State]:
    """What must be removed: all that is not wanted, and what stands in its subnet before its place (the primary)."""
    surplus = []
    for network in dict.fromkeys(subnet(item) for item in present):
        have = [item for item in present if subnet(item) == network]
        want = [item for item in wanted if subnet(item) == network]
        if have[0]["family"] == "inet6":
            surplus += [item for item in have if item not in want]
            continue
        same = 0
        while same < min(len(have), len(want)) and have[same] == want[same]:
            same += 1
        surplus += have[same:]
    return surplus


# --- requests ---------------------------------------------------------------------------------------------------------


def _request(address: State, index: int) -> dict[str, Any]:
    host, prefix = address["address"].split("/")
    request: dict[str, Any] = {"index": index, "family": FAMILY[address["family"]], "prefixlen": int(prefix)}
    request["local"], request["address"] = host, address.get("peer", host)
    if address["family"] == "inet6" and "peer" not in address:
        del request["local"]
    for key in ("broadcast", "label"):
        if key in address:
            request[key] = address[key]
    if "scope" in address:
        request["scope"] = _number(SCOPES, address["scope"])
    flags = sum(KEPT_ADDRESS_FLAGS[flag] for flag in address.get("flags", []))
    return {**request, "flags": flags} if flags else request


def _route_request(route: State, index: int) -> dict[str, Any]:
    request: dict[str, Any] = {
        "family": FAMILY[route["family"]],
        "dst": _prefix(route),
        "oif": index,
        "table": route.get("table", 254),
        "proto": _number(ROUTE_PROTOCOLS, route["protocol"]),
        "scope": _number(SCOPES, route["scope"]),
        "type": ROUTE_TYPES.index("unicast"),
    }
    gateway = route.get("gateway")
    if gateway and ":" in gateway and route["family"] == "inet":
        request["via"] = {"family": FAMILY["inet6"], "addr": gateway}
    elif gateway:
        request["gateway"] = gateway
    if "metric" in route:
        request["priority"] = route["metric"]
    if "prefsrc" in route:
        request["prefsrc"] = route["prefsrc"]
    if route.get("onlink"):
        request["flags"] = RTNH_F_ONLINK
    if route.get("metrics"):
        request["metrics"] = dict(route["metrics"])
    return request


def _prefix(route: State) -> str:
    if route["dst"] == "default":
        return "0.0.0.0/0" if route["family"] == "inet" else "::/0"
    return str(ipaddress.ip_network(route["dst"]))


def _number(names: dict[int, str], text: str) -> int:
    return next((number for number, name in names.items() if name == text), int(text) if text.isdigit() else 0)


# --- text -------------------------------------------------------------------------------------------------------------


def render_state(name: str, value: State) -> str:
    """A value in the words of `ip link`, `ip address` and `ip route`, one line each."""
    lines = [f"{name} state {'up' if value['up'] else 'down'} mtu {value['mtu']}"]
    lines += [address_text(address) for address in value["addresses"]]
    lines += [f"route {route_text(route)}" for route in value["routes"]]
    return "".join(f"{line}\n" for line in lines)


def address_text(address: State) -> str:
    """An address as `ip address` prints it, e.g. "inet 192.0.2.1/24 scope link"."""
    host, prefix = address["address"].split("/")
    text = f"{address['family']} {host} peer {address['peer']}/{prefix}" if "peer" in address else ""
    words = [text or f"{address['family']} {address['address']}"]
    words += [f"brd {address['broadcast']}"] if "broadcast" in address else []
    words += [f"{key} {address[key]}" for key in ("scope", "label") if key in address]
    return " ".join(words + address.get("flags", []))


def route_text(route: State) -> str:
    """A route as `ip route` prints it, e.g. "default via 192.0.2.254 proto static metric 50"."""
    words = [f"::/0 ({route['dst']})" if route["dst"] == "default" and route["family"] == "inet6" else route["dst"]]
    for key, word in (("gateway", "via"), ("table", "table"), ("protocol", "proto"), ("scope", "scope")):
        if key in route and route[key] != "global":
            words.append(f"{word} {route[key]}")
    words += [f"{word} {route[key]}" for key, word in (("prefsrc", "src"), ("metric", "metric")) if key in route]
    words += [f"{key} {value}" for key, value in sorted(route.get("metrics", {}).items())]
    return " ".join(words + (["onlink"] if route.get("onlink") else []))
