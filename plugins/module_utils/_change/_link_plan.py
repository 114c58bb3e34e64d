# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a task wants of links to LinkChanges: every value is checked, and the result predicted, before any change.

The prediction knows what the kernel takes away by itself: down drops IPv4 and IPv6 routes and IPv6 addresses, an MTU
below 1280 (68) drops all of IPv6 (IPv4). rtnetlink(7), net/ipv4/devinet.c, net/ipv6/addrconf.c.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._link import (
    LOCAL_TABLE,
    OTHERS_ROUTES,
    State,
    address_state,
    address_text,
    configured,
    link_state,
    restorable,
    route_state,
    route_text,
    sort_addresses,
    sort_routes,
    subnet,
    surplus_addresses,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Link, Route

MINIMUM_MTU = {"inet": 68, "inet6": 1280}
STACKED = ("vlan", "macvlan", "macvtap")  # kinds whose MTU must not exceed that of the link below
IPV6_DEFAULT_METRIC = 1024


@dataclass
class Namespace:
    """A network namespace as read. sysctl: reads a key such as net/ipv6/conf/eth0/disable_ipv6 in it, None: no such."""

    path: Optional[str]
    links: list[Link]
    routes: list[Route]
    sysctl: Callable[[str], Optional[str]]
    planned: dict[str, State] = field(default_factory=dict)

    def state(self, link: Link) -> State:
        """The value of a link after what was planned so far."""
        return self.planned.get(link.name) or link_state(link, self.routes)


@dataclass
class Wanted:
    """One entry of the option links, parsed. None: as it is."""

    where: str
    link: Link
    up: Optional[bool] = None
    mtu: Optional[int] = None
    addresses: Optional[list[State]] = None
    routes: Optional[list[State]] = None
    purge: bool = False


@dataclass
class Plan:
    """What will happen to one link."""

    wanted: Wanted
    before: State
    after: State
    disrupts: list[str] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)


# --- input ------------------------------------------------------------------------------------------------------------


def parse_wanted(where: str, entry: dict[str, Any], namespace: Namespace) -> Wanted:
    """An entry of the option links. Raises ChangeError with one sentence naming the value and what is accepted."""
    link = find_link(where, entry, namespace)
    where = f"{where} ({link.name})"
    addresses, routes = entry.get("addresses"), entry.get("routes")
    return Wanted(
        where=where,
        link=link,
        up=None if entry.get("state") is None else entry["state"] == "up",
        mtu=entry.get("mtu"),
        addresses=None if addresses is None else [parse_address(where, text) for text in addresses],
        routes=None if routes is None else [parse_route(where, item) for item in routes],
        purge=bool(entry.get("purge")),
    )


def find_link(where: str, entry: dict[str, Any], namespace: Namespace) -> Link:
    """The link that an entry names by name or altname. Raises ChangeError that says what there is instead."""
    key = "name" if entry.get("name") is not None else "altname"
    name = entry[key]
    for link in namespace.links:
        if name == link.name if key == "name" else name in link.altnames:
            return link
    known = sorted({text for link in namespace.links for text in (link.name, *link.altnames)})
    close = difflib.get_close_matches(name, known, n=3) or known[:10]
    place = namespace.path or "the network namespace of the host"
    raise ChangeError(
        f"{where}: {key} {name!r} does not exist in {place}, which has {', '.join(close)}"
        f"{' and more' if len(known) > len(close) else ''}; links are not created"
    )


def parse_address(where: str, text: str) -> State:
    """An address in CIDR notation as it stands in a value. Raises ChangeError."""
    try:
        if "/" not in text:
            raise ValueError("it has no prefix length")
        if "%" in text:
            raise ValueError("the link is named by the entry, not by a zone")
        interface = ipaddress.ip_interface(text)
    except ValueError as error:
        raise ChangeError(
            f"{where}: address {text!r} is not understood ({error}), expected e.g. 192.0.2.1/24 or 2001:db8::1/64"
        ) from None
    address = interface.ip
    embedded = _embedded(address) and not address.is_loopback
    if address.is_unspecified or address.is_multicast or embedded or str(address) == "255.255.255.255":
        raise ChangeError(f"{where}: address {text!r} cannot belong to a link, expected a unicast address")
    family = f"inet{'6' if interface.version == 6 else ''}"
    return {"family": family, "address": f"{address}/{interface.network.prefixlen}"}


