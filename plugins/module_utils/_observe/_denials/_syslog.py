# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of syslog, for hosts without a journal. Only programs' own words are taken from there.

A record of the kernel's cannot be told there from a line that a program sent under the name "kernel".
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._container_logs import parse_time
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._programs import (
    Recognise,
    may_count,
    parse_line,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._text import (
    READ_ERRORS,
    lines,
    number,
    open_log,
    shown,
    text_of,
    why,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

LOGS = ("/var/log/syslog", "/var/log/messages")
TAIL = 1 << 24  # bytes of each
MOST_LINES = 5000  # of each, with words that count
LONGEST_HEAD = 4096  # bytes of a line: more than its beginning and the text that is looked at have

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LINE = re.compile(
    r"(?:([A-Z][a-z]{2}) ([ 0-3][0-9]) ([0-9]{2}):([0-9]{2}):([0-9]{2})|([0-9]{4}-[0-9T:.Z+-]{16,32})) "
    r"[^\s]{1,255} ([^\s\[:]{1,128})(?:\[([0-9]{1,10})\])?: "
)


def read_syslog(
    since: float, groups: Groups, recognise: Recognise, unseen: list[Unseen], logs: tuple[str, ...] = LOGS
) -> bool:
    """Read the ends of the files. Returns whether there is one."""
    found = False
    for path in logs:
        stream = open_log(path, unseen)
        if stream is None:
            continue
        found = True
        with stream:
            try:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(max(0, size - TAIL))
                texts = (text_of(line[:LONGEST_HEAD]) for line in lines(stream, TAIL))
                worth = deque(filter(may_count, texts), MOST_LINES)
            except READ_ERRORS as exc:
                unseen.append(Unseen(path, why(exc)))
                continue
        if size > TAIL:
            unseen.append(Unseen(path, f"only the last {TAIL} bytes"))
        if len(worth) == MOST_LINES:
            unseen.append(Unseen(path, f"only the last {MOST_LINES} lines that could tell of a refusal"))
        for line in worth:
            _line(line, since, groups, recognise)
    return found


def _line(line: str, since: float, groups: Groups, recognise: Recognise) -> None:
    match = _LINE.match(line)
    if match is None or match[7] == "kernel":
        return
    when = parse_time(match[6]) if match[6] else _local_time(match)
    denial = parse_line("journal", line[match.end() :], when, recognise) if when >= since else None
    if denial is not None:
        denial.source = "syslog"
        denial.name, denial.pid = shown(match[7], 64), number(match[8])
        groups.add(denial)


def _local_time(match: re.Match[str], now: Optional[float] = None) -> float:
    """Seconds since the epoch of "Nov 30 02:00:00", which names no year: the last time that it was so."""
    now = time.time() if now is None else now
    month = _MONTHS.index(match[1]) + 1 if match[1] in _MONTHS else 1
    year = time.localtime(now).tm_year
    for candidate in (year, year - 1):
        try:
            clock = int(match[3]), int(match[4]), int(match[5])
            when = time.mktime((candidate, month, int(match[2]), *clock, 0, 0, -1))
        except (ValueError, OverflowError):
            return 0.0
        if when <= now + 86400:
            return when
    return 0.0
