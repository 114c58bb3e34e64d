# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules on a kernel that has some: what keeps one from being loaded on demand is named, the remedy loads it,
also at the next boot, and a rollback unloads it. What would be loaded on demand is healthy, and stays unloaded.

The guest is of these tests alone, since they reboot it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible
import pytest
from machine import COLLECTIONS, WORKER, Machine

CONF = "/etc/modprobe.d/case.conf"
PERSISTED = "/etc/modules-load.d/netlink-remediation.conf"
TUN_OPEN = "python3 -c 'import os; os.open(\"/dev/net/tun\", os.O_RDWR)'"


@dataclass(frozen=True)
class Need:
    """What a workload needs. client: asks for it; symptom: what it says without; undo: takes back what it did."""

    name: str
    module: str
    alias: str
    workload: dict[str, Any]
    client: str
    symptom: str
    undo: str = "true"
    along: str = ""
    verdict: str = "allowed"


def kind(name: str, module: str = "", more: str = "", along: str = "") -> Need:
    return Need(
        f"kind-{name}",
        module or name,
        f"rtnl-link-{name}",
        {"operations": ["link"], "link_kind": name},
        f"ip link add k7 {'link vec0' if name in ('vlan', 'macvlan') else ''} type {name} {more}",
        "Unknown device type",
        "ip link del k7",
        along,
    )


NEEDS = [
    kind("dummy"),
    kind("vxlan", more="id 7 dstport 4789", along="ip6_udp_tunnel udp_tunnel"),
    kind("vlan", "8021q", "id 7", along="garp mrp stp llc"),
    Need(
        "qdisc-netem",
        "sch_netem",
        "net-sch-netem",
        {"operations": ["qdisc"], "qdisc_kind": "netem"},
        "tc qdisc add dev lo root netem delay 1ms",
        "qdisc kind is unknown",
        "tc qdisc del dev lo root",
    ),
    # Families and the device are not asked for by a probe, so it is not known that they would answer.
    Need(
        "family-xfrm",
        "xfrm_user",
        "net-pf-16-proto-6",
        {"operations": ["xfrm"]},
        "ip xfrm state list",
        "Protocol not supported",
        along="xfrm_algo",
        verdict="unknown",
    ),
    Need(
        "device-tun",
        "tun",
        "char-major-10-200",
        {"operations": ["tun"]},
        TUN_OPEN,
        "No such device",
        verdict="unknown",
    ),
]
BY_NAME = {need.name: need for need in NEEDS}


@pytest.fixture(scope="module")
def guest(request: pytest.FixtureRequest, places: Path) -> Iterator[Machine]:
    with Machine(places / "modules", request.config.getoption("--lab"), mode="none") as machine:
        yield machine


@pytest.fixture(autouse=True)
def tidy(guest: Machine) -> Iterator[None]:
    yield
    guest.run(
        ["sh", "-c", f"rm -f {CONF}; for need in {' '.join(need.module for need in NEEDS)}; do rmmod $need; done"]
    )


def loaded(guest: Machine) -> set[str]:
    return {line.split()[0] for line in guest.sh("cat /proc/modules").splitlines()}


def said(guest: Machine, need: Need) -> str:
    """ "ok" (and what was made is taken away again), or what the client said."""
    done = guest.run(["sh", "-c", need.client])
    if done.returncode:
        return done.stderr + done.stdout
    guest.sh(need.undo)
    return "ok"


def unload(guest: Machine, need: Need) -> None:
    guest.run(["sh", "-c", f"for name in {need.module} {need.along}; do rmmod $name; done"])
    assert need.module not in loaded(guest)


def diagnose(guest: Machine, need: Need) -> tuple[str, list[dict[str, Any]]]:
    """The verdict and the findings for root's ip; it loads and unloads nothing."""
    before = loaded(guest)
    result = guest.diagnose({"executable": "/usr/sbin/ip", **need.workload})
    assert loaded(guest) == before, "the diagnosis changed the loaded modules"
    return result["workloads"][0]["verdict"], result["findings"]


def reasons(findings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(item["cause"], item["reason"]) for item in findings]


KIND = [("module_missing", "kind")]


# --- healthy ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.name)
def test_what_the_kernel_would_load_on_demand_is_healthy_and_stays_unloaded(guest: Machine, need: Need) -> None:
    unload(guest, need)
    assert diagnose(guest, need) == (need.verdict, [])
    assert said(guest, need) == "ok"
    assert need.module in loaded(guest)
    assert diagnose(guest, need) == ("allowed", [])


