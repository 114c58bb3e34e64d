# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read from a host all that the judgement of some workloads needs, and no more."""

from __future__ import annotations

import os
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import NETLINK_ROUTE
from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import (
    processes_of_container,
    processes_of_unit,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._executables import read_executable
from ansible_collections.netlink.remediation.plugins.module_utils._observe._host import observe_host
from ansible_collections.netlink.remediation.plugins.module_utils._observe._links import observe_links
from ansible_collections.netlink.remediation.plugins.module_utils._observe._login import login_credentials
from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import (
    netns_inode,
    observe_namespaces,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_process
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sockets import netlink_holders
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl import observe_sysctls
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    Grant,
    Host,
    Process,
    State,
    Workload,
    file_key,
)

OWN_NETNS = "/proc/self/ns/net"


class NotThereError(ValueError):
    """Something that the user named does not exist; the message is one sentence for the user."""


def collect(workloads: list[Workload], *, discover: bool, grants: Optional[list[Grant]] = None) -> State:
    """The state of this host, as far as the workloads need it.

    The workloads are resolved in place. Raises NotThereError for a pid, executable, user or namespace that does not
    exist.
    What could not be read is listed in State.unseen.
    """
    state = State(workloads=list(workloads), grants=grants or [])
    state.host = observe_host(state.unseen)
    for index, workload in enumerate(workloads):
        _resolve(state, workload, f"workloads[{index}]")
    if discover:
        _discover(state)
    _read_parents(state)
    paths = [workload.netns for workload in workloads if workload.netns]
    state.user_namespaces, state.net_namespaces = observe_namespaces(
        list(state.processes.values()), state.unseen, extra_netns_paths=[*paths, OWN_NETNS]
    )
    _read_executables(state)
    for workload in workloads:
        _read_objects(state, workload)
        _read_sysctls(state, workload)
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
            name = workload.unit or workload.container
            workload.unresolved = f"no process of {workload.kind} {name} is running"


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


def _read_executables(state: State) -> None:
    named = {workload.executable for workload in state.workloads if workload.executable}
    for path in sorted(named):
        state.executables[path] = read_executable(path, state.unseen)
    for process in list(state.processes.values()):
        paths = [process.executable or "", *(item for item in process.arguments[1:2] if item.startswith("/"))]
        for path in paths:
            if path:
                _read_file_of(state, process, path)


def _read_file_of(state: State, process: Process, path: str) -> None:
    """Read a file as a process sees it: under its own path where that is the same file for us, else under its own key.

    In the observer's mount namespace the kernel gives paths from the observer's root, also for a chrooted process.
    """
    if path in state.executables or file_key(path, process.mnt_ns) in state.executables:
        return
    root = f"/proc/{process.pid}/root"
    if process.mnt_ns == os.stat("/proc/self/ns/mnt").st_ino or _same_file(path, root + path):
        state.executables[path] = read_executable(path, state.unseen)
        return
    file = read_executable(path, state.unseen, root=root)
    file.elsewhere = True
    state.executables[file_key(path, process.mnt_ns)] = file


def _same_file(ours: str, theirs: str) -> bool:
    try:
        return os.path.samefile(ours, theirs)
    except OSError:
        return False


def netns_source(workload: Workload) -> str:
    """A path of the network namespace that a workload works on."""
    if workload.netns:
        return workload.netns
    return f"/proc/{workload.processes[0]}/ns/net" if workload.processes else OWN_NETNS


def _read_objects(state: State, workload: Workload) -> None:
    """Links and routes of the workload's namespaces; of the others only where the named link is not among them."""
    if not (workload.interface or workload.address or workload.route or workload.master):
        return
    name = workload.interface or (workload.route.interface if workload.route else None)
    own = f"/proc/{workload.processes[0]}/ns/net" if workload.processes else OWN_NETNS
    seen = [_links_of(state, path, name) for path in dict.fromkeys([netns_source(workload), own])]
    if name and not any(seen):
        for namespace in state.net_namespaces.values():
            if namespace.links is None and namespace.names:
                _links_of(state, namespace.names[0], name)
        if state.host.initial_net_ns in state.net_namespaces:
            _links_of(state, "/proc/1/ns/net", name)


def _links_of(state: State, path: str, name: Optional[str]) -> bool:
    """Read a namespace's links once; whether one of them has the name."""
    try:
        namespace = state.net_namespaces.get(netns_inode(path))
    except OSError:
        return False
    if namespace is None:
        return False
    if namespace.links is None:
        before = len(state.unseen)
        links, routes = observe_links(path, state.unseen)
        if len(state.unseen) == before:
            namespace.links, namespace.routes = links, routes
    return any(name == link.name or name in link.altnames for link in namespace.links or [])


def _read_sysctls(state: State, workload: Workload) -> None:
    operations = set(workload.operations)
    keys: list[str] = []
    path = netns_source(workload)
    interface = _true_name(state, path, workload.interface or (workload.route.interface if workload.route else None))
    if "forward" in operations:
        keys += ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"]
        keys += ["net/ipv4/conf/all/rp_filter"]
        keys += [f"net/ipv4/conf/{interface}/rp_filter"] if interface else []
    texts = [workload.address, *((workload.route.dst, workload.route.gateway) if workload.route else ())]
    if {"address", "route", "neighbour"} & operations and any(":" in text for text in texts if text):
        keys += ["net/ipv6/conf/all/disable_ipv6"]
        keys += [f"net/ipv6/conf/{interface}/disable_ipv6"] if interface else []
    if not keys:
        return
    items = observe_sysctls(keys, state.unseen, netns=None if path == OWN_NETNS else path)
    for item in items:
        item.net_ns = _inode(path) or item.net_ns
        item.read_only = item.read_only or _read_only_for(workload)
    known = {(item.key, item.net_ns) for item in state.sysctls}
    state.sysctls += [item for item in items if (item.key, item.net_ns) not in known]


def _true_name(state: State, path: str, name: Optional[str]) -> Optional[str]:
    """The name of a link that may have been named by an altname; sysctls know only the former."""
    namespace = state.net_namespaces.get(_inode(path) or 0)
    links = (namespace.links or []) if namespace else []
    return next((link.name for link in links if name in link.altnames), name)


def _inode(path: str) -> Optional[int]:
    """Inode of a network namespace, None if it may not be read or its process is gone (unseen says so already)."""
    try:
        return netns_inode(path)
    except OSError:
        return None


def _read_only_for(workload: Workload) -> bool:
    """Whether /proc/sys is mounted read-only where the workload sees it."""
    if not workload.processes:
        return False
    try:
        return bool(os.statvfs(f"/proc/{workload.processes[0]}/root/proc/sys").f_flag & os.ST_RDONLY)
    except OSError:
        return False
