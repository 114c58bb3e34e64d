# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line is written where one of the unit refuses, and nowhere else; and nothing that the unit had is lost to it."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._dropin_lines import (
    CALLS,
    Files,
    as_directives,
    bypasses,
    demand_effect,
    demand_shown,
    lines_for,
    security,
    split_files,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._dropin_wish import Settings, Wish, render
from ansible_collections.netlink.remediation.plugins.module_utils._linux import capability_mask
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive, Unit

OURS = "/etc/systemd/system/a.service.d/50-netlink-remediation.conf"
LATER = "/run/systemd/system/a.service.d/zz-last.conf"
FRAGMENT = "/usr/lib/systemd/system/a.service"


def unit(text: str, later: str = "", ours: str = "") -> Unit:
    """A unit with these assignments of [Service] in its file, in a drop-in after ours, and in ours."""
    directives = []
    for file, lines in ((FRAGMENT, text), (OURS, ours), (LATER, later)):
        for number, line in enumerate(lines.splitlines(), 2):
            name, _equals, value = line.partition("=")
            directives.append(Directive("Service", name, value, file, number))
    return Unit("a.service", fragment=FRAGMENT, drop_ins=[OURS, LATER], directives=directives)


def wish(grant: str = "", *lift: str, settings: Settings | None = None) -> Wish:
    return Wish(capability_mask(grant.split()), frozenset(lift), settings or {})


def lines(wanted: Wish, found: Unit, shown: str = "") -> list[str]:
    """The lines for a wish; all that must hold with them is looked at."""
    files = split_files(found, OURS)
    settings = as_directives(render(Wish(settings=wanted.settings), []), OURS)
    generated = lines_for(wanted, files, settings, {"SystemCallFilter": shown})
    demand_effect(wanted, files, as_directives(render(wanted, generated), OURS))
    return [f"{name}={value}" for name, value in generated]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("User=root", []),
        ("User=0\nCapabilityBoundingSet=CAP_NET_ADMIN", []),
        ("CapabilityBoundingSet=CAP_CHOWN", ["CapabilityBoundingSet=CAP_NET_ADMIN"]),
        ("CapabilityBoundingSet=~CAP_NET_ADMIN CAP_CHOWN", ["CapabilityBoundingSet=CAP_NET_ADMIN"]),
        ("CapabilityBoundingSet=", ["CapabilityBoundingSet=CAP_NET_ADMIN"]),
        ("CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=~", []),
        ("User=nobody", ["AmbientCapabilities=CAP_NET_ADMIN"]),
        ("User=nobody\nUser=", []),
        ("DynamicUser=yes", ["AmbientCapabilities=CAP_NET_ADMIN"]),
        ("User=nobody\nAmbientCapabilities=CAP_NET_RAW", ["AmbientCapabilities=CAP_NET_ADMIN"]),
        ("User=nobody\nAmbientCapabilities=CAP_NET_ADMIN", []),
        (
            "User=nobody\nCapabilityBoundingSet=CAP_NET_RAW\nAmbientCapabilities=CAP_NET_ADMIN",
            ["CapabilityBoundingSet=CAP_NET_ADMIN"],
        ),
        (
            "User=nobody\nCapabilityBoundingSet=CAP_NET_RAW",
            ["AmbientCapabilities=CAP_NET_ADMIN", "CapabilityBoundingSet=CAP_NET_ADMIN"],
        ),
    ],
)
def test_a_grant_needs_the_ambient_set_for_users_and_the_bounding_set_where_a_line_is(text, expected):
    assert lines(wish("cap_net_admin"), unit(text)) == expected


def test_a_grant_of_several_adds_only_those_that_are_missing():
    found = unit("User=x\nCapabilityBoundingSet=CAP_NET_RAW CAP_CHOWN\nAmbientCapabilities=CAP_NET_RAW")
    both = "CAP_NET_ADMIN CAP_NET_BIND_SERVICE"
    assert sorted(lines(wish("cap_net_admin cap_net_raw cap_net_bind_service"), found)) == [
        f"AmbientCapabilities={' '.join(sorted(both.split(), key=['CAP_NET_BIND_SERVICE', 'CAP_NET_ADMIN'].index))}",
        f"CapabilityBoundingSet={' '.join(sorted(both.split(), key=['CAP_NET_BIND_SERVICE', 'CAP_NET_ADMIN'].index))}",
    ]


