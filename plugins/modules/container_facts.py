#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_facts
short_description: Read the containers of a host, what they may do and who defined them
version_added: "0.1.0"
description:
  - Reads containers from the files in which their engines keep them and from the cgroups of processes. No engine is
    asked, so that no socket is needed, no daemon has to answer, and no program is run.
  - >-
    Known engines: docker, podman, containerd (ctr, nerdctl), Kubernetes with containerd or CRI-O, LXC, Incus and LXD,
    systemd-nspawn. What is read are the runtime specification of the Open Container Initiative of a running container,
    docker's and podman's own record of one that does not run, lxc.container.conf(5) and systemd.nspawn(5).
  - It says with which capabilities, user, namespaces, filters and labels a container was configured, and what its first
    process really has; which network and user namespace it shares with the host; and where its definition lies, which
    is where a change belongs (compose project, quadlet, systemd unit, pod, LXC configuration).
  - In a container it also says what its own engine lets it do and what only the host can change.
  - Run it as root. Otherwise it sees only a part, and says in C(unseen) what it did not see.
options:
  containers:
    description:
      - Containers to read, by id, by the beginning of an id, or by name. All that fit are read.
      - One that does not exist is listed in C(unseen).
      - Default is all containers, also those that do not run.
    type: list
    elements: str
    default: []
notes:
  - Containers of users (rootless podman and docker, LXC) are read where they lie below C(/home) and C(/root). podman's
    database of another user is not opened, so labels and pods of such containers stay unknown.
  - Containers of containerd without docker are seen while they have a task. What containerd keeps of the others, and
    labels, are in a database of its own that is not read.
  - The settings of Incus, LXD and of the engines inside of containers are not read.
  - The formats of docker, compose, podman, quadlets, plain containerd, LXC and systemd-nspawn are tested with the
    engines themselves; those of Kubernetes (containerd and CRI-O), nerdctl, Incus and LXD with files in their form.
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.facts
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.diagnosis_info
  - module: netlink.remediation.namespace_facts
  - module: netlink.remediation.container_capabilities
"""

EXAMPLES = r"""
- name: Read all containers
  netlink.remediation.container_facts:

- name: Read one
  netlink.remediation.container_facts:
    containers: [router]

- name: Name those that share the network of the host
  ansible.builtin.debug:
    msg: "{{ found | selectattr('net_ns', 'eq', 'host') | map(attribute='name') }}"
  vars:
    found: "{{ ansible_facts.netlink_containers.containers }}"
