# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that their AppArmor profile keeps from netlink, and their healthy look-alikes, for a guest with AppArmor.

The program is /usr/local/sbin/labaa with a profile of that name. Each row gives the rules of the profile, which program
it is and how it is run, and what must be found.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

NO_SOCKET, NO_PRIVILEGE = "Permission denied", "Operation not permitted"
RAW, DGRAM, ADMIN, USERNS = "network netlink raw,", "network netlink dgram,", "capability net_admin,", "userns,"
BOTH, TUN = "network netlink,", "/dev/net/tun rw,"
# Rules for all the files that the programs use, but not for the device.
NO_DEVICE = "/{bin,etc,lib,lib64,proc,run,sys,tmp,usr,var}/** mrwlkix, /dev/{null,tty,urandom} rw,"

# How the program is run: by a login, by a service that its own path confines, by one whose unit names the profile.
EXECUTED, ATTACHED, NAMED = "executed", "attached", "named"
SERVICES = (ATTACHED, NAMED)

PYROUTE2 = """\
#!/usr/bin/python3
import sys
from pyroute2 import IPRoute
try:
    with IPRoute() as ipr:
        ipr.link("set", index=1, mtu=65000)
except Exception as exc:
    sys.exit(str(exc))
"""
# What is started, and with which arguments; None: a copy of a program.
CLIENTS = {
    "ip": ("ip", ["link", "set", "dev", "lo", "mtu", "65000"]),
    "pyroute2": (None, []),
    "userns": ("unshare", ["-U", "-n", "true"]),
    "netns": ("unshare", ["-n", "true"]),
    # It opens the device, makes the interface and lets it go with itself.
    "tun": ("ip", ["tuntap", "del", "dev", "labaa0", "mode", "tap"]),
}


@dataclass
class AppArmorCase:
    """One program in its profile. reason: of cause apparmor_denied that must come first; missing: the rules that the
    remedies must add, all together; deny: the rule that refuses, as evidence must name it with file and line; abi: of
    the profile; flags: of the profile; settings: further lines of the unit; local: rules in local/; stale: rules that
    the file has and what is loaded has not. files: the rules for files, where they are not for all.
    """

    name: str
    rules: str
    reason: str = ""
    client: str = "ip"
    symptom: str = ""
    missing: tuple[str, ...] = ()
    verdict: str = "refused"
    how: tuple[str, ...] = (EXECUTED,)
    deny: str = ""
    abi: str = "4.0"
    flags: str = ""
    local: str = ""
    stale: str = ""
    files: str = ""
    settings: tuple[str, ...] = ()
    workload: dict[str, Any] = field(default_factory=dict)
    way: str = ""


def each_way(cases: list[AppArmorCase]) -> list[AppArmorCase]:
    """The cases, once for each way in which the program is run."""
    return [replace(case, way=way) for case in cases for way in case.how]


