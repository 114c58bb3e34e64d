# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loaded SELinux policy, asked through selinuxfs: that leaves no line in any log, and nothing is tried for it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._observe._selinuxfs import SELINUXFS, transact
from ansible_collections.netlink.remediation.plugins.module_utils._selinux import parse_access
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

# What a context may look like: what is written to selinuxfs is cut at white space.
_CONTEXT = re.compile(r"[^\s:]+:[^\s:]+:[^\s:]+(:\S+)?")
_LONGEST_CONTEXT = 4000


class Policy:
    """The loaded policy, through selinuxfs. What cannot be asked is appended to `unseen` once, and answered None."""

    def __init__(self, unseen: list[Unseen]) -> None:
        self.unseen = unseen
        self.extended = self._flag("policy_capabilities/netlink_xperm")
        self._bits: dict[tuple[str, str], Optional[int]] = {}
        self._indices: dict[str, Optional[int]] = {}
        self._answers: dict[tuple[str, str, str], Optional[tuple[int, int, bool]]] = {}

    def _flag(self, name: str) -> bool:
        try:
            return read_bytes(f"{SELINUXFS}/{name}").strip() == b"1"
        except OSError:
            return False

    def _miss(self, name: str, exc: OSError) -> None:
        entry = Unseen(f"{SELINUXFS}/{name}", f"{exc.strerror} ({errno_name(exc.errno or 0)})")
        if entry not in self.unseen:
            self.unseen.append(entry)

    def _number(self, name: str) -> Optional[int]:
        """A number of the policy, from 1; None where it has no such class or permission, 0 where it cannot be read."""
        try:
            return int(read_bytes(f"{SELINUXFS}/class/{name}"))
        except FileNotFoundError as exc:
            if os.path.isdir(f"{SELINUXFS}/class"):
                return None
            self._miss("class", exc)
        except OSError as exc:
            self._miss(f"class/{name}", exc)
        return 0

    def _index(self, object_class: str) -> Optional[int]:
        if object_class not in self._indices:
            self._indices[object_class] = self._number(f"{object_class}/index")
        return self._indices[object_class]

    def _bit(self, object_class: str, permission: str) -> Optional[int]:
        """The mask of a permission; None where the policy does not define it, 0 where that cannot be read."""
        key = (object_class, permission)
        if key not in self._bits:
            index = self._index(object_class)
            number = self._number(f"{object_class}/perms/{permission}") if index else index
            self._bits[key] = 1 << (number - 1) if number else number
        return self._bits[key]

    def _transact(self, name: str, text: str) -> Optional[str]:
        """Write a question to a file of selinuxfs and read the answer; None, and said, where it cannot be had."""
        try:
            return transact(name, text)
        except OSError as exc:
            self._miss(name, exc)
            return None

    def _access(self, source: str, target: str, object_class: str) -> Optional[tuple[int, int, bool]]:
        key = (source, target, object_class)
        if key not in self._answers:
            index = self._index(object_class)
            known = is_context(source) and is_context(target)
            reply = self._transact("access", f"{source} {target} {index}") if index and known else None
            self._answers[key] = None if reply is None else parse_access(reply)
        return self._answers[key]

    def allows(self, source: str, target: str, object_class: str, permission: str) -> Optional[bool]:
        """Whether the policy allows it. What the policy does not define, it allows or denies as a whole."""
        bit = self._bit(object_class, permission)
        if bit is None:
            return not self._flag("deny_unknown")
        answer = self._access(source, target, object_class) if bit else None
        return bool(answer[0] & bit) if answer and bit else None

    def logs(self, source: str, target: str, object_class: str, permission: str) -> bool:
        """Whether a denial of it would be logged: a dontaudit rule hides it."""
        bit, answer = self._bit(object_class, permission), self._access(source, target, object_class)
        return not bit or answer is None or bool(answer[1] & bit)

    def is_permissive(self, context: str) -> bool:
        """Whether the domain of a context alone is permissive."""
        answer = self._access(context, context, "process")
        return answer is not None and answer[2]

    def transition(self, source: str, target: str) -> Optional[str]:
        """The context of a process that executes a file with this label (type_transition rules of class process)."""
        index = self._index("process")
        known = is_context(source) and is_context(target)
        return self._transact("create", f"{source} {target} {index}") if index and known else None

    def knows(self, context: str) -> bool:
        """Whether the policy has such a context."""
        try:
            return is_context(context) and bool(transact("context", context))
        except OSError:  # EINVAL: it has not
            return False

    def kernel_context(self) -> str:
        """The context of the kernel itself, "" where that cannot be read."""
        try:
            return read_bytes(f"{SELINUXFS}/initial_contexts/kernel").rstrip(b"\0\n").decode("utf-8", "replace")
        except OSError as exc:
            self._miss("initial_contexts/kernel", exc)
            return ""

    def bounds_start(self, source: str, target: str, needed: Sequence[str]) -> bool:
        """Whether a new domain is kept from a process with no_new_privs, or from a file on a nosuid mount."""
        if not needed:
            return False
        if not self._flag("policy_capabilities/nnp_nosuid_transition"):
            return True
        return not all(self.allows(source, target, "process2", name) for name in needed)


def is_context(text: str) -> bool:
    """Whether a text can be a context, so that it may be written to selinuxfs."""
    return len(text) <= _LONGEST_CONTEXT and _CONTEXT.fullmatch(text) is not None
