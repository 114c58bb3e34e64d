# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that everybody uses: a capability on one of them is a capability for every user. Storey 0."""

from __future__ import annotations

import os
import re
from typing import Optional

# Names with a version or a variant after them count too: python3.11, bash5, lua5.4, bash-static; not shaper.
_INTERPRETERS = (
    *("python", "pypy", "perl", "ruby", "lua", "luajit", "php", "node", "nodejs", "bash", "dash", "ash", "ksh", "mksh"),
    *("zsh", "fish", "sh", "tclsh", "gawk", "mawk", "awk", "java", "guile"),
)
_INTERPRETER = re.compile(rf"({'|'.join(_INTERPRETERS)})([-.0-9][-.0-9a-z]*)?")
_SHARED = frozenset(
    [
        "ip",
        "tc",
        "bridge",
        "nft",
        "iptables",
        "ip6tables",
        "xtables-nft-multi",
        "ebtables",
        "ethtool",
        "ss",
        "iw",
        "wg",
        "brctl",
        "ifconfig",
        "route",
        "busybox",
        "toybox",
        "docker",
        "dockerd",
        "podman",
        "runc",
        "crun",
        "unshare",
        "nsenter",
        "bwrap",
        "setpriv",
        "capsh",
        "chroot",
        "sudo",
        "su",
        "env",
        "nohup",
        "timeout",
        "xargs",
        "find",
        "vi",
        "vim",
        "nano",
        "tcpdump",
        "nmap",
        "socat",
        "nc",
        "ncat",
        "gdb",
        "strace",
    ]
)


_LAUNCHER = re.compile(r"(bash|dash|ash|ksh|mksh|zsh|fish|sh|env)([-.0-9][-.0-9a-z]*)?")


def is_launcher(path: str) -> bool:
    """Whether a program only starts others, as shells and env do; those do not inherit its file capability."""
    return _LAUNCHER.fullmatch(os.path.basename(path)) is not None


def classify_tool(path: str) -> Optional[str]:
    """The word of consent that a capability on this program needs: interpreter, shared_tool, or None.

    Judged by the name of the file, so a dedicated copy under another name needs none.
    """
    name = os.path.basename(path)
    if name in _SHARED:
        return "shared_tool"
    return "interpreter" if _INTERPRETER.fullmatch(name) else None


def begins_tool(text: str) -> bool:
    """Whether the name of a program that needs such a word begins so."""
    return any(name.startswith(text) for name in (*_SHARED, *_INTERPRETERS))
