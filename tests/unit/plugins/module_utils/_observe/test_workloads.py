# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._workloads import NotThereError, resolve
from ansible_collections.netlink.remediation.plugins.module_utils._state import State, Workload

GONE = 1 << 30  # More than a pid can be.


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"kind": "pid", "pid": GONE}, f"there is no process {GONE}, expected the pid of one that runs"),
        ({"kind": "executable", "executable": "/no/such"}, "/no/such does not exist or is no file"),
        (
            {"kind": "executable", "executable": "/bin/sh", "user": "nobody-here"},
            "'nobody-here' is no user of this host, expected a name or a number",
        ),
        (
            {"kind": "pid", "pid": os.getpid(), "netns": "/no/such"},
            "/no/such is no network namespace that can be opened (No such file or directory)",
        ),
    ],
)
def test_what_the_user_named_must_be_there_and_what_a_record_named_may_be_gone(named, why):
    found = Workload("found", discovered=True, **named)
    resolve(State(), [found])
    assert found.unresolved == why
    key = next(word for word in ("netns", "user", "pid", "executable") if word in named)
    with pytest.raises(NotThereError) as caught:
        resolve(State(), [found, Workload("named", **named)])
    assert str(caught.value) == f"workloads[1].{key}: {why}"


def test_a_process_is_read_into_the_state():
    state, workload = State(), Workload("own", "pid", pid=os.getpid())
    resolve(state, [workload])
    assert (workload.processes, workload.tid, list(state.processes)) == ([os.getpid()], None, [os.getpid()])
