# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of change, by the name that stands in receipts. A new kind is imported and listed here, nothing else."""

from __future__ import annotations

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import ActivationChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._kernel_module import KernelModuleChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._link import LinkChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_module import (
    SelinuxModuleChange,
    SelinuxPermissiveChange,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_values import (
    SelinuxBooleanChange,
    SelinuxContextChange,
    SelinuxLabelChange,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._sysctl import SysctlChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._xattr import XattrChange

KINDS: dict[str, type[Change]] = {
    kind.kind: kind
    for kind in (
        FileChange,
        XattrChange,
        SysctlChange,
        LinkChange,
        KernelModuleChange,
        SelinuxModuleChange,
        SelinuxBooleanChange,
        SelinuxContextChange,
        SelinuxLabelChange,
        SelinuxPermissiveChange,
        ActivationChange,
    )
}
