# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which unit and which container a process belongs to, as its cgroup says (cgroups(7)); no daemon is asked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Callable, Optional

# docker, containerd, cri-o and podman name a cgroup after the 64 hex digits of the container. Theirs are
# docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope, SLICE:cri-containerd:ID and plain ID.
_CONTAINER = re.compile(r"^(?:(?P<kind>.*)[-:])?(?P<id>[0-9a-f]{64})(?:\.scope)?$")
# Its payload is in a cgroup of that name, below the scope that machined registered or the unit that started it.
_NSPAWN = re.compile(r"/(?:machine-(?P<machine>[^/]+)\.scope|systemd-nspawn@(?P<name>[^/]+)\.service)/payload(?:/|$)")
_LXC = re.compile(r"(?:^|/)(?:lxc\.payload[./]|lxc/)(?P<name>[^/]+)")
_UNIT_SUFFIXES = (".service", ".scope")
_USER_MANAGER = re.compile(r"/(user@[0-9]+\.service)/")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")


def parse_cgroup(content: bytes) -> tuple[Optional[str], Optional[str], Optional[str]]:
    """(path, unit, container id) from the content of /proc/PID/cgroup, version 1, hybrid or 2.

    The path is that of systemd's hierarchy or of version 2, whichever says more. A unit keeps the escapes (\\x2d) that
    systemd shows in its name.
    """
    paths = {}
    # The kernel escapes line feeds alone: whatever else Python takes for the end of a line may stand in a name.
    for line in content.decode("utf-8", "replace").split("\n"):
        number, _colon, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon:
            paths["" if number == "0" else controllers] = path
    ordered = [paths.get("", "/"), paths.get("name=systemd", "/"), *paths.values()]
    if not paths:
        return None, None, None
    path = next((item for item in ordered if item != "/"), "/")
    return path, _unit(path), _container(path) or next(filter(None, map(_container, ordered)), None)


def _unit(path: str) -> Optional[str]:
    for part in reversed(path.split("/")):
        if part.endswith(_UNIT_SUFFIXES):
            return part[1:] if part.startswith("_") else part  # systemd's cg_escape()
    return None


def _container(path: str) -> Optional[str]:
    for part in reversed(path.split("/")):
        match = _CONTAINER.match(part)
        # The monitor of a container (libpod-conmon-ID, crio-conmon-ID) runs outside of it.
        if match and not (match["kind"] or "").endswith("conmon"):
            return match["id"]
    match = _LXC.search(path)
    if match:
        return match["name"]
    match = _NSPAWN.search(path)
    return _decode(match["machine"] or match["name"]) if match else None


def engine_of(path: str) -> Optional[str]:
    """The engine that a container's cgroup is named by; None where it says nothing."""
    for part in reversed(path.split("/")):
        match = _CONTAINER.match(part)
        if match and match["kind"]:
            kind = match["kind"].rpartition(":")[2]
            return {"libpod": "podman", "libpod-payload": "podman", "crio": "cri-o"}.get(kind, kind)
        if match:
            return "docker" if f"/docker/{part}" in path else "cri-containerd" if "/kubepods" in path else None
    return "lxc" if _LXC.search(path) else "nspawn" if _NSPAWN.search(path) else None


def processes_of_unit(unit: str) -> list[int]:
    """The processes of a systemd unit, the main one first; those in containers only if there are no others, and those
    that the managers of users run only if the system manager runs none.

    unit: the name as systemd shows it, with or without ".service", escapes (\\x2d) given as such or decoded.
    """
    wanted = unit if unit.endswith(_UNIT_SUFFIXES) else unit + ".service"

    def belongs(path: str, _container: Optional[str]) -> bool:
        parts = [part[1:] if part.startswith("_") else part for part in path.split("/")]
        return wanted in parts or wanted in map(_decode, parts)

    def of_system(path: str) -> bool:
        manager = _USER_MANAGER.search(path)
        return manager is None or manager[1] == wanted

    found = _members(belongs)
    found = [item for item in found if of_system(item[2])] or found
    return _main_first([pid for pid, container, _path in found if container is None] or [item[0] for item in found])


