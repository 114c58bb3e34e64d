# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No probe changes a thing, and its answers are those that real clients get in the same context."""

from __future__ import annotations

import os
import statistics
import subprocess
import time

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._probe import PROBES, Context, probe
from ansible_collections.netlink.remediation.tests.kernel import workloads
from ansible_collections.netlink.remediation.tests.kernel.contexts import (
    ALL,
    CLONE_NEWNET,
    NET_ADMIN,
    become,
    filter_system_calls,
    unshare,
)
from ansible_collections.netlink.remediation.tests.kernel.workloads import (
    SYS_ADMIN,
    USER,
    Workload,
    enter,
    in_userns,
    root,
    running,
    steps,
    user,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def own_netns() -> None:
    unshare(CLONE_NEWNET)


@pytest.fixture(scope="module")
def host():
    """A process of root in a network namespace that stands for the host's."""
    with running(own_netns) as workload:
        fill(workload)
        yield workload


@pytest.fixture(scope="module")
def other():
    """Another network namespace of root's."""
    with running(own_netns) as workload:
        yield workload


def netns(workload: Workload) -> str:
    return f"/proc/{workload.pid}/ns/net"


def fill(workload: Workload) -> None:
    """Objects of each kind, so that a probe that changes one would be seen."""
    for line in (
        "ip link set lo up",
        "ip link add d0 type veth peer name d1",
        "ip link set d0 addrgenmode none",
        "ip link set d0 up",
        "ip addr add 192.0.2.1/24 dev d0",
        "ip addr add 2001:db8::1/64 dev d0 nodad",
        "ip route add default via 192.0.2.254",
        "ip -6 route add default via 2001:db8::fe",
        "ip route add blackhole 203.0.113.0/24 table 77",
        "ip rule add from 192.0.2.0/25 lookup 77",
        "ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev d0 nud permanent",
        "tc qdisc add dev d0 root handle 7: pfifo limit 77",
        "ip tuntap add mode tap name tap7",
        "nft add table inet seven",
        "nft add chain inet seven base { type filter hook input priority 7; }",
        "nft add rule inet seven base tcp dport 7 drop",
        "ip xfrm policy add src 192.0.2.0/24 dst 198.51.100.0/24 dir out tmpl proto esp mode transport",
    ):
        assert workload(*line.split()), line


def dump(workload: Workload) -> str:
    """Everything that a probe could touch, as text."""
    commands = """
        ip -d link; ip -d addr; ip route show table all; ip -6 route show table all; ip rule; ip -6 rule; ip neigh;
        ip ntable; tc -d qdisc; tc actions ls action mirred; nft -a list ruleset; ip xfrm state; ip xfrm policy;
        ip -d tuntap; ip netns list-id; cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding;
        awk '$3 == 0 {print $2}' /proc/net/netlink; cat /proc/modules 2>/dev/null; cat /proc/misc; ls /run/netns
    """
    return subprocess.run(
        ["nsenter", f"--net={netns(workload)}", "sh", "-c", commands], capture_output=True, text=True, check=False
    ).stdout


# --- nothing changes --------------------------------------------------------------------------------------------------


def test_no_probe_changes_a_thing_though_every_one_is_allowed(host, other):
    before = dump(host), dump(other)
    probes = probe(Context(pid=host.pid), PROBES, target_netns=netns(other))
    probes += probe(Context(pid=host.pid), [word for word in PROBES if word != "move"])
    assert {item.operation for item in probes if item.answer == "allowed"} == set(PROBES)
    assert (dump(host), dump(other)) == before


def test_the_dump_would_show_a_change(host):
    before = dump(host)
    assert host("ip", "route", "del", "default")
    assert dump(host) != before
    assert host("ip", "route", "add", "default", "via", "192.0.2.254")
    assert dump(host) == before


def test_no_probe_changes_a_thing_when_refused(host, other):
    with running(steps(enter(netns(host)), user())) as nobody:
        before = dump(host), dump(other)
        answers = {
            item.operation: item.answer for item in probe(Context(pid=nobody.pid), PROBES, target_netns=netns(other))
        }
        assert "allowed" not in [answers[word] for word in PROBES if word != "userns"]
        assert (dump(host), dump(other)) == before


def test_a_family_that_is_not_registered_is_not_opened(host):
    answers = {
        item.operation: item for item in probe(Context(pid=host.pid), ["link", "nftables", "xfrm"], protocols=[0])
    }
    assert answers["link"].answer == "allowed"
    for word in ("nftables", "xfrm"):
        assert (answers[word].answer, answers[word].sent, answers[word].layer) == ("unknown", False, "socket")
        assert "could load a module" in answers[word].detail


# --- real clients say the same ----------------------------------------------------------------------------------------

COMMANDS = {
    "link": "ip link add new{n} type bridge",
    "address": "ip addr add 198.51.100.{n}/32 dev lo",
    "route": "ip route add blackhole 10.0.{n}.0/24",
    "rule": "ip rule add pref {n}00 lookup main",
    "neighbour": "ip neigh add 192.0.2.1{n} lladdr 02:00:00:00:00:01 dev lo nud permanent",
    "qdisc": "tc qdisc add dev q{n} root pfifo",
    "action": "tc actions add action mirred egress redirect dev lo index {n}",
    "tun": "ip tuntap add mode tap name t{n}",
    "nftables": "nft add table inet n{n}",
    "xfrm": "ip xfrm policy add src 10.1.{n}.0/24 dst 10.2.{n}.0/24 dir out tmpl proto esp mode transport",
    "netns": "unshare -n true",
    "userns": "unshare -U -n true",
    "forward": "sh -c echo${IFS}1>/proc/sys/net/ipv4/ip_forward",
    "move": "ip link set m{n} netns {other}",
}


def rootless(*inside, flags: int = 0):
    return steps(user(), lambda: in_userns(flags), *inside)


# name -> (where it starts, how it gets its credentials, whether these survive execve)
CONTEXTS = {
    "root": root,
    "root with no_new_privs": lambda: become(nnp=True),
    "root without net_admin in the bounding set": workloads.without_net_admin,
    "root with net_admin alone": lambda: become(permitted=NET_ADMIN, without=ALL & ~NET_ADMIN),
    "an ordinary user": user(),
    "a user with net_admin ambient": user(ambient=NET_ADMIN),
    "a user with net_admin ambient and no_new_privs": user(ambient=NET_ADMIN, nnp=True),
    "a user with sys_admin ambient": user(ambient=SYS_ADMIN),
    "a user with groups and another egid": lambda: become((USER,) * 3, (7, 8, 8), (7, 8, 9), ambient=NET_ADMIN),
    "rootless, the host's network": rootless(),
    "rootless, a network of its own": rootless(flags=CLONE_NEWNET),
    "rootless, without net_admin in the bounding set": steps(user(), lambda: in_userns(CLONE_NEWNET, drop=NET_ADMIN)),
    "nested rootless, the host's network": rootless(in_userns),
    "nested rootless, the outer network": rootless(in_userns, flags=CLONE_NEWNET),
    "nested rootless, a network of its own": rootless(lambda: in_userns(CLONE_NEWNET)),
    "root's user namespace, the host's network": in_userns,
}


def compare(workload: Workload, other: Workload, *, target: str | None = None, within: tuple[str, ...] = ()) -> None:
    """Each probe must be allowed exactly if the client succeeds; a client runs after it, so it cannot influence it."""
    number = os.getpid() % 10 + compare.count
    compare.count += 1
    names = {"n": number, "other": other.pid}
    place = target or f"/proc/{workload.pid}/task/{workload.tid}/ns/net"
    for name in ("q", "m"):
        line = f"nsenter --net={place} ip link add {name}{number} type veth peer name p{name}{number}"
        subprocess.run(line.split(), check=True)
    words = [word for word in COMMANDS if not (target and word in ("netns", "userns", "move"))]
    target_netns = target or netns(other)
    asked = probe(Context(pid=workload.pid), words if target else ["move"], target_netns=target_netns)
    if not target:
        asked += probe(Context(pid=workload.pid), [word for word in words if word != "move"])
    answers = {item.operation: item.answer for item in asked}
    done = {word: workload(*within, *COMMANDS[word].format(IFS="{IFS}", **names).split()) for word in words}
    assert {word: answers[word] == "allowed" for word in words} == done, answers


compare.count = 1


@pytest.mark.parametrize("name", CONTEXTS)
def test_real_clients_agree(host, other, name):
    with running(steps(enter(netns(host)), CONTEXTS[name])) as workload:
        compare(workload, other)


def test_real_clients_agree_that_root_may_all(host, other):
    """Without this, clients that fail for another reason could agree with a probe that refuses everything."""
    with running(enter(netns(host))) as workload:
        probes = probe(Context(pid=workload.pid), PROBES, target_netns=netns(other))
        assert {item.answer for item in probes} == {"allowed"}


def test_real_clients_agree_for_the_owner_of_a_user_namespace(host, other):
    """Without any capability, the uid that made the user namespace has all over its network."""
    with running(rootless(flags=CLONE_NEWNET)) as inner, running(steps(enter(netns(inner)), user())) as owner:
        assert probe(Context(pid=owner.pid), ["link"])[0].answer == "allowed"
        compare(owner, other)


def test_real_clients_agree_for_a_named_network_namespace(host, other):
    """Root gets in and may; the root of a user namespace may not even get in."""
    with running(enter(netns(host))) as workload:
        compare(workload, host, target=netns(other), within=("nsenter", f"--net={netns(other)}"))
    with running(steps(enter(netns(host)), rootless())) as workload:
        probes = probe(Context(pid=workload.pid), ["netns", "link"], target_netns=netns(other))
        assert [(item.answer, item.layer) for item in probes] == [("EPERM", "setns"), ("EPERM", "ack")]
        assert not workload("nsenter", f"--net={netns(other)}", "true")


OWN = {"link": 1, "address": 2, "tun": 3, "forward": 4, "netns": 5, "userns": 6}


@pytest.mark.parametrize(
    ("name", "prepare", "thread"),
    [
        ("a thread that dropped its capabilities", root, workloads.drop_all),
        ("a thread of a user that raised nothing", user(permitted=NET_ADMIN, effective=0), None),
        ("a user with net_admin that execve would take", user(permitted=NET_ADMIN), None),
        ("root acting as a user", lambda: become((0, USER, 0), permitted=ALL, effective=0), None),
        (
            "root acting as a user with net_admin",
            lambda: become((0, USER, 0), permitted=ALL, effective=NET_ADMIN),
            None,
        ),
    ],
)
def test_threads_that_do_it_themselves_agree(host, name, prepare, thread):
    with running(steps(own_netns, prepare), thread) as workload:
        probes = probe(Context(pid=workload.pid, tid=workload.tid), list(OWN))
        answers = {item.operation: item.answer for item in probes}
        assert {item.tid for item in probes} == {workload.tid}
        done = {word: workload(f"own {word}", OWN[word]) for word in OWN}
        assert {word: answers[word] == "allowed" for word in OWN} == done, answers


def test_the_main_thread_is_judged_by_its_own_credentials(host):
    with running(own_netns, workloads.drop_all) as workload:
        assert workload.tid != workload.pid
        assert probe(Context(pid=workload.pid), ["link"])[0].answer == "allowed"
        assert probe(Context(pid=workload.pid, tid=workload.tid), ["link"])[0].answer == "EPERM"


# --- what cannot be asked is said -------------------------------------------------------------------------------------


def test_a_reused_pid_is_noticed(host):
    (answer,) = probe(Context(pid=host.pid, start_time=1), ["link"])
    assert (answer.answer, answer.layer, answer.sent) == ("unknown", "setup", False)
    assert "another process" in answer.detail


def test_a_process_that_is_gone_is_unknown():
    workload = Workload(root)
    workload.end()
    (answer,) = probe(Context(pid=workload.pid), ["link"])
    assert (answer.answer, answer.layer) == ("unknown", "setup")
    assert "does not exist" in answer.detail


def asked_from(prepare, pid: int) -> str:
    """The answer to the question about a link, asked by an observer with other credentials."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            prepare()
            (answer,) = probe(Context(pid=pid), ["link"])
            os.write(writer, f"{answer.answer} {answer.layer} {answer.detail}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as lines:
        text = lines.read()
    os.waitpid(child, 0)
    return text


def test_an_observer_with_fewer_capabilities_says_that_it_cannot_imitate(host):
    assert asked_from(workloads.without_net_admin, host.pid).startswith("unknown setup")


def test_an_observer_with_no_new_privs_says_that_it_cannot_imitate(host):
    text = asked_from(lambda: become(nnp=True), host.pid)
    assert text == "unknown setup the child's no_new_privs would differ from the workload's"


def test_an_observer_under_a_seccomp_filter_says_that_it_cannot_imitate(host):
    text = asked_from(filter_system_calls, host.pid)
    assert text == "unknown setup a seccomp filter on this module itself could answer for the kernel"


def test_an_observer_without_privilege_may_ask_about_a_user_namespace_of_its_own():
    with running(rootless(flags=CLONE_NEWNET)) as workload:
        assert asked_from(user(), workload.pid) == "allowed ack None"
        other = asked_from(lambda: become((7, 7, 7), (7, 7, 7)), workload.pid)
        assert other.startswith("unknown setup cannot read")


def test_a_seccomp_filter_of_the_workload_is_said_to_be_missing(host):
    with running(steps(enter(netns(host)), filter_system_calls)) as workload:
        (answer,) = probe(Context(pid=workload.pid), ["link"])
        assert (answer.answer, answer.not_reproduced) == ("allowed", ["seccomp filter"])


def test_a_probe_of_everything_takes_less_than_a_moment(host):
    """Far above what it takes, so that a busy machine does not fail it; a probe that waits for an answer does."""
    took = []
    for _round in range(5):
        start = time.perf_counter()
        probe(Context(pid=host.pid), [word for word in PROBES if word != "move"])
        took.append(time.perf_counter() - start)
    assert statistics.median(took) < 0.5
