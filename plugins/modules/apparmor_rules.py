#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apparmor_rules
short_description: Let programs that AppArmor confines use netlink
version_added: "0.1.0"
description:
  - Adds rules to AppArmor profiles (apparmor.d(5)), or takes them out again, for any number of profiles in one call.
    Only rules that bear on netlink are written.
  - A rule goes into the file below C(/etc/apparmor.d/local) that the profile includes for such additions. Where it
    includes none, or one that other profiles include as well, the rule goes into the profile itself, before its
    closing brace. It stands in a section that is marked as this module's. All else in the file stays as it is, byte
    for byte.
  - A rule that the profile has already in whatever spelling, also in a file that it includes, is not written again.
  - For a program that has no profile and that may not make user namespaces, a profile is made that confines nothing
    (C(flags=(unconfined))) and allows that.
  - C(apparmor_parser) compiles the profiles with all changes before anything is written, in check mode too. Then the
    files are written and the profiles are loaded in place of those of before, which counts at once for what runs with
    them. If that fails, everything is taken back.
  - A profile keeps the mode that it is loaded in, such as complain. One that is disabled, or not loaded, is written
    and stays so, with a warning.
options:
  profiles:
    description:
      - The profiles. Several entries may name the same one if they do not contradict each other. They are applied in
        order.
    type: list
    elements: dict
    required: true
    suboptions:
      profile:
        description:
          - Name of the profile as the kernel has it, which C(/proc/PID/attr/current) and records of denials show,
            such as V(dhclient) or V(/usr/sbin/tcpdump). A profile or hat in another one has both names, such as
            V(nvidia_modprobe//kmod).
          - Profiles that a tool makes by itself (docker, podman, snap, libvirt, LXC and others) are refused, because
            the tool would undo the change.
          - Name of the file, too, if the profile has to be made. It may be the path of O(profiles[].executable) then.
        type: str
        required: true
      rules:
        description:
          - The rules, each one of V(capability net_admin,), V(capability net_raw,), V(network netlink raw,),
            V(network netlink dgram,), V(network netlink,), V(userns,) and V(/dev/net/tun rw,).
          - May be empty with O(profiles[].state=absent) only.
        type: list
        elements: str
        default: []
      executable:
        description:
          - The program for which to make a profile if there is none of this name. The file must be one that only root
            can change, and no other profile may be for it.
          - Such a profile is made only if V(userns,) is among the rules, because AppArmor refuses nothing else to a
            program without a profile.
          - If there is a profile of this name, it must be for this program.
        type: path
      state:
        description:
          - V(present) adds the rules.
          - V(absent) takes those of the rules out that this module wrote, or all that it wrote for the profile if
            there are none. A profile that it made is removed and unloaded when no rule is left. It warns if another
            rule of the profile allows the same.
        type: str
        choices: [present, absent]
        default: present
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.changes
  - netlink.remediation.change
requirements:
  - AppArmor, with C(apparmor_parser). Tried with AppArmor 4.1. V(userns,) needs AppArmor 4.0.
notes:
  - V(userns,) for a program that everybody uses, such as C(unshare) or C(bwrap), needs V(shared_tool) in O(accept),
    and V(interpreter) for an interpreter. Rules in Ubuntu's profile C(unprivileged_userns) are for every program and
    need V(world_userns).
  - A C(deny) rule wins over whatever allows the same. It is never taken out. The module fails, and says where it
    stands.
  - If a profile has the rules, and was loaded before its files were last changed, it is loaded anew. So it is where a
    run that was to take rules out was killed before it had loaded it.
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.diagnosis_info
  - module: netlink.remediation.receipt
"""

EXAMPLES = r"""
- name: Let a confined program administer the network
  netlink.remediation.apparmor_rules:
    profiles:
      - profile: vpn-agent
        rules:
          - capability net_admin,
          - network netlink raw,

- name: Let one program make user namespaces, and no other
  netlink.remediation.apparmor_rules:
    profiles:
      - profile: sandbox-runner
        executable: /opt/sandbox/bin/sandbox-runner
        rules: ["userns,"]

- name: Take out all that this module added to a profile
  netlink.remediation.apparmor_rules:
    profiles:
      - profile: vpn-agent
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
        - V(file) for a file of rules, after which its profiles are loaded. V(activation) for a profile that is only
          loaded anew.
      type: str
    target:
      description: The path of the file, or V(profile) and its name.
      type: str
    before:
      description:
        - For a file null if there was none, else its C(content), C(mode) (octal, as text), C(owner) (uid) and C(group)
          (gid). For a profile V(as it was loaded).
      type: raw
    after:
      description: The same after the change. For a profile V(loaded anew).
      type: raw
    workloads:
      description: Names of the workloads it was made for.
      type: list
      elements: str
  sample:
    - kind: file
      target: /etc/apparmor.d/local/vpn-agent
      before: null
      after:
        content: |
          # BEGIN netlink.remediation: the Ansible module apparmor_rules reads and writes these lines
          capability net_admin,
          network netlink raw,
          # END netlink.remediation
        mode: "0644"
        owner: 0
        group: 0
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
  description: What the changes interrupt, such as what a profile allows no more.
  returned: success
  type: list
  elements: str
  sample:
    - "profile vpn-agent allows no more: capability net_admin,"
restart_required:
  description:
    - Processes that a profile which was made does not reach, because they run already. They have to be started anew.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Always V(process).
      type: str
    name:
      description: Name and pid.
      type: str
  sample:
    - kind: process
      name: sandbox-runner[4711]
unvalidated:
  description: What could not be tried without doing it. Nothing, because the parser tries everything.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._apparmor_rules import run_profiles
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import CHANGE_ARGUMENTS

PROFILE_ARGUMENTS = {
    "profile": {"type": "str", "required": True},
    "rules": {"type": "list", "elements": "str", "default": []},
    "executable": {"type": "path"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "profiles": {"type": "list", "elements": "dict", "required": True, "options": PROFILE_ARGUMENTS},
            **CHANGE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run_profiles(module))
    except ChangeError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
