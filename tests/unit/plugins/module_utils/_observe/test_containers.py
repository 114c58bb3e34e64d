# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers are read from the files of every engine; the small hosts are in containers/, see the README there."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    ALL_CAPABILITIES,
    CAP_NET_ADMIN,
    capability_mask,
    capability_names,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._containers import (
    ids_of_name,
    observe_containers,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._definitions import see_granted
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import LONGEST
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, ContainerOwner, SeccompRule
from ansible_collections.netlink.remediation.plugins.module_utils._plain import from_plain, to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._state import IdRange, State

RECORDED = Path(__file__).parent / "containers"
ENGINES = sorted(path.stem for path in RECORDED.glob("*.json"))
CREATE = (
    "CREATE TABLE PodConfig (ID TEXT, Name TEXT)",
    "CREATE TABLE ContainerConfig (ID TEXT, Name TEXT, PodID TEXT, JSON TEXT)",
)


def write(root, path, content):
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content if isinstance(content, str) else json.dumps(content))
    return place


@pytest.fixture
def host(tmp_path):
    """host("docker", "lxc") is the root of a host with what was recorded of these engines."""

    def build(*engines):
        (tmp_path / "proc").mkdir(exist_ok=True)
        for engine in engines:
            tree = json.loads((RECORDED / f"{engine}.json").read_text())
            rows = tree.pop("database", None)
            for path, content in tree.items():
                place = tmp_path / path.lstrip("/")
                if path.endswith("-containers/containers.json") and place.exists():  # podman and CRI-O share it.
                    content = [*json.loads(place.read_text()), *content]
                write(tmp_path, path, content)
            if rows is not None:
                _database(tmp_path / "var/lib/containers/storage/db.sql", rows)
        return str(tmp_path)

    return build


def _database(path, rows):
    connection = sqlite3.connect(path)
    for statement in CREATE:
        connection.execute(statement)
    for identifier, config, pod in rows:
        pod_id = f"id-of-{pod}" if pod else None
        connection.execute(
            "INSERT INTO ContainerConfig VALUES (?, ?, ?, ?)", (identifier, "", pod_id, json.dumps(config))
        )
        if pod:
            connection.execute("INSERT OR REPLACE INTO PodConfig VALUES (?, ?)", (pod_id, pod))
    connection.commit()
    connection.close()


def read(root, *only):
    unseen = []
    found = observe_containers(unseen, root=root, only=only or None)
    assert unseen == []
    return {item.name: item for item in found.values()}


def names(container, kind="bounding"):
    return capability_names(container.capabilities[kind])


# --- docker -----------------------------------------------------------------------------------------------------------


def test_docker_that_runs_is_as_its_specification_has_it(host):
    web = read(host("docker"))["web"]
    assert (web.engine, web.image, web.user, web.pid) == ("docker", "lab:base", "1000:1000", 346)
    assert web.specification.endswith(f"/moby/{web.id}/config.json")
    assert "cap_net_admin" in names(web) and web.capabilities["ambient"] == 0
    assert web.no_new_privs and web.seccomp_known and web.seccomp.default_action == "SCMP_ACT_ERRNO"
    assert SeccompRule(["socket"], "SCMP_ACT_ALLOW", None, [[0, 40, 0, "SCMP_CMP_NE"]]) in web.seccomp.rules
    assert SeccompRule(["clone3"], "SCMP_ACT_ERRNO", 38) in web.seccomp.rules
    assert (web.net_ns, web.user_ns, web.owner) == ("own", "host", ContainerOwner())
    assert web.sysctls["net.ipv4.ip_forward"] == "1"


def test_docker_that_does_not_run_is_as_it_was_configured(host):
    off = read(host("docker"))["off"]
    assert off.pid is None and off.specification.endswith(f"/containers/{off.id}/config.v2.json")
    assert names(off) == names(off, "effective") == ["cap_net_raw"]
    assert (off.net_ns, off.user_ns, off.seccomp_known) == ("host", None, False)


