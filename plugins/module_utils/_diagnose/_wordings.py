# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How programs word a refusal: text -> who says it, and what was asked of the kernel when it was refused.

A subject is what was asked, at one layer (SUBJECTS). A wording is a pattern with its subject (WORDINGS). Texts that the
kernel itself sends along with an ack are in EXTACKS. What all of it means is in _meanings.py.

Patterns run over hostile text, so each is linear: no nested repetition, every gap is bounded and stays in its line.
Sources: the programs' own source, and what was measured on kernels 6.8, 6.12 and 6.18.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

LAYERS = (
    "execve",
    "setns",
    "unshare",
    "socket",
    "bind",
    "send",
    "ack",
    "open",
    "ioctl",
    "write",
    "client",
    "not_netlink",
    "unknown",
)

# subject -> the layers its refusal can come from, the likeliest first; "unknown" first: the wording does not tell.
SUBJECTS: dict[str, tuple[str, ...]] = {
    "ack": ("ack",),
    "ack_or_ioctl": ("ack", "ioctl"),
    "request": ("ack", "send", "socket"),
    "audit_ack": ("ack",),
    "printed_text": ("ack", "client"),
    "genl_family": ("ack", "client", "socket"),
    "socket": ("socket",),
    "raw_socket": ("socket",),
    "socket_option": ("socket",),
    "buffer_force": ("not_netlink",),
    "bind": ("bind",),
    "send": ("send",),
    "receive": ("send",),
    "python": ("unknown", "socket", "bind", "send", "ioctl", "open"),
    "python_socket": ("socket",),
    "python_send": ("send",),
    "interfaces": ("unknown", "socket", "bind", "send"),
    "lookup": ("ioctl", "ack"),
    "link_ioctl": ("ioctl",),
    "owner_ioctl": ("ioctl",),
    "tun_open": ("open",),
    "tun_ioctl": ("ioctl",),
    "tun": ("unknown", "ioctl", "open"),
    "sysctl_open": ("open",),
    "sysctl_write": ("write",),
    "sysctl_missing": ("client", "open"),
    "sysfs_open": ("open",),
    "sysfs_write": ("write",),
    "setns": ("setns",),
    "setns_cleanup": ("setns", "unshare"),
    "netns_file": ("open",),
    "proc_access": ("open",),
    "unshare": ("unshare",),
    "uid_map": ("write",),
    "id_map_tool": ("client",),
    "execve": ("execve",),
    "unit_step": ("not_netlink", "execve"),
    "loader": ("client",),
    "mount": ("not_netlink",),
    "module_load": ("not_netlink",),
    "file_capability": ("not_netlink",),
    "raise_capability": ("not_netlink",),
    "capability_named": ("client",),
    "root_wanted": ("client",),
    "engine_option": ("client",),
    "engine_userns": ("client",),
    "address_present": ("client",),
    "syntax": ("client",),
    "data_path": ("not_netlink",),
    "elsewhere": ("not_netlink",),
    "apparmor_capable": ("ack", "ioctl", "write"),
    "apparmor_socket": ("socket", "send"),
    "apparmor_userns": ("unshare",),
    "apparmor_other": ("unknown", "open", "socket", "ack"),
    "module_probe": ("unknown", "ack"),
    "selinux_capability": ("ack", "ioctl", "write"),
    "selinux_create": ("socket",),
    "selinux_bind": ("bind",),
    "selinux_message": ("send",),
    "selinux_tun": ("ioctl",),
    "selinux_userns": ("unshare",),
    "selinux_module": ("ack",),
    "selinux_other": ("unknown", "open", "socket", "send", "ack"),
    "seccomp_log": ("unknown", "socket", "bind", "send", "unshare"),
    "unknown": ("unknown",),
}

