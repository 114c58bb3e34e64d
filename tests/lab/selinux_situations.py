# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that their SELinux domain keeps from netlink, and their healthy look-alikes, for a guest that enforces it.

Each is a copy of a client in a domain of its own (confined.py): domain NAME_t, program /usr/local/sbin/NAME. What the
domain is not allowed is what is broken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

NET_ADMIN = "(allow {t} self (capability (net_admin)))"
NETLINK = "(allow {t} self (netlink_route_socket (all)))"
BOOLEAN = "lab_net_admin"
MTU = ["link", "set", "dev", "lo", "mtu", "65000"]
TAP = ["tuntap", "add", "dev", "labtap", "mode", "tap"]
NO_SOCKET, NO_PRIVILEGE = "Cannot open netlink socket: Permission denied", "RTNETLINK answers: Operation not permitted"


def all_but(*permissions: str) -> str:
    """A rule for all of a route socket but some permissions."""
    return f"(allow {{t}} self (netlink_route_socket (and (all) (not ({' '.join(permissions)})))))"


def entry(name: str, object_class: str, *permissions: str) -> dict[str, Any]:
    """What a remedy is to allow a domain."""
    return {"domain": f"{name}_t", "class": object_class, "permissions": list(permissions), "target": "self"}


@dataclass
class SELinuxCase:
    """One program in its domain. rules: of the domain; reason: of cause selinux_denied that must come first, at gate;
    then: reasons of further findings; symptom: what the client prints; program: what it is a copy of; remedy: variables
    of the role netlink_selinux that mend it, all findings together; None where only advice can be given. served: the
    verdict on a service that runs it from a shell, of which it is not known whether it binds its sockets.
    """

    name: str
    rules: str = ""
    reason: str = ""
    gate: str = "ack"
    symptom: str = ""
    then: tuple[str, ...] = ()
    remedy: Optional[dict[str, Any]] = None
    program: str = "ip"
    arguments: list[str] = field(default_factory=lambda: list(MTU))
    operations: tuple[str, ...] = ("link",)
    verdict: str = "refused"
    served: str = "refused"
    cause: str = "selinux_denied"


def allow(name: str, **classes: str) -> dict[str, Any]:
    return {"netlink_selinux_allow": [entry(name, kind, *names.split()) for kind, names in classes.items()]}


BROKEN = [
    SELinuxCase(
        "sebare",
        reason="netlink_socket",
        gate="socket",
        symptom=NO_SOCKET,
        then=("nlmsg", "capability"),
        remedy=allow(
            "sebare",
            netlink_route_socket="bind create getattr read setopt write nlmsg_read nlmsg_write",
            capability="net_admin",
        ),
    ),
    SELinuxCase(
        "secap",
        NETLINK,
        reason="capability",
        symptom=NO_PRIVILEGE,
        remedy=allow("secap", capability="net_admin"),
    ),
    SELinuxCase(
        "sehidden",
        NETLINK + "(dontaudit {t} self (capability (net_admin)))",
        reason="capability",
        symptom=NO_PRIVILEGE,
        remedy=allow("sehidden", capability="net_admin"),
    ),
    SELinuxCase(
        "sesocket",
        all_but("create") + NET_ADMIN,
        reason="netlink_socket",
        gate="socket",
        symptom=NO_SOCKET,
        remedy=allow("sesocket", netlink_route_socket="create"),
    ),
    SELinuxCase(
        "sebind",
        all_but("bind") + NET_ADMIN,
        reason="netlink_socket",
        gate="bind",
        symptom="Cannot bind netlink socket: Permission denied",
        served="unknown",
        remedy=allow("sebind", netlink_route_socket="bind"),
    ),
    SELinuxCase(
        "sewrite",
        all_but("write") + NET_ADMIN,
        reason="netlink_socket",
        gate="send",
        symptom="Permission denied",
        remedy=allow("sewrite", netlink_route_socket="write"),
    ),
    SELinuxCase(
        "senlmsg",
        all_but("nlmsg_write") + NET_ADMIN,
        reason="nlmsg",
        gate="send",
        symptom="Cannot talk to rtnetlink: Permission denied",
        remedy=allow("senlmsg", netlink_route_socket="nlmsg_write"),
    ),
    SELinuxCase(
        "sedevice",
        NETLINK + NET_ADMIN,
        reason="tun_socket",
        symptom="ioctl(TUNSETIFF): Permission denied",
        arguments=TAP,
        operations=("tun",),
        remedy=allow("sedevice", tun_socket="create"),
    ),
    SELinuxCase(
        "sebool",
        NETLINK + f"\n(boolean {BOOLEAN} false)\n(booleanif {BOOLEAN} (true {NET_ADMIN}))",
        reason="boolean_off",
        symptom=NO_PRIVILEGE,
        remedy={"netlink_selinux_booleans": {BOOLEAN: True}},
    ),
    SELinuxCase(
        "sens",
        reason="user_namespace",
        gate="unshare",
        symptom="unshare failed: Permission denied",
        program="unshare",
        arguments=["-U", "true"],
        operations=("userns",),
        then=("capability",),
    ),
    SELinuxCase(
        "seempty",
        "(allow {t} self (user_namespace (create)))",
        reason="capability",
        gate="unshare",
        symptom="unshare failed: Operation not permitted",
        program="unshare",
        arguments=["-U", "-n", "true"],
        operations=("userns",),
    ),
]
HEALTHY = [
    SELinuxCase(
        "senew",
        "(allow {t} self (user_namespace (create))) (allow {t} self (cap_userns (sys_admin)))",
        verdict="allowed",
        program="unshare",
        arguments=["-U", "-n", "true"],
        operations=("userns",),
    ),
    SELinuxCase("sefine", NETLINK + NET_ADMIN, verdict="allowed", served="allowed"),
    SELinuxCase("sefree", "(typepermissive {t})", verdict="allowed", served="allowed"),
]
# The type of a file that systemd may not execute.
LOCKED = "selocked_exec_t"
LOCKED_CIL = f"""
(type {LOCKED}) (roletype object_r {LOCKED})
(allow {LOCKED} fs_t (filesystem (associate)))
(allow unconfined_t {LOCKED} (file (all)))
"""
# Reasons that come from a file's label or from what is loaded, and not from the rules of a domain: tests of their own.
OTHERS = [
    SELinuxCase("semoved", reason="mislabelled"),
    SELinuxCase("sewhere", reason="entrypoint"),
    SELinuxCase("sefine", reason="module_request"),
]
