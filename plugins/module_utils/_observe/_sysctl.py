# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sysctls: the runtime value in any network namespace, every file that sets one, and the line that wins at boot."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import printable
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._rewriters import observe_rewriters
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import (
    SYSCTL_CONF,
    Boot,
    Line,
    Winners,
    canonical_key,
    has_systemd_sysctl,
    read_boot,
    same_value,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Sysctl
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

__all__ = [
    "NO_SUCH_KEY",
    "PROC_SYS",
    "canonical_key",
    "important_keys",
    "is_drifted",
    "is_host_netns",
    "observe_sysctls",
    "read_value",
]

PROC_SYS = "/proc/sys"

NO_SUCH_KEY = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)

# What decides whether a host forwards, accepts and speaks IPv6.
IMPORTANT_KEYS = (
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/default/rp_filter",
    "net/ipv6/conf/all/disable_ipv6",
    "net/ipv6/conf/default/disable_ipv6",
)
_IMPORTANT_OF_LINKS = (
    ("net/ipv4/conf", "forwarding"),
    ("net/ipv4/conf", "rp_filter"),
    ("net/ipv6/conf", "forwarding"),
    ("net/ipv6/conf", "disable_ipv6"),
)


def observe_sysctls(
    keys: Iterable[str], unseen: list[Unseen], *, netns: Optional[str] = None, root: str = "/"
) -> list[Sysctl]:
    """Sysctls by key (any spelling, a repeated one once), each with runtime value, files and winners.

    netns: path of a network namespace (/run/netns/x, /proc/PID/ns/net), None: the observer's own. Files count for the
    initial namespace only, so for another one persisted, boot, boot_procps and rewriters stay empty.
    root: where the configuration is read, e.g. /proc/PID/root; read-only mounts are looked for there too.
    A namespace that cannot be joined gives values None with exists True, and an entry in `unseen`.
    """
    names = list(dict.fromkeys(canonical_key(key) for key in keys))
    found = _read_runtime(names, netns, root, unseen)
    if not is_host_netns(netns):
        return found
    boot = read_boot(unseen, root=root)
    winners = Winners(boot)
    rewriters = observe_rewriters(names, unseen, root=root)
    for item in found:
        item.persisted = [line.assignment() for line in winners.assignments(item.key) if not _twice(line, boot)]
        systemd, procps = winners.systemd(item.key), winners.procps(item.key)
        item.boot = systemd.assignment() if systemd else None
        item.boot_procps = procps.assignment() if procps else None
        item.rewriters = rewriters.get(item.key, [])
    return found


def important_keys(unseen: list[Unseen], *, netns: Optional[str] = None) -> list[str]:
    """IMPORTANT_KEYS, and those of the links of the namespace whose value is not that of conf/default."""
    outcome = run_joined(_keys_of_odd_links, net_ns=netns)
    if outcome.error is not None:
        unseen.append(Unseen(f"{PROC_SYS}/net" + (f" in {netns}" if netns else ""), outcome.error))
    return [*IMPORTANT_KEYS, *(outcome.value or [])]


def _keys_of_odd_links() -> list[str]:
    odd = []
    for base, name in _IMPORTANT_OF_LINKS:
        usual = read_value(f"{base}/default/{name}")
        links = sorted(os.listdir(f"{PROC_SYS}/{base}")) if os.path.isdir(f"{PROC_SYS}/{base}") else []
        keys = [f"{base}/{link}/{name}" for link in links if link not in ("all", "default")]
        odd += [key for key in keys if read_value(key) != usual]
    return odd


def is_drifted(item: Sysctl, root: str = "/") -> bool:
    """Whether the next boot would set another value than the one that is in force now."""
    winner = item.boot if has_systemd_sysctl(root) else item.boot_procps
    return winner is not None and item.exists and not same_value(item.value, winner.value)


def _twice(line: Line, boot: Boot) -> bool:
    """A line of /etc/sysctl.conf that was listed already under the name of its link in sysctl.d."""
    return line.file == SYSCTL_CONF and boot.conf_is_linked


def is_host_netns(netns: Optional[str]) -> bool:
    """Whether a namespace is the one that the files are for: the observer's own or that of process 1."""
    if netns is None:
        return True
    try:
        wanted = os.stat(netns)
    except OSError:
        return False
    for path in ("/proc/self/ns/net", "/proc/1/ns/net"):
        try:
            own = os.stat(path)
        except OSError:
            continue
        if (own.st_dev, own.st_ino) == (wanted.st_dev, wanted.st_ino):
            return True
    return False


def _read_runtime(names: list[str], netns: Optional[str], root: str, unseen: list[Unseen]) -> list[Sysctl]:
    def read() -> list[Any]:
        return [os.stat("/proc/self/ns/net").st_ino, [read_value(name) for name in names], _read_only(names, root)]

    if netns is None:
        inode, values, read_only = read()
    else:
        outcome = run_joined(read, net_ns=netns)
        if outcome.error is not None:
            unseen.append(Unseen(f"{PROC_SYS} in {netns}", outcome.error))
            return [Sysctl(name) for name in names]
        inode, values, read_only = outcome.value
    found = []
    for name, (value, number) in zip(names, values):
        exists = number not in NO_SUCH_KEY
        if exists and number is not None:
            unseen.append(Unseen(f"{PROC_SYS}/{name}", errno_name(number)))
        found.append(Sysctl(name, inode, None if value is None else printable(value), exists, name in read_only))
    return found


def read_value(key: str) -> tuple[Optional[str], Optional[int]]:
    """(value, None) of a canonical key as the calling process sees it, or (None, errno). Without the final newline."""
    if "\0" in key or not key or ".." in key.split("/"):
        return None, errno.ENOENT
    try:
        handle = os.open(f"{PROC_SYS}/{key}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except UnicodeEncodeError:
        return None, errno.ENOENT
    except OSError as exc:
        return None, exc.errno
    try:
        return os.read(handle, 1 << 16).decode("utf-8", "surrogateescape").rstrip("\n"), None
    except OSError as exc:
        return None, exc.errno
    finally:
        os.close(handle)


def _read_only(names: list[str], root: str) -> list[str]:
    """The keys that lie on a read-only mount: all of /proc/sys as in a container, or a single file or directory."""
    base = os.path.join(root, PROC_SYS.lstrip("/"))
    base = base if os.path.isdir(base) else PROC_SYS
    found = []
    for name in names:
        try:
            flags = os.statvfs(f"{base}/{name}").f_flag
        except (OSError, ValueError):
            continue
        if flags & os.ST_RDONLY:
            found.append(name)
    return found
