# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host and the observer: kernel, security modules, initial namespaces, and the switches for user namespaces."""

from __future__ import annotations

import os
import re
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_SYS_PTRACE, errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._mountinfo import parse_mountinfo
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import (
    namespace_inode,
    note,
    read_bytes,
    read_credentials,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sockets import netlink_table
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, Host, Unseen

LSM_LIST = "/sys/kernel/security/lsm"
RESTRICTIONS = (
    "kernel/unprivileged_userns_clone",
    "kernel/apparmor_restrict_unprivileged_userns",
    "kernel/apparmor_restrict_unprivileged_unconfined",
    "user/max_user_namespaces",
    "user/max_net_namespaces",
    "kernel/modules_disabled",
)
# Inode numbers of the kernel's first namespaces, include/uapi/linux/nsfs.h; that of net is fixed since Linux 6.18, and
# no other namespace ever had it.
USER_NS_INIT_INO = 0xEFFFFFFD
NET_NS_INIT_INO = 0xEFFFFFF9


def observe_host(unseen: list[Unseen]) -> Host:
    """The facts of the host that bear on netlink; what could not be read keeps its default and is in `unseen`."""
    release = os.uname().release
    host = Host(kernel=[int(number) for number in re.findall(r"\d+", release)[:2]], release=release)
    host.lsm = _security_modules(unseen)
    host.selinux = _selinux()
    host.selinux_policy = _selinux_policy() if host.selinux else None
    host.lockdown = _lockdown()
    host.initial_user_ns = initial_namespace("user", unseen)
    host.initial_net_ns = initial_namespace("net", unseen)
    host.nested = _nested()
    host.bounding = _bounding_of_init(unseen)
    own = read_credentials(os.getpid(), os.getpid())
    if own is not None:
        host.euid, host.effective = own.euid, own.effective
        _note_hidden_processes(own, unseen)
    try:
        # Each registered protocol has a socket of the kernel's own, with port 0; per network namespace, most have.
        host.protocols = sorted({row.protocol for row in netlink_table(os.getpid()) if row.port == 0})
    except OSError as exc:
        unseen.append(Unseen("/proc/net/netlink", _reason(exc)))
    for key in RESTRICTIONS:
        value = _number(f"/proc/sys/{key}", unseen)
        if value is not None:
            host.restrictions[key] = value
    return host


def initial_namespace(kind: str, unseen: list[Unseen]) -> Optional[int]:
    """The namespace of pid 1; where that may not be looked at, the observer's own if it is the kernel's first.

    kind: user or net.
    """
    missed: list[Unseen] = []
    inode = namespace_inode(f"/proc/1/ns/{kind}", missed)
    first = {"user": USER_NS_INIT_INO, "net": NET_NS_INIT_INO}[kind]
    if inode is None and os.stat(f"/proc/self/ns/{kind}").st_ino == first:
        return first
    unseen += missed
    return inode


def _nested() -> bool:
    """Whether the observer is in a child user namespace. The uid map cannot tell: a child may map all ids too."""
    return os.stat("/proc/self/ns/user").st_ino != USER_NS_INIT_INO


def _note_hidden_processes(own: Credentials, unseen: list[Unseen]) -> None:
    """Say that /proc hides the processes of others (hidepid of proc(5)), if it does so from the observer."""
    if own.effective >> CAP_SYS_PTRACE & 1:
        return
    for mount in parse_mountinfo(read_bytes("/proc/self/mountinfo", 1 << 24)):
        option = re.search(r"\bhidepid=(\w+)", mount.super_options)
        if mount.point == "/proc" and option and option[1] not in ("0", "off"):
            unseen.append(
                Unseen("/proc", f"mounted with hidepid={option[1]}, which hides the processes of other users")
            )


def _security_modules(unseen: list[Unseen]) -> list[str]:
    """Active security modules, in order; without securityfs those that leave other traces, and that is said."""
    try:
        return [name for name in read_bytes(LSM_LIST).decode().strip().split(",") if name]
    except OSError as exc:
        unseen.append(Unseen(LSM_LIST, f"{_reason(exc)}; only SELinux, AppArmor and Smack were looked for elsewhere"))
    found = ["capability"]
    filesystems = _words("/proc/filesystems")
    if "selinuxfs" in filesystems and not _disabled_selinux():
        found.append("selinux")
    if "smackfs" in filesystems:
        found.append("smack")
    if _words("/sys/module/apparmor/parameters/enabled") == ["Y"]:
        found.append("apparmor")
    return found


def _disabled_selinux() -> bool:
    """selinuxfs is registered but no policy was ever loaded: then all labels are "kernel"."""
    return _words("/proc/self/attr/current") == []


def _selinux() -> Optional[str]:
    """enforcing, permissive, or None without SELinux."""
    for mount in ("/sys/fs/selinux", "/selinux"):
        words = _words(mount + "/enforce")
        if words:
            return "enforcing" if words[0] == "1" else "permissive"
    return None


def _selinux_policy(path: str = "/etc/selinux/config") -> Optional[str]:
    """SELINUXTYPE of selinux_config(5), by which init chose the policy that it loaded."""
    try:
        found = re.findall(rb"^[ \t]*SELINUXTYPE[ \t]*=[ \t]*([\w.-]+)", read_bytes(path), re.MULTILINE)
    except OSError:
        return None
    return found[-1].decode() if found else None


def _lockdown(path: str = "/sys/kernel/security/lockdown") -> Optional[str]:
    """The word in brackets of "none [integrity] confidentiality"; None where the kernel has no such module."""
    try:
        found = re.search(rb"\[(\w+)\]", read_bytes(path))
    except OSError:
        return None
    return found[1].decode() if found else None


def _bounding_of_init(unseen: list[Unseen]) -> int:
    try:
        credentials = read_credentials(1, 1)
    except OSError as exc:
        note(unseen, "/proc/1/status", exc)
        return 0
    return credentials.bounding if credentials else 0


def _number(path: str, unseen: list[Unseen]) -> Optional[int]:
    try:
        return int(read_bytes(path))
    except FileNotFoundError:
        return None
    except OSError as exc:
        unseen.append(Unseen(path, _reason(exc)))
        return None


def _words(path: str) -> list[str]:
    try:
        return read_bytes(path).decode("utf-8", "replace").replace("\0", " ").split()
    except OSError:
        return []


def _reason(exc: OSError) -> str:
    return f"{exc.strerror} ({errno_name(exc.errno or 0)})"
