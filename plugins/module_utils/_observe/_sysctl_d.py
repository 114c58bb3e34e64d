# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that set sysctls at boot: their syntax, their order, and which line wins.

Two programs apply them: systemd-sysctl (sysctl.d(5)) and procps "sysctl --system" (sysctl(8)). They read the same
directories, but differ in /etc/sysctl.conf and in what "-key" without a value does.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import (
    list_names,
    printable,
    read_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import PersistedSysctl
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

# In order of precedence: a file name in an earlier directory hides the same name in the later ones.
BOOT_DIRECTORIES = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
)
SYSCTL_CONF = "/etc/sysctl.conf"

# Two names of one variable of the kernel (net/ipv4/devinet.c).
ALIASES = {
    "net/ipv4/ip_forward": "net/ipv4/conf/all/forwarding",
    "net/ipv4/conf/all/forwarding": "net/ipv4/ip_forward",
}

_GLOB = re.compile(r"[*?\[]")
# What systemd takes for the end of a line (read_line(), src/basic/fileio.c).
_END_OF_LINE = re.compile("(\n\r?\0?|\r\n?\0?|\0)")
_SPACE = " \t\n\r"
# A longer key or pattern cannot name a file below /proc/sys (PATH_MAX).
_LONGEST_KEY = 4096


@dataclass(frozen=True)
class Line:
    """One line of a sysctl.d file. key: canonical, possibly a glob; value None: "-key", which excludes it from globs.

    ignore_errors: the line began with "-" and has a value.
    """

    key: str
    value: Optional[str]
    file: str
    number: int
    ignore_errors: bool = False

    def assignment(self) -> PersistedSysctl:
        """The same as a fact; only for lines with a value."""
        return PersistedSysctl(printable(self.value or ""), printable(self.file), self.number)


@dataclass
class Boot:
    """The lines applied at boot. lines: of the sysctl.d directories, in order; conf: of /etc/sysctl.conf, which only
    procps reads by itself (empty where a link in sysctl.d names it, as the lines are in `lines` then).

    systemd: systemd-sysctl is what applies them on this host, else procps.
    """

    lines: list[Line] = field(default_factory=list)
    conf: list[Line] = field(default_factory=list)
    conf_is_linked: bool = False
    systemd: bool = True


def canonical_key(text: str) -> str:
    """The path below /proc/sys that a key means, e.g. "net.ipv4.conf.eth0/100.rp_filter" ->
    "net/ipv4/conf/eth0.100/rp_filter".

    The first separator decides: after a slash, dots are left alone; after a dot, dots and slashes change places. A
    leading "-" (ignore errors), empty and "." components are dropped. Source: sysctl.d(5).
    """
    key = text.strip(_SPACE)
    key = key[1:] if key.startswith("-") else key
    first = re.search(r"[/.]", key)
    if first and first.group() == ".":
        key = dotted_key(key)
    return "/".join(part for part in key.split("/") if part not in ("", "."))


def dotted_key(key: str) -> str:
    """The dotted form of a canonical key: slashes become dots, the dots of an interface name become slashes."""
    return key.translate(str.maketrans("/.", "./"))


def split_lines(text: str) -> list[tuple[str, str]]:
    """The lines of a text as systemd counts them, each with its end ("" for a last line without one)."""
    pieces = [*_END_OF_LINE.split(text), ""]
    lines = list(zip(pieces[::2], pieces[1::2]))
    return lines[:-1] if lines[-1] == ("", "") else lines


def parse_lines(text: str, file: str) -> list[Line]:
    """The assignments and exclusions of a sysctl.d file; whatever else stands there is skipped, as at boot."""
    found = []
    for number, (raw, _end) in enumerate(split_lines(text), 1):
        body = raw.strip(_SPACE)
        if not body or body[0] in "#;":
            continue
        name, equals, value = body.partition("=")
        if not equals and body[0] != "-":
            continue
        key = canonical_key(name)
        if key and len(key) <= _LONGEST_KEY:
            ignore = bool(equals) and body[0] == "-"
            found.append(Line(key, value.strip(_SPACE) if equals else None, file, number, ignore))
    return found


def same_value(one: Optional[str], other: Optional[str]) -> bool:
    """Whether two texts of a value mean the same to the kernel: white space between the numbers of a vector does not
    count, and a number may be written in any base or with leading zeros."""
    if one is None or other is None:
        return one is other
    one, other = one.strip(), other.strip()
    return one == other or (_numbers(one) is not None and _numbers(one) == _numbers(other))


# Digits as the kernel reads them (strtoul with base 0); Python's int() would also take "1_0" or Arabic digits.
_BASES = (
    (16, re.compile(r"-?0[xX][0-9a-fA-F]{1,16}")),
    (8, re.compile(r"-?0[0-7]{1,22}")),
    (10, re.compile(r"-?[0-9]{1,20}")),
)


def _numbers(value: str) -> Optional[list[int]]:
    """The numbers of a value, None when anything else stands in it (a text such as kernel.core_pattern)."""
    numbers = []
    for word in value.split():
        base = next((base for base, form in _BASES if form.fullmatch(word)), None)
        if base is None:
            return None
        numbers.append(int(word, base))
    return numbers


def boot_files(root: str = "/", unseen: Optional[list[Unseen]] = None) -> list[str]:
    """The *.conf files of the sysctl.d directories in the order in which they are applied, masked ones left out.

    A name hides the same name in later directories whatever it is: a file, a link to /dev/null or one to nowhere.
    """
    chosen: dict[str, str] = {}
    for directory in BOOT_DIRECTORIES:
        for name in list_names(directory, root, [] if unseen is None else unseen):
            if name.endswith(".conf"):
                chosen.setdefault(name, f"{directory}/{name}")
    return [chosen[name] for name in sorted(chosen, key=os.fsencode)]


