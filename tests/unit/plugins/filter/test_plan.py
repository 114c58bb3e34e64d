# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter plan: it takes what a role has at hand and says clearly what it cannot take."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.netlink.remediation.plugins.filter.plan import plan
from ansible_collections.netlink.remediation.tests.unit.plugins.filter._samples import AGENT, finding


def test_plan_merges_what_was_asked_for_by_variables():
    made = plan([], settings={"net.ipv4.ip_forward": 1}, links=[{"name": "eth1", "state": "up"}])
    assert made["roles"]["netlink_sysctl"]["variables"] == {"netlink_sysctl_settings": {"net.ipv4.ip_forward": "1"}}
    assert made["roles"]["netlink_link"]["variables"] == {"netlink_link_links": [{"name": "eth1", "state": "up"}]}


def test_plan_takes_consent_as_list_or_as_text_of_the_command_line():
    for accept in (["restart", "interpreter"], "restart,interpreter", "restart, interpreter"):
        assert list(plan([finding()], accept, AGENT)["roles"]) == ["netlink_capability"]


def test_plan_knows_a_running_process_by_its_name_in_the_list():
    first = plan([finding()], "interpreter", [{"name": "agent", "pid": 1}])
    assert plan([finding()], "interpreter", [{"name": "agent", "pid": 1}], done=[first])["pending"] == ["agent"]
    assert plan([finding()], "interpreter", AGENT, done=[first])["pending"] == []


def test_plan_says_how_to_name_a_workload_from_then_on():
    wanted = {"role": "netlink_unit", "variables": {"netlink_unit_units": [{"unit": "a.service", "grant": ["x"]}]}}
    first = plan([finding(remedy=wanted)], "restart", [{"name": "agent", "pid": 1}])
    assert first["again"] == [{"name": "agent", "unit": "a.service"}]
    assert plan([], "restart", [{"name": "agent", "pid": 1}], done=[first])["again"] == first["again"]
    assert plan([], workloads=["agent"])["again"] == []


def test_plan_says_which_workloads_disagree():
    wanted = {"role": "netlink_sysctl", "variables": {"netlink_sysctl_settings": {"net.ipv4.ip_forward": "1"}}}
    with pytest.raises(
        AnsibleFilterError, match=r"netlink_remediate_sysctl and agent want .*net/ipv4/ip_forward: 0 or 1"
    ):
        plan([finding(remedy=wanted)], workloads=["agent"], settings={"net/ipv4/ip_forward": False})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"findings": {}}, "findings is {}, expected a list"),
        ({"findings": [{"workload": "x"}]}, "this is no finding: cause: missing in Finding"),
        ({"findings": [], "workloads": [7]}, "workloads holds 7, expected a name"),
        ({"findings": [], "accept": {"a": 1}}, "accept is .*, expected a list"),
        ({"findings": [], "done": ["x"]}, "this is no plan"),
    ],
)
def test_plan_says_what_it_was_given(arguments, message):
    with pytest.raises(AnsibleFilterError, match=message):
        plan(**arguments)
