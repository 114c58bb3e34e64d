# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reach a file on a way that nobody but root can bend, and replace it in one step.

Each component of a path is opened in the directory before it (openat(2), O_NOFOLLOW), and must be a directory that
only root can write, so that what was checked is what is used. Symbolic links are followed where they are root's.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name

MAX_LINKS = 40  # MAXSYMLINKS
TEMPORARY = ".netlink-remediation.tmp"  # Not *.conf: no reader of a drop-in directory takes it for its own.
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FS_IOC_GETFLAGS = 0x80086601  # include/uapi/linux/fs.h; the answer is an int all the same
_IMMUTABLE, _APPEND_ONLY = 0x10, 0x20
_GROUP_OR_OTHER_WRITES = 0o022


@dataclass
class Place:
    """Where a path leads. directory: descriptor of the deepest directory that exists; missing: those below it that do
    not; name: last component; path: without symbolic links."""

    directory: int
    name: str
    path: str
    missing: list[str] = field(default_factory=list)

    def status(self) -> Optional[os.stat_result]:
        """lstat(2) of the file, None when there is none."""
        if self.missing:
            return None
        try:
            return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def make_directories(self, mode: int = 0o755) -> None:
        """Create the missing directories, writable by root only."""
        for part in self.missing:
            os.mkdir(part, 0o700, dir_fd=self.directory)
            below = os.open(part, _DIRECTORY, dir_fd=self.directory)
            os.fchmod(below, mode)
            os.dup2(below, self.directory, inheritable=False)
            os.close(below)
        self.missing = []


@contextmanager
def reach(path: str) -> Iterator[Place]:
    """Walk to a path. Raises ChangeError where a component is not root's alone, or no directory."""
    if not path.startswith("/"):
        raise ChangeError(f"{path!r} is not an absolute path")
    stack = [_enter("/", None, "/")]
    try:
        yield _walk(path, stack)
    finally:
        for handle, _where in stack:
            os.close(handle)


def _walk(path: str, stack: list[tuple[int, str]]) -> Place:
    pending = _parts(path)
    if not pending or path.endswith("/"):
        raise ChangeError(f"{path} names a directory, expected a file")
    links = 0
    while True:
        part = pending.pop()
        handle, where = stack[-1]
        if part == "..":
            if len(stack) > 1:
                os.close(stack.pop()[0])
            if not pending:
                raise ChangeError(f"{path} names a directory, expected a file")
            continue
        full = f"{where.rstrip('/')}/{part}"
        try:
            status = os.stat(part, dir_fd=handle, follow_symlinks=False)
        except FileNotFoundError:
            if ".." in pending:
                raise ChangeError(f"{path}: {full} does not exist") from None
            _demand(os.fstat(handle), where, sticky_is_fine=bool(pending))
            names = [part, *reversed(pending)]
            return Place(handle, names[-1], os.path.join(where, *names), names[:-1])
        except (OSError, ValueError) as exc:
            why = errno_name(exc.errno or 0) if isinstance(exc, OSError) else "no file can have that name"
            raise ChangeError(f"{full!r:.120} cannot be reached: {why}") from None
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > MAX_LINKS:
                raise ChangeError(f"{path} leads through too many symbolic links")
            pending += _follow(full, part, handle, status, stack)
        elif pending:
            stack.append(_enter(part, handle, full))
        else:
            _demand(os.fstat(handle), where, sticky_is_fine=False)
            return Place(handle, part, full)


