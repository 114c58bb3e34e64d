# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of unit files may say anything: they are understood or not, without an exception and in bounded time."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils import _systemd as systemd
from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import assert_linear, texts

WORDS = [
    *("CAP_NET_ADMIN", "cap_chown", "~", "12", "0x0c", "0b1", "0o17", "+7", "AF_NETLINK", "AF_INET", "AF_ROUTE"),
    *("none", "yes", "no", "net", "user", "time", "@system-service", "socket:EPERM", "socket:1", "kill", "SIGSYS"),
    *("/usr/bin/ip", "@/bin/sh", "-", "!!", "+", ";", "\\;", "\\x20", "\\101", "\\U0010ffff", "%i", "$VAR", "\\"),
]
NAMES = [*systemd._RULES, "SystemCallFilter", "ExecStart", "Unknown"]  # pylint: disable=protected-access
values = texts(WORDS)
directives = st.lists(
    st.builds(
        Directive, st.sampled_from(["Service", "Unit", ""]), st.sampled_from(NAMES), values, st.just("f"), st.just(1)
    ),
    max_size=8,
)


@given(values)
@example("9" * 5000)
@example("\u00b2")
def test_any_value_is_read(value):
    for line in (value, "~" + value):
        for ambient in (True, False):
            assert 0 <= (systemd.capability_set([line], ambient=ambient) or 0) <= ALL_CAPABILITIES
        families = systemd.address_families([line, value])
        assert families is None or isinstance(families, tuple)
        systemd.namespaces([line])
        systemd.system_calls(line + " socket:" + value.strip())
        prefix, path, arguments = systemd.parse_exec(line)
        assert isinstance(path, str) and all(isinstance(word, str) for word in arguments)
        assert set(prefix) <= set("@:+!|-")
    for strict in (True, False):
        for unescape in (True, False):
            words = systemd.split_words(value, unescape=unescape, strict=strict)
            assert sum(map(len, words)) <= len(value)


@given(directives, st.sampled_from(NAMES))
def test_any_lines_have_an_effect(lines, name):
    for section in ("Service", "Unit"):
        left = systemd.effective(lines, section, name)
        assert all(any(line is one for one in lines) for line in left)
        shown = systemd.as_shown(name, [line.value for line in left])
        assert (shown is None) == (not left)


@given(values)
def test_a_boolean_is_one_or_is_refused(value):
    try:
        assert systemd.is_true(value) in (True, False)
    except ValueError as refused:
        assert "no boolean" in str(refused)


@pytest.mark.parametrize("piece", ["a", "a ", "\\x41", "'", "' ", "\\", "~", "AF_INET ", "cap_chown ", "9", "socket:"])
def test_time_grows_with_the_length(piece):
    def read(value):
        systemd.split_words(value, unescape=True)
        systemd.split_words(value, strict=True)
        systemd.capability_set([value])
        systemd.address_families([value])
        systemd.namespaces([value])
        systemd.system_calls(value)
        systemd.parse_exec(value)

    assert_linear(read, lambda count: piece * (count // len(piece)))
    assert_linear(systemd.namespaces, lambda count: [piece] * count)
    for name in ("RestrictAddressFamilies", "CapabilityBoundingSet"):
        assert_linear(
            lambda lines: systemd.effective(lines, "Service", name),  # noqa: B023
            lambda count: [Directive("Service", name, piece, "f", 1)] * count,  # noqa: B023
        )
