# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wishes for containers must be checked, merged and written so that asking twice is asking once."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import (
    Request,
    Wish,
    as_entry,
    beyond,
    engine_names,
    from_entry,
    from_note,
    kernel_names,
    merge,
    parse_request,
    to_note,
    wanted,
)

ADMIN, RAW = "cap_net_admin", "cap_net_raw"


def entry(**given: Any) -> dict[str, Any]:
    return {"container": "web", "state": "present", **given}


def request(state: str = "present", **wish: Any) -> Request:
    return Request(f"{state} {wish}", "web", state, Wish(**wish))


@pytest.mark.parametrize(
    ("given", "wish"),
    [
        ({"cap_add": ["NET_ADMIN"]}, Wish((ADMIN,))),
        ({"cap_add": ["cap_net_raw", "CAP_NET_ADMIN", "net_admin"]}, Wish((ADMIN, RAW))),
        ({"cap_drop": ["ALL", "NET_RAW"]}, Wish((), ("all",))),
        ({"user": "1000:1000"}, Wish(user="1000:1000")),
        ({"userns": "host"}, Wish(userns="host")),
        ({"sysctls": {"net/ipv4/ip_forward": True}}, Wish(sysctls={"net.ipv4.ip_forward": "1"})),
        ({"sysctls": {"net.ipv4.ping_group_range": "0\t100"}}, Wish(sysctls={"net.ipv4.ping_group_range": "0 100"})),
        ({"sysctls": {"kernel.shmmax": 5}}, Wish(sysctls={"kernel.shmmax": "5"})),
        ({"recreate": True}, Wish()),
    ],
)
def test_an_entry_is_understood_in_every_spelling(given: dict[str, Any], wish: Wish) -> None:
    assert parse_request("containers[0]", entry(**given)).wish == wish


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "needs at least one of"),
        ({"state": "exact"}, "state exact needs at least one of"),
        ({"state": "exact", "recreate": True}, "state exact needs at least one of"),
        ({"container": " ", "cap_add": ["NET_ADMIN"]}, "container is empty"),
        ({"cap_add": ["all"]}, "as good as root"),
        ({"cap_add": ["CAP_ALL"]}, "as good as root"),
        ({"cap_add": ["NET_ADMN"]}, "unknown capability 'NET_ADMN'"),
        ({"cap_drop": [""]}, "unknown capability ''"),
        ({"cap_add": ["NET_ADMIN"], "cap_drop": ["cap_net_admin"]}, "stands in cap_add and in cap_drop"),
        ({"user": ""}, "user '' is not possible"),
        ({"user": "-x"}, "user '-x' is not possible"),
        ({"user": "a:b:c"}, "is not possible"),
        ({"user": "$USER"}, "is not possible"),
        ({"user": "root\nUser=x"}, "is not possible"),
        ({"sysctls": {"kernel.pid_max": 1}}, "the whole host's"),
        ({"sysctls": {"vm/swappiness": 1}}, "the whole host's"),
        ({"sysctls": {"net.ipv4.ip_forward": None}}, "has the value None"),
        ({"sysctls": {"net.ipv4.ip_forward": "$X"}}, "has the value '$X'"),
        ({"sysctls": {"net.ipv4.ip_forward": 'a"b'}}, "expected a number"),
        ({"sysctls": {"net.a b": "1"}}, "the whole host's"),
    ],
)
def test_what_is_no_good_gets_one_sentence(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ChangeError) as caught:
        parse_request("containers[0]", entry(**given))
    assert why in str(caught.value)
    assert str(caught.value).startswith("containers[0]")


@pytest.mark.parametrize(
    ("current", "asked", "after"),
    [
        (Wish(), request(cap_add=(ADMIN,)), Wish((ADMIN,))),
        (Wish((RAW,)), request(cap_add=(ADMIN,)), Wish((ADMIN, RAW))),
        (Wish((RAW,)), request(cap_drop=(RAW,)), Wish((), (RAW,))),
        (Wish((), (RAW,)), request(cap_add=(RAW,)), Wish((RAW,))),
        (Wish(user="5"), request(cap_add=(RAW,)), Wish((RAW,), user="5")),
        (Wish(user="5"), request(user="0"), Wish(user="0")),
        (Wish(sysctls={"net.a": "1"}), request(sysctls={"net.b": "2"}), Wish(sysctls={"net.a": "1", "net.b": "2"})),
        (Wish((RAW,), user="5"), request("exact", cap_add=(ADMIN,)), Wish((ADMIN,))),
        (Wish((RAW,), user="5"), request("absent"), Wish()),
        (Wish((ADMIN, RAW), user="5"), request("absent", cap_add=(RAW,)), Wish((ADMIN,), user="5")),
        (Wish((ADMIN,), user="5"), request("absent", user="x"), Wish((ADMIN,))),
        (Wish(sysctls={"net.a": "1"}), request("absent", sysctls={"net.a": "9"}), Wish()),
        (Wish((), ("all",)), request(cap_drop=(RAW,)), Wish((), ("all",))),
    ],
)
def test_states_add_replace_and_remove_and_asking_twice_changes_nothing(
    current: Wish, asked: Request, after: Wish
) -> None:
    assert wanted(current, asked) == after
    assert wanted(after, asked) == after
    assert merge(current, [asked, asked]) == after


def test_entries_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ChangeError, match="contradicts"):
        merge(Wish(), [request(cap_add=(ADMIN,)), request(cap_drop=(ADMIN,))])
    with pytest.raises(ChangeError, match="contradicts"):
        merge(Wish(), [request(user="0"), request(user="1")])
    assert merge(Wish(), [request(cap_add=(ADMIN,)), request(user="1")]) == Wish((ADMIN,), user="1")


def test_what_the_definition_says_already_is_not_repeated() -> None:
    base = Wish((ADMIN,), ("all", "cap_mknod"), "0", None, {"net.a": "1"})
    wish = Wish((ADMIN, RAW), ("cap_chown",), "0", "host", {"net.a": "1", "net.b": "2"})
    assert beyond(wish, base) == Wish((RAW,), (), None, "host", {"net.b": "2"})
    assert beyond(Wish(sysctls={"net.a": "2"}), base) == Wish(sysctls={"net.a": "2"})


def test_a_wish_survives_the_files_that_it_is_written_to() -> None:
    wish = Wish((ADMIN, RAW), ("all",), "0:0", "host", {"net.a": "1 2"})
    assert from_entry(as_entry(wish)) == wish
    assert from_note(f"# other\n{to_note(wish)}\n[Container]\n") == wish
    assert from_note("# other\n") == Wish()
    assert from_note("# netlink.remediation: {broken\n") == Wish()
    assert as_entry(Wish()) == {}


def test_names_are_spelled_as_engines_do_and_unknown_ones_are_kept() -> None:
    assert engine_names((ADMIN, "all")) == ["NET_ADMIN", "ALL"]
    assert kernel_names(["CAP_NET_RAW", "net_admin", "all", "FUTURE"]) == ("all", ADMIN, RAW, "FUTURE")
