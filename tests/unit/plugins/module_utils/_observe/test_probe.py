# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A probe says what it cannot know, and its requests stay harmless. tests/kernel sends them to the kernel."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe import _requests
from ansible_collections.netlink.remediation.plugins.module_utils._observe._imitate import Place, open_place
from ansible_collections.netlink.remediation.plugins.module_utils._observe._probe import (
    PROBES,
    Context,
    not_reproduced,
    probe,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import OPERATIONS, Credentials


def test_every_operation_has_a_probe():
    assert set(OPERATIONS) < set(PROBES)


@pytest.mark.parametrize("operation", sorted(_requests.MESSAGES))
def test_no_request_is_a_zeroed_one(operation):
    """A zeroed RTM_DELROUTE deletes the default route, a zeroed RTM_DELRULE a rule."""
    message = _requests.MESSAGES[operation]
    assert message.passed, "a request without a known fault could be carried out"
    if message.type in (21, 25, 29, 33, 37):  # RTM_DEL...
        assert any(message.payload[1:]) or message.payload[0] == 2


def test_the_faults_that_make_requests_harmless_are_in_place():
    messages = _requests.MESSAGES
    assert struct.unpack_from("=i", messages["link"].payload, 4) == (-1,)
    assert struct.unpack_from("=I", messages["address"].payload, 4) == (0x7FFFFFFE,)
    assert messages["route"].payload[7] == 255
    assert messages["rule"].payload[2] == 1
    assert len(messages["rule"].payload) == len(messages["neighbour"].payload) == 12
    assert struct.unpack_from("=i", messages["qdisc"].payload, 4) == (0x7FFFFFFE,)
    assert (messages["nftables"].type, messages["nftables"].payload) == (0, b"")


@pytest.mark.parametrize(
    ("number", "passed", "answer"),
    [
        (errno.EINVAL, (errno.EINVAL,), "allowed"),
        (errno.EPERM, (errno.EINVAL,), "EPERM"),
        (errno.EOPNOTSUPP, (errno.EINVAL,), "EOPNOTSUPP"),
        (0, (0,), "allowed"),
        (0, (errno.EINVAL,), "unknown"),
    ],
)
def test_an_answer_is_read_by_its_errno(number, passed, answer):
    reply = struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -number) + bytes(16)
    assert _requests._read(reply, passed).answer == answer


def test_a_short_reply_is_unknown():
    assert _requests._read(b"\0" * 3, (0,)).answer == "unknown"


def place(label=None, cgroup=b"0::/a\n", **credentials) -> Place:
    return Place(Credentials(**credentials), -1, -1, -1, label, cgroup, [])


@pytest.mark.parametrize(
    ("context", "where", "operation", "gates"),
    [
        (Context(), place(), "link", []),
        (Context(), place(label="docker-default (enforce)"), "link", ["LSM label docker-default (enforce)"]),
        (Context(), place(seccomp=2), "link", ["seccomp filter"]),
        (Context(foreign_socket=True), place(), "link", ["open socket of another network namespace"]),
        (Context(chrooted=True), place(), "userns", ["chroot"]),
        (Context(chrooted=True), place(), "link", []),
        (Context(), place(cgroup=b"0::/b\n"), "tun", ["device control group"]),
        (Context(), place(cgroup=b"0::/b\n"), "link", []),
    ],
)
def test_gates_that_cannot_be_imitated_are_named(context, where, operation, gates):
    assert not_reproduced(context, where, operation, None, b"0::/a\n") == gates


def test_ones_own_context_needs_no_privilege():
    (answer,) = probe(Context(pid=os.getpid()), ["userns"])
    assert answer.layer == "clone"
    assert answer.net_ns == os.stat("/proc/self/ns/net").st_ino
    assert answer.tid == os.getpid()


def test_answers_come_in_the_order_of_the_operations():
    wanted = ["rule", "netns", "link", "userns"]
    assert [item.operation for item in probe(Context(), wanted)] == wanted


def test_a_move_that_names_no_namespace_is_not_asked():
    (answer,) = probe(Context(), ["move"])
    assert (answer.answer, answer.sent) == ("unknown", False)


def test_a_namespace_that_does_not_exist_is_said():
    (answer,) = probe(Context(), ["link"], target_netns="/run/nonexistent")
    assert (answer.answer, answer.layer) == ("unknown", "setup")
    assert "/run/nonexistent" in answer.detail


def test_a_pid_that_does_not_exist_is_said():
    (answer,) = probe(Context(pid=2**22 + 1), ["link"])
    assert (answer.answer, answer.layer, answer.sent) == ("unknown", "setup", False)
    assert "does not exist" in answer.detail


def test_a_thread_of_another_process_is_refused():
    (answer,) = probe(Context(pid=os.getppid(), tid=os.getpid()), ["link"])
    assert answer.layer == "setup"
    assert "is none of process" in answer.detail


def test_no_descriptor_is_left_open():
    before = sorted(os.listdir("/proc/self/fd"))
    probe(Context(pid=os.getpid()), ["link", "move"], target_netns="/proc/self/ns/net")
    probe(Context(pid=os.getpid(), start_time=1), ["link"])
    probe(Context(pid=2**22 + 1), ["link"], target_netns="/run/nonexistent")
    with open_place(Context()):
        pass
    assert sorted(os.listdir("/proc/self/fd")) == before
