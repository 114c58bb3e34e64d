# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest with SELinux is what the other tests take it for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from confined import (
    NET_ADMIN_CIL,
    NETLINK_CIL,
    asking,
    client,
    confine_selinux,
    end_service,
    recorded,
    remove_modules,
    serve,
    without_auditd,
)
from machine import Machine

CLIENTS = {
    "labnone": "",
    "labnetlink": NETLINK_CIL,
    "labadmin": NET_ADMIN_CIL,
    "labboth": f"{NETLINK_CIL} {NET_ADMIN_CIL}",
}
DENIED = {
    "labnone": ("Permission denied", "{ create }", "tclass=netlink_route_socket"),
    "labnetlink": ("Operation not permitted", "{ net_admin }", "tclass=capability"),
    "labadmin": ("Permission denied", "{ create }", "tclass=netlink_route_socket"),
}


@pytest.fixture(scope="module")
def guest(selinux_guest: Machine) -> Iterator[Machine]:
    """The guest with the clients in it."""
    confine_selinux(selinux_guest, CLIENTS, "labguest")
    yield selinux_guest
    selinux_guest.sh('rm "$@"', *(f"{client(name)}{end}" for name in CLIENTS for end in ("", "-daemon")))
    remove_modules(selinux_guest, "labguest")


def test_selinux_enforces_and_files_and_services_have_their_labels(selinux_guest: Machine) -> None:
    assert selinux_guest.sh("getenforce") == "Enforcing\n"
    assert selinux_guest.sh("id -Z").startswith("unconfined_u:unconfined_r:unconfined_t:")
    assert selinux_guest.sh("stat -c %C /usr/sbin/sshd") == "system_u:object_r:sshd_exec_t:s0\n"
    pid = selinux_guest.sh("systemctl show --property=MainPID --value auditd").strip()
    assert selinux_guest.sh(f"tr -d '\\0' < /proc/{pid}/attr/current").startswith("system_u:system_r:auditd_t:")
    assert selinux_guest.sh("systemctl --failed --no-legend") == ""


@pytest.mark.parametrize("name", DENIED)
@pytest.mark.parametrize("auditd", [True, False])
def test_a_confined_client_is_refused_and_the_denial_recorded(guest: Machine, name: str, auditd: bool) -> None:
    with nullcontext() if auditd else without_auditd(guest), recorded(guest) as denials:
        done = guest.run(asking(name))
    said, *words = DENIED[name]
    own = [line for line in denials if f"{name}_t" in line]
    assert done.returncode != 0 and said in done.stderr
    assert len(own) == 1 and all(word in own[0] for word in words)
    assert own[0].startswith("type=AVC msg=audit(" if auditd else "[")


def test_a_client_with_both_rules_is_not_refused(guest: Machine) -> None:
    with recorded(guest) as denials:
        done = guest.run(asking("labboth"))
    assert (done.returncode, done.stderr, [line for line in denials if "labboth_t" in line]) == (0, "", [])


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("/usr/local/sbin/labnetlink-daemon", []),
        ("/bin/sh /usr/local/sbin/labnetlink-daemon", ["SELinuxContext=system_u:system_r:labnetlink_t:s0"]),
    ],
)
def test_a_service_is_confined_by_its_label_or_by_its_unit(guest: Machine, command: str, settings: list[str]) -> None:
    serve(guest, "lab", command, *settings)
    label = guest.sh("tr -d '\\0' < /proc/$(systemctl show --property=MainPID --value lab)/attr/current")
    answer = guest.sh("until [ -s /run/labnetlink.status ]; do sleep 0.1; done; cat /run/labnetlink.output")
    end_service(guest, "lab")
    guest.sh("rm /run/labnetlink.*")
    assert label == "system_u:system_r:labnetlink_t:s0"
    assert "Operation not permitted" in answer


def test_a_reboot_keeps_the_module_and_the_labels(guest: Machine) -> None:
    guest.reboot()
    assert guest.sh("getenforce") == "Enforcing\n"
    assert "labguest" in guest.sh("semodule -l").split()
    assert ":labnone_exec_t:" in guest.sh("stat -c %C /usr/local/sbin/labnone")
    assert "Permission denied" in guest.run(asking("labnone")).stderr
