# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every netlink socket is found with its holder, protocol, namespace and opener, bound or not."""

from __future__ import annotations

import os

from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sockets import (
    netlink_holders,
    netlink_table,
    sockets_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain

OPEN = """
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, {protocol})
netlink.bind((0, 0))
words = [str(os.fstat(netlink.fileno()).st_ino)]
"""


def netns(pid):
    return os.stat(f"/proc/{pid}/ns/net").st_ino


def test_a_bound_socket_is_found_with_its_holder(running):
    child = running(OPEN.format(protocol=0), "unshare", "-n")
    (found,) = netlink_holders([])[child.pid]
    assert (found.inode, found.protocol) == (int(child.words[0]), 0)
    assert (found.net_ns, found.opener_uid) == (netns(child.pid), 0)
    assert netns(child.pid) != netns("self")
    assert sockets_of(child.pid, []) == [found]


def test_the_opener_is_who_created_it_and_not_who_holds_it(running):
    for before, after, opener in ((0, 1234, 0), (1234, 4321, 1234)):
        change = "os.setresuid({0}, {0}, 0)\n"
        code = change.format(before) + OPEN.format(protocol=0) + "os.seteuid(0)\n" + change.format(after)
        (found,) = sockets_of(running(code).pid, [])
        assert found.opener_uid == opener


def test_a_socket_stays_in_the_namespace_where_it_was_created(running):
    child = running(OPEN.format(protocol=0) + "check(libc.unshare(0x40000000))")
    found = netlink_holders([])[child.pid][0]
    assert found.net_ns == netns("self") != netns(child.pid)


def test_a_socket_of_a_namespace_without_processes_is_found(running):
    code = """
own = os.open("/proc/self/ns/net", 0)
check(libc.unshare(0x40000000))
there = os.stat("/proc/self/ns/net").st_ino
{open}
words.append(str(there))
check(libc.setns(own, 0))
"""
    child = running(code.format(open=OPEN.format(protocol=12)))
    (found,) = sockets_of(child.pid, [])
    assert [str(found.inode), str(found.net_ns)] == child.words and found.protocol == 12
    assert netns(child.pid) == netns("self") != found.net_ns


def test_a_socket_that_is_not_bound_yet_is_found(running):
    child = running("s = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 16)")
    (found,) = sockets_of(child.pid, [])
    assert (found.protocol, found.net_ns, found.opener_uid) == (16, netns("self"), 0)


def test_a_shared_socket_is_found_with_each_holder(running):
    code = OPEN.format(protocol=0) + "words.append(str(os.fork() or os.getpid()))\nif words[1] == str(os.getpid()):\n"
    child = running(code + "    threading.Event().wait()")
    holders = netlink_holders([])
    other = int(child.words[1])
    try:
        assert other != child.pid and holders[child.pid] == holders[other]
    finally:
        os.kill(other, 9)


def test_other_sockets_and_files_are_none(running):
    code = "held = [socket.socket(), socket.socket(socket.AF_UNIX), open('/etc/passwd'), *os.pipe()]"
    child = running(code, "unshare", "-n")
    assert sockets_of(child.pid, []) == [] and child.pid not in netlink_holders([])


def test_a_table_is_that_of_the_process_with_the_sockets_of_the_kernel(running):
    child = running(OPEN.format(protocol=0), "unshare", "-n")
    rows = netlink_table(child.pid)
    assert any(row.port == 0 and row.protocol == 0 for row in rows)
    assert [row.inode for row in rows if row.port] == [int(child.words[0])]
    assert int(child.words[0]) not in [row.inode for row in netlink_table(os.getpid())]


def test_descriptors_that_may_not_be_read_are_named_once(running):
    for _count in range(2):
        running(OPEN.format(protocol=0))

    def look_as_nobody():
        os.setresuid(65534, 65534, 65534)
        unseen = []
        netlink_holders(unseen)
        return to_plain(unseen)

    sources = [item["source"] for item in run_joined(look_as_nobody).value]
    assert sources.count("/proc/*/fd") == 1
