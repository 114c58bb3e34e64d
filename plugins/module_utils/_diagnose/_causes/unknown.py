# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 10: refused, and nothing that was read explains it. Said so, with what was ruled out."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import (
    STATE_OPERATIONS,
    Actor,
    Cause,
    Subject,
)
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding

CAUSE = Cause(
    "10",
    "unknown",
    "The kernel refuses, and nothing that could be read explains it.",
    {"unexplained": "A probe was refused although every gate that was read would let it pass."},
)

NEXT = {
    "EPERM": "Look for a security module's denial (journalctl -k, ausearch -m AVC) and for a BPF program of type lsm.",
    "EACCES": "A permission check of a security module or of a file refused: journalctl -k, ausearch -m AVC.",
    "ENOSPC": "A count of namespaces is used up: compare user.max_*_namespaces with what the user already has.",
}


def judge(subject: Subject) -> list[Finding]:
    """One finding for the refused probes; the diagnosis asks only when no other cause has been found."""
    prediction = subject.prediction
    if prediction is not None and prediction.error:
        return [_not_started(subject, prediction.error, prediction.obstacle)]
    refused = [
        probe
        for probe in subject.workload.probes
        if probe.operation not in STATE_OPERATIONS and subject.answer(probe) not in ("allowed", "unknown")
    ]
    if not refused:
        return []
    first = refused[0]
    seen = [subject.decide(actor, *check[1:]).allowed for actor in subject.actors for check in _checks(subject, actor)]
    ruled_out = [Evidence("ruled out", "the capability is effective in the user namespace that counts")]
    label = subject.process.label if subject.process else None
    return [
        subject.finding(
            CAUSE,
            "unexplained",
            gate="ack",
            certainty="proven",
            summary=(
                f"The kernel answers {first.answer} to {subject.workload.name}, and nothing that was read explains it."
            ),
            evidence=[
                *(Evidence("probe", f"{probe.operation}: {probe.answer} at {probe.layer}") for probe in refused),
                *(ruled_out if seen and all(seen) else []),
                Evidence(
                    "security modules", f"{', '.join(subject.state.host.lsm) or 'unseen'}; label {label or 'none'}"
                ),
            ],
            advice=NEXT.get(
                first.answer, f"Run the program under strace -e trace=network and look for {first.answer}."
            ),
        )
    ]


def _checks(subject: Subject, actor: Actor) -> list[tuple[str, int, Optional[int]]]:
    return [check for operation in subject.workload.operations for check in subject.needs(actor, operation)]


def _not_started(subject: Subject, error: str, obstacle: Optional[str]) -> Finding:
    workload, file = subject.workload, subject.executable
    if file is not None and file.noexec:
        text = f"{file.real_path} or its interpreter lies on a file system mounted noexec"
    else:
        text = f"owner and mode refuse it to {workload.user}" if obstacle else "execve(2) fails"
    return subject.finding(
        CAUSE,
        "unexplained",
        gate="execve",
        certainty="likely",
        summary=f"{workload.user} cannot even start {workload.executable}: execve would answer {error}.",
        evidence=[Evidence(obstacle or workload.executable or "", f"{text} ({error})")],
        advice="Look at the owner, mode and mount of the file, of the directories above and of its interpreter; this "
        "is no matter of netlink.",
    )
