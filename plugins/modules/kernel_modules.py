#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_modules
short_description: Load kernel modules of the network, now and at each boot
version_added: "0.1.0"
description:
  - Loads any number of kernel modules in one call, and has them loaded at boot.
  - A kernel loads most of them by itself when somebody with C(CAP_NET_ADMIN) asks for what they bring, such as a link
    kind. This module is for those that something keeps from that, for example a C(blacklist) line of modprobe.d(5).
    Such a line does not hold for a module's own name, which is why it can be loaded all the same; it is left as it is
    and named in a warning.
  - Everything is checked before anything is changed, in check mode too. A module that this kernel does not have, that
    an C(install) line or C(module_blacklist=) refuses, or that C(kernel.modules_disabled) refuses, is an error.
  - Only modules of the network are loaded, which are those below C(kernel/net) and C(kernel/drivers/net), and those
    that netlink asks for by an alias.
  - At boot, C(systemd-modules-load) reads C(/etc/modules-load.d/netlink-remediation.conf). It loads nothing that a
    C(blacklist) line names, so for such a module a drop-in lets it run C(modprobe) as well. On a host without systemd
    the lines go to C(/etc/modules).
  - A revert of the receipt unloads what was loaded, with the modules that came along. A module that is in use, of whose
    kind there is a link in any network namespace, or whose use nobody counts (such as C(nf_tables)) stays loaded until
    the next boot.
options:
  modules:
    description:
      - The modules. A dash and an underscore are the same.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the module, such as V(vxlan). Not one of its aliases.
        type: str
        required: true
      state:
        description:
          - V(present) loads the module. What is built into the kernel needs nothing.
          - V(absent) no longer has it loaded at boot. What is loaded stays; only a receipt unloads it.
        type: str
        choices: [present, absent]
        default: present
  persist:
    description:
      - Whether the modules are loaded at boot, too.
      - With V(false), V(modules[].state=absent) does nothing.
    type: bool
    default: true
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.changes
  - netlink.remediation.change
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.diagnosis_info
  - module: netlink.remediation.receipt
"""

EXAMPLES = r"""
- name: Have VXLAN links, which a blacklist line keeps from being loaded on demand
  netlink.remediation.kernel_modules:
    modules:
      - name: vxlan

- name: Load a queueing discipline until the next boot
  netlink.remediation.kernel_modules:
    modules:
      - name: sch_netem
    persist: false

- name: No longer load it at boot
  netlink.remediation.kernel_modules:
    modules:
      - name: vxlan
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
      description: V(kernel_module) for a module that is loaded, V(file) for a file.
      type: str
    target:
      description: The name of the module, or the path.
      type: str
    before:
      description: V(loaded) or V(not loaded), or what the file was.
      type: raw
    after:
      description: The same after the change.
      type: raw
    workloads:
      description: Names of the workloads it was made for.
      type: list
      elements: str
  sample:
    - kind: kernel_module
      target: vxlan
      before: not loaded
      after: loaded
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
  description: Always empty, as nothing is interrupted.
  returned: success
  type: list
  elements: str
restart_required:
  description: Always empty, as a module is there at once.
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
  description: Sentences on what could not be tried without doing it, such as whether the kernel accepts a signature.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._module_plan import plan_modules
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import require_root
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import (
    CHANGE_ARGUMENTS,
    run_changes,
)


def main() -> None:
    """Entry point of the module."""
    entry = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    module = AnsibleModule(
        argument_spec={
            "modules": {"type": "list", "elements": "dict", "required": True, "options": entry},
            "persist": {"type": "bool", "default": True},
            **CHANGE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        require_root()
        plan = plan_modules(module.params)
        result = run_changes(module, plan.changes, unvalidated=plan.unvalidated)
    except ChangeError as exc:
        module.fail_json(msg=str(exc))
    for text in plan.warnings:
        module.warn(text)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
