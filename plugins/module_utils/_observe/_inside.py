# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the observer is in a container itself, and what that container lets its processes do."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence
from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import engine_of, parse_cgroup
from ansible_collections.netlink.remediation.plugins.module_utils._observe._host import USER_NS_INIT_INO
from ansible_collections.netlink.remediation.plugins.module_utils._observe._mountinfo import parse_mountinfo
from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import read_map
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import (
    namespace_inode,
    parse_credentials,
    read_bytes,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, IdRange

# Inode number of the kernel's first pid namespace, include/linux/proc_ns.h.
PID_NS_INIT_INO = 0xEFFFFFFC

# Files that engines put into their containers; /run/systemd/container is systemd's copy of what it was told.
MARKS = {"/.dockerenv": "docker", "/run/.containerenv": "podman"}
TOLD = ("/run/systemd/container", "/run/host/container-manager")
SERVICE_ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
READ_ONLY_SYSCTLS = "/proc/sys"


@dataclass
class Observer:
    """The process that looks. engine: as far as it can be told, else "unknown"; id: of its own container.

    first_pid_ns, first_user_ns: whether it is in the kernel's first ones. uid_map: of its user namespace.
    sysctls_read_only: /proc/sys is mounted so.
    """

    engine: Optional[str] = None
    id: Optional[str] = None
    evidence: list[Evidence] = field(default_factory=list)
    credentials: Optional[Credentials] = None
    first_pid_ns: bool = True
    first_user_ns: bool = True
    uid_map: list[IdRange] = field(default_factory=list)
    sysctls_read_only: bool = False

    @property
    def inside(self) -> bool:
        """Whether anything says that it is in a container."""
        return bool(self.evidence)


def observe_observer(root: str = "/") -> Observer:
    """What can be told of oneself. root: the directory to take for the root directory."""
    found = Observer()
    own = os.path.join(root, "proc/self")
    try:
        found.credentials = parse_credentials(read_bytes(f"{own}/status"))
        found.uid_map = read_map(f"{own}/uid_map")
    except (OSError, ValueError):
        pass  # Not a real /proc, or hidden: it stays unknown.
    found.first_user_ns = namespace_inode(f"{own}/ns/user", []) in (None, USER_NS_INIT_INO)
    pid_ns = namespace_inode(f"{own}/ns/pid", [])
    if pid_ns not in (None, PID_NS_INIT_INO):
        found.first_pid_ns = False
        found.evidence.append(Evidence("/proc/self/ns/pid", "not the first pid namespace of the kernel"))
    _see_marks(found, root)
    _see_environment(found, root)
    _see_cgroup(found, root)
    if found.inside and found.engine is None:
        found.engine = "unknown"
    found.sysctls_read_only = _read_only(f"{own}/mountinfo")
    return found


def _see_marks(found: Observer, root: str) -> None:
    for path, engine in MARKS.items():
        if os.path.lexists(os.path.join(root, path.lstrip("/"))):
            found.evidence.append(Evidence(path, "it exists"))
            found.engine = found.engine or engine
    for path in TOLD:
        text = _text(os.path.join(root, path.lstrip("/")))
        if text:
            found.evidence.append(Evidence(path, text))
            found.engine = found.engine or _engine(text)
    if os.path.isdir(os.path.join(root, SERVICE_ACCOUNT.lstrip("/"))):
        found.evidence.append(Evidence(SERVICE_ACCOUNT, "it exists: a pod of Kubernetes"))


def _see_environment(found: Observer, root: str) -> None:
    """What the engine told the first process: container=, by a convention of systemd that podman and LXC follow."""
    text = _text(os.path.join(root, "proc/1/environ"))
    for item in text.split("\0"):
        name, _equals, value = item.partition("=")
        if name == "container" and value:
            found.evidence.append(Evidence("/proc/1/environ", f"container={value}"))
            found.engine = found.engine or _engine(value)


def _see_cgroup(found: Observer, root: str) -> None:
    """Without a cgroup namespace the path still is the host's."""
    try:
        path, _unit, found.id = parse_cgroup(read_bytes(os.path.join(root, "proc/self/cgroup")))
    except (OSError, ValueError):
        return
    if found.id is not None and path is not None:
        found.evidence.append(Evidence("/proc/self/cgroup", path))
        found.engine = found.engine or engine_of(path)


def _engine(told: str) -> str:
    """Our name of an engine that systemd's documents call otherwise."""
    return {"systemd-nspawn": "nspawn", "oci": "unknown"}.get(told, told)


def _text(path: str) -> str:
    try:
        return read_bytes(path, 1 << 16).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _read_only(mountinfo: str) -> bool:
    """Whether the last mount on /proc/sys is read-only (proc_pid_mountinfo(5))."""
    answer = False
    try:
        data = read_bytes(mountinfo, 1 << 24)
    except OSError:
        return False
    for mount in parse_mountinfo(data):
        if mount.point == READ_ONLY_SYSCTLS:
            answer = "ro" in mount.options.split(",")
    return answer