@pytest.mark.parametrize("need", NEEDS[-3:], ids=lambda need: need.name)
def test_what_is_loaded_is_healthy_in_spite_of_a_blacklist(guest: Machine, need: Need) -> None:
    guest.sh(f"modprobe {need.module}")
    guest.write(CONF, f"blacklist {need.module}\n")
    assert diagnose(guest, need) == ("allowed", [])
    assert said(guest, need) == "ok"


def test_a_blacklist_line_for_what_a_module_needs_is_no_cause(guest: Machine) -> None:
    need = BY_NAME["kind-vxlan"]
    unload(guest, need)
    guest.write(CONF, "blacklist udp_tunnel\n")
    assert diagnose(guest, need) == ("allowed", [])
    assert said(guest, need) == "ok"


def test_an_install_line_for_what_is_loaded_already_is_no_cause(guest: Machine) -> None:
    need = BY_NAME["kind-vxlan"]
    guest.sh("modprobe vxlan; rmmod vxlan")
    guest.write(CONF, "install udp_tunnel /bin/false\n")
    assert diagnose(guest, need) == ("allowed", [])
    assert said(guest, need) == "ok"


# --- broken, and mended -----------------------------------------------------------------------------------------------


def blacklist(need: Need) -> str:
    return f"# a policy\nblacklist {need.module.replace('_', '-')}\n"


def alias_off(need: Need) -> str:
    return f"alias {need.alias} off\n"


BROKEN = [(need, blacklist) for need in NEEDS] + [
    (BY_NAME["kind-dummy"], alias_off),
    (BY_NAME["kind-dummy"], lambda need: "alias rtnl-link-dummy vxlan\n"),
    (BY_NAME["kind-vlan"], lambda need: "alias rtnl-link-v* \\\n  off\n"),
]


@pytest.mark.parametrize(("need", "lines"), BROKEN)
def test_a_line_that_keeps_a_module_from_being_loaded_is_named_and_the_module_loaded(
    guest: Machine, need: Need, lines: Any
) -> None:
    unload(guest, need)
    guest.write(CONF, lines(need))
    assert need.symptom in said(guest, need)
    untouched, before = guest.snapshot(), loaded(guest)
    verdict, findings = diagnose(guest, need)
    assert (verdict, reasons(findings)) == ("refused", KIND), findings
    assert any(item["source"].startswith(CONF) for item in findings[0]["evidence"])
    wanted = findings[0]["remedy"]["variables"]["netlink_module_modules"]
    assert wanted == [{"name": need.module, "state": "present"}]

    preview = guest.module("kernel_modules", check=True, modules=wanted)
    assert (guest.snapshot(), loaded(guest)) == (untouched, before), "the preview changed the guest"
    real = guest.module("kernel_modules", modules=wanted, run_id="case")
    assert (real["changes"], real["diff"]) == (preview["changes"], preview["diff"])
    assert said(guest, need) == "ok"
    assert diagnose(guest, need) == ("allowed", [])
    assert not guest.module("kernel_modules", modules=wanted)["changed"]

    back = guest.module("receipt", run="latest")
    assert back["changed"] and back["left_alone"] == [], back
    assert loaded(guest) == before, "more or less is loaded than before"
    assert guest.snapshot() == untouched
    assert need.symptom in said(guest, need)
    assert not guest.module("receipt", run="latest")["changed"]


@pytest.mark.parametrize("helper", ["/sbin/none", "/bin/false"])
def test_a_kernel_without_a_program_to_load_modules_is_named(guest: Machine, helper: str) -> None:
    need = BY_NAME["kind-dummy"]
    unload(guest, need)
    guest.sh('sysctl -q -w kernel.modprobe="$1"', helper)
    try:
        assert need.symptom in said(guest, need)
        verdict, findings = diagnose(guest, need)
        assert (verdict, reasons(findings)) == ("refused", KIND)
        assert not guest.module("kernel_modules", modules=[{"name": "dummy"}], persist=False).get("failed")
        assert said(guest, need) == "ok"
        assert guest.module("receipt", run="latest")["changed"]
    finally:
        guest.sh("sysctl -q -w kernel.modprobe=/sbin/modprobe")


SEALED = [
    ("kind-dummy", "install dummy /bin/false\n"),
    ("kind-dummy", "install dummy /bin/true\n"),
    ("kind-vxlan", "install udp-tunnel /bin/false\n"),
]


