# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host recorded of refusals, with programs' own words recognised: readers of logs and words of the catalogue."""

from __future__ import annotations

from collections.abc import Collection
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials import SOURCES, Ask, read
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._audit_log import AUDIT_LOG
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

_RECORDS = ("apparmor_", "selinux_", "seccomp_log", "module_probe")


def read_denials(
    since: float,
    *,
    sources: Collection[str] = SOURCES,
    ask: Optional[Ask] = None,
    unseen: list[Unseen],
    audit_log: str = AUDIT_LOG,
    ausearch: bool = False,
) -> list[Denial]:
    """The denials that were recorded since a time (seconds since the epoch), the newest first; see _observe._denials.

    ask: runs a command, given as words. What could not be read or was left out is appended to `unseen`.
    """
    return read(
        since,
        sources=sources,
        ask=ask,
        recognise=recognise_line,
        unseen=unseen,
        audit_log=audit_log,
        ausearch=ausearch,
    )


def recognise_line(line: str) -> Optional[tuple[Optional[str], str, Optional[str]]]:
    """(operation, layer, errno) of a line that words a refusal, None for others.

    A program that passes on a record of a security module, as the daemons of the audit system do, was not refused.
    """
    # Imported here: the wordings are many, and most hosts' logs have no line that is worth the look.
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._recognise import recognise

    words = recognise(line)
    if words is None or words.subject.startswith(_RECORDS):
        return None
    return words.operation, words.layer, words.errno
