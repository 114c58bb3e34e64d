# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refusal means: (what was asked, errno) -> causes it can and cannot have, and where to look next.

RULES is one table; the first row that fits wins, and the last row of every subject takes any errno. A cause is ruled
out only where the kernel's order of checks proves that it cannot give this answer: a wrong "no" is worse than a long
list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

# Catalogue of causes; docs/docsite/rst lists them with their reasons.
CAUSES = (
    "missing_capability",
    "file_capability_void",
    "container_without_capability",
    "unit_sandbox",
    "selinux_denied",
    "apparmor_denied",
    "userns_restricted",
    "seccomp_denied",
    "sysctl",
    "foreign_netns",
    "link_state",
    "driver_refused",
    "platform_refuses",
    "module_missing",
    "already_exists",
    "unknown",
)


@dataclass(frozen=True)
class Meaning:
    """A cause that a refusal can have, the reasons of it that fit, and why."""

    cause: str
    why: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exclusion:
    """A cause that a refusal cannot have, and why."""

    cause: str
    why: str


@dataclass(frozen=True)
class Rule:
    """One row: subjects and errnos it holds for (no errno: any), and what follows."""

    subjects: tuple[str, ...]
    errnos: tuple[str, ...]
    summary: str
    can_mean: tuple[Meaning, ...]
    rules_out: tuple[Exclusion, ...]
    look_next: tuple[str, ...]


def _can(cause: str, why: str, reasons: str = "") -> Meaning:
    return Meaning(cause, why, tuple(reasons.split()))


def _none_of(causes: str, why: str) -> tuple[Exclusion, ...]:
    return tuple(Exclusion(cause, why) for cause in causes.split())


def _rule(
    subjects: str,
    errnos: str,
    summary: str,
    can_mean: tuple[Meaning, ...],
    rules_out: tuple[Exclusion, ...],
    look_next: tuple[str, ...],
) -> Rule:
    return Rule(tuple(subjects.split()), tuple(errnos.split()), summary, can_mean, rules_out, look_next)


# --- where to look next -----------------------------------------------------------------------------------------------

DIAGNOSE = "Run netlink.remediation.diagnosis_info with the workload (pid, executable, unit or container) named."
PROBE = "Run netlink.remediation.probe_info with the pid: it asks the kernel the same question in the workload's place."
THREADS = (
    "Read CapEff, CapBnd and NoNewPrivs of the thread that failed: grep -E 'Cap|NoNewPrivs' /proc/PID/task/TID/status."
)
OWNER = "See which user namespace owns the network namespace: netlink.remediation.namespace_facts, or lsns -t net."
LSM_LOG = "Look for a denial of the security module: journalctl -k | grep -E 'apparmor=\"DENIED\"|avc: .*denied'."
FILTER = "Look for a system call filter: grep Seccomp /proc/PID/status (2 is a filter)."
UNIT = (
    "If a unit runs it: systemctl show UNIT -p RestrictAddressFamilies -p SystemCallFilter"
    " -p CapabilityBoundingSet -p PrivateUsers -p NoNewPrivileges."
)
TRACE = "Ask the kernel which call failed: strace -f -e trace=network,ioctl,openat,execve,setns,unshare PROGRAM."
LINKS = "Look at the link in the namespace of the workload: netlink.remediation.link_facts, or ip -d link and ip addr."
SYSCTLS = "Compare running and persisted values: netlink.remediation.sysctl_facts."
FILECAPS = "Look at the file and its mount: netlink.remediation.capability_facts with executables, or getcap FILE."
WITH_EXTACK = (
    "Repeat it with a program that prints the kernel's own text (iproute2 4.14 or newer; pyroute2 with ext_ack=True)."
)
MODULES = "See whether the module is there and may be loaded: modinfo NAME; cat /proc/sys/kernel/modules_disabled."
RESTRICTIONS = (
    "Read the switches: sysctl kernel.apparmor_restrict_unprivileged_userns kernel.unprivileged_userns_clone"
    " user.max_user_namespaces user.max_net_namespaces."
)

# --- meanings that several rules share --------------------------------------------------------------------------------

MISSING = _can(
    "missing_capability",
    "CAP_NET_ADMIN is not in the effective set of the thread that asked, or of the one that opened the socket",
    "not_root dropped held_not_raised stale_socket",
)
VOID = _can(
    "file_capability_void",
    "a capability put on the file has no effect: nosuid, no_new_privs, a script, a child process,"
    " or the program drops it (iproute2's ip does)",
    "nosuid no_new_privs script outside_bounding_set dropped_by_program rootid permitted_only ambient_cleared lost"
    " child_process",
)
CONTAINER = _can(
    "container_without_capability",
    "root in a container holds only what the engine grants, and another user in it usually nothing",
    "not_granted nonroot_user dropped not_applied",
)
UNIT_CAPABILITY = _can(
    "unit_sandbox",
    "the unit takes the capability away, or gives it in a user namespace where it does not count",
    "capability_bounding_set private_users no_new_privileges not_restarted",
)
FOREIGN = _can(
    "foreign_netns",
    "the capability is held in a user namespace that does not own the network namespace",
    "userns_remap rootless_host_network other_owner target_netns socket_of_other_netns init_only_operation",
)
USERNS_PROFILE = _can(
    "userns_restricted",
    "the host lets the program make a user namespace but denies every capability in it",
    "apparmor_restrict_unprivileged_userns",
)
APPARMOR_CAPABILITY = _can("apparmor_denied", "the profile lacks capability net_admin", "capability explicit_deny")
SELINUX_CAPABILITY = _can(
    "selinux_denied", "the domain may not use net_admin (class capability or cap_userns)", "capability"
)
UNNAMED_SECURITY = _can(
    "unknown", "a BPF or Landlock policy refuses without a log line, or something not in the catalogue"
)
PLATFORM = _can(
    "platform_refuses",
    "the kernel is not a plain Linux, or the host keeps this from its guests",
    "gvisor wsl1 openvz fargate android",
)
DRIVER = _can("driver_refused", "the driver or its firmware refuses, root too", "sriov_trust mode_locked")
PRIVILEGE = (
    MISSING,
    VOID,
    CONTAINER,
    UNIT_CAPABILITY,
    FOREIGN,
    USERNS_PROFILE,
    APPARMOR_CAPABILITY,
    SELINUX_CAPABILITY,
)
BARE_STATE = _can(
    "link_state",
    "rarely: the state of the object, when the kernel sends no text or the program does not print it"
    " (a port that is up, the default group, a fallback tunnel)",
    "busy enslaved protected_group",
)
SECCOMP = _can("seccomp_denied", "a system call filter answers in place of the kernel", "filter")
UNIT_FILTER = _can(
    "unit_sandbox",
    "SystemCallFilter= or RestrictAddressFamilies= of the unit",
    "system_call_filter restrict_address_families",
)
SELINUX_SOCKET = _can(
    "selinux_denied", "the domain may not use this class of netlink socket", "netlink_socket nlmsg mislabelled"
)
APPARMOR_SOCKET = _can(
    "apparmor_denied",
    "the profile lacks a network netlink rule for this type of socket (raw and dgram are two)",
    "network_rule explicit_deny",
)
MODULE = _can("module_missing", "the kernel has no such driver or family, or may not load it", "kind modules_disabled")
LINK_MISSING = _can("link_state", "no such object in this namespace", "missing wrong_netns")
UNPERSUADED = _can("unknown", "the words alone do not tell")
BAD_REQUEST = _can("unknown", "the request itself is wrong, or this kernel does not know it")

