# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""selinux_policy on an enforcing kernel, with the real semodule: few calls, since each compiles the whole policy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from confined import asking, client, confine_selinux, remove_modules
from machine import Machine

STORE = "/var/lib/selinux/default/active"
MODULE = f"{STORE}/modules/400/netlink_remediation"
BOOLEAN = "allow_ypbind"
SOCKET = "bind create getattr getopt nlmsg_read nlmsg_write read setopt write"
HEADER = "; Written by the Ansible collection netlink.remediation (module selinux_policy): it reads these lines again."
CAPABILITY = {"domain": "labrule_t", "class": "capability", "permissions": ["net_admin"]}
RULES = [{"domain": "labrule_t", "class": "netlink_route_socket", "permissions": SOCKET.split()}, CAPABILITY]


@pytest.fixture(scope="module")
def guest(selinux_guest: Machine) -> Iterator[Machine]:
    """The guest with two clients in domains of their own, which may use no netlink."""
    confine_selinux(selinux_guest, {"labrule": "", "labcalm": ""}, "labpolicy")
    yield selinux_guest
    names = [f"{client(name)}{end}" for name in ("labrule", "labcalm") for end in ("", "-daemon")]
    selinux_guest.sh('rm "$@"', *names)
    remove_modules(selinux_guest, "labpolicy")


def said(guest: Machine, name: str = "labrule") -> str:
    """What the client says when it is run; nothing when it is allowed."""
    return guest.run(asking(name)).stderr.strip()


def revert(guest: Machine, result: dict[str, Any]) -> dict[str, Any]:
    """Take back what a call did."""
    back = guest.module("receipt", id=result["receipt"]["id"])
    assert back.get("changed") and not back["left_alone"], back
    return back


def wrong(guest: Machine, **options: Any) -> str:
    """The one sentence that options get, with and without check mode."""
    preview, run = (guest.module("selinux_policy", check=check, **options) for check in (True, False))
    assert preview["failed"] and run["failed"]
    assert preview["msg"] == run["msg"]
    assert "\n" not in run["msg"]
    return str(run["msg"])


def test_rules_count_at_once_add_up_and_are_taken_back(guest: Machine) -> None:
    assert said(guest) == "Cannot open netlink socket: Permission denied"
    preview = guest.module("selinux_policy", check=True, allow=RULES)
    assert preview["changed"]
    assert guest.run(["test", "-e", MODULE]).returncode == 1
    first = guest.module("selinux_policy", allow=RULES)
    for key in ("changes", "diff", "security", "unvalidated"):
        assert preview[key] == first[key]
    assert first["changes"] == [
        {
            "kind": "selinux_module",
            "target": "netlink_remediation (priority 400)",
            "before": None,
            "after": f"{HEADER}\n(allow labrule_t self (capability (net_admin)))\n"
            f"(allow labrule_t self (netlink_route_socket ({SOCKET})))\n",
            "workloads": [],
        }
    ]
    assert first["security"][0] == "each process of labrule_t may net_admin (capability, its own)"
    assert said(guest) == ""
    assert said(guest, "labcalm") != ""
    second = guest.module("selinux_policy", allow=RULES)
    assert (second["changed"], second["receipt"]) == (False, None)

    less = guest.module("selinux_policy", allow=[{**CAPABILITY, "state": "absent"}])
    assert said(guest) == "RTNETLINK answers: Operation not permitted"
    revert(guest, less)
    assert said(guest) == ""
    revert(guest, first)
    assert said(guest) == "Cannot open netlink socket: Permission denied"
    assert guest.run(["test", "-e", MODULE]).returncode == 1


def test_a_rule_that_does_not_come_into_force_is_taken_back(guest: Machine) -> None:
    first = guest.module("selinux_policy", allow=[CAPABILITY])
    # What semodule --disable leaves behind, without its compiling all once more.
    guest.sh(f": > {STORE}/modules/disabled/netlink_remediation")
    failed = guest.module("selinux_policy", allow=RULES)
    assert failed["failed"]
    assert "does not allow labrule_t net_admin (capability) although the installed policy module does" in failed["msg"]
    left = guest.sh('python3 -c \'import bz2, sys; print(bz2.open(sys.argv[1], "rt").read())\' "$1"', f"{MODULE}/cil")
    assert "labrule_t self (capability" in left
    assert "netlink_route_socket" not in left
    # That holds for a call with nothing to add as well.
    assert "the module is disabled" in wrong(guest, allow=[CAPABILITY])
    guest.sh(f"rm {STORE}/modules/disabled/netlink_remediation")
    revert(guest, first)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"domain": "labrul_t"}, "allow[0]: the policy of this host has no type labrul_t"),
        ({"domain": "domain"}, "has no type domain (an attribute of types is none)"),
        ({"target": "labrul_t"}, "has no type labrul_t"),
        ({"class": "netlink_rute_socket"}, "has no class netlink_rute_socket, it has netlink_route_socket"),
        (
            {"permissions": ["nlmsg_wirte"]},
            "has no permission nlmsg_wirte in the policy of this host, expected some of",
        ),
        ({"domain": "sshd_t"}, "in which many programs run"),
    ],
)
def test_what_the_policy_does_not_have_gets_one_sentence(guest: Machine, rule: dict[str, Any], why: str) -> None:
    assert why in wrong(guest, allow=[{**RULES[0], **rule}])


