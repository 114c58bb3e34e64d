# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that change a host."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of accept and run_id."""

    DOCUMENTATION = r"""
options:
  accept:
    description:
      - What may be done although it widens privilege or interrupts something. Without the word the module fails and
        says which one it needs.
      - All modules of the collection take the same words, and each looks at those that concern it.
      - V(restart) lets a unit, container or daemon be restarted, V(recreate) lets a container be made anew.
      - V(own_connection) lets the link, address or route be changed that carries the connection of Ansible itself.
      - V(interpreter) lets a file capability or an AppArmor profile be given to an interpreter or shell, V(shared_tool)
        to a tool that everybody uses, such as C(ip) or C(busybox).
      - V(world_userns) lets a sysctl or a rule of AppArmor for all programs open user namespaces to all users.
      - V(userns_remap_off) lets the user namespace remapping of a container engine be switched off.
      - V(selinux_permissive) and V(profile_off) let a security module stop refusing for a domain or profile.
    type: list
    elements: str
    choices:
      - restart
      - recreate
      - own_connection
      - interpreter
      - shared_tool
      - world_userns
      - userns_remap_off
      - selinux_permissive
      - profile_off
    default: []
  run_id:
    description:
      - A name for the run that this call belongs to, so that M(netlink.remediation.receipt) can revert all calls of a
        run together. Any text; best set for all modules with C(module_defaults) of the group
        C(netlink.remediation.netlink_change).
      - Default is the id of the receipt, so that each call is a run of its own.
    type: str
notes:
  - Needs root. Changes are made under a lock, C(/var/lib/netlink-remediation/lock), which is waited for 60 seconds.
  - Before the first change a receipt is written, so that a run that was killed at any point can be reverted with
    M(netlink.remediation.receipt).
"""
