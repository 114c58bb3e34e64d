# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be observed of a host, as dataclasses; _parts.py has those that only some workloads need.

Storey 0: no I/O. Everything here survives the way to its plain form and back (see _plain.py), which is what a snapshot
is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from ansible_collections.netlink.remediation.plugins.module_utils._parts import (
        Container,
        Denial,
        DeviceNode,
        Domain,
        Executable,
        KernelModule,
        Link,
        Probe,
        Profile,
        Route,
        RouteRequest,
        Sysctl,
        Transition,
        Unit,
    )

SNAPSHOT_SCHEMA = 1

# The reason in State.unseen for links and routes that were not read.
NO_PYROUTE2 = "pyroute2 (0.7 to 0.9) is not installed on this host"

OPERATIONS = (
    "link",
    "address",
    "route",
    "rule",
    "neighbour",
    "qdisc",
    "action",
    "tun",
    "nftables",
    "xfrm",
    "netns",
    "userns",
    "forward",
)


@dataclass(frozen=True)
class Unseen:
    """Something that could not be read: what was tried (a path, a table) and why it failed."""

    source: str
    reason: str


@dataclass(frozen=True)
class Credentials:
    """Credentials of one thread (credentials(7)): ids as the observer sees them, capability sets as bit masks.

    seccomp: 0 none, 1 strict, 2 filter. securebits: None when unknown (readable only for oneself).
    """

    ruid: int = 0
    euid: int = 0
    suid: int = 0
    fsuid: int = 0
    rgid: int = 0
    egid: int = 0
    sgid: int = 0
    fsgid: int = 0
    groups: tuple[int, ...] = ()
    effective: int = 0
    permitted: int = 0
    inheritable: int = 0
    bounding: int = 0
    ambient: int = 0
    no_new_privs: bool = False
    seccomp: int = 0
    securebits: Optional[int] = None


@dataclass
class Thread:
    """One thread of a process; namespaces are inode numbers, None when they could not be read."""

    tid: int
    name: str
    credentials: Credentials
    user_ns: Optional[int] = None
    net_ns: Optional[int] = None


@dataclass
class Socket:
    """A netlink socket held by a process.

    protocol: number of the netlink family (0 is rtnetlink). net_ns: the network namespace the socket belongs to, which
    is the one it was created in. opener_uid: the filesystem uid that created it, None when unreadable.
    """

    inode: int
    protocol: int
    net_ns: Optional[int] = None
    opener_uid: Optional[int] = None


@dataclass
class Process:
    """One process. start_time is in clock ticks since boot (field 22 of /proc/PID/stat) and detects a reused pid.

    threads[0] is the main thread. label: LSM label of the main thread from attr/current. chrooted: its root differs
    from the root of its mount namespace (None when unknown). executable is without the kernel's " (deleted)" mark.
    seccomp_filters: how many the main thread has, None when the kernel does not tell (before 5.9).
    """

    pid: int
    start_time: int
    parent: int
    name: str
    threads: list[Thread] = field(default_factory=list)
    executable: Optional[str] = None
    deleted: bool = False
    arguments: list[str] = field(default_factory=list)
    cgroup: Optional[str] = None
    unit: Optional[str] = None
    container: Optional[str] = None
    mnt_ns: Optional[int] = None
    pid_ns: Optional[int] = None
    label: Optional[str] = None
    chrooted: Optional[bool] = None
    seccomp_filters: Optional[int] = None
    sockets: list[Socket] = field(default_factory=list)


@dataclass(frozen=True)
class IdRange:
    """One line of uid_map or gid_map (user_namespaces(7)): first id inside, first id outside, length."""

    inside: int
    outside: int
    count: int


@dataclass
class UserNamespace:
    """A user namespace. parent None: the topmost one that the observer may see.

    limits: values of /proc/sys/user in that namespace, such as max_net_namespaces.
    """

    inode: int
    parent: Optional[int] = None
    owner_uid: Optional[int] = None
    uid_map: list[IdRange] = field(default_factory=list)
    gid_map: list[IdRange] = field(default_factory=list)
    setgroups: Optional[str] = None
    limits: dict[str, int] = field(default_factory=dict)


@dataclass
class NetNamespace:
    """A network namespace. owner: inode of the user namespace that owns it, None when it is not ours to see.

    names: paths under which it is bound (/run/netns/x). links and routes are None when they were not read.
    """

    inode: int
    owner: Optional[int] = None
    names: list[str] = field(default_factory=list)
    links: Optional[list[Link]] = None
    routes: Optional[list[Route]] = None


