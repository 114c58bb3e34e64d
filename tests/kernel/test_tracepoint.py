# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refusals seen live, on a kernel that has the tracepoint: real programs, refused or not, while it is watched."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Optional

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._tracefs import TraceError, instance, tracefs
from ansible_collections.netlink.remediation.plugins.module_utils._observe._tracepoint import EVENT, Live, watch
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

PYTHON = "/usr/bin/python3"  # one that other uids may run
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
UNSHARED = ["unshare", "--net"]


@pytest.fixture(scope="module", autouse=True)
def need_the_tracepoint() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    try:
        with tracefs() as path:
            if not os.path.isdir(f"{path}/events/{EVENT}"):
                pytest.skip("the kernel has no tracepoint capability:cap_capable")
    except TraceError as exc:
        pytest.skip(str(exc))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert instances() == []


def instances() -> list[str]:
    with tracefs() as path:
        return [name for name in os.listdir(path + "/instances") if name.startswith("netlink-remediation-")]


RUNNER = """
import glob, os, subprocess, sys, time
from ansible_collections.netlink.remediation.plugins.module_utils._observe._tracefs import tracefs
with tracefs() as path:
    switch = f"{path}/instances/netlink-remediation-{os.getppid()}-exec/events/sched/sched_process_exec/enable"
    while not (os.path.exists(switch) and open(switch).read().startswith("1")):
        time.sleep(0.02)
for words in eval(sys.argv[1]):
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(child.pid, flush=True)
    child.wait()
"""


def seen(*commands: list[str], seconds: float = 2.5, kilobytes: int = 512) -> tuple[Live, list[Unseen], list[int]]:
    """What is seen while the commands run one after the other, as soon as it is watched; and their pids."""
    unseen: list[Unseen] = []
    with subprocess.Popen([sys.executable, "-c", RUNNER, repr(commands)], stdout=subprocess.PIPE, text=True) as runner:
        live = watch(seconds, unseen, kilobytes=kilobytes)
        assert runner.stdout is not None
        pids = [int(line) for line in runner.stdout]
    assert live.available, live.why
    return live, unseen, pids


def of(live: Live, pid: int) -> Optional[Denial]:
    """The denial of a process; other processes of this machine may be refused meanwhile."""
    return next((denial for denial in live.denials if denial.pid == pid), None)


def script(body: str) -> list[str]:
    return [PYTHON, "-I", "-c", textwrap.dedent(body)]


# RTM_SETLINK of link -1, which the kernel never carries out.
SETLINK = "import socket, struct, os, time\nm = struct.pack('=IHHIIBxHiII', 32, 19, 1, 1, 0, 0, 0, -1, 0, 0)\n"
SETLINK += "s = socket.socket(16, 3, 0)\n"


def test_a_refused_ip_is_seen_with_pid_program_and_door() -> None:
    live, unseen, (pid,) = seen([*UNSHARED, *NOBODY, "ip", "link", "set", "lo", "up"])
    denial = of(live, pid)
    assert denial is not None
    assert (denial.source, denial.module, denial.permission) == ("tracepoint", "capability", "net_admin")
    assert (denial.name, denial.door, denial.opener) == ("ip", "rtnetlink", False)
    assert os.path.samefile(denial.executable or "", shutil.which("ip") or "")
    assert denial.owner_ns == os.stat("/proc/self/ns/user").st_ino
    assert abs(denial.last - time.time()) < 10
    assert (live.lost, live.offers, unseen) == (0, [], [])


def test_a_process_that_stays_is_told_with_its_namespaces() -> None:
    # An own user namespace gives no privilege over a network namespace of the host's.
    command = [*UNSHARED, *NOBODY, "unshare", "--user", "--map-root-user"]
    live, _unseen, (pid,) = seen([*command, *script(SETLINK + "s.sendto(m, (0, 0)); time.sleep(1)")], seconds=3)
    denial = of(live, pid)
    assert denial is not None
    assert denial.user_ns not in (None, os.stat("/proc/self/ns/user").st_ino)
    assert denial.owner_ns == os.stat("/proc/self/ns/user").st_ino
    assert (denial.uid, denial.opener) == (65534, False)


def test_the_opener_of_a_socket_is_told_from_its_sender() -> None:
    opened = SETLINK + "s.send(m)"
    live, _unseen, (opener, sender) = seen(
        [*UNSHARED, *NOBODY, *script(opened)],
        [*UNSHARED, *script(SETLINK + "os.setresuid(65534, 65534, 65534); s.send(m)")],
    )
    first, second = of(live, opener), of(live, sender)
    assert first is not None and first.opener
    assert second is not None and second.opener is False


DOORS = {
    "nfnetlink": "import socket, struct; s = socket.socket(16, 3, 12)\n"
    "s.sendto(struct.pack('=IHHII', 16, 0, 5, 1, 0), (0, 0))",
    "multicast": "import socket; s = socket.socket(16, 3, 12)\n"
    "try: s.setsockopt(270, 1, 1)\nexcept PermissionError: pass",
    "ioctl": "import socket, fcntl, struct; s = socket.socket()\n"
    "try: fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 1))\nexcept PermissionError: pass",
    # Opened by root: the device may be nobody else's.
    "tun": "import os, fcntl, struct; f = os.open('/dev/net/tun', os.O_RDWR); os.setresuid(65534, 65534, 65534)\n"
    "try: fcntl.ioctl(f, 0x400454ca, struct.pack('16sh22x', b'seen0', 1))\nexcept PermissionError: pass",
}


