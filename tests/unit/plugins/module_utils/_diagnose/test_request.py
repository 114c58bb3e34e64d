# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._request import parse_workloads
from ansible_collections.netlink.remediation.plugins.module_utils._parts import RouteRequest

GOOD = {"name": "w", "pid": 1}


def test_null_values_count_as_not_given_and_defaults_are_set():
    (workload,) = parse_workloads([{"name": "w", "executable": "/bin/x", "pid": None, "user": None, "route": None}])
    assert (workload.kind, workload.user, workload.operations) == ("executable", "root", ["link"])


def test_addresses_and_routes_are_canonical():
    route = {"dst": "2001:DB8::/32", "gateway": "2001:db8:0::1", "table": None}
    (workload,) = parse_workloads([{**GOOD, "address": "192.0.2.1/24", "route": route}])
    assert workload.address == "192.0.2.1/24"
    assert workload.route == RouteRequest("2001:db8::/32", "2001:db8::1", None, 254)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": ""}, r"workloads\[0\].name: missing"),
        ({"pid": None}, "none of them given, expected exactly one of pid, executable, unit, container"),
        ({"unit": "x.service"}, "pid and unit given, expected exactly one"),
        ({"pid": 0}, "pid: 0 is no process"),
        ({"user": "root"}, "user: goes with executable only"),
        ({"pid": None, "executable": "bin/x"}, "executable: 'bin/x' is not an absolute path"),
        ({"netns": "blue"}, "netns: 'blue' is not an absolute path"),
        ({"operations": ["link", "fly"]}, "operations: 'fly' is unknown, expected any of link, address"),
        ({"interface": "a/b"}, "interface: 'a/b' cannot name a link"),
        ({"interface": "x" * 128}, "cannot name a link"),
        ({"address": "192.0.2.1"}, "address: '192.0.2.1' is no address with prefix length"),
        ({"address": "192.0.2.1/33"}, "is no address with prefix length"),
        ({"route": {}}, "route.dst: missing"),
        ({"route": {"dst": "192.0.2.1/24"}}, "route.dst: '192.0.2.1/24' is no network"),
        ({"route": {"dst": "default", "gateway": "x"}}, "route.gateway: 'x' is no address"),
        ({"route": {"dst": "192.0.2.0/24", "gateway": "::1"}}, "not of the address family"),
        ({"route": {"dst": "default", "table": 0}}, "route.table: 0 is no routing table"),
        ({"route": {"dst": "default", "via": "x"}}, "route.via: unknown key"),
        ({"link_kind": "a b"}, "link_kind: 'a b' can be no kind, expected one such as wireguard"),
        ({"link_kind": "tun"}, "link_kind: tun is not made by netlink, expected operations with tun instead"),
        ({"link_kind": "dummy", "operations": ["route"]}, "link_kind: goes with the operation link, which operations"),
        ({"qdisc_kind": "netem"}, "qdisc_kind: goes with the operation qdisc"),
        ({"qdisc_kind": "../x", "operations": ["qdisc"]}, "qdisc_kind: '../x' can be no kind, expected one such as"),
        ({"mac": "02:00"}, "mac: '02:00' is no link-layer address, expected e.g. 02:00:00:00:00:01"),
        ({"mac": "02:00:00:00:00:01"}, "mac: goes with interface and the operation link"),
        ({"mac": "02:00:00:00:00:01", "interface": "x", "operations": ["route"]}, "mac: goes with interface and the"),
        ({"colour": "red"}, "colour: unknown key"),
    ],
)
def test_bad_input_gets_one_sentence_with_option_value_and_what_is_accepted(change, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        parse_workloads([{**GOOD, **change}])
    assert "\n" not in str(caught.value)


def test_a_name_is_unique():
    with pytest.raises(ValueError, match=r"workloads\[1\].name: 'w' is used twice"):
        parse_workloads([GOOD, GOOD])
