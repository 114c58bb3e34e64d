# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that workloads name, read from their network namespaces: links, routes, sysctls."""

from __future__ import annotations

import os
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._hardware import mark_hardware
from ansible_collections.netlink.remediation.plugins.module_utils._observe._links import observe_links
from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import OWN_NETNS, netns_inode
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl import observe_sysctls
from ansible_collections.netlink.remediation.plugins.module_utils._state import State, Workload


def netns_source(workload: Workload) -> str:
    """A path of the network namespace that a workload works on."""
    if workload.netns:
        return workload.netns
    return f"/proc/{workload.processes[0]}/ns/net" if workload.processes else OWN_NETNS


def read_links(state: State, workload: Workload) -> None:
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
            mark_hardware(links, state.unseen)
    return any(name == link.name or name in link.altnames for link in namespace.links or [])


def read_sysctls(state: State, workload: Workload) -> None:
    operations = set(workload.operations)
    keys: list[str] = []
    path = netns_source(workload)
    interface = _true_name(state, path, workload.interface or (workload.route.interface if workload.route else None))
    if "forward" in operations:
        keys += ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"]
        keys += ["net/ipv4/conf/all/rp_filter"]
        keys += [f"net/ipv4/conf/{interface}/{name}" for name in ("rp_filter", "forwarding")] if interface else []
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
