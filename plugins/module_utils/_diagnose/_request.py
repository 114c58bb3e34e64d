# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user asks, checked: options as they come from a task become workloads, or one clear sentence."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._parts import RouteRequest
from ansible_collections.netlink.remediation.plugins.module_utils._state import OPERATIONS, Workload

KINDS = ("pid", "executable", "unit", "container")
_KEYS = (
    "name",
    *KINDS,
    "user",
    "operations",
    "interface",
    "address",
    "route",
    "netns",
    "master",
    "group",
    "link_kind",
    "qdisc_kind",
    "mac",
)
# What the kernel puts after "rtnl-link-" and "net-sch-" to ask for a module (MODULE_NAME_LEN of module.h).
_KIND = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,39}")
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")


def parse_workloads(items: list[dict[str, Any]]) -> list[Workload]:
    """Check the list of workloads of a task.

    items: as documented in the fragment `workloads`; keys that are null count as not given.
    Raises ValueError with one sentence that names the option, the value and what would be accepted.
    """
    workloads: list[Workload] = []
    for index, item in enumerate(items):
        workload = _parse(f"workloads[{index}]", item)
        if any(other.name == workload.name for other in workloads):
            raise ValueError(f"workloads[{index}].name: {workload.name!r} is used twice, expected a unique name")
        workloads.append(workload)
    return workloads


def _parse(where: str, item: dict[str, Any]) -> Workload:
    given = {key: value for key, value in item.items() if value is not None}
    for key in given:
        if key not in _KEYS:
            raise ValueError(f"{where}.{key}: unknown key, expected one of {', '.join(_KEYS)}")
    if not given.get("name"):
        raise ValueError(f"{where}.name: missing, expected a name that is unique among the workloads")
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        what = " and ".join(kinds) if kinds else "none of them"
        raise ValueError(f"{where}: {what} given, expected exactly one of {', '.join(KINDS)}")
    kind = kinds[0]
    if "user" in given and kind != "executable":
        raise ValueError(f"{where}.user: goes with executable only, a {kind} has the user it runs as")
    _path(where, "executable", given.get("executable"))
    _path(where, "netns", given.get("netns"))
    if kind == "pid" and given["pid"] < 1:
        raise ValueError(f"{where}.pid: {given['pid']} is no process, expected a number from 1 on")
    return Workload(
        name=given["name"],
        kind=kind,
        pid=given.get("pid"),
        executable=given.get("executable"),
        unit=given.get("unit"),
        container=given.get("container"),
        user=given.get("user", "root" if kind == "executable" else None),
        operations=_operations(where, given.get("operations") or ["link"]),
        interface=_interface(where + ".interface", given.get("interface")),
        address=_address(where, given.get("address")),
        route=_route(where + ".route", given.get("route")),
        netns=given.get("netns"),
        master=_interface(where + ".master", given.get("master")),
        group=given.get("group"),
        link_kind=_kind_of(where, given, "link_kind", "link"),
        qdisc_kind=_kind_of(where, given, "qdisc_kind", "qdisc"),
        mac=_mac(where, given),
    )


def _path(where: str, key: str, value: Optional[str]) -> None:
    if value is not None and not value.startswith("/"):
        raise ValueError(f"{where}.{key}: {value!r} is not an absolute path, expected e.g. /usr/sbin/program")


def _operations(where: str, values: list[str]) -> list[str]:
    for value in values:
        if value not in OPERATIONS:
            raise ValueError(f"{where}.operations: {value!r} is unknown, expected any of {', '.join(OPERATIONS)}")
    return list(dict.fromkeys(values))


def _kind_of(where: str, given: dict[str, Any], key: str, operation: str) -> Optional[str]:
    """A kind of link or queueing discipline, which goes with one operation."""
    value = given.get(key)
    if value is None:
        return None
    if not _KIND.fullmatch(value):
        example = "wireguard" if operation == "link" else "netem"
        raise ValueError(f"{where}.{key}: {value!r:.40} can be no kind, expected one such as {example}")
    if operation == "link" and value in ("tun", "tap"):
        raise ValueError(f"{where}.{key}: {value} is not made by netlink, expected operations with tun instead")
    if operation not in (given.get("operations") or ["link"]):
        raise ValueError(f"{where}.{key}: goes with the operation {operation}, which operations does not have")
    return str(value)


def _mac(where: str, given: dict[str, Any]) -> Optional[str]:
    """A link-layer address, in lower case as the kernel's are; it goes with the link that gets it."""
    value = given.get("mac")
    if value is None:
        return None
    if not _MAC.fullmatch(value):
        raise ValueError(f"{where}.mac: {value!r:.40} is no link-layer address, expected e.g. 02:00:00:00:00:01")
    if not given.get("interface") or "link" not in (given.get("operations") or ["link"]):
        raise ValueError(f"{where}.mac: goes with interface and the operation link, which gives it that address")
    return str(value).lower()


def _interface(where: str, value: Optional[str]) -> Optional[str]:
    """dev_valid_name(): no slash, no white space, not . or ..; altnames may have 127 bytes (ALTIFNAMSIZ)."""
    if value is None:
        return None
    bad = not value or value in (".", "..") or "/" in value or any(character.isspace() for character in value)
    if bad or len(value.encode()) > 127:
        raise ValueError(f"{where}: {value!r:.40} cannot name a link, expected a name such as eth0")
    return value


def _address(where: str, value: Optional[str]) -> Optional[str]:
    if value is None:
        return None
    try:
        if "/" not in value:
            raise ValueError
        return str(ipaddress.ip_interface(value))
    except ValueError:
        raise ValueError(
            f"{where}.address: {value!r} is no address with prefix length, expected e.g. 192.0.2.1/24"
        ) from None


def _route(where: str, value: Optional[dict[str, Any]]) -> Optional[RouteRequest]:
    if value is None:
        return None
    given = {key: item for key, item in value.items() if item is not None}
    for key in given:
        if key not in ("dst", "gateway", "interface", "table"):
            raise ValueError(f"{where}.{key}: unknown key, expected dst, gateway, interface or table")
    if "dst" not in given:
        raise ValueError(f"{where}.dst: missing, expected a network such as 198.51.100.0/24, or default")
    dst, gateway = given["dst"], given.get("gateway")
    try:
        dst = dst if dst == "default" else str(ipaddress.ip_network(dst))
    except ValueError:
        raise ValueError(f"{where}.dst: {dst!r} is no network, expected e.g. 198.51.100.0/24, or default") from None
    try:
        gateway = None if gateway is None else str(ipaddress.ip_address(gateway))
    except ValueError:
        raise ValueError(f"{where}.gateway: {gateway!r} is no address, expected e.g. 192.0.2.1") from None
    if gateway and dst != "default" and (":" in gateway) != (":" in dst):
        raise ValueError(f"{where}.gateway: {gateway} is not of the address family of {dst}")
    table = given.get("table", 254)
    if not 1 <= table < 2**32:
        raise ValueError(f"{where}.table: {table} is no routing table, expected 1 to 4294967295")
    return RouteRequest(dst, gateway, _interface(where + ".interface", given.get("interface")), table)
