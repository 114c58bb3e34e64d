# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel log: /dev/kmsg, else what dmesg(1) gives out. Only what the kernel itself wrote is believed.

A program that writes to /dev/kmsg cannot use the facility of the kernel (devkmsg_write() in kernel/printk/printk.c).
"""

from __future__ import annotations

import os
import re
from typing import Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._audit import Events
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._text import shown
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

KMSG = "/dev/kmsg"
_LONGEST_RECORD = 1 << 14
_MOST_RECORDS = 1 << 20

# What the audit system says when it could not say all.
_LOST = re.compile(r"audit: audit_lost=([0-9]{1,12})|kauditd_printk_skb: ([0-9]{1,12}) callbacks suppressed")
_DMESG = re.compile(r"<([0-9]{1,4})>(?:\[[ 0-9.]{1,24}\] )?")


class KernelLog:
    """Takes the messages of the kernel in their order."""

    def __init__(self, groups: Groups, source: str = "kernel") -> None:
        """source: what Denial.source is to say."""
        self._events = Events(groups, source)
        self._lost = 0
        self._suppressed = 0

    def message(self, text: str) -> None:
        """One message, which the kernel wrote."""
        if "audit" not in text[:64] or self._events.kernel_line(text):
            return
        match = _LOST.search(text)
        if match and match[1]:
            self._lost = max(self._lost, int(match[1]))
        elif match:
            self._suppressed += int(match[2])

    def end(self, unseen: list[Unseen]) -> None:
        """Say what the kernel lost."""
        self._events.end()
        if self._lost:
            unseen.append(Unseen("kernel log", f"the audit system lost {self._lost} records"))
        if self._suppressed:
            unseen.append(Unseen("kernel log", f"{self._suppressed} records of the audit system were not printed"))


def read_kernel_log(
    groups: Groups, unseen: list[Unseen], ask: Optional[Callable[[list[str]], tuple[int, str, str]]] = None
) -> None:
    """Read all that the kernel's buffer holds. ask: runs dmesg where there is no /dev/kmsg."""
    log = KernelLog(groups)
    try:
        handle = os.open(KMSG, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as exc:
        if ask is None:
            unseen.append(Unseen(KMSG, errno_name(exc.errno or 0)))
            return
        _read_dmesg(ask, log, unseen)
    else:
        try:
            _read_kmsg(handle, log, unseen)
        finally:
            os.close(handle)
    log.end(unseen)


def _read_kmsg(handle: int, log: KernelLog, unseen: list[Unseen]) -> None:
    for _record in range(_MOST_RECORDS):
        try:
            record = os.read(handle, _LONGEST_RECORD)
        except BlockingIOError:
            return
        except BrokenPipeError:
            continue  # Overwritten before it was read: the next one follows.
        except OSError as exc:
            unseen.append(Unseen(KMSG, errno_name(exc.errno or 0)))
            return
        if not record:
            return
        head, _semicolon, text = record.partition(b";")
        if _of_kernel(head.partition(b",")[0]):
            log.message(text.partition(b"\n")[0].decode("utf-8", "replace"))


def _of_kernel(priority: bytes) -> bool:
    """Whether a record is of the facility of the kernel, 0; its three lowest bits are the level."""
    return priority.isdigit() and len(priority) < 5 and int(priority) >> 3 == 0


def _read_dmesg(ask: Callable[[list[str]], tuple[int, str, str]], log: KernelLog, unseen: list[Unseen]) -> None:
    code, out, err = ask(["dmesg", "--raw"])
    if code:
        unseen.append(Unseen("dmesg", shown(err.strip() or f"it failed with {code}", 200)))
        return
    for line in out.splitlines():
        match = _DMESG.match(line)
        if match and _of_kernel(match[1].encode()):
            log.message(line[match.end() :])
