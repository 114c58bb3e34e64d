# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Denials of one kind are one, and no log fills the memory."""

from __future__ import annotations

from typing import Any

from ansible_collections.netlink.remediation.plugins.module_utils._linux import PROBE_NAME
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import (
    MOST_EVENTS,
    MOST_GROUPS,
    MOST_NAMES,
    Groups,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen


def denial(time: float = 10.0, **values: Any) -> Denial:
    given = {"subject": "labip", "name": "ip", "text": f"at {time}", **values}
    return Denial("audit", "apparmor", "net_admin", "capability", time, time, **given)


def collect(*denials: Denial, since: float = 0) -> tuple[list[Denial], list[Unseen]]:
    groups, unseen = Groups(since), list[Unseen]()
    for one in denials:
        groups.add(one)
    return groups.result(unseen), unseen


def test_the_newest_record_is_told_whatever_the_order() -> None:
    for order in ([5, 9, 7], [9, 7, 5], [7, 5, 9]):
        (found,), _unseen = collect(*(denial(time, pid=time) for time in order))
        assert (found.first, found.last, found.count, found.pid, found.text) == (5, 9, 3, 9, "at 9")


def test_different_programs_and_modes_are_apart() -> None:
    found, _unseen = collect(denial(1), denial(2, name="tc"), denial(3, enforced=False), denial(4, unit="a.service"))
    assert [one.last for one in found] == [4, 3, 2, 1]


def test_a_record_that_names_no_executable_is_of_the_program_of_that_name() -> None:
    found, _unseen = collect(denial(1, executable="/usr/sbin/ip"), denial(2), denial(3, name="tc"))
    assert [(one.last, one.count, one.executable) for one in found] == [(3, 1, None), (2, 2, "/usr/sbin/ip")]


def test_what_is_older_is_left_out() -> None:
    assert collect(denial(9.9), since=10)[0] == []


def test_our_own_probes_are_left_out() -> None:
    assert collect(denial(name=PROBE_NAME))[0] == []


def test_a_flood_of_subjects_keeps_the_newest_and_says_so() -> None:
    found, unseen = collect(*(denial(time, subject=f"profile{time}") for time in range(3 * MOST_GROUPS)))
    assert len(found) == MOST_GROUPS and found[0].last == 3 * MOST_GROUPS - 1
    assert f"{2 * MOST_GROUPS} kinds" in unseen[0].reason


def test_a_flood_of_names_hides_no_other_denial() -> None:
    other = denial(0, subject="vpn")
    found, unseen = collect(other, *(denial(1 + number, name=f"n{number}") for number in range(3 * MOST_GROUPS)))
    assert len(found) == MOST_NAMES + 2 and other in found and unseen == []
    assert sum(one.count for one in found) == 3 * MOST_GROUPS + 1


def test_events_are_remembered_within_a_bound() -> None:
    groups = Groups(0)
    assert groups.first_sight((1.0, 1, "a", "b")) and not groups.first_sight((1.0, 1, "a", "b"))
    assert groups.first_sight((1.0, 1, "c", "b"))
    for number in range(MOST_EVENTS):
        groups.first_sight((2.0, number, "a", "b"))
    assert groups.first_sight((1.0, 1, "a", "b"))