@pytest.mark.parametrize("door", DOORS)
def test_the_door_by_which_the_kernel_was_asked_is_told(door: str) -> None:
    nobody = [] if "setresuid" in DOORS[door] else NOBODY
    live, _unseen, (pid,) = seen([*UNSHARED, *nobody, *script(DOORS[door])])
    denial = of(live, pid)
    assert denial is not None and denial.door == door


HARMLESS = {
    "a look at the sysctls": [*UNSHARED, *NOBODY, "ls", "-lR", "/proc/sys/net"],
    "a look at the links": [*UNSHARED, *NOBODY, "ip", "link", "show"],
    "a look at the sockets": [*UNSHARED, *NOBODY, "ss", "-tan"],
    "a buffer that is forced": [
        *NOBODY,
        *script("import socket; s = socket.socket()\ntry: s.setsockopt(1, 33, 9999)\nexcept PermissionError: pass"),
    ],
    "a permitted change": [*UNSHARED, "ip", "link", "set", "lo", "up"],
    "a second try with other credentials": [
        *UNSHARED,
        *script(SETLINK + "os.seteuid(65534); s.sendto(m, (0, 0)); os.seteuid(0); s.sendto(m, (0, 0))"),
    ],
}


@pytest.mark.parametrize("what", HARMLESS)
def test_a_mere_check_is_no_denial(what: str) -> None:
    live, _unseen, (pid, refused) = seen(HARMLESS[what], [*UNSHARED, *NOBODY, "ip", "link", "set", "lo", "up"])
    assert of(live, refused) is not None  # The watch was on.
    assert of(live, pid) is None


def test_a_sender_who_is_refused_again_and_again_is_one_denial() -> None:
    body = SETLINK + "os.setresuid(65534, 65534, 65534)\nfor n in range(5): s.send(m)"
    live, _unseen, (pid,) = seen([*UNSHARED, *script(body)])
    denial = of(live, pid)
    assert denial is not None and denial.count == 5


def test_lost_events_are_counted_and_said() -> None:
    flood = script(SETLINK + "for n in range(20000):\n    s.sendto(m, (0, 0))\n")
    live, unseen, (pid,) = seen([*UNSHARED, *NOBODY, *flood], seconds=3, kilobytes=4)
    denial = of(live, pid)
    assert denial is not None
    assert live.lost > 0 and denial.count < 20000
    assert any(str(live.lost) in item.reason for item in unseen)


def test_a_name_with_line_ends_forges_nothing(tmp_path: Path) -> None:
    head = "\n ip-1 [000] ..... 1.000000: "
    check = f"{head}cap_capable: cred 0, target_ns 0, capable_ns 0, cap 12, ret -1{head}<stack trace>\n => genl_rcv"
    program = tmp_path / f"x{check}"
    shutil.copy("/bin/true", program)
    live, _unseen, (_true, pid) = seen([str(program)], [*UNSHARED, *NOBODY, "ip", "link", "set", "lo", "up"])
    assert of(live, 1) is None and of(live, pid) is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_watch_and_nothing_is_left(number: signal.Signals) -> None:
    program = (
        "import signal\n"
        "from ansible_collections.netlink.remediation.plugins.module_utils._observe._tracepoint import watch\n"
        # Whoever runs the tests in the background ignores some, and what is ignored is inherited.
        f"signal.signal({int(number)}, signal.SIG_DFL if {int(number)} != 2 else signal.default_int_handler)\n"
        "watch(60, [])"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for(lambda: len(instances()) == 2)
        time.sleep(0.3)
        process.send_signal(number)
        process.wait(30)  # The kernel takes its time to remove an instance when it is busy.
    assert process.returncode in (-number, 1, 130)  # Python turns SIGINT into an exception.
    assert instances() == []


def test_what_a_killed_watch_left_is_removed_by_the_next() -> None:
    program = (
        "from ansible_collections.netlink.remediation.plugins.module_utils._observe._tracepoint import watch\n"
        "watch(60, [])"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        wait_for(lambda: len(instances()) == 2)
        process.kill()
    assert len(instances()) == 2
    assert watch(0.1, []).available
    assert instances() == []


def test_an_exception_leaves_nothing() -> None:
    with pytest.raises(RuntimeError), tracefs() as path, instance(path, "test", 64):
        assert len(instances()) == 1
        raise RuntimeError


def test_without_the_right_it_says_why_and_what_else_there_is() -> None:
    unseen: list[Unseen] = []
    child = os.fork()
    if child == 0:
        os.setresuid(65534, 65534, 65534)
        live = watch(0.1, unseen)
        os._exit(0 if not live.available and live.why and unseen and "65534" in f"{live.why} uid 65534" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 10 seconds")
