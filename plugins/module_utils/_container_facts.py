# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What container_facts returns: containers and the observer's own place, as plain data."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._filters import container_filter
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAP_NET_ADMIN,
    CAP_SYS_MODULE,
    capability_names,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._containers import observe_containers
from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import (
    Dockerd,
    observe_dockerds,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._host import initial_namespace
from ansible_collections.netlink.remediation.plugins.module_utils._observe._inside import Observer, observe_observer
from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import read_map
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_process
from ansible_collections.netlink.remediation.plugins.module_utils._observe._subids import observe_subordinate_ids
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, Seccomp
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, IdRange, Process, Unseen

SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
SECCOMP_MODES = ("none", "strict", "filter")
# What programs that speak netlink do; container_filter() knows the system calls of each.
OPERATIONS = ("link", "netns", "userns")
# The keys of daemon.json that bear on privilege and networks; others may hold passwords (of a proxy).
SETTINGS = (
    *("userns-remap", "data-root", "exec-root", "no-new-privileges", "seccomp-profile", "selinux-enabled"),
    *("default-runtime", "default-cgroupns-mode", "cgroup-parent", "live-restore"),
    *("bridge", "bip", "icc", "iptables", "ip6tables", "ip-forward", "ip-masq", "ipv6", "default-network-opts"),
)


def container_facts(wanted: list[str]) -> dict[str, Any]:
    """The facts of container_facts. Raises ValueError with one sentence for bad input."""
    if not all(name.strip() for name in wanted):
        raise ValueError("containers: '' names no container, expected a name, an id or the beginning of an id")
    unseen: list[Unseen] = []
    found = observe_containers(unseen, only=wanted or None)
    _note_missing(wanted, found, unseen)
    hosts = {kind: initial_namespace(kind, unseen) for kind in ("user", "net")}
    observer = observe_observer()
    if observer.inside:
        unseen.append(Unseen("the host outside of this container", OUTSIDE))
    return {
        "containers": [_container(item, hosts, unseen) for item in found.values()],
        "dockerds": [_dockerd(item) for item in observe_dockerds(unseen)],
        "subordinate_ids": to_plain(observe_subordinate_ids(unseen)),
        "observer": _observer(observer),
        "unseen": to_plain(list(dict.fromkeys(unseen))),
    }


OUTSIDE = (
    "the module runs in a container: what its engine configured, the engine's settings, subordinate ids and the "
    "containers beside it are known there only"
)


def _dockerd(daemon: Dockerd) -> dict[str, Any]:
    names = ("path", "exists", "invalid", "pid", "uid", "userns_remap", "data_root")
    settings = {name: daemon.settings[name] for name in SETTINGS if name in daemon.settings}
    return {**{name: getattr(daemon, name) for name in names}, "settings": settings}


def _note_missing(wanted: list[str], found: dict[str, Container], unseen: list[Unseen]) -> None:
    for name in wanted:
        if not any(item.id.startswith(name) or item.name == name for item in found.values()):
            unseen.append(Unseen(f"container {name}", "no engine keeps a container of that name or id on this host"))


def _container(container: Container, hosts: dict[str, Optional[int]], unseen: list[Unseen]) -> dict[str, Any]:
    plain: dict[str, Any] = to_plain(container)
    del plain["granted"], plain["granted_user"]
    plain["capabilities"] = {name: capability_names(container.capabilities.get(name, 0)) for name in SETS}
    plain["capabilities_known"] = bool(container.capabilities)
    plain["seccomp"] = _seccomp(container.seccomp)
    process = read_process(container.pid, unseen) if container.pid else None
    plain["running"] = process is not None
    plain["init"] = _init(process, hosts) if process else None
    return plain


def _seccomp(profile: Optional[Seccomp]) -> Optional[dict[str, Any]]:
    if profile is None:
        return None
    blocked = container_filter(profile, OPERATIONS)
    return {
        "default_action": profile.default_action,
        "default_errno": profile.default_errno,
        "rules": len(profile.rules),
        "refuses": [{"call": item.call, "answer": item.answer} for item in blocked],
    }


def _init(process: Process, hosts: dict[str, Optional[int]]) -> dict[str, Any]:
    thread = process.threads[0]
    inodes = {"user": thread.user_ns, "net": thread.net_ns}
    found = {
        "pid": process.pid,
        "name": process.name,
        **_credentials(thread.credentials),
        "label": process.label,
        "unit": process.unit,
        "uid_map": _uid_map(f"/proc/{process.pid}/uid_map"),
    }
    for kind, inode in inodes.items():
        known = inode is not None and hosts[kind] is not None
        found[f"{kind}_ns"] = inode
        found[f"shares_{kind}_ns"] = inode == hosts[kind] if known else None
    return found


def _credentials(credentials: Credentials) -> dict[str, Any]:
    mode = credentials.seccomp
    return {
        "uid": credentials.euid,
        "gid": credentials.egid,
        **{name: capability_names(getattr(credentials, name)) for name in SETS},
        "no_new_privs": credentials.no_new_privs,
        "seccomp": SECCOMP_MODES[mode] if mode < len(SECCOMP_MODES) else str(mode),
    }


def _uid_map(path: str) -> list[dict[str, int]]:
    try:
        return to_plain(read_map(path))  # type: ignore[no-any-return]
    except (OSError, ValueError):
        return []


def _observer(observer: Observer) -> dict[str, Any]:
    return {
        "inside": observer.inside,
        "engine": observer.engine,
        "id": observer.id,
        "evidence": to_plain(observer.evidence),
        "first_user_ns": observer.first_user_ns,
        "first_pid_ns": observer.first_pid_ns,
        "uid_map": to_plain(observer.uid_map),
        "sysctls_read_only": observer.sysctls_read_only,
        **(_credentials(observer.credentials) if observer.credentials else {}),
        "host_only": host_only(observer) if observer.inside else [],
    }


def host_only(observer: Observer) -> list[str]:
    """What cannot be mended from inside of the observer's container, each as one sentence."""
    said = []
    held = observer.credentials
    if held is not None and not held.bounding >> CAP_NET_ADMIN & 1:
        said.append("CAP_NET_ADMIN is outside of the bounding set: only who starts this container can grant it.")
    if held is not None and held.no_new_privs:
        said.append("no_new_privs is set: file capabilities and set-uid programs have no effect in this container.")
    if held is not None and held.seccomp == 2:
        said.append("A seccomp filter is in force: only a start with another profile changes it.")
    if not observer.first_user_ns:
        said.append(
            f"This is a user namespace below the host's ({_maps(observer.uid_map)}): userns-remap, subordinate ids and "
            "who owns a network namespace are decided on the host."
        )
    if observer.sysctls_read_only:
        said.append("/proc/sys is read-only: the engine's sysctls setting is the place for those of this network.")
    if held is not None and not held.bounding >> CAP_SYS_MODULE & 1:
        said.append("Kernel modules are loaded on the host.")
    return said


def _maps(ranges: list[IdRange]) -> str:
    return ", ".join(f"{item.count} ids from {item.outside}" for item in ranges) or "no id is mapped"
