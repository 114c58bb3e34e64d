# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write sysctls into a file that is applied at boot, and make sure that the file has the last word."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import (
    list_names,
    printable,
    read_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import (
    BOOT_DIRECTORIES,
    SYSCTL_CONF,
    Line,
    Winners,
    dotted_key,
    names_of,
    parse_lines,
    read_boot,
    same_value,
    split_lines,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

HEADER = "# Written by the Ansible collection netlink.remediation (module sysctl_settings).\n"

# A file that was written to supersede another one is named after it: "_" sorts after ".", so zz_... after zz.conf.
SUPERSEDING = "_netlink-remediation.conf"


def edit_text(text: str, wanted: dict[str, str], removed: Iterable[str] = ()) -> str:
    """The text with the keys set as wanted and the removed ones gone; every other line stays as it is.

    Of several lines for one key the last counts (sysctl.d(5)) and is the one that is changed.
    """
    lines = split_lines(text)
    keys = [next((line.key for line in parse_lines(body, "")), None) for body, _end in lines]
    last = {key: place for place, key in enumerate(keys) if key in wanted}
    gone = set(removed)
    result = []
    for place, (body, end) in enumerate(lines):
        key = keys[place]
        if key in gone:
            continue
        if key is not None and last.get(key) == place:
            body = _edit_line(body, key, wanted[key])
        result.append(body + end)
    missing = [key for key in wanted if key not in last]
    if missing and not text.strip():
        result.append(HEADER)
    elif missing and not lines[-1][1]:
        result.append("\n")
    return "".join(result) + "".join(f"{dotted_key(key)} = {wanted[key]}\n" for key in missing)


def _edit_line(body: str, key: str, value: str) -> str:
    (line,) = parse_lines(body, "")
    if line.value is not None and same_value(line.value, value):
        return body
    name = body.partition("=")[0].rstrip() if line.value is not None else dotted_key(key)
    return f"{name} = {value}"


def is_spent(text: str) -> bool:
    """Whether nothing but our own header is left of a file: then it can go."""
    return text.strip() == HEADER.strip()


def check_path(path: str) -> None:
    """Raises ChangeError unless the path is that of a regular file (or none yet) that is applied at boot."""
    if not os.path.isabs(path) or os.path.normpath(path) != path or not path.isprintable():
        raise ChangeError(
            f"path: {path!r} is no absolute path, expected e.g. /etc/sysctl.d/99-zz-netlink-remediation.conf"
        )
    boot = read_boot([])
    readable = os.path.dirname(path) in BOOT_DIRECTORIES and path.endswith(".conf")
    if path == SYSCTL_CONF:
        readable = boot.conf_is_linked or not boot.systemd
    if not readable:
        raise ChangeError(
            f"path: {path!r} is not read at boot, expected a file in {BOOT_DIRECTORIES[0]} whose name ends in .conf"
        )
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if stat.S_ISLNK(mode):
        raise ChangeError(f"path: {path!r} is a symbolic link to {os.readlink(path)}, expected the file itself")
    if not stat.S_ISREG(mode):
        raise ChangeError(f"path: {path!r} is not a regular file")


def current_text(path: str) -> str:
    """Text of a file, "" where there is none. Raises ChangeError when it cannot be read."""
    unseen: list[Unseen] = []
    text = read_text(path, "/", unseen)
    if unseen:
        raise ChangeError(f"path: {path!r} cannot be read: {unseen[0].reason}")
    return text or ""


def texts_with(wanted: dict[str, str], path: str, *, supersede: bool) -> dict[str, str]:
    """The files to write (path -> text) so that every key has its value after the next boot.

    Raises ChangeError for the first line elsewhere that would win, unless `supersede` allows a file that sorts later.
    """
    texts = {path: edit_text(current_text(path), wanted)}
    for _round in range(20):
        losing = _losing(wanted, path, texts)
        if not losing:
            return texts
        key, line = next(iter(losing.items()))
        place = _superseding_path(line.file)
        if not supersede and line.file not in texts and not line.file.endswith(SUPERSEDING):
            raise ChangeError(_outranked(key, wanted[key], line, path, place))
        if line.file == SYSCTL_CONF:
            raise ChangeError(_outranked(key, wanted[key], line, path, SYSCTL_CONF))
        there = texts[place] if place in texts else current_text(place)
        texts[place] = edit_text(
            there, {name: wanted[name] for name, other in losing.items() if other.file == line.file}
        )
    raise ChangeError(f"path: no file name was found that is applied after all files that set {', '.join(wanted)}")


def _losing(wanted: dict[str, str], path: str, texts: dict[str, str]) -> dict[str, Line]:
    """The keys that would not have their value after the next boot, each with the line that decides instead."""
    boot = read_boot([], overlay=texts)
    winners = Winners(boot)
    losing = {}
    for key, value in wanted.items():
        line = winners.systemd(key) if boot.systemd else winners.procps(key)
        if line is None:
            losing[key] = _excluding(winners, key, path)
        elif not same_value(line.value, value):
            losing[key] = line
    return losing


def _excluding(winners: Winners, key: str, path: str) -> Line:
    """The "-key" line that keeps a key from being set; without one, the file that hides ours by its name."""
    for name in names_of(key):
        line = winners.systemd_order.get(name)
        if line is not None and line.value is None:
            return line
    rank = BOOT_DIRECTORIES.index(os.path.dirname(path))
    for directory in BOOT_DIRECTORIES[:rank]:
        if os.path.basename(path) in list_names(directory, "/", []):
            raise ChangeError(
                f"path: {path!r} is not read at boot, because {directory}/{os.path.basename(path)} hides it by its name"
            )
    raise ChangeError(f"path: {path!r} would not set {dotted_key(key)} at boot")


def _superseding_path(file: str) -> str:
    """A path in /etc/sysctl.d whose name sorts right after that of a file; one of our own is its own successor."""
    name = os.path.basename(file)
    if name.endswith(SUPERSEDING):
        return file
    return f"{BOOT_DIRECTORIES[0]}/{name[: -len('.conf')]}{SUPERSEDING}"


def _outranked(key: str, value: str, line: Line, path: str, place: str) -> str:
    does = f"sets it to {line.value!r}" if line.value is not None else "excludes it"
    if line.file == SYSCTL_CONF:
        remedy = f"change that line, or set path to {SYSCTL_CONF}"
    else:
        remedy = f"change that line, set path to {printable(place)}, or set supersede to true"
    return (
        f"{dotted_key(key)} would not be {value!r} after the next boot: {printable(line.file)}:{line.number} {does} "
        f"and is applied after {path}; {remedy}"
    )


def texts_without(keys: Iterable[str], path: str) -> dict[str, str]:
    """The files to write so that the path, and files written to supersede others, no longer name the keys."""
    own = [f"{BOOT_DIRECTORIES[0]}/{name}" for name in list_names(BOOT_DIRECTORIES[0], "/", [])]
    places = [path, *(place for place in own if place.endswith(SUPERSEDING) and place != path)]
    removed = set(keys)
    return {place: edit_text(current_text(place), {}, removed) for place in places}
