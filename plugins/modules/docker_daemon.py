#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon
short_description: Change the settings of dockerd
version_added: "0.1.0"
description:
  - Sets keys of C(daemon.json), the settings of C(dockerd) (see dockerd(8)). All other keys, their order and the layout
    of the file stay as they are, byte for byte.
  - Everything is checked before anything is written, in check mode too. C(dockerd --validate) judges the new file
    together with the flags that the unit gives to C(dockerd), so that an unknown key, a value of the wrong type and a
    key that is given as a flag as well are errors. Before version 23.0 C(dockerd) cannot do that, which
    RV(unvalidated) says then.
  - Where C(userns-remap) is set, the ids of its user in C(/etc/subuid) and C(/etc/subgid) are checked too, for
    C(dockerd) starts with ranges with which no container could be started.
  - If O(accept) has V(restart), the daemon takes the settings over. It reads the file anew where that is enough (it is
    not for a key that is removed), else it is restarted. Then it has to answer, and the containers that were running
    and have a restart policy have to run again within 30 seconds. If they do not, the file is taken back and the daemon
    is started with it once more.
  - A daemon that does not run is not started. One that failed is, as it may be the settings that it failed for.
options:
  settings:
    description:
      - The keys with their values, such as C(userns-remap=default). A value replaces the whole value that the key had,
        also where that is a list or a dictionary. A key with the value V(null) is removed.
    type: dict
    required: true
  path:
    description: Absolute path of the file. It must be the one that the C(dockerd) of O(service) reads.
    type: path
    default: /etc/docker/daemon.json
  service:
    description:
      - The systemd service that runs C(dockerd). Where there is none, or no systemd, the file is written and nothing is
        restarted.
    type: str
    default: docker.service
  restart:
    description:
      - Whether the daemon is restarted although the settings are what they should be. Needs V(restart) in O(accept).
      - With this option each call restarts, and reports a change.
    type: bool
    default: false
  expect_ranges:
    description:
      - Users to whom another task of the same play gives subordinate ids, such as one with
        M(netlink.remediation.subid_ranges). In check mode they do not have them yet; for these users this is no error
        then, and said in RV(unvalidated). Without check mode this option does not matter.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.changes
  - netlink.remediation.change
notes:
  - When C(userns-remap) is set, changed or removed, C(dockerd) works with another store. Images, volumes and
    containers of the store before are not seen until the setting is what it was again. Nothing of it is removed.
  - To switch C(userns-remap) off, O(accept) needs V(userns_remap_off), since root of each container is root of the host
    then. A single container is exempted by its own setting C(userns=host), for which
    M(netlink.remediation.container_capabilities) is there.
  - With V(default) as C(userns-remap), C(dockerd) makes the system user C(dockremap) and its subordinate ids when it
    starts. A revert does not remove them.
  - A restart stops all containers, unless C(live-restore) is on. V(restart) of O(accept) covers that.
  - The revert of a key that was added restarts the daemon too, if it is accepted then.
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.subid_ranges
  - module: netlink.remediation.container_facts
  - module: netlink.remediation.receipt
"""

EXAMPLES = r"""
- name: Remap the users of all containers, and let dockerd take it over
  netlink.remediation.docker_daemon:
    settings:
      userns-remap: default
    accept: [restart]

- name: Keep containers running while dockerd is restarted
  netlink.remediation.docker_daemon:
    settings:
      live-restore: true
    accept: [restart]

- name: Switch the remapping off, at the next start of dockerd
  netlink.remediation.docker_daemon:
    settings:
      userns-remap:
    accept: [userns_remap_off]
  register: daemon

- name: Say what waits for a restart
  ansible.builtin.debug:
    var: daemon.restart_required
"""

RETURN = r"""
changes:
  description: What was changed, or would be in check mode. The file comes first, the restart or reload last.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(file) for C(daemon.json), V(activation) for a restart or reload.
      type: str
    target:
      description: The path, or V(daemon docker.service).
      type: str
    before:
      description: >-
        The file with its content, mode, owner and group; null if there was none. For a restart V(as it was started).
      type: raw
    after:
      description: The same after the change. For a restart V(started anew).
      type: raw
    workloads:
      description: Always empty.
      type: list
      elements: str
receipt:
  description: The record on the host by which the changes can be reverted; null in check mode and if nothing changed.
  returned: success
  type: dict
  contains:
    id:
      description: Name of the receipt, for M(netlink.remediation.receipt).
      type: str
    path:
      description: Where it lies.
      type: str
disrupts:
  description: Sentences on what the changes interrupt, such as the names of containers that stay stopped.
  returned: success
  type: list
  elements: str
  sample:
    - "docker.service is restarted: the API does not answer meanwhile"
restart_required:
  description: The daemon, if it runs without the settings because O(accept) has no V(restart).
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(daemon).
      type: str
    name:
      description: Name of the service.
      type: str
  sample:
    - kind: daemon
      name: docker.service
unvalidated:
  description: Sentences on what could not be tried without doing it.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._daemon_plan import plan_daemon
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import require_root
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import (
    CHANGE_ARGUMENTS,
    run_changes,
)
from ansible_collections.netlink.remediation.plugins.module_utils._commands import use
from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import PATH


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "required": True},
            "path": {"type": "path", "default": PATH},
            "service": {"type": "str", "default": "docker.service"},
            "restart": {"type": "bool", "default": False},
            "expect_ranges": {"type": "list", "elements": "str", "default": []},
            **CHANGE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    use(module)
    try:
        require_root()
        plan = plan_daemon(module.params, check_mode=module.check_mode)
        result = run_changes(module, plan.changes, unvalidated=plan.unvalidated)
    except ChangeError as exc:
        module.fail_json(msg=str(exc))
    for text in plan.warnings:
        module.warn(text)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
