# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts when a file is executed: its extended attribute, mount and interpreter, and what it does by itself."""

from __future__ import annotations

import errno
import mmap
import os
import re
import stat
import struct
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    FILE_CAPABILITY_XATTR,
    FileCapability,
    errno_name,
    parse_file_capability,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._mountinfo import parse_mountinfo
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Executable, Guard
from ansible_collections.netlink.remediation.plugins.module_utils._state import Process, State, Unseen, file_key

MAX_INTERPRETERS = 5  # BINPRM_MAX_RECURSION and what exec_binprm() allows
HEAD_SIZE = 256  # BINPRM_BUF_SIZE
MAX_LINKS = 40  # MAXSYMLINKS
MAX_PROGRAM = 64 << 20
ELF_HEADER = 64

PSEUDO_FILESYSTEMS = ("/proc", "/sys")

# The usage text of iproute2's ip; tc and bridge have their own, busybox has no "[ OPTIONS ] OBJECT { COMMAND".
IP_USAGE = b"Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }"
DROPS = (b"\0cap_clear\0", b"\0cap_set_proc\0")
RAISES = (b"\0cap_set_proc\0", b"\0capset\0", b"\0capng_apply\0")
# Libraries and directories relative to the program (ld.so(8)).
ORIGIN = re.compile(rb"\$(?:ORIGIN|\{ORIGIN\})[ -9;-~]{0,200}")
RAISES_STATIC = re.compile(rb"cap_set_proc|capng_apply|unix\.Capset|\0capset\0")


def observe_executables(state: State) -> None:
    """Read the executables that the workloads name and that the processes of the state run, into the state."""
    named = {workload.executable for workload in state.workloads if workload.executable}
    for path in sorted(named):
        state.executables[path] = read_executable(path, state.unseen)
    for process in list(state.processes.values()):
        paths = [process.executable or "", *(item for item in process.arguments[1:2] if item.startswith("/"))]
        for path in paths:
            if path:
                _read_file_of(state, process, path)


def _read_file_of(state: State, process: Process, path: str) -> None:
    """Read a file as a process sees it: under its own path where that is the same file for us, else under its own key.

    In the observer's mount namespace the kernel gives paths from the observer's root, also for a chrooted process.
    """
    if path in state.executables or file_key(path, process.mnt_ns) in state.executables:
        return
    root = f"/proc/{process.pid}/root"
    if process.mnt_ns == os.stat("/proc/self/ns/mnt").st_ino or _same_file(path, root + path):
        state.executables[path] = read_executable(path, state.unseen)
        return
    file = read_executable(path, state.unseen, root=root)
    file.elsewhere = True
    state.executables[file_key(path, process.mnt_ns)] = file


def _same_file(ours: str, theirs: str) -> bool:
    try:
        return os.path.samefile(ours, theirs)
    except OSError:
        return False


def read_executable(path: str, unseen: list[Unseen], root: str = "/") -> Executable:
    """The facts of an executable file; exists is False when there is none.

    root: where the path starts, for example /proc/PID/root. A script's interpreter is what counts, as the kernel runs
    that; of "#!/usr/bin/env python3" it is /usr/bin/env, since python3 is a second execve(2), by env.
    """
    root = root.rstrip("/")
    found = Executable(path)
    try:
        real, found.writable_by = resolve(path, root, found.guards)
        found.real_path = real
        found.interpreter, loose = _interpreter(real, root, found.guards)
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ESRCH):
            unseen.append(Unseen(root + path, f"{exc.strerror} ({errno_name(exc.errno or 0)})"))
        found.exists = False
        return found
    if found.interpreter:
        found.script_capability, _raw, _unmapped = _read_capability(root + real, unseen)
        found.writable_by = found.writable_by or loose
        _guard(found.guards, root, real, os.stat(root + real))
    counts = root + (found.interpreter or real)
    try:
        status = os.stat(counts)
        found.nosuid = bool(os.statvfs(counts).f_flag & os.ST_NOSUID)
        found.noexec = any(os.statvfs(item).f_flag & os.ST_NOEXEC for item in (counts, root + real))
    except OSError as exc:
        unseen.append(Unseen(counts, f"{exc.strerror} ({errno_name(exc.errno or 0)})"))
        return found
    found.mode, found.uid, found.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    found.capability, found.capability_raw, found.capability_unmapped = _read_capability(counts, unseen)
    found.mount_point, found.filesystem = _mount_of(found.interpreter or real, root)
    if stat.S_ISREG(status.st_mode):
        found.drops_capabilities, found.raises_capabilities, found.origin = _own_doing(counts, unseen)
    return found


