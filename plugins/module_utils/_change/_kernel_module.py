# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind of change that loads a kernel module. Its revert unloads what it loaded, unless something may use it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import ClassVar, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._commands import NO_PROGRAM, run
from ansible_collections.netlink.remediation.plugins.module_utils._observe._depmod import MODULES, ModuleIndex
from ansible_collections.netlink.remediation.plugins.module_utils._observe._link_kinds import (
    UnseenLinksError,
    links_of_kinds,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_bytes

LOADED, NOT_LOADED = "loaded", "not loaded"
# Modules whose use is counted, or seen by their links; of others nobody knows what unloading them takes away.
_COUNTED = ("sch_", "act_", "cls_", "em_")
_TUN, _PLAIN = "tun", ("tun", "xfrm_user")


class KernelModuleChange(Change):
    """target: name of the module. details: along: the modules that it needs and that are loaded together with it, in
    the order in which they can be unloaded.
    """

    kind: ClassVar[str] = "kernel_module"

    def read(self) -> str:
        """Whether the module is loaded."""
        return LOADED if self.target in references() else NOT_LOADED

    def write(self, value: str) -> None:
        """modprobe by its own name, or rmmod of it and of what came along. Raises ChangeError."""
        if value == LOADED:
            _demand(["modprobe", "--", self.target], f"{self.target} cannot be loaded")
            return
        _demand(["rmmod", "--", self.target], f"{self.target} cannot be unloaded")
        for name in self.details["along"]:
            if references().get(name) == 0 and not _may_serve(name):
                run(["rmmod", "--", name])  # Another user may have come just now; then it stays.

    def validate(self) -> list[str]:
        """modprobe says what it would do. Whether the kernel takes the module is not known before."""
        if self.read() == self.after:
            return []
        _demand(["modprobe", "--dry-run", "--", self.target], f"{self.target} cannot be loaded")
        return [f"whether the kernel accepts module {self.target} (signature, lockdown)"]

    def stays(self) -> Optional[str]:
        """Why a revert must not unload the module: it takes along links and rules that count as no use of it."""
        count = references().get(self.target, 0)
        if count:
            return f"it is in use ({count})"
        kinds = kinds_of(self.target, _aliases_of(self.target))
        if not kinds and self.target not in _PLAIN and not self.target.startswith(_COUNTED):
            return "nobody counts what uses it; it stays loaded until the next boot"
        return _links_lost(kinds)


def _may_serve(module: str) -> bool:
    """Whether somebody may use a module that came along, although no other module needs it any more: links of its own
    kinds, and families of netfilter, whose tables are not counted.
    """
    aliases = _aliases_of(module)
    families = any(alias.startswith("nfnetlink-subsys-") for alias in aliases)
    return families or _links_lost(kinds_of(module, aliases)) is not None


def _links_lost(kinds: Collection[str]) -> Optional[str]:
    """Which link of these kinds would go with their module, or why that is not known; None for none."""
    try:
        links = links_of_kinds(kinds) if kinds else []
    except UnseenLinksError as exc:
        return f"{exc}; it stays loaded until the next boot"
    return f"unloading it would delete link {links[0]}" if links else None


def _aliases_of(module: str) -> list[str]:
    return ModuleIndex(f"{MODULES}/{os.uname().release}").aliases_of(module)


def kinds_of(module: str, aliases: Iterable[str]) -> list[str]:
    """The link kinds that a module brings (its aliases rtnl-link-...); links of the kind tun have no alias."""
    kinds = [alias[len("rtnl-link-") :] for alias in aliases if alias.startswith("rtnl-link-")]
    return [*kinds, *([_TUN] if module == _TUN else [])]


def references() -> dict[str, int]:
    """The loaded modules with the number of their users (/proc/modules). Raises ChangeError without such a file."""
    try:
        lines = read_bytes("/proc/modules", 1 << 22).decode("utf-8", "replace").splitlines()
    except OSError:
        raise ChangeError("this kernel has no loadable modules: there is no /proc/modules") from None
    words = (line.split() for line in lines)
    return {item[0]: int(item[2]) if item[2].isdigit() else 0 for item in words if len(item) > 2}


def _demand(command: list[str], what: str) -> None:
    code, out, err = run(command)
    if code == NO_PROGRAM:
        raise ChangeError(f"{what}: there is no program {command[0]}, install the package kmod")
    if code:
        lines = (err or out).strip().splitlines()
        raise ChangeError(f"{what}: {lines[-1] if lines else f'{command[0]} ended with {code}'}")
