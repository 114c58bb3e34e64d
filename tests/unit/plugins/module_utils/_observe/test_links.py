# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, addresses and routes must be what the real ip(8) shows."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from typing import Any

import pytest

pytest.importorskip("pyroute2")

from ansible_collections.netlink.remediation.plugins.module_utils._observe import _links
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Link, TunDevice
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._netns import (  # noqa: F401  # pylint: disable=unused-import
    fixture_netns,
    ip,
    ip_json,
)


def read(path: Any = None) -> Any:
    """Links and routes, with nothing unseen."""
    unseen: list[Unseen] = []
    links, routes = _links.observe_links(path, unseen)
    assert unseen == []
    return links, routes


@pytest.mark.usefixtures("netns")
def test_links_are_those_that_ip_shows() -> None:
    ip("link", "add", "br0", "type", "bridge")
    ip("link", "set", "v0", "master", "br0", "mtu", "1400", "up")
    ip("link", "property", "add", "dev", "v0", "altname", "a-much-longer-name-than-the-kernel-took")
    ip("link", "set", "v0", "group", "7")
    links, _routes = read()
    shown = ip_json("-d", "link")
    assert [link.name for link in links] == [item["ifname"] for item in shown]
    for link, item in zip(links, shown):
        assert link.index == item["ifindex"]
        assert link.flags == item["flags"]
        assert link.mtu == item["mtu"]
        assert link.mac == item["address"]
        assert link.altnames == item.get("altnames", [])
        assert link.operstate == item["operstate"]
        assert link.master == item.get("master")
        assert link.kind == item.get("linkinfo", {}).get("info_kind")
        assert link.port_kind == item.get("linkinfo", {}).get("info_slave_kind")
        assert str(link.group) == item["group"].replace("default", "0")
        assert (link.min_mtu or 0, link.max_mtu or 0) == (item["min_mtu"], item["max_mtu"])
    assert {link.name: link.lower for link in links}["v0"] == {link.name: link.index for link in links}["p0"]


@pytest.mark.usefixtures("netns")
def test_a_tun_device_tells_whom_it_serves() -> None:
    ip("tuntap", "add", "t0", "mode", "tap")
    ip("tuntap", "add", "t1", "mode", "tun", "user", "4242", "group", "4243")
    ip("link", "set", "t1", "up")
    with open("/dev/net/tun", "r+b", buffering=0) as alive, open("/dev/net/tun", "r+b", buffering=0) as kept:
        for opened, name, flags in ((alive, b"t2", 0x1001), (kept, b"t0", 0x1002)):
            fcntl.ioctl(opened, 0x400454CA, struct.pack("16sH22x", name, flags))
        links, _routes = read()
    found = {link.name: link.tun for link in links}
    assert found["t0"] == TunDevice(taken=True)
    assert found["t1"] == TunDevice(owner=4242, group=4243)
    assert found["t2"] == TunDevice(taken=True)
    assert found["lo"] is None


@pytest.mark.usefixtures("netns")
def test_addresses_are_those_that_ip_shows() -> None:
    ip("link", "set", "v0", "up")
    ip("address", "add", "192.0.2.1/24", "brd", "+", "dev", "v0", "label", "v0:x")
    ip("address", "add", "192.0.2.2/24", "dev", "v0")
    ip("address", "add", "203.0.113.2/24", "dev", "v0", "scope", "link")
    ip("address", "add", "198.51.100.1", "peer", "198.51.100.2", "dev", "v0")
    ip("address", "add", "2001:db8::1/64", "dev", "v0", "nodad", "noprefixroute")
    ip("address", "add", "2001:db8::2/64", "dev", "v0", "valid_lft", "900", "preferred_lft", "900")
    time.sleep(0.1)
    links, _routes = read()
    link = next(link for link in links if link.name == "v0")
    shown = ip_json("address", "show", "dev", "v0")[0]["addr_info"]
    assert [(item.address, item.prefix, item.family) for item in link.addresses] == [
        (item["local"], item["prefixlen"], item["family"]) for item in shown
    ]
    for address, item in zip(link.addresses, shown):
        assert address.scope == item["scope"]
        assert address.label == item.get("label")
        assert address.broadcast == item.get("broadcast")
        assert address.peer == item.get("address")
        for flag in ("nodad", "noprefixroute", "secondary", "dynamic"):
            assert (flag in address.flags) == item.get(flag, False)
    assert [item.protocol for item in link.addresses if item.address.startswith("fe80:")] == ["kernel_ll"]


