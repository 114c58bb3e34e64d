# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in which container engines keep what they run, read with care: bounded, and no link is followed at the end.

Whatever stands in them, the readers below answer with a value of the right type.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import (
    list_names,
    open_below,
    printable,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

# A specification has 10 to 60 KB, most of it the seccomp profile; podman's list of all containers 1 KB for each.
LONGEST = 4 << 20

# 2**32 ids fit in a user namespace, and ids and numbers of system calls in 64 bits.
LARGEST = 1 << 64

HOMES = "/home/"
# What lies below is made by users.
USERS = (HOMES, "/run/user/")
# docker, podman, containerd's CRI plugin and CRI-O name a container so.
ID = re.compile(r"^[0-9a-f]{64}$")


@dataclass
class Place:
    """A container that an engine keeps on disk. names, read: look into its files when they are called. users: it lies
    in a home directory, where a user may write anything.
    """

    id: str
    names: Callable[[], list[str]]
    read: Callable[[], Container]
    users: bool = False


class Files:
    """The files below a root directory. What cannot be read is listed once in `unseen`; what is not there, is not."""

    def __init__(self, root: str, unseen: list[Unseen]) -> None:
        self.root, self.unseen = root, unseen
        self.owners: dict[str, int] = {}  # Path -> uid of who owns the file that was read.
        self._read: dict[str, Any] = {}
        self._listed: dict[str, list[str]] = {}

    def miss(self, path: str, reason: str) -> None:
        """Note that something could not be read."""
        item = Unseen(printable(path), reason)
        if item not in self.unseen:
            self.unseen.append(item)

    def data(self, path: str) -> Any:
        """The content of a JSON file; None when it is missing, too long or not JSON. Each file is read once."""
        if path not in self._read:
            self._read[path] = self._parse(path)
        return self._read[path]

    def _parse(self, path: str) -> Any:
        content = self.text(path)
        if content is None:
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as exc:
            self.miss(path, f"no JSON: {type(exc).__name__}")
            return None

    def text(self, path: str) -> Optional[str]:
        """The text of a file; None when it is missing, too long, a link or otherwise not a regular file."""
        try:
            handle = open_below(path, self.root, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as exc:
            if exc.errno not in (errno.ENOENT, errno.ENOTDIR):
                self.miss(path, errno_name(exc.errno or 0))
            return None
        try:
            return self._content(path, handle)
        except OSError as exc:
            self.miss(path, errno_name(exc.errno or 0))
            return None
        finally:
            os.close(handle)

    def _content(self, path: str, handle: int) -> Optional[str]:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            self.miss(path, "not a regular file")
            return None
        self.owners[path] = status.st_uid
        with os.fdopen(handle, "rb", closefd=False) as stream:
            content = stream.read(LONGEST + 1)
        if len(content) > LONGEST:
            self.miss(path, f"longer than {LONGEST} bytes")
            return None
        return content.decode("utf-8", "replace")

    def names(self, directory: str) -> list[str]:
        """Sorted names in a directory, [] where there is none. Each directory is read once."""
        if directory not in self._listed:
            missed: list[Unseen] = []
            found = list_names(directory, self.root, missed)
            self._listed[directory] = [name for name in found if printable(name) == name]
            for item in missed:
                self.miss(item.source, item.reason)
        return self._listed[directory]

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory."""
        try:
            os.close(open_below(path, self.root, os.O_PATH | os.O_DIRECTORY))
        except OSError:
            return False
        return True

    def is_link(self, path: str) -> bool:
        """Whether a symbolic link is there."""
        return os.path.islink(os.path.join(self.root, path.lstrip("/")))

    def homes(self) -> list[str]:
        """Home directories in which engines without privilege may keep something."""
        return ["/root", *(f"{HOMES}{name}" for name in self.names(HOMES))]


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is an object of JSON, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """The value if it is an array of JSON, else an empty one."""
    return value if isinstance(value, list) else []


def word(value: Any) -> Optional[str]:
    """The value if it is text that says something, without what UTF-8 cannot hold (half a surrogate pair)."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and value else None


def words(value: Any) -> list[str]:
    """The texts in an array."""
    return [text for text in map(word, items(value)) if text is not None]


def number(value: Any) -> Optional[int]:
    """The value if it is a whole number that the kernel could mean, from 0 on."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value < LARGEST else None


def texts(value: Any) -> dict[str, str]:
    """The entries of an object whose values are text."""
    found = {word(key) or "": item for key, item in mapping(value).items() if isinstance(item, str)}
    return {key: word(item) or "" for key, item in found.items()}
