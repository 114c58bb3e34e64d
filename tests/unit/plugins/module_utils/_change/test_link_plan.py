# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel would refuse is one clear sentence before anything is changed."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._link_plan import (
    Namespace,
    Plan,
    parse_wanted,
    plan_link,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Address, Link, Route

LOOPBACK = Address("inet6", "::1", 128, "host", flags=["permanent"], protocol="kernel_lo")
KERNEL_ROUTE = Route("inet", "192.0.2.0/24", interface="e0", protocol="kernel", scope="link", prefsrc="192.0.2.1")
DEFAULT_ROUTE = Route("inet", "default", gateway="192.0.2.9", interface="e0", protocol="static", scope="global")


def world(ipv6: Optional[str] = "0\n") -> Namespace:
    """e0 is up with addresses and a default route, e1 is down, e0.5 is a VLAN on e1, lo is lo."""
    links = [
        Link(1, "lo", mtu=65536, flags=["LOOPBACK", "UP"], addresses=[LOOPBACK]),
        Link(
            2,
            "e0",
            altnames=["enp1s0"],
            mtu=1500,
            min_mtu=68,
            max_mtu=9000,
            flags=["UP"],
            addresses=[
                Address("inet", "192.0.2.1", 24, "global", "e0", flags=["permanent"]),
                Address("inet", "198.51.100.7", 24, "global", "e0", flags=["dynamic"]),
                Address("inet6", "2001:db8::1", 64, "global", flags=["permanent"]),
                Address("inet6", "2001:db8::77", 64, "global", flags=["dynamic"], protocol="kernel_ra"),
            ],
        ),
        Link(3, "e1", mtu=1500, min_mtu=68, max_mtu=9000),
        Link(4, "e1.5", kind="vlan", mtu=1500, max_mtu=65535, lower=3),
    ]
    return Namespace(None, links, [KERNEL_ROUTE, DEFAULT_ROUTE], lambda key: ipv6 if "disable_ipv6" in key else "0\n")


def plan(namespace: Namespace, **entry: Any) -> Plan:
    """The plan of one entry."""
    return plan_link(parse_wanted("links[0]", {"name": None, "altname": None, **entry}, namespace), namespace)


def routes(**route: Any) -> dict[str, Any]:
    """An entry with one route on e0."""
    return {"name": "e0", "routes": [route]}


