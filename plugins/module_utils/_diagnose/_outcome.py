# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From two diagnoses and what the roles answered to an outcome: who is mended, what is taken back, why a host fails.

Storey 2: pure. Nothing is called mended that no role changed, and what only waits for a new start is never taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._plan import (
    Call,
    Item,
    Plan,
    blockers,
    describe_starts,
    pending_workloads,
)
from ansible_collections.netlink.remediation.plugins.module_utils._found import Finding
from ansible_collections.netlink.remediation.plugins.module_utils._linux import FILE_CAPABILITY_XATTR
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import DROP_IN

# The modules that leave the receipts of a role.
_MODULES = {
    "netlink_capability": ("file_capabilities",),
    "netlink_container": ("container_capabilities",),
    "netlink_unit": ("unit_dropin",),
    "netlink_selinux": ("selinux_policy",),
    "netlink_apparmor": ("apparmor_rules",),
    "netlink_sysctl": ("sysctl_settings",),
    "netlink_userns": ("subid_ranges", "docker_daemon", "container_capabilities"),
    "netlink_link": ("link_state",),
    "netlink_module": ("kernel_modules",),
}


@dataclass
class Result:
    """What became of one workload.

    state: allowed (without a change of ours), fixed, preview (check mode: would be mended), pending (mended for the
    next start), partial (a remedy was left out, by tags for example), unknown, refused; or reported (not named, only
    diagnosed).
    """

    workload: str
    state: str
    before: str
    after: Optional[str]
    why: str


@dataclass
class Revert:
    """Changes that helped nobody: id of their receipt and their targets, None for all of the receipt."""

    id: str
    targets: Optional[list[str]] = None


@dataclass
class Outcome:
    """What became of a host: results per workload, what is to be reverted (newest first), why the host fails."""

    results: list[Result] = field(default_factory=list)
    revert: list[Revert] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass
class Course:
    """How a run went. findings: of the last diagnosis; errors: what stopped a role; verified: not in check mode."""

    findings: Sequence[Finding]
    plans: Sequence[Plan]
    calls: Sequence[Call]
    errors: Sequence[str]
    verified: bool
    waiting: Mapping[str, str]

    def items(self, workload: str) -> list[Item]:
        """What was planned for a workload."""
        return [item for plan in self.plans for item in plan.remedies if item.workload == workload]

    def left(self, workload: str) -> list[Finding]:
        """What refuses a workload still."""
        return [finding for finding in self.findings if finding.workload == workload]

    def left_out(self, workload: str) -> list[str]:
        """Roles that were planned for a workload and did not run to their end."""
        ran = {call.role for call in self.calls}
        return list(dict.fromkeys(item.role for item in self.items(workload) if item.role not in ran))

    def changed(self, item: Item) -> bool:
        """Whether the role of an item changed anything for it, as far as the modules tell."""
        return any(call.changed_for(item) for call in self.calls)


def judge_outcome(
    before: Mapping[str, str],
    after: Optional[Mapping[str, str]],
    findings: Sequence[Finding],
    named: Mapping[str, bool],
    plans: Sequence[Plan],
    calls: Sequence[Call] = (),
    errors: Sequence[str] = (),
    receipts: Sequence[Mapping[str, Any]] = (),
) -> Outcome:
    """Compare two diagnoses and say what became of each workload, what is to be reverted and why the host fails.

    before, after: verdict by workload; after is None when nothing was verified (check mode). findings: of the last
    diagnosis. calls: what the modules answered to the roles that ran to their end. errors: what stopped a role.
    receipts: what this run left on the host, each with id, module and changes.
    """
    done = [item for plan in plans for item in plan.remedies]
    # In check mode no file capability was set; that a start is due which is not accepted holds all the same.
    waiting = pending_workloads(findings, {} if after is None else named, done, calls)
    course = Course(findings, plans, calls, errors, after is not None, waiting)
    outcome = Outcome(failures=list(errors))
    for name, verdict in before.items():
        now = verdict if after is None else after.get(name, "unknown")
        state = _state(course, name, verdict, now) if name in named else "reported"
        why = _why(course, name, state)
        outcome.results.append(Result(name, state, verdict, None if after is None else now, why))
        if state in ("refused", "partial"):
            outcome.failures.append(f"{name} is still refused: {why}" if after is not None else f"{name}: {why}")
    refused = {result.workload for result in outcome.results if result.state == "refused"}
    for receipt in receipts:
        outcome.revert += _reverts(course, receipt, refused)
    outcome.revert.sort(key=lambda entry: entry.id, reverse=True)
    return outcome


