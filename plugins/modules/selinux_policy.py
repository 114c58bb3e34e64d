#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: selinux_policy
short_description: Let SELinux domains use netlink
version_added: "0.1.0"
description:
  - Allows SELinux domains the permissions that netlink needs, switches booleans of the policy, and labels programs, on
    a host whose policy is enforcing or permissive. All of it in one call, since a change of the policy's rules compiles
    the whole policy (about 10 seconds).
  - The rules stand in one policy module, C(netlink_remediation), with priority 400. It holds nothing but rules of the
    form V((allow DOMAIN self (CLASS (PERMISSIONS\)\)\)), sorted, so that it is the same for the same wishes.
  - Only permissions of netlink are allowed as they are, the classes C(netlink_*_socket) and C(tun_socket), and
    C(net_admin) and C(net_raw) of C(capability) and C(cap_userns). Other classes have to be named in O(classes).
  - A domain in which many programs run, such as C(container_t), C(unconfined_service_t) or C(initrc_t), is never
    allowed anything, because each of these programs would gain it. Give the program a domain of its own.
  - Everything is checked before anything is touched, in check mode too. Types, classes, permissions and booleans are
    looked up in the loaded policy, and the kernel is asked whether a file may be relabelled. In check mode the whole
    policy is compiled beside the one of the host, which takes as long as the change itself. With a class out of
    O(classes) this is done without check mode too, so that a rule that the policy forbids (C(neverallow)) is found.
  - Afterwards the kernel is asked whether the loaded policy allows it. If not, everything is taken back.
options:
  allow:
    description:
      - Rules for domains. Several entries for the same rule add up, if they do not contradict each other.
    type: list
    elements: dict
    default: []
    suboptions:
      domain:
        description: Type of the processes, such as V(vpn_t). It must exist, and not be a domain of many programs.
        type: str
        required: true
      class:
        description:
          - Class of the object, such as V(netlink_route_socket) or V(capability).
          - Can be left out with O(allow[].state=absent), which means all rules of the domain.
        type: str
      permissions:
        description: Permissions of the class, such as V(nlmsg_write) or V(net_admin).
        type: list
        elements: str
        default: []
      target:
        description:
          - Type of the object. V(self) is the domain itself, which is right for capabilities and for sockets that the
            program opens.
        type: str
        default: self
      state:
        description:
          - V(present) adds the permissions to what earlier calls allowed.
          - V(exact) replaces the permissions that earlier calls allowed for this domain, class and target.
          - V(absent) takes back the permissions that are named, or all of the class, or all of the domain. What other
            policy modules allow stays as it is.
        type: str
        choices: [present, exact, absent]
        default: present
  classes:
    description:
      - Further classes, or V(capability) or V(cap_userns) for all of their permissions, that O(allow) may name. Look
        closely at what they let a program do.
    type: list
    elements: str
    default: []
  booleans:
    description:
      - Booleans of the policy, with true or false. Both the value in force and the stored one are compared and set.
    type: dict
    default: {}
  contexts:
    description:
      - Types of programs, so that they are started in the domain that the policy has for them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - Absolute path of a regular file, which must be root's alone, as must be the directories above it.
        type: str
        required: true
      type:
        description:
          - Type of the file. User, role and level of its label stay as they are.
          - If the policy gives the path this type anyway, only the file is labelled. Otherwise a rule for this path is
            stored first (C(semanage fcontext)), so that the label survives a relabelling.
        type: str
        required: true
  permissive:
    description:
      - Domains that SELinux shall refuse nothing for a while, only to find out all that a program needs, from the log.
        Needs V(selinux_permissive) in O(accept). Like O(allow[].domain) not a domain of many programs.
      - It is never stored. It ends when O(permissive_minutes) are over (a timer of systemd loads the stored policy), at
        a reboot, when anything else loads the policy, and when the receipt is reverted.
      - With a domain that is permissive already nothing is done, and the time does not begin anew.
    type: list
    elements: str
    default: []
  permissive_minutes:
    description: How long O(permissive) lasts, from 1 to 1440.
    type: int
    default: 30
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.changes
  - netlink.remediation.change
