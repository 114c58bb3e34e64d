# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of subordinate ids may hold anything: what is no range is said, and only lines of the user change."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _subid_plan
from ansible_collections.netlink.remediation.plugins.module_utils._change._subid_plan import plan_subids
from ansible_collections.netlink.remediation.plugins.module_utils._observe._subids import (
    observe_subordinate_ids,
    parse_ranges,
)
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import assert_linear, texts

WORDS = [
    "joe:100000:65536\n",
    "ann:",
    "200000",
    ":",
    "65536",
    "# note\n",
    "\n",
    "1001:300000:65536\n",
    "0",
    "9" * 19,
    "\r\n",
]
LINES = [
    "joe:100000:65536\n",
    "ann:200000:65536\n",
    "1001:300000:10\n",
    "# note\n",
    "\n",
    "bob:400000:5",
    " x:500000:1 \n",
    "\u00e9:1:1\n",
]
PASSWD = "root:x:0:0::/root:/bin/sh\njoe:x:1001:1001::/home/joe:/bin/sh\n"
files = texts(WORDS, 10)


@given(files)
def test_each_line_is_a_range_or_is_said(text):
    unseen = []
    ranges = parse_ranges(text, "/etc/subuid", unseen)
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#")]
    assert len(ranges) + len(unseen) == len(lines)
    assert all(item.first >= 0 and item.count >= 0 and item.owner for item in ranges)


class Text:
    """Stands for a change of a file: what it would hold."""

    @classmethod
    def of(cls, path, content, *, disrupts=()):
        made = cls()
        made.path, made.content = path, content
        return made


def planned(text, others, state):
    """The text of /etc/subuid after the plan for a user; the same text when there is nothing to change."""
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_subid_plan, "FileChange", Text)
        etc = Path(place, "etc")
        etc.mkdir()
        for name, content in (("passwd", PASSWD), ("login.defs", others), ("nsswitch.conf", others), ("subuid", text)):
            (etc / name).write_bytes(content.encode("utf-8", "surrogateescape" if content == text else "surrogatepass"))
        observe_subordinate_ids([], root=place)
        entry = {"user": "joe", "count": 65536, "start": None, "kinds": ["uid"], "state": state}
        found = {change.path: change.content for change in plan_subids([entry], root=place).changes}
    return found.get("/etc/subuid", text)


def is_joes(line):
    return line.strip().partition(":")[0] in ("joe", "1001")


@given(
    st.lists(st.sampled_from(LINES), max_size=6).map("".join), texts(["SUB_UID_MIN", " ", "\t", "0x7f", "100", "\n"])
)
@settings(max_examples=40)
def test_only_lines_of_the_user_change(text, others):
    try:
        after = planned(text, others, "present")
    except ChangeError as refused:
        assert "\n" not in str(refused)
        return
    assert after.startswith(text) and all(is_joes(line) for line in after[len(text) :].split("\n") if line)
    assert planned(after, others, "present") == after
    back = planned(after, others, "absent")
    kept = [line for line in text.split("\n") if not is_joes(line)]
    assert back.rstrip("\n") == "\n".join(kept).rstrip("\n")


@pytest.mark.parametrize("piece", ["joe:1:1\n", ":", "a", "1:", "\n", "#\n", " "])
def test_time_grows_with_the_length(piece):
    assert_linear(lambda text: parse_ranges(text, "f", []), lambda count: piece * (count // len(piece)))
