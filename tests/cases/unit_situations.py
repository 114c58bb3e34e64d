# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that their unit keeps from netlink, and their healthy look-alikes, for a host with a real systemd.

The service is w.service. It runs a command, says "ok" or what the command said, and stays. Each row gives what stands
in [Service] besides, and what must be found.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

LINK = "ip link set lo mtu 65535"
FORWARD = "sysctl -q -w net.ipv4.ip_forward=1"
NEW_NETNS = "unshare -n true"
TAP = "ip tuntap add t7 mode tap && ip link del t7"
NO_CAP = "Operation not permitted"
NO_FAMILY = "Address family not supported"


@dataclass
class UnitCase:
    """One service. line: the line of the unit that is to blame, as evidence must name it; drop_in: it stands in a file
    of its own below w.service.d; once: it does not stay (Type=oneshot), so nothing runs when it is judged; direct:
    systemd starts the command itself, not a shell; fix: a drop-in must mend it; prepare, tidy: scripts of the host;
    again: one that takes back what a successful run did.
    """

    name: str
    settings: str
    cause: str = ""
    reason: str = ""
    command: str = LINK
    symptom: str = NO_CAP
    verdict: str = "refused"
    line: Optional[str] = None
    drop_in: str = ""
    once: bool = False
    direct: bool = False
    fix: bool = True
    prepare: str = ""
    tidy: str = ""
    again: str = ""
    workload: dict[str, Any] = field(default_factory=dict)


def _sandbox(reason: str, line: str, **more: Any) -> UnitCase:
    """A service with one line that refuses."""
    name = more.pop("name", line.partition("=")[0] + ("-once" if more.get("once") else ""))
    return UnitCase(name, more.pop("settings", line), "unit_sandbox", reason, line=line, **more)


def _device(reason: str, line: str, **more: Any) -> UnitCase:
    """A service that makes a TAP device, with one line that keeps /dev/net/tun from it."""
    name = more.pop("name", line.partition("=")[0] + ("-once" if more.get("once") else ""))
    settings = more.pop("settings", line)
    symptom = "No such file" if reason == "tun_node_missing" else NO_CAP
    workload = {"operations": ["tun"]}
    return UnitCase(name, settings, "module_missing", reason, TAP, symptom, line=line, workload=workload, **more)


def _tap(name: str, settings: str, **more: Any) -> UnitCase:
    """A service that makes a TAP device, and may."""
    return UnitCase(name, settings, "module_missing", command=TAP, workload={"operations": ["tun"]}, **more)


TRUE_WITH_CAPABILITY = "cp /usr/sbin/tc /srv/tc; setcap cap_net_admin+ep /srv/tc"
QDISC = "/srv/tc qdisc replace dev lo root pfifo"

# A program that refuses itself sockets of AF_NETLINK (EPERM), as browsers and chrony do with what they do not need.
OWN_FILTER = """\
import ctypes, struct, subprocess, time
code = [(0x20, 0, 0, 0), (0x15, 0, 3, 41), (0x20, 0, 0, 16), (0x15, 0, 1, 16)]
code += [(6, 0, 0, 0x50001), (6, 0, 0, 0x7FFF0000)]
text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
libc, program = ctypes.CDLL(None), Program(len(code), ctypes.addressof(text))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(program)) == 0
subprocess.run(["ip", "link", "set", "lo", "mtu", "65535"])
print("done", flush=True)
time.sleep(1000)"""

# A socket buffer above net.core.rmem_max, as servers of QUIC and UDP ask for it (SO_RCVBUFFORCE).
BUFFER = """\
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).setsockopt(socket.SOL_SOCKET, 33, 1 << 24)"""