def test_compose_is_told_by_its_labels(host):
    expected = ContainerOwner("compose", "shop", "router", ["/srv/shop/compose.yaml"], "/srv/shop")
    assert read(host("docker"))["shop-router-1"].owner == expected


def test_the_data_root_is_told_by_the_mounts_of_what_runs(host, tmp_path):
    root = host("docker")
    (tmp_path / "srv").mkdir()
    (tmp_path / "var/lib/docker").rename(tmp_path / "srv/data")
    for path in tmp_path.glob("run/containerd/*/moby/*/config.json"):
        path.write_text(path.read_text().replace("/var/lib/docker", "/srv/data"))
    assert set(read(root)) == {"web", "shop-router-1"}
    write(tmp_path, "/etc/docker/daemon.json", {"data-root": "/srv/data"})
    assert set(read(root)) == {"web", "shop-router-1", "off"}


def test_a_remapped_docker_has_directories_named_by_its_ids(host, tmp_path):
    root = host("docker")
    (tmp_path / "var/lib/docker/containers").rename(tmp_path / "var/lib/docker/moved")
    (tmp_path / "var/lib/docker/100000.100000").mkdir()
    (tmp_path / "var/lib/docker/moved").rename(tmp_path / "var/lib/docker/100000.100000/containers")
    tasks = next(tmp_path.glob("run/containerd/*/moby"))
    tasks.rename(tasks.with_name("moby-100000.100000"))
    path = next(path for path in tasks.parent.glob("*/*/config.json") if "1000" in path.read_text())
    changed = json.loads(path.read_text())
    changed["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    changed["linux"]["namespaces"].append({"type": "user"})
    path.write_text(json.dumps(changed))
    found = read(root)
    mapped = next(item for item in found.values() if item.uid_map)
    assert set(found) == {"web", "shop-router-1", "off"} and {item.engine for item in found.values()} == {"docker"}
    assert (mapped.user_ns, mapped.uid_map) == ("own", [IdRange(0, 100000, 65536)])


CAPABILITIES = [
    ([], [], False, 14),
    (["NET_ADMIN"], [], False, 15),
    (["CAP_NET_ADMIN"], ["ALL"], False, 1),
    (["net_admin", "NET_RAW"], ["NET_RAW"], False, 15),
    (["ALL"], [], False, 41),
    (["ALL"], ["SYS_ADMIN"], False, 40),
    ([], ["all"], False, 0),
    ([], ["ALL"], True, 41),
    (["NO_SUCH_CAPABILITY"], None, False, 14),
]


@pytest.mark.parametrize(("add", "drop", "privileged", "count"), CAPABILITIES)
def test_cap_add_and_cap_drop_count_as_docker_counts_them(host, tmp_path, add, drop, privileged, count):
    root = host("docker")
    record = next(
        path for path in tmp_path.glob("var/lib/docker/containers/*/hostconfig.json") if '"host"' in path.read_text()
    )
    record.write_text(json.dumps({"CapAdd": add, "CapDrop": drop, "Privileged": privileged}))
    off = read(root)["off"]
    assert len(names(off)) == count and off.privileged is privileged


LABELS = [
    (
        {"io.kubernetes.pod.name": "p", "io.kubernetes.pod.namespace": "n", "io.kubernetes.container.name": "c"},
        ContainerOwner("kubernetes", service="c", pod="p", namespace="n"),
    ),
    (
        {"com.docker.swarm.service.name": "shop_web", "com.docker.stack.namespace": "shop"},
        ContainerOwner("swarm", project="shop", service="shop_web"),
    ),
    ({"some": "label"}, ContainerOwner()),
    (None, ContainerOwner()),
    ({"com.docker.compose.project": 1, "com.docker.compose.service": ["x"]}, ContainerOwner()),
]


@pytest.mark.parametrize(("labels", "owner"), LABELS)
def test_other_owners_are_told_by_their_labels(host, tmp_path, labels, owner):
    root = host("docker")
    for path in tmp_path.glob("var/lib/docker/containers/*/config.v2.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "Config": {"Labels": labels}}))
    assert read(root)["web"].owner == owner


UNITS = [
    ("ExecStart=/usr/bin/docker run --rm --name web lab:base", True),
    ("ExecStart=/usr/bin/docker run --rm \\\n  --name=%N lab:base", True),
    ("ExecStart=-/usr/bin/docker start -a web", True),
    ("ExecStartPre=docker create --name web lab:base", True),
    ("ExecStart=/usr/bin/docker run --name web2 lab:base", False),
    ("ExecStart=/usr/bin/docker run --name other web", False),
    ("ExecStop=/usr/bin/docker stop web", False),
    ("# ExecStart=/usr/bin/docker run --name web lab:base", False),
]


@pytest.mark.parametrize(("line", "starts"), UNITS)
def test_a_unit_is_the_owner_of_what_its_command_starts(host, tmp_path, line, starts):
    root = host("docker")
    path = "/etc/systemd/system/web.service"
    write(tmp_path, path, f"[Service]\n{line}\n")
    (tmp_path / "etc/systemd/system/alias.service").symlink_to("web.service")
    expected = ContainerOwner("unit", unit="web.service", files=[path]) if starts else ContainerOwner()
    assert read(root)["web"].owner == expected
    assert read(root)["shop-router-1"].owner.kind == "compose"


# --- podman -----------------------------------------------------------------------------------------------------------


def test_podman_raises_an_added_capability_for_another_user(host):
    web = read(host("podman"))["pweb"]
    assert (web.engine, web.user, web.image) == ("podman", "1000:0", "localhost/lab:base")
    assert names(web, "effective") == names(web, "ambient") == ["cap_net_admin"]
    assert (web.net_ns, web.user_ns, web.owner.kind) == ("own", "host", "hand")


def test_podman_shares_the_network_of_another_and_of_a_pod(host):
    found = read(host("podman"))
    assert found["pjoin"].net_ns == f"container:{found['pweb'].id}"
    assert found["inpod"].owner.pod == "pod1" and found["inpod"].net_ns.startswith("container:")


def test_podman_without_cgroup_is_found_by_what_its_runtime_noted_and_only_while_it_is_that_process(host, tmp_path):
    root = host("podman")
    bare = read(root)["pbare"]
    assert bare.pid is not None and (tmp_path / f"proc/{bare.pid}/cgroup").read_text() == "0::/..\n"
    stat = tmp_path / f"proc/{bare.pid}/stat"
    fields = stat.read_text().split()
    fields[21] = "1"
    stat.write_text(" ".join(fields))
    assert read(root)["pbare"].pid is None


def test_podman_that_was_never_started_is_in_its_database_only(host, tmp_path):
    root = host("podman")
    off = read(root)["poff"]
    assert off.pid is None and off.specification == "/var/lib/containers/storage/db.sql"
    assert "cap_setuid" in names(off) and "cap_net_raw" not in names(off)
    (tmp_path / "var/lib/containers/storage/db.sql").unlink()
    assert read(root)["poff"].capabilities == {}


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(200)])
def test_a_database_that_is_none_is_unseen_and_the_rest_is_read(host, tmp_path, content):
    root = host("podman")
    (tmp_path / "var/lib/containers/storage/db.sql").write_bytes(content)
    unseen = []
    found = observe_containers(unseen, root=root)
    assert len(found) == 6 and [item.source for item in unseen] == ["/var/lib/containers/storage/db.sql"]


