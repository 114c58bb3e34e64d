# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A forked child answers with data: results, exceptions, timeouts; the caller's own namespaces stay as they are."""

from __future__ import annotations

import errno
import os
import signal
import time

from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import read_limits, run_joined


def children() -> str:
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as handle:
        return handle.read()


def test_the_result_comes_back_as_plain_data():
    outcome = run_joined(lambda: {"pid": os.getpid(), "text": "ä" * 200000, "pair": (1, 2)})
    assert outcome.error is None
    assert outcome.value["pid"] != os.getpid()
    assert outcome.value["text"] == "ä" * 200000
    assert outcome.value["pair"] == [1, 2]


def test_an_oserror_of_the_function_keeps_its_errno():
    outcome = run_joined(lambda: os.stat("/nonexistent/file"))
    assert outcome.value is None
    assert (outcome.errno, outcome.step) == (errno.ENOENT, "function")
    assert outcome.error == "/nonexistent/file: No such file or directory (ENOENT)"


def test_any_other_exception_is_named():
    outcome = run_joined(lambda: {}["key"])
    assert outcome.error == "KeyError: 'key'"
    assert outcome.step == "function"


def test_a_child_that_never_answers_is_killed_and_reaped():
    before = children()
    start = time.monotonic()
    outcome = run_joined(lambda: time.sleep(60), timeout=0.2)
    assert time.monotonic() - start < 5
    assert outcome.step == "timeout"
    assert "0.2 s" in outcome.error
    assert children() == before


def test_a_child_that_dies_is_an_error_and_not_an_exception():
    outcome = run_joined(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert outcome.step == "child"


def test_a_result_that_is_no_json_is_an_error_and_not_an_exception():
    assert run_joined(object).step == "child"


def test_no_descriptor_is_left_open():
    before = sorted(os.listdir("/proc/self/fd"))
    run_joined(lambda: 1)
    run_joined(lambda: time.sleep(60), timeout=0.05)
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_ones_own_namespaces_may_be_named_without_any_privilege():
    outcome = run_joined(
        lambda: os.readlink("/proc/self/ns/net"), net_ns="/proc/self/ns/net", user_ns="/proc/self/ns/user"
    )
    assert outcome.error is None
    assert outcome.value == os.readlink("/proc/self/ns/net")


def test_a_namespace_that_cannot_be_joined_is_named():
    outcome = run_joined(lambda: 1, net_ns="/proc/self/ns/uts")
    assert (outcome.step, outcome.errno) == ("setns", errno.EINVAL)
    assert "network namespace /proc/self/ns/uts" in outcome.error
    missing = run_joined(lambda: 1, user_ns="/run/nonexistent")
    assert (missing.step, missing.errno) == ("setns", errno.ENOENT)


def test_limits_of_a_user_namespace_are_those_below_proc_sys_user():
    unseen = []
    limits = read_limits("/proc/self/ns/user", unseen)
    with open("/proc/sys/user/max_net_namespaces", encoding="ascii") as handle:
        assert limits["max_net_namespaces"] == int(handle.read())
    assert unseen == []


def test_limits_that_cannot_be_read_are_listed_as_unseen():
    unseen = []
    assert read_limits("/run/nonexistent", unseen) == {}
    assert len(unseen) == 1 and "ENOENT" in unseen[0].reason
