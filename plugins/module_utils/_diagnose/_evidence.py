# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the denials that a host recorded are about a workload. Pure; records name who to look at and prove nothing
by their words alone.
"""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Process, State, Workload

# What ties a denial to a workload, the strongest first.
TIES = ("pid", "executable", "unit", "container", "label")
NAME_LENGTH = 15  # characters of a program's name that the kernel keeps (TASK_COMM_LEN)


def match(denials: list[Denial], workload: Workload, state: State) -> list[Denial]:
    """The denials of a workload: those with the strongest tie first, of these the newest."""
    found = [(tie(denial, workload, state), denial) for denial in denials]
    tied = [(TIES.index(name), -denial.last, index) for index, (name, denial) in enumerate(found) if name is not None]
    return [denials[index] for _strength, _age, index in sorted(tied)]


def tie(denial: Denial, workload: Workload, state: State) -> Optional[str]:
    """What ties a denial to a workload, one of TIES; None where nothing does.

    A label ties only where the record names the same program, or none at all: many programs may share one. A pid does
    only while the record does not say that another program had it.
    """
    processes = [state.processes[pid] for pid in workload.processes if pid in state.processes]
    if any(process.pid == denial.pid and _same_program(denial, process) for process in processes):
        return "pid"
    units = _with_suffix({process.unit for process in processes if process.container is None} | {workload.unit})
    containers = _containers(workload, processes, state)
    # The same program elsewhere is somebody else's.
    elsewhere = denial.container not in {None, *containers} or (units and denial.unit not in {None, *units})
    if denial.executable in _executables(workload, processes) and not elsewhere:
        return "executable"
    if denial.unit is not None and denial.unit in units:
        return "unit"
    if denial.container is not None and denial.container in containers:
        return "container"
    return "label" if _same_label(denial, workload, processes, state) else None


def _executables(workload: Workload, processes: list[Process]) -> set[str]:
    return {path for path in [workload.executable, *(process.executable for process in processes)] if path}


def _same_program(denial: Denial, process: Process) -> bool:
    if denial.executable is not None and process.executable is not None:
        return denial.executable == process.executable
    return denial.name is None or denial.name in {thread.name for thread in process.threads} | {process.name}


def _with_suffix(units: set[Optional[str]]) -> set[str]:
    return {unit if "." in unit else f"{unit}.service" for unit in units if unit}


def _containers(workload: Workload, processes: list[Process], state: State) -> set[str]:
    """Ids of the workload's containers; a name that the user gave is that of a container of the state."""
    found = {process.container for process in processes if process.container}
    if workload.container:
        found.add(workload.container)
        found |= {key for key, item in state.containers.items() if item.name == workload.container}
    return found


def _same_label(denial: Denial, workload: Workload, processes: list[Process], state: State) -> bool:
    if denial.subject is None or denial.unit or denial.container:
        return False
    script = state.executables.get(workload.executable or "")
    if denial.executable not in {None, script.interpreter if script else None}:  # of a script, which names no program
        return False
    labels = {process.label for process in processes} | {workload.label}
    if _plain(denial.subject) not in {_plain(label) for label in labels if label}:
        return False
    path = workload.executable or ""
    names = {process.name for process in processes} | {path.rpartition("/")[2][:NAME_LENGTH]}
    return denial.name is None or denial.name in names


def _plain(label: str) -> str:
    """A profile without its mode ("labip (enforce)"), the type of an SELinux context."""
    parts = label.split(":")
    if len(parts) >= 4 or (len(parts) == 3 and "//" not in label):
        return parts[2]
    return label.rpartition(" (")[0] or label
