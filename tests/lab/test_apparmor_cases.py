# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which AppArmor refuses netlink, on a real kernel: refused, named, mended by a rule, proven by the
program itself, taken back. A look-alike is allowed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from apparmor_situations import BROKEN, CLIENTS, EXECUTED, HEALTHY, NAMED, PYROUTE2, AppArmorCase
from confined import PROFILE, client, end_service, serve
from machine import Machine

NAME, UNIT = "labaa", "lab-aa"
FILE, LOCAL = f"/etc/apparmor.d/{NAME}", f"/etc/apparmor.d/local/{NAME}"
# It asks at its start and when it gets SIGHUP, and stays: nothing in it opens a netlink socket but what it starts.
DAEMON = """\
#!/bin/sh
ask() {{
  {command} >/run/{name}.output 2>&1
  echo $? >/run/{name}.status
}}
ask
while :; do sleep 3600; done
"""


def load(machine: Machine, rules: str, case: AppArmorCase) -> None:
    """Write the profile; load it unless that is what the case leaves out."""
    flags = f" flags=({case.flags})" if case.flags else ""
    text = PROFILE.format(name=NAME, rules=rules.replace(", ", ",\n  "), flags=flags)
    machine.write(FILE, text.replace("<abi/4.0>", f"<abi/{case.abi}>"))


class Program:
    """The program of one case, installed, confined and run once."""

    def __init__(self, machine: Machine, case: AppArmorCase) -> None:
        self.machine, self.case = machine, case
        source, arguments = CLIENTS[case.client]
        self.command = [client(NAME), *arguments]
        if source is None:
            machine.write(client(NAME), PYROUTE2)
        else:
            machine.sh('install "$(readlink -f "$(command -v "$1")")" "$2"', source, client(NAME))
        machine.write(f"{client(NAME)}-daemon", DAEMON.format(command=shlex.join(self.command), name=NAME))
        machine.sh('chmod 755 "$1" "$1-daemon"', client(NAME))
        if case.local:
            machine.write(LOCAL, case.local + "\n")
        load(machine, case.rules, case)
        machine.sh('apparmor_parser -r "$1"', FILE)
        if case.stale:
            load(machine, f"{case.rules} {case.stale}", case)
        self.workload: dict[str, Any] = {"executable": client(NAME), **case.workload}
        if case.way != EXECUTED:
            settings = [f"AppArmorProfile={NAME}"] if case.way == NAMED else []
            shell = "/bin/sh " if case.way == NAMED else ""
            serve(machine, UNIT, f"{shell}{client(NAME)}-daemon", *settings, *case.settings)
            self.workload = {"unit": f"{UNIT}.service", **case.workload}

    def said(self, anew: bool = False) -> str:
        """What the program printed, "ok" where it succeeded; a service is started anew for another answer."""
        if self.case.way == EXECUTED:
            done = self.machine.run(self.command)
            return "ok" if done.returncode == 0 else done.stdout + done.stderr
        if anew:
            self.machine.sh('rm -f "/run/$1.status"; systemctl restart "$2"', NAME, UNIT)
        status = self.machine.sh('until [ -s "/run/$1.status" ]; do sleep 0.1; done; cat "/run/$1.status"', NAME)
        return "ok" if status == "0\n" else self.machine.sh('cat "/run/$1.output"', NAME)

    def remove(self) -> None:
        if self.case.way != EXECUTED:
            end_service(self.machine, UNIT)
        self.machine.sh('apparmor_parser -R "$1" || true; rm -f "$1" "$2" "$3" "$3-daemon"', FILE, LOCAL, client(NAME))
        self.machine.sh('rm -f "/run/$1".*', NAME)


@pytest.fixture
def program(apparmor_guest: Machine, case: AppArmorCase) -> Iterator[Program]:
    made = Program(apparmor_guest, case)
    yield made
    made.remove()


def by_name(case: AppArmorCase) -> str:
    return f"{case.name}-{case.way}"


@pytest.mark.parametrize("case", HEALTHY, ids=by_name)
def test_a_healthy_program_is_allowed_without_a_finding(apparmor_guest: Machine, program: Program) -> None:
    assert program.said() == "ok"
    result = apparmor_guest.diagnose(program.workload)
    assert result["findings"] == []
    assert result["workloads"][0]["verdict"] == "allowed", result


@pytest.mark.parametrize("case", BROKEN, ids=by_name)
def test_the_rule_that_is_missing_is_named_and_added(
    apparmor_guest: Machine, case: AppArmorCase, program: Program
) -> None:
    assert re.search(case.symptom, program.said()), program.said()
    untouched = apparmor_guest.snapshot()
    result = apparmor_guest.diagnose(program.workload, evidence_hours=1)
    assert apparmor_guest.snapshot() == untouched, "the diagnosis changed the host"
    assert result["findings"], result
    first = result["findings"][0]
    assert (first["cause"], first["reason"]) == ("apparmor_denied", case.reason), result["findings"]
    assert result["workloads"][0]["verdict"] == case.verdict, result
    assert bool(first["remedy"]) == bool(case.missing) and (first["remedy"] or first["advice"]), first
    if case.deny:
        assert {"source": place_of(apparmor_guest, case.deny), "text": case.deny} in first["evidence"], first
    if case.missing:
        mend_and_take_back(apparmor_guest, case, program, result["findings"], untouched)


def place_of(machine: Machine, rule: str) -> str:
    """FILE:LINE of a rule of the profile."""
    line = machine.sh('grep -n -x -F "  $1" "$2"', rule, FILE).partition(":")[0]
    return f"{FILE}:{line}"


def mend_and_take_back(
    machine: Machine, case: AppArmorCase, program: Program, findings: list[dict[str, Any]], untouched: str
) -> None:
    remedies = [finding["remedy"] for finding in findings if finding["remedy"]]
    assert {remedy["role"] for remedy in remedies} == {"netlink_apparmor"}
    wanted = [item for remedy in remedies for item in remedy["variables"]["netlink_apparmor_profiles"]]
    assert {item["profile"] for item in wanted} == {NAME}
    rules = [rule for item in wanted for rule in item["rules"]]
    assert set(case.missing) == set(rules), rules
    call = {
        "profiles": [{"profile": NAME, "rules": rules}],
        "accept": [word for remedy in remedies for word in remedy["consent"]],
        "run_id": "case",
    }
    preview = machine.module("apparmor_rules", check=True, **call)
    assert machine.snapshot() == untouched, "the preview changed the host"
    assert preview["changed"] and preview["receipt"] is None, preview
    real = machine.module("apparmor_rules", **call)
    assert (real["changes"], real["diff"]) == (preview["changes"], preview["diff"])

    fixed = machine.diagnose(program.workload)
    assert [finding for finding in fixed["findings"] if finding["effect"] != "none"] == [], fixed
    assert fixed["workloads"][0]["verdict"] == "allowed", fixed
    assert program.said(anew=True) == "ok"
    again = machine.module("apparmor_rules", **call)
    assert not again["changed"] and not again["changes"], again

    back = machine.module("receipt", run="latest")
    assert back["changed"], back
    assert machine.snapshot() == untouched, "the rollback did not restore the host"
    assert re.search(case.symptom, program.said(anew=True))
    assert not machine.module("receipt", run="latest")["changed"]
