# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From findings to a plan (one dictionary of variables per role), and from a second diagnosis to an outcome.

Storey 2: pure. A finding is applied when its workload was named by the user, its consent is given, and no other gate of
the same workload stays shut that would make added privilege useless. Everything else is said, not done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    FILE_CAPABILITY_XATTR,
    FileCapability,
    format_capability_text,
    parse_capability_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Finding

# In the order in which they are applied, which is that of the catalogue of causes.
ROLES = ("netlink_capability", "netlink_sysctl", "netlink_link")

# The module that leaves the receipts of a role.
_MODULES = {
    "netlink_capability": "file_capabilities",
    "netlink_sysctl": "sysctl_settings",
    "netlink_link": "link_state",
}

# Roles whose change reaches a process only when it is executed anew.
_NEEDS_EXECVE = ("netlink_capability",)


class PlanError(ValueError):
    """One clear sentence: why the findings of a host cannot be planned together."""


@dataclass
class Item:
    """One remedy that is applied, and for whom."""

    workload: str
    cause: str
    reason: str
    role: str
    variables: dict[str, Any]
    summary: str = ""
    adds: list[str] = field(default_factory=list)
    disrupts: list[str] = field(default_factory=list)


@dataclass
class RolePlan:
    """What one role is called with: its variables, merged over all items, and the words accepted."""

    variables: dict[str, Any]
    accept: list[str]
    workloads: list[str]


@dataclass
class Withheld:
    """A remedy that is not applied. missing: words of `accept`, or "name the workload"; why: the same as a sentence."""

    workload: str
    cause: str
    reason: str
    role: str
    missing: list[str]
    why: str


@dataclass
class Advice:
    """A finding that this host's roles cannot mend, and what to do instead."""

    workload: str
    cause: str
    reason: str
    text: str


@dataclass
class Plan:
    """The remedies of all findings of a host. roles holds only the roles that have something to do.

    pending: workloads whose remedy was applied earlier and takes effect when they are executed anew.
    """

    roles: dict[str, RolePlan] = field(default_factory=dict)
    remedies: list[Item] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)


