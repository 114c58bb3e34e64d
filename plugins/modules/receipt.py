#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: receipt
short_description: Take back changes made by this collection
version_added: "0.1.0"
description:
  - Each module of this collection that changes a host leaves a receipt in
    C(/var/lib/netlink-remediation/receipts), which holds what every target was before.
  - This module reverts receipts, the newest first, and removes those that nobody needs any more.
  - A target that holds what the receipt says was written gets back what it held before. A target that somebody changed
    since is left alone, and named in RV(left_alone).
  - What runs with files that are given back (a unit, a container, a daemon) is started anew after that, if O(accept)
    has the word, V(restart) or V(recreate). Else it is named in RV(restart_required), until a later call with the word,
    or until somebody else has started it anew. What does not run is not started.
  - A run that was killed at any point can be reverted too.
  - What was reverted once is not reverted again, so that a second call changes nothing.
options:
  id:
    description: The receipt with this id.
    type: str
  run_id:
    description: All receipts of the run with this name.
    type: str
  run:
    description:
      - With V(latest), all receipts of the newest run, whether it was reverted before or not. A run that only started
        something anew, on behalf of an earlier one, is passed over.
    type: str
    choices: [latest]
  targets:
    description:
      - Revert only the changes of these targets, as
        RV(netlink.remediation.receipt_info#module:receipts[].changes[].target) says them.
      - The rest of the receipts can be reverted later. A restart belongs to the files that it was made for.
      - All of them if not given. Not used with O(state=pruned).
    type: list
    elements: str
  older_than_days:
    description:
      - Receipts of at least this age, in days, of which nothing is left to revert.
      - Only with O(state=pruned).
    type: float
  state:
    description:
      - V(reverted) takes back what the receipts say. Exactly one of O(id), O(run_id) and O(run) is needed.
      - V(pruned) removes the receipts and leaves the host as it is. Exactly one of O(id), O(run_id), O(run) and
        O(older_than_days) is needed. What is named is removed even if it was not reverted, which then is no longer
        possible.
    type: str
    choices: [reverted, pruned]
    default: reverted
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.changes
  - netlink.remediation.change
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.receipt_info
"""

EXAMPLES = r"""
- name: Take back the newest run
  netlink.remediation.receipt:
    run: latest

- name: See what taking back one call would do
  netlink.remediation.receipt:
    id: "{{ result.receipt.id }}"
  check_mode: true
  diff: true

- name: Forget what was reverted a quarter of a year ago
  netlink.remediation.receipt:
    state: pruned
    older_than_days: 90
"""

RETURN = r"""
changes:
  description: What was given back, or would be in check mode, in the order in which it is done.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description:
        - The kind of change, such as V(file), V(xattr), V(sysctl) or V(link). V(activation) is a restart or recreation.
      type: str
    target:
      description: What was changed.
      type: str
    before:
      description: The value that was found; its shape depends on the kind.
      type: raw
    after:
      description: The value that was given back.
      type: raw
    workloads:
      description: Names of the workloads that the change was made for.
      type: list
      elements: str
  sample:
    - kind: sysctl
      target: net.ipv4.ip_forward
      before: "1"
      after: "0"
      workloads: []
left_alone:
  description: What somebody changed since, or what is gone.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: The kind of change.
      type: str
    target:
      description: What was changed.
      type: str
    found:
      description: The value that was found, null if it could not be read.
      type: raw
    why:
      description: Why it is left alone, one sentence.
      type: str
  sample: []
receipts:
  description:
    - Ids of the receipts that were selected, the newest first. With O(state=pruned) of those that were removed.
  returned: success
  type: list
  elements: str
  sample: [20260301T101500.123456Z-5f2a90]
receipt:
  description: Always null, a revert leaves no receipt of its own.
  returned: success
  type: dict
  sample: null
disrupts:
  description: What giving back interrupts.
  returned: success
  type: list
  elements: str
  sample: []
restart_required:
  description: What still runs with what was given back, because its restart or recreation was not accepted.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(unit), V(container) or V(daemon).
      type: str
    name:
      description: Its name.
      type: str
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
from ansible_collections.netlink.remediation.plugins.module_utils._change._revert import run_receipt
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import CHANGE_ARGUMENTS


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "id": {"type": "str"},
            "run": {"type": "str", "choices": ["latest"]},
            "targets": {"type": "list", "elements": "str"},
            "older_than_days": {"type": "float"},
            "state": {"type": "str", "choices": ["reverted", "pruned"], "default": "reverted"},
            **CHANGE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run_receipt(module))
    except ChangeError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