# What strerror() says (glibc, then where musl or libnl differ), longest first where one starts another.
ERROR_TEXTS: dict[str, str] = {
    "operation not permitted": "EPERM",
    "operation is not permitted": "EPERM",
    "permission denied": "EACCES",
    "operation not possible due to rf-kill": "ERFKILL",
    "address family not supported by protocol": "EAFNOSUPPORT",
    "address family not supported": "EAFNOSUPPORT",
    "protocol not supported": "EPROTONOSUPPORT",
    "protocol not available": "ENOPROTOOPT",
    "socket type not supported": "ESOCKTNOSUPPORT",
    "operation not supported": "EOPNOTSUPP",
    "not supported": "EOPNOTSUPP",
    "function not implemented": "ENOSYS",
    "no such file or directory": "ENOENT",
    "no such process": "ESRCH",
    "no such device or address": "ENXIO",
    "no such device": "ENODEV",
    "file exists": "EEXIST",
    "object exists": "EEXIST",
    "invalid argument": "EINVAL",
    "device or resource busy": "EBUSY",
    "resource busy": "EBUSY",
    "text file busy": "ETXTBSY",
    "no space left on device": "ENOSPC",
    "no buffer space available": "ENOBUFS",
    "cannot allocate memory": "ENOMEM",
    "network is down": "ENETDOWN",
    "network is unreachable": "ENETUNREACH",
    "network unreachable": "ENETUNREACH",
    "no route to host": "EHOSTUNREACH",
    "host is unreachable": "EHOSTUNREACH",
    "cannot assign requested address": "EADDRNOTAVAIL",
    "address not available": "EADDRNOTAVAIL",
    "address already in use": "EADDRINUSE",
    "address in use": "EADDRINUSE",
    "read-only file system": "EROFS",
    "numerical result out of range": "ERANGE",
    "result not representable": "ERANGE",
    "directory not empty": "ENOTEMPTY",
    "connection refused": "ECONNREFUSED",
    "no child processes": "ECHILD",
    "exec format error": "ENOEXEC",
    "required key not available": "ENOKEY",
    "key was rejected by service": "EKEYREJECTED",
    "transport endpoint is not connected": "ENOTCONN",
    "socket not connected": "ENOTCONN",
}


@dataclass(frozen=True)
class Wording:
    """One way to word a refusal.

    pattern: found anywhere in the text, any case. subject: key of SUBJECTS. program: family of tools that words it so.
    operation: what was wanted, where the words tell (names of diagnosis_info's operations and a few more).
    errno: the true one, whatever the program prints; "unreliable": the printed one says nothing. general: gives way to
    every wording that is not.
    """

    pattern: re.Pattern[str]
    subject: str
    program: Optional[str] = None
    operation: Optional[str] = None
    errno: Optional[str] = None
    general: bool = False


@dataclass(frozen=True)
class Extack:
    """A text that the kernel sends with the ack (extack), or that carries it: errno, cause, reasons and why."""

    pattern: re.Pattern[str]
    errno: Optional[str]
    cause: str
    reasons: tuple[str, ...]
    why: str
    operation: Optional[str] = None


def _is(
    pattern: str,
    subject: str,
    program: Optional[str] = None,
    operation: Optional[str] = None,
    errno: Optional[str] = None,
    general: bool = False,
) -> Wording:
    return Wording(re.compile(pattern, re.IGNORECASE | re.MULTILINE), subject, program, operation, errno, general)


def _says(
    pattern: str, errno: Optional[str], cause: str, reasons: tuple[str, ...], why: str, operation: Optional[str] = None
) -> Extack:
    return Extack(re.compile(pattern, re.IGNORECASE), errno, cause, reasons, why, operation)


