# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Denials of one kind counted as one, within a bound: whoever can write a log must not fill the memory."""

from __future__ import annotations

from collections import OrderedDict
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import PROBE_NAME
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

MOST_GROUPS = 1000
MOST_NAMES = 50  # of programs with the same subject, permission and object; the names of further ones are not kept
MOST_EVENTS = 1 << 14  # of the audit system that are remembered, to count once what two logs hold

# What a group tells is that of its newest record.
_OF_THE_NEWEST = (
    *("last", "source", "errno", "succeeded", "pid", "uid", "name", "command", "syscall", "unit"),
    *("container", "opener", "user_ns", "owner_ns", "text"),
)

Key = tuple[Optional[str], ...]
Sight = tuple[float, int, str, str]  # time, serial number, permission, object


class Groups:
    """Collects denials; those with the same module, subject, permission, object, target and program are one."""

    def __init__(self, since: float) -> None:
        """since: seconds since the epoch; what is older is left out."""
        self._since = since
        self._groups: OrderedDict[Key, Denial] = OrderedDict()
        self._names: dict[Key, int] = {}
        self._named: dict[Key, Key] = {}
        self._events: OrderedDict[Sight, None] = OrderedDict()
        self._dropped = 0

    def first_sight(self, sight: Sight) -> bool:
        """Whether what a record of the audit system tells is seen for the first time: two logs may hold the record."""
        if sight in self._events:
            return False
        self._events[sight] = None
        if len(self._events) > MOST_EVENTS:
            self._events.popitem(last=False)
        return True

    def add(self, denial: Denial) -> None:
        """Count a denial, unless it is too old or one of our own probes was refused."""
        if denial.last < self._since or denial.name == PROBE_NAME:
            return
        what = (denial.module, denial.subject, denial.permission, denial.object, denial.target, str(denial.enforced))
        named = (*what, denial.container, denial.unit, denial.name)
        who = (denial.container, denial.unit, denial.executable or denial.name, denial.door, str(denial.opener))
        # The kernel log names no executable: there the name has to do, if the audit log told whose it is.
        key = what + who if denial.executable else self._named.get(named, what + who)
        known = self._groups.get(key)
        if known is None:
            self._begin(what, who, denial)
            if denial.executable and len(self._named) < MOST_GROUPS:
                self._named[named] = what + who
        else:
            self._groups.move_to_end(key)
            _merge(known, denial)

    def _begin(self, what: Key, who: Key, denial: Denial) -> None:
        if self._names.get(what, 0) >= MOST_NAMES:
            who = ("*",)
            if what + who in self._groups:
                self._groups.move_to_end(what + who)
                _merge(self._groups[what + who], denial)
                return
        self._groups[what + who] = denial
        self._names[what] = self._names.get(what, 0) + 1
        if len(self._groups) > MOST_GROUPS:
            key, _oldest = self._groups.popitem(last=False)
            self._dropped += 1
            kind = key[:6]
            self._names[kind] -= 1
            if not self._names[kind]:
                del self._names[kind]

    def result(self, unseen: list[Unseen]) -> list[Denial]:
        """All groups, that of the newest denial first. What there was no room for is appended to `unseen`."""
        if self._dropped:
            reason = f"{self._dropped} kinds of denials are left out, more than {MOST_GROUPS} were recorded"
            unseen.append(Unseen("denials", reason))
        return sorted(self._groups.values(), key=lambda denial: -denial.last)


def _merge(known: Denial, new: Denial) -> None:
    """Count one more; who and the text are those of the newest."""
    known.count += new.count
    known.first = min(known.first, new.first)
    if new.last < known.last:
        return
    for name in _OF_THE_NEWEST:
        setattr(known, name, getattr(new, name))
    known.executable = new.executable or known.executable
