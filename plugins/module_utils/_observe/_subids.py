# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subordinate ids: what users may map in their user namespaces, and which ids others have too (subuid(5))."""

from __future__ import annotations

import pwd
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import printable, read_text
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

FILES = {"uid": "/etc/subuid", "gid": "/etc/subgid"}
_USERS = {"uid": "/etc/passwd", "gid": "/etc/group"}
_LOGIN_DEFS = ("/etc/login.defs", "/usr/etc/login.defs")
# The last number is no id: it stands for "unchanged" in setuid(2).
LAST_ID = 2**32 - 2
# What useradd(8) goes by where login.defs does not say.
DEFAULTS = {
    **{f"{kind}_MIN": 1000 for kind in ("UID", "GID")},
    **{f"{kind}_MAX": 60000 for kind in ("UID", "GID")},
    **{f"SUB_{kind}_MIN": 100000 for kind in ("UID", "GID")},
    **{f"SUB_{kind}_MAX": 600100000 for kind in ("UID", "GID")},
    **{f"SUB_{kind}_COUNT": 65536 for kind in ("UID", "GID")},
}
_LINE = re.compile(r"([^:]+):([0-9]{1,19}):([0-9]{1,19})")


@dataclass(frozen=True)
class Overlap:
    """first, last: the ids that two have. other: who else has them. line: where, when it is another range."""

    first: int
    last: int
    other: str
    line: Optional[int] = None


@dataclass
class SubordinateRange:
    """One line of /etc/subuid or /etc/subgid. owner: user name or uid as it is written; uid: of the owner, None when
    nobody of that name is known."""

    owner: str
    first: int
    count: int
    file: str
    line: int
    uid: Optional[int] = None
    overlaps: list[Overlap] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The last id."""
        return self.first + self.count - 1


@dataclass
class SubordinateIds:
    """The ranges of all users, in the order of the lines."""

    uid: list[SubordinateRange] = field(default_factory=list)
    gid: list[SubordinateRange] = field(default_factory=list)


def observe_subordinate_ids(unseen: list[Unseen], *, root: str = "/") -> SubordinateIds:
    """Both files, with the users they name and what each range shares with another, or with ids of real users."""
    definitions = read_login_definitions(root, unseen)
    source = subid_source(root, unseen)
    if source != "files":
        unseen.append(
            Unseen("/etc/nsswitch.conf", f"subid: {source}, so ranges come from there and not from the files in /etc")
        )
    uids = named_ids("uid", root, unseen)
    found = {}
    for kind, path in FILES.items():
        ranges = parse_ranges(read_text(path, root, unseen) or "", path, unseen)
        for item in ranges:
            item.uid = uid_of(item.owner, uids, root)
        names = uids if kind == "uid" else named_ids(kind, root, unseen)
        note_overlaps(ranges, names, definitions, kind)
        found[kind] = ranges
    return SubordinateIds(**found)


def parse_ranges(text: str, path: str, unseen: list[Unseen]) -> list[SubordinateRange]:
    """The ranges in the text of a file; lines that are none and no comment are appended to `unseen`."""
    ranges = []
    for number, line in enumerate(text.split("\n"), 1):
        match = _LINE.fullmatch(line.strip())
        if line.startswith("#") or not line.strip():
            continue
        if match is None:
            unseen.append(Unseen(f"{path}:{number}", "not of the form owner:first:count"))
            continue
        ranges.append(SubordinateRange(printable(match[1]), int(match[2]), int(match[3]), path, number))
    return ranges


def note_overlaps(
    ranges: Sequence[SubordinateRange], names: Mapping[str, int], definitions: Mapping[str, int], kind: str
) -> None:
    """Fill in `overlaps` of each range: with other ranges, with ids of this host (names: of users, or of groups), and
    with those that new users get.

    A range may be written twice for the same user: once by name, once by number.
    """
    ordered = sorted(ranges, key=lambda item: item.first)
    open_ones: list[SubordinateRange] = []
    for item in ordered:
        open_ones = [other for other in open_ones if other.last >= item.first]
        for other in open_ones:
            if item.count:
                _meet(item, other)
        if item.count:
            open_ones.append(item)
    word = "user" if kind == "uid" else "group"
    low, high = definitions[f"{kind.upper()}_MIN"], definitions[f"{kind.upper()}_MAX"]
    for item in ranges:
        _reserve(item, low, high, f"{kind}s of new {word}s (login.defs)")
        _reserve(item, 0, 0, f"{word} root")
        _reserve(item, LAST_ID + 1, 2**64, "no ids of the kernel")
        for name, number in names.items():
            if number and not low <= number <= high:
                _reserve(item, number, number, f"{word} {name}")


def _meet(one: SubordinateRange, other: SubordinateRange) -> None:
    first, last = max(one.first, other.first), min(one.last, other.last)
    if first <= last:
        one.overlaps.append(Overlap(first, last, other.owner, other.line))
        other.overlaps.append(Overlap(first, last, one.owner, one.line))


def _reserve(item: SubordinateRange, low: int, high: int, other: str) -> None:
    first, last = max(item.first, low), min(item.last, high)
    if first <= last:
        item.overlaps.append(Overlap(first, last, other))


def read_login_definitions(root: str, unseen: list[Unseen]) -> dict[str, int]:
    """The numbers by which useradd(8) gives ids away; its own where login.defs does not say."""
    found = dict(DEFAULTS)
    text = next((text for text in (read_text(path, root, unseen) for path in _LOGIN_DEFS) if text is not None), "")
    for line in text.splitlines():
        name, _space, value = line.strip().partition(" ") if "\t" not in line else line.strip().partition("\t")
        number = _number(value.strip())
        if name.strip() in found and number is not None:
            found[name.strip()] = number
    return found


def _number(text: str) -> Optional[int]:
    """A number as strtoul(3) reads it: 0x7f is hexadecimal, 0777 octal."""
    match = re.fullmatch(r"(0[xX][0-9a-fA-F]{1,8})|(0[0-7]{0,11})|([1-9][0-9]{0,9})", text.strip('"'))
    if match is None:
        return None
    return int(text.strip('"'), 16 if match[1] else 8 if match[2] else 10)


def subid_source(root: str, unseen: list[Unseen]) -> str:
    """Where shadow's tools take ranges from: "files", or the module that nsswitch.conf names (since shadow 4.9)."""
    for line in (read_text("/etc/nsswitch.conf", root, unseen) or "").splitlines():
        name, colon, value = line.partition("#")[0].partition(":")
        if colon and name.strip() == "subid" and value.split():
            return printable(value.split()[0])
    return "files"


def named_ids(kind: str, root: str, unseen: list[Unseen]) -> dict[str, int]:
    """Name -> uid of /etc/passwd, or name -> gid of /etc/group."""
    found: dict[str, int] = {}
    for line in (read_text(_USERS[kind], root, unseen) or "").splitlines():
        fields = line.split(":")
        if len(fields) > 3 and fields[2].isascii() and fields[2].isdigit():
            found.setdefault(printable(fields[0]), int(fields[2][:19]))
    return found


def uid_of(owner: str, uids: Mapping[str, int], root: str) -> Optional[int]:
    """The uid of a user that is given by name or number; None when nobody has that name."""
    if owner in uids:
        return uids[owner]
    if owner.isascii() and owner.isdigit():
        return int(owner[:19])
    if root != "/":
        return None
    try:
        return pwd.getpwnam(owner).pw_uid  # A user that a directory service knows.
    except (KeyError, OSError, ValueError):
        return None
