# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a known seccomp filter answers to the system calls of a netlink client: of a unit, or of a container.

A filter is known by the setting that carries it; what a program installs by itself cannot be seen (seccomp(2)).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive, Seccomp, Unit
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import (
    FILTERS,
    NETLINK_CALLS,
    address_families,
    as_shown,
    effective,
    namespaces,
    system_calls,
)

AF_NETLINK = 16
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000

# What a client needs one of: iproute2 sends with sendmsg, pyroute2 and Go with sendto; and what not all of them need.
_ALTERNATIVES = ({"sendmsg", "sendto"}, {"recvmsg", "recvfrom"})
_NOT_ALWAYS = {"bind", "getsockname", "setsockopt"}
_GATES = {"socket": "socket", "bind": "bind", "getsockname": "bind", "setsockopt": "bind", "unshare": "unshare"}

# How many filters a directive installs at most, measured on x86-64, which has three tables of system calls.
_TABLES = 3
_FEWER = {"SystemCallArchitectures": 1, "RestrictAddressFamilies": 2, "ProtectKernelTunables": 2}


@dataclass(frozen=True)
class Blocked:
    """A system call that a filter refuses. answer: errno name or SIGSYS; certain: no client can do without it."""

    call: str
    answer: str
    gate: str
    source: str
    certain: bool = True


def needed_calls(operations: Sequence[str]) -> dict[str, list[Any]]:
    """The system calls of some operations, with the arguments that are known beforehand (None: any)."""
    calls: dict[str, list[Any]] = {}
    if set(operations) - {"tun", "netns", "userns", "forward"}:
        calls.update({name: [] for name in NETLINK_CALLS})
        calls["socket"] = [AF_NETLINK]
    if "netns" in operations:
        calls["unshare"] = [CLONE_NEWNET]
    if "userns" in operations:
        calls["unshare"] = [CLONE_NEWUSER]
    return calls


def unit_filter(unit: Unit, operations: Sequence[str]) -> list[Blocked]:
    """What the filters of a unit refuse, the directive that does as source."""
    calls = needed_calls(operations)
    found: list[Blocked] = []
    families = address_families(_values(unit, "RestrictAddressFamilies"))
    if "socket" in calls and families is not None and families[0] != ("AF_NETLINK" in families[1]):
        found.append(Blocked("socket", "EAFNOSUPPORT", "socket", "RestrictAddressFamilies"))
    kinds = namespaces(_values(unit, "RestrictNamespaces"))
    wanted = {"netns": "net", "userns": "user"}
    if kinds is not None and any(operation in operations and kind not in kinds for operation, kind in wanted.items()):
        found.append(Blocked("unshare", "EPERM", "unshare", "RestrictNamespaces"))
    listed = system_calls(unit.properties.get("SystemCallFilter", ""))
    if listed is not None:
        number = unit.properties.get("SystemCallErrorNumber", "")
        default = errno_name(int(number)) if re.fullmatch("[0-9]{1,4}", number) else "SIGSYS"
        allow, names = listed
        refused = {name: names.get(name) or default for name in calls if (name in names) != allow}
        found += _weigh(refused, "SystemCallFilter")
    return found


def unit_filters_known(unit: Unit) -> bool:
    """Whether a filter on a process of the unit can be one that the unit asks for."""
    return bool(_installed(unit))


def most_filters(unit: Unit) -> int:
    """The most filters that the settings of a unit install: one for each table of system calls of the architecture."""
    names = _installed(unit)
    if {"DynamicUser", "RestrictSUIDSGID"} <= names:
        names.remove("DynamicUser")  # all that it does is to imply the other
    return sum(_FEWER.get(name, _TABLES) for name in names)


def _installed(unit: Unit) -> set[str]:
    """The settings of a unit that install filters."""
    found = set()
    for name, off in FILTERS.items():
        shown = unit.properties.get(name)
        if (as_shown(name, _values(unit, name)) if shown is None else shown) not in (None, off):
            found.add(name)
    return found


def _values(unit: Unit, name: str) -> list[str]:
    found: list[Directive] = effective(unit.directives, "Service", name)
    return [line.value for line in found]


def container_filter(profile: Seccomp, operations: Sequence[str]) -> list[Blocked]:
    """What a container's profile refuses, as far as the arguments are known."""
    refused: dict[str, str] = {}
    for call, arguments in needed_calls(operations).items():
        answer = _answer(profile, call, arguments)
        if answer:
            refused[call] = answer
    return _weigh(refused, "seccomp profile")


def _weigh(refused: dict[str, str], source: str) -> list[Blocked]:
    """The refused calls; one that a client may replace by another that is not refused is not certain to matter."""
    spare = _NOT_ALWAYS.union(*(pair for pair in _ALTERNATIVES if pair - set(refused)))
    return [
        Blocked(name, answer, _GATES.get(name, "send"), source, certain=name not in spare)
        for name, answer in refused.items()
    ]


def _answer(profile: Seccomp, call: str, arguments: list[Any]) -> Optional[str]:
    """What the profile answers to a call: None when it passes, else an errno name or SIGSYS."""
    matching = [rule for rule in profile.rules if call in rule.names and _applies(rule.arguments, arguments)]
    passing = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_NOTIFY")
    default_passes = profile.default_action in passing
    # In a filter of exceptions, the exceptions count.
    deciding = next((rule for rule in matching if (rule.action in passing) != default_passes), None)
    action = deciding.action if deciding else profile.default_action
    if action in passing:
        return None
    number = deciding.errno if deciding else profile.default_errno
    return errno_name(1 if number is None else number) if action == "SCMP_ACT_ERRNO" else "SIGSYS"


def _applies(conditions: list[list[Any]], arguments: list[Any]) -> bool:
    """Whether all conditions of a rule hold; one on an argument that is not known is taken to hold."""
    return all(_holds(condition, arguments) for condition in conditions)


def _holds(condition: list[Any], arguments: list[Any]) -> bool:
    index, wanted, second, operator = condition
    if index >= len(arguments) or arguments[index] is None:
        return True
    number = arguments[index]
    answers: dict[str, bool] = {
        "SCMP_CMP_EQ": number == wanted,
        "SCMP_CMP_NE": number != wanted,
        "SCMP_CMP_LT": number < wanted,
        "SCMP_CMP_LE": number <= wanted,
        "SCMP_CMP_GT": number > wanted,
        "SCMP_CMP_GE": number >= wanted,
        "SCMP_CMP_MASKED_EQ": number & wanted == (second or 0),
    }
    return answers.get(operator, True)