@dataclass
class Result:
    """What became of one workload.

    state: allowed (was and is), fixed, preview (check mode: would be mended), pending (mended for the next execve),
    partial (a remedy was left out, by tags for example), unknown, refused; or reported (not named, only diagnosed).
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


# --- the plan ---------------------------------------------------------------------------------------------------------


def make_plan(
    findings: Sequence[Finding],
    accept: Sequence[str] = (),
    named: Optional[Mapping[str, bool]] = None,
    extra: Sequence[Item] = (),
    done: Sequence[Item] = (),
) -> Plan:
    """Decide what is applied, and merge it into one dictionary of variables per role.

    named: the workloads that the user named -> whether it is a running process (which sees a file capability only when
    executed anew). extra: state that the user asked for by variables. done: items of earlier rounds, not applied again.
    Raises PlanError when two workloads want different values of the same thing.
    """
    named = named or {}
    plan = Plan(pending=pending_workloads(findings, named, done))
    by_workload: dict[str, list[Finding]] = {}
    for finding in findings:
        by_workload.setdefault(finding.workload, []).append(finding)
    for workload, own in by_workload.items():
        if workload not in plan.pending:
            _plan_workload(plan, own, set(accept), workload in named)
    known = {_identity(item) for item in done}
    plan.remedies = [item for item in [*extra, *plan.remedies] if _identity(item) not in known]
    for role in ROLES:
        items = [item for item in plan.remedies if item.role == role]
        if items:
            workloads = list(dict.fromkeys(item.workload for item in items))
            plan.roles[role] = RolePlan(_merge_items(items), list(accept), workloads)
    return plan


def pending_workloads(findings: Sequence[Finding], named: Mapping[str, bool], done: Sequence[Item]) -> list[str]:
    """Workloads for which all is done but a new execution: a finding says so, or a remedy was applied just now."""
    waiting = {item.workload for item in done if item.role in _NEEDS_EXECVE and named.get(item.workload)}
    waiting |= {finding.workload for finding in findings if finding.pending}
    return sorted(waiting)


def _identity(item: Item) -> tuple[str, str, str]:
    return item.workload, item.role, json.dumps(item.variables, sort_keys=True, default=str)


def _plan_workload(plan: Plan, findings: Sequence[Finding], accept: set[str], named: bool) -> None:
    """Sort the findings of one workload into items, withheld and advice."""
    items: list[tuple[Finding, Item]] = []
    for finding in findings:
        remedy = finding.remedy
        if remedy is None:
            if finding.advice:
                plan.advice.append(Advice(finding.workload, finding.cause, finding.reason, finding.advice))
            continue
        if remedy.role not in ROLES:
            raise PlanError(f"the remedy of {finding.workload} names the role {remedy.role!r}, expected one of {ROLES}")
        lacking = [word for word in remedy.consent if word not in accept]
        if not named:
            plan.withheld.append(_withhold(finding, ["name the workload", *lacking]))
        elif lacking:
            plan.withheld.append(_withhold(finding, lacking))
        else:
            item = Item(finding.workload, finding.cause, finding.reason, remedy.role, remedy.variables)
            item.summary, item.adds, item.disrupts = finding.summary, remedy.adds, remedy.disrupts
            items.append((finding, item))
    shut = blockers(findings, [item for _finding, item in items])
    for finding, item in items:
        if shut and item.adds:
            rest = ", ".join(f"{blocker.cause} ({blocker.reason})" for blocker in shut)
            plan.withheld.append(_withhold(finding, [], f"its remedy would not help while {rest} remains"))
        else:
            plan.remedies.append(item)


def _withhold(finding: Finding, missing: list[str], why: str = "") -> Withheld:
    words = [word for word in missing if word != "name the workload"]
    parts = ["the workload has to be named"] if len(words) < len(missing) else []
    if words:
        parts.append(f"its remedy has to be accepted with netlink_remediate_accept: [{', '.join(words)}]")
    role = finding.remedy.role if finding.remedy else ""
    return Withheld(finding.workload, finding.cause, finding.reason, role, missing, why or " and ".join(parts))


def blockers(findings: Sequence[Finding], items: Sequence[Item]) -> list[Finding]:
    """Findings of one workload that refuse it at gates which none of the items opens.

    Findings of the same gate are alternatives: opening one of them is enough to be tried.
    """
    applied = {(item.cause, item.reason) for item in items}
    open_gates = {finding.gate for finding in findings if (finding.cause, finding.reason) in applied}
    return [
        finding
        for finding in findings
        if finding.effect == "refuses" and finding.gate not in open_gates and finding.certainty != "possible"
    ]


# --- merging ----------------------------------------------------------------------------------------------------------


class _ConflictError(Exception):
    """What two values are about and the two values, as text."""


def _merge_items(items: Sequence[Item]) -> dict[str, Any]:
    """Merge the variables of all items of one role; a conflict names the two workloads."""
    merged: dict[str, Any] = {}
    for index, item in enumerate(items):
        for other in items[:index]:
            try:
                _merge_variables(other.variables, item.variables)
            except _ConflictError as conflict:
                raise PlanError(f"{other.workload} and {item.workload} want different things of {conflict}") from None
        merged = _merge_variables(merged, item.variables)
    return merged


def _merge_variables(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(left)
    for name, value in right.items():
        merge = _MERGE.get(name, _same)
        merged[name] = merge(name, merged[name], value) if name in merged else merge(name, value, value)
    return merged


def _same(what: str, left: Any, right: Any) -> Any:
    if left != right:
        raise _ConflictError(f"{what}: {left} or {right}")
    return left


def _merge_settings(_what: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, str]:
    """sysctl settings by key: any spelling of a key is the same key (sysctl(8)), values are compared as text."""
    merged: dict[str, str] = {}
    spelling: dict[str, str] = {}
    for key, value in [*left.items(), *right.items()]:
        name = spelling.setdefault(sysctl_path(key), key)
        text = str(int(value) if isinstance(value, bool) else value).strip()
        merged[name] = _same(name, merged.get(name, text), text)
    return merged


def sysctl_path(key: str) -> str:
    """A sysctl key with slashes: the first separator decides what the other one means (sysctl.d(5))."""
    dot, slash = key.find("."), key.find("/")
    if dot < 0 or 0 <= slash < dot:
        return key
    return key.translate(str.maketrans("./", "/."))


def _merge_namespaces(what: str, left: Sequence[Any], right: Sequence[Any]) -> list[dict[str, Any]]:
    def merge_one(_what: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
        return {**one, **other, "settings": _merge_settings(what, one["settings"], other["settings"])}

    return _merge_list(("netns",), merge_one, left, right)


def _merge_list(
    keys: Sequence[str],
    merge_one: Callable[[str, Mapping[str, Any], Mapping[str, Any]], dict[str, Any]],
    left: Sequence[Mapping[str, Any]],
    right: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Merge two lists of dicts; entries with the same values of `keys` become one."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in [*left, *right]:
        key = tuple(entry.get(name) for name in keys)
        what = " in ".join(str(part) for part in key if part is not None)
        merged[key] = merge_one(what, merged.get(key, entry), entry)
    return list(merged.values())


def _merge_files(_what: str, left: Sequence[Any], right: Sequence[Any]) -> list[dict[str, Any]]:
    return _merge_list(("path",), _merge_file, left, right)


def _merge_file(path: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """One file of two remedies: the union of the capabilities, everything else must agree."""
    merged = {**left, **right}
    for name in set(left) & set(right) - {"capabilities"}:
        _same(f"{path} {name}", left[name], right[name])
    ours, theirs = left.get("capabilities"), right.get("capabilities")
    if ours == theirs or ours is None or theirs is None:
        return merged
    if not (isinstance(ours, str) and isinstance(theirs, str)) or merged.get("state", "present") != "present":
        raise _ConflictError(f"{path} capabilities: {ours} or {theirs}")
    one, other = parse_capability_text(ours), parse_capability_text(theirs)
    if one.effective != other.effective:
        raise _ConflictError(f"{path} capabilities: {ours} or {theirs}")
    union = FileCapability(one.permitted | other.permitted, one.inheritable | other.inheritable, one.effective)
    return {**merged, "capabilities": format_capability_text(union)}


def _merge_links(_what: str, left: Sequence[Any], right: Sequence[Any]) -> list[dict[str, Any]]:
    return _merge_list(("name", "altname", "netns"), _merge_link, left, right)


def _merge_link(what: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """One link of two remedies: addresses and routes add up, everything else must agree."""
    merged = {**left, **right}
    for name in set(left) & set(right) - {"addresses", "routes"}:
        _same(f"{what} {name}", left[name], right[name])
    for name in ("addresses", "routes"):
        if left.get(name) is not None or right.get(name) is not None:
            both = [*(left.get(name) or []), *(right.get(name) or [])]
            merged[name] = [entry for index, entry in enumerate(both) if entry not in both[:index]]
    seen: dict[Any, Any] = {}
    for route in merged.get("routes") or []:
        target = (route.get("dst"), route.get("table"))
        _same(f"{what} route {target[0]}", seen.setdefault(target, route), route)
    return merged


_MERGE: dict[str, Callable[[str, Any, Any], Any]] = {
    "netlink_capability_files": _merge_files,
    "netlink_sysctl_settings": _merge_settings,
    "netlink_sysctl_namespaces": _merge_namespaces,
    "netlink_link_links": _merge_links,
}


# --- the outcome ------------------------------------------------------------------------------------------------------


def judge_outcome(
    before: Mapping[str, str],
    after: Optional[Mapping[str, str]],
    findings: Sequence[Finding],
    named: Mapping[str, bool],
    plans: Sequence[Plan],
    applied: Sequence[str] = (),
    errors: Sequence[str] = (),
    receipts: Sequence[Mapping[str, Any]] = (),
) -> Outcome:
    """Compare two diagnoses and say what became of each workload, what is to be reverted and why the host fails.

    before, after: verdict by workload; after is None when nothing was verified (check mode). findings: of the last
    diagnosis. applied: roles that ran to their end. errors: what stopped a role. receipts: what this run left on the
    host, each with id and module.
    """
    items = [item for plan in plans for item in plan.remedies]
    pending = pending_workloads(findings, named, items if after is not None else [])
    outcome = Outcome(failures=list(errors))
    for name, verdict in before.items():
        own = [item for item in items if item.workload == name]
        left = [finding for finding in findings if finding.workload == name]
        left_out = [item.role for item in own if item.role not in applied]
        now = verdict if after is None else after.get(name, "unknown")
        if name not in named:
            state = "reported"
        elif after is None and own and not left_out and not blockers(left, own):
            state = "preview"
        elif now != "refused":
            state = "fixed" if now == "allowed" and (own or verdict != now) else now
        elif name in pending:
            state = "pending"
        elif left_out and not errors:
            state = "partial"
        else:
            state = "refused"
        why = _why(state, left, own, plans, applied)
        outcome.results.append(Result(name, state, verdict, None if after is None else now, why))
        if state in ("refused", "partial"):
            outcome.failures.append(f"{name} is still refused: {why}" if after is not None else f"{name}: {why}")
    refused = {result.workload for result in outcome.results if result.state == "refused"}
    for role in ROLES:
        outcome.revert += _reverts(role, [item for item in items if item.role == role], refused, receipts)
    outcome.revert.sort(key=lambda entry: entry.id, reverse=True)
    return outcome


def _reverts(
    role: str, items: Sequence[Item], refused: set[str], receipts: Sequence[Mapping[str, Any]]
) -> list[Revert]:
    """What of a role's receipts served refused workloads only: all of them, or single files of file capabilities."""
    own = [one["id"] for one in receipts if one["module"].rpartition(".")[2] == _MODULES[role]]
    if not items or all(item.workload in refused for item in items):
        return [Revert(name) for name in own if items]
    served: dict[str, set[str]] = {}
    for item in items:
        for entry in item.variables.get("netlink_capability_files", []):
            served.setdefault(f"{entry['path']} {FILE_CAPABILITY_XATTR}", set()).add(item.workload)
    targets = [target for target, workloads in served.items() if workloads <= refused]
    return [Revert(name, targets) for name in own] if targets else []


def _why(
    state: str, findings: Sequence[Finding], items: Sequence[Item], plans: Sequence[Plan], applied: Sequence[str]
) -> str:
    """One sentence (or two) on why a workload is in its state."""
    if state in ("allowed", "fixed", "preview"):
        return ""
    if state == "pending":
        return "the file capability is set; the process gains it when it is executed anew"
    if state == "partial":
        left_out = dict.fromkeys(item.role for item in items if item.role not in applied)
        return f"{', '.join(left_out)} was left out"
    if not findings:
        return "nothing explains it" if state == "refused" else ""
    first = findings[0]
    workload = first.workload
    withheld = [entry.why for plan in plans[-1:] for entry in plan.withheld if entry.workload == workload]
    parts = [first.summary.rstrip("."), first.advice.rstrip(".") if first.remedy is None else "", *withheld]
    return ". ".join(
        dict.fromkeys(part[0].upper() + part[1:] if place else part for place, part in enumerate(parts) if part)
    )
