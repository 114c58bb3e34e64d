# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps with which a test process gives itself credentials. Independent of the collection's own code on purpose."""

from __future__ import annotations

import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4

ALL = (1 << 41) - 1
SETUID, SETPCAP, NET_ADMIN, NET_RAW = 1 << 7, 1 << 8, 1 << 12, 1 << 13
NOROOT, NO_SETUID_FIXUP, KEEP_CAPS = 1, 4, 16
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET, CLONE_FS = 0x20000, 0x10000000, 0x40000000, 0x200


def check(result: int) -> int:
    """The result of a call of the C library; raises OSError for a negative one."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def prctl(option: int, first: int = 0, second: int = 0) -> int:
    return check(LIBC.prctl(option, first, second, 0, 0))


def capset(effective: int, permitted: int, inheritable: int) -> None:
    sets = (effective, permitted, inheritable)
    data = struct.pack("=6I", *(item & 0xFFFFFFFF for item in sets), *(item >> 32 for item in sets))
    check(LIBC.capset(struct.pack("=Ii", 0x20080522, 0), data))


def filter_system_calls() -> None:
    """Install a seccomp filter that lets everything pass."""
    prctl(38, 1)
    allow = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000))
    program = ctypes.create_string_buffer(struct.pack("@HP", 1, ctypes.addressof(allow)))
    prctl(22, 2, ctypes.addressof(program))


def own_sets() -> dict[str, int]:
    with open("/proc/self/status", encoding="ascii") as status:
        return {line[:6]: int(line.split()[1], 16) for line in status if line.startswith("Cap")}


def unshare(flags: int) -> None:
    check(LIBC.unshare(flags))


def become(
    uids: tuple[int, int, int] | None = None,
    gids: tuple[int, int, int] | None = None,
    groups: tuple[int, ...] = (),
    *,
    permitted: int | None = None,
    effective: int | None = None,
    inheritable: int = 0,
    ambient: int = 0,
    without: int = 0,
    nnp: bool = False,
    securebits: int = 0,
) -> None:
    """Take credentials exactly: nothing of what the kernel does by itself at a change of uid is relied on.

    permitted None keeps every capability for uid 0 and none for others; effective None is permitted; without: bits to
    drop from the bounding set. securebits are set last.
    """
    prctl(28, prctl(27) | NO_SETUID_FIXUP)
    os.setgroups(list(groups))
    if gids is not None:
        os.setresgid(*gids)
    if uids is not None:
        os.setresuid(*uids)
    have = own_sets()["CapPrm"]
    if permitted is None:
        permitted = have if uids is None or 0 in uids[1:2] else 0
    permitted = (permitted | ambient) & have
    effective = permitted if effective is None else (effective | ambient) & permitted
    capset(have, have, (inheritable | ambient) & have)
    for bit in range(41):
        if without >> bit & 1:
            prctl(24, bit)
    # The securebits that lock nothing can be set only as long as CAP_SETPCAP is held.
    prctl(28, securebits)
    capset(effective, permitted, (inheritable | ambient) & have)
    for bit in range(41):
        if ambient >> bit & 1:
            prctl(47, 2, bit)
    if nnp:
        prctl(38, 1)