@pytest.mark.parametrize(("name", "line"), SEALED)
def test_an_install_line_that_refuses_is_named_and_gets_advice(guest: Machine, name: str, line: str) -> None:
    need = BY_NAME[name]
    unload(guest, need)
    guest.write(CONF, line)
    assert need.symptom in said(guest, need)
    verdict, findings = diagnose(guest, need)
    assert (verdict, reasons(findings), findings[0]["remedy"]) == ("refused", KIND, None)
    assert f"{CONF}:1" in findings[0]["advice"]
    for check in (True, False):
        refused = guest.module("kernel_modules", check=check, modules=[{"name": need.module}])
        assert refused["failed"] and f"{CONF}:1" in refused["msg"], refused


def test_a_kind_that_no_module_has_gets_advice(guest: Machine) -> None:
    need = kind("nosuchkind")
    assert need.symptom in said(guest, need)
    verdict, findings = diagnose(guest, need)
    assert (verdict, reasons(findings), findings[0]["remedy"]) == ("refused", KIND, None)
    assert "linux-modules-extra" in findings[0]["advice"]


@contextmanager
def moved(guest: Machine, path: str) -> Iterator[None]:
    path = path.format(release=guest.sh("uname -r").strip())
    guest.sh('mv "$1" "$1.away"', path)
    try:
        yield
    finally:
        guest.sh('mv "$1.away" "$1"', path)


def test_a_module_whose_file_is_gone_gets_advice(guest: Machine) -> None:
    need = BY_NAME["kind-dummy"]
    unload(guest, need)
    with moved(guest, "/lib/modules/{release}/kernel/drivers/net/dummy.ko"):
        assert need.symptom in said(guest, need)
        verdict, findings = diagnose(guest, need)
        assert (verdict, reasons(findings), findings[0]["remedy"]) == ("refused", KIND, None)
        assert "not on disk" in findings[0]["summary"] and "reboot" in findings[0]["advice"]
        assert "does not exist" in guest.module("kernel_modules", modules=[{"name": "dummy"}])["msg"]


def test_without_the_directory_of_the_kernel_nothing_is_claimed(guest: Machine) -> None:
    """As after an update of the kernel without a reboot."""
    need = BY_NAME["kind-dummy"]
    unload(guest, need)
    with moved(guest, "/lib/modules/{release}"):
        result = guest.diagnose({"executable": "/usr/sbin/ip", **need.workload})
        assert (result["workloads"][0]["verdict"], result["findings"]) == ("unknown", [])
        assert any(item["source"] == "kind dummy" and "rebooted" in item["reason"] for item in result["unseen"])
        assert "reboot" in guest.module("kernel_modules", modules=[{"name": "dummy"}])["msg"]


# --- /dev/net/tun -----------------------------------------------------------------------------------------------------


def test_a_node_that_is_missing_because_its_module_is_not_loaded_comes_with_it(guest: Machine) -> None:
    need = BY_NAME["device-tun"]
    unload(guest, need)
    guest.sh("rm /dev/net/tun")
    assert "No such file" in said(guest, need)
    verdict, findings = diagnose(guest, need)
    assert (verdict, reasons(findings)) == ("refused", [("module_missing", "tun_node_missing")])
    wanted = findings[0]["remedy"]["variables"]["netlink_module_modules"]
    assert guest.module("kernel_modules", modules=wanted)["changed"]
    assert said(guest, need) == "ok"
    assert diagnose(guest, need) == ("allowed", [])
    assert guest.module("receipt", run="latest")["changed"]
    guest.sh("mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod -m 0666 /dev/net/tun c 10 200")


IN_GROUP = "sh -c 'echo $$ > /run/v1/z/cgroup.procs; exec {}'"


def test_a_control_group_of_version_1_that_leaves_the_device_out_is_named(guest: Machine) -> None:
    guest.sh(
        "modprobe tun; mkdir -p /run/v1; mount -t cgroup -o devices none /run/v1; mkdir /run/v1/z; cd /run/v1/z; "
        "echo a > devices.deny; echo 'c 1:* rwm' > devices.allow"
    )
    pid = guest.sh(f"setsid {IN_GROUP.format('sleep 1000')} </dev/null >/dev/null 2>&1 & echo $!").strip()
    client = ["sh", "-c", IN_GROUP.format("ip tuntap add t7 mode tap")]
    try:
        assert "Operation not permitted" in guest.run(client).stderr
        result = guest.diagnose({"pid": int(pid), "operations": ["tun"]})
        assert reasons(result["findings"]) == [("module_missing", "tun_device_cgroup")], result
        assert any(item["source"] == "/run/v1/z/devices.list" for item in result["findings"][0]["evidence"])
        guest.sh("echo 'c 10:200 rwm' > /run/v1/z/devices.allow")
        result = guest.diagnose({"pid": int(pid), "operations": ["tun"]})
        assert (result["workloads"][0]["verdict"], result["findings"]) == ("allowed", []), result
        assert guest.run(client).returncode == 0
    finally:
        guest.run(
            ["sh", "-c", f"ip link del t7; kill {pid}; sleep 0.2; rmdir /run/v1/z; umount /run/v1; rmdir /run/v1"]
        )


