# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control group of devices, as its list says it."""

from __future__ import annotations

import os

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._device import (
    cgroup_allows,
    list_allows,
    read_tun,
)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("a *:* rwm\n", None),
        ("c 1:3 rwm\nc 10:200 rw\n", True),
        ("c 10:* rwm\n", True),
        ("c *:* rw\n", True),
        ("c 10:200 r\nc 10:200 w\n", False),
        ("b 10:200 rwm\n", False),
        ("c *:* m\n", False),
        ("c 110:200 rwm\nc 10:20 rwm\n", False),
        ("garbage\nc 10:200\n", False),
        ("", False),
    ],
)
def test_one_line_must_allow_to_read_and_to_write_the_device(text, allowed):
    assert list_allows(text) is allowed


def test_a_process_that_can_open_the_device_is_not_said_to_be_refused():
    assert cgroup_allows(os.getpid())[0] in (True, None)


def test_the_node_of_the_observer_is_looked_at_and_not_opened():
    node = read_tun(None, [])
    assert node is not None and node.exists == os.path.exists("/dev/net/tun")