def _embedded(address: Any) -> bool:
    """Whether an IPv6 address stands for an IPv4 one, as ::192.0.2.1 and ::ffff:192.0.2.1 do."""
    return bool(address.version == 6 and int(address) and int(address) >> 32 in (0, 0xFFFF))


def parse_route(where: str, item: dict[str, Any]) -> State:
    """An entry of routes as it stands in a value. Raises ChangeError."""
    where = f"{where}: route {item['dst']!r}"
    gateway = _ip(where, "gateway", item.get("gateway"))
    prefsrc = _ip(where, "prefsrc", item.get("prefsrc"))
    network = _network(where, item["dst"], gateway or prefsrc)
    for key, value in (("gateway", gateway), ("prefsrc", prefsrc)):
        if value is not None and value.version != network.version:
            raise ChangeError(f"{where}: {key} {value} is IPv{value.version}, expected an IPv{network.version} address")
    table, metric = item.get("table"), item.get("metric")
    table = 254 if table is None else table
    if not 1 <= table <= 0xFFFFFFFF or table == LOCAL_TABLE:
        raise ChangeError(f"{where}: table {table}, expected 1 to 4294967295 except 255, which is the kernel's own")
    if metric is not None and not 0 <= metric <= 0xFFFFFFFF:
        raise ChangeError(f"{where}: metric {metric}, expected 0 to 4294967295")
    family = "inet6" if network.version == 6 else "inet"
    full = network.prefixlen == network.max_prefixlen
    dst = "default" if not network.prefixlen else str(network.network_address) if full else str(network)
    scope = "global" if gateway or family == "inet6" else "link"
    route: State = {"family": family, "dst": dst, "protocol": "static", "scope": scope}
    metric = metric or (IPV6_DEFAULT_METRIC if family == "inet6" else None)
    optional = {
        "gateway": gateway and str(gateway),
        "table": table if table != 254 else None,
        "metric": metric,
        "prefsrc": prefsrc and str(prefsrc),
    }
    return {**route, **{key: value for key, value in optional.items() if value is not None}}


def _ip(where: str, key: str, text: Optional[str]) -> Any:
    try:
        if text is None or "%" not in text:
            return None if text is None else ipaddress.ip_address(text)
    except ValueError:
        pass
    raise ChangeError(f"{where}: {key} {text!r} is no IP address, expected e.g. 192.0.2.1 or 2001:db8::1")


def _network(where: str, text: str, peer: Any) -> Any:
    if text == "default":
        text = "::/0" if peer is not None and peer.version == 6 else "0.0.0.0/0"
    try:
        network = ipaddress.ip_network(text, strict=False)
        if "%" in text or _embedded(network.network_address):
            raise ValueError(text)
    except ValueError:
        raise ChangeError(
            f"{where}: dst is no prefix, expected e.g. 198.51.100.0/24, 2001:db8::/32 or default"
        ) from None
    if "/" in text and ipaddress.ip_interface(text).ip != network.network_address:
        raise ChangeError(f"{where}: dst has host bits set, expected {network}")
    return network


# --- prediction -------------------------------------------------------------------------------------------------------


