# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system calls by which netlink and namespaces are reached, by architecture as audit records name it.

Sources: include/uapi/linux/audit.h (AUDIT_ARCH_*), the syscall tables of arch/*/ and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

_X86_64 = {
    1: "write",
    16: "ioctl",
    41: "socket",
    44: "sendto",
    46: "sendmsg",
    49: "bind",
    54: "setsockopt",
    56: "clone",
    59: "execve",
    257: "openat",
    272: "unshare",
    307: "sendmmsg",
    308: "setns",
    435: "clone3",
    437: "openat2",
}
_GENERIC = {
    29: "ioctl",
    56: "openat",
    64: "write",
    97: "unshare",
    198: "socket",
    200: "bind",
    206: "sendto",
    208: "setsockopt",
    211: "sendmsg",
    220: "clone",
    221: "execve",
    268: "setns",
    269: "sendmmsg",
    435: "clone3",
    437: "openat2",
}
_I386 = {
    4: "write",
    54: "ioctl",
    102: "socketcall",
    120: "clone",
    295: "openat",
    310: "unshare",
    345: "sendmmsg",
    346: "setns",
    359: "socket",
    361: "bind",
    369: "sendto",
    370: "sendmsg",
    435: "clone3",
}

SYSCALLS: dict[str, dict[int, str]] = {
    "c000003e": _X86_64,
    "c00000b7": _GENERIC,  # aarch64
    "c00000f3": _GENERIC,  # riscv64
    "40000003": _I386,
}
