# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the policy that the kernel has loaded, through the files of selinuxfs: no question leaves a line in the log.

Layout: security/selinux/selinuxfs.c of Linux. Names come from outside: none with a slash or a leading dot is looked up.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._selinux import parse_access

SELINUXFS = "/sys/fs/selinux"
_MOST = 65536  # More than any answer has.


@dataclass(frozen=True)
class Answer:
    """What the policy says of one class between two contexts. permissive: the first one's type alone is permissive."""

    allowed: frozenset[str]
    permissive: bool


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


def context_with(object_type: str, *, like: Optional[str] = None) -> str:
    """A context of this type with user and level of another one, which is that of this process unless given.

    The role is that of files, which each type may have, so that the kernel takes the context whenever the type exists.
    """
    user, _role, _type, *level = (like or own_context() or "system_u:object_r:unlabeled_t:s0").split(":")
    return ":".join([user, "object_r", object_type, *level])


def is_context(text: str) -> bool:
    """Whether the loaded policy knows a context."""
    return _ask("context", text) is not None


def has_type(name: str) -> bool:
    """Whether the loaded policy has a type of this name; an attribute is none."""
    return is_context(context_with(name))


def permissions_of(object_class: str) -> dict[str, int]:
    """The permissions of a class, with the number of their bit (from 0). Empty when the policy has no such class."""
    names = _list(f"class/{object_class}/perms") if _is_name(object_class) else []
    found = {name: _read(f"class/{object_class}/perms/{name}") for name in names}
    return {name: int(number) - 1 for name, number in found.items() if number and number.isdigit()}


def classes() -> list[str]:
    """The classes of the loaded policy."""
    return sorted(_list("class"))


def ask(source: str, target: str, object_class: str) -> Optional[Answer]:
    """What a context may do to another one, as long as the policy stays as it is. None when it cannot be asked."""
    number = _read(f"class/{object_class}/index") if _is_name(object_class) else None
    if not number or set(source + target) & set(" \n\0"):
        return None
    reply = _ask("access", f"{source} {target} {number}")
    try:
        allowed, _audited, permissive = parse_access(reply or "")
    except ValueError:
        return None
    bits = permissions_of(object_class)
    return Answer(frozenset(name for name, bit in bits.items() if allowed >> bit & 1), permissive)


def boolean(name: str) -> Optional[bool]:
    """The value of a boolean that is in force; None when the policy has none of that name."""
    words = (_read(f"booleans/{name}") or "").split() if _is_name(name) else []
    return words[0] == "1" if words else None


def booleans() -> list[str]:
    """Names of the booleans of the loaded policy."""
    return sorted(_list("booleans"))


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Names among these that look like a misspelt one, the best first."""
    import difflib  # Only where somebody made a mistake.

    return difflib.get_close_matches(name, list(names), n=3, cutoff=0.7)


def _is_name(text: str) -> bool:
    return bool(text) and "/" not in text and not text.startswith(".") and text.isprintable()


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(f"{SELINUXFS}/{folder}")
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


def _ask(name: str, question: str) -> Optional[str]:
    """The answer to a question; None when the kernel refuses the question."""
    try:
        return transact(name, question)
    except OSError:
        return None
