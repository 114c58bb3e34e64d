# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which AppArmor refuses netlink, on a real kernel: refused, named, mended by a rule, proven by the
program itself, taken back. A look-alike is allowed.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible
import pytest
from apparmor_situations import (
    ADMIN,
    ATTACHED,
    BROKEN,
    CLIENTS,
    DGRAM,
    EXECUTED,
    HEALTHY,
    NAMED,
    PYROUTE2,
    RAW,
    USERNS,
    AppArmorCase,
)
from confined import PROFILE, client, end_service, serve
from host import COLLECTIONS, WORKER
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
    text = text.replace("/** mrwlkix,", case.files or "/** mrwlkix,")
    machine.write(FILE, text.replace("<abi/4.0>", f"<abi/{case.abi}>"))


class Program:
    """The program of one case, installed, confined and run once."""

    def __init__(self, machine: Machine, case: AppArmorCase) -> None:
        self.machine, self.case = machine, case
        # What an earlier case left: its records are of the same program, its client may have set the MTU.
        machine.sh(": > /var/log/audit/audit.log; dmesg -C; ip link set dev lo mtu 65000")
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
            # systemd has it started a moment before it has its label: said() waits for what it writes.
            machine.sh('rm -f "/run/$1".*', NAME)
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
    assert result["findings"], result
    first = result["findings"][0]
    assert (first["cause"], first["reason"]) == ("apparmor_denied", case.reason), result["findings"]
    assert result["workloads"][0]["verdict"] == case.verdict, result
    assert bool(first["remedy"]) == bool(case.missing) and (first["remedy"] or first["advice"]), first
    if case.deny:
        assert {"source": place_of(apparmor_guest, case.deny), "text": case.deny} in first["evidence"], first
    if case.missing:
        mend_and_take_back(apparmor_guest, case, program, result["findings"], untouched)
    else:
        assert differences(untouched, apparmor_guest.snapshot()) == [], "the diagnosis changed the host"


@pytest.mark.parametrize("case", [AppArmorCase("no-record", f"{ADMIN} {DGRAM}", way=ATTACHED)], ids=by_name)
def test_what_a_script_opens_is_not_known_where_no_record_is_looked_at(
    apparmor_guest: Machine, program: Program
) -> None:
    assert "Cannot open netlink socket" in program.said()
    result = apparmor_guest.diagnose(program.workload)
    assert result["workloads"][0]["verdict"] == "unknown", result
    assert [(one["reason"], one["effect"]) for one in result["findings"]] == [("network_rule", "may_refuse")]


def place_of(machine: Machine, rule: str) -> str:
    """FILE:LINE of a rule of the profile."""
    line = machine.sh('grep -n -x -F "  $1" "$2"', rule, FILE).partition(":")[0]
    return f"{FILE}:{line}"


def differences(before: str, after: str) -> list[str]:
    """Lines that only one of two snapshots has."""
    return sorted(set(before.splitlines()) ^ set(after.splitlines()))


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
    assert differences(untouched, machine.snapshot()) == [], "the diagnosis or the preview changed the host"
    assert preview["changed"] and preview["receipt"] is None, preview
    real = machine.module("apparmor_rules", **call)
    assert (real["changes"], real["diff"]) == (preview["changes"], preview["diff"])

    fixed = machine.diagnose(program.workload, evidence_hours=1)
    assert [finding for finding in fixed["findings"] if finding["effect"] != "none"] == [], fixed
    assert fixed["workloads"][0]["verdict"] == "allowed", fixed
    assert program.said(anew=True) == "ok"
    again = machine.module("apparmor_rules", **call)
    assert not again["changed"] and not again["changes"], again

    back = machine.module("receipt", run="latest")
    assert back["changed"], back
    assert differences(untouched, machine.snapshot()) == [], "the rollback did not restore the host"
    assert re.search(case.symptom, program.said(anew=True))
    assert not machine.module("receipt", run="latest")["changed"]


HOLDER = """\
import socket, struct, time
kinds = {"raw": socket.SOCK_RAW, "dgram": socket.SOCK_DGRAM}
own = socket.socket(socket.AF_NETLINK, kinds["%s"], 0)
time.sleep(1)
try:
    own.sendto(struct.pack("=IHHIIBxHiII", 32, 19, 5, 1, 0, 0, 0, 1, 0, 0), (0, 0))
    own.recv(65536)
finally:
    open("/run/labaa.status", "w").write("0\\n")
    time.sleep(1000)
"""
ALL_RULES = "network, capability,"


