# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 6: the state of the named link refuses, whoever asks. Judged only for links that the workload names."""

from __future__ import annotations

import ipaddress
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._causes.sysctl import (
    interface_of,
    netns_path,
    route_interface_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._sandbox import private_network
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Cause, Subject, find_link
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding, Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Link, Route

CAUSE = Cause(
    "6",
    "link_state",
    "The link that the workload names is missing, down, up, taken or protected, so the kernel refuses even root.",
    {
        "missing": "No link of that name or altname exists.",
        "wrong_netns": "The link exists, but in another network namespace.",
        "down": "The link is down, so no route can use it.",
        "no_address": "No address of the link covers the gateway of the named route.",
        "busy": "Something else (macvlan, ipvlan, a bridge, a bond) receives the link's packets already.",
        "enslaved": (
            "The link is a port of another master: an ioctl (brctl) answers EBUSY, netlink moves it in silence."
        ),
        "up": "The link is up, and a bond or team takes only links that are down as its ports.",
        "protected_group": "The links of group default cannot be deleted as a group.",
    },
)

# Kinds of links that take over the receive handler of the link they lie on (rx_handler, net/core/dev.c).
RX_HANDLER_KINDS = ("macvlan", "macvtap", "ipvlan", "ipvtap")
# Kinds of masters that take only ports that are down (bond_enslave, team_port_add), with their answer.
DOWN_PORT_KINDS = {"bond": "EPERM", "team": "EBUSY"}
# Kinds of masters that take over the receive handler of their ports.
MASTER_KINDS = ("bridge", "bond", "team", "openvswitch", "hsr", "failover")

# Tables in which every kernel looks routes up: default, main, local.
LOOKED_UP = (253, 254, 255)
# Operations for which the named link has to exist.
LINK_OPERATIONS = {"link", "address", "route", "neighbour", "qdisc", "forward"}


def judge(subject: Subject) -> list[Finding]:
    """Findings about the link named by the workload, or by its route; at most one."""
    workload = subject.workload
    if workload.group in ("default", "0") and "link" in workload.operations:
        return [_protected(subject)]
    namespace = subject.namespace
    if namespace is None or namespace.links is None:
        return []
    for name in (interface_of(subject), route_interface_of(subject), workload.master):
        if name and find_link(namespace, name) is None:
            if private_network(subject) is not None and workload.target_ns is None:
                return []  # cause unit_sandbox names the line
            return [_absent(subject, name)] if _must_exist(subject) else []
    lower = _lower(subject, find_link(namespace, interface_of(subject)))
    if lower:
        return [lower]
    link, output = (find_link(namespace, name(subject)) for name in (interface_of, route_interface_of))
    for found in (link and _port(subject, link), output and _down(subject, output), _no_address(subject, output)):
        if found:
            return [found]
    return []


def _must_exist(subject: Subject) -> bool:
    """Whether the kernel looks for the named link: a tun operation makes it and so does one with a kind, rules and the
    like only name it.
    """
    operations = set(subject.workload.operations)
    return "tun" not in operations and not subject.workload.link_kind and bool(operations & LINK_OPERATIONS)


def _finding(subject: Subject, reason: str, summary: str, evidence: list[Evidence], **more: Any) -> Finding:
    return subject.finding(CAUSE, reason, gate="object", certainty="proven", summary=summary, evidence=evidence, **more)


def _where(subject: Subject) -> str:
    return f"net:[{subject.net_ns}]"


def _protected(subject: Subject) -> Finding:
    return _finding(
        subject,
        "protected_group",
        "The kernel answers EPERM to deleting the link group default, even to root.",
        [Evidence("workload", "group default")],
        advice="Put the links to delete into a group of their own (ip link set dev X group N), or delete them by name.",
    )


def _absent(subject: Subject, name: str) -> Finding:
    for inode, other in subject.state.net_namespaces.items():
        if inode != subject.net_ns and find_link(other, name):
            place = other.names[0] if other.names else f"net:[{inode}]"
            return _finding(
                subject,
                "wrong_netns",
                f"{name} exists, but in another network namespace ({place}).",
                [Evidence(place, f"has a link {name}"), Evidence(_where(subject), f"has no link {name}")],
                advice=f"Move it there (ip link set dev {name} netns ...), or run the workload in {place}.",
            )
    known = ", ".join(link.name for link in (subject.namespace.links or [])[:8]) if subject.namespace else ""
    return _finding(
        subject,
        "missing",
        f"There is no link {name} in the network namespace of {subject.workload.name}.",
        [Evidence(_where(subject), f"links: {known or 'none'}")],
        advice=f"Create {name} first, or name one of the links that exist: links are not created here.",
    )


def _port(subject: Subject, link: Link) -> Optional[Finding]:
    """Only for a workload that wants to make the link a port of a master."""
    master = subject.workload.master
    if not master or "link" not in subject.workload.operations or link.master == master:
        return None
    if link.master:
        return _finding(
            subject,
            "enslaved",
            f"{link.name} is a port of {link.master}: brctl answers EBUSY, ip takes it away from there in silence.",
            [Evidence(_where(subject), f"{link.name} master {link.master}")],
            effect="may_refuse",
            advice=(
                f"Take it out of {link.master} first (ip link set dev {link.name} nomaster); its traffic "
                "stops for that time."
            ),
        )
    uppers = [
        other.name
        for other in ((subject.namespace.links or []) if subject.namespace else [])
        if other.lower == link.index and other.kind in RX_HANDLER_KINDS
    ]
    if not uppers:
        return _up(subject, link, find_link(subject.namespace, master))
    return _finding(
        subject,
        "busy",
        f"{', '.join(uppers)} already receives the packets of {link.name}, so it cannot become a port of {master}.",
        [Evidence(_where(subject), f"{upper} lies on {link.name}") for upper in uppers],
        advice=f"Remove {', '.join(uppers)}, or put it on {master} instead of {link.name}.",
    )


def _up(subject: Subject, link: Link, master: Optional[Link]) -> Optional[Finding]:
    """A link that is up is no port of a bond or team yet: their drivers refuse it, whoever asks."""
    errno = DOWN_PORT_KINDS.get(master.kind or "") if master else None
    if master is None or errno is None or "UP" not in link.flags:
        return None
    return _finding(
        subject,
        "up",
        f"{link.name} is up, and {master.name}, a {master.kind}, answers {errno} to a port that is not down.",
        [Evidence(_where(subject), f"{link.name} <{','.join(link.flags)}>")],
        advice=(
            f"Set it down first (ip link set dev {link.name} down), which takes its routes and its IPv6 addresses "
            f"away; {master.name} sets it up again."
        ),
    )


def _lower(subject: Subject, link: Optional[Link]) -> Optional[Finding]:
    """Only for a workload that wants to put a link of a kind that takes over the receive handler on the named one."""
    kind = subject.workload.link_kind
    if link is None or kind not in RX_HANDLER_KINDS or link.port_kind not in MASTER_KINDS:
        return None
    return _finding(
        subject,
        "busy",
        f"{link.name} is a port of {link.master}, which receives its packets already, so no {kind} can lie on it.",
        [Evidence(_where(subject), f"{link.name} master {link.master} ({link.port_kind})")],
        advice=f"Put the {kind} on {link.master} instead of {link.name}, or take {link.name} out of it first.",
    )


def _variables(subject: Subject, entry: dict[str, Any]) -> dict[str, Any]:
    """A link for the role, in the namespace where it lies; the host's own needs no path."""
    path = None if subject.host_network and not subject.workload.netns else netns_path(subject)
    return {"netlink_link_links": [{**entry, **({"netns": path} if path else {})}]}


def _down(subject: Subject, link: Link) -> Optional[Finding]:
    if "route" not in subject.workload.operations or "UP" in link.flags:
        return None
    # The driver would refuse to set a radio up that is switched off.
    blocked = link.radio is not None and (link.radio.soft or link.radio.hard)
    return _finding(
        subject,
        "down",
        f"{link.name} is down, so the kernel answers ENETDOWN to a route over it.",
        [Evidence(_where(subject), f"{link.name} <{','.join(link.flags)}>")],
        remedy=None if blocked else Remedy("netlink_link", _variables(subject, {"name": link.name, "state": "up"})),
        advice=f"Switch the radio of {link.name} on first (rfkill list), then set it up." if blocked else "",
    )


def _no_address(subject: Subject, link: Optional[Link]) -> Optional[Finding]:
    """A gateway must be reached directly, over the named link if there is one."""
    route, workload = subject.workload.route, subject.workload
    if route is None or not route.gateway or "route" not in workload.operations or subject.namespace is None:
        return None
    gateway, wanted = ipaddress.ip_address(route.gateway), workload.address
    scoped = gateway.version == 6 and gateway.is_link_local  # Means nothing without a link.
    if bool(link) if scoped else _reached(subject, link, {route.table, *LOOKED_UP}):
        return None
    covered = bool(wanted) and gateway in ipaddress.ip_interface(wanted or "").network
    if covered and "address" in workload.operations:
        return None  # The workload adds that address itself.
    remedy = None
    if covered and link:
        remedy = Remedy("netlink_link", _variables(subject, {"name": link.name, "state": "up", "addresses": [wanted]}))
    links = [link] if link else subject.namespace.links or []
    has = [f"{item.name}: {_addresses(item) or 'no address'}" for item in links[:8]]
    summary = (
        f"The gateway {gateway} is not a neighbour on {link.name if link else 'any link'}, so the kernel refuses it."
    )
    if scoped:
        summary = f"The gateway {gateway} means nothing without a link, and the route names none."
    advice = (
        f"Name the output link of the route, give {link.name if link else 'a link'} an address or a direct route that "
        f"covers {gateway}, or use another gateway."
    )
    found = _finding(
        subject,
        "no_address",
        summary,
        [Evidence(_where(subject), text) for text in has],
        remedy=remedy,
        advice="" if remedy else advice,
    )
    if not scoped and _reached(subject, link, None):
        # A rule may lead there, and rules are not read.
        found.effect, found.certainty, found.remedy, found.advice = "may_refuse", "possible", None, advice
    return found


def _addresses(link: Link) -> str:
    return ", ".join(f"{item.address}/{item.prefix}" for item in link.addresses)


def _reached(subject: Subject, link: Optional[Link], tables: Optional[set[int]]) -> bool:
    """Whether the gateway of the named route is found on a link: the most specific route of the tables decides.

    fib_check_nh_v4_gw() passes over routes with a gateway, ip6_route_check_nh() does not; the latter takes no local
    address. tables: None for all. The table of a VRF to which the link belongs counts always.
    """
    wanted = subject.workload.route
    gateway = ipaddress.ip_address(wanted.gateway or "") if wanted else None
    best: tuple[int, Optional[Route]] = (-1, None)
    for route in (subject.namespace.routes or []) if subject.namespace and gateway else []:
        if (route.family == "inet6") != (gateway is not None and gateway.version == 6):
            continue
        local = route.type == "local"
        if link and not (local and route.family == "inet6") and route.interface != link.name:
            continue
        if tables is not None and route.table not in tables and not (link and link.port_kind == "vrf"):
            continue
        if route.family == "inet" and (route.gateway or route.nexthops):
            continue
        network = ipaddress.ip_network(route.dst) if route.dst != "default" else None
        if (network is None or gateway in network) and (network.prefixlen if network else 0) > best[0]:
            best = (network.prefixlen if network else 0, route)
    found = best[1]
    if found is None or found.gateway or found.nexthops:
        return False
    return found.type == "unicast" or (found.type == "local" and found.family == "inet")
