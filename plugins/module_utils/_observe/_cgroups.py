# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which unit and which container a process belongs to, as its cgroup says (cgroups(7)); no daemon is asked."""

from __future__ import annotations

import glob
import json
import os
import re
from typing import Any, Callable, Optional

# docker, containerd, cri-o and podman name a cgroup after the 64 hex digits of the container. Theirs are
# docker-ID.scope, cri-containerd-ID.scope, crio-ID.scope, libpod-ID.scope, SLICE:cri-containerd:ID and plain ID.
_CONTAINER = re.compile(r"^(?:(?P<kind>.*)[-:])?(?P<id>[0-9a-f]{64})(?:\.scope)?$")
_LXC = re.compile(r"(?:^|/)(?:lxc\.payload[./]|lxc/)(?P<name>[^/]+)")
_UNIT_SUFFIXES = (".service", ".scope")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")

DOCKER_CONTAINERS = "/var/lib/docker/containers/*/config.v2.json"
PODMAN_CONTAINERS = (
    "/var/lib/containers/storage/*-containers/containers.json",
    "/home/*/.local/share/containers/storage/*-containers/containers.json",
    "/root/.local/share/containers/storage/*-containers/containers.json",
)
CRIO_CONTAINERS = "/var/lib/containers/storage/*-containers/*/userdata/config.json"


def parse_cgroup(content: bytes) -> tuple[Optional[str], Optional[str], Optional[str]]:
    """(path, unit, container id) from the content of /proc/PID/cgroup, version 1, hybrid or 2.

    The path is that of systemd's hierarchy or of version 2, whichever says more. A unit keeps the escapes (\\x2d) that
    systemd shows in its name.
    """
    paths = {}
    for line in content.decode("utf-8", "replace").splitlines():
        number, controllers, path = line.split(":", 2)
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
    return match["name"] if match else None


def processes_of_unit(unit: str) -> list[int]:
    """The processes of a systemd unit, the main one first; those in containers only if there are no others.

    unit: the name as systemd shows it, with or without ".service", escapes (\\x2d) given as such or decoded.
    """
    wanted = unit if unit.endswith(_UNIT_SUFFIXES) else unit + ".service"

    def belongs(path: str, _container: Optional[str]) -> bool:
        parts = [part[1:] if part.startswith("_") else part for part in path.split("/")]
        return wanted in parts or wanted in map(_decode, parts)

    found = _members(belongs)
    return _main_first([pid for pid, container in found if container is None] or [pid for pid, _id in found])


def processes_of_container(name_or_id: str) -> list[int]:
    """The processes of a container, the main one first.

    name_or_id: the id or its beginning, or the name where the engine keeps it on disk (docker, podman, cri-o, LXC). A
    name or beginning that fits more than one container names none.
    """
    # Imported here: most runs name no container, and the reader of containers imports this one.
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._containers import ids_of_name

    members = _containers("/")
    ids = {name_or_id} if name_or_id in members else {name_or_id, *ids_of_name(name_or_id), *_ids_of_name(name_or_id)}
    found = [name for name in members if name in ids]
    if not found:
        found = [name for name in members if len(name) == 64 and name.startswith(name_or_id)]
    return _main_first(members[found[0]]) if len(found) == 1 else []


def container_processes(root: str = "/") -> dict[str, list[int]]:
    """The processes of each container that runs, the main one first. root: where the host's /proc is."""
    return {name: _main_first(pids, root) for name, pids in _containers(root).items()}


def _containers(root: str) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for pid, container in _members(lambda _path, container: container is not None, root):
        members.setdefault(str(container), []).append(pid)
    return members


def _decode(unit: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), unit)


def _members(belongs: Callable[[str, Optional[str]], bool], root: str = "/") -> list[tuple[int, Optional[str]]]:
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
            found.append((int(name), container))
    return found


def _main_first(pids: list[int], root: str = "/") -> list[int]:
    """The process that the others descend from first: its parent is not among them; the oldest where there are more."""
    facts = {}
    for pid in pids:
        try:
            with open(os.path.join(root, f"proc/{pid}/stat"), "rb", buffering=0) as file:
                fields = file.read().rpartition(b")")[2].split(None, 20)
        except OSError:
            continue
        facts[pid] = (int(fields[1]), int(fields[19]))
    return sorted(facts, key=lambda pid: (facts[pid][0] in facts, facts[pid][1], pid))


def _ids_of_name(name: str) -> set[str]:
    ids = set()
    for path in glob.glob(DOCKER_CONTAINERS):
        config = _json(path)
        if isinstance(config, dict) and str(config.get("Name", "")).lstrip("/") == name:
            ids.add(str(config.get("ID", "")))
    for pattern in PODMAN_CONTAINERS:
        for path in glob.glob(pattern):
            for entry in _json(path) or []:
                if name in (entry.get("names") or []):
                    ids.add(str(entry.get("id", "")))
    for path in glob.glob(CRIO_CONTAINERS):
        config = _json(path)
        notes = config.get("annotations") if isinstance(config, dict) else None
        if notes and name in (notes.get("io.kubernetes.cri-o.Name"), notes.get("io.kubernetes.container.name")):
            ids.add(path.split("/")[-3])
    return ids


def _json(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None
