# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From findings to a plan: one dictionary of variables per role, and what is withheld or has to wait.

Storey 2: pure. A finding is applied when its workload was named by the user, its consent is given, and no other gate of
the same workload stays shut that would make added privilege useless. Everything else is said, not done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._merge import (
    WHOLE,
    ConflictError,
    merge_variables,
)
from ansible_collections.netlink.remediation.plugins.module_utils._found import Finding

# In the order in which they are applied, which is that of the catalogue of causes.
ROLES = (
    "netlink_capability",
    "netlink_container",
    "netlink_unit",
    "netlink_selinux",
    "netlink_apparmor",
    "netlink_sysctl",
    "netlink_userns",
    "netlink_link",
    "netlink_module",
)

# Roles whose change reaches a process only when it is executed anew, which they do not see to themselves.
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

    def entries(self) -> list[tuple[str, Mapping[str, Any]]]:
        """What it applies to units and containers: (name of the unit or container, what is wanted of it)."""
        found = []
        for variable, (key, _switch) in WHOLE.items():
            found += [(str(entry.get(key)), entry) for entry in self.variables.get(variable, [])]
        return found


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

    pending: workloads for which all is done but a new start; only that may be planned for them. again: the workloads
    that the user named, as they are to be named for the next diagnosis.
    """

    roles: dict[str, RolePlan] = field(default_factory=dict)
    remedies: list[Item] = field(default_factory=list)
    withheld: list[Withheld] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    again: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Call:
    """What one module answered to a role. workloads: those for whom the role was called.

    receipt: id of what it left on the host. activated: it started something anew. restart_required: what has to be
    started anew still, each with kind and name. advice: container that it did not change -> what to do instead.
    """

    role: str
    workloads: list[str]
    changed: bool = False
    receipt: Optional[str] = None
    activated: bool = False
    restart_required: list[dict[str, str]] = field(default_factory=list)
    advice: dict[str, str] = field(default_factory=dict)

    def serves(self, item: Item) -> bool:
        """Whether it was made for an item."""
        return self.role == item.role and item.workload in self.workloads

    def changed_for(self, item: Item) -> bool:
        """Whether it changed something for an item, as far as it tells: what it advises on it did not change."""
        names = [name for name, _entry in item.entries()]
        left = [name for name in names if name not in self.advice]
        return self.changed and self.serves(item) and bool(left or not names)


# --- the plan ---------------------------------------------------------------------------------------------------------


def make_plan(
    findings: Sequence[Finding],
    accept: Sequence[str] = (),
    named: Optional[Mapping[str, bool]] = None,
    extra: Sequence[Item] = (),
    done: Sequence[Item] = (),
    calls: Sequence[Call] = (),
) -> Plan:
    """Decide what is applied, and merge it into one dictionary of variables per role.

    named: the workloads that the user named -> whether it is a running process (which sees a file capability only when
    executed anew). extra: state that the user asked for by variables. done, calls: items of earlier rounds, which are
    not applied again, and what the roles answered.
    Raises PlanError when two workloads want different values of the same thing.
    """
    named = named or {}
    plan = Plan(pending=sorted(pending_workloads(findings, named, done, calls)))
    by_workload: dict[str, list[Finding]] = {}
    for finding in findings:
        # What is refused beside a start that is due says nothing: it was seen before that start.
        if finding.pending or finding.workload not in plan.pending:
            by_workload.setdefault(finding.workload, []).append(finding)
    for workload, own in by_workload.items():
        _plan_workload(plan, own, set(accept), workload in named)
    known = {_identity(item) for item in done}
    plan.remedies = [item for item in [*extra, *plan.remedies] if _identity(item) not in known]
    for role in ROLES:
        items = [item for item in plan.remedies if item.role == role]
        if items:
            workloads = list(dict.fromkeys(item.workload for item in items))
            plan.roles[role] = RolePlan(_merge_items([*_again(items, done), *items]), list(accept), workloads)
    return plan


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


def _merge_items(items: Sequence[Item]) -> dict[str, Any]:
    """Merge the variables of all items of one role; a conflict names the two workloads."""
    merged: dict[str, Any] = {}
    for index, item in enumerate(items):
        for other in items[: index + 1]:
            try:
                merge_variables(other.variables, item.variables)
            except ConflictError as conflict:
                names = " and ".join(dict.fromkeys([other.workload, item.workload]))
                verb = "want" if " and " in names else "wants"
                raise PlanError(f"{names} {verb} different things of {conflict}") from None
        merged = merge_variables(merged, item.variables)
    return merged


def _again(items: Sequence[Item], done: Sequence[Item]) -> list[Item]:
    """What earlier rounds wanted of the units and containers of these items, without the start that they wanted.

    What is written for one of them is written as a whole, so a later round has to name it all.
    """
    found = []
    for item in done:
        for variable, (key, switch) in WHOLE.items():
            wanted = {entry.get(key) for one in items for entry in one.variables.get(variable, [])}
            entries = [
                {name: value for name, value in entry.items() if name != switch}
                for entry in item.variables.get(variable, [])
                if entry.get(key) in wanted
            ]
            if entries:
                found.append(Item(item.workload, item.cause, item.reason, item.role, {variable: entries}))
    return found


def name_again(
    workloads: Sequence[Mapping[str, Any]], items: Sequence[Item], accept: Sequence[str]
) -> list[dict[str, Any]]:
    """The workloads, each process whose unit or container may be started anew named by that: its pid will be gone."""
    found = []
    for workload in workloads:
        entry = dict(workload)
        for item in items:
            names = [name for name, _entry in item.entries()]
            if "pid" in entry and item.workload == entry["name"] and names and {"restart", "recreate"} & set(accept):
                entry["unit" if item.role == "netlink_unit" else "container"] = names[0]
                del entry["pid"]
        found.append(entry)
    return found


# --- what has to wait -------------------------------------------------------------------------------------------------


def pending_workloads(
    findings: Sequence[Finding], named: Mapping[str, bool], done: Sequence[Item], calls: Sequence[Call] = ()
) -> dict[str, str]:
    """Workloads for which all is done but a new start -> what to do: a finding says so, a role, or what was applied."""
    waiting: dict[str, str] = {}
    for finding in findings:
        if finding.pending:
            waiting.setdefault(finding.workload, _start_of(finding))
    for item in done:
        for sentence in describe_starts(item, calls):
            waiting.setdefault(item.workload, sentence)
    reborn = {name for call in calls if call.activated for name in call.workloads}
    for item in done:
        if item.role in _NEEDS_EXECVE and named.get(item.workload) and item.workload not in reborn:
            sentence = "the file capability is set; the process gains it when it is executed anew"
            waiting.setdefault(item.workload, sentence)
    return waiting


def describe_starts(item: Item, calls: Sequence[Call]) -> list[str]:
    """What has to be started anew before an item takes effect, as the modules said, one sentence each."""
    names = [name for name, _entry in item.entries()]
    left = [entry for call in calls if call.serves(item) for entry in call.restart_required]
    # Engines start containers by other names (the service, the unit): then it is known that one of them is meant.
    exact = [entry for entry in left if entry["name"] in names or entry["kind"] == "daemon"]
    meant = exact if exact or item.role == "netlink_unit" else left
    return [_start(entry["kind"], entry["name"], _word(entry)) for entry in meant]


def _word(entry: Mapping[str, str]) -> str:
    """The word that has this collection start it anew, empty where it cannot: services of compose are made anew."""
    if entry["kind"] == "process":
        return ""
    return "recreate" if entry["kind"] == "container" and "/" in entry["name"] else "restart"


def _start(kind: str, name: str, word: str) -> str:
    what = f"the daemon {name}" if kind == "daemon" else name
    accept = f"{word} {what}, or accept that with netlink_remediate_accept: [{word}]" if word else f"start {what} anew"
    return f"it takes effect with a new start: {accept}"


def _start_of(finding: Finding) -> str:
    """What a finding wants that says that only a start is due."""
    remedy = finding.remedy
    if remedy is None:
        return finding.advice or finding.summary
    item = Item(finding.workload, finding.cause, finding.reason, remedy.role, remedy.variables)
    word = "recreate" if "recreate" in remedy.consent else "restart"
    return "; ".join(_start("", name, word) for name, _entry in item.entries()) or finding.summary
