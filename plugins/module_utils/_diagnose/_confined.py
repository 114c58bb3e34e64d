# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The causes that only a workload of a unit or in a container can meet."""

from __future__ import annotations

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._causes import (
    container_without_capability,
    seccomp_denied,
    unit_sandbox,
)

# A filter answers before the capability is asked for.
CONFINED = (seccomp_denied, unit_sandbox, container_without_capability)
