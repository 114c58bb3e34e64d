# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How dockerd is set up: its daemon.json, and what stands on the command line of one that runs (dockerd(8))."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import printable, read_text
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import list_pids, read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

PATH = "/etc/docker/daemon.json"
DATA_ROOT = "/var/lib/docker"
_MARK = "\ufeff"  # A byte order mark, which dockerd accepts.
_BLANKS = " \t\r\n"  # Those of JSON.

_SHORT = {"-g": "data-root", "--graph": "data-root", "-G": "group", "-H": "host", "-l": "log-level", "-p": "pidfile"}


@dataclass
class Dockerd:
    """pid: of a daemon that runs, with its uid, arguments and flags (several values of one flag: the last).

    invalid: why its file is not understood. userns_remap, data_root: in force at its next start, by flag or file.
    """

    path: str = PATH
    exists: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    invalid: Optional[str] = None
    pid: Optional[int] = None
    uid: Optional[int] = None
    arguments: list[str] = field(default_factory=list)
    flags: dict[str, str] = field(default_factory=dict)
    userns_remap: Optional[str] = None
    data_root: str = DATA_ROOT


def observe_dockerds(unseen: list[Unseen], *, root: str = "/") -> list[Dockerd]:
    """The daemons that run, each with its file as it sees it; when none does, what the next start would go by.

    root: below which the host's files lie; only with "/" processes are looked at.
    """
    found = [_running(pid, unseen) for pid in _pids()] if root == "/" else []
    return [item for item in found if item is not None] or [settled(Dockerd(), root, unseen)]


def settled(daemon: Dockerd, root: str, unseen: list[Unseen]) -> Dockerd:
    """The daemon with what its file says."""
    text = read_text(daemon.path, root, unseen)
    daemon.exists = text is not None
    try:
        daemon.settings = parse_settings(text or "")
    except ValueError as exc:
        daemon.invalid = str(exc)
        unseen.append(Unseen(printable(daemon.path), daemon.invalid))
    daemon.userns_remap = _word(daemon, "userns-remap")
    daemon.data_root = _word(daemon, "data-root") or _word(daemon, "graph") or DATA_ROOT
    return daemon


def _word(daemon: Dockerd, name: str) -> Optional[str]:
    value = daemon.flags.get(name, daemon.settings.get(name))
    return printable(value) if isinstance(value, str) and value else None


def parse_settings(text: str) -> dict[str, Any]:
    """The keys of a daemon.json, in their order; none for an empty file. Raises ValueError with a few words."""
    text = text[1:] if text.startswith(_MARK) else text
    if not text.strip(_BLANKS):
        return {}
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("no JSON: nested too deeply") from None
    except ValueError as exc:
        raise ValueError(f"no JSON: {exc}") from None
    if not isinstance(found, dict):
        raise ValueError("no JSON object")
    return found


def parse_flags(arguments: Sequence[str]) -> dict[str, str]:
    """The flags of a command line of dockerd as name -> value; "" for those without one."""
    found: dict[str, str] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith("-") or word == "-":
            continue
        name, equals, value = word.partition("=")
        if not equals and words and not words[0].startswith("-"):
            value = words.pop(0)
        found[_SHORT.get(name, name.lstrip("-"))] = value
    return found


def _pids() -> list[int]:
    return [pid for pid in list_pids() if _comm(pid) == b"dockerd"]


def _comm(pid: int) -> bytes:
    try:
        return read_bytes(f"/proc/{pid}/comm").strip()
    except OSError:
        return b""


def _running(pid: int, unseen: list[Unseen]) -> Optional[Dockerd]:
    """The daemon of a process; None when it has ended meanwhile."""
    place = f"/proc/{pid}"
    try:
        words = [os.fsdecode(word) for word in read_bytes(f"{place}/cmdline").split(b"\0")[1:-1]]
        uid = os.stat(place).st_uid
        own = os.stat(f"{place}/ns/mnt").st_ino == os.stat("/proc/self/ns/mnt").st_ino
    except OSError:
        return None
    flags = parse_flags(words)
    path = flags.get("config-file") or PATH
    daemon = Dockerd(path, pid=pid, uid=uid, arguments=[printable(word) for word in words], flags=flags)
    return settled(daemon, "/" if own else f"{place}/root", unseen)
