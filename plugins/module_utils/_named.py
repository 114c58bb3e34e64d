# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What diagnosis_info does for the workloads that the user named, and not for those that it discovers."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._request import parse_workloads
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Subject
from ansible_collections.netlink.remediation.plugins.module_utils._observe._imitate import Context
from ansible_collections.netlink.remediation.plugins.module_utils._observe._probe import probe
from ansible_collections.netlink.remediation.plugins.module_utils._pyroute2 import load_pyroute2
from ansible_collections.netlink.remediation.plugins.module_utils._state import Process, State, Workload


def prepare_workloads(parameters: dict[str, Any], keep: bool) -> list[Workload]:
    """The workloads of a task, checked, and pyroute2 loaded if one names an object. Raises ValueError."""
    workloads = parse_workloads(parameters["workloads"])
    if any(item.interface or item.address or item.route or item.master for item in workloads):
        ships = parameters["ship_pyroute2"]
        load_pyroute2(parameters["_pyroute2_path"] if ships else None, kept=ships, keep=keep)
    return workloads


def ask_kernel(state: State, workload: Workload) -> None:
    """Probe each set of credentials of a workload, in the namespace on which its operations work."""
    subject = Subject(state, workload)
    process = subject.process
    there = None if subject.moves_link or not subject.enters else workload.netns
    for actor in subject.actors:
        if process is None:
            context = Context(credentials=actor.credentials, net_ns=workload.netns)
        else:
            process = _process_of(state, actor.tid) or process  # A unit or container has several.
            foreign = any(socket.net_ns not in (None, actor.net_ns) for socket in process.sockets)
            context = Context(
                pid=process.pid,
                tid=actor.tid,
                start_time=process.start_time,
                chrooted=bool(process.chrooted),
                foreign_socket=foreign,
            )
        protocols = state.host.protocols
        workload.probes += probe(context, workload.operations, target_netns=there, protocols=protocols)
        if subject.moves_link:
            workload.probes += probe(context, ["move"], target_netns=workload.netns, protocols=protocols)


def _process_of(state: State, tid: Optional[int]) -> Optional[Process]:
    """The process to which a thread belongs."""
    found = (item for item in state.processes.values() if any(thread.tid == tid for thread in item.threads))
    return next(found, None)
