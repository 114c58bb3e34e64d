# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a change of userns-remap means: whose ids are used, which store is seen, what has to be accepted."""

from __future__ import annotations

import pwd
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import DATA_ROOT
from ansible_collections.netlink.remediation.plugins.module_utils._observe._subids import (
    LAST_ID,
    SubordinateRange,
    observe_subordinate_ids,
)

DEFAULT_USER = "dockremap"
ENOUGH = 65536  # Images use ids up to 65534.


@dataclass
class Remap:
    """moved: the setting is another one, and so is the store. store: the directory that the daemon works with then,
    None when it is not known yet. hidden: dockerd must not be asked about the key, for it would make the user, or find
    no ranges yet."""

    moved: bool = False
    store: Optional[str] = None
    hidden: bool = False
    warnings: list[str] = field(default_factory=list)
    disrupts: list[str] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)


def plan_remap(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    flags: Mapping[str, str],
    *,
    asked: bool,
    accept: Collection[str],
    expected: Collection[str],
) -> Remap:
    """asked: the key is among the settings wanted; expected: users that get ranges before this is done for real.

    Raises ChangeError when the word is missing, or containers could not be started with the user's ranges.
    """
    remap = Remap()
    wanted = new.get("userns-remap")
    if asked and not isinstance(wanted, (str, type(None))):
        raise ChangeError(
            f"settings: userns-remap is {wanted!r}, expected a text such as 'default', a user or user:group, or "
            "null to switch it off"
        )
    before, after = (str(settings.get("userns-remap") or "") for settings in (old, new))
    if after and "userns-remap" in flags:
        raise ChangeError("settings: userns-remap is given to dockerd by its unit too, as a flag; it takes only one")
    root = str(new.get("data-root") or flags.get("data-root") or DATA_ROOT)
    if after and asked:
        _judge_ranges(remap, after, expected)
    remap.store = _store(after, root)
    if before == after:
        return remap
    if not after and "userns_remap_off" not in accept:
        raise ChangeError(
            f"settings: userns-remap goes from {before!r} to off, and root of each container becomes root of the host: "
            "accept needs userns_remap_off"
        )
    _move(remap, before, after, root)
    return remap


def _judge_ranges(remap: Remap, value: str, expected: Collection[str]) -> None:
    user = DEFAULT_USER if value == "default" else value.partition(":")[0]
    uid = _uid(user)
    if uid is None and value == "default":
        remap.hidden = True
        remap.disrupts.append(
            f"dockerd makes the system user {DEFAULT_USER} when it starts, with ids if it has none; they stay"
        )
        return
    ranges = ranges_of_user(user, uid)
    for path, found in zip(("/etc/subuid", "/etc/subgid"), ranges):
        if not found and {user, str(uid)} & set(expected):
            remap.hidden = True
            remap.unvalidated.append(f"whether {user} has ids in {path} by then, as it has none now")
        elif not found:
            raise ChangeError(
                f"settings: userns-remap {value!r} needs ids of user {user} in {path}, which gives it none: "
                "netlink.remediation.subid_ranges does"
            )
        else:
            _judge(remap, user, path, found)


def _judge(remap: Remap, user: str, path: str, found: Sequence[SubordinateRange]) -> None:
    """dockerd maps all ranges of the user, in their order, and starts even where no container could be started."""
    for number, item in enumerate(found):
        twice = [other for other in found[:number] if other.first <= item.last and item.first <= other.last]
        if not item.count or item.last > LAST_ID or twice:
            raise ChangeError(
                f"settings: with {path}:{item.line} ({item.owner}:{item.first}:{item.count}) the kernel refuses the "
                f"ids of user {user}, so no container would start: netlink.remediation.subid_ranges removes the line"
            )
        remap.warnings += [
            f"{path}:{item.line}: ids {overlap.first} to {overlap.last} of user {user} are ids of {overlap.other} too"
            for overlap in item.overlaps
        ]
    total = sum(item.count for item in found)
    if total < ENOUGH:
        remap.warnings.append(f"{path} gives user {user} {total} ids, and images use more: up to {ENOUGH}")


def _uid(user: str) -> Optional[int]:
    try:
        return pwd.getpwuid(int(user)).pw_uid if user.isascii() and user.isdigit() else pwd.getpwnam(user).pw_uid
    except (KeyError, OverflowError):
        return None


def ranges_of_user(user: str, uid: Optional[int]) -> tuple[list[SubordinateRange], list[SubordinateRange]]:
    """Those that dockerd uses: of lines with the uid, and of lines with the name only where there are none."""
    ids = observe_subordinate_ids([])
    name = _name(user, uid)
    by_uid, by_name = (
        [[item for item in ranges if item.owner == owner] for ranges in (ids.uid, ids.gid)]
        for owner in (str(uid), name)
    )
    return by_uid[0] or by_name[0], by_uid[1] or by_name[1]


def _name(user: str, uid: Optional[int]) -> str:
    try:
        return pwd.getpwuid(uid).pw_name if uid is not None else user
    except KeyError:
        return user


def _move(remap: Remap, before: str, after: str, root: str) -> None:
    """The store of a remapped daemon is a directory named after the ids of its root."""
    remap.moved = True
    old, new = (_store(value, root) or f"{root}/UID.GID of {value}" for value in (before, after))
    remap.disrupts.append(
        f"dockerd works with the store {new}: images, volumes and containers of {old} are not seen there, but not "
        "lost: they are back when userns-remap is what it was"
    )
    if not after:
        remap.disrupts.append("root of each container that is made from now on is root of the host, as to its files")


def _store(value: str, root: str) -> Optional[str]:
    if not value:
        return root
    user = DEFAULT_USER if value == "default" else value.partition(":")[0]
    uids, gids = ranges_of_user(user, _uid(user))
    return f"{root}/{uids[0].first}.{gids[0].first}" if uids and gids else None
