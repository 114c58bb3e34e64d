# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wished for a container: the option `containers`, checked, and merged with what was set before.

Pure: nothing is read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAPABILITIES, capability_bit
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import canonical_key, dotted_key

ALL = "all"
# A name or number, and one of a group if wanted. Nothing that a shell, systemd or compose would take for its own.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_ASSIGNED = re.compile(r"[^\s\"'\\$%]+( [^\s\"'\\$%]+)*")
# The sysctls that belong to a namespace of the container. Engines refuse all others.
_NAMESPACED = re.compile(
    r"(net\.|fs\.mqueue\.)[^\s=]+|kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)"
)


@dataclass(frozen=True)
class Wish:
    """What the definition of a container shall say, or what this collection made it say.

    cap_add, cap_drop: names of capabilities(7) in the kernel's order, such as cap_net_admin; cap_drop may be ("all",).
    user: name or uid, with a group if wanted. userns: "host" or None. sysctls: dotted keys.
    """

    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    user: Optional[str] = None
    userns: Optional[str] = None
    sysctls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One entry of the option. where: its place, for messages."""

    where: str
    container: str
    state: str
    wish: Wish
    recreate: bool = False


def parse_request(where: str, entry: Mapping[str, Any]) -> Request:
    """One entry of the option. Raises ChangeError with one sentence."""
    name, state = entry["container"].strip(), entry["state"]
    if not name:
        raise ChangeError(f"{where}: container is empty, expected the name or id of a container")
    where = f"{where} ({name})"
    wish = Wish(
        _capabilities(where, "cap_add", entry.get("cap_add")),
        _capabilities(where, "cap_drop", entry.get("cap_drop")),
        _user(where, entry.get("user")),
        entry.get("userns"),
        _sysctls(where, entry.get("sysctls")),
    )
    twice = sorted(set(wish.cap_add) & set(wish.cap_drop))
    if twice:
        raise ChangeError(f"{where}: {', '.join(twice)} stands in cap_add and in cap_drop, expected one of them")
    recreate = bool(entry.get("recreate"))
    if wish == Wish() and (state == "exact" or (state == "present" and not recreate)):
        raise ChangeError(
            f"{where}: state {state} needs at least one of cap_add, cap_drop, user, userns and sysctls"
            + (", or recreate" if state == "present" else "")
        )
    return Request(where, name, state, wish, recreate)


def _capabilities(where: str, option: str, names: Optional[Sequence[str]]) -> tuple[str, ...]:
    found = set()
    for name in names or ():
        if str(name).strip().lower() in ("all", "cap_all"):
            if option == "cap_add":
                raise ChangeError(
                    f"{where}: cap_add {name!r} is as good as root, expected the capabilities that it needs"
                )
            found.add(ALL)
            continue
        try:
            found.add(CAPABILITIES[capability_bit(str(name))])
        except ValueError as exc:
            raise ChangeError(f"{where}: {option} has an {exc}") from None
    return in_order(found)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names of capabilities in the kernel's order; "all" says everything."""
    found = set(names)
    return (ALL,) if ALL in found else tuple(name for name in CAPABILITIES if name in found)


def _user(where: str, user: Optional[str]) -> Optional[str]:
    if user is None:
        return None
    if not _USER.fullmatch(user):
        raise ChangeError(f"{where}: user {user!r} is not possible, expected a name or uid, such as root or 1000:1000")
    return user