def _state(course: Course, name: str, verdict: str, now: str) -> str:
    """The state of a workload that the user named."""
    own = course.items(name)
    left_out = course.left_out(name)
    changed = [course.changed(item) for item in own]
    if not course.verified and own and all(changed) and not left_out and not blockers(course.left(name), own):
        return "preview"
    if now == "allowed":
        helped = any(changed) or (verdict != now and any(call.changed for call in course.calls))
        return "fixed" if helped and course.verified else "allowed"
    if name in course.waiting:
        return "pending"
    if now == "refused" and left_out and not course.errors:
        return "partial"
    return now


# --- what is taken back -----------------------------------------------------------------------------------------------


def _reverts(course: Course, receipt: Mapping[str, Any], refused: set[str]) -> list[Revert]:
    """What of a receipt served refused workloads only: all of it, or single files and units."""
    items = _items_of(course, receipt)
    if not items or all(item.workload in refused for item in items):
        return [Revert(receipt["id"]) for _once in items[:1]]
    served: dict[str, set[str]] = {}
    for item in items:
        for target in _targets(item):
            served.setdefault(target, set()).add(item.workload)
    changed = [change["target"] for change in receipt.get("changes", [])]
    targets = [target for target in changed if target in served and served[target] <= refused]
    return [Revert(receipt["id"], targets)] if targets else []


def _items_of(course: Course, receipt: Mapping[str, Any]) -> list[Item]:
    """The items that a receipt was made for: those of the call that returned it.

    No call names the receipt of a module whose role was stopped later on. It is then taken for the work of every role
    that uses the module, so that it is taken back only if it helped nobody.
    """
    items = [item for plan in course.plans for item in plan.remedies]
    calls = [call for call in course.calls if call.receipt == receipt["id"]]
    if calls:
        return [item for item in items if any(call.serves(item) for call in calls)]
    module = str(receipt["module"]).rpartition(".")[2]
    return [item for item in items if module in _MODULES[item.role]]


def _targets(item: Item) -> list[str]:
    """The targets, as receipts name them, that are changed for an item and for no other file or unit."""
    found = [f"{entry['path']} {FILE_CAPABILITY_XATTR}" for entry in item.variables.get("netlink_capability_files", [])]
    for entry in item.variables.get("netlink_unit_units", []):
        found += [f"/etc/systemd/system/{entry['unit']}.d/{DROP_IN}", f"unit {entry['unit']}"]
    return found


# --- why --------------------------------------------------------------------------------------------------------------


def _why(course: Course, name: str, state: str) -> str:
    """One sentence (or two) on why a workload is in its state."""
    own = course.items(name)
    if state == "preview":
        return "; ".join(dict.fromkeys(sentence for item in own for sentence in describe_starts(item, course.calls)))
    if state == "pending":
        return course.waiting[name]
    if state == "partial":
        return f"{', '.join(course.left_out(name))} was left out by --tags or --skip-tags"
    if state in ("allowed", "fixed"):
        return ""
    return _why_refused(course, name, state)


def _why_refused(course: Course, name: str, state: str) -> str:
    """The first finding that is left, what to do about it, and what was withheld or answered."""
    left = course.left(name)
    first = left[0] if left else None
    if first is None and state != "refused":
        return ""
    parts = [first.summary if first else "nothing explains it"]
    parts += [first.advice] if first and first.remedy is None else []
    parts += [entry.why for plan in course.plans[-1:] for entry in plan.withheld if entry.workload == name]
    ran = {call.role for call in course.calls}
    idle = [item for item in course.items(name) if item.role in ran and not course.changed(item)]
    parts += [f"role {item.role} changed nothing for it" for item in idle]
    for item in idle:
        names = [name for name, _entry in item.entries()]
        parts += [call.advice[name] for call in course.calls for name in names if name in call.advice]
    sentences = [part.rstrip(".") for part in parts if part]
    return ". ".join(
        dict.fromkeys(part[0].upper() + part[1:] if place else part for place, part in enumerate(sentences))
    )