def processes_of_container(name_or_id: str) -> list[int]:
    """The processes of a container, the main one first.

    name_or_id: the id or its beginning, or the name where the engine keeps it on disk (all but plain containerd). A
    name or beginning that fits more than one container names none.
    """
    # Imported here: most runs name no container, and the reader of containers imports this one.
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._containers import (
        ids_of_name,
        recorded_process,
    )

    if not name_or_id:
        return []
    members = _containers("/")
    ids = {name_or_id} if name_or_id in members else {name_or_id, *ids_of_name(name_or_id)}
    found = [name for name in members if name in ids]
    if not found:
        found = [name for name in members if len(name) == 64 and name.startswith(name_or_id)]
    if not found:
        pid = recorded_process(name_or_id)
        return [pid] if pid else []
    return _main_first(members[found[0]]) if len(found) == 1 else []


@dataclass
class Member:
    """A process as its cgroup and its parent tell about its container. start: in clock ticks since boot."""

    pid: int
    parent: int
    start: int
    cgroup: str
    unit: Optional[str]
    arguments: list[str]


def container_members(root: str = "/") -> dict[str, Member]:
    """The main process of each container that runs and has a cgroup of that name. root: where the host's /proc is."""
    found = {}
    for name, pids in _containers(root).items():
        ordered = _main_first(pids, root)
        member = member_of(ordered[0], root) if ordered else None
        if member is not None:
            found[name] = member
    return found


def member_of(pid: int, root: str = "/") -> Optional[Member]:
    """A process; None when it is gone."""
    try:
        parent, start = _parent_and_start(pid, root)
        path, unit, _container_id = parse_cgroup(_content(pid, "cgroup", root))
        words = _content(pid, "cmdline", root).decode("utf-8", "replace").split("\0")
    except (OSError, ValueError, IndexError):
        return None
    return Member(pid, parent, start, path or "/", unit, words[:-1])


def _content(pid: int, name: str, root: str) -> bytes:
    with open(os.path.join(root, f"proc/{pid}/{name}"), "rb", buffering=0) as file:
        return file.read(1 << 20)


def _parent_and_start(pid: int, root: str) -> tuple[int, int]:
    fields = _content(pid, "stat", root).rpartition(b")")[2].split(None, 20)
    return int(fields[1]), int(fields[19])


def _containers(root: str) -> dict[str, list[int]]:
    """The processes of each container. Users may name cgroups as they like, below their own slice: what is there and
    elsewhere too is not there.
    """
    found: dict[str, list[int]] = {}
    users: dict[str, list[int]] = {}
    for pid, container, path in _members(lambda _path, container: container is not None, root):
        (users if "/user.slice/" in path else found).setdefault(str(container), []).append(pid)
    return {**users, **found}


def _decode(unit: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), unit)


def _members(belongs: Callable[[str, Optional[str]], bool], root: str = "/") -> list[tuple[int, Optional[str], str]]:
    found = []
    place = os.path.join(root, "proc")
    for name in os.listdir(place):
        if not name.isdigit():
            continue
        try:
            with open(f"{place}/{name}/cgroup", "rb", buffering=0) as file:
                path, _unit_name, container = parse_cgroup(file.read())
        except OSError:
            continue
        if path is not None and belongs(path, container):
            found.append((int(name), container, path))
    return found


def _main_first(pids: list[int], root: str = "/") -> list[int]:
    """The process that the others descend from first: its parent is not among them; the oldest where there are more."""
    facts = {}
    for pid in pids:
        try:
            facts[pid] = _parent_and_start(pid, root)
        except OSError:
            continue
    return sorted(facts, key=lambda pid: (facts[pid][0] in facts, facts[pid][1], pid))