requirements:
  - SELinux with a loaded policy, and C(policycoreutils). Tried with policycoreutils 3.8.
  - For O(contexts) that the policy does not have, C(policycoreutils-python-utils).
  - For O(permissive), systemd as process 1 of the host.
notes:
  - Rules and booleans count at once, for processes that run and sockets that are open too. A label counts when the
    program is started the next time.
  - When a boolean is reverted that had the policy's default value, that value remains stored as one of the host's own.
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.diagnosis_info
  - module: netlink.remediation.receipt
"""

EXAMPLES = r"""
- name: Let a service with a domain of its own set addresses and routes
  netlink.remediation.selinux_policy:
    allow:
      - domain: vpn_t
        class: netlink_route_socket
        permissions: [create, bind, getattr, setopt, read, write, nlmsg_read, nlmsg_write]
      - domain: vpn_t
        class: capability
        permissions: [net_admin]

- name: Switch a boolean on, now and for the next boot
  netlink.remediation.selinux_policy:
    booleans:
      daemons_use_tty: true

- name: Label a program that was copied from elsewhere
  netlink.remediation.selinux_policy:
    contexts:
      - path: /usr/local/sbin/vpnd
        type: vpn_exec_t

- name: Find out what a program needs, for a quarter of an hour
  netlink.remediation.selinux_policy:
    permissive: [vpn_t]
    permissive_minutes: 15
    accept: [selinux_permissive]

- name: Take all rules of a domain back
  netlink.remediation.selinux_policy:
    allow:
      - domain: vpn_t
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
      description:
        - V(selinux_module) for the rules, V(selinux_boolean), V(selinux_context) for the stored rule that labels a
          path, V(selinux_label) for the label of a file, or V(selinux_permissive).
      type: str
    target:
      description: The policy module, the boolean, the path (as a regular expression for V(selinux_context)).
      type: str
    before:
      description:
        - The text of the policy module, null if it was not installed. C(running) and C(stored) of a boolean. A context,
          null if the host had no rule of its own. The domains that were permissive.
      type: raw
    after:
      description: The same after the change.
      type: raw
    workloads:
      description: Names of the workloads it was made for.
      type: list
      elements: str
  sample:
    - kind: selinux_module
      target: netlink_remediation (priority 400)
      before: null
      after: |
        ; Written by the Ansible collection netlink.remediation (module selinux_policy): it reads these lines again.
        (allow vpn_t self (capability (net_admin)))
      workloads: []
security:
  description: What domains may do more than before, one sentence for each rule.
  returned: success
  type: list
  elements: str
  sample:
    - each process of vpn_t may net_admin (capability, its own)
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
  description: Always empty, nothing is interrupted.
  returned: success
  type: list
  elements: str
  sample: []
restart_required:
  description: Always empty. Rules and booleans count at once, a label when a program is started the next time.
  returned: success
  type: list
  elements: dict
  sample: []
unvalidated:
  description: What could not be tried without doing it.
  returned: success
  type: list
  elements: str
  sample:
    - "whether a constraint of the policy takes back what a rule allows: only the kernel tells"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_plan import run_selinux
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import CHANGE_ARGUMENTS

RULE_ARGUMENTS = {
    "domain": {"type": "str", "required": True},
    "class": {"type": "str"},
    "permissions": {"type": "list", "elements": "str", "default": []},
    "target": {"type": "str", "default": "self"},
    "state": {"type": "str", "choices": ["present", "exact", "absent"], "default": "present"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "allow": {"type": "list", "elements": "dict", "default": [], "options": RULE_ARGUMENTS},
            "classes": {"type": "list", "elements": "str", "default": []},
            "booleans": {"type": "dict", "default": {}},
            "contexts": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "str", "required": True}, "type": {"type": "str", "required": True}},
            },
            "permissive": {"type": "list", "elements": "str", "default": []},
            "permissive_minutes": {"type": "int", "default": 30},
            **CHANGE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run_selinux(module))
    except ChangeError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
