# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of systemd units: their syntax (systemd.syntax(7)), and which of them make a unit (systemd.unit(5)).

Measured with systemd 257, which tests/lab/test_unit_facts.py compares with what is found here.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import (
    list_names,
    open_below,
    printable,
    read_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import split_lines
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

# Where the system manager looks, in order of precedence ("systemd-analyze unit-paths").
SYSTEM_PATH = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/run/systemd/generator.early",
    "/etc/systemd/system",
    "/etc/systemd/system.attached",
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
    "/run/systemd/generator.late",
)

UNIT_TYPES = ("service", "socket", "target", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope")
_NAME = re.compile(
    r"(?P<prefix>[A-Za-z0-9:_.\\-]+)(?P<at>@(?P<instance>[A-Za-z0-9:_.\\@-]*))?\.(?P<type>" + "|".join(UNIT_TYPES) + ")"
)
_LONGEST_NAME = 255
_BLANK = " \t\n\r"
_SURROGATE = re.compile("[\ud800-\udfff]")
_MANY_LINKS = 8


def user_path(home: str, runtime: str) -> tuple[str, ...]:
    """Where the manager of a user looks, with the default directories of the XDG base directory specification."""
    return (
        f"{home}/.config/systemd/user.control",
        f"{runtime}/systemd/user.control",
        f"{runtime}/systemd/transient",
        f"{runtime}/systemd/generator.early",
        f"{home}/.config/systemd/user",
        "/etc/systemd/user",
        f"{runtime}/systemd/user",
        "/run/systemd/user",
        f"{runtime}/systemd/generator",
        f"{home}/.local/share/systemd/user",
        "/usr/local/share/systemd/user",
        "/usr/share/systemd/user",
        "/usr/local/lib/systemd/user",
        "/usr/lib/systemd/user",
        f"{runtime}/systemd/generator.late",
    )


# --- names ------------------------------------------------------------------------------------------------------------


def unit_name(text: str) -> str:
    """The full name of a unit: ".service" is added to a name without a type.

    Raises ValueError with one sentence for what can name no unit, and for a template without an instance.
    """
    name = text if text.rpartition(".")[2] in UNIT_TYPES else text + ".service"
    match = _NAME.fullmatch(name)
    if match is None or len(name) > _LONGEST_NAME:
        raise ValueError(f"{text!r:.300} is no name of a unit, expected one such as foo.service")
    if match["instance"] == "":
        shown = f"{match['prefix']}@NAME.{match['type']}"
        raise ValueError(f"{text!r} is a template, expected an instance of it such as {shown}")
    return name


def drop_in_names(name: str) -> list[str]:
    """The names whose drop-ins a unit gets, the most specific one first, without the one of its type.

    foo-bar@x.service: itself, foo-bar@.service, foo-.service, foo-@x.service, foo-@.service.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return [name]
    prefix, ending = match["prefix"], "." + match["type"]
    # "a-b-c" is cut behind each dash but a last one and a first one, the longest piece first.
    cuts = [prefix[:place] for place in range(len(prefix) - 1, 1, -1) if prefix[place - 1] == "-"]
    found = [name, *([prefix + "@" + ending] if match["instance"] else [])]
    found += [cut + ending for cut in cuts]
    if match["instance"]:
        for cut in cuts:
            found += [f"{cut}{match['at']}{ending}", f"{cut}@{ending}"]
    return found


# --- syntax -----------------------------------------------------------------------------------------------------------


def parse_unit(text: str, file: str) -> Iterator[Directive]:
    """The assignments of a unit's file or drop-in, in order, each with the line on which it begins.

    What systemd skips is skipped: comments (also between continued lines), lines without "=" or before any section. A
    section without its "]" or a line that is no UTF-8 ends the reading, as it does for systemd.
    """
    section = ""
    for number, line in _logical_lines(text):
        body = line.strip(_BLANK)
        if not body:
            continue
        if _SURROGATE.search(body) or (body[0] == "[" and body[-1] != "]"):
            return
        if body[0] == "[":
            section = body[1:-1]
            continue
        name, equals, value = body.partition("=")
        if equals and name and section:
            yield Directive(section, name.rstrip(_BLANK), value.lstrip(_BLANK), file, number)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their number, continued ones joined. Source: config_parse() in src/shared/conf-parser.c."""
    begun, pieces, mark = 0, [""], False
    for number, (raw, _end) in enumerate(split_lines(text), 1):
        if raw.lstrip(_BLANK)[:1] in ("#", ";"):
            continue
        if not mark and raw.startswith("\ufeff"):
            raw, mark = raw[1:], True
        begun = begun or number
        backslashes = len(raw) - len(raw.rstrip("\\"))
        if backslashes % 2:
            pieces.append(raw[:-1] + " ")
            continue
        yield begun, "".join([*pieces, raw])
        begun, pieces = 0, [""]
    if begun:
        yield begun, "".join(pieces)


# --- which files ------------------------------------------------------------------------------------------------------


@dataclass
class UnitFiles:
    """The files that make a unit. name: its own, where it was asked for by an alias. fragment None: there is none.
    masked: it is a link to /dev/null or empty. drop_ins: in the order in which they are read.
    """

    name: str
    fragment: Optional[str] = None
    masked: bool = False
    drop_ins: list[str] = field(default_factory=list)


def find_files(name: str, path: Sequence[str], root: str, unseen: list[Unseen]) -> UnitFiles:
    """The files of a unit as systemd would find them now, which it has read only if nothing changed since."""
    files = _find_fragment(name, path, root)
    if files.fragment is not None and not files.masked:
        from_template = os.path.basename(files.fragment) != files.name
        names = [files.name, *_aliases(files.name, from_template, path, root)]
        files.drop_ins = find_drop_ins(names, path, root, unseen)
    return files


def find_drop_ins(names: Iterable[str], path: Sequence[str], root: str, unseen: list[Unseen]) -> list[str]:
    """The drop-ins of a unit with these names: by file name; the first directory with a file of that name counts."""
    found: dict[str, str] = {}
    for directory in drop_in_directories(names, path):
        for entry in list_names(directory, root, unseen):
            if entry.endswith(".conf") and not entry.startswith("."):
                found.setdefault(entry, f"{directory}/{entry}")
    return [found[entry] for entry in sorted(found, key=os.fsencode)]


def drop_in_directories(names: Iterable[str], path: Sequence[str]) -> list[str]:
    """Directories that may hold drop-ins, in order of precedence: those of the type of the unit come last."""
    names = list(names)
    found = [f"{place}/{each}.d" for name in names for place in path for each in drop_in_names(name)]
    found += [f"{place}/{name.rpartition('.')[2]}.d" for name in names[:1] for place in path]
    return list(dict.fromkeys(found))


def _template(name: str) -> tuple[str, str]:
    """The template of an instance and the instance; the name itself and "" for others."""
    match = _NAME.fullmatch(name)
    if match is None or not match["instance"]:
        return name, ""
    return f"{match['prefix']}@.{match['type']}", match["instance"]


def _instantiate(template: str, instance: str) -> str:
    return template.replace("@.", f"@{instance}.", 1) if instance else template


def _find_fragment(name: str, path: Sequence[str], root: str) -> UnitFiles:
    """The fragment of a unit; links to a unit of another name are followed to that."""
    for _attempt in range(_MANY_LINKS):
        template, instance = _template(name)
        alias = None
        for wanted in dict.fromkeys([name, template]):
            for directory in path:
                target = read_link(f"{directory}/{wanted}", root)
                place = f"{directory}/{wanted}"
                if target is None and not _is_file(place, root):
                    continue
                alias = _alias(wanted, target, directory, path)
                if alias is None:
                    return UnitFiles(name, place, _is_masked(place, target, root))
                break
            if alias is not None:
                break
        if alias is None:
            return UnitFiles(name)
        name = _instantiate(alias, instance)
    return UnitFiles(name)


def _alias(name: str, target: Optional[str], directory: str, path: Sequence[str]) -> Optional[str]:
    """The other name that a link in the search path gives to a unit; None for a file and for a link to elsewhere."""
    if target is None:
        return None
    full = os.path.normpath(os.path.join(directory, target))
    other = os.path.basename(full)
    is_unit = _NAME.fullmatch(other) is not None
    return other if other != name and is_unit and os.path.dirname(full) in path else None


def _aliases(name: str, from_template: bool, path: Sequence[str], root: str) -> list[str]:
    """Other names of a unit: links to it in the search path that no earlier directory overrides.

    Those of its template count for an instance that has no file of its own.
    """
    template, instance = _template(name)
    found: dict[str, str] = {}
    for directory in path:
        for entry in list_names(directory, root, []):
            if entry in found or _NAME.fullmatch(entry) is None:
                continue
            target = read_link(f"{directory}/{entry}", root)
            found[entry] = _alias(entry, target, directory, path) or ""
    names = [entry for entry, other in found.items() if other == name]
    if instance and from_template:
        names += [_instantiate(entry, instance) for entry, other in found.items() if other == template]
    return list(dict.fromkeys(names))


def read_link(path: str, root: str) -> Optional[str]:
    """Where a symbolic link points; None for what is none or cannot be read."""
    try:
        handle = open_below(path, root, os.O_PATH | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return printable(os.readlink("", dir_fd=handle))
    except OSError:
        return None
    finally:
        os.close(handle)


def _status(path: str, root: str) -> Optional[os.stat_result]:
    try:
        handle = open_below(path, root, os.O_PATH)
    except OSError:
        return None
    try:
        return os.fstat(handle)
    finally:
        os.close(handle)


def _is_file(path: str, root: str) -> bool:
    status = _status(path, root)
    return status is not None and stat.S_ISREG(status.st_mode)


def _is_masked(path: str, target: Optional[str], root: str) -> bool:
    """A link to /dev/null, or an empty file."""
    status = _status(path, root)
    if target is not None and os.path.normpath(os.path.join(os.path.dirname(path), target)) == "/dev/null":
        return True
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size == 0


# --- reading ----------------------------------------------------------------------------------------------------------


def read_directives(files: Iterable[str], wanted: Iterable[str], root: str, unseen: list[Unseen]) -> list[Directive]:
    """The assignments to the wanted names in some files, in order. What cannot be read is appended to `unseen`."""
    names = frozenset(wanted)
    found: list[Directive] = []
    for file in files:
        text = read_text(file, root, unseen)
        found += [line for line in parse_unit(text or "", printable(file)) if line.name in names]
    return found


def changed_at(files: Iterable[str], directories: Iterable[str], root: str, unseen: list[Unseen]) -> float:
    """When the newest of these files, or of the directories that exist, was changed, in seconds since the epoch.

    The time of the inode's change counts for files: packages keep the time of modification of their own.
    """
    newest = 0.0
    for path, kind in [*((file, "file") for file in files), *((place, "directory") for place in directories)]:
        try:
            handle = open_below(path, root, os.O_PATH)
        except OSError as exc:
            if exc.errno not in (errno.ENOENT, errno.ENOTDIR):
                unseen.append(Unseen(printable(path), errno_name(exc.errno or 0)))
            continue
        try:
            status = os.fstat(handle)
        finally:
            os.close(handle)
        newest = max(newest, status.st_ctime if kind == "file" else status.st_mtime)
    return newest
