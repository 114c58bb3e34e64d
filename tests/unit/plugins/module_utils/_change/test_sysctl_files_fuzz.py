# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The editor of sysctl files touches the lines of its keys and nothing else, whatever the file holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._change._sysctl_files import HEADER, edit_text
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import (
    parse_lines,
    same_value,
    split_lines,
)
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import assert_linear, texts

KEYS = ["net/ipv4/ip_forward", "net/ipv6/conf/eth0.100/disable_ipv6", "net/core/rmem_max"]
WORDS = [
    *("net.ipv4.ip_forward", "net/ipv4/ip_forward", "-net.ipv4.ip_forward", "net.ipv6.conf.eth0/100.disable_ipv6"),
    *("net.core.rmem_max", " = ", "=", "0", "1", "# note", ";", "other.key = 5", "\0", "\n\r\0", "\r\n", HEADER),
]
files = texts(WORDS)
wishes = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["0", "1", "4096 87380", "0x10"]), min_size=1)


def key_of(body):
    return next((line.key for line in parse_lines(body, "")), None)


@given(files, wishes)
def test_each_key_has_its_value_and_all_other_lines_stay(text, wanted):
    after = edit_text(text, wanted)
    last = {line.key: line.value for line in parse_lines(after, "f")}
    assert all(same_value(last[key], value) for key, value in wanted.items())

    def others(value):
        return [body for body, _end in split_lines(value) if key_of(body) not in wanted and body.strip()]

    assert [body for body in others(after) if body + "\n" != HEADER] == [
        body for body in others(text) if body + "\n" != HEADER
    ]
    assert edit_text(after, wanted) == after


@given(files, wishes)
def test_what_was_added_can_be_taken_out_again(text, wanted):
    if {line.key for line in parse_lines(text, "f")} & set(wanted):
        return
    after = edit_text(edit_text(text, wanted), {}, wanted)
    ended = text if not text.strip() or split_lines(text)[-1][1] else text + "\n"
    assert after == ended + HEADER * (not text.strip())


@given(files, st.sets(st.sampled_from(KEYS)))
def test_what_is_removed_is_gone_and_the_rest_is_there(text, removed):
    after = edit_text(text, {}, removed)
    assert not {line.key for line in parse_lines(after, "f")} & removed
    kept = [body + end for body, end in split_lines(text) if key_of(body) not in removed]
    assert after == "".join(kept)


@pytest.mark.parametrize("piece", ["net.ipv4.ip_forward = 0\n", "a\n", "\n", "=", "\0"])
def test_time_grows_with_the_length(piece):
    wanted = {"net/ipv4/ip_forward": "1"}
    assert_linear(lambda text: edit_text(text, wanted, ["a"]), lambda count: piece * (count // len(piece)))
