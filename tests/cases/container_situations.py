# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are kept from netlink, and their healthy look-alikes, for a host with real engines.

The container is called box. Its own program runs a command, says "ok" or what the command said, and stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NO_CAP = "Operation not permitted"
LINK = "ip link set lo mtu 65535"
TAP = "ip tuntap add t7 mode tap && ip link del t7"
PROGRAM = "sh -c '{command} && echo ok || echo refused; echo done; exec sleep infinity'"

# Everything is allowed but sockets of AF_NETLINK (16), which answer EPERM; and a filter of exceptions that has none.
NO_NETLINK = """{
  "defaultAction": "SCMP_ACT_ALLOW",
  "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
    "args": [{"index": 0, "value": 16, "valueTwo": 0, "op": "SCMP_CMP_EQ"}]}]
}"""
NO_PACKET = NO_NETLINK.replace('"value": 16', '"value": 17')

TAP = "ip tuntap add t7 mode tap"
TUN = {"operations": ["tun"]}
NFT = "nft list ruleset"
ADDRESS = "ip -6 address add 2001:db8::1/64 dev lo && ip -6 address del 2001:db8::1/64 dev lo"
IPV6 = {"operations": ["address"], "interface": "lo", "address": "2001:db8::1/64"}
FORWARD = "sysctl -q -w net.ipv4.ip_forward=1"
NO_FORWARD = "--cap-add NET_ADMIN --sysctl net.ipv4.ip_forward=0"


@dataclass
class BoxCase:
    """One container. options: of "run"; service: of a compose file instead, as YAML below the service's name (indented
    by four); engine: docker, podman or nspawn; remapped: under userns-remap; fix: the role must mend it; say: what the
    advice must hold where it cannot.
    """

    name: str
    options: str = ""
    cause: str = ""
    reason: str = ""
    command: str = LINK
    symptom: str = NO_CAP
    verdict: str = "refused"
    engine: str = "docker"
    remapped: bool = False
    service: str = ""
    fix: bool = False
    say: str = ""
    prepare: str = ""
    tidy: str = ""
    workload: dict[str, Any] = field(default_factory=dict)


WITHOUT = "container_without_capability"


def _tap(name: str, options: str, reason: str = "", **more: Any) -> BoxCase:
    """A container that makes a TAP device."""
    workload = {"operations": ["tun"]}
    return BoxCase(name, options, "module_missing", reason, TAP, "No such file", workload=workload, **more)


