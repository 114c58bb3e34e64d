# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that set sysctls may hold anything: what is not understood is skipped, as it is at boot."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import example, given

from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import (
    Boot,
    Winners,
    canonical_key,
    dotted_key,
    glob_matches,
    parse_lines,
    same_value,
    split_lines,
)
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import assert_linear, texts

WORDS = [
    *("net.ipv4.ip_forward", "net/ipv4/conf/eth0.100/rp_filter", "net.ipv4.conf.*.forwarding", "-net.ipv6.conf.all"),
    *(" = ", "=", "1", "0x1", "# ", "; ", "-", "*", "?", "[a-z]", "[z-a]", "[!", "[[", "]", "..", "//", "\0", "\n\r\0"),
]
KEYS = ["net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding", "net/ipv6/conf/eth0.100/disable_ipv6", ""]
files = texts(WORDS)


@given(files)
def test_lines_are_the_text(text):
    assert "".join(body + end for body, end in split_lines(text)) == text


@given(files)
def test_any_file_is_read_and_someone_wins(text):
    lines = parse_lines(text, "f")
    for line in lines:
        assert line.key and not line.key.startswith("/")
        assert 1 <= line.number <= len(split_lines(text))
        assert (line.value is None) == ("=" not in split_lines(text)[line.number - 1][0])
    for boot in (Boot(lines=lines), Boot(lines=lines[::2], conf=lines[1::2], systemd=False)):
        winners = Winners(boot)
        for key in [*KEYS, *(line.key for line in lines)]:
            for line in (winners.systemd(key), winners.procps(key)):
                assert line is None or (line in lines and line.value is not None)
            assert all(line.value is not None for line in winners.assignments(key))


@given(files, files)
@example("1_0", "10")
@example("9" * 5000, "0")
def test_values_are_compared_without_an_exception(one, other):
    assert same_value(one, one) and same_value(None, None)
    assert len({same_value(*values) for values in permutations([one, other])}) == 1


@given(files)
def test_the_dotted_form_is_the_other_way_round(text):
    key = canonical_key(text)
    assert dotted_key(dotted_key(key)) == key
    assert "//" not in key and not key.startswith("/")


@given(files, files)
def test_any_pattern_matches_or_does_not(pattern, key):
    assert glob_matches(pattern, key) in (True, False)


@pytest.mark.parametrize("piece", ["a", "a=1\n", "*", "*a", "[a", "[!a]", "?", "\0", "\n\r", "/.", "-", "0x"])
def test_time_grows_with_the_length(piece):
    def text(count):
        return piece * (count // len(piece))

    assert_linear(split_lines, text)
    assert_linear(canonical_key, text)
    assert_linear(lambda value: Winners(Boot(lines=parse_lines(value, "f"))).systemd("a"), text)
    assert_linear(lambda value: same_value(value, "1"), text)


@pytest.mark.parametrize("pattern", ["*a" * 2000, "*" * 4000, "?*" * 2000, "[a-" * 1300, "[!a]*" * 800])
def test_a_pattern_of_the_longest_kind_ends(pattern):
    """Not a stopwatch: a matcher that tries all ways would need longer than there has been time."""
    glob_matches(pattern, "a" * 4000)
    glob_matches(pattern, "a" * 4000 + "b")
