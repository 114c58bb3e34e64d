# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transaction: lock, validate, record, apply, verify; and take back what was done when any of it fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import ActivationChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import (
    APPLIED,
    PLANNED,
    REVERTED,
    Entry,
    Receipt,
    demand_place,
    locked,
    new_receipt,
    remove,
    require_root,
    save,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._result import describe_changes, describe_diff
from ansible_collections.netlink.remediation.plugins.module_utils._commands import use
from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name

__all__ = ["CHANGE_ARGUMENTS", "require_root", "run_changes", "verify"]

ACCEPTABLE = (
    "restart",
    "recreate",
    "own_connection",
    "interpreter",
    "shared_tool",
    "world_userns",
    "userns_remap_off",
    "selinux_permissive",
    "profile_off",
)

# Options of every module that changes a host; documented in plugins/doc_fragments/change.py.
CHANGE_ARGUMENTS: dict[str, Any] = {
    "accept": {"type": "list", "elements": "str", "choices": list(ACCEPTABLE), "default": []},
    "run_id": {"type": "str"},
}


def run_changes(
    module: AnsibleModule,
    changes: Sequence[Change],
    *,
    unvalidated: Iterable[str] = (),
    restart_required: Iterable[dict[str, str]] = (),
) -> dict[str, Any]:
    """Make the changes, all or none, in order, restarts last; in check mode validate them only. Returns what the module
    returns.

    unvalidated, restart_required: go into the result as they are; restarts that are deferred are added to the latter.
    Raises ChangeError with one sentence; then the host is as it was before, unless the sentence says what could not be
    taken back.
    """
    require_root()
    use(module)
    deferred = [change for change in changes if isinstance(change, ActivationChange) and change.deferred]
    todo = [change for change in changes if change.before != change.after and change not in deferred]
    todo.sort(key=lambda change: change.last)
    sentences = [*unvalidated, *(sentence for change in todo for sentence in change.validate())]
    receipt = None
    if todo:
        demand_place()
    if todo and not module.check_mode:
        with locked():
            todo = _still_to_do(todo)
            if todo:
                receipt = _apply(todo, deferred, module._name, module.params.get("run_id"))
    return {
        "changed": bool(todo),
        "diff": describe_diff([(change, change.before, change.after) for change in todo]),
        "changes": describe_changes([(change, change.before, change.after) for change in todo]),
        "receipt": {"id": receipt.id, "path": receipt.path} if receipt else None,
        "disrupts": _unique(sentence for change in todo for sentence in change.disrupts),
        "restart_required": [*restart_required, *(change.instance for change in deferred)],
        "unvalidated": _unique(sentences),
    }


def _still_to_do(changes: Sequence[Change]) -> list[Change]:
    """Look again under the lock: another run may have done the same since, or something else."""
    todo: list[Change] = []
    for change in changes:
        found = change.read()
        if isinstance(change, ActivationChange) and todo:
            change.renew()  # Whatever runs now runs without what is changed here.
            todo.append(change)
            continue
        if found == change.after:
            continue
        if found != change.before:
            raise ChangeError(f"{change.kind} {change.target} was changed by somebody else meanwhile: run again")
        todo.append(change)
    return todo


def _apply(changes: Sequence[Change], deferred: Sequence[ActivationChange], module: str, run_id: Any) -> Receipt:
    """The receipt is on disk before the first step, with every step: a run that is killed can be reverted.

    Those deferred are in it as planned: sooner or later somebody else makes them.
    """
    for restart in deferred:
        restart.renew()
    entries = [Entry(change.kind, change.target, PLANNED, change.record()) for change in [*changes, *deferred]]
    receipt = new_receipt(module, run_id, entries)
    begun: list[Change] = []
    try:
        save(receipt)
        for change in changes:
            begun.append(change)
            change.write(change.after)
            verify(change, change.after)
        for entry in entries[: len(changes)]:
            entry.status = APPLIED
        save(receipt)
    except BaseException as exc:
        failure = _sentence(exc)
        left = _undo(begun, receipt)
        if not isinstance(exc, (ChangeError, OSError)):
            raise
        undone = "; what was done before it was taken back" if len(begun) > 1 and not left else ""
        raise ChangeError("; ".join([failure + undone, *left])) from exc
    return receipt


def verify(change: Change, value: Any) -> None:
    """Raise ChangeError unless the target reads as the value."""
    found = change.read()
    if found != value:
        seen = change.render(found).strip() or "nothing"
        raise ChangeError(f"{change.kind} {change.target} does not hold what was written: found {seen}")


def _undo(changes: Sequence[Change], receipt: Receipt) -> list[str]:
    """Take back the changes, newest first and restarts last, and the receipt with them. Returns sentences on what stays
    changed.
    """
    left = []
    for number, change in sorted(enumerate(changes), key=lambda item: (item[1].last, -item[0])):
        try:
            if change.read() != change.before:
                change.write(change.before)
                verify(change, change.before)
            change.settle()
            receipt.changes[number].status = REVERTED
        except (ChangeError, OSError) as exc:
            receipt.changes[number].status = APPLIED
            left.append(f"{change.kind} {change.target} could not be taken back: {_sentence(exc)}")
    for entry in receipt.changes[len(changes) :]:
        entry.status = REVERTED
    try:
        if left:
            save(receipt)
            left.append(f"the receipt {receipt.id} holds what is left")
        else:
            remove(receipt)
    except (ChangeError, OSError) as exc:
        left.append(f"the receipt {receipt.id} could not be brought up to date: {_sentence(exc)}")
    return left


def _sentence(exc: BaseException) -> str:
    if isinstance(exc, OSError):
        return f"{exc.filename or 'the system'}: {exc.strerror} ({errno_name(exc.errno or 0)})"
    return str(exc)


def _unique(sentences: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(sentences))