# --- the module -------------------------------------------------------------------------------------------------------


def test_what_is_in_use_or_whose_use_nobody_counts_is_not_unloaded(guest: Machine) -> None:
    guest.sh("ip netns add blue; rmmod dummy vxlan || true")
    guest.module("kernel_modules", modules=[{"name": name} for name in ("dummy", "vxlan", "nf-tables")])
    guest.sh("ip -n blue link add k7 type dummy")
    back = guest.module("receipt", run="latest")
    why = {item["target"]: item["why"] for item in back["left_alone"]}
    assert back["changed"] and set(why) == {"dummy", "nf_tables"}, back
    assert "k7" in why["dummy"] and "next boot" in why["nf_tables"]
    assert {"dummy", "nf_tables"} <= loaded(guest) and "vxlan" not in loaded(guest)
    assert guest.run(["test", "-e", PERSISTED]).returncode == 1
    guest.sh("ip netns del blue; sleep 1")
    assert guest.module("receipt", run="latest")["changed"]
    assert "dummy" not in loaded(guest)


def test_a_module_that_came_along_stays_for_links_of_its_own_kind(guest: Machine) -> None:
    guest.sh("rmmod macvtap macvlan tap dummy || true")
    before = loaded(guest)
    guest.module("kernel_modules", modules=[{"name": "macvtap"}], persist=False)
    guest.sh("ip netns add blue; ip -n blue link add k7 type dummy; ip -n blue link add m7 link k7 type macvlan")
    try:
        back = guest.module("receipt", run="latest")
        assert back["changed"] and back["left_alone"] == [], back
        assert loaded(guest) == before | {"macvlan", "dummy"}
        assert "m7" in guest.sh("ip -n blue -br link")
    finally:
        guest.sh("ip netns del blue; sleep 1; rmmod macvlan dummy")


def test_a_family_of_netfilter_that_came_along_stays_since_its_tables_are_not_counted(guest: Machine) -> None:
    guest.sh("rmmod act_ct nf_flow_table nf_nat nf_tables || true")
    guest.module("kernel_modules", modules=[{"name": "act-ct"}], persist=False)
    assert guest.module("receipt", run="latest")["changed"]
    assert loaded(guest) & {"act_ct", "nf_nat", "nf_tables"} == {"nf_tables"}
    guest.sh("rmmod nf_tables")


BAD = [
    ("loop", "is no network module"),
    ("nosuch", "is no module of kernel"),
    ("rtnl-link-vxlan", "expected vxlan"),
    ("../evil", "can be no kernel module"),
    ("-r", "can be no kernel module"),
]


@pytest.mark.parametrize(("name", "words"), BAD)
@pytest.mark.parametrize("check", [True, False])
def test_what_cannot_be_loaded_is_one_clear_sentence(guest: Machine, name: str, words: str, check: bool) -> None:
    refused = guest.module("kernel_modules", check=check, modules=[{"name": "dummy"}, {"name": name}])
    assert refused["failed"] and "modules[1].name" in refused["msg"] and words in refused["msg"], refused


def test_one_without_the_privilege_is_told_where_to_run(guest: Machine) -> None:
    unload(guest, BY_NAME["kind-dummy"])
    parameters = {"modules": [{"name": "dummy"}], "_ansible_check_mode": False}
    start = f"import sys; sys.path.insert(0, {str(WORKER.parent)!r}); from worker import call"
    code = f"{start}; print(call('kernel_modules', {parameters}), file=sys.__stdout__)"
    paths = f"PYTHONPATH={COLLECTIONS}:{Path(ansible.__file__).parents[1]}"
    dropped = ["--bounding-set=-sys_module", "--inh-caps=-sys_module"]
    refused = guest.run(["setpriv", *dropped, "env", paths, "python3", "-B", "-c", code])
    assert "no cap_sys_module" in refused.stdout, refused


