# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What probe_info does: find the credentials of one workload, ask the kernel, report. It changes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._execve import after_start, predict_execve
from ansible_collections.netlink.remediation.plugins.module_utils._linux import capability_names
from ansible_collections.netlink.remediation.plugins.module_utils._observe._executables import read_executable
from ansible_collections.netlink.remediation.plugins.module_utils._observe._host import observe_host
from ansible_collections.netlink.remediation.plugins.module_utils._observe._login import login_credentials
from ansible_collections.netlink.remediation.plugins.module_utils._observe._probe import PROBES, Context, probe
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_process
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Probe
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, Unseen

ARGUMENTS: dict[str, Any] = {
    "pid": {"type": "int"},
    "executable": {"type": "path"},
    "user": {"type": "str"},
    "operations": {"type": "list", "elements": "str", "choices": list(PROBES), "default": ["link"]},
    "netns": {"type": "path"},
}
CAPABILITY_SETS = ("effective", "permitted", "inheritable", "bounding", "ambient")


@dataclass
class Asked:
    """Whom the kernel was asked about: credentials None when there would be no program (error says why)."""

    context: Context
    credentials: Optional[Credentials]
    error: Optional[str] = None
    notes: list[str] = field(default_factory=list)


def run(module: AnsibleModule) -> None:
    """Carry out the module's task and exit."""
    parameters = module.params
    unseen: list[Unseen] = []
    try:
        _check(parameters)
        if parameters["pid"] is not None:
            asked = of_process(parameters["pid"], unseen)
        else:
            asked = of_executable(parameters["executable"], parameters["user"] or "root", unseen)
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    operations = list(dict.fromkeys(parameters["operations"]))
    if asked.error is not None:
        probes = [Probe(word, asked.error, False, "execve", "the program cannot be started") for word in operations]
    else:
        probes = probe(asked.context, operations, target_netns=parameters["netns"])
    module.exit_json(
        changed=False,
        probes=to_plain(probes),
        credentials=None if asked.credentials is None else _plain_credentials(asked.credentials),
        notes=asked.notes,
        unseen=to_plain(unseen),
    )


def _check(parameters: dict[str, Any]) -> None:
    for name in ("executable", "netns"):
        path = parameters[name]
        if path is not None and not os.path.isabs(path):
            raise ValueError(f"{name}: {path} is relative, expected an absolute path")
    if parameters["netns"] is not None and not os.path.exists(parameters["netns"]):
        raise ValueError(f"netns: {parameters['netns']} does not exist, expected the path of a network namespace")
    if "move" in parameters["operations"] and parameters["netns"] is None:
        raise ValueError("operations: move needs the option netns, the network namespace that the link would move to")
    if parameters["pid"] is not None and parameters["pid"] < 1:
        raise ValueError(f"pid: {parameters['pid']} is no process id, expected a number from 1")


def of_process(pid: int, unseen: list[Unseen]) -> Asked:
    """The thread with the id `pid`. Raises ValueError when there is none."""
    process = read_process(pid, unseen, sockets=True)
    thread = next((item for item in process.threads if item.tid == pid), None) if process else None
    if process is None or thread is None:
        raise ValueError(f"pid: there is no process {pid}, expected the id of a running process or thread")
    foreign = any(item.net_ns not in (None, thread.net_ns) for item in process.sockets)
    context = Context(
        pid=process.pid,
        tid=pid,
        start_time=process.start_time,
        chrooted=bool(process.chrooted),
        foreign_socket=foreign,
    )
    return Asked(context, thread.credentials)


def of_executable(path: str, user: str, unseen: list[Unseen]) -> Asked:
    """What execve would make of a program that a user starts. Raises ValueError for what does not exist."""
    file = read_executable(path, unseen)
    if not file.exists or not os.path.isfile(path):
        raise ValueError(f"executable: {path} does not exist or is no file, expected the path of a program")
    host = observe_host(unseen)
    try:
        before = login_credentials(user, host.bounding)
    except ValueError as exc:
        raise ValueError(f"user: {exc}") from None
    prediction = predict_execve(before, file, host.kernel)
    if prediction.credentials is None:
        return Asked(Context(), None, prediction.error, prediction.notes)
    credentials = after_start(prediction.credentials, file)
    context = Context(credentials=credentials)
    notes = list(prediction.notes)
    if "apparmor" in host.lsm:
        context = replace(context, **_confinement(file.real_path or path, notes, unseen))
    return Asked(context, credentials, None, notes)


def _confinement(path: str, notes: list[str], unseen: list[Unseen]) -> dict[str, Any]:
    """Label and types of sockets for the context of a program that does not run yet; what is not known is noted."""
    # Imported here: an AnsiballZ payload is compiled in each run, and not every host has AppArmor.
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._apparmor import (
        label_after,
        types_opened,
    )
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import loaded_modes

    modes = loaded_modes(unseen)
    label = label_after(path, modes, unseen) if modes is not None else None
    if label is None:
        notes.append("which AppArmor profile it would run under is not known, so none was asked")
    types = types_opened([], path)
    return {"label": label, **({"socket_types": tuple(types)} if types else {})}


def _plain_credentials(credentials: Credentials) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(credentials)
    for name in CAPABILITY_SETS:
        plain[name] = capability_names(plain[name])
    return plain
