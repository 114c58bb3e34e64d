# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Be a workload: find out in what context a thread lives, and put a forked child into the same.

The order of the steps in imitate() matters and was measured: ids before the user namespace, since unmapped ids cannot
be taken in it; the network namespace before the user namespace, since privilege over it may end there.
Sources: credentials(7), user_namespaces(7), capabilities(7).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
from dataclasses import dataclass, replace
from typing import Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import split_label
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    CAP_NET_ADMIN,
    CAP_SYS_ADMIN,
    CLONE_NEWNET,
    CLONE_NEWUSER,
    capability_names,
    errno_name,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC, PR_SET_PDEATHSIG, join
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import (
    APPARMOR_ENABLED,
    label_file,
    parse_credentials,
    read_bytes,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials

PR_SET_DUMPABLE = 4
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
PR_GET_SECUREBITS, PR_SET_SECUREBITS = 27, 28
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT, AMBIENT_RAISE, AMBIENT_CLEAR_ALL = 47, 2, 4
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522

# The capabilities that the kernel asks for when it judges a probe. Others that the observer lacks itself cannot change
# an answer, and are left out of the imitation.
ASKED = 1 << CAP_DAC_OVERRIDE | 1 << CAP_DAC_READ_SEARCH | 1 << CAP_NET_ADMIN | 1 << CAP_SYS_ADMIN


class ImitationError(Exception):
    """Why a context cannot be read or taken; the message is one sentence."""


@dataclass(frozen=True)
class Context:
    """Whom to imitate: a running thread, or credentials that no thread has yet.

    pid, tid: the thread (tid None: the one with the id `pid`); its credentials are read anew. Without a pid:
    credentials, in the observer's own user namespace. start_time: field 22 of /proc/PID/stat of the process that is
    meant, to notice a reused pid. net_ns: path of the network namespace, None for that of the thread or the observer.
    chrooted, foreign_socket: what is known of the process beyond its credentials; a probe cannot imitate either.
    label: LSM label that credentials without a thread will have, None for the observer's; of a thread it is read.
    socket_types: raw, dgram, or both where it is not known which the workload opens; asked only of a profile.
    """

    credentials: Optional[Credentials] = None
    pid: Optional[int] = None
    tid: Optional[int] = None
    start_time: Optional[int] = None
    net_ns: Optional[str] = None
    chrooted: bool = False
    foreign_socket: bool = False
    label: Optional[str] = None
    socket_types: tuple[str, ...] = ("raw", "dgram")


@dataclass
class Place:
    """A context with its namespaces open, to be used in a with statement, which closes them.

    credentials: ids as the observer sees them. user_ns, net_ns, root: descriptors; root is open with O_PATH.
    label: LSM label, None without a module that labels. cgroup: content of /proc/PID/cgroup.
    """

    credentials: Credentials
    user_ns: int
    net_ns: int
    root: int
    label: Optional[str]
    cgroup: bytes
    descriptors: list[int]

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_exception: object) -> None:
        _close(self.descriptors)


def open_place(context: Context, net_ns: Optional[str] = None) -> Place:
    """Open the namespaces of a context and read its credentials.

    net_ns: path of a network namespace that replaces the context's. Raises ImitationError with one sentence.
    """
    descriptors: list[int] = []
    net_ns = net_ns or context.net_ns
    try:
        if net_ns:
            _open(net_ns, descriptors)
    except OSError as exc:
        raise ImitationError(f"cannot open the network namespace {net_ns}: {exc.strerror}") from None
    try:
        if context.pid is None:
            place = _open_at("/proc/self", context.credentials, descriptors, bool(net_ns))
            place.label = context.label or place.label
            return place
        return _open_thread(context, descriptors, bool(net_ns))
    except OSError as exc:
        _close(descriptors)
        raise ImitationError(_unreadable(context.tid or context.pid, exc)) from None
    except ImitationError:
        _close(descriptors)
        raise


def _open_thread(context: Context, descriptors: list[int], has_net_ns: bool) -> Place:
    tid = context.tid or context.pid
    directory = f"/proc/{tid}/task/{tid}"
    born = _start_time(directory)
    leader = _leader(directory)
    if context.tid and context.pid != leader:
        raise ImitationError(f"thread {tid} is none of process {context.pid}")
    if context.start_time is not None and _start_time(f"/proc/{leader}") != context.start_time:
        raise ImitationError(f"pid {context.pid} is another process by now: its start time differs")
    handle = _pidfd(leader, descriptors)
    place = _open_at(directory, None, descriptors, has_net_ns)
    ended = handle is not None and bool(select.select([handle], [], [], 0)[0])
    if ended or _start_time(directory) != born:
        raise ImitationError(f"process {tid} ended while it was being read")
    return place


