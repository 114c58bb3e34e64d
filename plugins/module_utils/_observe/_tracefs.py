# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of tracefs of our own: what is traced in one is seen nowhere else, and no global state is touched.

An instance is removed again in any case. One whose process was killed is removed by the next that comes along.
Source: Documentation/trace/ftrace.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC

# The same numbers on every architecture, since they are newer than the unified table (Linux 5.2).
_SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT = 430, 431, 432
_FLAG_CLOEXEC = 1
_FSCONFIG_CMD_CREATE = 6
_PREFIX = "netlink-remediation-"
_OURS = re.compile(_PREFIX + r"([0-9]{1,10})(?:-[a-z]{1,20})?")
_MOST_KILOBYTES = 16384  # of all processors together
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_MOST_READS = 64  # at a time; each gives some 4 KiB
_CALM = 0.05  # seconds between two looks while nothing is known to wait


class TraceError(Exception):
    """Why there is no tracing; the message is one sentence."""


@contextmanager
def tracefs() -> Iterator[str]:
    """The path of tracefs, mounted where nobody else sees it if it is mounted nowhere. Raises TraceError."""
    path = _mounted()
    if path is not None:
        yield path
        return
    handle = _mount()
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _mounted() -> Optional[str]:
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            words = line.split(" ")
            if words[2] == "tracefs" and os.path.isdir(words[1] + "/instances"):
                return words[1]
    return None


def _mount() -> int:
    """A descriptor of tracefs as a mount that is attached nowhere, and is gone with the descriptor."""
    made = [int(LIBC.syscall(_SYS_FSOPEN, b"tracefs", _FLAG_CLOEXEC))]
    number = ctypes.get_errno()
    try:
        if made[0] >= 0 and LIBC.syscall(_SYS_FSCONFIG, made[0], _FSCONFIG_CMD_CREATE, None, None, 0) == 0:
            mounted = int(LIBC.syscall(_SYS_FSMOUNT, made[0], _FLAG_CLOEXEC, 0))
            if mounted >= 0:
                return mounted
        number = ctypes.get_errno() if made[0] >= 0 else number
    finally:
        if made[0] >= 0:
            os.close(made[0])
    reasons = {errno.ENODEV: "the kernel has none", errno.ENOSYS: "the kernel is older than 5.2"}
    reason = reasons.get(number, "it needs root of the host, and a kernel that is not locked down for confidentiality")
    raise TraceError(f"tracefs is not mounted and cannot be ({errno_name(number)}): {reason}")


class Instance:
    """An instance that exists. lost(): events that found no room, or were overwritten before they were read."""

    def __init__(self, path: str) -> None:
        """path: its directory."""
        self.path = path
        self._pipe = os.open(path + "/trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rest = b""

    def write(self, name: str, value: str) -> None:
        """Write to one of its files. Raises OSError."""
        with open(f"{self.path}/{name}", "w", encoding="ascii") as file:
            file.write(value)

    def lines(self) -> list[bytes]:
        """The whole lines that are there by now, or the first of them where there are very many."""
        data = [self._rest]
        try:
            while len(data) < _MOST_READS:
                data.append(os.read(self._pipe, 1 << 16))
        except BlockingIOError:
            pass
        lines = b"".join(data).split(b"\n")
        self._rest = lines.pop()[: 1 << 16]
        return lines

    def wait(self, seconds: float) -> None:
        """Wait until there is something to read, or the time is over."""
        waiting = select.poll()
        waiting.register(self._pipe, select.POLLIN)
        waiting.poll(max(0, int(seconds * 1000)))

    def lost(self) -> int:
        """How many events were lost, of all processors."""
        found = 0
        for name in os.listdir(self.path + "/per_cpu"):
            with open(f"{self.path}/per_cpu/{name}/stats", encoding="ascii", errors="replace") as stats:
                for line in stats:
                    what, _colon, value = line.partition(":")
                    if what in ("overrun", "dropped events"):
                        found += int(value)
        return found

    def close(self) -> None:
        """Stop tracing and let go of its files."""
        for name, value in (("tracing_on", "0"), ("events/enable", "0")):
            try:
                self.write(name, value)
            except OSError:
                pass
        os.close(self._pipe)


@contextmanager
def instance(tracefs_path: str, name: str, kilobytes: int) -> Iterator[Instance]:
    """An instance for the time of a with statement. kilobytes: of its buffer for each processor, at most.

    A signal that would end this process ends it when the instance is gone. Raises TraceError.
    """
    path = f"{tracefs_path}/instances/{_PREFIX}{os.getpid()}-{name}"
    _tidy(tracefs_path + "/instances")
    with _signals_wait():
        try:
            os.mkdir(path)
        except OSError as exc:
            raise TraceError(f"no instance of tracefs can be made ({errno_name(exc.errno or 0)})") from None
        opened: Optional[Instance] = None
        try:
            opened = Instance(path)
            share = max(4, min(kilobytes, _MOST_KILOBYTES // (os.cpu_count() or 1)))
            opened.write("buffer_size_kb", str(share))
            yield opened
        except OSError as exc:
            raise TraceError(f"tracing cannot be set up ({errno_name(exc.errno or 0)})") from None
        finally:
            with _signals_off():
                if opened is not None:
                    opened.close()
                _remove(path)


class _StoppedError(BaseException):
    """A signal asked for the end."""


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Signals that end the process raise an exception inside, and are sent again when all is tidied up."""
    caught: list[int] = []

    def stop(number: int, _frame: Optional[FrameType]) -> None:
        caught.append(number)
        raise _StoppedError

    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    kept = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    except _StoppedError:
        pass
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    if caught:
        signal.raise_signal(caught[0])


@contextmanager
def _signals_off() -> Iterator[None]:
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)


def _remove(path: str) -> None:
    """Remove an instance, which the kernel refuses for as long as somebody has a file of it open."""
    for _attempt in range(60):
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(_CALM)


def _tidy(directory: str) -> None:
    """Remove what a process that was killed has left behind."""
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        match = _OURS.fullmatch(name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            try:
                os.rmdir(f"{directory}/{name}")
            except OSError:
                continue
