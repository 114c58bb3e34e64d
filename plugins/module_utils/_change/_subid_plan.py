# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the option `ranges` to lines of /etc/subuid and /etc/subgid, as useradd(8) would give them away."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import observe_dockerds
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import read_text
from ansible_collections.netlink.remediation.plugins.module_utils._observe._subids import (
    FILES,
    LAST_ID,
    SubordinateRange,
    named_ids,
    parse_ranges,
    read_login_definitions,
    subid_source,
    uid_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

# Users of a host, those that systemd makes, and nobody have ids below.
FIRST_FREE_ID = 65536
_OWNER = re.compile(r"[^\s:#\x00-\x1f][^\s:\x00-\x1f]{0,255}")


@dataclass
class SubidPlan:
    """What to change, sentences for the user, and what reads the files only when it starts."""

    changes: list[FileChange] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    restart_required: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Wish:
    """One entry of `ranges`. start: of the range, None for any."""

    user: str
    count: int
    start: Optional[int]
    kinds: tuple[str, ...]
    present: bool


@dataclass
class Table:
    """One of the two files: its lines, the ranges in them, and the ids that are not to be given away."""

    kind: str
    lines: list[str]
    ranges: list[SubordinateRange]
    taken: list[tuple[int, int, str]]
    low: int
    high: int

    @property
    def path(self) -> str:
        return FILES[self.kind]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def own(self, user: str, uid: Optional[int]) -> list[SubordinateRange]:
        """The ranges of a user, whether its line has the name or the uid."""
        return [item for item in self.ranges if item.owner == user or (uid is not None and item.uid == uid)]

    def add(self, owner: str, uid: Optional[int], first: int, count: int) -> None:
        """Append a line; what stands before stays as it is, byte for byte."""
        if self.lines and self.lines[-1] == "":
            self.lines.pop()
        self.lines += [f"{owner}:{first}:{count}", ""]
        self.ranges.append(SubordinateRange(owner, first, count, self.path, len(self.lines) - 1, uid))

    def drop(self, items: Sequence[SubordinateRange]) -> None:
        """Take lines out."""
        gone = {item.line for item in items}
        self.lines = [text for number, text in enumerate(self.lines, 1) if number not in gone]
        self.ranges = [item for item in self.ranges if item.line not in gone]
        for item in self.ranges:
            item.line -= sum(number < item.line for number in gone)


@contextmanager
def user_database_locked() -> Iterator[None]:
    """Hold the lock that useradd, usermod and their like take, lckpwdf(3). Raises ChangeError after its 15 seconds."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "lckpwdf"):
        yield  # Another C library than glibc; its shadow has no such lock either.
        return
    if libc.lckpwdf():
        raise ChangeError("another program has been changing the users of this host for 15 seconds: run again")
    try:
        yield
    finally:
        libc.ulckpwdf()


def plan_subids(entries: Sequence[Mapping[str, Any]], *, root: str = "/") -> SubidPlan:
    """The changes of the files. Raises ChangeError with one sentence for what cannot be."""
    wishes = [_wish(entry) for entry in entries]
    _demand_distinct(wishes)
    unseen: list[Unseen] = []
    uids = named_ids("uid", root, unseen)
    tables = {kind: _table(kind, root, unseen) for kind in FILES}
    before = {kind: table.text for kind, table in tables.items()}
    for wish in wishes:
        apply = _grant if wish.present else _withdraw
        apply(wish, [tables[kind] for kind in wish.kinds], uid_of(wish.user, uids, root))
    plan = SubidPlan(warnings=_warnings(root))
    for kind, table in tables.items():
        if table.text != before[kind]:
            plan.changes.append(FileChange.of(table.path, table.text, disrupts=_disrupts(wishes, kind)))
    if plan.changes and root == "/":
        plan.restart_required = _daemons({wish.user for wish in wishes})
    return plan


def _wish(entry: Mapping[str, Any]) -> Wish:
    user, count, start = str(entry["user"]), entry["count"], entry.get("start")
    if not _OWNER.fullmatch(user):
        raise ChangeError(f"ranges: user {user!r} is not possible, expected a name or a uid without blanks and colons")
    if not 1 <= count <= LAST_ID - FIRST_FREE_ID + 1:
        most = LAST_ID - FIRST_FREE_ID + 1
        raise ChangeError(f"ranges: count {count} of user {user} is not possible, expected a number from 1 to {most}")
    if start is not None and not FIRST_FREE_ID <= start <= LAST_ID:
        raise ChangeError(
            f"ranges: start {start} of user {user} is not possible, expected a number from {FIRST_FREE_ID}, "
            f"below which the users of hosts have their ids, to {LAST_ID}"
        )
    if start is not None and entry["state"] == "present" and start + count - 1 > LAST_ID:
        raise ChangeError(f"ranges: {count} ids from {start} of user {user} go beyond {LAST_ID}, the last id there is")
    if not entry["kinds"]:
        raise ChangeError(f"ranges: kinds of user {user} is empty, expected uid, gid or both")
    return Wish(user, count, start, tuple(sorted(set(entry["kinds"]), reverse=True)), entry["state"] == "present")


def _demand_distinct(wishes: Sequence[Wish]) -> None:
    for number, wish in enumerate(wishes):
        for other in wishes[:number]:
            if wish.user == other.user and wish.start == other.start and set(wish.kinds) & set(other.kinds):
                which = "without start" if wish.start is None else f"with start {wish.start}"
                raise ChangeError(f"ranges: user {wish.user} is named twice {which}, expected one entry")


def _table(kind: str, root: str, unseen: list[Unseen]) -> Table:
    path = FILES[kind]
    missed: list[Unseen] = []
    text = read_text(path, root, missed)
    if missed:
        raise ChangeError(f"{path} cannot be read: {missed[0].reason}")
    ranges = parse_ranges(text or "", path, missed)
    if missed:
        raise ChangeError(
            f"{missed[0].source} is {missed[0].reason}, which tools and dockerd fail on: mend the line first"
        )
    uids = named_ids("uid", root, unseen)
    for item in ranges:
        item.uid = uid_of(item.owner, uids, root)
    definitions = read_login_definitions(root, unseen)
    word, upper = ("user" if kind == "uid" else "group"), kind.upper()
    taken = [(definitions[f"{upper}_MIN"], definitions[f"{upper}_MAX"], f"new {word}s (login.defs)")]
    taken += [(number, number, f"{word} {name}") for name, number in named_ids(kind, root, unseen).items()]
    low, high = definitions[f"SUB_{upper}_MIN"], definitions[f"SUB_{upper}_MAX"]
    lines = (text or "").split("\n")
    return Table(kind, lines, ranges, taken, max(low, FIRST_FREE_ID), min(high, LAST_ID))


# --- present ----------------------------------------------------------------------------------------------------------


def _grant(wish: Wish, tables: Sequence[Table], uid: Optional[int]) -> None:
    """Add what is missing, from the same start in both files where that is free."""
    lacking: list[tuple[Table, str, int]] = []
    for table in tables:
        own = table.own(wish.user, uid)
        for item in own:
            _demand_alone(table, item, own)
        owner, counted = _spelling(wish.user, own)
        if wish.start is not None:
            _fill(wish, wish.start, table, owner, uid, own)
            continue
        missing = wish.count - sum(item.count for item in counted)
        if missing > 0:
            lacking.append((table, owner, missing))
    if not lacking:
        return
    first = _free_start(lacking, _hint(wish, tables, uid))
    for table, owner, missing in lacking:
        start = first if first is not None else _free_start([(table, owner, missing)], None)
        if start is None:
            raise ChangeError(
                f"ranges: {table.path} has no {missing} ids in a row free for user {wish.user} between {table.low} and "
                f"{table.high} (SUB_{table.kind.upper()}_MIN and SUB_{table.kind.upper()}_MAX of /etc/login.defs)"
            )
        table.add(owner, uid, start, missing)


def _spelling(user: str, own: Sequence[SubordinateRange]) -> tuple[str, list[SubordinateRange]]:
    """(the owner to write, the ranges that count). dockerd looks for lines with the uid, and for those with the name
    only where there are none.
    """
    by_number = [item for item in own if item.owner.isdigit()]
    counted = by_number or list(own)
    return (counted[0].owner if counted else user), counted


def _demand_alone(table: Table, item: SubordinateRange, own: Sequence[SubordinateRange]) -> None:
    """Raise ChangeError for a range that somebody else has too: those two are not kept apart, whatever is added."""
    where = f"{item.file}:{item.line} ({item.owner}:{item.first}:{item.count})"
    if not item.count or item.last > LAST_ID:
        raise ChangeError(f"{where} is no range that the kernel takes: remove it first (state absent)")
    for other in table.ranges:
        same_user = any(other is one for one in own)
        if other is item or (same_user and other.owner != item.owner):
            continue
        if other.first <= item.last and item.first <= other.last:
            raise ChangeError(
                f"{where} shares ids with {other.file}:{other.line} ({other.owner}:{other.first}:{other.count}): "
                "remove one of the two first (state absent with its start)"
            )
    for low, high, whose in table.taken:
        if low <= item.last and item.first <= high:
            raise ChangeError(
                f"{where} holds the {table.kind} of {whose}: remove it first (state absent with its start)"
            )


def _fill(
    wish: Wish, first: int, table: Table, owner: str, uid: Optional[int], own: Sequence[SubordinateRange]
) -> None:
    """Add the ids from `first` on that the user does not have yet. Raises ChangeError where they are somebody's."""
    last = first + wish.count - 1
    for low, high in _gaps(first, last, [(item.first, item.last) for item in own]):
        for start, end, whose in _occupied(table):
            if start <= high and low <= end:
                raise ChangeError(
                    f"ranges: {wish.count} {table.kind}s from {first} for user {wish.user} are not free: "
                    f"{max(start, low)} to {min(end, high)} are of {whose}"
                )
        table.add(owner, uid, low, high - low + 1)


def _gaps(first: int, last: int, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of first to last is in none of the spans."""
    found = []
    for low, high in sorted(spans):
        if low > first:
            found.append((first, min(low - 1, last)))
        first = max(first, high + 1)
        if first > last:
            return found
    return [*found, (first, last)]


def _occupied(table: Table) -> list[tuple[int, int, str]]:
    ranges = [
        (item.first, item.last, f"user {item.owner} ({item.file}:{item.line})") for item in table.ranges if item.count
    ]
    return ranges + table.taken


def _hint(wish: Wish, tables: Sequence[Table], uid: Optional[int]) -> Optional[int]:
    """Where the user's only range of the other file begins: equal numbers in both files are easier to live with."""
    starts = [own[0].first for own in (table.own(wish.user, uid) for table in tables) if len(own) == 1]
    return starts[0] if len(starts) == 1 else None


def _free_start(lacking: Sequence[tuple[Table, str, int]], hint: Optional[int]) -> Optional[int]:
    """The lowest start from which all files have their ids free, else None. As with useradd(8) it is SUB_UID_MIN, or
    right behind what is taken.
    """
    low = max(table.low for table, _owner, _count in lacking)
    ends = {end + 1 for table, _owner, _count in lacking for _start, end, _whose in _occupied(table)}
    candidates = ([hint] if hint is not None else []) + [low, *sorted(end for end in ends if end > low)]
    for start in candidates:
        if all(_is_free(table, start, count) for table, _owner, count in lacking):
            return start
    return None


def _is_free(table: Table, first: int, count: int) -> bool:
    last = first + count - 1
    inside = table.low <= first and last <= table.high
    return inside and not any(low <= last and first <= high for low, high, _whose in _occupied(table))


# --- absent -----------------------------------------------------------------------------------------------------------


def _withdraw(wish: Wish, tables: Sequence[Table], uid: Optional[int]) -> None:
    for table in tables:
        table.drop([item for item in table.own(wish.user, uid) if wish.start in (None, item.first)])


# --- sentences --------------------------------------------------------------------------------------------------------


def _disrupts(wishes: Sequence[Wish], kind: str) -> list[str]:
    users = sorted({wish.user for wish in wishes if not wish.present and kind in wish.kinds})
    return [
        f"{kind}s that are taken from {user} stay the owners of files, but new user namespaces do not know them"
        for user in users
    ]


def _warnings(root: str) -> list[str]:
    source = subid_source(root, [])
    if source == "files":
        return []
    said = f"/etc/nsswitch.conf says subid: {source}, so newuidmap and podman ask {source} instead of the files in /etc"
    return [f"{said}; dockerd reads the files"]


def _daemons(users: set[str]) -> list[dict[str, str]]:
    """A dockerd that runs has read the ranges of its user when it started."""
    names = set(users) | ({"default"} if "dockremap" in users else set())
    found = [item for item in observe_dockerds([]) if item.pid and (item.userns_remap or "").split(":")[0] in names]
    return [{"kind": "daemon", "name": "docker.service"}] if found else []
