# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure judgement: a state in, verdicts and findings out. No I/O, no Ansible; imports storey 0 only."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._causes import (
    file_capability_void,
    foreign_netns,
    missing_capability,
    unknown,
    userns_restricted,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import (
    GATES,
    STATE_OPERATIONS,
    Subject,
)
from ansible_collections.netlink.remediation.plugins.module_utils._found import Finding
from ansible_collections.netlink.remediation.plugins.module_utils._state import State, Unseen, Workload

# The order breaks ties between findings of the same gate; _catalogue.py has all causes.
PRIVILEGE = (foreign_netns, file_capability_void, missing_capability, userns_restricted)


@dataclass
class Verdict:
    """Whether the operations of a workload, as named, would succeed now: allowed, refused or unknown.

    notes: where that is at odds with what the host recorded of the workload, one sentence each.
    """

    workload: Workload
    verdict: str
    executable: Optional[str] = None
    unit: Optional[str] = None
    container: Optional[str] = None
    notes: list[str] = field(default_factory=list)


@dataclass
class Diagnosis:
    """What a diagnosis found: verdicts in the order of the workloads, findings in the kernel's order of gates."""

    verdicts: list[Verdict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)


def diagnose(state: State) -> Diagnosis:
    """Judge every workload of a state. Discovered workloads that nothing refuses, now or as recorded, are left out."""
    diagnosis = Diagnosis(unseen=list(state.unseen))
    for workload in state.workloads:
        subject = Subject(state, workload)
        findings = [] if workload.unresolved else judge(subject)
        if workload.discovered and not findings and not workload.evidence:
            continue
        process = subject.process
        judged = Verdict(
            workload,
            verdict(subject, findings),
            workload.executable or (process.executable if process else None),
            workload.unit or (process.unit if process else None),
            workload.container or (process.container if process else None),
        )
        if workload.evidence:
            # Imported here, as below.
            from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._records import cite, notes

            cite(subject, findings)
            judged.notes = notes(subject, judged.verdict)
        diagnosis.verdicts.append(judged)
        diagnosis.findings += findings
    return diagnosis


def _causes(subject: Subject) -> tuple[ModuleType, ...]:
    """The causes that a workload can meet, in order."""
    found: tuple[ModuleType, ...] = PRIVILEGE
    # Imported here: an AnsiballZ payload is compiled in each run, and most runs have no such workload.
    if subject.unit is not None or subject.container is not None:
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._confined import CONFINED

        found = CONFINED + found
    if subject.workload.label not in (None, "unconfined"):
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._secured import SECURED

        found += SECURED
    if subject.workload.names_object:
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._catalogue import OBJECT

        found += OBJECT
    if subject.workload.needs:
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._catalogue import CODE

        found += CODE
    return found


def judge(subject: Subject) -> list[Finding]:
    """All findings of one workload in the kernel's order; the first names the other causes in its `also`."""
    found = [finding for module in _causes(subject) for finding in module.judge(subject)]
    if not any(finding.effect in ("refuses", "may_refuse") for finding in found):
        found += unknown.judge(subject)
    if any(finding.effect == "refuses" for finding in found):
        found = [finding for finding in found if not _idle_guess(finding)]
    found.sort(key=lambda finding: (finding.effect in ("later", "none"), GATES.index(finding.gate)))
    if found:
        others = [finding.cause for finding in found[1:] if finding.cause != found[0].cause]
        found[0].also = list(dict.fromkeys(others))
    return found


def _idle_guess(finding: Finding) -> bool:
    """Whether a finding is a guess about the type of a socket, which counts only where nothing else refuses."""
    return (finding.cause, finding.effect, finding.certainty) == ("apparmor_denied", "may_refuse", "possible")


def verdict(subject: Subject, findings: list[Finding]) -> str:
    """refused if anything refuses, else unknown if anything may or was not seen, else allowed."""
    effects = {finding.effect for finding in findings}
    if subject.workload.unresolved:
        return "unknown"
    if "refuses" in effects:
        return "refused"
    if "may_refuse" in effects or not _objects_seen(subject):
        return "unknown"
    if subject.starts and subject.unit is not None:
        # Imported here, as above.
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._sandbox import start_unclear

        if start_unclear(subject.unit):
            return "unknown"
    if subject.starts and subject.workload.label is None and _labels_count(subject):
        return "unknown"  # Which profile or domain it would get is not known.
    operations = [*subject.workload.operations, *(["move"] if subject.moves_link else [])]
    return "allowed" if all(_passes(subject, operation) for operation in operations) else "unknown"


def _labels_count(subject: Subject) -> bool:
    """Whether the host has a security module that would refuse by label."""
    host = subject.state.host
    return "apparmor" in host.lsm or ("selinux" in host.lsm and host.selinux != "permissive")


def _objects_seen(subject: Subject) -> bool:
    """Whether what the workload names was looked at: links for a link, an address or a route; a kind by its module."""
    workload = subject.workload
    looked_for = {module.need for module in subject.state.modules}
    if any(need not in looked_for for need in workload.needs if need.startswith(("kind ", "qdisc "))):
        return False
    if not (workload.interface or workload.address or workload.route or workload.master):
        return True
    return subject.namespace is not None and subject.namespace.links is not None


def _passes(subject: Subject, operation: str) -> bool:
    """Whether an operation is known to pass: its probe did and no gate was left out, or its state was read."""
    if operation in STATE_OPERATIONS:
        return any(item.net_ns == subject.net_ns and item.value is not None for item in subject.state.sysctls)
    probes = [probe for probe in subject.workload.probes if probe.operation == operation]
    known = {"seccomp filter"} if _filter_known(subject) else set()
    if operation == "tun":
        # Imported here, as above.
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._device import allows_devices

        known |= {"device control group"} if allows_devices(subject) else set()
    known |= _harmless_labels(subject, operation, [gate for probe in probes for gate in probe.not_reproduced])
    return bool(probes) and all(
        subject.answer(probe) == "allowed" and not set(probe.not_reproduced) - known for probe in probes
    )


def _harmless_labels(subject: Subject, operation: str, gates: list[str]) -> set[str]:
    """Those of the gates that are labels which refuse nothing, as profiles in complain mode do, and as the SELinux
    policy answered.
    """
    labels = {gate for gate in gates if gate.startswith("LSM label")}
    if not labels:
        return labels
    # Imported here, as above.
    if "selinux" in subject.state.host.lsm:
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._domains import label_answered

        return labels if label_answered(subject, operation) else set()
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._profiles import harmless_label

    return labels if harmless_label(subject) else set()


def _filter_known(subject: Subject) -> bool:
    """Whether the seccomp filter that the probe cannot imitate is one whose answers were judged from its setting, and
    there are no more: what a program installs by itself cannot be seen.
    """
    unit, container = subject.unit, subject.container
    if container is not None:
        return container.seccomp_known and container.seccomp is not None and subject.filters <= 1
    if unit is None or unit.stale:
        return False
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._filters import (
        most_filters,
        unit_filters_known,
    )

    return unit_filters_known(unit) and subject.filters <= most_filters(unit)