_CAPABILITY_CAUSES = "missing_capability file_capability_void container_without_capability"
_PRIVILEGE_CAUSES = _CAPABILITY_CAUSES + " apparmor_denied selinux_denied seccomp_denied userns_restricted"
_NOT_EPERM = (
    Exclusion("sysctl", "disable_ipv6 is answered with EACCES, and no other sysctl refuses a netlink request"),
    Exclusion("already_exists", "an object that is there is answered with EEXIST"),
    Exclusion("module_missing", "an unknown kind is answered with EOPNOTSUPP or ENOENT, after privilege was granted"),
)
_ACK_REACHED = (Exclusion("seccomp_denied", "an ack means that socket(), bind() and the send went through"),)
_NO_CAPABILITY_NEEDED = _none_of(
    _CAPABILITY_CAUSES, "opening and using a netlink socket needs no capability: privilege is judged later, in the ack"
)
_AFTER_PRIVILEGE = _none_of(
    _PRIVILEGE_CAUSES, "the kernel judges privilege first: this answer comes after it was granted"
)
_NO_PRIVILEGE = _none_of(_CAPABILITY_CAUSES, "this look-up needs no capability")
_NO_ACK_STATE = _none_of("link_state already_exists", "the request did not reach the object")


# --- the table --------------------------------------------------------------------------------------------------------

_ACK = (
    _rule(
        "audit_ack",
        "",
        "The audit subsystem refused: it answers only holders of audit capabilities in the initial namespaces.",
        (
            _can(
                "foreign_netns",
                "audit answers the initial user and pid namespace only, whatever a container is granted",
                "init_only_operation",
            ),
            *PRIVILEGE[:4],
            SELINUX_CAPABILITY,
            UNNAMED_SECURITY,
        ),
        (),
        ("Run the program on the host itself, in no container.", THREADS),
    ),
    _rule(
        "ack ack_or_ioctl request",
        "EPERM",
        "The kernel refused for lack of privilege: almost always CAP_NET_ADMIN is missing where it counts.",
        (*PRIVILEGE, BARE_STATE, DRIVER, PLATFORM, UNNAMED_SECURITY),
        _NOT_EPERM + _ACK_REACHED,
        (DIAGNOSE, THREADS, OWNER, LSM_LOG, WITH_EXTACK),
    ),
    _rule(
        "ack",
        "EACCES",
        "This is not a missing capability: IPv6 is switched off for the interface, or a prohibit route was hit.",
        (
            _can("sysctl", "disable_ipv6 is 1 for the interface, and stops root too", "ipv6_disabled ipv6_off_at_boot"),
            _can("foreign_netns", "a read of another namespace by IFLA_TARGET_NETNSID", "target_netns"),
            _can("platform_refuses", "an emulated kernel that does not implement it", "wsl1 gvisor"),
            _can("unknown", "ip route get ran into a prohibit route: ip route show type prohibit"),
        ),
        _none_of(
            _CAPABILITY_CAUSES + " apparmor_denied selinux_denied userns_restricted",
            "the ack of a missing or denied capability is EPERM, whatever the security module said",
        )
        + _none_of("already_exists module_missing", "these are answered with other errnos")
        + _ACK_REACHED,
        (
            "Read the switch of the interface in the workload's namespace: sysctl net.ipv6.conf.IFACE.disable_ipv6.",
            SYSCTLS,
            DIAGNOSE,
        ),
    ),
    _rule(
        "request ack_or_ioctl",
        "EACCES",
        "No missing capability: IPv6 is switched off for the interface, or a security module refused the message.",
        (
            _can("sysctl", "disable_ipv6 is 1 for the interface, and stops root too", "ipv6_disabled ipv6_off_at_boot"),
            SELINUX_SOCKET,
            APPARMOR_SOCKET,
            _can("foreign_netns", "a read of another namespace by IFLA_TARGET_NETNSID", "target_netns"),
            SECCOMP,
            PLATFORM,
            UNNAMED_SECURITY,
        ),
        _none_of(_CAPABILITY_CAUSES, "a missing capability is answered with EPERM"),
        (SYSCTLS, LSM_LOG, TRACE),
    ),
    _rule(
        "ack ack_or_ioctl request",
        "EEXIST",
        "It is already there: the same object is no failure, a different one is in the way.",
        (
            _can("already_exists", "an object of this name, address or destination exists", "same different"),
            _can(
                "platform_refuses", "gVisor gives every new namespace a loopback that is configured already", "gvisor"
            ),
        ),
        _AFTER_PRIVILEGE + _none_of("sysctl module_missing foreign_netns", "these are answered with other errnos"),
        ("Show what is there: ip addr, ip route show table all, ip rule, ip neigh.", LINKS),
    ),
    _rule(
        "ack ack_or_ioctl request",
        "ENODEV ENXIO",
        "There is no such link in this namespace, or the link cannot carry what was asked.",
        (
            LINK_MISSING,
            _can("link_state", "IPv6 is off on a link whose MTU is below 1280"),
            _can("module_missing", "the earlier step that should have made the link failed", "kind"),
        ),
        _none_of("already_exists", "an object that is there is answered with EEXIST"),
        (LINKS, "Look for the first error in the log: the link may never have been created."),
    ),
    _rule(
        "ack ack_or_ioctl request",
        "ENETDOWN ENETUNREACH EHOSTUNREACH",
        "A link is down, or no address of it reaches the gateway; privilege is not the problem.",
        (_can("link_state", "the link is down or has no address in the gateway's subnet", "down no_address"),),
        _AFTER_PRIVILEGE + _none_of("already_exists module_missing", "these are answered with other errnos"),
        (LINKS, "Set the link up and give it its address first, then add the route."),
    ),
    _rule(
        "ack ack_or_ioctl request",
        "EADDRNOTAVAIL ESRCH",
        "What should be changed or removed is not there.",
        (
            _can("link_state", "no such address, route or process; a multicast hardware address", "missing no_address"),
            BAD_REQUEST,
        ),
        _AFTER_PRIVILEGE + _none_of("module_missing", "this is answered with another errno"),
        ("Show what is there: ip addr, ip route show table all.", LINKS),
    ),
    _rule(
        "ack ack_or_ioctl request",
        "EBUSY EADDRINUSE ENOTEMPTY ETXTBSY",
        "The object is in use by something else; privilege is not the problem.",
        (
            _can(
                "link_state",
                "a port of a bridge or bond, a parent of macvlan, up, or otherwise in use",
                "busy enslaved",
            ),
            _can("already_exists", "something else uses this address or name", "different"),
            DRIVER,
        ),
        _AFTER_PRIVILEGE + _none_of("module_missing sysctl", "these are answered with other errnos"),
        ("See who holds it: ip -d link show dev IFACE (master, and who lies on it).", LINKS),
    ),
    _rule(
        "ack ack_or_ioctl request",
        "ENOENT",
        "The kernel does not know the family or object that was named.",
        (
            MODULE,
            LINK_MISSING,
            _can("foreign_netns", "some families exist in the initial namespace only", "init_only_operation"),
        ),
        _none_of("already_exists", "an object that is there is answered with EEXIST"),
        (MODULES, "Show what is there: ip rule, tc qdisc, nft list ruleset, genl ctrl list."),
    ),
    _rule(
        "ack ack_or_ioctl request",
        "EOPNOTSUPP EPROTONOSUPPORT ENOPROTOOPT EAFNOSUPPORT ENOSYS",
        "The kernel, a module that is not loaded, or the driver cannot do this.",
        (
            MODULE,
            _can("driver_refused", "the driver does not implement it"),
            PLATFORM,
            _can("selinux_denied", "the domain may not make the kernel load a module (system module_request)"),
            _can(
                "unit_sandbox",
                "RestrictAddressFamilies= takes away the family the program needs",
                "restrict_address_families",
            ),
            SECCOMP,
            LINK_MISSING,
            BAD_REQUEST,
        ),
        _none_of(_CAPABILITY_CAUSES, "a missing capability is answered with EPERM")
        + _none_of("already_exists", "an object that is there is answered with EEXIST"),
        (MODULES, LINKS, WITH_EXTACK),
    ),
    _rule(
        "ack ack_or_ioctl request",
        "EINVAL ERANGE EMSGSIZE EOVERFLOW",
        "The request does not fit the object, or this kernel does not know it; privilege is not the problem.",
        (
            _can(
                "link_state",
                "the link cannot take this value (an MTU below 1280 and IPv6, lo, another mode)",
                "missing",
            ),
            _can("sysctl", "IPv6 is switched off for the interface", "ipv6_disabled"),
            DRIVER,
            BAD_REQUEST,
        ),
        _none_of(_CAPABILITY_CAUSES, "a missing capability is answered with EPERM")
        + _none_of("already_exists", "an object that is there is answered with EEXIST"),
        (WITH_EXTACK, LINKS),
    ),
    _rule(
        "ack ack_or_ioctl request",
        "ERFKILL",
        "The radio is switched off by rfkill, in software or by a switch on the machine.",
        (_can("driver_refused", "rfkill blocks the radio", "rfkill"),),
        _AFTER_PRIVILEGE + _none_of("already_exists module_missing sysctl", "these are answered with other errnos"),
        ("See which block it is: rfkill list; a soft block goes with rfkill unblock wifi.",),
    ),
    _rule(
        "ack ack_or_ioctl",
        "ECONNREFUSED",
        "Nobody answers on this netlink family in this namespace.",
        (
            _can("foreign_netns", "audit answers in the initial namespaces only", "init_only_operation"),
            _can("module_missing", "the family has no listener because its module is not loaded", "kind"),
        ),
        _none_of(_CAPABILITY_CAUSES, "a missing capability is answered with EPERM"),
        ("Run the program on the host itself, in no container.",),
    ),
    _rule(
        "ack ack_or_ioctl request",
        "",
        "The kernel refused the request, but the error printed does not say why.",
        (
            *PRIVILEGE,
            _can("seccomp_denied", "the message went out by a call that a filter may refuse", "filter"),
            _can("sysctl", "IPv6 is switched off for the interface", "ipv6_disabled"),
            BARE_STATE,
            LINK_MISSING,
            _can("already_exists", "an object that is there", "same different"),
            MODULE,
            DRIVER,
            PLATFORM,
            UNPERSUADED,
        ),
        (),
        (TRACE, DIAGNOSE, WITH_EXTACK),
    ),
    _rule(
        "printed_text",
        "",
        "This looks like the kernel's own text as iproute2 prints it: then the object is in the way, not privilege.",
        (
            _can("link_state", "the kernel's text names the state of the object it objects to"),
            _can("driver_refused", "drivers use such texts for what they do not do"),
            _can("unknown", "the text is not in the catalogue, or it is the program's own: read it"),
        ),
        (),
        ("Give the text again as extack, if it is the kernel's.", TRACE, LINKS),
    ),
    _rule(
        "genl_family",
        "",
        "The kernel module for this family is not loaded, or the family is not visible in this namespace.",
        (
            MODULE,
            _can("foreign_netns", "the family exists in the initial network namespace only", "init_only_operation"),
            PLATFORM,
        ),
        _none_of(_CAPABILITY_CAUSES, "asking for a family needs no capability"),
        (MODULES, "List the families of the namespace: genl ctrl list."),
    ),
)

