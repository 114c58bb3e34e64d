# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What unit_facts returns: lines and what they make, the keys of its documentation, one sentence for bad input."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.netlink.remediation.plugins.module_utils._observe._units import NETLINK_DIRECTIVES
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive, Unit
from ansible_collections.netlink.remediation.plugins.module_utils._unit_facts import plain_unit, unit_facts
from ansible_collections.netlink.remediation.plugins.modules import unit_facts as module

RETURNED = yaml.safe_load(module.RETURN)["ansible_facts"]["contains"]["netlink_units"]["contains"]


def lines(*pairs, section="Service"):
    return [Directive(section, name, value, "/x", number) for number, (name, value) in enumerate(pairs, 1)]


def of(unit, name):
    return next(item for item in plain_unit(unit)["directives"] if item["name"] == name)


UNIT = Unit(
    "x.service",
    load="loaded",
    directives=[
        *lines(
            ("CapabilityBoundingSet", "CAP_NET_RAW"),
            ("CapabilityBoundingSet", ""),
            ("CapabilityBoundingSet", "CAP_NET_ADMIN"),
            ("NoNewPrivileges", "maybe"),
            ("ExecStart", "/bin/a"),
            ("ExecStart", ""),
            ("ExecStart", "-/bin/b %i"),
            ("SystemCallFilter", "@system-service"),
            ("SystemCallFilter", "~socket"),
        ),
        *lines(("JoinsNamespaceOf", "y.service"), ("User", "nobody"), section="Unit"),
    ],
    properties={"CapabilityBoundingSet": "cap_net_admin", "Result": "success"},
)


def test_each_line_is_told_with_what_became_of_it():
    found = of(UNIT, "CapabilityBoundingSet")
    assert (found["effective"], found["runtime"]) == ("cap_net_admin", "cap_net_admin")
    assert [(line["line"], line["in_force"], line["reset"]) for line in found["lines"]] == [
        (1, False, False),
        (2, True, True),
        (3, True, False),
    ]
    assert [line["value"] for line in plain_unit(UNIT)["commands"]] == ["-/bin/b %i"]


def test_what_is_not_understood_or_in_another_section_is_not_in_force():
    assert [line["in_force"] for line in of(UNIT, "NoNewPrivileges")["lines"]] == [False]
    assert of(UNIT, "NoNewPrivileges")["effective"] is None
    assert of(UNIT, "User")["lines"] == []
    assert of(UNIT, "JoinsNamespaceOf")["effective"] == "y.service"


def test_sets_of_system_calls_stay_as_they_are_written():
    assert of(UNIT, "SystemCallFilter")["effective"] == "@system-service ~socket"


def test_all_directives_are_told_of_what_starts_something():
    assert [item["name"] for item in plain_unit(UNIT)["directives"]] == list(NETLINK_DIRECTIVES)
    socket = Unit("x.socket", directives=lines(("User", "nobody"), section="Socket"))
    assert of(socket, "User")["effective"] == "nobody"
    assert plain_unit(Unit("x.timer"))["directives"] == []


def documented(entry):
    return set(entry["contains"])


def test_what_is_returned_is_what_is_documented():
    found = plain_unit(UNIT)
    unit = RETURNED["units"]
    assert set(unit_facts(["no-unit-of-this-test"], None)) == set(RETURNED)
    assert set(found) == documented(unit)
    assert set(found["commands"][0]) == documented(unit["contains"]["commands"])
    directive = unit["contains"]["directives"]
    assert set(found["directives"][0]) == documented(directive)
    assert set(of(UNIT, "CapabilityBoundingSet")["lines"][0]) == documented(directive["contains"]["lines"])
    text = directive["contains"]["name"]["description"]
    assert all(f"V({name})" in text for name in NETLINK_DIRECTIVES)


def test_a_unit_is_told_once_however_often_it_is_named():
    found = unit_facts(["no-unit-of-this-test", "no-unit-of-this-test.service"], None)
    assert [unit["name"] for unit in found["units"]] == ["no-unit-of-this-test.service"]
    assert found["units"][0]["load"] == "not-found"


@pytest.mark.parametrize("name", ["two words", "vpn@.service", "", "../x", "a\nb"])
def test_a_name_that_can_be_none_is_one_clear_sentence(name):
    with pytest.raises(ValueError) as caught:
        unit_facts(["dbus.service", name], None)
    assert str(caught.value).startswith(f"units: {name!r} is ")
    assert ", expected " in str(caught.value) and "\n" not in str(caught.value)
