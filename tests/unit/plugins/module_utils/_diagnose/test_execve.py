# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What execve grants, rule by rule. tests/kernel compares all rules with the kernel itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._execve import after_start, predict_execve
from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES, FileCapability
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Executable
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, IdRange

NET_ADMIN = 1 << 12
NEW, OLD = [6, 16], [6, 12]
ROOT = Credentials(effective=ALL_CAPABILITIES, permitted=ALL_CAPABILITIES, bounding=ALL_CAPABILITIES)
USER = Credentials(*[4242] * 8, bounding=ALL_CAPABILITIES)
AMBIENT = replace(USER, **dict.fromkeys(["effective", "permitted", "inheritable", "ambient"], NET_ADMIN))
PLAIN = Executable("/x", mode=0o755, uid=0, gid=0)
EP = replace(PLAIN, capability=FileCapability(NET_ADMIN, 0, True))
P = replace(PLAIN, capability=FileCapability(NET_ADMIN))


def sets(prediction):
    after = prediction.credentials
    return (after.effective, after.permitted, after.ambient)


CASES = {
    "a plain file gives a user nothing": (USER, PLAIN, (0, 0, 0), []),
    "root gets the bounding set": (replace(ROOT, bounding=NET_ADMIN), PLAIN, (NET_ADMIN, NET_ADMIN, 0), []),
    "noroot makes root an ordinary user": (replace(ROOT, securebits=1), PLAIN, (0, 0, 0), []),
    "+ep grants": (USER, EP, (NET_ADMIN, NET_ADMIN, 0), []),
    "+p grants permitted only": (USER, P, (0, NET_ADMIN, 0), ["permitted_only"]),
    "nosuid voids it": (USER, replace(EP, nosuid=True), (0, 0, 0), ["nosuid"]),
    "no_new_privs voids it": (replace(USER, no_new_privs=True), EP, (0, 0, 0), ["no_new_privs"]),
    "ambient survives a plain file": (AMBIENT, PLAIN, (NET_ADMIN,) * 3, []),
    "ambient survives no_new_privs": (replace(AMBIENT, no_new_privs=True), PLAIN, (NET_ADMIN,) * 3, []),
    "an empty xattr clears ambient": (
        AMBIENT,
        replace(PLAIN, capability=FileCapability()),
        (0, 0, 0),
        ["ambient_cleared"],
    ),
    "a setgid bit clears ambient": (AMBIENT, replace(PLAIN, mode=0o2755, gid=7), (0, 0, 0), ["ambient_cleared"]),
    "a rootid of nobody above voids it": (
        USER,
        replace(PLAIN, capability=FileCapability(NET_ADMIN, 0, True, 3, 9999)),
        (0, 0, 0),
        ["rootid"],
    ),
    "a capability of an unmapped namespace is void": (
        USER,
        replace(PLAIN, capability_unmapped=True),
        (0, 0, 0),
        ["rootid"],
    ),
    "a capability on a script is void": (
        USER,
        replace(PLAIN, interpreter="/bin/sh", script_capability=EP.capability),
        (0, 0, 0),
        ["script"],
    ),
    "setuid root with a capability gets the capability only": (
        USER,
        replace(EP, mode=0o4755),
        (NET_ADMIN, NET_ADMIN, 0),
        ["setuid_with_capabilities"],
    ),
    "+p outside the bounding set grants nothing": (replace(USER, bounding=0), P, (0, 0, 0), ["bounding"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_granted(name):
    before, file, wanted, notes = CASES[name]
    prediction = predict_execve(before, file, NEW)
    assert prediction.error is None
    assert sets(prediction) == wanted
    assert prediction.notes == notes


def test_setuid_root_makes_a_user_root():
    after = predict_execve(USER, replace(PLAIN, mode=0o4755), NEW).credentials
    assert (after.ruid, after.euid, after.suid, after.fsuid) == (4242, 0, 0, 0)
    assert after.effective == ALL_CAPABILITIES


@pytest.mark.parametrize(
    ("before", "file", "error", "notes"),
    [
        (replace(USER, bounding=0), EP, "EPERM", ["bounding"]),
        (replace(USER, bounding=0, no_new_privs=True), EP, "EPERM", ["bounding"]),
        (USER, replace(PLAIN, mode=0o750), "EACCES", ["not_executable"]),
        (USER, Executable("/x", exists=False), "ENOENT", ["missing"]),
    ],
)
def test_an_execve_that_fails_has_no_credentials(before, file, error, notes):
    prediction = predict_execve(before, file, NEW)
    assert (prediction.credentials, prediction.error, prediction.notes) == (None, error, notes)


def test_since_linux_6_16_a_setgid_file_of_ones_own_group_is_no_change():
    before = replace(AMBIENT, groups=(7,))
    file = replace(PLAIN, mode=0o2755, gid=7)
    assert predict_execve(before, file, NEW).credentials.ambient == NET_ADMIN
    assert predict_execve(before, file, OLD).credentials.ambient == 0


def test_the_owner_of_a_setuid_file_must_be_mapped():
    inside = [IdRange(0, 100000, 65536)]
    file = replace(PLAIN, mode=0o4755, uid=0)
    prediction = predict_execve(USER, file, NEW, rootids=(100000, 0), uid_map=inside, gid_map=inside)
    assert prediction.credentials.euid == 4242
    assert prediction.notes == ["unmapped_owner"]


def test_root_of_a_user_namespace_is_who_its_map_says():
    before = replace(USER, **dict.fromkeys(["ruid", "euid", "suid", "fsuid"], 100000))
    inside = [IdRange(0, 100000, 65536)]
    after = predict_execve(before, PLAIN, NEW, rootids=(100000, 0), uid_map=inside, gid_map=inside).credentials
    assert after.effective == ALL_CAPABILITIES
    outside = [IdRange(5, 100000, 1)]
    assert predict_execve(before, PLAIN, NEW, uid_map=outside, gid_map=outside).credentials.effective == 0


def test_a_program_that_drops_keeps_what_is_inheritable():
    file = replace(EP, drops_capabilities=True)
    prediction = predict_execve(USER, file, NEW)
    assert prediction.notes == ["drops"]
    assert after_start(prediction.credentials, file).effective == 0
    inherits = replace(AMBIENT, ambient=0)
    kept = predict_execve(inherits, file, NEW)
    assert kept.notes == []
    assert after_start(kept.credentials, file).effective == NET_ADMIN


def test_securebits_that_are_unknown_stay_unknown():
    assert predict_execve(USER, PLAIN, NEW).credentials.securebits is None
    assert predict_execve(replace(USER, securebits=16 | 4), PLAIN, NEW).credentials.securebits == 4
