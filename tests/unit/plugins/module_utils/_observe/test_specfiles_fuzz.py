# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What engines keep of their containers may hold anything, since users run engines too: it is read or passed over."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._observe import _lxc, _nspawn, _oci
from ansible_collections.netlink.remediation.plugins.module_utils._observe._containerd import containerd_places
from ansible_collections.netlink.remediation.plugins.module_utils._observe._definitions import see_granted
from ansible_collections.netlink.remediation.plugins.module_utils._observe._docker import docker_places
from ansible_collections.netlink.remediation.plugins.module_utils._observe._labels import owner_of_labels
from ansible_collections.netlink.remediation.plugins.module_utils._observe._podman import podman_places
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import Files
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, ContainerOwner
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import (
    assert_linear,
    json_values,
    texts,
)

ID = "0123456789abcdef" * 4
OCI = [
    *("process", "linux", "user", "uid", "gid", "capabilities", "bounding", "effective", "CAP_NET_ADMIN", "all"),
    *("noNewPrivileges", "namespaces", "type", "network", "path", "uidMappings", "containerID", "hostID", "size"),
    *("seccomp", "defaultAction", "SCMP_ACT_ERRNO", "defaultErrnoRet", "syscalls", "names", "action", "args", "op"),
    *("index", "value", "valueTwo", "resources", "devices", "allow", "major", "minor", "access", "rwm", "c"),
    *("annotations", "mounts", "source", "sysctl", "apparmorProfile", "selinuxLabel", "\ud800"),
]
DOCKER = [
    *("Config", "Labels", "Image", "User", "Name", "CapAdd", "CapDrop", "ALL", "NET_ADMIN", "Privileged", "Sysctls"),
    *("NetworkMode", "host", "UsernsMode", "NoNewPrivileges", "SeccompProfile", "com.docker.compose.project", "id"),
    *("names", "metadata", "io.kubernetes.pod.name", "io.kubernetes.cri-o.ContainerType", "sandbox", ID),
]
LXC = [
    *("lxc.cap.drop", "lxc.cap.keep", "lxc.idmap", " = ", "=", "u 0 100000 65536", "net_admin", "none", "lxc.include"),
    *("/srv/more", "lxc.init.uid", "lxc.net.0.type", "lxc.sysctl.net.ipv4.ip_forward", "lxc.seccomp.profile", "# x"),
    *(
        "lxc.namespace.keep",
        "lxc.no_new_privs = 1",
        "2\nallowlist\n",
        "errno \u00b2",
        "[1,2,SCMP_CMP_EQ]",
        "[",
        "reject",
    ),
]
NSPAWN = [
    "[Exec]",
    "Capability=",
    "CAP_NET_ADMIN",
    "all",
    "PrivateUsers=",
    "0:65536",
    "Private=yes",
    "User=",
    "VirtualEthernet",
]
specifications = json_values(OCI)


def held(container):
    """All that was read is of the right types and can be sent as JSON."""
    json.dumps(to_plain(container))
    assert all(0 <= mask <= ALL_CAPABILITIES for mask in container.capabilities.values())


@given(specifications)
@settings(max_examples=150)
def test_any_specification_is_read(content):
    container = Container(ID, "box", "docker")
    for value in (
        content,
        {"process": content, "linux": content},
        {"linux": {"seccomp": content, "resources": content}},
    ):
        _oci.apply_specification(container, value)
        _oci.network_of_pod(container, None)
        assert _oci.allows_all(value) in (True, False)
        assert all(isinstance(item, str) for pair in _oci.notes_of(value).items() for item in pair)
        held(container)
    for notes in (_oci.notes_of({"annotations": content}), _oci.notes_of({"annotations": dict.fromkeys(OCI, "x")})):
        owner_of_labels(notes)


