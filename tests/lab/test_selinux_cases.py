# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 3a on a kernel that enforces SELinux: each reason broken, its healthy look-alike, fixed, and taken back.

All domains are installed at once and all fixes applied at once, since a change of the policy takes long.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confined import client, confine_selinux, remove_modules
from machine import Machine
from selinux_situations import BROKEN, HEALTHY, LOCKED, LOCKED_CIL, MTU, SELinuxCase

pytestmark = pytest.mark.usefixtures("domains")

# A client of the domain secap that was moved to a path where the policy expects a usual program; and a daemon.
MOVED, MOVED_DAEMON = "/usr/local/sbin/semoved", "/usr/local/sbin/semoved-daemon"
DAEMON = """\
#!/bin/sh
ip link set dev lo mtu 65000
echo $? >/run/semoved.status
while sleep 3600; do :; done
"""
UNIT = "selab"
VXLAN = ["link", "add", "labvx", "type", "vxlan", "id", "7", "dstport", "4789"]
ROLE = "netlink_selinux_"


@pytest.fixture(scope="module")
def domains(selinux_guest: Machine) -> Iterator[None]:
    """All domains and clients of this file."""
    guest = selinux_guest
    rules = {case.name: case.rules for case in [*BROKEN, *HEALTHY]}
    confine_selinux(guest, {**rules, "sefine": rules["sefine"] + LOCKED_CIL}, "labcases")
    for case in [*BROKEN, *HEALTHY]:
        guest.sh('cat "$(readlink -f "$(command -v "$1")")" > "$2"', case.program, client(case.name))
    guest.sh("modprobe tun")
    guest.write(MOVED_DAEMON, DAEMON)
    yield
    guest.sh('rm -f "$1" "$2"', MOVED, MOVED_DAEMON)
    for case in [*BROKEN, *HEALTHY]:
        guest.sh('rm -f "$1" "$1-daemon"', client(case.name))
    remove_modules(guest, "labcases")


def run(guest: Machine, case: SELinuxCase) -> tuple[int, str]:
    """Exit status of the client and what it printed."""
    done = guest.run([client(case.name), *case.arguments])
    if "tun" in case.operations:
        guest.run(["ip", "link", "del", "labtap"])
    return done.returncode, done.stdout + done.stderr


def executed(case: SELinuxCase) -> dict[str, Any]:
    """The program as a workload that root starts after a login."""
    return {"name": case.name, "executable": client(case.name), "operations": list(case.operations)}


def own(result: dict[str, Any], case: SELinuxCase) -> list[dict[str, Any]]:
    """The findings of one case."""
    return [finding for finding in result["findings"] if finding["workload"] == case.name]


def verdicts(result: dict[str, Any]) -> dict[str, str]:
    return {workload["name"]: workload["verdict"] for workload in result["workloads"]}


def merged(findings: list[dict[str, Any]]) -> dict[str, Any]:
    """The variables of all remedies in one, as the plan merges them."""
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._merge import merge_variables

    variables: dict[str, Any] = {}
    for finding in findings:
        if finding["remedy"]:
            assert finding["remedy"]["role"] == "netlink_selinux" and finding["remedy"]["consent"] == []
            variables = merge_variables(variables, finding["remedy"]["variables"])
    return variables


def options(variables: dict[str, Any]) -> dict[str, Any]:
    """The options of module selinux_policy out of the variables of its role."""
    return {name[len(ROLE) :]: value for name, value in variables.items()}


def as_sets(variables: dict[str, Any]) -> dict[str, Any]:
    """Variables with permissions in no order."""
    rules = variables.get("netlink_selinux_allow", [])
    return {**variables, "netlink_selinux_allow": [{**rule, "permissions": set(rule["permissions"])} for rule in rules]}


