#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: unit_dropin
short_description: Let systemd services use netlink
version_added: "0.1.0"
description:
  - Writes a drop-in (systemd.unit(5)) for any number of services of the system in one call. It grants capabilities, and
    lifts exactly those lines of the sandbox (systemd.exec(5)) that refuse netlink. The unit's own files stay as they
    are.
  - The drop-in of C(vpn.service) is C(/etc/systemd/system/vpn.service.d/50-netlink-remediation.conf).
  - What is a list, such as C(CapabilityBoundingSet=), is added to where a line of the unit is in force, and left alone
    elsewhere, since a first line of that kind would take everything else away. Nothing that the unit had is lost.
  - Everything is checked before anything is written, in check mode too. C(systemd-analyze verify) reads the unit with
    the drop-in. What would have no effect is an error, such as a line that systemd reads after ours and that resets
    it.
  - After C(systemctl daemon-reload) the module looks at what systemd shows for the unit. If that is not what was
    wanted, everything is taken back.
  - A service that runs is started anew only if O(accept) has V(restart). It must come up within 90 seconds and then
    stay up for 2 seconds (one of C(Type=oneshot) has to end with success). If it does not, the files are taken back and
    it is started anew with those of before. A service that does not run is not started. One that failed is started.
options:
  units:
    description:
      - The services. Several entries may name the same one if they do not contradict each other. They are applied in
        order.
    type: list
    elements: dict
    required: true
    suboptions:
      unit:
        description:
          - Name of a service of the system manager, with or without C(.service), or one of its aliases.
          - An instance such as V(dhcp@eth0.service), but not a template. Not a unit of a user's own manager, since that
            cannot grant what it does not have.
        type: str
        required: true
      grant:
        description:
          - Capabilities that the service shall have, such as V(cap_net_admin).
          - A service that runs as another user than root gets them in C(AmbientCapabilities=). In
            C(CapabilityBoundingSet=) they are added where a line leaves them out.
          - A service that runs as root and that no C(CapabilityBoundingSet=) restricts has them already.
        type: list
        elements: str
        default: []
      lift:
        description:
          - What shall no longer refuse. Nothing is written for a line that does not refuse.
          - V(private_users) runs the service in the host's user namespace (C(PrivateUsers=no)), V(private_network) in
            the host's network (C(PrivateNetwork=no); C(NetworkNamespacePath=) stays).
          - V(restrict_address_families) adds C(AF_NETLINK).
          - V(restrict_namespaces) adds the kinds C(net), C(mnt) and C(user), which C(ip netns) and C(unshare) need.
          - V(system_call_filter) adds the system calls that every netlink client needs, with C(unshare) and C(setns).
          - V(protect_kernel_tunables) makes C(/proc/sys) and C(/sys) writable (C(ProtectKernelTunables=no)).
          - V(no_new_privileges) lets file capabilities and setuid programs work again (C(NoNewPrivileges=no)). Not
            possible with C(DynamicUser=yes), which implies it.
        type: list
        elements: str
        choices:
          - private_users
          - private_network
          - restrict_address_families
          - restrict_namespaces
          - system_call_filter
          - protect_kernel_tunables
          - no_new_privileges
        default: []
      settings:
        description:
          - Other settings, as a dictionary of sections, each a dictionary of directives with a value or a list of
            values. Each value becomes a line. An empty text is the empty assignment that resets a list.
          - They stand after what O(units[].grant) and O(units[].lift) write. The section C([Install]) is not possible,
            because systemd does not read it from drop-ins.
        type: dict
        default: {}
      restart:
        description:
          - Start the service anew even if its files do not change, for example because a process of before does not
            have what the files grant by now. Needs V(restart) in O(accept).
          - With this option each call restarts, and reports a change.
        type: bool
        default: false
      state:
        description:
          - V(present) adds to what the drop-in of this module holds from earlier calls. A directive of
            O(units[].settings) that is there already gets the new values.
          - V(exact) replaces what the drop-in holds.
          - V(absent) takes back what is named by O(units[].grant), O(units[].lift) and O(units[].settings) (the values
            of the latter do not matter), or removes the whole drop-in if nothing is named.
          - A drop-in with nothing in it is removed.
        type: str
        choices: [present, exact, absent]
        default: present
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.changes
  - netlink.remediation.change