def scan_capabilities(directory: str, unseen: list[Unseen]) -> list[str]:
    """The files below a directory that have a security.capability attribute, ascending, without following links."""
    found: list[str] = []
    pending = [directory.rstrip("/") or "/"]
    attributes = os.listxattr  # Asking for the one attribute costs an exception for each file that has none.
    while pending:
        place = pending.pop()
        try:
            entries = os.scandir(place)
        except OSError as exc:
            unseen.append(Unseen(place, f"{exc.strerror} ({errno_name(exc.errno or 0)})"))
            continue
        with entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    try:
                        names = attributes(entry.path)
                    except OSError:
                        continue  # Gone, or of a file system without attributes.
                    if names and FILE_CAPABILITY_XATTR in names:
                        found.append(entry.path)
                elif entry.is_dir(follow_symlinks=False) and entry.path not in PSEUDO_FILESYSTEMS:
                    pending.append(entry.path)
    return sorted(found)


def resolve(path: str, root: str = "", guards: Optional[list[Guard]] = None) -> tuple[str, Optional[str]]:
    """(path without symbolic links, first component on the way that non-root owns or can write, or None).

    Absolute links are followed inside the root. A sticky directory counts as writable: others may create files there.
    Directories that not everybody may search are added to guards. Raises OSError.
    """
    pending = [part for part in reversed(path.split("/")) if part]
    current, links = "", 0
    loose = _loose(root + "/", "/")
    while pending:
        part = pending.pop()
        if part in (".", ".."):
            current = os.path.dirname(current).rstrip("/") if part == ".." else current
            continue
        candidate = f"{current}/{part}"
        status = os.lstat(root + candidate)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), root + path)
            target = os.readlink(root + candidate)
            current = "" if target.startswith("/") else current
            pending += [item for item in reversed(target.split("/")) if item]
            continue
        loose = loose or _loose(root + candidate, candidate, status)
        if guards is not None and stat.S_ISDIR(status.st_mode):
            _guard(guards, root, candidate, status)
        current = candidate
    return current or "/", loose


def _guard(guards: list[Guard], root: str, path: str, status: os.stat_result) -> None:
    """Note a script or directory that not everybody may execute or search; an access list could say anything."""
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o111 == 0o111 or any(guard.path == path for guard in guards):
        return
    try:
        if "system.posix_acl_access" in os.listxattr(root + path):
            return
    except OSError:
        pass  # A file system without attributes has no access lists either.
    guards.append(Guard(path, mode, status.st_uid, status.st_gid, stat.S_ISDIR(status.st_mode)))


def _loose(place: str, name: str, status: Optional[os.stat_result] = None) -> Optional[str]:
    status = status or os.stat(place)
    return name if status.st_uid != 0 or status.st_mode & 0o022 else None


def _interpreter(real: str, root: str, guards: list[Guard]) -> tuple[Optional[str], Optional[str]]:
    """(last interpreter of a #! chain without symbolic links, first loose component on the way); None for none."""
    last: Optional[str] = None
    first_loose: Optional[str] = None
    for _depth in range(MAX_INTERPRETERS):
        try:
            with open(root + (last or real), "rb", buffering=0) as file:
                head = file.read(HEAD_SIZE)
        except OSError:
            break  # A directory, or not readable: then it cannot be told from a binary.
        # The name ends where load_script() ends it, at a blank or a null byte.
        words = head[2:].partition(b"\n")[0].partition(b"\0")[0].split(None, 1) if head[:2] == b"#!" else []
        if not words:
            break
        last, loose = resolve(os.fsdecode(words[0]), root, guards)
        first_loose = first_loose or loose
    return last, first_loose


