# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find on a host what workloads name: a process, a program, a unit, a container, a network namespace."""

from __future__ import annotations

import os
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import (
    processes_of_container,
    processes_of_unit,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._login import login_credentials
from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import OWN_NETNS, netns_inode
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_process
from ansible_collections.netlink.remediation.plugins.module_utils._state import Host, State, Workload

# Programs that stay while a container runs elsewhere, by the name in /proc/PID/stat.
WATCHERS = frozenset(["conmon", "docker", "docker-compose", "nerdctl", "podman", "systemd-nspawn"])


class NotThereError(ValueError):
    """Something that the user named does not exist; the message is one sentence for the user."""


def resolve(state: State, workloads: list[Workload]) -> None:
    """Fill in what the workloads are on this host. Raises NotThereError for one of the user's that is not there."""
    for index, workload in enumerate(workloads):
        try:
            _find(state, workload, f"workloads[{index}]")
        except NotThereError as exc:
            if not workload.discovered:
                raise
            workload.unresolved = str(exc).partition(": ")[2]


def resolve_unit(state: State, workload: Workload) -> None:
    """A unit of which no process was found: it may be known by another name, or not run. The unit is read by now."""
    _find_by_alias(state, workload)
    if not workload.processes:
        _find_stopped(state, workload)


def _find(state: State, workload: Workload, where: str) -> None:
    if workload.netns:
        try:
            workload.target_ns = netns_inode(workload.netns)
        except OSError as exc:
            raise NotThereError(
                f"{where}.netns: {workload.netns} is no network namespace that can be opened ({exc.strerror})"
            ) from None
    if workload.kind == "pid":
        _find_pid(state, workload, where)
    elif workload.kind == "executable":
        _find_executable(state.host, workload, where)
    else:
        found = (
            processes_of_unit(workload.unit or "")
            if workload.kind == "unit"
            else processes_of_container(workload.container or "")
        )
        _add_processes(state, workload, found)
        if not workload.processes:
            workload.unresolved = _not_running(workload)
        elif workload.kind == "unit":
            _find_watched(state, workload)
        else:
            _name_container(state, workload)


def _not_running(workload: Workload) -> str:
    if workload.kind == "unit":
        return f"no process of unit {workload.unit} is running"
    # Imported here, as below: an AnsiballZ payload is compiled in each run, and most runs need it not.
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._containers import ids_of_name

    if ids_of_name(workload.container or ""):
        return f"container {workload.container} does not run"
    return f"no container {workload.container} runs on this host"


def _find_pid(state: State, workload: Workload, where: str) -> None:
    pid = workload.pid or 0
    leader = _thread_group(pid)
    if leader is None:
        raise NotThereError(f"{where}.pid: there is no process {pid}, expected the pid of one that runs")
    if leader != pid:
        workload.tid = pid
    _add_processes(state, workload, [leader])
    if not workload.processes:
        raise NotThereError(f"{where}.pid: process {pid} ended while it was being read")


def _thread_group(tid: int) -> Optional[int]:
    """The process to which a thread belongs (Tgid of proc_pid_status(5))."""
    try:
        with open(f"/proc/{tid}/status", "rb") as status:
            for line in status:
                if line.startswith(b"Tgid:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return None


def _add_processes(state: State, workload: Workload, pids: list[int]) -> None:
    for pid in pids:
        process = state.processes.get(pid) or read_process(pid, state.unseen, sockets=True)
        if process is not None:
            state.processes[pid] = process
            workload.processes.append(pid)


def _find_executable(host: Host, workload: Workload, where: str) -> None:
    path, user = workload.executable or "", workload.user or "root"
    if not os.path.isfile(path):
        raise NotThereError(f"{where}.executable: {path} does not exist or is no file")
    try:
        workload.credentials = login_credentials(user, host.bounding)
    except ValueError as exc:
        raise NotThereError(f"{where}.user: {exc}") from None
    workload.user_ns = os.stat("/proc/self/ns/user").st_ino
    workload.net_ns = workload.target_ns or netns_inode(OWN_NETNS)


def _name_container(state: State, workload: Workload) -> None:
    """Processes of a container whose cgroup does not name it (podman --cgroups=disabled) are in it all the same."""
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._containers import ids_of_name

    name = workload.container or ""
    known = ids_of_name(name) or {name}
    for pid in workload.processes:
        state.processes[pid].container = state.processes[pid].container or min(known)


def _find_watched(state: State, workload: Workload) -> None:
    """A unit that only watches over containers (podman's, "docker run"): what it runs is in those."""
    names = {state.processes[pid].name for pid in workload.processes}
    if not names <= WATCHERS:
        return
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._containers import observe_containers

    wanted = (workload.unit, f"{workload.unit}.service")
    found = [box.id for box in observe_containers(state.unseen).values() if box.owner.unit in wanted]
    workload.processes = []
    for name in found:
        _add_processes(state, workload, processes_of_container(name))
    if not workload.processes:
        text = "starts containers that are not known to be its own: name the container"
        workload.unresolved = f"{workload.unit} runs only {', '.join(sorted(names))}, which {text}"


def _find_by_alias(state: State, workload: Workload) -> None:
    """The processes of a unit that was named by an alias: they are in the control group of its own name."""
    unit = state.units.get(workload.unit or "")
    if unit is None or unit.manager != "system" or unit.name in (workload.unit, f"{workload.unit}.service"):
        return
    _add_processes(state, workload, processes_of_unit(unit.name))
    if workload.processes:
        state.units[unit.name] = unit
        workload.unresolved = None


def _find_stopped(state: State, workload: Workload) -> None:
    """A unit that does not run: what systemd would start, with which credentials."""
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._units import (
        command_of_unit,
        credentials_of_unit,
        setting,
    )

    unit = state.units.get(workload.unit or "")
    if unit is not None and unit.load not in (None, "loaded"):
        missing = unit.load == "not-found"
        workload.unresolved = (
            f"there is no unit {unit.name} on this host"
            if missing
            else f"systemd cannot start {unit.name}: it is {unit.load}"
        )
    if unit is None or unit.main_pid or unit.load not in (None, "loaded") or command_of_unit(unit)[1] is None:
        return
    try:
        workload.credentials = credentials_of_unit(unit, state.host)
    except ValueError as exc:
        workload.unresolved = str(exc)
        return
    workload.executable = command_of_unit(unit)[1]
    workload.user = str(workload.credentials.euid)
    workload.user_ns = os.stat("/proc/1/ns/user").st_ino
    workload.net_ns = workload.target_ns or state.host.initial_net_ns
    workload.unresolved = None
    path = setting(unit, "NetworkNamespacePath")
    if path and not workload.netns:
        try:
            workload.netns, workload.target_ns = path, netns_inode(path)
        except OSError as exc:
            workload.unresolved = f"systemd cannot start {unit.name}: NetworkNamespacePath={path}: {exc.strerror}"
        workload.net_ns = workload.target_ns
