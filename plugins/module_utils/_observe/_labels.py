# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who defined a container, as its labels say."""

from __future__ import annotations

from ansible_collections.netlink.remediation.plugins.module_utils._parts import ContainerOwner


def owner_of_labels(labels: dict[str, str]) -> ContainerOwner:
    """From the labels that compose, the kubelet, swarm and the units of podman put on their containers."""
    if "com.docker.compose.project" in labels:
        files = labels.get("com.docker.compose.project.config_files", "")
        return ContainerOwner(
            "compose",
            project=labels["com.docker.compose.project"],
            service=labels.get("com.docker.compose.service"),
            files=[name for name in files.split(",") if name],
            directory=labels.get("com.docker.compose.project.working_dir"),
        )
    if "io.kubernetes.pod.name" in labels:
        return ContainerOwner(
            "kubernetes",
            service=labels.get("io.kubernetes.container.name"),
            pod=labels["io.kubernetes.pod.name"],
            namespace=labels.get("io.kubernetes.pod.namespace"),
        )
    if "com.docker.swarm.service.name" in labels:
        return ContainerOwner(
            "swarm",
            project=labels.get("com.docker.stack.namespace"),
            service=labels["com.docker.swarm.service.name"],
        )
    if "PODMAN_SYSTEMD_UNIT" in labels:
        return ContainerOwner("unit", unit=labels["PODMAN_SYSTEMD_UNIT"])
    return ContainerOwner()