REFUSED = [
    ({"name": "eth0"}, "links[0]: name 'eth0' does not exist in the network namespace of the host, which has e0"),
    ({"altname": "enp1s1"}, "links[0]: altname 'enp1s1' does not exist"),
    ({"name": ""}, "links[0]: name '' does not exist"),
    ({"name": "zzz"}, "which has e0, e1, e1.5, enp1s0, lo; links are not created"),
    ({"name": "lo", "mtu": 1279}, "links[0] (lo): mtu 1279 is refused by the link, expected 1280 to"),
    ({"name": "e0", "mtu": 67}, "links[0] (e0): mtu 67 is refused by the link, expected 68 to 9000"),
    ({"name": "e0", "mtu": 9001}, "expected 68 to 9000"),
    ({"name": "e0", "mtu": -1}, "expected 68 to 9000"),
    ({"name": "e1.5", "mtu": 1501}, "expected 0 to 1500"),
    ({"name": "e1.5", "state": "up"}, "cannot be brought up while e1 below it is down, list that first"),
    ({"name": "e0", "addresses": ["192.0.2.1"]}, "address '192.0.2.1' is not understood (it has no prefix length)"),
    ({"name": "e0", "addresses": ["192.0.2.1/33"]}, "address '192.0.2.1/33' is not understood"),
    ({"name": "e0", "addresses": ["eth/24"]}, "expected e.g. 192.0.2.1/24 or 2001:db8::1/64"),
    ({"name": "e0", "addresses": ["224.0.0.1/24"]}, "cannot belong to a link, expected a unicast address"),
    ({"name": "e0", "addresses": ["0.0.0.0/0"]}, "cannot belong to a link"),
    ({"name": "e0", "addresses": ["::ffff:192.0.2.1/128"]}, "cannot belong to a link"),
    ({"name": "e0", "addresses": ["::192.0.2.1/128"]}, "cannot belong to a link"),
    ({"name": "e0", "addresses": ["2001:db8::5%e0/64"]}, "the link is named by the entry, not by a zone"),
    (routes(dst="2001:db8:5::/48", gateway="fe80::1%e0"), "gateway 'fe80::1%e0' is no IP address, expected e.g."),
    ({"name": "e0", "addresses": ["::1/128"]}, "address ::1/128 can only be on a loopback link"),
    (
        {"name": "e0", "addresses": ["2001:db8::1/48"]},
        "2001:db8::1/48 conflicts with 2001:db8::1/64, which the link has",
    ),
    ({"name": "e0", "addresses": ["2001:db8::77/60"]}, "conflicts with 2001:db8::77/64"),
    ({"name": "e0", "mtu": 1279, "addresses": ["2001:db8::5/64"]}, "needs an mtu of at least 1280, the link has 1279"),
    (routes(dst="10.0.0.1/8"), "route '10.0.0.1/8': dst has host bits set, expected 10.0.0.0/8"),
    (routes(dst="ten"), "dst is no prefix, expected e.g. 198.51.100.0/24, 2001:db8::/32 or default"),
    (routes(dst="fe80::1%e0"), "route 'fe80::1%e0': dst is no prefix"),
    (routes(dst="::ffff:192.0.2.0/120"), "dst is no prefix"),
    (routes(dst="10.0.0.0/8", gateway="x"), "gateway 'x' is no IP address"),
    (routes(dst="10.0.0.0/8", gateway="2001:db8::9"), "gateway 2001:db8::9 is IPv6, expected an IPv4 address"),
    (
        routes(dst="10.0.0.0/8", gateway="203.0.113.9"),
        "gateway 203.0.113.9 is not reachable through the link, which has inet",
    ),
    (routes(dst="10.0.0.0/8", gateway="192.0.2.1"), "gateway 192.0.2.1 is an address of this host"),
    (routes(dst="10.0.0.0/8", gateway="192.0.2.255"), "gateway 192.0.2.255 is the broadcast address of its network"),
    (routes(dst="10.0.0.0/8", prefsrc="203.0.113.1"), "prefsrc 203.0.113.1 is no address of this host"),
    (routes(dst="10.0.0.0/8", table=255), "table 255, expected 1 to 4294967295 except 255"),
    (routes(dst="10.0.0.0/8", table=0), "table 0, expected 1 to"),
    (routes(dst="10.0.0.0/8", metric=-1), "metric -1, expected 0 to 4294967295"),
    (
        routes(dst="default", gateway="192.0.2.8"),
        "route default via 192.0.2.8 proto static conflicts with the route default via 192.0.2.9 proto static dev e0",
    ),
    (
        routes(dst="192.0.2.0/24", gateway="198.51.100.1"),
        "conflicts with the route 192.0.2.0/24 proto kernel scope link",
    ),
    ({"name": "e1", "routes": [{"dst": "10.0.0.0/8"}]}, "e1 is down and a route needs it up, add state: up"),
    (
        {
            "name": "e1",
            "state": "up",
            "addresses": ["203.0.113.1/24"],
            "routes": [{"dst": "default", "gateway": "203.0.113.9"}],
        },
        "conflicts with the route default via 192.0.2.9 proto static dev e0",
    ),
]


