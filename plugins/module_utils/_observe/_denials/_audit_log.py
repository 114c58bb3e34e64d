# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of auditd, as it lies on disk or as ausearch(8) gives it out."""

from __future__ import annotations

import os
import re
import time
from typing import Callable

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._audit import Events
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._text import (
    READ_ERRORS,
    lines,
    open_log,
    shown,
    why,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

AUDIT_LOG = "/var/log/audit/audit.log"
MOST_BYTES = 1 << 32  # of one file: some ten million records, which take a quarter of a minute

_ROTATED = re.compile(r"\.([0-9]{1,5})(\.gz)?")
_PACKED = (".bz2", ".xz", ".zst")
_SKIPPED = "Malformed event skipped"
_TYPES = "AVC,SELINUX_ERR,SECCOMP,APPARMOR_DENIED,APPARMOR_ALLOWED,APPARMOR_AUDIT"


def read_audit_log(path: str, since: float, groups: Groups, unseen: list[Unseen]) -> bool:
    """Read the log and its rotated files, oldest first, as far as they were written after `since`.

    Returns whether there is a log.
    """
    files = _files(path, since, unseen)
    events = Events(groups, "audit")
    found = False
    for name in files:
        stream = open_log(name, unseen)
        if stream is None:
            continue
        found = True
        with stream:
            try:
                for line in lines(stream, MOST_BYTES):
                    events.line(line)
                # Asked of the open file: auditd may have renamed or removed it meanwhile.
                if stream.tell() >= MOST_BYTES and stream.read(1):
                    unseen.append(Unseen(shown(name, 200), f"longer than {MOST_BYTES} bytes, the rest was not read"))
            except READ_ERRORS as exc:
                unseen.append(Unseen(shown(name, 200), why(exc)))
    events.end()
    return found


def _files(path: str, since: float, unseen: list[Unseen]) -> list[str]:
    directory, name = os.path.split(path)
    found: list[tuple[int, str]] = []
    try:
        entries = os.listdir(directory or "/")
    except FileNotFoundError:
        return []
    except OSError as exc:
        unseen.append(Unseen(shown(path, 200), errno_name(exc.errno or 0)))
        return []
    for entry in entries:
        match = _ROTATED.fullmatch(entry[len(name) :]) if entry.startswith(name) else None
        whole = os.path.join(directory, entry)
        if entry == name or (match and _modified(whole) >= since):
            found.append((int(match[1]) if match else 0, whole))
        elif entry.startswith(name + ".") and entry.endswith(_PACKED) and _modified(whole) >= since:
            unseen.append(Unseen(shown(whole, 200), "packed in a way that is not read, expected .gz"))
    return [whole for _number, whole in sorted(found, reverse=True)]


def _modified(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def read_ausearch(
    ask: Callable[[list[str]], tuple[int, str, str]], since: float, groups: Groups, unseen: list[Unseen]
) -> bool:
    """The same through ausearch, which finds the log where auditd.conf has it. Its answer is read as a whole.

    It takes records of AppArmor for malformed (audit 4.0.2 does), and shows them as such only if it is asked to.
    Returns whether it answered.
    """
    day, hour = time.strftime("%m/%d/%y %H:%M:%S", time.localtime(max(since, 0))).split(" ")
    code, out, err = ask(["ausearch", "--input-logs", "--raw", "--debug", "-m", _TYPES, "-ts", day, hour])
    skipped = [line.partition(". ")[2] for line in err.split("\n") if line.startswith(_SKIPPED)]
    if code and not skipped and "<no matches>" not in err:
        unseen.append(Unseen("ausearch", shown(err.strip() or f"it failed with {code}", 200)))
        return False
    events = Events(groups, "audit")
    for line in [*out.split("\n"), *skipped]:
        events.line(line.encode("utf-8", "surrogateescape"))
    events.end()
    return True
