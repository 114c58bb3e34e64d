# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mounts of a mount namespace, as /proc/PID/mountinfo shows them (proc_pid_mountinfo(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# The kernel writes blanks, tabs, line feeds and backslashes in octal, and nothing else: a carriage return in the name
# of a mount point, which any user of FUSE can choose, ends no line.
_ESCAPE = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """options: of the mount; super_options: of the file system."""

    point: str
    options: str
    filesystem: str
    super_options: str


def parse_mountinfo(data: bytes) -> Iterator[Mount]:
    """The mounts in their order; a line that is cut off, as the last one of a long file may be, is left out."""
    for line in data.split(b"\n"):
        words = line.split(b" ")
        # The optional fields before the dash are of any number.
        dash = words.index(b"-", 6) if b"-" in words[6:] else len(words)
        if len(words) >= dash + 4:
            yield Mount(_plain(words[4]), _text(words[5]), _text(words[dash + 1]), _text(words[dash + 3]))


def _plain(point: bytes) -> str:
    return _text(_ESCAPE.sub(lambda match: bytes([int(match[1], 8) & 255]), point))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