@contextmanager
def services(guest: Machine, units: dict[str, list[str]], start: bool = True) -> Iterator[None]:
    """Services by name, each with its command and further lines for [Service]."""
    for name, (command, *settings) in units.items():
        text = "\n".join(["[Service]", "Type=exec", f"ExecStart={command}", *settings])
        guest.write(f"/etc/systemd/system/{name}.service", f"{text}\n")
    try:
        guest.sh("systemctl daemon-reload")
        if start:
            guest.sh('systemctl restart "$@"', *units)
        yield
    finally:
        guest.run(["systemctl", "stop", *units], 120)
        guest.sh('for name; do rm "/etc/systemd/system/$name.service"; done; systemctl daemon-reload', *units)


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case.reason}-{case.name}")
def test_a_refused_client_is_explained_before_it_starts(selinux_guest: Machine, case: SELinuxCase) -> None:
    status, said = run(selinux_guest, case)
    assert status and case.symptom in said
    result = selinux_guest.diagnose(executed(case))
    assert verdicts(result) == {case.name: "refused"}
    first, *others = result["findings"]
    assert (first["cause"], first["reason"], first["gate"]) == (case.cause, case.reason, case.gate)
    assert first["effect"] == "refuses" and first["certainty"] == "likely"
    assert tuple(finding["reason"] for finding in others) == case.then
    assert as_sets(merged(result["findings"])) == as_sets(case.remedy or {})
    assert all(bool(finding["remedy"]) != bool(finding["advice"]) for finding in result["findings"])


@pytest.mark.parametrize("case", HEALTHY, ids=lambda case: case.name)
def test_a_healthy_client_is_allowed_without_a_finding(selinux_guest: Machine, case: SELinuxCase) -> None:
    assert run(selinux_guest, case)[0] == 0
    result = selinux_guest.diagnose(executed(case))
    assert result["findings"] == [] and verdicts(result) == {case.name: "allowed"}, result


def test_services_are_judged_by_the_contexts_that_they_have(selinux_guest: Machine) -> None:
    guest, cases = selinux_guest, [case for case in [*BROKEN, *HEALTHY] if case.arguments == MTU]
    with services(guest, {f"selab-{case.name}": [f"{client(case.name)}-daemon"] for case in cases}):
        result = guest.diagnose(*({"name": case.name, "unit": f"selab-{case.name}"} for case in cases))
        for case in cases:
            status = guest.sh('until [ -s "$1" ]; do sleep 0.1; done; cat "$1"', f"/run/{case.name}.status")
            assert (status == "0\n") == (case in HEALTHY), case.name
    assert verdicts(result) == {case.name: case.served for case in cases}
    for case in cases:
        findings = own(result, case)
        assert [finding["reason"] for finding in findings] == ([case.reason, *case.then] if case.reason else [])
        assert {finding["certainty"] == "proven" for finding in findings} <= {case.served == "refused"}, findings


@pytest.mark.parametrize("command", ["/usr/bin/env {}", "/bin/sh -c 'exec {}'"])
def test_what_a_wrapper_started_is_not_blamed_on_the_label_of_the_wrapper(selinux_guest: Machine, command: str) -> None:
    case = next(case for case in BROKEN if case.name == "secap")
    with services(selinux_guest, {"selab-wrapped": [command.format(f"{client(case.name)}-daemon")]}):
        selinux_guest.sh('until [ -s "$1" ]; do sleep 0.1; done', f"/run/{case.name}.status")
        result = selinux_guest.diagnose({"name": case.name, "unit": "selab-wrapped"})
    assert [finding["reason"] for finding in result["findings"]] == ["capability"], result


def test_what_a_dontaudit_rule_hides_is_said(selinux_guest: Machine) -> None:
    case = next(case for case in BROKEN if case.name == "sehidden")
    result = selinux_guest.diagnose(executed(case))
    assert any("dontaudit" in entry["text"] for entry in result["findings"][0]["evidence"])


def test_the_domain_of_many_programs_gets_advice_and_no_rule(selinux_guest: Machine) -> None:
    pid = int(selinux_guest.sh("systemctl show -P MainPID ssh"))
    result = selinux_guest.diagnose({"name": "sshd", "pid": pid})
    assert verdicts(result) == {"sshd": "refused"}
    finding = next(finding for finding in result["findings"] if finding["cause"] == "selinux_denied")
    assert finding["remedy"] is None and "domain of its own" in finding["advice"]