BROKEN = each_way(
    [
        AppArmorCase("no-capability", RAW, "capability", symptom=NO_PRIVILEGE, missing=(ADMIN,)),
        AppArmorCase("no-capability", BOTH, "capability", symptom=NO_PRIVILEGE, missing=(ADMIN,), how=SERVICES),
        AppArmorCase(
            "other-capabilities",
            f"{RAW} capability net_raw sys_module,",
            "capability",
            symptom=NO_PRIVILEGE,
            missing=(ADMIN,),
        ),
        AppArmorCase("no-capability-pyroute2", BOTH, "capability", "pyroute2", NO_PRIVILEGE, (ADMIN,), how=(NAMED,)),
        AppArmorCase(
            "no-capability-netns",
            f"{RAW} {ADMIN}",
            "capability",
            "netns",
            NO_PRIVILEGE,
            how=(EXECUTED, ATTACHED),
            workload={"operations": ["netns"]},
        ),
        AppArmorCase(
            "no-capability-userns", USERNS, "capability", "userns", NO_PRIVILEGE, workload={"operations": ["userns"]}
        ),
        AppArmorCase("no-network", ADMIN, "network_rule", symptom=NO_SOCKET, missing=(RAW,)),
        AppArmorCase("no-network", ADMIN, "network_rule", symptom=NO_SOCKET, missing=(RAW,), how=SERVICES),
        AppArmorCase(
            "other-networks",
            f"{ADMIN} network inet, network packet raw,",
            "network_rule",
            symptom=NO_SOCKET,
            missing=(RAW,),
        ),
        AppArmorCase("no-network-abi-3", ADMIN, "network_rule", symptom=NO_SOCKET, missing=(RAW,), abi="3.0"),
        AppArmorCase("only-dgram", f"{ADMIN} {DGRAM}", "network_rule", symptom=NO_SOCKET, missing=(RAW,)),
        AppArmorCase(
            "only-dgram", f"{ADMIN} {DGRAM}", "network_rule", symptom=NO_SOCKET, missing=(RAW,), how=(ATTACHED,)
        ),
        AppArmorCase("only-raw-pyroute2", f"{ADMIN} {RAW}", "network_rule", "pyroute2", NO_SOCKET, (DGRAM,)),
        AppArmorCase("neither", "", "network_rule", symptom=NO_SOCKET, missing=(RAW, ADMIN)),
        AppArmorCase("neither-pyroute2", "", "network_rule", "pyroute2", NO_SOCKET, (DGRAM, ADMIN), how=(ATTACHED,)),
        AppArmorCase(
            "no-userns",
            "capability sys_admin,",
            "userns",
            "userns",
            NO_SOCKET,
            (USERNS,),
            how=(EXECUTED, ATTACHED),
            workload={"operations": ["userns"]},
        ),
        AppArmorCase(
            "no-device",
            f"{RAW} {ADMIN}",
            "tun_rule",
            "tun",
            NO_SOCKET,
            (TUN,),
            files=NO_DEVICE,
            how=(EXECUTED, ATTACHED),
            workload={"operations": ["tun"]},
        ),
        AppArmorCase(
            "device-to-be-read",
            f"{RAW} {ADMIN}",
            "tun_rule",
            "tun",
            NO_SOCKET,
            (TUN,),
            files=f"{NO_DEVICE} /dev/net/* r, owner /dev/net/tap w,",
            workload={"operations": ["tun"]},
        ),
        AppArmorCase(
            "deny-device",
            f"{RAW} {ADMIN} deny /dev/net/tun w,",
            "explicit_deny",
            "tun",
            NO_SOCKET,
            deny="deny /dev/net/tun w,",
            workload={"operations": ["tun"]},
        ),
        AppArmorCase(
            "deny-capability",
            f"{BOTH} {ADMIN} deny capability net_admin,",
            "explicit_deny",
            symptom=NO_PRIVILEGE,
            deny="deny capability net_admin,",
            how=(EXECUTED, NAMED),
        ),
        AppArmorCase(
            "deny-beats-local",
            f"{RAW} audit deny capability net_admin,",
            "explicit_deny",
            local=ADMIN,
            symptom=NO_PRIVILEGE,
            deny="audit deny capability net_admin,",
        ),
        AppArmorCase(
            "deny-network",
            f"{RAW} {ADMIN} deny network netlink,",
            "explicit_deny",
            symptom=NO_SOCKET,
            deny="deny network netlink,",
            how=(EXECUTED, ATTACHED),
        ),
        AppArmorCase(
            "deny-userns",
            "userns, capability sys_admin, deny userns,",
            "explicit_deny",
            "userns",
            NO_SOCKET,
            deny="deny userns,",
            workload={"operations": ["userns"]},
        ),
        # What a deny rule refuses in silence is refused in complain mode too.
        AppArmorCase(
            "deny-in-complain-mode",
            f"{BOTH} {ADMIN} deny capability net_admin,",
            "explicit_deny",
            symptom=NO_PRIVILEGE,
            deny="deny capability net_admin,",
            flags="complain",
            how=(EXECUTED, NAMED),
        ),
        AppArmorCase(
            "deny-network-in-complain-mode",
            f"{ADMIN} deny network netlink,",
            "explicit_deny",
            symptom=NO_SOCKET,
            deny="deny network netlink,",
            flags="complain",
        ),
        # Of a block of qualifiers the parser keeps the rules for files alone.
        AppArmorCase(
            "allowed-in-a-block", f"allow {{ {RAW} {ADMIN} }}", "network_rule", symptom=NO_SOCKET, missing=(RAW, ADMIN)
        ),
        AppArmorCase(
            "only-create", f"{ADMIN} network (create) netlink raw,", "network_rule", symptom=NO_SOCKET, missing=(RAW,)
        ),
        AppArmorCase(
            "deny-send",
            f"{ADMIN} {RAW} deny network (send) netlink,",
            "explicit_deny",
            symptom=NO_SOCKET,
            deny="deny network (send) netlink,",
        ),
        AppArmorCase("not-loaded-yet", BOTH, "capability", symptom=NO_PRIVILEGE, stale=ADMIN, how=(EXECUTED, ATTACHED)),
    ]
)

