# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _remap
from ansible_collections.netlink.remediation.plugins.module_utils._change._remap import plan_remap
from ansible_collections.netlink.remediation.plugins.module_utils._observe._subids import (
    DEFAULTS,
    SubordinateIds,
    note_overlaps,
    parse_ranges,
)

UIDS = {"alice": 1000, "bob": 1001}


class Known:
    """The users that a host knows; stands for the module pwd."""

    class Entry:
        def __init__(self, name):
            self.pw_name, self.pw_uid = name, UIDS[name]

    def getpwnam(self, name):
        return self.Entry(name)

    def getpwuid(self, uid):
        return self.Entry({number: name for name, number in UIDS.items()}[uid])


@pytest.fixture
def remap(monkeypatch):
    """What a change from one value of userns-remap to another means on a host with these ranges."""
    monkeypatch.setattr(_remap, "pwd", Known())

    def remap(before, after, *, subuid="alice:100000:65536\n", subgid=None, **options):
        ids = SubordinateIds(*(parse_ranges(text, "/etc/subid", []) for text in (subuid, subgid or subuid)))
        for ranges in (ids.uid, ids.gid):
            note_overlaps(ranges, {}, DEFAULTS, "uid")
        monkeypatch.setattr(_remap, "observe_subordinate_ids", lambda _unseen: ids)
        old, new = ({} if value is None else {"userns-remap": value} for value in (before, after))
        return plan_remap(old, new, **{"flags": {}, "asked": True, "accept": [], "expected": [], **options})

    return remap


def test_a_remapped_daemon_works_with_the_store_of_its_root(remap):
    found = remap(None, "alice")
    assert (found.moved, found.store, found.hidden) == (True, "/var/lib/docker/100000.100000", False)
    assert "store /var/lib/docker/100000.100000: images, volumes and containers of /var/lib/docker" in found.disrupts[0]
    assert (found.warnings, found.unvalidated) == ([], [])


@pytest.mark.parametrize("value", ["alice", "alice:alice", "1000", "1000:1000", "alice:nogroup"])
def test_the_user_is_given_in_all_ways_that_dockerd_takes(remap, value):
    assert remap(None, value).store == "/var/lib/docker/100000.100000"


def test_lines_by_number_win(remap):
    assert (
        remap(None, "alice", subuid="alice:200000:65536\n1000:300000:65536\n").store == "/var/lib/docker/300000.300000"
    )


def test_the_data_root_may_be_a_flag(remap):
    assert remap(None, "alice", flags={"data-root": "/srv"}).store == "/srv/100000.100000"


def test_what_stays_moves_nothing(remap):
    for value in (None, "alice"):
        found = remap(value, value)
        assert (found.moved, found.disrupts) == (False, [])


@pytest.mark.parametrize("value", [None, ""])
def test_switching_off_needs_its_word(remap, value):
    with pytest.raises(ChangeError, match="accept needs userns_remap_off"):
        remap("alice", value)
    found = remap("alice", value, accept=["userns_remap_off"])
    assert (found.moved, found.store) == (True, "/var/lib/docker")
    assert "root of the host" in found.disrupts[1]


def test_another_user_needs_no_word(remap):
    assert (
        remap("alice", "bob", subuid="alice:100000:65536\nbob:200000:65536\n").store == "/var/lib/docker/200000.200000"
    )


def test_dockerd_is_not_asked_about_a_user_that_it_would_make(remap):
    found = remap(None, "default", subuid="")
    assert (found.hidden, found.store) == (True, None)
    assert "dockerd makes the system user dockremap" in found.disrupts[0]


@pytest.mark.parametrize("value", ["bob", "nobody-here", "99"])
def test_a_user_without_ranges_is_refused_or_expected_to_get_them(remap, value):
    with pytest.raises(ChangeError, match=r"netlink.remediation.subid_ranges does"):
        remap(None, value)
    found = remap(None, value, expected=[value])
    assert found.hidden and len(found.unvalidated) == 2


def test_a_user_with_uids_alone_is_refused(remap):
    with pytest.raises(ChangeError, match="in /etc/subgid, which gives it none"):
        remap(None, "alice", subgid="bob:1:1\n")


@pytest.mark.parametrize("text", ["alice:100000:0\n", "alice:4294967200:100\n", "alice:100000:65536\nalice:120000:5\n"])
def test_ranges_that_the_kernel_refuses_are_refused(remap, text):
    with pytest.raises(ChangeError, match="no container would start"):
        remap(None, "alice", subuid=text)


def test_ranges_that_are_shared_or_small_are_said(remap):
    found = remap(None, "alice", subuid="alice:100000:1000\nbob:100999:5\n")
    assert "ids 100999 to 100999 of user alice are ids of bob too" in found.warnings[0]
    assert any("1000 ids" in text for text in found.warnings)


def test_nothing_is_said_of_ranges_when_the_key_is_not_asked_for(remap):
    assert remap("alice", "alice", subuid="alice:100000:10\n", asked=False).warnings == []


def test_a_flag_leaves_no_place_for_the_key(remap):
    with pytest.raises(ChangeError, match="as a flag"):
        remap(None, "alice", flags={"userns-remap": "alice"})


@pytest.mark.parametrize("value", [["alice"], 1000, False])
def test_a_value_that_is_no_text_is_named_with_what_is_accepted(remap, value):
    with pytest.raises(ChangeError, match=r"userns-remap is .*, expected a text such as 'default', a user"):
        remap(None, value)