def test_all_fixes_are_one_change_that_works_and_can_be_taken_back(selinux_guest: Machine) -> None:
    guest, fixable = selinux_guest, [case for case in BROKEN if case.remedy]
    workloads = [executed(case) for case in fixable]
    before = guest.diagnose(*workloads)
    wanted = options(merged(before["findings"]))
    untouched = guest.snapshot()
    preview = guest.module("selinux_policy", check=True, run_id="case", **wanted)
    assert not preview.get("failed") and preview["changed"] and preview["receipt"] is None, preview
    assert guest.snapshot() == untouched, "the preview changed the host"

    real = guest.module("selinux_policy", run_id="case", **wanted)
    assert (real.get("changes"), real.get("diff")) == (preview["changes"], preview["diff"]), real
    for case in fixable:
        assert run(guest, case) == (0, ""), case.name
    after = guest.diagnose(*workloads)
    assert after["findings"] == [] and set(verdicts(after).values()) == {"allowed"}, after

    again = guest.module("selinux_policy", run_id="case", **wanted)
    assert not again.get("failed") and not again["changed"] and again["changes"] == [], again

    back = guest.module("receipt", run="latest")
    assert back.get("changed"), back
    for case in fixable:
        status, said = run(guest, case)
        assert status and case.symptom in said, case.name
    assert guest.diagnose(*workloads)["findings"] == before["findings"]
    assert not guest.module("receipt", run="latest")["changed"]


def test_a_module_that_the_domain_may_not_ask_for_is_loaded_for_it(selinux_guest: Machine) -> None:
    guest, add = selinux_guest, [client("sefine"), *VXLAN]
    workload = {"name": "w", "executable": add[0], "link_kind": "vxlan"}
    guest.sh("modprobe -r vxlan")
    assert "Unknown device type" in guest.run(add).stderr
    result = guest.diagnose(workload)
    assert reasons(result) == [("module_request", "object")] and verdicts(result) == {"w": "refused"}, result
    remedy = result["findings"][0]["remedy"]
    assert remedy["role"] == "netlink_module"
    modules = remedy["variables"]["netlink_module_modules"]
    try:
        assert guest.module("kernel_modules", modules=modules)["changed"]
        assert guest.run(add).returncode == 0
        assert verdicts(guest.diagnose(workload)) == {"w": "allowed"}
    finally:
        guest.run(["ip", "link", "del", "labvx"])
    assert guest.module("receipt", run="latest")["changed"]
    assert "Unknown device type" in guest.run(add).stderr


# --- labels of files --------------------------------------------------------------------------------------------------


@contextmanager
def mended(guest: Machine, finding: dict[str, Any], path: str) -> Iterator[None]:
    """Apply the remedy of a file with a wrong label: preview, run, run again; taken back at the end."""
    assert finding["remedy"]["variables"] == {"netlink_selinux_contexts": [{"path": path, "type": "bin_t"}]}
    wanted, label = options(finding["remedy"]["variables"]), guest.sh('stat -c %C "$1"', path)
    preview = guest.module("selinux_policy", check=True, **wanted)
    assert preview.get("changed") and guest.sh('stat -c %C "$1"', path) == label, preview
    real = guest.module("selinux_policy", **wanted)
    assert real.get("changes") == preview["changes"], real
    assert not guest.module("selinux_policy", **wanted)["changed"]
    yield
    assert guest.module("receipt", run="latest")["changed"]
    assert guest.sh('stat -c %C "$1"', path) == label


def reasons(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["reason"], finding["gate"]) for finding in result["findings"]]


def test_a_client_with_a_label_from_elsewhere_gets_the_label_of_its_path(selinux_guest: Machine) -> None:
    guest, workload = selinux_guest, {"name": "moved", "executable": MOVED}
    guest.sh('cp --preserve=context "$1" "$2"', client("secap"), MOVED)
    assert guest.run([MOVED, *MTU]).returncode != 0
    result = guest.diagnose(workload)
    assert reasons(result) == [("mislabelled", "ack")], result
    with mended(guest, result["findings"][0], MOVED):
        assert guest.run([MOVED, *MTU]).returncode == 0
        assert verdicts(guest.diagnose(workload)) == {"moved": "allowed"}
    assert guest.run([MOVED, *MTU]).returncode != 0
    assert reasons(guest.diagnose(workload)) == [("mislabelled", "ack")]


