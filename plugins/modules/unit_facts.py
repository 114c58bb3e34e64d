#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: unit_facts
short_description: Read the lines of systemd units that bear on netlink, and where they stand
version_added: "0.1.0"
description:
  - Reads which user a systemd unit runs as, which capabilities it leaves and grants, and which lines of its sandbox
    take something away that netlink needs. Each line is told with its file and number, also one that a later line
    resets. See systemd.exec(5).
  - The fragment and the drop-ins are parsed in systemd's own order. The values that systemd has read from them come
    from one call of C(systemctl show) for all units.
  - Where systemd does not run (in most containers, for example), the files are searched for in its directories, and
    C(unseen) says that the runtime values are missing.
  - Without O(units), the services whose processes hold a netlink socket are read, those of the managers of users too.
  - Run it as root. Otherwise it sees only a part, and says in C(unseen) what it did not see.
options:
  units:
    description:
      - Names of units such as V(frr.service), V(openvpn-client@office.service) or V(frr), which means V(frr.service).
        An alias stands for its unit.
      - A unit that does not exist is returned with V(not-found) as C(load). A unit that only the manager of a user
        knows is found while it runs.
      - A template without an instance (V(openvpn-client@.service)) is an error, as is what can be no name of a unit.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.facts
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.capability_facts
    description: What the processes of a unit really hold.
  - module: netlink.remediation.diagnosis_info
    description: Which of the lines refuses what.
"""

EXAMPLES = r"""
- name: Which units use netlink, and what do their sandboxes say?
  netlink.remediation.unit_facts:

- name: Read two units
  netlink.remediation.unit_facts:
    units: [frr.service, openvpn-client@office.service]

- name: Which lines restrict the address families of the first one?
  ansible.builtin.debug:
    msg: "{{ item.file }}:{{ item.line }}: {{ item.value }}"
  loop: >-
    {{ (ansible_facts.netlink_units.units[0].directives
        | selectattr('name', 'eq', 'RestrictAddressFamilies') | first).lines }}
