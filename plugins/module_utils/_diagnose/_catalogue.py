# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole catalogue of causes, in the order of judgement."""

from __future__ import annotations

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose import PRIVILEGE
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._causes import (
    already_exists,
    driver_refused,
    link_state,
    module_missing,
    sysctl,
    unknown,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._confined import CONFINED
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._secured import SECURED
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Cause

# Causes that only a workload meets that names a link, an address, a route or forwarding.
OBJECT = (link_state, driver_refused, sysctl, already_exists)
# Those that only a workload meets that needs code of the kernel which not every kernel has.
CODE = (module_missing,)
CAUSES: tuple[Cause, ...] = (
    *(module.CAUSE for module in CONFINED + PRIVILEGE + SECURED + OBJECT + CODE),
    unknown.CAUSE,
)
