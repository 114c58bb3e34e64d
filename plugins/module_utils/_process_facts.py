# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What capability_facts and namespace_facts return, and what the modules of facts about processes have in common."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    FileCapability,
    capability_names,
    format_capability_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import (
    processes_of_container,
    processes_of_unit,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._executables import (
    read_executable,
    scan_capabilities,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import (
    netns_inode,
    observe_namespaces,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import (
    namespace_inode,
    read_credentials,
    read_process,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sockets import netlink_holders
from ansible_collections.netlink.remediation.plugins.module_utils._observe._subids import observe_subordinate_ids
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Executable
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, Process, Unseen

SETS = ("effective", "permitted", "inheritable", "bounding", "ambient")

# The processes to look at; without any of them (and of the module's own), those that hold netlink sockets.
PROCESS_ARGUMENTS: dict[str, Any] = {
    "pids": {"type": "list", "elements": "int", "default": []},
    "units": {"type": "list", "elements": "str", "default": []},
    "containers": {"type": "list", "elements": "str", "default": []},
}


def capability_facts(options: dict[str, Any]) -> dict[str, Any]:
    """The facts of capability_facts. Raises ValueError with one sentence for bad input."""
    unseen: list[Unseen] = []
    files = [absolute("executables", path) for path in options["executables"]]
    for directory in options["scan"]:
        if not os.path.isdir(absolute("scan", directory)):
            raise ValueError(f"scan: {directory} is no directory, expected one to search for file capabilities")
    processes = read_processes(options, unseen, default=not files and not options["scan"])
    for directory in options["scan"]:
        files += scan_capabilities(directory, unseen)
    found = [read_executable(path, unseen) for path in dict.fromkeys(files)]
    found += _executables_of(processes, set(files), unseen)
    bounding = _bounding()
    return {
        "processes": [_process_with_capabilities(item) for item in processes],
        "executables": [_executable(item, bounding) for item in found],
        "unseen": to_plain(unseen),
    }


def namespace_facts(options: dict[str, Any]) -> dict[str, Any]:
    """The facts of namespace_facts. Raises ValueError with one sentence for bad input."""
    unseen: list[Unseen] = []
    for path in options["netns"]:
        try:
            netns_inode(absolute("netns", path))
        except OSError as exc:
            raise ValueError(f"netns: {path} is no network namespace that can be opened ({exc.strerror})") from None
    processes = read_processes(options, unseen, default=not options["netns"])
    users, nets = observe_namespaces(processes, unseen, [*options["netns"], "/proc/self/ns/net"])
    hidden = ("links", "routes")  # Those are facts of link_facts.
    return {
        "processes": [_process_with_namespaces(item) for item in processes],
        "user_namespaces": [to_plain(users[inode]) for inode in sorted(users)],
        "net_namespaces": [
            {key: value for key, value in to_plain(nets[inode]).items() if key not in hidden} for inode in sorted(nets)
        ],
        "subordinate_ids": to_plain(observe_subordinate_ids(unseen)),
        "unseen": to_plain(unseen),
    }


def verdict(file: Executable, bounding: int) -> Optional[dict[str, Any]]:
    """Whether the file capability takes effect where the file lies, as {"takes_effect": bool, "reasons": [...]}.

    bounding: the bounding set of those who run it. None for a file without the attribute. A reason need not prevent
    all: a program that raises permitted capabilities itself needs no effective flag.
    """
    capability = file.capability
    if capability is None and file.capability_raw is None and not file.capability_unmapped:
        return None if file.script_capability is None else {"takes_effect": False, "reasons": ["script"]}
    reasons = ["script"] if file.script_capability is not None else []
    if file.nosuid:
        reasons.append("nosuid")
    if file.capability_unmapped or (capability is not None and capability.rootid is not None):
        reasons.append("rootid")
    void = bool(reasons and reasons != ["script"])
    if capability is not None and capability.permitted | capability.inheritable:
        void = _void_by_sets(file, capability, bounding, reasons) or void
    elif not file.capability_unmapped:
        reasons.append("empty")
        void = True
    if file.drops_capabilities:
        reasons.append("dropped_by_program")
        void = True
    return {"takes_effect": not void, "reasons": reasons}


def _void_by_sets(file: Executable, capability: FileCapability, bounding: int, reasons: list[str]) -> bool:
    """Whether the sets themselves prevent any effect; an effective one out of bounds makes execve(2) fail."""
    outside = capability.permitted & ~bounding
    if outside:
        reasons.append("outside_bounding_set")
    if not capability.permitted:
        reasons.append("inheritable_only")
        return True
    if not capability.effective:
        reasons.append("permitted_only")
        return not file.raises_capabilities or outside == capability.permitted
    return bool(outside)


def absolute(option: str, path: str) -> str:
    """An absolute path out of an option. Raises ValueError."""
    if not path.startswith("/"):
        raise ValueError(f"{option}: {path!r} is a relative path, expected an absolute one")
    return path


def _bounding() -> int:
    """The bounding set of pid 1, which logins and services get; else the observer's own."""
    for pid in (1, os.getpid()):
        try:
            credentials = read_credentials(pid, pid)
        except OSError:
            continue
        if credentials is not None:
            return credentials.bounding
    return 0


def read_processes(options: dict[str, Any], unseen: list[Unseen], *, default: bool) -> list[Process]:
    """The processes that PROCESS_ARGUMENTS name; without any and with `default`, those that hold netlink sockets.

    Raises ValueError for a pid that there is not.
    """
    pids: list[int] = []
    for pid in options["pids"]:
        if pid < 1 or not os.path.exists(f"/proc/{pid}"):
            raise ValueError(f"pids: there is no process {pid}, expected the pid of one that runs")
        pids.append(pid)
    for kind, names, find in (
        ("unit", options["units"], processes_of_unit),
        ("container", options["containers"], processes_of_container),
    ):
        for name in names:
            found = find(name)
            pids += found
            if not found:
                unseen.append(Unseen(f"{kind} {name}", "no process of it is running"))
    if default and not any(options[name] for name in PROCESS_ARGUMENTS):
        pids = sorted(netlink_holders(unseen))
    return _read_all(pids, unseen)


def _read_all(pids: Sequence[int], unseen: list[Unseen]) -> list[Process]:
    found: dict[int, Process] = {}
    for pid in dict.fromkeys(pids):
        process = read_process(pid, unseen, sockets=True) if pid not in found else None
        if process is not None:
            found.setdefault(process.pid, process)
    return list(found.values())


def _executables_of(processes: list[Process], known: set[str], unseen: list[Unseen]) -> list[Executable]:
    """The programs that the processes run, each once; those of other mount namespaces through the process's root."""
    own = namespace_inode("/proc/self/ns/mnt", unseen)
    found: dict[tuple[str, Optional[int]], Executable] = {}
    for process in processes:
        path, elsewhere = process.executable, process.mnt_ns != own
        key = (path or "", process.mnt_ns)
        if not path or process.deleted or key in found or (path in known and not elsewhere):
            continue
        found[key] = read_executable(path, unseen, root=f"/proc/{process.pid}/root" if elsewhere else "/")
        found[key].elsewhere = elsewhere
    return list(found.values())


def identity(process: Process) -> dict[str, Any]:
    """What the facts modules say of every process."""
    names = ("pid", "start_time", "parent", "name", "executable", "deleted", "unit", "container")
    return {name: getattr(process, name) for name in names}


def _process_with_capabilities(process: Process) -> dict[str, Any]:
    threads = [{"tid": item.tid, "name": item.name, **_credentials(item.credentials)} for item in process.threads]
    return {**identity(process), "sockets": to_plain(process.sockets), "threads": threads}


def _process_with_namespaces(process: Process) -> dict[str, Any]:
    keys = ("tid", "name", "user_ns", "net_ns")
    threads = [{key: getattr(item, key) for key in keys} for item in process.threads]
    return {
        **identity(process),
        "user_ns": threads[0]["user_ns"] if threads else None,
        "net_ns": threads[0]["net_ns"] if threads else None,
        "mnt_ns": process.mnt_ns,
        "pid_ns": process.pid_ns,
        "chrooted": process.chrooted,
        "threads": threads,
    }


def _credentials(credentials: Credentials) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(credentials)
    del plain["securebits"]  # Readable only for oneself.
    for name in SETS:
        plain[name] = {"names": capability_names(plain[name]), "hex": f"{plain[name]:016x}"}
    return plain


def _file_capability(capability: Optional[FileCapability]) -> Optional[dict[str, Any]]:
    if capability is None:
        return None
    return {
        "text": format_capability_text(capability),
        "permitted": capability_names(capability.permitted),
        "inheritable": capability_names(capability.inheritable),
        "effective": capability.effective,
        "version": capability.version,
        "rootid": capability.rootid,
    }


def _executable(file: Executable, bounding: int) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(file)
    plain["mode"] = None if file.mode is None else f"{file.mode:04o}"
    plain["capability"] = _file_capability(file.capability)
    plain["script_capability"] = _file_capability(file.script_capability)
    plain["verdict"] = verdict(file, bounding)
    return plain
