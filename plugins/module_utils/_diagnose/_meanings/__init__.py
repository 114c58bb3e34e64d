# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refusal means: (what was asked, errno) -> causes it can and cannot have, and where to look next.

RULES is one table; the first row that fits wins, and the last row of every subject takes any errno. A cause is ruled
out only where the kernel's order of checks proves that it cannot give this answer: a wrong "no" is worse than a long
list.
"""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._meanings._ack import (
    ACK,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._meanings._calls import (
    NAMESPACES,
    SYSCALLS,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._meanings._elsewhere import (
    ELSEWHERE,
    SECURITY,
    UNKNOWN,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._meanings._files import (
    DEVICES,
    FILES,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._meanings._words import (
    CAUSES,
    LINKS,
    PLATFORM,
    PRIVILEGE_CAUSES,
    Exclusion,
    Meaning,
    Rule,
    can,
    none_of,
)

__all__ = [
    "CAUSES",
    "EXTACK_ALSO",
    "EXTACK_EXCLUDES",
    "EXTACK_NEXT",
    "EXTACK_UNKNOWN",
    "RULES",
    "Exclusion",
    "Meaning",
    "Rule",
    "rule_for",
]

RULES: tuple[Rule, ...] = ACK + SYSCALLS + DEVICES + FILES + NAMESPACES + ELSEWHERE + SECURITY + UNKNOWN

# An answer with a text of the kernel's own is about the object: the refusal for lack of a capability never carries one.
EXTACK_UNKNOWN: tuple[Meaning, ...] = (
    can("link_state", "the kernel's text names the state of the object it objects to"),
    can("driver_refused", "drivers use such texts for what they do not do"),
    can("unknown", "the text is not in the catalogue: read it"),
)

EXTACK_ALSO = {
    "module_missing": (
        PLATFORM,
        can("selinux_denied", "the domain may not make the kernel load a module (system module_request)"),
    ),
    "link_state": (can("driver_refused", "some drivers use the same words for what they do not do"),),
}

EXTACK_EXCLUDES = none_of(
    PRIVILEGE_CAUSES, "the kernel sends no text of its own when it refuses for lack of a capability"
)

EXTACK_NEXT = ("Believe the kernel's text and mend what it names.", LINKS)


def rule_for(subject: str, errno: Optional[str]) -> Rule:
    """The first rule of the table for what was asked and how it was answered (None: the errno is not known)."""
    for row in RULES:
        if subject in row.subjects and (not row.errnos or errno in row.errnos):
            return row
    raise KeyError(subject)