_LOGS = (
    # A denial that a security module logged says more than the program's own words.
    _is(r'apparmor="DENIED"[^\n]{0,400}capname="sys_module"', "module_probe", "AppArmor"),
    _is(r'apparmor="DENIED"[^\n]{0,60}operation="capable"', "apparmor_capable", "AppArmor"),
    _is(r'apparmor="DENIED"[^\n]{0,60}operation="userns_create"', "apparmor_userns", "AppArmor", "userns"),
    _is(r'apparmor="DENIED"[^\n]{0,400}family="netlink"', "apparmor_socket", "AppArmor"),
    _is(r'apparmor="DENIED"', "apparmor_other", "AppArmor"),
    _is(r"avc: {1,3}denied[^\n]{0,600}tclass=cap(?:ability|_userns)\b", "selinux_capability", "SELinux"),
    _is(r"avc: {1,3}denied {1,3}\{ bind \}[^\n]{0,600}tclass=netlink_", "selinux_bind", "SELinux"),
    _is(r"avc: {1,3}denied {1,3}\{ create \}[^\n]{0,600}tclass=netlink_", "selinux_create", "SELinux"),
    _is(r"avc: {1,3}denied[^\n]{0,600}tclass=netlink_", "selinux_message", "SELinux"),
    _is(r"avc: {1,3}denied[^\n]{0,600}tclass=tun_socket", "selinux_tun", "SELinux", "tun"),
    _is(r"avc: {1,3}denied[^\n]{0,600}tclass=user_namespace", "selinux_userns", "SELinux", "userns"),
    _is(r"avc: {1,3}denied[^\n]{0,100}module_request", "selinux_module", "SELinux"),
    _is(r"avc: {1,3}denied", "selinux_other", "SELinux"),
    _is(r"type=(?:1326|SECCOMP)\b", "seccomp_log", "seccomp"),
)

_IPROUTE2 = (
    _is(r"\bip: RTNETLINK answers:", "ack", "busybox"),
    _is(r"RTNETLINK answers:", "ack", "iproute2"),
    _is(r"Dump terminated", "ack", "iproute2", errno="unreliable"),
    _is(r"Error talking to the kernel", "ack", "iproute2", errno="ENOENT"),
    _is(r"Failed to connect to devlink Netlink", "genl_family", "iproute2"),
    _is(r"genl family \S{1,40} not visible in this netns", "genl_family"),
    _is(r"Cannot open (?:rt|generic )?netlink(?: socket)?", "socket", "iproute2"),
    _is(r"SO_(?:SND|RCV)BUF: ", "socket_option", "iproute2"),
    _is(r"SO_(?:SND|RCV)BUFFORCE", "buffer_force"),
    _is(r"Cannot bind netlink socket", "bind", "iproute2"),
    _is(r"Cannot talk to rtnetlink", "send", "iproute2"),
    _is(r"request send failed", "send", "iproute2"),
    _is(r"Cannot send \w{1,20} (?:get |dump )?request", "send", "iproute2"),
    _is(r"Cannot find device", "lookup", "iproute2", "link", errno="ENODEV"),
    _is(r"delete tunnel \"[^\"\n]{1,40}\" failed", "link_ioctl", "iproute2", "link"),
    _is(r"setting the network namespace \"[^\"\n]{0,200}\" failed", "setns", "iproute2", "netns"),
    _is(r"Cannot open network namespace", "netns_file", "iproute2", "netns"),
    _is(r"argument \"[^\"\n]{0,200}\" is wrong: Invalid \"netns\" value", "proc_access", "iproute2", "link"),
    _is(r"argument \"[^\"\n]{0,200}\" is wrong", "syntax", "iproute2"),
    _is(r"Cannot initialize ELF context", "elsewhere", "iproute2", "link"),
    _is(r"mount --make-r?shared", "mount", "iproute2", "netns"),
    _is(r"mkdir /(?:var/)?run/netns failed", "mount", "iproute2", "netns"),
    _is(r"^setns: ", "setns_cleanup", "iproute2", "netns", "unreliable"),
    _is(r"Error: Attribute failed policy validation", "ack", "iproute2"),
    _is(r"^(?:ip: )?open: ", "tun_open", "iproute2", "tun", general=True),
    _is(r"\bip: (?:ioctl 0x|SIOC)", "link_ioctl", "busybox", "link"),
    _is(r"\bSIOC[A-Z]{3,20}\b", "link_ioctl", "net-tools", "link"),
    _is(r"Error: Exclusivity flag on, cannot modify", "ack", "iproute2", "qdisc"),
    _is(r"^Error: (?:\w{1,20}: )?[A-Za-z][^\n:]{4,300}\.$", "printed_text", "iproute2", general=True),
    _is(r"\bif_nametoindex\b", "lookup", None, "link"),
)

