# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each answer here was given by systemd 257 to a unit with these lines; tests/lab/test_unit_facts.py asks again."""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES, capability_mask
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import (
    NAMESPACE_KINDS,
    NETLINK_CALLS,
    address_families,
    as_shown,
    capability_set,
    effective,
    is_true,
    namespaces,
    parse_exec,
    split_words,
    system_calls,
)

ADMIN, RAW = capability_mask(["cap_net_admin"]), capability_mask(["cap_net_raw"])

CAPABILITY_SETS: list[tuple[list[str], Optional[int]]] = [
    ([], None),
    ([""], 0),
    (["~"], ALL_CAPABILITIES),
    (["CAP_NET_ADMIN", "CAP_NET_RAW"], ADMIN | RAW),
    (["~CAP_NET_ADMIN"], ALL_CAPABILITIES & ~ADMIN),
    (["~CAP_NET_ADMIN ~CAP_NET_RAW"], ALL_CAPABILITIES & ~ADMIN),
    (["CAP_NET_ADMIN CAP_NET_RAW", "~CAP_NET_RAW"], ADMIN),
    (["CAP_NET_ADMIN", ""], 0),
    (["", "CAP_NET_ADMIN"], ADMIN),
    (["~", "CAP_NET_ADMIN"], ADMIN),
    (["~CAP_NET_ADMIN", "CAP_NET_ADMIN"], ALL_CAPABILITIES),
    (["~CAP_NET_ADMIN", "CAP_NET_ADMIN", "CAP_NET_RAW"], RAW),
    (["", "~CAP_NET_ADMIN"], 0),
    (["CAP_NET_ADMIN", "~"], ALL_CAPABILITIES),
    (["CAP_NET_ADMIN", "CAP_BOGUS"], 0),
    (["CAP_NET_ADMIN", "41"], ADMIN),
    (["CAP_NET_ADMIN", "63"], 0),
    (["NET_ADMIN cap_net_raw"], RAW),
    (["0x0c"], ADMIN),
    (["0o14 015"], ADMIN | RAW),
    (["0b1100 12x 9999999999999999999999"], ADMIN),
    (["CAP_NET_ADMIN,CAP_NET_RAW"], 0),
    (["\"CAP_NET_ADMIN\" 'CAP_NET_RAW'"], ADMIN | RAW),
    (['CAP_NET_ADMIN "CAP_NET_RAW'], ADMIN | RAW),
]


@pytest.mark.parametrize(("values", "mask"), CAPABILITY_SETS, ids=str)
def test_a_capability_set_is_what_systemd_makes_of_its_lines(values: list[str], mask: Optional[int]) -> None:
    assert capability_set(values) == mask


@pytest.mark.parametrize(
    ("values", "mask"),
    [
        (["CAP_NET_ADMIN"], ADMIN),
        (["~", "CAP_NET_ADMIN"], ALL_CAPABILITIES),
        (["CAP_NET_ADMIN", "~CAP_NET_ADMIN"], 0),
        (["CAP_NET_ADMIN", "~CAP_NET_ADMIN", "~CAP_NET_RAW"], ALL_CAPABILITIES & ~RAW),
    ],
    ids=str,
)
def test_the_ambient_set_begins_empty(values: list[str], mask: int) -> None:
    assert capability_set(values, ambient=True) == mask


FAMILIES: list[tuple[list[str], Optional[tuple[bool, set[str]]]]] = [
    ([], None),
    ([""], None),
    (["~"], None),
    (["none"], (True, set())),
    (["NONE"], (True, set())),
    (["~none"], None),
    (["AF_INET", "AF_NETLINK"], (True, {"AF_INET", "AF_NETLINK"})),
    (["~AF_NETLINK"], (False, {"AF_NETLINK"})),
    (["~AF_NETLINK", "AF_NETLINK"], None),
    (["AF_INET", "~AF_INET"], (True, set())),
    (["none", "~AF_INET"], (False, {"AF_INET"})),
    (["AF_INET", "none"], (True, set())),
    (["AF_INET", "", "~AF_UNIX"], (False, {"AF_UNIX"})),
    (["~AF_INET", "AF_NETLINK"], (False, {"AF_INET"})),
    (["af_route AF_LOCAL"], (True, {"AF_NETLINK", "AF_UNIX"})),
    (["AF_DECNET"], (True, {"AF_DECnet"})),
    (["16 NETLINK AF_UNSPEC"], (True, set())),
    (["~AF_BOGUS"], None),
    (['AF_INET "AF_UNIX'], (True, {"AF_INET"})),
    (["AF_UNIX ~AF_NETLINK"], (True, {"AF_UNIX"})),
]


