# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a container is defined, and what a change of it there is called."""

from __future__ import annotations

import shlex
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Subject
from ansible_collections.netlink.remediation.plugins.module_utils._found import Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container

# Owners whose definition the module container_capabilities can change.
CHANGEABLE = ("compose", "quadlet", "lxc")


def changeable(container: Container) -> bool:
    """Whether it can be changed from here: the files of a user's own engine are his, and so are its commands."""
    return container.owner.kind in CHANGEABLE and container.engine_uid == 0


def place_of(container: Container) -> str:
    """Where the definition lies, in words."""
    owner = container.owner
    if owner.kind == "compose":
        return f"compose project {owner.project} ({', '.join(owner.files) or owner.directory})"
    if owner.kind == "kubernetes":
        return f"pod {owner.namespace}/{owner.pod}"
    if owner.kind == "unit":
        return f"unit {owner.unit}"
    return ", ".join(owner.files) or f"the command that started {container.name}"


def container_remedy(subject: Subject, container: Container, wanted: dict[str, Any], adds: str) -> Optional[Remedy]:
    """The call of the role netlink_container, None where the definition cannot be changed from here."""
    owner = container.owner
    if not changeable(container):
        return None
    word = "recreate" if owner.kind == "compose" else "restart"
    where = " over the HOST network" if subject.host_network else ""
    entry = {"container": container.name, **wanted}
    return Remedy(
        "netlink_container",
        {"netlink_container_containers": [entry]},
        adds=[f"{adds}{where}"] if adds else [],
        disrupts=[f"container {container.name} is {'made anew' if word == 'recreate' else 'restarted'}"],
        consent=[word] if wanted.get("recreate") else [],
    )


def advice_for(container: Container, wanted: dict[str, Any]) -> str:
    """What to do by hand, as one sentence."""
    owner = container.owner
    if owner.kind == "kubernetes":
        return (
            f"Add securityContext {_security_context(wanted)} to container {owner.service} of whatever makes pod "
            f"{owner.namespace}/{owner.pod} (Deployment, DaemonSet, ...)."
        )
    if owner.kind == "nspawn":
        return f"Add Capability={' '.join('CAP_' + name for name in wanted['cap_add'])} to {place_of(container)}."
    options = [f"--cap-add {name}" for name in wanted.get("cap_add", [])]
    options += [f"--cap-drop {name}" for name in wanted.get("cap_drop", [])]
    options += [f"--user {shlex.quote(str(wanted['user']))}"] if wanted.get("user") else []
    options += [f"--userns {wanted['userns']}"] if wanted.get("userns") else []
    where = f"in {place_of(container)}" if owner.kind == "unit" else f"where {container.name} is started"
    return f"Add {' '.join(options)} {where} and make it anew; a running container gains nothing."


def _security_context(wanted: dict[str, Any]) -> str:
    names = ", ".join(wanted.get("cap_add", []))
    user = ", runAsUser: 0" if wanted.get("user") else ""
    drop = ", drop: [ALL]" if wanted.get("cap_drop") else ""
    return f"{{capabilities: {{add: [{names}]{drop}}}{user}}}"