contents = st.one_of(
    json_values(OCI + DOCKER).map(json.dumps),
    texts([*LXC, *NSPAWN, "\n"], 20),
    st.sampled_from(["[" * 20_000, "1" * 5000, "{" + '"a":' * 50, ""]),
)
PLACES = [
    f"var/lib/docker/containers/{ID}/config.v2.json",
    f"var/lib/docker/containers/{ID}/hostconfig.json",
    "etc/docker/daemon.json",
    f"run/containerd/io.containerd.runtime.v2.task/moby/{ID}/config.json",
    "run/containerd/io.containerd.runtime.v2.task/k8s.io/pod/config.json",
    "var/lib/containers/storage/overlay-containers/containers.json",
    f"var/lib/containers/storage/overlay-containers/{ID}/userdata/config.json",
    "etc/containers/storage.conf",
    "var/lib/lxc/box/config",
    "srv/more",
    "home/ann/.local/share/lxc/mine/config",
    "etc/lxc/lxc.conf",
    "etc/systemd/nspawn/box.nspawn",
    "srv/app/compose.override.yml",
]


@given(st.lists(contents, min_size=len(PLACES), max_size=len(PLACES)), st.booleans())
@settings(max_examples=40)
def test_any_files_of_engines_are_read(found, listed):
    with tempfile.TemporaryDirectory() as place:
        for name, content in zip(PLACES, found):
            path = Path(place, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8", errors="surrogatepass")
        if listed:
            Path(place, PLACES[5]).write_text(json.dumps([{"id": ID, "names": ["box"], "metadata": found[0]}]))
        files = Files(place, [])
        readers = (docker_places, podman_places, containerd_places, _lxc.lxc_places, _nspawn.nspawn_places)
        for one in [item for reader in readers for item in reader(files)]:
            assert all(isinstance(name, str) for name in one.names())
            container = one.read()
            container.owner = (
                container.owner if listed else ContainerOwner("compose", service="box", directory="/srv/app")
            )
            see_granted(container, place)
            held(container)
        json.dumps(to_plain(files.unseen))


@given(texts(LXC, 20))
@example("2\nallowlist errno \u00b2\n")
def test_any_filter_of_lxc_is_read(text):
    for whole in (text, "2\nallowlist\n" + text, "2\ndenylist " + text):
        profile = _lxc.parse_seccomp(whole)
        assert profile is None or profile.default_action.startswith("SCMP_ACT_")


@given(st.lists(texts(["u 0 1 2", "b", "0", " ", "9" * 11, "\u0661"], 6), max_size=4))
def test_any_maps_of_lxc_are_read(lines):
    assert all(item.count >= 0 for item in _lxc.id_map(lines))


@given(texts(NSPAWN, 20))
def test_any_settings_of_nspawn_are_read(text):
    found = _nspawn.parse_settings(text)
    assert all(value for values in found.values() for value in values)
    assert 0 <= _nspawn.mask_of_words([value for values in found.values() for value in values]) <= ALL_CAPABILITIES


def of_file(path, reader):
    """A reader of files over a text."""

    def read(text):
        with tempfile.TemporaryDirectory() as place:
            Path(place, path).parent.mkdir(parents=True, exist_ok=True)
            Path(place, path).write_text(text)
            for found in reader(Files(place, [])):
                found.read()

    return read


@pytest.mark.parametrize(
    "piece", ["lxc.a = x" + " " * 40, " ", "\n", "lxc.cap.drop = a\n", "[", "[1", "a b\n", "=", "\t\n"]
)
def test_time_grows_with_the_length(piece):
    def make(count):
        return piece * (count // len(piece)) + "x"

    assert_linear(of_file("var/lib/lxc/box/config", _lxc.lxc_places), lambda count: "lxc.a = " + make(count))
    assert_linear(of_file("etc/lxc/lxc.conf", _lxc.lxc_places), make)
    assert_linear(of_file("etc/systemd/nspawn/box.nspawn", _nspawn.nspawn_places), lambda count: "Boot=" + make(count))
    assert_linear(of_file("etc/containers/storage.conf", podman_places), make)
    assert_linear(_lxc.parse_seccomp, lambda count: "2\nallowlist\nsocket " + make(count))
    assert_linear(_nspawn.parse_settings, lambda count: "a=" + make(count))
