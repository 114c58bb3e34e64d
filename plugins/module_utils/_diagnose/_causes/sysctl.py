# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 4: a sysctl. The data path (forwarding, rp_filter) is judged for the operation forward only."""

from __future__ import annotations

import ipaddress
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._containers import container_remedy
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Cause, Subject, find_link
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding, Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._parts import PersistedSysctl, Sysctl
from ansible_collections.netlink.remediation.plugins.module_utils._state import NetNamespace

CAUSE = Cause(
    "4",
    "sysctl",
    "A sysctl of the network namespace stands in the way, now or after the next boot.",
    {
        "ip_forward": "Forwarding is off in the workload's network namespace.",
        "rp_filter": "Strict reverse path filtering drops what arrives on the named interface.",
        "ipv6_disabled": "IPv6 is disabled on the interface, so the kernel answers EACCES even to root.",
        "ipv6_off_at_boot": "IPv6 will be off after the next boot, or the kernel was booted without it.",
        "not_persistent": "The value is right now, but no file sets it at boot.",
        "overridden": "A file sets the right value, but a later one wins.",
        "rewritten_by_service": "The right value wins at boot, but a service writes another one.",
        "read_only": "The value is wrong and /proc/sys is read-only for the workload.",
    },
)

FORWARD4 = "net/ipv4/ip_forward"
FORWARD6 = "net/ipv6/conf/all/forwarding"


def dotted(key: str) -> str:
    """A canonical key in the form people type: slashes become dots, dots of interface names become slashes."""
    return key.translate(str.maketrans("/.", "./"))


def wanted_families(workload: Any) -> set[int]:
    """IP versions that the named address and route speak of; empty when none is named."""
    texts = [workload.address]
    if workload.route is not None:
        texts += [workload.route.dst, workload.route.gateway]
    families: set[int] = set()
    for text in texts:
        if text and text != "default":
            families.add(ipaddress.ip_interface(text).version)
    return families


def judge(subject: Subject) -> list[Finding]:
    """Findings about sysctls for the named operations."""
    findings: list[Finding] = []
    operations = subject.workload.operations
    if "forward" in operations:
        keys = [FORWARD6] if wanted_families(subject.workload) == {6} else [FORWARD4]
        for key in keys:
            found = _switch(subject, subject.sysctl(key), "1", "ip_forward")
            findings += [found] if found else []
        # The switch of the link on which the packets arrive decides; ip_forward sets all of them when it is written.
        own = subject.sysctl(f"net/ipv4/conf/{interface_of(subject)}/forwarding") if FORWARD4 in keys else None
        if own is not None and own.value == "0" and not any(item.effect == "refuses" for item in findings):
            found = _switch(subject, own, "1", "ip_forward")
            findings += [found] if found else []
        found = _rp_filter(subject)
        findings += [found] if found else []
    if 6 in wanted_families(subject.workload) and {"address", "route", "neighbour"} & set(operations):
        found = _ipv6(subject)
        findings += [found] if found else []
    return findings


def interface_of(subject: Subject) -> Optional[str]:
    """The link that the workload names, by itself or in its route; by its name where an altname was given."""
    workload = subject.workload
    return _true_name(subject, workload.interface or (workload.route.interface if workload.route else None))


def route_interface_of(subject: Subject) -> Optional[str]:
    """The output link of the workload's route: the one that the route names, else the workload's."""
    workload = subject.workload
    return _true_name(subject, (workload.route.interface if workload.route else None) or workload.interface)


def _true_name(subject: Subject, named: Optional[str]) -> Optional[str]:
    link = find_link(subject.namespace, named)
    return link.name if link else named


def _ipv6(subject: Subject) -> Optional[Finding]:
    interface = interface_of(subject)
    whole = subject.sysctl("net/ipv6/conf/all/disable_ipv6")
    if whole is not None and not whole.exists:
        return _finding(
            subject,
            whole,
            "ipv6_off_at_boot",
            "The kernel runs without IPv6 (ipv6.disable=1 or no ipv6 module).",
            advice="Remove ipv6.disable=1 from the kernel command line, or load the ipv6 module, and boot again.",
        )
    item = subject.sysctl(f"net/ipv6/conf/{interface}/disable_ipv6") if interface else whole
    link = find_link(subject.namespace, interface)
    if item is not None and not item.exists and link is not None:
        return _finding(
            subject,
            item,
            "ipv6_disabled",
            f"{interface} has no IPv6 at all (its MTU is {link.mtu}; below 1280 the kernel takes IPv6 away).",
            advice=f"Raise the MTU of {interface} to 1280 or more.",
        )
    return _switch(subject, item, "0", "ipv6_disabled") if item else None


