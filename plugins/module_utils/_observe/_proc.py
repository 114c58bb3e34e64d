# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes and their threads, as /proc shows them (proc(5)): credentials, namespaces, names.

Bytes are cut with find() and split(), and a namespace costs one readlink(2): a thousand processes are read in the time
that the kernel needs to write the files.
"""

from __future__ import annotations

import errno
import functools
import os
from typing import Optional, Union

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import parse_cgroup
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC, run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._mountinfo import parse_mountinfo
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, Process, Thread, Unseen

CLONE_NEWNS = 0x00020000
DELETED = " (deleted)"

APPARMOR_ENABLED = "/sys/module/apparmor/parameters/enabled"

# What the kernel says of a process or thread that is gone (ENOENT, ESRCH), is a zombie, or has no such thing.
GONE = (errno.ENOENT, errno.ESRCH)


def list_pids() -> list[int]:
    """The processes of this pid namespace that the observer may see, ascending; those hidden by hidepid are missing."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def read_process(pid: int, unseen: list[Unseen], *, sockets: bool = False) -> Optional[Process]:
    """Everything about one process; None when it ended, or its pid was reused, while it was being read.

    pid may be the id of any of its threads. What may not be read is None in the result, and is listed in `unseen` once
    for a kind of file. sockets: look for its netlink sockets too.
    """
    process = read_threads(pid, unseen)
    if process is None:
        return None
    directory = f"/proc/{process.pid}"
    _read_names(process, directory, unseen)
    process.mnt_ns = namespace_inode(f"{directory}/ns/mnt", unseen)
    process.pid_ns = namespace_inode(f"{directory}/ns/pid", unseen)
    process.label = _label(directory, unseen)
    process.chrooted = _chrooted(process, directory)
    if sockets:
        # Imported here: the sockets of one process are found by the same code as those of all.
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._sockets import sockets_of

        process.sockets = sockets_of(process.pid, unseen)
    return process if _same(process) else None


def read_threads(pid: int, unseen: list[Unseen]) -> Optional[Process]:
    """The core of read_process(): identity, and credentials and user and network namespace of each thread."""
    directory = f"/proc/{pid}"
    try:
        stat = read_bytes(directory + "/stat")
        status = read_bytes(directory + "/status")
    except OSError as exc:
        if exc.errno not in GONE:
            note(unseen, f"/proc/{pid}/status", exc)
        return None
    leader = int(_value(status, b"\nTgid:"))
    if leader != pid:
        return read_threads(leader, unseen)
    opened, closed = stat.index(b"("), stat.rindex(b")")
    fields = stat[closed + 2 :].split(None, 20)
    process = Process(pid, int(fields[19]), int(fields[1]), _text(stat[opened + 1 : closed]))
    if b"\nSeccomp_filters:" in status:
        process.seccomp_filters = int(_value(status, b"\nSeccomp_filters:"))
    if fields[17] == b"1":
        tids = [(pid, directory, status)]
    else:
        tids = _statuses(pid, directory, status)
    for tid, place, text in tids:
        process.threads.append(
            Thread(
                tid,
                process.name if tid == pid else _text(text[6 : text.index(b"\n")]),
                parse_credentials(text),
                namespace_inode(place + "/ns/user", unseen),
                namespace_inode(place + "/ns/net", unseen),
            )
        )
    return process


def read_credentials(pid: int, tid: int) -> Optional[Credentials]:
    """Credentials of one thread; None when it ended. Raises PermissionError where /proc hides it."""
    try:
        return parse_credentials(read_bytes(f"/proc/{pid}/task/{tid}/status"))
    except OSError as exc:
        if exc.errno in GONE:
            return None
        raise


def parse_credentials(status: bytes) -> Credentials:
    """Credentials from the content of a status file (proc_pid_status(5)); securebits stay unknown."""
    start, sets = status.index(b"\nUid:"), status.index(b"\nCapInh:")
    last = status.find(b"\nSeccomp:", sets)  # Missing where the kernel has none.
    return _credentials(
        status[start : status.index(b"\n", status.index(b"\nGroups:", start) + 1)],
        status[sets : status.index(b"\n", last + 1) if last > 0 else None],
    )


