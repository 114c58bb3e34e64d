# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is refused CAP_NET_ADMIN right now, from the tracepoint capability:cap_capable (Linux 6.14 and newer).

The kernel sorts out all but checks of this capability, and writes down where in it each refusal came from. A check is
no denial where its outcome decides nothing (a look-up that shows less, DAC that allows instead), or where the same task
passed it with other credentials a moment later. Refusals by security modules and filters are not seen here.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
import socket
import struct
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAP_NET_ADMIN,
    NETLINK_ROUTE,
    NS_GET_USERNS,
    PROBE_NAME,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import parse_cgroup
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._text import shown
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC, run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import (
    namespace_inode,
    parse_credentials,
    read_bytes,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._tracefs import (
    Instance,
    TraceError,
    instance,
    tracefs,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

EVENT = "capability/cap_capable"
KILOBYTES = 512  # of buffer for each processor
_RETRY = 1.0  # seconds in which a task that got other credentials repeats what was refused
_MOST_PROGRAMS = 4096
_MOST_WAITING = 100  # refusals of a task within the time of a retry; further ones are counted
_MOST_FRAMES = 40
_LONGEST_WAIT = 0.5
_LAST_STACK = 0.01  # seconds in which the rest of a stack comes
_LONGEST_CALIBRATION = 2.0
_CAPABILITY_VERSION_3 = 0x20080522
# RTM_SETLINK (19) of link -1, with NLM_F_REQUEST: "no interface given" to whom the kernel lets through.
_SETLINK_OF_NO_LINK = struct.pack("=IHHII", 32, 19, 1, 1, 0) + struct.pack("=BxHiII", 0, 0, -1, 0, 0)

# Where a check came from whose outcome refuses nothing by itself: a function of the kernel that is in its stack.
NOISE = frozenset(
    [
        *("ns_capable_noaudit", "has_capability_noaudit", "has_ns_capability_noaudit", "capable_noaudit"),
        *("net_ctl_permissions", "sk_setsockopt", "sock_setsockopt", "netlink_dump", "inet_diag_handler_cmd"),
        *("__inet_diag_dump", "tcp_diag_dump", "inet_diag_dump_icsk", "__sys_bpf", "bpf_prog_load", "perf_event_open"),
    ]
)
# How the kernel was asked, the first that is in the stack.
DOORS = (
    ("rtnetlink_rcv_msg", "rtnetlink"),
    ("nfnetlink_rcv_msg", "nfnetlink"),
    ("nfnetlink_rcv_batch", "nfnetlink"),
    ("nfnetlink_rcv", "nfnetlink"),
    ("genl_rcv_msg", "genetlink"),
    ("genl_rcv", "genetlink"),
    ("xfrm_user_rcv_msg", "xfrm"),
    ("sock_diag_destroy", "sock_diag"),
    ("netlink_bind", "multicast"),
    ("netlink_setsockopt", "multicast"),
    ("netlink_sendmsg", "netlink"),
    ("__tun_chr_ioctl", "tun"),
    ("tun_chr_ioctl", "tun"),
    ("nf_setsockopt", "iptables"),
    ("nf_getsockopt", "iptables"),
    ("dev_ioctl", "ioctl"),
    ("inet_ioctl", "ioctl"),
    ("sock_ioctl", "ioctl"),
    ("netdev_store", "sysfs"),
    ("kernfs_fop_write_iter", "sysfs"),
    ("proc_sys_call_handler", "sysctl"),
)
# Those that ask for privilege over the network namespace, whatever the request; others may ask for it over the host.
_OWN_NETNS = ("rtnetlink", "nfnetlink", "xfrm", "multicast", "tun")
# Steps of every check, and of the tracing itself.
_CHECKS = re.compile(r"(?:.*_)?(?:ns_)?capable.*|trace_event_.*|security_.*|bpf_trampoline.*")

_CHECK = re.compile(
    rb"\s*(.{1,16}?)-([0-9]{1,10}) +(?:\([ 0-9-]{1,12}\) +)?\[[0-9]{1,5}\] +\S{1,8} +([0-9]{1,12}\.[0-9]{1,9}): "
    rb"cap_capable: cred ([0-9a-fx()nul]{1,20}), target_ns ([0-9a-fx()nul]{1,20}), .{1,60}, ret (-?[0-9]{1,3})"
)
_STACK = re.compile(rb"\s*.{1,16}?-([0-9]{1,10}) .{1,80}: <stack trace>")
_FRAME = re.compile(rb" => ([A-Za-z_][A-Za-z0-9_.]{0,120})")
_LOST = re.compile(rb"CPU:[0-9]{1,5} \[LOST [0-9]{1,12} EVENTS\]|")
_EXEC = re.compile(rb".{1,120}: sched_process_exec: filename=(.{0,4096}) pid=([0-9]{1,10}) old_pid=[0-9]{1,10}")


@dataclass
class Live:
    """What was seen. available: whether the tracepoint could be used; lost: events that were not seen.

    offers: what else this host has to show refusals, where the tracepoint cannot. why: there is no tracepoint.
    """

    available: bool = False
    seconds: float = 0.0
    lost: int = 0
    offers: list[str] = field(default_factory=list)
    why: Optional[str] = None
    denials: list[Denial] = field(default_factory=list)


def watch(seconds: float, unseen: list[Unseen], *, kilobytes: int = KILOBYTES) -> Live:
    """Watch for a time. kilobytes: of buffer for each processor. What could not be seen is appended to `unseen`."""
    live, groups = Live(seconds=seconds), Groups(0)
    try:
        with tracefs() as path:
            if not os.path.isdir(f"{path}/events/{EVENT}"):
                raise TraceError(_no_event(path))
            _watch(path, live, groups, kilobytes, unseen)
    except TraceError as exc:
        live.why, live.offers = str(exc), offers()
        unseen.append(Unseen(f"tracepoint {EVENT.replace('/', ':')}", str(exc)))
    if live.lost:
        unseen.append(Unseen("tracepoint", f"{live.lost} events were lost, so refusals may be missing"))
    live.denials = groups.result(unseen)
    return live


def _no_event(path: str) -> str:
    if os.geteuid() != 0:
        return f"uid {os.geteuid()} may not look into tracefs: set become to true"
    return "the kernel has no such tracepoint (it came with Linux 6.14)" if os.listdir(path) else "tracefs is empty"


def _watch(path: str, live: Live, groups: Groups, kilobytes: int, unseen: list[Unseen]) -> None:
    # The names of programs are anybody's choice, with line ends if they like: they are kept apart.
    with instance(path, "exec", kilobytes) as programs, instance(path, "cap", kilobytes) as checks:
        _start(checks, f"events/{EVENT}", f"cap=={CAP_NET_ADMIN}", f"cap=={CAP_NET_ADMIN} && ret!=0")
        _start(programs, "events/sched/sched_process_exec", None, None)
        live.available = True
        tracker = Tracker(groups)
        tracker.calibrate(checks)
        end = time.monotonic() + live.seconds
        while True:
            left = end - time.monotonic()
            checks.wait(min(left, _LAST_STACK if tracker.reading else _LONGEST_WAIT))
            tracker.programs(programs.lines())
            lines = checks.lines()
            tracker.checks(lines)
            if left <= 0 and (not lines or left < -_RETRY):
                break
        tracker.end()
        live.lost = checks.lost()
        if tracker.foreign:
            unseen.append(Unseen("tracepoint", "its process ids are not those of this namespace: see names instead"))


def _start(traced: Instance, event: str, condition: Optional[str], stack_condition: Optional[str]) -> None:
    """Raises OSError. A trigger does not ask the filter of its event, so it needs a condition of its own."""
    for name, value in (("buffer_percent", "0"), ("trace_clock", "mono"), ("options/sym-offset", "0")):
        try:
            traced.write(name, value)
        except OSError:
            pass  # Not in every kernel; the first and the last have this value by default, the clocks hardly differ.
    if condition:
        traced.write(event + "/filter", condition)
    if stack_condition:
        traced.write(event + "/trigger", f"stacktrace if {stack_condition}")
    traced.write(event + "/enable", "1")


@dataclass
class _Check:
    name: str
    tid: int
    time: float
    target: str
    frames: list[str] = field(default_factory=list)


@dataclass
class _Refusal:
    """passed: the same task was let through later, and not refused again."""

    time: float
    denial: Denial
    passed: bool = False


class Tracker:
    """Takes the lines of both instances in their order; keeps what is needed to tell a denial from a mere check."""

    def __init__(self, groups: Groups) -> None:
        """groups: get the denials."""
        self._groups = groups
        self._programs: OrderedDict[int, str] = OrderedDict()
        self._open: dict[int, _Check] = {}  # Checks whose stack is being read, by task.
        self._waiting: OrderedDict[tuple[int, str], list[_Refusal]] = OrderedDict()
        self._last: Optional[_Check] = None
        self._namespaces: dict[str, int] = {}  # The kernel's hidden address of a user namespace -> its inode.
        self._offset = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)
        self.foreign = False  # The ids of tasks are those of another namespace.

    def calibrate(self, checks: Instance) -> None:
        """Be refused once, harmlessly: that tells the address of the namespace over which, and shows that all works.

        Raises TraceError.
        """
        outcome = run_joined(_be_refused)
        end = time.monotonic() + _LONGEST_CALIBRATION
        while time.monotonic() < end:
            checks.wait(_LONGEST_CALIBRATION / 10)
            lines = checks.lines()
            self.checks(lines)
            for match in filter(None, map(_CHECK.fullmatch, lines)):
                if match[1].strip() == PROBE_NAME.encode() and match[6] != b"0":
                    owner = owner_of("/proc/self/ns/net")
                    if owner is not None:
                        self._namespaces[match[5].decode("ascii")] = owner
                    self.foreign = int(match[2]) != outcome.value
                    return
        raise TraceError(f"a refusal that was asked for was not seen ({outcome.error or 'nothing was traced'})")

    def programs(self, lines: list[bytes]) -> None:
        """Which program a task has become, by execve(2).

        A line that is none has a name with a line end in it, and what follows may be its forgery.
        """
        for line in lines:
            match = _EXEC.fullmatch(line)
            if match is None and not _LOST.fullmatch(line):
                return
            if match and match[1].startswith(b"/"):
                self._remember(int(match[2]), shown(match[1].decode("utf-8", "replace"), 4096))

    def _remember(self, tid: int, program: str) -> None:
        self._programs[tid] = program
        self._programs.move_to_end(tid)
        if len(self._programs) > _MOST_PROGRAMS:
            self._programs.popitem(last=False)

    def checks(self, lines: list[bytes]) -> None:
        """Checks of the capability, and the stacks of those that failed."""
        for line in lines:
            frame = _FRAME.fullmatch(line)
            if frame:
                if self._last is not None and len(self._last.frames) < _MOST_FRAMES:
                    self._last.frames.append(frame[1].decode("ascii").partition(".")[0])
                continue
            self._last = None
            check, stack = _CHECK.fullmatch(line), _STACK.fullmatch(line)
            if check:
                self._check(check)
            elif stack:
                self._last = self._open.get(int(stack[1]))
        # Soon, for as long as /proc still tells of the task. The next lines may go on with the stack of the last one.
        for tid, one in list(self._open.items()):
            if not lines or (one.frames and one is not self._last):
                self._judge(self._open.pop(tid))

    @property
    def reading(self) -> bool:
        """Whether the stack of a check may be incomplete."""
        return bool(self._open)

    def end(self) -> None:
        """Nothing follows."""
        self.checks([])
        for key in list(self._waiting):
            self._settle(key)

    def _check(self, match: re.Match[bytes]) -> None:
        tid, when, target = int(match[2]), float(match[3]), match[5].decode("ascii")
        if tid in self._open:
            self._judge(self._open.pop(tid))
        self._settle_old(when)
        if match[6] != b"0":
            name = shown(match[1].decode("utf-8", "replace").strip(), 16)
            self._open[tid] = _Check(name, tid, when, target)
            return
        for refusal in self._waiting.get((tid, target), ()):
            refusal.passed = True

    def _judge(self, check: _Check) -> None:
        """Make a denial of a check that refused something; it waits whether the task passes it after all."""
        door = door_of(check.frames)
        if door is None or check.name == PROBE_NAME or check.tid == os.getpid():
            return
        opener = "file_ns_capable" in check.frames
        program = self._programs.get(check.tid)
        if opener and _is_ip(check.name, program):
            return  # iproute2 up to 6.14 asks what the kernel can do, with a message that it expects to be refused.
        when = check.time + self._offset
        denial = Denial("tracepoint", "capability", "net_admin", "capability", when, when, door=door, opener=opener)
        denial.name, denial.pid, denial.executable = check.name, check.tid, program
        if not self.foreign:
            _add_process(denial)
        if denial.executable:
            self._remember(check.tid, denial.executable)  # Its true path, for when it is gone.
        if denial.owner_ns is not None and len(self._namespaces) < _MOST_PROGRAMS:
            self._namespaces.setdefault(check.target, denial.owner_ns)
        denial.text = _words(denial, check)
        self._wait(check, denial)

    def _wait(self, check: _Check, denial: Denial) -> None:
        waiting = self._waiting.setdefault((check.tid, check.target), [])
        for refusal in waiting:
            # It was the check of the socket's opener that passed before this one, or another request.
            refusal.passed = False
        if len(waiting) < _MOST_WAITING:
            waiting.append(_Refusal(check.time, denial))
        else:
            waiting[-1].denial.count += 1
            waiting[-1].denial.last = denial.last

    def _settle_old(self, now: float) -> None:
        while self._waiting:
            key = next(iter(self._waiting))
            if now - self._waiting[key][0].time <= _RETRY and len(self._waiting) < _MOST_PROGRAMS:
                return
            self._settle(key)

    def _settle(self, key: tuple[int, str]) -> None:
        for refusal in self._waiting.pop(key):
            # Tasks that were gone when they were looked at are told by what another one has shown.
            refusal.denial.owner_ns = self._namespaces.get(key[1])
            if not refusal.passed:
                self._groups.add(refusal.denial)


def door_of(frames: list[str]) -> Optional[str]:
    """How the kernel was asked, from the functions on its stack, innermost first; None where nothing was refused."""
    found = set(frames)
    if not found or found & NOISE:
        return None
    known = next((door for function, door in DOORS if function in found), None)
    return known or next((name for name in frames if not _CHECKS.fullmatch(name)), None)


def _is_ip(name: str, program: Optional[str]) -> bool:
    return name == "ip" or (program or "").rpartition("/")[2] == "ip"


def _words(denial: Denial, check: _Check) -> str:
    """One sentence, the functions of the kernel after it."""
    who = "the opener of its socket" if denial.opener else "it"
    where = " < ".join(name for name in check.frames if not _CHECKS.fullmatch(name))
    return shown(f"{denial.name}[{check.tid}] was refused net_admin, which {who} lacks, at {where}")


def _add_process(denial: Denial) -> None:
    """What /proc says of a task that is still there; its id becomes that of its process."""
    place = f"/proc/{denial.pid}"
    try:
        status = read_bytes(place + "/status")
        if status[6 : status.index(b"\n")].decode("utf-8", "replace") != denial.name:
            return  # Another task by now, or in another namespace of pids.
        denial.uid = parse_credentials(status).euid
        denial.pid = int(status[status.index(b"\nTgid:") + 6 :].split(None, 1)[0])
        _path, denial.unit, denial.container = parse_cgroup(read_bytes(place + "/cgroup"))
        denial.unit = None if denial.container else denial.unit
        denial.user_ns = namespace_inode(place + "/ns/user", [])
        denial.owner_ns = owner_of(place + "/ns/net") if denial.door in _OWN_NETNS else None
        denial.executable = os.readlink(place + "/exe")
    except (OSError, ValueError, IndexError):
        pass


def _be_refused() -> int:
    """In a child: ask for what is refused without the capability, and cannot be done with it. Returns its pid."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    nothing = ctypes.create_string_buffer(24)
    if LIBC.capset(header, nothing) != 0:
        raise OSError("capset failed")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE) as asking:
        asking.sendto(_SETLINK_OF_NO_LINK, (0, 0))
    return os.getpid()


def owner_of(net_ns: str) -> Optional[int]:
    """Inode of the user namespace that owns a network namespace; None where that may not be known."""
    try:
        handle = os.open(net_ns, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        owner = fcntl.ioctl(handle, NS_GET_USERNS)
    except OSError:
        return None
    finally:
        os.close(handle)
    try:
        return os.fstat(owner).st_ino
    finally:
        os.close(owner)


def offers() -> list[str]:
    """What else this host has to show a refusal, one sentence each."""
    found = []
    try:
        with tracefs() as path:
            if os.path.exists(path + "/kprobe_events"):
                found.append(
                    "kprobe: a probe on the function netlink_ack of the kernel (kprobe_events in tracefs) shows each "
                    "refusal of any netlink family"
                )
    except TraceError:
        pass
    if _there("auditctl"):
        found.append(
            "audit rule: -a always,exit -F arch=b64 -S socket,bind,sendto,sendmsg -F exit=-EACCES records refusals by "
            "security modules, not those for lack of a capability"
        )
    if _there("bpftrace"):
        found.append("bpftrace: kprobe:netlink_ack /(int32)arg2 < 0/ shows each refusal of any netlink family")
    if _there("perf"):
        found.append("perf: perf trace -p PID shows the system calls of a program and their errors")
    if _there("strace"):
        found.append("strace: strace -f -e trace=network PROGRAM shows the kernel's answer to each request")
    return found


def _there(program: str) -> bool:
    return shutil.which(program, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") is not None
