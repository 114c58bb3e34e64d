# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter select: JMESPath over what a template hands over."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible.template import trust_as_template

from ansible_collections.netlink.remediation.plugins.filter import select as plugin

FINDINGS = [{"workload": "a", "cause": "sysctl", "also": []}, {"workload": "b", "cause": "link_state", "also": ["x"]}]


def tagged(value):
    """The value as a template hands it to a filter: every text tagged."""
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {tagged(key): tagged(item) for key, item in value.items()}
    return [tagged(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("data", [FINDINGS, tagged(FINDINGS), tuple(FINDINGS)], ids=["plain", "tagged", "tuple"])
@pytest.mark.parametrize(
    ("expression", "selected"),
    [
        ("[?cause=='sysctl'].workload", ["a"]),
        ("[?contains(also, 'x')].workload", ["b"]),
        ("[?starts_with(cause, 'link')].workload | [0]", "b"),
        ("[?cause=='none']", []),
        ("length(@)", 2),
        ("nothing", None),
    ],
)
def test_selects(data, expression, selected):
    assert plugin.select(data, expression) == selected


@pytest.mark.parametrize("expression", ["[?cause=='sysctl'", "", "length(`1`)", "nosuch(@)"])
def test_a_bad_expression_is_one_clear_line(expression):
    with pytest.raises(AnsibleFilterError, match=r"the JMESPath expression .* is not valid: ") as raised:
        plugin.select(FINDINGS, expression)
    assert "\n" not in raised.value.message


def test_an_expression_that_is_no_text_is_said():
    with pytest.raises(AnsibleFilterError, match="expected a JMESPath text"):
        plugin.select(FINDINGS, ["x"])


def test_a_missing_library_is_said(monkeypatch):
    monkeypatch.setattr(plugin, "jmespath", None)
    with pytest.raises(AnsibleFilterError, match="jmespath is missing on the controller"):
        plugin.select(FINDINGS, "@")
