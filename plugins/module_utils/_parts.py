# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a state that are read only where a workload needs them, as dataclasses: see _state.py.

Storey 0: no I/O. They are not in _state.py because a diagnosis of a host with nothing to look at is done without them:
making a dataclass takes Python about a millisecond, in each run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import FileCapability
from ansible_collections.netlink.remediation.plugins.module_utils._state import IdRange


@dataclass
class Address:
    """An address of a link. family: inet or inet6; flags as iproute2 names them (permanent, tentative, ...).

    peer: address of the other end of a point-to-point link; protocol: who added it (kernel_lo, kernel_ra, kernel_ll),
    None for users and on kernels before 5.18.
    """

    family: str
    address: str
    prefix: int
    scope: Optional[str] = None
    label: Optional[str] = None
    broadcast: Optional[str] = None
    flags: list[str] = field(default_factory=list)
    peer: Optional[str] = None
    protocol: Optional[str] = None


@dataclass
class Route:
    """A route. dst: CIDR or "default"; interface: name of the output link; type: unicast, blackhole, ...

    metrics: as ip-route(8) names them, such as mtu. nexthops: those of a multipath route, as iproute2 writes them.
    extra: attributes that are not modelled here and that a copy of the route would lose (encap, nhid, from, tos).
    """

    family: str
    dst: str
    gateway: Optional[str] = None
    interface: Optional[str] = None
    table: int = 254
    metric: Optional[int] = None
    prefsrc: Optional[str] = None
    type: str = "unicast"
    protocol: Optional[str] = None
    scope: Optional[str] = None
    onlink: bool = False
    metrics: dict[str, int] = field(default_factory=dict)
    nexthops: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TunDevice:
    """What a TUN or TAP link asks of who opens it. owner, group: ids as the observer sees them, None when it has none;
    taken: a process has it open, and it takes no second one.
    """

    owner: Optional[int] = None
    group: Optional[int] = None
    taken: bool = False


@dataclass(frozen=True)
class Radio:
    """The switch of the radio of a wireless link (rfkill): its name, such as rfkill0, and whether software or a switch
    of the machine blocks it, None where that could not be read.
    """

    name: str
    soft: Optional[bool] = False
    hard: Optional[bool] = False


@dataclass(frozen=True)
class VirtualFunction:
    """What the physical function of a card holds for one of its virtual functions (SR-IOV).

    physical: name of its link; number: of the virtual function. mac: the address kept for it, whoever set it, None
    where there is none. trusted: None where the driver does not tell.
    """

    physical: str
    number: int
    mac: Optional[str] = None
    trusted: Optional[bool] = None


@dataclass
class Link:
    """A link. flags as iproute2 names them (UP, LOWER_UP, ...); master: name of the bridge, bond, ... it is a port of;
    lower: index of the link it lies on (IFLA_LINK) when that is in the same namespace; manager: who owns its
    configuration (systemd-networkd, NetworkManager, ifupdown), None when nobody does; group: number of its link group;
    min_mtu, max_mtu: what its driver accepts (None: no limit known); tun: None where it is no TUN or TAP device.
    device: the hardware's name on its bus, such as 0000:01:10.0; permanent_mac: the address that it came with. radio,
    function: None where it has no switch, or is no virtual function whose card could be seen.
    """

    index: int
    name: str
    altnames: list[str] = field(default_factory=list)
    kind: Optional[str] = None
    mac: Optional[str] = None
    mtu: Optional[int] = None
    min_mtu: Optional[int] = None
    max_mtu: Optional[int] = None
    flags: list[str] = field(default_factory=list)
    operstate: Optional[str] = None
    master: Optional[str] = None
    port_kind: Optional[str] = None
    lower: Optional[int] = None
    group: int = 0
    addresses: list[Address] = field(default_factory=list)
    manager: Optional[str] = None
    tun: Optional[TunDevice] = None
    device: Optional[str] = None
    permanent_mac: Optional[str] = None
    radio: Optional[Radio] = None
    function: Optional[VirtualFunction] = None


