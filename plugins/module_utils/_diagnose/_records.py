# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host recorded about a workload, held against its state: cited where it agrees, said where it does not.

Storey 2: pure. A record never makes a finding by itself. Its text is hostile (anybody can write a log line), so it is
repeated as evidence and decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Subject
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Process

TICKS = 100  # a second in the times of /proc on every architecture that Linux runs on today (USER_HZ)
CITED = 2  # records of a security module that a finding repeats
QUOTED = 120  # characters of a record in a note
SECURITY_MODULES = {"apparmor": "AppArmor", "selinux": "SELinux", "seccomp": "a seccomp filter"}


def cite(subject: Subject, findings: Sequence[Finding]) -> None:
    """Put what programs printed last before the evidence of the first finding that refuses: their user saw that."""
    refusing = next((finding for finding in findings if finding.effect in ("refuses", "may_refuse")), None)
    printed = [denial for denial in subject.workload.evidence if denial.module in ("program", "capability")]
    if refusing is not None:
        known = {entry.text for entry in refusing.evidence}
        newest = sorted((one for one in printed if one.text not in known), key=lambda one: -one.last)
        refusing.evidence[:0] = [as_evidence(denial) for denial in newest[:1]]


def as_evidence(denial: Denial) -> Evidence:
    """A record as a line of evidence: where and when it was read, and what it says."""
    return Evidence(f"{denial.source}, {when(denial)}", denial.text)


def when(denial: Denial) -> str:
    """When something was recorded: "2026-11-30 10:12 UTC", or how often and when last."""
    last = _time(denial.last)
    return last if denial.count == 1 else f"{denial.count} times, last {last}"


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):  # a log line may say any number
        return "at an impossible time"


def notes(subject: Subject, verdict: str) -> list[str]:
    """One sentence for each conflict between what was recorded of a workload and what was found."""
    records = subject.workload.evidence
    enforced = [one for one in records if one.enforced and not one.succeeded]
    found = [_passed(one) for one in records if not one.enforced or one.succeeded]
    if subject.workload.discovered and subject.starts and all(one.uid is None for one in records):
        found.insert(0, f"who ran it was not recorded: judged as if {subject.workload.user} did")
    if verdict == "allowed" and enforced:
        newest = max(enforced, key=lambda one: one.last)
        why = f"would be allowed now: {_changed_since(subject, newest)}"
        found.append(f"was refused ({when(newest)}), {why} ({_said(newest)})")
    found += [sentence for one in enforced for sentence in _printed_wrongly(subject, one)]
    return list(dict.fromkeys(found))


def _said(denial: Denial) -> str:
    """A record in short."""
    if denial.module == "program":
        return f"{denial.source}: {denial.text[:QUOTED]}"
    return f"{denial.source}: {_logged(denial)}"


def _logged(denial: Denial) -> str:
    who = SECURITY_MODULES.get(denial.module, denial.source)
    return f"{who} logged {denial.permission} on {denial.object}"


def _passed(denial: Denial) -> str:
    """A denial that stopped nothing."""
    what = f"{_logged(denial)} ({when(denial)})"
    if denial.enforced:
        return f"{what}, but the system call succeeded all the same: that is no cause"
    mode = "complain mode" if denial.module == "apparmor" else "permissive mode"
    return f"{what} in {mode}, which stops nothing: that is no cause"


def _changed_since(subject: Subject, denial: Denial) -> str:
    """What happened between a refusal and now, as far as the state tells."""
    booted, process = subject.state.host.booted, subject.process
    if booted is not None and denial.last < booted:
        return "the host was booted since"
    if booted is not None and process is not None and _started(booted, process) > denial.last:
        return "it was started anew since"
    return "what refused it was changed since, or another program or thread of it was refused than was looked at"


def _started(booted: float, process: Process) -> float:
    return booted + process.start_time / TICKS


def _printed_wrongly(subject: Subject, denial: Denial) -> list[str]:
    """A printed errno that is not what the kernel answers: some programs print one that an earlier call left behind."""
    if denial.module != "program" or denial.errno is None:
        return []
    answers = {probe.answer for probe in subject.workload.probes if probe.answer not in ("allowed", "unknown")}
    if not answers or denial.errno in answers:
        return []
    said = " or ".join(sorted(answers))
    return [f"printed {denial.errno} ({when(denial)}), which is not what the kernel answers: that is {said}"]