def test_a_database_that_belongs_to_another_user_is_not_opened(host, tmp_path, monkeypatch):
    root = host("podman")
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    unseen = []
    observe_containers(unseen, root=root)
    assert ["not opened" in item.reason for item in unseen] == [True]


def test_a_quadlet_is_the_owner_with_its_drop_ins(host, tmp_path):
    root = host("podman")
    web = read(root)["pweb"]
    identifier, member = web.id, tmp_path / f"proc/{web.pid}/cgroup"
    member.write_text(f"0::/system.slice/web@1.service/libpod-payload-{identifier}\n")
    quadlet = "/etc/containers/systemd/web@.container"
    write(tmp_path, "/run/systemd/generator/web@.service", f"[Unit]\nSourcePath={quadlet}\n[Service]\n")
    write(tmp_path, f"{quadlet}.d/10-more.conf", "[Container]\n")
    write(tmp_path, f"{quadlet}.d/notes.txt", "")
    files = [quadlet, f"{quadlet}.d/10-more.conf"]
    owner = read(root)["pweb"].owner
    assert (owner.kind, owner.unit, owner.files) == ("quadlet", "web@1.service", files)


def test_a_unit_that_podman_generated_is_told_by_its_label(host, tmp_path):
    root = host("podman")
    connection = sqlite3.connect(tmp_path / "var/lib/containers/storage/db.sql")
    config = json.dumps({"labels": {"PODMAN_SYSTEMD_UNIT": "container-pweb.service"}})
    connection.execute("UPDATE ContainerConfig SET JSON = ?", (config,))
    connection.commit()
    write(tmp_path, "/etc/systemd/system/container-pweb.service", "[Service]\n")
    owner = read(root)["pweb"].owner
    assert (owner.kind, owner.unit) == ("unit", "container-pweb.service")
    assert owner.files == ["/etc/systemd/system/container-pweb.service"]


