# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which denials are about a workload, and which only look so."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._evidence import match, tie
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, Denial, Executable
from ansible_collections.netlink.remediation.plugins.module_utils._state import Process, State, Workload

CONTEXT = "system_u:system_r:vpn_t:s0"
ID = "f" * 64


def denial(last: float = 1.0, **values: Any) -> Denial:
    return Denial("audit", "apparmor", "net_admin", "capability", last, last, **values)


def state(**values: Any) -> State:
    process = Process(42, 1, 1, "vpnd", executable="/usr/sbin/vpnd", unit="vpn.service", label="vpn (enforce)")
    for name, value in values.items():
        setattr(process, name, value)
    return State(processes={42: process}, containers={ID: Container(ID, "web", "docker")})


UNIT = Workload("vpn", "unit", unit="vpn", processes=[42])
TIES: dict[str, tuple[dict[str, Any], Optional[str]]] = {
    "its process": ({"pid": 42, "name": "vpnd"}, "pid"),
    "its process by path": ({"pid": 42, "executable": "/usr/sbin/vpnd"}, "pid"),
    "a pid that another program had": ({"pid": 42, "name": "ip"}, None),
    "a pid that another path had": ({"pid": 42, "executable": "/usr/sbin/ip"}, None),
    "a process that is gone": ({"pid": 41, "executable": "/usr/sbin/vpnd"}, "executable"),
    "the same program in another unit": ({"executable": "/usr/sbin/vpnd", "unit": "other.service"}, None),
    "the same program in a container": ({"executable": "/usr/sbin/vpnd", "container": ID}, None),
    "a child of its unit": ({"pid": 77, "executable": "/usr/sbin/ip", "unit": "vpn.service"}, "unit"),
    "its profile": ({"subject": "vpn", "name": "vpnd"}, "label"),
    "its profile alone": ({"subject": "vpn"}, "label"),
    "its profile, another name": ({"subject": "vpn", "name": "ip"}, None),
    "its profile, another path": ({"subject": "vpn", "executable": "/usr/sbin/ip"}, None),
    "another profile": ({"subject": "other", "name": "vpnd"}, None),
    "nobody": ({}, None),
}


@pytest.mark.parametrize("what", TIES)
def test_a_denial_is_tied_to_a_unit(what: str) -> None:
    values, expected = TIES[what]
    assert tie(denial(**values), UNIT, state()) == expected


@pytest.mark.parametrize("subject", [CONTEXT, "unconfined_u:unconfined_r:vpn_t:s0-s0:c0.c1023"])
def test_of_a_context_the_type_counts(subject: str) -> None:
    assert tie(denial(subject=subject, name="vpnd"), UNIT, state(label=CONTEXT)) == "label"


@pytest.mark.parametrize("given", [ID, "web"])
def test_a_container_is_known_by_id_and_name(given: str) -> None:
    workload = Workload("web", "container", container=given)
    assert tie(denial(container=ID), workload, state()) == "container"
    assert tie(denial(container="e" * 64), workload, state()) is None


def test_an_executable_that_does_not_run_is_tied_by_path_or_label() -> None:
    workload = Workload("vpnd", "executable", executable="/usr/sbin/vpnd", label="vpn")
    assert tie(denial(executable="/usr/sbin/vpnd"), workload, State()) == "executable"
    assert tie(denial(subject="vpn", name="vpnd"), workload, State()) == "label"


def test_the_strongest_tie_comes_first_then_the_newest() -> None:
    denials = [
        denial(9, unit="vpn.service"),
        denial(1, pid=42),
        denial(5, executable="/usr/sbin/vpnd"),
        denial(7, executable="/usr/sbin/vpnd"),
        denial(8, executable="/usr/sbin/ip"),
    ]
    assert [one.last for one in match(denials, UNIT, state())] == [1, 7, 5, 9]


def test_a_script_is_tied_by_its_name_though_the_record_names_its_interpreter() -> None:
    workload = Workload("vpnd", "executable", executable="/usr/sbin/vpnd", label="vpn (enforce)")
    found = State(executables={"/usr/sbin/vpnd": Executable("/usr/sbin/vpnd", interpreter="/usr/bin/python3.13")})
    record = {"subject": "vpn", "executable": "/usr/bin/python3.13"}
    assert tie(denial(name="vpnd", **record), workload, found) == "label"
    assert tie(denial(name="other", **record), workload, found) is None
    assert tie(denial(name="vpnd", **record), workload, State()) is None