@dataclass(frozen=True)
class PersistedSysctl:
    """One assignment of a sysctl in a file. key is canonical with slashes (net/ipv4/ip_forward)."""

    value: str
    file: str
    line: int


@dataclass
class Sysctl:
    """One sysctl of one network namespace.

    key: canonical, with slashes below /proc/sys. value: runtime, None when it does not exist (see unseen otherwise).
    read_only: /proc/sys (or the key) is mounted read-only where it was looked at. persisted: every assignment, in the
    order in which systemd-sysctl applies them. boot: the one that wins under systemd-sysctl, boot_procps under
    "sysctl --system"; None when no file sets it. rewriters: assignments in the own configuration of services that
    write the key by themselves (ufw, systemd-networkd, ...).
    """

    key: str
    net_ns: Optional[int] = None
    value: Optional[str] = None
    exists: bool = True
    read_only: bool = False
    persisted: list[PersistedSysctl] = field(default_factory=list)
    boot: Optional[PersistedSysctl] = None
    boot_procps: Optional[PersistedSysctl] = None
    rewriters: list[PersistedSysctl] = field(default_factory=list)


@dataclass(frozen=True)
class Guard:
    """A file or directory whose owner and mode decide, besides the file itself, who may execute it."""

    path: str
    mode: int
    uid: int
    gid: int
    directory: bool = False


@dataclass
class Executable:
    """A file that could be executed, and what counts for its credentials.

    path: as asked; real_path: after following symbolic links. interpreter: the final interpreter of the #! chain, whose
    owner, mode and capabilities count instead, or None. mode, uid, gid, capability, nosuid describe the file that
    counts (the interpreter of a script); script_capability is the xattr on the script itself, which the kernel ignores.
    capability_raw: the xattr as hex, "" for an empty value, None when there is none. capability_unmapped: the xattr
    belongs to a user namespace that is neither the observer's nor an ancestor's (EOVERFLOW).
    drops_capabilities: the program drops what is not inheritable when not run by root (iproute2's ip).
    raises_capabilities: the program can raise permitted capabilities by itself (it uses capset).
    origin: what it has its loader look for beside itself ("$ORIGIN/../lib"), which one with file capabilities may not.
    writable_by: the first path component (the file itself included) that a user other than root owns or can write.
    elsewhere: the file lies in a mount namespace where the observer's path of that name is another file or none.
    label, expected_label: SELinux context it has, and the one that the policy's file contexts give its path.
    noexec: it (or the script) lies on a mount from which nothing may be executed. guards: the script itself, and the
    directories on the way that not everybody may search; those with an access list are left out.
    """

    path: str
    exists: bool = True
    real_path: Optional[str] = None
    interpreter: Optional[str] = None
    mode: Optional[int] = None
    uid: Optional[int] = None
    gid: Optional[int] = None
    capability: Optional[FileCapability] = None
    capability_raw: Optional[str] = None
    capability_unmapped: bool = False
    script_capability: Optional[FileCapability] = None
    nosuid: bool = False
    mount_point: Optional[str] = None
    filesystem: Optional[str] = None
    drops_capabilities: bool = False
    raises_capabilities: bool = False
    origin: Optional[str] = None
    writable_by: Optional[str] = None
    elsewhere: bool = False
    noexec: bool = False
    guards: list[Guard] = field(default_factory=list)
    label: Optional[str] = None
    expected_label: Optional[str] = None


@dataclass(frozen=True)
class Directive:
    """One assignment in a unit's files (systemd.syntax(7)): section, name, value as written (continuation lines
    joined), file and line. An empty value resets what was assigned before.
    """

    section: str
    name: str
    value: str
    file: str
    line: int