@pytest.mark.parametrize(("entry", "sentence"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_the_kernel_would_refuse_is_one_sentence(entry: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ChangeError) as caught:
        plan(world(), **entry)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["1\n", None])
def test_ipv6_that_is_off_is_named_with_its_sysctl(value: Optional[str]) -> None:
    for entry in ({"addresses": ["2001:db8::5/64"]}, {"routes": [{"dst": "2001:db8:1::/48", "gateway": "fe80::9"}]}):
        with pytest.raises(ChangeError, match="set the sysctl net/ipv6/conf/e0/disable_ipv6 to 0 first"):
            plan(world(value), name="e0", **entry)


UNCHANGED = [
    {"name": "e0"},
    {"altname": "enp1s0", "state": "up", "mtu": 1500},
    {"name": "e0", "addresses": ["192.0.2.1/24", "2001:db8::1/64"], "purge": True},
    {"name": "e0", "addresses": ["2001:0db8::1/64"]},
    {"name": "e0", "addresses": ["198.51.100.7/24", "2001:db8::77/64"]},
    {"name": "e0", "routes": [{"dst": "0.0.0.0/0", "gateway": "192.0.2.9", "table": 254, "metric": 0}], "purge": True},
    {"name": "e0", "routes": [{"dst": "192.0.2.0/24"}]},
    {"name": "e1", "state": "down", "mtu": 1500, "addresses": [], "routes": [], "purge": True},
]


@pytest.mark.parametrize("entry", UNCHANGED, ids=str)
def test_what_is_there_already_changes_nothing(entry: dict[str, Any]) -> None:
    made = plan(world(), **entry)
    assert made.before == made.after
    assert made.disrupts == []
    assert made.unvalidated == []


def test_down_takes_routes_and_ipv6_addresses_and_says_so() -> None:
    made = plan(world(), name="e0", state="down")
    assert [item["address"] for item in made.after["addresses"]] == ["192.0.2.1/24"]
    assert made.after["routes"] == []
    assert made.disrupts == [
        "e0 goes down: whatever uses it is cut off, its static routes and IPv6 addresses are dropped",
        "e0 loses the address 2001:db8::1/64",
        "e0 loses the route default via 192.0.2.9 proto static",
    ]


def test_a_small_mtu_takes_ipv6_and_says_so() -> None:
    made = plan(world(), name="e0", mtu=1279)
    assert [item["address"] for item in made.after["addresses"]] == ["192.0.2.1/24"]
    assert made.after["routes"] == made.before["routes"]
    assert made.disrupts[0] == "e0 gets an MTU below 1280: the kernel drops its IPv6 addresses, routes and sysctls"
    assert made.unvalidated == ["e0: whether its driver takes an MTU of 1279"]


def test_a_route_goes_with_the_address_through_which_its_gateway_was_reached() -> None:
    made = plan(world(), name="e0", addresses=["203.0.113.1/24"], purge=True)
    assert [item["address"] for item in made.after["addresses"]] == ["203.0.113.1/24"]
    assert made.after["routes"] == []


def test_later_entries_see_what_earlier_ones_do() -> None:
    namespace = world()
    plan(namespace, name="e1", state="up", addresses=["203.0.113.1/24"])
    assert plan(namespace, name="e1.5", state="up").after["up"]
    assert plan(namespace, name="e0", routes=[{"dst": "10.0.0.0/8", "prefsrc": "203.0.113.1"}]).after["routes"]
    plan(namespace, name="e1", routes=[{"dst": "10.9.0.0/16", "gateway": "203.0.113.9"}])
    with pytest.raises(
        ChangeError, match=r"conflicts with the route 10\.9\.0\.0/16 via 203\.0\.113\.9 proto static dev e1"
    ):
        plan(namespace, name="e0", routes=[{"dst": "10.9.0.0/16", "gateway": "192.0.2.9"}])


def test_an_ipv6_route_gets_the_metric_that_the_kernel_gives() -> None:
    made = plan(world(), name="e0", routes=[{"dst": "2001:db8:5::/48", "gateway": "2001:db8::9"}])
    (route,) = [item for item in made.after["routes"] if item["family"] == "inet6"]
    assert route["metric"] == 1024


def test_links_on_top_are_named() -> None:
    namespace = world()
    plan(namespace, name="e1", state="up")
    made = plan(namespace, name="e1", state="down", mtu=1400)
    assert "e1.5 lies on e1 and gets its smaller MTU of 1400" in made.disrupts