BROKEN = [
    BoxCase("root", "", WITHOUT, "not_granted", say="--cap-add NET_ADMIN"),
    BoxCase("root-with-other-capabilities", "--cap-add SYS_TIME --cap-add NET_BIND_SERVICE", WITHOUT, "not_granted"),
    BoxCase("all-dropped", "--cap-drop ALL", WITHOUT, "not_granted", say="--cap-add NET_ADMIN"),
    BoxCase("host-network", "--network host", WITHOUT, "not_granted", say="--cap-add NET_ADMIN"),
    BoxCase("user-with-it", "--user 1000 --cap-add NET_ADMIN", WITHOUT, "nonroot_user", say="--user 0:0"),
    BoxCase("user-without-it", "--user 1000", WITHOUT, "not_granted"),
    BoxCase(
        "program-that-becomes-a-user",
        "--cap-add NET_ADMIN",
        WITHOUT,
        "dropped",
        command="setpriv --reuid 7 --regid 7 --clear-groups ip link set lo mtu 65535; exec setpriv --reuid 7 --regid 7 "
        '--clear-groups sh -c "echo done; exec sleep infinity"',
        say="keep it there",
    ),
    BoxCase(
        "seccomp-without-netlink",
        "--cap-add NET_ADMIN --security-opt seccomp=/srv/no-netlink.json",
        "seccomp_denied",
        "filter",
        symptom="Cannot open netlink socket: Operation not permitted",
        say="seccomp",
    ),
    BoxCase(
        "new-network-namespace",
        "",
        "seccomp_denied",
        "filter",
        command="unshare -n true",
        workload={"operations": ["netns"]},
    ),
    BoxCase("compose-root", "", WITHOUT, "not_granted", service="    init: true", fix=True),
    BoxCase("compose-host-network", "", WITHOUT, "not_granted", service="    network_mode: host", fix=True),
    BoxCase(
        "compose-user-with-it",
        "",
        WITHOUT,
        "nonroot_user",
        service='    user: "1000"\n    cap_add: [NET_ADMIN]',
        fix=True,
    ),
    BoxCase("compose-user-without-it", "", WITHOUT, "not_granted", service='    user: "1000"'),
    BoxCase("podman-without-a-cgroup", "--cgroups=disabled", WITHOUT, "not_granted", engine="podman", say="--cap-add"),
    BoxCase("podman-root", "", WITHOUT, "not_granted", engine="podman", say="--cap-add NET_ADMIN"),
    BoxCase("podman-user", "--user 1000", WITHOUT, "not_granted", engine="podman"),
    BoxCase(
        "podman-own-users-on-the-host-network",
        "--uidmap 0:200000:65536 --network host --cap-add NET_ADMIN",
        "foreign_netns",
        "userns_remap",
        engine="podman",
    ),
    BoxCase("tun-without-it", "--device /dev/net/tun", WITHOUT, "not_granted", command=TAP, workload=TUN),
    BoxCase("busybox", "", WITHOUT, "not_granted", command="busybox ip link set lo mtu 65535"),
    BoxCase("nftables", "", WITHOUT, "not_granted", command=NFT, workload={"operations": ["nftables"]}),
    BoxCase(
        "ipv6-off",
        "--cap-add NET_ADMIN --sysctl net.ipv6.conf.all.disable_ipv6=1",
        "sysctl",
        "read_only",
        command=ADDRESS,
        symptom="IPv6 is disabled|Permission denied",
        workload=IPV6,
    ),
    BoxCase(
        "read-only-sysctl",
        NO_FORWARD,
        "sysctl",
        "read_only",
        command=FORWARD,
        symptom="Read-only|read-only|permission denied",
        workload={"operations": ["forward"]},
    ),
    BoxCase("nspawn-on-the-host-network", "", WITHOUT, "not_granted", engine="nspawn", say="CAP_NET_ADMIN"),
    _tap("tap-without-the-node", "--cap-add NET_ADMIN", "tun_node_missing", say="--device /dev/net/tun"),
    _tap("tap-without-anything", "", "tun_node_missing", say="--device /dev/net/tun"),
    _tap(
        "compose-tap-without-the-node",
        "",
        "tun_node_missing",
        service="    cap_add: [NET_ADMIN]",
        say='devices: ["/dev/net/tun"]',
    ),
    _tap("podman-tap-without-the-node", "--cap-add NET_ADMIN", "tun_node_missing", engine="podman", say="--device"),
    BoxCase("remapped-root", "", WITHOUT, "not_granted", remapped=True, say="--cap-add NET_ADMIN"),
    BoxCase("remapped-user-with-it", "--user 1000 --cap-add NET_ADMIN", WITHOUT, "nonroot_user", remapped=True),
]

HEALTHY = [
    BoxCase("root-with-it", "--cap-add NET_ADMIN", WITHOUT),
    BoxCase("root-with-only-it", "--cap-drop ALL --cap-add NET_ADMIN"),
    BoxCase("root-with-it-on-the-host-network", "--cap-add NET_ADMIN --network host"),
    BoxCase("root-with-it-and-no-new-privileges", "--cap-add NET_ADMIN --security-opt no-new-privileges"),
    _tap("tap-with-the-node", "--cap-add NET_ADMIN --device /dev/net/tun"),
    _tap("podman-tap-with-the-node", "--cap-add NET_ADMIN --device /dev/net/tun", engine="podman"),
    BoxCase("unfiltered", "--cap-add NET_ADMIN --security-opt seccomp=unconfined", "seccomp_denied"),
    BoxCase("own-profile", "--cap-add NET_ADMIN --security-opt seccomp=/srv/no-packet.json", "seccomp_denied"),
    BoxCase("tun-with-it", "--device /dev/net/tun --cap-add NET_ADMIN", WITHOUT, command=TAP, workload=TUN),
    BoxCase("nftables-with-it", "--cap-add NET_ADMIN", command=NFT, workload={"operations": ["nftables"]}),
    BoxCase(
        "ipv6-on",
        "--cap-add NET_ADMIN --sysctl net.ipv6.conf.all.disable_ipv6=0",
        "sysctl",
        command=ADDRESS,
        workload=IPV6,
    ),
    BoxCase(
        "forwarding-on",
        "--cap-add NET_ADMIN --sysctl net.ipv4.ip_forward=1",
        "sysctl",
        command="grep -q 1 /proc/sys/net/ipv4/ip_forward",
        workload={"operations": ["forward"]},
    ),
    BoxCase("compose-with-it", service="    cap_add: [NET_ADMIN]"),
    BoxCase("podman-root-with-it", "--cap-add NET_ADMIN", engine="podman"),
    BoxCase("podman-user-with-it", "--user 1000 --cap-add NET_ADMIN", engine="podman"),
    BoxCase("podman-own-users-on-its-own-network", "--uidmap 0:200000:65536 --cap-add NET_ADMIN", engine="podman"),
    BoxCase("remapped-with-it", "--cap-add NET_ADMIN", remapped=True),
    BoxCase("host-users-on-the-host-network", "--userns host --network host --cap-add NET_ADMIN", remapped=True),
]
