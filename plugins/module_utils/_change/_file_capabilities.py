# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the option `files` to changes of file capabilities: what each file shall hold, and whether it may."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._path import demand_root_only, opened_file
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import require_root
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import run_changes
from ansible_collections.netlink.remediation.plugins.module_utils._change._xattr import (
    XattrChange,
    as_capability,
    own_set,
    read_value,
    to_value,
)
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAP_NET_ADMIN,
    FileCapability,
    capability_mask,
    capability_names,
    parse_capability_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._tools import classify_tool

_NONE = FileCapability()
_LARGEST_UID = 2**32 - 2
_SETS = ("permitted", "inheritable", "effective")


@dataclass
class Request:
    """One entry of the option. flags: what it names, None when it names nothing (state absent: everything)."""

    where: str
    path: str
    state: str
    flags: Optional[FileCapability]
    rootid: Optional[int]


@dataclass
class File:
    """A file as it was found. path: without symbolic links; value: as XattrChange reads it; shell: of /etc/shells."""

    path: str
    key: tuple[int, int]
    value: Any
    mode: int
    nosuid: bool
    script: Optional[str]
    shell: bool


def run_files(module: AnsibleModule) -> dict[str, Any]:
    """The module file_capabilities. Raises ChangeError with one sentence."""
    require_root()
    warnings: list[str] = []
    result = run_changes(module, plan_files(module.params["files"], module.params["accept"], warnings))
    for sentence in warnings:
        module.warn(sentence)
    return result


def plan_files(files: Sequence[Mapping[str, Any]], accept: Collection[str], warnings: list[str]) -> list[Change]:
    """The changes for the option `files`, one for each file that differs. Sentences for the user go to `warnings`.

    Raises ChangeError for a request that is no good, contradicts another one, cannot take effect or is not accepted.
    """
    found: dict[tuple[int, int], File] = {}
    requests: dict[tuple[int, int], list[Request]] = {}
    for index, entry in enumerate(files):
        request = parse_request(f"files[{index}]", entry)
        file = _look_at(request)
        found.setdefault(file.key, file)
        requests.setdefault(file.key, []).append(request)
    changes: list[Change] = []
    for key, file in found.items():
        before = as_capability(file.value)
        after = merge(before, requests[key])
        if after == before:
            continue
        if gained(before, after):
            _demand_effect(requests[key][0].where, file)
            _demand_consent(requests[key][0].where, file, gained(before, after), accept)
            warnings += _warn(file, before, after)
        changes.append(XattrChange.of(file.path, file.value, to_value(after)))
    return changes


# --- the option -------------------------------------------------------------------------------------------------------


def parse_request(where: str, entry: Mapping[str, Any]) -> Request:
    """One entry of the option. where: its place, for messages. Raises ChangeError with one sentence."""
    path, state, rootid = entry["path"], entry["state"], entry["rootid"]
    where = f"{where} ({path})"
    if not path.startswith("/"):
        raise ChangeError(f"{where}: path is relative, expected an absolute path such as /usr/local/bin/tool")
    if rootid is not None and (state == "absent" or not 0 <= rootid <= _LARGEST_UID):
        expected = "state present or exact" if state == "absent" else f"a uid from 0 to {_LARGEST_UID}"
        raise ChangeError(f"{where}: rootid {rootid} is not possible, expected {expected}")
    try:
        flags = _parse_flags(entry["capabilities"], state)
    except ValueError as exc:
        raise ChangeError(f"{where}: {exc}") from None
    return Request(where, path, state, flags, rootid)


def _parse_flags(value: Any, state: str) -> Optional[FileCapability]:
    if value is None:
        if state == "absent":
            return None
        raise ValueError(f"state {state} needs capabilities, such as cap_net_admin+ep")
    if isinstance(value, Mapping):
        flags = _parse_sets(value)
    elif not isinstance(value, str):
        raise ValueError(f"capabilities is {value!r}, expected a text such as cap_net_admin+ep, or a dict of sets")
    elif state == "absent" and not set("=+-") & set(value) and value.strip():
        mask = capability_mask(value.replace(",", " ").split())
        flags = FileCapability(mask, mask, True)
    else:
        flags = parse_capability_text(value)
    if not flags.permitted | flags.inheritable and not (state == "absent" and flags.effective):
        raise ValueError(f"capabilities {value!r} names no permitted or inheritable capability")
    return flags


def _parse_sets(value: Mapping[str, Any]) -> FileCapability:
    for name in value:
        if name not in _SETS:
            raise ValueError(f"capabilities has the unknown set {name!r}, expected {', '.join(_SETS)}")
    effective = value.get("effective", False)
    if not isinstance(effective, bool):
        raise ValueError(f"capabilities.effective is {effective!r}, expected true or false (a file has one such flag)")
    masks = []
    for name in ("permitted", "inheritable"):
        names = value.get(name) or []
        if not isinstance(names, (list, tuple)) or not all(isinstance(item, str) for item in names):
            raise ValueError(f"capabilities.{name} is {names!r}, expected a list of names such as [cap_net_admin]")
        masks.append(capability_mask(names))
    return FileCapability(masks[0], masks[1], effective)


# --- what the file shall hold -----------------------------------------------------------------------------------------


def merge(before: Optional[FileCapability], requests: Sequence[Request]) -> Optional[FileCapability]:
    """What a file shall hold after all requests, in order. Raises ChangeError when one of them takes another back."""
    after = before
    for request in requests:
        after = wanted(after, request)
    for request in requests:
        if wanted(after, request) != after:
            others = ", ".join(other.where for other in requests if other is not request)
            raise ChangeError(f"{request.where} contradicts {others}: each file needs one answer")
    return after


