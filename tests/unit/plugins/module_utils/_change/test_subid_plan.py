# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _subid_plan
from ansible_collections.netlink.remediation.plugins.module_utils._change._subid_plan import plan_subids

PASSWD = "root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\nold:x:400000:400000::/:/bin/sh\n"


class Text:
    """Stands for a change of a file: what it would hold."""

    def __init__(self, target, after, disrupts):
        self.target, self.after, self.disrupts = target, after, disrupts

    @classmethod
    def of(cls, path, content, *, disrupts=()):
        return cls(path, content, list(disrupts))


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """The texts of the files that a plan wants, by name; None for a file that stays."""
    monkeypatch.setattr(_subid_plan, "FileChange", Text)

    def plan(*entries, subuid="", subgid="", **files):
        (tmp_path / "etc").mkdir(exist_ok=True)
        for name, text in {"passwd": PASSWD, "subuid": subuid, "subgid": subgid, **files}.items():
            (tmp_path / "etc" / name.replace("_", ".")).write_text(text)
        whole = [
            {"count": 65536, "start": None, "kinds": ["uid", "gid"], "state": "present", **item} for item in entries
        ]
        made = plan_subids(whole, root=str(tmp_path))
        texts = {change.target: change.after for change in made.changes}
        return texts.get("/etc/subuid"), texts.get("/etc/subgid")

    return plan


def test_the_first_user_gets_what_useradd_would_give(plan):
    assert plan({"user": "alice"}) == ("alice:100000:65536\n",) * 2


def test_the_next_user_gets_the_ids_behind_in_both_files(plan):
    found = plan({"user": "bob"}, subuid="alice:100000:65536\n", subgid="carol:100000:100000\n")
    assert found == ("alice:100000:65536\nbob:200000:65536\n", "carol:100000:100000\nbob:200000:65536\n")


def test_files_that_cannot_agree_have_each_its_own_start(plan):
    full, high = "full:100000:599900000\n", "x:600000000:100001\n"
    found = plan({"user": "bob", "count": 10}, subuid=full, subgid=high)
    assert found == (full + "bob:600000000:10\n", high + "bob:100000:10\n")


def test_a_file_that_lacks_the_range_gets_the_one_of_the_other(plan):
    assert plan({"user": "bob"}, subuid="bob:300000:65536\n") == (None, "bob:300000:65536\n")


def test_a_user_with_enough_keeps_what_is_there(plan):
    text = "alice:100000:1000\n# x\nalice:300000:64536\n"
    assert plan({"user": "alice"}, subuid=text, subgid="alice:5000000:65536") == (None, None)


def test_a_user_with_too_few_gets_a_further_range_behind_the_first(plan):
    found, _gid = plan({"user": "alice", "kinds": ["uid"]}, subuid="alice:100000:1000\nbob:101000:10\n")
    assert found == "alice:100000:1000\nbob:101000:10\nalice:101010:64536\n"


def test_lines_by_number_count_and_are_continued_since_dockerd_prefers_them(plan):
    found, _gid = plan({"user": "alice", "kinds": ["uid"]}, subuid="alice:200000:65536\n1000:100000:536\n")
    assert found == "alice:200000:65536\n1000:100000:536\n1000:100536:65000\n"


def test_ids_of_real_users_are_left_out(plan):
    found, _gid = plan({"user": "bob", "kinds": ["uid"]}, subuid="x:100000:250000\n")
    assert found == "x:100000:250000\nbob:400001:65536\n"


def test_a_start_is_taken_as_it_is_and_only_what_is_missing_is_added(plan):
    text = "alice:100000:1000\nalice:102000:10\n"
    found, _gid = plan({"user": "alice", "start": 100000, "count": 3000, "kinds": ["uid"]}, subuid=text)
    assert found == text + "alice:101000:1000\nalice:102010:990\n"
    again = plan({"user": "alice", "start": 100500, "count": 2500, "kinds": ["uid"]}, subuid=found)
    assert again == (None, None)


