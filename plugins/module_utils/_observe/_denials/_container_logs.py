# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers printed, as their engines keep it in files: docker's json-file, and the form of the Kubernetes
runtime interface, which podman's k8s-file has too. Of each log its end is read.

The journal holds what containers print with the driver journald.
"""

from __future__ import annotations

import calendar
import glob
import json
import os
import re
import time
from collections.abc import Iterator
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._programs import (
    Recognise,
    may_count,
    parse_line,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._text import (
    READ_ERRORS,
    open_log,
    shown,
    text_of,
    why,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

MOST_LOGS = 200  # the newest ones
TAIL = 1 << 20  # bytes of each
MOST_LINES = 200  # of each, with words that count: whoever prints can print nothing else

_LOGS = (
    "/var/lib/docker/containers/*/*-json.log",
    "/var/lib/docker/*.*/containers/*/*-json.log",  # with userns-remap
    "/var/lib/containers/storage/overlay-containers/*/userdata/ctr.log",
    "/var/log/containers/*.log",
)
_ID = re.compile(r"[0-9a-f]{64}")
_CRI = re.compile(r"([0-9T:.Z+-]{20,40}) (?:stdout|stderr) [FP] ")
_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?")
_ZONE = re.compile(r"([+-])([0-9]{2}):([0-9]{2})$")


def read_container_logs(
    since: float, groups: Groups, recognise: Recognise, unseen: list[Unseen], root: str = "/"
) -> None:
    """Read the ends of the logs that were written to after a time. root: below which the engines' directories are."""
    found = sorted(_logs(root), reverse=True)
    found = [entry for entry in found if entry[0] >= since]
    if len(found) > MOST_LOGS:
        unseen.append(Unseen("container logs", f"{len(found) - MOST_LOGS} more than the newest {MOST_LOGS}"))
    for _modified, path, identifier in found[:MOST_LOGS]:
        for when, line in _tail(path, since, unseen):
            denial = parse_line("container", line, when, recognise)
            if denial is not None and when >= since:
                denial.container = identifier
                groups.add(denial)


def _logs(root: str) -> Iterator[tuple[float, str, str]]:
    """(time of the last write, path, id of the container) of each log."""
    for pattern in _LOGS:
        for path in glob.iglob(os.path.join(root, pattern.lstrip("/"))):
            match = _ID.findall(path)
            try:
                modified = os.stat(path).st_mtime
            except OSError:
                continue
            if match:
                yield modified, path, match[-1]


def _tail(path: str, since: float, unseen: list[Unseen]) -> Iterator[tuple[float, str]]:
    """(time, text) of the lines at the end of a log that are worth a look."""
    stream = open_log(path, unseen)
    if stream is None:
        return
    with stream:
        try:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - TAIL))
            data = stream.read(TAIL)
        except READ_ERRORS as exc:
            unseen.append(Unseen(shown(path, 200), why(exc)))
            return
    found = data.split(b"\n")[1 if size > TAIL else 0 :]
    if size > TAIL and found:
        first = _entry(text_of(found[0]))
        if first is not None and first[0] > since:
            unseen.append(Unseen(shown(path, 200), f"only the last {TAIL} bytes"))
    worth = [line for line in map(text_of, found) if may_count(line)]
    if len(worth) > MOST_LINES:
        unseen.append(Unseen(shown(path, 200), f"only the last {MOST_LINES} lines that could tell of a refusal"))
    yield from filter(None, map(_entry, worth[-MOST_LINES:]))


def _entry(line: str) -> Optional[tuple[float, str]]:
    """(time, text) of one line of either form; None for another."""
    if line.startswith("{"):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            return None
        text, when = value.get("log"), value.get("time")
        return (parse_time(when), text) if isinstance(text, str) and isinstance(when, str) else None
    match = _CRI.match(line)
    return (parse_time(match[1]), line[match.end() :]) if match else None


def parse_time(text: str) -> float:
    """Seconds since the epoch of a time in the form of RFC 3339; 0 for another text."""
    match = _TIME.match(text)
    if match is None:
        return 0.0
    try:
        seconds = calendar.timegm(time.struct_time((*map(int, match.groups()[:6]), 0, 0, 0)))
    except (ValueError, OverflowError):
        return 0.0
    zone = _ZONE.search(text)
    offset = (int(zone[2]) * 3600 + int(zone[3]) * 60) * (1 if zone[1] == "+" else -1) if zone else 0
    return seconds - offset + float(match[7] or 0)
