# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for a person: what they show can be copied into a play."""

from __future__ import annotations

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader

from ansible_collections.netlink.remediation.plugins.plugin_utils._report import clean, describe_variables, flow


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "4242",
        "yes",
        "",
        "a: b",
        "it's",
        "#x",
        "[x]",
        "a, b",
        "10.0.0.1/24",
        "2001:db8::1/64",
        "net.ipv4.ip_forward",
        "cap_net_admin+ep",
        7,
        True,
        ["a", {"name": "eth0.100", "up": False}],
        {"path": "/opt/x y", "state": "present"},
    ],
)
def test_a_value_reads_back_as_it_was(value):
    assert yaml.safe_load(flow(value)) == value


@pytest.mark.parametrize("value", ["/tmp/{{ lookup('pipe', 'id') }}", "{%x", "a{#b"])
def test_a_name_that_is_a_template_stays_text_when_it_is_copied(value):
    shown = flow([{"name": value}])
    assert shown == "[{name: !unsafe '" + value.replace("'", "''") + "'}]"
    assert DataLoader().load(shown) == [{"name": value}]


def test_empty_values_of_a_dict_are_left_out():
    assert flow([{"name": "eth0", "netns": None, "routes": [], "mtu": 0}]) == "[{name: eth0, mtu: 0}]"


def test_a_setting_that_is_removed_is_shown():
    variables = {
        "netlink_userns_daemon": {"userns-remap": None},
        "netlink_userns_ranges": [{"user": "a", "start": None}],
    }
    assert describe_variables(variables) == (
        "netlink_userns_daemon: {userns-remap: null}, netlink_userns_ranges: [{user: a}]"
    )


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\nb", "\u202eb", "a\x9bb", "\ud800"])
def test_a_line_is_printable(text):
    assert clean(text).isprintable()