@pytest.mark.parametrize(
    ("lift", "text", "expected"),
    [
        ("private_users", "", []),
        ("private_users", "PrivateUsers=no", []),
        ("private_users", "PrivateUsers=yes", ["PrivateUsers=no"]),
        ("private_users", "PrivateUsers=self", ["PrivateUsers=no"]),
        ("private_network", "PrivateNetwork=true", ["PrivateNetwork=no"]),
        ("private_network", "NetworkNamespacePath=/run/netns/x", []),
        ("protect_kernel_tunables", "ProtectKernelTunables=1", ["ProtectKernelTunables=no"]),
        ("no_new_privileges", "NoNewPrivileges=on", ["NoNewPrivileges=no"]),
        ("no_new_privileges", "User=x", []),
        ("restrict_address_families", "", []),
        ("restrict_address_families", "RestrictAddressFamilies=AF_UNIX AF_NETLINK", []),
        ("restrict_address_families", "RestrictAddressFamilies=~AF_PACKET", []),
        ("restrict_address_families", "RestrictAddressFamilies=AF_UNIX", ["RestrictAddressFamilies=AF_NETLINK"]),
        ("restrict_address_families", "RestrictAddressFamilies=none", ["RestrictAddressFamilies=AF_NETLINK"]),
        ("restrict_address_families", "RestrictAddressFamilies=~AF_NETLINK", ["RestrictAddressFamilies=AF_NETLINK"]),
        ("restrict_namespaces", "", []),
        ("restrict_namespaces", "RestrictNamespaces=no", []),
        ("restrict_namespaces", "RestrictNamespaces=yes", ["RestrictNamespaces=mnt net user"]),
        ("restrict_namespaces", "RestrictNamespaces=net uts", ["RestrictNamespaces=mnt user"]),
        ("restrict_namespaces", "RestrictNamespaces=~net", ["RestrictNamespaces=net"]),
        ("system_call_filter", "", []),
        ("system_call_filter", "SystemCallFilter=@basic-io", [f"SystemCallFilter={' '.join(CALLS)}"]),
    ],
)
def test_a_line_is_lifted_where_it_refuses_and_only_there(lift, text, expected):
    assert lines(wish("", lift), unit(text), shown="read write") == expected


def test_a_filter_that_refuses_nothing_needed_is_left_alone():
    wanted = wish("", "system_call_filter")
    assert lines(wanted, unit("SystemCallFilter=@system-service"), shown=" ".join(["read", *CALLS])) == []
    assert lines(wanted, unit("SystemCallFilter=~@mount"), shown="~mount umount2") == []
    assert lines(wanted, unit("SystemCallFilter=~@network-io"), shown="~socket") != []


def test_our_own_lines_do_not_count_so_that_a_second_call_finds_the_same():
    ours = "AmbientCapabilities=CAP_NET_ADMIN\nPrivateUsers=no"
    found = unit("User=x\nPrivateUsers=yes", ours=ours)
    assert lines(wish("cap_net_admin", "private_users"), found) == ours.splitlines()


def test_our_filter_line_stays_while_systemd_shows_the_unit_with_it():
    text, shown = "SystemCallFilter=@basic-io", " ".join(["read", *CALLS])
    line = f"SystemCallFilter={' '.join(CALLS)}"
    assert lines(wish("", "system_call_filter"), unit(text, ours=line), shown=shown) == [line]
    assert lines(wish("", "system_call_filter"), unit("", ours=line), shown=shown) == []


def test_no_new_privileges_of_a_dynamic_user_cannot_be_lifted():
    with pytest.raises(ChangeError, match="DynamicUser= implies NoNewPrivileges="):
        lines(wish("", "no_new_privileges"), unit("DynamicUser=yes"))


@pytest.mark.parametrize(
    ("wanted", "text", "later"),
    [
        (wish("cap_net_admin"), "CapabilityBoundingSet=CAP_CHOWN", "CapabilityBoundingSet="),
        (wish("cap_net_admin"), "CapabilityBoundingSet=CAP_CHOWN", "CapabilityBoundingSet=~CAP_NET_ADMIN"),
        (wish("cap_net_admin"), "User=x", "AmbientCapabilities="),
        (wish("", "private_users"), "PrivateUsers=yes", "PrivateUsers=yes"),
        (wish("", "private_network"), "", "PrivateNetwork=yes"),
        (wish("", "restrict_address_families"), "RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=none"),
        (wish("", "restrict_namespaces"), "RestrictNamespaces=yes", "RestrictNamespaces=yes"),
    ],
)
def test_a_line_that_is_read_later_and_makes_ours_void_is_named(wanted, text, later):
    with pytest.raises(ChangeError) as caught:
        lines(wanted, unit(text, later))
    assert f"would have no effect: {LATER}:2 sets {later}, which systemd reads later" in str(caught.value)


def test_a_later_line_that_takes_nothing_away_does_no_harm():
    later = "CapabilityBoundingSet=CAP_KILL\nRestrictAddressFamilies=AF_INET"
    found = unit("CapabilityBoundingSet=CAP_CHOWN\nRestrictAddressFamilies=AF_UNIX", later)
    assert lines(wish("cap_net_admin", "restrict_address_families"), found) == [
        "CapabilityBoundingSet=CAP_NET_ADMIN",
        "RestrictAddressFamilies=AF_NETLINK",
    ]


