# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Broken workloads and their healthy look-alikes: each builds itself on a host of its own.

A broken situation says which cause and reason must come first, and what its client sees; a healthy one looks like it
and must come out allowed, with no finding. The client is the real program (or the netlink client of agent.py) and says
"ok" or what went wrong.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any, Callable, Optional

from minihost import AGENT, MiniHost, Process

AS_USER = ("setpriv", "--reuid=4242", "--regid=4242", "--clear-groups")
# setpriv itself keeps its permitted set until it executes something, so what it runs is not yet in a user's place.
USER = (*AS_USER, "env")
ROOTLESS = (*USER, "unshare", "-Ur")
ROOTLESS_NET = (*USER, "unshare", "-Urn")
AMBIENT = (*AS_USER, "--inh-caps=+net_admin", "--ambient-caps=+net_admin")
NO_CAP = "Operation not permitted|EPERM"


@dataclass
class Situation:
    """What a setup returns. undo: script that takes back what a successful client did; restart: starts it anew."""

    workload: dict[str, Any]
    client: Callable[[], str]
    undo: str = ""
    restart: Optional[Callable[[], Situation]] = None


@dataclass
class Case:
    """One row of the table. symptom: what the client prints when refused; fix: a remedy must be offered and must
    work.
    """

    name: str
    setup: Callable[[MiniHost], Situation]
    cause: str
    reason: str
    verdict: str = "refused"
    symptom: Optional[str] = NO_CAP
    fix: bool = False
    bounding: Optional[str] = None


BROKEN: list[Case] = []
HEALTHY: list[Case] = []

Setup = Callable[[MiniHost], Situation]


def broken(cause: str, reason: str, **options: Any) -> Callable[[Setup], Setup]:
    """Register a setup as a broken case."""

    def register(setup: Setup) -> Setup:
        BROKEN.append(Case(setup.__name__, setup, cause, reason, **options))
        return setup

    return register


def healthy(cause: str, reason: str) -> Callable[[Setup], Setup]:
    """Register a setup as a healthy look-alike of a broken case."""

    def register(setup: Setup) -> Setup:
        HEALTHY.append(Case(setup.__name__, setup, cause, reason))
        return setup

    return register


def command(host: MiniHost, *words: str) -> Callable[[], str]:
    """A client that is a command: "ok", or what it printed."""

    def client() -> str:
        done = host.run(list(words))
        return "ok" if done.returncode == 0 else done.stderr + done.stdout

    return client


