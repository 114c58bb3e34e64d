#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl_settings
short_description: Set sysctls now and for the next boot
version_added: "0.1.0"
description:
  - Sets any number of sysctls in one call, the values in force and a file that is applied at boot.
  - Everything is checked before anything is written, in check mode too. An unknown key, a key that cannot be written
    and a value that the kernel refuses (tried in a network namespace made for that only) are errors.
  - A value counts as set when its line has the last word at the next boot. Another line that would win, in a file that
    sorts later or in the configuration of a service such as ufw, is an error that names file and line.
  - Any spelling of a key of sysctl.d(5) is the same key. Other lines of the file, and its comments, stay as they are.
  - Setting C(net.ipv4.ip_forward), C(conf.all) or C(conf.default) moves the values of links. A revert of the receipt
    gives each link its own value back.
options:
  settings:
    description:
      - The sysctls with their values, such as C(net.ipv4.ip_forward=1). A boolean is written as V(1) or V(0).
      - With O(state=absent) the values do not matter.
    type: dict
    required: true
  state:
    description:
      - V(present) gives the sysctls their values.
      - V(absent) removes them from O(path), and from files that O(supersede) made. The values in force stay; only a
        receipt restores them.
    type: str
    choices: [present, absent]
    default: present
  path:
    description:
      - Absolute path of the file that is applied at boot. It must lie in a C(sysctl.d) directory and end in C(.conf).
      - V(/etc/sysctl.conf) is taken only where it is read at boot, which C(systemd-sysctl) does through a link only.
    type: path
    default: /etc/sysctl.d/99-zz-netlink-remediation.conf
  persist:
    description: Whether the sysctls are written to O(path).
    type: bool
    default: true
  runtime:
    description: Whether the values in force are set.
    type: bool
    default: true
  netns:
    description:
      - Path of the network namespace in which the values in force are set, such as V(/run/netns/blue).
      - Files are applied to the initial network namespace only, so for another one O(persist) must be V(false).
      - Default is the network namespace in which the module runs.
    type: path
  supersede:
    description:
      - Whether a line that would win at boot is outdone by a further file, in C(/etc/sysctl.d), whose name sorts after
        that of its file. Files of others are never edited.
      - With V(false) such a line is an error.
    type: bool
    default: false
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.changes
  - netlink.remediation.change
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.sysctl_facts
  - module: netlink.remediation.receipt
"""

EXAMPLES = r"""
- name: Forward IPv4, now and after the next boot
  netlink.remediation.sysctl_settings:
    settings:
      net.ipv4.ip_forward: 1

- name: Loose reverse path filtering on a VLAN, although another file says otherwise
  netlink.remediation.sysctl_settings:
    settings:
      net.ipv4.conf.eth0/100.rp_filter: 2
    supersede: true

- name: Enable IPv6 in a named network namespace
  netlink.remediation.sysctl_settings:
    settings:
      net.ipv6.conf.all.disable_ipv6: 0
    netns: /run/netns/blue
    persist: false

- name: No longer set forwarding at boot
  netlink.remediation.sysctl_settings:
    settings:
      net.ipv4.ip_forward:
    state: absent
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(sysctl) for a value in force, V(file) for a file.
      type: str
    target:
      description: The dotted key (with its namespace, if it is not the own one) or the path.
      type: str
    before:
      description: The value, or what the file was.
      type: raw
    after:
      description: The same after the change.
      type: raw
    workloads:
      description: Names of the workloads it was made for.
      type: list
      elements: str
  sample:
    - kind: sysctl
      target: net.ipv4.ip_forward
      before: "0"
      after: "1"
      workloads: []
receipt:
  description: The record on the host by which the changes can be reverted; null in check mode and if nothing changed.
  returned: success
  type: dict
  contains:
    id:
      description: Name of the receipt, for M(netlink.remediation.receipt).
      type: str
    path:
      description: Where it lies.
      type: str
disrupts:
  description: Sentences on what the changes interrupt.
  returned: success
  type: list
  elements: str
restart_required:
  description: Always empty, as sysctls are in force at once.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: What must be restarted.
      type: str
    name:
      description: Its name.
      type: str
unvalidated:
  description: Sentences on values that could not be tried without setting them.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import require_root
from ansible_collections.netlink.remediation.plugins.module_utils._change._sysctl_plan import DEFAULT_PATH, plan_sysctls
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import (
    CHANGE_ARGUMENTS,
    run_changes,
)


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "path": {"type": "path", "default": DEFAULT_PATH},
            "persist": {"type": "bool", "default": True},
            "runtime": {"type": "bool", "default": True},
            "netns": {"type": "path"},
            "supersede": {"type": "bool", "default": False},
            **CHANGE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        require_root()
        plan = plan_sysctls(module.params)
        result = run_changes(module, plan.changes, unvalidated=plan.unvalidated)
    except ChangeError as exc:
        module.fail_json(msg=str(exc))
    for text in plan.warnings:
        module.warn(text)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
