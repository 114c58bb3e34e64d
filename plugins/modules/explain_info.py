#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: explain_info
short_description: Explain an error message of a program that uses netlink
version_added: "0.1.0"
description:
  - Takes an error text out of a log or a ticket and says which layer of the kernel spoke, which causes the words can
    and cannot mean, and what to look at next.
  - It asks no host anything. M(netlink.remediation.diagnosis_info) finds out which of the possible causes it is.
  - Only the first and the last 16384 characters of a longer O(text) are looked at. Control characters are left out,
    and no more than 80 characters of foreign text come back.
options:
  text:
    description:
      - The error text as the program printed or logged it, one line or many. It may not be empty.
    type: str
    required: true
  errno:
    description:
      - The error as name (V(EPERM)) or number (V(1)), see errno(3), where it is known better than from O(text), for
        example from strace. Some programs print a wrong one.
    type: str
  extack:
    description:
      - The text that the kernel sent with its answer (extack, see netlink(7)), where it is known. A refusal for lack of
        a capability never has one.
    type: str
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.info
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.diagnosis_info
  - module: netlink.remediation.probe_info
  - plugin: netlink.remediation.explain
    plugin_type: filter
  - ref: ansible_collections.netlink.remediation.docsite.causes
    description: The catalogue of causes and reasons.
  - name: netlink(7)
    description: The sockets, the messages and their errors.
    link: https://man7.org/linux/man-pages/man7/netlink.7.html
"""

EXAMPLES = r"""
- name: What does this line of the log mean?
  netlink.remediation.explain_info:
    text: "RTNETLINK answers: Operation not permitted"
  register: explanation

- name: Say it in one sentence
  ansible.builtin.debug:
    msg: "{{ explanation.summary }}"

- name: The same with what strace has shown
  netlink.remediation.explain_info:
    text: "bwrap: loopback: Failed RTM_NEWADDR: No child processes"
    errno: EPERM
"""

RETURN = r"""
layer:
  description:
    - The layer whose refusal the words report, the likeliest one of RV(layers).
    - V(execve) - the program was not started. V(setns) - joining a namespace. V(unshare) - making a namespace, by
      unshare(2) or clone(2). V(socket) - socket(2), or setsockopt(2) on the new socket. V(bind) - bind(2). V(send) -
      sendmsg(2) or recvmsg(2) on the open socket. V(ack) - the kernel's answer to the request. V(open) - opening a
      device, a sysctl, a file of sysfs or of a namespace. V(ioctl) - ioctl(2) on a TUN device, a link or a namespace.
      V(write) - writing a sysctl, a file of sysfs or an id map.
    - V(client) - the program itself, before it asked the kernel. V(not_netlink) - another part of the kernel, such as
      mount(2) or the loading of a module. V(unknown) - the words do not tell; RV(layers) then holds the possible ones.
  returned: success
  type: str
  sample: ack
layers:
  description: All layers that the words can report, the likeliest first; empty if nothing is known of them.
  returned: success
  type: list
  elements: str
  sample: [ack]
errno:
  description:
    - Name of the error, see errno(3). Null if neither O(text) nor O(errno) names one, or if the program is known to
      print a wrong one.
  returned: success
  type: str
  sample: EPERM
operation:
  description:
    - What was wanted, as far as the words tell, such as V(link), V(address), V(route), V(rule), V(neighbour), V(qdisc),
      V(action), V(tun), V(nftables), V(xfrm), V(netns), V(userns) or V(forward); else null.
  returned: success
  type: str
  sample: address
program:
  description: Family of tools that words it so, such as V(iproute2), V(pyroute2) or V(systemd); null if unknown.
  returned: success
  type: str
  sample: iproute2
can_mean:
  description: The causes that the words can mean, the likeliest first.
  returned: success
  type: list
  elements: dict
  contains:
    cause:
      description: Name of the cause in the catalogue.
      type: str
    reasons:
      description: The reasons of that cause that fit; empty if none fits better than another.
      type: list
      elements: str
    why:
      description: How this cause leads to these words.
      type: str
  sample:
    - cause: missing_capability
      reasons: [not_root, dropped, held_not_raised, stale_socket]
      why: >-
        CAP_NET_ADMIN is not in the effective set of the thread that asked, or of the one that opened the socket
rules_out:
  description: The causes that the words cannot mean. A cause in neither list is unlikely but not impossible.
  returned: success
  type: list
  elements: dict
  contains:
    cause:
      description: Name of the cause in the catalogue.
      type: str
    why:
      description: Why the kernel does not answer so for this cause.
      type: str
  sample:
    - cause: already_exists
      why: an object that is there is answered with EEXIST
next:
  description: What to look at next, one sentence each.
  returned: success
  type: list
  elements: str
  sample:
    - Run netlink.remediation.diagnosis_info with the workload (pid, executable, unit or container) named.
summary:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: >-
    The kernel refused for lack of privilege: almost always CAP_NET_ADMIN is missing where it counts.
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._explain import explain


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "text": {"type": "str", "required": True},
            "errno": {"type": "str"},
            "extack": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        answer = explain(module.params["text"], module.params["errno"], module.params["extack"])
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
