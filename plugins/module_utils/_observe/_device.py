# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/dev/net/tun as a process finds it: the node, the mount that it lies on, and the control group of devices.

The node is looked at and never opened, since opening it could load a module.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat
import struct
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import TUN, errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import open_below
from ansible_collections.netlink.remediation.plugins.module_utils._observe._mountinfo import parse_mountinfo
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._parts import DeviceNode
from ansible_collections.netlink.remediation.plugins.module_utils._state import Process, Unseen

TUN_DEVICE = os.makedev(10, 200)
# Inode number of the kernel's first cgroup namespace, include/linux/proc_ns.h.
CGROUP_NS_INIT_INO = 0xEFFFFFFB
# bpf(2); BPF_PROG_QUERY of BPF_CGROUP_DEVICE, inherited programs included (include/uapi/linux/bpf.h).
_SYS_BPF = {"x86_64": 321, "aarch64": 280, "ppc64le": 361, "s390x": 351, "riscv64": 280}
_PROG_QUERY, _CGROUP_DEVICE, _EFFECTIVE = 16, 6, 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def read_tun(process: Optional[Process], unseen: list[Unseen]) -> Optional[DeviceNode]:
    """The node as a process finds it (None: as the observer does); None where that cannot be seen."""
    root = "/" if process is None else f"/proc/{process.pid}/root"
    try:
        handle = open_below(TUN, root, os.O_PATH)
    except OSError as exc:
        if exc.errno not in (errno.ENOENT, errno.ENOTDIR):
            unseen.append(Unseen(f"{root.rstrip('/')}{TUN}", errno_name(exc.errno or 0)))
            return None
        node = DeviceNode(exists=False)
    else:
        try:
            node = _read_node(handle)
        finally:
            os.close(handle)
    node.made_by = _filesystem_of_dev("self" if process is None else str(process.pid))
    if process is not None:
        node.cgroup, node.cgroup_source = cgroup_allows(process.pid)
    return node


def _read_node(handle: int) -> DeviceNode:
    status = os.fstat(handle)
    names: list[str] = []
    try:
        names = os.listxattr(f"/proc/self/fd/{handle}")
    except OSError:
        pass  # A filesystem without extended attributes.
    return DeviceNode(
        right=stat.S_ISCHR(status.st_mode) and status.st_rdev == TUN_DEVICE,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        nodev=bool(os.fstatvfs(handle).f_flag & os.ST_NODEV),
        access_list="system.posix_acl_access" in names,
    )


def _filesystem_of_dev(who: str) -> Optional[str]:
    """Type of what is mounted at /dev (proc_pid_mountinfo(5)), None where that is no mount of its own."""
    found = None
    try:
        data = read_bytes(f"/proc/{who}/mountinfo", 1 << 22)
    except OSError:
        return None
    for mount in parse_mountinfo(data):
        if mount.point == "/dev":
            found = mount.filesystem
    return found


# --- the control group ------------------------------------------------------------------------------------------------


def cgroup_allows(pid: int) -> tuple[Optional[bool], str]:
    """Whether the control group of a process lets it open the device for reading and writing, and where that stands.

    The controller of version 1 has a list. In version 2 a program of BPF decides, which only tells whether it is there;
    then the answer is None. Both are asked by the kernel where both are in use.
    """
    paths, mounts = _paths_of(pid), _mounts()
    listed, file = _read_list(mounts.get("devices"), paths.get("devices"))
    if listed is False:
        return False, file
    programs = _count_programs(mounts.get(""), paths.get(""))
    if programs:
        return None, f"{mounts.get('')}{paths.get('')}: a program of BPF decides"
    if (listed or _unrestricted(paths.get("devices"))) and (programs == 0 or _unrestricted(paths.get(""))):
        return True, file or "no control group restricts devices"
    return None, file or "the control group of devices cannot be looked at"


def _unrestricted(path: Optional[str]) -> bool:
    """Whether there is no such hierarchy, or the process is at its top, which restricts nothing."""
    return path is None or (path == "/" and os.stat("/proc/self/ns/cgroup").st_ino == CGROUP_NS_INIT_INO)


def _paths_of(pid: int) -> dict[str, str]:
    """Path in each hierarchy, by controller; that of version 2 under ""."""
    found = {}
    for line in _text(f"/proc/{pid}/cgroup").split("\n"):
        _number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if path:
            found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _mounts() -> dict[str, str]:
    """Where the controller of devices and version 2 (under "") are mounted."""
    found: dict[str, str] = {}
    try:
        data = read_bytes("/proc/self/mountinfo", 1 << 22)
    except OSError:
        return found
    for mount in parse_mountinfo(data):
        if mount.filesystem == "cgroup2":
            found.setdefault("", mount.point)
        elif mount.filesystem == "cgroup" and "devices" in mount.super_options.split(","):
            found.setdefault("devices", mount.point)
    return found


def _read_list(mount: Optional[str], path: Optional[str]) -> tuple[Optional[bool], str]:
    """What the list says, None for nothing certain, and its file, "" where there is none to be read."""
    if mount is None or path is None or path.startswith("/.."):
        return None, ""
    file = f"{mount}{path.rstrip('/')}/devices.list"
    try:
        return list_allows(read_bytes(file).decode("utf-8", "replace")), file
    except OSError:
        return None, ""


def list_allows(text: str) -> Optional[bool]:
    """Whether a devices.list allows to read and write the character device 10:200: one line has to allow both, as the
    kernel asks for both at once (security/device_cgroup.c). None for one that allows all: exceptions are not listed.
    """
    if text.strip() == "a *:* rwm":
        return None
    for line in text.splitlines():
        words = line.split()
        fits = len(words) == 3 and words[0] in "ac" and words[1] in ("*:*", "10:*", "*:200", "10:200")
        if fits and {"r", "w"} <= set(words[2]):
            return True
    return False


def _count_programs(mount: Optional[str], path: Optional[str]) -> Optional[int]:
    """How many programs decide about devices in a control group of version 2; None when that cannot be asked."""
    number = _SYS_BPF.get(platform.machine())
    if mount is None or path is None or path.startswith("/..") or number is None:
        return None
    try:
        group = os.open(mount + path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # target_fd, attach_type, query_flags, attach_flags, prog_ids, prog_cnt
        query = ctypes.create_string_buffer(struct.pack("=IIIIQI", group, _CGROUP_DEVICE, _EFFECTIVE, 0, 0, 0), 64)
        answer = _LIBC.syscall(ctypes.c_long(number), _PROG_QUERY, query, ctypes.c_size_t(len(query)))
        return int(struct.unpack_from("=I", query, 24)[0]) if answer == 0 else None
    finally:
        os.close(group)


def _text(path: str) -> str:
    try:
        return read_bytes(path, 1 << 22).decode("utf-8", "replace")
    except OSError:
        return ""