def _sysctls(where: str, given: Optional[Mapping[Any, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, raw in (given or {}).items():
        try:
            name = dotted_key(canonical_key(str(key)))
        except ValueError as exc:
            raise ChangeError(f"{where}: sysctls has the key {key!r}: {exc}") from None
        if not _NAMESPACED.fullmatch(name):
            raise ChangeError(
                f"{where}: sysctls has the key {key!r}, which is the whole host's: expected net.*, fs.mqueue.* or "
                "those of System V IPC (kernel.shm*, kernel.msg*, kernel.sem)"
            )
        value = str(int(raw)) if isinstance(raw, bool) else " ".join(str(raw if raw is not None else "").split())
        if not _ASSIGNED.fullmatch(value):
            raise ChangeError(
                f"{where}: sysctls {key} has the value {raw!r}, expected a number or a text without quotes"
            )
        found[name] = value
    return dict(sorted(found.items()))


# --- merged -----------------------------------------------------------------------------------------------------------


def merge(before: Wish, requests: Sequence[Request]) -> Wish:
    """What shall be set after all requests, in order. Raises ChangeError when one of them takes another back."""
    after = before
    for request in requests:
        after = wanted(after, request)
    for request in requests:
        if wanted(after, request) != after:
            others = ", ".join(other.where for other in requests if other is not request)
            raise ChangeError(f"{request.where} contradicts {others}: each container needs one answer")
    return after


def wanted(current: Wish, request: Request) -> Wish:
    """What shall be set, where `current` is set, for one request."""
    wish = request.wish
    if request.state == "exact":
        return wish
    if request.state == "absent":
        return Wish() if wish == Wish() else _without(current, wish)
    return Wish(
        in_order({*current.cap_add, *wish.cap_add} - {*wish.cap_drop}),
        in_order({*current.cap_drop, *wish.cap_drop} - {*wish.cap_add}),
        wish.user or current.user,
        wish.userns or current.userns,
        dict(sorted({**current.sysctls, **wish.sysctls}.items())),
    )


def _without(current: Wish, wish: Wish) -> Wish:
    return replace(
        current,
        cap_add=in_order({*current.cap_add} - {*wish.cap_add}),
        cap_drop=in_order({*current.cap_drop} - {*wish.cap_drop}),
        user=None if wish.user else current.user,
        userns=None if wish.userns else current.userns,
        sysctls={key: value for key, value in current.sysctls.items() if key not in wish.sysctls},
    )


def beyond(wish: Wish, base: Wish) -> Wish:
    """What of a wish the definition does not say already without this collection."""
    return Wish(
        in_order({*wish.cap_add} - {*base.cap_add}),
        () if ALL in base.cap_drop else in_order({*wish.cap_drop} - {*base.cap_drop}),
        None if wish.user == base.user else wish.user,
        None if wish.userns == base.userns else wish.userns,
        {key: value for key, value in wish.sysctls.items() if base.sysctls.get(key) != value},
    )


# --- the words of engines ---------------------------------------------------------------------------------------------


def engine_names(names: Iterable[str]) -> list[str]:
    """As docker, podman and Kubernetes write capabilities: NET_ADMIN."""
    return [ALL.upper() if name == ALL else name[len("cap_") :].upper() for name in names]


def kernel_names(names: Iterable[Any]) -> tuple[str, ...]:
    """The other way round, from any spelling. Names that are unknown here are kept, so that they count as different."""
    found, unknown = set(), set()
    for name in map(str, names):
        try:
            found.add(ALL if name.lower() in ("all", "cap_all") else CAPABILITIES[capability_bit(name)])
        except ValueError:
            unknown.add(name)
    known = (ALL,) * (ALL in found) + tuple(name for name in CAPABILITIES if name in found)
    return known + tuple(sorted(unknown))


# --- as it stands in files --------------------------------------------------------------------------------------------

NOTE = "# netlink.remediation: "


def as_entry(wish: Wish) -> dict[str, Any]:
    """A wish in the words of compose, without what it does not name."""
    entry = {
        "cap_add": engine_names(wish.cap_add),
        "cap_drop": engine_names(wish.cap_drop),
        "user": wish.user,
        "userns_mode": wish.userns,
        "sysctls": dict(wish.sysctls),
    }
    return {key: value for key, value in entry.items() if value}


def from_entry(entry: Mapping[str, Any]) -> Wish:
    """The wish in a service of compose, as compose prints it or as as_entry() wrote it."""
    user, sysctls = entry.get("user"), entry.get("sysctls") or {}
    return Wish(
        kernel_names(entry.get("cap_add") or ()),
        kernel_names(entry.get("cap_drop") or ()),
        None if user is None else str(user),
        entry.get("userns_mode") or None,
        {str(key): str(value) for key, value in sorted(sysctls.items())},
    )


def to_note(wish: Wish) -> str:
    """A comment that tells what lines of ours are good for, since they may have to repeat what others say."""
    return NOTE + json.dumps(as_entry(wish))


def from_note(text: str) -> Wish:
    """The wish that lines of ours were written for; an empty one where there is no such comment."""
    line = next((line for line in text.splitlines() if line.startswith(NOTE)), NOTE)
    try:
        return from_entry(json.loads(line[len(NOTE) :]))
    except (ValueError, AttributeError, TypeError, RecursionError):
        return Wish()
