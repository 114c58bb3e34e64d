# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of the SELinux policy say, asked of libselinux, which owns their format: nothing is forked.

Every host with SELinux has the library: systemd and login programs need it.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import stat
from collections.abc import Iterable
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

LIBRARY = "libselinux.so.1"
# Packages python3-selinux (Debian) and python3-libselinux (Fedora): what audit2why(1) is made of.
WHY = "selinux.audit2why"
_CONTEXT_OF_FILES = 0  # SELABEL_CTX_FILE of selinux/label.h

# What the policy refuses: context, context of the object, class, permission.
Denied = tuple[str, str, str, str]


class Library:
    """libselinux, opened when it is first asked. Where it cannot be, that is appended to `unseen` once."""

    def __init__(self, unseen: list[Unseen]) -> None:
        self.unseen = unseen
        self._opened: Optional[ctypes.CDLL] = None
        self._files: Optional[int] = None

    def _open(self) -> Optional[ctypes.CDLL]:
        if self._opened is None:
            try:
                self._opened = ctypes.CDLL(LIBRARY, use_errno=True)
            except OSError as exc:
                entry = Unseen(LIBRARY, f"{exc}: what the files of the SELinux policy say is not known")
                self.unseen += [] if entry in self.unseen else [entry]
                return None
            self._opened.selabel_open.restype = ctypes.c_void_p
        return self._opened

    def _take(self, pointer: ctypes.c_char_p) -> str:
        """The text of a string that the library allocated, which is freed."""
        text = (pointer.value or b"").decode("utf-8", "surrogateescape")
        if self._opened is not None:
            self._opened.freecon(pointer)
        return text

    def label_of_path(self, path: str) -> Optional[str]:
        """The context that the file contexts of the policy, local ones included, give to an existing path.

        None where they give none to it, or cannot be read. Source: selabel_lookup(3).
        """
        library = self._open()
        if library is None:
            return None
        try:
            mode = stat.S_IFMT(os.lstat(path).st_mode)
        except OSError:
            return None
        if self._files is None:
            self._files = library.selabel_open(_CONTEXT_OF_FILES, None, 0)
        if not self._files:
            entry = Unseen("file contexts of SELinux", os.strerror(ctypes.get_errno()))
            self.unseen += [] if entry in self.unseen else [entry]
            return None
        found = ctypes.c_char_p()
        handle = ctypes.c_void_p(self._files)
        if library.selabel_lookup_raw(handle, ctypes.byref(found), os.fsencode(path), ctypes.c_int(mode)):
            return None
        return self._take(found)

    def login_context(self, user: str, through: str) -> Optional[str]:
        """The context that a user gets from a login program that runs in the context `through`.

        None where the policy lets that user log in nowhere. Sources: getseuserbyname(3), get_default_context(3).
        """
        library = self._open()
        if library is None:
            return None
        name, level, context = ctypes.c_char_p(), ctypes.c_char_p(), ctypes.c_char_p()
        if library.getseuserbyname(os.fsencode(user), ctypes.byref(name), ctypes.byref(level)):
            return None
        try:
            arguments = (name, level, through.encode(), ctypes.byref(context))
            failed = library.get_default_context_with_level(*arguments)
            return None if failed else self._take(context)
        finally:
            library.freecon(name)
            library.freecon(level)


def booleans_for(denials: Iterable[Denied], unseen: list[Unseen]) -> dict[str, list[Denied]]:
    """Booleans that are off, each of which alone would allow some of the denials.

    Each boolean of the loaded policy is tried on a copy of it in memory (0.1 s for the whole policy of Debian), for
    denials that a dontaudit rule hides too.
    """
    try:
        why = importlib.import_module(WHY)
        why.init()
    except Exception as exc:  # ImportError, and what the library raises for a policy that it may not read
        unseen.append(Unseen(f"Python library {WHY}", f"{exc}: which booleans would allow it is not known"))
        return {}
    found: dict[str, list[Denied]] = {}
    try:
        for denied in denials:
            answer, booleans = why.analyze(*denied[:3], [denied[3]])
            for name, wanted in booleans if answer == why.BOOLEAN else []:
                if wanted:
                    found.setdefault(str(name), []).append(denied)
    finally:
        why.finish()
    return found
