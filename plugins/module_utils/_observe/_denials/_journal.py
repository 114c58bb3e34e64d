# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of systemd, through journalctl(1).

Fields whose name begins with an underscore are journald's own and can be believed; the others are the writer's
(systemd.journal-fields(7)). journalctl answers in one piece, so it is asked for the newest entries that have one of the
words, without large fields: some 25 MB at most.
"""

from __future__ import annotations

import glob
import json
from typing import Any, Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._audit import Events
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._kernel_log import KernelLog
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._programs import (
    WORDS,
    Recognise,
    parse_line,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._text import number, shown
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

Ask = Callable[[list[str]], tuple[int, str, str]]

FILES = ("/var/log/journal/*/*.journal", "/run/log/journal/*/*.journal")
MOST_ENTRIES = 5000
_MOST_UNITS, _OF_UNIT = 50, 200  # units that are asked for by themselves, and entries of each
_FIELDS = (
    "MESSAGE,_TRANSPORT,_PID,_UID,_COMM,_EXE,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT,_AUDIT_ID,_AUDIT_TYPE,UNIT"
    ",_SOURCE_REALTIME_TIMESTAMP,CONTAINER_ID_FULL,SYSLOG_FACILITY"
)
_KERNEL = ["_TRANSPORT=kernel", "_TRANSPORT=audit"]
_PROGRAMS = ["_TRANSPORT=stdout", "_TRANSPORT=journal", "_TRANSPORT=syslog"]
_RECORDS = "apparmor=|avc: |type=1326|audit_lost|callbacks suppressed|SECCOMP"
_AUDITED = ("1400", "1326")
# Those who write what a container printed, as a file that only root can put there.
_LOGGERS = ("/conmon", "/dockerd", "/podman")
# What a service is before its execve(2), under the name "(PROGRAM)".
_STARTERS = ("/systemd", "/systemd-executor")
_SYSTEM = ("/usr/", "/bin/", "/sbin/", "/opt/", "/snap/")


def is_there() -> bool:
    """Whether the host has a journal; asked about words that nobody wrote, journalctl does not tell."""
    return any(next(glob.iglob(pattern), None) for pattern in FILES)


def read_journal(ask: Ask, since: float, groups: Groups, recognise: Recognise, unseen: list[Unseen]) -> bool:
    """Read what the kernel and the programs wrote since a time. Returns whether journalctl could be asked."""
    kernel = _entries(ask, since, _KERNEL, _RECORDS, unseen)
    if kernel is None:
        return False
    log, audited = KernelLog(groups, "journal"), Events(groups, "journal")
    for entry in kernel:
        if entry.get("_TRANSPORT") == "audit":
            _audited(entry, audited)
        elif entry.get("SYSLOG_FACILITY") == "0":
            log.message(_text(entry, "MESSAGE"))
    log.end(unseen)
    for entry in _of_programs(ask, since, unseen):
        denial = parse_line("journal", _text(entry, "MESSAGE"), _time(entry), recognise)
        if denial is not None:
            _who(denial, entry)
            groups.add(denial)
    return True


def _of_programs(ask: Ask, since: float, unseen: list[Unseen]) -> list[dict[str, Any]]:
    """What programs wrote. If that is too much, one of them may have written all: the other units are asked for too."""
    found = _entries(ask, since, _PROGRAMS, WORDS, unseen) or []
    if len(found) < MOST_ENTRIES:
        return found
    heard = {_text(entry, "_SYSTEMD_UNIT") for entry in found}
    _code, out, _err = ask(["journalctl", "--no-pager", "--field=_SYSTEMD_UNIT"])
    others = [unit for unit in out.split("\n") if unit and unit not in heard]
    if len(others) > _MOST_UNITS:
        unseen.append(Unseen("journal", f"{len(others) - _MOST_UNITS} units that wrote less were not asked for"))
    for unit in others[:_MOST_UNITS]:
        found += _entries(ask, since, [f"_SYSTEMD_UNIT={unit}"], WORDS, unseen, _OF_UNIT) or []
    return sorted(found, key=_time)


def _entries(
    ask: Ask, since: float, matches: list[str], words: str, unseen: list[Unseen], most: int = MOST_ENTRIES
) -> Optional[list[dict[str, Any]]]:
    """Entries with one of the words, oldest first; None where there is no journal."""
    command = ["journalctl", "--no-pager", "--output=json", f"--output-fields={_FIELDS}"]
    command += [f"--since=@{max(0, int(since))}", f"--lines={most}"]
    code, out, err = ask([*command, "--case-sensitive=no", f"--grep={words}", *matches])
    if code and "pattern" in err:  # Built without PCRE, or older than systemd 237: then the newest of all.
        code, out, err = ask([*command, *matches])
    if code and err.strip():
        if code != 127:
            unseen.append(Unseen("journalctl", shown(err.strip(), 200)))
        return None
    if "not seeing messages" in err:
        unseen.append(Unseen("journal", "messages of other users and of the system are not shown to this user"))
    found = [entry for entry in map(_entry, out.split("\n")) if entry]
    if len(found) >= most:
        who = {"_TRANSPORT=kernel": "the kernel", "_TRANSPORT=stdout": "programs"}.get(matches[0], matches[0][14:])
        unseen.append(Unseen("journal", f"only the newest {most} entries of {shown(who, 100)}"))
    return sorted(found, key=_time)


def _entry(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line) if line else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _text(entry: dict[str, Any], name: str) -> str:
    """A field as text: bytes that are no UTF-8 come as a list of numbers, what is longer than 4096 as null."""
    value = entry.get(name)
    if isinstance(value, list) and value and isinstance(value[0], (list, str)):
        value = value[0]  # A field that was given several times.
    if isinstance(value, list):
        try:
            return bytes(value).decode("utf-8", "replace")
        except (TypeError, ValueError):
            return ""
    return value if isinstance(value, str) else ""


def _time(entry: dict[str, Any]) -> float:
    value = _text(entry, "__REALTIME_TIMESTAMP")
    return int(value) / 1e6 if value.isascii() and value.isdigit() and len(value) < 18 else 0.0


def _audited(entry: dict[str, Any], events: Events) -> None:
    """A record that journald itself took from the audit system; its text lacks time and serial number."""
    kind, serial = _text(entry, "_AUDIT_TYPE"), number(_text(entry, "_AUDIT_ID"))
    taken = _text(entry, "_SOURCE_REALTIME_TIMESTAMP")
    if serial is None or not (kind in _AUDITED or kind.startswith("15")):
        return
    time = int(taken) / 1e6 if taken.isascii() and taken.isdigit() and len(taken) < 18 else _time(entry)
    _name, _blank, text = _text(entry, "MESSAGE").partition(" ")
    events.message(round(time, 3), serial, text)


def _who(denial: Denial, entry: dict[str, Any]) -> None:
    """Whose line it is: the writer's, unless that is known to write for others (systemd, the engine of a container)."""
    executable, identifier = _text(entry, "_EXE"), _text(entry, "CONTAINER_ID_FULL")
    trusted = executable.startswith(_SYSTEM) and _text(entry, "_UID") == "0"
    if identifier and trusted and executable.endswith(_LOGGERS):
        denial.container = shown(identifier, 64)
        return
    unit, of_user = _text(entry, "_SYSTEMD_UNIT"), _text(entry, "_SYSTEMD_USER_UNIT")
    denial.pid, denial.uid = number(_text(entry, "_PID")), number(_text(entry, "_UID"))
    denial.name, denial.executable = shown(_text(entry, "_COMM"), 64) or None, shown(executable, 4096) or None
    if executable.endswith(_STARTERS) and (denial.name or "(").startswith("("):
        denial.name = denial.executable = None  # Known from before it became the program that was refused.
    denial.unit = shown(of_user if of_user and unit.startswith("user@") else unit, 256) or None
    if trusted and "/systemd" in executable and _text(entry, "UNIT"):
        # systemd speaks of a unit, and its process is not the one that was refused.
        denial.unit, denial.pid, denial.executable = shown(_text(entry, "UNIT"), 256), None, None