_SYSCALLS = (
    _rule(
        "socket interfaces socket_option",
        "EAFNOSUPPORT",
        "Netlink sockets are forbidden: the unit's RestrictAddressFamilies= lacks AF_NETLINK, or a filter does it.",
        (
            _can("unit_sandbox", "RestrictAddressFamilies= lacks AF_NETLINK", "restrict_address_families"),
            SECCOMP,
            PLATFORM,
            UNNAMED_SECURITY,
        ),
        _NO_CAPABILITY_NEEDED + _NO_ACK_STATE,
        (UNIT, FILTER),
    ),
    _rule(
        "socket interfaces socket_option",
        "EPROTONOSUPPORT ENOPROTOOPT ESOCKTNOSUPPORT",
        "The kernel has no such netlink protocol: its module is missing, or this is no plain Linux.",
        (
            MODULE,
            PLATFORM,
            _can(
                "unit_sandbox",
                "RestrictAddressFamilies= takes away another family the program tries",
                "restrict_address_families",
            ),
            SECCOMP,
        ),
        _NO_CAPABILITY_NEEDED + _NO_ACK_STATE,
        (MODULES, "See which protocols are registered: rows with Pid 0 in /proc/net/netlink (Eth is the protocol)."),
    ),
    _rule(
        "socket interfaces socket_option python_socket",
        "EACCES",
        "A security module or a filter refuses the netlink socket itself; no capability helps.",
        (SELINUX_SOCKET, APPARMOR_SOCKET, SECCOMP, UNIT_FILTER, PLATFORM, UNNAMED_SECURITY),
        _NO_CAPABILITY_NEEDED + _NO_ACK_STATE,
        (LSM_LOG, FILTER, "Read the label of the process: cat /proc/PID/attr/current."),
    ),
    _rule(
        "socket interfaces socket_option python_socket",
        "EPERM ENOSYS",
        "The netlink socket itself is refused, most likely by a system call filter; no capability helps.",
        (SECCOMP, UNIT_FILTER, PLATFORM, UNNAMED_SECURITY),
        _NO_CAPABILITY_NEEDED + _NO_ACK_STATE,
        (FILTER, UNIT, "In a container look at its seccomp profile (docker inspect: SecurityOpt)."),
    ),
    _rule(
        "socket interfaces socket_option python_socket",
        "",
        "No netlink socket could be had: a filter, a security module, a unit's sandbox or a missing module.",
        (SECCOMP, UNIT_FILTER, SELINUX_SOCKET, APPARMOR_SOCKET, MODULE, PLATFORM, UNNAMED_SECURITY),
        _NO_CAPABILITY_NEEDED + _NO_ACK_STATE,
        (TRACE, FILTER, UNIT, LSM_LOG),
    ),
    _rule(
        "raw_socket",
        "",
        "A raw or packet socket was refused: that needs CAP_NET_RAW, which CAP_NET_ADMIN does not include.",
        (
            _can("missing_capability", "CAP_NET_RAW is not effective", "not_root dropped held_not_raised"),
            VOID,
            CONTAINER,
            UNIT_CAPABILITY,
            FOREIGN,
            USERNS_PROFILE,
            APPARMOR_CAPABILITY,
            SELINUX_CAPABILITY,
            APPARMOR_SOCKET,
            SECCOMP,
            MODULE,
            PLATFORM,
            UNNAMED_SECURITY,
        ),
        _none_of("already_exists link_state", "no object was named yet"),
        (THREADS, OWNER, UNIT, DIAGNOSE),
    ),
    _rule(
        "buffer_force",
        "",
        "A socket buffer larger than net.core.rmem_max wants CAP_NET_ADMIN in the initial user namespace.",
        (
            UNIT_CAPABILITY,
            _can("missing_capability", "SO_RCVBUFFORCE and SO_SNDBUFFORCE need CAP_NET_ADMIN", "not_root dropped"),
            CONTAINER,
            _can("foreign_netns", "only the initial user namespace counts here", "init_only_operation"),
        ),
        _none_of("already_exists link_state module_missing", "no object is involved"),
        ("Raise the limit instead: sysctl net.core.rmem_max (netlink.remediation.sysctl_settings).",),
    ),
    _rule(
        "bind",
        "EACCES",
        "A security module refuses to bind the netlink socket; no capability helps.",
        (SELINUX_SOCKET, APPARMOR_SOCKET, SECCOMP, PLATFORM, UNNAMED_SECURITY),
        _NO_CAPABILITY_NEEDED + _NO_ACK_STATE,
        (LSM_LOG, "On Android no app may bind a netlink route socket."),
    ),
    _rule(
        "bind",
        "",
        "Binding the netlink socket was refused: a filter, or a multicast group that wants CAP_NET_ADMIN.",
        (
            SECCOMP,
            _can("missing_capability", "groups of netfilter, xfrm and audit want a capability", "not_root dropped"),
            VOID,
            CONTAINER,
            UNIT_CAPABILITY,
            UNIT_FILTER,
            FOREIGN,
            SELINUX_SOCKET,
            APPARMOR_SOCKET,
            PLATFORM,
            UNNAMED_SECURITY,
        ),
        _NO_ACK_STATE,
        (FILTER, LSM_LOG, THREADS, TRACE),
    ),
    _rule(
        "send python_send",
        "EACCES",
        "A security module refused the message before the kernel judged it: SELinux most likely, or a filter.",
        (
            _can(
                "selinux_denied",
                "the domain lacks nlmsg_write, nlmsg_read, nlmsg or write on this class",
                "nlmsg netlink_socket",
            ),
            SECCOMP,
            APPARMOR_SOCKET,
            UNIT_FILTER,
            UNNAMED_SECURITY,
        ),
        _none_of(_CAPABILITY_CAUSES, "privilege is judged after the message was sent, and answered in the ack")
        + _NO_ACK_STATE,
        (LSM_LOG, FILTER),
    ),
    _rule(
        "send python_send",
        "",
        "The message was refused while being sent: by a system call filter or a security module, not for a capability.",
        (
            SECCOMP,
            SELINUX_SOCKET,
            UNIT_FILTER,
            APPARMOR_SOCKET,
            UNNAMED_SECURITY,
            _can(
                "missing_capability",
                "only for a message to another process or a group instead of the kernel",
                "not_root",
            ),
        ),
        _none_of("file_capability_void", "privilege is judged after the message was sent, and answered in the ack")
        + _NO_ACK_STATE,
        (FILTER, LSM_LOG, TRACE),
    ),
    _rule(
        "receive",
        "",
        "Reading from an open netlink socket was refused: a security module or a filter.",
        (APPARMOR_SOCKET, SELINUX_SOCKET, SECCOMP, UNNAMED_SECURITY),
        _none_of(_CAPABILITY_CAUSES, "reading needs no capability"),
        (LSM_LOG, FILTER),
    ),
    _rule(
        "python",
        "EAFNOSUPPORT",
        "The program may not open this family of sockets: RestrictAddressFamilies= of its unit, or a filter.",
        (
            _can("unit_sandbox", "RestrictAddressFamilies= lacks AF_NETLINK", "restrict_address_families"),
            SECCOMP,
            PLATFORM,
            UNNAMED_SECURITY,
        ),
        _NO_CAPABILITY_NEEDED + _NO_ACK_STATE,
        (UNIT, FILTER),
    ),
    _rule(
        "python",
        "EPERM EACCES ENOSYS",
        "A system call was refused, and an OSError does not say which; a refusal in the ack would be a NetlinkError.",
        (
            SECCOMP,
            SELINUX_SOCKET,
            APPARMOR_SOCKET,
            UNIT_FILTER,
            *PRIVILEGE[:6],
            _can("module_missing", "/dev/net/tun may not be opened", "tun_node_mode tun_device_cgroup"),
            PLATFORM,
            UNNAMED_SECURITY,
        ),
        (),
        (
            "Read the traceback: the innermost call (socket, bind, sendto, ioctl, open) is the layer.",
            TRACE,
            FILTER,
            LSM_LOG,
        ),
    ),
    _rule(
        "python",
        "",
        "A system call failed because of the state of the object, not for lack of privilege.",
        (
            _can("already_exists", "a device of that name, with other flags or in use", "different"),
            _can("link_state", "the object is busy, missing or down", "busy missing down"),
            MODULE,
            UNPERSUADED,
        ),
        _none_of(_CAPABILITY_CAUSES, "a missing capability is answered with EPERM or EACCES"),
        (TRACE, LINKS),
    ),
)