@dataclass
class Unit:
    """A systemd unit. manager: "system" or "user". load: loaded, not-found, masked, bad-setting, ...; active, sub: its
    state; reload_needed: its files changed since systemd read them.

    fragment, drop_ins: the files that systemd reads, in its order. directives: every assignment in them, in that order,
    resets included. properties: runtime values of the directives that bear on netlink, as "systemctl show" prints them
    (sets of system calls expanded); empty when systemd could not be asked. main_pid: None when nothing runs.
    invocation: id of this start (InvocationID), None when it never ran. stale: its files, or the directories of its
    drop-ins, were changed after its main process was started.
    """

    name: str
    manager: str = "system"
    load: Optional[str] = None
    active: Optional[str] = None
    sub: Optional[str] = None
    reload_needed: bool = False
    fragment: Optional[str] = None
    drop_ins: list[str] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    main_pid: Optional[int] = None
    invocation: Optional[str] = None
    stale: bool = False


@dataclass
class SeccompRule:
    """One entry of a container's seccomp profile (OCI runtime specification, linux.seccomp.syscalls).

    action: SCMP_ACT_...; errno: the number that SCMP_ACT_ERRNO answers. arguments: [index, value, value two, operator],
    of which all must hold.
    """

    names: list[str]
    action: str
    errno: Optional[int] = None
    arguments: list[list[Any]] = field(default_factory=list)


@dataclass
class Seccomp:
    """A container's seccomp profile: what happens to a system call that no rule names, and the rules."""

    default_action: str
    default_errno: Optional[int] = None
    rules: list[SeccompRule] = field(default_factory=list)


@dataclass
class ContainerOwner:
    """Where the definition of a container lies, and so where a change belongs.

    kind: compose, quadlet, unit (a unit whose command starts it), kubernetes, swarm, lxc, incus, lxd, nspawn, or hand
    (an engine's command). project, service, files, directory: of compose, from the labels it puts on the container.
    unit: of a quadlet or unit. files: of the others: the .container file, the LXC configuration, the .nspawn file. pod,
    namespace: of Kubernetes; service is then the name of the container in the pod.
    """

    kind: str = "hand"
    project: Optional[str] = None
    service: Optional[str] = None
    files: list[str] = field(default_factory=list)
    directory: Optional[str] = None
    unit: Optional[str] = None
    pod: Optional[str] = None
    namespace: Optional[str] = None


@dataclass
class Container:
    """A container as its engine has it on disk: the OCI runtime specification if there is one, else its configuration.

    id: of the engine (a name for LXC and nspawn). engine: docker, podman, containerd, cri-containerd, cri-o, lxc,
    incus, lxd, nspawn. engine_uid: owner of the file that was read, other than 0 for what users keep for themselves.
    pid: of its init on the host, None when it does not run. specification: the file that was read. user:
    "uid:gid" that its process is started with. capabilities: configured sets by name (bounding, effective, permitted,
    inheritable, ambient) as bit masks; empty when unknown. privileged: the engine was told so. user_ns, net_ns: "own",
    "host", "container:ID", "path:PATH". uid_map: of its own user namespace, as configured. apparmor, selinux: labels it
    is started with. sysctls: as configured. granted, granted_user: capabilities and user that its definition adds by
    now (an override or drop-in of this collection), which a container of before does not have. seccomp: None when it
    has no filter or it is unknown (seccomp_known tells). allows_tun: its control group is told to allow /dev/net/tun.
    """

    id: str
    name: str
    engine: str
    pid: Optional[int] = None
    image: Optional[str] = None
    specification: Optional[str] = None
    user: Optional[str] = None
    capabilities: dict[str, int] = field(default_factory=dict)
    privileged: bool = False
    no_new_privs: bool = False
    user_ns: Optional[str] = None
    net_ns: Optional[str] = None
    uid_map: list[IdRange] = field(default_factory=list)
    seccomp: Optional[Seccomp] = None
    seccomp_known: bool = False
    apparmor: Optional[str] = None
    selinux: Optional[str] = None
    sysctls: dict[str, str] = field(default_factory=dict)
    granted: int = 0
    granted_user: Optional[str] = None
    allows_tun: bool = False
    engine_uid: int = 0
    owner: ContainerOwner = field(default_factory=ContainerOwner)


