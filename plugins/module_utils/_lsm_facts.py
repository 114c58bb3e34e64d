# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lsm_facts returns: the security modules of a host, and what they make of processes and programs."""

from __future__ import annotations

import os
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import split_label
from ansible_collections.netlink.remediation.plugins.module_utils._observe._executables import read_executable
from ansible_collections.netlink.remediation.plugins.module_utils._observe._host import observe_host
from ansible_collections.netlink.remediation.plugins.module_utils._observe._login import login_credentials
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._process_facts import (
    absolute,
    identity,
    read_processes,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Process, State, Workload


def lsm_facts(options: dict[str, Any]) -> dict[str, Any]:
    """The facts of lsm_facts. Raises ValueError with one sentence for bad input."""
    paths = list(dict.fromkeys(absolute("executables", path) for path in options["executables"]))
    state = State()
    processes = read_processes(options, state.unseen, default=not paths)
    state.host = host = observe_host(state.unseen)
    for process in processes:
        state.processes[process.pid] = process
        state.workloads.append(Workload(str(process.pid), "pid", pid=process.pid, processes=[process.pid]))
    for path in paths:
        _add_executable(state, path)
    _read_labels(state)
    labels = {workload.executable or workload.pid: workload for workload in state.workloads}
    return {
        "active": host.lsm,
        "lockdown": host.lockdown,
        "selinux": {"mode": host.selinux, "policy": host.selinux_policy} if host.selinux else None,
        "restrictions": host.restrictions,
        "processes": [_process(state, item, labels[item.pid]) for item in processes],
        "executables": [_executable(state, path, labels.get(path)) for path in paths],
        "profiles": to_plain([state.profiles[name] for name in sorted(state.profiles)]),
        "domains": to_plain([state.domains[name] for name in sorted(state.domains)]),
        "unseen": to_plain(state.unseen),
    }


def _add_executable(state: State, path: str) -> None:
    """A program as root would start it from a login."""
    file = state.executables[path] = read_executable(path, state.unseen)
    if file.exists and os.path.isfile(path):
        workload = Workload(path, "executable", executable=path, user="root")
        workload.credentials = login_credentials("root", state.host.bounding)
        state.workloads.append(workload)


def _read_labels(state: State) -> None:
    if not state.workloads:
        return
    # Imported here: an AnsiballZ payload is compiled in each run, and a host has one of them at most.
    if "apparmor" in state.host.lsm:
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._apparmor import observe_profiles

        observe_profiles(state)
    if "selinux" in state.host.lsm:
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._selinux import observe_domains

        observe_domains(state, labels=True)


def _label(state: State, label: Optional[str]) -> dict[str, Any]:
    """A label, and what AppArmor or SELinux means by it."""
    apparmor = label is not None and "apparmor" in state.host.lsm
    domain = state.domains.get(label or "")
    return {
        "label": label,
        "apparmor": [
            {"profile": name, "mode": mode or getattr(state.profiles.get(name), "mode", None)}
            for name, mode in split_label(label or "")
        ]
        if apparmor
        else None,
        "domain": domain.type if domain else None,
    }


def _process(state: State, process: Process, workload: Workload) -> dict[str, Any]:
    return {**identity(process), **_label(state, process.label), "socket_types": workload.socket_types}


def _executable(state: State, path: str, workload: Optional[Workload]) -> dict[str, Any]:
    """label: what execve would give. context, expected_context: SELinux's, of the file."""
    file = state.executables[path]
    return {
        "path": path,
        "exists": file.exists,
        "real_path": file.real_path,
        "context": file.label,
        "expected_context": file.expected_label,
        **_label(state, workload.label if workload else None),
        "socket_types": workload.socket_types if workload else [],
    }
