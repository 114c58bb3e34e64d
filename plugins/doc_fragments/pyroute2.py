# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that need pyroute2."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of ship_pyroute2, of the private option that goes with it, and of the requirement."""

    DOCUMENTATION = r"""
options:
  ship_pyroute2:
    description:
      - Bring the controller's copy of pyroute2 to a node that has none. It is checked by its SHA-256 and kept in
        C(/var/lib/netlink-remediation) (in C(~/.cache/netlink-remediation) for other users than root), which only its
        owner can write. In check mode it is not kept.
      - If V(false), a copy that was shipped earlier is not used either.
    type: bool
    default: true
  _pyroute2_path:
    description: For internal use of the action plugin. Where the shipped copy of pyroute2 lies.
    type: path
requirements:
  - pyroute2 (0.7 to 0.9) for the Python of the managed node, for another Python under C(/usr/bin/python3),
    C(/usr/libexec/platform-python) or C(/usr/local/bin/python3) there, or on the controller.
"""