_STRACE = (
    _is(r"NLMSG_ERROR[^\n]{0,300}error=-E", "ack", "strace"),
    _is(r"\bsocket\(AF_NETLINK[^\n]{0,100}= -1 E", "socket", "strace"),
    _is(r"\bsocket\(AF_(?:INET6?|PACKET), SOCK_RAW[^\n]{0,60}= -1 E", "raw_socket", "strace"),
    _is(r"\bbind\([^\n]{0,60}AF_NETLINK[^\n]{0,120}= -1 E", "bind", "strace"),
    _is(r"\bsend(?:to|msg|mmsg)\([^\n]{0,600}= -1 E", "send", "strace"),
    _is(r"\bopenat\([^\n]{0,40}/dev/net/tun[^\n]{0,60}= -1 E", "tun_open", "strace", "tun"),
    _is(r"\bopenat\([^\n]{0,40}/proc/sys/[^\n]{0,160}= -1 E", "sysctl_open", "strace"),
    _is(r"\bopenat\([^\n]{0,40}/(?:proc/\d{1,10}/ns/|run/netns/)[^\n]{0,160}= -1 E", "proc_access", "strace", "netns"),
    _is(r"\bexecve\([^\n]{0,400}= -1 E", "execve", "strace"),
    _is(r"\b(?:unshare|clone3?)\([^\n]{0,300}= -1 E", "unshare", "strace"),
)

_NETFILTER = (
    _is(r"Could not process rule:", "ack", "nft", "nftables"),
    _is(r"cache initialization failed", "request", "nft", "nftables", errno="EPERM"),
    _is(r"Unable to initialize Netlink socket", "socket", "nft", "nftables"),
    _is(r"Could not fetch rule set generation id", "ack", "iptables", "nftables", errno="EPERM"),
    _is(r"can't initialize ip6?tables table", "raw_socket", "iptables", "nftables", errno="unreliable"),
    _is(r"Perhaps ip6?tables or your kernel needs to be upgraded", "raw_socket", "iptables", "nftables"),
    _is(r"Operation not permitted \(you must be root\)", "ack", "nft", "nftables", general=True),
    _is(r"Error: syntax error", "syntax", "nft", "nftables"),
    _is(r"Table does not exist \(do you need to insmod\?\)", "genl_family", "iptables", "nftables"),
)

_PYTHON = (
    _is(r"PermissionError ?\(1, 'failed to open netns'\)", "setns", "pyroute2", "netns"),
    _is(r"PermissionError ?\(1, 'mount rundir failed'\)", "mount", "pyroute2", "netns"),
    _is(r"pytun\.Error", "tun_ioctl", "pytun", "tun"),
    _is(r"IPSetError ?\(", "ack", "pyroute2", "nftables"),
    _is(r"NetlinkError:? ?\(", "ack_or_ioctl", "pyroute2"),
    _is(r"pyroute2: (?:PermissionError|OSError)\(", "python", "pyroute2"),
    _is(r"_socket\.socket\.__init__\(", "python_socket", "Python"),
    _is(r"\bs(?:ock)?\.send(?:to|msg|all)?\(", "python_send", "Python"),
    _is(r"(?:PermissionError|FileNotFoundError)[^\n]{0,80}'/proc/\d{1,10}/ns/\w{1,10}'", "proc_access", "Python"),
    _is(r"NS_GET_USERNS", "owner_ioctl", None, "netns"),
    _is(r"OSError: \[Errno 101\]", "data_path", "Python"),
    _is(r"(?:PermissionError|OSError): \[Errno", "python", "Python", general=True),
    _is(r"ModuleNotFoundError|ImportError", "elsewhere", "Python"),
)

