# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the records of security modules say: AppArmor, SELinux and seccomp, text -> denials that bear on netlink.

Sources: security/apparmor/audit.c and net.c, security/selinux/avc.c, kernel/auditsc.c (audit_seccomp()) of Linux 4.15
to 6.18. The fields differ by version: AppArmor names no class before 6.2, and Ubuntu's writes requested for
requested_mask.
"""

from __future__ import annotations

import re
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._syscalls import SYSCALLS
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._text import Fields, shown
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial

# Something of it is in each record that counts; a look at the bytes is cheaper than taking a record apart.
HINT = re.compile(
    rb"net_admin|net_raw|sys_admin|sys_module|netlink|tun_socket|user_namespace|userns_create|module_request|sysctl_net"
    rb"|tun_tap_device|nsfs_t|/net/tun|/proc/sys/net|/sys/class/net|/ns/net|/netns/| sig=[0-9]+ arch=| code=0x"
)

CAPABILITIES = ("net_admin", "net_raw", "sys_admin", "sys_module")
# CAP_SYS_ADMIN is asked for by much that has nothing to do with namespaces, where the record tells.
_JOINING = ("setns", "unshare", "clone", "clone3", "write")
# Programs for which CAP_SYS_MODULE is no by-product of a look-up: ip asks for it whenever a link is not there.
_LOADERS = ("modprobe", "insmod", "kmod", "systemd-modules")
_FILES = ("/dev/net/tun", "/proc/sys/net/", "/sys/class/net/", "/run/netns/", "/var/run/netns/")
_NAMESPACE_FILE = re.compile(r"/proc/(?:[0-9]{1,10}|self)/(?:task/[0-9]{1,10}/)?ns/(?:net|user)")
_MODULES = re.compile(r"(?:net-pf-16|rtnl-link-|nft?[_-]|ip_?set|sch_|cls_|act_|xfrm|netdevsim|tun\b|genl)")
_FILE_TYPES = ("sysctl_net_t", "tun_tap_device_t", "nsfs_t")
_SECCOMP = ("socket", "bind", "sendto", "sendmsg", "sendmmsg", "setns", "unshare", "clone", "clone3", "socketcall")
_SECCOMP_LOG = 0x7FFC0000  # SECCOMP_RET_LOG, include/uapi/linux/seccomp.h

_REFUSED = ("DENIED", "KILLED")
_AVC = re.compile(r"avc: {1,3}denied {1,3}\{ ([a-z0-9_ ]{1,400}) \} for ")


def parse_record(body: str) -> list[Denial]:
    """The denials of a record of the kernel's, from what follows "audit(TIME:SERIAL): "; [] where it is about others.

    Times, source and what other records of the event tell are still to be filled in.
    """
    body = body.partition("\x1d")[0]  # What follows is auditd's translation of numbers (log_format = ENRICHED).
    if body.startswith('apparmor="'):
        found = _apparmor(Fields(body))
    elif body.startswith("avc: "):
        found = _selinux(body)
    else:
        found = _seccomp(Fields(body)) if " code=0x" in body and " syscall=" in body else []
    for denial in found:
        denial.text = shown(body)
    return found


def counts(denial: Denial) -> bool:
    """Whether a denial still bears on netlink when the system call and the program are known."""
    if denial.permission == "sys_admin" and denial.subject != "unprivileged_userns":
        return denial.syscall is None or denial.syscall in _JOINING
    if denial.permission == "sys_module":
        return (denial.name or "").startswith(_LOADERS)
    return True


def _denial(module: str, permission: str, what: str, values: Fields) -> Denial:
    return Denial(
        "audit",
        module,
        shown(permission, 80),
        shown(what, 200),
        0.0,
        0.0,
        pid=values.number("pid"),
        name=values.get("comm"),
        executable=_path(values.get("exe")),
    )


def _path(value: Optional[str]) -> Optional[str]:
    return value if value and value.startswith("/") else None


def _apparmor(values: Fields) -> list[Denial]:
    """AUDIT counts for the one thing that it says instead of DENIED: the move into a profile that refuses the rest."""
    verdict, operation = values.text("apparmor"), values.text("operation")
    moved = verdict == "AUDIT" and operation == "userns_create" and "target" in values
    if verdict not in (*_REFUSED, "ALLOWED") and not moved:
        return []
    permission, what = _apparmor_object(operation, values)
    if not what:
        return []
    denial = _denial("apparmor", permission, what, values)
    denial.subject, denial.target = values.get("profile"), values.get("target")
    denial.enforced = verdict != "ALLOWED"
    error = values.number("error")
    denial.errno = errno_name(error) if error else None
    return [denial]


def _apparmor_object(operation: str, values: Fields) -> tuple[str, str]:
    """(permission, object) of a record of AppArmor; an empty object where it is none of ours."""
    if operation == "capable":
        name = values.text("capname")
        return name, "capability" if name in CAPABILITIES else ""
    if operation == "userns_create":
        return operation, "user_namespace"
    if values.get("family") == "netlink":
        asked = values.get("denied_mask") or values.get("denied") or values.get("requested_mask") or operation
        return asked, f"netlink {values.text('sock_type')}".strip()
    name = values.text("name")
    ours = name.startswith(_FILES) or _NAMESPACE_FILE.match(name)
    return values.get("denied_mask") or values.get("denied") or operation, name if ours else ""


def _selinux(body: str) -> list[Denial]:
    match = _AVC.match(body)
    if match is None:
        return []
    values = Fields(body[match.end() :])
    kind, target = values.text("tclass"), values.text("tcontext")
    found = []
    for permission in match[1].split():
        if _of_selinux(kind, permission, target, values):
            denial = _denial("selinux", permission, kind, values)
            denial.subject, denial.target = values.get("scontext"), target
            denial.enforced = values.get("permissive") != "1"
            found.append(denial)
    return found


def _of_selinux(kind: str, permission: str, target: str, values: Fields) -> bool:
    if kind in ("capability", "cap_userns"):
        return permission in CAPABILITIES
    if permission == "module_request":
        return bool(_MODULES.match(values.text("kmod")))
    if kind in ("file", "chr_file"):
        return any(f":{name}" in target for name in _FILE_TYPES)
    return kind.startswith("netlink_") or kind in ("tun_socket", "user_namespace")


def _seccomp(values: Fields) -> list[Denial]:
    name = SYSCALLS.get(values.text("arch"), {}).get(values.number("syscall") or 0)
    if name not in _SECCOMP:
        return []
    denial = _denial("seccomp", name, "filter", values)
    denial.syscall, denial.uid = name, values.number("uid")
    try:
        denial.enforced = int(values.text("code")[:18], 16) != _SECCOMP_LOG
    except ValueError:
        pass
    return [denial]
