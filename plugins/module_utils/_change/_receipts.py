# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receipts: the record on the host of the changes made by one module call; and the lock under which they are made.

They lie in /var/lib/netlink-remediation/receipts/ID.json, readable by root only. Ids sort by age.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ACTIVATION, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._path import (
    TEMPORARY,
    Place,
    demand_writable,
    reach,
    remove_file,
    replace_file,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._result import displayable
from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._plain import from_plain, to_plain

STATE_DIRECTORY = "/var/lib/netlink-remediation"
LOCK_SECONDS = 60.0
PLANNED, APPLIED, REVERTED = "planned", "applied", "reverted"
_STAMP = "%Y%m%dT%H%M%S.%f"


@dataclass
class Entry:
    """One change of a receipt. status: planned (the run was killed: it may have been made), applied or reverted.

    record: what Change.record() says, with before and after.
    """

    kind: str
    target: str
    status: str
    record: dict[str, Any]


@dataclass
class Receipt:
    """What one module call changed, in order. time: ISO 8601, UTC. run_id: of the run it belongs to, else the id."""

    id: str
    run_id: str
    module: str
    time: str
    changes: list[Entry] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where it lies."""
        return f"{STATE_DIRECTORY}/receipts/{self.id}.json"

    @property
    def reverted(self) -> bool:
        """Whether nothing of it is left to revert."""
        return all(entry.status == REVERTED for entry in self.changes)


def require_root() -> None:
    """Raise ChangeError for anybody else than root (of this user namespace)."""
    if os.geteuid() != 0:
        raise ChangeError(f"this module needs root, it runs as uid {os.geteuid()}: set become to true")


@contextmanager
def locked() -> Iterator[None]:
    """Hold the lock of this host: one run at a time changes it. Waits LOCK_SECONDS, then raises ChangeError."""
    with _place("lock", create=True) as place:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(place.name, flags, 0o600, dir_fd=place.directory)
    try:
        _wait_for(handle)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise ChangeError(
                    f"another run has been changing this host for {LOCK_SECONDS:.0f} seconds "
                    f"(it holds {STATE_DIRECTORY}/lock): run again when it has ended"
                ) from None
        time.sleep(0.1)


def demand_place() -> None:
    """Raise ChangeError where receipts cannot be kept, so that check mode says it too. Changes nothing."""
    with _place("receipts/x") as place:
        demand_writable(place.directory, STATE_DIRECTORY)


@contextmanager
def _place(name: str, *, create: bool = False) -> Iterator[Place]:
    """Where a file of STATE_DIRECTORY lies. Raises ChangeError when the directory cannot be used."""
    try:
        with reach(f"{STATE_DIRECTORY}/{name}") as place:
            if create:
                place.make_directories(0o700)
                os.fchmod(place.directory, 0o700)
            yield place
    except OSError as exc:
        raise ChangeError(f"{STATE_DIRECTORY} cannot be used: {exc.strerror} ({errno_name(exc.errno or 0)})") from exc


def new_receipt(module: str, run_id: Optional[str], changes: Sequence[Entry]) -> Receipt:
    """A receipt with an id of its own that sorts after all there are; to be called under the lock. Not saved yet."""
    _sweep()
    now = datetime.now(timezone.utc)
    ids = _ids()
    if ids:
        # The clock may have been set back.
        newest = datetime.strptime(ids[-1].partition("Z")[0], _STAMP).replace(tzinfo=timezone.utc)
        now = max(now, newest + timedelta(microseconds=1))
    name = f"{now.strftime(_STAMP)}Z-{secrets.token_hex(3)}"
    return Receipt(name, run_id or name, module, now.isoformat(timespec="seconds"), list(changes))


def _sweep() -> None:
    """Remove receipts that a killed run did not finish writing: none of their changes was begun."""
    with _place("receipts/x") as place:
        for name in [] if place.missing else os.listdir(place.directory):
            if name.endswith(TEMPORARY):
                remove_file(place.directory, name)


def _ids() -> list[str]:
    """Ids of the receipts on this host, oldest first."""
    with _place("receipts/x") as place:
        if place.missing:
            return []
        names = [name[: -len(".json")] for name in os.listdir(place.directory) if name.endswith(".json")]
    return sorted(name for name in names if _is_id(name))


def _is_id(name: str) -> bool:
    try:
        datetime.strptime(name.partition("Z")[0], _STAMP)
    except ValueError:
        return False
    return True


def save(receipt: Receipt) -> None:
    """Write a receipt so that it survives a crash from here on (fsync(2) of file and directory)."""
    data = json.dumps(to_plain(receipt), indent=1).encode("ascii")
    with _place(f"receipts/{receipt.id}.json", create=True) as place:
        replace_file(place.directory, place.name, data)


def remove(receipt: Receipt) -> None:
    """Remove a receipt: nothing of it is left on the host, or nobody wants to revert it any more."""
    with _place(f"receipts/{receipt.id}.json") as place:
        if not place.missing:
            remove_file(place.directory, place.name)
            os.fsync(place.directory)


def load_receipts(broken: list[str]) -> list[Receipt]:
    """All receipts of this host, oldest first. A sentence on each that is not understood is appended to `broken`."""
    found = []
    for name in _ids():
        try:
            with _place(f"receipts/{name}.json") as place:
                handle = os.open(place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.directory)
                with os.fdopen(handle, "rb") as file:
                    found.append(_decode(name, file.read()))
        except (ChangeError, ValueError, RecursionError) as exc:
            broken.append(f"the receipt {STATE_DIRECTORY}/receipts/{name}.json is not understood: {exc}")
    return found


def _decode(name: str, data: bytes) -> Receipt:
    """The receipt in a file. Raises ValueError for anything else, also for what somebody edited."""
    receipt = from_plain(Receipt, json.loads(data))
    if receipt.id != name:
        raise ValueError(f"it holds the id {receipt.id!r}")
    datetime.fromisoformat(receipt.time)
    for entry in receipt.changes:
        if entry.status not in (PLANNED, APPLIED, REVERTED) or not {"before", "after"} <= set(entry.record):
            raise ValueError(f"its change of {entry.target!r} lacks before, after or a known status")
    return receipt


def select_receipts(
    receipts: Sequence[Receipt],
    *,
    id: Optional[str] = None,  # noqa: A002  the name of the option
    run_id: Optional[str] = None,
    run: Optional[str] = None,
) -> list[Receipt]:
    """The receipts with this id, of this run, or of the newest run (run: latest); else all. Newest first.

    A run that only started something anew, on behalf of an earlier one, is not the newest: it left nothing to restore.
    Raises ChangeError when an id or run_id is not among them.
    """
    if run == "latest":
        lasting = [one for one in receipts if any(entry.kind != ACTIVATION for entry in one.changes)]
        run_id = (lasting or receipts)[-1].run_id if receipts else None
        return [receipt for receipt in reversed(receipts) if receipt.run_id == run_id]
    found = [one for one in reversed(receipts) if id in (None, one.id) and run_id in (None, one.run_id)]
    wanted = f"id {id}" if id is not None else f"run_id {run_id}"
    if not found and (id is not None or run_id is not None):
        raise ChangeError(f"no receipt on this host has the {wanted}: receipt_info lists those there are")
    return found


def list_receipts(module: AnsibleModule) -> list[dict[str, Any]]:
    """What receipt_info returns, oldest first. Warns of receipts that are not understood."""
    require_root()
    broken: list[str] = []
    receipts = select_receipts(load_receipts(broken), id=module.params["id"], run_id=module.params["run_id"])
    for sentence in broken:
        module.warn(sentence)
    return [_describe(receipt) for receipt in reversed(receipts)]


def _describe(receipt: Receipt) -> dict[str, Any]:
    changes = [
        {
            "kind": entry.kind,
            "target": displayable(entry.target),
            "before": displayable(entry.record["before"]),
            "after": displayable(entry.record["after"]),
            "workloads": entry.record.get("workloads", []),
            "status": entry.status,
        }
        for entry in receipt.changes
    ]
    return {
        "id": receipt.id,
        "run_id": receipt.run_id,
        "module": receipt.module,
        "time": receipt.time,
        "path": receipt.path,
        "reverted": receipt.reverted,
        "changes": changes,
    }
