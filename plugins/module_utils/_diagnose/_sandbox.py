# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sandbox of a systemd unit takes away, and which line does: systemd.exec(5)."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._filters import Blocked, unit_filter
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Actor, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._void import find_void
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive, Unit
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import (
    DROP_IN,
    capability_set,
    effective,
    is_true,
    parse_exec,
)


def lines(unit: Unit, name: str) -> list[Directive]:
    """The assignments of a directive of [Service] that are in force, after resets."""
    return effective(unit.directives, "Service", name)


def value(unit: Unit, name: str) -> Optional[str]:
    """The last value of a directive in force, None when no line sets it."""
    found = lines(unit, name)
    return found[-1].value if found else None


def enabled(unit: Unit, name: str) -> bool:
    """Whether a yes-or-no directive is on; any other value of it (PrivateUsers=self) is on as well."""
    shown = unit.properties.get(name)
    if shown is not None and not unit.reload_needed:
        return shown == "yes"
    text = value(unit, name)
    if text is None:
        return False
    try:
        return is_true(text)
    except ValueError:
        return True


def bounding_lacks(unit: Unit, bit: int) -> bool:
    """Whether lines of CapabilityBoundingSet= leave a capability out."""
    mask = capability_set([line.value for line in lines(unit, "CapabilityBoundingSet")])
    return mask is not None and not mask >> bit & 1


def grants(unit: Unit, bit: int) -> bool:
    """Whether AmbientCapabilities= grants a capability, and the bounding set does not make that void."""
    mask = capability_set([line.value for line in lines(unit, "AmbientCapabilities")], ambient=True)
    return mask is not None and bool(mask >> bit & 1) and not bounding_lacks(unit, bit)


def runs_as_root(unit: Unit) -> bool:
    """Whether the unit starts its program as root."""
    return value(unit, "User") in (None, "", "root", "0") and not enabled(unit, "DynamicUser")


def evidence(unit: Unit, *names: str) -> list[Evidence]:
    """The lines in force of some directives, each with its file and line."""
    return [
        Evidence(f"{line.file}:{line.line}", f"{line.name}={line.value}")
        for name in names
        for line in lines(unit, name)
    ]


def blames_bounding_set(subject: Subject, actor: Optional[Actor], bit: int) -> bool:
    """Whether the unit's bounding set is why an actor (or a start that fails) lacks a capability."""
    credentials = actor.credentials if actor else subject.workload.credentials
    if subject.unit is None or credentials is None or not bounding_lacks(subject.unit, bit):
        return False
    return not credentials.bounding >> bit & 1


def lifted(subject: Subject, name: str) -> bool:
    """Whether our drop-in lifted a directive after what runs was started, which still has it."""
    unit = subject.unit
    if unit is None or not unit.stale or subject.process is None:
        return False
    return any(line.name == name and line.file.endswith(f"/{DROP_IN}") for line in unit.directives)


def unsandboxed(subject: Subject) -> bool:
    """Whether "+" starts the command that does not run yet with neither User= nor the sandbox (but in its network)."""
    unit = subject.unit
    commands = lines(unit, "ExecStart") if unit is not None and subject.starts else []
    return bool(commands) and "+" in parse_exec(commands[0].value)[0]


def start_unclear(unit: Unit) -> bool:
    """Whether a start meets what is not judged here: another root directory, a command other than the first
    ExecStart= after a start that failed, or what systemd itself failed to do (its exit codes, systemd.exec(5)).
    """
    if lines(unit, "RootDirectory") or lines(unit, "RootImage"):
        return True
    if unit.properties.get("Result", "success") == "success":
        return False
    status = unit.properties.get("ExecMainStatus", "")
    commands = [line for name in ("ExecStartPre", "ExecStart", "ExecStartPost") for line in lines(unit, name)]
    return len(commands) > 1 or (status.isdigit() and 200 <= int(status) <= 245)


def blames_private_users(subject: Subject, gate: str) -> bool:
    """Whether the unit's own user namespace is why its capabilities do not count for its network namespace."""
    if subject.unit is None or gate not in ("ack", "unshare", "setns"):
        return False
    return enabled(subject.unit, "PrivateUsers") or lifted(subject, "PrivateUsers")


def private_network(subject: Subject) -> Optional[Directive]:
    """The line that gives the unit a network namespace other than the host's."""
    unit = subject.unit
    if unit is None:
        return None
    path = lines(unit, "NetworkNamespacePath")
    own = lines(unit, "PrivateNetwork")
    if path:
        return path[-1]
    return own[-1] if own and (enabled(unit, "PrivateNetwork") or lifted(subject, "PrivateNetwork")) else None


def blocked(subject: Subject) -> list[Blocked]:
    """System calls that the unit's filters refuse to what runs (or would be started), for the named operations."""
    unit, process = subject.unit, subject.process
    if unit is None or (process is not None and all(not thread.credentials.seccomp for thread in process.threads)):
        return []
    if unsandboxed(subject):
        return []
    return unit_filter(unit, subject.workload.operations)


def claims(subject: Subject, actor: Actor, bit: int) -> Optional[str]:
    """The reason of cause unit_sandbox for which an actor of the unit lacks a capability; None: it is another cause."""
    unit = subject.unit
    if unit is None or actor.credentials.permitted >> bit & 1:
        return None
    if unit.manager == "user":
        return "user_manager"
    if unit.stale and subject.process is not None and _granted_by_now(unit, actor, bit):
        return "not_restarted"
    if blames_bounding_set(subject, actor, bit):
        return "capability_bounding_set"
    void = find_void(subject, actor, bit)
    return "no_new_privileges" if void and void.reason == "no_new_privs" and _no_new_privileges(unit) else None


def _granted_by_now(unit: Unit, actor: Actor, bit: int) -> bool:
    """Whether the files of the unit grant what a process of before lacks."""
    lifted = not actor.credentials.bounding >> bit & 1 and not bounding_lacks(unit, bit) and runs_as_root(unit)
    return grants(unit, bit) or lifted


def _no_new_privileges(unit: Unit) -> bool:
    return enabled(unit, "NoNewPrivileges") or enabled(unit, "DynamicUser")


def capability_words(bit: int) -> str:
    """A capability as systemd writes it."""
    return CAPABILITIES[bit].upper()


def unit_remedy(
    subject: Subject,
    unit: Unit,
    *,
    grant: str = "",
    lift: str = "",
    settings: Optional[dict[str, dict[str, str]]] = None,
    restart: bool = False,
    adds: str = "",
) -> Remedy:
    """The call of the role netlink_unit that grants a capability, lifts one line, adds others or starts the unit
    anew.
    """
    wanted: dict[str, Any] = {"unit": unit.name, **({"settings": settings} if settings else {})}
    wanted.update({"grant": [grant]} if grant else {}, **({"lift": [lift]} if lift else {}))
    if restart:
        wanted["restart"] = True
    running = subject.process is not None
    return Remedy(
        "netlink_unit",
        {"netlink_unit_units": [wanted]},
        adds=[adds] if adds else [],
        disrupts=[f"a restart interrupts {unit.name}"] if running else [],
        consent=["restart"] if restart else [],
    )