@dataclass
class ProfileRule:
    """One rule of an AppArmor profile that bears on netlink (apparmor.d(5)).

    kind: capability, network, userns, file (of those the ones for /dev/net/tun), or all (everything). words: what
    follows the kind, such as ["net_admin"] or ["netlink", "raw"], or path and permissions, ["/dev/net/*", "rw"]; none
    means all of that kind. deny: it refuses, whatever other rules allow; audit: and says so in the log. conditional: it
    stands in an "if" block or is for the owner of a file, so it is not known whether it holds. text: as written; file,
    line: where it stands, which may be an included file.
    """

    kind: str
    text: str
    file: str
    line: int
    words: list[str] = field(default_factory=list)
    deny: bool = False
    audit: bool = False
    conditional: bool = False


@dataclass
class Profile:
    """An AppArmor profile. name: as the kernel calls it (of a nested one: parent//child).

    mode: enforce, complain, kill, prompt or unconfined as it is loaded, None when it is not. file, line: where it is
    defined, None when no file below /etc/apparmor.d does. executable: path or pattern that it attaches to, variables
    expanded. local: the file below local/ that it includes, whether that exists or not; None when it includes none.
    rules: those that bear on netlink, included ones too. generator: the tool that makes it anew by itself (docker,
    snap, libvirt, lxc), whose files are not to be edited. flags: as its text has them, such as complain. disabled: a
    link below disable/ keeps its file from being loaded. unmediated: kinds of rules (network, userns) of which it has
    no need, since the features of its abi leave them out. package: whose configuration file its file is, where that is
    known.
    """

    name: str
    mode: Optional[str] = None
    file: Optional[str] = None
    line: Optional[int] = None
    executable: Optional[str] = None
    local: Optional[str] = None
    rules: list[ProfileRule] = field(default_factory=list)
    generator: Optional[str] = None
    flags: list[str] = field(default_factory=list)
    disabled: bool = False
    unmediated: list[str] = field(default_factory=list)
    package: Optional[str] = None


@dataclass
class Domain:
    """An SELinux domain: the type of a process, and what the loaded policy answers for it about itself.

    context: as a process has it; type: its third part. permissive: the domain alone is. allowed, denied: permissions
    that were asked for, by class (netlink_route_socket, capability, tun_socket, ...). hidden: those denied of which no
    log line tells (dontaudit). partly: those allowed that may hold for some types of messages only (allowxperm), of
    which the kernel does not tell. booleans: that are off and would allow something -> ["class permission", ...].
    """

    context: str
    type: str
    permissive: bool = False
    allowed: dict[str, list[str]] = field(default_factory=dict)
    denied: dict[str, list[str]] = field(default_factory=dict)
    hidden: dict[str, list[str]] = field(default_factory=dict)
    partly: dict[str, list[str]] = field(default_factory=dict)
    booleans: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Transition:
    """What the loaded SELinux policy makes of the start of a workload's program; nothing was started to find out.

    before: context of who executes it (a login, systemd, the parent). file: what is executed (a script itself, not its
    interpreter). after: context that the start gives. refused: what the policy denies of it ("file entrypoint", ...).
    mended, still_refused: the same two, if the file had the label that the policy's file contexts give its path; None
    and empty where it has that label, or where that was not looked at.
    """

    before: str
    file: str
    after: str
    refused: list[str] = field(default_factory=list)
    mended: Optional[str] = None
    still_refused: list[str] = field(default_factory=list)