@pytest.mark.parametrize(("values", "wanted"), FAMILIES, ids=str)
def test_the_first_line_decides_whether_families_are_allowed_or_refused(
    values: list[str], wanted: Optional[tuple[bool, set[str]]]
) -> None:
    assert address_families(values) == (wanted and (wanted[0], frozenset(wanted[1])))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([], None),
        (["no"], None),
        (["yes"], set()),
        (["net"], {"net"}),
        (["~net"], NAMESPACE_KINDS - {"net"}),
        (["net", "user"], {"net", "user"}),
        (["net", "~net"], set()),
        (["~net", "net"], None),
        (["yes", "net"], {"net"}),
        (["yes", "~net"], set()),
        (["no", "net"], None),
        (["no", "", "net"], {"net"}),
        (["net", ""], None),
        (["net bogus"], None),
        (["net", "user,mnt"], {"net"}),
        (["NET"], None),
        (["~"], None),
        (["~", "net"], None),
        (["net", "~"], {"net"}),
        (["~~net"], None),
        (['"net"'], None),
        (["time"], set()),
        (["time", "net"], {"net"}),
    ],
    ids=str,
)
def test_namespaces_are_those_that_stay_allowed(values: list[str], wanted: Optional[set[str]]) -> None:
    assert namespaces(values) == wanted


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        ("", None),
        ("~", None),
        ("~bind:EACCES sendto socket", (False, {"bind": "EACCES", "sendto": None, "socket": None})),
        ("~socket:kill", (False, {"socket": "SIGSYS"})),
        ("~socket:999", (False, {"socket": "errno 999"})),
        ("bind socket", (True, {"bind": None, "socket": None})),
    ],
)
def test_a_filter_is_read_as_it_is_shown(shown: str, wanted: Optional[tuple[bool, dict[str, Optional[str]]]]) -> None:
    assert system_calls(shown) == wanted


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("/bin/echo a b", ("", "/bin/echo", ["a", "b"])),
        ("@-/bin/echo name a", ("@-", "/bin/echo", ["a"])),
        ("-+/bin/echo", ("-+", "/bin/echo", [])),
        ("!!:/bin/echo $A ${B} %i", ("!!:", "/bin/echo", ["$A", "${B}", "%i"])),
        ('"/bin/echo" \'a b\'  "c\\x20d" x"y z"w \'\'', ("", "/bin/echo", ["a b", "c d", "xy zw", ""])),
        ("/bin/echo a ; /bin/true b", ("", "/bin/echo", ["a"])),
        ("/bin/echo a \\; b;c", ("", "/bin/echo", ["a", ";", "b;c"])),
        ('/bin/echo a\\sb \\u00e9 \\101 a\\qb \\\\ \\"', ("", "/bin/echo", ["a b", "é", "A", "a\\qb", "\\", '"'])),
        ("", ("", "", [])),
        ("-", ("-", "", [])),
    ],
)
def test_an_exec_line_is_prefix_path_and_arguments(line: str, wanted: tuple[str, str, list[str]]) -> None:
    assert parse_exec(line) == wanted


def test_a_boolean_has_many_spellings_and_anything_else_is_none() -> None:
    assert [is_true(word) for word in ("1", "yes", "Y", "TRUE", "t", "On")] == [True] * 6
    assert [is_true(word) for word in ("0", "no", "N", "False", "f", "off")] == [False] * 6
    for word in ("", "maybe", "2", '"yes"', "self"):
        with pytest.raises(ValueError, match="is no boolean of systemd, expected yes or no"):
            is_true(word)


def in_force(name: str, *values: str) -> list[str]:
    lines = [Directive("Service", name, value, "/etc/x", number) for number, value in enumerate(values, 1)]
    others = [Directive("Unit", name, "nobody", "/etc/x", 9), Directive("Service", "Other", "x", "/etc/x", 10)]
    return [line.value for line in effective([*lines, *others], "Service", name)]


