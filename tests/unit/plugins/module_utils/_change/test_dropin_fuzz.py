# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins of ours: what they were written for can be read out of them, and whatever the unit holds, they do it or one
sentence says why not.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._dropin_lines import (
    Files,
    as_directives,
    bypasses,
    demand_effect,
    demand_shown,
    lines_for,
    security,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._dropin_wish import (
    LIFTS,
    Wish,
    is_ours,
    parse_request,
    recover,
    render,
)
from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import DROP_IN
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import (
    assert_linear,
    json_values,
    texts,
)

NAMES = [
    *("CapabilityBoundingSet", "AmbientCapabilities", "RestrictAddressFamilies", "RestrictNamespaces", "User"),
    *("SystemCallFilter", "PrivateUsers", "PrivateNetwork", "ProtectKernelTunables", "NoNewPrivileges", "DynamicUser"),
    *("ExecStart", "Environment"),
]
VALUES = [
    *("", "CAP_CHOWN CAP_NET_ADMIN", "~CAP_NET_ADMIN", "CAP_SYS_TIME", "AF_INET", "~AF_NETLINK", "none", "yes", "no"),
    *("net user", "~net", "time", "daemon", "root", "@system-service", "~socket", "self", "+/bin/true", "# x", "[x]"),
]
PATH = f"/etc/systemd/system/w.service.d/{DROP_IN}"
values = st.sampled_from(VALUES) | texts(VALUES, 4)
one_line = values.map(lambda text: "".join(char for char in text if char.isprintable()).strip().rstrip("\\"))
directives = st.lists(
    st.builds(Directive, st.just("Service"), st.sampled_from(NAMES), one_line, st.just("/etc/w.service"), st.just(3)),
    max_size=6,
)
settings = st.dictionaries(
    st.sampled_from(["Service", "Unit"]),
    st.dictionaries(st.sampled_from(NAMES), st.lists(one_line, min_size=1, max_size=3), min_size=1, max_size=3),
    max_size=2,
)
grants = st.sampled_from([0, 1 << 12, 1 << 12 | 1 << 13]) | st.integers(0, ALL_CAPABILITIES)
wishes = st.builds(Wish, grants, st.frozensets(st.sampled_from(sorted(LIFTS))), settings)
lines = st.lists(st.tuples(st.sampled_from(NAMES), one_line), max_size=4)


@given(wishes, lines)
def test_the_wish_is_found_again_in_the_drop_in(wish, own):
    text = render(wish, own)
    if text is None:
        assert not own and not wish.settings
        return
    assert is_ours(text) and recover(text) == wish
    assert render(recover(text), own) == text


@given(texts(["# grant:", "# lift:", "[Service]", "User=x\n", "cap_net_admin", "=", *LIFTS], 15))
def test_a_drop_in_that_somebody_changed_is_read(text):
    assert isinstance(recover(text), Wish)
    as_directives(text, PATH)


@given(wishes, directives, directives)
def test_a_drop_in_has_the_effect_that_was_asked_for_or_says_why_not(wish, before, after):
    files = Files(before, after)
    try:
        asked = as_directives(render(Wish(settings=wish.settings), []), PATH)
        text = render(wish, lines_for(wish, files, asked, {}))
        own = as_directives(text, PATH)
        demand_effect(wish, files, own)
        demand_shown(wish, files, own, {})
    except ChangeError as refused:
        assert str(refused) and "\n" not in str(refused).replace("\\n", "")
        return
    security("w.service", [(line.name, line.value) for line in own], [], user="")
    bypasses(files)


@given(wishes, directives)
def test_a_second_run_adds_nothing(wish, before):
    """Lines of ours that are there already leave nothing to add."""
    files = Files(before, [])
    try:
        asked = as_directives(render(Wish(settings=wish.settings), []), PATH)
        own = as_directives(render(wish, lines_for(wish, files, asked, {})), PATH)
        demand_effect(wish, files, own)
    except ChangeError:
        return
    filters = frozenset(["system_call_filter"])  # Whether one refuses, systemd says, and there is none here.
    again = Wish(wish.grant, wish.lift - filters, {})
    assert lines_for(again, Files([*before, *own], []), [], {}) == []


entries = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(["w", "w.service", "a@b", "a@", "w.socket", "", "a/b"])
        | texts(["w", ".service", "@"], 3),
        "grant": st.none() | st.lists(st.sampled_from(["cap_net_admin", "net_raw", "bogus", ""]), max_size=2),
        "lift": st.none() | st.lists(st.sampled_from(sorted(LIFTS)), max_size=2),
        "settings": st.none() | json_values(["Service", "Unit", "Install", "User", "yes", *VALUES]),
        "state": st.sampled_from(["present", "absent", "exact"]),
        "restart": st.booleans(),
    }
)


@given(entries)
def test_an_entry_is_understood_or_refused_in_one_sentence(entry):
    try:
        request = parse_request(0, entry)
    except ChangeError as refused:
        assert str(refused).startswith("units[0]") and "\n" not in str(refused)
        return
    text = render(request.wish, [])
    assert text is None or recover(text).settings == request.wish.settings


@pytest.mark.parametrize("piece", ["User=x\n", "[S]\n", "# lift:a\n", "=", "\n"])
def test_time_grows_with_the_length(piece):
    assert_linear(recover, lambda count: piece * (count // len(piece)))
    assert_linear(lambda text: as_directives(text, PATH), lambda count: piece * (count // len(piece)))
