#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: container_capabilities
short_description: Give containers capabilities where they are defined
version_added: "0.1.0"
description:
  - Adds and removes capabilities (capabilities(7)), the user and sysctls of containers, in the place that owns each
    container, so that they are still there when it is made anew.
  - For a container of C(docker compose), a file of its own beside the user's, which compose loads by itself, such as
    C(compose.override.yaml). It is written as JSON, which is YAML. The user's files are never edited. C(docker compose
    config) must say that the file makes just the difference that was asked for.
  - For a container of a C(.container) file (quadlet, podman-systemd.unit(5)), the drop-in
    C(50-netlink-remediation.conf). Podman's generator must say the same of it. Needs podman 5.0 or later.
  - For a container of LXC, lines between markers at the end of its configuration (lxc.container.conf(5)).
  - For all others (started by hand, by the command of a systemd unit, by Kubernetes, swarm, systemd-nspawn, Incus; or
    of compose where it would not load a file of ours), nothing is changed. RV(advice) holds the exact command, patch or
    lines, and the module warns. C(--privileged) is never set.
  - A running container gains nothing. It is made anew or restarted only if O(accept) has the word V(recreate) (compose)
    or V(restart) (quadlet, LXC), and it must come up, stay up for three seconds, and have the image, mounts and
    networks of before and the capabilities in its bounding set. Otherwise everything is taken back, and it is made anew
    as it was before. Without the word, it is named in RV(restart_required).
  - Everything is checked before anything is written, in check mode too.
options:
  containers:
    description:
      - The containers. Several entries may name the same one if they do not contradict each other. They are applied in
        order. What is set for one container of a compose service is set for all of them.
    type: list
    elements: dict
    required: true
    suboptions:
      container:
        description:
          - Name of the container, or its id (at least 12 characters of it). An id changes when a container is made
            anew, so prefer the name.
        type: str
        required: true
      cap_add:
        description:
          - Capabilities to add, such as V(NET_ADMIN) or V(cap_net_admin). V(ALL) is refused.
          - With docker, a process that does not run as root gets no added capability. The module warns of it.
        type: list
        elements: str
      cap_drop:
        description:
          - Capabilities to drop, or V(ALL) for all but those that are added.
        type: list
        elements: str
      user:
        description:
          - User that the process is started as, a name or uid, with a group if wanted, such as V(root) or V(0:0). For
            LXC, numbers only.
        type: str
      userns:
        description:
          - V(host) exempts the container from the remapping of user namespaces. Its root is then root of the host.
        type: str
        choices: [host]
      sysctls:
        description:
          - Sysctls of the container's own namespaces, such as C(net.ipv4.ip_forward=1).
          - Only C(net.*), C(fs.mqueue.*) and those of System V IPC are possible, and C(net.*) only where the container
            has a network of its own.
        type: dict
      recreate:
        description:
          - Whether the container is made anew (restarted, for quadlet and LXC) although nothing is to be changed, every
            time the module is run, such as for a socket that was opened before.
        type: bool
        default: false
      state:
        description:
          - V(present) adds to what this module has set.
          - V(exact) replaces what this module has set.
          - V(absent) removes what is named of what this module has set, or all of it. What others have set stays.
        type: str
        choices: [present, exact, absent]
        default: present
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.changes
  - netlink.remediation.change
notes:
  - What a container wrote outside of its volumes is lost when it is made anew.
  - A container of compose is not made anew where other things would change with it, because its files or variables were
    changed since it was made, or its image has another id by now. The module warns, with the command.
  - A compose project that is always started with C(-f) does not load the file of this module, and no label tells that
    when the one file named has a default name.
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.container_facts
  - module: netlink.remediation.docker_daemon
  - module: netlink.remediation.receipt
"""

EXAMPLES = r"""
- name: Let the container of a compose service administer its network, from the next time it is made anew
  netlink.remediation.container_capabilities:
    containers:
      - container: vpn-gateway-1
        cap_add: [NET_ADMIN]

