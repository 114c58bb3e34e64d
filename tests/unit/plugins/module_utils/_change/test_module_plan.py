# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that are asked for, and the files by which they are loaded at boot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._module_plan import (
    DROP_IN_HEADER,
    HEADER,
    drop_in_with,
    lines_with,
    parse_modules,
)


def entry(name, state="present"):
    return {"name": name, "state": state}


def test_a_dash_is_an_underscore_and_each_module_is_there_once():
    wishes = parse_modules([entry("nf-tables"), entry("nf_tables"), entry("8021q", "absent")])
    assert [(wish.where, wish.name, wish.present) for wish in wishes] == [
        ("modules[0].name", "nf_tables", True),
        ("modules[2].name", "8021q", False),
    ]


@pytest.mark.parametrize("name", ["", "-r", "a b", "../x", "a.ko", "a\nb", "a;b", "x" * 56, "_x", "é"])
def test_what_can_be_no_module_is_refused(name):
    with pytest.raises(ChangeError, match=r"modules\[1\].name: .*can be no kernel module"):
        parse_modules([entry("dummy"), entry(name)])


def test_a_contradiction_is_refused():
    with pytest.raises(ChangeError, match="present and absent"):
        parse_modules([entry("a_b"), entry("a-b", "absent")])


@pytest.mark.parametrize(
    ("text", "names", "dropped", "expected"),
    [
        ("", ["vxlan", "dummy"], [], f"{HEADER}\ndummy\nvxlan\n"),
        (f"{HEADER}\nvxlan\n", ["dummy"], [], f"{HEADER}\ndummy\nvxlan\n"),
        (f"{HEADER}\nsch-netem\n", ["sch_netem"], [], f"{HEADER}\nsch-netem\n"),
        (f"{HEADER}\ndummy\nvxlan\n", [], ["vxlan"], f"{HEADER}\ndummy\n"),
        (f"{HEADER}\nvxlan\n", [], ["vxlan"], None),
        ("", [], ["vxlan"], None),
    ],
)
def test_our_own_list_is_sorted_and_goes_when_it_is_empty(text, names, dropped, expected):
    assert lines_with(text, names, dropped, HEADER) == expected


@pytest.mark.parametrize(
    ("text", "names", "dropped", "expected"),
    [
        ("# mine\nloop\n", ["vxlan", "dummy"], [], "# mine\nloop\ndummy\nvxlan\n"),
        ("# mine\n\nloop", ["loop"], [], "# mine\n\nloop"),
        ("", [], ["vxlan"], ""),
        ("loop\nvxlan\n", [], ["vxlan"], "loop\n"),
        ("vxlan\n", [], ["vxlan"], ""),
    ],
)
def test_a_list_of_others_is_only_added_to(text, names, dropped, expected):
    assert lines_with(text, names, dropped, "") == expected


LINES = "ExecStartPre=-/sbin/modprobe dummy\nExecStartPre=-/sbin/modprobe vxlan\n"


@pytest.mark.parametrize(
    ("text", "names", "dropped", "blacklisted", "expected"),
    [
        ("", ["dummy", "vxlan"], [], ["vxlan", "dummy"], DROP_IN_HEADER + LINES),
        (DROP_IN_HEADER + LINES, ["dummy"], [], ["dummy"], DROP_IN_HEADER + LINES),
        (DROP_IN_HEADER + LINES, ["dummy"], [], [], DROP_IN_HEADER + LINES.partition("\n")[2]),
        (DROP_IN_HEADER + LINES, [], ["dummy", "vxlan"], [], None),
        ("", ["dummy"], [], [], None),
    ],
)
def test_the_drop_in_loads_what_a_blacklist_line_names(text, names, dropped, blacklisted, expected):
    assert drop_in_with(text, names, dropped, blacklisted) == expected


LISTS = st.text(alphabet=st.sampled_from("ab_-# \n\x0b\u2028"), max_size=80)
NAMES = st.lists(st.sampled_from(["a", "b", "a_b"]), max_size=3, unique=True)


@given(LISTS, NAMES)
def test_adding_to_a_list_of_others_changes_nothing_else_and_adding_twice_is_adding_once(text, names):
    once = lines_with(text, names, [], "") or ""
    assert once.startswith(text)
    assert (lines_with(once, names, [], "") or "") == once