@pytest.fixture
def holder(apparmor_guest: Machine, rules: str, kind: str) -> Iterator[dict[str, Any]]:
    """A service that holds a netlink socket of its own, opened before the rules held; its workload."""
    case = AppArmorCase("holder", ALL_RULES, way=NAMED)
    apparmor_guest.write("/usr/local/sbin/labaa-holder", HOLDER % kind)
    load(apparmor_guest, ALL_RULES, case)
    apparmor_guest.sh('apparmor_parser -r "$1"', FILE)
    serve(apparmor_guest, UNIT, "/usr/bin/python3 /usr/local/sbin/labaa-holder", f"AppArmorProfile={NAME}")
    load(apparmor_guest, rules, case)
    apparmor_guest.sh('apparmor_parser -r "$1"; until [ -s /run/labaa.status ]; do sleep 0.1; done', FILE)
    yield {"unit": f"{UNIT}.service"}
    end_service(apparmor_guest, UNIT)
    apparmor_guest.sh('apparmor_parser -R "$1"; rm -f "$1" /usr/local/sbin/labaa-holder /run/labaa.*', FILE)


@pytest.mark.parametrize(("rules", "kind"), [(RAW, "raw")])
def test_a_recorded_denial_of_that_process_proves_it_where_nothing_was_asked(
    apparmor_guest: Machine, holder: dict[str, Any]
) -> None:
    result = apparmor_guest.diagnose(holder, evidence_hours=1, probe=False)
    first = result["findings"][0]
    assert (first["reason"], first["certainty"]) == ("capability", "proven"), result
    pid = result["workloads"][0]["pid"]
    assert any(f"pid={pid} " in line["text"] and "net_admin" in line["text"] for line in first["evidence"]), first


@pytest.mark.parametrize(("rules", "kind"), [(f"{RAW} {ADMIN}", "dgram"), (f"{DGRAM} {ADMIN}", "raw")])
def test_the_type_of_a_held_socket_is_the_one_that_the_rule_is_for(
    apparmor_guest: Machine, holder: dict[str, Any], kind: str
) -> None:
    result = apparmor_guest.diagnose(holder)
    assert result["workloads"][0]["verdict"] == "refused", result
    wanted = result["findings"][0]["remedy"]["variables"]["netlink_apparmor_profiles"]
    assert wanted == [{"profile": NAME, "rules": [f"network netlink {kind},"]}]


@pytest.mark.parametrize("case", [AppArmorCase("user", RAW, way=NAMED, settings=("User=daemon",))], ids=by_name)
def test_without_the_capability_both_are_found_in_the_kernel_s_order(apparmor_guest: Machine, program: Program) -> None:
    result = apparmor_guest.diagnose(program.workload)
    assert [(item["cause"], item["reason"], item["certainty"]) for item in result["findings"]] == [
        ("missing_capability", "not_root", "proven"),
        ("apparmor_denied", "capability", "likely"),
    ], result


GENERATED = "profile docker-default { file, network, signal, unix, capability net_raw, }"


def test_a_profile_that_an_engine_makes_anew_is_judged_by_the_kernel_and_left_alone(apparmor_guest: Machine) -> None:
    done = apparmor_guest.run(["apparmor_parser", "-r", "-K"], stdin=GENERATED)
    assert done.returncode == 0, done.stderr
    serve(apparmor_guest, UNIT, "/bin/sleep 1000", "AppArmorProfile=docker-default")
    try:
        result = apparmor_guest.diagnose({"unit": f"{UNIT}.service"})
    finally:
        end_service(apparmor_guest, UNIT)
        apparmor_guest.run(["apparmor_parser", "-R"], stdin=GENERATED)
    (found,) = result["findings"]
    assert (found["reason"], found["certainty"], found["remedy"]) == ("capability", "proven", None), result
    assert found["policy_owner"] == "container engine" and found["advice"]


# Without signal, systemd could not end it.
STACK = (
    f"profile {NAME} {{ file, network, signal, capability, }} "
    f"profile {NAME}-2 {{ file, network, signal, capability net_raw, }}"
)


def test_each_profile_of_a_stack_is_asked_and_the_one_that_refuses_is_named(apparmor_guest: Machine) -> None:
    apparmor_guest.write(FILE, f"{STACK}\n")
    apparmor_guest.sh('apparmor_parser -r -K "$1"', FILE)
    label = f"{NAME}//&{NAME}-2"
    serve(apparmor_guest, UNIT, f"/usr/bin/aa-exec -p {label} -- /bin/sleep 1000")
    try:
        apparmor_guest.sh('until grep -q "//&" /proc/$(systemctl show -P MainPID "$1")/attr/current; do :; done', UNIT)
        facts = apparmor_guest.module("lsm_facts", units=[UNIT])["ansible_facts"]["netlink_lsm"]
        result = apparmor_guest.diagnose({"unit": f"{UNIT}.service"})
    finally:
        end_service(apparmor_guest, UNIT)
        apparmor_guest.sh('apparmor_parser -R "$1"; rm "$1"', FILE)
    parts = [{"profile": name, "mode": "enforce"} for name in (NAME, f"{NAME}-2")]
    assert facts["processes"][0]["apparmor"] == parts and facts["processes"][0]["label"] == f"{label} (enforce)"
    assert result["workloads"][0]["verdict"] == "refused" and result["workloads"][0]["probes"][0]["answer"] == "EPERM"
    wanted = [item["remedy"]["variables"]["netlink_apparmor_profiles"] for item in result["findings"]]
    assert wanted == [[{"profile": f"{NAME}-2", "rules": [ADMIN]}]], result


