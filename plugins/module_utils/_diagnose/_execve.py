# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What execve(2) grants: the credentials of a program from those of its starter and the facts of its file.

Pure. Follows cap_bprm_creds_from_file() in security/commoncap.c and bprm_fill_uid() in fs/exec.c, in their order;
the kernel's own execve is compared with it over a full matrix in tests/kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Optional, Union

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    CAP_NET_ADMIN,
    CAP_SETUID,
    FileCapability,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Executable, Guard
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, IdRange

SECBIT_NOROOT = 1 << 0
SECBIT_KEEP_CAPS = 1 << 4

SETUID = 0o4000
SETGID = 0o2010  # Without the group's execute bit it means mandatory locking, not setgid.

# Since this release a program counts as setid when it changes the effective ids; before, when those differ from the
# real ones.
NEW_SETID_RULE = [6, 16]


@dataclass(frozen=True)
class Prediction:
    """What execve would do.

    credentials: those of the new program, None when execve fails. error: the errno name it fails with (EPERM, EACCES,
    ENOENT), else None. obstacle: path of the file or directory that refuses (EACCES). notes: machine words for what
    mattered: missing, not_executable, script, nosuid, no_new_privs, unsafe, unmapped_owner, rootid, bounding,
    setuid_with_capabilities, permitted_only, ambient_cleared, drops.
    """

    credentials: Optional[Credentials]
    error: Optional[str] = None
    notes: list[str] = field(default_factory=list)
    obstacle: Optional[str] = None


@dataclass(frozen=True)
class Namespace:
    """What the rules ask of the user namespace of the starter; ids are those that the observer sees.

    root: its uid 0, None without one. rootids: its uid 0 and that of each ancestor. uid_map, gid_map: None maps all.
    """

    root: Optional[int]
    rootids: tuple[int, ...]
    uid_map: Optional[Sequence[IdRange]]
    gid_map: Optional[Sequence[IdRange]]

    def maps(self, file: Union[Executable, Guard]) -> bool:
        """Whether both owner ids of a file exist in the namespace."""
        return _mapped(file.uid, self.uid_map) and _mapped(file.gid, self.gid_map)


def predict_execve(
    before: Credentials,
    file: Executable,
    kernel: Sequence[int],
    *,
    rootids: Sequence[int] = (0,),
    uid_map: Optional[Sequence[IdRange]] = None,
    gid_map: Optional[Sequence[IdRange]] = None,
    unsafe: bool = False,
) -> Prediction:
    """Credentials after `before` executes `file`, or the errno with which execve fails.

    kernel: release as numbers. rootids: uids, as the observer sees them, that are root of the starter's user namespace
    (first) or of an ancestor. uid_map, gid_map: maps of that namespace, None for one that maps every id. unsafe: the
    starter shares its file system information with another process or is traced by one without CAP_SYS_PTRACE.
    Unknown securebits count as 0.
    """
    notes: list[str] = []
    space = Namespace(_root(rootids, uid_map), tuple(rootids), uid_map, gid_map)
    if not file.exists:
        return Prediction(None, "ENOENT", ["missing"])
    obstacle = next((guard.path for guard in file.guards if not _executable(before, guard, space)), None)
    if obstacle is None and (file.noexec or not _executable(before, file, space)):
        obstacle = file.interpreter or file.real_path or file.path
    if obstacle is not None:
        return Prediction(None, "EACCES", ["not_executable"], obstacle)
    if file.script_capability is not None:
        notes.append("script")

    euid, egid = _setid(before, file, space, notes)
    capability = _file_capability(file, space, notes)
    missing = capability.permitted & ~_granted(before, capability) if capability else 0
    if missing:
        notes.append("bounding")
    if missing and capability and capability.effective:
        return Prediction(None, "EPERM", notes)
    permitted, effective = _sets(before, capability, euid, space.root, notes)

    changed = _changes_ids(before, euid, egid, kernel)
    if (changed or permitted & ~before.permitted) and (before.no_new_privs or unsafe):
        _note(notes, "no_new_privs" if before.no_new_privs else "unsafe")
        if before.no_new_privs or not before.effective >> CAP_SETUID & 1:
            euid, egid = before.ruid, before.rgid
        permitted &= before.permitted

    ambient = 0 if capability or changed else before.ambient
    permitted |= ambient
    after = _become(before, (euid, egid), permitted, permitted if effective else ambient, ambient)
    if before.ambient and not ambient:
        notes.append("ambient_cleared")
    if capability and capability.permitted & permitted and not effective:
        notes.append("permitted_only")
    if after_start(after, file, root=space.root) != after:
        notes.append("drops")
    return Prediction(after, None, notes)