def test_settings_of_the_same_call_must_not_take_back_what_is_granted():
    settings = {"Service": {"CapabilityBoundingSet": ["CAP_CHOWN"]}}
    with pytest.raises(ChangeError, match="would have no effect: settings sets CapabilityBoundingSet=CAP_CHOWN"):
        lines(wish("cap_net_admin", settings=settings), unit(""))
    settings["Service"]["CapabilityBoundingSet"] = ["", "CAP_NET_ADMIN"]
    assert lines(wish("cap_net_admin", settings=settings), unit("CapabilityBoundingSet=CAP_NET_ADMIN CAP_KILL")) == []


def test_a_user_from_the_settings_counts():
    settings = {"Service": {"User": ["vpn"]}}
    assert lines(wish("cap_net_admin", settings=settings), unit("")) == ["AmbientCapabilities=CAP_NET_ADMIN"]


FULL_SET = "cap_chown cap_net_admin cap_net_raw"


@pytest.mark.parametrize(
    ("wanted", "text", "shown", "good"),
    [
        (
            wish("cap_net_admin"),
            "CapabilityBoundingSet=CAP_CHOWN",
            "CapabilityBoundingSet=cap_chown cap_net_admin",
            True,
        ),
        (wish("cap_net_admin"), "CapabilityBoundingSet=CAP_CHOWN", "CapabilityBoundingSet=cap_net_admin", False),
        (wish("cap_net_admin"), "CapabilityBoundingSet=CAP_CHOWN", "CapabilityBoundingSet=cap_chown", False),
        (wish("", "private_users"), "PrivateUsers=yes", "PrivateUsers=no", True),
        (wish("", "private_users"), "PrivateUsers=yes", "PrivateUsers=yes", False),
        (wish("", "restrict_address_families"), "RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies=", False),
        (
            wish("", "restrict_address_families"),
            "RestrictAddressFamilies=AF_UNIX",
            "RestrictAddressFamilies=AF_NETLINK",
            False,
        ),
        (
            wish("", "restrict_address_families"),
            "RestrictAddressFamilies=AF_UNIX",
            "RestrictAddressFamilies=AF_NETLINK AF_UNIX",
            True,
        ),
        (
            wish("", "restrict_address_families"),
            "RestrictAddressFamilies=~AF_NETLINK",
            "RestrictAddressFamilies=~",
            True,
        ),
        (wish("", "restrict_namespaces"), "RestrictNamespaces=uts", "RestrictNamespaces=mnt net user", False),
        (wish("", "restrict_namespaces"), "RestrictNamespaces=uts", "RestrictNamespaces=mnt net user uts", True),
        (wish("", "restrict_namespaces"), "RestrictNamespaces=uts", "RestrictNamespaces=no", True),
        (wish("", "system_call_filter"), "SystemCallFilter=read", "SystemCallFilter=read", False),
        (wish("", "system_call_filter"), "SystemCallFilter=read", f"SystemCallFilter=read {' '.join(CALLS)}", True),
        (wish("", "private_users"), "PrivateUsers=yes", "Other=of a systemd that does not know it", True),
    ],
)
def test_what_systemd_shows_must_hold_what_was_asked_for_and_what_the_unit_had(wanted, text, shown, good):
    files = split_files(unit(text), OURS)
    own = as_directives(render(wanted, lines_for(wanted, files, [], {})), OURS)
    name, _equals, value = shown.partition("=")
    if good:
        demand_shown(wanted, files, own, {name: value})
        return
    with pytest.raises(ChangeError, match="systemd does not take it over"):
        demand_shown(wanted, files, own, {name: value})


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("ExecStart=+/bin/a", True),
        ("ExecStart=-+/bin/a", True),
        ("ExecStart=/bin/a", False),
        ("ExecStart=+/bin/a\nExecStart=/bin/b", False),
        ("ExecStart=/bin/a\nExecStart=\nExecStart=+/bin/b", True),
        ("", False),
    ],
)
def test_a_plus_bypasses_the_sandbox_where_each_command_has_it(text, answer):
    assert bypasses(Files(unit(text).directives, [])) is answer


def test_the_security_delta_is_what_is_new():
    old = [("AmbientCapabilities", "CAP_NET_RAW")]
    new = [*old, ("PrivateUsers", "no"), ("CapabilityBoundingSet", "CAP_NET_ADMIN"), ("Nice", "5")]
    assert security("a.service", old, [], user="user vpn") == [
        "a.service has CAP_NET_RAW in every program that it starts, although it runs as user vpn"
    ]
    assert security("a.service", new, old, user="") == [
        "a.service runs in the host's user namespace, where its capabilities count for the host's network",
        "a.service may have CAP_NET_ADMIN, which its bounding set kept from it",
        "a.service has the setting Nice=5",
    ]