def _switch(subject: Subject, item: Optional[Sysctl], wanted: str, reason: str) -> Optional[Finding]:
    """Judge one on/off sysctl: wrong now, or right now and wrong after the next boot."""
    if item is None or item.value is None:
        return None
    good_file = next((entry for entry in item.persisted if entry.value == wanted), None)
    winner = item.boot
    if item.value != wanted:
        return _wrong_now(subject, item, wanted, reason, good_file, winner)
    if not subject.host_network:
        return None
    if winner is not None and winner.value != wanted:
        if reason == "ipv6_disabled":
            text = "works now, but IPv6 will be off after the next boot"
            return _later(subject, item, wanted, "ipv6_off_at_boot", text, winner)
        text = "is right now, but another file wins at boot"
        return _later(subject, item, wanted, "overridden" if good_file else "not_persistent", text, winner)
    if winner is None and reason == "ip_forward":
        return _later(subject, item, wanted, "not_persistent", "is right now, but no file sets it at boot", None)
    return None


def _wrong_now(
    subject: Subject,
    item: Sysctl,
    wanted: str,
    reason: str,
    good_file: Optional[PersistedSysctl],
    winner: Optional[PersistedSysctl],
) -> Finding:
    key, name = dotted(item.key), subject.workload.name
    culprit: Optional[PersistedSysctl] = None
    rewriters = [entry for entry in item.rewriters if entry.value != wanted]
    if item.read_only:
        reason, text = "read_only", f"{key} is {item.value} and read-only for {name}; only the host can change it."
    elif good_file and winner and winner.value != wanted:
        reason, culprit = "overridden", winner
        text = f"{good_file.file}:{good_file.line} sets {key} to {wanted}, but {winner.file}:{winner.line} wins."
    elif good_file and rewriters:
        reason, culprit = "rewritten_by_service", rewriters[-1]
        text = f"{key} is set to {wanted} at boot, but {culprit.file}:{culprit.line} writes {culprit.value} again."
    elif reason == "ip_forward":
        where = "" if item.key in (FORWARD4, FORWARD6) else f" that arrives on {item.key.split('/')[3]}"
        text = f"{key} is {item.value}: {name}'s network namespace forwards nothing{where}."
    else:
        text = f"{key} is {item.value}: the kernel answers EACCES to every IPv6 change of that interface, even to root."
    return _finding(subject, item, reason, text, wanted=wanted, culprit=culprit)


def _later(
    subject: Subject, item: Sysctl, wanted: str, reason: str, text: str, culprit: Optional[PersistedSysctl]
) -> Finding:
    place = f" ({culprit.file}:{culprit.line})" if culprit else ""
    return _finding(
        subject, item, reason, f"{dotted(item.key)} {text}{place}.", wanted=wanted, culprit=culprit, effect="later"
    )


def _finding(
    subject: Subject,
    item: Sysctl,
    reason: str,
    summary: str,
    *,
    wanted: Optional[str] = None,
    culprit: Optional[PersistedSysctl] = None,
    effect: str = "refuses",
    advice: str = "",
) -> Finding:
    evidence = [Evidence(f"/proc/sys/{item.key}", "missing" if item.value is None else item.value)]
    evidence += [
        Evidence(f"{entry.file}:{entry.line}", f"{dotted(item.key)} = {entry.value}") for entry in item.persisted
    ]
    evidence += [Evidence(f"{entry.file}:{entry.line}", f"writes {entry.value}") for entry in item.rewriters]
    remedy = None
    if wanted is not None and reason != "rewritten_by_service":
        remedy = _remedy(subject, item, wanted, overridden=culprit is not None)
    elif culprit is not None:
        advice = (
            f"Change {culprit.file} line {culprit.line}: whatever else is set, that service writes its own value again."
        )
    return subject.finding(
        CAUSE,
        reason,
        gate="boot" if effect == "later" else "write" if reason in ("ip_forward", "read_only") else "object",
        certainty="proven",
        effect=effect,
        summary=summary,
        evidence=evidence,
        remedy=remedy,
        advice=advice,
    )