def _open_at(directory: str, credentials: Optional[Credentials], descriptors: list[int], has_net_ns: bool) -> Place:
    return Place(
        credentials=credentials or parse_credentials(read_bytes(f"{directory}/status")),
        net_ns=descriptors[0] if has_net_ns else _open(f"{directory}/ns/net", descriptors),
        user_ns=_open(f"{directory}/ns/user", descriptors),
        root=_open(f"{directory}/root", descriptors, os.O_PATH),
        label=read_label(directory),
        cgroup=read_bytes(f"{directory}/cgroup"),
        descriptors=descriptors,
    )


def read_label(place: str) -> Optional[str]:
    """LSM label of the process or thread whose directory in /proc is `place`; None without a module that labels."""
    name = label_file()
    try:
        return read_bytes(f"{place}/{name}").rstrip(b"\0\n").decode("utf-8", "replace") or None if name else None
    except OSError:
        return None


def _unreadable(pid: Optional[int], exc: OSError) -> str:
    if pid is not None and isinstance(exc, (FileNotFoundError, ProcessLookupError)):
        return f"process {pid} does not exist (any more)"
    return f"cannot read {exc.filename or f'/proc/{pid}'}: {exc.strerror} ({errno_name(exc.errno or 0)})"


def _open(path: str, descriptors: list[int], flags: int = os.O_RDONLY) -> int:
    descriptors.append(os.open(path, flags | os.O_CLOEXEC))
    return descriptors[-1]


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _pidfd(pid: int, descriptors: list[int]) -> Optional[int]:
    """A pidfd, which becomes readable when the process ends; None where there is none (before Linux 5.3)."""
    try:
        descriptors.append(os.pidfd_open(pid))
    except (AttributeError, OSError):
        return None
    return descriptors[-1]


def _start_time(place: str) -> int:
    stat = read_bytes(f"{place}/stat")
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


def _leader(place: str) -> int:
    for line in read_bytes(f"{place}/status").splitlines():
        if line.startswith(b"Tgid:"):
            return int(line.split()[1])
    raise ImitationError(f"{place}/status names no thread group")


def imitate(place: Place) -> None:
    """Put the calling process, a fresh child, into a place. Raises ImitationError with one sentence.

    Own ids and sets are compared at the end, through a status file opened at the start: it goes on to show ids as the
    observer sees them, whatever user namespace was joined.
    """
    status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)
    _prctl(PR_SET_DUMPABLE, 0)
    own, wanted = _own_credentials(status), place.credentials
    # A user namespace that is joined gives every capability in it.
    foreign = not _same_namespace(place.user_ns, "user")
    if not foreign:
        wanted = _possible(wanted, own)
    if foreign or not _same_namespace(place.net_ns, "net") or not _equal(own, wanted):
        _take("ids", lambda: _take_ids(own, wanted))
        _take("namespaces", lambda: _take_namespaces(place))
        _take("capability sets", lambda: _take_capabilities(wanted))
        if wanted.no_new_privs:
            _take("no_new_privs flag", lambda: _prctl(PR_SET_NO_NEW_PRIVS, 1))
    # Both are reset by a change of credentials.
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    differs = _difference(_own_credentials(status), wanted)
    if differs:
        raise ImitationError(f"the child's {', '.join(differs)} would differ from the workload's")
    for descriptor, word in ((place.user_ns, "user"), (place.net_ns, "net")):
        if not _same_namespace(descriptor, word):
            raise ImitationError(f"the child's {word} namespace would differ from the workload's")
    os.close(status)


def profile_to_take(label: Optional[str], own: Optional[str]) -> Optional[str]:
    """The profile, or stack of profiles, into which a child that has the label `own` must change to have `label`.

    None where there is nothing to take, where the label is not of AppArmor, and for modes that do more than refuse:
    kill ends who is refused, prompt asks somebody. The parts of a stack that are unconfined are left out.
    """
    if label is None or label == own or not _has_apparmor():
        return None
    parts = split_label(label)
    if any(mode in ("kill", "prompt") or name.startswith(":") for name, mode in parts):
        return None
    return "//&".join(name for name, _mode in parts if name != "unconfined") or None


def _has_apparmor() -> bool:
    try:
        return read_bytes(APPARMOR_ENABLED).strip() == b"Y"
    except OSError:
        return False


