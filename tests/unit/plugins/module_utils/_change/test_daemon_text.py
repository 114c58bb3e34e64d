# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._daemon_text import merge_settings

PATH = "/etc/docker/daemon.json"


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        (None, {"a": 1}, '{\n  "a": 1\n}\n'),
        (None, {"a": None}, None),
        ("", {"a": None}, ""),
        (" \n", {"a": True}, '{\n  "a": true\n}\n'),
        ("{}", {"a": 1, "b": "x"}, '{\n  "a": 1,\n  "b": "x"\n}'),
        ('{"z": 1,"a":  [1, 2]}', {"b": 1}, '{"z": 1,"a":  [1, 2], "b": 1}'),
        ('{"z": 1,"a":  [1, 2]}', {"z": 2}, '{"z": 2,"a":  [1, 2]}'),
        ('{"z": 1,"a":  [1, 2]}', {"z": None}, '{"a":  [1, 2]}'),
        ('{"z": 1,"a":  [1, 2]}', {"a": None}, '{"z": 1}'),
        ('{ "a": 1 }\n', {"a": None}, "{}\n"),
        ('{\n\t"a": 1.50,\n\t"b": 2\n}\n', {"c": ["x"]}, '{\n\t"a": 1.50,\n\t"b": 2,\n\t"c": [\n\t\t"x"\n\t]\n}\n'),
        ('{\n  "a": 1,\n  "b": 2,\n  "c": 3\n}\n', {"a": None, "c": None}, '{\n  "b": 2\n}\n'),
        ('{\n  "a": 1\n}\n', {"a": {"k": 1}}, '{\n  "a": {\n    "k": 1\n  }\n}\n'),
        ('\ufeff{"a": 1}', {"b": 2}, '\ufeff{"a": 1, "b": 2}'),
        ('{"a}\\"": "}", "b": {"a": 1}}', {"a": 1}, '{"a}\\"": "}", "b": {"a": 1}, "a": 1}'),
    ],
)
def test_only_what_is_wanted_changes(text, wanted, expected):
    assert merge_settings(text, wanted, PATH) == expected


@pytest.mark.parametrize(
    "wanted", [{"a": 1}, {"missing": None}, {"b": {"x": [True, None]}}, {"b": {"x": [True, None]}, "a": 1}]
)
def test_a_file_that_is_as_wanted_keeps_every_byte(wanted):
    text = '{"a":1 ,\r\n "b": {"x" : [ true, null ]} }'
    assert merge_settings(text, wanted, PATH) == text


def test_true_and_1_are_not_the_same_to_dockerd():
    assert merge_settings('{"debug": 1}', {"debug": True}, PATH) == '{"debug": true}'


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1,}', "// comment\n{}", '"text"'])
def test_a_file_that_dockerd_does_not_understand_is_not_changed(text):
    with pytest.raises(ChangeError, match=f"{PATH} is not understood .*: mend it first"):
        merge_settings(text, {"a": 1}, PATH)


def test_a_key_that_is_there_twice_is_not_guessed_at():
    with pytest.raises(ChangeError, match="has the key a twice"):
        merge_settings('{"a": 1, "b": 2, "a": 3}', {"b": 3}, PATH)


keys = st.text('ab-é"\\}{,: \n', max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text('a}"\\,\n', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
layouts = st.sampled_from([{}, {"indent": 4}, {"indent": "\t"}, {"separators": (",", ":")}, {"ensure_ascii": False}])


@given(st.dictionaries(keys, values, max_size=5), layouts, st.dictionaries(keys, values, max_size=4))
def test_what_comes_out_says_what_was_asked_in_the_order_that_was_there(found, layout, wanted):
    text = json.dumps(found, **layout)
    result = json.loads(merge_settings(text, wanted, PATH))
    expected = {
        key: value for key, value in {**found, **wanted}.items() if key not in wanted or wanted[key] is not None
    }
    assert list(result.items()) == list(expected.items())
    again = json.dumps(result)
    assert json.dumps(json.loads(merge_settings(again, wanted, PATH))) == again