HEALTHY = each_way(
    [
        AppArmorCase("both-rules", f"{RAW} {ADMIN}"),
        AppArmorCase("both-types", f"{RAW} {DGRAM} {ADMIN}", how=(EXECUTED, *SERVICES)),
        AppArmorCase("everything", "network, capability,"),
        AppArmorCase("allow-all", "allow all,", how=(NAMED,)),
        AppArmorCase("pyroute2", f"network netlink, {ADMIN}", client="pyroute2", how=(EXECUTED, ATTACHED)),
        AppArmorCase("complain", "", flags="complain", how=(EXECUTED, ATTACHED)),
        AppArmorCase(
            "audit-deny-in-complain-mode", f"audit deny network netlink, audit deny {ADMIN}", flags="complain"
        ),
        AppArmorCase("unconfined", "", flags="unconfined"),
        AppArmorCase("deny-in-unconfined-mode", f"deny network netlink, deny {ADMIN}", flags="unconfined"),
        AppArmorCase("deny-in-a-block", f"{RAW} {ADMIN} deny {{ {ADMIN} }}"),
        AppArmorCase(
            "each-access", f"{ADMIN} network (create send receive getopt setopt getattr setattr bind) netlink raw,"
        ),
        AppArmorCase("deny-of-others", f"network netlink, {ADMIN} deny network inet, deny capability sys_admin,"),
        AppArmorCase("abi-without-network", ADMIN, abi="kernel-5.4-vanilla", how=(EXECUTED, ATTACHED)),
        AppArmorCase("abi-with-the-old-network", ADMIN, abi="kernel-5.4-outoftree-network"),
        AppArmorCase("in-local", RAW, local=f"{DGRAM} {ADMIN}", how=(NAMED,)),
        AppArmorCase("netns", "capability sys_admin,", client="netns", workload={"operations": ["netns"]}),
        AppArmorCase(
            "device", f"{RAW} {ADMIN}", client="tun", how=(EXECUTED, ATTACHED), workload={"operations": ["tun"]}
        ),
        AppArmorCase(
            "device-in-two-rules",
            f"{RAW} {ADMIN}",
            client="tun",
            files=f"{NO_DEVICE} /dev/net/{{tun,tap}} r, @{{sys}}/** r, audit {{ /dev/net/tun w, }}",
            workload={"operations": ["tun"]},
        ),
        AppArmorCase(
            "userns",
            f"{USERNS} capability sys_admin,",
            client="userns",
            how=(EXECUTED, ATTACHED),
            workload={"operations": ["userns"]},
        ),
        AppArmorCase(
            "userns-abi-3", "capability sys_admin,", client="userns", abi="3.0", workload={"operations": ["userns"]}
        ),
    ]
)
