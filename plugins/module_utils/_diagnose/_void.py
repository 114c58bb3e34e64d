# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a file capability grants nothing, which more than one cause has to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Actor, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAPABILITIES,
    FileCapability,
    parse_capability_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Executable

SETGID = 0o2010


@dataclass(frozen=True)
class Void:
    """Why a file capability is void: the reason, the file that carries it, and what was seen."""

    reason: str
    file: Executable
    text: str


def holds(capability: Optional[FileCapability], bit: int) -> bool:
    """Whether a file capability permits one capability."""
    return capability is not None and bool(capability.permitted >> bit & 1)


def find_void(subject: Subject, actor: Optional[Actor], bit: int) -> Optional[Void]:
    """The reason why the file capability of a workload's executable grants an actor nothing, or None.

    actor None: execve itself failed, so nobody was left to judge.
    """
    file = subject.executable
    if file is None or not file.exists:
        return None
    for look in (_script, _file, _ambient, _lost, _child):
        found = look(subject, actor, file, bit)
        if found:
            return found
    return None


def _script(subject: Subject, _actor: Optional[Actor], file: Executable, bit: int) -> Optional[Void]:
    candidates = [file]
    if subject.process:
        found = (subject.file(argument) for argument in subject.process.arguments[1:2])
        candidates += [script for script in found if script is not None]
    for script in candidates:
        if holds(script.script_capability, bit) and not holds(script.capability, bit):
            text = f"{script.path} is a script run by {script.interpreter}, whose capabilities count instead"
            return Void("script", script, text)
    return None


def _file(subject: Subject, actor: Optional[Actor], file: Executable, bit: int) -> Optional[Void]:
    if file.capability_unmapped:
        return Void("rootid", file, "its capability is for a user namespace that is not above the workload's")
    if file.capability is None or not holds(file.capability, bit):
        return None
    if file.capability.rootid is not None and file.capability.rootid not in subject.rootids():
        return Void("rootid", file, f"its capability is for the user namespace of uid {file.capability.rootid}")
    before = subject.workload.credentials if subject.starts else None
    context = before or (actor.credentials if actor else None)
    if context is None:
        return None
    if not context.bounding >> bit & 1:
        return Void("outside_bounding_set", file, f"{CAPABILITIES[bit]} is not in the bounding set of the workload")
    if actor is not None and actor.credentials.permitted >> bit & 1:
        if file.capability.effective or file.raises_capabilities:
            return None
        return Void("permitted_only", file, "the file has no effective flag and the program never calls capset(2)")
    if file.nosuid:
        return Void("nosuid", file, f"the file system at {file.mount_point} is mounted nosuid")
    if context.no_new_privs:
        return Void("no_new_privs", file, "the workload has no_new_privs set")
    if file.drops_capabilities:
        return Void("dropped_by_program", file, "the program drops every capability that is not inheritable")
    return None


def _ambient(subject: Subject, actor: Optional[Actor], file: Executable, bit: int) -> Optional[Void]:
    if subject.starts:
        before = subject.workload.credentials
    else:
        before = subject.parent.threads[0].credentials if subject.parent and subject.parent.threads else None
    if before is None or actor is None or not before.ambient >> bit & 1:
        return None
    if file.capability_raw is not None:
        return Void("ambient_cleared", file, "a capability xattr on the file clears the ambient set at execve")
    if file.mode is not None and file.mode & SETGID == SETGID:
        return Void("ambient_cleared", file, "the setgid bit of the file clears the ambient set at execve")
    return None


def _lost(subject: Subject, _actor: Optional[Actor], file: Executable, bit: int) -> Optional[Void]:
    if holds(file.capability, bit):
        return None
    for grant in subject.state.grants:
        if grant.path in (file.path, file.real_path) and holds(parse_capability_text(grant.capabilities), bit):
            return Void("lost", file, f"receipt {grant.receipt} set {grant.capabilities}, the file has none now")
    return None


def _child(subject: Subject, _actor: Optional[Actor], file: Executable, bit: int) -> Optional[Void]:
    parent = subject.parent
    if parent is None or parent.executable is None or not parent.threads or file.capability_raw is not None:
        return None
    above = subject.file(parent.executable)
    if above is None or above.path == file.path or not holds(above.capability, bit):
        return None
    if not parent.threads[0].credentials.permitted >> bit & 1:
        return None
    return Void("child_process", above, f"{above.path} holds it and executes {file.path}, which does not inherit it")