def plan_link(wanted: Wanted, namespace: Namespace) -> Plan:
    """Check an entry against its link and predict the result. Raises ChangeError for what the kernel would refuse."""
    before = namespace.state(wanted.link)
    after = {
        "up": before["up"] if wanted.up is None else wanted.up,
        "mtu": before["mtu"] if wanted.mtu is None else wanted.mtu,
    }
    plan = Plan(wanted, before, after)
    check_mtu(wanted, namespace)
    check_up(wanted, namespace)
    check_ipv6(wanted, after, namespace)
    after["addresses"] = plan_addresses(plan, namespace)
    after["routes"] = plan_routes(plan, namespace)
    plan.disrupts = disruptions(wanted.link.name, before, after) + disruptions_above(plan, namespace)
    plan.disrupts += unrestored(plan, namespace)
    plan.unvalidated = cannot_try(plan)
    namespace.planned[wanted.link.name] = after
    return plan


def check_mtu(wanted: Wanted, namespace: Namespace) -> None:
    """The MTU against the limits of the link and of the link below it."""
    link, mtu = wanted.link, wanted.mtu
    if mtu is None or mtu == namespace.state(link)["mtu"]:
        return
    lowest, highest = link.min_mtu or 0, link.max_mtu or 0x7FFFFFFF
    lower = next((item for item in namespace.links if item.index == link.lower), None)
    if link.kind in STACKED and lower is not None:
        highest = min(highest, namespace.state(lower)["mtu"])
    if any(item.address == "::1" for item in link.addresses):
        lowest = max(lowest, MINIMUM_MTU["inet6"])  # Below, lo loses ::1, which comes back with neither MTU nor revert.
    if not lowest <= mtu <= highest:
        raise ChangeError(f"{wanted.where}: mtu {mtu} is refused by the link, expected {lowest} to {highest}")


def check_up(wanted: Wanted, namespace: Namespace) -> None:
    """A VLAN cannot be brought up while the link below it is down."""
    link = wanted.link
    lower = next((item for item in namespace.links if item.index == link.lower), None)
    if wanted.up and link.kind == "vlan" and lower is not None and not namespace.state(lower)["up"]:
        raise ChangeError(f"{wanted.where}: cannot be brought up while {lower.name} below it is down, list that first")


def check_ipv6(wanted: Wanted, after: State, namespace: Namespace) -> None:
    """IPv6 addresses and routes need IPv6 on the link; IPv4 ones an MTU of 68."""
    items = (wanted.addresses or []) + (wanted.routes or [])
    for item in items:
        text = item.get("address") or f"route {route_text(item)}"
        if after["mtu"] < MINIMUM_MTU[item["family"]]:
            minimum = MINIMUM_MTU[item["family"]]
            raise ChangeError(f"{wanted.where}: {text} needs an mtu of at least {minimum}, the link has {after['mtu']}")
        key = f"net/ipv6/conf/{wanted.link.name}/disable_ipv6"
        if item["family"] == "inet6" and (namespace.sysctl(key) or "1").strip() != "0":
            if wanted.link.mtu and wanted.link.mtu < MINIMUM_MTU["inet6"]:
                continue  # the key appears with the new MTU
            raise ChangeError(
                f"{wanted.where}: {text} is refused while IPv6 is off on the link, set the sysctl {key} to 0 first"
            )


def plan_addresses(plan: Plan, namespace: Namespace) -> list[State]:
    """The addresses of the link afterwards."""
    wanted, before, after = plan.wanted, plan.before, plan.after
    present = [item for item in before["addresses"] if survives(item, before, after, plan.wanted.link, namespace)]
    if wanted.addresses is None:
        return present
    identities = [_identity(item) for item in wanted.addresses]
    if wanted.purge:
        present = [item for item in present if _identity(item) in identities or item["address"].startswith("fe80:")]
    for item in wanted.addresses:
        check_address(wanted, item, present)
        if _identity(item) not in [_identity(other) for other in present] + _leased(wanted.link):
            present.append(item)
    return sort_addresses(present)


def survives(item: State, before: State, after: State, link: Link, namespace: Namespace) -> bool:
    """Whether an address outlives the change of MTU and of up."""
    if after["mtu"] < MINIMUM_MTU[item["family"]]:
        return False
    if item["family"] == "inet" or after["up"] or not before["up"]:
        return True
    keys = [f"net/ipv6/conf/{name}/keep_addr_on_down" for name in ("all", link.name)]
    values = [int((namespace.sysctl(key) or "0").strip() or 0) for key in keys]
    return any(value > 0 for value in values) and not any(value < 0 for value in values)


