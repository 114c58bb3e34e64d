# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Situations out of real threads (real_threads.json) for which situations.py has no like, added to its tables."""

from __future__ import annotations

from situations import (
    BROKEN,
    HEALTHY,
    ROOTLESS_NET,
    USER,
    Situation,
    broken,
    command,
    healthy,
    install,
    qdisc,
    running,
    veth,
)

__all__ = ["BROKEN", "HEALTHY"]

# --- TUN and TAP ------------------------------------------------------------------------------------------------------

# TUNSETIFF of a TAP device named t7 (IFF_TAP, IFF_NO_PI), as OpenVPN, pytun and QEMU do it.
TUNSETIFF = (
    "from fcntl import*;f=open('/dev/net/tun','r+b',0);ioctl(f,0x400454CA,b't7'+14*b'\\0'+b'\\2\\x10'+22*b'\\0')"
)


def new_dev(host):
    """A /dev with the TUN device as hosts have it, whatever the machine of the tests has."""
    host.sh("mkdir -p /srv/net; mknod -m 0666 /srv/net/tun c 10 200; mount --bind /srv/net /dev/net")


def tun_user(host, **workload):
    """A program that an ordinary user runs and that makes the TAP device t7."""
    new_dev(host)
    path = install(host, "python3", "vpn")
    client = command(host, *USER, path, "-c", TUNSETIFF)
    return Situation({"executable": path, "user": "4242", "operations": ["tun"], **workload}, client)


@broken("missing_capability", "not_root", fix=True)
def program_of_a_user_makes_a_tap(host):
    return tun_user(host)


@healthy("missing_capability", "not_root")
def program_of_a_user_takes_a_tap_of_its_own(host):
    situation = tun_user(host, interface="t7")
    host.sh("ip tuntap add t7 mode tap user 4242")
    return situation


@broken("missing_capability", "not_root", fix=True)
def program_of_a_user_takes_a_tap_of_another_user(host):
    situation = tun_user(host, interface="t7")
    host.sh("ip tuntap add t7 mode tap user 4243")
    return situation


@healthy("missing_capability", "not_root")
def program_of_a_user_takes_a_tap_of_its_group(host):
    situation = tun_user(host, interface="t7")
    host.sh("ip tuntap add t7 mode tap group 4242")
    return situation


# A dump of the states of IPsec (XFRM_MSG_GETSA): that family wants the capability for reading as well.
GETSA = """
import os, socket, struct
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 6) as sock:
    sock.sendto(struct.pack("=IHHII", 16, 0x12, 0x301, 1, 0), (0, 0))
    answer = sock.recv(8192)
code = struct.unpack_from("=i", answer, 16)[0] if answer[4] == 2 else 0
raise SystemExit(os.strerror(-code) if code else 0)
"""


def reader_of_xfrm(host, capabilities=""):
    path = install(host, "python3", "ipsecd", capabilities)
    client = command(host, *USER, path, "-c", GETSA)
    return Situation({"executable": path, "user": "4242", "operations": ["xfrm"]}, client)


@broken("missing_capability", "not_root", fix=True)
def program_of_a_user_only_reads(host):
    return reader_of_xfrm(host)


@healthy("missing_capability", "not_root")
def program_with_the_capability_only_reads(host):
    return reader_of_xfrm(host, "cap_net_admin+ep")