def wanted(current: Optional[FileCapability], request: Request) -> Optional[FileCapability]:
    """What a file that holds `current` shall hold for one request; None for no file capability at all."""
    flags = request.flags
    if request.state == "absent" or flags is None:
        return _without(current, flags) if current and flags else None
    old = current or _NONE
    rootid = old.rootid if request.rootid is None else request.rootid or None
    if old.rootid is not None and rootid is None:
        raise ChangeError(
            f"{request.where}: the file capability holds for the user namespace of uid {old.rootid} only, and rootid 0 "
            "would widen it to the whole host: remove it first (state absent) if that is wanted"
        )
    empty = not old.permitted | old.inheritable
    if request.state == "present" and not empty:
        flags = FileCapability(
            flags.permitted | old.permitted, flags.inheritable | old.inheritable, flags.effective or old.effective
        )
    return replace(
        old, permitted=flags.permitted, inheritable=flags.inheritable, effective=flags.effective, rootid=rootid
    )


def _without(current: FileCapability, flags: FileCapability) -> Optional[FileCapability]:
    """The effective flag is one for the whole file: it goes when nothing is left that was not named."""
    left = replace(
        current, permitted=current.permitted & ~flags.permitted, inheritable=current.inheritable & ~flags.inheritable
    )
    named = flags.permitted | flags.inheritable
    if not left.permitted | left.inheritable:
        return None
    if flags.effective and (not named or not (left.permitted | left.inheritable) & ~named):
        return replace(left, effective=False)
    return left


def gained(before: Optional[FileCapability], after: Optional[FileCapability]) -> int:
    """The capabilities, as a mask, that a change adds in any set or for anybody else."""
    if after is None:
        return 0
    old = before or _NONE
    everything = after.permitted | after.inheritable
    if after.rootid != old.rootid and before is not None and after.rootid is not None and old.rootid is None:
        old = replace(old, rootid=after.rootid)  # From the whole host to one user namespace.
    if after.rootid != old.rootid and before is not None:
        return everything
    mask = after.permitted & ~old.permitted | after.inheritable & ~old.inheritable
    return everything if after.effective and not old.effective else mask


# --- whether it may ---------------------------------------------------------------------------------------------------


def _look_at(request: Request) -> File:
    """Raises ChangeError for what is no file that only root can change."""
    try:
        with opened_file(request.path) as (handle, place):
            demand_root_only(handle, place.path)
            status = os.fstat(handle)
            head = os.read(handle, 256)
            return File(
                place.path,
                (status.st_dev, status.st_ino),
                read_value(handle, place.path),
                stat.S_IMODE(status.st_mode),
                bool(os.fstatvfs(handle).f_flag & os.ST_NOSUID),
                _interpreter_of(head),
                bool({request.path, place.path} & _shells()),
            )
    except ChangeError as exc:
        raise ChangeError(f"{request.where}: {exc}") from None
    except OSError as exc:
        raise ChangeError(f"{request.where}: {exc.strerror}") from None


def _interpreter_of(head: bytes) -> Optional[str]:
    """The interpreter that the #! line of a script names, "" when it names none; None for what is no script."""
    if head[:2] != b"#!":
        return None
    words = head[2:].partition(b"\n")[0].split()
    return os.fsdecode(words[0]) if words else ""


def _shells() -> set[str]:
    """The login shells of this host, shells(5)."""
    try:
        with open("/etc/shells", encoding="utf-8", errors="replace") as file:
            return {line.strip() for line in file if line.startswith("/")}
    except OSError:
        return set()


def _demand_effect(where: str, file: File) -> None:
    if file.script is not None:
        raise ChangeError(
            f"{where}: the kernel ignores file capabilities of a script and looks at its interpreter "
            f"{file.script or 'only'}: start the script from a unit with AmbientCapabilities="
        )
    if file.nosuid:
        raise ChangeError(
            f"{where}: the file lies on a mount with nosuid, where file capabilities have no effect: "
            "move it or mount that filesystem without nosuid"
        )


def _demand_consent(where: str, file: File, mask: int, accept: Collection[str]) -> None:
    word = "interpreter" if file.shell else classify_tool(file.path)
    if word is None or word in accept:
        return
    names = ", ".join(capability_names(mask))
    what = "an interpreter or shell" if word == "interpreter" else "a tool that everybody uses"
    raise ChangeError(
        f"{where}: {file.path} is {what}, and everybody who may run it would gain {names}: "
        f"set accept to [{word}] if that is wanted, or give it to a program that does one thing only"
    )


def _warn(file: File, before: Optional[FileCapability], after: Optional[FileCapability]) -> list[str]:
    """Sentences on what is allowed and may surprise."""
    if after is None:
        return []
    sentences = []
    names = ", ".join(capability_names(gained(before, after)))
    if file.mode & stat.S_IXOTH:
        sentences.append(f"{file.path} is executable by everybody: every user of this host gains {names} through it")
    admin = 1 << CAP_NET_ADMIN
    if os.path.basename(file.path) == "ip" and after.permitted & admin and not after.inheritable & admin:
        sentences.append(
            f"{file.path}: ip of iproute2 drops its capabilities at start unless cap_net_admin is inheritable too, for "
            "the file (cap_net_admin+eip) and for who starts it"
        )
    outside = after.permitted & ~own_set("CapBnd")
    if outside and after.effective:
        sentences.append(
            f"{file.path} can no longer be executed where {', '.join(capability_names(outside))} is outside the "
            "bounding set, as it is here"
        )
    others = (before.permitted | before.inheritable) if before and after.effective and not before.effective else 0
    if others:
        sentences.append(
            f"{file.path} has one effective flag for all its capabilities: {', '.join(capability_names(others))}, "
            "which it had already, become effective as well"
        )
    return sentences