- name: The same, and make it anew now
  netlink.remediation.container_capabilities:
    containers:
      - container: vpn-gateway-1
        cap_add: [NET_ADMIN]
    accept: [recreate]

- name: Root with one capability and no other, which is less than root with those that docker gives to everybody
  netlink.remediation.container_capabilities:
    containers:
      - container: vpn-gateway-1
        cap_drop: [ALL]
        cap_add: [NET_ADMIN]
        user: "0:0"

- name: Forward packets in a container of a quadlet, and restart its unit
  netlink.remediation.container_capabilities:
    containers:
      - container: router
        sysctls:
          net.ipv4.ip_forward: 1
    accept: [restart]

- name: Take away what this module has set
  netlink.remediation.container_capabilities:
    containers:
      - container: vpn-gateway-1
        state: absent
    accept: [recreate]
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode; those that make something anew come last.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(file) for a file, V(activation) for a container that is made anew or restarted.
      type: str
    target:
      description: The path; or C(compose PROJECT/SERVICE), C(unit NAME), C(lxc NAME).
      type: str
    before:
      description: What the file was (null for none); or V(as it was started).
      type: raw
    after:
      description: The same after the change; or V(started anew).
      type: raw
    workloads:
      description: Names of the workloads it was made for.
      type: list
      elements: str
  sample:
    - kind: file
      target: /srv/vpn/compose.override.yaml
      before: null
      after:
        content: |
          {
            "x-netlink-remediation": "Written by netlink.remediation; ...",
            "services": {"gateway": {"cap_add": ["NET_ADMIN"]}}
          }
        mode: "0644"
        owner: 0
        group: 0
      workloads: []
    - kind: activation
      target: compose vpn/gateway
      before: as it was started
      after: started anew
      workloads: []
advice:
  description: What has to be done by hand for containers that cannot be changed from here.
  returned: success
  type: list
  elements: dict
  contains:
    container:
      description: Name of the container.
      type: str
    text:
      description: What to do, why it is not done from here, what it costs, and what the commands leave out.
      type: str
    commands:
      description:
        - The commands, in order, quoted for a shell. Values of environment variables and labels, which may be secrets,
          are not in them.
      type: list
      elements: str
  sample:
    - container: gateway
      text: "Kubernetes owns it, and replaces the pods of deployment gateway one after the other."
      commands:
        - >-
          kubectl --namespace vpn patch deployment gateway --type strategic --patch '{"spec": {"template": {"spec":
          {"containers": [{"name": "gateway", "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}]}}}}'
security:
  description:
    - What the containers may do more than before, one sentence each. It says so where the network is that of the host.
  returned: success
  type: list
  elements: str
  sample:
    - container vpn-gateway-1 gains cap_net_admin over the HOST network
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
disrupts:
  description: Sentences on what is interrupted.
  returned: success
  type: list
  elements: str
  sample:
    - >-
      container vpn-gateway-1 is made anew: it is down meanwhile, connections to it break, and what it wrote outside of
      its volumes is lost
restart_required:
  description: What has to be made anew for the changes to take effect, since O(accept) did not allow it here.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(container), or V(unit) of a quadlet.
      type: str
    name:
      description: C(PROJECT/SERVICE) of compose, the unit of a quadlet, or the name of an LXC container.
      type: str
  sample:
    - kind: container
      name: vpn/gateway
unvalidated:
  description: What could not be tried without doing it.
  returned: success
  type: list
  elements: str
  sample: [whether compose vpn/gateway comes up again]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._container import run_containers
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import CHANGE_ARGUMENTS

CONTAINER_ARGUMENTS = {
    "container": {"type": "str", "required": True},
    "cap_add": {"type": "list", "elements": "str"},
    "cap_drop": {"type": "list", "elements": "str"},
    "user": {"type": "str"},
    "userns": {"type": "str", "choices": ["host"]},
    "sysctls": {"type": "dict"},
    "recreate": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "exact", "absent"], "default": "present"},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "containers": {"type": "list", "elements": "dict", "required": True, "options": CONTAINER_ARGUMENTS},
            **CHANGE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run_containers(module))
    except ChangeError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
