# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own execve agrees with predict_execve() in every combination of a starter and a file.

One forking process does all of it, in a mount namespace of its own. Each program is a copy of cat that prints a file
and then waits on a pipe, so that its credentials can be read from outside while it runs.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import struct
from dataclasses import dataclass, field, replace

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._execve import predict_execve
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    FileCapability,
    pack_file_capability,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._executables import read_executable
from ansible_collections.netlink.remediation.plugins.module_utils._observe._host import observe_host
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import parse_credentials, read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._state import IdRange
from ansible_collections.netlink.remediation.tests.kernel.contexts import (
    ALL,
    CLONE_FS,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    KEEP_CAPS,
    LIBC,
    NET_ADMIN,
    NET_RAW,
    NOROOT,
    SETUID,
    become,
    check,
    unshare,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

SYS_CLONE3 = 435  # On every architecture.
XATTR = "security.capability"
USER, OTHER, GROUP = 4242, 5555, 6666


@dataclass
class Starter:
    """Who executes: arguments of become(), and what surrounds it. ids inside a user namespace are those of its map."""

    how: dict = field(default_factory=dict)
    shared_fs: bool = False
    uid_map: tuple[tuple[int, int, int], ...] = ()


def user(uids=(USER, USER, USER), gids=(USER, USER, USER), **how) -> Starter:
    return Starter({"uids": uids, "gids": gids, **how})


IN_USERNS = ((0, USER, 1), (1, 100000, 10000))
STARTERS = {
    "root": Starter(),
    "root with net_admin outside the bounding set": Starter({"without": NET_ADMIN}),
    "root with an empty bounding set": Starter({"without": ALL}),
    "root with no_new_privs": Starter({"nnp": True}),
    "root without capabilities": Starter({"permitted": 0}),
    "root without capabilities, no_new_privs": Starter({"permitted": 0, "nnp": True}),
    "root with inheritable": Starter({"inheritable": NET_ADMIN, "without": NET_ADMIN}),
    "root with noroot": Starter({"securebits": NOROOT}),
    "root with noroot and ambient": Starter({"securebits": NOROOT, "ambient": NET_ADMIN}),
    "root with ambient": Starter({"ambient": NET_ADMIN, "permitted": NET_ADMIN}),
    "user": user(),
    "user with ambient": user(ambient=NET_ADMIN),
    "user with two ambient": user(ambient=NET_ADMIN | NET_RAW),
    "user with inheritable": user(inheritable=NET_ADMIN),
    "user with inheritable outside the bounding set": user(inheritable=NET_ADMIN, without=NET_ADMIN),
    "user with permitted": user(permitted=NET_ADMIN),
    "user with permitted, not raised": user(permitted=NET_ADMIN, effective=0),
    "user with permitted and no_new_privs": user(permitted=NET_ADMIN, nnp=True),
    "user with an empty bounding set": user(without=ALL),
    "user with no_new_privs": user(nnp=True),
    "user with ambient and no_new_privs": user(ambient=NET_ADMIN, nnp=True),
    "user with ambient outside the bounding set": user(ambient=NET_ADMIN, without=NET_ADMIN),
    "user with inheritable and no_new_privs": user(inheritable=NET_ADMIN, nnp=True),
    "user with keep_caps": user(permitted=NET_ADMIN, securebits=KEEP_CAPS),
    "user with noroot": user(securebits=NOROOT),
    "user in the group of the setgid file": user(groups=(GROUP,), ambient=NET_ADMIN),
    "user whose group is that of the setgid file": user(gids=(GROUP, GROUP, GROUP), ambient=NET_ADMIN),
    "user with differing gids": user(gids=(USER, GROUP, USER), ambient=NET_ADMIN),
    "setuid root program of a user": user(uids=(USER, 0, 0)),
    "setuid root program of a user, no_new_privs": user(uids=(USER, 0, 0), nnp=True),
    "setuid root program that gave up its euid": user(uids=(USER, USER, 0), permitted=ALL, effective=0),
    "root acting as a user": user(uids=(0, USER, 0), permitted=ALL, effective=0),
    "root acting as a user, with setuid": user(uids=(0, USER, 0), permitted=ALL, effective=SETUID),
    "root acting as a user, no_new_privs": user(uids=(0, USER, 0), permitted=NET_ADMIN, nnp=True),
    "user acting as another": user(uids=(USER, OTHER, OTHER), ambient=NET_ADMIN),
    "root that shares its directory": Starter(shared_fs=True),
    "user that shares its directory": replace(user(ambient=NET_ADMIN), shared_fs=True),
    "user with setuid that shares its directory": replace(user(permitted=SETUID), shared_fs=True),
    "root of a user namespace": Starter(uid_map=IN_USERNS),
    "root of a user namespace, bounding set without": Starter({"without": NET_ADMIN}, uid_map=IN_USERNS),
    "user of a user namespace": replace(user(uids=(7, 7, 7), gids=(7, 7, 7)), uid_map=IN_USERNS),
    "ambient in a user namespace": replace(user((7, 7, 7), (7, 7, 7), ambient=NET_ADMIN), uid_map=IN_USERNS),
    "user namespace without root": replace(user((7, 7, 7), (7, 7, 7), permitted=0), uid_map=((7, USER, 1),)),
    "user namespace that maps all": Starter(uid_map=((0, 0, 4294967295),)),
}


def capability(permitted=0, inheritable=0, effective=False, rootid=None) -> bytes:
    version = 2 if rootid is None else 3
    return pack_file_capability(FileCapability(permitted, inheritable, effective, version, rootid))


@dataclass
class File:
    """A file to execute: a copy of cat, or a script with an interpreter that is another of these files."""

    xattr: bytes | None = None
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    interpreter: str | None = None
    nosuid: bool = False


FILES = {
    "plain": File(),
    "p": File(capability(NET_ADMIN)),
    "ep": File(capability(NET_ADMIN, 0, True)),
    "eip": File(capability(NET_ADMIN, NET_ADMIN, True)),
    "i": File(capability(0, NET_ADMIN)),
    "ei": File(capability(0, NET_ADMIN, True)),
    "all-ep": File(capability(ALL, 0, True)),
    "raw-ep": File(capability(NET_RAW, 0, True)),
    "empty": File(capability()),
    "empty-e": File(capability(0, 0, True)),
    "rootid-0": File(capability(NET_ADMIN, 0, True, rootid=0)),
    "rootid-user": File(capability(NET_ADMIN, 0, True, rootid=USER)),
    "rootid-foreign": File(capability(NET_ADMIN, 0, True, rootid=9999)),
    "setuid-root": File(mode=0o4755),
    "setuid-root-ep": File(capability(NET_ADMIN, 0, True), mode=0o4755),
    "setuid-root-p": File(capability(NET_ADMIN), mode=0o4755),
    "setuid-other": File(mode=0o4755, uid=OTHER),
    "setuid-mapped": File(mode=0o4755, uid=USER, gid=100006),
    "setgid": File(mode=0o2755, gid=GROUP),
    "setgid-not-executable-by-group": File(mode=0o2705, gid=GROUP),
    "setuid-setgid": File(mode=0o6755, uid=OTHER, gid=GROUP),
    "group-only": File(mode=0o750, gid=GROUP),
    "owner-only": File(mode=0o700),
    "script-of-ep": File(interpreter="ep"),
    "script-of-setuid": File(interpreter="setuid-root"),
    "script-with-xattr": File(capability(NET_ADMIN, 0, True), interpreter="plain"),
    "setuid-script": File(mode=0o4755, interpreter="plain"),
    "nosuid-ep": File(capability(NET_ADMIN, 0, True), nosuid=True),
    "nosuid-setuid": File(mode=0o4755, nosuid=True),
    "nosuid-empty": File(capability(), nosuid=True),
}


def mount(target: str, flags: int) -> None:
    check(LIBC.mount(b"tmpfs", target.encode(), b"tmpfs", flags, b"mode=755"))


def build(directory: str) -> dict[str, str]:
    """Make the files on two file systems of their own, which are gone with the mount namespace."""
    unshare(CLONE_NEWNS)
    check(LIBC.mount(b"none", b"/", None, 0x4000 | 0x40000, None))  # MS_REC | MS_PRIVATE
    mount(directory, 0)
    os.mkdir(directory + "/nosuid")
    mount(directory + "/nosuid", 2)  # MS_NOSUID
    paths = {}
    for name, file in FILES.items():
        path = f"{directory}/{'nosuid/' if file.nosuid else ''}{name}"
        if file.interpreter:
            with open(path, "w", encoding="ascii") as script:
                script.write(f"#!{paths[file.interpreter]}\n")
        else:
            shutil.copy("/bin/cat", path)
        os.chown(path, file.uid, file.gid)
        os.chmod(path, file.mode)
        if file.xattr is not None:
            os.setxattr(path, XATTR, file.xattr)
        paths[name] = path
    return paths


def fork(shared_fs: bool) -> int:
    if not shared_fs:
        return os.fork()
    arguments = struct.pack("=8Q", CLONE_FS, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    return check(LIBC.syscall(SYS_CLONE3, arguments, len(arguments)))


def live(starter: Starter, path: str, ends: dict[str, int]) -> None:
    """The child: take credentials, say so, wait, execute. A failing execve is reported as its errno."""
    try:
        if starter.uid_map:
            unshare(CLONE_NEWUSER)
            os.write(ends["say"], b"m")
            os.read(ends["hear"], 1)
        become(**starter.how)
        os.write(ends["say"], b"r")
        os.read(ends["hear"], 1)
        os.dup2(ends["hear"], 0)
        os.dup2(ends["out"], 1)
        try:
            os.execv(path, [path, "/proc/self/status", "-"])
        except OSError as exc:
            os.write(ends["say"], b"e" + struct.pack("=i", exc.errno))
    except OSError as exc:
        os.write(ends["say"], f"x{exc}".encode())
    finally:
        os._exit(1)


def run(starter: Starter, path: str):
    """(credentials before, credentials after or None, errno name or None) of one execution."""
    pipes = [os.pipe() for _pipe in range(3)]
    (heard, say), (hear, tell), (printed, out) = pipes
    child = fork(starter.shared_fs)
    if child == 0:
        os.close(tell)
        live(starter, path, {"say": say, "hear": hear, "out": out})
    for end in (say, hear, out):
        os.close(end)
    try:
        word = os.read(heard, 100)
        if word == b"m":
            for name in ("uid_map", "gid_map"):
                with open(f"/proc/{child}/{name}", "w", encoding="ascii") as handle:
                    handle.write("".join(f"{a} {b} {c}\n" for a, b, c in starter.uid_map))
            os.write(tell, b"g")
            word = os.read(heard, 100)
        assert word == b"r", word
        before = parse_credentials(read_bytes(f"/proc/{child}/status"))
        before = replace(before, securebits=starter.how.get("securebits", 0))
        os.write(tell, b"g")
        if os.read(printed, 1):
            return before, parse_credentials(read_bytes(f"/proc/{child}/status")), None
        word = os.read(heard, 100)
        assert word[:1] == b"e", word
        return before, None, errno.errorcode[struct.unpack("=i", word[1:])[0]]
    finally:
        for end in (heard, tell, printed):
            os.close(end)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def observe_all(directory: str) -> list[list[str]]:
    """All mismatches, and at the end how many combinations there were."""
    paths = build(directory)
    kernel = observe_host([]).kernel
    facts = {name: read_executable(path, []) for name, path in paths.items()}
    mismatches, count = [], 0
    for who, starter in STARTERS.items():
        ranges = [IdRange(*line) for line in starter.uid_map] or None
        roots = [line.outside for line in ranges or [] if line.inside == 0 and line.outside]
        for name, path in paths.items():
            before, after, error = run(starter, path)
            wanted = predict_execve(
                before,
                facts[name],
                kernel,
                rootids=(*roots, 0),
                uid_map=ranges,
                gid_map=ranges,
                unsafe=starter.shared_fs,
            )
            count += 1
            # Securebits of another process cannot be read.
            got = None if after is None else replace(after, securebits=0)
            said = None if wanted.credentials is None else replace(wanted.credentials, securebits=0)
            if (got, error) != (said, wanted.error):
                mismatches.append([who, name, f"kernel {error or got}", f"predicted {wanted.error or said}"])
    return [*mismatches, ["combinations", str(count)]]


def test_the_kernel_agrees_with_the_prediction_in_every_combination():
    directory = f"/tmp/execve-matrix.{os.getpid()}"
    os.mkdir(directory)
    try:
        outcome = run_joined(lambda: observe_all(directory), timeout=400)
    finally:
        os.rmdir(directory)
    assert outcome.error is None, outcome.error
    *mismatches, (_word, count) = outcome.value
    assert int(count) == len(STARTERS) * len(FILES) >= 500
    assert mismatches == []
