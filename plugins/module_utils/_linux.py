# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the kernel: capability names, the file-capability xattr, errno names, ioctl numbers.

Storey 0: imports nothing of this collection, does no I/O.
Sources: capabilities(7), include/uapi/linux/capability.h, include/uapi/linux/nsfs.h.
"""

from __future__ import annotations

import errno
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

TUN = "/dev/net/tun"

# Bit number = position. capabilities(7), include/uapi/linux/capability.h.
CAPABILITIES = (
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
)
ALL_CAPABILITIES = (1 << len(CAPABILITIES)) - 1

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SETUID = 7
CAP_NET_ADMIN = 12
CAP_SYS_MODULE = 16
CAP_SYS_PTRACE = 19
CAP_SYS_ADMIN = 21

# ioctl numbers of nsfs, include/uapi/linux/nsfs.h
NS_GET_USERNS = 0xB701
NS_GET_PARENT = 0xB702
NS_GET_NSTYPE = 0xB703
NS_GET_OWNER_UID = 0xB704

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_SYSVSEM = 0x00040000

# Netlink protocols (the Eth column of /proc/net/netlink), include/uapi/linux/netlink.h
NETLINK_ROUTE = 0
NETLINK_XFRM = 6
NETLINK_NETFILTER = 12
NETLINK_GENERIC = 16

# Name (comm) of the children that send probes: what the kernel records of them is no evidence of anybody's trouble.
PROBE_NAME = "netlink-probe"

# The uid that the kernel shows where an id has no mapping, /proc/sys/kernel/overflowuid.
OVERFLOW_UID = 65534

FILE_CAPABILITY_XATTR = "security.capability"


def errno_name(number: int) -> str:
    """Name of an errno, e.g. 1 -> "EPERM"; a number without a name becomes "errno N"."""
    # Python calls number 95 ENOTSUP, the kernel and its manual pages EOPNOTSUPP.
    return "EOPNOTSUPP" if abs(number) == errno.EOPNOTSUPP else errno.errorcode.get(abs(number), f"errno {abs(number)}")


def capability_bit(name: str) -> int:
    """Bit number of a capability name (any case, with or without "cap_").

    Raises ValueError with one sentence for a name that the kernel does not know.
    """
    text = name.strip().lower()
    text = text if text.startswith("cap_") else "cap_" + text
    try:
        return CAPABILITIES.index(text)
    except ValueError:
        raise ValueError(
            f"unknown capability {name!r}: expected a name of capabilities(7) such as cap_net_admin"
        ) from None


def capability_mask(names: Iterable[str]) -> int:
    """Bit mask of capability names; raises ValueError for an unknown one."""
    mask = 0
    for name in names:
        mask |= 1 << capability_bit(name)
    return mask


def capability_names(mask: int) -> list[str]:
    """Names of the capabilities in a bit mask, in the kernel's order; bits without a name as "cap_NN"."""
    return [
        CAPABILITIES[bit] if bit < len(CAPABILITIES) else f"cap_{bit}"
        for bit in range(mask.bit_length())
        if mask >> bit & 1
    ]


@dataclass(frozen=True)
class FileCapability:
    """The content of a security.capability xattr (struct vfs_ns_cap_data).

    permitted, inheritable: bit masks; effective: the single effective flag of the file;
    version: 1, 2 or 3; rootid: uid of the root of the user namespace it is for (version 3), else None.
    """

    permitted: int = 0
    inheritable: int = 0
    effective: bool = False
    version: int = 2
    rootid: Optional[int] = None


_VERSION_SIZE = {1: 12, 2: 20, 3: 24}


