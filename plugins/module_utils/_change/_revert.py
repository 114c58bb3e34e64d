# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take back what receipts say was changed, and remove receipts that nobody needs any more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import ActivationChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._kinds import KINDS
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import (
    PLANNED,
    REVERTED,
    Entry,
    Receipt,
    load_receipts,
    locked,
    remove,
    require_root,
    save,
    select_receipts,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._result import (
    describe_changes,
    describe_diff,
    displayable,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import verify
from ansible_collections.netlink.remediation.plugins.module_utils._commands import use

MOST_DAYS = 100_000  # The calendar of datetime begins not much earlier than that.


@dataclass
class Step:
    """One change to take back. current: what the target holds now."""

    entry: Entry
    change: Change
    current: Any


@dataclass
class Restart:
    """What is started anew because what it was started with is given back."""

    entry: Entry
    change: ActivationChange


@dataclass
class Rollback:
    """What a revert does. restarts: come after all steps, where they are accepted. settled: changes whose target holds
    the value of before already; left_alone: others'."""

    steps: list[Step] = field(default_factory=list)
    restarts: list[Restart] = field(default_factory=list)
    settled: list[Step] = field(default_factory=list)
    left_alone: list[dict[str, Any]] = field(default_factory=list)


def run_receipt(module: AnsibleModule) -> dict[str, Any]:
    """The module receipt: revert or prune what its options select. Raises ChangeError with one sentence."""
    require_root()
    use(module)
    options = module.params
    _demand_one(options)
    with nullcontext() if module.check_mode or not load_receipts([]) else locked():
        broken: list[str] = []
        receipts = load_receipts(broken)
        for sentence in broken:
            module.warn(sentence)
        selected = select_receipts(receipts, id=options["id"], run_id=options["run_id"], run=options["run"])
        if options["state"] == "pruned":
            return _prune(receipts, selected, options["older_than_days"], module.check_mode)
        return _revert(selected, options["accept"], module.check_mode, options["targets"])


def _demand_one(options: dict[str, Any]) -> None:
    """The options are checked here since which of them are possible depends on state."""
    names = ["id", "run_id", "run"] + ["older_than_days"] * (options["state"] == "pruned")
    given = [name for name in names if options[name] is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        raise ChangeError(f"state {options['state']} needs exactly one of {', '.join(names)}; given: {found}")
    days = options["older_than_days"]
    if days is not None and (not 0 <= days <= MOST_DAYS or options["state"] != "pruned"):
        raise ChangeError(
            f"older_than_days {days} is not possible, expected a number from 0 to {MOST_DAYS} with state pruned"
        )


# --- revert -----------------------------------------------------------------------------------------------------------


def plan_rollback(receipts: Sequence[Receipt], targets: Optional[Collection[str]] = None) -> Rollback:
    """What to do for receipts, newest first; only for these targets if given. Reads the host, changes nothing."""
    plan = Rollback()
    foreseen: dict[tuple[str, str], Any] = {}
    for receipt in receipts:
        for entry in reversed(receipt.changes):
            if entry.status != REVERTED and not _is_last(entry) and (targets is None or entry.target in targets):
                _plan_entry(plan, entry, foreseen)
    for receipt in receipts:
        for entry in reversed(receipt.changes):
            if entry.status != REVERTED and _is_last(entry):
                _plan_restart(plan, receipt, entry, foreseen)
    return plan


def _is_last(entry: Entry) -> bool:
    return entry.kind in KINDS and KINDS[entry.kind].last


def _plan_restart(plan: Rollback, receipt: Receipt, entry: Entry, foreseen: dict[tuple[str, str], Any]) -> None:
    """A restart is not taken back for its own sake: what runs is started anew when what it was started with is given
    back, now or by an earlier revert. What does not run stays so.
    """
    names = entry.record.get("details", {}).get("files")
    parts = [one for one in receipt.changes if not _is_last(one) and (names is None or one.target in names)]
    back = {id(step.entry) for step in [*plan.steps, *plan.settled]}
    if parts and not any(one.status == REVERTED or id(one) in back for one in parts):
        return
    key = entry.kind, entry.target
    try:
        change = rebuild(entry)
        current = foreseen[key] if key in foreseen else change.read()
    except (ChangeError, OSError) as exc:
        _leave_alone(plan, entry, None, str(exc))
        return
    if parts and current == change.after and isinstance(change, ActivationChange):
        plan.restarts.append(Restart(entry, change))
        foreseen[key] = change.before
    else:
        plan.settled.append(Step(entry, change, current))


def _plan_entry(plan: Rollback, entry: Entry, foreseen: dict[tuple[str, str], Any]) -> None:
    """foreseen: values that earlier steps of the plan leave behind, by kind and target."""
    key = entry.kind, entry.target
    try:
        change = rebuild(entry)
        current = foreseen[key] if key in foreseen else change.read()
        why = change.stays() if current == change.after != change.before else None
    except (ChangeError, OSError) as exc:
        _leave_alone(plan, entry, None, str(exc))
        return
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        _leave_alone(plan, entry, None, f"its record is not understood: {exc!r}")
        return
    if current == change.before:
        plan.settled.append(Step(entry, change, current))
    elif why is not None:
        _leave_alone(plan, entry, current, why)
    elif current == change.after or (entry.status == PLANNED and change.interrupted(current)):
        plan.steps.append(Step(entry, change, current))
        foreseen[key] = change.before
    else:
        _leave_alone(plan, entry, current, "somebody changed it since")


def _leave_alone(plan: Rollback, entry: Entry, found: Any, why: str) -> None:
    plan.left_alone.append(
        {"kind": entry.kind, "target": displayable(entry.target), "found": displayable(found), "why": why}
    )


def rebuild(entry: Entry) -> Change:
    """The change that an entry records. Raises ChangeError for one that this version does not understand."""
    try:
        return KINDS[entry.kind].from_record(entry.record)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ChangeError(f"the record of {entry.kind} {entry.target} is not understood: {exc!r}") from None


def _revert(
    receipts: Sequence[Receipt], accept: Collection[str], check_mode: bool, targets: Optional[Collection[str]]
) -> dict[str, Any]:
    plan = plan_rollback(receipts, targets)
    waiting = [restart for restart in plan.restarts if restart.change.word not in accept]
    plan.steps += [Step(one.entry, one.change, one.change.after) for one in plan.restarts if one not in waiting]
    unvalidated = []
    for step in plan.steps:
        unvalidated += step.change.validate()
        for word, why in step.change.consents(step.current, step.change.before).items():
            if word not in accept:
                raise ChangeError(
                    f"{step.entry.kind} {step.entry.target} is not reverted: {why}; accept it with {word}"
                )
    if not check_mode:
        _carry_out(plan, waiting, receipts)
    steps = [(step.change, step.current, step.change.before) for step in plan.steps]
    return {
        "changed": bool(steps),
        "diff": describe_diff(steps),
        "changes": describe_changes(steps),
        "left_alone": plan.left_alone,
        "receipts": [receipt.id for receipt in receipts],
        "receipt": None,
        "disrupts": list(dict.fromkeys(sentence for change, *_values in steps for sentence in change.disrupts)),
        "restart_required": [restart.change.instance for restart in waiting],
        "unvalidated": list(dict.fromkeys(unvalidated)),
    }


def _carry_out(plan: Rollback, waiting: Sequence[Restart], receipts: Sequence[Receipt]) -> None:
    """Everything that can be taken back is, also when one step fails. Raises ChangeError for those that failed.

    waiting: restarts that are not accepted; the receipts remember what still runs with what was taken back.
    """
    failures = []
    for step in plan.settled:
        try:
            step.change.settle()
            step.entry.status = REVERTED
        except (ChangeError, OSError) as exc:
            failures.append(f"{step.entry.kind} {step.entry.target} could not be tidied up: {exc}")
    for step in plan.steps:
        try:
            step.change.write(step.change.before)
            verify(step.change, step.change.before)
            step.entry.status = REVERTED
        except (ChangeError, OSError) as exc:
            failures.append(f"{step.entry.kind} {step.entry.target} could not be reverted: {exc}")
    for restart in waiting:
        restart.change.wait()
        restart.entry.record["details"] = restart.change.details
    touched = {id(step.entry) for step in [*plan.settled, *plan.steps]} | {id(restart.entry) for restart in waiting}
    for receipt in receipts:
        if any(id(entry) in touched for entry in receipt.changes):
            save(receipt)
    if failures:
        raise ChangeError("; ".join(failures) + "; run it again for these when the reason is gone")


# --- prune ------------------------------------------------------------------------------------------------------------


def _prune(
    receipts: Sequence[Receipt], selected: Sequence[Receipt], older_than_days: Optional[float], check_mode: bool
) -> dict[str, Any]:
    """Remove receipts: those named, or those that are old and reverted."""
    if older_than_days is not None:
        limit = datetime.now(timezone.utc) - timedelta(days=older_than_days)
        selected = [one for one in selected if one.reverted and datetime.fromisoformat(one.time) <= limit]
    gone = {receipt.id for receipt in selected}
    if not check_mode:
        for receipt in selected:
            remove(receipt)
    header = "receipts of this host"
    lists = [[one.id for one in receipts], [one.id for one in receipts if one.id not in gone]]
    before, after = ("".join(f"{name}\n" for name in names) for names in lists)
    return {
        "changed": bool(selected),
        "diff": [{"before_header": header, "after_header": header, "before": before, "after": after}] if gone else [],
        "changes": [],
        "left_alone": [],
        "receipts": [receipt.id for receipt in selected],
        "receipt": None,
        "disrupts": [],
        "restart_required": [],
        "unvalidated": [],
    }
