# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The causes that only a workload meets to which a security module gave a label."""

from __future__ import annotations

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._causes import (
    apparmor_denied,
    selinux_denied,
)

SECURED = (selinux_denied, apparmor_denied)
