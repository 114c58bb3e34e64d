# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the table of meanings: its types, where to look next, and what several rows share."""

from __future__ import annotations

from dataclasses import dataclass

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


def can(cause: str, why: str, reasons: str = "") -> Meaning:
    return Meaning(cause, why, tuple(reasons.split()))


def none_of(causes: str, why: str) -> tuple[Exclusion, ...]:
    return tuple(Exclusion(cause, why) for cause in causes.split())


def rule(
    subjects: str,
    errnos: str,
    summary: str,
    can_mean: tuple[Meaning, ...],
    rules_out: tuple[Exclusion, ...],
    look_next: tuple[str, ...],
) -> Rule:
    return Rule(tuple(subjects.split()), tuple(errnos.split()), summary, can_mean, rules_out, look_next)


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

MISSING = can(
    "missing_capability",
    "CAP_NET_ADMIN is not in the effective set of the thread that asked, or of the one that opened the socket",
    "not_root dropped held_not_raised stale_socket",
)

VOID = can(
    "file_capability_void",
    "a capability put on the file has no effect: nosuid, no_new_privs, a script, a child process,"
    " or the program drops it (iproute2's ip does)",
    "nosuid no_new_privs script outside_bounding_set dropped_by_program rootid permitted_only ambient_cleared lost"
    " secure_mode child_process",
)

CONTAINER = can(
    "container_without_capability",
    "root in a container holds only what the engine grants, and another user in it usually nothing",
    "not_granted nonroot_user dropped not_applied",
)

UNIT_CAPABILITY = can(
    "unit_sandbox",
    "the unit takes the capability away, or gives it in a user namespace where it does not count",
    "capability_bounding_set private_users no_new_privileges not_restarted",
)

FOREIGN = can(
    "foreign_netns",
    "the capability is held in a user namespace that does not own the network namespace",
    "userns_remap rootless_host_network other_owner target_netns socket_of_other_netns init_only_operation",
)

USERNS_PROFILE = can(
    "userns_restricted",
    "the host lets the program make a user namespace but denies every capability in it",
    "apparmor_restrict_unprivileged_userns",
)

APPARMOR_CAPABILITY = can("apparmor_denied", "the profile lacks capability net_admin", "capability explicit_deny")

SELINUX_CAPABILITY = can(
    "selinux_denied", "the domain may not use net_admin (class capability or cap_userns)", "capability"
)

UNNAMED_SECURITY = can(
    "unknown", "a BPF or Landlock policy refuses without a log line, or something not in the catalogue"
)

PLATFORM = can(
    "platform_refuses",
    "the kernel is not a plain Linux, or the host keeps this from its guests",
    "gvisor wsl1 openvz fargate android",
)

DRIVER = can("driver_refused", "the driver or its firmware refuses, root too", "sriov_trust mode_locked")

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

BARE_STATE = can(
    "link_state",
    "rarely: the state of the object, when the kernel sends no text or the program does not print it"
    " (a port that is up, the default group, a fallback tunnel)",
    "up busy enslaved protected_group",
)

SECCOMP = can("seccomp_denied", "a system call filter answers in place of the kernel", "filter")

UNIT_FILTER = can(
    "unit_sandbox",
    "SystemCallFilter= or RestrictAddressFamilies= of the unit",
    "system_call_filter restrict_address_families",
)

SELINUX_SOCKET = can(
    "selinux_denied", "the domain may not use this class of netlink socket", "netlink_socket nlmsg mislabelled"
)

APPARMOR_SOCKET = can(
    "apparmor_denied",
    "the profile lacks a network netlink rule for this type of socket (raw and dgram are two)",
    "network_rule explicit_deny",
)

MODULE = can("module_missing", "the kernel has no such driver or family, or may not load it", "kind modules_disabled")

LINK_MISSING = can("link_state", "no such object in this namespace", "missing wrong_netns")

UNPERSUADED = can("unknown", "the words alone do not tell")

BAD_REQUEST = can("unknown", "the request itself is wrong, or this kernel does not know it")

CAPABILITY_CAUSES = "missing_capability file_capability_void container_without_capability"

PRIVILEGE_CAUSES = CAPABILITY_CAUSES + " apparmor_denied selinux_denied seccomp_denied userns_restricted"

NOT_EPERM = (
    Exclusion("sysctl", "disable_ipv6 is answered with EACCES, and no other sysctl refuses a netlink request"),
    Exclusion("already_exists", "an object that is there is answered with EEXIST"),
    Exclusion("module_missing", "an unknown kind is answered with EOPNOTSUPP or ENOENT, after privilege was granted"),
)

ACK_REACHED = (Exclusion("seccomp_denied", "an ack means that socket(), bind() and the send went through"),)

NO_CAPABILITY_NEEDED = none_of(
    CAPABILITY_CAUSES, "opening and using a netlink socket needs no capability: privilege is judged later, in the ack"
)

AFTER_PRIVILEGE = none_of(PRIVILEGE_CAUSES, "the kernel judges privilege first: this answer comes after it was granted")

NO_PRIVILEGE = none_of(CAPABILITY_CAUSES, "this look-up needs no capability")

NO_ACK_STATE = none_of("link_state already_exists", "the request did not reach the object")