_DEVICES = (
    _rule(
        "lookup",
        "",
        "No link of that name is in this network namespace; the look-up needs no privilege.",
        (
            LINK_MISSING,
            _can("module_missing", "the earlier step that should have made the link failed", "kind"),
            _can("unit_sandbox", "the unit has a network of its own with nothing but lo", "private_network"),
            PLATFORM,
        ),
        _NO_PRIVILEGE + _none_of("already_exists", "the object is not there"),
        (LINKS, "Look for the first error in the log: the link may never have been created."),
    ),
    _rule(
        "link_ioctl",
        "EPERM",
        "An ioctl on the link was refused for lack of CAP_NET_ADMIN where it counts.",
        (*PRIVILEGE, BARE_STATE, SECCOMP, DRIVER, PLATFORM, UNNAMED_SECURITY),
        _NOT_EPERM,
        (DIAGNOSE, THREADS, OWNER, LSM_LOG),
    ),
    _rule(
        "link_ioctl",
        "",
        "An ioctl on the link failed because of the link or its driver.",
        (
            LINK_MISSING,
            _can("driver_refused", "the driver does not implement it, or rfkill", "rfkill mode_locked"),
            MODULE,
            UNPERSUADED,
        ),
        (),
        (LINKS, TRACE),
    ),
    _rule(
        "owner_ioctl",
        "",
        "A user namespace above the caller's owns the network namespace: capabilities held here do not count there.",
        (
            _can(
                "foreign_netns",
                "NS_GET_USERNS answers EPERM exactly then",
                "userns_remap rootless_host_network other_owner",
            ),
        ),
        _none_of("sysctl already_exists module_missing", "this ioctl asks only who owns the namespace"),
        (OWNER, DIAGNOSE),
    ),
    _rule(
        "tun_open tun",
        "ENOENT ENODEV ENXIO",
        "/dev/net/tun is not there: the module is not loaded, or the container was not given the device.",
        (_can("module_missing", "no device node, or no driver behind it", "tun_node_missing kind"), PLATFORM),
        _none_of(_CAPABILITY_CAUSES, "the file is missing for root too"),
        ("ls -l /dev/net/tun; grep -w tun /proc/misc.", "Pass the device to the container (--device /dev/net/tun)."),
    ),
    _rule(
        "tun_open",
        "EPERM",
        "The device cgroup of the container or unit does not allow /dev/net/tun.",
        (
            _can("module_missing", "the device cgroup denies character device 10:200", "tun_device_cgroup"),
            SECCOMP,
            UNNAMED_SECURITY,
        ),
        _none_of(_CAPABILITY_CAUSES, "a wrong file mode would be EACCES, and opening wants no network capability"),
        ("Pass the device to the container (--device /dev/net/tun); for a unit DeviceAllow=/dev/net/tun rw.",),
    ),
    _rule(
        "tun_open",
        "EACCES",
        "/dev/net/tun may not be opened: its mode, a nodev mount, or a security module.",
        (
            _can("module_missing", "the mode of the node or a nodev mount", "tun_node_mode"),
            _can("apparmor_denied", "the profile has no rule for /dev/net/tun", "explicit_deny"),
            _can("selinux_denied", "the domain may not open tun_tap_device_t", "mislabelled"),
            _can("missing_capability", "not root, and the node is for root only", "not_root"),
            UNNAMED_SECURITY,
        ),
        (),
        ("ls -lZ /dev/net/tun; findmnt -T /dev/net/tun.", LSM_LOG),
    ),
    _rule(
        "tun_ioctl",
        "EACCES",
        "SELinux refuses to create or attach the TUN device.",
        (_can("selinux_denied", "the domain lacks tun_socket create", "tun_socket"), SECCOMP, UNNAMED_SECURITY),
        _none_of(_CAPABILITY_CAUSES, "a missing capability is answered with EPERM"),
        (LSM_LOG,),
    ),
    _rule(
        "tun_ioctl tun",
        "EBUSY EINVAL EEXIST",
        "A device of that name is in use, has other flags, or is no TUN device.",
        (
            _can(
                "already_exists", "a tap that is open elsewhere, has other flags, or another kind of link", "different"
            ),
            _can("link_state", "the device is attached to another process", "busy"),
        ),
        _none_of(_CAPABILITY_CAUSES, "a missing capability is answered with EPERM"),
        ("ip -d tuntap; ip -d link show dev NAME.",),
    ),
    _rule(
        "tun_ioctl tun tun_open",
        "",
        "The TUN device was refused: CAP_NET_ADMIN is missing where it counts, or the tap belongs to another user.",
        (
            _can(
                "missing_capability",
                "CAP_NET_ADMIN is not effective, and the tap is not owned by this user",
                "not_root dropped held_not_raised",
            ),
            *PRIVILEGE[1:],
            _can(
                "module_missing",
                "/dev/net/tun is missing or closed",
                "tun_node_missing tun_node_mode tun_device_cgroup",
            ),
            SECCOMP,
            PLATFORM,
            UNNAMED_SECURITY,
        ),
        (Exclusion("sysctl", "no sysctl forbids a TUN device"),),
        (
            DIAGNOSE,
            THREADS,
            "ls -l /dev/net/tun; a tap made beforehand for the user (ip tuntap add ... user NAME) needs no capability.",
        ),
    ),
)

