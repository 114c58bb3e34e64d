# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs themselves said of a refusal. What words count is for the caller to say; here is a look that is cheap.

Anybody can write such a line, also one that looks like a record of the kernel's: it never counts as one.
"""

from __future__ import annotations

import re
from typing import Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._text import shown
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial

# (operation or None, layer, name of the errno or None) of a line that words a refusal of netlink, None for others.
Recognise = Callable[[str], Optional[tuple[Optional[str], str, Optional[str]]]]

# One of these is in every line that counts, and in few others; as a pattern of PCRE and of Python, any case.
WORDS = (
    "netlink|rtnl|RTM_|SIOC|TUNSETIFF|CreateTUN|/dev/net/tun|net_admin|net_raw|_SETPCAP|not permitted|permission denied"
    "|not supported by protocol|protocol not supported|family not supported|read-only file|\\bEPERM\\b|\\bEACCES\\b"
    "|rf-kill|iptables|ip6tables|nftables|xtables|cache initialization|AF_NETLINK|getifaddrs|uv_interface|bwrap"
    "|namespace|/ns/net|\\bunshare|setns|uid_?map|gid_?map|sysctl|/proc/sys/net|wireguard|\\bwg[0-9-]|nexthop"
    "|cannot find device|resource busy|macvlan|ipvlan|bond|capabilit|ConditionCapability|cap_add|must be root|as root"
    "|Dump terminated|already has an IP|key was rejected|Required key|could not insert|finit_module|genl|nl80211"
    "|ethtool|tunnel interface|bridge addr|ioctl|SUID/SGID|lookup|buffer size|curl \\(|_Socket|raw socket|^Socket"
)
_MAYBE = re.compile(WORDS, re.IGNORECASE | re.ASCII)
# A text that each of the words holds, in small letters: to look for these takes a tenth of the time.
_CORES = (
    *("netlink", "rtnl", "rtm_", "sioc", "tunsetiff", "createtun", "/dev/net/tun", "net_admin", "net_raw", "_setpcap"),
    *("not permitted", "permission denied", "not supported", "read-only file", "eperm", "eacces", "rf-kill", "tables"),
    *("cache initialization", "getifaddrs", "uv_interface", "bwrap", "namespace", "/ns/net", "unshare", "setns"),
    *("idmap", "id_map", "sysctl", "/proc/sys/net", "wireguard", "wg", "nexthop", "cannot find device"),
    *("resource busy", "macvlan", "ipvlan", "bond", "capabilit", "cap_add", "be root", "as root", "dump terminated"),
    *("already has an ip", "key was rejected", "required key", "could not insert", "finit_module", "genl", "nl80211"),
    *("ethtool", "tunnel interface", "bridge addr", "ioctl", "suid/sgid", "lookup", "buffer size", "curl (", "socket"),
    "protocol not",
)
LONGEST = 2000  # characters of a line that are looked at


def may_count(line: str) -> bool:
    """Whether a line is worth a closer look."""
    small = line.lower()
    return any(core in small for core in _CORES) and _MAYBE.search(line) is not None


def parse_line(source: str, line: str, time: float, recognise: Recognise) -> Optional[Denial]:
    """The denial that a program's own line words, None where it words none; who said it is still to be filled in."""
    line = line[:LONGEST]
    if not may_count(line):
        return None
    words = recognise(line)
    if words is None:
        return None
    operation, layer, error = words
    return Denial(source, "program", operation or "request", layer, time, time, errno=error, text=shown(line.strip()))
