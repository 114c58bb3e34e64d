#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl_facts
short_description: Read sysctls, the files that set them and the line that wins at boot
version_added: "0.1.0"
description:
  - Reads the value in force of a sysctl in any network namespace, every line of a file that sets it, which of them wins
    at boot under C(systemd-sysctl) and under C(sysctl --system) of procps, and services that write the key by
    themselves (ufw, systemd-networkd, NetworkManager).
  - No program is run. The files count for the initial network namespace only, so for another one they are not listed.
  - Joining another network namespace needs root.
options:
  keys:
    description:
      - The sysctls to read, in any spelling of sysctl.d(5), such as V(net.ipv4.ip_forward),
        V(net/ipv4/conf/eth0.100/rp_filter) or V(net.ipv4.conf.eth0/100.rp_filter).
      - Default is what decides about forwarding, reverse path filtering and IPv6, for the whole namespace and for each
        link whose value is not the one of C(conf/default).
    type: list
    elements: str
    default: []
  netns:
    description:
      - Path of a network namespace, such as V(/run/netns/blue) or V(/proc/4242/ns/net).
      - Default is the network namespace in which the module runs.
    type: path
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.facts
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.sysctl_settings
"""

EXAMPLES = r"""
- name: Read what matters for forwarding and IPv6
  netlink.remediation.sysctl_facts:

- name: Which file decides about forwarding at the next boot?
  netlink.remediation.sysctl_facts:
    keys: [net.ipv4.ip_forward]

- name: Read a sysctl of a named network namespace
  netlink.remediation.sysctl_facts:
    keys: [net.ipv6.conf.all.disable_ipv6]
    netns: /run/netns/blue
"""

RETURN = r"""
ansible_facts:
  description: The sysctls that were read.
  returned: success
  type: dict
  contains:
    netlink_sysctl:
      description: What was read.
      type: dict
      contains:
        sysctls:
          description: One entry for each key, in the order of O(keys).
          type: list
          elements: dict
          contains:
            key:
              description: The key below C(/proc/sys), with slashes.
              type: str
            net_ns:
              description: Inode number of the network namespace it was read in, null if that cannot be joined.
              type: int
            value:
              description: The value in force, null if the key does not exist or cannot be read.
              type: str
            exists:
              description: Whether the running kernel has the key in that namespace.
              type: bool
            read_only:
              description: Whether it lies on a read-only mount, as in most containers.
              type: bool
            persisted:
              description: >-
                Every line that sets it, in the order in which C(systemd-sysctl) applies them. Lines of
                C(/etc/sysctl.conf) stand last; C(systemd-sysctl) reads them only where a link in C(sysctl.d) names that
                file.
              type: list
              elements: dict
              contains: &line
                value:
                  description: The value that the line assigns.
                  type: str
                file:
                  description: Path of the file.
                  type: str
                line:
                  description: Number of the line.
                  type: int
            boot:
              description: The line that wins at boot under C(systemd-sysctl), null if none sets it.
              type: dict
              contains: *line
            boot_procps:
              description: The line that wins under C(sysctl --system), null if none sets it.
              type: dict
              contains: *line
            rewriters:
              description: Lines in the configuration of enabled services that write the key by themselves.
              type: list
              elements: dict
              contains: *line
            drift:
              description: Whether the next boot would set another value than the one in force.
              type: bool
        unseen:
          description: What could not be read.
          type: list
          elements: dict
          contains:
            source:
              description: What was tried.
              type: str
            reason:
              description: Why it failed.
              type: str
  sample:
    netlink_sysctl:
      sysctls:
        - key: net/ipv4/ip_forward
          net_ns: 4026531840
          value: "1"
          exists: true
          read_only: false
          persisted:
            - value: "1"
              file: /etc/sysctl.d/99-zz-netlink-remediation.conf
              line: 1
          boot:
            value: "1"
            file: /etc/sysctl.d/99-zz-netlink-remediation.conf
            line: 1
          boot_procps:
            value: "1"
            file: /etc/sysctl.d/99-zz-netlink-remediation.conf
            line: 1
          rewriters: []
          drift: false
      unseen: []
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl import (
    important_keys,
    is_drifted,
    observe_sysctls,
)
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "netns": {"type": "path"},
        },
        supports_check_mode=True,
    )
    netns = module.params["netns"]
    if netns is not None and not (os.path.isabs(netns) and os.path.exists(netns)):
        module.fail_json(msg=f"netns: {netns!r} is no absolute path that exists, expected e.g. /run/netns/blue")
    unseen: list[Unseen] = []
    keys = module.params["keys"] or important_keys(unseen, netns=netns)
    items = observe_sysctls(keys, unseen, netns=netns)
    sysctls = [{**to_plain(item), "drift": is_drifted(item)} for item in items]
    module.exit_json(ansible_facts={"netlink_sysctl": {"sysctls": sysctls, "unseen": to_plain(unseen)}})


if __name__ == "__main__":
    main()