def test_the_list_for_the_boot_is_sorted_and_each_line_can_be_taken_out(guest: Machine) -> None:
    guest.module("kernel_modules", modules=[{"name": name} for name in ("vxlan", "sch-netem", "dummy")])
    assert guest.sh(f"grep -v '^#' {PERSISTED}").split() == ["dummy", "sch_netem", "vxlan"]
    gone = [{"name": "sch_netem", "state": "absent"}]
    assert guest.module("kernel_modules", modules=gone, check=True)["changed"]
    assert guest.module("kernel_modules", modules=gone)["changed"]
    assert not guest.module("kernel_modules", modules=gone)["changed"]
    assert guest.sh(f"grep -v '^#' {PERSISTED}").split() == ["dummy", "vxlan"]
    assert "sch_netem" in loaded(guest)
    rest = [{"name": name, "state": "absent"} for name in ("dummy", "vxlan")]
    assert guest.module("kernel_modules", modules=rest)["changed"]
    assert guest.run(["test", "-e", PERSISTED]).returncode == 1


PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: Load
      ansible.builtin.include_role:
        name: netlink.remediation.netlink_module
      vars:
        netlink_module_modules: [{name: vxlan}, {name: dummy}]
        netlink_module_persist: false
"""


def test_the_role_loads_and_changes_nothing_the_second_time(guest: Machine, tmp_path: Path) -> None:
    for need in ("kind-dummy", "kind-vxlan"):
        unload(guest, BY_NAME[need])
    play = tmp_path / "play.yml"
    play.write_text(PLAY)
    results = [guest.ansible(str(play), *words) for words in (["--check"], [], [])]
    changed = [re.search(r"changed=(\d)", done.stdout) for done in results]
    assert [match and match[1] for match in changed] == ["1", "1", "0"], results[1].stdout + results[1].stderr
    assert {"vxlan", "dummy"} <= loaded(guest)


# --- over a reboot; these come last -----------------------------------------------------------------------------------


def test_what_is_persisted_is_loaded_at_the_next_boot_in_spite_of_a_blacklist(guest: Machine) -> None:
    need = BY_NAME["kind-dummy"]
    unload(guest, need)
    guest.write(CONF, blacklist(need))
    fixed = guest.module("kernel_modules", modules=[{"name": "dummy"}, {"name": "vxlan"}])
    guest.reboot()
    assert {"dummy", "vxlan"} <= loaded(guest)
    assert diagnose(guest, need) == ("allowed", [])
    assert said(guest, need) == "ok"
    assert not guest.module("kernel_modules", modules=[{"name": "dummy"}, {"name": "vxlan"}])["changed"]
    assert guest.module("receipt", id=fixed["receipt"]["id"])["changed"]
    assert not {"dummy", "vxlan"} & loaded(guest)
    guest.reboot()
    assert not {"dummy", "vxlan"} & loaded(guest)
    assert need.symptom in said(guest, need)


def test_a_module_that_the_command_line_of_the_kernel_refuses_gets_advice(guest: Machine) -> None:
    need = BY_NAME["kind-dummy"]
    guest.reboot("module_blacklist=dummy")
    assert need.symptom in said(guest, need)
    verdict, findings = diagnose(guest, need)
    assert (verdict, reasons(findings), findings[0]["remedy"]) == ("refused", KIND, None)
    assert "/proc/cmdline" in findings[0]["advice"]
    assert "/proc/cmdline" in guest.module("kernel_modules", modules=[{"name": "dummy"}])["msg"]


def test_with_modules_disabled_what_is_not_loaded_is_named_and_what_is_loaded_is_healthy(guest: Machine) -> None:
    missing, there = BY_NAME["kind-dummy"], BY_NAME["kind-vxlan"]
    guest.sh("modprobe vxlan; sysctl -q -w kernel.modules_disabled=1")
    assert missing.symptom in said(guest, missing)
    verdict, findings = diagnose(guest, missing)
    assert (verdict, reasons(findings)) == ("refused", [("module_missing", "modules_disabled")])
    assert findings[0]["remedy"] is None and "/etc/modules-load.d" in findings[0]["advice"]
    for check in (True, False):
        refused = guest.module("kernel_modules", check=check, modules=[{"name": "dummy"}])
        assert refused["failed"] and "modules_disabled" in refused["msg"]
    assert diagnose(guest, there) == ("allowed", [])
    assert said(guest, there) == "ok"
    guest.reboot()
