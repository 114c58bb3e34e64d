#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: subid_ranges
short_description: Give users subordinate ids
version_added: "0.1.0"
description:
  - Gives any number of users ranges in C(/etc/subuid) and C(/etc/subgid) (subuid(5), subgid(5)) in one call. They are
    what rootless containers and the user namespace remapping of docker need.
  - A user that has enough ids is left as it is. A user that has too few gets a further range, as C(newuidmap),
    C(podman) and C(dockerd) use all ranges of a user. The first range stays first, since its first id is root of the
    containers.
  - Where O(ranges[].start) is not given, the lowest free ids are taken between C(SUB_UID_MIN) and C(SUB_UID_MAX) of
    login.defs(5), as useradd(8) does, and the same ones in both files where they are free in both.
  - Nobody shares ids with somebody else. A range that overlaps one of another user, the ids of a user or group of this
    host, or those that new users get, is an error that names both lines, also when it was there before.
  - Other lines and comments stay as they are, byte for byte. The lock of C(useradd) and C(usermod) is held meanwhile,
    see lckpwdf(3).
  - Subordinate ids never change who owns a network namespace. A container that works on the network of the host is not
    helped by them.
options:
  ranges:
    description: The users and what they get. Entries are applied in order.
    type: list
    elements: dict
    required: true
    suboptions:
      user:
        description:
          - Name or uid. It need not exist yet. C(dockremap) is the user of C(dockerd) with C(userns-remap=default),
            C(containers) that of C(podman) with C(--userns=auto).
        type: str
        required: true
      count:
        description:
          - How many ids the user has at least, in all ranges together; with O(ranges[].start), how many from there on.
          - Images use ids up to 65534, so that fewer than 65536 are not enough for all of them.
        type: int
        default: 65536
      start:
        description:
          - The first id. It must not be less than 65536.
          - With O(ranges[].state=absent), the range that begins there is removed.
        type: int
      kinds:
        description: V(uid) for C(/etc/subuid), V(gid) for C(/etc/subgid).
        type: list
        elements: str
        choices: [uid, gid]
        default: [uid, gid]
      state:
        description:
          - V(present) sees to it that the user has the ids.
          - V(absent) removes the range that begins at O(ranges[].start), or all ranges of the user. Files that are
            owned by such ids stay as they are.
        type: str
        choices: [present, absent]
        default: present
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.changes
  - netlink.remediation.change
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.namespace_facts
  - module: netlink.remediation.docker_daemon
  - module: netlink.remediation.receipt
"""

EXAMPLES = r"""
- name: Ids for rootless containers of a user, and for podman --userns=auto
  netlink.remediation.subid_ranges:
    ranges:
      - user: alice
      - user: containers
        count: 1048576

- name: The same ids on all hosts
  netlink.remediation.subid_ranges:
    ranges:
      - user: dockremap
        start: 231072

- name: No subordinate ids any more
  netlink.remediation.subid_ranges:
    ranges:
      - user: bob
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
      description: V(file).
      type: str
    target:
      description: V(/etc/subuid) or V(/etc/subgid).
      type: str
    before:
      description: The file with its content, mode, owner and group; null if there was none.
      type: raw
    after:
      description: The same after the change.
      type: raw
    workloads:
      description: Always empty.
      type: list
      elements: str
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
  description: The dockerd that runs with the ranges which its user had when it was started.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(daemon).
      type: str
    name:
      description: V(docker.service).
      type: str
  sample:
    - kind: daemon
      name: docker.service
unvalidated:
  description: Always empty.
  returned: success
  type: list
  elements: str
"""

from contextlib import nullcontext

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import require_root
from ansible_collections.netlink.remediation.plugins.module_utils._change._subid_plan import (
    plan_subids,
    user_database_locked,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import (
    CHANGE_ARGUMENTS,
    run_changes,
)

RANGE = {
    "user": {"type": "str", "required": True},
    "count": {"type": "int", "default": 65536},
    "start": {"type": "int"},
    "kinds": {"type": "list", "elements": "str", "choices": ["uid", "gid"], "default": ["uid", "gid"]},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "ranges": {"type": "list", "elements": "dict", "required": True, "options": RANGE},
            **CHANGE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        require_root()
        with nullcontext() if module.check_mode else user_database_locked():
            plan = plan_subids(module.params["ranges"])
            result = run_changes(module, plan.changes, restart_required=plan.restart_required)
    except ChangeError as exc:
        module.fail_json(msg=str(exc))
    for text in plan.warnings:
        module.warn(text)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
