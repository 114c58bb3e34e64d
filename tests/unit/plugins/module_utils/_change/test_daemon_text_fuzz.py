# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The editor of daemon.json changes the keys that it is to change, and no other byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._daemon_text import merge_settings
from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import (
    parse_flags,
    parse_settings,
)
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import (
    assert_linear,
    json_values,
    texts,
)

KEYS = ["userns-remap", "data-root", "debug", "dns", 'a"b', "é", "{", ""]
values = json_values(KEYS)
objects = st.dictionaries(st.sampled_from(KEYS), values, max_size=5)
styles = st.sampled_from([{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {"ensure_ascii": False}])
blanks = st.text(" \t\r\n", max_size=4)
wishes = st.dictionaries(st.sampled_from(["userns-remap", "debug", "new"]), st.none() | values, min_size=1, max_size=2)


@given(objects, styles, blanks, blanks, wishes)
def test_the_keys_are_set_and_the_others_keep_their_bytes(content, style, before, behind, wanted):
    text = before + json.dumps(content, **style) + behind
    after = merge_settings(text, wanted, "f")
    expected = {key: value for key, value in {**content, **wanted}.items() if value is not None or key not in wanted}
    assert json.dumps(parse_settings(after or ""), sort_keys=True) == json.dumps(expected, sort_keys=True)
    for key, value in content.items():
        if key not in wanted:
            member = json.dumps({key: value}, **style)[1:-1].strip()
            assert member in after
    assert after.startswith(before) and after.endswith(behind)
    assert merge_settings(after, wanted, "f") == after


@given(objects, styles, blanks)
def test_what_was_added_can_be_taken_out_again(content, style, behind):
    text = json.dumps(content, **style) + behind
    added = {"new-1": True, "new-2": [1, {"a": 2}]}
    after = merge_settings(merge_settings(text, added, "f"), dict.fromkeys(added), "f")
    if content:
        assert after == text
    assert parse_settings(after or "") == content


@given(
    texts(['{"userns-remap": "default"', "{", "}", '"a": 1', ",", "[", "]", "NaN", "1e9", "\ufeff", '"debug": null']),
    wishes,
)
@example('{"a": ' + "[" * 900 + "]" * 900 + "}", {"debug": True})
@example('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", {"debug": True})
@example('{"a": ' + "9" * 5000 + "}", {"debug": True})
@example('{"debug": 1, "debug": 2}', {"debug": True})
@example("[]", {"debug": True})
def test_any_text_is_changed_or_refused_in_one_sentence(text, wanted):
    try:
        after = merge_settings(text, wanted, "f")
    except ChangeError as refused:
        assert str(refused).startswith("f ")
        return
    assert merge_settings(after, wanted, "f") == after


@given(st.lists(texts(["--userns-remap", "-H", "=", "fd://", "-", "--", "--debug"], 3), max_size=6))
def test_any_command_line_is_read(arguments):
    assert all(isinstance(value, str) for value in parse_flags(arguments).values())


@pytest.mark.parametrize("piece", ['"k{}": 1', '"k{}": [1, 2]', '"k{}": {{"a": ""}}'])
def test_time_grows_with_the_length(piece):
    def make(count):
        return "{" + ", ".join(piece.format(number) for number in range(count // 8)) + "}"

    assert_linear(lambda text: merge_settings(text, {"debug": True, "k1": None}, "f"), make)
