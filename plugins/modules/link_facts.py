#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: link_facts
short_description: Read links, addresses and routes of any network namespace
version_added: "0.1.0"
description:
  - Reads links with their addresses, and the routes of all tables, from the kernel through rtnetlink.
  - Reads network namespaces as the kernel knows them, not as C(/sys) shows them, and says which of the managers
    systemd-networkd, NetworkManager and ifupdown owns a link of the host.
  - Joining another network namespace needs root. Links of the own namespace can be read by anybody.
options:
  interfaces:
    description:
      - Read only links with these names or alternative names, and the routes through them. Names that do not exist are
        not in the result.
      - Default is all links.
    type: list
    elements: str
    default: []
  netns:
    description:
      - Paths of the network namespaces to read, such as V(/run/netns/blue) or V(/proc/4242/ns/net).
      - Default is the network namespace in which the module runs.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.facts
  - netlink.remediation.pyroute2
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.link_state
  - module: netlink.remediation.namespace_facts
"""

EXAMPLES = r"""
- name: Read all links
  netlink.remediation.link_facts:

- name: Who manages eth0?
  netlink.remediation.link_facts:
    interfaces: [eth0]

- name: Read the links of a named network namespace
  netlink.remediation.link_facts:
    netns: [/run/netns/blue]
"""

RETURN = r"""
ansible_facts:
  description: Links, addresses and routes.
  returned: success
  type: dict
  contains:
    netlink_links:
      description: What was read.
      type: dict
      contains:
        namespaces:
          description: One entry for each network namespace, in the order of O(netns).
          type: list
          elements: dict
          contains:
            netns:
              description: The path from O(netns), null for the network namespace of the module.
              type: str
            links:
              description: The links, ordered by index.
              type: list
              elements: dict
              contains:
                index:
                  description: Number of the link in its namespace.
                  type: int
                name:
                  description: Name of the link.
                  type: str
                altnames:
                  description: Alternative names.
                  type: list
                  elements: str
                kind:
                  description: Kind such as V(veth) or V(bridge), null for hardware.
                  type: str
                mac:
                  description: Link-layer address.
                  type: str
                mtu:
                  description: Maximum transmission unit in bytes.
                  type: int
                min_mtu:
                  description: The smallest MTU that the driver takes, in bytes, null if it names none.
                  type: int
                max_mtu:
                  description: The largest MTU that the driver takes, in bytes, null if it names none.
                  type: int
                flags:
                  description: Flags as C(ip link) prints them, such as V(UP) and V(LOWER_UP).
                  type: list
                  elements: str
                operstate:
                  description: Operational state (RFC 2863) such as V(UP), V(DOWN), V(UNKNOWN).
                  type: str
                master:
                  description: Name of the bridge, bond, ... that it is a port of, else null.
                  type: str
                port_kind:
                  description: Kind of that master, else null.
                  type: str
                lower:
                  description: Index of the link that it lies on or is paired with, if in the same namespace.
                  type: int
                group:
                  description: Number of its link group.
                  type: int
                addresses:
                  description: IPv4 and IPv6 addresses.
                  type: list
                  elements: dict
                  contains:
                    family:
                      description: V(inet) or V(inet6).
                      type: str
                    address:
                      description: The address.
                      type: str
                    prefix:
                      description: Length of the prefix in bits.
                      type: int
                    scope:
                      description: V(global), V(site), V(link) or V(host).
                      type: str
                    label:
                      description: Label of an IPv4 address.
                      type: str
                    broadcast:
                      description: Broadcast address.
                      type: str
                    flags:
                      description: Flags as C(ip address) prints them, and V(permanent).
                      type: list
                      elements: str
                    peer:
                      description: Address of the other end of a point-to-point link, else null.
                      type: str
                    protocol:
                      description: Who added it if the kernel did (V(kernel_lo), V(kernel_ra), V(kernel_ll)), else null.
                      type: str
                manager:
                  description: >-
                    Who owns its configuration - V(systemd-networkd), V(NetworkManager) or V(ifupdown); null if nobody
                    does and for links outside the initial network namespace.
                  type: str
                tun:
                  description: What a TUN or TAP device asks of who opens it, null for other links.
                  type: dict
                  contains:
                    owner:
                      description: Uid of its owner, null if it has none.
                      type: int
                    group:
                      description: Gid of its group, null if it has none.
                      type: int
                    taken:
                      description: Whether a process has it open and it takes no second one.
                      type: bool
                device:
                  description: >-
                    Name of its hardware on the bus, such as V(0000:01:10.0), null for links without hardware and from
                    kernels before 5.14; then C(radio) and C(function) are null as well.
                  type: str
                permanent_mac:
                  description: Link-layer address that its hardware came with, null if the driver says none.
                  type: str
                radio:
                  description: Switch of the radio of a wireless link (rfkill), null if it has none.
                  type: dict
                  contains:
                    name:
                      description: Its name, such as V(rfkill0).
                      type: str
                    soft:
                      description: Whether software blocks it, null if that could not be read.
                      type: bool
                    hard:
                      description: Whether a switch of the machine blocks it, null if that could not be read.
                      type: bool
                function:
                  description: >-
                    What the card holds for a virtual function (SR-IOV), null if it is none and where the card's own
                    link is not in the network namespace of the host.
                  type: dict
                  contains:
                    physical:
                      description: Name of the card's own link.
                      type: str
                    number:
                      description: Number of the virtual function.
                      type: int
                    mac:
                      description: Link-layer address that the card lists for it, whoever set it, null if it lists none.
                      type: str
                    trusted:
                      description: Whether the card trusts it, null if the driver does not tell.
                      type: bool
            routes:
              description: IPv4 and IPv6 routes of all tables.
              type: list
              elements: dict
              contains:
                family:
                  description: V(inet) or V(inet6).
                  type: str
                dst:
                  description: Destination as an address, a prefix or V(default).
                  type: str
                gateway:
                  description: The next hop, else null.
                  type: str
                interface:
                  description: Name of the output link, else null.
                  type: str
                table:
                  description: Number of the routing table; 254 is main, 255 is local.
                  type: int
                metric:
                  description: Priority; the lowest wins. Null stands for 0.
                  type: int
                prefsrc:
                  description: Preferred source address, else null.
                  type: str
                type:
                  description: V(unicast), V(local), V(blackhole), ...
                  type: str
                protocol:
                  description: Who added it, such as V(kernel), V(boot), V(static), V(dhcp).
                  type: str
                scope:
                  description: V(global), V(site), V(link) or V(host).
                  type: str
                onlink:
                  description: Whether the gateway is reached directly though no route says so.
                  type: bool
                metrics:
                  description: Metrics of the route such as C(mtu), by name.
                  type: dict
                nexthops:
                  description: Next hops of a multipath route, as C(ip route) prints them.
                  type: list
                  elements: str
                extra:
                  description: Names of further attributes that the route has, such as V(encap).
                  type: list
                  elements: str
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
    netlink_links:
      namespaces:
        - netns: /run/netns/blue
          links:
            - index: 1
              name: lo
              flags: [LOOPBACK]
              mtu: 65536
          routes: []
      unseen: []
