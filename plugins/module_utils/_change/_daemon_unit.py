# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit that runs dockerd, and the flags that its next start is given."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import is_running, one_line
from ansible_collections.netlink.remediation.plugins.module_utils._commands import run
from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import parse_flags
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import read_text
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import split_words

_PROPERTIES = (
    *("LoadState", "ActiveState", "SubState", "InvocationID", "StateChangeTimestampMonotonic", "ExecStart"),
    *("Environment", "EnvironmentFiles"),
)
_COMMAND = re.compile(r"\{ path=(.*?) ; argv\[\]=(.*?) ; ignore_errors=")
_FILE = re.compile(r"(.*) \(ignore_errors=(?:yes|no)\)")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass
class DaemonUnit:
    """loaded: systemd has such a unit. program, words: of the next start. since: seconds from boot to the last start or
    reload. unvalidated: sentences on flags that are not known."""

    name: str
    loaded: bool = False
    runs: bool = False
    failed: bool = False
    instance: Optional[str] = None
    since: float = 0.0
    program: str = "dockerd"
    words: list[str] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)

    @property
    def flags(self) -> dict[str, str]:
        """Name -> value."""
        return parse_flags(self.words)

    @property
    def other_flags(self) -> list[str]:
        """The words without --config-file."""
        found, words = [], list(self.words)
        while words:
            word = words.pop(0)
            if word == "--config-file":
                words = words[1:]
            elif not word.startswith("--config-file="):
                found.append(word)
        return found


def find_unit(name: str) -> DaemonUnit:
    """The unit as systemd has it. Raises ChangeError when systemd does not answer."""
    if not is_running():
        return DaemonUnit(name)
    code, out, err = run(["systemctl", "show", f"--property={','.join(_PROPERTIES)}", "--", name])
    if code:
        raise ChangeError(f"systemd cannot be asked about {name}: {one_line(err or out)}")
    shown: dict[str, list[str]] = {}
    for line in out.splitlines():
        key, _equals, value = line.partition("=")
        shown.setdefault(key, []).append(value)
    if shown.get("LoadState") != ["loaded"]:
        return DaemonUnit(name)
    return _unit(name, shown)


def _unit(name: str, shown: Mapping[str, Sequence[str]]) -> DaemonUnit:
    last = {key: values[-1] for key, values in shown.items()}
    active = last.get("ActiveState", "")
    moment = last.get("StateChangeTimestampMonotonic", "")
    unit = DaemonUnit(
        name,
        loaded=True,
        runs=active in ("active", "reloading", "refreshing"),
        failed=active in ("failed", "activating", "deactivating"),
        instance=(last.get("InvocationID") or "?") if active in ("active", "reloading", "refreshing") else None,
        since=int(moment) / 1_000_000 if moment.isdigit() else 0.0,
    )
    command = _COMMAND.search(last.get("ExecStart", ""))
    if command is None or os.path.basename(command[1]) != "dockerd":
        unit.unvalidated.append(f"the flags that {name} gives to dockerd: it is not started by the unit itself")
        return unit
    unit.program = command[1]
    unit.words = _expanded(split_words(command[2])[1:], _variables(shown))
    return unit


def _variables(shown: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The environment of the unit; files come after Environment=, systemd.exec(5)."""
    words = [word for value in shown.get("Environment", ()) for word in split_words(value)]
    for value in shown.get("EnvironmentFiles", ()):
        match = _FILE.fullmatch(value)
        for line in (read_text(match[1], "/", []) or "").splitlines() if match else ():
            name, equals, text = line.strip().partition("=")
            if equals and not name.startswith(("#", ";")):
                words.append(f"{name.strip()}={' '.join(split_words(text))}")
    return dict(word.partition("=")[::2] for word in words if "=" in word)


def _expanded(words: Sequence[str], variables: Mapping[str, str]) -> list[str]:
    """$NAME as a word of its own becomes words, ${NAME} a part of its word, systemd.service(5)."""
    found: list[str] = []
    for word in words:
        if re.fullmatch(r"\$\w+", word):
            found += split_words(variables.get(word[1:], ""))
        else:
            found.append(_VARIABLE.sub(lambda match: variables.get(match[1], ""), word).replace("$$", "$"))
    return found
