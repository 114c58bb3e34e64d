# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes are read as the kernel has them, thread by thread; those that are gone are no error."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_NET_ADMIN, capability_mask
from ansible_collections.netlink.remediation.plugins.module_utils._observe import _proc
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import (
    list_pids,
    parse_credentials,
    read_bytes,
    read_credentials,
    read_process,
)
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain

# A second thread that lives on; `body` is what it does first.
THREAD = """
done = threading.Event()
def body():
    {body}
    done.set()
    threading.Event().wait()
thread = threading.Thread(target=body, daemon=True)
thread.start()
assert done.wait(5)
words = [str(thread.native_id)]
"""


def namespace(pid, kind):
    return os.stat(f"/proc/{pid}/ns/{kind}").st_ino


def test_all_credentials_are_those_of_the_process(running):
    code = """
net_admin, net_raw = 1 << 12, 1 << 13
os.setgroups([6, 5])
check(libc.prctl(8, 1, 0, 0, 0))  # PR_SET_KEEPCAPS
os.setresgid(21, 22, 23)
os.setresuid(11, 12, 13)
sets = (net_admin, net_admin | net_raw, net_admin | net_raw, 0, 0, 0)  # effective, permitted, inheritable
check(libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*sets)))
check(libc.prctl(47, 2, 12, 0, 0))  # PR_CAP_AMBIENT_RAISE
check(libc.prctl(38, 1, 0, 0, 0))  # PR_SET_NO_NEW_PRIVS
libc.setfsuid(11)
"""
    child = running("check(libc.prctl(24, 14, 0, 0, 0))  # PR_CAPBSET_DROP\n" + code)
    credentials = read_process(child.pid, []).threads[0].credentials
    assert (credentials.ruid, credentials.euid, credentials.suid, credentials.fsuid) == (11, 12, 13, 11)
    assert (credentials.rgid, credentials.egid, credentials.sgid, credentials.fsgid) == (21, 22, 23, 22)
    assert sorted(credentials.groups) == [5, 6]
    assert credentials.effective == credentials.ambient == 1 << CAP_NET_ADMIN
    assert credentials.permitted == credentials.inheritable == capability_mask(["cap_net_admin", "cap_net_raw"])
    own = read_credentials(os.getpid(), os.getpid())
    assert credentials.bounding == own.bounding & ~capability_mask(["cap_ipc_lock"]) != own.bounding
    assert credentials.no_new_privs and credentials.seccomp == 0
    assert credentials == read_credentials(child.pid, child.pid)


def test_a_system_call_filter_and_no_groups_are_seen(running):
    # One instruction, "return SECCOMP_RET_ALLOW", as seccomp(2) wants it.
    code = """
class Filter(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32)]
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("filter", ctypes.POINTER(Filter))]
os.setgroups([])
allow = Filter(6, 0, 0, 0x7FFF0000)
check(libc.prctl(22, 2, ctypes.byref(Program(1, ctypes.pointer(allow))), 0, 0))
"""
    credentials = read_process(running(code).pid, []).threads[0].credentials
    assert credentials.groups == () and credentials.seccomp == 2 and not credentials.no_new_privs


def test_each_thread_has_its_own_capabilities(running):
    drop = "check(libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()))"
    child = running(THREAD.format(body=drop))
    main, other = read_process(child.pid, []).threads
    assert main.tid == child.pid and main.credentials.effective == main.credentials.permitted != 0
    assert str(other.tid) == child.words[0] and other.credentials.effective == other.credentials.permitted == 0


def test_each_thread_has_its_own_network_namespace(running):
    child = running(THREAD.format(body="check(libc.unshare(0x40000000))"))
    main, other = read_process(child.pid, []).threads
    assert main.net_ns == namespace(child.pid, "net")
    assert other.net_ns == namespace(child.words[0], "net") != main.net_ns
    assert main.user_ns == other.user_ns == namespace("self", "user")


def test_a_file_of_long_records_is_read_to_its_end(running, tmp_path):
    """The kernel gives out whole records, so that the first page is far from full."""
    mounts = f"""
for number in range(9):
    place = f"{tmp_path}/{{number}}{"x" * 200}/{"y" * 200}/{"z" * 200}/{"w" * 200}"
    os.makedirs(place)
    check(libc.mount(b"none", place.encode(), b"tmpfs", 0, None))
"""
    child = running(mounts, "unshare", "-m", "--propagation", "private")
    path = f"/proc/{child.pid}/mountinfo"
    with open(path, "rb") as file:
        whole = file.read()
    assert whole.count(b"/8xxx") == 1
    assert read_bytes(path) == whole
    assert read_bytes(path, 5000) == whole[:5000]


def test_the_id_of_a_thread_stands_for_its_process(running):
    child = running(THREAD.format(body="pass"))
    assert read_process(int(child.words[0]), []).pid == child.pid