# --- Kubernetes, containerd -------------------------------------------------------------------------------------------


def test_a_pod_of_containerd_is_told_by_its_annotations(host):
    found = read(host("containerd"))
    agent = found["agent"]
    assert (agent.engine, agent.user, agent.image) == ("cri-containerd", "1000:3000", "example.com/agent:1.4")
    assert agent.owner == ContainerOwner("kubernetes", service="agent", pod="router-7d4b9", namespace="edge")
    assert agent.net_ns == f"container:{'a1' * 32}" and agent.capabilities["bounding"] >> CAP_NET_ADMIN & 1
    assert (agent.apparmor, agent.selinux) == (
        "cri-containerd.apparmor.d",
        "system_u:system_r:container_t:s0:c4,c811",
    )
    sandbox = found["a1" * 32]
    assert (sandbox.net_ns, sandbox.owner.service, sandbox.owner.pod) == ("own", None, "router-7d4b9")
    assert sandbox.image == "registry.k8s.io/pause:3.10"
    assert [found[name].privileged for name in ("agent", "setup")] == [False, True]


def test_every_layout_of_the_cgroups_of_kubernetes_is_seen(host):
    found = observe_containers([], root=host("containerd", "crio"))
    assert {item.pid for item in found.values()} == {4100, 4150, 4190, 700, 5100, 5150}


def test_nerdctl_notes_the_name(host):
    edge = read(host("containerd"))["edge1"]
    assert (edge.engine, edge.id, edge.pid, edge.net_ns) == ("containerd", "d4" * 32, 700, "own")


def test_crio_notes_pod_and_container(host):
    found = read(host("crio"))
    agent = found["agent"]
    assert (agent.engine, agent.user, agent.pid, agent.image) == ("cri-o", "1001:0", 5150, "example.com/agent:1.4")
    assert agent.owner == ContainerOwner("kubernetes", service="agent", pod="router-0", namespace="edge")
    assert agent.net_ns == f"container:{'e5' * 32}" and not agent.privileged
    assert agent.selinux == "system_u:system_r:container_t:s0:c10,c25"
    (sandbox,) = (item for item in found.values() if item.id == "e5" * 32)
    assert sandbox.net_ns == "own" and sandbox.owner.pod == "router-0" and sandbox.owner.service is None


def test_crio_may_keep_its_store_elsewhere(host, tmp_path):
    root = host("crio")
    (tmp_path / "var/data").mkdir()
    (tmp_path / "var/lib/containers/storage").rename(tmp_path / "var/data/crio")
    write(tmp_path, "/etc/crio/crio.conf.d/10.conf", '[crio]\nroot = "/var/data/crio"\n')
    assert "agent" in read(root)


# --- LXC, Incus, LXD, systemd-nspawn ----------------------------------------------------------------------------------


