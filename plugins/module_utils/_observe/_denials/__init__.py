# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host recorded of refusals: readers of its logs. They never write, and believe of a log what can be believed.

Records of security modules count where the kernel or the audit system delivered them. What programs wrote is theirs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._audit_log import (
    AUDIT_LOG,
    read_audit_log,
    read_ausearch,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._kernel_log import read_kernel_log
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._programs import Recognise
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

SOURCES = ("audit", "kernel", "journal", "containers")
Ask = Callable[[list[str]], tuple[int, str, str]]


def read(
    since: float,
    *,
    sources: Collection[str] = SOURCES,
    ask: Optional[Ask] = None,
    recognise: Recognise,
    unseen: list[Unseen],
    audit_log: str = AUDIT_LOG,
    ausearch: bool = False,
) -> list[Denial]:
    """The denials that were recorded since a time (seconds since the epoch), grouped, the newest first.

    sources: of SOURCES; the audit log first, since an event is told best there and is counted once. ask: runs a
    command, given as words; without it there is no journal. recognise: see _programs. What could not be read or was
    left out is appended to `unseen`.
    """
    groups = Groups(since)
    if "audit" in sources:
        if ausearch and ask is not None:
            read_ausearch(ask, since, groups, unseen)
        else:
            read_audit_log(audit_log, since, groups, unseen)
    if "kernel" in sources:
        read_kernel_log(groups, unseen, ask)
    if "journal" in sources:
        # Imported here, as below: an AnsiballZ payload is compiled in each run.
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._journal import (
            is_there,
            read_journal,
        )

        if not (ask and is_there() and read_journal(ask, since, groups, recognise, unseen)):
            from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._syslog import (
                read_syslog,
            )

            if not read_syslog(since, groups, recognise, unseen):
                unseen.append(Unseen("journal", "there is no journal and no file of syslog"))
    if "containers" in sources:
        from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._container_logs import (
            read_container_logs,
        )

        read_container_logs(since, groups, recognise, unseen)
    return groups.result(unseen)
