# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records name whom to look at: a container, a unit, a process that still runs, a program of a user."""

from __future__ import annotations

import os
import time

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe import _candidates
from ansible_collections.netlink.remediation.plugins.module_utils._observe._candidates import (
    MOST,
    candidates,
    with_services,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import Library
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial

NOW = time.time()


def record(last=NOW, **more):
    values = {"source": "journal", "module": "program", "permission": "link", "object": "ack", **more}
    return Denial(first=last, last=last, **values)


def named(*records):
    return [(workload.name, workload.kind, workload.operations) for workload in candidates(records, [])]


def test_a_container_comes_before_its_unit_and_a_unit_before_its_process():
    box = record(container="0123456789abcdef", unit="docker.service", pid=os.getpid())
    service = record(unit="vpn.service", pid=os.getpid())
    assert named(box, service) == [("0123456789ab", "container", ["link"]), ("vpn.service", "unit", ["link"])]


def test_a_session_is_no_unit_and_a_manager_of_a_user_neither():
    mine = {"pid": os.getpid(), "name": "me", "executable": os.readlink("/proc/self/exe")}
    name = f"me[{os.getpid()}]"
    assert named(record(unit="session-3.scope", **mine), record(unit="user@1000.service", **mine)) == [
        (name, "pid", ["link"])
    ]


def test_a_process_of_which_the_record_has_the_name_alone_has_it_still():
    with open("/proc/self/comm", encoding="utf-8") as file:
        name = file.read().rstrip("\n")
    assert named(record(pid=os.getpid(), name=name)) == [(f"{name}[{os.getpid()}]", "pid", ["link"])]
    assert named(record(pid=os.getpid(), name="another")) == []


@pytest.mark.parametrize("wrong", [{"executable": "/usr/bin/other"}, {"last": 1.0}, {"pid": 2**22 + 1}])
def test_a_pid_that_another_process_has_by_now_is_not_taken(wrong):
    values = {"pid": os.getpid(), "executable": os.readlink("/proc/self/exe"), **wrong}
    (workload,) = candidates([record(uid=4242, **values)], [])
    assert (workload.kind, workload.user) == ("executable", "4242")


def test_a_program_is_judged_for_the_user_who_ran_it_and_as_root_where_that_is_not_recorded():
    ip = "/usr/sbin/ip"
    found = candidates([record(executable=ip, uid=4242), record(executable=ip), record(executable="ip")], [])
    assert [(workload.executable, workload.user) for workload in found] == [(ip, "4242"), (ip, "root")]
    assert all(workload.discovered for workload in found)


def test_records_of_one_workload_add_up_with_all_their_operations():
    found = candidates(
        [
            record(unit="a.service", permission="route"),
            record(unit="a.service", module="apparmor", permission="userns_create", object="user_namespace"),
            record(unit="a.service", module="selinux", permission="create", object="tun_socket"),
            record(unit="a.service", module="seccomp", permission="syscall socket", object="filter"),
        ],
        [],
    )
    assert [(one.name, one.operations, len(one.evidence)) for one in found] == [
        ("a.service", ["route", "userns", "tun", "link"], 4)
    ]


def test_a_log_that_names_any_number_is_cut_off_and_that_is_said():
    unseen = []
    found = candidates([record(unit=f"{number}.service") for number in range(MOST + 7)], unseen)
    assert len(found) == MOST and found[0].name == "0.service"
    assert unseen[0].reason == f"7 more were refused than the {MOST} newest"


def test_nothing_that_cannot_be_looked_up_is_named_nor_what_is_no_matter_of_netlink():
    elsewhere = record(unit="x.service", object="not_netlink")
    assert named(elsewhere, record(), record(name="x"), record(executable="../../bin/sh"), record(unit="x.mount")) == []


def test_what_ended_and_was_confined_belongs_to_the_service_that_alone_is_confined_so(monkeypatch):
    services = {"vpn": {"vpn.service"}, "both": {"a.service", "b.service"}}
    monkeypatch.setattr(_candidates, "_services_by_label", lambda: services)
    gone = record(module="apparmor", subject="vpn", pid=2**22 + 1)
    program = os.readlink("/proc/self/exe")
    mine = record(module="apparmor", subject="vpn", pid=os.getpid(), executable=program, last=time.time() + 5)
    others = [record(subject="both"), record(subject="none"), record(), record(subject="vpn", container="c"), mine]
    found = with_services([gone, record(subject="vpn", unit="other.service"), *others])
    assert [one.unit for one in found] == ["vpn.service", "other.service", None, None, None, None, None]
    assert named(gone) == [("vpn.service", "unit", ["link"])]


def test_profiles_are_read_once_whatever_number_of_them_a_log_names(tmp_path, monkeypatch):
    (tmp_path / "x").write_text("profile x /bin/sh { }\n")
    read = []

    def policy(unseen):
        read.append(Library(unseen, str(tmp_path)))
        return read[-1]

    monkeypatch.setattr(_candidates, "_policy", policy)
    subjects = [*(f"p{number}" for number in range(100)), "x"]
    assert named(*(record(module="apparmor", subject=name) for name in subjects)) == [
        ("/bin/sh of root", "executable", ["link"])
    ]
    assert len(read) == 1
