# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runtime values in other namespaces, files of a host, read-only mounts: read from the real kernel."""

from __future__ import annotations

import ctypes
import os
import subprocess

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._linux import CLONE_NEWNET, CLONE_NEWNS
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC, run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl import (
    important_keys,
    is_drifted,
    is_host_netns,
    observe_sysctls,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import PersistedSysctl, Sysctl
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for namespaces")


def in_own_namespaces(function, flags=CLONE_NEWNET | CLONE_NEWNS):
    """Run a function in a child with namespaces of its own; its failures are ours."""

    def run():
        if LIBC.unshare(flags) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        if flags & CLONE_NEWNS:
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        return function()

    outcome = run_joined(run, timeout=20)
    assert outcome.error is None, outcome.error
    return outcome.value


@pytest.fixture
def netns():
    """Path of a network namespace that a sleeping process holds."""
    holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    holder.stdout.readline()
    yield f"/proc/{holder.pid}/ns/net"
    holder.kill()
    holder.wait()
    holder.stdout.close()


def write(root, path, text):
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


@needs_root
def test_a_value_is_read_in_the_namespace_that_was_named(netns):
    subprocess.run(
        ["nsenter", "--net=" + netns, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/lo/forwarding"], check=True
    )
    unseen = []
    (item,) = observe_sysctls(["-net.ipv4.conf.lo.forwarding"], unseen, netns=netns)
    assert (item.key, item.value, item.exists) == ("net/ipv4/conf/lo/forwarding", "1", True)
    assert item.net_ns == os.stat(netns).st_ino
    assert unseen == []
    (own,) = observe_sysctls(["net/ipv4/conf/lo/forwarding"], unseen)
    assert own.net_ns == os.stat("/proc/self/ns/net").st_ino != item.net_ns


@needs_root
def test_files_count_for_the_initial_namespace_only(netns, tmp_path):
    write(tmp_path, "/etc/sysctl.d/10.conf", "net.ipv4.ip_forward = 1\n")
    (item,) = observe_sysctls(["net.ipv4.ip_forward"], [], netns=netns, root=str(tmp_path))
    assert (item.persisted, item.boot, item.boot_procps, item.rewriters) == ([], None, None, [])
    assert not is_host_netns(netns)
    assert is_host_netns("/proc/self/ns/net")


@needs_root
def test_a_namespace_that_is_gone_is_listed_as_unseen():
    unseen = []
    (item,) = observe_sysctls(["net.ipv4.ip_forward"], unseen, netns="/run/netns/nonexistent")
    assert (item.value, item.exists) == (None, True)
    assert "cannot join the network namespace" in unseen[0].reason


@pytest.mark.parametrize(
    "key", ["net.ipv4.no_such_key", "net.ipv4.conf", "net/../../etc/passwd", "", "a\0b", "x" * 5000]
)
def test_what_is_no_sysctl_does_not_exist(key):
    (item,) = observe_sysctls([key], [])
    assert (item.value, item.exists) == (None, False)


@needs_root
def test_a_key_that_can_only_be_written_is_unseen():
    unseen = []
    (item,) = observe_sysctls(["net.ipv4.route.flush"], unseen)
    assert (item.value, item.exists) == (None, True)
    assert unseen[0].source == "/proc/sys/net/ipv4/route/flush"


def test_files_winners_and_drift_of_a_host(tmp_path):
    write(tmp_path, "/usr/lib/systemd/systemd-sysctl", "")
    write(tmp_path, "/etc/sysctl.d/10.conf", "kernel.osrelease = 1\n")
    write(tmp_path, "/etc/sysctl.d/20.conf", "\nkernel/osrelease=2\n")
    write(tmp_path, "/etc/sysctl.conf", "kernel.osrelease=3\n")
    (item,) = observe_sysctls(["kernel.osrelease"], [], root=str(tmp_path))
    assert item.persisted == [
        PersistedSysctl("1", "/etc/sysctl.d/10.conf", 1),
        PersistedSysctl("2", "/etc/sysctl.d/20.conf", 2),
        PersistedSysctl("3", "/etc/sysctl.conf", 1),
    ]
    assert item.boot == item.persisted[1]
    assert item.boot_procps == item.persisted[2]
    assert is_drifted(item, str(tmp_path))
    assert not is_drifted(Sysctl("a", value="2", boot=item.boot), str(tmp_path))
    assert not is_drifted(Sysctl("a", value="2"), str(tmp_path))


def test_bytes_that_are_no_text_do_not_spoil_the_answer(tmp_path):
    (tmp_path / "etc/sysctl.d").mkdir(parents=True)
    with open(os.fsencode(tmp_path) + b"/etc/sysctl.d/\xff.conf", "wb") as handle:
        handle.write(b"kernel.osrelease = \xfe1\n")
    (item,) = observe_sysctls(["kernel.osrelease"], [], root=str(tmp_path))
    assert item.boot == PersistedSysctl("\ufffd1", "/etc/sysctl.d/\ufffd.conf", 1)


def test_sysctl_conf_is_listed_once_where_a_link_names_it(tmp_path):
    write(tmp_path, "/etc/sysctl.conf", "kernel.osrelease=3\n")
    (tmp_path / "etc/sysctl.d").mkdir()
    (tmp_path / "etc/sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")
    (item,) = observe_sysctls(["kernel.osrelease"], [], root=str(tmp_path))
    assert item.persisted == [PersistedSysctl("3", "/etc/sysctl.d/99-sysctl.conf", 1)]
    assert item.boot == item.persisted[0]


@needs_root
def test_a_read_only_proc_sys_is_seen():
    def look():
        before = observe_sysctls(["net.ipv4.ip_forward"], [])[0].read_only
        subprocess.run(["mount", "--bind", "/proc/sys", "/proc/sys"], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", "/proc/sys"], check=True)
        return [before, observe_sysctls(["net.ipv4.ip_forward"], [])[0].read_only]

    assert in_own_namespaces(look) == [False, True]


@needs_root
def test_links_that_differ_are_important():
    def look():
        with open("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "w") as handle:
            handle.write("1")
        return important_keys([])

    keys = in_own_namespaces(look)
    assert "net/ipv4/ip_forward" in keys
    assert "net/ipv6/conf/lo/disable_ipv6" in keys
    assert "net/ipv6/conf/lo/forwarding" not in keys


def test_what_was_read_survives_as_plain_data():
    items = observe_sysctls(important_keys([]), [])
    assert to_plain(items)[0]["key"] == "net/ipv4/ip_forward"