BROKEN = [
    UnitCase("user", "User=daemon", "missing_capability", "not_root"),
    UnitCase("user-once", "User=daemon", "missing_capability", "not_root", once=True),
    UnitCase("dynamic-user", "DynamicUser=yes", "missing_capability", "not_root"),
    UnitCase(
        "user-with-inet-only-and-netlink",
        "User=daemon\nRestrictAddressFamilies=AF_INET AF_NETLINK",
        "missing_capability",
        "not_root",
    ),
    UnitCase(
        "program-that-drops-by-itself",
        "",
        "missing_capability",
        "dropped",
        command="setpriv --reuid 1 --regid 1 --clear-groups ip link set lo mtu 65535; exec setpriv --reuid 1 --regid 1 "
        "--clear-groups sleep infinity",
        fix=False,
    ),
    _sandbox("capability_bounding_set", "CapabilityBoundingSet=CAP_SYS_TIME CAP_CHOWN"),
    _sandbox("capability_bounding_set", "CapabilityBoundingSet=~CAP_NET_ADMIN", name="bounding-set-of-exceptions"),
    _sandbox("capability_bounding_set", "CapabilityBoundingSet=CAP_SYS_TIME", once=True),
    _sandbox(
        "capability_bounding_set",
        "CapabilityBoundingSet=CAP_SYS_TIME",
        settings="User=daemon\nCapabilityBoundingSet=CAP_SYS_TIME",
        name="bounding-set-of-a-user",
    ),
    _sandbox(
        "capability_bounding_set",
        "CapabilityBoundingSet=CAP_NET_RAW",
        name="buffer-force",
        command="python3 /srv/buffer.py",
        prepare=f"cat > /srv/buffer.py << 'E'\n{BUFFER}\nE",
        tidy="rm /srv/buffer.py",
    ),
    _sandbox(
        "capability_bounding_set",
        "CapabilityBoundingSet=CAP_NET_RAW",
        name="nftables",
        command="nft list ruleset",
        workload={"operations": ["nftables"]},
    ),
    _sandbox(
        "capability_bounding_set",
        "CapabilityBoundingSet=CAP_NET_RAW",
        name="bounding-set-below-the-file",
        settings="User=daemon\nCapabilityBoundingSet=CAP_NET_RAW",
        command=QDISC,
        symptom="",
        prepare=TRUE_WITH_CAPABILITY,
        tidy="rm /srv/tc; tc qdisc del dev lo root || true",
        once=True,
        direct=True,
        workload={"operations": ["qdisc"]},
    ),
    _sandbox(
        "private_users",
        "PrivateUsers=yes",
        name="private-users-and-a-namespace",
        settings="PrivateUsers=yes\nNetworkNamespacePath=/run/netns/blue",
        prepare="ip netns add blue",
        tidy="ip netns del blue",
    ),
    _sandbox("private_users", "PrivateUsers=yes"),
    _sandbox("private_users", "PrivateUsers=yes", once=True),
    _sandbox(
        "private_users",
        "PrivateUsers=yes",
        settings="PrivateUsers=yes\nPrivateNetwork=yes",
        name="private-users-and-network",
    ),
    _sandbox("restrict_address_families", "RestrictAddressFamilies=AF_INET AF_UNIX", symptom=NO_FAMILY),
    _sandbox("restrict_address_families", "RestrictAddressFamilies=AF_UNIX", symptom=NO_FAMILY, once=True),
    _sandbox(
        "restrict_address_families",
        "RestrictAddressFamilies=~AF_NETLINK AF_PACKET",
        symptom=NO_FAMILY,
        name="families-of-exceptions",
    ),
    _sandbox(
        "restrict_address_families",
        "RestrictAddressFamilies=AF_INET",
        settings="RestrictAddressFamilies=",
        drop_in="RestrictAddressFamilies=AF_INET",
        symptom=NO_FAMILY,
        name="families-in-a-drop-in",
    ),
    _sandbox(
        "restrict_namespaces",
        "RestrictNamespaces=yes",
        command=NEW_NETNS,
        workload={"operations": ["netns"]},
    ),
    _sandbox(
        "no_new_privileges",
        "NoNewPrivileges=yes",
        settings="User=daemon\nNoNewPrivileges=yes",
        command=QDISC,
        prepare=TRUE_WITH_CAPABILITY,
        tidy="rm /srv/tc; tc qdisc del dev lo root || true",
        once=True,
        direct=True,
        workload={"operations": ["qdisc"]},
    ),
    _sandbox(
        "private_network",
        "PrivateNetwork=yes",
        command="ip link set v0 up",
        symptom="Cannot find device",
        prepare="ip link add v0 type veth peer name v1",
        tidy="ip link del v0",
        workload={"interface": "v0"},
    ),
    _sandbox("system_call_filter", "SystemCallFilter=~@network-io", symptom="Bad system call"),
    _sandbox(
        "system_call_filter",
        "SystemCallFilter=~socket",
        settings="SystemCallFilter=~socket\nSystemCallErrorNumber=EPERM",
        name="filter-with-errno",
    ),
    _sandbox(
        "system_call_filter",
        "SystemCallFilter=~@network-io",
        settings="SystemCallFilter=@system-service\nSystemCallFilter=~@network-io\nSystemCallErrorNumber=EPERM",
        name="filter-of-two-lines",
        once=True,
    ),
    _sandbox(
        "protect_kernel_tunables",
        "ProtectKernelTunables=yes",
        command=FORWARD,
        symptom="Read-only|read-only|permission denied",
        again="sysctl -q -w net.ipv4.ip_forward=0",
        tidy="sysctl -q -w net.ipv4.ip_forward=0",
        workload={"operations": ["forward"]},
    ),
    _device("tun_node_missing", "PrivateDevices=yes"),
    _device("tun_node_missing", "PrivateDevices=yes", once=True),
    _device(
        "tun_node_missing",
        "PrivateDevices=yes",
        settings="PrivateDevices=yes\nDeviceAllow=/dev/net/tun rw",
        name="private-devices-that-allow-it",
    ),
    _device("tun_device_cgroup", "DevicePolicy=closed"),
    _device("tun_device_cgroup", "DevicePolicy=closed", once=True),
    _device("tun_device_cgroup", "DeviceAllow=/dev/null rw"),
]