"""

import os
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._observe._hardware import mark_hardware
from ansible_collections.netlink.remediation.plugins.module_utils._observe._links import observe_links
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._pyroute2 import PYROUTE2_ARGUMENTS, require_pyroute2
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen


def read_namespace(netns: Optional[str], interfaces: list[str], unseen: list[Unseen]) -> dict[str, Any]:
    """One entry of the result: the links that were asked for, and the routes through them."""
    links, routes = observe_links(netns, unseen)
    mark_hardware(links, unseen)
    if interfaces:
        links = [link for link in links if {link.name, *link.altnames} & set(interfaces)]
        names = {link.name for link in links}
        routes = [route for route in routes if route.interface in names]
    return {"netns": netns, "links": to_plain(links), "routes": to_plain(routes)}


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "interfaces": {"type": "list", "elements": "str", "default": []},
            "netns": {"type": "list", "elements": "path", "default": []},
            **PYROUTE2_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    for path in module.params["netns"]:
        if not os.path.isabs(path) or not os.path.exists(path):
            module.fail_json(msg=f"netns: {path!r} is no absolute path that exists, expected e.g. /run/netns/blue")
    require_pyroute2(module)
    unseen: list[Unseen] = []
    namespaces = [
        read_namespace(path, module.params["interfaces"], unseen) for path in module.params["netns"] or [None]
    ]
    module.exit_json(ansible_facts={"netlink_links": {"namespaces": namespaces, "unseen": to_plain(unseen)}})


if __name__ == "__main__":
    main()