def parse_file_capability(raw: bytes) -> FileCapability:
    """Decode the bytes of a security.capability xattr.

    Raises ValueError for bytes that are no valid structure. Source: include/uapi/linux/capability.h.
    """
    if len(raw) < 4:
        raise ValueError(f"security.capability holds {len(raw)} bytes, expected 12, 20 or 24")
    (magic,) = struct.unpack_from("<I", raw)
    version = magic >> 24
    if _VERSION_SIZE.get(version) != len(raw):
        raise ValueError(f"security.capability of version {version} holds {len(raw)} bytes, expected 12, 20 or 24")
    words = struct.unpack_from(f"<{(len(raw) - 4) // 4}I", raw, 4)
    if version == 1:
        permitted, inheritable = words[0], words[1]
    else:
        permitted, inheritable = words[0] | words[2] << 32, words[1] | words[3] << 32
    rootid = words[4] if version == 3 else None
    return FileCapability(permitted, inheritable, bool(magic & 1), version, rootid)


def pack_file_capability(capability: FileCapability) -> bytes:
    """Encode a FileCapability as xattr bytes: version 3 with a rootid, else version 2 (version 1 is only read)."""
    version = 2 if capability.rootid is None else 3
    magic = version << 24 | int(capability.effective)
    low = 0xFFFFFFFF
    words = [
        magic,
        capability.permitted & low,
        capability.inheritable & low,
        capability.permitted >> 32,
        capability.inheritable >> 32,
    ]
    if capability.rootid is not None:
        words.append(capability.rootid)
    return struct.pack(f"<{len(words)}I", *words)


_CLAUSE = re.compile(r"^(?P<names>[A-Za-z0-9_,]*)(?P<actions>(?:[=+-][eip]*)+)$")
_ACTION = re.compile(r"([=+-])([eip]*)")


def parse_capability_text(text: str) -> FileCapability:
    """Parse the text form of cap_from_text(3), e.g. "cap_net_admin,cap_net_raw+ep cap_bpf=i".

    A file has a single effective flag for all its capabilities, so a text that makes only some of the permitted or
    inheritable capabilities effective cannot be stored and raises ValueError, as an unknown name or a syntax error
    does.
    """
    sets = {"e": 0, "i": 0, "p": 0}
    if not text.strip():
        raise ValueError("empty capability text: expected a text such as cap_net_admin+ep")
    for clause in text.split():
        match = _CLAUSE.match(clause)
        if not match or (not match["names"] and not match["actions"].startswith("=")):
            raise ValueError(
                f"capability text {text!r} is not understood at {clause!r}: expected e.g. cap_net_admin+ep"
            )
        names = [name for name in match["names"].split(",") if name]
        everything = not names or [name.lower() for name in names] == ["all"]
        mask = ALL_CAPABILITIES if everything else capability_mask(names)
        for operator, flags in _ACTION.findall(match["actions"]):
            for flag in "eip":
                if operator == "=":
                    sets[flag] = sets[flag] | mask if flag in flags else sets[flag] & ~mask
                elif flag in flags:
                    sets[flag] = sets[flag] | mask if operator == "+" else sets[flag] & ~mask
    present = sets["p"] | sets["i"]
    if sets["e"] and sets["e"] != present:
        raise ValueError(
            f"capability text {text!r} cannot be stored in a file: "
            "the effective flag of a file holds for all its capabilities or for none"
        )
    return FileCapability(sets["p"], sets["i"], bool(sets["e"]))


def format_capability_text(capability: FileCapability) -> str:
    """Canonical text of a FileCapability, e.g. "cap_net_admin=ep cap_net_raw=eip"; "=" when it holds none.

    Capabilities with the same flags share a clause; clauses stand in the order of their lowest capability.
    """
    clauses: dict[str, list[str]] = {}
    for name in capability_names(capability.permitted | capability.inheritable):
        mask = 1 << (CAPABILITIES.index(name) if name in CAPABILITIES else int(name[4:]))
        flags = "e" if capability.effective else ""
        flags += "i" if capability.inheritable & mask else ""
        flags += "p" if capability.permitted & mask else ""
        clauses.setdefault(flags, []).append(name)
    text = " ".join(",".join(names) + "=" + flags for flags, names in clauses.items())
    return (text or "=") + (f" [rootid={capability.rootid}]" if capability.rootid is not None else "")