def test_lxc_counts_what_it_includes(host):
    web = read(host("lxc"))["web"]
    gone = ["mac_admin", "mac_override", "sys_time", "sys_module", "sys_rawio", "net_admin", "net_raw"]
    assert web.capabilities["bounding"] == ALL_CAPABILITIES & ~capability_mask(gone)
    assert (web.engine, web.pid, web.user, web.net_ns, web.user_ns) == ("lxc", 610, "0:0", "own", "host")
    assert web.owner == ContainerOwner("lxc", files=["/var/lib/lxc/web/config"])
    assert web.sysctls == {"net.ipv4.ip_forward": "1"} and web.apparmor == "generated"
    assert web.seccomp.default_action == "SCMP_ACT_ALLOW" and web.seccomp_known
    assert SeccompRule(["kexec_load"], "SCMP_ACT_ERRNO", 1) in web.seccomp.rules and len(web.seccomp.rules) == 3


@pytest.mark.parametrize(("engine", "name"), [("lxc", "web"), ("nspawn", "web-1")])
def test_the_definition_of_lxc_and_nspawn_is_what_is_granted_by_now(host, engine, name):
    found = read(host(engine))[name]
    assert found.granted == 0
    see_granted(found)
    assert found.granted == found.capabilities["bounding"] != 0


def test_lxc_of_a_user_is_said_to_be_so(host):
    own = read(host("lxc"))["own"]
    assert own.capabilities["bounding"] == ALL_CAPABILITIES and own.capabilities["effective"] == 0
    assert (own.user, own.no_new_privs, own.user_ns, own.net_ns) == ("1000:0", True, "own", "host")
    assert own.uid_map == [IdRange(0, 100000, 65536)] and own.pid == 620
    assert own.engine_uid == os.getuid()


LXC = [
    ("lxc.cap.keep = net_admin\n", ["cap_net_admin"]),
    ("lxc.cap.keep = none\n", []),
    ("lxc.cap.keep = net_raw\nlxc.cap.keep =\nlxc.cap.keep = net_admin chown\n", ["cap_chown", "cap_net_admin"]),
    ("lxc.include = /x\nlxc.cap.keep = net_admin\n", ["cap_net_admin"]),
    ("lxc.include = relative\nlxc.include = /var/lib/lxc/self/config\nlxc.cap.keep = kill\n", ["cap_kill"]),
]


@pytest.mark.parametrize(("text", "held"), LXC)
def test_lxc_settings_clear_and_include(host, tmp_path, text, held):
    root = host()
    write(tmp_path, "/var/lib/lxc/self/config", text)
    assert names(read(root)["self"]) == held


NETWORKS = [
    ("lxc.net.0.type = none", "host"),
    ("lxc.net.0.type = none\nlxc.net.1.type = veth", "own"),
    ("lxc.network.type = none", "host"),
    ("", "own"),
    ("lxc.namespace.keep = net user", "host"),
    ("lxc.namespace.share.net = web", "container:web"),
]


@pytest.mark.parametrize(("text", "net_ns"), NETWORKS)
def test_lxc_shares_a_network_where_it_says_so(host, tmp_path, text, net_ns):
    root = host()
    write(tmp_path, "/srv/lxc/one/config", text + "\n")
    write(tmp_path, "/etc/lxc/lxc.conf", "lxc.lxcpath = /srv/lxc\n")
    assert read(root)["one"].net_ns == net_ns


PROFILES = [
    ("2\nallowlist errno 5\nsocket allow [0,16,SCMP_CMP_EQ]\n", ("SCMP_ACT_ERRNO", 5), [[0, 16, 0, "SCMP_CMP_EQ"]]),
    (
        "2\ndenylist\nsocket kill [0,0x10,SCMP_CMP_MASKED_EQ,0xff]\n",
        ("SCMP_ACT_ALLOW", None),
        [[0, 16, 255, "SCMP_CMP_MASKED_EQ"]],
    ),
    ("2\nwhitelist\nsocket [x]\n", ("SCMP_ACT_KILL", None), []),
]


