# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wished for a unit adds up over calls, because the drop-in remembers it; bad input gets one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._dropin_wish import (
    HEADER,
    Wish,
    is_ours,
    merge,
    parse_request,
    recover,
    render,
)
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_NET_ADMIN, capability_mask

NET_ADMIN, NET_RAW = 1 << CAP_NET_ADMIN, capability_mask(["cap_net_raw"])


def entry(unit: str = "a.service", **options: Any) -> dict[str, Any]:
    """An entry of the option `units` as Ansible hands it over."""
    plain = {"grant": [], "lift": [], "settings": {}, "restart": False, "state": "present"}
    return {"unit": unit, **plain, **options}


def after(before: Wish, *entries: dict[str, Any]) -> Wish:
    """What is wished after these entries."""
    return merge(before, [parse_request(index, one) for index, one in enumerate(entries)])


FULL = Wish(
    NET_ADMIN | NET_RAW,
    frozenset(["private_users", "no_new_privileges"]),
    {"Unit": {"After": ["a.target b.target"]}, "Service": {"Nice": ["5"], "ReadWritePaths": ["", "/srv", "-/x=y"]}},
)


def test_a_drop_in_remembers_what_it_was_written_for():
    text = render(FULL, [("AmbientCapabilities", "CAP_NET_ADMIN CAP_NET_RAW"), ("PrivateUsers", "no")])
    assert text is not None and is_ours(text)
    assert recover(text) == FULL
    assert text.splitlines() == [
        HEADER,
        "# grant: cap_net_admin cap_net_raw",
        "# lift: private_users no_new_privileges",
        "[Service]",
        "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW",
        "PrivateUsers=no",
        "# settings",
        "[Unit]",
        "After=a.target b.target",
        "[Service]",
        "Nice=5",
        "ReadWritePaths=",
        "ReadWritePaths=/srv",
        "ReadWritePaths=-/x=y",
    ]


def test_what_needs_no_line_needs_no_drop_in():
    assert render(Wish(NET_ADMIN, frozenset(["private_users"])), []) is None
    assert render(Wish(settings={"Service": {"Nice": ["5"]}}), []) is not None
    assert recover("") == Wish()


@pytest.mark.parametrize("text", ["[Service]\nNice=1\n", "# other\n", ""])
def test_a_file_of_somebody_else_is_not_ours(text):
    assert not is_ours(text)


def test_present_adds_and_a_setting_named_again_has_the_new_values():
    wish = after(Wish(), entry(grant=["cap_net_admin"], settings={"Service": {"Nice": 5, "Environment": ["A=1"]}}))
    wish = after(wish, entry(lift=["private_users"], grant=["CAP_NET_RAW"], settings={"Service": {"Nice": 7}}))
    assert wish == Wish(
        NET_ADMIN | NET_RAW, frozenset(["private_users"]), {"Service": {"Nice": ["7"], "Environment": ["A=1"]}}
    )


def test_exact_replaces():
    assert after(FULL, entry(grant=["cap_net_raw"], state="exact")) == Wish(NET_RAW)


def test_absent_takes_back_what_is_named_or_everything():
    assert after(FULL, entry(state="absent")) == Wish()
    settings = {"Service": {"Nice": "whatever", "Foo": 1}, "Unit": {"After": ""}}
    left = after(FULL, entry(grant=["net_raw"], lift=["private_users"], settings=settings, state="absent"))
    rest = {"Service": {"ReadWritePaths": ["", "/srv", "-/x=y"]}}
    assert left == Wish(NET_ADMIN, frozenset(["no_new_privileges"]), rest)


def test_entries_for_one_unit_add_up_and_must_not_contradict_each_other():
    assert after(Wish(), entry(grant=["cap_net_raw"]), entry(grant=["cap_net_admin"])).grant == NET_ADMIN | NET_RAW
    with pytest.raises(ChangeError, match=r"units\[0\] \(a\) contradicts units\[1\] \(a.service\)"):
        after(Wish(), entry("a", grant=["cap_net_raw"]), entry(grant=["cap_net_raw"], state="absent"))


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("vpn", "vpn.service"),
        ("vpn.service", "vpn.service"),
        ("dhcp@eth0.100", "dhcp@eth0.100.service"),
        ("a\\x2db@c.service", "a\\x2db@c.service"),
    ],
)
def test_a_service_is_named_with_or_without_its_suffix(name, unit):
    assert parse_request(0, entry(name, grant=["cap_net_admin"])).unit == unit


def test_values_are_written_as_systemd_reads_them():
    settings = {"Service": {"A": True, "B": False, "C": 3, "D": 1.5, "E": " x  y ", "F": ["", 1, True]}}
    assert parse_request(0, entry(settings=settings)).wish.settings == {
        "Service": {"A": ["yes"], "B": ["no"], "C": ["3"], "D": ["1.5"], "E": ["x  y"], "F": ["", "1", "yes"]}
    }


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"unit": ""}, "units[0]: unit is '', expected the name of a service such as vpn.service"),
        ({"unit": "../x.service"}, "units[0]: unit is '../x.service', expected the name of a service"),
        ({"unit": "a b"}, "units[0]: unit is 'a b', expected the name of a service"),
        ({"unit": "x.socket"}, "units[0]: unit is 'x.socket', expected a service, for example x.service"),
        ({"unit": "x@.service"}, "which is a template: expected an instance such as x@eth0.service"),
        ({}, "units[0] (a.service): state present needs grant, lift or settings"),
        ({"state": "exact", "restart": True}, "units[0] (a.service): state exact needs grant, lift or settings"),
        ({"grant": ["cap_net_admn"]}, "units[0] (a.service): grant: "),
        (
            {"settings": {"Install": {"WantedBy": "x"}}},
            "has the section 'Install', expected Unit or Service ([Install]",
        ),
        ({"settings": {"Ser]vice": {"A": 1}}}, "settings has the section 'Ser]vice'"),
        ({"settings": {"Service": ["A=1"]}}, "settings[Service] is ['A=1'], expected a dictionary"),
        ({"settings": {"Service": {"A=B": 1}}}, "settings[Service] has the key 'A=B'"),
        ({"settings": {"Service": {"A": []}}}, "settings[Service][A] is an empty list"),
        ({"settings": {"Service": {"A": {"x": 1}}}}, "settings[Service][A] is {'x': 1}, expected a text"),
        ({"settings": {"Service": {"A": None}}}, "settings[Service][A] is None, expected a text"),
        ({"settings": {"Service": {"A": "x\nExecStart=/evil"}}}, "expected one line of printable text"),
        ({"settings": {"Service": {"A": "x\\"}}}, "without a backslash at its end"),
        ({"settings": {"Service": {"CapabilityBoundingSet": "~CAP_NET_ADMN"}}}, "names 'CAP_NET_ADMN', which is no"),
    ],
)
def test_bad_input_gets_one_sentence(wrong, why):
    with pytest.raises(ChangeError) as caught:
        parse_request(0, entry(**wrong))
    assert why in str(caught.value)
