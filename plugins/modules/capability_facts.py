#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capability_facts
short_description: Read the capabilities of processes, threads and executables
version_added: "0.1.0"
description:
  - Reads the five capability sets, ids, C(NoNewPrivs) and seccomp mode of each thread, and the file capabilities of
    programs, with a verdict whether these can take effect where the file lies. See capabilities(7).
  - Without any of O(pids), O(units), O(containers), O(executables) and O(scan), the processes that hold a netlink
    socket and the programs they run are read.
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
      - Absolute paths of files to judge. One that does not exist is returned as such.
    type: list
    elements: path
    default: []
  scan:
    description:
      - Absolute paths of directories to search for files with capabilities, with everything below them, like
        C(getcap -r). Symbolic links are not followed; C(/proc) and C(/sys) are left out.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.facts
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.namespace_facts
  - module: netlink.remediation.diagnosis_info
"""

EXAMPLES = r"""
- name: Who holds netlink sockets, and with which capabilities?
  netlink.remediation.capability_facts:

- name: Read a service, a program, and every file capability below /usr
  netlink.remediation.capability_facts:
    units: [systemd-networkd.service]
    executables: [/usr/local/sbin/vpnd]
    scan: [/usr]

- name: Name the files whose capabilities have no effect
  ansible.builtin.debug:
    msg: "{{ item.path }}: {{ item.verdict.reasons | join(', ') }}"
  loop: >-
    {{ ansible_facts['netlink_capabilities'].executables | selectattr('verdict') | rejectattr('verdict.takes_effect') }}
  loop_control:
    label: "{{ item.path }}"
