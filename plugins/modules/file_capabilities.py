#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: file_capabilities
short_description: Set file capabilities
version_added: "0.1.0"
description:
  - Sets, adds and removes the file capabilities (capabilities(7), setcap(8)) of any number of files in one call. The
    extended attribute C(security.capability) is read and written as the bytes that the kernel keeps. No program is
    run.
  - Everything is checked before anything is written, in check mode too. All files are changed, or none.
  - Only files are changed that belong to root and that nobody else can write, and the same holds for all directories
    above them. There is no option to do otherwise. Only a directory of root with the sticky bit, such as C(/tmp), may
    stand above such directories. Symbolic links are followed where they belong to root.
  - A capability that would have no effect is an error, for a script (the kernel looks at its interpreter) and on a
    mount with C(nosuid).
  - A running process gains nothing. The program has to be started anew.
options:
  files:
    description:
      - The files. Several entries may name the same file if they do not contradict each other. They are applied in
        order.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path of the file.
        type: path
        required: true
      capabilities:
        description:
          - A text as of cap_from_text(3), such as V(cap_net_admin+ep) or V(cap_net_admin=eip cap_net_raw=ep); or a
            dictionary with the lists C(permitted) and C(inheritable) and the boolean C(effective).
          - A file has one effective flag, which holds for all its capabilities.
          - With O(files[].state=absent) also names alone, such as V(cap_net_admin,cap_net_raw), for all their flags;
            and without this option the whole file capability is removed.
        type: raw
      rootid:
        description:
          - The uid, in the user namespace of the module, of the root of the user namespace that the file capability
            shall be good for. C(0) is the user namespace of the module.
          - Default is what the file has, else C(0). A file capability for one user namespace is never widened.
        type: int
      state:
        description:
          - V(present) adds the flags. A file that has more is left as it is.
          - V(exact) replaces what the file has.
          - V(absent) removes the flags named by O(files[].capabilities), or everything.
        type: str
        choices: [present, exact, absent]
        default: present
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.changes
  - netlink.remediation.change
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.capability_facts
  - module: netlink.remediation.receipt
"""

EXAMPLES = r"""
- name: Let a dedicated binary administer the network, for who may execute it
  netlink.remediation.file_capabilities:
    files:
      - path: /usr/local/lib/vpn/helper
        capabilities: cap_net_admin+ep

- name: Nothing but this
  netlink.remediation.file_capabilities:
    files:
      - path: /usr/local/lib/vpn/helper
        capabilities:
          permitted: [cap_net_admin, cap_net_raw]
          inheritable: [cap_net_admin]
          effective: true
        state: exact

- name: No file capability any more
  netlink.remediation.file_capabilities:
    files:
      - path: /usr/local/bin/old-helper
        state: absent

- name: A tool that everybody uses (what this widens has to be accepted)
  netlink.remediation.file_capabilities:
    files:
      - path: /usr/sbin/tc
        capabilities: cap_net_admin+ep
    accept: [shared_tool]
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. One entry for each file.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Always V(xattr).
      type: str
    target:
      description: The path without symbolic links, and the name of the extended attribute.
      type: str
    before:
      description:
        - Null for no file capability, else the canonical text (C(capabilities)) and the bytes as hex (C(xattr)).
      type: dict
    after:
      description: The same after the change.
      type: dict
    workloads:
      description: Names of the workloads it was made for.
      type: list
      elements: str
  sample:
    - kind: xattr
      target: /usr/local/lib/vpn/helper security.capability
      before: null
      after:
        capabilities: cap_net_admin=ep
        xattr: "0100000200100000000000000000000000000000"
      workloads: []
receipt:
  description: The record on the host by which the changes can be reverted; null in check mode and if nothing changed.
  returned: success
  type: dict
  contains:
    id:
      description: Its id, for O(netlink.remediation.receipt#module:id).
      type: str
    path:
      description: Where it lies on the host.
      type: str
  sample:
    id: 20260301T101500.123456Z-5f2a90
    path: /var/lib/netlink-remediation/receipts/20260301T101500.123456Z-5f2a90.json
disrupts:
  description: What the changes interrupt; nothing, for this module.
  returned: success
  type: list
  elements: str
  sample: []
restart_required:
  description: What has to be restarted for the changes to take effect; this module does not know the programs' users.
  returned: success
  type: list
  elements: dict
  sample: []
unvalidated:
  description: What could not be tried without doing it.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._file_capabilities import run_files
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import CHANGE_ARGUMENTS

FILE_ARGUMENTS = {
    "path": {"type": "path", "required": True},
    "capabilities": {"type": "raw"},
    "rootid": {"type": "int"},
    "state": {"type": "str", "choices": ["present", "exact", "absent"], "default": "present"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_ARGUMENTS},
            **CHANGE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run_files(module))
    except ChangeError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