@pytest.mark.parametrize(
    ("name", "values", "wanted"),
    [
        ("User", ["nobody", "root"], ["root"]),
        ("User", ["nobody", ""], []),
        ("NoNewPrivileges", ["yes", "", "maybe"], ["yes"]),
        ("NoNewPrivileges", ["yes", "no"], ["no"]),
        ("PrivateUsers", ["self", "maybe"], ["self"]),
        ("PrivateUsers", ["self", ""], ["self"]),
        ("NetworkNamespacePath", ["/run/netns/x", "relative"], ["/run/netns/x"]),
        ("NetworkNamespacePath", ["/run/netns/x", ""], []),
        ("NetworkNamespacePath", ["%t/netns/%i", "%n"], ["%t/netns/%i"]),
        ("CapabilityBoundingSet", ["CAP_NET_RAW", "", "CAP_NET_ADMIN"], ["", "CAP_NET_ADMIN"]),
        ("CapabilityBoundingSet", ["CAP_NET_RAW", ""], [""]),
        ("CapabilityBoundingSet", ["CAP_NET_RAW", "~"], ["~"]),
        ("AmbientCapabilities", ["CAP_NET_RAW", "~CAP_NET_ADMIN"], ["CAP_NET_RAW", "~CAP_NET_ADMIN"]),
        ("RestrictAddressFamilies", ["AF_INET", "none", "AF_UNIX"], ["none", "AF_UNIX"]),
        ("RestrictAddressFamilies", ["AF_INET", ""], []),
        ("RestrictNamespaces", ["net", "yes", "bogus", "user"], ["yes", "user"]),
        ("RestrictNamespaces", ["net", ""], []),
        ("SystemCallFilter", ["~socket", "", "~bind", "~sendto"], ["~bind", "~sendto"]),
        ("ExecStart", ["/bin/a", "", "/bin/b"], ["/bin/b"]),
        ("User", [], []),
    ],
)
def test_what_is_reset_replaced_or_ignored_is_not_in_force(name: str, values: list[str], wanted: list[str]) -> None:
    assert in_force(name, *values) == wanted


@pytest.mark.parametrize(
    ("name", "values", "shown"),
    [
        ("User", [], None),
        ("User", ["joe"], "joe"),
        ("NoNewPrivileges", ["On"], "yes"),
        ("ProtectKernelTunables", ["f"], "no"),
        ("PrivateUsers", ["self"], "yes"),
        ("CapabilityBoundingSet", [""], ""),
        ("CapabilityBoundingSet", ["CAP_NET_RAW 12"], "cap_net_admin cap_net_raw"),
        ("AmbientCapabilities", ["CAP_NET_RAW", "~CAP_NET_RAW"], ""),
        ("RestrictAddressFamilies", ["none"], ""),
        ("RestrictAddressFamilies", ["AF_UNIX", "AF_INET"], "AF_INET AF_UNIX"),
        ("RestrictAddressFamilies", ["~AF_UNIX", "~AF_INET"], "~AF_INET AF_UNIX"),
        ("RestrictAddressFamilies", ["~"], "~"),
        ("RestrictNamespaces", ["no"], "no"),
        ("RestrictNamespaces", ["yes"], "yes"),
        ("RestrictNamespaces", ["user", "net"], "net user"),
        ("NetworkNamespacePath", ["/run//netns/./x/"], "/run/netns/x"),
        ("NetworkNamespacePath", ["%t/netns/x"], "%t/netns/x"),
        ("SystemCallFilter", ["@system-service", "~socket"], "@system-service ~socket"),
        ("SupplementaryGroups", ["adm", "disk kmem"], "adm disk kmem"),
    ],
)
def test_a_value_is_written_as_systemctl_shows_it(name: str, values: list[str], shown: Optional[str]) -> None:
    assert as_shown(name, values) == shown


@given(st.lists(st.text(max_size=40), max_size=4))
def test_nothing_that_a_file_can_say_is_an_error(values: list[str]) -> None:
    for name in ("CapabilityBoundingSet", "RestrictAddressFamilies", "RestrictNamespaces", "PrivateUsers", "ExecStart"):
        in_force(name, *values)
        as_shown(name, values)
    for mask in (capability_set(values), capability_set(values, ambient=True)):
        assert mask is None or 0 <= mask <= ALL_CAPABILITIES
    assert (namespaces(values) or NAMESPACE_KINDS) <= NAMESPACE_KINDS
    address_families(values)
    for value in values:
        system_calls(value)
        parse_exec(value)


@given(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), min_size=1)))
def test_quoted_words_are_found_again(words: list[str]) -> None:
    quoted = ['"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words]
    assert split_words(" ".join(quoted)) == split_words(" ".join(quoted), unescape=True) == words


def test_the_calls_of_netlink_are_named_once() -> None:
    assert len(set(NETLINK_CALLS)) == len(NETLINK_CALLS)
    assert {"socket", "bind", "sendmsg", "recvmsg"} <= set(NETLINK_CALLS)