def test_a_rule_that_neverallow_forbids_is_found_before_anything_is_touched(guest: Machine) -> None:
    forbidden = {**CAPABILITY, "permissions": ["sys_module"]}
    sentence = wrong(guest, allow=[forbidden], classes=["capability"])
    assert sentence.startswith("a neverallow rule of the policy forbids it: ")
    assert "(allow labrule_t self (capability (sys_module)))" in sentence
    assert guest.run(["test", "-e", MODULE]).returncode == 1


def test_where_the_policy_violates_its_own_neverallow_rules_that_is_said(guest: Machine) -> None:
    other = {"domain": "labrule_t", "class": "packet_socket", "permissions": ["create"]}
    assert "add packet_socket to classes" in wrong(guest, allow=[other])
    # The domains of these tests may do with devices what the policy forbids all domains.
    preview = guest.module("selinux_policy", check=True, allow=[other], classes=["packet_socket"])
    assert preview["changed"]
    constraint, sentence = preview["unvalidated"]
    assert constraint.startswith("whether a constraint of the policy takes back")
    assert sentence.startswith("whether a neverallow rule forbids it, since the policy of this host violates")


def values_of(guest: Machine) -> tuple[str, bool]:
    """Of the boolean: the value in force and the pending one, and whether "on" is stored."""
    stored = guest.sh(f"cat {STORE}/booleans.local 2>/dev/null || true")
    return guest.sh(f"cat /sys/fs/selinux/booleans/{BOOLEAN}"), f"{BOOLEAN}=1" in stored


def test_both_values_of_a_boolean_are_set_and_taken_back(guest: Machine) -> None:
    assert values_of(guest) == ("0 0", False)
    preview = guest.module("selinux_policy", check=True, booleans={BOOLEAN: True})
    first = guest.module("selinux_policy", booleans={BOOLEAN: True})
    assert preview["changes"] == first["changes"]
    assert first["changes"][0]["before"] == {"running": False, "stored": False}
    assert values_of(guest) == ("1 1", True)
    assert guest.module("selinux_policy", booleans={BOOLEAN: "yes"})["changed"] is False

    guest.sh(f"setsebool {BOOLEAN} 0")
    second = guest.module("selinux_policy", booleans={BOOLEAN: True})
    assert second["changes"][0]["before"] == {"running": False, "stored": True}
    assert values_of(guest) == ("1 1", True)
    revert(guest, second)
    assert values_of(guest) == ("0 0", True)
    guest.sh(f"setsebool {BOOLEAN} 1")
    revert(guest, first)
    assert values_of(guest) == ("0 0", False)
    assert "has no boolean 'allow_ypbint', it has allow_ypbind" in wrong(guest, booleans={"allow_ypbint": True})
    assert "expected true or false" in wrong(guest, booleans={BOOLEAN: "perhaps"})


def label_of(guest: Machine, path: str) -> str:
    return guest.sh('stat -c %C "$1"', path).strip()


@pytest.fixture
def program(guest: Machine) -> Iterator[str]:
    """A program that was moved from root's home, with the label that it got there."""
    path = "/opt/lab+x.y"
    guest.sh('cp /usr/bin/true /root/moved; mv /root/moved "$1"', path)
    assert label_of(guest, path) == "unconfined_u:object_r:user_home_t:s0"
    yield path
    guest.sh('rm "$1"', path)


def test_a_program_is_labelled_for_good_and_the_label_given_back(guest: Machine, program: str) -> None:
    wanted = [{"path": program, "type": "labrule_exec_t"}]
    preview = guest.module("selinux_policy", check=True, contexts=wanted)
    first = guest.module("selinux_policy", contexts=wanted)
    assert preview["changes"] == first["changes"]
    assert [change["kind"] for change in first["changes"]] == ["selinux_context", "selinux_label"]
    assert label_of(guest, program) == "unconfined_u:object_r:labrule_exec_t:s0"
    guest.sh('restorecon "$1"', program)
    assert label_of(guest, program) == "unconfined_u:object_r:labrule_exec_t:s0"
    assert guest.module("selinux_policy", contexts=wanted)["changed"] is False
    revert(guest, first)
    assert label_of(guest, program) == "unconfined_u:object_r:user_home_t:s0"
    assert "lab" not in guest.sh(f"cat {STORE}/file_contexts.local")


