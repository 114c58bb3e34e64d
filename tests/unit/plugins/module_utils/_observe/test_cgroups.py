# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit and container are told by the cgroup, in every layout that the engines use."""

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe import _containers
from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import (
    container_members,
    engine_of,
    member_of,
    parse_cgroup,
    processes_of_container,
    processes_of_unit,
)

ID = "0123456789abcdef" * 4
OTHER = "f" * 64

PATHS = [
    ("/", None, None),
    ("/init.scope", "init.scope", None),
    ("/system.slice/nginx.service", "nginx.service", None),
    ("/system.slice/vpn.service/workers", "vpn.service", None),
    ("/user.slice/user-1000.slice/user@1000.service/app.slice/app.service", "app.service", None),
    ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", None),
    (r"/system.slice/system-fsck.slice/fsck@dev-a\x2db.service", r"fsck@dev-a\x2db.service", None),
    ("/system.slice/_cpu.service", "cpu.service", None),
    (f"/system.slice/docker-{ID}.scope", f"docker-{ID}.scope", ID),
    (f"/docker/{ID}", None, ID),
    (f"/docker/{ID}/docker/{OTHER}", None, OTHER),
    (f"/docker/{ID}/system.slice/cron.service", "cron.service", ID),
    (f"/machine.slice/libpod-{ID}.scope/container", f"libpod-{ID}.scope", ID),
    (f"/machine.slice/libpod-conmon-{ID}.scope", f"libpod-conmon-{ID}.scope", None),
    (f"/system.slice/web.service/libpod-payload-{ID}", "web.service", ID),
    (f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope", f"cri-containerd-{ID}.scope", ID),
    (f"/kubepods/burstable/pod0-1/{ID}", None, ID),
    (f"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}", "containerd.service", ID),
    (f"/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope/container", f"crio-{ID}.scope", ID),
    (f"/kubepods.slice/crio-conmon-{ID}.scope", f"crio-conmon-{ID}.scope", None),
    ("/lxc.payload.web1/system.slice/ssh.service", "ssh.service", "web1"),
    ("/lxc/web1", None, "web1"),
    ("/lxc.monitor.web1", None, None),
    # Seen from a cgroup namespace beside it.
    (f"/../docker-{ID}.scope", f"docker-{ID}.scope", ID),
    (f"/../../kubepods.slice/cri-containerd-{ID}.scope", f"cri-containerd-{ID}.scope", ID),
    ("/..", None, None),
    # systemd-nspawn, by itself, by its template, and its command itself.
    (r"/machine.slice/machine-web\x2d1.scope/payload/system.slice/a.service", "a.service", "web-1"),
    ("/machine.slice/machine-web.scope/payload", "machine-web.scope", "web"),
    ("/machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn@web.service", "web"),
    ("/machine.slice/systemd-nspawn@web.service/supervisor", "systemd-nspawn@web.service", None),
    # A virtual machine.
    (r"/machine.slice/machine-qemu\x2d1\x2dvm.scope/libvirt/emulator", r"machine-qemu\x2d1\x2dvm.scope", None),
    # Incus and LXD, a project's too, and LXC within docker.
    ("/lxc.payload.project_web1/init.scope", "init.scope", "project_web1"),
    (f"/docker/{ID}/lxc.payload.web1", None, ID),
    (f"/system.slice/{ID[:63]}.service", f"{ID[:63]}.service", None),
]


@pytest.mark.parametrize(("path", "unit", "container"), PATHS)
def test_unit_and_container_are_told_by_the_path(path, unit, container):
    assert parse_cgroup(f"0::{path}\n".encode()) == (path, unit, container)
    assert parse_cgroup(f"4:memory:/\n1:name=systemd:{path}\n0::/\n".encode()) == (path, unit, container)


def test_a_container_that_only_a_controller_shows_is_seen():
    content = f"4:memory:/docker/{ID}\n1:name=systemd:/system.slice/docker.service\n"
    assert parse_cgroup(content.encode()) == ("/system.slice/docker.service", "docker.service", ID)


def test_a_path_with_colons_is_kept():
    assert parse_cgroup(b"0::/a:b/c.service\n")[0] == "/a:b/c.service"


def test_without_cgroups_there_is_neither():
    assert parse_cgroup(b"") == (None, None, None)


@pytest.fixture
def cgroup(tmp_path):
    """Start a shell and its child in a cgroup of the given name; returns their pids."""
    mount = tmp_path / "cgroup"
    mount.mkdir()
    subprocess.run(["mount", "-t", "cgroup2", "none", str(mount)], check=True)
    shells, places = [], []

    def start(name):
        place = mount / name
        place.mkdir()
        places.append(place)
        script = 'echo $$ > "$1/cgroup.procs"; sleep 60 & echo $!; wait'
        shell = subprocess.Popen(["sh", "-c", script, "sh", str(place)], stdout=subprocess.PIPE, text=True)
        shells.append(shell)
        return [shell.pid, int(shell.stdout.readline())]

    yield start
    for place in places:
        for pid in (place / "cgroup.procs").read_text().split():
            os.kill(int(pid), 9)
    for shell in shells:
        shell.wait()
        shell.stdout.close()
    while any((place / "cgroup.procs").read_text() for place in places):
        pass
    for place in places:
        place.rmdir()
    subprocess.run(["umount", str(mount)], check=True)


def test_the_processes_of_a_unit_are_found_main_one_first(cgroup):
    name = f"netlink\\x2dtest{os.getpid()}"
    pids = cgroup(name + ".service")
    assert processes_of_unit(name + ".service") == processes_of_unit(name) == pids
    assert processes_of_unit(name.replace("\\x2d", "-")) == pids
    assert processes_of_unit(name + ".scope") == []


def test_a_beginning_that_fits_two_containers_names_none(cgroup):
    beginning = f"{os.getpid():032x}"[::-1]
    pids = cgroup(f"docker-{beginning}{'0' * 32}.scope")
    cgroup(f"docker-{beginning}{'1' * 32}.scope")
    assert processes_of_container(beginning) == []
    assert processes_of_container(beginning + "0") == pids


def test_the_processes_of_a_container_are_found_by_id_prefix_and_name(cgroup, monkeypatch):
    identifier = f"{os.getpid():064x}"[::-1]
    pids = cgroup(f"docker-{identifier}.scope")
    assert processes_of_container(identifier) == processes_of_container(identifier[:12]) == pids
    assert processes_of_container("web") == processes_of_container(OTHER) == processes_of_container("") == []

    monkeypatch.setattr(_containers, "ids_of_name", {"web": {identifier}, "two": {identifier, OTHER}}.get)
    assert processes_of_container("web") == processes_of_container("two") == pids


def test_the_main_process_of_each_container_is_told_with_its_parent_and_command(cgroup):
    identifier = f"{os.getpid():064x}"[::-1]
    shell, _child = cgroup(f"libpod-{identifier}.scope")
    member = container_members()[identifier]
    assert (member.pid, member.parent, member.unit) == (shell, os.getpid(), f"libpod-{identifier}.scope")
    assert member.arguments[:2] == ["sh", "-c"] and member == member_of(shell)
    assert member_of(2**22 + 1) is None


ENGINES = [
    (f"/system.slice/docker-{ID}.scope", "docker"),
    (f"/docker/{ID}", "docker"),
    (f"/machine.slice/libpod-{ID}.scope/container", "podman"),
    (f"/system.slice/web.service/libpod-payload-{ID}", "podman"),
    (f"/kubepods.slice/cri-containerd-{ID}.scope", "cri-containerd"),
    (f"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}", "cri-containerd"),
    (f"/kubepods/besteffort/pod1/{ID}", "cri-containerd"),
    (f"/kubepods.slice/crio-{ID}.scope", "cri-o"),
    (f"/lxc.payload.web1/system.slice/docker-{ID}.scope", "docker"),
    ("/lxc.payload.web1/init.scope", "lxc"),
    ("/machine.slice/machine-web.scope/payload", "nspawn"),
    (f"/somewhere/{ID}", None),
    ("/system.slice/ssh.service", None),
]


@pytest.mark.parametrize(("path", "engine"), ENGINES)
def test_the_engine_is_told_by_the_name_of_the_cgroup(path, engine):
    assert engine_of(path) == engine