@dataclass
class Denial:
    """Refusals of one kind that a host recorded: same subject, permission and object. Hostile text: anybody can write
    a log line. It names who to look at, and grants nothing.

    source: audit, kernel, journal, container or tracepoint. module: who refused, as the record says: apparmor, selinux,
    seccomp, capability (the tracepoint) or program (a program's own error text). subject: AppArmor profile, SELinux
    context, or None. permission: net_admin, create, nlmsg_write, userns_create, ... object: capability, the socket's
    class or family, ... errno: name, where the record tells. enforced: False where it was only logged (complain mode,
    permissive). succeeded: whether the system call did in which it was logged, None where the record does not tell (and
    for sendmsg, which succeeds whatever the kernel acknowledges). target: SELinux context of the object, or None. pid,
    uid, name, executable, command, unit, container: who; of the newest record. syscall: in which it happened. first,
    last: seconds since the epoch. text: the newest record as it stands, cut to 1000 characters.
    Of the tracepoint alone: door, by which the kernel was asked (rtnetlink, nfnetlink, ...); opener: it was the opener
    of the socket that lacks the capability; user_ns, owner_ns: inodes of the process's user namespace and of the one
    over which the capability was asked for, mostly the one that owns the network namespace.
    """

    source: str
    module: str
    permission: str
    object: str
    first: float
    last: float
    count: int = 1
    subject: Optional[str] = None
    target: Optional[str] = None
    errno: Optional[str] = None
    enforced: bool = True
    succeeded: Optional[bool] = None
    pid: Optional[int] = None
    uid: Optional[int] = None
    name: Optional[str] = None
    executable: Optional[str] = None
    unit: Optional[str] = None
    container: Optional[str] = None
    command: Optional[str] = None
    syscall: Optional[str] = None
    door: Optional[str] = None
    opener: Optional[bool] = None
    user_ns: Optional[int] = None
    owner_ns: Optional[int] = None
    text: str = ""


@dataclass
class KernelModule:
    """What the kernel would do about a piece of code that a request needs, such as the link kind "wireguard".

    need: what it is for: "kind wireguard", "qdisc netem", "family nftables", "device tun". name: of the module that
    has it, None when no module and nothing built in does. present: it is built in or loaded. source: where it was
    looked for. file: of the module that can be loaded, None when there is none on disk. blocked: file and line that
    keep it from being loaded on demand (a blacklist or install line). sealed: that keeps it from being loaded at all.
    """

    need: str
    name: Optional[str] = None
    present: bool = False
    builtin: bool = False
    source: str = ""
    file: Optional[str] = None
    blocked: Optional[str] = None
    sealed: bool = False


@dataclass
class DeviceNode:
    """/dev/net/tun as a workload finds it. right: it is the character device 10:200. mode, uid, gid: as stat(2) says.

    nodev: devices on its mount cannot be opened. access_list: a POSIX access list decides besides the mode. made_by:
    type of the file system at /dev, such as devtmpfs. cgroup: whether the workload's control group lets it be opened,
    None when that cannot be read (a program of BPF decides); cgroup_source: where that was read.
    """

    exists: bool = True
    right: bool = True
    mode: int = 0o666
    uid: int = 0
    gid: int = 0
    nodev: bool = False
    access_list: bool = False
    made_by: Optional[str] = None
    cgroup: Optional[bool] = None
    cgroup_source: str = ""


@dataclass
class Probe:
    """What the kernel answered to one harmless request sent in a workload's own context.

    answer: "allowed", "unknown" or an errno name. layer: where the answer came from (socket, bind, send, ack, ioctl,
    open, write, clone, setns, setup). net_ns: the namespace asked. tid: the thread that was imitated.
    not_reproduced: gates that the probe cannot imitate for this workload (LSM label, seccomp filter, open socket).
    """

    operation: str
    answer: str
    sent: bool = True
    layer: Optional[str] = None
    detail: Optional[str] = None
    net_ns: Optional[int] = None
    tid: Optional[int] = None
    not_reproduced: list[str] = field(default_factory=list)


@dataclass
class RouteRequest:
    """The route that a workload wants. dst: CIDR or "default"; interface: output link; table: 254 is main."""

    dst: str
    gateway: Optional[str] = None
    interface: Optional[str] = None
    table: int = 254
