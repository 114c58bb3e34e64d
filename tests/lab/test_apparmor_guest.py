# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest with AppArmor is what the other tests take it for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from confined import (
    NET_ADMIN_RULE,
    NETLINK_RULE,
    asking,
    confine_apparmor,
    end_service,
    free_apparmor,
    recorded,
    serve,
    without_auditd,
)
from machine import Machine

PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: uname -r
      register: kernel
    - ansible.builtin.copy:
        content: "{{ kernel.stdout }} {{ word }}"
        dest: /srv/played
"""

STARTER = """\
import pathlib, sys, machine
machine.Machine(*map(pathlib.Path, sys.argv[1:])).start()
print(flush=True)
sys.stdin.read()
"""


def test_apparmor_is_active_with_the_profiles_of_etc(apparmor_guest: Machine) -> None:
    assert "apparmor" in apparmor_guest.sh("cat /sys/kernel/security/lsm")
    assert "unprivileged_userns" in apparmor_guest.sh("cat /sys/kernel/security/apparmor/profiles")
    assert apparmor_guest.sh("systemctl is-active apparmor auditd").split() == ["active", "active"]
    assert apparmor_guest.sh("systemctl --failed --no-legend") == ""


@pytest.mark.parametrize(
    ("rules", "said", "record"),
    [
        ("", "Permission denied", 'operation="create"'),
        (NET_ADMIN_RULE, "Permission denied", 'operation="create"'),
        (NETLINK_RULE, "Operation not permitted", 'capname="net_admin"'),
    ],
)
@pytest.mark.parametrize("auditd", [True, False])
def test_a_confined_client_is_refused_and_the_denial_recorded(
    apparmor_guest: Machine, rules: str, said: str, record: str, auditd: bool
) -> None:
    confine_apparmor(apparmor_guest, "labip", rules)
    with nullcontext() if auditd else without_auditd(apparmor_guest), recorded(apparmor_guest) as denials:
        done = apparmor_guest.run(asking("labip"))
    free_apparmor(apparmor_guest, "labip")
    assert done.returncode != 0 and said in done.stderr
    assert len(denials) == 1 and record in denials[0] and 'apparmor="DENIED"' in denials[0]
    assert denials[0].startswith("type=AVC msg=audit(" if auditd else "[")


def test_a_client_with_both_rules_is_not_refused(apparmor_guest: Machine) -> None:
    confine_apparmor(apparmor_guest, "labip", f"{NETLINK_RULE} {NET_ADMIN_RULE}")
    with recorded(apparmor_guest) as denials:
        done = apparmor_guest.run(asking("labip"))
    free_apparmor(apparmor_guest, "labip")
    assert (done.returncode, done.stderr, denials) == (0, "", [])


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("/usr/local/sbin/labip-daemon", []),
        ("/bin/sh /usr/local/sbin/labip-daemon", ["AppArmorProfile=labip"]),
    ],
)
def test_a_service_is_confined_by_attachment_or_by_its_unit(
    apparmor_guest: Machine, command: str, settings: list[str]
) -> None:
    confine_apparmor(apparmor_guest, "labip", NETLINK_RULE)
    serve(apparmor_guest, "lab", command, *settings)
    label = apparmor_guest.sh("cat /proc/$(systemctl show --property=MainPID --value lab)/attr/current")
    answer = apparmor_guest.sh("until [ -s /run/labip.status ]; do sleep 0.1; done; cat /run/labip.output")
    end_service(apparmor_guest, "lab")
    apparmor_guest.sh("rm /run/labip.*")
    free_apparmor(apparmor_guest, "labip")
    assert label == "labip (enforce)\n"
    assert "Operation not permitted" in answer


def test_modules_of_the_kernel_are_not_loaded_and_can_be(apparmor_guest: Machine) -> None:
    loaded = "cut -d' ' -f1 /proc/modules"
    kinds = {"dummy", "tun", "veth", "vxlan", "macvlan", "ipvlan", "bridge", "nf_tables"}
    assert not kinds & set(apparmor_guest.sh(loaded).split())
    apparmor_guest.sh(
        "ip link add lab0 type dummy; ip link add lab1 type veth peer name lab2; ip tuntap add lab3 mode tun"
    )
    assert {"dummy", "tun", "veth"} <= set(apparmor_guest.sh(loaded).split())
    apparmor_guest.sh("for name in 0 1 3; do ip link del lab$name; done; modprobe -r dummy tun veth")
    assert not kinds & set(apparmor_guest.sh(loaded).split())


def test_a_module_and_a_playbook_of_this_machine_act_in_the_guest(apparmor_guest: Machine, tmp_path: Path) -> None:
    play = tmp_path / "play.yml"
    play.write_text(PLAY)
    done = apparmor_guest.ansible(str(play), word="guest")
    assert done.returncode == 0, done.stdout + done.stderr
    assert apparmor_guest.sh("cat /srv/played; rm /srv/played") == apparmor_guest.sh("uname -r").strip() + " guest"
    assert not apparmor_guest.module("diagnosis_info", workloads=[{"name": "init", "pid": 1}]).get("failed")


def test_a_reboot_keeps_the_disk_and_applies_what_is_due_at_boot(apparmor_guest: Machine) -> None:
    confine_apparmor(apparmor_guest, "labip")
    apparmor_guest.write("/etc/modules-load.d/lab.conf", "dummy\n")
    apparmor_guest.write("/etc/sysctl.d/zz-lab.conf", "net.ipv4.ip_forward = 1\n")
    boot = apparmor_guest.sh("cat /proc/sys/kernel/random/boot_id")
    apparmor_guest.reboot("lab.word=again")
    assert apparmor_guest.sh("cat /proc/sys/kernel/random/boot_id") != boot
    assert "lab.word=again" in apparmor_guest.sh("cat /proc/cmdline")
    assert apparmor_guest.sh("cat /proc/sys/net/ipv4/ip_forward") == "1\n"
    assert "dummy" in apparmor_guest.sh("cut -d' ' -f1 /proc/modules").split()
    assert "labip (enforce)" in apparmor_guest.sh("cat /sys/kernel/security/apparmor/profiles")
    assert apparmor_guest.run(asking("labip")).returncode != 0
    free_apparmor(apparmor_guest, "labip")
    apparmor_guest.sh("rm /etc/modules-load.d/lab.conf /etc/sysctl.d/zz-lab.conf; modprobe -r dummy")
    apparmor_guest.sh("sysctl -q -w net.ipv4.ip_forward=0")


def test_a_guest_ends_with_the_process_that_started_it(places: Path, request: pytest.FixtureRequest) -> None:
    place, lab = places / "killed", request.config.getoption("--lab")
    command = [sys.executable, "-c", STARTER, str(place), str(lab)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    starter = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert starter.stdout is not None
    starter.stdout.readline()
    assert _processes(place)
    shutil.rmtree(json.loads((place / "pids").read_text())[1])
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    deadline = time.monotonic() + 10
    while _processes(place) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes(place) == []


def _processes(place: Path) -> list[str]:
    """Command lines that name the place, and kernels that have it mounted."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text().replace("\0", " ")
            if str(place) in command or f" {place} /place " in (folder / "mountinfo").read_text():
                found.append(command)
        except OSError:
            continue
    return found
