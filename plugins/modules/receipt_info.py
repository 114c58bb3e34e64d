#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: receipt_info
short_description: List the changes made by this collection
version_added: "0.1.0"
description:
  - Lists the receipts on a host, which say what modules of this collection changed and what it was before.
  - Needs root, who alone may read them.
options:
  id:
    description: Only the receipt with this id. It is an error if there is none.
    type: str
  run_id:
    description: Only receipts of the run with this name. It is an error if there is none.
    type: str
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.info
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.receipt
"""

EXAMPLES = r"""
- name: What did we change here?
  netlink.remediation.receipt_info:
  register: result

- name: Show what is not reverted
  ansible.builtin.debug:
    msg: "{{ result.receipts | rejectattr('reverted') | map(attribute='id') }}"
"""

RETURN = r"""
receipts:
  description: The receipts, oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Unique on the host; ids sort by age.
      type: str
    run_id:
      description: The run that the call belonged to, else the same as C(id).
      type: str
    module:
      description: The module that made the changes.
      type: str
    time:
      description: When, as ISO 8601 in UTC.
      type: str
    path:
      description: Where the receipt lies on the host.
      type: str
    reverted:
      description: Whether nothing of it is left to revert.
      type: bool
    changes:
      description: The changes, in the order in which they were made.
      type: list
      elements: dict
      contains:
        kind:
          description: The kind of change, such as V(file), V(xattr), V(sysctl) or V(link).
          type: str
        target:
          description: What was changed.
          type: str
        before:
          description: The value before; its shape depends on the kind.
          type: raw
        after:
          description: The value after.
          type: raw
        workloads:
          description: Names of the workloads that the change was made for.
          type: list
          elements: str
        status:
          description:
            - V(applied), V(reverted), or V(planned) for one that may have been made by a run that was killed.
          type: str
  sample:
    - id: 20260301T101500.123456Z-5f2a90
      run_id: 20260301T101500.123456Z-5f2a90
      module: netlink.remediation.sysctl_settings
      time: "2026-03-01T10:15:00+00:00"
      path: /var/lib/netlink-remediation/receipts/20260301T101500.123456Z-5f2a90.json
      reverted: false
      changes:
        - kind: sysctl
          target: net.ipv4.ip_forward
          before: "0"
          after: "1"
          workloads: []
          status: applied
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import list_receipts


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"id": {"type": "str"}, "run_id": {"type": "str"}},
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, receipts=list_receipts(module))
    except ChangeError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
