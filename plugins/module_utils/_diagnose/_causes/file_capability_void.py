# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 1b: the file has (or had) the capability, but it cannot take effect for this workload."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Cause, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._void import Void, find_void
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding, Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAPABILITIES,
    format_capability_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._tools import classify_tool

CAUSE = Cause(
    "1b",
    "file_capability_void",
    "A file capability is set (or was), but the kernel does not let it take effect for this workload.",
    {
        "nosuid": "The file lies on a mount with nosuid, where file capabilities are ignored.",
        "no_new_privs": "The workload runs with no_new_privs, so execve grants nothing that it did not hold before.",
        "script": "The capability is on a #! script; the kernel looks at the interpreter only.",
        "outside_bounding_set": (
            "The capability is outside the bounding set; with the effective flag execve itself fails."
        ),
        "dropped_by_program": (
            "The program (iproute2's ip) drops its capabilities at start unless they are inheritable."
        ),
        "rootid": "The capability was set for the root of another user namespace.",
        "permitted_only": "The file lacks the effective flag and the program does not raise the capability by itself.",
        "ambient_cleared": "A capability xattr (even an empty one) or a setgid bit on the file clears the ambient set.",
        "lost": "A capability that was set on the file is gone: the file was copied, rewritten, chowned or upgraded.",
        "secure_mode": (
            "The capability takes effect, but then the loader ignores or refuses libraries beside the program."
        ),
        "child_process": (
            "The capability is on the parent program's file; a child that it executes does not inherit it."
        ),
    },
)

SUMMARIES = {
    "nosuid": "{path} has {capability}, but it lies on a nosuid mount ({mount}), where the kernel ignores it.",
    "no_new_privs": "{path} has {capability}, but {name} runs with no_new_privs, so the file cannot add it.",
    "script": "{capability} is set on the script {path}, but the kernel only looks at its interpreter.",
    "outside_bounding_set": "{path} has {capability}, but the bounding set of {name} excludes it.",
    "dropped_by_program": "{path} has {capability}, but this program drops it at start.",
    "rootid": "{path} has {capability} for another user namespace, so it does not count for {name}.",
    "permitted_only": "{path} has {capability} without the effective flag, and the program does not raise it.",
    "ambient_cleared": "{name} would inherit {capability}, but the marks on {path} clear the ambient set.",
    "lost": "{path} once had {capability} and has lost it (a copy, rewrite, chown or upgrade drops it).",
    "child_process": "{path} has {capability}, but {name} is a child that it executes, and children do not inherit it.",
}

ADVICE = {
    "nosuid": "Move the program to a file system without nosuid, or let a unit grant AmbientCapabilities.",
    "no_new_privs": "Grant the capability where the workload is started (AmbientCapabilities= in its unit).",
    "script": "Run the script from a unit with AmbientCapabilities=; do not put capabilities on an interpreter.",
    "outside_bounding_set": "Whoever starts the workload must leave the capability in the bounding set.",
    "dropped_by_program": (
        "Use a unit with AmbientCapabilities=, or cap_net_admin+ei on the file with pam_cap for people."
    ),
    "rootid": "Set the capability anew from the user namespace in which the program runs.",
    "child_process": "Grant ambient capabilities to the parent, or a file capability to a dedicated child binary.",
}


def _remedy(void: Void, bit: int) -> Optional[Remedy]:
    path = void.file.real_path or void.file.path
    name = CAPABILITIES[bit]
    if void.file.writable_by or void.file.interpreter or void.file.elsewhere:
        return None
    if void.reason in ("permitted_only", "lost"):
        wanted = [{"path": path, "capabilities": f"{name}+ep", "state": "present"}]
        adds = [f"every user who may execute {path} gains {name}"]
        kind = classify_tool(path)
        return Remedy(
            "netlink_capability",
            {"netlink_capability_files": wanted},
            adds=adds,
            consent=[kind] if kind else [],
        )
    if void.reason == "ambient_cleared" and void.file.capability_raw is not None:
        wanted = [{"path": path, "state": "absent"}]
        return Remedy(
            "netlink_capability", {"netlink_capability_files": wanted}, adds=[f"{name} for {path} from its starter"]
        )
    return None


