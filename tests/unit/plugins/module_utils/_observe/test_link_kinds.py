# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links of some kinds, read from netlink without a library."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._observe._link_kinds import (
    netns_paths,
    parse_attributes,
)


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def test_attributes_are_taken_apart():
    data = attribute(3, b"eth0\0") + attribute(0x8012, attribute(1, b"dummy\0"))
    found = dict(parse_attributes(data))
    assert found[3] == b"eth0\0"
    assert dict(parse_attributes(found[18])) == {1: b"dummy\0"}


@pytest.mark.parametrize("data", [b"", b"abc", bytes(8), struct.pack("=HH", 3, 1), struct.pack("=HH", 400, 1) + b"x"])
def test_what_is_cut_off_ends_it(data):
    assert len(list(parse_attributes(data))) <= 1


def test_the_own_network_namespace_is_among_those_that_can_be_reached():
    assert os.stat("/proc/self/ns/net").st_ino in netns_paths()


@given(st.binary(max_size=200))
def test_any_bytes_are_some_attributes(data):
    assert sum(len(value) for _kind, value in parse_attributes(data)) <= len(data)
