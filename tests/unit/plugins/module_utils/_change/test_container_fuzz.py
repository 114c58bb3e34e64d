# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written into the definitions of containers can be found and taken out again, and nothing else is touched."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._change._container_compose import (
    content_with,
    said_in,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_lxc import (
    BEGIN,
    END,
    joined,
    lines_for,
    split,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_quadlet import drop_in_text
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import (
    Wish,
    as_entry,
    beyond,
    from_entry,
    from_note,
    in_order,
    kernel_names,
    to_note,
)
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._observe._definitions import MARKER
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import (
    assert_linear,
    json_values,
    texts,
)

NAMES = st.lists(st.sampled_from(["cap_net_admin", "cap_net_raw", "cap_chown"]), max_size=3).map(in_order)
wishes = st.builds(
    lambda added, dropped, *more: Wish(
        added, dropped if dropped == ("all",) else in_order({*dropped} - {*added}), *more
    ),
    NAMES,
    NAMES | st.just(("all",)),
    st.none() | st.sampled_from(["0:0", "root", "1000"]),
    st.none() | st.just("host"),
    st.dictionaries(st.sampled_from(["net.ipv4.ip_forward", "net.core.somaxconn"]), st.sampled_from(["1", "4 5"])),
)
LXC = [
    *("lxc.cap.drop = net_admin", "lxc.cap.keep =", "\n", "\n", "# x", BEGIN, END, f"{BEGIN}\n", f"\n{END}\n", " "),
    *("lxc.net.0.type = veth\n", "lxc.include = /srv/more\n", to_note(Wish(("cap_net_admin",)))),
]
SERVICES = ["web", "db", "cap_add", "user", "image", "services", MARKER, "NET_ADMIN", "x"]
BASE: dict[str, list[str]] = {"lxc.cap.drop": ["sys_time"]}


@given(texts(LXC, 15), wishes)
@example(f"{BEGIN}\nlxc.mine = 1\n", Wish(("cap_net_admin",)))
@example(f"# {BEGIN}\nlxc.mine = 1\n# {END}\n", Wish(("cap_net_admin",)))
def test_lines_for_lxc_are_found_and_taken_out_again(text, wish):
    theirs, _ours = split(text)
    after = joined(theirs, wish, BASE)
    found, ours = split(after)
    if not lines_for(wish, BASE):
        assert after == theirs
        return
    assert found == (theirs if theirs.endswith("\n") or not theirs else theirs + "\n")
    assert from_note(ours) == wish
    assert joined(found, wish, BASE) == after
    assert joined(found, Wish(), BASE) == found


@given(texts(LXC, 15))
def test_what_is_not_between_our_lines_stays(text):
    theirs, ours = split(text)
    place = text.find(ours)
    assert theirs == text[:place] + text[place + len(ours) :]
    assert not ours or (ours.startswith(BEGIN + "\n") and ours.endswith(END + "\n") and ours.count(f"{BEGIN}\n") >= 1)
    assert isinstance(from_note(text), Wish)


@given(wishes)
def test_a_wish_comes_back_from_an_entry_and_a_note(wish):
    assert from_entry(json.loads(json.dumps(as_entry(wish)))) == wish
    assert from_note("x\n" + to_note(wish) + "\n") == wish
    assert beyond(wish, wish) == Wish()


@given(
    texts(["# netlink.remediation: ", "{", "}", '"cap_add": ', "[", "]", '"NET_ADMIN"', "5", ",", '"sysctls": []'], 12)
)
@example("# netlink.remediation: " + "[" * 100_000)
def test_any_note_is_read(text):
    assert isinstance(from_note(text), Wish)


entries = st.dictionaries(st.sampled_from(["image", "x-mine"]), json_values(SERVICES), min_size=1)
services = st.dictionaries(st.sampled_from(["web", "db"]), entries)


@given(services, st.dictionaries(st.sampled_from(["web", "db"]), wishes))
def test_an_override_of_compose_keeps_what_is_not_ours(others, wanted):
    content = {MARKER: "note", "services": others, "volumes": {"a": None}} if others else None
    after = content_with(content, wanted, ["web", "db"])
    for name in ("web", "db"):
        assert said_in(after, name) == wanted.get(name, Wish())
        kept = {
            key: value
            for key, value in (after or {}).get("services", {}).get(name, {}).items()
            if key in ("image", "x-mine")
        }
        assert kept == others.get(name, {})
    assert content_with(after, wanted, ["web", "db"]) == after
    back = content_with(after, dict.fromkeys(wanted, Wish()), ["web", "db"])
    assert (back or {}).get("services", {}) == {name: entry for name, entry in others.items() if entry}


@given(wishes, wishes)
def test_a_drop_in_of_a_quadlet_tells_its_wish(wish, base):
    text = drop_in_text(wish, base)
    if text is None:
        assert wish == Wish()
        return
    assert from_note(text) == wish
    assert all(line == "" or line[0] in "#[" or "=" in line for line in text.split("\n"))


@given(
    st.lists(st.one_of(st.text(max_size=5), st.sampled_from([*CAPABILITIES[:3], "NET_ADMIN", "ALL"]), st.integers()))
)
def test_any_names_are_put_in_order(names):
    found = kernel_names(names)
    assert kernel_names(found) == found and len(set(found)) == len(found)


@pytest.mark.parametrize("piece", [f"{BEGIN}\n", f"{END}\n", "\n", "# netlink.remediation: ", "[", "a"])
def test_time_grows_with_the_length(piece):
    def make(count):
        return piece * (count // len(piece))

    assert_linear(split, make)
    assert_linear(from_note, make)
    assert_linear(lambda text: joined(text, Wish(("cap_net_admin",)), BASE), make)
