# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 7 on states: radios and virtual functions. What drivers really answer is in tests/lab/test_drivers.py."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose import diagnose
from ansible_collections.netlink.remediation.plugins.module_utils._parts import (
    Link,
    Probe,
    Radio,
    RouteRequest,
    VirtualFunction,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    Credentials,
    Host,
    IdRange,
    NetNamespace,
    Process,
    State,
    Thread,
    UserNamespace,
    Workload,
)

USER, NET = 1, 2
ALL = (1 << 41) - 1
ROOT = Credentials(effective=ALL, permitted=ALL, bounding=ALL)
OWN, KEPT, WANTED = "02:aa:00:00:00:01", "02:bb:00:00:00:01", "02:cc:00:00:00:01"
SOFT, HARD, BOTH = Radio("rfkill3", soft=True), Radio("rfkill3", hard=True), Radio("rfkill3", soft=True, hard=True)


def judged(link, **workload):
    """The verdict and the findings of root, who works on a link."""
    wanted = {"operations": ["link"], "interface": "x0", **workload}
    probes = [Probe(operation, "allowed", tid=42) for operation in wanted["operations"]]
    result = diagnose(
        State(
            host=Host(kernel=[6, 12], release="6.12", initial_user_ns=USER, initial_net_ns=NET, bounding=ALL),
            workloads=[Workload("w", "pid", pid=42, processes=[42], probes=probes, **wanted)],
            processes={42: Process(42, 1, 1, "netd", [Thread(42, "netd", ROOT, USER, NET)])},
            user_namespaces={USER: UserNamespace(USER, uid_map=[IdRange(0, 0, 2**32 - 1)])},
            net_namespaces={NET: NetNamespace(NET, USER, links=[link], routes=[])},
        )
    )
    return result.verdicts[0].verdict, result.findings


def wireless(radio, *flags):
    return Link(2, "x0", flags=["BROADCAST", *flags], radio=radio)


def virtual(mac, permanent, of_card):
    return Link(2, "x0", mac=mac, permanent_mac=permanent, function=of_card)


@pytest.mark.parametrize(
    ("radio", "by", "advice"),
    [
        (SOFT, "software", "rfkill unblock 3"),
        (HARD, "a switch of the machine", "the switch"),
        (BOTH, "a switch", "the"),
    ],
)
def test_a_radio_that_is_switched_off_is_not_set_up(radio, by, advice):
    verdict, (found,) = judged(wireless(radio))
    assert (verdict, found.cause, found.reason, found.certainty) == ("refused", "driver_refused", "rfkill", "likely")
    assert by in found.summary and advice in found.advice and found.remedy is None


def test_a_radio_whose_switch_was_not_read_is_no_proof_of_either():
    verdict, (found,) = judged(wireless(Radio("rfkill3", None, None)))
    assert (verdict, found.reason, found.certainty) == ("unknown", "rfkill", "possible")
    assert found.evidence[0].text == "rfkill3: soft unread, hard unread"
    assert judged(wireless(Radio("rfkill3", None, None), "UP")) == ("allowed", [])


@pytest.mark.parametrize(
    ("link", "workload"),
    [
        (wireless(Radio("rfkill3")), {}),
        (wireless(None), {}),
        (wireless(SOFT, "UP"), {}),
        (wireless(SOFT), {"operations": ["address"], "address": "192.0.2.1/24"}),
        (wireless(SOFT), {"mac": OWN}),
    ],
    ids=["on", "no radio", "up already", "an address", "a mac"],
)
def test_a_radio_refuses_nothing_else(link, workload):
    assert judged(link, **workload) == ("allowed", [])


def test_a_route_over_a_radio_that_is_off_gets_no_remedy_that_would_fail():
    route = RouteRequest("192.0.2.0/24", interface="x0")
    verdict, (found,) = judged(wireless(SOFT), operations=["route"], route=route)
    assert (verdict, found.cause, found.reason, found.remedy) == ("refused", "link_state", "down", None)
    assert "radio" in found.advice
    assert judged(wireless(None), operations=["route"], route=route)[1][0].remedy is not None


def function(kept, trusted=False):
    return VirtualFunction("card0", 3, kept, trusted)


@pytest.mark.parametrize(("mac", "permanent"), [(KEPT, KEPT), (OWN, None)], ids=["came with it", "has another"])
def test_an_address_that_the_card_keeps_is_not_changed(mac, permanent):
    verdict, (found,) = judged(virtual(mac, permanent, function(KEPT)), mac=WANTED)
    assert (verdict, found.reason, found.certainty) == ("refused", "sriov_trust", "likely")
    assert f"ip link set dev card0 vf 3 mac {WANTED}" in found.advice and "trust on" in found.advice


def test_an_address_that_the_function_may_have_given_itself_is_no_proof():
    verdict, (found,) = judged(virtual(OWN, None, function(OWN)), mac=WANTED)
    assert (verdict, found.reason, found.certainty) == ("unknown", "sriov_trust", "possible")


@pytest.mark.parametrize(
    ("link", "workload"),
    [
        (virtual(OWN, None, function(None)), {"mac": WANTED}),
        (virtual(KEPT, KEPT, function(KEPT, True)), {"mac": WANTED}),
        (virtual(KEPT, KEPT, function(KEPT, None)), {"mac": WANTED}),
        (virtual(KEPT, KEPT, function(KEPT)), {"mac": KEPT}),
        (virtual(KEPT, KEPT, function(KEPT)), {}),
        (virtual(KEPT, KEPT, None), {"mac": WANTED}),
    ],
    ids=["none kept", "trusted", "trust not told", "the same", "no mac named", "no function"],
)
def test_a_virtual_function_is_not_blamed_without_need(link, workload):
    assert judged(link, **workload) == ("allowed", [])