_FILES = (
    _rule(
        "sysctl_open",
        "EROFS",
        "/proc/sys is mounted read-only here: a container or ProtectKernelTunables= of a unit.",
        (
            _can("sysctl", "/proc/sys is read-only for this process", "read_only"),
            _can("unit_sandbox", "ProtectKernelTunables=yes", "protect_kernel_tunables"),
        ),
        _none_of(_CAPABILITY_CAUSES, "a read-only mount stops root with every capability"),
        (SYSCTLS, "In a container set it by the engine (docker run --sysctl KEY=VALUE); on the host set it there."),
    ),
    _rule(
        "sysctl_open",
        "",
        "The key may not be written by this user, or /proc/sys is read-only: procps words both alike.",
        (
            _can(
                "missing_capability",
                "not root in the user namespace that owns the network namespace",
                "not_root dropped",
            ),
            _can("sysctl", "/proc/sys is read-only here", "read_only"),
            _can(
                "unit_sandbox",
                "ProtectKernelTunables=, or the user namespace of PrivateUsers=",
                "protect_kernel_tunables private_users",
            ),
            FOREIGN,
            CONTAINER,
            VOID,
            _can("apparmor_denied", "the profile has no write rule for the file", "explicit_deny"),
            _can("selinux_denied", "the domain may not write sysctl_net_t", "mislabelled"),
            UNNAMED_SECURITY,
        ),
        _none_of("already_exists link_state", "no object is involved"),
        ("See how it is mounted: findmnt -T /proc/sys/net.", SYSCTLS, OWNER),
    ),
    _rule(
        "sysctl_write",
        "EINVAL ERANGE",
        "The kernel does not take this value for the key.",
        (_can("unknown", "the value is out of range or of the wrong form"),),
        _none_of(_CAPABILITY_CAUSES, "privilege was granted: the value is read after it"),
        ("Try it where nothing can break: unshare -n sysctl -w KEY=VALUE.",),
    ),
    _rule(
        "sysctl_write",
        "EROFS",
        "/proc/sys is mounted read-only here: a container or ProtectKernelTunables= of a unit.",
        (
            _can("sysctl", "/proc/sys is read-only for this process", "read_only"),
            _can("unit_sandbox", "ProtectKernelTunables=yes", "protect_kernel_tunables"),
        ),
        _none_of(_CAPABILITY_CAUSES, "a read-only mount stops root with every capability"),
        (SYSCTLS, "In a container set it by the engine (docker run --sysctl KEY=VALUE); on the host set it there."),
    ),
    _rule(
        "sysctl_write",
        "",
        "The file could be opened but the write wants CAP_NET_ADMIN (ip_forward and forwarding keys do).",
        (*PRIVILEGE, PLATFORM, UNNAMED_SECURITY),
        _none_of("already_exists link_state module_missing", "no object is involved"),
        (DIAGNOSE, THREADS, OWNER),
    ),
    _rule(
        "sysctl_missing",
        "",
        "The key does not exist in this namespace or kernel.",
        (
            _can("foreign_netns", "some keys exist in the initial network namespace only", "init_only_operation"),
            _can("module_missing", "the module that brings the key is not loaded", "kind"),
            _can("link_state", "the interface named in the key is not there", "missing wrong_netns"),
            _can("unknown", "the key is misspelt or of another kernel version"),
        ),
        _none_of(_CAPABILITY_CAUSES, "looking for a file needs no capability"),
        (SYSCTLS, "List what is there: sysctl -a --pattern PART_OF_THE_KEY."),
    ),
    _rule(
        "sysfs_open",
        "ENOENT ENODEV",
        "The link is not in the network namespace that this /sys shows (the one of the mount).",
        (LINK_MISSING, UNPERSUADED),
        _NO_PRIVILEGE,
        (LINKS, "/sys/class/net shows the namespace in which /sys was mounted: use ip link instead."),
    ),
    _rule(
        "sysfs_open",
        "EROFS",
        "/sys is mounted read-only here: a container or a unit's sandbox.",
        (
            _can("unit_sandbox", "ProtectKernelTunables=yes makes /sys read-only", "protect_kernel_tunables"),
            _can("container_without_capability", "engines mount /sys read-only without privilege", "not_granted"),
            _can("unknown", "some other read-only mount"),
        ),
        _none_of("missing_capability file_capability_void", "a read-only mount stops root with every capability"),
        ("findmnt -T /sys/class/net; ip link can do the same without /sys.",),
    ),
    _rule(
        "sysfs_open",
        "EACCES EPERM",
        "The file belongs to root of the user namespace that owns the network namespace.",
        (
            _can("missing_capability", "not root", "not_root"),
            FOREIGN,
            _can("apparmor_denied", "the profile has no write rule for the file", "explicit_deny"),
            _can("selinux_denied", "the domain may not write sysfs", "mislabelled"),
            UNNAMED_SECURITY,
        ),
        (),
        (OWNER, LSM_LOG),
    ),
    _rule(
        "sysfs_open",
        "",
        "The link or its driver does not answer through this file in its present state.",
        (_can("link_state", "many files are readable only while the link is up", "down missing"), DRIVER, UNPERSUADED),
        (),
        (LINKS,),
    ),
    _rule(
        "sysfs_write",
        "",
        "The write wants CAP_NET_ADMIN; for rps_cpus, tx_queue_len and the like in the initial user namespace.",
        (*PRIVILEGE, DRIVER, PLATFORM, UNNAMED_SECURITY),
        _none_of("already_exists module_missing", "no object is made"),
        (DIAGNOSE, OWNER, THREADS),
    ),
    _rule(
        "netns_file proc_access",
        "ENOENT",
        "There is no network namespace of that name or process here.",
        (
            _can(
                "link_state", "the namespace is not there, or named in another mount namespace", "missing wrong_netns"
            ),
            _can("foreign_netns", "the namespace was made elsewhere", "cannot_join"),
        ),
        _none_of(_CAPABILITY_CAUSES, "the file is missing for root too"),
        ("ip netns list; lsns -t net.",),
    ),
    _rule(
        "netns_file proc_access",
        "",
        "The file of the network namespace may not be opened: /proc/PID/ns wants the right to trace that process.",
        (
            _can(
                "missing_capability",
                "CAP_SYS_PTRACE, or the same user and no more capabilities than the reader",
                "not_root dropped",
            ),
            _can(
                "foreign_netns",
                "the namespace belongs to another user namespace",
                "cannot_join other_owner target_netns",
            ),
            _can("link_state", "there is no namespace of that name or process", "missing wrong_netns"),
            _can("apparmor_denied", "the profile has no rule for the path of the namespace", "explicit_deny"),
            _can("selinux_denied", "the domain may not open the file", "mislabelled"),
            CONTAINER,
            UNIT_CAPABILITY,
            UNNAMED_SECURITY,
        ),
        _none_of("sysctl already_exists module_missing", "only the file of a namespace was opened"),
        (OWNER, LSM_LOG, "Name the namespace by a file in /run/netns instead of by pid."),
    ),
)

