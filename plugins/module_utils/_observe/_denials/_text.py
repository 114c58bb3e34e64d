# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of logs: cut into lines and fields within bounds, and made fit to be shown.

All of it is hostile. The kernel writes what a program could have chosen (its name, a path) in quotes if it is plain,
else as hexadecimal digits, so a quoted value never holds a quote (audit_log_n_untrustedstring() in kernel/audit.c).
"""

from __future__ import annotations

import gzip
import os
import re
import stat
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Optional, Union, cast

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

LONGEST_LINE = 1 << 14  # bytes; a record of the audit system has 8970 at most (MAX_AUDIT_MESSAGE_LENGTH)
LONGEST_TEXT = 1000  # characters of a record that are kept
LONGEST_NAME = 4096  # characters of a path or a label

_FIELD = re.compile(r'([A-Za-z][A-Za-z0-9_-]{0,40})=("[^"]*"|[^\s"]*)')
_HEXADECIMAL = re.compile(r"(?:[0-9A-F]{2})+")
# Values that a program could have chosen, which is why they may be encoded.
_ENCODED = frozenset(["comm", "exe", "label", "name", "path", "peer", "proctitle", "profile", "target"])


class Fields:
    """The fields of a record, NAME=VALUE separated by blanks; of two with one name the first. Decoded on demand."""

    def __init__(self, text: str) -> None:
        """text: of the record, or a part of it."""
        found = _FIELD.findall(text)
        found.reverse()
        self._values: dict[str, str] = dict(found)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def get(self, name: str) -> Optional[str]:
        """A value without its quotes, decoded if it was encoded; None where there is none."""
        value = self._values.get(name)
        if value is None:
            return None
        if value.startswith('"'):
            value = value[1:-1]
        elif name in _ENCODED and _HEXADECIMAL.fullmatch(value):
            value = bytes.fromhex(value).replace(b"\0", b" ").decode("utf-8", "replace").strip()
        return shown(value, LONGEST_NAME)

    def text(self, name: str) -> str:
        """The same, empty where there is none."""
        return self.get(name) or ""

    def number(self, name: str) -> Optional[int]:
        """A value that is a decimal number; None for others."""
        return number(self._values.get(name))

    def add(self, other: Fields) -> None:
        """Take on the fields of another record that this one has not."""
        self._values = {**other._values, **self._values}


def shown(text: str, limit: int = LONGEST_TEXT) -> str:
    """The beginning of a foreign text, with blanks for what cannot be printed."""
    text = text[:limit]
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def number(text: Optional[str]) -> Optional[int]:
    """A decimal number that a 32-bit integer holds, else None."""
    if text and len(text) <= 11 and text.lstrip("-").isascii() and text.lstrip("-").isdigit():
        value = int(text)
        return value if -(1 << 31) <= value < 1 << 32 else None
    return None


def lines(stream: BinaryIO, most: int) -> Iterator[bytes]:
    """The lines of a file with their ends, each cut to LONGEST_LINE bytes; no more than `most` bytes of the file.

    One read for 64 KiB, so that a million lines take a second and no memory.
    """
    left, rest = most, b""
    while left > 0:
        block = stream.read(min(1 << 16, left))
        if not block:
            break
        left -= len(block)
        parts = (rest + block).split(b"\n")
        rest = parts.pop()
        yield from (part[:LONGEST_LINE] for part in parts)
        # What was read of a line that has no end yet; its tail may be dropped, its head is all that counts.
        rest = rest[:LONGEST_LINE]
    if rest:
        yield rest


def open_log(path: str, unseen: list[Unseen]) -> Optional[BinaryIO]:
    """A log file, unpacked where its name ends in .gz; None where there is none. Never blocks (a fifo in its place).

    Why it cannot be read is appended to `unseen`.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        return None
    except OSError as exc:
        unseen.append(Unseen(shown(path, 200), errno_name(exc.errno or 0)))
        return None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        unseen.append(Unseen(shown(path, 200), "not a regular file"))
        return None
    plain = os.fdopen(handle, "rb", buffering=0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=plain)) if path.endswith(".gz") else cast(BinaryIO, plain)


# What reading a log can end with: an error of the file, or of what was packed into it.
READ_ERRORS = (OSError, EOFError, zlib.error)


def why(exc: BaseException) -> str:
    """One of READ_ERRORS in words."""
    return errno_name(exc.errno) if isinstance(exc, OSError) and exc.errno else f"damaged ({shown(str(exc), 80)})"


def text_of(data: Union[bytes, bytearray]) -> str:
    """Bytes of a log as text, U+FFFD for what is no UTF-8."""
    return data.decode("utf-8", "replace")
