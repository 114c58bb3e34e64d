# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read from a host all that the judgement of some workloads needs, and no more."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_NET_ADMIN, NETLINK_ROUTE
from ansible_collections.netlink.remediation.plugins.module_utils._observe._host import observe_host
from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import (
    OWN_NETNS,
    observe_namespaces,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_process
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sockets import netlink_holders
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    Grant,
    Process,
    State,
    Workload,
)

# Runs a command, given as words; its exit status, output and error output.
Ask = Callable[[Sequence[str]], tuple[int, str, str]]


def collect(
    workloads: list[Workload], *, discover: bool, grants: Optional[list[Grant]] = None, ask: Optional[Ask] = None
) -> State:
    """The state of this host, as far as the workloads need it. ask: runs systemctl; without it only files are read.

    The workloads are resolved in place. Raises ValueError with one sentence for a pid, executable, user or namespace
    that does not exist. What could not be read is listed in State.unseen.
    """
    state = State(workloads=list(workloads), grants=grants or [])
    state.host = observe_host(state.unseen)
    if workloads:
        # Imported here, as below: an AnsiballZ payload is compiled in each run, and a host may have nothing to look at.
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._workloads import resolve

        resolve(state, workloads)
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
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._workloads import resolve_unit

        state.units = observe_units(sorted(units), state.unseen, ask)
        for workload in state.workloads:
            if workload.kind == "unit" and not workload.processes:
                resolve_unit(state, workload)
    if users:
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._units import units_of_processes

        # Last: the system may have another unit of the same name.
        state.units.update(units_of_processes(users, ask, state.unseen))


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
