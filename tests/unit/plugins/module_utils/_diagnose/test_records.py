# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of a host against what is found: cited where they agree, said where they do not."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose import diagnose
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._records import cite, notes, when
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Subject
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial, Probe
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    Credentials,
    Host,
    Process,
    State,
    Workload,
)

TEN = 1_764_497_520.0  # 2025-11-30 10:12:00 UTC


def record(**more):
    values = {"source": "journal", "module": "program", "permission": "link", "object": "ack", "text": "no", **more}
    return Denial(first=TEN, last=values.pop("last", TEN), **values)


def subject(*records, booted=None, started=None, answer=None):
    workload = Workload("agent", "pid", pid=7, processes=[7], evidence=list(records))
    workload.probes = [Probe("link", answer)] if answer else []
    state = State(host=Host(booted=booted), workloads=[workload])
    if started is not None:
        state.processes[7] = Process(7, int((started - booted) * 100), 1, "agent")
    return Subject(state, workload)


def finding(effect="refuses"):
    return Finding("agent", "missing_capability", "not_root", "proven", "ack", "host", "No.", effect)


def test_a_record_says_when_and_how_often():
    assert when(record()) == "2025-11-30 10:12 UTC"
    assert when(record(count=3)) == "3 times, last 2025-11-30 10:12 UTC"


@pytest.mark.parametrize("moment", [1e300, float("inf"), -1e18, float("nan")])
def test_a_log_line_may_say_any_time(moment):
    assert when(record(last=moment)) == "at an impossible time"


def test_what_programs_printed_last_is_cited_by_the_first_finding_that_refuses():
    quiet, loud = finding("none"), finding()
    loud.evidence = [Evidence("probe", "no")]
    records = [
        record(text="no"),
        record(text="older", last=TEN - 9),
        record(text="newest"),
        record(text="oldest", last=0),
    ]
    cite(subject(*records), [quiet, loud])
    assert not quiet.evidence
    assert [entry.text for entry in loud.evidence] == ["newest", "no"]


def test_a_denial_of_a_security_module_is_left_to_its_own_cause():
    refusing = finding()
    cite(subject(record(module="apparmor", source="kernel")), [refusing])
    assert not refusing.evidence


@pytest.mark.parametrize(
    ("booted", "started", "why"),
    [
        (TEN + 60, None, "the host was booted since"),
        (TEN - 600, TEN + 5, "it was started anew since"),
        (TEN - 600, TEN - 5, "what refused it was changed since"),
        (None, None, "what refused it was changed since"),
    ],
)
def test_refused_then_and_allowed_now_is_said_with_what_happened_since(booted, started, why):
    (note,) = notes(subject(record(count=2), booted=booted, started=started), "allowed")
    assert note.startswith("was refused (2 times, last 2025-11-30 10:12 UTC), would be allowed now: " + why)
    assert note.endswith(f"({record().source}: {record().text})")


def test_a_denial_that_would_be_allowed_now_is_said_in_short():
    (note,) = notes(
        subject(record(module="apparmor", source="audit", permission="create", object="netlink raw")), "allowed"
    )
    assert note.endswith("(audit: AppArmor logged create on netlink raw)")
    (note,) = notes(subject(record(text="x" * 1000)), "allowed")
    assert len(note) < 400


def test_a_refusal_that_still_holds_is_no_conflict():
    assert notes(subject(record(errno="EPERM"), answer="EPERM"), "refused") == []


def test_a_denial_that_was_only_logged_is_no_cause():
    complain = record(module="apparmor", permission="net_admin", object="capability", enforced=False)
    permissive = record(module="selinux", permission="create", object="netlink_route_socket", enforced=False)
    texts = notes(subject(complain, permissive), "allowed")
    assert texts[0].startswith("AppArmor logged net_admin on capability (2025-11-30 10:12 UTC) in complain mode")
    assert texts[1].startswith("SELinux logged create on netlink_route_socket") and "permissive mode" in texts[1]
    assert not [text for text in texts if "was refused" in text]


def test_a_denial_within_a_call_that_succeeded_is_no_cause():
    (note,) = notes(subject(record(module="selinux", succeeded=True)), "allowed")
    assert note.endswith("but the system call succeeded all the same: that is no cause")


def test_an_errno_that_the_kernel_does_not_send_is_said():
    (note,) = notes(subject(record(errno="EPERM"), answer="ENODEV"), "refused")
    assert note == "printed EPERM (2025-11-30 10:12 UTC), which is not what the kernel answers: that is ENODEV"
    assert notes(subject(record(errno="EPERM"), answer="unknown"), "unknown") == []


@pytest.mark.parametrize(("uid", "said"), [(None, True), (0, False)])
def test_whom_a_program_is_judged_for_is_said_where_no_record_tells(uid, said):
    workload = Workload("tool", "executable", executable="/srv/tool", user="root", discovered=True)
    workload.credentials, workload.evidence = Credentials(), [record(uid=uid)]
    texts = notes(Subject(State(), workload), "unknown")
    assert (texts == ["who ran it was not recorded: judged as if root did"]) == said


def test_a_discovered_workload_with_a_record_is_reported_although_nothing_refuses_it():
    workload = Workload("gone", "pid", pid=7, processes=[], discovered=True, evidence=[record()])
    silent = Workload("silent", "pid", pid=8, processes=[], discovered=True)
    diagnosis = diagnose(State(workloads=[workload, silent]))
    assert [item.workload.name for item in diagnosis.verdicts] == ["gone"]
    assert diagnosis.verdicts[0].notes == notes(Subject(State(), workload), diagnosis.verdicts[0].verdict)