def _read_capability(path: str, unseen: list[Unseen]) -> tuple[Optional[FileCapability], Optional[str], bool]:
    """(capability, raw bytes as hex, belongs to another user namespace). An empty or broken value has no capability."""
    try:
        raw = os.getxattr(path, FILE_CAPABILITY_XATTR)
    except OSError as exc:
        if exc.errno == errno.EOVERFLOW:
            return None, None, True
        if exc.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
            unseen.append(Unseen(f"{path} {FILE_CAPABILITY_XATTR}", f"{exc.strerror} ({errno_name(exc.errno or 0)})"))
        return None, None, False
    try:
        return parse_file_capability(raw), raw.hex(), False
    except ValueError:
        return None, raw.hex(), False


def _mount_of(path: str, root: str) -> tuple[Optional[str], Optional[str]]:
    """(mount point, file system type) of a file, from the mountinfo of the process whose root it is."""
    process = re.match(r"/proc/[^/]+(?=/root$)", root)
    source = f"{process[0]}/mountinfo" if process else "/proc/self/mountinfo"
    full = path if process else root + path
    best: tuple[str, Optional[str]] = ("", None)
    try:
        data = read_bytes(source, 1 << 24)
    except OSError:
        return None, None
    for mount in parse_mountinfo(data):
        if len(mount.point) >= len(best[0]) and (full + "/").startswith(mount.point.rstrip("/") + "/"):
            best = (mount.point, mount.filesystem)
    return best[0] or None, best[1]


def _own_doing(path: str, unseen: list[Unseen]) -> tuple[bool, bool, Optional[str]]:
    """(drops its capabilities at start as iproute2's ip does, can raise permitted capabilities by itself, what it has
    its loader look for beside itself).

    Told by the names of its dynamic section; of a statically linked program by all that are in it.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(ELF_HEADER)
            if head[:4] != b"\x7fELF" or len(head) < ELF_HEADER:
                return False, False, None
            with mmap.mmap(
                file.fileno(), 0, prot=mmap.PROT_READ
            ) as data:  # All of it: what says where lies at the end.
                imports = _imported_names(data, head)
                if imports is None:
                    return False, RAISES_STATIC.search(data, 0, MAX_PROGRAM) is not None, None
                drops = all(name in imports for name in DROPS) and data.find(IP_USAGE, 0, MAX_PROGRAM) >= 0
                origin = ORIGIN.search(imports)
                text = origin[0].decode("ascii", "replace") if origin else None
                return drops, any(name in imports for name in RAISES), text
    except struct.error:
        unseen.append(Unseen(path, "its imports could not be read: the file is cut off"))
        return False, False, None
    except (OSError, ValueError, OverflowError) as exc:
        unseen.append(Unseen(path, f"its imports could not be read: {exc}"))
        return False, False, None


def _imported_names(data: mmap.mmap, head: bytes) -> Optional[bytes]:
    """The dynamic string table of an ELF file (elf(5)), None when it has none (statically linked)."""
    order = "<" if head[5] == 1 else ">"
    wide = head[4] == 2
    if wide:
        (offset,), (size, count) = struct.unpack_from(order + "Q", head, 40), struct.unpack_from(order + "HH", head, 58)
    else:
        (offset,), (size, count) = struct.unpack_from(order + "I", head, 32), struct.unpack_from(order + "HH", head, 46)
    for index in range(count):
        place = offset + index * size
        if wide:
            _name, kind, flags, _address, start, length = struct.unpack_from(order + "IIQQQQ", data, place)
        else:
            _name, kind, flags, _address, start, length = struct.unpack_from(order + "IIIIII", data, place)
        if kind == 3 and flags & 2:  # SHT_STRTAB and SHF_ALLOC: .dynstr
            return data[start : start + min(length, MAX_PROGRAM)]
    return None
