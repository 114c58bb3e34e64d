# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one run of the playbook mends of three families holds over a reboot, and so does its rollback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confined import client, confine_apparmor, end_service, free_apparmor, serve
from guest_plays import again, play
from machine import Machine

NAME = "labboot"
BLACKLIST = "/etc/modprobe.d/lab-reboot.conf"
WORKLOADS = [
    {"name": "confined", "unit": NAME},
    {"name": "router", "executable": "/usr/sbin/ip", "operations": ["forward"]},
    {"name": "tunnels", "executable": "/usr/sbin/ip", "operations": ["link"], "link_kind": "geneve"},
]


@pytest.fixture
def guest(apparmor_guest: Machine) -> Iterator[Machine]:
    confine_apparmor(apparmor_guest, NAME)
    serve(apparmor_guest, NAME, f"{client(NAME)}-daemon", "[Install]", "WantedBy=multi-user.target")
    apparmor_guest.write(BLACKLIST, "blacklist geneve\n")
    apparmor_guest.sh('systemctl enable "$1"; sysctl -q -w net.ipv4.ip_forward=0; ip link set lo mtu 65000', NAME)
    yield apparmor_guest
    apparmor_guest.run(["systemctl", "disable", NAME])
    end_service(apparmor_guest, NAME)
    free_apparmor(apparmor_guest, NAME)
    apparmor_guest.sh('rm -rf "$1" /var/lib/netlink-remediation; rmmod geneve 2>/dev/null || true', BLACKLIST)


def answers(machine: Machine) -> dict[str, str]:
    """What the three see, each by itself."""
    made = machine.run(["ip", "link", "add", "labboot0", "type", "geneve", "id", "5", "remote", "192.0.2.1"])
    machine.run(["ip", "link", "del", "labboot0"])
    return {
        "confined": again(machine, NAME),
        "router": machine.sh("cat /proc/sys/net/ipv4/ip_forward").strip(),
        "tunnels": made.stderr.strip() or "ok",
    }


def test_profile_sysctl_and_module_hold_over_a_reboot_and_are_gone_after_the_rollback(guest: Machine) -> None:
    refused = answers(guest)
    assert refused == {
        "confined": "Cannot open netlink socket: Permission denied",
        "router": "0",
        "tunnels": "Error: Unknown device type.",
    }
    done = play(guest, "fix_netlink", netlink_remediate_workloads=WORKLOADS)
    assert done.code == 0 and done.text.count(": FIXED, verified") == 3, done
    mended = {"confined": "ok", "router": "1", "tunnels": "ok"}
    assert answers(guest) == mended

    guest.reboot()
    assert answers(guest) == mended
    after = play(guest, "fix_netlink", netlink_remediate_workloads=WORKLOADS)
    assert after.code == 0 and after.changed == [], after
    assert after.text.count(": allowed, nothing was wrong") == 3, after

    back = play(guest, "rollback_netlink")
    assert back.code == 0 and "LEFT ALONE" not in back.text, back
    guest.reboot()
    assert answers(guest) == refused