def test_a_path_that_the_policy_labels_so_needs_no_rule(guest: Machine, program: str) -> None:
    moved = client("labrule")
    guest.sh('chcon -t user_home_t "$1"', moved)
    (change,) = guest.module("selinux_policy", contexts=[{"path": moved, "type": "labrule_exec_t"}])["changes"]
    assert change["kind"] == "selinux_label"
    assert label_of(guest, moved).endswith(":labrule_exec_t:s0")
    for options, why in [
        ({"path": program, "type": "labrule_t"}, "the policy denies labrule_t to files"),
        ({"path": program, "type": "no_such_t"}, "contexts[0]: the policy of this host has no type no_such_t"),
        ({"path": "/opt/none", "type": "bin_t"}, "/opt/none does not exist"),
        ({"path": "opt", "type": "bin_t"}, "expected the absolute path of a program"),
        ({"path": "/proc/version", "type": "bin_t"}, "lies on a mount whose files have no labels of their own"),
    ]:
        assert why in wrong(guest, contexts=[options])
    both = [{"path": program, "type": "bin_t"}, {"path": f"/opt/../{program}", "type": "lib_t"}]
    assert "is to have the type lib_t and also bin_t" in wrong(guest, contexts=both)


def test_a_permissive_domain_is_accepted_and_ends_by_itself(guest: Machine) -> None:
    wanted: dict[str, Any] = {"permissive": ["labrule_t"], "permissive_minutes": 1}
    assert "add selinux_permissive to accept" in wrong(guest, **wanted)
    for options, why in [
        ({"permissive": ["initrc_t"]}, "in which many programs run"),
        ({"permissive": ["labrul_t"]}, "has no type labrul_t"),
        ({"permissive_minutes": 0}, "permissive_minutes is 0, expected a number from 1 to 1440"),
    ]:
        assert why in wrong(guest, accept=["selinux_permissive"], **{**wanted, **options})
    wanted["accept"] = ["selinux_permissive"]
    preview = guest.module("selinux_policy", check=True, **wanted)
    assert said(guest) != ""
    first = guest.module("selinux_policy", **wanted)
    begun = time.monotonic()
    assert preview["changes"] == first["changes"]
    assert first["security"] == ["SELinux refuses nothing to processes of labrule_t for 1 minutes"]
    assert said(guest) == ""
    assert said(guest, "labcalm") != ""
    assert guest.module("selinux_policy", **wanted)["changed"] is False
    while said(guest) == "" and time.monotonic() - begun < 90:
        time.sleep(1)
    assert time.monotonic() - begun > 50
    assert said(guest) == "Cannot open netlink socket: Permission denied"
    # There is nothing left to take back, and no timer.
    back = guest.module("receipt", id=first["receipt"]["id"])
    assert (back["changed"], back["left_alone"]) == (False, [])
    assert "netlink-remediation" not in guest.sh("systemctl list-units --all --no-legend")


def test_a_reboot_keeps_rules_and_booleans_and_ends_what_is_permissive(guest: Machine) -> None:
    first = guest.module(
        "selinux_policy",
        allow=RULES,
        booleans={BOOLEAN: True},
        permissive=["labcalm_t"],
        accept=["selinux_permissive"],
    )
    assert [change["kind"] for change in first["changes"]] == [
        "selinux_module",
        "selinux_boolean",
        "selinux_permissive",
    ]
    assert (said(guest), said(guest, "labcalm")) == ("", "")
    # The stored policy is loaded again, and the timer goes, when the receipt is reverted while it lasts.
    back = guest.module("receipt", check=True, id=first["receipt"]["id"])
    assert back["changes"][0]["kind"] == "selinux_permissive"
    guest.reboot()
    assert (said(guest), said(guest, "labcalm")) == ("", "Cannot open netlink socket: Permission denied")
    assert values_of(guest) == ("1 1", True)
    assert revert(guest, first)["changes"][0]["kind"] == "selinux_boolean"
    assert said(guest) == "Cannot open netlink socket: Permission denied"
    assert values_of(guest) == ("0 0", False)


def test_a_permissive_domain_is_taken_back_by_the_receipt(guest: Machine) -> None:
    first = guest.module("selinux_policy", permissive=["labcalm_t"], accept=["selinux_permissive"])
    assert said(guest, "labcalm") == ""
    revert(guest, first)
    assert said(guest, "labcalm") == "Cannot open netlink socket: Permission denied"
    assert "netlink-remediation" not in guest.sh("systemctl list-units --all --no-legend")


PLAYBOOK = """\
- hosts: guest
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: netlink.remediation.netlink_selinux
      loop: [1, 2]
      vars:
        netlink_selinux_booleans: {allow_ypbind: true}
    - ansible.builtin.debug:
        msg: "{{ __netlink_selinux_result.changed }}"
    - netlink.remediation.receipt:
        run: latest
"""


def test_the_role_does_it_once(guest: Machine, tmp_path: Any) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAYBOOK)
    done = guest.ansible(str(playbook))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("changed: [guest]") == 2
    assert values_of(guest) == ("0 0", False)