_LIBRARIES = (
    _is(r"Netlink: error: ", "ack", "keepalived"),
    _is(r"netlink-cmd \(NS \d{1,10}\) error:", "ack", "FRR"),
    _is(r"Received a netlink error message", "ack", "Rust rtnetlink"),
    _is(r"received netlink error:", "ack", "strongSwan", "xfrm"),
    _is(r"unable to create netlink socket", "socket", "strongSwan", "xfrm"),
    _is(r"platform-linux: do-[\w-]{1,40}", "ack", "NetworkManager"),
    _is(r"sitnl_send: rtnl: generic error|rtnl: generic error", "ack", "OpenVPN"),
    _is(r"netlink receive: ", "ack", "Go netlink"),
    _is(r"netlink send: ", "send", "Go netlink"),
    _is(r"netlink error:? -?\d{1,4}\b", "ack", "can-utils"),
    _is(r"^netlink error: ", "ack", "ethtool", "link"),
    _is(r"Failed to recv from netlink socket", "receive"),
    _is(r"Could not create AF_NETLINK socket", "socket", "Qt"),
    _is(r"uv_interface_addresses", "interfaces", "libuv"),
    _is(r"getifaddrs\b", "interfaces", "libc"),
    _is(r"\bnl80211\b|\biw (?:set|dev|phy)\b", "ack", "iw", "link"),
    _is(r"could not connect to ethtool", "socket", "systemd", "link"),
    _is(
        r"Cannot (?:get|set) (?:new|current|device|driver|EEPROM|link|ring|register|stats|module) ",
        "link_ioctl",
        "ethtool",
    ),
    _is(r"offset & length out of bounds", "elsewhere", "ethtool"),
    _is(r"\block(?:ed)? file /(?:var/)?run/xtables\.lock", "elsewhere", "iptables"),
    _is(r"cant open raw socket", "raw_socket"),
    _is(r"^Socket :", "raw_socket", "iputils"),
)

_VPN = (
    _is(r"Unable to (?:access|modify) interface", "request", "WireGuard", "link"),
    _is(r"Failed to add WireGuard interface route", "request", "WireGuard", "route"),
    _is(r"CreateTUN[^\n]{0,80}/dev/net/tun does not exist", "tun_open", "WireGuard", "tun", errno="ENOENT"),
    _is(r"failed to create TUN device", "tun_ioctl", None, "tun"),
    _is(r"CreateTUN", "tun", "WireGuard", "tun"),
    _is(r"Cannot ioctl TUNSETIFF", "tun_ioctl", "OpenVPN", "tun"),
    _is(r"Cannot open TUN/TAP dev", "tun_open", "OpenVPN", "tun"),
    _is(r"Linux (?:ip|route) [\w ]{1,30} failed: external program", "request", "OpenVPN"),
    _is(r"could not configure /dev/net/tun", "tun_ioctl", "QEMU", "tun"),
    _is(r"could not open /dev/net/tun|\bopen(?:ing|\()? ?\"?/dev/net/tun", "tun_open", "QEMU", "tun"),
    _is(r"TUNSETIFF", "tun_ioctl", None, "tun"),
    _is(r"/dev/net/tun\b", "tun", None, "tun", general=True),
)

_SYSCTL = (
    _is(r"sysctl: permission denied on key", "sysctl_open", "procps", errno="unreliable"),
    _is(r"sysctl: (?:error )?setting key", "sysctl_write", "procps"),
    _is(r"sysctl: cannot stat /proc/sys/", "sysctl_missing", "procps"),
    _is(r"cannot access '/proc/sys/", "sysctl_missing"),
    _is(r"/proc/sys/net/[^\s:]{1,200}: (?:Permission denied|Read-only)", "sysctl_open", "shell"),
    _is(r"/sys/class/net/[^\s:]{1,200}: ", "sysfs_open", "shell", "link"),
    _is(r"echo: write error:", "sysfs_write", "shell"),
)