"""

RETURN = r"""
ansible_facts:
  description: Facts to add to C(ansible_facts).
  returned: always
  type: dict
  contains:
    netlink_capabilities:
      description: Capabilities of processes and executables.
      returned: always
      type: dict
      contains:
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
            sockets:
              description: The netlink sockets that the process holds.
              returned: always
              type: list
              elements: dict
              contains:
                inode:
                  description: Inode number of the socket.
                  returned: always
                  type: int
                protocol:
                  description: Number of the netlink protocol; 0 is rtnetlink.
                  returned: always
                  type: int
                net_ns:
                  description: Inode number of the network namespace to which the socket belongs.
                  returned: always
                  type: int
                opener_uid:
                  description: File system uid of who created the socket. See netlink(7).
                  returned: always
                  type: int
            threads:
              description: The threads, the main one first. Every thread has credentials of its own.
              returned: always
              type: list
              elements: dict
              contains:
                tid:
                  description: Thread id.
                  returned: always
                  type: int
                name:
                  description: Name of the thread.
                  returned: always
                  type: str
                ruid:
                  description: Real user id. See credentials(7).
                  returned: always
                  type: int
                euid:
                  description: Effective user id. See credentials(7).
                  returned: always
                  type: int
                suid:
                  description: Saved user id. See credentials(7).
                  returned: always
                  type: int
                fsuid:
                  description: File system user id. See credentials(7).
                  returned: always
                  type: int
                rgid:
                  description: Real group id. See credentials(7).
                  returned: always
                  type: int
                egid:
                  description: Effective group id. See credentials(7).
                  returned: always
                  type: int
                sgid:
                  description: Saved group id. See credentials(7).
                  returned: always
                  type: int
                fsgid:
                  description: File system group id. See credentials(7).
                  returned: always
                  type: int
                groups:
                  description: Supplementary group ids.
                  returned: always
                  type: list
                  elements: int
                effective:
                  description: The set that counts.
                  returned: always
                  type: dict
                  contains:
                    names:
                      description: Names of capabilities(7), in the kernel's order.
                      returned: always
                      type: list
                      elements: str
                    hex:
                      description: The same as the 16 hexadecimal digits of proc_pid_status(5).
                      returned: always
                      type: str
                      sample: "0000000000001000"
                permitted:
                  description: What the thread may make effective.
                  returned: always
                  type: dict
                  contains:
                    names:
                      description: Names of capabilities(7), in the kernel's order.
                      returned: always
                      type: list
                      elements: str
                    hex:
                      description: The same as the 16 hexadecimal digits of proc_pid_status(5).
                      returned: always
                      type: str
                      sample: "0000000000001000"
                inheritable:
                  description: What execve(2) keeps for files that have it inheritable.
                  returned: always
                  type: dict
                  contains:
                    names:
                      description: Names of capabilities(7), in the kernel's order.
                      returned: always
                      type: list
                      elements: str
                    hex:
                      description: The same as the 16 hexadecimal digits of proc_pid_status(5).
                      returned: always
                      type: str
                      sample: "0000000000001000"
                bounding:
                  description: The limit of what execve(2) can grant.
                  returned: always
                  type: dict
                  contains:
                    names:
                      description: Names of capabilities(7), in the kernel's order.
                      returned: always
                      type: list
                      elements: str
                    hex:
                      description: The same as the 16 hexadecimal digits of proc_pid_status(5).
                      returned: always
                      type: str
                      sample: "0000000000001000"
                ambient:
                  description: What execve(2) keeps for plain programs.
                  returned: always
                  type: dict
                  contains:
                    names:
                      description: Names of capabilities(7), in the kernel's order.
                      returned: always
                      type: list
                      elements: str
                    hex:
                      description: The same as the 16 hexadecimal digits of proc_pid_status(5).
                      returned: always
                      type: str
                      sample: "0000000000001000"
                no_new_privs:
                  description: Whether execve(2) grants nothing (prctl(2), PR_SET_NO_NEW_PRIVS).
                  returned: always
                  type: bool
                seccomp:
                  description: 0 without, 1 strict mode, 2 with a system call filter. See seccomp(2).
                  returned: always
                  type: int
        executables:
          description: The files in O(executables) and O(scan), and the programs of the processes.
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
            interpreter:
              description: Last interpreter of a script, the file that counts; null for a program.
              returned: always
              type: str
            mode:
              description: Permission bits, in octal, of the file that counts.
              returned: always
              type: str
              sample: "0755"
            uid:
              description: Owner of the file that counts.
              returned: always
              type: int
            gid:
              description: Group of the file that counts.
              returned: always
              type: int
            capability:
              description: File capability of the file that counts; null without one.
              returned: always
              type: dict
              contains:
                text:
                  description: Canonical text. See cap_from_text(3).
                  returned: always
                  type: str
                  sample: cap_net_admin=ep
                permitted:
                  description: Permitted capabilities.
                  returned: always
                  type: list
                  elements: str
                inheritable:
                  description: Inheritable capabilities.
                  returned: always
                  type: list
                  elements: str
                effective:
                  description: The effective flag of the file.
                  returned: always
                  type: bool
                version:
                  description: Version of the attribute, 1 to 3.
                  returned: always
                  type: int
                rootid:
                  description: Uid of the root of the user namespace it is for (version 3); null for the observer's.
                  returned: always
                  type: int
            capability_raw:
              description: The attribute's bytes as hexadecimal digits; null without it.
              returned: always
              type: str
            capability_unmapped:
              description: Whether the attribute belongs to a user namespace neither the observer's nor above it.
              returned: always
              type: bool
            script_capability:
              description: File capability of a script itself, which the kernel ignores; null without one.
              returned: always
              type: dict
              contains:
                text:
                  description: Canonical text. See cap_from_text(3).
                  returned: always
                  type: str
                  sample: cap_net_admin=ep
                permitted:
                  description: Permitted capabilities.
                  returned: always
                  type: list
                  elements: str
                inheritable:
                  description: Inheritable capabilities.
                  returned: always
                  type: list
                  elements: str
                effective:
                  description: The effective flag of the file.
                  returned: always
                  type: bool
                version:
                  description: Version of the attribute, 1 to 3.
                  returned: always
                  type: int
                rootid:
                  description: Uid of the root of the user namespace it is for (version 3); null for the observer's.
                  returned: always
                  type: int
            nosuid:
              description: Whether the file lies on a mount with the option nosuid. See mount(8).
              returned: always
              type: bool
            mount_point:
              description: Where the file system is mounted.
              returned: always
              type: str
            filesystem:
              description: Type of the file system.
              returned: always
              type: str
              sample: ext4
            drops_capabilities:
              description: Whether the program drops its capabilities at start unless root runs it, as iproute2's C(ip).
              returned: always
              type: bool
            raises_capabilities:
              description: Whether the program uses capset(2), so that it can make permitted capabilities effective.
              returned: always
              type: bool
            origin:
              description:
                - What the program has its loader look for beside itself, such as V($ORIGIN/../lib); null if nothing.
                - The loader of a program with file capabilities does not look there.
              returned: always
              type: str
            writable_by:
              description: First component of the path that a user other than root owns or can write; null if none.
              returned: always
              type: str
            elsewhere:
              description: Whether the path is one of another mount namespace, that of a process.
              returned: always
              type: bool
            verdict:
              description: Whether the file capability takes effect where the file lies; null for a file without one.
              returned: always
              type: dict
              contains:
                takes_effect:
                  description: Whether a user without capabilities gains something by running it.
                  returned: always
                  type: bool
                reasons:
                  description:
                    - What prevents or limits it.
                    - V(nosuid), the mount; V(script), the attribute is on a script; V(outside_bounding_set), pid 1
                      lacks a capability; V(rootid), it is for another user namespace; V(permitted_only), no effective
                      flag; V(inheritable_only), nothing permitted; V(empty), no capability in it;
                      V(dropped_by_program), the program drops it at start.
                  returned: always
                  type: list
                  elements: str
        unseen:
          description: What could not be read; each kind of file once.
          returned: always
          type: list
          elements: dict
          contains:
            source:
              description: What was tried, for example V(/proc/*/ns/net).
              returned: always
              type: str
            reason:
              description: Why it failed, with the errno's name.
              returned: always
              type: str
              sample: Permission denied (EACCES), first at /proc/1/ns/net
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._process_facts import (
    PROCESS_ARGUMENTS,
    capability_facts,
)


def main() -> None:
    """Entry point."""
    paths = {"type": "list", "elements": "path", "default": []}
    module = AnsibleModule(
        argument_spec={**PROCESS_ARGUMENTS, "executables": paths, "scan": paths}, supports_check_mode=True
    )
    try:
        facts = capability_facts(module.params)
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, ansible_facts={"netlink_capabilities": facts})


if __name__ == "__main__":
    main()
