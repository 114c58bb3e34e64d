# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kmod would do: the lists of depmod(8) below /lib/modules, and the configuration of modprobe.d(5).

Read as text; the kernel and modprobe are not asked, since that could load a module. "-" and "_" are the same in names.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import list_names, read_text
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

MODULES = "/lib/modules"
# A file of a directory hides those of the same name in the ones after it.
CONFIGURATION = (
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
)
COMMAND_LINE = "/proc/cmdline"
# The lists of a distribution's kernel have some megabytes.
LONGEST_LIST = 1 << 26
_REFUSING = ("/bin/false", "/bin/true", "/usr/bin/false", "/usr/bin/true", "/sbin/nologin", "false", "true", ":")


def plain_name(name: str) -> str:
    """A module's name or alias as kmod compares it."""
    return name.replace("-", "_")


class ModuleIndex:
    """The modules of one kernel release, as depmod(8) listed them."""

    def __init__(self, directory: str) -> None:
        self.directory = directory

    @cached_property
    def exists(self) -> bool:
        """Whether there are lists at all; without them nothing can be told."""
        return os.path.isfile(f"{self.directory}/modules.dep")

    def _lines(self, name: str, separator: bytes = b"\n") -> list[bytes]:
        try:
            return read_bytes(f"{self.directory}/{name}", LONGEST_LIST).split(separator)
        except OSError:
            return []

    @cached_property
    def _files(self) -> dict[str, tuple[str, list[str]]]:
        """Module -> its file, relative to the directory, and the modules that it needs (modules.dep)."""
        found = {}
        for line in self._lines("modules.dep"):
            path, colon, rest = os.fsdecode(line).partition(":")
            if colon:
                found[module_of_file(path)] = (path, [module_of_file(word) for word in rest.split()])
        return found

    @cached_property
    def builtins(self) -> set[str]:
        """Modules that are part of the kernel (modules.builtin)."""
        return {module_of_file(os.fsdecode(line)) for line in self._lines("modules.builtin") if line}

    @cached_property
    def knows_builtin_aliases(self) -> bool:
        """Whether aliases of what is built in were listed, which kernels do since 5.2."""
        return os.path.isfile(f"{self.directory}/modules.builtin.modinfo")

    def builtin_with(self, aliases: Collection[str]) -> Optional[str]:
        """What is built in and has one of these aliases, or is called so."""
        wanted = {plain_name(alias) for alias in aliases}
        for line in self._lines("modules.builtin.modinfo", b"\0"):
            key, _equals, value = os.fsdecode(line).partition("=")
            module, _dot, kind = key.partition(".")
            if kind == "alias" and plain_name(value) in wanted:
                return plain_name(module)
        return next(iter(sorted(wanted & self.builtins)), None)

    def module_with(self, aliases: Collection[str]) -> Optional[str]:
        """The module that has one of these aliases, or is called so."""
        wanted = {plain_name(alias) for alias in aliases}
        named = sorted(wanted & set(self._files))
        if named:
            return named[0]
        for line in self._lines("modules.alias"):
            words = os.fsdecode(line).split() if line.startswith(b"alias ") else []
            if len(words) == 3 and plain_name(words[1]) in wanted:
                return plain_name(words[2])
        return None

    def aliases_of(self, module: str) -> list[str]:
        """What a module is called besides its name (modules.alias)."""
        lines = (os.fsdecode(line).split() for line in self._lines("modules.alias") if line.startswith(b"alias "))
        return [words[1] for words in lines if len(words) == 3 and plain_name(words[2]) == plain_name(module)]

    def file_of(self, module: str) -> Optional[str]:
        """Path of a module's file; None when it has none, or it is gone."""
        path = self.listed_file(module)
        return path if path and os.path.isfile(path) else None

    def listed_file(self, module: str) -> Optional[str]:
        """The path that the list gives for a module, None when it is not listed."""
        entry = self._files.get(plain_name(module))
        return None if entry is None else os.path.join(self.directory, entry[0])

    def needed_by(self, module: str) -> list[str]:
        """The modules that have to be loaded before a module."""
        return self._files.get(plain_name(module), ("", []))[1]