def after_start(credentials: Credentials, file: Executable, root: Optional[int] = 0) -> Credentials:
    """Credentials once the program itself has started: iproute2's ip drops what it holds unless root runs it or
    CAP_NET_ADMIN is inheritable (drop_cap() in lib/utils.c)."""
    if not file.drops_capabilities or root in (credentials.ruid, credentials.euid):
        return credentials
    if credentials.inheritable >> CAP_NET_ADMIN & 1:
        return credentials
    return replace(credentials, effective=0, permitted=0, inheritable=0, ambient=0)


def _become(before: Credentials, ids: tuple[int, int], permitted: int, effective: int, ambient: int) -> Credentials:
    euid, egid = ids
    return replace(
        before,
        euid=euid,
        suid=euid,
        fsuid=euid,
        egid=egid,
        sgid=egid,
        fsgid=egid,
        effective=effective,
        permitted=permitted,
        ambient=ambient,
        securebits=None if before.securebits is None else before.securebits & ~SECBIT_KEEP_CAPS,
    )


def _root(rootids: Sequence[int], uid_map: Optional[Sequence[IdRange]]) -> Optional[int]:
    if uid_map is None:
        return rootids[0] if rootids else None
    for line in uid_map:
        if line.inside == 0:
            return line.outside
    return None


def _mapped(number: Optional[int], ranges: Optional[Sequence[IdRange]]) -> bool:
    if ranges is None or number is None:
        return True
    return any(line.outside <= number < line.outside + line.count for line in ranges)


def _executable(before: Credentials, file: Union[Executable, Guard], space: Namespace) -> bool:
    """The execute bit that counts for the starter; access lists are not looked at."""
    if file.mode is None:
        return True
    directory = isinstance(file, Guard) and file.directory
    if directory and before.effective >> CAP_DAC_READ_SEARCH & 1 and space.maps(file):
        return True
    if (directory or file.mode & 0o111) and before.effective >> CAP_DAC_OVERRIDE & 1 and space.maps(file):
        return True
    if before.fsuid == file.uid:
        return bool(file.mode & 0o100)
    if file.gid == before.fsgid or file.gid in before.groups:
        return bool(file.mode & 0o010)
    return bool(file.mode & 0o001)


def _granted(before: Credentials, capability: FileCapability) -> int:
    """P'(permitted) of capabilities(7) as far as the file grants it."""
    return before.bounding & capability.permitted | before.inheritable & capability.inheritable


def _sets(
    before: Credentials, capability: Optional[FileCapability], euid: int, root: Optional[int], notes: list[str]
) -> tuple[int, bool]:
    """The permitted set and the effective flag, from the file or from being root."""
    permitted, effective = (_granted(before, capability), capability.effective) if capability else (0, False)
    if (before.securebits or 0) & SECBIT_NOROOT or root is None or root not in (euid, before.ruid):
        return permitted, effective
    if capability and before.ruid != root:
        notes.append("setuid_with_capabilities")
        return permitted, effective
    return before.bounding | before.inheritable, effective or euid == root


def _setid(before: Credentials, file: Executable, space: Namespace, notes: list[str]) -> tuple[int, int]:
    """The effective uid and gid that the setuid and setgid bits of the file ask for."""
    euid, egid = before.euid, before.egid
    mode = file.mode or 0
    if not (mode & SETUID or mode & SETGID == SETGID):
        return euid, egid
    if file.nosuid:
        notes.append("nosuid")
    elif before.no_new_privs:
        notes.append("no_new_privs")
    elif not space.maps(file):
        notes.append("unmapped_owner")
    else:
        if mode & SETUID and file.uid is not None:
            euid = file.uid
        if mode & SETGID == SETGID and file.gid is not None:
            egid = file.gid
    return euid, egid


def _file_capability(file: Executable, space: Namespace, notes: list[str]) -> Optional[FileCapability]:
    """The file capability as far as it applies at all: neither nosuid nor meant for another user namespace."""
    if file.capability is None and not file.capability_unmapped:
        return None
    if file.nosuid:
        _note(notes, "nosuid")
        return None
    if file.capability is None or (file.capability.rootid is not None and file.capability.rootid not in space.rootids):
        notes.append("rootid")
        return None
    return file.capability


def _changes_ids(before: Credentials, euid: int, egid: int, kernel: Sequence[int]) -> bool:
    """Whether the kernel counts the program as setid, which clears the ambient set."""
    if list(kernel[:2]) >= NEW_SETID_RULE:
        return euid != before.euid or egid not in (before.fsgid, *before.groups)
    return euid != before.ruid or egid != before.rgid


def _note(notes: list[str], word: str) -> None:
    if word not in notes:
        notes.append(word)