def _remedy(subject: Subject, item: Sysctl, wanted: str, *, overridden: bool) -> Optional[Remedy]:
    settings = {dotted(item.key): wanted}
    if subject.host_network:
        variables: dict[str, Any] = {"netlink_sysctl_settings": settings}
        if overridden:
            variables["netlink_sysctl_supersede"] = True
        return Remedy("netlink_sysctl", variables)
    own = subject.container if subject.workload.target_ns is None else None
    if own is not None:
        remedy = container_remedy(subject, own, {"sysctls": settings}, "")
        if remedy is not None:
            return remedy
    path = netns_path(subject)
    if path is None:
        return None
    variables = {"netlink_sysctl_namespaces": [{"netns": path, "settings": settings}]}
    text = f"it lasts until container {own.name} is made anew; its own --sysctl would last" if own else ""
    return Remedy("netlink_sysctl", variables, disrupts=[text] if text else [])


def netns_path(subject: Subject) -> Optional[str]:
    """A path by which the host can enter the namespace: the user's own, a bound name, or that of a process."""
    workload = subject.workload
    if workload.netns and not subject.moves_link:
        return workload.netns
    if subject.namespace is not None and subject.namespace.names:
        return subject.namespace.names[0]
    return f"/proc/{workload.processes[0]}/ns/net" if workload.processes else None


def _rp_filter(subject: Subject) -> Optional[Finding]:
    """Strict filtering drops packets from the named address on the named interface when the way back is another one."""
    workload, namespace, interface = subject.workload, subject.namespace, interface_of(subject)
    if not workload.interface or not workload.address or namespace is None or namespace.routes is None:
        return None
    source = ipaddress.ip_interface(workload.address)
    if source.version != 4:
        return None
    key = f"net/ipv4/conf/{interface}/rp_filter"
    item, whole = subject.sysctl(key), subject.sysctl("net/ipv4/conf/all/rp_filter")
    values = [int(entry.value) for entry in (item, whole) if entry and entry.value and entry.value.isdigit()]
    if item is not None and values and max(values) in (1, 2) and not _any_way_back(namespace, source.network):
        return _finding(
            subject,
            item,
            "rp_filter",
            f"Packets from {source.network} on {interface} are dropped: no route leads back, and rp_filter is on.",
            advice=f"Add a route to {source.network}; a loose rp_filter wants one too.",
        )
    back = _way_back(subject, source.network)
    if item is None or not values or max(values) != 1 or back in (None, interface):
        return None
    evidence = [Evidence(f"/proc/sys/{entry.key}", entry.value or "") for entry in (item, whole) if entry]
    evidence.append(Evidence("route", f"{source.network} goes out of {back}"))
    found = _finding(
        subject,
        item,
        "rp_filter",
        f"Packets from {source.network} on {interface} are dropped: their way back is {back}, and rp_filter is strict.",
        wanted="2",
    )
    found.evidence = evidence
    return found


def _any_way_back(namespace: NetNamespace, network: Any) -> bool:
    """Whether any route of any table leads to a part of an IPv4 network."""
    routes = (route for route in namespace.routes or [] if route.family == "inet")
    return any(route.dst == "default" or ipaddress.ip_network(route.dst).overlaps(network) for route in routes)


def _way_back(subject: Subject, network: Any) -> Optional[str]:
    """The interface of the most specific unicast IPv4 route of the main table that covers a network."""
    best: tuple[int, Optional[str]] = (-1, None)
    for route in subject.namespace.routes or [] if subject.namespace else []:
        if route.family != "inet" or route.table != 254 or route.type != "unicast":
            continue
        dst = ipaddress.ip_network("0.0.0.0/0" if route.dst == "default" else route.dst, strict=False)
        if dst.version == 4 and network.subnet_of(dst) and dst.prefixlen > best[0]:
            best = (dst.prefixlen, route.interface)
    return best[1]
