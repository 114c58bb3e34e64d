# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Radios and virtual functions from trees of links as sysfs has them; real drivers are in tests/lab/test_drivers.py."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe import _hardware
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Link, Radio, VirtualFunction

CARD, FUNCTION = "0000:01:00.0", "0000:01:10.2"


def event(number, soft=0, hard=0):
    return _hardware.RFKILL_EVENT.pack(number, 1, 0, soft, hard)


@pytest.fixture(name="radios")
def fixture_radios(tmp_path, monkeypatch):
    """Two devices with a radio each, one with two, and a switch that is of no radio."""
    place = tmp_path / "sys/class/rfkill"
    place.mkdir(parents=True)
    for number, device in enumerate(["pci0000:00/0000:02:00.0", "virtual/hwsim/hwsim0", "pci0000:00/0000:03:00.0"] * 2):
        if number != 3 and number != 4:
            (place / f"rfkill{number}").symlink_to(f"../../devices/{device}/ieee80211/phy{number}/rfkill{number}")
    (place / "rfkill9").symlink_to("../../devices/platform/thinkpad_acpi/rfkill/rfkill9")
    monkeypatch.setattr(
        _hardware, "_read_events", lambda _path: [event(number, soft=number == 5) for number in range(9)]
    )
    return str(tmp_path)


def test_a_radio_is_found_by_the_device_of_its_link(radios):
    unseen = []
    assert _hardware.read_radios(unseen, radios) == {
        "0000:02:00.0": [Radio("rfkill0")],
        "hwsim0": [Radio("rfkill1")],
        "0000:03:00.0": [Radio("rfkill2"), Radio("rfkill5", soft=True)],
    }
    assert unseen == []


def test_of_several_radios_that_differ_none_is_taken_for_the_links_own(radios):
    links = [Link(1, "wlan0", device="hwsim0"), Link(2, "wlan1", device="0000:03:00.0"), Link(3, "lo")]
    unseen = []
    _hardware.mark_hardware(links, unseen, radios)
    assert [link.radio for link in links] == [Radio("rfkill1"), Radio("rfkill2", None, None), None]
    assert [(item.source, item.reason) for item in unseen] == [
        ("the radio of wlan1", "0000:03:00.0 has several, and not all are blocked")
    ]


def test_links_without_hardware_look_for_none(radios):
    links, unseen = [Link(1, "lo"), Link(2, "veth0")], []
    _hardware.mark_hardware(links, unseen, radios + "/gone")
    assert unseen == [] and [link.radio for link in links] == [None, None]


def test_a_switch_that_cannot_be_read_is_unseen(tmp_path):
    place = tmp_path / "sys/class/rfkill"
    place.mkdir(parents=True)
    unseen = []
    assert _hardware.read_radios(unseen, str(tmp_path)) == {} and unseen == []
    (place / "rfkill0").symlink_to("../../devices/pci/x/ieee80211/phy0/rfkill0")
    assert _hardware.read_radios(unseen, str(tmp_path)) == {"x": [Radio("rfkill0", None, None)]}
    assert [(item.source, item.reason) for item in unseen] == [(str(tmp_path / "dev/rfkill"), "ENOENT")]


def test_events_are_read_by_their_layout():
    events = [event(0), event(3, soft=1), event(7, hard=1), b"short"]
    assert _hardware.radio_states(events) == {
        "rfkill0": Radio("rfkill0"),
        "rfkill3": Radio("rfkill3", soft=True),
        "rfkill7": Radio("rfkill7", hard=True),
    }


@pytest.fixture(name="bus")
def fixture_bus(tmp_path):
    """A card with two virtual functions."""
    root = tmp_path / "sys/bus/pci/devices"
    for device in (CARD, "0000:01:10.0", FUNCTION):
        (root / device).mkdir(parents=True)
    for number, device in enumerate(["0000:01:10.0", FUNCTION]):
        (root / CARD / f"virtfn{number}").symlink_to(f"../{device}")
        (root / device / "physfn").symlink_to(f"../{CARD}")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("device", "found"),
    [(FUNCTION, (CARD, 1)), (CARD, None), (None, None), ("", None), ("../x", None), ("hwsim0", None)],
)
def test_a_virtual_function_knows_its_card_and_its_number(bus, device, found):
    assert _hardware.physical_of(device, bus) == found


class Message(dict):
    """As a message or a nested attribute of pyroute2 reads."""

    def get_attrs(self, name):
        return [value for key, value in self["attrs"] if key == name]

    def get_attr(self, name):
        return next(iter(self.get_attrs(name)), None)


def listed(number, mac, trust):
    attributes = [("IFLA_VF_MAC", {"vf": number, "mac": mac})]
    attributes += [("IFLA_VF_TRUST", {"vf": number, "trust": trust})] if trust is not None else []
    return ("IFLA_VF_INFO", Message(attrs=attributes))


@pytest.mark.parametrize(
    ("trust", "trusted"), [(0, False), (1, True), (0xFFFFFFFF, None), (None, None)], ids=["off", "on", "unknown", "old"]
)
def test_virtual_functions_are_read_from_the_list_of_the_card(trust, trusted):
    functions = Message(attrs=[listed(0, "00:00:00:00:00:00", trust), listed(1, "02:00:00:00:00:10", trust)])
    message = Message(attrs=[("IFLA_IFNAME", "card0"), ("IFLA_VFINFO_LIST", functions)])
    assert _hardware.functions_of(message) == [
        VirtualFunction("card0", 0, None, trusted),
        VirtualFunction("card0", 1, "02:00:00:00:00:10", trusted),
    ]


def test_a_card_without_virtual_functions_has_none():
    assert _hardware.functions_of(Message(attrs=[("IFLA_IFNAME", "card0")])) == []