def _identity(item: State) -> tuple[str, Optional[str]]:
    return item["address"], item.get("peer")


def _leased(link: Link) -> list[tuple[str, Optional[str]]]:
    # There already, though not by configuration: as good as configured until the lease ends.
    return [(f"{item.address}/{item.prefix}", item.peer) for item in link.addresses if not configured(item)]


def check_address(wanted: Wanted, item: State, present: list[State]) -> None:
    """The kernel refuses an IPv6 address that the link has with another prefix length (EEXIST)."""
    host = item["address"].split("/")[0]
    if host == "::1" and "LOOPBACK" not in wanted.link.flags:
        raise ChangeError(f"{wanted.where}: address {item['address']} can only be on a loopback link")
    for other in present:
        if item["family"] == "inet" and subnet(other) == subnet(item) and "scope" in other:
            raise ChangeError(
                f"{wanted.where}: address {item['address']} lies in the subnet of {address_text(other)}, "
                "whose scope is not global: the kernel wants one scope in a subnet"
            )
    others = [other["address"] for other in present] + [text for text, _peer in _leased(wanted.link)]
    for other in others:
        if item["family"] == "inet6" and other.split("/")[0] == host and other != item["address"]:
            raise ChangeError(
                f"{wanted.where}: address {item['address']} conflicts with {other}, which the link has already; "
                "remove that first, or set purge: true"
            )


def plan_routes(plan: Plan, namespace: Namespace) -> list[State]:
    """The static routes through the link afterwards."""
    wanted, before, after = plan.wanted, plan.before, plan.after
    present = [item for item in before["routes"] if keeps_route(item, before, after)]
    if wanted.routes is None:
        return present
    if wanted.purge:
        present = [item for item in present if any(same_route(item, other) for other in wanted.routes)]
    for item in wanted.routes:
        if any(same_route(other, item) for other in present) or is_connected(item, plan, namespace):
            continue
        check_route(plan, item, present, namespace)
        present.append(item)
    return sort_routes(present)


def keeps_route(route: State, before: State, after: State) -> bool:
    """Whether a route outlives the change, or can be set again where the kernel drops it."""
    if not after["up"] or after["mtu"] < MINIMUM_MTU[route["family"]]:
        return False
    hosts = [item["address"].split("/")[0] for item in after["addresses"]]
    removed = [item["address"].split("/")[0] for item in before["addresses"]]
    if "prefsrc" in route and route["prefsrc"] in removed and route["prefsrc"] not in hosts:
        return False
    if "gateway" not in route or route.get("onlink"):
        return True
    return _reaches(route["gateway"], after, []) or not _reaches(route["gateway"], before, [])


def connected_networks(addresses: list[State]) -> list[Any]:
    """The networks to which the kernel makes routes: of IPv4 addresses in one subnet, only the primary does that."""
    networks, seen = [], set()
    for item in addresses:
        network = subnet(item)
        if not (item["family"] == "inet" and network in seen) and "noprefixroute" not in item.get("flags", []):
            networks.append(ipaddress.ip_network(network))
        seen.add(network)
    return networks


def _reaches(gateway: str, value: State, routes: list[State]) -> bool:
    """Whether a gateway is a neighbour through the addresses of a link, or through routes without a gateway."""
    networks = connected_networks(value["addresses"])
    networks += [_route_network(route) for route in routes if "gateway" not in route]
    host = ipaddress.ip_address(gateway)
    return any(host.version == network.version and host in network for network in networks)


def same_route(present: State, wanted: State) -> bool:
    """Whether a present route is the wanted one: what the task does not name may be anything."""
    keys = ("family", "dst", "gateway", "table", "metric")
    return all(present.get(key) == wanted.get(key) for key in keys) and (
        "prefsrc" not in wanted or present.get("prefsrc") == wanted["prefsrc"]
    )


