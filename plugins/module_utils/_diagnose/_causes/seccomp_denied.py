# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 3d: the seccomp profile of a container refuses a system call. That of a unit is cause 2b, it names the line."""

from __future__ import annotations

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._filters import container_filter
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Cause, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding

CAUSE = Cause(
    "3d",
    "seccomp_denied",
    "A seccomp profile refuses a system call that netlink needs.",
    {"filter": "The seccomp profile of the container refuses the call."},
)


def judge(subject: Subject) -> list[Finding]:
    """One finding for the calls that the profile of the workload's container refuses."""
    container, process = subject.container, subject.process
    if container is None or container.seccomp is None or process is None:
        return []
    if all(thread.credentials.seccomp == 0 for thread in process.threads):
        return []
    calls = container_filter(container.seccomp, subject.workload.operations)
    if not calls:
        return []
    named = ", ".join(call.call for call in calls)
    return [
        subject.finding(
            CAUSE,
            "filter",
            gate=min((call.gate for call in calls), key=("unshare", "socket", "bind", "send").index),
            certainty="likely",
            effect="refuses" if any(call.certain for call in calls) else "may_refuse",
            policy_owner="container engine",
            summary=f"The seccomp profile of container {container.name} refuses {named} ({calls[0].answer}).",
            evidence=[
                Evidence(container.specification or container.name, f"{call.call}: {call.answer}") for call in calls
            ],
            advice=f"Allow {named} in the container's own seccomp profile (security_opt: seccomp=FILE) and recreate "
            "it; do not switch the filter off.",
        )
    ]