_NAMESPACES = (
    _rule(
        "setns setns_cleanup",
        "",
        "Joining the namespace was refused: it wants CAP_SYS_ADMIN over its owner and over one's own user namespace.",
        (
            _can(
                "foreign_netns",
                "the namespace belongs to another user namespace",
                "cannot_join rootless_host_network other_owner",
            ),
            _can(
                "missing_capability", "CAP_SYS_ADMIN is not effective (CAP_NET_ADMIN is not enough)", "not_root dropped"
            ),
            _can(
                "container_without_capability", "engines do not grant CAP_SYS_ADMIN", "not_granted nonroot_user dropped"
            ),
            UNIT_CAPABILITY,
            VOID,
            SECCOMP,
            _can(
                "userns_restricted",
                "an earlier step could not make the namespace",
                "max_net_namespaces apparmor_restrict_unprivileged_userns",
            ),
            _can("apparmor_denied", "the profile lacks capability sys_admin", "capability"),
            _can("selinux_denied", "the domain may not use sys_admin", "capability"),
            UNNAMED_SECURITY,
        ),
        _none_of("sysctl link_state already_exists module_missing", "no object in the namespace was reached"),
        (OWNER, THREADS, DIAGNOSE),
    ),
    _rule(
        "unshare",
        "ENOSPC EUSERS",
        "A limit on namespaces is reached: /proc/sys/user/max_*_namespaces, or 32 levels of nesting.",
        (
            _can(
                "userns_restricted",
                "a limit of this or an outer user namespace",
                "max_user_namespaces max_net_namespaces nesting",
            ),
        ),
        _none_of(_CAPABILITY_CAUSES, "no capability lifts a limit"),
        (RESTRICTIONS,),
    ),
    _rule(
        "unshare",
        "EACCES",
        "A security module refuses to make the namespace.",
        (
            _can("apparmor_denied", "the profile lacks a userns rule", "userns explicit_deny"),
            _can(
                "userns_restricted",
                "the host restricts unprivileged user namespaces by AppArmor",
                "apparmor_restrict_unprivileged_userns",
            ),
            _can("selinux_denied", "the domain lacks user_namespace create"),
            SECCOMP,
            UNNAMED_SECURITY,
        ),
        _none_of(
            "missing_capability file_capability_void", "the kernel itself answers EPERM for want of CAP_SYS_ADMIN"
        ),
        (LSM_LOG, RESTRICTIONS),
    ),
    _rule(
        "unshare",
        "",
        "Making the namespace was refused: it wants CAP_SYS_ADMIN, and user namespaces may be closed to users.",
        (
            _can(
                "userns_restricted",
                "user namespaces are closed to users, or this process may not map itself (chroot, unmapped id)",
                "unprivileged_userns_clone apparmor_restrict_unprivileged_userns chrooted unmapped_uid"
                " max_user_namespaces nesting",
            ),
            _can("missing_capability", "CAP_SYS_ADMIN is not effective (unshare -n without -U)", "not_root dropped"),
            SECCOMP,
            _can(
                "container_without_capability", "engines do not grant CAP_SYS_ADMIN", "not_granted nonroot_user dropped"
            ),
            _can(
                "unit_sandbox",
                "RestrictNamespaces= or SystemCallFilter= of the unit",
                "system_call_filter capability_bounding_set",
            ),
            VOID,
            _can("apparmor_denied", "the profile denies userns or sys_admin", "userns capability"),
            _can("selinux_denied", "the domain lacks user_namespace create"),
            PLATFORM,
            UNNAMED_SECURITY,
        ),
        _none_of("link_state already_exists", "no object is involved"),
        (RESTRICTIONS, FILTER, THREADS, LSM_LOG),
    ),
    _rule(
        "uid_map",
        "",
        "The user namespace was made, but its id map may not be written: on Ubuntu that is the AppArmor restriction.",
        (
            _can(
                "userns_restricted",
                "every capability in the new namespace is denied, or the ids are not the caller's",
                "apparmor_restrict_unprivileged_userns unmapped_uid",
            ),
            _can("apparmor_denied", "the profile lacks a capability", "capability userns"),
            _can("selinux_denied", "the domain lacks a capability in user namespaces", "capability"),
            _can("missing_capability", "mapping other ids wants CAP_SETUID in the outer namespace", "not_root dropped"),
            _can("container_without_capability", "the engine dropped CAP_SETUID", "dropped not_granted"),
            UNNAMED_SECURITY,
        ),
        _none_of("link_state already_exists module_missing", "no object is involved"),
        (RESTRICTIONS, LSM_LOG, "A profile with a userns rule for the program mends it for that program alone."),
    ),
    _rule(
        "id_map_tool",
        "",
        "The user has no entry in /etc/passwd or no ranges in /etc/subuid and /etc/subgid.",
        (
            _can("userns_restricted", "no subordinate ids to map", "unmapped_uid"),
            _can("unknown", "the account is not known here"),
        ),
        _none_of("link_state already_exists module_missing", "no object is involved"),
        ("getent passwd USER; grep USER /etc/subuid /etc/subgid.",),
    ),
    _rule(
        "execve",
        "EPERM",
        "The kernel refused to start the program: its file capability is outside the bounding set.",
        (
            _can(
                "file_capability_void",
                "the file demands a capability that the bounding set forbids",
                "outside_bounding_set",
            ),
            _can("unit_sandbox", "CapabilityBoundingSet= of the unit forbids it", "capability_bounding_set"),
            _can("container_without_capability", "the engine does not grant it", "not_granted dropped"),
            _can("apparmor_denied", "no_new_privs forbids the change of profile", "explicit_deny"),
            _can("selinux_denied", "no_new_privs forbids the change of domain", "mislabelled"),
            SECCOMP,
            UNNAMED_SECURITY,
        ),
        _none_of(
            "foreign_netns sysctl link_state already_exists module_missing missing_capability",
            "the program did not even start",
        ),
        (FILECAPS, THREADS, "Either add the capability to the bounding set, or take it off the file (setcap -r FILE)."),
    ),
    _rule(
        "execve",
        "",
        "The program could not be started.",
        (
            _can(
                "file_capability_void",
                "the file demands a capability that the bounding set forbids",
                "outside_bounding_set",
            ),
            _can("apparmor_denied", "the profile lacks an exec rule", "explicit_deny"),
            _can("selinux_denied", "the domain may not execute it", "mislabelled"),
            _can(
                "unit_sandbox", "the unit's sandbox hides or forbids it", "capability_bounding_set system_call_filter"
            ),
            SECCOMP,
            UNPERSUADED,
        ),
        _none_of("foreign_netns sysctl link_state already_exists", "the program did not even start"),
        (FILECAPS, LSM_LOG),
    ),
    _rule(
        "unit_step",
        "",
        "systemd itself may not set up the sandbox: a user manager, or a container, lacks the privilege for it.",
        (
            _can(
                "unit_sandbox",
                "the unit asks for what its manager may not do",
                "user_manager private_network capability_bounding_set",
            ),
            CONTAINER,
            _can(
                "userns_restricted",
                "user namespaces are closed to users",
                "apparmor_restrict_unprivileged_userns unprivileged_userns_clone",
            ),
            SECCOMP,
            _can("apparmor_denied", "the container's profile denies it", "capability"),
            UNNAMED_SECURITY,
        ),
        _none_of("sysctl link_state already_exists module_missing", "the program did not even start"),
        (UNIT, "Take the directive that the message names out of the unit, or run it by the system manager."),
    ),
)

