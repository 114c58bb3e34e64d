# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SELinux asks its policy for while a netlink client works, in the kernel's order.

Storey 0: does no I/O. Sources: security/selinux/hooks.c and nlmsgtab.c of Linux 6.12; tests/lab refuses each of them on
an enforcing kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

# The netlink operations of a workload, by the class of the socket that carries them.
SOCKET_CLASSES = {
    **dict.fromkeys(
        ("link", "address", "route", "rule", "neighbour", "qdisc", "action"),
        "netlink_route_socket",
    ),
    "nftables": "netlink_netfilter_socket",
    "xfrm": "netlink_xfrm_socket",
}
# Classes whose messages are told apart by type: reads, writes; with the policy's capability netlink_xperm (since Linux
# 6.13) by extended permissions of "nlmsg" instead.
MESSAGE_CLASSES = ("netlink_route_socket", "netlink_xfrm_socket")
CAPABILITY_CLASSES = ("capability", "cap_userns")


@dataclass(frozen=True)
class Check:
    """One question that the kernel asks of the policy about a process.

    gate: where it would refuse. certain: no client can do without it. target: "self" is the process itself or what it
    made, which has its context; "node" is /dev/net/tun, "kernel" the kernel.
    """

    gate: str
    object_class: str
    permission: str
    certain: bool = True
    target: str = "self"

    @property
    def words(self) -> str:
        """Class and permission, as they are named together."""
        return f"{self.object_class} {self.permission}"


# Before the kernel loads a module because a process asks for what is in it.
MODULE_REQUEST = Check("object", "system", "module_request", target="kernel")


def checks_of(operation: str, extended: bool = False) -> list[Check]:
    """The checks of one operation, but for those of capabilities over a user namespace that is there already, which
    decides their class.

    extended: the policy has netlink_xperm. Not every client binds, sets options, or reads what is there: ip does.
    """
    if operation == "tun":
        node = [Check("open", "chr_file", name, target="node") for name in ("open", "read", "write", "ioctl")]
        return [*node, Check("ack", "tun_socket", "create")]
    if operation == "userns":
        # With a network namespace, which wants the capability in the new user namespace.
        return [Check("unshare", "user_namespace", "create"), Check("unshare", "cap_userns", "sys_admin")]
    kind = SOCKET_CLASSES.get(operation)
    if kind is None:
        return []
    found = [Check("socket", kind, "create")]
    found += [Check("bind", kind, name, certain=False) for name in ("setopt", "bind", "getattr")]
    found += [Check("send", kind, name) for name in ("write", "read")]
    if kind in MESSAGE_CLASSES and extended:
        found.append(Check("send", kind, "nlmsg"))
    elif kind in MESSAGE_CLASSES:
        found += [Check("send", kind, "nlmsg_write"), Check("send", kind, "nlmsg_read", certain=False)]
    return found


def type_of(context: Optional[str]) -> Optional[str]:
    """The type of a context "user:role:type[:level]"; None for what is none."""
    parts = (context or "").split(":")
    return parts[2] if len(parts) >= 3 else None


# Domains in which many programs run: what one of them is allowed, all are.
_SHARED = frozenset(
    [
        *("init_t", "initrc_t", "kernel_t", "udev_t", "unconfined_t", "unconfined_service_t"),
        *("sysadm_t", "secadm_t", "staff_t", "user_t", "guest_t", "xguest_t"),
        *("sshd_t", "local_login_t", "remote_login_t", "inetd_child_t"),
        *("crond_t", "cronjob_t", "system_cronjob_t", "unconfined_cronjob_t"),
        *("apt_t", "dpkg_t", "dpkg_script_t", "rpm_t", "rpm_script_t"),
        *("docker_t", "openshift_t", "spc_t"),
    ]
)
_SHARED_PREFIXES = ("svirt_", "container_")


def is_shared(domain: str) -> bool:
    """Whether a domain is that of many programs, so that a rule for it would be one for all of them."""
    return domain in _SHARED or domain.startswith(_SHARED_PREFIXES)


def parse_access(reply: str) -> tuple[int, int, bool]:
    """(allowed, audited when denied, domain is permissive) out of an answer of /sys/fs/selinux/access.

    The two are bit masks of permissions. Raises ValueError for what is no such answer.
    """
    words = reply.rstrip("\0\n").split()
    if len(words) < 5:
        raise ValueError(f"{reply!r:.80} is no answer of /sys/fs/selinux/access")
    flags = int(words[5], 16) if len(words) > 5 else 0
    return int(words[0], 16), int(words[3], 16), bool(flags & 1)