def test_the_limits_of_the_host_are_kept(plan):
    limits = "SUB_UID_MIN 200000\nSUB_UID_MAX 265535\nUID_MAX 500\n"
    assert plan({"user": "bob", "kinds": ["uid"]}, login_defs=limits)[0] == "bob:200000:65536\n"
    with pytest.raises(ChangeError, match="has no 65537 ids in a row free for user bob between 200000 and 265535"):
        plan({"user": "bob", "count": 65537, "kinds": ["uid"]}, login_defs=limits)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, "# kept\nbob:200000:1\n"),
        ({"start": 100000}, "# kept\nbob:200000:1\n1000:300000:5\n"),
        ({"start": 5}, None),
    ],
)
def test_what_is_taken_away_leaves_the_other_lines(plan, entry, expected):
    text = "# kept\nalice:100000:10\nbob:200000:1\n1000:300000:5\n"
    if entry.get("start") == 5:
        with pytest.raises(ChangeError, match="start 5 of user alice is not possible"):
            plan({"user": "alice", "state": "absent", **entry}, subuid=text)
    else:
        assert plan({"user": "alice", "state": "absent", **entry}, subuid=text)[0] == expected


def test_taking_away_and_giving_in_one_call(plan):
    entries = [{"user": "alice", "state": "absent"}, {"user": "bob", "kinds": ["uid"]}]
    assert plan(*entries, subuid="alice:100000:65536\n")[0] == "bob:100000:65536\n"


@pytest.mark.parametrize(
    ("entry", "subuid", "sentence"),
    [
        ({"user": ""}, "", "expected a name or a uid"),
        ({"user": "a b"}, "", "expected a name or a uid"),
        ({"user": "#a"}, "", "expected a name or a uid"),
        ({"user": "a\nb"}, "", "expected a name or a uid"),
        ({"user": "a", "count": 0}, "", "expected a number from 1"),
        ({"user": "a", "kinds": []}, "", "expected uid, gid or both"),
        ({"user": "a", "start": 65535}, "", "expected a number from 65536"),
        ({"user": "a", "start": 4294967290}, "", "go beyond 4294967294"),
        ({"user": "a", "start": 399999}, "", "400000 to 400000 are of user old"),
        ({"user": "a", "start": 100000}, "b:120000:5\n", "120000 to 120004 are of user b (/etc/subuid:1)"),
        ({"user": "a"}, "a:100000:65536\nb:100010:1\n", "shares ids with /etc/subuid:2 (b:100010:1)"),
        ({"user": "a"}, "a:100000:65536\na:100010:1\n", "shares ids with /etc/subuid:2 (a:100010:1)"),
        ({"user": "a"}, "a:399999:65536\n", "holds the uid of user old"),
        ({"user": "a"}, "a:100000:0\n", "no range that the kernel takes"),
        ({"user": "a"}, "b:x:1\n", "/etc/subuid:1 is not of the form owner:first:count"),
    ],
)
def test_what_cannot_be_is_one_sentence(plan, entry, subuid, sentence):
    with pytest.raises(ChangeError) as caught:
        plan(entry, subuid=subuid)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_one_user_is_named_once(plan):
    with pytest.raises(ChangeError, match="user a is named twice with start 100000"):
        plan({"user": "a", "start": 100000}, {"user": "a", "start": 100000, "kinds": ["gid"]})


@given(
    st.lists(st.tuples(st.sampled_from("bcd"), st.integers(65536, 400000), st.integers(1, 99999)), max_size=6),
    st.integers(1, 200000),
)
def test_no_range_that_is_given_meets_another(tmp_path_factory, found, count):
    root = tmp_path_factory.mktemp("root")
    (root / "etc").mkdir()
    (root / "etc/subuid").write_text("".join(f"{name}:{first}:{size}\n" for name, first, size in found))
    entry = {"user": "a", "count": count, "start": None, "kinds": ["uid"], "state": "present"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_subid_plan, "FileChange", Text)
        (change,) = plan_subids([entry], root=str(root)).changes
    owner, first, size = change.after.splitlines()[-1].split(":")
    assert (owner, int(size)) == ("a", count) and int(first) >= 100000
    for _name, other, length in found:
        assert int(first) + count <= other or other + length <= int(first)
