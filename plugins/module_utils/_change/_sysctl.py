# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind of change that sets the runtime value of a sysctl, in any network namespace.

A value is not alone: writing ip_forward, conf/all or conf/default moves the value of every link (net/ipv4/devinet.c,
net/ipv6/addrconf.c). The values that can move along are recorded and put back on revert.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CLONE_NEWNET, errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC, run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl import (
    PROC_SYS,
    is_host_netns,
    read_value,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import (
    ALIASES,
    dotted_key,
    same_value,
)

_OF_ALL_LINKS = re.compile(r"(net/ipv[46]/(?:conf|neigh))/(?:all|default)/([^/]+)")
_OF_ONE_LINK = re.compile(r"(net/ipv[46]/(?:conf|neigh))/(?!all/|default/)[^/]+/([^/]+)")
_AS_THE_LINK_IS = ("mtu", "addr_gen_mode")  # What these may be depends on the very link, so lo has no say in it.
_REDIRECTS = "net/ipv4/conf/all/accept_redirects"
# Sysctls that open user namespaces to everybody, with the test for the values that do.
OPENS_USERNS: dict[str, Callable[[str], bool]] = {
    "kernel/unprivileged_userns_clone": lambda value: not same_value(value, "0"),
    "kernel/apparmor_restrict_unprivileged_userns": lambda value: same_value(value, "0"),
    "user/max_user_namespaces": lambda value: not same_value(value, "0"),
}

# Keys that the kernel keeps in two units at once (net/core/neighbour.c, net/ipv6/route.c).
_OTHER_UNITS = ("_ms", "_bytes")


class SysctlChange(Change):
    """Set one sysctl; build it with sysctl_change().

    details: key (canonical); netns, netns_inode: path and identity of its namespace, None for the own one; dependents:
    values of before of the keys that the kernel may move along; hold: those among them that the same call sets too, and
    which therefore must keep their value when this one is applied.
    """

    kind: ClassVar[str] = "sysctl"

    @property
    def key(self) -> str:
        """The path below /proc/sys."""
        return str(self.details["key"])

    @property
    def netns(self) -> Optional[str]:
        """Path of the network namespace, None for the own one."""
        path = self.details["netns"]
        return None if path is None else str(path)

    def read(self) -> str:
        """The value in force, in the spelling of after or before where it means the same; raises ChangeError."""
        self._check_namespace()
        value, number = in_netns(self.netns, lambda: read_value(self.key))
        if value is None:
            raise ChangeError(f"{self.target} cannot be read: {errno_name(number or 0)}")
        return next((known for known in (self.after, self.before) if same_value(value, known)), str(value))

    def write(self, value: str) -> None:
        """Set the value and put right what the kernel moved along; raises ChangeError when the kernel refuses."""
        self._check_namespace()
        failed = in_netns(self.netns, lambda: self._write_here(value))
        if failed is not None:
            raise ChangeError(f"{self.target} cannot be set to {value!r}: {refusal(failed)}")

    def _write_here(self, value: str) -> Optional[int]:
        wanted = self._wanted_dependents(value)
        failed = write_value(self.key, value)
        if failed is not None:
            return failed
        for key, kept in wanted.items():
            if read_value(key)[0] not in (None, kept):
                write_value(key, kept)
        return None

    def _wanted_dependents(self, value: str) -> dict[str, str]:
        """What the dependents must be after writing: on revert what they were, unless somebody set them since."""
        dependents = self.details["dependents"]
        current = {key: read_value(key)[0] for key in dependents}
        present = {key: now for key, now in current.items() if now is not None}
        if value != self.before:
            return {key: now for key, now in present.items() if key in self.details["hold"]}
        moved = {key for key, now in present.items() if now == self.after or key.endswith((_REDIRECTS, *_OTHER_UNITS))}
        return {key: dependents[key] if key in moved else now for key, now in present.items()}

    def validate(self) -> list[str]:
        """Raises ChangeError when the key cannot be written here. The value itself was tried by try_values()."""
        failed = in_netns(self.netns, lambda: _open_for_writing(self.key))
        if failed is not None:
            raise ChangeError(f"{self.target} cannot be set to {self.after!r}: {refusal(failed)}")
        return []

    def consents(self, current: str, value: str) -> dict[str, str]:
        """Words of `accept` that setting the value needs, each with the reason."""
        return needed_consents(self.key, current, value, self.netns)

    def render(self, value: str) -> str:
        """The line that would set the value."""
        return f"{dotted_key(self.key)} = {value}\n"

    def _check_namespace(self) -> None:
        if self.netns is None:
            return
        try:
            inode = os.stat(self.netns).st_ino
        except OSError as exc:
            raise ChangeError(f"the network namespace {self.netns} is gone: {errno_name(exc.errno or 0)}") from None
        if self.details["netns_inode"] != inode:
            raise ChangeError(f"{self.netns} is another network namespace than the one that was changed")


def sysctl_change(
    key: str, before: str, after: str, *, netns: Optional[str], dependents: dict[str, str], hold: Iterable[str]
) -> SysctlChange:
    """The change of one sysctl from its value to another one; see SysctlChange for the arguments."""
    details = {
        "key": key,
        "netns": netns,
        "netns_inode": os.stat(netns).st_ino if netns else None,
        "dependents": dependents,
        "hold": [name for name in hold if name in dependents],
    }
    target = dotted_key(key) + (f" in {netns}" if netns else "")
    return SysctlChange(target, before, after, disrupts=_disrupts(key, before, after), details=details)


def _disrupts(key: str, before: str, after: str) -> list[str]:
    match = re.fullmatch(r"net/ipv6/conf/([^/]+)/(disable_ipv6|forwarding)", key)
    if not match or not same_value(before, "0") or same_value(after, "0"):
        return []
    links = {"all": "all interfaces", "default": "interfaces that appear later"}.get(match[1], match[1])
    if match[2] == "forwarding":
        return [f"{links} no longer take routes and addresses from router advertisements, unless accept_ra is 2"]
    return [f"IPv6 addresses and routes of {links} are removed, and a revert does not bring them back"]


def needed_consents(key: str, now: str, value: str, netns: Optional[str]) -> dict[str, str]:
    """Words of `accept` that changing a sysctl in force needs, each with a clause on what it does."""
    found = {}
    opens = OPENS_USERNS.get(key)
    if opens is not None and opens(value) and not opens(now):
        found["world_userns"] = f"{dotted_key(key)}={value} opens user namespaces to every user of the host"
    disables = re.fullmatch(r"net/ipv6/conf/(?!lo/|default/)[^/]+/disable_ipv6", key)
    if disables and same_value(now, "0") and not same_value(value, "0") and is_host_netns(netns):
        # Imported only here: it brings the whole reading of links with it.
        from ansible_collections.netlink.remediation.plugins.module_utils._change._own_connection import find_session

        session = find_session()
        if session is not None and ":" in session.server and "." not in session.server:
            found["own_connection"] = (
                f"{dotted_key(key)}={value} would cut the connection over which Ansible reached this host "
                f"({session.server})"
            )
    return found


def refusal(number: int) -> str:
    """Why the kernel refuses a sysctl, in words, from the errno of open or write."""
    words = {
        errno.EROFS: "/proc/sys is mounted read-only here, so only the host or the container engine can change it",
        errno.EACCES: "the key cannot be written from here (it is read-only, or the user has no right to it)",
        errno.EPERM: "the key cannot be written without more privilege (CAP_NET_ADMIN for network keys)",
        errno.EINVAL: "the kernel does not accept that value",
        errno.ERANGE: "the kernel does not accept that value",
        errno.ENOENT: "the kernel has no such key or value",
    }
    return f"{words.get(number, os.strerror(number))} ({errno_name(number)})"


def in_netns(netns: Optional[str], function: Callable[[], Any]) -> Any:
    """Call a function in a network namespace, in a child unless it is the own one. Raises ChangeError."""
    if netns is None:
        return function()
    outcome = run_joined(function, net_ns=netns)
    if outcome.error is not None:
        raise ChangeError(outcome.error)
    return outcome.value


def write_value(key: str, value: str) -> Optional[int]:
    """Write a sysctl of the calling process's namespaces in one write(2); the errno of a failure, else None."""
    return _open_for_writing(key, value)


def _open_for_writing(key: str, value: Optional[str] = None) -> Optional[int]:
    try:
        handle = os.open(f"{PROC_SYS}/{key}", os.O_WRONLY | os.O_CLOEXEC)
    except OSError as exc:
        return exc.errno
    try:
        if value is not None:
            os.write(handle, value.encode("utf-8", "surrogateescape") + b"\n")
    except OSError as exc:
        return exc.errno
    finally:
        os.close(handle)
    return None


def dependents_of(key: str) -> dict[str, str]:
    """Current values of the keys that the kernel may change when this one is written, for the own namespace."""
    names = [key + unit for unit in _OTHER_UNITS]
    match = _OF_ALL_LINKS.fullmatch(ALIASES.get(key, key) if key.endswith("/ip_forward") else key)
    if match:
        base, name = match.groups()
        try:
            names += [f"{base}/{link}/{name}" for link in sorted(os.listdir(f"{PROC_SYS}/{base}"))]
        except OSError:
            pass
        if (base, name) == ("net/ipv4/conf", "forwarding"):
            names.append(_REDIRECTS)
    same = {key, ALIASES.get(key)}
    values = {name: read_value(name)[0] for name in names if name not in same}
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Trial:
    """What a throwaway network namespace said about a value. value: as the kernel shows it after the write.

    errno: the refusal. Both None: it could not be tried (the key is not one of network namespaces).
    """

    value: Optional[str] = None
    errno: Optional[int] = None


def try_values(values: dict[str, str]) -> dict[str, Trial]:
    """Try values in a network namespace that exists for this only; keys of a link are tried on lo there.

    Where no such namespace can be made, nothing is tried.
    """

    def attempt() -> dict[str, Any]:
        if LIBC.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        return {key: _try_one(key, value) for key, value in values.items()}

    outcome = run_joined(attempt, timeout=30)
    found = outcome.value or {}
    return {key: Trial(*found.get(key, (None, None))) for key in values}


def _try_one(key: str, value: str) -> tuple[Optional[str], Optional[int]]:
    if not key.startswith("net/") or _loads_a_module(key, value):
        return None, None
    link = _OF_ONE_LINK.fullmatch(key)
    if link and link.group(2) in _AS_THE_LINK_IS:
        return None, None
    name = f"{link.group(1)}/lo/{link.group(2)}" if link else key
    if read_value(name)[0] is None or _open_for_writing(name) is not None:
        return None, None  # A key of the whole machine: missing or read-only in other namespaces.
    failed = write_value(name, value)
    return (None, failed) if failed is not None else (read_value(name)[0], None)


def _loads_a_module(key: str, value: str) -> bool:
    """Naming a congestion control that is not there makes the kernel load its module: no trial may do that."""
    if not key.endswith("congestion_control"):
        return False
    known = (read_value("net/ipv4/tcp_available_congestion_control")[0] or "").split()
    return not set(value.split()) <= set(known)