@pytest.mark.parametrize(
    "case", [AppArmorCase("facts", f"{RAW} {ADMIN}", way=way) for way in (EXECUTED, NAMED)], ids=by_name
)
def test_the_facts_are_those_of_the_kernel_and_of_the_file(apparmor_guest: Machine, program: Program) -> None:
    assert program.said() == "ok"
    asked = {"units": [UNIT]} if "unit" in program.workload else {"executables": [client(NAME)]}
    facts = apparmor_guest.module("lsm_facts", **asked)["ansible_facts"]["netlink_lsm"]
    assert facts["active"] == apparmor_guest.sh("cat /sys/kernel/security/lsm").split(",")
    found = (facts["processes"] or facts["executables"])[0]
    assert (found["label"], found["apparmor"]) == (f"{NAME} (enforce)", [{"profile": NAME, "mode": "enforce"}])
    assert found["domain"] is None and facts["selinux"] is None and facts["domains"] == []
    (profile,) = facts["profiles"]
    line = int(apparmor_guest.sh('grep -n "^profile" "$1"', FILE).partition(":")[0])
    assert (profile["file"], profile["line"], profile["local"], profile["mode"]) == (FILE, line, LOCAL, "enforce")
    assert [rule["text"] for rule in profile["rules"] if rule["file"] == FILE] == ["/** mrwlkix,", RAW, ADMIN]
    assert facts["unseen"] == []


def test_the_profile_for_one_program_that_needs_user_namespaces_attaches_to_it_and_can_be_taken_back(
    apparmor_guest: Machine,
) -> None:
    """The remedy for Ubuntu's switch, which this kernel does not have: what it makes is a profile like any other."""
    apparmor_guest.sh('install "$(readlink -f "$(command -v unshare)")" "$1"', client(NAME))
    untouched = apparmor_guest.snapshot()
    name = client(NAME).strip("/").replace("/", ".")
    call = {"profiles": [{"profile": name, "rules": [USERNS], "executable": client(NAME)}], "run_id": "case"}
    preview = apparmor_guest.module("apparmor_rules", check=True, **call)
    assert apparmor_guest.snapshot() == untouched and preview["changed"], preview
    real = apparmor_guest.module("apparmor_rules", **call)
    assert (real["changes"], real["diff"]) == (preview["changes"], preview["diff"]), real
    label = apparmor_guest.run([client(NAME), "-U", "cat", "/proc/self/attr/current"]).stdout
    facts = apparmor_guest.module("lsm_facts", executables=[client(NAME)])["ansible_facts"]["netlink_lsm"]
    assert label.strip() == facts["executables"][0]["label"] == f"{name} (unconfined)"
    assert not apparmor_guest.module("apparmor_rules", **call)["changed"]
    assert apparmor_guest.module("receipt", run="latest")["changed"]
    assert apparmor_guest.snapshot() == untouched
    apparmor_guest.sh('rm "$1"', client(NAME))


PATTERNS = ["labaa", "lab*", "laba?", "{labaa,labab}", "[l]ab*", "*aa", "*", "**"]
# Two profiles for each pair of patterns, and what the kernel makes of a program that both match.
PAIRS = r"""
for one in $PATTERNS; do
  for other in $PATTERNS; do
    [ "$one" != "$other" ] || continue
    for name in "1 $one" "2 $other"; do
      echo "profile labaa-${name% *} /usr/local/sbin/${name#* } { /** mrwlkix, }"
    done >/etc/apparmor.d/labaa
    apparmor_parser -r -K /etc/apparmor.d/labaa
    cp /etc/apparmor.d/labaa "/root/pairs/$one $other"
    echo "$one $other $(/usr/local/sbin/labaa /proc/self/attr/current)"
  done
done
"""