def is_connected(item: State, plan: Plan, namespace: Namespace) -> bool:
    """Whether the kernel has, or makes with an address, the very route that is wanted."""
    name = plan.wanted.link.name
    others = [route_state(route) for route in namespace.routes if route.interface == name and not restorable(route)]
    if plan.after["up"] and any(same_route(other, item) for other in others):
        return True
    made = [str(network) for network in connected_networks(plan.after["addresses"])]
    plain = item["family"] == "inet" and not {"gateway", "table", "metric", "prefsrc"} & set(item)
    return plain and item["dst"] in made


def check_route(plan: Plan, item: State, present: list[State], namespace: Namespace) -> None:
    """What the kernel would refuse of a new route: ENETDOWN, EEXIST, an unreachable gateway, a foreign source."""
    where = f"{plan.wanted.where}: route {route_text(item)}"
    name = plan.wanted.link.name
    if not plan.after["up"]:
        raise ChangeError(f"{where}: {name} is down and a route needs it up, add state: up")
    other = conflicting_route(item, present, name, namespace)
    if other:
        raise ChangeError(
            f"{where} conflicts with the route {other}, which has the same destination, table and metric; "
            "remove that first, or name another metric"
        )
    others = [state for link, state in _planned(namespace) if link != name] + [plan.after]
    local = {address["address"].split("/")[0] for state in others for address in state["addresses"]}
    local |= {address.address for link in namespace.links for address in link.addresses if not configured(address)}
    if "prefsrc" in item and item["prefsrc"] not in local:
        raise ChangeError(f"{where}: prefsrc {item['prefsrc']} is no address of this host")
    if "gateway" in item:
        check_gateway(where, item, local, plan, present)


def _planned(namespace: Namespace) -> list[tuple[str, State]]:
    return [(link.name, namespace.state(link)) for link in namespace.links]


def conflicting_route(item: State, present: list[State], name: str, namespace: Namespace) -> Optional[str]:
    """Text of the route that makes the kernel answer EEXIST."""

    for other, state in _planned(namespace):
        for route in present if other == name else state["routes"]:
            if _route_key(route) == _route_key(item):
                return f"{route_text(route)} dev {other}"
    for foreign in namespace.routes:
        if not restorable(foreign) and _route_key(route_state(foreign)) == _route_key(item):
            device = f" dev {foreign.interface}" if foreign.interface else ""
            word = "" if foreign.type == "unicast" else f"{foreign.type} "
            return f"{word}{route_text(route_state(foreign))}{device}"
    return None


def _route_key(route: State) -> tuple[Any, ...]:
    return route["family"], route["dst"], route.get("table", 254), route.get("metric") or 0


def check_gateway(where: str, item: State, local: set[str], plan: Plan, present: list[State]) -> None:
    """A gateway must be a neighbour on the link, and not the host itself."""
    gateway = ipaddress.ip_address(item["gateway"])
    if str(gateway) in local:
        raise ChangeError(f"{where}: gateway {gateway} is an address of this host")
    if gateway.version == 6 and gateway.is_link_local:
        return
    leased = [address_state(item, plan.wanted.link.name) for item in plan.wanted.link.addresses if not configured(item)]
    networks = connected_networks(plan.after["addresses"] + leased)
    networks += [_route_network(route) for route in present if "gateway" not in route]
    reachable = [network for network in networks if gateway.version == network.version and gateway in network]
    if not reachable:
        have = ", ".join(address_text(address) for address in plan.after["addresses"]) or "no address"
        raise ChangeError(f"{where}: gateway {gateway} is not reachable through the link, which has {have}")
    if gateway.version == 4 and any(item.prefixlen < 31 and gateway == item.broadcast_address for item in reachable):
        raise ChangeError(f"{where}: gateway {gateway} is the broadcast address of its network")


