#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe_info
short_description: Ask the kernel what it would answer a program for a netlink operation
version_added: "0.1.0"
description:
  - Forks a child that takes the network and user namespace, the ids, the capability sets, the no_new_privs flag and the
    AppArmor profile of a workload, and sends requests that the kernel has to judge but cannot carry out. Nothing is
    changed, also not when the request is allowed.
  - No netlink family and no device is opened that is not registered yet, since that could load a module. The answer
    then is V(unknown).
  - An answer of V(allowed) says that the gate of privilege lets the operation pass. Whether it succeeds also depends
    on the gates in RV(probes[].not_reproduced) and on the state of the object; M(netlink.remediation.diagnosis_info)
    looks at both.
  - Run it as root. A module that may not take the context of the workload answers V(unknown) and says why.
options:
  pid:
    description:
      - A running process, or one thread of it (a thread id is asked about alone, since credentials are per thread).
    type: int
  executable:
    description:
      - Absolute path of a program that O(user) would start. Its credentials are those that C(execve) would grant,
        from file capabilities, set-user-ID bits, mount options and the bounding set; see capabilities(7).
    type: path
  user:
    description: Who starts O(executable), as a name or a number. V(root) if not given.
    type: str
  operations:
    description:
      - What to ask about.
      - V(action) is a tc action, which the kernel allows in the initial user namespace only.
      - V(netns) makes a network namespace, or enters the one of O(netns).
      - V(userns) makes a user namespace with a network namespace of its own.
      - V(forward) writes to C(net.ipv4.ip_forward).
      - V(move) moves a link to the network namespace of O(netns).
    type: list
    elements: str
    choices: [link, address, route, rule, neighbour, qdisc, action, tun, nftables, xfrm, netns, userns, forward, move]
    default: [link]
  netns:
    description:
      - Path of the network namespace in which to ask, for example V(/run/netns/blue).
      - Default is the one of the workload; that of the module for O(executable).
    type: path
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.info
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.diagnosis_info
  - name: netlink(7)
    description: The messages and their errors.
    link: https://man7.org/linux/man-pages/man7/netlink.7.html
  - name: capabilities(7)
    description: The sets of a thread and how execve changes them.
    link: https://man7.org/linux/man-pages/man7/capabilities.7.html
"""

EXAMPLES = r"""
- name: May this process change links and routes?
  netlink.remediation.probe_info:
    pid: 4242
    operations: [link, route]
  register: answer

- name: Would the VPN daemon be allowed to create its TUN device?
  netlink.remediation.probe_info:
    executable: /usr/local/sbin/vpnd
    user: vpn
    operations: [tun, address]

- name: May this process move a link into a container's namespace?
  netlink.remediation.probe_info:
    pid: 4242
    operations: [move]
    netns: /run/netns/blue
"""

RETURN = r"""
probes:
  description: What the kernel answered, in the order of O(operations).
  returned: success
  type: list
  elements: dict
  contains:
    operation:
      description: The operation.
      type: str
    answer:
      description: V(allowed), V(unknown), or the name of an errno such as V(EPERM), see errno(3).
      type: str
    sent:
      description: Whether the request was sent; V(false) when a step before it failed, see RV(probes[].layer).
      type: bool
    layer:
      description:
        - The step that answered - V(execve), V(socket), V(send), V(ack), V(ioctl), V(open), V(write), V(clone) or
          V(setns); V(setup) when the context of the workload could not be taken.
      type: str
    detail:
      description: What else there is to say, or null.
      type: str
    net_ns:
      description: Inode number of the network namespace in which was asked, null when nothing was asked.
      type: int
    tid:
      description: The thread that was imitated, null for O(executable).
      type: int
    not_reproduced:
      description:
        - Gates that the probe could not imitate, such as the SELinux label or a seccomp filter of the workload.
      type: list
      elements: str
  sample:
    - operation: link
      answer: EPERM
      sent: true
      layer: ack
      detail: null
      net_ns: 4026531840
      tid: 4242
      not_reproduced: []
credentials:
  description:
    - The credentials that were imitated, ids as the module sees them; null when O(executable) cannot be started.
    - With O(executable) those after C(execve), and after the program dropped what it is known to drop at start.
  returned: success
  type: dict
  contains:
    ruid:
      description: Real uid.
      type: int
    euid:
      description: Effective uid.
      type: int
    suid:
      description: Saved uid.
      type: int
    fsuid:
      description: Filesystem uid.
      type: int
    rgid:
      description: Real gid.
      type: int
    egid:
      description: Effective gid.
      type: int
    sgid:
      description: Saved gid.
      type: int
    fsgid:
      description: Filesystem gid.
      type: int
    groups:
      description: Supplementary groups.
      type: list
      elements: int
    effective:
      description: Names of the effective capabilities.
      type: list
      elements: str
    permitted:
      description: Names of the permitted capabilities.
      type: list
      elements: str
    inheritable:
      description: Names of the inheritable capabilities.
      type: list
      elements: str
    bounding:
      description: Names of the capabilities in the bounding set.
      type: list
      elements: str
    ambient:
      description: Names of the ambient capabilities.
      type: list
      elements: str
    no_new_privs:
      description: Whether no_new_privs is set, see PR_SET_NO_NEW_PRIVS(2const).
      type: bool
    seccomp:
      description: Seccomp mode, V(0) none, V(1) strict, V(2) filter. It is not imitated.
      type: int
    securebits:
      description: Always null, since no thread shows them to another one.
      type: int
notes:
  description:
    - What mattered for the credentials of O(executable), as words - V(script), V(nosuid), V(no_new_privs), V(rootid),
      V(bounding), V(setuid_with_capabilities), V(permitted_only), V(ambient_cleared), V(drops), V(not_executable).
  returned: success
  type: list
  elements: str
  sample: [drops]
unseen:
  description: What could not be read.
  returned: success
  type: list
  elements: dict
  contains:
    source:
      description: What was tried.
      type: str
    reason:
      description: Why it failed.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._probing import ARGUMENTS, run


def main() -> None:
    """Run the module."""
    run(
        AnsibleModule(
            argument_spec=ARGUMENTS,
            mutually_exclusive=[("pid", "executable"), ("pid", "user")],
            required_one_of=[("pid", "executable")],
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