def test_namespaces_of_a_sandbox_are_seen(running):
    child = running("", "unshare", "-Urnm")
    found = read_process(child.pid, [])
    kinds = ("mnt", "pid")
    assert [found.mnt_ns, found.pid_ns] == [namespace(child.pid, kind) for kind in kinds]
    assert found.threads[0].user_ns == namespace(child.pid, "user") != namespace("self", "user")
    assert found.threads[0].net_ns == namespace(child.pid, "net") != namespace("self", "net")
    assert found.chrooted is False


def test_names_are_read(running):
    child = running("open('/proc/self/comm', 'w').write(') R 1 (\\n\\\\x')")
    found = read_process(child.pid, [])
    assert found.name == found.threads[0].name == ") R 1 (\n\\x"
    assert found.executable == os.path.realpath(sys.executable) and not found.deleted
    assert found.arguments[:2] == [sys.executable, "-c"]
    assert found.parent == os.getpid()
    assert found.cgroup.startswith("/")


def test_a_deleted_program_is_named_without_the_mark(tmp_path):
    for name, removed in (("gone", True), ("odd (deleted)", False)):
        program = str(tmp_path / name)
        shutil.copy("/bin/sleep", program)
        child = subprocess.Popen([program, "60"])
        try:
            if removed:
                os.unlink(program)
            found = read_process(child.pid, [])
        finally:
            child.kill()
            child.wait()
        assert (found.executable, found.deleted) == (program, removed)


def test_a_process_that_is_gone_is_no_error():
    child = subprocess.Popen(["true"])
    child.wait()
    unseen = []
    assert read_process(child.pid, unseen, sockets=True) is None
    assert read_credentials(child.pid, child.pid) is None
    assert unseen == []


def test_a_zombie_is_no_error():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    unseen = []
    found = read_process(child.pid, unseen, sockets=True)
    child.wait()
    assert found.threads[0].net_ns is None and found.executable is None and unseen == []


def test_a_reused_pid_is_noticed(running):
    found = read_process(running().pid, [])
    assert _proc._same(found)
    found.start_time -= 1
    assert not _proc._same(found)


def test_a_pid_reused_while_reading_is_not_mixed_with_the_old_one(running, monkeypatch):
    child = running()
    monkeypatch.setattr(_proc, "_read_names", lambda process, directory, unseen: setattr(process, "start_time", 1))
    assert read_process(child.pid, []) is None


@pytest.mark.parametrize("bind", [False, True])
@pytest.mark.parametrize("prefix", [(), ("unshare", "-m")])
def test_a_chroot_is_seen_into_a_directory_and_into_a_mount(running, tmp_path, bind, prefix):
    if bind:
        prepare = f"check(libc.unshare(0x20000)); check(libc.mount(b'/', b'{tmp_path}', None, 4096, None)); "
    else:
        prepare = ""
    child = running(f"{prepare}os.chroot('{tmp_path}')", *prefix)
    assert read_process(child.pid, []).chrooted is True


@pytest.mark.parametrize("prefix", [(), ("unshare", "-m"), ("unshare", "-Urm")])
def test_the_root_of_a_mount_namespace_is_no_chroot(running, prefix):
    assert read_process(running("", *prefix).pid, []).chrooted is False


def test_a_new_root_by_pivot_root_is_no_chroot(running, tmp_path):
    code = f"""
root = b"{tmp_path}"
check(libc.mount(b"tmpfs", root, b"tmpfs", 0, None))
os.chdir(root)
check(libc.syscall(155, b".", b"."))
check(libc.umount2(b".", 2))
"""
    unseen = []
    assert read_process(running(code, "unshare", "-m").pid, unseen).chrooted is False
    assert unseen == []


def test_what_may_not_be_read_is_named_once_for_all_processes(running):
    pids = [running().pid, running().pid]

    def read_as_nobody():
        os.setresuid(65534, 65534, 65534)
        unseen = []
        found = [read_process(pid, unseen) for pid in pids]
        return to_plain([found, unseen])

    processes, unseen = run_joined(read_as_nobody).value
    assert [item["pid"] for item in processes] == pids
    assert all(item["threads"][0]["credentials"]["effective"] for item in processes)
    assert all(item["threads"][0]["net_ns"] is None for item in processes)
    sources = [item["source"] for item in unseen]
    assert "/proc/*/ns/net" in sources and len(sources) == len(set(sources))
    assert unseen[0]["reason"].startswith("Permission denied (EACCES), first at /proc/")


def test_a_kernel_without_newer_fields_is_understood():
    status = (
        b"Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nFDSize:\t64\nGroups:\t9 10 \nThreads:\t1\n"
        b"CapInh:\t0000000000000000\nCapPrm:\t0000000000003000\nCapEff:\t0000000000001000\nCapBnd:\t000001ffffffffff\n"
    )
    found = parse_credentials(status)
    assert (found.ruid, found.fsuid, found.rgid, found.fsgid, found.groups) == (1, 4, 5, 8, (9, 10))
    assert (found.effective, found.permitted, found.ambient) == (0x1000, 0x3000, 0)


def test_every_process_is_listed(running):
    pids = list_pids()
    assert running().pid in list_pids() and os.getpid() in pids and pids == sorted(pids)