@broken("missing_capability", "dropped")
def root_without_sys_admin_adds_a_network_namespace(host):
    agent = host.agent("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
    return running(agent, "run", "ip", "netns", "add", "blue", operations=["netns"])


@broken("missing_capability", "dropped", symptom="Operation not permitted|permission denied")
def root_without_it_writes_a_sysctl(host):
    agent = host.agent("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    return running(agent, "run", "sysctl", "-w", "net.ipv4.ip_forward=1")


@broken("foreign_netns", "cannot_join", symptom="EACCES|EPERM")
def rootless_enters_the_namespace_of_a_process_of_root(host):
    other = host.agent("unshare", "-n")
    path = f"/proc/{other.pid}/ns/net"
    return running(host.agent(*ROOTLESS_NET), "enter", path, operations=["netns"], netns=path)


@healthy("foreign_netns", "cannot_join")
def root_enters_the_namespace_of_a_process(host):
    other = host.agent("unshare", "-n")
    path = f"/proc/{other.pid}/ns/net"
    return running(host.agent(), "enter", path, operations=["netns"], netns=path)


@broken("sysctl", "ipv6_disabled", symptom="IPv6 is disabled|Permission denied", fix=True)
def ipv6_is_off_for_new_links(host):
    host.sh("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; ip link add v0 type veth peer name v1")
    host.sh("ip link set v0 up; ip link set v1 up")
    workload = {"pid": host.agent().pid, "operations": ["address"], "interface": "v0", "address": "2001:db8::1/64"}
    add = command(host, "ip", "-6", "address", "add", "2001:db8::1/64", "dev", "v0", "nodad")
    return Situation(workload, add, "ip -6 address del 2001:db8::1/64 dev v0")


VXLAN = ("type", "vxlan", "id", "7", "dev", "v0", "dstport", "4789", "remote", "192.0.2.9")


@broken("link_state", "busy", symptom="Device or resource busy")
def macvlan_on_a_port_of_a_bridge(host):
    veth(host, "ip link add b0 type bridge; ip link set v0 master b0")
    workload = {"pid": host.agent().pid, "interface": "v0", "link_kind": "macvlan"}
    return Situation(workload, command(host, "ip", "link", "add", "m0", "link", "v0", "type", "macvlan"))


@healthy("link_state", "busy")
def vxlan_on_a_port_of_a_bridge(host):
    veth(host, "ip link add b0 type bridge; ip link set v0 master b0")
    workload = {"pid": host.agent().pid, "interface": "v0", "link_kind": "vxlan"}
    return Situation(workload, command(host, "ip", "link", "add", "x0", *VXLAN))


def taken_tap(host):
    """A device t7 that a process of root has open."""
    new_dev(host)
    hold = f"{TUNSETIFF};import runpy;runpy.run_path('/srv/agent.py',run_name='__main__')"
    host.agent("python3", "-c", hold, python="", script="")


@healthy("link_state", "missing")
def link_that_the_workload_makes_by_its_kind(host):
    workload = {"pid": host.agent().pid, "interface": "b7", "link_kind": "bridge"}
    return Situation(workload, command(host, "ip", "link", "add", "b7", "type", "bridge"))


@broken("already_exists", "different", symptom="resource busy")
def tap_that_another_process_has(host):
    taken_tap(host)
    path = install(host, "python3", "vpn")
    workload = {"executable": path, "operations": ["tun"], "interface": "t7"}
    return Situation(workload, command(host, path, "-c", TUNSETIFF))


@broken("already_exists", "different", verdict="unknown", symptom="resource busy")
def tap_that_some_process_has(host):
    taken_tap(host)
    workload = {"pid": host.agent().pid, "operations": ["tun"], "interface": "t7"}
    return Situation(workload, command(host, "python3", "-c", TUNSETIFF))


@healthy("already_exists", "different")
def tap_that_no_process_has(host):
    new_dev(host)
    host.sh("ip tuntap add t7 mode tap; ip link set t7 up")
    path = install(host, "python3", "vpn")
    workload = {"executable": path, "operations": ["tun"], "interface": "t7"}
    return Situation(workload, command(host, path, "-c", TUNSETIFF))


# --- file capabilities and the loader ---------------------------------------------------------------------------------

# The copy of tc gets one of its libraries from beside itself; it is one that has no versions, which ld.so would look
# for under the library's true name.
BESIDE = """
import pathlib, subprocess
tool = pathlib.Path("/srv/tc-of-ours")
shown = subprocess.run(["ldd", str(tool)], capture_output=True, text=True, check=True).stdout
library = next(line.split()[2] for line in shown.splitlines() if "libxtables.so.12" in line)
pathlib.Path("/srv/x.so").write_bytes(pathlib.Path(library).read_bytes())
name, other = b"\\0libxtables.so.12\\0", b"\\0$ORIGIN/x.so\\0"
data = tool.read_bytes()
assert data.count(name) == 1
tool.write_bytes(data.replace(name, other.ljust(len(name), b"\\0")))
"""


def program_with_libraries_beside_it(host, capabilities=""):
    situation = qdisc(host, install(host, "tc", "tc-of-ours"))
    host.sh('python3 -c "$1"', BESIDE)
    host.sh('if [ -n "$1" ]; then setcap "$1" /srv/tc-of-ours; fi', capabilities)
    return situation


@broken("file_capability_void", "secure_mode", symptom="DST not allowed")
def program_whose_loader_looks_beside_it(host):
    return program_with_libraries_beside_it(host, "cap_net_admin+ep")


@broken("missing_capability", "not_root")
def program_whose_loader_would_no_longer_look_beside_it(host):
    return program_with_libraries_beside_it(host)


@healthy("file_capability_void", "secure_mode")
def program_whose_loader_looks_beside_it_run_by_root(host):
    situation = program_with_libraries_beside_it(host)
    situation.workload.update(user="root")
    situation.client = command(host, "/srv/tc-of-ours", "qdisc", "add", "dev", "lo", "root", "pfifo")
    return situation