_NAMESPACES = (
    _is(r"bwrap: loopback: Failed (?:RTM_NEW\w{1,10}|to look up lo)?", "ack", "bubblewrap", "address", "unreliable"),
    _is(r"bwrap: Failed to create NETLINK_ROUTE socket", "socket", "bubblewrap"),
    _is(r"bwrap: Failed RTM_NEW", "ack", "bubblewrap", "address", "unreliable"),
    _is(r"setting up [ug]id map", "uid_map", "bubblewrap", "userns"),
    _is(r"write failed /proc/self/[ug]id_map", "uid_map", "util-linux", "userns"),
    _is(r"/proc/(?:self|\d{1,10})/[ug]id_map", "uid_map", None, "userns"),
    _is(r"No permissions to create (?:a )?new namespace", "unshare", "bubblewrap", "userns", "EPERM"),
    _is(r"max_\*_namespaces exceeded", "unshare", "bubblewrap", "userns", "ENOSPC"),
    _is(r"bwrap: pivot_root", "elsewhere", "bubblewrap"),
    _is(r"fails at nesting level", "unshare", None, "userns"),
    _is(r"unshare failed:", "unshare", "util-linux", "userns"),
    _is(r"\bclone3 EPERM\b", "unshare", "libc", errno="EPERM"),
    _is(r"newuidmap: |newgidmap: |unshare: you \(user", "id_map_tool", "shadow", "userns"),
    _is(r"reassociate to namespace", "setns", "util-linux", "netns"),
    _is(r"setns into net namespace", "setns", "runc", "netns"),
    _is(r"Failed to join network namespace", "setns", "systemd", "netns"),
    _is(r"\bsetns\(", "setns", None, "netns"),
    _is(r"stat /proc/(?:PID|\d{1,10})/ns/net", "proc_access", "podman", "netns"),
    _is(r"netns dir open|Couldn't open network namespace", "netns_file", "pasta", "netns"),
    _is(r"mount\(/, /\)", "mount"),
    _is(r"failed mount system call", "mount", "util-linux"),
    _is(r"cannot share the host's network namespace", "engine_userns", "Docker"),
)

# "env: 'PROGRAM': ...", "PATH: ...", or a shell that names a path which is no file to write to.
_EXECVE = (
    r"^(?:env: '[^'\n]{1,200}'"
    r"|(?:[bdkz]?a?sh: (?:line )?(?:\d{1,6}: )?)?(?!/proc/|/sys/|/dev/)[\w.+-]{0,80}/[\w./+-]{1,200})"
    r": Operation not permitted(?: \(execve|$)|: Operation not permitted \(exit 126\)"
)
_UNITS = (
    _is(r"Failed at step EXEC spawning", "execve", "systemd"),
    _is(r"Failed at step (?:CAPABILITIES|NAMESPACE|NETWORK|USER|SECCOMP)", "unit_step", "systemd"),
    _is(r"Failed to configure loopback network device", "request", "systemd", "address"),
    _is(r"Could not (?:set|bring|create|remove|configure|join) [^\n:]{1,60}: ", "request", "systemd"),
    _is(r"ConditionCapability|start condition failed \(CAP_", "capability_named", "systemd"),
    _is(r"^Address family not supported by protocol", "python", general=True),
    _is(r"DST not allowed in SUID/SGID", "loader", "glibc"),
    _is(_EXECVE, "execve", "shell"),
)