@pytest.mark.usefixtures("netns")
def test_routes_of_all_tables_are_those_that_ip_shows() -> None:
    ip("link", "set", "v0", "up")
    ip("address", "add", "192.0.2.1/24", "dev", "v0")
    ip("address", "add", "2001:db8::1/64", "dev", "v0", "nodad")
    ip("route", "add", "default", "via", "192.0.2.9", "metric", "50", "mtu", "1300")
    ip("route", "add", "198.51.100.0/24", "via", "192.0.2.9", "table", "1000", "src", "192.0.2.1", "proto", "static")
    ip("route", "add", "203.0.113.7", "via", "203.0.113.1", "dev", "v0", "onlink")
    ip("route", "add", "203.0.113.8", "via", "inet6", "2001:db8::9", "dev", "v0")
    ip("route", "add", "blackhole", "203.0.113.128/25")
    ip("route", "add", "203.0.113.0/26", "nexthop", "via", "192.0.2.8", "nexthop", "via", "192.0.2.9", "weight", "3")
    ip("-6", "route", "add", "default", "via", "2001:db8::9")
    _links_found, routes = read()
    shown = ip_json("-N", "-4", "route", "show", "table", "all") + ip_json("-N", "-6", "route", "show", "table", "all")
    tables = {"": 254, "254": 254, "255": 255, "1000": 1000}
    expected = sorted(
        (item["dst"], item.get("dev") or "", tables[str(item.get("table", ""))], item.get("metric") or 0)
        for item in shown
    )
    assert sorted((item.dst, item.interface or "", item.table, item.metric or 0) for item in routes) == expected
    by_dst = {item.dst: item for item in routes}
    assert by_dst["default"].family == "inet6"
    assert by_dst["198.51.100.0/24"].protocol == "static"
    assert by_dst["198.51.100.0/24"].prefsrc == "192.0.2.1"
    assert by_dst["203.0.113.7"].onlink
    assert by_dst["203.0.113.8"].gateway == "2001:db8::9"
    assert by_dst["203.0.113.128/25"].type == "blackhole"
    assert by_dst["203.0.113.0/26"].nexthops == ["via 192.0.2.8 dev v0 weight 1", "via 192.0.2.9 dev v0 weight 3"]
    assert [item.metrics for item in routes if item.dst == "default" and item.family == "inet"] == [{"mtu": 1300}]


@pytest.mark.usefixtures("netns")
def test_another_namespace_is_read_by_path_and_left_again() -> None:
    sleeper = subprocess.Popen(
        ["unshare", "-n", "sh", "-c", "ip link add x0 type veth peer name y0; echo; exec sleep 60"],
        stdout=subprocess.PIPE,
    )
    try:
        assert sleeper.stdout is not None
        sleeper.stdout.readline()
        before = os.stat("/proc/self/ns/net").st_ino
        links, _routes = read(f"/proc/{sleeper.pid}/ns/net")
        assert {link.name for link in links} == {"lo", "x0", "y0"}
        assert all(link.manager is None for link in links)
        assert os.stat("/proc/self/ns/net").st_ino == before
        assert {link.name for link in read()[0]} == {"lo", "v0", "p0"}
    finally:
        sleeper.kill()
        sleeper.communicate()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/proc/self/ns/user", "/proc/self/ns/user is not a network namespace"),
        ("/dev/null", "/dev/null is not a network namespace"),
        ("/nowhere", "ENOENT: No such file or directory"),
    ],
)
def test_what_is_no_namespace_is_unseen(path: str, reason: str) -> None:
    unseen: list[Unseen] = []
    assert _links.observe_links(path, unseen) == ([], [])
    assert unseen == [Unseen(f"rtnetlink of {path}", reason)]


def write(root: Any, path: str, text: str) -> None:
    """Make a file below root."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_the_manager_of_a_link_is_the_one_that_says_so(tmp_path: Any) -> None:
    write(
        tmp_path,
        "run/systemd/netif/links/2",
        "# private\nADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/a.network\n",
    )
    write(tmp_path, "run/systemd/netif/links/3", "ADMIN_STATE=unmanaged\n")
    write(tmp_path, "run/NetworkManager/devices/3", "[device]\nmanaged=true\nconnection-uuid=u\n")
    write(tmp_path, "run/NetworkManager/devices/4", "[device]\nmanaged=false\n")
    write(tmp_path, "etc/network/interfaces", "source interfaces.d/*\nauto e5\n# iface e6 inet dhcp\n")
    write(tmp_path, "etc/network/interfaces.d/five", "iface e5 inet dhcp\n")
    links = [Link(index=index, name=f"e{index}") for index in (2, 3, 4, 5, 6)]
    _links.mark_managers(links, str(tmp_path))
    assert [link.manager for link in links] == ["systemd-networkd", "NetworkManager", None, "ifupdown", None]


def test_a_sourced_directory_gives_only_files_with_plain_names(tmp_path: Any) -> None:
    write(
        tmp_path,
        "etc/network/interfaces",
        "source-directory /etc/network/interfaces.d\nsource /etc/network/interfaces\n",
    )
    write(tmp_path, "etc/network/interfaces.d/one", "iface e1 inet manual\n")
    write(tmp_path, "etc/network/interfaces.d/two.bak", "iface e2 inet manual\n")
    assert _links.ifupdown_names(str(tmp_path)) == {"e1"}


def test_a_dump_that_was_interrupted_is_asked_again() -> None:
    class DumpError(Exception):
        code = -1

    answers = iter([DumpError(), DumpError(), ["message"]])

    def request() -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert _links.dump(request) == ["message"]