def judge(subject: Subject) -> list[Finding]:
    """Findings for the first actor that a void file capability leaves without privilege, or without its libraries."""
    prediction = subject.prediction
    if prediction is not None and prediction.error:
        bit = _outside(subject) if prediction.error == "EPERM" else None
        claimed = bit is not None and subject.claimed_by_unit(None, bit)
        void = find_void(subject, None, bit) if bit is not None and not claimed else None
        return [_finding(subject, void, bit, "link", "execve")] if void and bit is not None else []
    for actor in subject.actors:
        for operation, gate, bit, _user_ns, decision in subject.refusals(actor):
            void = find_void(subject, actor, bit) if decision.why == "not_effective" else None
            if void and not subject.claimed_by_unit(actor, bit):
                return [_finding(subject, void, bit, operation, gate)]
    return _secure_mode(subject)


def _secure_mode(subject: Subject) -> list[Finding]:
    """A program that gains capabilities by its file is started in secure mode (AT_SECURE): its loader refuses a library
    below $ORIGIN, and leaves out such directories (ld.so(8)). Not what is inherited: ambient capabilities are no gain.
    """
    before, file, prediction = subject.workload.credentials, subject.executable, subject.prediction
    after = prediction.credentials if prediction is not None else None
    if before is None or file is None or file.origin is None or after is None or after.ruid == 0:
        return []
    gained = after.permitted & ~after.ambient
    if file.capability is None or not gained:
        return []
    library = ".so" in file.origin.rpartition("/")[2]
    path = file.interpreter or file.real_path or file.path
    return [
        subject.finding(
            CAUSE,
            "secure_mode",
            gate="execve",
            certainty="likely" if library else "possible",
            effect="refuses" if library else "may_refuse",
            summary=f"{path} has file capabilities, so its loader {'refuses' if library else 'leaves out'} "
            f"{file.origin}, which it needs.",
            evidence=[
                Evidence(f"{path} dynamic section", file.origin),
                Evidence(f"{path} security.capability", format_capability_text(file.capability)),
            ],
            advice="Take the file capability away and run it from a unit with AmbientCapabilities=, or install its "
            "libraries where the loader looks without $ORIGIN.",
        )
    ]


def _outside(subject: Subject) -> Optional[int]:
    """The capability of the file that makes execve(2) fail, since the starter's bounding set lacks it."""
    before, file = subject.workload.credentials, subject.executable
    if before is None or file is None or file.capability is None:
        return None
    missing = file.capability.permitted & ~(before.bounding | before.inheritable & file.capability.inheritable)
    return next((bit for bit in range(missing.bit_length()) if missing >> bit & 1), None)


def _finding(subject: Subject, void: Void, bit: int, operation: str, gate: str) -> Finding:
    capability = void.file.script_capability if void.reason == "script" else void.file.capability
    evidence = [Evidence(void.file.path, void.text)]
    if capability is not None:
        evidence.append(Evidence(f"{void.file.path} security.capability", format_capability_text(capability)))
    remedy = _remedy(void, bit)
    advice = ADVICE.get(void.reason, "")
    if remedy is None and not advice:
        advice = "Install the program in a directory that only root can write, then grant the capability there."
    return subject.finding(
        CAUSE,
        void.reason,
        gate=gate,
        capability=bit,
        certainty=subject.certainty(operation),
        summary=SUMMARIES[void.reason].format(
            path=void.file.path,
            name=subject.workload.name,
            capability=CAPABILITIES[bit],
            mount=void.file.mount_point,
        ),
        evidence=evidence + subject.probe_evidence(operation),
        remedy=remedy,
        advice=advice if remedy is None else "",
    )
