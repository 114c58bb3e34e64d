# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""plain(): exact Python types out of tagged and lazy values."""

from __future__ import annotations

import datetime

import pytest
from ansible.template import trust_as_template

from ansible_collections.netlink.remediation.plugins.plugin_utils._plain import plain


@pytest.mark.parametrize("value", [None, True, False, 0, 7, 1.5, "x", [1, ["a"]], {"a": {"b": [None]}}])
def test_plain_values_stay(value):
    assert plain(value) == value
    assert plain(value).__class__ is value.__class__


def test_tagged_text_becomes_exact_text_at_any_depth():
    assert trust_as_template("x").__class__ is not str
    value = plain({trust_as_template("k"): [trust_as_template("v")]})
    assert [type(item) for key in value for item in (key, *value[key])] == [str, str]


def test_tuples_become_lists_and_strangers_become_text():
    assert plain((1, datetime.date(2026, 1, 2))) == [1, "2026-01-02"]
