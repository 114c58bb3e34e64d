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
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Cause, Subject, find_link
from ansible_collections.netlink.remediation.plugins.module_utils._state import Evidence, Finding, Link, Remedy

CAUSE = Cause(
    "6",
    "link_state",
    "The link that the workload names is missing, down, taken or protected, so the kernel refuses even root.",
    {
        "missing": "No link of that name or altname exists.",
        "wrong_netns": "The link exists, but in another network namespace.",
        "down": "The link is down, so no route can use it.",
        "no_address": "No address of the link covers the gateway of the named route.",
        "busy": "Something else (macvlan, ipvlan, a bridge, a bond) receives the link's packets already.",
        "enslaved": (
            "The link is a port of another master: an ioctl (brctl) answers EBUSY, netlink moves it in silence."
        ),
        "protected_group": "The links of group default cannot be deleted as a group.",
    },
)

# Kinds of links that take over the receive handler of the link they lie on (rx_handler, net/core/dev.c).
RX_HANDLER_KINDS = ("macvlan", "macvtap", "ipvlan", "ipvtap")
# Kinds of masters that take over the receive handler of their ports.
MASTER_KINDS = ("bridge", "bond", "team", "openvswitch", "hsr", "failover")


def judge(subject: Subject) -> list[Finding]:
    """Findings about the link named by the workload, or by its route; at most one."""
    workload = subject.workload
    if workload.group in ("default", "0") and "link" in workload.operations:
        return [_protected(subject)]
    name, namespace = interface_of(subject), subject.namespace
    if not name or namespace is None or namespace.links is None:
        return []
    link = find_link(namespace, name)
    if link is None:
        return [_absent(subject, name)]
    for found in (_port(subject, link), _down(subject, link), _no_address(subject, link)):
        if found:
            return [found]
    return []


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
        return None
    return _finding(
        subject,
        "busy",
        f"{', '.join(uppers)} already receives the packets of {link.name}, so it cannot become a port of {master}.",
        [Evidence(_where(subject), f"{upper} lies on {link.name}") for upper in uppers],
        advice=f"Remove {', '.join(uppers)}, or put it on {master} instead of {link.name}.",
    )


def _variables(subject: Subject, entry: dict[str, Any]) -> dict[str, Any]:
    """A link for the role, in the namespace where it lies; the host's own needs no path."""
    path = None if subject.host_network and not subject.workload.netns else netns_path(subject)
    return {"netlink_link_links": [{**entry, **({"netns": path} if path else {})}]}


def _down(subject: Subject, link: Link) -> Optional[Finding]:
    if "route" not in subject.workload.operations or "UP" in link.flags:
        return None
    return _finding(
        subject,
        "down",
        f"{link.name} is down, so the kernel answers ENETDOWN to a route over it.",
        [Evidence(_where(subject), f"{link.name} <{','.join(link.flags)}>")],
        remedy=Remedy("netlink_link", _variables(subject, {"name": link.name, "state": "up"})),
    )


def _no_address(subject: Subject, link: Link) -> Optional[Finding]:
    """A gateway must be covered by an address of the link, or by another route over it."""
    route = subject.workload.route
    if route is None or not route.gateway or "route" not in subject.workload.operations or subject.namespace is None:
        return None
    gateway = ipaddress.ip_address(route.gateway)
    if gateway.version == 6 and gateway.is_link_local:
        return None
    near = [ipaddress.ip_interface(f"{item.address}/{item.prefix}").network for item in link.addresses]
    near += [
        ipaddress.ip_network(item.dst)
        for item in subject.namespace.routes or []
        if item.interface == link.name and not item.gateway and item.dst != "default" and item.type == "unicast"
    ]
    if any(gateway.version == network.version and gateway in network for network in near):
        return None
    wanted = subject.workload.address
    remedy = None
    if wanted and gateway in ipaddress.ip_interface(wanted).network:
        remedy = Remedy("netlink_link", _variables(subject, {"name": link.name, "state": "up", "addresses": [wanted]}))
    has = ", ".join(f"{item.address}/{item.prefix}" for item in link.addresses)
    return _finding(
        subject,
        "no_address",
        f"No address of {link.name} covers the gateway {gateway}, so the kernel calls it invalid.",
        [Evidence(_where(subject), f"{link.name}: {has or 'no address'}")],
        remedy=remedy,
        advice=""
        if remedy
        else f"Give {link.name} an address in the network of {gateway}, or name a gateway that it can reach.",
    )
