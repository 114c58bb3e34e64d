# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that name workloads, shared by the modules that judge them."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the option workloads."""

    DOCUMENTATION = r"""
options:
  workloads:
    description:
      - What needs netlink, and what it wants to do.
      - Each entry names exactly one of O(workloads[].pid), O(workloads[].executable), O(workloads[].unit) and
        O(workloads[].container).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: A name for the workload, unique in the list. Findings refer to it.
        type: str
        required: true
      pid:
        description:
          - A running process, or one thread of it (a thread id is judged alone, since credentials are per thread).
        type: int
      executable:
        description: Absolute path of a program that O(workloads[].user) would run.
        type: path
      unit:
        description:
          - Name of a systemd unit, with or without C(.service), resolved to its running processes through their control
            group.
          - One that does not run is judged by what systemd would start.
        type: str
      container:
        description: Name or id of a container, resolved to its running processes through their control group.
        type: str
      user:
        description: Who would run O(workloads[].executable), as a name or a number. V(root) if not given.
        type: str
      operations:
        description:
          - What the workload does. All but the last three are changes that need C(CAP_NET_ADMIN) over the network
            namespace.
          - V(action) is a tc action, which the kernel allows in the initial user namespace only.
          - V(netns) makes a network namespace, or enters the one named by O(workloads[].netns).
          - V(userns) makes a user namespace with a network namespace of its own, as rootless tools do.
          - V(forward) needs packets to be forwarded; it is judged by sysctls and routes, not by the capability.
        type: list
        elements: str
        choices: [link, address, route, rule, neighbour, qdisc, action, tun, nftables, xfrm, netns, userns, forward]
        default: [link]
      interface:
        description:
          - Name or altname of the link it works on. With V(forward), the link on which packets arrive.
          - With O(workloads[].link_kind), the link that it makes or, if there is one of that name, the one on which the
            new link lies. With V(tun), the TUN or TAP device.
        type: str
      address:
        description:
          - Address with prefix length that it adds, for example V(192.0.2.1/24).
          - With V(forward), the network that the packets come from.
        type: str
      route:
        description: The route that it adds.
        type: dict
        suboptions:
          dst:
            description: Destination network, or V(default).
            type: str
            required: true
          gateway:
            description: Address of the next hop.
            type: str
          interface:
            description: Name or altname of the output link.
            type: str
          table:
            description: Number of the routing table; 254 is the main table.
            type: int
            default: 254
      netns:
        description:
          - Path of the network namespace on which it works, for example V(/run/netns/blue). The workload's own if not
            given.
          - With the operation V(link) alone and a O(workloads[].interface) of its own namespace it names the namespace
            that the link is moved to.
        type: path
      master:
        description: Name of the bridge or bond of which O(workloads[].interface) is to become a port.
        type: str
      group:
        description: Link group that the workload deletes, for example V(default).
        type: str
      link_kind:
        description:
          - Kind of the link that it makes with the operation V(link), for example V(wireguard), V(vxlan) or V(dummy).
            Then it is looked whether the kernel has that kind or would load a module for it.
          - TUN and TAP links are not made by netlink; they are the operation V(tun).
        type: str
      qdisc_kind:
        description:
          - Kind of the queueing discipline that it makes with the operation V(qdisc), for example V(netem). Then it is
            looked whether the kernel has that kind or would load a module for it.
        type: str
      mac:
        description:
          - Link-layer address that it gives O(workloads[].interface) with the operation V(link), for example
            V(02:00:00:00:00:01). Then it is looked whether the card of a virtual function (SR-IOV) keeps that from it.
        type: str
"""
