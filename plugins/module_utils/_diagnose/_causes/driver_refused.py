# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 7: the driver of the named link refuses, whoever asks. Judged only for links that the workload names."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._causes.sysctl import interface_of
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Cause, Subject, find_link
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Link

CAUSE = Cause(
    "7",
    "driver_refused",
    "The driver of the link that the workload names refuses, so root is refused as well.",
    {
        "rfkill": "The radio of the wireless link is switched off, in software or by a switch of the machine.",
        "sriov_trust": "The card keeps the address of its virtual function, which is not trusted to change it.",
    },
)


def judge(subject: Subject) -> list[Finding]:
    """Findings about the link named by the workload; at most one."""
    workload = subject.workload
    link = find_link(subject.namespace, interface_of(subject))
    # What is named with these is done to another link, or is no matter of its driver.
    beside = workload.link_kind or workload.master or subject.moves_link
    if link is None or "link" not in workload.operations or beside:
        return []
    found = _address(subject, link) if workload.mac else _radio(subject, link)
    return [found] if found else []


def _radio(subject: Subject, link: Link) -> Optional[Finding]:
    """cfg80211 refuses to set a link up whose radio is blocked; blocking one that is up sets it down."""
    radio = link.radio
    if radio is None or "UP" in link.flags or (radio.soft, radio.hard) == (False, False):
        return None
    known = bool(radio.soft or radio.hard)
    if not known:
        summary = f"Whether the radio of {link.name} is switched off could not be read; if it is, that answers ERFKILL."
        advice = f"See whether rfkill list has {radio.name} blocked."
    elif radio.hard:
        summary = _off(link, "a switch of the machine")
        advice = "Turn the switch or the key of the machine on that blocks its radio (rfkill list shows it)."
    else:
        summary = _off(link, "software")
        advice = (
            f"Run rfkill unblock {radio.name.removeprefix('rfkill')}, and find what blocks it: systemd-rfkill keeps "
            "the block over a reboot."
        )
    return subject.finding(
        CAUSE,
        "rfkill",
        gate="object",
        certainty="likely" if known else "possible",
        effect="refuses" if known else "may_refuse",
        summary=summary,
        evidence=[
            Evidence("/dev/rfkill", f"{radio.name}: soft {_told(radio.soft)}, hard {_told(radio.hard)}"),
            Evidence(f"net:[{subject.net_ns}]", f"{link.name} <{','.join(link.flags)}>"),
        ],
        advice=advice,
    )


def _off(link: Link, how: str) -> str:
    return f"The radio of {link.name} is switched off by {how}, so setting it up answers ERFKILL."


def _told(blocked: Optional[bool]) -> str:
    return "unread" if blocked is None else str(int(blocked))


def _address(subject: Subject, link: Link) -> Optional[Finding]:
    """A card gives up the address that it was told to keep for a virtual function only to one that is trusted.

    The list of the card has the address that the virtual function gave itself as well, which it may change. It was
    given by the card's administrator where the function came up with it, or has another one.
    """
    function, wanted = link.function, subject.workload.mac
    if function is None or function.mac is None or function.trusted is not False or wanted == link.mac:
        return None
    kept = function.mac == link.permanent_mac or function.mac != link.mac
    where = f"ip link set dev {function.physical} vf {function.number}"
    return subject.finding(
        CAUSE,
        "sriov_trust",
        gate="object",
        certainty="likely" if kept else "possible",
        effect="refuses" if kept else "may_refuse",
        summary=(
            f"{link.name} is virtual function {function.number} of {function.physical}, which keeps {function.mac} for "
            "it and does not trust it to take another address."
        ),
        evidence=[
            Evidence(f"ip link show {function.physical}", f"vf {function.number}: {function.mac}, trust off"),
            Evidence(f"net:[{subject.net_ns}]", f"{link.name}: {link.mac}, permanent {link.permanent_mac or 'none'}"),
        ],
        advice=(
            f"Trust it ({where} trust on), or give it the address from outside ({where} mac {wanted}), which it takes "
            "when its driver is loaded anew."
        ),
    )