def read_boot(unseen: list[Unseen], *, root: str = "/", overlay: Optional[dict[str, str]] = None) -> Boot:
    """Read everything that is applied at boot. overlay: files (path -> text) as they would be after a change."""
    overlay = overlay or {}
    boot = Boot(systemd=has_systemd_sysctl(root))
    files = boot_files(root, unseen)
    added = {os.path.basename(path): path for path in overlay if os.path.dirname(path) in BOOT_DIRECTORIES}
    chosen = {os.path.basename(path): path for path in files}
    for name, path in added.items():
        rank = BOOT_DIRECTORIES.index(os.path.dirname(path))
        if name not in chosen or BOOT_DIRECTORIES.index(os.path.dirname(chosen[name])) >= rank:
            chosen[name] = path
    for name in sorted(chosen, key=os.fsencode):
        path = chosen[name]
        linked = path not in overlay and _is_link_to(path, SYSCTL_CONF, root)
        boot.conf_is_linked |= linked
        boot.lines += parse_lines(_text_of(SYSCTL_CONF if linked else path, overlay, root, unseen), path)
    boot.conf = parse_lines(_text_of(SYSCTL_CONF, overlay, root, unseen), SYSCTL_CONF)
    return boot


def _text_of(path: str, overlay: dict[str, str], root: str, unseen: list[Unseen]) -> str:
    return overlay[path] if path in overlay else read_text(path, root, unseen) or ""


def has_systemd_sysctl(root: str = "/") -> bool:
    """Whether systemd-sysctl is installed; then it and not procps applies sysctl.d at boot."""
    places = ("usr/lib/systemd/systemd-sysctl", "lib/systemd/systemd-sysctl")
    return any(os.path.exists(os.path.join(root, place)) for place in places)


def _is_link_to(path: str, target: str, root: str) -> bool:
    try:
        link = os.readlink(os.path.join(root, path.lstrip("/")))
    except OSError:
        return False
    return os.path.normpath(os.path.join(os.path.dirname(path), link)) == target


class Winners:
    """Answers which line wins for a key, under either program, without looking at every line for every key."""

    def __init__(self, boot: Boot) -> None:
        self.systemd_order: dict[str, Line] = {}
        for line in boot.lines:
            # An equal assignment keeps its place, a different one (or an exclusion) takes the last place.
            existing = self.systemd_order.get(line.key)
            if existing is None or existing.value != line.value:
                self.systemd_order.pop(line.key, None)
                self.systemd_order[line.key] = line
        self.procps_lines = boot.lines + boot.conf
        self.explicit: dict[str, list[Line]] = {}
        self.globs: list[Line] = []
        for line in self.procps_lines:
            if _GLOB.search(line.key):
                self.globs.append(line)
            else:
                self.explicit.setdefault(line.key, []).append(line)
        self.systemd_globs = [line for key, line in self.systemd_order.items() if _GLOB.search(key)]
        self.place = {id(line): place for place, line in enumerate(self.procps_lines)}
        self.systemd_place = {key: place for place, key in enumerate(self.systemd_order)}

    def assignments(self, key: str) -> list[Line]:
        """All lines with a value that name the key or match it, in order, /etc/sysctl.conf last."""
        lines = [line for name in names_of(key) for line in self.explicit.get(name, [])]
        lines += [line for line in self.globs if any(glob_matches(line.key, name) for name in names_of(key))]
        return sorted((line for line in lines if line.value is not None), key=lambda line: self.place[id(line)])

    def systemd(self, key: str) -> Optional[Line]:
        """The line that decides under systemd-sysctl: an explicit key, even "-key", beats every glob.

        Source: apply_all() and apply_glob_option_with_prefix() in src/sysctl/sysctl.c.
        """
        candidates = []
        for name in names_of(key):
            line = self.systemd_order.get(name)
            if line is None:
                matching = [
                    glob for glob in self.systemd_globs if glob.value is not None and glob_matches(glob.key, name)
                ]
                line = matching[-1] if matching else None
            if line is not None and line.value is not None:
                candidates.append(line)
        return max(candidates, key=lambda line: self.systemd_place[line.key], default=None)

    def procps(self, key: str) -> Optional[Line]:
        """The line that decides under "sysctl --system": the last explicit one with a value, or a glob where no line at
        all names the key. Source: write_setting_list() in src/sysctl.c; measured with 4.0.2 (newer ones also take a
        glob after "-" for an exclusion).
        """
        candidates = []
        for name in names_of(key):
            explicit = self.explicit.get(name, [])
            candidates += [line for line in explicit if line.value is not None][-1:]
            if not explicit:
                candidates += [g for g in self.globs if g.value is not None and glob_matches(g.key, name)][-1:]
        return max(candidates, key=lambda line: self.place[id(line)], default=None)


def names_of(key: str) -> list[str]:
    """The key and its other name, if the kernel has one for the same variable."""
    return [key, ALIASES[key]] if key in ALIASES else [key]


def glob_matches(pattern: str, key: str) -> bool:
    """glob(7) for paths: "*" and "?" do not match a slash, nor a leading dot. A malformed pattern matches nothing."""
    literal = _GLOB.split(pattern, maxsplit=1)[0]
    patterns, parts = pattern.split("/"), key.split("/")
    if not key.startswith(literal) or len(patterns) != len(parts):
        return False
    try:
        return all(
            fnmatchcase(part, wanted) and (part[:1] != "." or wanted[:1] == ".")
            for part, wanted in zip(parts, patterns)
        )
    except re.error:  # Python 3.9 stumbles over a range such as [z-a]
        return False
