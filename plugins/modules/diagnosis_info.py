#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnosis_info
short_description: Find out why netlink refuses a program
version_added: "0.1.0"
description:
  - Judges for each workload whether the netlink operations that it needs would succeed now, and names every gate of
    the kernel that would refuse, in the order in which the kernel asks.
  - Everything is read and judged in one call; nothing is changed. Probes are requests that the kernel has to judge but
    that cannot change anything, sent from a child with the namespaces and credentials of the workload.
  - Links and routes are read with pyroute2, for workloads that name a link, an address or a route. Without it this part
    is listed in RV(unseen).
  - Run it as root. Otherwise it sees only a part, and says in RV(unseen) what it did not see.
options:
  discover:
    description:
      - Look for holders of rtnetlink sockets that the kernel would refuse a change. Many programs only read, so such
        findings are V(possible) at best.
      - Default is V(true) if O(workloads) is empty, else V(false).
    type: bool
  evidence_hours:
    description:
      - Look at what the host recorded of refusals in the last hours - the audit log, the kernel log, the journal, logs
        of containers, as M(netlink.remediation.denial_info) reads them. V(0) looks at none.
      - What is recorded of a workload that O(workloads) names is held against what is found. If O(discover) is set,
        units, containers, processes and programs that the records name are judged as well.
      - A record only says whom to look at. Anybody can write a log line, so it never makes a finding by itself.
    type: float
    default: 0
  snapshot:
    description: Judge this saved state instead of the host, which is not touched.
    type: dict
  snapshot_file:
    description: Path on the node of a saved state (JSON) to judge instead of the host.
    type: path
  include_snapshot:
    description: Return the state that was read, for judging it again later or elsewhere.
    type: bool
    default: false
  probe:
    description:
      - Ask the kernel. Without probes a verdict is never V(allowed), and no finding is V(proven) by one.
    type: bool
    default: true
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.info
  - netlink.remediation.workloads
  - netlink.remediation.pyroute2
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.probe_info
  - module: netlink.remediation.explain_info
  - ref: ansible_collections.netlink.remediation.docsite.causes
    description: The catalogue of causes and reasons.
"""

EXAMPLES = r"""
- name: Which programs of this host would netlink refuse?
  netlink.remediation.diagnosis_info:
  register: diagnosis

- name: Why can the VPN daemon not bring up its link?
  netlink.remediation.diagnosis_info:
    workloads:
      - name: vpn
        executable: /usr/local/sbin/vpnd
        user: vpn
        operations: [link, address, route]
        interface: tun0

- name: Why can a service set no route, and a container no link?
  netlink.remediation.diagnosis_info:
    workloads:
      - name: monitor
        unit: monitor.service
        operations: [route]
      - name: router
        container: router
        operations: [link]

- name: Who was refused in the last day, and would be now?
  netlink.remediation.diagnosis_info:
    evidence_hours: 24

- name: Judge the saved state of a host that is gone
  netlink.remediation.diagnosis_info:
    snapshot_file: /var/tmp/web1.json
"""

RETURN = r"""
workloads:
  description: The verdict of each workload, in the order in which they were named; discovered ones last.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the workload.
      type: str
    kind:
      description: One of V(pid), V(executable), V(unit), V(container).
      type: str
    pid:
      description: Its main process, null for an executable or when none runs.
      type: int
    executable:
      description: Path of its program.
      type: str
    user:
      description: The user whose start of the program was judged, null where a process was.
      type: str
    operations:
      description: The operations that were judged.
      type: list
      elements: str
    unit:
      description: The systemd unit it belongs to.
      type: str
    container:
      description: The container it belongs to.
      type: str
    discovered:
      description: Whether it was found by looking at netlink sockets or records, and not named.
      type: bool
    unresolved:
      description: Why no process of it could be looked at, else null.
      type: str
    verdict:
      description: Whether its operations, as named, would succeed now - V(allowed), V(refused) or V(unknown).
      type: str
    notes:
      description:
        - Where what is recorded of it is at odds with what is found, one sentence each. It was refused and would be
          allowed now, a denial was logged and stopped nothing, or a program printed an errno that the kernel does not
          send.
      type: list
      elements: str
    evidence:
      description: What the host recorded of it, as in RV(netlink.remediation.denial_info#module:denials).
      type: list
      elements: dict
    probes:
      description: What the kernel answered.
      type: list
      elements: dict
      contains:
        operation:
          description: The operation.
          type: str
        answer:
          description: V(allowed), V(unknown) or the name of an errno such as V(EPERM).
          type: str
        sent:
          description: Whether a request was sent.
          type: bool
        layer:
          description: Which step answered, for example V(socket), V(ack), V(setns) or V(setup).
          type: str
        detail:
          description: What else there is to say.
          type: str
        not_reproduced:
          description: Gates that the probe could not imitate, so that an allowed probe is no verdict.
          type: list
          elements: str
  sample:
    - name: vpn
      kind: executable
      verdict: refused
findings:
  description: Every gate that refuses or will, in the order in which the kernel asks.
  returned: success
  type: list
  elements: dict
  contains:
    workload:
      description: Name of the workload.
      type: str
    cause:
      description: Entry of the catalogue of causes.
      type: str
    reason:
      description: Which variant of the cause.
      type: str
    certainty:
      description: V(proven), V(likely) or V(possible).
      type: str
    effect:
      description:
        - V(refuses) if the operation fails now because of it, V(may_refuse) if that depends on what the program does,
          V(later) if it works now and will not after the next boot, V(none) if nothing fails.
      type: str
    capability:
      description: The capability that was wanted, or null.
      type: str
    gate:
      description: The step of the kernel that refuses.
      type: str
    policy_owner:
      description: Who has to change it.
      type: str
    summary:
      description: One sentence.
      type: str
    evidence:
      description: What was observed.
      type: list
      elements: dict
      contains:
        source:
          description: Where it was read.
          type: str
        text:
          description: What it says.
          type: str
    also:
      description: The other causes of this workload; only on its first finding.
      type: list
      elements: str
    remedy:
      description: What to run, or null where this collection cannot mend it from here.
      type: dict
      contains:
        role:
          description: Role of this collection.
          type: str
        variables:
          description: Its variables.
          type: dict
        adds:
          description: Privilege that it adds.
          type: list
          elements: str
        disrupts:
          description: What it interrupts.
          type: list
          elements: str
        consent:
          description: Words of C(accept) that it needs.
          type: list
          elements: str
    advice:
      description: What to do instead, where RV(findings[].remedy) is null.
      type: str
    pending:
      description: Whether the host is mended already, and the workload only has to be executed anew.
      type: bool
unseen:
  description: What could not be read, and why.
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
snapshot:
  description: The state that was judged.
  returned: when O(include_snapshot=true)
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._inquiry import ARGUMENTS, judge_host


def main():
    module = AnsibleModule(
        argument_spec=ARGUMENTS, mutually_exclusive=[("snapshot", "snapshot_file")], supports_check_mode=True
    )
    judge_host(module)


if __name__ == "__main__":
    main()
