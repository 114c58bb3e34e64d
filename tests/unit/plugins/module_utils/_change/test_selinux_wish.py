# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wished of an SELinux policy adds up over calls, because our module holds it; bad input gets one sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_wish import (
    HEADER,
    Rules,
    added,
    checked_type,
    merge,
    needs_strictness,
    parse_request,
    recover,
    render,
    render_permissive,
    security,
)

RULES: Rules = {
    ("vpn_t", "self", "netlink_route_socket"): frozenset(["create", "bind"]),
    ("vpn_t", "self", "capability"): frozenset(["net_admin"]),
    ("box.process", "tun_tap_t", "tun_socket"): frozenset(["relabelfrom"]),
}
TEXT = f"""{HEADER}
(allow box.process tun_tap_t (tun_socket (relabelfrom)))
(allow vpn_t self (capability (net_admin)))
(allow vpn_t self (netlink_route_socket (bind create)))
"""


def entry(**options: Any) -> dict[str, Any]:
    """An entry of the option `allow` as Ansible hands it over."""
    plain = {"domain": "vpn_t", "class": "capability", "permissions": ["net_admin"], "target": "self"}
    return {**plain, "state": "present", **options}


def after(before: Rules, *entries: dict[str, Any], classes: tuple[str, ...] = ()) -> Rules:
    """What is wished after these entries."""
    return merge(before, [parse_request(index, one, classes) for index, one in enumerate(entries)])


def test_the_text_is_sorted_and_says_which_rules_it_holds():
    assert render(RULES) == TEXT
    assert recover(TEXT) == RULES
    assert render({}) is None
    assert recover(None) == {}


NAMES = some.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)


@given(some.dictionaries(some.tuples(NAMES, NAMES, NAMES), some.frozensets(NAMES, min_size=1), min_size=1))
def test_any_rules_are_read_as_they_were_written(rules: Rules):
    assert recover(render(rules)) == rules


@given(some.text())
def test_whatever_else_stands_there_is_refused_and_not_lost(text: str):
    with pytest.raises(ChangeError, match="remove"):
        recover(f"{HEADER}\n({text}\n")


def test_a_module_of_somebody_else_is_not_touched():
    with pytest.raises(ChangeError, match="was not written by this module"):
        recover("(allow vpn_t self (capability (net_admin)))\n")
    with pytest.raises(ChangeError, match=r"line 5 .* was changed by somebody else \('\(typepermissive vpn_t\)'\)"):
        recover(TEXT + "(typepermissive vpn_t)\n")


def test_permissions_are_added_replaced_and_taken_back():
    key = ("vpn_t", "self", "capability")
    more = after(RULES, entry(permissions=["net_raw"]))
    assert more == {**RULES, key: frozenset(["net_admin", "net_raw"])}
    assert after(more, entry(permissions=["net_raw"])) == more
    assert after(more, entry(permissions=["net_raw"], state="exact"))[key] == frozenset(["net_raw"])
    assert after(more, entry(permissions=["net_raw"], state="absent")) == RULES
    assert key not in after(more, entry(permissions=[], state="absent"))
    left = after(more, entry(permissions=[], state="absent", **{"class": None}))
    assert {domain for domain, *_rest in left} == {"box.process"}
    assert after({}, entry(state="absent")) == {}


def test_the_domain_itself_is_self():
    assert after({}, entry(target="vpn_t")) == after({}, entry())


def test_entries_that_take_each_other_back_are_refused():
    with pytest.raises(ChangeError, match=r"allow\[0\], allow\[1\] contradict each other about vpn_t"):
        after({}, entry(), entry(state="absent"))
    with pytest.raises(ChangeError, match="contradict"):
        after({}, entry(state="exact"), entry(permissions=["net_raw"], state="exact"))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (
            {"domain": "vpn_t)) (typepermissive init_t"},
            "allow[0]: domain is 'vpn_t)) (typepermissive init_t', expected",
        ),
        ({"domain": ""}, "expected the name of an SELinux type"),
        ({"target": "a b"}, "allow[0]: target is 'a b'"),
        ({"class": "capability)"}, "'capability)' is no name of a class or permission"),
        ({"permissions": ["net_admin net_raw"]}, "'net_admin net_raw' is no name of a class or permission"),
        ({"permissions": []}, "state present needs class and permissions"),
        ({"class": None}, "state present needs class and permissions"),
        ({"class": None, "state": "absent"}, "permissions without class"),
        ({"domain": "container_t"}, "domain is container_t, in which many programs run"),
        ({"domain": "unconfined_service_t"}, "in which many programs run"),
        ({"permissions": ["net_admin", "sys_module"]}, "capability sys_module is not what netlink needs"),
        ({"class": "process", "permissions": ["ptrace"]}, "add process to classes to allow it"),
        ({"class": "netlink_socket_x", "permissions": ["create"]}, "is not what netlink needs"),
    ],
)
def test_bad_input_gets_one_sentence(wrong: dict[str, Any], why: str):
    with pytest.raises(ChangeError) as caught:
        after({}, entry(**wrong))
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_classes_are_named_by_the_user_and_asked_about_strictly():
    rules = after({}, entry(permissions=["sys_module"]), classes=("capability",))
    assert needs_strictness(rules)
    assert not needs_strictness(RULES)
    # A domain of many programs is refused all the same.
    with pytest.raises(ChangeError, match="many programs"):
        after({}, entry(domain="init_t", permissions=["sys_module"]), classes=("capability",))


def test_what_is_new_is_said():
    more = after(RULES, entry(permissions=["net_raw", "net_admin"]), entry(domain="x_t", target="y_t"))
    assert security(added(RULES, more)) == [
        "each process of vpn_t may net_raw (capability, its own)",
        "each process of x_t may net_admin (capability, of y_t)",
    ]
    assert added(more, RULES) == {}


def test_a_permissive_domain_stands_in_a_module_of_its_own():
    assert render_permissive(["b_t", "a.process"]) == "(typepermissive a.process)\n(typepermissive b_t)\n"
    assert checked_type("permissive", "a.process") == "a.process"
