# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit files and names of units may hold anything: what is not understood is skipped, as systemd does."""

from __future__ import annotations

import pytest
from hypothesis import given

from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import split_lines
from ansible_collections.netlink.remediation.plugins.module_utils._observe._unit_files import (
    drop_in_directories,
    drop_in_names,
    parse_unit,
    unit_name,
)
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import assert_linear, texts

WORDS = [
    *("[Service]", "[Unit]", "[", "]", "[Install", "ExecStart=", "CapabilityBoundingSet = ", "User=daemon", "\\\n"),
    *("# note", ";", "\\", "\\\\\n", "\ufeff", "=", "=x", "\0", "\r\n", "\n\r", "PrivateUsers=yes\n"),
]
NAMES = ["foo", "-", "--", "@", ".service", ".socket", "bar-", "a.b", "\\x2d", ".d", "/", "%i", "\u0130", "é"]


@given(texts(WORDS, 20))
def test_any_file_is_read(text):
    lines = split_lines(text)
    for line in parse_unit(text, "f"):
        assert line.section and line.name and 1 <= line.line <= len(lines)
        assert not line.name.startswith(("#", ";"))
        assert line.name == line.name.strip(" \t\n\r") and line.value == line.value.strip(" \t\n\r")


@given(texts(NAMES))
def test_any_name_is_one_or_is_refused(text):
    try:
        name = unit_name(text)
    except ValueError as refused:
        assert "expected" in str(refused) and len(str(refused)) < 400
        return
    assert unit_name(name) == name and "/" not in name and "\n" not in name
    found = drop_in_names(name)
    assert found[0] == name and len(set(found)) == len(found)
    assert all("/" not in one for one in found)
    assert drop_in_directories([name], ["/etc/systemd/system"])


@pytest.mark.parametrize("piece", ["[a]\nb=1\n", "a\\\n", "\\", "#\n", "[", "=", " ", "\0", "[a]\n=\n", "\ufeff\n"])
def test_time_grows_with_the_length(piece):
    assert_linear(lambda text: list(parse_unit(text, "f")), lambda count: "[S]\n" + piece * (count // len(piece)))
