# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runtime values are set and given back exactly, those included that the kernel moves along; on the real kernel."""

from __future__ import annotations

import ctypes
import os
import subprocess

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._sysctl import (
    SysctlChange,
    dependents_of,
    sysctl_change,
    try_values,
    write_value,
)
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CLONE_NEWNET, CLONE_NEWNS
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC, run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl import read_value

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for namespaces")

FORWARD = "net/ipv4/ip_forward"
ALL6 = "net/ipv6/conf/all/disable_ipv6"


def in_new_netns(function):
    """Run a function in a child with a network namespace that has lo, v0 and v1."""

    def run():
        if LIBC.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"], check=True)
        return function()

    outcome = run_joined(run, timeout=20)
    assert outcome.error is None, outcome.error
    return outcome.value


def snapshot():
    """All values below net/ipv4/conf and net/ipv6/conf, and ip_forward."""
    keys = [FORWARD]
    for base in ("net/ipv4/conf", "net/ipv6/conf"):
        for link in os.listdir(f"/proc/sys/{base}"):
            keys += [f"{base}/{link}/{name}" for name in os.listdir(f"/proc/sys/{base}/{link}")]
    return {key: read_value(key)[0] for key in sorted(keys)}


def change(key, after, hold=()):
    return sysctl_change(key, read_value(key)[0], after, netns=None, dependents=dependents_of(key), hold=hold)


@pytest.mark.parametrize(
    ("key", "odd"),
    [
        (FORWARD, "net/ipv4/conf/v0/forwarding"),
        ("net/ipv4/conf/all/forwarding", "net/ipv4/conf/v0/forwarding"),
        (ALL6, "net/ipv6/conf/v0/disable_ipv6"),
        ("net/ipv6/conf/all/forwarding", "net/ipv6/conf/v0/forwarding"),
        ("net/ipv4/conf/default/log_martians", "net/ipv4/conf/v0/log_martians"),
        ("net/ipv6/conf/all/addr_gen_mode", "net/ipv6/conf/v1/addr_gen_mode"),
    ],
)
def test_a_revert_gives_every_link_its_own_value_back(key, odd):
    def run():
        write_value(odd, "1")
        before = snapshot()
        item = change(key, "1")
        item.write(item.after)
        applied, now = snapshot(), item.read()
        again = SysctlChange.from_record(item.record())
        again.write(again.before)
        return [before == snapshot(), before != applied, now]

    assert in_new_netns(run) == [True, True, "1"]


def test_a_dependent_that_the_same_call_sets_keeps_its_value():
    def run():
        key = "net/ipv4/conf/v0/forwarding"
        item = change(FORWARD, "1", hold=[key])
        item.write("1")
        return [read_value(name)[0] for name in (FORWARD, key, "net/ipv4/conf/v1/forwarding")]

    assert in_new_netns(run) == ["1", "0", "1"]


def test_what_somebody_set_since_is_left_alone_by_a_revert():
    def run():
        item = change("net/ipv6/conf/all/forwarding", "1")
        item.write("1")
        write_value("net/ipv6/conf/v0/forwarding", "2")
        item.write(item.before)
        return [read_value(f"net/ipv6/conf/{link}/forwarding")[0] for link in ("v0", "v1", "all")]

    assert in_new_netns(run) == ["2", "0", "0"]


def test_an_interface_that_is_gone_does_not_stop_a_revert():
    def run():
        item = change(FORWARD, "1")
        item.write("1")
        subprocess.run(["ip", "link", "del", "v0"], check=True)
        item.write("0")
        return read_value("net/ipv4/conf/lo/forwarding")[0]

    assert in_new_netns(run) == "0"


def test_read_only_proc_sys_is_found_before_anything_is_written():
    def run():
        item = change(FORWARD, "1")
        subprocess.run(["mount", "--bind", "/proc/sys", "/proc/sys"], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", "/proc/sys"], check=True)
        try:
            item.validate()
        except ChangeError as exc:
            return str(exc)
        return ""

    assert "mounted read-only" in in_new_netns(run)


def test_a_value_is_set_in_the_namespace_that_is_named():
    holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        netns = f"/proc/{holder.pid}/ns/net"
        own = read_value("net/ipv4/conf/lo/rp_filter")[0]
        item = sysctl_change("net/ipv4/conf/lo/rp_filter", "0", "2", netns=netns, dependents={}, hold=[])
        item.write("2")
        assert item.read() == "2"
        assert item.target == f"net.ipv4.conf.lo.rp_filter in {netns}"
        assert read_value("net/ipv4/conf/lo/rp_filter")[0] == own
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with pytest.raises(ChangeError, match="is gone"):
        item.read()


def test_a_path_that_names_another_namespace_now_is_refused():
    item = sysctl_change(FORWARD, "0", "1", netns="/proc/self/ns/net", dependents={}, hold=[])
    item.details["netns_inode"] += 1
    with pytest.raises(ChangeError, match="another network namespace"):
        item.write("1")


@pytest.mark.parametrize(
    ("key", "value", "shown", "refused"),
    [
        (FORWARD, "1", "1", False),
        (FORWARD, "0x1", "1", False),
        (FORWARD, "yes", None, True),
        ("net/ipv4/tcp_syn_retries", "1000", None, True),
        ("net/ipv4/tcp_rmem", "4096 131072  6291456", "4096\t131072\t6291456", False),
        ("net/ipv4/ping_group_range", "0 100", "0\t100", False),
        ("net/ipv4/conf/nosuchlink/rp_filter", "2", "2", False),
        ("net/ipv4/conf/eth0.100/rp_filter", "x", None, True),
        ("net/ipv6/conf/all/disable_ipv6", "1", "1", False),
        ("kernel/hostname", "x", None, False),
        ("net/core/netdev_max_backlog", "2000", None, False),
        ("net/ipv4/tcp_congestion_control", "no_such_module", None, False),
    ],
)
def test_a_value_is_tried_without_touching_the_own_namespace(key, value, shown, refused):
    before = read_value(key)
    trial = try_values({key: value})[key]
    assert (trial.value, trial.errno is not None) == (shown, refused)
    assert read_value(key) == before
