# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks in a guest with AppArmor: with no variables they find who was refused; named, it is mended."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from confined import asking, client, confine_apparmor, end_service, free_apparmor, serve, without_auditd
from guest_plays import found_mended_and_taken_back, play, program_found
from machine import Machine

NAME = "labplay"


@pytest.fixture
def confined(apparmor_guest: Machine) -> Iterator[Machine]:
    confine_apparmor(apparmor_guest, NAME)
    serve(apparmor_guest, NAME, f"{client(NAME)}-daemon")
    yield apparmor_guest
    end_service(apparmor_guest, NAME)
    free_apparmor(apparmor_guest, NAME)
    apparmor_guest.sh("rm -rf /var/lib/netlink-remediation")


def test_a_confined_service_is_found_mended_and_taken_back(confined: Machine) -> None:
    found_mended_and_taken_back(confined, NAME, "apparmor_denied", "Set AppArmor profiles")


def test_what_a_helper_of_a_named_service_was_refused_tells_which_rule_it_needs(confined: Machine) -> None:
    workload = {"name": "vpn", "unit": NAME}
    result = confined.module("diagnosis_info", workloads=[workload], evidence_hours=1)
    rules = [one["remedy"]["variables"]["netlink_apparmor_profiles"][0]["rules"] for one in result["findings"]]
    assert rules[0] == ["network netlink raw,"], result


@pytest.mark.parametrize("auditd", [True, False])
def test_a_program_that_was_run_once_is_found_with_and_without_auditd(apparmor_guest: Machine, auditd: bool) -> None:
    name = f"labonce{int(auditd)}"
    confine_apparmor(apparmor_guest, name)
    try:
        if auditd:
            assert apparmor_guest.run(asking(name)).returncode != 0
            text = program_found(apparmor_guest, name)
        else:
            with without_auditd(apparmor_guest):
                assert apparmor_guest.run(asking(name)).returncode != 0
                text = program_found(apparmor_guest, name)
            assert "who ran it was not recorded: judged as if root did" in text, text
        assert "REFUSED" in text and "cause: apparmor_denied / " in text, text
    finally:
        free_apparmor(apparmor_guest, name)


def test_a_profile_in_complain_mode_is_said_to_stop_nothing(apparmor_guest: Machine) -> None:
    name = "labcomplain"
    confine_apparmor(apparmor_guest, name, flags="complain")
    serve(apparmor_guest, name, f"{client(name)}-daemon")
    try:
        done = play(apparmor_guest, "audit_netlink")
        assert done.code == 0, done
        assert not re.search(rf"{name}.* REFUSED", done.text), done
        assert re.search(r"note: AppArmor logged .* in complain mode, which stops nothing: that is no cause", done.text)
    finally:
        end_service(apparmor_guest, name)
        free_apparmor(apparmor_guest, name)