# A service that does not run and whose last start failed at what the diagnosis cannot judge, or that has a filter of
# its own: nothing to blame, but not allowed either.
OPEN = [
    UnitCase(
        "command-before-it", f"ExecStartPre=/usr/sbin/{LINK}\nUser=daemon", command="+/bin/true", once=True, direct=True
    ),
    UnitCase(
        "second-command",
        f"ExecStart=/usr/sbin/{LINK}\nUser=daemon",
        command=f"+/usr/sbin/{LINK}",
        once=True,
        direct=True,
    ),
    UnitCase("other-root", "RootDirectory=/srv/none", once=True, symptom=""),
    UnitCase(
        "filter-of-its-own",
        "RestrictAddressFamilies=AF_UNIX AF_NETLINK",
        command="exec python3 /srv/own.py",
        prepare=f"cat > /srv/own.py << 'E'\n{OWN_FILTER}\nE",
        tidy="rm /srv/own.py",
    ),
]

HEALTHY = [
    UnitCase("root", "", "unit_sandbox"),
    UnitCase("root-once", "", "unit_sandbox", once=True),
    UnitCase("user-with-ambient", "User=daemon\nAmbientCapabilities=CAP_NET_ADMIN", "missing_capability"),
    UnitCase("user-with-ambient-once", "User=daemon\nAmbientCapabilities=CAP_NET_ADMIN", once=True),
    UnitCase("dynamic-user-with-ambient", "DynamicUser=yes\nAmbientCapabilities=CAP_NET_ADMIN"),
    UnitCase("bounding-set-with-it", "CapabilityBoundingSet=CAP_NET_ADMIN CAP_CHOWN"),
    UnitCase("bounding-set-of-two-lines", "CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=CAP_NET_ADMIN"),
    UnitCase("no-new-privileges-of-root", "NoNewPrivileges=yes"),
    UnitCase("private-network-with-lo", "PrivateNetwork=yes", workload={"interface": "lo"}),
    UnitCase("families-with-netlink", "RestrictAddressFamilies=AF_UNIX AF_NETLINK"),
    UnitCase("families-but-others", "RestrictAddressFamilies=~AF_PACKET"),
    UnitCase("families-mended-by-a-second-line", "RestrictAddressFamilies=AF_UNIX\nRestrictAddressFamilies=AF_NETLINK"),
    UnitCase("filter-of-system-services", "SystemCallFilter=@system-service"),
    UnitCase("filter-but-others", "SystemCallFilter=~@clock @swap\nSystemCallErrorNumber=EPERM"),
    UnitCase("other-restrictions", "RestrictNamespaces=yes\nPrivateDevices=yes\nProtectClock=yes\nLockPersonality=yes"),
    UnitCase("kernel-tunables", "ProtectKernelTunables=yes"),
    UnitCase(
        "full-privilege-once",
        "User=daemon\nPrivateUsers=yes\nRestrictAddressFamilies=AF_UNIX\nCapabilityBoundingSet=CAP_CHOWN",
        command=f"+/usr/sbin/{LINK}",
        once=True,
        direct=True,
    ),
    UnitCase(
        "private-users-and-a-new-network-once",
        "PrivateUsers=yes",
        command=NEW_NETNS,
        once=True,
        workload={"operations": ["netns"]},
    ),
    UnitCase(
        "namespace-path-with-the-link-once",
        "NetworkNamespacePath=/run/netns/blue",
        command="ip link set w0 up",
        once=True,
        prepare="ip netns add blue; ip -n blue link add w0 type veth peer name w1",
        tidy="ip netns del blue",
        workload={"interface": "w0"},
    ),
    UnitCase(
        "hardened",
        "SystemCallFilter=@system-service\nSystemCallArchitectures=native\nRestrictAddressFamilies=AF_UNIX AF_NETLINK\n"
        "RestrictRealtime=yes\nRestrictSUIDSGID=yes\nProtectKernelTunables=yes\nProtectKernelModules=yes",
    ),
    _tap("devices", ""),
    _tap("devices-once", "", once=True),
    _tap("device-policy-that-allows-it", "DevicePolicy=closed\nDeviceAllow=/dev/net/tun rw"),
    _tap(
        "device-policy-that-allows-all-of-its-kind",
        "DevicePolicy=strict\nDeviceAllow=char-misc rwm\nDeviceAllow=/dev/null",
    ),
    _tap("private-devices-with-it", "PrivateDevices=yes\nBindPaths=/dev/net/tun\nDeviceAllow=/dev/net/tun rw"),
    UnitCase("private-users-off", "PrivateUsers=no\nProtectHostname=yes"),
]