requirements:
  - systemd as process 1 of the host. Tried with systemd 257.
notes:
  - A drop-in is read in the order of its file name, in whatever directory it lies. To keep the last word, do not let
    other drop-ins that sort after C(50-netlink-remediation.conf) reset what is lifted here.
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.diagnosis_info
  - module: netlink.remediation.file_capabilities
  - module: netlink.remediation.receipt
"""

EXAMPLES = r"""
- name: Let a service that runs as a user administer the network, and restart it
  netlink.remediation.unit_dropin:
    units:
      - unit: vpn.service
        grant: [cap_net_admin]
    accept: [restart]

- name: Lift what keeps two services from netlink; they are restarted some other time
  netlink.remediation.unit_dropin:
    units:
      - unit: monitor.service
        lift: [restrict_address_families]
      - unit: dhcp@eth0.service
        grant: [cap_net_admin, cap_net_raw]
        lift: [private_users, system_call_filter]
  register: units

- name: Say which services run without it until they are restarted
  ansible.builtin.debug:
    var: units.restart_required

- name: Settings of one's own, and nothing else from earlier calls
  netlink.remediation.unit_dropin:
    units:
      - unit: router.service
        settings:
          Unit:
            After: [network.target, nftables.service]
          Service:
            ProtectKernelTunables: false
            ReadWritePaths: ["", /proc/sys/net]
        state: exact

- name: Remove the drop-in
  netlink.remediation.unit_dropin:
    units:
      - unit: vpn.service
        state: absent
    accept: [restart]
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. A file for each unit, then the restarts.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(file) for a drop-in, V(activation) for a restart.
      type: str
    target:
      description: The path of the drop-in, or V(unit) and the name of the unit.
      type: str
    before:
      description:
        - For a file null if there was none, else its C(content), C(mode) (octal, as text), C(owner) (uid) and C(group)
          (gid). For a restart V(as it was started).
      type: raw
    after:
      description: The same after the change. For a restart V(started anew).
      type: raw
    workloads:
      description: Names of the workloads it was made for.
      type: list
      elements: str
  sample:
    - kind: file
      target: /etc/systemd/system/vpn.service.d/50-netlink-remediation.conf
      before: null
      after:
        content: |
          # Written by the Ansible collection netlink.remediation (module unit_dropin): it reads these comments again.
          # grant: cap_net_admin
          [Service]
          AmbientCapabilities=CAP_NET_ADMIN
        mode: "0644"
        owner: 0
        group: 0
      workloads: []
    - kind: activation
      target: unit vpn.service
      before: as it was started
      after: started anew
      workloads: []
security:
  description: What the units may do more than before, one sentence for each line that is new.
  returned: success
  type: list
  elements: str
  sample:
    - vpn.service has CAP_NET_ADMIN in every program that it starts, although it runs as user vpn
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
  description: What the restarts interrupt, also units that require one of those restarted.
  returned: success
  type: list
  elements: str
  sample:
    - a restart interrupts vpn.service
restart_required:
  description:
    - Units that run without what the drop-in holds until they are restarted, because O(accept) has no V(restart) or
      because a unit cannot be restarted from here (which is then a warning as well).
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Always V(unit).
      type: str
    name:
      description: The unit.
      type: str
  sample:
    - kind: unit
      name: vpn.service
unvalidated:
  description: What could not be tried without doing it, such as whether a unit comes up again.
  returned: success
  type: list
  elements: str
  sample:
    - whether unit vpn.service comes up again
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._dropin_wish import LIFTS
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import CHANGE_ARGUMENTS
from ansible_collections.netlink.remediation.plugins.module_utils._change._unit_dropin import run_units

UNIT_ARGUMENTS = {
    "unit": {"type": "str", "required": True},
    "grant": {"type": "list", "elements": "str", "default": []},
    "lift": {"type": "list", "elements": "str", "choices": list(LIFTS), "default": []},
    "settings": {"type": "dict", "default": {}},
    "restart": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "exact", "absent"], "default": "present"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "units": {"type": "list", "elements": "dict", "required": True, "options": UNIT_ARGUMENTS},
            **CHANGE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run_units(module))
    except ChangeError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