@dataclass
class Workload:
    """What needs netlink: as it was named (first block) and as it was resolved on the host (second block).

    kind: pid, executable, unit or container. link_kind, qdisc_kind: of the link or queueing discipline that it makes,
    such as wireguard. mac: the link-layer address that it gives the interface. device: /dev/net/tun, read for the
    operation tun. netns: path that the user, or a unit that does not run, named; target_ns: inode of that namespace.
    processes: pids of the workload, the main one first. credentials: for an executable, those before execve.
    label: the LSM label that counts: of its main process, or the one that execve would give. transition: how SELinux
    comes to it, where that was looked at. socket_types: of the netlink sockets that it opens (raw, dgram), empty where
    that is not known; it counts for AppArmor.
    discovered: not named by the user, found by looking at the holders of netlink sockets or in what the host recorded.
    evidence: what the host recorded of it.
    unresolved: why it could not be found on the host (one sentence), else None.
    """

    name: str
    kind: str
    pid: Optional[int] = None
    executable: Optional[str] = None
    unit: Optional[str] = None
    container: Optional[str] = None
    user: Optional[str] = None
    operations: list[str] = field(default_factory=lambda: ["link"])
    interface: Optional[str] = None
    address: Optional[str] = None
    route: Optional[RouteRequest] = None
    netns: Optional[str] = None
    master: Optional[str] = None
    group: Optional[str] = None
    link_kind: Optional[str] = None
    qdisc_kind: Optional[str] = None
    mac: Optional[str] = None

    processes: list[int] = field(default_factory=list)
    tid: Optional[int] = None
    credentials: Optional[Credentials] = None
    user_ns: Optional[int] = None
    net_ns: Optional[int] = None
    target_ns: Optional[int] = None
    label: Optional[str] = None
    transition: Optional[Transition] = None
    socket_types: list[str] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    device: Optional[DeviceNode] = None
    discovered: bool = False
    evidence: list[Denial] = field(default_factory=list)
    unresolved: Optional[str] = None

    @property
    def names_object(self) -> bool:
        """Whether links, addresses, routes or sysctls count, and not privilege alone."""
        named = self.interface or self.address or self.route or self.master or self.group
        return bool(named) or "forward" in self.operations

    @property
    def needs(self) -> list[str]:
        """The code that the kernel must have for it, besides that which every kernel with a network has; see
        KernelModule.
        """
        kinds = [f"kind {self.link_kind}"] if self.link_kind else []
        kinds += [f"qdisc {self.qdisc_kind}"] if self.qdisc_kind else []
        by_operation = {
            "tun": ["device tun"],
            "nftables": ["family netfilter", "family nftables"],
            "xfrm": ["family xfrm"],
        }
        return kinds + [need for word in self.operations for need in by_operation.get(word, [])]


@dataclass
class Grant:
    """A file capability that one of our receipts says was set, to notice when it got lost."""

    path: str
    capabilities: str
    receipt: str


@dataclass
class Host:
    """The host and the observer. kernel: release as numbers, e.g. [6, 18]. lsm: active security modules in order.

    initial_user_ns, initial_net_ns: namespaces of pid 1. nested: the observer itself is in a child user namespace.
    bounding: bounding set that a new login gets (of pid 1). protocols: registered netlink protocol numbers.
    restrictions: switches that bear on user namespaces and modules, e.g. kernel/unprivileged_userns_clone.
    selinux_policy: name of the loaded policy (SELINUXTYPE). lockdown: none, integrity or confidentiality, None when the
    kernel has no such module. booted: when, in seconds since the epoch; read only where records are looked at.
    """

    kernel: list[int] = field(default_factory=list)
    release: str = ""
    lsm: list[str] = field(default_factory=list)
    selinux: Optional[str] = None
    selinux_policy: Optional[str] = None
    lockdown: Optional[str] = None
    booted: Optional[float] = None
    initial_user_ns: Optional[int] = None
    initial_net_ns: Optional[int] = None
    nested: bool = False
    bounding: int = 0
    euid: int = 0
    effective: int = 0
    protocols: list[int] = field(default_factory=list)
    restrictions: dict[str, int] = field(default_factory=dict)


@dataclass
class State:
    """Everything that was read from a host for a diagnosis; nothing interpreted."""

    schema: int = SNAPSHOT_SCHEMA
    host: Host = field(default_factory=Host)
    workloads: list[Workload] = field(default_factory=list)
    processes: dict[int, Process] = field(default_factory=dict)
    user_namespaces: dict[int, UserNamespace] = field(default_factory=dict)
    net_namespaces: dict[int, NetNamespace] = field(default_factory=dict)
    executables: dict[str, Executable] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    modules: list[KernelModule] = field(default_factory=list)
    sysctls: list[Sysctl] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)


def file_key(path: str, mnt_ns: Optional[int]) -> str:
    """Key in State.executables of a file that only a mount namespace other than the observer's shows."""
    return f"mnt:[{mnt_ns}]{path}"