# Most processes of a host share their credentials with others.
@functools.lru_cache(maxsize=256)
def _credentials(ids: bytes, sets: bytes) -> Credentials:
    """Parse the lines Uid to Groups and CapInh to Seccomp."""
    words, caps = ids.split(), sets.split(None, 14)
    value = dict(zip(caps[0:14:2], caps[1:14:2]))
    return Credentials(
        ruid=int(words[1]),
        euid=int(words[2]),
        suid=int(words[3]),
        fsuid=int(words[4]),
        rgid=int(words[6]),
        egid=int(words[7]),
        sgid=int(words[8]),
        fsgid=int(words[9]),
        groups=tuple(map(int, words[words.index(b"Groups:") + 1 :])),
        effective=int(value[b"CapEff:"], 16),
        permitted=int(value[b"CapPrm:"], 16),
        inheritable=int(value[b"CapInh:"], 16),
        bounding=int(value[b"CapBnd:"], 16),
        ambient=int(value.get(b"CapAmb:", b"0"), 16),
        no_new_privs=value.get(b"NoNewPrivs:") == b"1",
        seccomp=int(value.get(b"Seccomp:", b"0")),
    )


def namespace_inode(path: str, unseen: list[Unseen]) -> Optional[int]:
    """Inode number of a /proc/PID/ns file; None when the process is gone (or a zombie) or it may not be looked at."""
    try:
        # "net:[4026531840]"; following the link instead, for the same number, costs the kernel three times as much.
        return int(os.readlink(path).partition("[")[2][:-1])
    except OSError as exc:
        if exc.errno not in GONE:
            note(unseen, path, exc)
        return None


def note(unseen: list[Unseen], path: str, exc: OSError) -> None:
    """Say that a file of a process could not be read, once for all files of its kind (/proc/*/ns/net)."""
    parts = path.split("/")
    source = "/".join("*" if part.isdigit() else part for part in parts)
    source = source.replace("/task/*", "")
    if all(item.source != source for item in unseen):
        unseen.append(Unseen(source, f"{exc.strerror} ({errno_name(exc.errno or 0)}), first at {path}"))


