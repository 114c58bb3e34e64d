# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _activate_profile
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_profile import (
    mode_options,
    try_policy,
)
from ansible_collections.netlink.remediation.plugins.module_utils._commands import NO_PROGRAM
from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import Library

TEXT = "profile a { }\nprofile b flags=(complain) { ^h { } }\nprofile c flags=(unconfined) { }\n"


def definitions(tmp_path, text=TEXT):
    (tmp_path / "x").write_text(text)
    return Library([], str(tmp_path)).definitions(f"{tmp_path}/x")


@pytest.mark.parametrize(
    "loaded",
    [
        {},
        {"a": "enforce", "b": "complain", "c": "unconfined"},
        {"a": "enforce"},
        {"a": "mixed"},
    ],
)
def test_modes_that_are_those_of_the_text_need_nothing(tmp_path, loaded):
    assert mode_options(definitions(tmp_path), loaded) == []


def test_profiles_that_all_complain_keep_complaining(tmp_path):
    assert mode_options(definitions(tmp_path), {"a": "complain", "b": "complain"}) == ["--Complain"]


@pytest.mark.parametrize("loaded", [{"b": "enforce"}, {"a": "complain", "c": "unconfined"}, {"c": "enforce"}])
def test_a_mode_that_would_be_another_one_is_said(tmp_path, loaded):
    with pytest.raises(ChangeError, match="loading it would alter that"):
        mode_options(definitions(tmp_path), loaded)


def test_a_link_that_forces_complain_counts_as_the_text(tmp_path):
    (tmp_path / "force-complain").mkdir()
    (tmp_path / "force-complain/x").symlink_to("../x")
    assert mode_options(definitions(tmp_path, "profile a { }"), {"a": "complain"}) == []
    with pytest.raises(ChangeError, match="in mode enforce, and its text says complain"):
        mode_options(definitions(tmp_path, "profile a { }"), {"a": "enforce"})


def test_the_parser_reads_a_copy_with_all_changes(tmp_path, monkeypatch):
    policy, place = tmp_path / "policy", tmp_path / "place"
    place.mkdir()
    for name in ("x", "local/x", "local/y", "disable/x", "abi/4.0", "gone"):
        (policy / name).parent.mkdir(parents=True, exist_ok=True)
        (policy / name).write_text(f"old {name}")
    monkeypatch.setattr(_activate_profile, "DIRECTORY", str(policy))
    seen = {}

    def run(words, **_options):
        seen.update({str(path.relative_to(place)): path.read_text() for path in place.rglob("*") if path.is_file()})
        seen["words"] = words
        return NO_PROGRAM, "", ""

    monkeypatch.setattr(_activate_profile, "run", run)
    changes = {f"{policy}/local/x": "new\r\n", f"{policy}/made/new": "new", f"{policy}/gone": None}
    with pytest.raises(ChangeError, match="there is no apparmor_parser"):
        try_policy(f"{policy}/x", changes, str(place))
    assert seen.pop("words")[-3:] == [str(place), "--", f"{place}/x"]
    assert seen == {"x": "old x", "local/x": "new\n", "local/y": "old local/y", "made/new": "new"}
    assert (place / "local/x").read_bytes() == b"new\r\n"
    assert (place / "abi/4.0").read_text() == "old abi/4.0"
    assert not (place / "disable").exists()
