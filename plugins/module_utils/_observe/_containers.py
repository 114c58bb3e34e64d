# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers as their engines have them on disk. No engine is asked, and nothing is read inside of a container."""

from __future__ import annotations

from collections.abc import Collection
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import container_processes
from ansible_collections.netlink.remediation.plugins.module_utils._observe._docker import docker_places
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import namespace_inode
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import Files, Place
from ansible_collections.netlink.remediation.plugins.module_utils._state import Container, Unseen

# Shorter beginnings of an id fit too many.
_ENGINES = (docker_places,)


def observe_containers(
    unseen: list[Unseen], *, root: str = "/", only: Optional[Collection[str]] = None
) -> dict[str, Container]:
    """The containers of this host by id, running or not; those that are named if `only` is given.

    only: ids, beginnings of ids, or names; what is named and not there is missing in the result. Of the others no more
    is read than their names. root: where the host's files are. What could not be read is appended to `unseen`.
    """
    if only is not None and not only:
        return {}
    files = Files(root, unseen)
    found = [place.read() for place in _chosen(_places(files), only)]
    processes = container_processes(root)
    for container in found:
        pids = processes.get(container.id, [])
        container.pid = pids[0] if pids else None
        _see_namespaces(container, root)
    return {container.id: container for container in found}


def ids_of_name(name: str) -> set[str]:
    """The ids of the containers that have a name."""
    files = Files("/", [])
    return {place.id for place in _places(files) if name in place.names()}


def _places(files: Files) -> list[Place]:
    found: dict[str, Place] = {}
    for engine in _ENGINES:
        for place in engine(files):
            found.setdefault(place.id, place)
    return list(found.values())


def _chosen(places: list[Place], only: Optional[Collection[str]]) -> list[Place]:
    if only is None:
        return places
    chosen: dict[str, Place] = {}
    rest = set(only)
    for place in places:
        if place.id in rest:
            chosen[place.id] = place
    rest -= set(chosen)
    if rest:  # Names are in files; a container that is named by its id needs none to be opened.
        for place in places:
            if rest.intersection(place.names()) or any(_begins(place.id, name) for name in rest):
                chosen[place.id] = place
    return [place for place in places if place.id in chosen]


def _begins(identifier: str, beginning: str) -> bool:
    return len(identifier) == 64 and bool(beginning) and identifier.startswith(beginning)


def _see_namespaces(container: Container, root: str) -> None:
    """What a running container shares with the host is what the kernel says, however it was configured."""
    if container.pid is None or root != "/":
        return
    for kind in ("user", "net"):
        inode = namespace_inode(f"/proc/{container.pid}/ns/{kind}", [])
        hosts = namespace_inode(f"/proc/1/ns/{kind}", [])
        if inode is None or hosts is None:
            continue
        said = getattr(container, f"{kind}_ns")
        if inode == hosts:
            setattr(container, f"{kind}_ns", "host")
        elif said in (None, "host"):
            setattr(container, f"{kind}_ns", "own")
