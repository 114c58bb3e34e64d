#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: link_state
short_description: Set state, MTU, addresses and routes of links
version_added: "0.1.0"
description:
  - Brings links that exist up or down and sets their MTU, static addresses and static routes, in any network namespace.
    Links are not created.
  - Every value is checked against the link before anything is changed, in check mode too, and all consequences are
    predicted. A link that goes down loses its routes and IPv6 addresses, an MTU below 1280 loses all of IPv6, and a
    route goes with the address through which its gateway was reached. The receipt restores them all.
  - An address or route that exists already is no error. If it exists with other properties, the error shows both.
  - In this order it sets the MTU, brings the link up or down, and sets addresses and routes.
options:
  links:
    description: The links to change, each listed once. What is not named stays as it is.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the link. Exactly one of O(links[].name) and O(links[].altname) is required.
        type: str
      altname:
        description: An alternative name of the link.
        type: str
      state:
        description: Whether the link is administratively up.
        type: str
        choices: [up, down]
      mtu:
        description: Maximum transmission unit in bytes, within what the link accepts.
        type: int
      addresses:
        description:
          - Addresses with their prefix length, such as V(192.0.2.1/24) or V(2001:db8::1/64).
          - An IPv6 address needs an MTU of 1280 and the sysctl C(net.ipv6.conf.LINK.disable_ipv6) at 0.
        type: list
        elements: str
      routes:
        description: Routes through the link, which must be up.
        type: list
        elements: dict
        suboptions:
          dst:
            description:
              - Destination as a prefix without host bits, an address, or V(default). The latter is IPv6 if
                O(links[].routes[].gateway) is.
            type: str
            required: true
          gateway:
            description: Address of the next hop. It must be reachable through the addresses of the link.
            type: str
          table:
            description: Number of the routing table, 1 to 4294967295 except 255. Default is 254, the table main.
            type: int
          metric:
            description: Priority, 0 to 4294967295; the lowest wins. Default is 0 for IPv4 and 1024 for IPv6.
            type: int
          prefsrc:
            description: Source address that the host prefers on this route. It must be one of its own.
            type: str
      purge:
        description:
          - Whether other static addresses are removed if O(links[].addresses) is given, and other static routes of the
            link if O(links[].routes) is given.
          - IPv6 link-local addresses, addresses with a lifetime, and routes of the kernel and of router advertisements
            are left alone.
        type: bool
        default: false
      netns:
        description:
          - Path of the network namespace of the link, such as V(/run/netns/blue).
          - Default is the network namespace in which the module runs.
        type: path
  persist:
    description:
      - Whether the configuration is also written for the manager that owns the link, so that it is there after the next
        boot. The manager is not restarted.
      - For systemd-networkd it is a drop-in C(50-netlink-remediation.conf) of the C(.network) file that applies to the
        link, or a file C(10-netlink-remediation-LINK.network) where networkd runs and none applies. For NetworkManager
        it is the keyfile of the link's connection profile.
      - An error where no manager owns the link, for ifupdown, and for links in other network namespaces.
    type: bool
    default: false
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.changes
  - netlink.remediation.change
  - netlink.remediation.pyroute2
author:
  - The netlink.remediation authors (@netlink-remediation)
notes:
  - The link, address or route that carries the SSH connection of Ansible is changed only with V(own_connection) in
    O(accept).
  - Multipath routes and routes with an encapsulation or a nexthop object are left alone. What the kernel drops of them
    when a link goes down is not restored by a revert.
seealso:
  - module: netlink.remediation.link_facts
  - module: netlink.remediation.receipt
"""

EXAMPLES = r"""
- name: Bring a link up, with an address and a default route, now and after the next boot
  netlink.remediation.link_state:
    links:
      - name: eth1
        state: up
        addresses: [192.0.2.10/24]
        routes:
          - dst: default
            gateway: 192.0.2.1
            metric: 200
    persist: true

- name: Exactly these addresses, in a named network namespace
  netlink.remediation.link_state:
    links:
      - name: veth0
        netns: /run/netns/blue
        addresses: [198.51.100.2/30, "2001:db8::2/64"]
        purge: true

- name: Jumbo frames on the link over which Ansible came
  netlink.remediation.link_state:
    links:
      - name: eth0
        mtu: 9000
    accept: [own_connection]
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(link) for a link, V(file) for a file of its manager.
      type: str
    target:
      description: Name of the link (with its namespace, if it is not the own one) or the path.
      type: str
    before:
      description: For a link a dictionary of C(up), C(mtu), C(addresses) and C(routes); for a file what it was.
      type: raw
    after:
      description: The same after the change.
      type: raw
    workloads:
      description: Names of the workloads it was made for.
      type: list
      elements: str
  sample:
    - kind: link
      target: eth1
      before: {up: false, mtu: 1500, addresses: [], routes: []}
      after: {up: true, mtu: 1500, addresses: [], routes: []}
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
  description: Sentences on what the changes interrupt or take away.
  returned: success
  type: list
  elements: str
restart_required:
  description: Always empty, as links change at once.
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
  description: Sentences on what could not be tried without doing it, such as what a driver takes.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._link_task import ARGUMENTS, run
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import CHANGE_ARGUMENTS
from ansible_collections.netlink.remediation.plugins.module_utils._pyroute2 import PYROUTE2_ARGUMENTS


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={**ARGUMENTS, **CHANGE_ARGUMENTS, **PYROUTE2_ARGUMENTS},
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except ChangeError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
