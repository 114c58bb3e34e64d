# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of the audit system: the records of one event (same time and serial number) joined.

A security module writes its record when it refuses; the system call in which it did (SYSCALL, PROCTITLE) follows. With
other processors' events in between, an event waits for its end among a few others, so the memory needed is the same for
any length of the log. Sources: auditd.log(5), include/uapi/linux/audit.h, kernel/auditsc.c.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Optional, Union

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._records import (
    HINT,
    counts,
    parse_record,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._syscalls import SYSCALLS
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._text import Fields, shown, text_of
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial

LONGEST_COMMAND = 200
_MOST_WAITING = 64

# "msg=audit(SECONDS.MILLISECONDS:SERIAL): ", as auditd writes it.
_HEAD = re.compile(
    rb"(?:node=[^\s]{1,255} )?type=([A-Z0-9_]{1,40}) msg=audit\(([0-9]{1,11})\.([0-9]{3}):([0-9]{1,20})\): ?"
)
# The same in the kernel log; a number for the type, and nothing before it.
_KERNEL_HEAD = re.compile(
    r"(?:audit: )?type=([0-9]{4}) audit\(([0-9]{1,11})\.([0-9]{3}):([0-9]{1,20})\): (?:avc:|apparmor=|auid=)"
)
_MODULES = {b"AVC", b"1400", b"SELINUX_ERR", b"SECCOMP", b"1326"}
_CALLS = {b"SYSCALL", b"1300", b"PROCTITLE", b"1327"}
_ENDS = {b"EOE", b"1320"}
# The socket is asked, the answer is another message: the call goes well although the kernel refuses.
_ANSWERED_LATER = ("sendto", "sendmsg", "sendmmsg", "write")

Event = tuple[float, int]


@dataclass
class _Waiting:
    denials: list[Denial]
    values: Optional[Fields] = None


class Events:
    """Takes the lines of a log in their order, and gives the denials of each event to the groups."""

    def __init__(self, groups: Groups, source: str) -> None:
        """source: what Denial.source is to say."""
        self._groups = groups
        self._source = source
        self._waiting: OrderedDict[Event, _Waiting] = OrderedDict()

    def line(self, line: bytes) -> None:
        """One line of auditd's log, or of ausearch --raw."""
        promising = b"avc:" in line or b"apparmor=" in line or b"type=SECCOMP " in line or b"type=1326 " in line
        if promising and self._module_record(line):
            return
        if self._waiting and line.startswith((b"type=", b"node=")):
            self._call_record(line)

    def kernel_line(self, text: str) -> bool:
        """One message of the kernel's; whether it was a record of a security module."""
        match = _KERNEL_HEAD.match(text)
        if match is None:
            return False
        if match[1] in ("1400", "1326") or match[1].startswith("15"):
            # The system call is not told there, so there is nothing to wait for.
            self._keep(_event(match[2], match[3], match[4]), text[match.start() :], text[match.end(4) + 3 :])
            self.end()
        return True

    def message(self, time: float, serial: int, text: str) -> None:
        """A record whose time and serial number are told apart from its text, as journald does."""
        self._keep((time, serial), text, text)
        self.end()

    def end(self) -> None:
        """Nothing follows: what waits is complete."""
        while self._waiting:
            self._finish(next(iter(self._waiting)))

    def _module_record(self, line: bytes) -> bool:
        """Whether it is a record of a security module."""
        match = _HEAD.match(line)
        if match is None or not (match[1] in _MODULES or match[1].startswith((b"APPARMOR_", b"15"))):
            return False
        if HINT.search(line):
            self._keep(_event(*match.groups()[1:]), text_of(line), text_of(line[match.end() :]))
        return True

    def _keep(self, event: Event, text: str, body: str) -> None:
        seen = self._groups.first_sight
        denials = [denial for denial in parse_record(body) if seen((*event, denial.permission, denial.object))]
        if not denials:
            return
        waiting = self._waiting.setdefault(event, _Waiting([]))
        for denial in denials:
            denial.source, denial.first, denial.last = self._source, event[0], event[0]
            denial.text = shown(text.partition("\x1d")[0])
        waiting.denials += denials
        if len(self._waiting) > _MOST_WAITING:
            self._finish(next(iter(self._waiting)))

    def _call_record(self, line: bytes) -> None:
        match = _HEAD.match(line)
        if match is None:
            return
        event = _event(*match.groups()[1:])
        waiting = self._waiting.get(event)
        if waiting is None:
            return
        if match[1] in _CALLS:
            values = Fields(text_of(line[match.end() :].partition(b"\x1d")[0]))
            if waiting.values is not None:
                values.add(waiting.values)
            waiting.values = values
        elif match[1] in _ENDS:
            self._finish(event)

    def _finish(self, event: Event) -> None:
        waiting = self._waiting.pop(event)
        for denial in waiting.denials:
            if waiting.values is not None:
                _complete(denial, waiting.values)
            if counts(denial):
                self._groups.add(denial)


def _event(seconds: Union[str, bytes], milliseconds: Union[str, bytes], serial: Union[str, bytes]) -> Event:
    return int(seconds) + int(milliseconds) / 1000, int(serial)


def _complete(denial: Denial, values: Fields) -> None:
    """Add what the records of the system call say."""
    executable = values.text("exe")
    denial.executable = executable if executable.startswith("/") else denial.executable
    denial.pid = denial.pid if denial.pid is not None else values.number("pid")
    denial.uid = values.number("euid") if denial.uid is None else denial.uid
    denial.name = denial.name or values.get("comm")
    denial.command = shown(values.text("proctitle"), LONGEST_COMMAND) or None
    denial.syscall = SYSCALLS.get(values.text("arch"), {}).get(values.number("syscall") or -1, denial.syscall)
    code, succeeded = values.number("exit"), values.text("success")
    if succeeded == "no" or denial.syscall not in _ANSWERED_LATER:
        denial.succeeded = {"yes": True, "no": False}.get(succeeded)
    if succeeded == "no" and code is not None and -4096 < code < 0 and denial.errno is None:
        denial.errno = errno_name(code)