def take_profile(profile: str, timeout: float) -> bool:
    """Change the calling process into an AppArmor profile (aa_change_profile(2)); False where that is refused.

    The last step of all: afterwards the profile decides even which files may be read. From no confinement the change
    is allowed whatever the credentials are, no_new_privs included (measured on Linux 7.2). timeout: seconds after which
    the process ends by itself, since a profile without a rule for signals keeps its parent from killing it.
    """
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        handle = os.open(f"/proc/self/{label_file()}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(handle, b"changeprofile " + os.fsencode(profile))
        finally:
            os.close(handle)
    except OSError:
        return False
    return True


def _take(what: str, step: Callable[[], object]) -> None:
    try:
        step()
    except OSError as exc:
        reason = f"{exc.strerror} ({errno_name(exc.errno or 0)})"
        raise ImitationError(f"this module may not take the workload's {what}: {reason}") from None


def _own_credentials(status: int) -> Credentials:
    os.lseek(status, 0, os.SEEK_SET)
    data = b""
    while True:
        part = os.read(status, 65536)
        if not part:
            return parse_credentials(data)
        data += part


def _possible(wanted: Credentials, own: Credentials) -> Credentials:
    """The wanted credentials without those capabilities that the observer lacks and that no probe asks for."""
    sets = {}
    for name in ("effective", "permitted", "inheritable", "bounding", "ambient"):
        have = own.bounding if name == "bounding" else own.permitted
        sets[name] = getattr(wanted, name) & (have | ASKED)
    return replace(wanted, **sets)


def _same_namespace(descriptor: int, word: str) -> bool:
    there, own = os.fstat(descriptor), os.stat(f"/proc/self/ns/{word}")
    return (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino)


def _equal(own: Credentials, wanted: Credentials) -> bool:
    return not _difference(own, wanted)


def _difference(own: Credentials, wanted: Credentials) -> list[str]:
    """Names of what differs; the seccomp filter and securebits are not imitated."""
    names = ["ruid", "euid", "suid", "fsuid", "rgid", "egid", "sgid", "fsgid"]
    names += ["effective", "permitted", "inheritable", "bounding", "ambient", "no_new_privs"]
    differs = [name for name in names if getattr(own, name) != getattr(wanted, name)]
    return differs + (["groups"] if set(own.groups) != set(wanted.groups) else [])


def _take_ids(own: Credentials, wanted: Credentials) -> None:
    """Take uids, gids and groups, and keep the capabilities, which the next steps need."""
    names = ("ruid", "euid", "suid", "fsuid", "rgid", "egid", "sgid", "fsgid", "groups")
    if all(getattr(own, name) == getattr(wanted, name) for name in names):
        return
    _prctl(PR_SET_SECUREBITS, _prctl(PR_GET_SECUREBITS) | SECBIT_NO_SETUID_FIXUP)
    os.setgroups(list(wanted.groups))
    os.setresgid(wanted.rgid, wanted.egid, wanted.sgid)
    os.setresuid(wanted.ruid, wanted.euid, wanted.suid)
    # These report no error; a failure shows in the comparison at the end.
    LIBC.setfsgid(wanted.fsgid)
    LIBC.setfsuid(wanted.fsuid)


def _take_namespaces(place: Place) -> None:
    try:
        join(place.net_ns, CLONE_NEWNET)
    except PermissionError:
        # An observer without privilege has it in a user namespace of its own uid.
        join(place.user_ns, CLONE_NEWUSER)
        join(place.net_ns, CLONE_NEWNET)
    join(place.user_ns, CLONE_NEWUSER)


def _take_capabilities(wanted: Credentials) -> None:
    now = parse_credentials(read_bytes("/proc/self/status"))
    _capset(now.effective, now.permitted, wanted.inheritable)
    for name in capability_names(now.bounding & ~wanted.bounding):
        _prctl(PR_CAPBSET_DROP, _BITS[name])
    if now.ambient:
        _prctl(PR_CAP_AMBIENT, AMBIENT_CLEAR_ALL)
    _capset(wanted.effective, wanted.permitted, wanted.inheritable)
    for name in capability_names(wanted.ambient):
        _prctl(PR_CAP_AMBIENT, AMBIENT_RAISE, _BITS[name])


_BITS = {name: bit for bit in range(64) for name in capability_names(1 << bit)}


def _prctl(option: int, *arguments: int) -> int:
    padded = [*arguments, 0, 0, 0, 0][:4]
    result = LIBC.prctl(option, *padded)
    if result < 0:
        _raise()
    return int(result)


def _capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2) for the calling process. Raises OSError."""
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    low = 0xFFFFFFFF
    data = struct.pack(
        "=6I",
        *(effective & low, permitted & low, inheritable & low),
        *(effective >> 32, permitted >> 32, inheritable >> 32),
    )
    if LIBC.capset(header, data) != 0:
        _raise()


def _raise() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
