#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: namespace_facts
short_description: Read who is in which user and network namespace, and who owns it
version_added: "0.1.0"
description:
  - Reads the namespaces of processes and of each of their threads, the named network namespaces (C(/run/netns) and
    docker's), the user namespace that owns each network namespace, and all user namespaces above, with owner, id
    mappings and limits. See namespaces(7), user_namespaces(7) and ioctl_nsfs(2).
  - Privilege over a network namespace is privilege in the user namespace that owns it, or in one above that.
  - Without any of O(pids), O(units), O(containers) and O(netns), the processes that hold a netlink socket are read.
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
  netns:
    description:
      - Absolute paths of further network namespaces to read, for example V(/proc/4711/ns/net). Those in C(/run/netns)
        and C(/var/run/docker/netns) are always read.
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.facts
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.capability_facts
  - module: netlink.remediation.diagnosis_info
"""

EXAMPLES = r"""
- name: Which namespaces are the holders of netlink sockets in?
  netlink.remediation.namespace_facts:

- name: Who owns the network namespace blue?
  netlink.remediation.namespace_facts:
    netns: [/run/netns/blue]
"""

RETURN = r"""
ansible_facts:
  description: Facts to add to C(ansible_facts).
  returned: always
  type: dict
  contains:
    netlink_namespaces:
      description: User and network namespaces and who is in them. All of them are named by their inode numbers.
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
            user_ns:
              description: User namespace of the main thread; null where it may not be read.
              returned: always
              type: int
            net_ns:
              description: Network namespace of the main thread; null where it may not be read.
              returned: always
              type: int
            mnt_ns:
              description: Mount namespace; null where it may not be read.
              returned: always
              type: int
            pid_ns:
              description: Pid namespace; null where it may not be read.
              returned: always
              type: int
            chrooted:
              description: Whether the root of the process is not that of its mount namespace; null when unknown.
              returned: always
              type: bool
            threads:
              description: The threads, the main one first. setns(2) and unshare(2) move one thread only.
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
                user_ns:
                  description: User namespace.
                  returned: always
                  type: int
                net_ns:
                  description: Network namespace.
                  returned: always
                  type: int
        user_namespaces:
          description: The user namespaces of the processes, those that own a network namespace, and all above them.
          returned: always
          type: list
          elements: dict
          contains:
            inode:
              description: Inode number.
              returned: always
              type: int
            parent:
              description: The one above; null for the topmost one that the observer may see.
              returned: always
              type: int
            owner_uid:
              description: Effective uid of who created it, as the observer sees it.
              returned: always
              type: int
            uid_map:
              description: Mapping of ids, as the observer sees them. See user_namespaces(7).
              returned: always
              type: list
              elements: dict
              contains:
                inside:
                  description: First id inside of the namespace.
                  returned: always
                  type: int
                outside:
                  description: First id outside of it.
                  returned: always
                  type: int
                count:
                  description: Number of ids.
                  returned: always
                  type: int
            gid_map:
              description: Mapping of ids, as the observer sees them. See user_namespaces(7).
              returned: always
              type: list
              elements: dict
              contains:
                inside:
                  description: First id inside of the namespace.
                  returned: always
                  type: int
                outside:
                  description: First id outside of it.
                  returned: always
                  type: int
                count:
                  description: Number of ids.
                  returned: always
                  type: int
            setgroups:
              description: V(allow) or V(deny), whether setgroups(2) may be used in it.
              returned: always
              type: str
            limits:
              description: Numbers of C(/proc/sys/user) in it, such as C(max_net_namespaces).
              returned: always
              type: dict
        net_namespaces:
          description: The network namespaces of the processes, the named ones, those in O(netns), and the observer's.
          returned: always
          type: list
          elements: dict
          contains:
            inode:
              description: Inode number.
              returned: always
              type: int
            owner:
              description: The user namespace that owns it; null if that is neither the observer's nor below.
              returned: always
              type: int
            names:
              description: Paths at which it is bound.
              returned: always
              type: list
              elements: str
        subordinate_ids:
          description: Ids that users may map in their user namespaces. See subuid(5).
          returned: always
          type: dict
          contains:
            uid:
              description: Lines of C(/etc/subuid).
              returned: always
              type: list
              elements: dict
              contains:
                owner:
                  description: Name or uid of the user.
                  returned: always
                  type: str
                uid:
                  description: The uid of the owner; null if there is no such user.
                  returned: always
                  type: int
                first:
                  description: First id.
                  returned: always
                  type: int
                count:
                  description: Number of ids.
                  returned: always
                  type: int
                file:
                  description: The file.
                  returned: always
                  type: str
                line:
                  description: Number of the line.
                  returned: always
                  type: int
                overlaps:
                  description: Ids that somebody else has too.
                  returned: always
                  type: list
                  elements: dict
                  contains:
                    first:
                      description: The first of these ids.
                      returned: always
                      type: int
                    last:
                      description: The last one.
                      returned: always
                      type: int
                    other:
                      description: The owner of the other range, or whose ids they are, such as V(user www-data).
                      returned: always
                      type: str
                    line:
                      description: Number of the line of the other range; null if they are not of a range.
                      returned: always
                      type: int
            gid:
              description: Lines of C(/etc/subgid).
              returned: always
              type: list
              elements: dict
              contains:
                owner:
                  description: Name or uid of the user.
                  returned: always
                  type: str
                uid:
                  description: The uid of the owner; null if there is no such user.
                  returned: always
                  type: int
                first:
                  description: First id.
                  returned: always
                  type: int
                count:
                  description: Number of ids.
                  returned: always
                  type: int
                file:
                  description: The file.
                  returned: always
                  type: str
                line:
                  description: Number of the line.
                  returned: always
                  type: int
                overlaps:
                  description: Ids that somebody else has too.
                  returned: always
                  type: list
                  elements: dict
                  contains:
                    first:
                      description: The first of these ids.
                      returned: always
                      type: int
                    last:
                      description: The last one.
                      returned: always
                      type: int
                    other:
                      description: The owner of the other range, or whose ids they are, such as V(user www-data).
                      returned: always
                      type: str
                    line:
                      description: Number of the line of the other range; null if they are not of a range.
                      returned: always
                      type: int
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
    namespace_facts,
)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={**PROCESS_ARGUMENTS, "netns": {"type": "list", "elements": "path", "default": []}},
        supports_check_mode=True,
    )
    try:
        facts = namespace_facts(module.params)
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, ansible_facts={"netlink_namespaces": facts})


if __name__ == "__main__":
    main()
