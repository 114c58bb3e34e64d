# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers as their engines have them on disk. No engine is asked, and nothing is read inside of a container."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import (
    Member,
    container_members,
    engine_of,
    member_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._containerd import containerd_places
from ansible_collections.netlink.remediation.plugins.module_utils._observe._docker import docker_places
from ansible_collections.netlink.remediation.plugins.module_utils._observe._host import initial_namespace
from ansible_collections.netlink.remediation.plugins.module_utils._observe._lxc import lxc_places
from ansible_collections.netlink.remediation.plugins.module_utils._observe._nspawn import nspawn_places, read_machine
from ansible_collections.netlink.remediation.plugins.module_utils._observe._owners import Owners
from ansible_collections.netlink.remediation.plugins.module_utils._observe._podman import podman_places
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import namespace_inode
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import (
    USERS,
    Files,
    Place,
    mapping,
    number,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

_ENGINES = (docker_places, podman_places, containerd_places, lxc_places, nspawn_places)

# Where runtimes note the process that they started: directory of the container, file in it, keys of its pid and start.
_RUNTIMES = (
    ("/run/runc", "state.json", "init_process_pid", "init_process_start"),
    ("/run/crun", "status", "pid", "process-start-time"),
)


def observe_containers(
    unseen: list[Unseen], *, root: str = "/", only: Optional[Collection[str]] = None
) -> dict[str, Container]:
    """The containers of this host by id, running or not; those that are named if `only` is given.

    only: ids, beginnings of ids, or names; what is named and not there is missing in the result. Of the others no more
    is read than their names. root: where the host's files are. What could not be read is appended to `unseen`.
    """
    if only is not None and not only:
        return {}
    files, members = Files(root, unseen), container_members(root)
    places = {place.id: place for place in _places(files)}
    owners, found = Owners(files), {}
    for identifier in _chosen(places, members, only):
        place, member = places.get(identifier), members.get(identifier)
        member = member or _recorded(files, identifier, root)
        container = place.read() if place and not _runs_by_itself(place, member) else None
        container = container or _of_cgroup(files, identifier, member)
        container.engine_uid = files.owners.get(container.specification or "", 0)
        container.pid = member.pid if member else None
        _see_owner(owners, container, member, root)
        if container.pid is not None and root == "/":
            _see_namespaces(container)
        found[identifier] = container
    return found


def ids_of_name(name: str, root: str = "/") -> set[str]:
    """The ids of the containers that have a name; those of users only if the host's own engines keep none of it."""
    found = [place for place in _places(Files(root, [])) if name in place.names()]
    return {place.id for place in found if not place.users} or {place.id for place in found}


def recorded_process(name: str) -> Optional[int]:
    """The init of a container, by id or name, whose cgroup does not name it: as its runtime noted it."""
    files = Files("/", [])
    for place in _places(files):
        if place.id == name or name in place.names():
            member = _recorded(files, place.id, "/")
            return member.pid if member else None
    return None


def _places(files: Files) -> list[Place]:
    """All that is on disk, by id each once: what the host's own engines keep counts before what users do."""
    found: dict[str, Place] = {}
    for place in sorted((place for engine in _ENGINES for place in engine(files)), key=lambda place: place.users):
        found.setdefault(place.id, place)
    return list(found.values())


def _chosen(places: dict[str, Place], members: Iterable[str], only: Optional[Collection[str]]) -> list[str]:
    """Ids, those that are on disk first, then those that only have a cgroup."""
    ids = list(dict.fromkeys([*places, *members]))
    if only is None:
        return ids
    chosen = set(ids) & set(only)
    rest = set(only) - chosen
    if rest:  # Names are in files; for a container that is named by its id none of the others is opened.
        chosen |= {name for name in ids if any(_begins(name, beginning) for beginning in rest)}
        chosen |= {place.id for place in places.values() if rest.intersection(place.names())}
    return [name for name in ids if name in chosen]


def _begins(identifier: str, beginning: str) -> bool:
    return len(identifier) == 64 and bool(beginning) and identifier.startswith(beginning)


def _runs_by_itself(place: Place, member: Optional[Member]) -> bool:
    """A running nspawn container is as its command line has it, not as machinectl would start it."""
    return member is not None and engine_of(member.cgroup) == "nspawn" and len(place.id) != 64


def _of_cgroup(files: Files, identifier: str, member: Optional[Member]) -> Container:
    """A container of which no engine keeps anything here: systemd-nspawn's, or one inside of another container."""
    engine = (engine_of(member.cgroup) if member else None) or "unknown"
    if engine == "nspawn" and member is not None:
        supervisor = member_of(member.parent, files.root)
        return read_machine(files, identifier, supervisor.arguments if supervisor else [])
    files.miss(
        f"container {identifier}", "it has a cgroup, but no engine keeps its specification in a known place here"
    )
    return Container(identifier, identifier, engine)


def _recorded(files: Files, identifier: str, root: str) -> Optional[Member]:
    """The init of a container without a cgroup that names it, if that process still is the one that was started."""
    places = [*_RUNTIMES]
    for parent in ("/run/containerd/runc", "/run/docker/runtime-runc"):
        places += [(f"{parent}/{space}", *_RUNTIMES[0][1:]) for space in files.names(parent)]
    for uid in files.names("/run/user"):
        places += [(f"/run/user/{uid}/{item[0].rpartition('/')[2]}", *item[1:]) for item in _RUNTIMES]
    for directory, name, pid_key, start_key in places:
        state = mapping(files.data(f"{directory}/{identifier}/{name}"))
        pid, start = number(state.get(pid_key)), number(state.get(start_key))
        member = member_of(pid, root) if pid else None
        if member is not None and member.start == start and not (directory.startswith(USERS) and _is_hosts(pid, root)):
            return member
    return None


def _is_hosts(pid: Optional[int], root: str) -> bool:
    """Whether a process is in the host's user namespace, where no container of a user can be, whatever he notes."""
    inode = namespace_inode(f"/proc/{pid}/ns/user", []) if root == "/" else None
    return inode is not None and inode == initial_namespace("user", [])


def _see_owner(owners: Owners, container: Container, member: Optional[Member], root: str) -> None:
    """podman's monitor, or with a quadlet all of it, is in the cgroup of the unit; so is the command of nspawn."""
    unit = None
    if member is not None and container.engine in ("podman", "nspawn"):
        monitor = member_of(member.parent, root)
        units = (member.unit, monitor.unit if monitor else None)
        unit = next((name for name in units if name and name.endswith(".service")), None)
    if container.engine == "nspawn":
        container.owner.unit = unit
    elif container.engine in ("docker", "podman", "containerd"):
        owners.see(container, unit)


def _see_namespaces(container: Container) -> None:
    """What a running container shares with the host is what the kernel says, however it was configured."""
    for kind in ("user", "net"):
        inode = namespace_inode(f"/proc/{container.pid}/ns/{kind}", [])
        hosts = initial_namespace(kind, [])
        said = getattr(container, f"{kind}_ns")
        if inode is not None and inode == hosts:
            setattr(container, f"{kind}_ns", "host")
        elif None not in (inode, hosts) and said in (None, "host"):
            setattr(container, f"{kind}_ns", "own")