"""

RETURN = r"""
ansible_facts:
  description: Facts to add to C(ansible_facts).
  returned: always
  type: dict
  contains:
    netlink_units:
      description: The units that were read.
      returned: always
      type: dict
      contains:
        units:
          description: The units that were asked for, each once.
          returned: always
          type: list
          elements: dict
          contains:
            name:
              description: Name of the unit, where it was asked for by an alias too.
              returned: always
              type: str
              sample: frr.service
            manager:
              description: V(system), or V(user) for a unit of a user's own manager, which cannot grant capabilities.
              returned: always
              type: str
            load:
              description: >-
                V(loaded), V(not-found), V(masked), V(bad-setting) or V(error), as systemd says it; null for a unit
                whose files were found where systemd cannot be asked.
              returned: always
              type: str
            active:
              description: V(active), V(inactive), V(failed) and others; null where systemd cannot be asked.
              returned: always
              type: str
            sub:
              description: State that depends on the type, such as V(running); null where systemd cannot be asked.
              returned: always
              type: str
            reload_needed:
              description: >-
                Whether the files were changed since systemd read them, so that the next start does not heed the change
                without C(systemctl daemon-reload).
              returned: always
              type: bool
            stale:
              description: >-
                Whether the files, or the directories of drop-ins, were changed since the main process was started, so
                that it may run with lines of before.
              returned: always
              type: bool
            fragment:
              description: The unit's own file; null if there is none.
              returned: always
              type: str
              sample: /usr/lib/systemd/system/frr.service
            drop_ins:
              description: The drop-ins in the order in which they are read, after the fragment.
              returned: always
              type: list
              elements: str
            main_pid:
              description: The main process; null while there is none.
              returned: always
              type: int
            invocation:
              description: Id of the last start (C(InvocationID)); null if there was none.
              returned: always
              type: str
            result:
              description: How the last run ended, V(success) also while it runs; null where systemd cannot be asked.
              returned: always
              type: str
            commands:
              description: The lines of C(ExecStart=) in force.
              returned: always
              type: list
              elements: dict
              contains:
                section:
                  description: The section it stands in.
                  returned: always
                  type: str
                name:
                  description: V(ExecStart).
                  returned: always
                  type: str
                value:
                  description: The command line as written, with its prefix characters and specifiers.
                  returned: always
                  type: str
                file:
                  description: The file it stands in.
                  returned: always
                  type: str
                line:
                  description: The line on which it begins.
                  returned: always
                  type: int
            directives:
              description: >-
                The directives that bear on netlink, always all and in the same order; none for types of units that
                start nothing themselves (scopes, targets, timers).
              returned: always
              type: list
              elements: dict
              contains:
                name:
                  description: >-
                    V(User), V(Group), V(SupplementaryGroups), V(DynamicUser), V(CapabilityBoundingSet),
                    V(AmbientCapabilities), V(NoNewPrivileges), V(PrivateUsers), V(PrivateNetwork),
                    V(NetworkNamespacePath), V(JoinsNamespaceOf), V(RestrictAddressFamilies), V(RestrictNamespaces),
                    V(SystemCallFilter), V(SystemCallErrorNumber) or V(ProtectKernelTunables).
                  returned: always
                  type: str
                effective:
                  description: >-
                    What the lines in force make, written as C(systemctl show) does; null if no line is in force. Sets
                    of system calls and specifiers are left as written.
                  returned: always
                  type: str
                  sample: cap_net_bind_service cap_net_admin
                runtime:
                  description: >-
                    What systemd has read, as C(systemctl show) prints it, with what other directives add to it
                    (C(PrivateDevices=) takes capabilities out of the bounding set); null where it cannot be asked.
                  returned: always
                  type: str
                lines:
                  description: All lines that assign to it, in the order in which they are read.
                  returned: always
                  type: list
                  elements: dict
                  contains:
                    value:
                      description: What is assigned, continued lines joined.
                      returned: always
                      type: str
                    file:
                      description: The file it stands in.
                      returned: always
                      type: str
                    line:
                      description: The line on which it begins.
                      returned: always
                      type: int
                    in_force:
                      description: >-
                        Whether it counts; not what a later line resets or replaces, and not what systemd ignores
                        because it does not understand it.
                      returned: always
                      type: bool
                    reset:
                      description: Whether it is an empty assignment, which resets the lines before it.
                      returned: always
                      type: bool
        unseen:
          description: What could not be read.
          returned: always
          type: list
          elements: dict
          contains:
            source:
              description: What was tried.
              returned: always
              type: str
              sample: systemctl show
            reason:
              description: Why it failed.
              returned: always
              type: str
  sample:
    netlink_units:
      units:
        - name: lldpd.service
          manager: system
          load: loaded
          active: active
          sub: running
          reload_needed: false
          stale: false
          fragment: /usr/lib/systemd/system/lldpd.service
          drop_ins: [/etc/systemd/system/lldpd.service.d/hardening.conf]
          main_pid: 812
          invocation: 3d0fa57a01bd4ae9a3ee3e8ae2b0f0a2
          result: success
          commands:
            - section: Service
              name: ExecStart
              value: /usr/sbin/lldpd $DAEMON_ARGS
              file: /usr/lib/systemd/system/lldpd.service
              line: 14
          directives:
            - name: RestrictAddressFamilies
              effective: AF_INET AF_INET6 AF_UNIX
              runtime: AF_INET AF_INET6 AF_UNIX
              lines:
                - value: AF_INET AF_INET6 AF_UNIX
                  file: /etc/systemd/system/lldpd.service.d/hardening.conf
                  line: 2
                  in_force: true
                  reset: false
      unseen: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils import _commands
from ansible_collections.netlink.remediation.plugins.module_utils._unit_facts import unit_facts


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"units": {"type": "list", "elements": "str", "default": []}}, supports_check_mode=True
    )
    _commands.use(module)
    try:
        facts = unit_facts(module.params["units"], _commands.run)
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, ansible_facts={"netlink_units": facts})


if __name__ == "__main__":
    main()
