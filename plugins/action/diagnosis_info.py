# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller half of diagnosis_info: ships pyroute2 to a node that has none."""

from __future__ import annotations

from ansible_collections.netlink.remediation.plugins.plugin_utils._ship_pyroute2 import ShippingActionModule


class ActionModule(ShippingActionModule):
    """The module diagnosis_info, with the controller's pyroute2 where the node has none."""
