# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""denial_info where AppArmor refuses: what the kernel recorded is told, wherever it went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, Optional
from uuid import uuid4

import pytest
from confined import NET_ADMIN_RULE, NETLINK_RULE, asking, client, confine_apparmor, free_apparmor, without_auditd
from machine import Machine


@pytest.fixture
def name(apparmor_guest: Machine) -> Iterator[str]:
    """A client that no other test has, so that the records are of this test."""
    chosen = f"d{uuid4().hex[:8]}"
    yield chosen
    free_apparmor(apparmor_guest, chosen)


def told(guest: Machine, profile: str, **options: Any) -> list[dict[str, Any]]:
    """The denials of a profile."""
    result = guest.module("denial_info", since="1h", **options)
    assert not result.get("failed"), result
    return [item for item in result["denials"] if item["subject"] == profile]


DENY = "deny capability net_admin,"
DENIED: dict[str, tuple[str, Optional[str], str, bool]] = {
    "neither rule": ("", "create", "netlink raw", True),
    "no rule for the capability": (NETLINK_RULE, "net_admin", "capability", True),
    "a rule for another type of socket": (f"{NET_ADMIN_RULE} network netlink dgram,", "create", "netlink raw", True),
    "a rule that refuses and tells": (
        f"{NETLINK_RULE} audit deny capability net_admin,",
        "net_admin",
        "capability",
        True,
    ),
    "a rule that refuses in silence": (f"{NETLINK_RULE} deny capability net_admin,", None, "", True),
    "complain mode": (NETLINK_RULE, "net_admin", "capability", False),
}


@pytest.mark.parametrize("auditd", [True, False])
@pytest.mark.parametrize("what", DENIED)
def test_a_denial_is_told_with_or_without_auditd(apparmor_guest: Machine, name: str, what: str, auditd: bool) -> None:
    rules, permission, thing, enforced = DENIED[what]
    confine_apparmor(apparmor_guest, name, rules, flags="" if enforced else "complain")
    with nullcontext() if auditd else without_auditd(apparmor_guest):
        before = time.time()
        apparmor_guest.run(asking(name))
        found = told(apparmor_guest, name)
    if permission is None:
        assert found == []
        return
    (denial,) = found
    assert (denial["module"], denial["permission"], denial["object"]) == ("apparmor", permission, thing)
    assert (denial["name"], denial["enforced"], denial["count"]) == (name, enforced, 1)
    # journald listens to the audit system too, and may be quicker than auditd.
    assert denial["source"] in (("audit", "journal") if auditd else ("kernel", "journal"))
    assert abs(denial["last"] - before) < 60 and denial["pid"] > 1
    if thing != "capability":
        assert denial["errno"] == "EACCES"


def test_with_a_rule_of_audit_the_call_and_the_program_are_told(apparmor_guest: Machine, name: str) -> None:
    confine_apparmor(apparmor_guest, name)
    rule = ["-a", "always,exit", "-F", "arch=b64", "-S", "socket", "-F", "exit=-EACCES"]
    apparmor_guest.run(["auditctl", *rule])
    try:
        apparmor_guest.run(asking(name))
        found = [told(apparmor_guest, name, ausearch=ausearch, sources=["audit"]) for ausearch in (False, True)]
    finally:
        apparmor_guest.run(["auditctl", "-d", *rule[1:]])
    (denial,), (searched,) = found
    # ausearch takes the record for malformed, and leaves out the rest of the event.
    assert all(searched[key] == denial[key] for key in ("permission", "object", "subject", "last", "count", "pid"))
    assert (denial["executable"], denial["syscall"], denial["succeeded"]) == (client(name), "socket", False)
    assert (denial["uid"], denial["command"]) == (0, " ".join(asking(name)))


def test_a_refused_user_namespace_is_told(apparmor_guest: Machine, name: str) -> None:
    confine_apparmor(apparmor_guest, name)
    apparmor_guest.sh('cp -f "$(command -v unshare)" "$1"', client(name))
    done = apparmor_guest.run([client(name), "--user", "true"])
    assert done.returncode != 0
    (denial,) = told(apparmor_guest, name)
    assert (denial["permission"], denial["object"], denial["errno"]) == ("userns_create", "user_namespace", "EACCES")


def test_what_is_not_about_netlink_is_left_out(apparmor_guest: Machine, name: str) -> None:
    confine_apparmor(
        apparmor_guest, name, f"{NETLINK_RULE} {NET_ADMIN_RULE} deny /etc/hostname r, audit deny /etc/fstab r,"
    )
    apparmor_guest.sh('cp -f /bin/cat "$1"; "$1" /etc/fstab 2>/dev/null || :', client(name))
    apparmor_guest.sh('install "$(readlink -f "$(command -v ip)")" "$1"', client(name))
    apparmor_guest.run([client(name), "link", "show", "dev", "nosuchlink"])  # asks for sys_module on the way
    assert told(apparmor_guest, name) == []


def test_the_same_again_is_counted_as_one(apparmor_guest: Machine, name: str) -> None:
    confine_apparmor(apparmor_guest, name)
    for _time in range(3):
        apparmor_guest.run(asking(name))
    (denial,) = told(apparmor_guest, name)
    assert denial["count"] == 3 and denial["first"] < denial["last"]


def test_a_program_cannot_forge_a_record(apparmor_guest: Machine) -> None:
    name = "forged"
    record = (
        f'apparmor="DENIED" operation="capable" profile="{name}" pid=1 comm="ip" capability=12  capname="net_admin"'
    )
    line = f"audit: type=1400 audit({time.time():.3f}:1): {record}"
    apparmor_guest.sh('logger -t kernel "$1"; echo "$1" | systemd-cat; echo "$1" >/dev/kmsg; sleep 0.2', line)
    apparmor_guest.sh('auditctl -m "$1"; journalctl --sync', record)
    assert told(apparmor_guest, name) == []


def test_the_watch_says_what_this_kernel_has(apparmor_guest: Machine) -> None:
    result = apparmor_guest.module("denial_info", since="0", sources=[], duration=1)
    live = result["live"]
    if live["available"]:
        assert live["offers"] == [] and live["why"] is None and live["seconds"] == 1
    else:
        assert live["why"] and any("audit rule" in offer for offer in live["offers"])
        assert [item["reason"] for item in result["unseen"]] == [live["why"]]
