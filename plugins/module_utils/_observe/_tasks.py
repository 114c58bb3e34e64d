# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of containerd: each running container has its runtime specification in a directory below its state."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import Files

# Where containerd has its state: on its own, started by dockerd, by k3s and rke2, by k0s, by microk8s.
STATES = (
    "/run/containerd",
    "/run/docker/containerd/daemon",
    "/run/k3s/containerd",
    "/run/k0s/containerd",
    "/var/snap/microk8s/common/run/containerd",
)
RUNTIMES = ("io.containerd.runtime.v2.task", "io.containerd.runtime.v1.linux")

# The namespaces of containerd that are docker's, with userns-remap followed by "-UID.GID".
_DOCKER = re.compile(r"(plugins\.)?moby(-\d+\.\d+)?")


def is_docker(namespace: str) -> bool:
    """Whether a namespace of containerd is the one that docker takes."""
    return bool(_DOCKER.fullmatch(namespace))


def states(files: Files) -> list[str]:
    """Directories in which a containerd may have its state, those of users included."""
    users = (f"/run/user/{uid}" for uid in files.names("/run/user"))
    return [*STATES, *(f"{user}/{name}" for user in users for name in ("docker/containerd/daemon", "containerd"))]


def tasks(files: Files, places: list[str]) -> Iterator[tuple[str, str, str]]:
    """(namespace of containerd, id, path of the specification) of each task."""
    for place in places:
        for runtime in RUNTIMES:
            for namespace in files.names(f"{place}/{runtime}"):
                directory = f"{place}/{runtime}/{namespace}"
                for name in files.names(directory):
                    yield namespace, name, f"{directory}/{name}/config.json"