@pytest.mark.parametrize(("text", "default", "arguments"), PROFILES)
def test_lxc_has_a_format_of_its_own_for_seccomp(host, tmp_path, text, default, arguments):
    root = host()
    write(tmp_path, "/var/lib/lxc/one/config", "lxc.seccomp.profile = /etc/profile\n")
    assert not read(root)["one"].seccomp_known
    write(tmp_path, "/etc/profile", text)
    profile = read(root)["one"].seccomp
    assert (profile.default_action, profile.default_errno) == default
    assert [rule.arguments for rule in profile.rules] == [arguments]


def test_incus_and_lxd_leave_what_they_made_of_their_settings(host):
    found = read(host("lxc"))
    router = found["router"]
    assert (router.id, router.engine, router.owner, router.pid) == ("lab_router", "incus", ContainerOwner("incus"), 630)
    assert router.uid_map == [IdRange(0, 1000000, 1000000000)] and router.user_ns == "own"
    assert (found["old"].engine, names(found["old"])) == ("lxd", ["cap_net_admin", "cap_net_raw"])
    assert ids_of_name("router", host("lxc")) == ids_of_name("lab_router", host("lxc")) == {"lab_router"}


def test_nspawn_is_read_by_its_settings_and_by_its_command(host):
    found = read(host("nspawn"))
    web = found["web-1"]
    assert (web.engine, web.pid, web.net_ns, web.user_ns) == ("nspawn", 812, "host", "host")
    assert web.owner == ContainerOwner(
        "nspawn", files=["/etc/systemd/nspawn/web-1.nspawn"], unit=r"systemd-nspawn@web\x2d1.service"
    )
    assert {"cap_net_raw", "cap_net_admin"}.isdisjoint(names(web)) and "cap_sys_admin" in names(web)
    hand = found["hand"]
    assert (hand.pid, hand.user, hand.no_new_privs, hand.net_ns) == (822, "www", True, "own")
    assert hand.uid_map == [IdRange(0, 524288, 65536)] and hand.owner.unit == "hand.service"
    assert {"cap_net_admin", "cap_sys_module", "cap_bpf"} <= set(names(hand)) and names(hand, "effective") == []


def test_nspawn_that_does_not_run_is_as_machinectl_would_start_it(host):
    found = read(host("nspawn"))
    for name in ("plain", "image"):
        assert (found[name].pid, found[name].net_ns, found[name].user_ns) == (None, "own", "own")
        assert "cap_net_admin" in names(found[name])


# --- all of them ------------------------------------------------------------------------------------------------------


def test_all_engines_together_and_each_container_once(host):
    root = host(*ENGINES)
    unseen = []
    found = observe_containers(unseen, root=root)
    engines = {item.engine for item in found.values()}
    assert unseen == [] and len(found) == 3 + 6 + 4 + 2 + 4 + 4
    assert engines == {"docker", "podman", "containerd", "cri-containerd", "cri-o", "lxc", "incus", "lxd", "nspawn"}
    assert all(key == item.id for key, item in found.items())


@pytest.mark.parametrize("engine", ENGINES)
def test_each_survives_the_way_through_a_snapshot(host, engine):
    containers = observe_containers([], root=host(engine))
    state = State(containers=containers)
    assert from_plain(State, json.loads(json.dumps(to_plain(state)))).containers == containers


def test_only_those_that_are_named_are_read(host, tmp_path):
    root = host("docker", "podman")
    everything = read(root)
    web = everything["web"]
    assert read(root, "web") == read(root, web.id) == read(root, web.id[:12]) == {"web": web}
    assert set(read(root, "web", "pweb", "no-such")) == {"web", "pweb"}
    assert observe_containers([], root=root, only=[]) == {} == observe_containers([], root=root, only=[""])
    # Of another container not even a broken specification is opened.
    for path in tmp_path.glob("run/containerd/*/moby/*/config.json"):
        if web.id not in str(path):
            path.write_text("{")
    assert set(read(root, web.id)) == {"web"}


