# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the facts modules return: the verdict on a file capability, and one clear sentence for bad input."""

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAPABILITIES,
    FileCapability,
    capability_mask,
    parse_capability_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Executable
from ansible_collections.netlink.remediation.plugins.module_utils._process_facts import (
    capability_facts,
    namespace_facts,
    verdict,
)

BOUNDING = capability_mask(name for name in CAPABILITIES if name != "cap_sys_boot")
NOTHING = {"pids": [], "units": [], "containers": [], "executables": [], "scan": [], "netns": []}


def file(text=None, **facts):
    if text is None:
        return Executable("/x", **facts)
    return Executable("/x", capability=parse_capability_text(text), capability_raw="00", **facts)


VERDICTS = [
    (file("cap_net_admin=ep"), True, []),
    (file("cap_net_admin=eip"), True, []),
    (file("cap_net_admin=ep", nosuid=True), False, ["nosuid"]),
    (file("cap_net_admin=p"), False, ["permitted_only"]),
    (file("cap_net_admin=p", raises_capabilities=True), True, ["permitted_only"]),
    (file("cap_net_admin=ei"), False, ["inheritable_only"]),
    (file("cap_sys_boot=ep"), False, ["outside_bounding_set"]),
    (file("cap_net_admin,cap_sys_boot=ep"), False, ["outside_bounding_set"]),
    (file("cap_sys_boot=p", raises_capabilities=True), False, ["outside_bounding_set", "permitted_only"]),
    (
        file("cap_net_admin,cap_sys_boot=p", raises_capabilities=True),
        True,
        ["outside_bounding_set", "permitted_only"],
    ),
    (file("="), False, ["empty"]),
    (file(capability_raw=""), False, ["empty"]),
    (file(capability_unmapped=True), False, ["rootid"]),
    (Executable("/x", capability=FileCapability(1 << 12, 0, True, 3, 5000), capability_raw="00"), False, ["rootid"]),
    (
        file("cap_net_admin=ep", drops_capabilities=True, raises_capabilities=True),
        False,
        ["dropped_by_program"],
    ),
    (file(interpreter="/bin/sh", script_capability=FileCapability(1 << 12)), False, ["script"]),
    (file("cap_net_admin=ep", interpreter="/bin/sh", script_capability=FileCapability(1 << 12)), True, ["script"]),
]


@pytest.mark.parametrize(("executable", "takes_effect", "reasons"), VERDICTS)
def test_the_verdict_names_what_prevents_a_file_capability(executable, takes_effect, reasons):
    assert verdict(executable, BOUNDING) == {"takes_effect": takes_effect, "reasons": reasons}


def test_a_file_without_capabilities_has_no_verdict():
    assert verdict(file(), BOUNDING) is None


@pytest.mark.parametrize(
    ("facts", "options", "message"),
    [
        (capability_facts, {"executables": ["bin/ip"]}, "executables: 'bin/ip' is a relative path"),
        (capability_facts, {"scan": ["usr"]}, "scan: 'usr' is a relative path"),
        (capability_facts, {"scan": ["/etc/passwd"]}, "scan: /etc/passwd is no directory"),
        (capability_facts, {"pids": [-1]}, "pids: there is no process -1, expected the pid of one that runs"),
        (namespace_facts, {"netns": ["x"]}, "netns: 'x' is a relative path"),
        (namespace_facts, {"netns": ["/etc/passwd"]}, "netns: /etc/passwd is no network namespace"),
        (namespace_facts, {"netns": ["/nonexistent"]}, "netns: /nonexistent is no network namespace"),
    ],
)
def test_bad_input_is_one_clear_sentence(facts, options, message):
    with pytest.raises(ValueError) as caught:
        facts({**NOTHING, **options})
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


@pytest.mark.parametrize("facts", [capability_facts, namespace_facts])
def test_a_process_that_is_gone_before_is_named(facts):
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(ValueError, match=f"pids: there is no process {child.pid},"):
        facts({**NOTHING, "pids": [child.pid]})


@pytest.mark.parametrize("facts", [capability_facts, namespace_facts])
def test_a_unit_that_does_not_run_is_unseen(facts):
    found = facts({**NOTHING, "units": ["nothing-of-that-name"]})
    assert found["processes"] == []
    assert {"source": "unit nothing-of-that-name", "reason": "no process of it is running"} in found["unseen"]


def test_sets_are_names_and_digits_of_the_kernel():
    (process,) = capability_facts({**NOTHING, "pids": [os.getpid()]})["processes"]
    with open("/proc/self/status", encoding="ascii") as status:
        lines = dict(line.split(":\t", 1) for line in status)
    thread = process["threads"][0]
    for name, key in (("effective", "CapEff"), ("bounding", "CapBnd"), ("ambient", "CapAmb")):
        assert thread[name]["hex"] == lines[key].strip()
        assert capability_mask(thread[name]["names"]) == int(lines[key], 16)


def test_a_program_is_listed_once_for_all_its_processes():
    children = [subprocess.Popen(["/bin/sleep", "60"]) for _count in range(2)]
    try:
        pids = [child.pid for child in children]
        found = capability_facts({**NOTHING, "pids": pids, "executables": [os.path.realpath("/bin/sleep")]})
    finally:
        for child in children:
            child.kill()
            child.wait()
    assert [item["pid"] for item in found["processes"]] == pids
    assert [item["path"] for item in found["executables"]] == [os.path.realpath("/bin/sleep")]