def _parts(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _follow(full: str, part: str, handle: int, status: os.stat_result, stack: list[tuple[int, str]]) -> list[str]:
    """The components of a link's target, last first; the stack starts anew where the target is absolute."""
    _demand(os.fstat(handle), os.path.dirname(full), sticky_is_fine=False)
    if status.st_uid != 0:
        raise ChangeError(f"{full} is a symbolic link of uid {status.st_uid}: only links of root are followed")
    target = os.readlink(part, dir_fd=handle)
    if target.startswith("/"):
        while len(stack) > 1:
            os.close(stack.pop()[0])
    return _parts(target)


def _enter(part: str, handle: Optional[int], full: str) -> tuple[int, str]:
    try:
        opened = os.open(part, _DIRECTORY, dir_fd=handle)
    except OSError as exc:
        if exc.errno in (errno.ENOTDIR, errno.ELOOP):
            raise ChangeError(f"{full} is not a directory") from None
        raise ChangeError(f"{full} cannot be opened: {errno_name(exc.errno or 0)}") from None
    try:
        _demand(os.fstat(opened), full, sticky_is_fine=True)
    except ChangeError:
        os.close(opened)
        raise
    return opened, full


def _demand(status: os.stat_result, path: str, *, sticky_is_fine: bool) -> None:
    """Raise ChangeError unless only root can write.

    In a sticky directory of root (/tmp) nobody else can rename or remove a directory of root, so one may be passed
    through; a file in it is refused.
    """
    if status.st_uid != 0:
        raise ChangeError(f"{path} belongs to uid {status.st_uid}: it and what lies above it must be root's alone")
    sticky = sticky_is_fine and stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if status.st_mode & _GROUP_OR_OTHER_WRITES and not sticky:
        mode = stat.S_IMODE(status.st_mode)
        raise ChangeError(f"{path} can be written by users other than root (mode {mode:04o})")


@contextmanager
def opened_file(path: str) -> Iterator[tuple[int, Place]]:
    """Descriptor (for reading) of an existing regular file, and its place. Raises ChangeError."""
    with reach(path) as place:
        if place.status() is None:
            raise ChangeError(f"{path} does not exist")
        try:
            handle = os.open(
                place.name,
                os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC,
                dir_fd=place.directory,
            )
        except OSError as exc:
            raise ChangeError(f"{path} cannot be opened: {errno_name(exc.errno or 0)}") from None
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ChangeError(f"{path} is not a regular file")
            yield handle, place
        finally:
            os.close(handle)


def demand_root_only(handle: int, path: str) -> None:
    """Raise ChangeError unless the open file belongs to root and nobody else can write it."""
    _demand(os.fstat(handle), path, sticky_is_fine=False)


def demand_writable(handle: int, path: str) -> None:
    """Raise ChangeError for an open file or directory on a read-only mount, or with the immutable attribute."""
    if os.fstatvfs(handle).f_flag & os.ST_RDONLY:
        raise ChangeError(f"{path} lies on a read-only mount")
    answer = bytearray(8)
    try:
        fcntl.ioctl(handle, _FS_IOC_GETFLAGS, answer)
    except OSError:
        return  # This filesystem has no such attributes.
    flags = struct.unpack_from("i", answer)[0]
    for flag, name in ((_IMMUTABLE, "immutable (chattr +i)"), (_APPEND_ONLY, "append-only (chattr +a)")):
        if flags & flag:
            raise ChangeError(f"{path} is {name}")


def mount_id(handle: int) -> str:
    """The mount that an open file lies on (proc_pid_fdinfo(5))."""
    with open(f"/proc/self/fdinfo/{handle}", encoding="ascii") as file:
        return next((line.split()[1] for line in file if line.startswith("mnt_id:")), "")


def replace_file(
    directory: int,
    name: str,
    content: bytes,
    *,
    mode: int = 0o600,
    owner: int = 0,
    group: int = 0,
    xattrs: Optional[Mapping[str, bytes]] = None,
) -> None:
    """Put a file in its place in one step: whoever opens it sees all of the old or all of the new one. Raises OSError.

    The temporary name is always the same, so that what a killed run left is removed by the next.
    """
    temporary = f".{name}{TEMPORARY}"
    remove_file(directory, temporary)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o600, dir_fd=directory)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fchown(handle, owner, group)
            for attribute, value in (xattrs or {}).items():
                os.setxattr(handle, attribute, value)
            os.fchmod(handle, mode)
            os.fsync(handle)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        remove_file(directory, temporary)
        raise
    os.fsync(directory)


def remove_file(directory: int, name: str) -> None:
    """unlink(2); a file that is not there is fine."""
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        pass
