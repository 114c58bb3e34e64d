# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._observe._subids import (
    DEFAULTS,
    SubordinateRange,
    note_overlaps,
    observe_subordinate_ids,
    parse_ranges,
    read_login_definitions,
    subid_source,
)
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain

PASSWD = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nold:x:150000:150000::/:/bin/sh\n"
GROUP = "root:x:0:\nalice:x:1000:\n"


@pytest.fixture
def etc(tmp_path):
    """Writes files below etc of a root directory, and observes it."""

    class Etc:
        root = str(tmp_path)
        unseen: list

        def write(self, **files):
            (tmp_path / "etc").mkdir(exist_ok=True)
            for name, text in {"passwd": PASSWD, "group": GROUP, **files}.items():
                (tmp_path / "etc" / name.replace("_", ".")).write_bytes(
                    text if isinstance(text, bytes) else text.encode()
                )

        def observe(self):
            self.unseen = []
            return observe_subordinate_ids(self.unseen, root=self.root)

    return Etc()


def spans(ranges):
    return [(item.owner, item.first, item.count, item.line, item.uid) for item in ranges]


def test_ranges_are_read_line_by_line_with_the_uid_of_their_owner(etc):
    etc.write(
        subuid="# comment\nalice:100000:50000\n1001:200000:10\n\nnobody-here:300000:1\n", subgid="alice:7000000:5\n"
    )
    found = etc.observe()
    assert spans(found.uid) == [
        ("alice", 100000, 50000, 2, 1000),
        ("1001", 200000, 10, 3, 1001),
        ("nobody-here", 300000, 1, 5, None),
    ]
    assert found.gid == [SubordinateRange("alice", 7000000, 5, "/etc/subgid", 1, 1000)]
    assert etc.unseen == []


def test_a_host_without_the_files_has_no_ranges(etc):
    assert to_plain(etc.observe()) == {"uid": [], "gid": []}
    assert etc.unseen == []


@pytest.mark.parametrize(
    "line", ["bob:x:1", "bob:1", "bob:1:2:3", ":1:2", "bob:-1:5", "bob:1:²", "bob:0x10:5", "\udcff"]
)
def test_a_line_that_is_none_is_said_and_does_not_hide_the_others(line):
    unseen = []
    assert spans(parse_ranges(f"{line}\nalice:5:6\n", "/etc/subuid", unseen)) == [("alice", 5, 6, 2, None)]
    assert [item.source for item in unseen] == ["/etc/subuid:1"]


def test_two_users_with_the_same_ids_see_each_other(etc):
    etc.write(subuid="alice:100000:1000\nbob:100500:1000\ncarol:101500:10\n")
    alice, bob, carol = etc.observe().uid
    assert [to_plain(item) for item in alice.overlaps] == [{"first": 100500, "last": 100999, "other": "bob", "line": 2}]
    assert [to_plain(item) for item in bob.overlaps] == [{"first": 100500, "last": 100999, "other": "alice", "line": 1}]
    assert carol.overlaps == []


@pytest.mark.parametrize(
    ("first", "count", "others"),
    [
        (100000, 65536, ["user old"]),
        (1000, 1, ["uids of new users (login.defs)"]),
        (0, 1, ["user root"]),
        (60001, 100, []),
        (4294967290, 6, ["no ids of the kernel"]),
        (4294967290, 5, []),
        (150000, 0, []),
    ],
)
def test_ids_of_the_host_are_overlaps_too(etc, first, count, others):
    etc.write(subuid=f"alice:{first}:{count}\n")
    (found,) = etc.observe().uid
    assert [item.other for item in found.overlaps] == others


def test_ranges_of_groups_meet_groups_and_not_users(etc):
    etc.write(subgid="alice:150000:10\n", group=GROUP + "lab:x:150009:\n")
    (found,) = etc.observe().gid
    assert [(item.other, item.first) for item in found.overlaps] == [("group lab", 150009)]


def test_numbers_of_login_defs_are_read_as_shadow_reads_them(etc):
    etc.write(
        login_defs="#UID_MIN 5\nUID_MIN\t\t 500\nUID_MAX 0xffff\nSUB_UID_MIN   0200000\n SUB_UID_COUNT 1000 \n"
        "GID_MAX many\n"
    )
    found = read_login_definitions(etc.root, [])
    assert found == {**DEFAULTS, "UID_MIN": 500, "UID_MAX": 0xFFFF, "SUB_UID_MIN": 65536, "SUB_UID_COUNT": 1000}


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("passwd: files\n", "files"),
        ("subid: files\n", "files"),
        ("subid:\tsss # x\n", "sss"),
        ("#subid: sss\n", "files"),
    ],
)
def test_ranges_that_do_not_come_from_files_are_said(etc, text, source):
    etc.write(nsswitch_conf=text, subuid="alice:100000:10\n")
    assert subid_source(etc.root, []) == source
    etc.observe()
    assert [item.source for item in etc.unseen] == ([] if source == "files" else ["/etc/nsswitch.conf"])


def test_a_file_that_cannot_be_read_is_unseen(etc, tmp_path):
    etc.write()
    (tmp_path / "etc" / "subuid").mkdir()
    assert etc.observe().uid == []
    assert [item.source for item in etc.unseen] == ["/etc/subuid"]


ids = st.integers(0, 2**33)
lines = st.one_of(
    st.text(max_size=30),
    st.builds("{}:{}:{}".format, st.sampled_from(["alice", "1000", "bob", "é"]), ids, st.integers(0, 70000)),
)


@given(st.lists(lines, max_size=12))
def test_whatever_stands_in_the_file_is_read_or_said(found):
    unseen = []
    text = "\n".join(found)
    ranges = parse_ranges(text, "/etc/subuid", unseen)
    meant = [number for number, line in enumerate(text.split("\n"), 1) if line.strip() and not line.startswith("#")]
    assert sorted([item.line for item in ranges] + [int(item.source.rpartition(":")[2]) for item in unseen]) == meant


spans_of_ids = st.tuples(st.integers(100000, 100400), st.integers(0, 200))


@given(st.lists(spans_of_ids, max_size=8))
def test_overlaps_are_those_that_a_comparison_of_all_pairs_finds(found):
    ranges = [SubordinateRange(str(index), *span, "f", index) for index, span in enumerate(found)]
    note_overlaps(ranges, {}, DEFAULTS, "uid")
    for one in ranges:
        ids_of_one = set(range(one.first, one.first + one.count))
        shared = {
            other.line: ids_of_one & set(range(other.first, other.first + other.count))
            for other in ranges
            if other is not one
        }
        expected = {(min(both), max(both), line) for line, both in shared.items() if both}
        assert {(item.first, item.last, item.line) for item in one.overlaps} == expected