def test_a_container_that_has_a_cgroup_only_is_listed_and_said(host, tmp_path):
    root = host()
    identifier = "9" * 64
    write(tmp_path, "/proc/77/cgroup", f"0::/lxc.payload.outer/docker-{identifier}.scope\n")
    write(tmp_path, "/proc/77/stat", "77 (sh) S 1 77 77 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 55 0 0 0\n")
    write(tmp_path, "/proc/77/cmdline", "sh\0")
    unseen = []
    found = observe_containers(unseen, root=root)
    assert found == {identifier: Container(identifier, identifier, "docker", pid=77)}
    assert [item.source for item in unseen] == [f"container {identifier}"]


# --- hostile files ----------------------------------------------------------------------------------------------------


def test_what_users_keep_does_not_take_the_place_of_what_the_host_keeps(host, tmp_path):
    root = host("podman", "lxc")
    before = read(root)
    store = "/home/eve/.local/share/containers/storage/overlay-containers"
    entries = [{"id": before["pweb"].id, "names": ["web"]}, {"id": "web", "names": ["pweb"]}]
    write(tmp_path, f"{store}/containers.json", entries)
    write(tmp_path, "/home/eve/.local/share/lxc/web/config", "lxc.cap.keep = sys_admin\n")
    assert read(root) == before
    entries = [{"id": "e" * 64, "names": ["pweb", "eves"]}]
    write(tmp_path, f"{store}/containers.json", entries)
    assert ids_of_name("pweb", root) == {before["pweb"].id} and ids_of_name("eves", root) == {"e" * 64}


def test_a_cgroup_that_a_user_names_like_a_container_is_not_that_container(host, tmp_path):
    root = host("docker")
    web = read(root)["web"]
    write(tmp_path, "/proc/9/cgroup", f"0::/user.slice/user-1000.slice/user@1000.service/docker-{web.id}.scope\n")
    write(tmp_path, "/proc/9/stat", "9 (sh) S 1 9 9 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 0\n")
    write(tmp_path, "/proc/9/cmdline", "sh\0")
    assert read(root)["web"].pid == web.pid


def test_links_in_the_place_of_a_specification_are_not_followed(host, tmp_path):
    root = host("docker")
    web = read(root)["web"]
    path = next(path for path in tmp_path.glob("run/containerd/*/moby/*/config.json") if web.id in str(path))
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    unseen = []
    assert observe_containers(unseen, root=root, only=[web.id])[web.id].seccomp is None
    assert [item.reason for item in unseen] == ["ELOOP"]


@pytest.mark.parametrize("kind", ["fifo", "directory", "long", "text", "list", "deep", "binary"])
def test_whatever_stands_in_the_place_of_a_specification_the_rest_is_read(host, tmp_path, kind):
    root = host("docker")
    for path in [
        *tmp_path.glob("run/containerd/*/moby/*/config.json"),
        *tmp_path.glob("var/lib/docker/containers/*/*"),
    ]:
        path.unlink()
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "directory":
            path.mkdir()
        else:
            content = {
                "long": b" " * (LONGEST + 1),
                "text": b"x",
                "list": b"[1]",
                "deep": b"[" * 100000,
                "binary": b"\xff",
            }
            path.write_bytes(content[kind])
    unseen = []
    found = observe_containers(unseen, root=root)
    assert len(found) == 3 and all(item.name == item.id for item in found.values())
    assert bool(unseen) is (kind != "list")


def test_directories_that_cannot_be_read_are_unseen(host, tmp_path):
    root = host("docker")
    (tmp_path / "var/lib/lxc").symlink_to("lxc")
    unseen = []
    assert len(observe_containers(unseen, root=root)) == 3
    assert [(item.source, item.reason) for item in unseen] == [("/var/lib/lxc", "ELOOP")]


def test_an_observer_without_privilege_is_told_once_what_it_does_not_see(running):
    child = running(
        f"sys.path[:0] = {sys.path!r}\n"
        f"from {observe_containers.__module__} import observe_containers\n"
        "os.setuid(65534)\n"
        "unseen = []; observe_containers(unseen)\n"
        "words = [str(len(unseen) == len(set(unseen)))]\n"
    )
    assert child.words == ["True"]
