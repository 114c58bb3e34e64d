# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What unit_facts returns: systemd units and the lines of their files that bear on netlink, as plain data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import parse_cgroup
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sockets import netlink_holders
from ansible_collections.netlink.remediation.plugins.module_utils._observe._unit_files import unit_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._units import (
    NETLINK_DIRECTIVES,
    Ask,
    manager_of,
    observe_units,
    units_of_user,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Unit
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import as_shown, effective

# The section of the directives of systemd.exec(5) in the units that start something.
SECTIONS = {"service": "Service", "socket": "Socket", "mount": "Mount", "swap": "Swap"}
_OF_UNIT = ("name", "manager", "load", "active", "sub", "reload_needed", "stale", "fragment", "drop_ins", "main_pid")


def unit_facts(names: Sequence[str], ask: Optional[Ask]) -> dict[str, Any]:
    """The facts about some units; without names about those whose processes hold netlink sockets.

    Raises ValueError with one sentence for a name that can be none.
    """
    for name in names:
        try:
            unit_name(name)
        except ValueError as exc:
            raise ValueError(f"units: {exc}") from None
    unseen: list[Unseen] = []
    units = list(observe_units(names, unseen, ask).values()) if names else _holders(unseen, ask)
    unique = {(unit.manager, unit.name): unit for unit in units}
    return {"units": [plain_unit(unit) for unit in unique.values()], "unseen": to_plain(unseen)}


def plain_unit(unit: Unit) -> dict[str, Any]:
    """A unit with its directives that bear on netlink: the values, and the lines that make them."""
    section = SECTIONS.get(unit.name.rpartition(".")[2])
    commands = [line for line in unit.directives if line.name == "ExecStart" and line.section == section]
    return {
        **{name: getattr(unit, name) for name in _OF_UNIT},
        "invocation": unit.invocation,
        "result": unit.properties.get("Result"),
        "commands": [to_plain(line) for line in effective(commands, section or "", "ExecStart")],
        "directives": [_directive(unit, name, section) for name in NETLINK_DIRECTIVES] if section else [],
    }


def _directive(unit: Unit, name: str, section: str) -> dict[str, Any]:
    section = "Unit" if name == "JoinsNamespaceOf" else section
    in_force = effective(unit.directives, section, name)
    lines = [line for line in unit.directives if (line.section, line.name) == (section, name)]
    return {
        "name": name,
        "effective": as_shown(name, [line.value for line in in_force]),
        "runtime": unit.properties.get(name),
        "lines": [
            {
                "value": line.value,
                "file": line.file,
                "line": line.line,
                "in_force": line in in_force,
                "reset": not line.value,
            }
            for line in lines
        ],
    }


def _holders(unseen: list[Unseen], ask: Optional[Ask]) -> list[Unit]:
    """The services whose processes hold netlink sockets. Scopes start nothing, so their files say nothing of it."""
    of_manager: dict[Optional[int], list[str]] = {}
    for pid in sorted(netlink_holders(unseen)):
        try:
            path, name, _container = parse_cgroup(read_bytes(f"/proc/{pid}/cgroup"))
        except OSError:
            continue  # It has ended.
        if pid != os.getpid() and name and name.endswith(".service"):
            of_manager.setdefault(manager_of(path), []).append(name)
    found: list[Unit] = []
    for manager, names in of_manager.items():
        named = list(dict.fromkeys(names))
        units = observe_units(named, unseen, ask) if manager is None else units_of_user(manager, named, ask, unseen)
        found += units.values()
    return found