_CONTAINERS = (
    _is(r"missing required capability", "capability_named", "dnsmasq"),
    _is(r"failed to raise ambient", "raise_capability", "libcap"),
    _is(r"setting capabilities failed", "raise_capability", "dnsmasq"),
    _is(r"unable to set CAP_SETFCAP", "file_capability", "libcap"),
    _is(r"Failed to set capabilities on file", "file_capability", "libcap"),
    _is(r"unsupported options: cap_add", "engine_option", "Docker"),
    _is(r"You must be root to run|only supports running as the root user", "root_wanted"),
    _is(r"already has an IP address", "address_present", "CNI", "address"),
    _is(r"failed to set bridge addr", "request", "Go netlink", "address"),
    _is(r"failed to create the (?:macvlan|ipvlan) port", "request", "Docker", "link"),
    _is(r"netavark: ", "request", "netavark"),
    _is(r"adding address \"[^\"\n]{1,60}\" to tunnel interface", "request", "Go netlink", "address"),
    _is(r"auditbeat: ", "audit_ack", "auditbeat"),
    _is(r"finit_module|could not insert '", "module_load", "kmod"),
    _is(r"key was rejected by service", "module_load", "kmod"),
    _is(r"curl \(\d", "data_path", "curl"),
    _is(r"SO_RCVBUF|UDP buffer size|increase receive buffer size", "buffer_force"),
)

# As Go and Rust programs wrap an errno: "could not add IP address to "cni0": permission denied".
_GO_REQUEST = (
    r"(?:could not|failed to|unable to|cannot|error) (?:add|adding|delete|del|set|setting|replace|configure|assign) "
    r"(?:[^\s]{1,60} ){0,6}(?:route|address|addr|link|neighbou?r|rule|interface)\b"
)
_BARE = (
    # The least: an own or raw client that names the call that failed, and Go's way of wrapping an errno.
    _is(r"\back: -", "ack"),
    _is(r"\bsocket: -E(?:PERM|ACCES)\b", "raw_socket"),
    _is(r"\bsocket: -E", "socket"),
    _is(r"\bbind: -E", "bind"),
    _is(r"\bsend(?:to|msg)?: -E", "send"),
    _is(
        r"dmesg: read kernel buffer|/attr/current|seccomp: |^load: |select\. use 'perf list'|event selector",
        "elsewhere",
    ),
    _is(r"cannot open directory '/proc/|cannot access '/", "elsewhere"),
    _is(_GO_REQUEST, "request", general=True),
)

WORDINGS: tuple[Wording, ...] = (
    _LOGS
    + _STRACE
    + _IPROUTE2
    + _NETFILTER
    + _PYTHON
    + _LIBRARIES
    + _VPN
    + _SYSCTL
    + _NAMESPACES
    + _UNITS
    + _CONTAINERS
    + _BARE
)

_REQUEST = "the kernel refuses what the request says, whoever sends it"