def install(host: MiniHost, program: str, name: str, capabilities: str = "") -> str:
    """Copy a program to /srv under a name and give the copy capabilities; its path."""
    path = f"/srv/{name}"
    host.sh(
        'cp "$1" "$2"; chmod 0755 "$2"; if [ -n "$3" ]; then setcap "$3" "$2"; fi',
        str(shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin")),
        path,
        capabilities,
    )
    return path


def qdisc(host: MiniHost, path: str, operations: tuple[str, ...] = ("qdisc",)) -> Situation:
    """A copy of tc, run by an ordinary user, that sets a queueing discipline."""
    client = command(host, *USER, path, "qdisc", "add", "dev", "lo", "root", "pfifo")
    workload = {"executable": path, "user": "4242", "operations": list(operations)}
    return Situation(workload, client, "tc qdisc del dev lo root")


def running(agent: Process, *words: str, **workload: Any) -> Situation:
    """A running client, judged by pid, that does one thing."""
    return Situation({"pid": agent.pid, **workload}, lambda: agent.do(*(words or ("link",))))


def restartable(host: MiniHost, *wrapper: str, **options: Any) -> Situation:
    """A running client whose fix takes effect when it is started anew."""
    situation = running(host.agent(*wrapper, **options))
    situation.restart = lambda: restartable(host, *wrapper, **options)
    return situation


def veth(host: MiniHost, script: str = "") -> None:
    """A pair of links v0 and v1 that are up, and have got what IPv6 gives them by itself."""
    host.sh("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up")
    ready = "$(ip -6 route show table local | grep -c ^local.fe80)"
    host.sh(f"for i in $(seq 50); do [ {ready} = 2 ] && break; sleep 0.02; done")
    host.sh(script)


# --- 1 missing_capability ---------------------------------------------------------------------------------------------


@broken("missing_capability", "not_root", fix=True)
def program_run_by_a_user(host):
    return qdisc(host, install(host, "tc", "tc-of-ours"))


@healthy("missing_capability", "not_root")
def program_with_an_effective_file_capability(host):
    return qdisc(host, install(host, "tc", "tc-of-ours", "cap_net_admin+ep"))


@healthy("missing_capability", "not_root")
def program_run_by_root(host):
    situation = qdisc(host, install(host, "tc", "tc-of-ours"))
    situation.workload.update(user="root")
    situation.client = command(host, "/srv/tc-of-ours", "qdisc", "add", "dev", "lo", "root", "pfifo")
    return situation


@broken("missing_capability", "not_root", fix=True)
def running_process_of_a_user(host):
    install(host, "python3", "netd")
    return restartable(host, *USER, python="/srv/netd")


@broken("missing_capability", "not_root")
def shell_script_run_by_a_user(host):
    host.sh("printf '#!/usr/bin/env sh\\nexec tc qdisc add dev lo root pfifo\\n' > /srv/tool; chmod 0755 /srv/tool")
    client = command(host, *USER, "/srv/tool")
    return Situation({"executable": "/srv/tool", "user": "4242", "operations": ["qdisc"]}, client)


@healthy("missing_capability", "not_root")
def program_that_is_setuid_root(host):
    situation = qdisc(host, install(host, "tc", "tc-of-ours"))
    host.sh("chmod 4755 /srv/tc-of-ours")
    return situation


@healthy("missing_capability", "not_root")
def running_process_with_ambient_capability(host):
    return running(host.agent(*AMBIENT))


@healthy("missing_capability", "not_root")
def running_process_of_root(host):
    return running(host.agent())


@broken("missing_capability", "dropped")
def root_without_it_in_the_bounding_set(host):
    return running(host.agent("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"))


@healthy("missing_capability", "dropped")
def root_without_another_capability_in_the_bounding_set(host):
    return running(host.agent("setpriv", "--bounding-set=-sys_time"))


@broken("missing_capability", "dropped")
def root_that_dropped_all(host):
    agent = host.agent()
    agent.do("drop")
    return running(agent)


@broken("missing_capability", "dropped")
def root_of_a_user_namespace_that_dropped_all(host):
    agent = host.agent(*ROOTLESS_NET)
    agent.do("drop")
    return running(agent)


@broken("missing_capability", "dropped", verdict="unknown", symptom=None)
def process_with_a_thread_that_dropped_all(host):
    agent = host.agent()
    agent.do("thread")
    return running(agent)


@broken("missing_capability", "dropped", symptom=None)
def thread_that_dropped_all(host):
    agent = host.agent()
    tid = int(agent.ask("thread")[0])
    return running(agent, pid=tid)


@healthy("missing_capability", "dropped")
def main_thread_of_a_process_whose_threads_are_equal(host):
    return running(host.agent("setpriv", "--no-new-privs"))


@broken("missing_capability", "held_not_raised", verdict="unknown")
def program_that_raises_on_demand(host):
    agent = host.agent()
    agent.do("lower")
    return running(agent)


@healthy("missing_capability", "held_not_raised")
def program_that_has_raised(host):
    agent = host.agent()
    agent.do("lower")
    agent.do("keepup")
    return running(agent)


@broken("missing_capability", "stale_socket", verdict="unknown")
def socket_opened_by_a_user(host):
    agent = host.agent()
    for words in (("seteuid", "4242"), ("open",), ("seteuid", "0")):
        assert agent.do(*words) == "ok"
    return running(agent)


@healthy("missing_capability", "stale_socket")
def socket_opened_by_root(host):
    agent = host.agent()
    assert agent.do("open") == "ok"
    return running(agent)


# --- 1b file_capability_void ------------------------------------------------------------------------------------------


@broken("file_capability_void", "nosuid")
def file_on_a_nosuid_mount(host):
    host.sh("mkdir /srv/n; mount -t tmpfs -o nosuid,mode=0755 tmpfs /srv/n")
    return qdisc(host, install(host, "tc", "n/tc-of-ours", "cap_net_admin+ep"))


@healthy("file_capability_void", "nosuid")
def file_on_a_mount_of_its_own(host):
    host.sh("mkdir /srv/n; mount -t tmpfs -o mode=0755 tmpfs /srv/n")
    return qdisc(host, install(host, "tc", "n/tc-of-ours", "cap_net_admin+ep"))


@broken("file_capability_void", "no_new_privs")
def process_with_no_new_privs(host):
    install(host, "python3", "netd", "cap_net_admin+ep")
    return running(host.agent(*AS_USER, "--no-new-privs", "env", python="/srv/netd"))


@healthy("file_capability_void", "no_new_privs")
def process_without_no_new_privs(host):
    install(host, "python3", "netd", "cap_net_admin+ep")
    return running(host.agent(*USER, python="/srv/netd"))


@broken("file_capability_void", "script")
def capability_on_a_script(host):
    install(host, "tc", "tc-of-ours")
    host.sh(
        "printf '#!/bin/sh\nexec /srv/tc-of-ours qdisc add dev lo root pfifo\n' > /srv/tool; chmod 0755 /srv/tool; "
        "setcap cap_net_admin+ep /srv/tool"
    )
    return Situation(
        {"executable": "/srv/tool", "user": "4242", "operations": ["qdisc"]}, command(host, *USER, "/srv/tool")
    )


@broken("file_capability_void", "script")
def running_script_with_a_capability(host):
    install(host, "python3", "netd")
    host.sh(
        "sed 's,^# Copy,#!/srv/netd\\n# Copy,;' /srv/agent.py | sed '1{/^#!/!i #!/srv/netd\n}' > /srv/tool; "
        "chmod 0755 /srv/tool; setcap cap_net_admin+ep /srv/tool"
    )
    return running(host.agent(*USER, python="", script="/srv/tool"))


@healthy("file_capability_void", "script")
def capability_on_the_interpreter_of_a_script(host):
    install(host, "python3", "netd", "cap_net_admin+ep")
    host.sh("{ echo '#!/srv/netd'; cat /srv/agent.py; } > /srv/tool; chmod 0755 /srv/tool")
    return running(host.agent(*USER, python="", script="/srv/tool"))


@broken("file_capability_void", "outside_bounding_set", bounding="-net_admin")
def file_capability_that_no_login_may_have(host):
    path = install(host, "tc", "tc-of-ours", "cap_net_admin+ep")
    client = command(
        host,
        "setpriv",
        "--bounding-set=-net_admin",
        "--inh-caps=-net_admin",
        *USER,
        path,
        "qdisc",
        "add",
        "dev",
        "lo",
        "root",
        "pfifo",
    )
    return Situation({"executable": path, "user": "4242", "operations": ["qdisc"]}, client)


@broken("file_capability_void", "outside_bounding_set", bounding="-sys_time")
def file_with_another_capability_that_no_login_may_have(host):
    path = install(host, "tc", "tc-of-ours", "cap_net_admin,cap_sys_time+ep")
    lowered = ("setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time", *USER)
    client = command(host, *lowered, path, "qdisc", "add", "dev", "lo", "root", "pfifo")
    return Situation({"executable": path, "user": "4242", "operations": ["qdisc"]}, client)


@broken("file_capability_void", "outside_bounding_set")
def process_whose_bounding_set_lacks_it(host):
    install(host, "python3", "netd", "cap_net_admin+p")
    return running(
        host.agent("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", *USER, python="/srv/netd")
    )


@broken("file_capability_void", "dropped_by_program")
def setcap_on_ip(host):
    path = install(host, "ip", "renamed-ip", "cap_net_admin+ep")
    client = command(host, *USER, path, "link", "set", "lo", "mtu", "60000")
    return Situation({"executable": path, "user": "4242"}, client)


@healthy("file_capability_void", "dropped_by_program")
def setcap_on_bridge(host):
    host.sh("ip link add b0 type bridge")
    path = install(host, "bridge", "renamed-bridge", "cap_net_admin+ep")
    client = command(host, *USER, path, "fdb", "add", "02:00:00:00:00:01", "dev", "b0", "self", "local")
    return Situation({"executable": path, "user": "4242", "operations": ["neighbour"]}, client)


@broken("file_capability_void", "rootid")
def capability_for_the_root_of_another_namespace(host):
    path = install(host, "tc", "tc-of-ours")
    host.sh('setcap -n 4711 cap_net_admin+ep "$1"', path)
    return qdisc(host, path)


@broken("file_capability_void", "permitted_only", fix=True)
def capability_without_the_effective_flag(host):
    path = install(host, "python3", "netd", "cap_net_admin+p")
    return Situation(
        {"executable": path, "user": "4242"},
        command(
            host,
            *USER,
            "sh",
            "-c",
            f"echo link | {path} {AGENT} | grep -v EPERM | grep -x ok || {{ echo EPERM; false; }}",
        ),
    )


@broken("file_capability_void", "ambient_cleared", fix=True)
def empty_capabilities_clear_the_ambient_set(host):
    install(host, "python3", "netd")
    host.sh("setcap = /srv/netd")
    return restartable(host, *AMBIENT, "sh", "-c", f"/srv/netd {AGENT}; true", python="", script=AGENT)


@healthy("file_capability_void", "ambient_cleared")
def file_without_capabilities_keeps_the_ambient_set(host):
    install(host, "python3", "netd")
    return running(host.agent(*AMBIENT, "sh", "-c", f"/srv/netd {AGENT}; true", python="", script=AGENT))


@broken("file_capability_void", "lost", fix=True)
def capability_lost_by_an_upgrade(host):
    path = install(host, "tc", "tc-of-ours")
    done = host.module("file_capabilities", files=[{"path": path, "capabilities": "cap_net_admin+ep"}])
    assert done["changed"], done
    host.sh('cp "$1" "$1.new"; mv "$1.new" "$1"', path)
    return qdisc(host, path)


@broken("file_capability_void", "child_process")
def child_of_a_program_with_a_capability(host):
    install(host, "python3", "netd", "cap_net_admin+ep")
    launch = f"import subprocess; subprocess.run(['/usr/bin/python3', '{AGENT}'])"
    return running(host.agent(*USER, "/srv/netd", "-c", launch, python="", script=AGENT))


# --- 5 foreign_netns --------------------------------------------------------------------------------------------------


@broken("foreign_netns", "rootless_host_network")
def rootless_on_the_network_of_the_host(host):
    return running(host.agent(*ROOTLESS))


@healthy("foreign_netns", "rootless_host_network")
def rootless_with_a_network_of_its_own(host):
    return running(host.agent(*ROOTLESS_NET))


def remapped_root(host, *flags):
    """Root of a user namespace that root made, with the ids 100000 to 165535 of the host, as dockerd's userns-remap."""
    holder = host.agent("unshare", "-U", *flags)
    host.sh(f"for map in uid_map gid_map; do echo 0 100000 65536 > /proc/{holder.pid}/$map; done")
    join = [{"-U": "--user", "-n": "--net"}[flag] for flag in ("-U", *flags)]
    return running(host.agent("nsenter", "-t", str(holder.pid), *join, "-S", "0", "-G", "0"))


@broken("foreign_netns", "userns_remap")
def remapped_root_on_the_network_of_the_host(host):
    return remapped_root(host)


@healthy("foreign_netns", "userns_remap")
def remapped_root_with_a_network_of_its_own(host):
    return remapped_root(host, "-n")


@broken("foreign_netns", "other_owner")
def rootless_in_a_namespace_of_root(host):
    host.sh("ip netns add blue")
    return running(host.agent("nsenter", "--net=/run/netns/blue", *ROOTLESS))


@healthy("foreign_netns", "other_owner")
def root_in_a_namespace_of_a_user(host):
    owner = host.agent(*ROOTLESS_NET)
    return running(host.agent("nsenter", f"--net=/proc/{owner.pid}/ns/net"))


@broken("foreign_netns", "cannot_join")
def rootless_enters_a_namespace_of_root(host):
    host.sh("ip netns add blue")
    return running(host.agent(*ROOTLESS_NET), "enter", "/run/netns/blue", operations=["netns"], netns="/run/netns/blue")


@healthy("foreign_netns", "cannot_join")
def root_enters_a_namespace_of_root(host):
    host.sh("ip netns add blue")
    return running(host.agent(), "enter", "/run/netns/blue", operations=["netns"], netns="/run/netns/blue")


@broken("foreign_netns", "target_netns")
def rootless_moves_a_link_to_a_namespace_of_root(host):
    host.sh("ip netns add blue")
    agent = host.agent(*ROOTLESS_NET)
    assert agent.do("run", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1") == "ok"
    move = ("run", "ip", "link", "set", "v0", "netns", "blue")
    return running(agent, *move, interface="v0", netns="/run/netns/blue")


@healthy("foreign_netns", "target_netns")
def root_moves_a_link_to_a_namespace_of_root(host):
    veth(host, "ip netns add blue")
    agent = host.agent()
    workload = {"pid": agent.pid, "interface": "v0", "netns": "/run/netns/blue"}
    return Situation(workload, command(host, "ip", "link", "set", "v0", "netns", "blue"))


@broken("foreign_netns", "socket_of_other_netns")
def socket_left_in_the_namespace_of_the_host(host):
    agent = host.agent(*ROOTLESS)
    for words in (("open",), ("unshare", "0x40000000")):
        assert agent.do(*words) == "ok"
    return running(agent)


@healthy("foreign_netns", "socket_of_other_netns")
def socket_opened_in_the_new_namespace(host):
    agent = host.agent(*ROOTLESS)
    for words in (("unshare", "0x40000000"), ("open",)):
        assert agent.do(*words) == "ok"
    return running(agent)


@broken("foreign_netns", "init_only_operation")
def rootless_adds_a_tc_action(host):
    action = ("run", "tc", "actions", "add", "action", "gact", "drop")
    return running(host.agent(*ROOTLESS_NET), *action, operations=["action"])


@healthy("foreign_netns", "init_only_operation")
def rootless_adds_a_queueing_discipline(host):
    add = ("run", "tc", "qdisc", "add", "dev", "lo", "root", "pfifo")
    return running(host.agent(*ROOTLESS_NET), *add, operations=["qdisc"])


# --- 3c userns_restricted ---------------------------------------------------------------------------------------------


def limited(host, limit):
    return host.agent(*ROOTLESS, "sh", "-c", f"echo 0 > /proc/sys/user/{limit}; exec python3 {AGENT}", python="")


@broken("userns_restricted", "max_user_namespaces", symptom="ENOSPC")
def limit_of_user_namespaces_is_zero(host):
    return running(limited(host, "max_user_namespaces"), "mkuser", operations=["userns"])


@healthy("userns_restricted", "max_user_namespaces")
def other_limit_is_zero(host):
    return running(limited(host, "max_mnt_namespaces"), "mkuser", operations=["userns"])


@broken("userns_restricted", "max_net_namespaces", symptom="ENOSPC")
def limit_of_network_namespaces_is_zero(host):
    return running(limited(host, "max_net_namespaces"), "mknet", operations=["netns"])


@healthy("userns_restricted", "max_net_namespaces")
def no_limit_is_zero(host):
    return running(host.agent(*ROOTLESS), "mknet", operations=["netns"])


NEST = """
import ctypes, os, sys
for level in range(int(sys.argv[1])):
    u, g = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(0x10000000):
        sys.exit("unshare failed at level %d" % level)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{u} {u} 1"), ("gid_map", f"{g} {g} 1")):
        try:
            open("/proc/self/" + name, "w").write(text)
        except OSError as exc:
            if name != "setgroups": raise
os.execv("/usr/bin/python3", ["python3", sys.argv[2]])
"""


@broken("userns_restricted", "nesting", symptom="ENOSPC|EUSERS")
def user_namespaces_nested_too_deep(host):
    agent = host.agent(*USER, "python3", "-c", NEST, "33", python="")
    return running(agent, "mkuser", operations=["userns"])


@healthy("userns_restricted", "nesting")
def user_namespaces_nested_less_deep(host):
    agent = host.agent(*USER, "python3", "-c", NEST, "20", python="")
    return running(agent, "mkuser", operations=["userns"])


@broken("userns_restricted", "chrooted")
def process_in_a_chroot(host):
    host.sh("mount --rbind / /mnt")
    return running(host.agent("chroot", "/mnt", *USER), "mkuser", operations=["userns"])


@healthy("userns_restricted", "chrooted")
def process_with_another_directory(host):
    return running(host.agent(*USER, "-C", "/srv"), "mkuser", operations=["userns"])


@broken("userns_restricted", "unmapped_uid")
def uid_without_mapping(host):
    return running(host.agent(*USER, "unshare", "-U"), "mkuser", operations=["userns"])


@healthy("userns_restricted", "unmapped_uid")
def uid_with_mapping(host):
    return running(host.agent(*ROOTLESS), "mkuser", operations=["userns"])


# --- 4 sysctl ---------------------------------------------------------------------------------------------------------


def router(host, script=""):
    """Two networks and a client that asks the kernel whether it would forward a packet between them."""
    host.sh(
        "ip link add v0 type veth peer name p0; ip link add v1 type veth peer name p1; "
        "for l in v0 v1 p0 p1; do ip link set $l up; done; "
        "ip address add 192.0.2.1/24 dev v0; ip address add 198.51.100.1/24 dev v1; "
        "for k in all v0 v1; do echo 0 > /proc/sys/net/ipv4/conf/$k/rp_filter; done; "
        "echo 0 > /proc/sys/net/ipv4/ip_forward; " + script
    )
    client = command(host, "ip", "route", "get", "198.51.100.9", "from", "192.0.2.9", "iif", "v0")
    return Situation({"pid": host.agent().pid, "operations": ["forward"]}, client)


PERSISTED = "echo net.ipv4.ip_forward = 1 > /etc/sysctl.d/60-ours.conf; "


@broken("sysctl", "ip_forward", symptom="No route to host|Network is unreachable|Invalid", fix=True)
def forwarding_is_off(host):
    return router(host)


@healthy("sysctl", "ip_forward")
def forwarding_is_on(host):
    return router(host, PERSISTED + "echo 1 > /proc/sys/net/ipv4/ip_forward")


@broken("sysctl", "ip_forward", symptom="0", fix=True)
def forwarding_is_off_in_a_namespace_of_its_own(host):
    agent = host.agent("unshare", "-n")
    inside = ("nsenter", "-t", str(agent.pid), "-n", "sh", "-c")
    client = command(host, *inside, "cat /proc/sys/net/ipv4/ip_forward; grep -qx 1 /proc/sys/net/ipv4/ip_forward")
    return Situation({"pid": agent.pid, "operations": ["forward"]}, client)


@broken("sysctl", "ip_forward", symptom="No route to host|Network is unreachable|Invalid", fix=True)
def forwarding_is_off_on_the_link(host):
    script = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/v0/forwarding"
    situation = router(host, PERSISTED + script)
    situation.workload["interface"] = "v0"
    return situation


@healthy("sysctl", "ip_forward")
def forwarding_is_off_on_another_link(host):
    script = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/v1/forwarding"
    situation = router(host, PERSISTED + script)
    situation.workload["interface"] = "v0"
    return situation


@broken("sysctl", "not_persistent", verdict="allowed", symptom=None, fix=True)
def forwarding_is_on_until_the_next_boot(host):
    return router(host, "echo 1 > /proc/sys/net/ipv4/ip_forward")


@broken("sysctl", "overridden", symptom="No route to host|Network is unreachable|Invalid", fix=True)
def a_later_file_turns_forwarding_off(host):
    return router(host, PERSISTED + "echo net/ipv4/ip_forward=0 > /etc/sysctl.d/70-theirs.conf")


@healthy("sysctl", "overridden")
def an_earlier_file_turns_forwarding_off(host):
    return router(
        host,
        PERSISTED + "echo net/ipv4/ip_forward=0 > /etc/sysctl.d/50-theirs.conf; echo 1 > /proc/sys/net/ipv4/ip_forward",
    )


@broken("sysctl", "rewritten_by_service", symptom="No route to host|Network is unreachable|Invalid")
def a_firewall_turns_forwarding_off_again(host):
    return router(
        host,
        PERSISTED + "mount -t tmpfs -o mode=0755 tmpfs /etc/default; echo ENABLED=yes > /etc/ufw/ufw.conf; "
        "echo IPT_SYSCTL=/etc/ufw/sysctl.conf > /etc/default/ufw; echo net/ipv4/ip_forward=0 > /etc/ufw/sysctl.conf",
    )


@healthy("sysctl", "rewritten_by_service")
def a_firewall_that_is_not_enabled(host):
    return router(
        host,
        PERSISTED + "mount -t tmpfs -o mode=0755 tmpfs /etc/default; echo ENABLED=no > /etc/ufw/ufw.conf; "
        "echo IPT_SYSCTL=/etc/ufw/sysctl.conf > /etc/default/ufw; echo net/ipv4/ip_forward=0 > /etc/ufw/sysctl.conf; "
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
    )


READ_ONLY = "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; exec python3 " + AGENT


@broken("sysctl", "read_only", symptom="0", fix=True)
def forwarding_is_off_and_proc_sys_is_read_only(host):
    agent = host.agent("unshare", "-n", "-m", "sh", "-c", READ_ONLY, python="")
    inside = ("nsenter", "-t", str(agent.pid), "-n", "sh", "-c")
    client = command(host, *inside, "cat /proc/sys/net/ipv4/ip_forward; grep -qx 1 /proc/sys/net/ipv4/ip_forward")
    return Situation({"pid": agent.pid, "operations": ["forward"]}, client)


@healthy("sysctl", "read_only")
def forwarding_is_on_and_proc_sys_is_read_only(host):
    script = "echo 1 > /proc/sys/net/ipv4/ip_forward; " + READ_ONLY
    agent = host.agent("unshare", "-n", "-m", "sh", "-c", script, python="")
    return Situation({"pid": agent.pid, "operations": ["forward"]}, lambda: "ok")


def ipv6(host, script, client="2001:db8::1/64"):
    veth(host, script)
    workload = {"pid": host.agent().pid, "operations": ["address"], "interface": "v0", "address": "2001:db8::1/64"}
    add = command(host, "ip", "-6", "address", "add", client, "dev", "v0", "nodad")
    return Situation(workload, add, f"ip -6 address del {client} dev v0")


@broken("sysctl", "ipv6_disabled", symptom="IPv6 is disabled|Permission denied", fix=True)
def ipv6_is_off_on_the_link(host):
    return ipv6(host, "echo 1 > /proc/sys/net/ipv6/conf/v0/disable_ipv6")


@broken("sysctl", "ipv6_disabled", symptom="Invalid argument|RTNETLINK")
def link_with_too_small_an_mtu_for_ipv6(host):
    return ipv6(host, "ip link set v0 mtu 1000")


@healthy("sysctl", "ipv6_disabled")
def ipv6_is_off_on_another_link(host):
    return ipv6(host, "echo 1 > /proc/sys/net/ipv6/conf/v1/disable_ipv6")


@broken("sysctl", "ipv6_off_at_boot", verdict="allowed", symptom=None, fix=True)
def ipv6_is_off_after_the_next_boot(host):
    return ipv6(host, "echo net.ipv6.conf.v0.disable_ipv6=1 > /etc/sysctl.d/50-theirs.conf")


@broken("sysctl", "rp_filter", symptom="Invalid cross-device link|RTNETLINK", fix=True)
def strict_filtering_of_an_asymmetric_path(host):
    situation = router(
        host,
        PERSISTED + "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/v0/rp_filter; "
        "ip route add 203.0.113.0/24 via 198.51.100.2",
    )
    situation.workload.update(interface="v0", address="203.0.113.9/24")
    situation.client = command(host, "ip", "route", "get", "198.51.100.9", "from", "203.0.113.9", "iif", "v0")
    return situation


@broken("sysctl", "rp_filter", symptom="Invalid cross-device link|RTNETLINK")
def filtering_where_no_route_leads_back(host):
    script = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 2 > /proc/sys/net/ipv4/conf/v0/rp_filter"
    situation = router(host, PERSISTED + script)
    situation.workload.update(interface="v0", address="203.0.113.9/24")
    situation.client = command(host, "ip", "route", "get", "198.51.100.9", "from", "203.0.113.9", "iif", "v0")
    return situation


@healthy("sysctl", "rp_filter")
def strict_filtering_of_a_symmetric_path(host):
    situation = router(
        host,
        PERSISTED + "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv4/conf/v0/rp_filter; "
        "ip route add 203.0.113.0/24 via 192.0.2.2",
    )
    situation.workload.update(interface="v0", address="203.0.113.9/24")
    situation.client = command(host, "ip", "route", "get", "198.51.100.9", "from", "203.0.113.9", "iif", "v0")
    return situation


# --- 6 link_state -----------------------------------------------------------------------------------------------------


def link_client(host, *words, undo="", **workload):
    return Situation({"pid": host.agent().pid, **workload}, command(host, "ip", *words), undo)


@broken("link_state", "missing", symptom="Cannot find device")
def link_that_does_not_exist(host):
    veth(host)
    return link_client(host, "link", "set", "v7", "up", interface="v7")


@healthy("link_state", "missing")
def link_named_by_its_altname(host):
    veth(host, "ip link property add dev v0 altname uplink")
    return link_client(host, "link", "set", "uplink", "up", interface="uplink")


@broken("link_state", "wrong_netns", symptom="Cannot find device")
def link_that_lies_in_another_namespace(host):
    veth(host, "ip netns add blue; ip link set v0 netns blue")
    return link_client(host, "link", "set", "v0", "up", interface="v0")


@healthy("link_state", "wrong_netns")
def link_of_the_named_namespace(host):
    veth(host, "ip netns add blue; ip link set v0 netns blue")
    return link_client(
        host,
        "-n",
        "blue",
        "link",
        "set",
        "v0",
        "up",
        interface="v0",
        netns="/run/netns/blue",
        operations=["netns", "link"],
    )


@broken("link_state", "down", symptom="Device for nexthop is not up|Network is down", fix=True)
def route_over_a_link_that_is_down(host):
    veth(host, "ip address add 192.0.2.1/24 dev v0; ip link set v0 down")
    route = {"dst": "198.51.100.0/24", "interface": "v0"}
    return link_client(
        host,
        "route",
        "add",
        "198.51.100.0/24",
        "dev",
        "v0",
        undo="ip route del 198.51.100.0/24",
        operations=["route"],
        route=route,
    )


@healthy("link_state", "down")
def route_over_a_link_that_is_up(host):
    veth(host, "ip address add 192.0.2.1/24 dev v0; ip link set v1 up")
    route = {"dst": "198.51.100.0/24", "interface": "v0"}
    return link_client(host, "route", "add", "198.51.100.0/24", "dev", "v0", operations=["route"], route=route)


@healthy("link_state", "down")
def address_on_a_link_that_is_down(host):
    veth(host, "ip link set v0 down")
    return link_client(
        host,
        "address",
        "add",
        "192.0.2.1/24",
        "dev",
        "v0",
        operations=["address"],
        interface="v0",
        address="192.0.2.1/24",
    )


@broken("link_state", "no_address", symptom="Nexthop has invalid gateway|unreachable", fix=True)
def gateway_that_no_address_covers(host):
    veth(host)
    route = {"dst": "198.51.100.0/24", "gateway": "192.0.2.9", "interface": "v0"}
    return link_client(
        host,
        "route",
        "add",
        "198.51.100.0/24",
        "via",
        "192.0.2.9",
        "dev",
        "v0",
        undo="ip route del 198.51.100.0/24",
        operations=["route"],
        route=route,
        address="192.0.2.1/24",
    )


@healthy("link_state", "no_address")
def gateway_that_an_address_covers(host):
    veth(host, "ip address add 192.0.2.1/24 dev v0")
    route = {"dst": "198.51.100.0/24", "gateway": "192.0.2.9", "interface": "v0"}
    return link_client(
        host, "route", "add", "198.51.100.0/24", "via", "192.0.2.9", "dev", "v0", operations=["route"], route=route
    )


@healthy("link_state", "no_address")
def gateway_that_a_route_of_the_link_covers(host):
    veth(host, "ip route add 192.0.2.9/32 dev v0")
    route = {"dst": "198.51.100.0/24", "gateway": "192.0.2.9", "interface": "v0"}
    return link_client(
        host, "route", "add", "198.51.100.0/24", "via", "192.0.2.9", "dev", "v0", operations=["route"], route=route
    )


def route_add(host, script, dst, gateway=None, interface="v0"):
    """A route over the first of two links, both with addresses; over none if the interface is empty."""
    veth(host, script)
    words = [dst, *(("via", gateway) if gateway else ()), *(("dev", interface) if interface else ())]
    route = {"dst": dst, "gateway": gateway, "interface": interface}
    family = ("-6",) if ":" in dst else ()
    return link_client(host, *family, "route", "add", *words, operations=["route"], route=route)


FOUR = "ip address add 192.0.2.1/24 dev v0; ip address add 198.51.100.1/24 dev v1; "
SIX = "for i in 0 1; do ip -6 address add 2001:db8:$i::1/64 dev v$i nodad; done; "
INVALID = "Nexthop has invalid gateway"


@broken("link_state", "no_address", symptom=INVALID)
def gateway_that_no_link_covers(host):
    return route_add(host, FOUR, "203.0.113.0/24", "10.9.9.9", None)


@healthy("link_state", "no_address")
def gateway_that_some_link_covers(host):
    return route_add(host, FOUR, "203.0.113.0/24", "198.51.100.9", None)


@broken("link_state", "no_address", symptom=INVALID)
def gateway_that_is_the_broadcast_address(host):
    return route_add(host, FOUR, "203.0.113.0/24", "192.0.2.255")


@broken("link_state", "no_address", symptom=INVALID)
def gateway_of_an_address_without_prefix_route(host):
    return route_add(host, "ip address add 192.0.2.1/24 dev v0 noprefixroute", "203.0.113.0/24", "192.0.2.9")


@broken("link_state", "no_address", verdict="unknown", symptom=INVALID)
def gateway_that_a_route_of_another_table_covers(host):
    return route_add(host, "ip route add 192.0.2.0/24 dev v0 table 100", "203.0.113.0/24", "192.0.2.9")


@healthy("link_state", "no_address")
def gateway_that_the_default_route_of_the_link_covers(host):
    return route_add(host, "ip route add default dev v0", "203.0.113.0/24", "10.9.9.9")


@healthy("link_state", "no_address")
def gateway_that_is_a_peer(host):
    return route_add(host, "ip address add 10.0.0.1 peer 10.0.0.2/32 dev v0", "203.0.113.0/24", "10.0.0.2")


@broken("link_state", "no_address", symptom="Gateway can not be a local address")
def gateway_that_is_an_own_ipv6_address(host):
    return route_add(host, SIX, "2001:db8:9::/64", "2001:db8:0::1")


@broken("link_state", "no_address", symptom="Egress device not specified")
def link_local_gateway_without_a_link(host):
    return route_add(host, SIX, "2001:db8:9::/64", "fe80::1", None)


@healthy("link_state", "no_address")
def address_and_route_over_two_links(host):
    veth(host, FOUR + "ip link set v1 down")
    route = {"dst": "203.0.113.0/24", "gateway": "192.0.2.9", "interface": "v0"}
    workload = {"pid": host.agent().pid, "interface": "v1", "address": "10.1.1.1/24", "route": route}
    add = "ip route add 203.0.113.0/24 via 192.0.2.9 dev v0; ip address add 10.1.1.1/24 dev v1"
    return Situation({**workload, "operations": ["address", "route"]}, command(host, "sh", "-ec", add))


@healthy("link_state", "no_address")
def gateway_that_the_workload_own_address_covers(host):
    veth(host)
    route = {"dst": "203.0.113.0/24", "gateway": "192.0.2.9", "interface": "v0"}
    workload = {"pid": host.agent().pid, "interface": "v0", "address": "192.0.2.1/24", "route": route}
    add = "ip address add 192.0.2.1/24 dev v0; ip route add 203.0.113.0/24 via 192.0.2.9 dev v0"
    return Situation({**workload, "operations": ["address", "route"]}, command(host, "sh", "-ec", add))


@broken("link_state", "missing", symptom="does not exist")
def master_that_does_not_exist(host):
    veth(host)
    return link_client(host, "link", "set", "v0", "master", "br9", interface="v0", master="br9")


@healthy("link_state", "missing")
def link_that_the_workload_creates(host):
    return link_client(host, "tuntap", "add", "tun7", "mode", "tun", operations=["tun"], interface="tun7")


@healthy("link_state", "missing")
def link_that_a_rule_only_names(host):
    rule = ("rule", "add", "iif", "eth77", "lookup", "100")
    return link_client(host, *rule, operations=["rule"], interface="eth77")


@broken("link_state", "busy", symptom="Device or resource busy")
def link_below_a_macvlan(host):
    veth(host, "ip link add m0 link v0 type macvlan; ip link add b0 type bridge")
    return link_client(host, "link", "set", "v0", "master", "b0", interface="v0", master="b0")


@healthy("link_state", "busy")
def link_below_a_vlan_of_another_kind(host):
    veth(host, "ip link add x0 type vxlan id 7 dev v0 dstport 4789 remote 192.0.2.9; ip link add b0 type bridge")
    return link_client(host, "link", "set", "v0", "master", "b0", interface="v0", master="b0")


# What brctl does (SIOCBRADDIF); by netlink the kernel takes the link out of its first bridge in silence.
BRCTL = """
import fcntl, socket, struct
with socket.socket() as sock:
    fcntl.ioctl(sock, 0x89A2, struct.pack("16si12x", b"b0", socket.if_nametoindex("v0")))
"""


@broken("link_state", "enslaved", verdict="unknown", symptom="Device or resource busy")
def link_of_another_bridge(host):
    veth(host, "ip link add b0 type bridge; ip link add b1 type bridge; ip link set v0 master b1")
    workload = {"pid": host.agent().pid, "interface": "v0", "master": "b0"}
    return Situation(workload, command(host, "python3", "-c", BRCTL))


@healthy("link_state", "enslaved")
def link_of_the_same_bridge(host):
    veth(host, "ip link add b0 type bridge; ip link set v0 master b0")
    return link_client(host, "link", "set", "v0", "master", "b0", interface="v0", master="b0")


@broken("link_state", "protected_group")
def group_default(host):
    return link_client(host, "link", "delete", "group", "default", group="default")


@healthy("link_state", "protected_group")
def group_of_its_own(host):
    veth(host, "ip link set v0 group 7")
    return link_client(host, "link", "delete", "group", "7", group="7")


# --- 9 already_exists -------------------------------------------------------------------------------------------------


@broken("already_exists", "same", verdict="allowed", symptom="already assigned|File exists")
def address_that_is_there(host):
    veth(host, "ip address add 192.0.2.1/24 dev v0")
    return link_client(
        host,
        "address",
        "add",
        "192.0.2.1/24",
        "dev",
        "v0",
        operations=["address"],
        interface="v0",
        address="192.0.2.1/24",
    )


@healthy("already_exists", "same")
def address_with_another_prefix(host):
    veth(host, "ip address add 192.0.2.1/24 dev v0")
    return link_client(
        host,
        "address",
        "add",
        "192.0.2.1/25",
        "dev",
        "v0",
        operations=["address"],
        interface="v0",
        address="192.0.2.1/25",
    )


@broken("already_exists", "different", symptom="File exists")
def route_to_the_same_network_by_another_gateway(host):
    veth(host, "ip address add 192.0.2.1/24 dev v0; ip route add 198.51.100.0/24 via 192.0.2.8")
    route = {"dst": "198.51.100.0/24", "gateway": "192.0.2.9", "interface": "v0"}
    return link_client(
        host, "route", "add", "198.51.100.0/24", "via", "192.0.2.9", "dev", "v0", operations=["route"], route=route
    )


@broken("already_exists", "same", verdict="allowed", symptom="File exists")
def route_that_is_there(host):
    veth(host, "ip address add 192.0.2.1/24 dev v0; ip route add 198.51.100.0/24 via 192.0.2.9")
    route = {"dst": "198.51.100.0/24", "gateway": "192.0.2.9", "interface": "v0"}
    return link_client(
        host, "route", "add", "198.51.100.0/24", "via", "192.0.2.9", "dev", "v0", operations=["route"], route=route
    )


@healthy("already_exists", "different")
def route_with_another_metric(host):
    veth(host, "ip address add 192.0.2.1/24 dev v0; ip route add 198.51.100.0/24 via 192.0.2.8 metric 7")
    route = {"dst": "198.51.100.0/24", "gateway": "192.0.2.9", "interface": "v0"}
    return link_client(
        host, "route", "add", "198.51.100.0/24", "via", "192.0.2.9", "dev", "v0", operations=["route"], route=route
    )


@broken("already_exists", "different", symptom="File exists")
def route_to_the_same_host(host):
    return route_add(host, FOUR + "ip route add 203.0.113.5 via 192.0.2.8", "203.0.113.5/32", "192.0.2.9")


@broken("already_exists", "different", symptom="File exists")
def default_route_by_another_gateway(host):
    return route_add(host, FOUR + "ip route add default via 192.0.2.8", "0.0.0.0/0", "192.0.2.9")


@broken("already_exists", "different", symptom="File exists")
def ipv6_route_by_another_gateway(host):
    script = SIX + "ip -6 route add 2001:db8:9::/64 via 2001:db8:0::8"
    return route_add(host, script, "2001:db8:9::/64", "2001:db8:0::9")


@broken("already_exists", "different", symptom="File exists")
def ipv6_route_over_several_gateways(host):
    script = SIX + "ip -6 route add 2001:db8:9::/64 nexthop via 2001:db8:0::8 nexthop via 2001:db8:1::8"
    return route_add(host, script, "2001:db8:9::/64", "2001:db8:0::9")


@healthy("already_exists", "same")
def ipv6_route_that_the_kernel_made_with_another_metric(host):
    return route_add(host, SIX, "2001:db8:0::/64")


@healthy("already_exists", "same")
def route_with_another_type_of_service(host):
    script = FOUR + "ip route add 203.0.113.0/24 tos 0x10 via 192.0.2.9"
    return route_add(host, script, "203.0.113.0/24", "192.0.2.9")


@healthy("already_exists", "same")
def address_that_is_there_with_a_peer(host):
    veth(host, "ip address add 10.0.0.1 peer 10.0.0.2/32 dev v0")
    add = ("address", "add", "10.0.0.1/32", "dev", "v0")
    return link_client(host, *add, operations=["address"], interface="v0", address="10.0.0.1/32")


@broken("already_exists", "different", symptom="already assigned|File exists")
def address_that_another_host_has(host):
    script = "for i in 0 1; do echo 1 > /proc/sys/net/ipv6/conf/v$i/accept_dad; done; sleep 1; "
    script += "ip -6 address add 2001:db8::1/64 dev v1 nodad; ip -6 address add 2001:db8::1/64 dev v0; "
    script += "for t in $(seq 60); do ip address show dev v0 | grep -q dadfailed && break; sleep 0.1; done"
    veth(host, script)
    add = ("-6", "address", "add", "2001:db8::1/64", "dev", "v0")
    return link_client(host, *add, operations=["address"], interface="v0", address="2001:db8::1/64")


# --- 8 module_missing -------------------------------------------------------------------------------------------------


def tap(host, agent):
    """A running client that makes a TAP device."""
    situation = running(agent, "run", "ip", "tuntap", "add", "t7", "mode", "tap", operations=["tun"])
    situation.undo = "ip link del t7"
    return situation


def new_dev(host, script=""):
    """A /dev of the case's own, with the node as hosts have it, and what the script makes of it."""
    nodes = "for n in null urandom; do cp -a /dev/$n /srv/dev/; done; mknod -m 0666 /srv/dev/net/tun c 10 200"
    host.sh(f"mkdir /srv/dev; mount -t tmpfs -o mode=0755 tmpfs /srv/dev; mkdir /srv/dev/net; {nodes}; {script}")
    host.sh("mount --move /srv/dev /dev; rmdir /srv/dev")


def new_link(host, kind, *more):
    """The command that makes a link of a kind, run by root."""
    client = command(host, "ip", "link", "add", "k7", "type", kind, *more)
    workload = {"executable": "/sbin/ip", "operations": ["link"], "link_kind": kind}
    return Situation(workload, client, "ip link del k7")


def new_qdisc(host, kind):
    """The command that sets a queueing discipline, run by root."""
    client = command(host, "tc", "qdisc", "add", "dev", "lo", "root", kind)
    workload = {"executable": "/sbin/tc", "operations": ["qdisc"], "qdisc_kind": kind}
    return Situation(workload, client, "tc qdisc del dev lo root")


@broken("module_missing", "kind", symptom="Unknown device type")
def link_kind_that_the_kernel_has_not(host):
    # Without a list of modules, only what the kernel's own configuration names is known to be missing.
    listed = host.run(["sh", "-c", "test -e /lib/modules/$(uname -r)/modules.dep"]).returncode == 0
    return new_link(host, "nosuchkind" if listed else "dummy")


@healthy("module_missing", "kind")
def link_kind_that_the_kernel_has(host):
    return new_link(host, "bridge")


@healthy("module_missing", "kind")
def link_kind_of_which_there_is_none_yet(host):
    return new_link(host, "vxlan", "id", "7", "dstport", "4789")


@broken("module_missing", "kind", symptom="kind is unknown")
def qdisc_kind_that_the_kernel_has_not(host):
    return new_qdisc(host, "nosuchqdisc")


@healthy("module_missing", "kind")
def qdisc_kind_that_the_kernel_has(host):
    return new_qdisc(host, "pfifo")


@broken("module_missing", "tun_node_missing", symptom="No such file")
def no_tun_device_node(host):
    new_dev(host, "rm /srv/dev/net/tun")
    return tap(host, host.agent())


@broken("module_missing", "tun_node_missing", symptom="No such file")
def no_tun_device_node_in_the_root_of_the_workload(host):
    host.sh("mount -t tmpfs tmpfs /mnt; mkdir /mnt/r; mount --rbind / /mnt/r; mount -t tmpfs tmpfs /mnt/r/dev")
    host.sh("touch /mnt/r/dev/null")
    return tap(host, host.agent("chroot", "/mnt/r"))


@broken("module_missing", "tun_node_missing", symptom="Inappropriate ioctl|Invalid argument|Not a")
def tun_device_node_of_another_device(host):
    new_dev(host, "rm /srv/dev/net/tun; cp -a /dev/null /srv/dev/net/tun")
    return tap(host, host.agent())


@broken("module_missing", "tun_node_mode", symptom="Permission denied")
def tun_device_node_of_root_alone(host):
    new_dev(host, "chmod 0600 /srv/dev/net/tun")
    return tap(host, host.agent(*AMBIENT))


@broken("module_missing", "tun_node_mode", symptom="Permission denied")
def tun_device_node_on_a_nodev_mount(host):
    place = "/srv/dev/net"
    new_dev(host, f"mount -t tmpfs -o nodev,mode=0755 tmpfs {place}; mknod -m 0666 {place}/tun c 10 200")
    return tap(host, host.agent())


@broken("module_missing", "tun_node_mode", symptom="Permission denied")
def tun_device_node_that_may_only_be_read(host):
    new_dev(host, "chmod 0644 /srv/dev/net/tun")
    return tap(host, host.agent(*AMBIENT))


@healthy("module_missing", "tun_node_missing")
def tun_device_node_in_a_dev_of_its_own(host):
    new_dev(host)
    return tap(host, host.agent())


@healthy("module_missing", "tun_node_mode")
def tun_device_node_of_root_alone_for_root(host):
    new_dev(host, "chmod 0600 /srv/dev/net/tun")
    return tap(host, host.agent())


@healthy("module_missing", "tun_node_mode")
def tun_device_node_for_a_group(host):
    new_dev(host, "chown 0:4242 /srv/dev/net/tun; chmod 0660 /srv/dev/net/tun")
    return tap(host, host.agent(*AMBIENT))


# --- 10 unknown -------------------------------------------------------------------------------------------------------


@broken("unknown", "unexplained", symptom="ENOSPC")
def all_user_namespaces_are_used_up(host):
    script = f"echo 1 > /proc/sys/user/max_user_namespaces; unshare -U sleep 60 & sleep 0.3; exec python3 {AGENT}"
    return running(host.agent(*ROOTLESS, "sh", "-c", script, python=""), "mkuser", operations=["userns"])


@broken("unknown", "unexplained", symptom="Permission denied")
def program_that_the_user_may_not_execute(host):
    path = install(host, "tc", "tc-of-ours", "cap_net_admin+ep")
    host.sh('chmod 0750 "$1"', path)
    return qdisc(host, path)


@broken("unknown", "unexplained", symptom="Permission denied")
def program_in_a_directory_of_root(host):
    host.sh("mkdir -m 0700 /srv/private")
    return qdisc(host, install(host, "tc", "private/tc-of-ours", "cap_net_admin+ep"))


@broken("unknown", "unexplained", symptom="Permission denied")
def program_on_a_noexec_mount(host):
    host.sh("mkdir /srv/n; mount -t tmpfs -o noexec,mode=0755 tmpfs /srv/n")
    return qdisc(host, install(host, "tc", "n/tc-of-ours", "cap_net_admin+ep"))


@broken("unknown", "unexplained", symptom="Permission denied")
def program_on_a_nosuid_mount_that_the_user_may_not_execute(host):
    host.sh("mkdir /srv/n; mount -t tmpfs -o nosuid,mode=0755 tmpfs /srv/n")
    path = install(host, "tc", "n/tc-of-ours", "cap_net_admin+ep")
    host.sh('chmod 0750 "$1"', path)
    return qdisc(host, path)


@broken("unknown", "unexplained", symptom="Permission denied")
def script_that_is_not_executable(host):
    install(host, "sh", "shell", "cap_net_admin+ep")
    host.sh("printf '#!/srv/shell\\nexit 0\\n' > /srv/tool; chmod 0644 /srv/tool")
    return Situation({"executable": "/srv/tool", "user": "4242"}, command(host, *USER, "/srv/tool"))
