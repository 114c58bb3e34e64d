# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces are told with owner, parents and maps, as the observer may see them."""

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC, run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import (
    netns_inode,
    observe_namespaces,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_process
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._state import IdRange

CLONE_NEWNS = 0x00020000


def inode(pid, kind):
    return os.stat(f"/proc/{pid}/ns/{kind}").st_ino


def observe(*pids, paths=()):
    unseen = []
    users, nets = observe_namespaces([read_process(pid, unseen) for pid in pids], unseen, paths)
    assert unseen == []
    return users, nets


def test_the_own_namespaces_are_the_top():
    users, nets = observe(os.getpid())
    own = users[inode("self", "user")]
    assert (own.parent, own.owner_uid, own.setgroups) == (None, 0, "allow")
    assert own.uid_map == own.gid_map == [IdRange(0, 0, 4294967295)]
    assert nets[inode("self", "net")].owner == own.inode
    with open("/proc/sys/user/max_net_namespaces", encoding="ascii") as file:
        assert own.limits["max_net_namespaces"] == int(file.read())


def test_the_owner_of_a_network_namespace_is_the_user_namespace_that_made_it(running):
    child = running("", "unshare", "-Urn")
    users, nets = observe(child.pid)
    assert nets[inode(child.pid, "net")].owner == inode(child.pid, "user")
    assert users[inode(child.pid, "user")].parent == inode("self", "user")
    host = running("", "unshare", "-n")
    assert observe(host.pid)[1][inode(host.pid, "net")].owner == inode("self", "user")


def test_the_host_network_in_a_child_user_namespace_is_owned_by_the_host(running):
    child = running("", "unshare", "-Ur")
    users, nets = observe(child.pid)
    assert nets[inode(child.pid, "net")].owner == inode("self", "user") != inode(child.pid, "user")
    assert set(users) == {inode("self", "user"), inode(child.pid, "user")}


def test_owner_uid_maps_and_setgroups_are_read(running):
    code = "os.setresgid(2345, 2345, 2345); os.setresuid(1234, 1234, 1234); check(libc.prctl(4, 1, 0, 0, 0))"
    child = running(code + "; check(libc.unshare(0x10000000))")
    with open(f"/proc/{child.pid}/setgroups", "w", encoding="ascii") as file:
        file.write("deny")
    for kind, text in (("uid", "0 1234 1\n10 5000 3"), ("gid", "0 2345 1")):
        with open(f"/proc/{child.pid}/{kind}_map", "w", encoding="ascii") as file:
            file.write(text)
    found = observe(child.pid)[0][inode(child.pid, "user")]
    assert (found.owner_uid, found.setgroups) == (1234, "deny")
    assert found.uid_map == [IdRange(0, 1234, 1), IdRange(10, 5000, 3)] and found.gid_map == [IdRange(0, 2345, 1)]


def test_the_whole_chain_of_parents_is_read(running):
    child = running("words = [str(os.stat('/proc/self/ns/user').st_ino)]", "unshare", "-Ur", "unshare", "-Urn")
    unseen = []
    users, nets = observe_namespaces([read_process(child.pid, unseen)], unseen)
    inner = users[int(child.words[0])]
    outer = users[inner.parent]
    assert outer.parent == inode("self", "user") and len(users) == 3
    assert nets[inode(child.pid, "net")].owner == inner.inode
    # Nobody is left in the one between, so that its maps cannot be read, which is said.
    assert [item.source for item in unseen] == [f"user:[{outer.inode}]"]


def test_limits_are_those_inside_of_the_namespace(running):
    code = "open('/proc/sys/user/max_net_namespaces', 'w').write('7')"
    child = running(code, "unshare", "-Ur")
    assert observe(child.pid)[0][inode(child.pid, "user")].limits["max_net_namespaces"] == 7


def test_each_thread_counts(running):
    child = running(
        """
done = threading.Event()
def body():
    check(libc.unshare(0x40000000))
    done.set()
    threading.Event().wait()
thread = threading.Thread(target=body, daemon=True)
thread.start()
done.wait(5)
words = [str(os.stat(f"/proc/self/task/{thread.native_id}/ns/net").st_ino)]
"""
    )
    assert set(observe(child.pid)[1]) == {inode("self", "net"), int(child.words[0])}


def test_named_namespaces_are_found_and_leftover_files_are_not():
    def look():
        LIBC.unshare(CLONE_NEWNS)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        for name in ("blue", "red"):
            subprocess.run(["ip", "netns", "add", name], check=True)
        with open("/run/netns/leftover", "w", encoding="ascii"):
            pass
        unseen = []
        nets = observe_namespaces([], unseen)[1]
        names = {name: number for number, item in nets.items() for name in item.names}
        expected = {path: os.stat(path).st_ino for path in ("/run/netns/blue", "/run/netns/red")}
        owners = [item.owner for item in nets.values()]
        return [names == expected, to_plain(unseen), owners, os.stat("/proc/self/ns/user").st_ino]

    same, unseen, owners, own = run_joined(look).value
    assert same and unseen == [] and owners == [own, own]


def test_an_extra_path_is_read_and_no_name_when_it_is_in_proc(running):
    child = running("", "unshare", "-n")
    nets = observe(paths=[f"/proc/{child.pid}/ns/net"])[1]
    assert nets[inode(child.pid, "net")].names == []


def test_an_observer_in_a_child_namespace_does_not_see_the_owner_above(running):
    child = running("", "unshare", "-Ur")

    def look():
        users, nets = observe_namespaces([read_process(os.getpid(), [])], [])
        return [to_plain(list(users.values())), to_plain(list(nets.values()))]

    users, nets = run_joined(look, user_ns=f"/proc/{child.pid}/ns/user").value
    assert [item["parent"] for item in users] == [None]
    assert [item["owner"] for item in nets] == [None]


def test_a_process_that_ended_leaves_no_namespace(running):
    child = running("", "unshare", "-Urn")
    process = read_process(child.pid, [])
    child.kill()
    child.wait()
    unseen = []
    assert observe_namespaces([process], unseen) == ({}, {})
    assert unseen == []


def test_the_inode_of_a_network_namespace_is_that_of_the_file(running):
    child = running("", "unshare", "-n")
    assert netns_inode(f"/proc/{child.pid}/ns/net") == inode(child.pid, "net")


@pytest.mark.parametrize("path", ["/proc/self/ns/user", "/etc/passwd", "/dev/null", "/", "/nonexistent"])
def test_what_is_no_network_namespace_is_refused(path):
    with pytest.raises(OSError):
        netns_inode(path)