EXTACKS: tuple[Extack, ...] = (
    _says(
        r"address already assigned",
        "EEXIST",
        "already_exists",
        ("same", "different"),
        "the link has this address",
        "address",
    ),
    _says(
        r"VLAN device already exists", "EEXIST", "already_exists", ("same", "different"), "the VLAN is there", "link"
    ),
    _says(
        r"Exclusivity flag on",
        "EEXIST",
        "already_exists",
        ("same", "different"),
        "a qdisc, class or filter is there under this handle",
        "qdisc",
    ),
    _says(r"ipv[46]: address not found", "EADDRNOTAVAIL", "link_state", ("no_address",), "no such address", "address"),
    _says(
        r"Device for nexthop is not up|Nexthop device is not up",
        "ENETDOWN",
        "link_state",
        ("down",),
        "the link is down",
        "route",
    ),
    _says(
        r"Nexthop has invalid gateway",
        "ENETUNREACH",
        "link_state",
        ("no_address", "down"),
        "no address of a link that is up reaches the gateway",
        "route",
    ),
    _says(
        r"Invalid prefsrc address", "EINVAL", "link_state", ("no_address",), "no link has this source address", "route"
    ),
    _says(
        r"Egress device not specified|Invalid prefix for given prefix length",
        "EINVAL",
        "unknown",
        (),
        _REQUEST,
        "route",
    ),
    _says(
        r"Unknown device type",
        "EOPNOTSUPP",
        "module_missing",
        ("kind", "modules_disabled"),
        "the kernel has no driver for this kind of link, or may not load it",
        "link",
    ),
    _says(
        r"Specified (?:qdisc|class|filter) kind is unknown|Failed to load TC action module|TC classifier not found",
        "ENOENT",
        "module_missing",
        ("kind", "modules_disabled"),
        "the kernel has no module for this kind, or may not load it",
        "qdisc",
    ),
    _says(
        r"Cannot delete qdisc with handle of zero|Cannot find specified qdisc|Failed to find specified qdisc",
        "ENOENT",
        "link_state",
        ("missing",),
        "there is no such qdisc",
        "qdisc",
    ),
    _says(
        r"IPv6 is disabled on (?:this|nexthop) device",
        None,
        "sysctl",
        ("ipv6_disabled",),
        "disable_ipv6 is 1 for this interface, and stops root too",
    ),
    _says(
        r"mtu (?:less|greater) than device (?:minimum|maximum)",
        "EINVAL",
        "link_state",
        (),
        "the driver does not take this MTU",
        "link",
    ),
    _says(r"interface netns is immutable", "EINVAL", "link_state", (), "this link stays in its namespace", "link"),
    _says(r"not supported by device", "EOPNOTSUPP", "driver_refused", (), "the driver cannot do it", "link"),
    _says(
        r"enslaved while up|Device is up\. Set it down",
        None,
        "link_state",
        ("up",),
        "the link must be down first",
        "link",
    ),
    _says(r"because the bond", None, "link_state", ("busy",), "the bond is up or has ports", "link"),
    _says(
        r"No permission to set uid",
        "EPERM",
        "foreign_netns",
        ("other_owner",),
        "a rule by uid wants the user namespace that owns the netns to be the sender's own",
        "rule",
    ),
    _says(r"SA is in use by tunnels", "EPERM", "link_state", ("busy",), "the security association is used", "xfrm"),
    _says(r"Invalid header length|failed policy validation", None, "unknown", (), _REQUEST),
    _says(
        r"(?:FIB table|Nexthop id|RCU|Route) does not exist",
        "ENOENT",
        "link_state",
        ("missing",),
        "it is not there",
        "route",
    ),
)

# Words of a ticket that point to a cause. They only say which of the possible causes to look at first.
HINTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (cause, re.compile(pattern, re.IGNORECASE))
    for cause, pattern in (
        ("file_capability_void", r"\b[sg]etcap\b|file capabilit|\bxattr\b|cap_\w{1,20}[+=]\w?[ep]"),
        (
            "container_without_capability",
            r"\bcap[-_]add\b|\bdocker\b|\bpodman\b|\bcri-o\b|kubernetes|\bk8s\b|container|sidecar",
        ),
        (
            "unit_sandbox",
            r"\.service\b|DynamicUser|PrivateUsers|PrivateNetwork|Protect[A-Z]\w|Restrict[A-Z]\w",
        ),
        ("selinux_denied", r"\bselinux\b"),
        ("apparmor_denied", r"\bapparmor\b(?!=)|\bsnap\b"),
        ("seccomp_denied", r"\bseccomp\b|\bfirejail\b"),
        ("userns_restricted", r"\bunprivileged_userns|\bbwrap\b|\bunshare\b"),
        ("foreign_netns", r"\brootless\b|userns-remap|\bhost network\b"),
        ("sysctl", r"disable_ipv6|\bipv6\b|read-only"),
        ("driver_refused", r"\bVF\b|\bsr-?iov\b|\brf-?kill\b"),
        ("link_state", r"\benslave|\bmaster \S|\bbond\d?\b"),
        ("platform_refuses", r"\bWSL\b|\bgvisor\b|\bopenvz\b|\bfargate\b|\bandroid\b|\btermux\b"),
    )
)
