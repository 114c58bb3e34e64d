# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of selinuxfs: what the loaded policy has, and the way to ask it, which leaves no line in the log.

Layout: security/selinux/selinuxfs.c of Linux. Names come from outside: none with a slash or a leading dot is looked up.
"""

from __future__ import annotations

import os
from typing import Optional

SELINUXFS = "/sys/fs/selinux"
_MOST = 65536  # More than any of the files has.


def is_active() -> bool:
    """Whether the kernel has a policy loaded, enforcing or not."""
    return os.path.isdir(f"{SELINUXFS}/class/process") and own_context() is not None


def is_enforcing() -> bool:
    """Whether the kernel refuses what the policy denies."""
    return _read("enforce") == "1"


def own_context() -> Optional[str]:
    """The context of this process; None where that is none of SELinux."""
    try:
        with open("/proc/self/attr/current", encoding="utf-8", errors="replace") as file:
            context = file.read().rstrip("\0\n")
    except OSError:
        return None
    return context if context.count(":") >= 2 else None


def context_with(object_type: str) -> str:
    """A context of this type with user and level of this process.

    The role is that of files, which each type may have, so that the kernel takes the context whenever the type exists.
    """
    user, _role, _type, *level = (own_context() or "system_u:object_r:unlabeled_t:s0").split(":")
    return ":".join([user, "object_r", object_type, *level])


def has_type(name: str) -> bool:
    """Whether the loaded policy has a type of this name; an attribute is none."""
    try:
        transact("context", context_with(name))
    except OSError:
        return False
    return True


def permissions_of(object_class: str) -> list[str]:
    """The permissions of a class. Empty when the policy has no such class."""
    return _list(f"class/{object_class}/perms") if _is_name(object_class) else []


def classes() -> list[str]:
    """The classes of the loaded policy."""
    return _list("class")


def boolean(name: str) -> Optional[bool]:
    """The value of a boolean that is in force; None when the policy has none of that name."""
    words = (_read(f"booleans/{name}") or "").split() if _is_name(name) else []
    return words[0] == "1" if words else None


def booleans() -> list[str]:
    """Names of the booleans of the loaded policy."""
    return _list("booleans")


def _is_name(text: str) -> bool:
    return bool(text) and "/" not in text and not text.startswith(".") and text.isprintable()


def _list(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(f"{SELINUXFS}/{folder}"))
    except OSError:
        return []


def _read(name: str) -> Optional[str]:
    try:
        with open(f"{SELINUXFS}/{name}", encoding="ascii", errors="replace") as file:
            return file.read(_MOST).rstrip("\0\n")
    except OSError:
        return None


def transact(name: str, question: str) -> str:
    """Write a question to a file of selinuxfs and read the answer from the same open file. Raises OSError."""
    handle = os.open(f"{SELINUXFS}/{name}", os.O_RDWR | os.O_CLOEXEC)
    try:
        os.write(handle, question.encode("utf-8", "surrogateescape") + b"\0")
        return os.read(handle, _MOST).decode("ascii", "replace").rstrip("\0\n")
    finally:
        os.close(handle)