def test_of_two_profiles_for_a_program_the_one_is_named_that_the_kernel_takes(apparmor_guest: Machine) -> None:
    apparmor_guest.sh('install "$(readlink -f "$(command -v cat)")" "$1"; mkdir /root/pairs', client(NAME))
    pairs = apparmor_guest.sh(f"set -f; PATTERNS='{' '.join(PATTERNS)}'; {PAIRS}", timeout=180)
    wrong = []
    try:
        for one, other, label in (line.split(" ", 2) for line in pairs.splitlines()):
            apparmor_guest.sh('cp "/root/pairs/$1" "$2"', f"{one} {other}", FILE)
            facts = apparmor_guest.module("lsm_facts", executables=[client(NAME)])["ansible_facts"]["netlink_lsm"]
            found = facts["executables"][0]["label"]
            wrong += [(one, other, label, found)] if found != label else []
    finally:
        apparmor_guest.sh('apparmor_parser -R "$1"; rm -r "$1" "$2" /root/pairs', FILE, client(NAME))
    assert len(pairs.splitlines()) == len(PATTERNS) * (len(PATTERNS) - 1) and wrong == []


@pytest.mark.parametrize(
    ("header", "gone", "verdict"),
    [
        (f"{NAME} {client(NAME)}", True, "unknown"),  # It is loaded, and no file tells for which programs.
        (f"{NAME} {client(NAME)} xattrs=(user.lab=yes)", False, "unknown"),
        (f"{client(NAME)} /usr/local/sbin/other", False, "allowed"),
    ],
)
def test_where_the_text_does_not_tell_which_profile_attaches_nothing_is_claimed(
    apparmor_guest: Machine, header: str, gone: bool, verdict: str
) -> None:
    apparmor_guest.sh('install "$(readlink -f "$(command -v ip)")" "$1"', client(NAME))
    text = f"profile {header} {{ /** mrwlkix, {RAW} }}\n"
    apparmor_guest.write(FILE, text)
    apparmor_guest.sh('apparmor_parser -r -K "$1"; [ -z "$2" ] || rm "$1"', FILE, "x" * gone)
    result = apparmor_guest.diagnose({"executable": client(NAME)})
    apparmor_guest.write(FILE, text)
    apparmor_guest.sh('apparmor_parser -R "$1"; rm "$1" "$2"', FILE, client(NAME))
    assert (result["workloads"][0]["verdict"], result["findings"]) == (verdict, []), result


@pytest.mark.parametrize("case", [AppArmorCase("disabled", RAW, way=EXECUTED)], ids=by_name)
def test_what_is_disabled_and_still_loaded_gets_advice(apparmor_guest: Machine, program: Program) -> None:
    apparmor_guest.sh('ln -s "$1" /etc/apparmor.d/disable', FILE)
    result = apparmor_guest.diagnose(program.workload)
    apparmor_guest.sh(f"rm /etc/apparmor.d/disable/{NAME}")
    (found,) = result["findings"]
    assert (found["reason"], found["remedy"]) == ("capability", None) and "disable" in found["advice"], found


@pytest.mark.parametrize(
    "case",
    [AppArmorCase("bounding", f"{RAW} {ADMIN}", way=NAMED, settings=("CapabilityBoundingSet=CAP_NET_RAW",))],
    ids=by_name,
)
def test_where_something_else_refuses_no_type_of_socket_is_guessed(apparmor_guest: Machine, program: Program) -> None:
    result = apparmor_guest.diagnose(program.workload)
    assert [item["cause"] for item in result["findings"]] == ["unit_sandbox"], result


@pytest.mark.parametrize("case", [AppArmorCase("both-rules", f"{RAW} {ADMIN}", way=EXECUTED)], ids=by_name)
def test_a_module_that_is_confined_itself_asks_nothing_in_another_profile(
    apparmor_guest: Machine, program: Program
) -> None:
    rules = "file, network, capability, signal, unix, ptrace, mount, umount,"
    own = f"profile {NAME}-module flags=(attach_disconnected) {{ {rules} }}"
    assert apparmor_guest.run(["apparmor_parser", "-r", "-K"], stdin=own).returncode == 0
    request = {"workloads": [{"name": "w", **program.workload}], "_ansible_check_mode": False}
    path = f"{COLLECTIONS}:{Path(ansible.__file__).parents[1]}"
    command = ["env", f"PYTHONPATH={path}", "aa-exec", "-p", f"{NAME}-module", "--", "python3", "-B", str(WORKER)]
    done = apparmor_guest.run(command, stdin=json.dumps(["diagnosis_info", request]) + "\n")
    apparmor_guest.run(["apparmor_parser", "-R"], stdin=own)
    result = json.loads(done.stdout)
    assert not result.get("failed"), result
    (found,) = result["workloads"]
    assert (found["verdict"], found["probes"][0]["answer"]) == ("unknown", "allowed"), found
    assert found["probes"][0]["not_reproduced"] == [f"LSM label {NAME} (enforce)"]
