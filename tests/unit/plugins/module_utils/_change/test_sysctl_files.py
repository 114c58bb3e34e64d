# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Editing sysctl.d files: only the lines of the keys change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._change._sysctl_files import (
    HEADER,
    edit_text,
    is_spent,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import parse_lines, same_value

FORWARD = "net/ipv4/ip_forward"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", HEADER + "net.ipv4.ip_forward = 1\n"),
        ("# mine\n", "# mine\nnet.ipv4.ip_forward = 1\n"),
        ("a.b=1", "a.b=1\nnet.ipv4.ip_forward = 1\n"),
        ("net/ipv4/ip_forward=0\na.b=1\n", "net/ipv4/ip_forward = 1\na.b=1\n"),
        ("  net.ipv4.ip_forward =0 \r\na.b=1\r\n", "  net.ipv4.ip_forward = 1\r\na.b=1\r\n"),
        ("-net.ipv4.ip_forward=0\n", "-net.ipv4.ip_forward = 1\n"),
        ("-net.ipv4.ip_forward\n", "net.ipv4.ip_forward = 1\n"),
        ("net.ipv4.ip_forward=1\n", "net.ipv4.ip_forward=1\n"),
        ("net.ipv4.ip_forward=0x1\n", "net.ipv4.ip_forward=0x1\n"),
        ("net.ipv4.ip_forward=5\n#\nnet/ipv4/ip_forward=0", "net.ipv4.ip_forward=5\n#\nnet/ipv4/ip_forward = 1"),
        ("#net.ipv4.ip_forward=0\n", "#net.ipv4.ip_forward=0\nnet.ipv4.ip_forward = 1\n"),
        ("net.ipv4.*=0\n", "net.ipv4.*=0\nnet.ipv4.ip_forward = 1\n"),
    ],
)
def test_a_key_is_set_in_place_and_the_rest_stays(before, after):
    assert edit_text(before, {FORWARD: "1"}) == after
    assert edit_text(after, {FORWARD: "1"}) == after


def test_a_dotted_interface_name_is_written_so_that_it_is_read_again():
    key = "net/ipv4/conf/eth0.100/rp_filter"
    text = edit_text("", {key: "2"})
    assert "net.ipv4.conf.eth0/100.rp_filter = 2\n" in text
    assert [line.key for line in parse_lines(text, "f")] == [key]


def test_all_lines_of_a_removed_key_go():
    text = "# c\nnet.ipv4.ip_forward=0\na.b=1\n-net/ipv4/ip_forward\nnet/ipv4/ip_forward = 1"
    assert edit_text(text, {}, [FORWARD]) == "# c\na.b=1\n"
    assert edit_text("a.b=1\n", {}, [FORWARD]) == "a.b=1\n"


def test_a_file_is_spent_when_only_our_header_is_left():
    assert is_spent(edit_text(edit_text("", {FORWARD: "1"}), {}, [FORWARD]))
    assert not is_spent("# a comment of somebody else\n")
    assert not is_spent("")


@given(st.binary(max_size=500), st.sampled_from(["1", "4096 131072"]))
def test_whatever_stands_in_a_file_the_key_is_set_and_the_second_edit_changes_nothing(data, value):
    text = data.decode("utf-8", "surrogateescape")
    edited = edit_text(text, {FORWARD: value})
    assert same_value([line.value for line in parse_lines(edited, "f") if line.key == FORWARD][-1], value)
    assert edit_text(edited, {FORWARD: value}) == edited
    others = [(line.key, line.value) for line in parse_lines(text, "f") if line.key != FORWARD]
    assert [(line.key, line.value) for line in parse_lines(edited, "f") if line.key != FORWARD] == others
    assert all(line.key != FORWARD for line in parse_lines(edit_text(edited, {}, [FORWARD]), "f"))
