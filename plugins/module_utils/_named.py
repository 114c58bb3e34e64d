# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What diagnosis_info does for the workloads that the user or the host's records named, and not for other ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._commands import run
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._request import parse_workloads
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Subject
from ansible_collections.netlink.remediation.plugins.module_utils._observe._imitate import Context
from ansible_collections.netlink.remediation.plugins.module_utils._observe._probe import probe
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._pyroute2 import load_pyroute2
from ansible_collections.netlink.remediation.plugins.module_utils._state import Process, State, Unseen, Workload

MOST_HOURS = 24 * 366
MOST_RECORDS = 20  # of one workload


def prepare_workloads(parameters: dict[str, Any], keep: bool) -> list[Workload]:
    """The workloads of a task, checked, and pyroute2 loaded if one names an object. Raises ValueError."""
    workloads = parse_workloads(parameters["workloads"])
    if any(item.interface or item.address or item.route or item.master for item in workloads):
        ships = parameters["ship_pyroute2"]
        load_pyroute2(parameters["_pyroute2_path"] if ships else None, kept=ships, keep=keep)
    return workloads


@dataclass
class Records:
    """What the host recorded of refusals since a moment, newest first. unseen: what of it could not be read."""

    denials: Sequence[Denial] = ()
    unseen: list[Unseen] = field(default_factory=list)

    def candidates(self) -> list[Workload]:
        """Those that it names, as workloads."""
        if not self.denials:
            return []
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._candidates import candidates

        return candidates(self.denials, self.unseen)

    def attach(self, state: State) -> None:
        """Give each workload that the user named its own records."""
        state.unseen += self.unseen
        if not self.denials:
            return
        # Imported here, as above: an AnsiballZ payload is compiled in each run.
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._evidence import match
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._candidates import (
            boot_time,
            with_services,
        )

        state.host.booted = boot_time()
        denials = with_services(self.denials)
        for workload in state.workloads:
            if not workload.discovered:
                workload.evidence = match(denials, workload, state)[:MOST_RECORDS]


def read_records(hours: float) -> Records:
    """What the host recorded in the last hours; nothing is read for 0. Raises ValueError for what is no such number."""
    if not 0 <= hours <= MOST_HOURS:  # Neither is "nan".
        raise ValueError(f"evidence_hours: {hours:g} is no time to look back, expected 0 to {MOST_HOURS} hours")
    unseen: list[Unseen] = []
    if not hours:
        return Records()
    from ansible_collections.netlink.remediation.plugins.module_utils._evidence import read_denials

    return Records(read_denials(time.time() - hours * 3600, ask=run, unseen=unseen), unseen)


def ask_kernel(state: State, workload: Workload) -> None:
    """Probe each set of credentials of a workload, in the namespace on which its operations work."""
    subject = Subject(state, workload)
    process = subject.process
    there = None if subject.moves_link or not subject.enters else workload.netns
    for actor in subject.actors:
        if process is None:
            context = Context(credentials=actor.credentials, net_ns=workload.netns, label=workload.label)
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
        context = replace(context, socket_types=_types_of(subject))
        protocols = state.host.protocols
        workload.probes += probe(context, workload.operations, target_netns=there, protocols=protocols)
        if subject.moves_link:
            workload.probes += probe(context, ["move"], target_netns=workload.netns, protocols=protocols)


def _types_of(subject: Subject) -> tuple[str, ...]:
    """Types of the sockets that the workload opens; what refuses one of them alone is AppArmor."""
    if "apparmor" not in subject.state.host.lsm or subject.workload.label in (None, "unconfined"):
        return ("raw",)
    # Imported here: an AnsiballZ payload is compiled in each run, and most workloads are not confined.
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._profiles import SOCKET_TYPES, types_of

    return types_of(subject) or SOCKET_TYPES


def _process_of(state: State, tid: Optional[int]) -> Optional[Process]:
    """The process to which a thread belongs."""
    found = (item for item in state.processes.values() if any(thread.tid == tid for thread in item.threads))
    return next(found, None)
