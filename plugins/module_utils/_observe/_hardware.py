# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hardware of a link brings along: the switch of a radio, and the card of which it is a virtual function.

A link is followed by the name of its device on the bus (IFLA_PARENT_DEV_NAME, Linux 5.14), since /sys/class/net shows
the links of one network namespace only, that of the mount.
"""

from __future__ import annotations

import os
import re
import struct
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._links import inside_netns
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Link, Radio, VirtualFunction
from ansible_collections.netlink.remediation.plugins.module_utils._pyroute2 import load_pyroute2
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

RTEXT_FILTER_VF = 1
IFLA_VF_TRUST_UNKNOWN = 0xFFFFFFFF  # (__u32)-1, from drivers that have no such setting
RFKILL_EVENT = struct.Struct("=IBBBB")  # index, type, operation, soft, hard
MOST_SWITCHES = 1024
INITIAL = "/proc/1/ns/net"


def mark_hardware(links: list[Link], unseen: list[Unseen], root: str = "/") -> None:
    """Set Link.radio and Link.function of the links that observe_links() found."""
    if not any(link.device for link in links):
        return
    radios = read_radios(unseen, root)
    for link in links:
        own = radios.get(link.device or "", [])
        link.radio = own[0] if own else None
        if len({(radio.soft, radio.hard) for radio in own}) > 1:
            link.radio = Radio(own[0].name, None, None)
            unseen.append(Unseen(f"the radio of {link.name}", f"{link.device} has several, and not all are blocked"))
    functions = {link.index: found for link in links if (found := physical_of(link.device, root))}
    pyroute2 = load_pyroute2() if functions else None
    if pyroute2 is None:
        return
    # The card may be in the namespace of the host, while a virtual function was given to a container.
    try:
        with inside_netns(INITIAL), pyroute2.IPRoute() as netlink:
            cards = _cards(netlink, {card for card, _number in functions.values()})
    except (OSError, pyroute2.NetlinkError) as error:
        code = error.errno if isinstance(error, OSError) else error.code
        unseen.append(Unseen(f"virtual functions, rtnetlink of {INITIAL}", errno_name(code or 0)))
        return
    for link in links:
        card, number = functions.get(link.index, ("", -1))
        link.function = cards.get((card, number))


def read_radios(unseen: list[Unseen], root: str = "/") -> dict[str, list[Radio]]:
    """The switches of wireless devices, by the device's name on its bus.

    Their files in sysfs are seen in the network namespace of the radio only; /dev/rfkill tells of all of them.
    """
    radios: dict[str, list[Radio]] = {}
    place = os.path.join(root, "sys/class/rfkill")
    names = sorted(os.listdir(place)) if os.path.isdir(place) else []
    if not names:
        return {}  # Opening the device would load the module.
    device = os.path.join(root, "dev/rfkill")
    try:
        states = radio_states(_read_events(device))
    except OSError as error:
        unseen.append(Unseen(device, errno_name(error.errno or 0)))
        states = {}
    for name in names:
        # .../DEVICE/ieee80211/phyN/rfkillN
        try:
            parts = os.readlink(os.path.join(place, name)).split("/")
        except OSError:
            continue  # It is gone by now.
        if len(parts) > 4 and parts[-3] == "ieee80211":
            radios.setdefault(parts[-4], []).append(states.get(name, Radio(name, None, None)))
    return radios


def _read_events(path: str) -> list[bytes]:
    """What a new reader of /dev/rfkill is told: one event for each switch there is."""
    device = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    events: list[bytes] = []
    try:
        while len(events) < MOST_SWITCHES and (event := os.read(device, RFKILL_EVENT.size)):
            events.append(event)
    except BlockingIOError:
        pass
    finally:
        os.close(device)
    return events


def radio_states(events: list[bytes]) -> dict[str, Radio]:
    """The switches in events of /dev/rfkill (struct rfkill_event, include/uapi/linux/rfkill.h), by name."""
    found = {}
    for event in events:
        if len(event) == RFKILL_EVENT.size:
            number, _kind, _operation, soft, hard = RFKILL_EVENT.unpack(event)
            found[f"rfkill{number}"] = Radio(f"rfkill{number}", bool(soft), bool(hard))
    return found


def physical_of(device: Optional[str], root: str = "/") -> Optional[tuple[str, int]]:
    """The card (its name on the bus) of a virtual function, and the number that it has there; None for all others."""
    if not device or not re.fullmatch(r"[\w:.-]+", device):
        return None
    card = os.path.join(root, "sys/bus/pci/devices", device, "physfn")
    try:
        for name in os.listdir(card):
            if name.startswith("virtfn") and os.path.basename(os.readlink(os.path.join(card, name))) == device:
                return os.path.basename(os.path.realpath(card)), int(name[len("virtfn") :])
    except OSError:
        return None
    return None


def _cards(netlink: Any, wanted: set[str]) -> dict[tuple[str, int], VirtualFunction]:
    """The virtual functions of the wanted cards through an open pyroute2.IPRoute, by card and number."""
    found: dict[tuple[str, int], VirtualFunction] = {}
    for message in netlink.get_links():
        card = message.get_attr("IFLA_PARENT_DEV_NAME")
        if card in wanted:
            for answer in netlink.link("get", index=message["index"], ext_mask=RTEXT_FILTER_VF):
                for function in functions_of(answer):
                    found[card, function.number] = function
    return found


def functions_of(message: Any) -> list[VirtualFunction]:
    """The virtual functions in an RTM_NEWLINK message of pyroute2."""
    listed = message.get_attr("IFLA_VFINFO_LIST")
    found = []
    for item in listed.get_attrs("IFLA_VF_INFO") if listed else []:
        mac, trust = item.get_attr("IFLA_VF_MAC"), item.get_attr("IFLA_VF_TRUST")
        if mac is None:
            continue
        known = trust is not None and trust["trust"] != IFLA_VF_TRUST_UNKNOWN
        found.append(
            VirtualFunction(
                physical=message.get_attr("IFLA_IFNAME"),
                number=mac["vf"],
                mac=mac["mac"] if mac["mac"].strip("0:") else None,
                trusted=bool(trust["trust"]) if known else None,
            )
        )
    return found