def read_bytes(path: str, limit: int = 1 << 20) -> bytes:
    """Content of a file of /proc, at most `limit` bytes. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # A short read is no end: of a seq_file, records that are long leave much of a page empty.
        parts = [os.read(handle, min(4096, limit))]
        left = limit - len(parts[0])
        while parts[-1] and left:
            parts.append(os.read(handle, min(65536, left)))
            left -= len(parts[-1])
        return b"".join(parts)
    finally:
        os.close(handle)


def _value(status: bytes, key: bytes) -> bytes:
    start = status.index(key) + len(key)
    return status[start : status.index(b"\n", start)]


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _statuses(pid: int, directory: str, status: bytes) -> list[tuple[int, str, bytes]]:
    """(tid, its directory, content of its status) of each thread, the main one first."""
    found = []
    try:
        tids = sorted(map(int, os.listdir(directory + "/task")), key=lambda tid: (tid != pid, tid))
    except OSError:
        tids = [pid]
    for tid in tids:
        place = f"{directory}/task/{tid}"
        try:
            found.append((tid, place, read_bytes(place + "/status")))
        except OSError:
            continue
    return found or [(pid, directory, status)]


def _same(process: Process) -> bool:
    """Whether the pid still is the process that was read, which its start time says."""
    try:
        stat = read_bytes(f"/proc/{process.pid}/stat")
    except OSError:
        return False
    return int(stat[stat.rindex(b")") + 2 :].split(None, 20)[19]) == process.start_time


def _read_names(process: Process, directory: str, unseen: list[Unseen]) -> None:
    """Fill in executable, arguments, cgroup, unit and container."""
    try:
        executable = os.readlink(directory + "/exe")
        process.deleted = executable.endswith(DELETED) and not os.path.lexists(f"{directory}/root{executable}")
        process.executable = executable[: -len(DELETED)] if process.deleted else executable
    except OSError as exc:
        if exc.errno not in GONE:
            note(unseen, directory + "/exe", exc)
    try:
        words = read_bytes(directory + "/cmdline").split(b"\0")
        process.arguments = [_text(word) for word in (words[:-1] if words[-1] == b"" else words)]
        process.cgroup, process.unit, process.container = parse_cgroup(read_bytes(directory + "/cgroup"))
    except OSError as exc:
        if exc.errno not in GONE:
            note(unseen, directory + "/cgroup", exc)


@functools.lru_cache(maxsize=1)
def label_file() -> Optional[str]:
    """The file below /proc/PID that holds the LSM label; None without a module that labels processes.

    AppArmor has one of its own since Linux 5.8; attr/current belongs to the first module that labels.
    """
    for name in ("attr/apparmor/current", "attr/current"):
        try:
            if read_bytes(f"/proc/self/{name}"):
                return name
        except OSError:
            continue  # EINVAL: that module is not active.
    return None


def _label(directory: str, unseen: list[Unseen]) -> Optional[str]:
    name = label_file()
    if name is None:
        return None
    try:
        return _text(read_bytes(f"{directory}/{name}").rstrip(b"\0\n")) or None
    except OSError as exc:
        if exc.errno not in (*GONE, errno.EINVAL):
            note(unseen, f"{directory}/{name}", exc)
        return None


# Whether a directory (device, inode, mount) of a mount namespace is another than its root: a child is needed to tell,
# but the processes of a namespace mostly share one.
_ROOTS: dict[tuple[Optional[int], ...], bool] = {}


def _chrooted(process: Process, directory: str) -> Optional[bool]:
    """Whether the root is not that of the mount namespace (current_chrooted() in fs/namespace.c); None when unknown."""
    try:
        root = _place(directory + "/root", "/proc/self/fdinfo")
        if process.mnt_ns == namespace_inode("/proc/1/ns/mnt", []):
            return root != _place("/proc/1/root", "/proc/self/fdinfo")
        known = (process.mnt_ns, *root)
        if known in _ROOTS:
            return _ROOTS[known]
        if not any(mount.point == "/" for mount in parse_mountinfo(read_bytes(directory + "/mountinfo", 1 << 24))):
            return True
    except OSError:
        return None
    # The root is a mount. Who joins a mount namespace gets its true root, so a child joins it and looks.
    outcome = run_joined(lambda: _root_of(directory + "/ns/mnt"))
    if outcome.error:
        return None
    _ROOTS[known] = outcome.value != root
    return _ROOTS[known]


def _root_of(mount_namespace: str) -> list[int]:
    handle = os.open(mount_namespace, os.O_RDONLY | os.O_CLOEXEC)
    fdinfo = os.open("/proc/self/fdinfo", os.O_RDONLY | os.O_CLOEXEC)  # There, /proc may be missing or another one.
    if LIBC.setns(handle, CLONE_NEWNS) != 0:
        raise OSError("cannot join the mount namespace")
    return _place("/", fdinfo)


def _place(path: str, fdinfo: Union[str, int]) -> list[int]:
    """Device, inode and mount of a directory: a bind mount of "/" is another root with the same device and inode.

    fdinfo: the observer's /proc/self/fdinfo, as a path or open.
    """
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        place = f"{fdinfo}/{handle}" if isinstance(fdinfo, str) else str(handle)
        entry = os.open(place, os.O_RDONLY | os.O_CLOEXEC, dir_fd=None if isinstance(fdinfo, str) else fdinfo)
        try:
            return [status.st_dev, status.st_ino, int(_value(os.read(entry, 4096), b"mnt_id:"))]
        finally:
            os.close(entry)
    finally:
        os.close(handle)