def module_of_file(path: str) -> str:
    """kernel/drivers/net/can/vcan.ko.xz -> vcan"""
    return plain_name(os.path.basename(path.strip()).partition(".ko")[0])


@dataclass(frozen=True)
class Rule:
    """One line of modprobe.d(5): words[0] is the command. place: file and line."""

    words: list[str]
    place: str

    @property
    def text(self) -> str:
        """Place and line, for people."""
        return f"{self.place}: {' '.join(self.words)}"


def read_rules(unseen: list[Unseen], root: str = "/") -> list[Rule]:
    """The configuration of modprobe, with what the kernel's command line adds to it, in its order."""
    files: dict[str, str] = {}
    for directory in reversed(CONFIGURATION):
        names = list_names(directory, root, unseen)
        files.update({name: f"{directory}/{name}" for name in names if name.endswith(".conf")})
    found: list[Rule] = []
    for name in sorted(files):
        found += parse_rules(read_text(files[name], root, unseen) or "", files[name])
    line = read_text(COMMAND_LINE, root, unseen) or ""
    for word in line.split():
        option, _equals, value = word.partition("=")
        if option in ("modprobe.blacklist", "module_blacklist"):
            command = "blacklist" if option.startswith("modprobe") else option
            found += [Rule([command, module], COMMAND_LINE) for module in value.split(",") if module]
    return found


def parse_rules(text: str, file: str) -> list[Rule]:
    """The rules of one file; a backslash at its end joins a line with the next."""
    found, held, first = [], "", 0
    for number, line in enumerate(text.split("\n"), 1):
        first = first if held else number
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        words = (held + line).split()
        held = ""
        if words and not words[0].startswith("#"):
            found.append(Rule(words, f"{file}:{first}"))
    return found


def hindrance(
    rules: Sequence[Rule], index: ModuleIndex, module: str, aliases: Collection[str], loaded: Collection[str]
) -> tuple[Optional[str], bool]:
    """The rule that keeps a module from being loaded by its aliases, and whether it holds for its own name as well.

    A blacklist line counts for aliases only, an install line for a name too, and also for what the module needs and
    what is not loaded yet.
    Source: kmod, tools/modprobe.c and libkmod/libkmod-module.c.
    """
    soft: Optional[str] = None
    redirected = _redirections(rules, index, module, aliases)
    chain = {module, *(name for name in index.needed_by(module) if name not in loaded)}
    for rule in rules:
        command, names = rule.words[0], rule.words[1:]
        subject = plain_name(names[0]) if names else ""
        if command == "module_blacklist" and subject in chain:
            return rule.text, True
        if command == "install" and subject in chain and only_pretends(names[1:]):
            return rule.text, True
        if rule in redirected or (command == "blacklist" and subject == module):
            soft = soft or rule.text
    return soft, False


def only_pretends(words: Sequence[str]) -> bool:
    """Whether a command that is to load a module, of an install line or the kernel's own, only pretends to."""
    return bool(words) and words[0].rstrip(";") in _REFUSING


def _redirections(rules: Sequence[Rule], index: ModuleIndex, module: str, aliases: Collection[str]) -> list[Rule]:
    """The alias lines that lead what the kernel asks for to what has it not ("alias net-pf-10 off"). None where one
    leads to what has it: all are followed, and what depmod lists no longer counts (measured with kmod 34).
    """
    found = [rule for rule in rules if rule.words[0] == "alias" and len(rule.words) > 2 and _asks(rule, aliases)]
    targets = {plain_name(rule.words[2]) for rule in found}
    wanted = {plain_name(alias) for alias in aliases}
    if module in targets or any(wanted & {plain_name(one) for one in index.aliases_of(name)} for name in targets):
        return []
    return found


def _asks(rule: Rule, aliases: Collection[str]) -> bool:
    return any(fnmatch.fnmatchcase(plain_name(alias), plain_name(rule.words[1])) for alias in aliases)