_ELSEWHERE = (
    _rule(
        "loader",
        "",
        "A program with file capabilities runs in secure mode: the loader ignores $ORIGIN and LD_LIBRARY_PATH.",
        (
            _can("file_capability_void", "the file capability changes how the program is loaded (AT_SECURE)"),
            UNPERSUADED,
        ),
        _none_of("sysctl link_state already_exists foreign_netns", "the program did not get as far"),
        (FILECAPS, "Give the capability by the unit (AmbientCapabilities=) instead of by the file."),
    ),
    _rule(
        "mount",
        "",
        "A mount or directory was refused: ip netns add and the like want CAP_SYS_ADMIN, not only CAP_NET_ADMIN.",
        (
            _can("missing_capability", "CAP_SYS_ADMIN is not effective", "not_root dropped"),
            _can(
                "container_without_capability", "engines do not grant CAP_SYS_ADMIN", "not_granted nonroot_user dropped"
            ),
            _can(
                "foreign_netns",
                "sysfs may be mounted only by the owner of the network namespace",
                "rootless_host_network other_owner",
            ),
            _can(
                "userns_restricted",
                "the capabilities in the new user namespace are denied",
                "apparmor_restrict_unprivileged_userns unprivileged_userns_clone",
            ),
            _can("apparmor_denied", "the profile has no mount rule", "capability explicit_deny"),
            _can("selinux_denied", "the domain may not mount", "capability"),
            _can("unit_sandbox", "the unit's sandbox", "capability_bounding_set system_call_filter"),
            SECCOMP,
            UNNAMED_SECURITY,
        ),
        _none_of("link_state already_exists module_missing", "no netlink request was made yet"),
        (THREADS, OWNER, LSM_LOG),
    ),
    _rule(
        "module_load",
        "",
        "A kernel module was not loaded: a container may not, or the kernel accepts only signed modules.",
        (
            _can("module_missing", "not signed, locked down, or loading is switched off", "kind modules_disabled"),
            CONTAINER,
            _can("missing_capability", "CAP_SYS_MODULE is not effective", "not_root dropped"),
        ),
        _none_of("sysctl link_state already_exists foreign_netns", "no netlink request was made"),
        (MODULES, "Load it on the host, at boot: /etc/modules-load.d.", "cat /sys/kernel/security/lockdown"),
    ),
    _rule(
        "file_capability",
        "",
        "The capability was not put on the file: that wants CAP_SETFCAP and a filesystem with extended attributes.",
        (
            _can("missing_capability", "CAP_SETFCAP is not effective", "not_root dropped"),
            _can("file_capability_void", "the filesystem keeps no such attribute", "lost"),
            CONTAINER,
            UNNAMED_SECURITY,
        ),
        _none_of("sysctl link_state already_exists foreign_netns module_missing", "no netlink request was made"),
        (FILECAPS, "findmnt -T FILE"),
    ),
    _rule(
        "raise_capability",
        "",
        "The program asked for a capability that it was not given.",
        (
            CONTAINER,
            _can("missing_capability", "the capability is not in the permitted set", "not_root dropped"),
            UNIT_CAPABILITY,
            VOID,
            SECCOMP,
            APPARMOR_CAPABILITY,
            SELINUX_CAPABILITY,
        ),
        _none_of("sysctl link_state already_exists module_missing", "no netlink request was made yet"),
        (THREADS, "In a container add the capability that the message names (cap_add)."),
    ),
    _rule(
        "capability_named",
        "",
        "The program itself says that CAP_NET_ADMIN is missing.",
        PRIVILEGE,
        _none_of("sysctl link_state already_exists module_missing", "the program looked at its own capabilities"),
        (THREADS, DIAGNOSE),
    ),
    _rule(
        "root_wanted",
        "",
        "The program runs for root only and asked the kernel nothing.",
        (
            _can("missing_capability", "the program looks at its uid", "not_root"),
            _can("userns_restricted", "root of a user namespace may not satisfy it"),
            UNPERSUADED,
        ),
        _none_of("sysctl link_state already_exists module_missing", "the kernel was not asked"),
        ("Run it as root.",),
    ),
    _rule(
        "engine_option",
        "",
        "The container did not get the capability: the engine or scheduler did not apply it.",
        (CONTAINER, MISSING, UNPERSUADED),
        _none_of("sysctl link_state already_exists module_missing", "the container's own set is the matter"),
        ("Read what it really has: grep Cap /proc/PID/status of the container's first process.", DIAGNOSE),
    ),
    _rule(
        "engine_userns",
        "",
        "A container in a user namespace cannot use the host's network: the host's user namespace owns it.",
        (
            _can(
                "foreign_netns", "userns-remap together with the host's network", "userns_remap rootless_host_network"
            ),
            SELINUX_CAPABILITY,
            APPARMOR_CAPABILITY,
            UNPERSUADED,
        ),
        _none_of("missing_capability file_capability_void", "no capability counts across user namespaces"),
        ("Give it a network of its own, or run that container with --userns=host.", OWNER, LSM_LOG),
    ),
    _rule(
        "address_present",
        "",
        "The interface has another address already, left from an earlier run.",
        (_can("already_exists", "a stale interface with an old address", "different same"),),
        _AFTER_PRIVILEGE,
        ("ip addr show dev IFACE; remove the stale interface.",),
    ),
    _rule(
        "syntax",
        "",
        "The program did not understand its own arguments; the kernel was not asked.",
        (_can("unknown", "an argument or rule is malformed"), LINK_MISSING),
        _none_of(_PRIVILEGE_CAUSES, "the kernel was not asked"),
        ("Check the argument that the message names.",),
    ),
    _rule(
        "data_path",
        "",
        "Traffic failed, not a netlink request: no route, lo is down, or a packet filter.",
        (
            _can("link_state", "lo or another link is down, or there is no route", "down no_address missing"),
            _can("apparmor_denied", "the profile denies sockets", "network_rule"),
            _can("selinux_denied", "the domain may not connect", "boolean_off"),
            SECCOMP,
            UNPERSUADED,
        ),
        _none_of(_CAPABILITY_CAUSES, "plain connections need no capability"),
        ("ip link show lo; ip route get ADDRESS; nft list ruleset.", LSM_LOG),
    ),
    _rule(
        "elsewhere",
        "",
        "This message is not about a netlink request.",
        (
            _can("unknown", "another system call or program failed"),
            _can("missing_capability", "the call wants a capability of its own", "not_root dropped"),
            _can(
                "unit_sandbox",
                "the unit's sandbox",
                "private_network protect_kernel_tunables system_call_filter restrict_address_families",
            ),
            CONTAINER,
            SECCOMP,
            APPARMOR_SOCKET,
            SELINUX_SOCKET,
            _can(
                "userns_restricted",
                "the capabilities in the new user namespace are denied",
                "apparmor_restrict_unprivileged_userns",
            ),
        ),
        (),
        (TRACE,),
    ),
)

