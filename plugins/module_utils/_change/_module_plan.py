# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the option `modules` to what is loaded now, and to the files by which it is loaded at boot."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._kernel_module import (
    LOADED,
    NOT_LOADED,
    KernelModuleChange,
    references,
)
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_SYS_MODULE
from ansible_collections.netlink.remediation.plugins.module_utils._observe._depmod import (
    MODULES,
    ModuleIndex,
    Rule,
    hindrance,
    plain_name,
    read_rules,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import read_text
from ansible_collections.netlink.remediation.plugins.module_utils._observe._host import USER_NS_INIT_INO
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_credentials

PERSISTED = "/etc/modules-load.d/netlink-remediation.conf"
ETC_MODULES = "/etc/modules"
DROP_IN = "/etc/systemd/system/systemd-modules-load.service.d/50-netlink-remediation.conf"
HEADER = "# Loaded at boot for netlink.remediation."
DROP_IN_HEADER = """\
# Written by netlink.remediation. systemd-modules-load loads nothing that a blacklist line names; modprobe does.
[Service]
"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,54}")  # MODULE_NAME_LEN of linux/module.h
# What netlink asks for by itself; a module outside of the kernel's network directories must have one of these.
_NETLINK_ALIAS = re.compile(r"rtnl-link-|net-pf-16-|net-(sch|act|cls)-|nfnetlink-subsys-|sch_|devname:net/tun$")
_NETWORK = ("kernel/net/", "kernel/drivers/net/")


@dataclass
class ModulePlan:
    """What to change, and sentences for the user."""

    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)


@dataclass
class Wish:
    """One entry of `modules`. where: for messages."""

    where: str
    name: str
    present: bool


def plan_modules(parameters: Mapping[str, Any]) -> ModulePlan:
    """The changes for the parameters of the module; reads the host and changes nothing. Raises ChangeError."""
    wishes = parse_modules(parameters["modules"])
    plan = ModulePlan()
    host = Modules()
    wanted = [wish for wish in wishes if wish.present and not host.is_builtin(wish.name)]
    blacklisted = []
    for wish in wanted:
        host.demand(wish)
        rule, sealed = host.hindrance(wish.name)
        if sealed:
            raise ChangeError(f"{wish.where}: {wish.name} is kept from being loaded by {rule}; remove that line first")
        if rule:
            blacklisted.append(wish.name)
            plan.warnings.append(f"{rule} keeps {wish.name} from being loaded on demand; it is loaded by its name")
        plan.changes.append(host.change_of(wish.name))
    if parameters["persist"]:
        names, dropped = [wish.name for wish in wanted], [wish.name for wish in wishes if not wish.present]
        _persist(plan, names, dropped, blacklisted)
    return plan


def parse_modules(items: Sequence[Mapping[str, Any]]) -> list[Wish]:
    """The entries, each module once. Raises ChangeError with one sentence for what cannot be meant."""
    found: dict[str, Wish] = {}
    for index, item in enumerate(items):
        where = f"modules[{index}].name"
        if not _NAME.fullmatch(item["name"]):
            raise ChangeError(f"{where}: {item['name']!r:.60} can be no kernel module, expected a name such as vxlan")
        wish = Wish(where, plain_name(item["name"]), item["state"] == "present")
        if found.setdefault(wish.name, wish).present != wish.present:
            raise ChangeError(f"{where}: {wish.name} is to be present and absent, expected one of them")
    return list(found.values())


class Modules:
    """The modules of the kernel that runs, and what it lets this process load."""

    def __init__(self) -> None:
        self.release = os.uname().release
        self.index = ModuleIndex(f"{MODULES}/{self.release}")
        self.rules: list[Rule] = read_rules([])

    def is_builtin(self, name: str) -> bool:
        """Whether the kernel has it always: then there is nothing to load."""
        if name in self.index.builtins:
            return True
        return os.path.isdir(f"/sys/module/{name}") and name not in _loaded()

    def hindrance(self, name: str) -> tuple[Optional[str], bool]:
        """The line of modprobe's configuration that names it, and whether that holds for its own name as well."""
        return hindrance(self.rules, self.index, name, (), _loaded())

    def demand(self, wish: Wish) -> None:
        """Raise ChangeError unless it is a network module of this kernel that this process could load."""
        where, name = wish.where, wish.name
        try:
            loaded = references()
        except ChangeError as exc:
            raise ChangeError(f"{where}: {name} cannot be loaded, {exc}") from None
        if not self.index.exists:
            raise ChangeError(
                f"{where}: {name} cannot be looked for, because {self.index.directory} is not there: after an "
                "update of the kernel reboot, else install its modules"
            )
        file = self.index.listed_file(name)
        if file is None:
            known = self.index.module_with([name, f"rtnl-link-{name}", f"sch_{name}"])
            hint = f", expected {known}" if known else ", expected one that modinfo knows"
            raise ChangeError(f"{where}: {name} is no module of kernel {self.release}{hint}")
        if self.index.file_of(name) is None:
            raise ChangeError(f"{where}: {file} does not exist, install the modules of kernel {self.release} again")
        if not self._for_network(name, file):
            raise ChangeError(
                f"{where}: {name} ({file}) is no network module, expected one below kernel/net or kernel/drivers/net, "
                "or one that netlink asks for by an alias"
            )
        if name not in loaded:
            _demand_loading(where, name)

    def _for_network(self, name: str, file: str) -> bool:
        inside = file[len(self.index.directory) + 1 :]
        return inside.startswith(_NETWORK) or any(_NETLINK_ALIAS.match(alias) for alias in self.index.aliases_of(name))

    def change_of(self, name: str) -> KernelModuleChange:
        """The change that loads it, with what comes along."""
        loaded = references()
        along = [other for other in self.index.needed_by(name) if other not in loaded]
        return KernelModuleChange(name, LOADED if name in loaded else NOT_LOADED, LOADED, details={"along": along})


def _loaded() -> Collection[str]:
    try:
        return references()
    except ChangeError:
        return ()


def _demand_loading(where: str, name: str) -> None:
    """Raise ChangeError where nobody, or not this process, can load a module (may_init_module())."""
    text = read_text("/proc/sys/kernel/modules_disabled", "/", []) or "0"
    if text.strip() != "0":
        raise ChangeError(
            f"{where}: {name} cannot be loaded, because kernel.modules_disabled is 1 until the next boot; let it be "
            "loaded before that is set"
        )
    own = read_credentials(os.getpid(), os.getpid())
    initial = os.stat("/proc/self/ns/user").st_ino == USER_NS_INIT_INO
    if own is not None and (not own.effective >> CAP_SYS_MODULE & 1 or not initial):
        raise ChangeError(
            f"{where}: {name} cannot be loaded from here, because this process has no cap_sys_module over the host: "
            "run this on the host itself, not in a container"
        )


# --- at boot ----------------------------------------------------------------------------------------------------------


def _persist(plan: ModulePlan, names: Sequence[str], dropped: Collection[str], blacklisted: Collection[str]) -> None:
    systemd = os.path.isdir("/run/systemd/system")
    path = PERSISTED if systemd or os.path.isdir(os.path.dirname(PERSISTED)) else ETC_MODULES
    if names and path == ETC_MODULES and not os.path.isfile(path):
        raise ChangeError(f"persist: neither {os.path.dirname(PERSISTED)} nor {path} is there, set persist to false")
    listed = read_text(path, "/", []) or ""
    _add(plan, path, listed, lines_with(listed, names, dropped, HEADER if path == PERSISTED else ""))
    if systemd:
        text = read_text(DROP_IN, "/", []) or ""
        _add(plan, DROP_IN, text, drop_in_with(text, names, dropped, blacklisted), then="daemon_reload")
    elif blacklisted:
        plan.unvalidated.append(f"whether {path} loads at boot what a blacklist line names ({', '.join(blacklisted)})")


def _add(plan: ModulePlan, path: str, before: str, after: Optional[str], then: Optional[str] = None) -> None:
    """The change of one file, none where its content stays the same."""
    if (after or "") != before:
        plan.changes.append(FileChange.of(path, after, then=then, seen=before))


def lines_with(text: str, names: Collection[str], dropped: Collection[str], header: str) -> Optional[str]:
    """The lines of a list of modules with these names and without those dropped; None when nothing is left.

    A file of our own (that has a header) is sorted; in others, lines are appended and the rest stays as it is.
    """
    lines = text.removesuffix("\n").split("\n") if text else []
    kept = [line for line in lines if plain_name(line.strip()) not in dropped and not (header and line == header)]
    listed = {plain_name(line.strip()) for line in kept}
    new = [name for name in sorted(names) if name not in listed]
    if header:
        kept = [header, *sorted([*kept, *new])] if kept or new else []
        return "".join(f"{line}\n" for line in kept) or None
    if not text:
        return "".join(f"{name}\n" for name in new)
    return text if kept == lines and not new else "".join(f"{line}\n" for line in [*kept, *new])


def drop_in_with(
    text: str, names: Collection[str], dropped: Collection[str], blacklisted: Collection[str]
) -> Optional[str]:
    """The drop-in that lets modprobe load what a blacklist line names; None when there is nothing such."""
    listed = set(re.findall(r"^ExecStartPre=-/sbin/modprobe ([A-Za-z0-9_]+)$", text, re.MULTILINE))
    wanted = sorted((listed - set(dropped) - set(names)) | set(blacklisted))
    return DROP_IN_HEADER + "".join(f"ExecStartPre=-/sbin/modprobe {name}\n" for name in wanted) if wanted else None
