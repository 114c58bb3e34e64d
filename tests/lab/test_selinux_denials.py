# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""denial_info where SELinux refuses: what the kernel recorded is told, wherever it went."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from confined import NETLINK_CIL, asking, client, confine_selinux, remove_modules, without_auditd
from machine import Machine

MODULE = "labdenials"
# Client -> further rules of its domain.
CLIENTS = {"denysocket": "", "denycap": NETLINK_CIL, "denymsg": "(allow {t} self (netlink_route_socket (create bind)))"}


@pytest.fixture(scope="module")
def guest(selinux_guest: Machine) -> Iterator[Machine]:
    confine_selinux(selinux_guest, CLIENTS, MODULE)
    yield selinux_guest
    remove_modules(selinux_guest, MODULE)


def told(guest: Machine, name: str, **options: Any) -> list[dict[str, Any]]:
    """The denials of a client's domain."""
    result = guest.module("denial_info", since="1h", **options)
    assert not result.get("failed"), result
    return [item for item in result["denials"] if f":{name}_t:" in (item["subject"] or "")]


DENIED = {"denysocket": ("create", "netlink_route_socket"), "denycap": ("net_admin", "capability")}


@pytest.mark.parametrize("auditd", [True, False])
@pytest.mark.parametrize("name", DENIED)
def test_a_denial_is_told_with_or_without_auditd(guest: Machine, name: str, auditd: bool) -> None:
    before = told(guest, name)
    with nullcontext() if auditd else without_auditd(guest):
        guest.run(asking(name))
        (denial,) = told(guest, name)
    assert (denial["module"], denial["permission"], denial["object"]) == ("selinux", *DENIED[name])
    assert denial["count"] == (before[0]["count"] if before else 0) + 1
    assert (denial["name"], denial["enforced"], denial["target"]) == (name, True, denial["subject"])
    # journald listens to the audit system too, and may be quicker than auditd.
    assert denial["source"] in (("audit", "journal") if auditd else ("kernel", "journal"))


def test_ausearch_tells_the_same_as_the_file(guest: Machine) -> None:
    guest.run(asking("denysocket"))
    found = [told(guest, "denysocket", ausearch=ausearch, sources=["audit"]) for ausearch in (False, True)]
    assert found[0] == found[1] and len(found[0]) == 1


def test_of_a_permissive_system_all_that_would_be_denied_is_told(guest: Machine) -> None:
    guest.sh("setenforce 0")
    try:
        done = guest.run(asking("denymsg"))
    finally:
        guest.sh("setenforce 1")
    assert done.returncode == 0
    logged = [item for item in told(guest, "denymsg") if not item["enforced"]]
    wanted = {(item["permission"], item["object"]) for item in logged}
    assert ("net_admin", "capability") in wanted
    assert {"write", "read"} <= {permission for permission, thing in wanted if thing == "netlink_route_socket"}
    assert {permission for permission, _thing in wanted} & {"nlmsg_write", "nlmsg"}


def test_what_is_not_about_netlink_is_left_out(guest: Machine) -> None:
    guest.sh('cp -f /bin/cat "$1"; "$1" /etc/shadow >/dev/null 2>&1 || :', client("denymsg"))
    assert all(item["object"] != "file" for item in told(guest, "denymsg"))
