# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 9: the named address or route is there already ("RTNETLINK answers: File exists")."""

from __future__ import annotations

import ipaddress
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._causes.sysctl import (
    interface_of,
    route_interface_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import (
    Cause,
    Subject,
    find_link,
    find_routes,
)
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Route

CAUSE = Cause(
    "9",
    "already_exists",
    "The object that the workload wants to add exists already.",
    {
        "same": "Exactly the wanted object exists: nothing is wrong, adding it again answers EEXIST.",
        "different": "An object with the same key but other properties stands in the way.",
    },
)


def judge(subject: Subject) -> list[Finding]:
    """Findings about the named address, the named route and the named TUN device."""
    found = [_address(subject), _route(subject), _device(subject)]
    return [finding for finding in found if finding]


def _finding(subject: Subject, reason: str, summary: str, text: str, advice: str) -> Finding:
    return subject.finding(
        CAUSE,
        reason,
        gate="object",
        certainty="proven",
        effect="none" if reason == "same" else "refuses",
        summary=summary,
        evidence=[Evidence(f"net:[{subject.net_ns}]", text)],
        advice=advice,
    )


def _address(subject: Subject) -> Optional[Finding]:
    """Only the same address with the same prefix length on the same link is EEXIST (net/ipv4/devinet.c, IPv6: any
    prefix).
    """
    workload = subject.workload
    link = find_link(subject.namespace, interface_of(subject))
    if not workload.address or "address" not in workload.operations or link is None:
        return None
    wanted = ipaddress.ip_interface(workload.address)
    for item in link.addresses:
        if ipaddress.ip_address(item.address) != wanted.ip:
            continue
        there = f"{item.address}/{item.prefix}"
        if "dadfailed" in item.flags:
            return _finding(
                subject,
                "different",
                f"{there} is on {link.name}, but unusable: another host of that network has it (dadfailed).",
                f"{link.name}: {there} dadfailed",
                f"Find the host that has {item.address}, then remove {there} from {link.name} and add it anew.",
            )
        # An IPv4 address with a peer is one of the peer's network.
        beside = item.peer is not None and ipaddress.ip_address(item.peer) not in wanted.network
        if item.prefix == wanted.network.prefixlen and not (beside and wanted.version == 4):
            return _finding(
                subject,
                "same",
                f"{there} is on {link.name} already: adding it again answers EEXIST, and nothing needs to be done.",
                f"{link.name}: {there}",
                "Let the program treat EEXIST as success, or use 'ip address replace'.",
            )
        if wanted.version == 6:
            return _finding(
                subject,
                "different",
                f"{link.name} has {there}, which stands in the way of {wanted}: IPv6 keeps one prefix for an address.",
                f"{link.name}: {there}",
                f"Remove {there} from {link.name} first, if nothing needs it.",
            )
    return None


def _device(subject: Subject) -> Optional[Finding]:
    """A TUN device without several queues is for one process: TUNSETIFF of a second one is EBUSY.

    Which process has it open was not read: it may be the workload itself, if that runs.
    """
    link = find_link(subject.namespace, subject.workload.interface)
    if "tun" not in subject.workload.operations or link is None or link.tun is None or not link.tun.taken:
        return None
    found = _finding(
        subject,
        "different",
        f"A process has {link.name} open, and TUNSETIFF of another one answers EBUSY.",
        f"{link.name}: a {link.kind} device that is open",
        f"See who has it: grep -l 'iff:.*{link.name}' /proc/[0-9]*/fdinfo/*. Stop that, or use another name.",
    )
    if not subject.starts:
        found.effect, found.certainty = "may_refuse", "possible"
    return found


def _text(route: Route) -> str:
    parts = [route.dst]
    parts += ["via", route.gateway] if route.gateway else []
    parts += ["dev", route.interface] if route.interface else []
    parts += ["metric", str(route.metric)] if route.metric else []
    parts += [f"nexthop {hop}" for hop in route.nexthops]
    return " ".join(parts if route.type == "unicast" else [route.type, *parts])


def _route(subject: Subject) -> Optional[Finding]:
    """A route's key is destination, table, TOS and metric; the workload's route has the metric that the kernel gives
    to one without: 0, or 1024 for IPv6 (IP6_RT_PRIO_USER).
    """
    wanted = subject.workload.route
    if wanted is None or "route" not in subject.workload.operations or subject.namespace is None:
        return None
    version = 6 if ":" in wanted.dst + (wanted.gateway or "") else 4
    family, metric = ("inet6", 1024) if version == 6 else ("inet", 0)
    dst = _as_listed(wanted.dst)
    interface = route_interface_of(subject)
    for route in find_routes(subject.namespace, dst, wanted.table):
        if route.family != family or (route.metric or 0) != metric or {"tos", "from"} & set(route.extra):
            continue
        same = route.gateway == wanted.gateway and interface in (None, route.interface) and not route.nexthops
        if same and route.type == "unicast":
            return _finding(
                subject,
                "same",
                (
                    f"The route {_text(route)} exists already: adding it again answers EEXIST, and "
                    "nothing needs to be done."
                ),
                _text(route),
                "Let the program treat EEXIST as success, or use 'ip route replace'.",
            )
        return _finding(
            subject,
            "different",
            f"Another route to {dst} stands in the way: {_text(route)}.",
            _text(route),
            "Replace it (ip route replace), give the new one another metric, or remove the old one.",
        )
    return None


def _as_listed(dst: str) -> str:
    """A destination in the form of Route.dst: "default", or without the prefix length of a single address."""
    network = None if dst == "default" else ipaddress.ip_network(dst, strict=False)
    if network is None or network.prefixlen == 0:
        return "default"
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)
