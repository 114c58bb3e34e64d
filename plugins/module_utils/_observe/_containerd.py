# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that run in containerd without docker: started by ctr or nerdctl, or by Kubernetes (namespace k8s.io).

What containerd knows beyond a running container's specification is in a database of its own, which is not read: a
container without a task is not seen.
"""

from __future__ import annotations

import functools

from ansible_collections.netlink.remediation.plugins.module_utils._observe._labels import owner_of_labels
from ansible_collections.netlink.remediation.plugins.module_utils._observe._oci import (
    allows_all,
    apply_specification,
    network_of_pod,
    notes_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import (
    Files,
    Place,
    mapping,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._tasks import is_docker, states, tasks
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, ContainerOwner

# Annotations of containerd's CRI plugin (internal/cri/annotations) and of nerdctl (pkg/labels).
CRI = "io.kubernetes.cri."
NERDCTL_NAME = "nerdctl/name"


def containerd_places(files: Files) -> list[Place]:
    """The containers with a task, in all of containerd's namespaces but docker's."""
    found: dict[str, Place] = {}
    for space, name, path in tasks(files, states(files)):
        if not is_docker(space):
            names = functools.partial(_names, files, path)
            found.setdefault(name, Place(name, names, functools.partial(_read, files, name, path)))
    return list(found.values())


def _names(files: Files, path: str) -> list[str]:
    notes = notes_of(files.data(path))
    names = (notes.get(CRI + "container-name"), notes.get(NERDCTL_NAME))
    return [name for name in names if name]


def _read(files: Files, name: str, path: str) -> Container:
    container = Container(name, name, "containerd")
    specification = mapping(files.data(path))
    if not specification:
        return container
    container.specification = path
    apply_specification(container, specification)
    notes = notes_of(specification)
    container.image = notes.get(CRI + "image-name") or notes.get(CRI + "podsandbox.image-name")
    container.privileged = allows_all(specification)
    if CRI + "container-type" in notes:
        container.engine = "cri-containerd"
        container.owner = _pod(notes)
        container.name = container.owner.service or name
        network_of_pod(container, notes.get(CRI + "sandbox-id"))
    else:
        container.owner = owner_of_labels(notes)
        container.name = notes.get(NERDCTL_NAME) or name
    return container


def _pod(notes: dict[str, str]) -> ContainerOwner:
    return ContainerOwner(
        "kubernetes",
        service=notes.get(CRI + "container-name"),
        pod=notes.get(CRI + "sandbox-name"),
        namespace=notes.get(CRI + "sandbox-namespace"),
    )
