# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks in a guest that enforces SELinux: with no variables they find who was refused; named, it is mended."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confined import asking, client, confine_selinux, end_service, remove_modules, serve
from guest_plays import found_mended_and_taken_back, program_found
from machine import Machine

NAME, ONCE, MODULE = "labplay", "labonce", "labplays"


@pytest.fixture(scope="module")
def confined(selinux_guest: Machine) -> Iterator[Machine]:
    confine_selinux(selinux_guest, {NAME: "", ONCE: ""}, MODULE)
    serve(selinux_guest, NAME, f"{client(NAME)}-daemon")
    yield selinux_guest
    end_service(selinux_guest, NAME)
    remove_modules(selinux_guest, MODULE)
    selinux_guest.sh("rm -rf /var/lib/netlink-remediation")


def test_a_program_that_was_run_once_is_found(confined: Machine) -> None:
    assert confined.run(asking(ONCE)).returncode != 0
    text = program_found(confined, ONCE)
    assert "REFUSED" in text and "cause: selinux_denied / " in text, text


def test_a_confined_service_is_found_mended_and_taken_back(confined: Machine) -> None:
    found_mended_and_taken_back(confined, NAME, "selinux_denied", "Change the SELinux policy")
