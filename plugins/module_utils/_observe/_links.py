# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, addresses and routes of any network namespace, read through pyroute2, and who manages a link.

Sources: rtnetlink(7), include/uapi/linux/{if_link,if_addr,rtnetlink}.h; the words are those of iproute2.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any, Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import CLONE_NEWNET, errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Address, Link, Route, TunDevice
from ansible_collections.netlink.remediation.plugins.module_utils._pyroute2 import load_pyroute2
from ansible_collections.netlink.remediation.plugins.module_utils._state import NO_PYROUTE2, Unseen

FAMILIES = {socket.AF_INET: "inet", socket.AF_INET6: "inet6"}
# In the order in which iproute2 prints them; IFF_RUNNING shows as the lack of NO-CARRIER.
LINK_FLAGS = (
    (0x8, "LOOPBACK"),
    (0x2, "BROADCAST"),
    (0x10, "POINTOPOINT"),
    (0x1000, "MULTICAST"),
    (0x80, "NOARP"),
    (0x200, "ALLMULTI"),
    (0x100, "PROMISC"),
    (0x400, "MASTER"),
    (0x800, "SLAVE"),
    (0x4, "DEBUG"),
    (0x8000, "DYNAMIC"),
    (0x4000, "AUTOMEDIA"),
    (0x2000, "PORTSEL"),
    (0x20, "NOTRAILERS"),
    (0x1, "UP"),
    (0x10000, "LOWER_UP"),
    (0x20000, "DORMANT"),
    (0x40000, "ECHO"),
)
IFF_UP, IFF_RUNNING = 0x1, 0x40
ADDRESS_FLAGS = (
    (0x02, "nodad"),
    (0x04, "optimistic"),
    (0x08, "dadfailed"),
    (0x10, "home"),
    (0x20, "deprecated"),
    (0x40, "tentative"),
    (0x80, "permanent"),
    (0x100, "mngtmpaddr"),
    (0x200, "noprefixroute"),
    (0x400, "autojoin"),
    (0x800, "stable-privacy"),
)
IFA_F_SECONDARY, IFA_F_PERMANENT = 0x01, 0x80
IFA_PROTO = 11
ADDRESS_PROTOCOLS = {1: "kernel_lo", 2: "kernel_ra", 3: "kernel_ll"}
SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
ROUTE_TYPES = (
    *("none", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole"),
    *("unreachable", "prohibit", "throw", "nat"),
)
# include/uapi/linux/rtnetlink.h, names of /etc/iproute2/rt_protos
ROUTE_PROTOCOLS = {
    0: "unspec",
    1: "redirect",
    2: "kernel",
    3: "boot",
    4: "static",
    8: "gated",
    9: "ra",
    10: "mrt",
    11: "zebra",
    12: "bird",
    13: "dnrouted",
    14: "xorp",
    15: "ntk",
    16: "dhcp",
    18: "keepalived",
    42: "babel",
    186: "bgp",
    187: "isis",
    188: "ospf",
    189: "rip",
    192: "eigrp",
}
RTNH_F_ONLINK = 4
# Those that link_of() reads.
LINK_ATTRIBUTES = (
    *("IFLA_ADDRESS", "IFLA_CARRIER", "IFLA_GROUP", "IFLA_IFNAME", "IFLA_LINK", "IFLA_LINKINFO"),
    *("IFLA_LINK_NETNSID", "IFLA_MASTER", "IFLA_MAX_MTU", "IFLA_MIN_MTU", "IFLA_MTU", "IFLA_OPERSTATE"),
    *("IFLA_PARENT_DEV_NAME", "IFLA_PERM_ADDRESS", "IFLA_PROP_LIST"),
)


@contextlib.contextmanager
def inside_netns(path: Optional[str]) -> Iterator[None]:
    """Run the block in the network namespace bound at path (None: stay). The thread comes back in any case.

    Raises OSError for a path that cannot be opened or joined, ValueError for one that is no network namespace.
    """
    if path is None:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # A file of nsfs has its device wherever it is bound; which of them is a netns, setns(2) answers.
            if os.fstat(target).st_dev != os.fstat(home).st_dev or not _setns(target, path):
                raise ValueError(f"{path} is not a network namespace")
        finally:
            os.close(target)
        try:
            yield
        finally:
            _setns(home, "the own network namespace")
    finally:
        os.close(home)


def _setns(descriptor: int, what: str) -> bool:
    """Join a network namespace; False: it is one of another kind. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.EINVAL:
        return False
    raise OSError(number, os.strerror(number), what)


def observe_links(netns_path: Optional[str], unseen: list[Unseen]) -> tuple[list[Link], list[Route]]:
    """All links (with their addresses) and the routes of all tables of one network namespace.

    netns_path: /run/netns/x or /proc/PID/ns/net, None for the observer's own. What could not be read, pyroute2 missing
    included, is appended to unseen. pyroute2 must have been loaded with load_pyroute2() where it may be a shipped copy.
    """
    pyroute2 = load_pyroute2()
    where = f"rtnetlink of {netns_path}" if netns_path else "rtnetlink"
    if pyroute2 is None:
        unseen.append(Unseen(where, NO_PYROUTE2))
        return [], []
    try:
        with inside_netns(netns_path), pyroute2.IPRoute() as netlink:
            links = read_links(netlink)
            names = {link.index: link.name for link in links}
            routes = read_routes(netlink, names)
            managed_here = is_initial_netns()
    except ValueError as error:
        unseen.append(Unseen(where, str(error)))
        return [], []
    except OSError as error:
        unseen.append(Unseen(where, f"{errno_name(error.errno or 0)}: {error.strerror or error}"))
        return [], []
    except pyroute2.NetlinkError as error:
        unseen.append(Unseen(where, f"{errno_name(error.code)}: {error}"))
        return [], []
    if managed_here:
        mark_managers(links)
    return links, routes


# --- dumps ------------------------------------------------------------------------------------------------------------


def dump(request: Callable[[], Iterable[Any]]) -> list[Any]:
    """All messages of a dump, asked again when something changed meanwhile (pyroute2 0.7, 0.8: code -1)."""
    for _attempt in range(5):
        try:
            return list(request())
        except Exception as error:  # pylint: disable=broad-except
            if getattr(error, "code", None) != -1:
                raise
            time.sleep(0.05)
    return list(request())


def read_links(netlink: Any) -> list[Link]:
    """Links and their addresses through an open pyroute2.IPRoute, ordered by index. Raises NetlinkError."""
    messages = dump(netlink.get_links)
    names = {message["index"]: _name(message) for message in messages}
    links = {message["index"]: link_of(message, names) for message in messages}
    for message in dump(netlink.get_addr):
        if message["family"] in FAMILIES and message["index"] in links:
            links[message["index"]].addresses.append(address_of(message))
    return [links[index] for index in sorted(links)]


def read_routes(netlink: Any, names: dict[int, str]) -> list[Route]:
    """IPv4 and IPv6 routes of all tables; names: link names by index. Raises NetlinkError."""
    return [
        route_of(message, names)
        for message in dump(netlink.get_routes)
        if message["family"] in FAMILIES and not message["flags"] & 0x200  # RTM_F_CLONED: cached, no configuration
    ]


def link_of(message: Any, names: dict[int, str]) -> Link:
    """A Link from an RTM_NEWLINK message of pyroute2."""
    # One pass, and only what is used: pyroute2 searches all attributes for each name, and decodes when one is read.
    attributes = {item[0]: item[1] for item in message["attrs"] if item[0] in LINK_ATTRIBUTES}
    information = attributes.get("IFLA_LINKINFO")
    properties = attributes.get("IFLA_PROP_LIST")
    lower = attributes.get("IFLA_LINK")
    kind = information.get_attr("IFLA_INFO_KIND") if information else None
    elsewhere = "IFLA_LINK_NETNSID" in attributes
    return Link(
        index=message["index"],
        name=attributes["IFLA_IFNAME"],
        altnames=[value for _name, value in _pairs(properties)] if properties else [],
        kind=kind,
        mac=attributes.get("IFLA_ADDRESS"),
        mtu=attributes.get("IFLA_MTU"),
        min_mtu=attributes.get("IFLA_MIN_MTU") or None,
        max_mtu=attributes.get("IFLA_MAX_MTU") or None,
        flags=link_flags(message["flags"]),
        operstate=attributes.get("IFLA_OPERSTATE"),
        master=names.get(attributes.get("IFLA_MASTER", 0)),
        port_kind=information.get_attr("IFLA_INFO_SLAVE_KIND") if information else None,
        lower=lower if lower and lower != message["index"] and not elsewhere else None,
        group=attributes.get("IFLA_GROUP") or 0,
        tun=_tun_of(information, bool(attributes.get("IFLA_CARRIER"))) if kind == "tun" else None,
        device=attributes.get("IFLA_PARENT_DEV_NAME"),
        permanent_mac=attributes.get("IFLA_PERM_ADDRESS"),
    )


def _tun_of(information: Any, carrier: bool) -> Optional[TunDevice]:
    """A TUN device from its IFLA_LINKINFO; None from kernels before 4.17 and a pyroute2 that does not decode it.

    One that is not persistent lives as long as it is open; a persistent one has a carrier then (tun_set_iff).
    """
    data = information.get_attr("IFLA_INFO_DATA")
    persistent = data.get_attr("IFLA_TUN_PERSIST") if hasattr(data, "get_attr") else None
    if persistent is None:
        return None
    opened = (carrier or not persistent) and not data.get_attr("IFLA_TUN_MULTI_QUEUE")
    return TunDevice(data.get_attr("IFLA_TUN_OWNER"), data.get_attr("IFLA_TUN_GROUP"), opened)


def _name(message: Any) -> str:
    return str(next(item[1] for item in message["attrs"] if item[0] == "IFLA_IFNAME"))  # mostly the first


def _pairs(nested: Any) -> Iterable[tuple[str, Any]]:
    return [(item[0], item[1]) for item in nested["attrs"]]


def link_flags(bits: int) -> list[str]:
    """Names of IFF_* bits as `ip link` prints them, e.g. 0x11043 -> BROADCAST, MULTICAST, UP, LOWER_UP."""
    carrier = ["NO-CARRIER"] if bits & IFF_UP and not bits & IFF_RUNNING else []
    return carrier + [name for bit, name in LINK_FLAGS if bits & bit]


def address_of(message: Any) -> Address:
    """An Address from an RTM_NEWADDR message of pyroute2."""
    family = FAMILIES[message["family"]]
    attributes = dict(_pairs(message))
    bits = attributes.get("IFA_FLAGS")
    bits = message["flags"] if bits is None else bits
    local = attributes.get("IFA_LOCAL") or attributes["IFA_ADDRESS"]
    flags = [name for bit, name in ADDRESS_FLAGS if bits & bit]
    if bits & IFA_F_SECONDARY:
        flags.insert(0, "secondary" if family == "inet" else "temporary")
    return Address(
        family=family,
        address=local,
        prefix=message["prefixlen"],
        scope=SCOPES.get(message["scope"], str(message["scope"])),
        label=attributes.get("IFA_LABEL"),
        broadcast=attributes.get("IFA_BROADCAST"),
        flags=flags if bits & IFA_F_PERMANENT else [*flags, "dynamic"],
        peer=attributes["IFA_ADDRESS"] if attributes.get("IFA_ADDRESS", local) != local else None,
        protocol=_address_protocol(message, attributes),
    )


def _address_protocol(message: Any, attributes: dict[str, Any]) -> Optional[str]:
    number = attributes.get("IFA_PROTO")
    if number is not None:
        return ADDRESS_PROTOCOLS.get(number, str(number))
    # pyroute2 before 0.9 does not know the attribute: that it is there says that the kernel made the address.
    unknown = attributes.get("UNKNOWN")
    if unknown is None or unknown["header"]["type"] != IFA_PROTO:
        return None
    return "kernel_ll" if SCOPES.get(message["scope"]) == "link" else "kernel_ra"


def route_of(message: Any, names: dict[int, str]) -> Route:
    """A Route from an RTM_NEWROUTE message of pyroute2."""
    attributes = dict(_pairs(message))
    family = FAMILIES[message["family"]]
    bits = 32 if family == "inet" else 128
    dst = attributes.get("RTA_DST")
    length = message["dst_len"]
    target = "default" if length == 0 else str(dst) if length == bits else f"{dst}/{length}"
    via = attributes.get("RTA_VIA")
    return Route(
        family=family,
        dst=target,
        gateway=via["addr"] if via else attributes.get("RTA_GATEWAY"),
        interface=names.get(attributes.get("RTA_OIF", 0)),
        table=attributes.get("RTA_TABLE") or message["table"],
        metric=attributes.get("RTA_PRIORITY"),
        prefsrc=attributes.get("RTA_PREFSRC"),
        type=ROUTE_TYPES[message["type"]] if message["type"] < len(ROUTE_TYPES) else str(message["type"]),
        protocol=ROUTE_PROTOCOLS.get(message["proto"], str(message["proto"])),
        scope=SCOPES.get(message["scope"], str(message["scope"])),
        onlink=bool(message["flags"] & RTNH_F_ONLINK),
        metrics=_metrics(attributes.get("RTA_METRICS")),
        nexthops=[_nexthop(hop, names) for hop in attributes.get("RTA_MULTIPATH") or []],
        extra=_extra(message, attributes),
    )


def _metrics(nested: Any) -> dict[str, int]:
    if not nested:
        return {}
    return {name[5:].lower(): value for name, value in _pairs(nested) if isinstance(value, int)}


def _nexthop(hop: Any, names: dict[int, str]) -> str:
    attributes = dict(_pairs(hop))
    via = attributes.get("RTA_VIA")
    gateway = via["addr"] if via else attributes.get("RTA_GATEWAY")
    text = f"via {gateway} " if gateway else ""
    return f"{text}dev {names.get(hop['oif'], hop['oif'])} weight {hop['hops'] + 1}"


def _extra(message: Any, attributes: dict[str, Any]) -> list[str]:
    words = {"RTA_ENCAP": "encap", "RTA_NH_ID": "nhid", "RTA_SRC": "from", "RTA_FLOW": "realm"}
    extra = [word for name, word in words.items() if attributes.get(name) is not None]
    return extra + (["tos"] if message["tos"] else [])


# --- who manages a link -----------------------------------------------------------------------------------------------


def is_initial_netns() -> bool:
    """Whether this thread is in the network namespace of pid 1."""
    # Managers run in the namespace of pid 1, and their state files speak of its link indexes only.
    try:
        return os.stat("/proc/thread-self/ns/net").st_ino == os.stat("/proc/1/ns/net").st_ino
    except OSError:
        return False


def mark_managers(links: list[Link], root: str = "/") -> None:
    """Set Link.manager from what systemd-networkd, NetworkManager and ifupdown say on disk."""
    stanzas = ifupdown_names(root)
    for link in links:
        link.manager = link_manager(link, stanzas, root)


def link_manager(link: Link, ifupdown: set[str], root: str = "/") -> Optional[str]:
    """Who owns the configuration of a link of the host: the first manager that says so, None when nobody does."""
    if networkd_state(link.index, root).get("ADMIN_STATE", "unmanaged") not in ("unmanaged", ""):
        return "systemd-networkd"
    if networkmanager_state(link.index, root).get("managed") in ("1", "true"):
        return "NetworkManager"
    return "ifupdown" if link.name in ifupdown else None


def networkd_state(index: int, root: str = "/") -> dict[str, str]:
    """What systemd-networkd wrote about a link: ADMIN_STATE, NETWORK_FILE, ...; empty when it does not run."""
    return _assignments(os.path.join(root, "run/systemd/netif/links", str(index)))


def networkmanager_state(index: int, root: str = "/") -> dict[str, str]:
    """What NetworkManager wrote about a device: managed, connection-uuid, ...; empty when it does not know it."""
    return _assignments(os.path.join(root, "run/NetworkManager/devices", str(index)))


def _assignments(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            pairs = [line.strip().split("=", 1) for line in stream if "=" in line and not line.startswith("#")]
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, value in pairs}


def ifupdown_names(root: str = "/") -> set[str]:
    """Names that have an iface stanza in /etc/network/interfaces or a file it sources, see interfaces(5)."""
    names: set[str] = set()
    waiting, done = [os.path.join(root, "etc/network/interfaces")], set()
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                lines = [line.split() for line in stream]
        except OSError:
            continue
        for words in lines:
            if len(words) > 1 and words[0] == "iface":
                names.add(words[1])
            elif len(words) > 1 and words[0] in ("source", "source-directory"):
                waiting += _sourced(words[0], words[1], root)
    return names


def _sourced(keyword: str, pattern: str, root: str) -> list[str]:
    base = pattern if os.path.isabs(pattern) else os.path.join("/etc/network", pattern)
    base = os.path.join(root, base.lstrip("/"))
    if keyword == "source":
        return glob.glob(base)
    return [path for path in glob.glob(os.path.join(base, "*")) if re.match(r"^[\w-]+$", os.path.basename(path))]