_HELD = (Exclusion("missing_capability", "the security module is asked only after the capability itself was found"),)
_BY_LABEL = ("Read the label of the process: cat /proc/PID/attr/current.",)
_SECURITY = (
    _rule(
        "apparmor_capable",
        "",
        "AppArmor denied a capability that the program does hold: its profile lacks the rule.",
        (APPARMOR_CAPABILITY, USERNS_PROFILE),
        _HELD + _none_of("selinux_denied sysctl already_exists module_missing", "AppArmor says that it refused"),
        ("Add the capability that capname= names to the profile's file in /etc/apparmor.d/local.", *_BY_LABEL),
    ),
    _rule(
        "apparmor_socket",
        "",
        "AppArmor denied the netlink socket: the profile lacks a network netlink rule for this type.",
        (APPARMOR_SOCKET,),
        _NO_CAPABILITY_NEEDED + _NO_ACK_STATE,
        (
            "Add network netlink raw, or dgram, (see sock_type=) to the profile's file in /etc/apparmor.d/local.",
            *_BY_LABEL,
        ),
    ),
    _rule(
        "apparmor_userns",
        "",
        "AppArmor denied a user namespace: the profile lacks the userns rule.",
        (
            _can("apparmor_denied", "the profile lacks a userns rule", "userns"),
            _can(
                "userns_restricted",
                "the host restricts unprivileged user namespaces",
                "apparmor_restrict_unprivileged_userns",
            ),
        ),
        _none_of("missing_capability sysctl already_exists module_missing", "AppArmor says that it refused"),
        (RESTRICTIONS, *_BY_LABEL),
    ),
    _rule(
        "apparmor_other",
        "",
        "AppArmor denied something; whether it is what failed depends on the pid and the operation in the line.",
        (
            _can("apparmor_denied", "the profile lacks a rule", "network_rule capability userns explicit_deny"),
            UNPERSUADED,
        ),
        (),
        ("Compare pid= and operation= of the line with the program that failed.", *_BY_LABEL),
    ),
    _rule(
        "module_probe",
        "",
        "Harmless: the kernel tried to load a module for ip and asked for sys_module; this line explains no refusal.",
        (
            _can("unknown", "sys_module from ip is noise: look for the line with net_admin"),
            _can("apparmor_denied", "only if another line names net_admin", "capability"),
            MODULE,
        ),
        (),
        (LSM_LOG, MODULES),
    ),
    _rule(
        "selinux_capability",
        "",
        "SELinux denied a capability that the program does hold.",
        (SELINUX_CAPABILITY,),
        _HELD + _none_of("apparmor_denied sysctl already_exists module_missing", "SELinux says that it refused"),
        ("Look for permissive=1 in the line (then nothing was refused) and for a boolean: getsebool -a.", *_BY_LABEL),
    ),
    _rule(
        "selinux_create selinux_bind selinux_message",
        "",
        "SELinux denied the netlink socket or message; no capability helps.",
        (SELINUX_SOCKET,),
        _NO_CAPABILITY_NEEDED + _NO_ACK_STATE,
        ("ausearch -m AVC -ts recent; look for a boolean first: getsebool -a.", *_BY_LABEL),
    ),
    _rule(
        "selinux_tun selinux_userns selinux_module selinux_other",
        "",
        "SELinux denied something; whether it is what failed depends on the pid and the class in the line.",
        (
            _can(
                "selinux_denied",
                "the domain lacks the permission named in braces",
                "tun_socket boolean_off mislabelled",
            ),
            UNPERSUADED,
        ),
        (),
        ("ausearch -m AVC -ts recent; look for a boolean first: getsebool -a.", *_BY_LABEL),
    ),
    _rule(
        "seccomp_log",
        "",
        "A system call filter stopped a call; syscall= in the line is its number.",
        (SECCOMP, UNIT_FILTER, UNPERSUADED),
        _none_of("already_exists link_state sysctl", "the kernel was not asked"),
        ("Name the call: ausyscall NUMBER, or scmp_sys_resolver NUMBER.", FILTER, UNIT),
    ),
)

_ANY_PRIVILEGE = (
    *PRIVILEGE,
    SECCOMP,
    _can("sysctl", "IPv6 is switched off for the interface, or /proc/sys is read-only", "ipv6_disabled read_only"),
    _can("module_missing", "/dev/net/tun may not be opened", "tun_node_mode tun_device_cgroup"),
    DRIVER,
    BARE_STATE,
    PLATFORM,
    UNPERSUADED,
)
_UNKNOWN = (
    _rule(
        "unknown",
        "EPERM EACCES",
        "Something was refused, but the words do not say by which layer: find out which call failed.",
        _ANY_PRIVILEGE,
        (Exclusion("already_exists", "an object that is there is answered with EEXIST"),),
        (TRACE, DIAGNOSE, LSM_LOG),
    ),
    _rule(
        "unknown",
        "EEXIST EBUSY ENODEV ENETDOWN ENETUNREACH EHOSTUNREACH EADDRNOTAVAIL EADDRINUSE ESRCH",
        "The state of an object is in the way, not privilege.",
        (
            _can("link_state", "missing, down, busy or without an address", "missing down busy no_address"),
            _can("already_exists", "an object that is there", "same different"),
            MODULE,
            UNPERSUADED,
        ),
        _none_of(_CAPABILITY_CAUSES, "a missing capability is answered with EPERM"),
        (LINKS, TRACE),
    ),
    _rule(
        "unknown",
        "",
        "These words are not known, and they name no error that would tell the layer: find out which call failed.",
        (*_ANY_PRIVILEGE, _can("already_exists", "an object that is there", "same different")),
        (),
        (TRACE, DIAGNOSE),
    ),
)

RULES: tuple[Rule, ...] = _ACK + _SYSCALLS + _DEVICES + _FILES + _NAMESPACES + _ELSEWHERE + _SECURITY + _UNKNOWN

# An answer with a text of the kernel's own is about the object: the refusal for lack of a capability never carries one.
EXTACK_SUMMARY = "The kernel itself says what is in the way; it is not a missing capability."
EXTACK_UNKNOWN: tuple[Meaning, ...] = (
    _can("link_state", "the kernel's text names the state of the object it objects to"),
    _can("driver_refused", "drivers use such texts for what they do not do"),
    _can("unknown", "the text is not in the catalogue: read it"),
)
EXTACK_ALSO = {
    "module_missing": (
        PLATFORM,
        _can("selinux_denied", "the domain may not make the kernel load a module (system module_request)"),
    ),
    "link_state": (_can("driver_refused", "some drivers use the same words for what they do not do"),),
}
EXTACK_EXCLUDES = _none_of(
    _PRIVILEGE_CAUSES, "the kernel sends no text of its own when it refuses for lack of a capability"
)
EXTACK_NEXT = ("Believe the kernel's text and mend what it names.", LINKS)


def rule_for(subject: str, errno: Optional[str]) -> Rule:
    """The first rule of the table for what was asked and how it was answered (None: the errno is not known)."""
    for rule in RULES:
        if subject in rule.subjects and (not rule.errnos or errno in rule.errnos):
            return rule
    raise KeyError(subject)
