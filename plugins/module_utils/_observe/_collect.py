# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read from a host all that the judgement of some workloads needs, and no more."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_NET_ADMIN, NETLINK_ROUTE
from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import (
    processes_of_container,
    processes_of_unit,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._host import observe_host
from ansible_collections.netlink.remediation.plugins.module_utils._observe._login import login_credentials
from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import (
    OWN_NETNS,
    netns_inode,
    observe_namespaces,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_process
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sockets import netlink_holders
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    Grant,
    Host,
    Process,
    State,
    Workload,
)

# Runs a command, given as words; its exit status, output and error output.
Ask = Callable[[Sequence[str]], tuple[int, str, str]]

# Programs that stay while a container runs elsewhere, by the name in /proc/PID/stat.
WATCHERS = frozenset(["conmon", "docker", "docker-compose", "nerdctl", "podman", "systemd-nspawn"])


class NotThereError(ValueError):
    """Something that the user named does not exist; the message is one sentence for the user."""


def collect(
    workloads: list[Workload], *, discover: bool, grants: Optional[list[Grant]] = None, ask: Optional[Ask] = None
) -> State:
    """The state of this host, as far as the workloads need it. ask: runs systemctl; without it only files are read.

    The workloads are resolved in place. Raises NotThereError for a pid, executable, user or namespace that does not
    exist.
    What could not be read is listed in State.unseen.
    """
    state = State(workloads=list(workloads), grants=grants or [])
    state.host = observe_host(state.unseen)
    for index, workload in enumerate(workloads):
        try:
            _resolve(state, workload, f"workloads[{index}]")
        except NotThereError as exc:
            if not workload.discovered:
                raise
            workload.unresolved = str(exc).partition(": ")[2]
    if discover:
        _discover(state)
    _read_owners(state, ask)
    _read_parents(state)
    paths = [workload.netns for workload in workloads if workload.netns]
    state.user_namespaces, state.net_namespaces = observe_namespaces(
        list(state.processes.values()), state.unseen, extra_netns_paths=[*paths, OWN_NETNS]
    )
    _read_programs(state)
    _read_code(state, [workload for workload in state.workloads if workload.needs])
    _read_objects(state, [workload for workload in workloads if workload.names_object])
    return state


def _resolve(state: State, workload: Workload, where: str) -> None:
    if workload.netns:
        try:
            workload.target_ns = netns_inode(workload.netns)
        except OSError as exc:
            raise NotThereError(
                f"{where}.netns: {workload.netns} is no network namespace that can be opened ({exc.strerror})"
            ) from None
    if workload.kind == "pid":
        _resolve_pid(state, workload, where)
    elif workload.kind == "executable":
        _resolve_executable(state.host, workload, where)
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
            _resolve_watched(state, workload)
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


def _resolve_pid(state: State, workload: Workload, where: str) -> None:
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


def _resolve_executable(host: Host, workload: Workload, where: str) -> None:
    path, user = workload.executable or "", workload.user or "root"
    if not os.path.isfile(path):
        raise NotThereError(f"{where}.executable: {path} does not exist or is no file")
    try:
        workload.credentials = login_credentials(user, host.bounding)
    except ValueError as exc:
        raise NotThereError(f"{where}.user: {exc}") from None
    workload.user_ns = os.stat("/proc/self/ns/user").st_ino
    workload.net_ns = workload.target_ns or netns_inode(OWN_NETNS)


def _read_owners(state: State, ask: Optional[Ask]) -> None:
    """The units and containers of the workloads; of holders of sockets only where they lack privilege."""
    units = {workload.unit for workload in state.workloads if workload.unit}
    containers: set[str] = set()
    users: list[Process] = []
    for workload in state.workloads:
        for pid in workload.processes:
            process = state.processes[pid]
            if (
                workload.discovered
                and not workload.evidence
                and process.threads[0].credentials.effective >> CAP_NET_ADMIN & 1
            ):
                continue
            if process.container:
                containers.add(process.container)
            elif process.unit and "/user@" in (process.cgroup or ""):
                users.append(process)
            elif process.unit and process.unit.endswith(".service"):
                units.add(process.unit)
    if containers:
        # Imported here, as below: an AnsiballZ payload is compiled in each run, and most runs need neither.
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._containers import (
            observe_containers,
        )
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._definitions import see_granted

        state.containers = observe_containers(state.unseen, only=containers)
        for container in state.containers.values():
            see_granted(container)
    if units:
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._units import observe_units

        state.units = observe_units(sorted(units), state.unseen, ask)
        for workload in state.workloads:
            if workload.kind == "unit" and not workload.processes:
                _resolve_alias(state, workload)
            if workload.kind == "unit" and not workload.processes:
                _resolve_stopped(state, workload)
    if users:
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._units import units_of_processes

        # Last: the system may have another unit of the same name.
        state.units.update(units_of_processes(users, ask, state.unseen))


def _name_container(state: State, workload: Workload) -> None:
    """Processes of a container whose cgroup does not name it (podman --cgroups=disabled) are in it all the same."""
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._containers import ids_of_name

    name = workload.container or ""
    known = ids_of_name(name) or {name}
    for pid in workload.processes:
        state.processes[pid].container = state.processes[pid].container or min(known)


def _resolve_watched(state: State, workload: Workload) -> None:
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


def _resolve_alias(state: State, workload: Workload) -> None:
    """The processes of a unit that was named by an alias: they are in the control group of its own name."""
    unit = state.units.get(workload.unit or "")
    if unit is None or unit.manager != "system" or unit.name in (workload.unit, f"{workload.unit}.service"):
        return
    _add_processes(state, workload, processes_of_unit(unit.name))
    if workload.processes:
        state.units[unit.name] = unit
        workload.unresolved = None


def _resolve_stopped(state: State, workload: Workload) -> None:
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


def _discover(state: State) -> None:
    """Add the holders of rtnetlink sockets as workloads of their own; the judgement leaves out those that may."""
    named = {pid for workload in state.workloads for pid in workload.processes}
    taken = {workload.name for workload in state.workloads}
    for pid, sockets in sorted(netlink_holders(state.unseen).items()):
        if pid in named or pid == os.getpid() or not any(item.protocol == NETLINK_ROUTE for item in sockets):
            continue
        process = read_process(pid, state.unseen)
        if process is None:
            continue
        process.sockets = sockets
        state.processes[pid] = process
        name = f"{process.name}[{pid}]"
        while name in taken:
            name += "'"
        state.workloads.append(Workload(name=name, kind="pid", pid=pid, processes=[pid], discovered=True))


def _read_parents(state: State) -> None:
    for process in list(state.processes.values()):
        if process.parent > 1 and process.parent not in state.processes:
            parent = read_process(process.parent, [])
            if parent is not None:
                state.processes[parent.pid] = parent


def _read_programs(state: State) -> None:
    """The executables of the workloads, and the profiles or domains that confine them."""
    if not state.workloads:
        return
    # Imported here: an AnsiballZ payload is compiled in each run, and a host has one module of these at most.
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._executables import observe_executables

    observe_executables(state)
    if "apparmor" in state.host.lsm:
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._apparmor import observe_profiles

        observe_profiles(state)
    if "selinux" in state.host.lsm:
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._selinux import observe_domains

        observe_domains(state)


def _read_code(state: State, workloads: list[Workload]) -> None:
    """What the kernel has, or would load, for the workloads, and the device node that they find."""
    if not workloads:
        return
    # Imported here, as above: most runs need none of it.
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._device import read_tun
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._modules import observe_modules

    observe_modules(state)
    for workload in workloads:
        if "tun" in workload.operations and not workload.unresolved:
            process = next((state.processes[pid] for pid in workload.processes if pid in state.processes), None)
            workload.device = read_tun(process, state.unseen)


def _read_objects(state: State, workloads: list[Workload]) -> None:
    if not workloads:
        return
    # Imported here: an AnsiballZ payload is compiled in each run, and most runs need none of the readers of objects.
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._objects import read_links, read_sysctls

    for workload in workloads:
        read_links(state, workload)
        read_sysctls(state, workload)