"""

RETURN = r"""
ansible_facts:
  description: Facts to add to C(ansible_facts).
  returned: always
  type: dict
  contains:
    netlink_containers:
      description: The containers of the host.
      returned: always
      type: dict
      contains:
        containers:
          description: The containers.
          returned: always
          type: list
          elements: dict
          contains:
            id:
              description: Id that the engine gave it; the name for LXC, Incus, LXD, systemd-nspawn and ctr.
              returned: always
              type: str
            name:
              description: Name, in Kubernetes that of the container in its pod; the id where there is none.
              returned: always
              type: str
            engine:
              description: >-
                V(docker), V(podman), V(containerd), V(cri-containerd), V(cri-o), V(lxc), V(incus),
                V(lxd), V(nspawn) or V(unknown).
              returned: always
              type: str
            running:
              description: Whether its first process was found.
              returned: always
              type: bool
            pid:
              description: Pid of that process on the host, null if it does not run.
              returned: always
              type: int
            image:
              description: Image, as far as it is noted.
              returned: always
              type: str
            specification:
              description: The file that was read, null if there was none.
              returned: always
              type: str
            engine_uid:
              description: >-
                Owner of that file: 0, or the user whose own engine keeps the container.
              returned: always
              type: int
            user:
              description: User that it is started with, C(uid:gid) or as it was configured.
              returned: always
              type: str
            capabilities:
              description: The sets that it is started with, as configured.
              returned: always
              type: dict
              contains:
                bounding:
                  description: >-
                    Bounding set: the most that anybody in the container can have.
                  returned: always
                  type: list
                  elements: str
                effective:
                  description: Effective set.
                  returned: always
                  type: list
                  elements: str
                permitted:
                  description: Permitted set.
                  returned: always
                  type: list
                  elements: str
                inheritable:
                  description: Inheritable set.
                  returned: always
                  type: list
                  elements: str
                ambient:
                  description: Ambient set, which another user than root keeps across execve(2).
                  returned: always
                  type: list
                  elements: str
            capabilities_known:
              description: Whether these sets were told at all.
              returned: always
              type: bool
            privileged:
              description: Whether the engine was told to start it privileged.
              returned: always
              type: bool
            no_new_privs:
              description: Whether it is started with no_new_privs.
              returned: always
              type: bool
            user_ns:
              description: >-
                V(host), V(own), or C(path:) and the file of the one it joins; null if it will be
                decided at its start.
              returned: always
              type: str
            net_ns:
              description: >-
                V(host), V(own), C(container:) and the id of the container whose network it uses, or
                C(path:) and the file of the one it joins.
              returned: always
              type: str
            uid_map:
              description: The user ids of its own user namespace, as configured.
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
            seccomp:
              description: Its seccomp profile; null when it has none, or when it is not known.
              returned: always
              type: dict
              contains:
                default_action:
                  description: What happens to a system call that no rule names, such as V(SCMP_ACT_ERRNO).
                  returned: always
                  type: str
                default_errno:
                  description: Number of the errno that this answers; null for the runtime's own, EPERM.
                  returned: always
                  type: int
                rules:
                  description: Number of rules.
                  returned: always
                  type: int
                refuses:
                  description: What it refuses of the system calls with which links are changed and namespaces are made.
                  returned: always
                  type: list
                  elements: dict
                  contains:
                    call:
                      description: System call.
                      returned: always
                      type: str
                    answer:
                      description: Name of the errno that it gets, or V(SIGSYS).
                      returned: always
                      type: str
            seccomp_known:
              description: Whether the profile is known.
              returned: always
              type: bool
            apparmor:
              description: AppArmor profile that it is started with.
              returned: always
              type: str
            selinux:
              description: SELinux label that it is started with.
              returned: always
              type: str
            sysctls:
              description: Sysctls that it is started with.
              returned: always
              type: dict
            allows_tun:
              description:
                - Whether its runtime specification lets it open C(/dev/net/tun). Engines may allow that besides.
              returned: always
              type: bool
            owner:
              description: Who defined it, and where.
              returned: always
              type: dict
              contains:
                kind:
                  description: >-
                    V(compose), V(quadlet), V(unit), V(kubernetes), V(swarm), V(lxc), V(incus),
                    V(lxd), V(nspawn), or V(hand): somebody's command.
                  returned: always
                  type: str
                project:
                  description: Compose project, or stack of a swarm.
                  returned: always
                  type: str
                service:
                  description: Compose or swarm service; the container's name in its pod.
                  returned: always
                  type: str
                files:
                  description: >-
                    Files of the compose project; the C(.container) file of a quadlet and its drop-
                    ins; the file of a unit, the LXC configuration, the C(.nspawn) file.
                  returned: always
                  type: list
                  elements: str
                directory:
                  description: Working directory of the compose project.
                  returned: always
                  type: str
                unit:
                  description: The systemd unit that starts it.
                  returned: always
                  type: str
                pod:
                  description: Its pod.
                  returned: always
                  type: str
                namespace:
                  description: Namespace of the pod in Kubernetes.
                  returned: always
                  type: str
            init:
              description: >-
                Its first process, as the kernel shows it; null if it does not run. What was configured
                since then counts at the next start.
              returned: always
              type: dict
              contains:
                pid:
                  description: Its pid on the host.
                  returned: always
                  type: int
                name:
                  description: Its name.
                  returned: always
                  type: str
                uid:
                  description: Effective uid, as the observer sees it.
                  returned: always
                  type: int
                gid:
                  description: Effective gid, as the observer sees it.
                  returned: always
                  type: int
                bounding:
                  description: >-
                    Bounding set: the most that anybody in the container can have.
                  returned: always
                  type: list
                  elements: str
                effective:
                  description: Effective set.
                  returned: always
                  type: list
                  elements: str
                permitted:
                  description: Permitted set.
                  returned: always
                  type: list
                  elements: str
                inheritable:
                  description: Inheritable set.
                  returned: always
                  type: list
                  elements: str
                ambient:
                  description: Ambient set, which another user than root keeps across execve(2).
                  returned: always
                  type: list
                  elements: str
                no_new_privs:
                  description: Whether execve(2) can raise no privilege (prctl(2), PR_SET_NO_NEW_PRIVS).
                  returned: always
                  type: bool
                seccomp:
                  description: V(none), V(strict) or V(filter).
                  returned: always
                  type: str
                label:
                  description: LSM label, null without such a security module.
                  returned: always
                  type: str
                unit:
                  description: The systemd unit of its cgroup, null if there is none.
                  returned: always
                  type: str
                uid_map:
                  description: The user ids of its user namespace (user_namespaces(7)).
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
                user_ns:
                  description: Inode number of its user namespace.
                  returned: always
                  type: int
                net_ns:
                  description: Inode number of its network namespace.
                  returned: always
                  type: int
                shares_user_ns:
                  description: Whether that user namespace is the host's (of process 1).
                  returned: always
                  type: bool
                shares_net_ns:
                  description: Whether that network namespace is the host's (of process 1).
                  returned: always
                  type: bool
        observer:
          description: The process of the module itself.
          returned: always
          type: dict
          contains:
            inside:
              description: Whether the module runs in a container itself.
              returned: always
              type: bool
            engine:
              description: The engine of that container, V(unknown) if nothing tells; null outside of containers.
              returned: always
              type: str
            id:
              description: Id of that container, if the cgroup tells.
              returned: always
              type: str
            evidence:
              description: What tells that it is one.
              returned: always
              type: list
              elements: dict
              contains:
                source:
                  description: Where that was read.
                  returned: always
                  type: str
                text:
                  description: What stands there.
                  returned: always
                  type: str
            first_user_ns:
              description: Whether the user namespace is the kernel's first one.
              returned: always
              type: bool
            first_pid_ns:
              description: Whether the pid namespace is the kernel's first one.
              returned: always
              type: bool
            uid_map:
              description: The user ids of the user namespace (user_namespaces(7)).
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
            sysctls_read_only:
              description: Whether C(/proc/sys) is mounted read-only.
              returned: always
              type: bool
            uid:
              description: Effective uid, as the observer sees it.
              returned: always
              type: int
            gid:
              description: Effective gid, as the observer sees it.
              returned: always
              type: int
            bounding:
              description: >-
                Bounding set: the most that anybody in the container can have.
              returned: always
              type: list
              elements: str
            effective:
              description: Effective set.
              returned: always
              type: list
              elements: str
            permitted:
              description: Permitted set.
              returned: always
              type: list
              elements: str
            inheritable:
              description: Inheritable set.
              returned: always
              type: list
              elements: str
            ambient:
              description: Ambient set, which another user than root keeps across execve(2).
              returned: always
              type: list
              elements: str
            no_new_privs:
              description: Whether execve(2) can raise no privilege (prctl(2), PR_SET_NO_NEW_PRIVS).
              returned: always
              type: bool
            seccomp:
              description: V(none), V(strict) or V(filter).
              returned: always
              type: str
            host_only:
              description: What only the host can change; empty outside of containers.
              returned: always
              type: list
              elements: str
        dockerds:
          description: >-
            How docker is set up: each daemon that runs, else what the next start would go by.
          returned: always
          type: list
          elements: dict
          contains:
            path:
              description: Its configuration file.
              returned: always
              type: str
            exists:
              description: Whether that file exists.
              returned: always
              type: bool
            invalid:
              description: Why the file is not understood, null if it is.
              returned: always
              type: str
            pid:
              description: Pid of the daemon, null if none runs.
              returned: always
              type: int
            uid:
              description: Its uid, null if none runs.
              returned: always
              type: int
            userns_remap:
              description: User whose subordinate ids containers get, by file or flag; null without remapping.
              returned: always
              type: str
            data_root:
              description: Directory of its data, by file or flag.
              returned: always
              type: str
            settings:
              description: The keys of the file that bear on privilege and networks, as they stand there.
              returned: always
              type: dict
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
                  description: Name or uid of the user, as it is written.
                  returned: always
                  type: str
                uid:
                  description: Uid of that user, null if nobody of that name is known.
                  returned: always
                  type: int
                first:
                  description: First id.
                  returned: always
                  type: int
                count:
                  description: Number of ids. A container image needs 65536.
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
                  description: What else has some of these ids.
                  returned: always
                  type: list
                  elements: dict
                  contains:
                    first:
                      description: First id that both have.
                      returned: always
                      type: int
                    last:
                      description: Last id that both have.
                      returned: always
                      type: int
                    other:
                      description: >-
                        Who else has them: the owner of another range, or who uses them on this
                        host.
                      returned: always
                      type: str
                    line:
                      description: Line of the other range, null if it is none.
                      returned: always
                      type: int
            gid:
              description: Lines of C(/etc/subgid).
              returned: always
              type: list
              elements: dict
              contains:
                owner:
                  description: Name or uid of the user, as it is written.
                  returned: always
                  type: str
                uid:
                  description: Uid of that user, null if nobody of that name is known.
                  returned: always
                  type: int
                first:
                  description: First id.
                  returned: always
                  type: int
                count:
                  description: Number of ids. A container image needs 65536.
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
                  description: What else has some of these ids.
                  returned: always
                  type: list
                  elements: dict
                  contains:
                    first:
                      description: First id that both have.
                      returned: always
                      type: int
                    last:
                      description: Last id that both have.
                      returned: always
                      type: int
                    other:
                      description: >-
                        Who else has them: the owner of another range, or who uses them on this
                        host.
                      returned: always
                      type: str
                    line:
                      description: Line of the other range, null if it is none.
                      returned: always
                      type: int
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
            reason:
              description: Why it failed.
              returned: always
              type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._container_facts import container_facts


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={"containers": {"type": "list", "elements": "str", "default": []}},
        supports_check_mode=True,
    )
    try:
        facts = container_facts(module.params["containers"])
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, ansible_facts={"netlink_containers": facts})


if __name__ == "__main__":
    main()
