# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links whose module not every kernel has: a bond takes only ports that are down, and says EPERM to root."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from machine import Machine

ENSLAVE = ["ip", "link", "set", "v0", "master", "b0"]
WORKLOAD: dict[str, Any] = {"executable": "/usr/sbin/tc", "interface": "v0", "master": "b0"}
BROKEN = [("link_state", "up")]


@pytest.fixture
def guest(apparmor_guest: Machine) -> Iterator[Machine]:
    """The guest with a bond b0, a bridge b1 and a pair of links v0 and v1."""
    before = apparmor_guest.sh("cut -d ' ' -f 1 /proc/modules").split()
    apparmor_guest.sh(
        "modprobe bonding max_bonds=0; ip link add b0 type bond; ip link add b1 type bridge; "
        "ip link add v0 type veth peer name v1"
    )
    yield apparmor_guest
    apparmor_guest.sh("ip link del v0; ip link del b0; ip link del b1; rmmod bonding veth")
    after = apparmor_guest.sh("cut -d ' ' -f 1 /proc/modules").split()
    apparmor_guest.sh('for name in "$@"; do modprobe -r "$name" || true; done', *sorted(set(after) - set(before)))


def judged(guest: Machine, **more: Any) -> tuple[str, list[tuple[str, str]], list[dict[str, Any]]]:
    result = guest.diagnose({**WORKLOAD, **more})
    findings = result["findings"]
    return result["workloads"][0]["verdict"], [(item["cause"], item["reason"]) for item in findings], findings


def test_a_port_that_is_up_is_refused_by_a_bond_and_named(guest: Machine) -> None:
    guest.sh("ip link set v0 up")
    done = guest.run(ENSLAVE)
    assert done.returncode != 0 and "can not be enslaved while up" in done.stderr
    verdict, named, findings = judged(guest)
    assert (verdict, named) == ("refused", BROKEN)
    assert "ip link set dev v0 down" in findings[0]["advice"] and findings[0]["remedy"] is None


def test_a_port_that_is_down_is_taken_by_a_bond(guest: Machine) -> None:
    guest.sh("ip link set v0 up; ip link set v0 down")
    verdict, named, _findings = judged(guest)
    assert (verdict, named) == ("allowed", [])
    guest.sh(" ".join(ENSLAVE))


def test_a_port_that_is_up_is_taken_by_a_bridge(guest: Machine) -> None:
    guest.sh("ip link set v0 up")
    verdict, named, _findings = judged(guest, master="b1")
    assert (verdict, named) == ("allowed", [])
    guest.sh("ip link set v0 master b1")
