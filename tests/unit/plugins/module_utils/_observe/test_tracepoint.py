# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of tracefs, verbatim from Linux 6.18; tests/kernel has the real thing."""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._tracepoint import Tracker, door_of
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial

PID = 2**22 + 1  # No process has it: the largest pid is 2**22.
STACK = [
    "trace_event_raw_event_cap_capable",
    "cap_capable",
    "security_capable",
    "ns_capable",
    "rtnetlink_rcv_msg",
    "netlink_rcv_skb",
    "netlink_unicast",
    "netlink_sendmsg",
    "____sys_sendmsg",
    "entry_SYSCALL_64_after_hwframe",
]
NAMES = {
    "rtnetlink": STACK,
    "genetlink": ["cap_capable", "ns_capable", "genl_rcv_msg", "netlink_rcv_skb", "netlink_sendmsg"],
    "sysfs": ["cap_capable", "ns_capable", "netdev_store", "kernfs_fop_write_iter"],
    "some_new_function": ["cap_capable", "security_capable", "ns_capable", "some_new_function"],
}


def check(ret: int = -1, time: float = 1101.356313, pid: int = PID, name: str = "ip") -> bytes:
    capable = "0000000000000000" if ret else "0000000086d2f7a2"
    text = f"{name:>16}-{pid}   [001] .....  {time:.6f}: cap_capable: cred 000000007233c907, "
    text += f"target_ns 0000000086d2f7a2, capable_ns {capable}, cap 12, ret {ret}"
    return text.encode()


def stack(frames: list[str], pid: int = PID, name: str = "ip") -> list[bytes]:
    return [
        f"{name:>16}-{pid}   [001] .....  1101.356340: <stack trace>".encode(),
        *(f" => {f}".encode() for f in frames),
    ]


def track(*lines: bytes) -> list[Denial]:
    groups = Groups(0)
    tracker = Tracker(groups)
    tracker.checks(list(lines))
    tracker.end()
    return groups.result([])


def test_a_check_and_its_stack_are_a_denial() -> None:
    (denial,) = track(check(), *stack(STACK))
    assert (denial.pid, denial.name, denial.door, denial.opener) == (PID, "ip", "rtnetlink", False)


@pytest.mark.parametrize("door", NAMES)
def test_the_door_is_known_by_the_stack(door: str) -> None:
    assert door_of(NAMES[door]) == door


@pytest.mark.parametrize("frame", ["ns_capable_noaudit", "sk_setsockopt", "netlink_dump", "net_ctl_permissions"])
def test_a_check_that_refuses_nothing_has_no_door(frame: str) -> None:
    assert door_of([*STACK[:4], frame, *STACK[4:]]) is None


def test_without_a_stack_nothing_is_claimed() -> None:
    assert track(check()) == []


def test_lines_that_come_in_parts_belong_together() -> None:
    lines, groups = [check(), *stack(STACK)], Groups(0)
    tracker = Tracker(groups)
    for line in lines:
        tracker.checks([line])
    tracker.end()
    assert len(groups.result([])) == 1


@pytest.mark.parametrize("after, count", [(0.5, 0), (1.5, 1)])
def test_who_passes_a_moment_later_was_not_refused(after: float, count: int) -> None:
    lines = [check(time=10), *stack(STACK), check(ret=0, time=10 + after)]
    assert len(track(*lines)) == count


def test_the_opener_of_a_socket_that_passes_again_is_no_second_try() -> None:
    (denial,) = track(check(time=10), *stack(STACK), check(0, 10.1), check(time=10.2), *stack(STACK))
    assert denial.count == 2


def test_a_program_is_known_by_what_it_executed() -> None:
    assert program_after(f"filename=/usr/sbin/ip pid={PID} old_pid={PID}") == "/usr/sbin/ip"
    assert program_after(f"filename=./ip pid={PID} old_pid={PID}") is None


def test_a_name_with_line_ends_names_no_other_program() -> None:
    assert program_after("filename=/a", f"filename=/forged pid={PID} old_pid={PID}") is None


def program_after(*events: str) -> Optional[str]:
    groups = Groups(0)
    tracker = Tracker(groups)
    tracker.programs([f" x-{PID} [000] ..... 1.0: sched_process_exec: {event}".encode() for event in events])
    tracker.checks([check(), *stack(STACK)])
    tracker.end()
    return groups.result([])[0].executable


@given(st.lists(st.binary(max_size=200) | st.sampled_from([check(), check(ret=0), *stack(STACK)]), max_size=60))
def test_no_line_is_too_strange(lines: list[bytes]) -> None:
    flat = [part for line in lines for part in line.split(b"\n")]
    for denial in track(*flat):
        assert denial.pid == PID and denial.text.isprintable()
