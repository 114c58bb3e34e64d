# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What drivers refuse: cause 7 on Debian's ordinary kernel, with simulated radios and a card with virtual functions.

One boot plays all scenes (drivers_inside.py); what the diagnosis said and what `ip` was answered must agree.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

ERFKILL = "RTNETLINK answers: Operation not possible due to RF-kill"
EADDRNOTAVAIL = "RTNETLINK answers: Cannot assign requested address"
PROGRAM = "/srv/ansible_collections/netlink/remediation/tests/lab/drivers_inside.py"


@pytest.fixture(name="seen", scope="session")
def fixture_seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from emulated import CARD, Emulated

    out = tmp_path_factory.mktemp("machine")
    Emulated(request.config.getoption("--lab")).run(out, ["python3", "-B", PROGRAM], CARD, timeout=900)
    return json.loads((out / "mnt/seen.json").read_text())


def said(look: Any) -> Any:
    """The verdict, the causes, and what the client was answered."""
    causes = [(finding["cause"], finding["reason"]) for finding in look["findings"]]
    return look["verdict"], causes, look["client"]


HEALTHY: Any = ("allowed", [], "")
BLOCKED: Any = ("refused", [("driver_refused", "rfkill")], ERFKILL)
KEPT: Any = ("refused", [("driver_refused", "sriov_trust")], EADDRNOTAVAIL)


# --- rfkill -----------------------------------------------------------------------------------------------------------


def test_a_radio_that_is_switched_off_is_named_and_ip_is_refused(seen: Any) -> None:
    scene = seen["rfkill"]
    assert said(scene["blocked"]) == BLOCKED
    found = scene["blocked"]["findings"][0]
    assert found["remedy"] is None and "rfkill unblock" in found["advice"]
    assert scene["link"]["radio"]["soft"] and not scene["link"]["radio"]["hard"]


@pytest.mark.parametrize("name", ["healthy", "other radio", "address", "up", "away"])
def test_a_radio_that_is_on_and_what_a_blocked_one_allows_are_healthy(seen: Any, name: str) -> None:
    assert said(seen["rfkill"][name]) == HEALTHY


@pytest.mark.parametrize("name", ["fixed", "away fixed"])
def test_what_the_advice_says_mends_it(seen: Any, name: str) -> None:
    assert said(seen["rfkill"][name]) == HEALTHY


def test_switching_a_radio_off_sets_its_link_down(seen: Any) -> None:
    assert said(seen["rfkill"]["blocked while up"]) == BLOCKED


def test_a_radio_is_followed_to_another_network_namespace(seen: Any) -> None:
    assert said(seen["rfkill"]["away blocked"]) == BLOCKED
    assert seen["rfkill"]["away link"]["radio"]["soft"]


def test_a_switch_that_cannot_be_read_is_said_and_hides_nothing_else(seen: Any) -> None:
    scene = seen["rfkill"]
    assert said(scene["no device"]) == ("unknown", BLOCKED[1], ERFKILL)
    assert scene["no device"]["findings"][0]["certainty"] == "possible"
    facts = scene["no device facts"]
    assert facts["unseen"] == [{"source": "/dev/rfkill", "reason": "ENOENT"}]
    (link,) = facts["namespaces"][0]["links"]
    assert (link["radio"]["soft"], link["radio"]["hard"]) == (None, None)
    assert scene["no device change"]["changed"]


def test_a_route_over_a_blocked_radio_gets_no_remedy_that_would_fail(seen: Any) -> None:
    look = seen["rfkill"]["route"]
    assert said(look) == ("refused", [("link_state", "down")], "Error: Device for nexthop is not up.")
    assert look["findings"][0]["remedy"] is None and "radio" in look["findings"][0]["advice"]


def test_another_type_is_refused_to_a_link_that_is_up_by_a_family_of_its_own(seen: Any) -> None:
    """No operation of a workload names it, so it is explained only (mode_locked)."""
    assert seen["mode"] == {"up": "command failed: Device or resource busy (-16)", "down": ""}


# --- sriov ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["another address kept", "the kept address", "came with it", "away"])
def test_an_address_that_the_card_keeps_is_named_and_ip_is_refused(seen: Any, name: str) -> None:
    assert said(seen["sriov"][name]) == KEPT
    advice = seen["sriov"][name]["findings"][0]["advice"]
    assert f"ip link set dev {seen['sriov']['card']} vf 0 trust on" in advice


@pytest.mark.parametrize("name", ["card itself", "no address kept", "set up"])
def test_a_card_and_what_it_does_not_keep_are_healthy(seen: Any, name: str) -> None:
    assert said(seen["sriov"][name]) == HEALTHY


@pytest.mark.parametrize("name", ["from outside", "trusted"])
def test_what_the_advice_says_mends_it_for_a_virtual_function(seen: Any, name: str) -> None:
    assert said(seen["sriov"][name]) == HEALTHY


def test_an_address_that_a_virtual_function_gave_itself_looks_the_same_and_is_no_proof(seen: Any) -> None:
    look = seen["sriov"]["its own address kept"]
    assert said(look) == ("unknown", [("driver_refused", "sriov_trust")], "")
    assert look["findings"][0]["certainty"] == "possible"


def test_link_facts_show_what_the_card_holds(seen: Any) -> None:
    link, card = seen["sriov"]["link"], seen["sriov"]["card"]
    assert link["permanent_mac"] == link["mac"] == "02:bb:00:00:00:01"
    assert link["function"] == {"physical": card, "number": 0, "mac": link["mac"], "trusted": False}
