#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lsm_facts
short_description: Read which AppArmor profile or SELinux domain confines a process or program
version_added: "0.1.0"
description:
  - Reads the active security modules, SELinux's mode and policy, the lockdown level, and the switches that restrict
    user namespaces.
  - Of each process it reads the label, and of each program the label that it would have if root started it from a
    login. With AppArmor, the label names a profile or several (a stack, C(a//&b)). They are returned with the mode in
    which they are loaded, the file and line that define them, the file in C(local/) that they include, and their rules
    that bear on netlink. With SELinux, the domain is returned with what the loaded policy answers for it.
  - Without any of O(pids), O(units), O(containers) and O(executables), the processes that hold a netlink socket are
    read.
  - Run it as root. Otherwise it sees only a part, and says in C(unseen) what it did not see.
options:
  pids:
    description:
      - Processes to read. The id of a thread stands for its process.
      - A process that does not exist is an error; one that ends while it is being read is left out.
    type: list
    elements: int
    default: []
  units:
    description:
      - systemd units whose processes to read, found by their cgroup. A name without a suffix means a V(.service).
      - A unit without a running process is listed in C(unseen).
    type: list
    elements: str
    default: []
  containers:
    description:
      - Containers whose processes to read, by id, by the beginning of an id, or by name where the engine keeps names on
        disk (docker, podman, CRI-O, LXC).
      - A container without a running process is listed in C(unseen).
    type: list
    elements: str
    default: []
  executables:
    description:
      - Absolute paths of programs that do not have to run. One that does not exist is returned as such.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.facts
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.apparmor_rules
  - module: netlink.remediation.selinux_policy
  - module: netlink.remediation.diagnosis_info
"""

EXAMPLES = r"""
- name: What confines the holders of netlink sockets?
  netlink.remediation.lsm_facts:

- name: Read a service and a program
  netlink.remediation.lsm_facts:
    units: [chrony.service]
    executables: [/usr/sbin/tcpdump]

- name: Name the profiles that refuse, with their files
  ansible.builtin.debug:
    msg: "{{ item.name }} ({{ item.mode }}): {{ item.file }}:{{ item.line }}, to be extended in {{ item.local }}"
  loop: "{{ ansible_facts['netlink_lsm'].profiles | selectattr('mode', 'eq', 'enforce') }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
ansible_facts:
  description: Facts to add to C(ansible_facts).
  returned: always
  type: dict
  contains:
    netlink_lsm:
      description: Security modules and what they confine.
      returned: always
      type: dict
      contains:
        active:
          description: The active security modules, in the kernel's order.
          returned: always
          type: list
          elements: str
          sample: [lockdown, capability, yama, apparmor]
        lockdown:
          description: V(none), V(integrity) or V(confidentiality); null where the kernel has no such module.
          returned: always
          type: str
        selinux:
          description: SELinux as a whole; null without it.
          returned: always
          type: dict
          contains:
            mode:
              description: V(enforcing) or V(permissive).
              returned: always
              type: str
            policy:
              description: Name of the policy (C(SELINUXTYPE) of selinux_config(5)).
              returned: always
              type: str
        restrictions:
          description:
            - Switches and limits for user namespaces and modules, by their path below C(/proc/sys). Those that the
              kernel does not have are missing.
          returned: always
          type: dict
          sample: {kernel/apparmor_restrict_unprivileged_userns: 1, user/max_user_namespaces: 15000}
        processes:
          description: The processes that were asked for, those of a unit or container with the main one first.
          returned: always
          type: list
          elements: dict
          contains:
            pid:
              description: Process id in the pid namespace of the observer.
              returned: always
              type: int
            start_time:
              description: Start time in clock ticks since boot, which tells a reused pid.
              returned: always
              type: int
            parent:
              description: Process id of the parent.
              returned: always
              type: int
            name:
              description: Name of the process, at most 15 bytes.
              returned: always
              type: str
            executable:
              description: Path of the program; null for a kernel thread.
              returned: always
              type: str
            deleted:
              description: Whether the program's file was deleted or replaced since it was started.
              returned: always
              type: bool
            unit:
              description: The systemd unit, from the cgroup; null outside of units.
              returned: always
              type: str
            container:
              description: Id of the container, from the cgroup; the name for LXC; null outside of containers.
              returned: always
              type: str
            label:
              description: Label of the main thread; null without a module that labels processes.
              returned: always
              type: str
              sample: labip (enforce)
            apparmor:
              description: The profiles of the label, one unless they are stacked; null without AppArmor.
              returned: always
              type: list
              elements: dict
              contains:
                profile:
                  description: Name of the profile, V(unconfined) for none.
                  returned: always
                  type: str
                mode:
                  description: V(enforce), V(complain), V(kill), V(prompt) or V(unconfined); null where it is not known.
                  returned: always
                  type: str
            domain:
              description: The SELinux domain (type); null without SELinux.
              returned: always
              type: str
            socket_types:
              description:
                - Types of the netlink sockets that it opens, V(raw) or V(dgram), which AppArmor tells apart. They are
                  those it holds, else those its program is known to open.
                - Read of processes that AppArmor confines; empty where not known.
              returned: always
              type: list
              elements: str
        executables:
          description: The files in O(executables).
          returned: always
          type: list
          elements: dict
          contains:
            path:
              description: Path as asked for.
              returned: always
              type: str
            exists:
              description: Whether the file exists.
              returned: always
              type: bool
            real_path:
              description: Path without symbolic links.
              returned: always
              type: str
            context:
              description: SELinux context of the file; null without SELinux, or where it did not have to be read.
              returned: always
              type: str
            expected_context:
              description:
                - Context that the policy's file contexts give its path; null where that was not looked at, which it is
                  for programs that SELinux would refuse.
              returned: always
              type: str
            label:
              description: Label that execve(2) would give it if root started it from a login; null where not known.
              returned: always
              type: str
            apparmor:
              description: The profiles of that label; null without AppArmor.
              returned: always
              type: list
              elements: dict
              contains:
                profile:
                  description: Name of the profile, V(unconfined) for none.
                  returned: always
                  type: str
                mode:
                  description: V(enforce), V(complain), V(kill), V(prompt) or V(unconfined); null where it is not known.
                  returned: always
                  type: str
            domain:
              description: The SELinux domain (type) of that label; null without SELinux.
              returned: always
              type: str
            socket_types:
              description: As of processes.
              returned: always
              type: list
              elements: str
        profiles:
          description: The AppArmor profiles that the labels name.
          returned: always
          type: list
          elements: dict
          contains:
            name:
              description: Name, of a nested one C(parent//child).
              returned: always
              type: str
            mode:
              description: Mode in which it is loaded; null where it is not, or that may not be read.
              returned: always
              type: str
            file:
              description: File that defines it; null where none below C(/etc/apparmor.d) does.
              returned: always
              type: str
            line:
              description: Line of the file.
              returned: always
              type: int
            executable:
              description: Path or pattern of the programs to which it attaches; null for none.
              returned: always
              type: str
            local:
              description: File in C(local/) that it includes, whether that exists or not; null where it includes none.
              returned: always
              type: str
            rules:
              description: Its rules that bear on netlink, those of included files too.
              returned: always
              type: list
              elements: dict
              contains:
                kind:
                  description: V(capability), V(network), V(userns), V(file) for C(/dev/net/tun), or V(all).
                  returned: always
                  type: str
                text:
                  description: The rule as written.
                  returned: always
                  type: str
                  sample: network netlink raw,
                file:
                  description: File in which it stands.
                  returned: always
                  type: str
                line:
                  description: Line of that file.
                  returned: always
                  type: int
                words:
                  description: What follows the kind, for V(file) path and permissions; empty for all of that kind.
                  returned: always
                  type: list
                  elements: str
                deny:
                  description: Whether it refuses, whatever other rules allow.
                  returned: always
                  type: bool
                audit:
                  description: Whether it is logged.
                  returned: always
                  type: bool
                conditional:
                  description: Whether it stands under a condition, so that it is not known whether it holds.
                  returned: always
                  type: bool
            generator:
              description: The tool that makes the profile anew by itself, such as V(docker) or V(snap); null for none.
              returned: always
              type: str
            flags:
              description: Flags in its text, such as V(complain).
              returned: always
              type: list
              elements: str
            disabled:
              description: Whether a link in C(disable/) keeps its file from being loaded.
              returned: always
              type: bool
            unmediated:
              description: Kinds of rules (V(network), V(userns)) that it does not need, since its abi leaves them out.
              returned: always
              type: list
              elements: str
            package:
              description: Debian package whose configuration file its file is; null where none is known.
              returned: always
              type: str
        domains:
          description: What the loaded SELinux policy answers for the domains about themselves.
          returned: always
          type: list
          elements: dict
          contains:
            context:
              description: The label.
              returned: always
              type: str
            type:
              description: Its type.
              returned: always
              type: str
            permissive:
              description: Whether this domain alone is permissive.
              returned: always
              type: bool
            allowed:
              description: Permissions that were asked for and are allowed, as lists by class.
              returned: always
              type: dict
              sample: {netlink_route_socket: [create, write]}
            denied:
              description: Those that are denied.
              returned: always
              type: dict
            hidden:
              description: Those that are denied and of which no log line tells (dontaudit).
              returned: always
              type: dict
            partly:
              description: Those that may be allowed for some types of messages only.
              returned: always
              type: dict
            booleans:
              description: Booleans that are off and would allow something, with that as a list of class and permission.
              returned: always
              type: dict
        unseen:
          description: What could not be read; each kind of file once.
          returned: always
          type: list
          elements: dict
          contains:
            source:
              description: What was tried, for example V(/sys/kernel/security/lsm).
              returned: always
              type: str
            reason:
              description: Why it failed, with the errno's name.
              returned: always
              type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._lsm_facts import lsm_facts
from ansible_collections.netlink.remediation.plugins.module_utils._process_facts import PROCESS_ARGUMENTS


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={**PROCESS_ARGUMENTS, "executables": {"type": "list", "elements": "path", "default": []}},
        supports_check_mode=True,
    )
    try:
        facts = lsm_facts(module.params)
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, ansible_facts={"netlink_lsm": facts})


if __name__ == "__main__":
    main()