def _route_network(route: State) -> Any:
    if route["dst"] == "default":
        return ipaddress.ip_network("0.0.0.0/0" if route["family"] == "inet" else "::/0")
    return ipaddress.ip_network(route["dst"])


# --- consequences -----------------------------------------------------------------------------------------------------


def disruptions(name: str, before: State, after: State) -> list[str]:
    """What is interrupted or lost beside what the task names, one sentence each."""
    found = []
    if before["up"] and not after["up"]:
        found.append(f"{name} goes down: whatever uses it is cut off, its static routes and IPv6 addresses are dropped")
    for family, minimum in MINIMUM_MTU.items():
        if before["mtu"] >= minimum > after["mtu"]:
            word = "IPv6" if family == "inet6" else "IPv4"
            found.append(
                f"{name} gets an MTU below {minimum}: the kernel drops its {word} addresses, routes and sysctls"
            )
    for address in before["addresses"]:
        if _identity(address) not in [_identity(item) for item in after["addresses"]]:
            found.append(f"{name} loses the address {address['address']}")
    for route in before["routes"]:
        if route not in after["routes"]:
            found.append(f"{name} loses the route {route_text(route)}")
    return found


def unrestored(plan: Plan, namespace: Namespace) -> list[str]:
    """What is no part of the link's value, can go with the change, and does not come back with a revert."""
    before, after, link = plan.before, plan.after, plan.wanted.link
    down = before["up"] and not after["up"]
    lost = {family for family, minimum in MINIMUM_MTU.items() if before["mtu"] >= minimum > after["mtu"]}
    fewer = [item for item in surplus_addresses(before["addresses"], after["addresses"]) if item["family"] == "inet"]
    subnets = {subnet(item) for item in fewer}
    families = lost | ({"inet", "inet6"} if down else {"inet"} if fewer else set())
    found = [
        f"the {'multipath ' if route.nexthops else ''}route {route_text(route_state(route))}"
        for route in namespace.routes
        if route.family in families and _leads_through(route, link.name) and not restorable(route)
    ]
    found += [
        f"the leased address {item.address}/{item.prefix}"
        for item in link.addresses
        if "permanent" not in item.flags and item.protocol != "kernel_ra"
        if item.family in lost or (down and item.family == "inet6") or subnet(address_state(item, link.name)) in subnets
    ]
    return [f"{link.name} can lose {text}, which a revert does not bring back" for text in found]


def _leads_through(route: Route, name: str) -> bool:
    """Whether somebody set a route that leads through a link, also as one of several nexthops."""
    if route.protocol in OTHERS_ROUTES or route.table == LOCAL_TABLE:
        return False
    return route.interface == name or any(f" dev {name} " in f" {hop} " for hop in route.nexthops)


def disruptions_above(plan: Plan, namespace: Namespace) -> list[str]:
    """What happens to the links that lie on this one."""
    before, after, link = plan.before, plan.after, plan.wanted.link
    upper = [item for item in namespace.links if item.lower == link.index and item.kind in STACKED]
    found = []
    for item in upper:
        if before["up"] and not after["up"]:
            found.append(
                f"{item.name} lies on {link.name} and loses its connection, and its routes if it goes down too"
            )
        if after["mtu"] < (item.mtu or 0):
            found.append(f"{item.name} lies on {link.name} and gets its smaller MTU of {after['mtu']}")
    return found


def cannot_try(plan: Plan) -> list[str]:
    """What only the change itself can show."""
    found = []
    before, after, link = plan.before, plan.after, plan.wanted.link
    if link.kind is None and re.match(r"^(?!lo$)", link.name):
        if after["mtu"] != before["mtu"]:
            found.append(f"{link.name}: whether its driver takes an MTU of {after['mtu']}")
        if after["up"] and not before["up"]:
            found.append(f"{link.name}: whether its driver can bring it up")
    for route in after["routes"]:
        if route not in before["routes"] and route["family"] == "inet6" and "prefsrc" in route:
            found.append(f"{link.name}: whether {route['prefsrc']} passes duplicate address detection")
    return found
