# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container is told from within by the marks of each engine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._inside import observe_observer

ID = "0123456789abcdef" * 4

MARKS = [
    ({}, None, []),
    ({".dockerenv": ""}, "docker", ["/.dockerenv"]),
    ({"run/.containerenv": ""}, "podman", ["/run/.containerenv"]),
    ({"run/systemd/container": "podman\n"}, "podman", ["/run/systemd/container"]),
    ({"run/host/container-manager": "systemd-nspawn\n"}, "nspawn", ["/run/host/container-manager"]),
    ({"proc/1/environ": "PATH=/bin\0container=lxc\0"}, "lxc", ["/proc/1/environ"]),
    ({"proc/1/environ": "container=\0notcontainer=lxc\0"}, None, []),
    ({"proc/1/environ": "container=oci\0"}, "unknown", ["/proc/1/environ"]),
    ({"proc/self/cgroup": f"0::/system.slice/docker-{ID}.scope\n"}, "docker", ["/proc/self/cgroup"]),
    ({"proc/self/cgroup": "0::/\n"}, None, []),
    (
        {".dockerenv": "", "proc/self/cgroup": f"0::/kubepods/pod1/{ID}\n"},
        "docker",
        ["/.dockerenv", "/proc/self/cgroup"],
    ),
    ({"run/secrets/kubernetes.io/serviceaccount/token": ""}, "unknown", ["/run/secrets/kubernetes.io/serviceaccount"]),
]


@pytest.mark.parametrize(("files", "engine", "sources"), MARKS)
def test_an_engine_is_told_by_its_marks(tmp_path, files, engine, sources):
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    found = observe_observer(str(tmp_path))
    assert (found.engine, [item.source for item in found.evidence]) == (engine, sources)
    assert found.inside is bool(sources)


MOUNTS = [
    ("23 1 0:21 / /proc rw shared:5 - proc proc rw\n", False),
    ("24 23 0:21 /sys /proc/sys ro,nosuid - proc proc rw\n", True),
    ("24 23 0:21 /sys /proc/sys ro - proc proc rw\n25 24 0:21 /sys /proc/sys rw - proc proc rw\n", False),
    ("nonsense\n\n", False),
]


@pytest.mark.parametrize(("mounts", "read_only"), MOUNTS)
def test_the_last_mount_on_proc_sys_counts(tmp_path, mounts, read_only):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(mounts)
    assert observe_observer(str(tmp_path)).sysctls_read_only is read_only


def test_the_id_of_the_own_container_is_told_without_a_cgroup_namespace(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"0::/system.slice/docker-{ID}.scope\n")
    assert observe_observer(str(tmp_path)).id == ID


def test_other_namespaces_than_the_first_are_told_by_their_number():
    own = observe_observer()
    assert own.credentials.euid == os.geteuid()
    script = (
        f"from {observe_observer.__module__} import observe_observer\n"
        "o = observe_observer(); print(o.first_pid_ns, o.first_user_ns, o.inside, o.uid_map[0].count)"
    )
    command = ["unshare", "-Urpf", "--mount-proc", sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert said.split() == ["False", "False", "True", "1"]
