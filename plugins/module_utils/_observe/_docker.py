# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of docker: its record of each (config.v2.json, hostconfig.json), and the specification of those that run.

The formats are those of dockerd 20.10 to 28 (github.com/moby/moby, daemon/container and daemon/config).
"""

from __future__ import annotations

import functools
import re
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import (
    DATA_ROOT,
    observe_dockerds,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._labels import owner_of_labels
from ansible_collections.netlink.remediation.plugins.module_utils._observe._oci import (
    apply_specification,
    mask_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import (
    ID,
    USERS,
    Files,
    Place,
    items,
    mapping,
    texts,
    word,
    words,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._tasks import is_docker, states, tasks
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container

_REMAPPED = re.compile(r"^\d+\.\d+$")  # With userns-remap, the data lies in a directory named UID.GID.

# What a container gets without cap_add and cap_drop (daemon/pkg/oci/caps).
DEFAULT = mask_of(
    (
        *("chown", "dac_override", "fsetid", "fowner", "mknod", "net_raw", "setgid", "setuid", "setfcap", "setpcap"),
        *("net_bind_service", "sys_chroot", "kill", "audit_write"),
    )
)


def docker_places(files: Files) -> list[Place]:
    """All containers that docker keeps, running or not."""
    daemons = observe_dockerds(files.unseen, root=files.root)
    own = [word(item.flags.get("exec-root", item.settings.get("exec-root"))) for item in daemons]
    running = [*states(files), *(f"{path}/containerd/daemon" for path in own if path)]
    users = [f"{home}/.local/share/docker" for home in files.homes()]
    records = _records(files, [*(item.data_root for item in daemons), DATA_ROOT, *users])
    # The namespace can be configured; docker's ids are its own.
    found = tasks(files, running)
    specifications = {name: path for space, name, path in found if is_docker(space) or name in records}
    return [
        Place(
            name,
            functools.partial(_names, files, name, specifications.get(name), records.get(name)),
            functools.partial(_read, files, name, specifications.get(name), records.get(name)),
            users=records.get(name, specifications.get(name, "")).startswith(USERS),
        )
        for name in sorted({*records, *specifications})
    ]


def _records(files: Files, roots: list[str]) -> dict[str, str]:
    """Id -> directory of docker's record of the container."""
    found: dict[str, str] = {}
    for root in dict.fromkeys(root.rstrip("/") for root in roots if root.startswith("/")):
        remapped = [f"{root}/{name}" for name in files.names(root) if _REMAPPED.match(name)]
        for place in (root, *remapped):
            for name in files.names(f"{place}/containers"):
                if ID.match(name):
                    found.setdefault(name, f"{place}/containers/{name}")
    return found


def _record(files: Files, identifier: str, specification: Optional[str], record: Optional[str]) -> Optional[str]:
    """The directory of the record. A running container tells it, wherever the data root is: /etc/hosts lies there."""
    if record or not specification:
        return record
    for mount in map(mapping, items(mapping(files.data(specification)).get("mounts"))):
        directory, _slash, name = (word(mount.get("source")) or "").rpartition("/")
        if name in ("hostname", "hosts", "resolv.conf") and "/containers/" in directory:
            return f"{directory.rpartition('/')[0]}/{identifier}"
    return None


def _names(files: Files, identifier: str, specification: Optional[str], record: Optional[str]) -> list[str]:
    directory = _record(files, identifier, specification, record)
    name = word(mapping(files.data(f"{directory}/config.v2.json")).get("Name")) if directory else None
    return [name.lstrip("/")] if name else []


def _read(files: Files, identifier: str, specification: Optional[str], record: Optional[str]) -> Container:
    container = Container(identifier, identifier, "docker")
    directory = _record(files, identifier, specification, record)
    config = mapping(files.data(f"{directory}/config.v2.json")) if directory else {}
    host = mapping(files.data(f"{directory}/hostconfig.json")) if directory else {}
    settings = mapping(config.get("Config"))
    container.name = (word(config.get("Name")) or identifier).lstrip("/")
    container.image = word(settings.get("Image")) or word(config.get("Image"))
    container.owner = owner_of_labels(texts(settings.get("Labels")))
    content = files.data(specification) if specification else None
    if isinstance(content, dict):
        container.specification = specification
        apply_specification(container, content)
    elif config:
        container.specification = f"{directory}/config.v2.json"
        _apply_record(container, config, host)
    container.privileged = host.get("Privileged") is True
    mode = word(host.get("NetworkMode")) or ""
    if mode == "host" or mode.startswith("container:"):
        container.net_ns = mode
    return container


def _apply_record(container: Container, config: dict[str, Any], host: dict[str, Any]) -> None:
    """What docker would start it with: of a stopped container there is no runtime specification."""
    privileged = host.get("Privileged") is True
    granted = granted_capabilities(words(host.get("CapAdd")), words(host.get("CapDrop")), privileged)
    container.capabilities = {"bounding": granted, "effective": granted, "permitted": granted}
    container.capabilities.update(inheritable=0, ambient=0)
    container.user = word(mapping(config.get("Config")).get("User")) or "0:0"
    container.no_new_privs = config.get("NoNewPrivileges") is True
    container.user_ns = "host" if host.get("UsernsMode") == "host" else None  # Else as the daemon has it by then.
    container.net_ns = "own"
    container.apparmor = word(config.get("AppArmorProfile"))
    container.selinux = word(config.get("ProcessLabel"))
    container.sysctls = texts(host.get("Sysctls"))
    container.seccomp_known = config.get("SeccompProfile") == "unconfined"


def granted_capabilities(add: list[str], drop: list[str], privileged: bool) -> int:
    """The set that docker makes of cap_add and cap_drop (TweakCapabilities in daemon/pkg/oci/caps)."""
    added, dropped = mask_of(add), mask_of(drop)
    everything = [{"ALL", "CAP_ALL"} & {name.upper() for name in names} for names in (add, drop)]
    if privileged:
        return ALL_CAPABILITIES
    if everything[0]:
        return ALL_CAPABILITIES & ~dropped
    # Measured with docker 26.1: what is both added and dropped is there.
    return added if everything[1] else DEFAULT & ~dropped | added