def test_a_service_with_a_label_from_elsewhere_waits_for_its_restart(selinux_guest: Machine) -> None:
    guest, workload = selinux_guest, {"name": "moved", "unit": UNIT}
    guest.sh('chmod 755 "$1"; chcon -t secap_exec_t "$1"', MOVED_DAEMON)
    with services(guest, {UNIT: [MOVED_DAEMON]}):
        result = guest.diagnose(workload)
        assert reasons(result) == [("mislabelled", "ack")] and verdicts(result) == {"moved": "refused"}, result
        assert result["findings"][0]["certainty"] == "proven"
        with mended(guest, result["findings"][0], MOVED_DAEMON):
            waiting = guest.diagnose(workload)
            assert reasons(waiting) == [("mislabelled", "ack")] and waiting["findings"][0]["pending"], waiting
            assert waiting["findings"][0]["remedy"]["role"] == "netlink_unit"
            guest.sh('systemctl restart "$1"; sleep 1; grep -x 0 /run/semoved.status', UNIT)
            assert verdicts(guest.diagnose(workload)) == {"moved": "allowed"}


def test_a_service_that_systemd_may_not_execute_gets_the_label_of_its_path(selinux_guest: Machine) -> None:
    guest, workload = selinux_guest, {"name": "moved", "unit": UNIT}
    guest.sh('chmod 755 "$1"; chcon -t bin_t "$1"', MOVED_DAEMON)
    with services(guest, {UNIT: [MOVED_DAEMON]}, start=False):
        guest.sh('chcon -t "$3" "$1"; ! systemctl start "$2"', MOVED_DAEMON, UNIT, LOCKED)
        result = guest.diagnose(workload)
        assert reasons(result)[:1] == [("mislabelled", "execve")] and verdicts(result) == {"moved": "refused"}, result
        with mended(guest, result["findings"][0], MOVED_DAEMON):
            assert reasons(guest.diagnose(workload)) == []
            guest.sh('systemctl start "$1"', UNIT)
            assert verdicts(guest.diagnose(workload)) == {"moved": "allowed"}
            guest.sh('systemctl stop "$1"', UNIT)


def test_a_program_that_is_no_entrypoint_of_the_domain_of_its_unit_gets_advice(selinux_guest: Machine) -> None:
    guest, chosen = selinux_guest, "SELinuxContext=system_u:system_r:sefine_t:s0"
    guest.sh(
        'mkdir -p /usr/local/share; cp "$1" /usr/local/share/sewhere; restorecon /usr/local/share/sewhere', MOVED_DAEMON
    )
    with services(guest, {UNIT: [f"{client('sefine')}-daemon", chosen]}):
        assert verdicts(guest.diagnose({"name": "w", "unit": UNIT})) == {"w": "allowed"}
        guest.sh('sed -i s,^ExecStart=.*,ExecStart=/usr/local/share/sewhere, "/etc/systemd/system/$1.service"', UNIT)
        guest.sh('systemctl daemon-reload; systemctl stop "$1"; ! systemctl start "$1"', UNIT)
        result = guest.diagnose({"name": "w", "unit": UNIT})
        assert reasons(result) == [("entrypoint", "execve")] and verdicts(result) == {"w": "refused"}, result
        assert result["findings"][0]["remedy"] is None and result["findings"][0]["advice"]
    guest.sh("rm /usr/local/share/sewhere")


def test_the_domain_that_a_service_will_get_is_the_one_that_it_gets(selinux_guest: Machine) -> None:
    guest, kinds = selinux_guest, ("", "SELinuxContext=system_u:system_r:sebare_t:s0", "NoNewPrivileges=yes")
    kinds += ("SELinuxContext=-system_u:system_r:secap_t:s0\nUser=nobody", "SELinuxContext=-system_u:system_r:no_t:s0")
    commands = (f"{client('sefine')}-daemon", "/usr/bin/sleep 3600", "/bin/sleep 3600")
    units = {f"selab-{index}": list(pair) for index, pair in enumerate(itertools.product(commands, kinds))}
    with services(guest, units, start=False):
        wanted = [{"name": name, "unit": name} for name in units]
        found = guest.diagnose(*wanted, include_snapshot=True)["snapshot"]["workloads"]
        guest.run(["systemctl", "start", *units], 120)
        get = 'for name; do pid=$(systemctl show -P MainPID "$name"); cat "/proc/$pid/attr/current" 2>&1; echo; done'
        labels = [line.strip("\0") for line in guest.sh(get, *units).splitlines()]
    assert [workload["label"] for workload in found] == labels
    assert not [workload for workload in found if workload["transition"]["refused"]]
    assert {label.split(":")[2] for label in labels} > {"initrc_t", "sebare_t", "secap_t", "sefine_t"}
