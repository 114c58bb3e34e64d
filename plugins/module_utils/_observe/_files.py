# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read configuration files below a root directory that may belong to somebody else (/proc/PID/root of a container)."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

# A configuration file that is longer was not written by people; what follows is not read.
LONGEST_FILE = 1 << 20

_AT_FDCWD = -100
_SYS_OPENAT2 = 437  # The same number on every architecture (since Linux 5.6).
_RESOLVE_IN_ROOT = 0x10
_LIBC = ctypes.CDLL(None, use_errno=True)


def printable(text: str) -> str:
    """The text with U+FFFD for each byte that could not be decoded (a surrogate, which no JSON may hold)."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def open_below(path: str, root: str, flags: int = os.O_RDONLY) -> int:
    """Open an absolute path as a process with that root directory would: links never lead out. Raises OSError.

    Never blocks (a fifo in the place of a file). Source: openat2(2), RESOLVE_IN_ROOT.
    """
    # openat2(2) takes nothing else together with O_PATH, which opens nothing that could block.
    flags |= os.O_CLOEXEC | (0 if flags & os.O_PATH else os.O_NONBLOCK | os.O_NOCTTY)
    if root == "/":
        return os.open(path, flags)
    directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = ctypes.create_string_buffer(struct.pack("QQQ", flags, 0, _RESOLVE_IN_ROOT), 24)
        opened = _LIBC.syscall(_SYS_OPENAT2, directory, os.fsencode(path), how, ctypes.c_size_t(24))
        if opened < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        return int(opened)
    finally:
        os.close(directory)


def read_text(path: str, root: str, unseen: list[Unseen]) -> Optional[str]:
    """Text of a file, undecodable bytes as surrogates; "" for /dev/null, None where there is no such file.

    Whatever else prevents reading (a directory, EACCES, the tail of a huge file) is appended to `unseen`.
    """
    try:
        handle = open_below(path, root)
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENOTDIR):
            unseen.append(Unseen(printable(path), errno_name(exc.errno or 0)))
        return None
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISCHR(mode):
            return ""
        if not stat.S_ISREG(mode):
            unseen.append(Unseen(printable(path), "not a regular file"))
            return None
        with os.fdopen(handle, "rb", closefd=False) as stream:
            data = stream.read(LONGEST_FILE + 1)
    except OSError as exc:
        unseen.append(Unseen(printable(path), errno_name(exc.errno or 0)))
        return None
    finally:
        os.close(handle)
    if len(data) > LONGEST_FILE:
        unseen.append(Unseen(printable(path), f"longer than {LONGEST_FILE} bytes, the rest was not read"))
        data = data[:LONGEST_FILE].rpartition(b"\n")[0]
    return data.decode("utf-8", "surrogateescape")


def list_names(directory: str, root: str, unseen: list[Unseen]) -> list[str]:
    """Sorted names in a directory, [] where there is none; why it cannot be read is appended to `unseen`."""
    try:
        handle = open_below(directory, root, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENOTDIR):
            unseen.append(Unseen(printable(directory), errno_name(exc.errno or 0)))
        return []
    try:
        return sorted(os.listdir(handle), key=os.fsencode)
    finally:
        os.close(handle)
