# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._filters import (
    container_filter,
    needed_calls,
    unit_filter,
    unit_filters_known,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive, Seccomp, SeccompRule, Unit

ALL_CALLS = ["socket", "setsockopt", "bind", "getsockname", "sendmsg", "sendto", "recvmsg", "recvfrom"]
NEWUSER, NEWNET = 0x10000000, 0x40000000
# What docker 26 gives a container without cap_sys_admin, as far as netlink meets it.
DOCKER = Seccomp(
    "SCMP_ACT_ERRNO",
    1,
    [
        SeccompRule([call for call in ALL_CALLS if call != "socket"], "SCMP_ACT_ALLOW"),
        SeccompRule(["socket"], "SCMP_ACT_ALLOW", None, [[0, 40, 0, "SCMP_CMP_NE"]]),
        SeccompRule(["clone"], "SCMP_ACT_ALLOW", None, [[0, 2114060288, 0, "SCMP_CMP_MASKED_EQ"]]),
    ],
)


def unit(*lines: str, **properties: str) -> Unit:
    directives = [
        Directive("Service", line.partition("=")[0], line.partition("=")[2], "/etc/systemd/system/w.service", number)
        for number, line in enumerate(lines, 2)
    ]
    return Unit("w.service", directives=directives, properties=properties)


def calls(found):
    return [(item.call, item.answer, item.gate, item.certain) for item in found]


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        (["link"], set(ALL_CALLS)),
        (["tun", "forward"], set()),
        (["netns"], {"unshare"}),
        (["link", "userns"], {*ALL_CALLS, "unshare"}),
    ],
)
def test_only_the_calls_of_the_named_operations_are_asked_about(operations, expected):
    assert set(needed_calls(operations)) == expected


@pytest.mark.parametrize(
    ("lines", "refused"),
    [
        ((), False),
        (("RestrictAddressFamilies=AF_UNIX",), True),
        (("RestrictAddressFamilies=AF_UNIX AF_NETLINK",), False),
        (("RestrictAddressFamilies=~AF_NETLINK",), True),
        (("RestrictAddressFamilies=~AF_PACKET",), False),
        (("RestrictAddressFamilies=none",), True),
        (("RestrictAddressFamilies=AF_UNIX", "RestrictAddressFamilies="), False),
    ],
)
def test_address_families_refuse_the_socket(lines, refused):
    expected = [("socket", "EAFNOSUPPORT", "socket", True)] if refused else []
    assert calls(unit_filter(unit(*lines), ["link"])) == expected


@pytest.mark.parametrize(
    ("line", "operation", "refused"),
    [
        ("RestrictNamespaces=yes", "netns", True),
        ("RestrictNamespaces=user", "netns", True),
        ("RestrictNamespaces=net", "netns", False),
        ("RestrictNamespaces=net", "userns", True),
        ("RestrictNamespaces=yes", "link", False),
        ("RestrictNamespaces=no", "netns", False),
    ],
)
def test_namespaces_refuse_to_make_new_ones(line, operation, refused):
    expected = [("unshare", "EPERM", "unshare", True)] if refused else []
    assert calls(unit_filter(unit(line), [operation])) == expected


@pytest.mark.parametrize(
    ("listed", "number", "expected"),
    [
        ("", "2147483646", []),
        ("~", "2147483646", []),
        ("~clock_settime", "2147483646", []),
        ("~socket", "2147483646", [("socket", "SIGSYS", "socket", True)]),
        ("~socket", "1", [("socket", "EPERM", "socket", True)]),
        ("~sendmsg", "1", [("sendmsg", "EPERM", "send", False)]),
        ("~sendmsg sendto", "1", [("sendmsg", "EPERM", "send", True), ("sendto", "EPERM", "send", True)]),
        (" ".join(ALL_CALLS), "1", []),
        (" ".join(ALL_CALLS[1:]), "1", [("socket", "EPERM", "socket", True)]),
    ],
)
def test_a_list_of_system_calls_refuses_what_it_names_or_leaves_out(listed, number, expected):
    found = unit_filter(unit(SystemCallFilter=listed, SystemCallErrorNumber=number), ["link"])
    assert calls(found) == expected


@pytest.mark.parametrize(
    ("lines", "known"),
    [
        ((), False),
        (("User=daemon",), False),
        (("LockPersonality=yes",), True),
        (("LockPersonality=no",), False),
        (("RestrictAddressFamilies=AF_INET",), True),
    ],
)
def test_a_filter_is_known_only_where_the_unit_asks_for_one(lines, known):
    assert unit_filters_known(unit(*lines)) is known


def test_the_profile_of_docker_lets_netlink_pass_and_new_namespaces_not():
    assert calls(container_filter(DOCKER, ["link"])) == []
    assert calls(container_filter(DOCKER, ["netns"])) == [("unshare", "EPERM", "unshare", True)]


@pytest.mark.parametrize(
    ("condition", "refused"),
    [
        ([0, 16, 0, "SCMP_CMP_EQ"], True),
        ([0, 17, 0, "SCMP_CMP_EQ"], False),
        ([0, 16, 0, "SCMP_CMP_NE"], False),
        ([0, 16, 0, "SCMP_CMP_LT"], False),
        ([0, 16, 0, "SCMP_CMP_LE"], True),
        ([0, 15, 0, "SCMP_CMP_GT"], True),
        ([0, 16, 0, "SCMP_CMP_GE"], True),
        ([0, 0x10, 0x10, "SCMP_CMP_MASKED_EQ"], True),
        ([0, 0x10, 0, "SCMP_CMP_MASKED_EQ"], False),
        ([2, 0, 0, "SCMP_CMP_EQ"], True),
    ],
)
def test_the_conditions_of_a_rule_are_compared_with_the_family_of_the_socket(condition, refused):
    profile = Seccomp("SCMP_ACT_ALLOW", None, [SeccompRule(["socket"], "SCMP_ACT_ERRNO", 13, [condition])])
    expected = [("socket", "EACCES", "socket", True)] if refused else []
    assert calls(container_filter(profile, ["link"])) == expected


def test_a_rule_that_kills_is_a_signal():
    profile = Seccomp("SCMP_ACT_ALLOW", None, [SeccompRule(["bind", "socket"], "SCMP_ACT_KILL_PROCESS")])
    expected = {("bind", "SIGSYS", "bind", False), ("socket", "SIGSYS", "socket", True)}
    assert set(calls(container_filter(profile, ["link"]))) == expected
