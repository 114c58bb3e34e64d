# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real containers of real engines, and what container_facts says of them: compared with the kernel and the engines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host import COLLECTION, COLLECTIONS, Host, kept

COMPOSE = """\
services:
  router:
    image: lab:base
    command: sleep 1000
    cap_add: [NET_ADMIN]
"""
QUADLET = """\
[Container]
Image=localhost/lab:base
ContainerName=quadlet1
Exec=sleep 1000
"""
DETACHED = """\
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/docker run -d \\
  --name %N --cap-drop ALL lab:base sleep 1000
"""
LXC = """\
lxc.include = /usr/share/lxc/config/common.conf
lxc.rootfs.path = dir:/srv/root
lxc.uts.name = lxc1
lxc.net.0.type = empty
lxc.apparmor.profile = unconfined
lxc.cap.drop = net_raw
lxc.init.cmd = /bin/sleep 1000
"""
NSPAWN = """\
[Exec]
Boot=no
Parameters=sleep 1000
PrivateUsers=no
DropCapability=CAP_NET_RAW
[Network]
VirtualEthernet=no
"""
# What runc makes, without limits: the kernel of the tests has no cgroup controllers to limit with.
SPECIFICATION = """
import json
made = json.load(open("config.json"))
made["process"].update(terminal=False, args=["sleep", "1000"])
made["root"]["path"] = "/srv/root"
made["linux"].pop("resources")
made["linux"]["cgroupsPath"] = "/default/plain1"
json.dump(made, open("config.json", "w"))
"""
# The module's code in a container, which has Python and nothing of Ansible.
INSIDE = """
import json
from ansible_collections.netlink.remediation.plugins.module_utils._container_facts import container_facts
print(json.dumps(container_facts([])))
"""


@pytest.fixture(scope="module")
def host(places: Path) -> Iterator[Host]:
    with Host(places / "containers", kept(), docker=True) as started:
        started.sh("mkdir -p /srv/root; id=$(docker create lab:base true); docker export $id | tar -x -C /srv/root")
        started.sh("docker rm $(docker ps -aq)")
        yield started


def facts(host: Host, *names: str) -> dict[str, Any]:
    result = host.module("container_facts", containers=list(names))
    assert not result.get("failed") and result["changed"] is False, result
    found: dict[str, Any] = result["ansible_facts"]["netlink_containers"]
    return found


def one(host: Host, name: str) -> dict[str, Any]:
    """The facts of a container, of which what the kernel shows is compared with /proc."""
    (found,) = facts(host, name)["containers"]
    assert found["running"] and found["pid"] == found["init"]["pid"]
    status = host.sh('cat "/proc/$1/status"', str(found["pid"]))
    lines = dict(line.split(":", 1) for line in status.splitlines())
    for name, key in (("effective", "CapEff"), ("bounding", "CapBnd"), ("ambient", "CapAmb")):
        assert len(found["init"][name]) == bin(int(lines[key], 16)).count("1")
    assert found["init"]["uid"] == int(lines["Uid"].split()[1])
    for kind in ("user", "net"):
        inode = host.sh('stat -L -c %i "/proc/$1/ns/$2"', str(found["pid"]), kind).strip()
        first = host.sh('stat -L -c %i "/proc/1/ns/$1"', kind).strip()
        assert found["init"][f"{kind}_ns"] == int(inode)
        assert found["init"][f"shares_{kind}_ns"] is (inode == first)
        assert (found[f"{kind}_ns"] == "host") is (inode == first)
    return found


def test_docker_with_a_user_a_capability_and_sysctls(host: Host) -> None:
    options = "--cap-add NET_ADMIN -u 1000:1000 --sysctl net.ipv4.ip_forward=1 --security-opt no-new-privileges"
    identifier = host.sh(f"docker run -d --name web1 {options} lab:base sleep 1000").strip()
    found = one(host, "web1")
    assert (found["id"], found["name"], found["engine"], found["image"]) == (identifier, "web1", "docker", "lab:base")
    assert found["user"] == "1000:1000" and found["init"]["uid"] == 1000
    assert "cap_net_admin" in found["capabilities"]["bounding"] and "cap_net_admin" in found["init"]["bounding"]
    assert found["init"]["effective"] == [] != found["capabilities"]["effective"]
    assert found["no_new_privs"] is True is found["init"]["no_new_privs"]
    assert found["sysctls"]["net.ipv4.ip_forward"] == "1"
    assert found["seccomp"]["refuses"] == [{"call": "unshare", "answer": "EPERM"}]
    assert found["init"]["seccomp"] == "filter"
    assert (found["net_ns"], found["user_ns"], found["owner"]["kind"]) == ("own", "host", "hand")
    assert facts(host, identifier[:12])["containers"] == facts(host, identifier)["containers"] == [found]


def test_docker_on_the_network_of_the_host_and_of_another_container(host: Host) -> None:
    host.sh(
        "docker run -d --name owner1 lab:base sleep 1000; docker run -d --name host1 --network host lab:base sleep 99"
    )
    host.sh("docker run -d --name join1 --network container:owner1 --privileged lab:base sleep 99")
    assert one(host, "host1")["net_ns"] == "host"
    joined = one(host, "join1")
    assert joined["net_ns"] == f"container:{one(host, 'owner1')['id']}"
    assert joined["privileged"] and joined["seccomp"] is None and joined["seccomp_known"]


def test_docker_that_does_not_run_is_as_it_would_be_started(host: Host) -> None:
    host.sh("docker create --name off1 --cap-drop ALL --cap-add NET_RAW --network host lab:base true")
    (found,) = facts(host, "off1")["containers"]
    assert (found["running"], found["pid"], found["init"]) == (False, None, None)
    assert found["capabilities"]["bounding"] == ["cap_net_raw"] and found["net_ns"] == "host"
    host.sh("docker create --name off2 --cap-add NET_ADMIN --cap-drop CHOWN lab:base true")
    made = json.loads(host.sh("docker start off2 >/dev/null; docker inspect off2"))[0]
    (found,) = facts(host, "off2")["containers"]
    assert found["id"] == made["Id"]
    assert len(found["capabilities"]["bounding"]) == 14 and "cap_net_admin" in found["capabilities"]["bounding"]


def test_compose_is_the_owner_with_project_service_and_files(host: Host) -> None:
    host.write("/srv/shop/compose.yaml", COMPOSE)
    host.sh("cd /srv/shop && docker compose up -d")
    found = one(host, "shop-router-1")
    expected = {
        "kind": "compose",
        "project": "shop",
        "service": "router",
        "files": ["/srv/shop/compose.yaml"],
        "directory": "/srv/shop",
    }
    assert {key: found["owner"][key] for key in expected} == expected
    assert "cap_net_admin" in found["init"]["effective"]


def test_a_unit_whose_command_starts_it_is_the_owner(host: Host) -> None:
    host.write("/etc/systemd/system/unit1.service", DETACHED)
    host.sh("systemctl daemon-reload; systemctl start unit1.service")
    found = one(host, "unit1")
    assert (found["owner"]["kind"], found["owner"]["unit"]) == ("unit", "unit1.service")
    assert found["owner"]["files"] == ["/etc/systemd/system/unit1.service"]
    assert found["capabilities"]["bounding"] == found["init"]["bounding"] == []


def test_names_that_are_not_there_are_unseen_and_empty_ones_an_error(host: Host) -> None:
    found = facts(host, "nothing-of-that-name")
    assert found["containers"] == []
    assert {"source": "container nothing-of-that-name"}.items() <= found["unseen"][0].items()
    failed = host.module("container_facts", containers=[""])
    assert failed["failed"] and failed["msg"].startswith("containers: '' names no container")


@pytest.fixture(scope="module")
def podman(host: Host) -> Host:
    # There is no controller of cgroups that could limit the number of processes.
    host.write("/etc/containers/containers.conf", "[containers]\npids_limit=0\n")
    host.load_image("podman", "import", "-", "localhost/lab:base")
    return host


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_podman_gives_an_added_capability_to_another_user(podman: Host, runtime: str) -> None:
    name = f"pod-{runtime}"
    podman.sh(
        f"podman run -d --name {name} --runtime {runtime} --cap-add NET_ADMIN -u 1000 localhost/lab:base sleep 1000"
    )
    found = one(podman, name)
    assert (found["engine"], found["user"], found["image"]) == ("podman", "1000:0", "localhost/lab:base")
    assert found["init"]["effective"] == found["capabilities"]["effective"] == ["cap_net_admin"]
    assert found["capabilities"]["bounding"] == found["init"]["bounding"]
    assert (found["net_ns"], found["user_ns"]) == ("own", "host")


def test_podman_on_other_networks_privileged_and_in_a_pod(podman: Host) -> None:
    run = "podman run -d --runtime crun"
    podman.sh(f"{run} --name pod-host --network host --privileged localhost/lab:base sleep 1000")
    podman.sh(f"{run} --name pod-owner localhost/lab:base sleep 1000")
    podman.sh(f"{run} --name pod-join --network container:pod-owner localhost/lab:base sleep 1000")
    podman.sh("podman pod create --name pod1 --infra-image localhost/lab:base --infra-command 'sleep 1000'")
    podman.sh(f"{run} --pod pod1 --name pod-inside localhost/lab:base sleep 1000")
    assert one(podman, "pod-host")["net_ns"] == "host" and one(podman, "pod-host")["privileged"]
    assert one(podman, "pod-join")["net_ns"] == f"container:{one(podman, 'pod-owner')['id']}"
    assert one(podman, "pod-inside")["owner"]["pod"] == "pod1"


def test_podman_without_a_cgroup_is_found_by_its_runtime(podman: Host) -> None:
    podman.sh("podman run -d --runtime crun --name pod-bare --cgroups=disabled localhost/lab:base sleep 1000")
    pid = int(podman.sh("podman inspect -f '{{.State.Pid}}' pod-bare"))
    assert one(podman, "pod-bare")["pid"] == pid
    named = podman.module("namespace_facts", containers=["pod-bare"])["ansible_facts"]["netlink_namespaces"]
    assert [item["pid"] for item in named["processes"]] == [pid]


def test_podman_that_was_never_started_is_read_from_its_database(podman: Host) -> None:
    podman.sh("podman create --name pod-off --cap-drop ALL --cap-add NET_RAW localhost/lab:base true")
    (found,) = facts(podman, "pod-off")["containers"]
    assert found["running"] is False and found["capabilities"]["bounding"] == ["cap_net_raw"]


def test_podman_of_a_user_is_said_to_be_his(podman: Host) -> None:
    podman.sh("useradd -m ann; echo ann:300000:65536 | tee -a /etc/subuid >> /etc/subgid")
    podman.sh(
        "mkdir -p /run/user/1000; chown ann: /run/user/1000; chmod 755 /srv; tar -C /srv/root -cf /srv/root.tar ."
    )
    script = "export XDG_RUNTIME_DIR=/run/user/1000 HOME=/home/ann; cd; "
    script += (
        'pod() { podman --storage-driver vfs --cgroup-manager cgroupfs "$@"; }; pod import /srv/root.tar lab:base; '
    )
    script += "pod run -d --runtime crun --cgroups=disabled --network host --name rootless1 lab:base sleep 1000"
    podman.sh('exec setpriv --reuid ann --regid ann --init-groups sh -ec "$1"', script)
    found = one(podman, "rootless1")
    assert (found["engine"], found["engine_uid"], found["init"]["uid"]) == ("podman", 1000, 1000)
    assert (found["user_ns"], found["net_ns"]) == ("own", "host")
    assert any("not opened" in item["reason"] for item in facts(podman, "rootless1")["unseen"])


def test_a_quadlet_is_the_owner_with_its_drop_ins(podman: Host) -> None:
    path = "/etc/containers/systemd/quadlet1.container"
    podman.write(path, QUADLET)
    podman.write(f"{path}.d/50-more.conf", "[Container]\nAddCapability=NET_ADMIN\n")
    podman.sh("systemctl daemon-reload; systemctl start quadlet1.service")
    found = one(podman, "quadlet1")
    assert (found["owner"]["kind"], found["owner"]["unit"]) == ("quadlet", "quadlet1.service")
    assert found["owner"]["files"] == [path, f"{path}.d/50-more.conf"]
    assert "cap_net_admin" in found["init"]["effective"]


def test_lxc_is_read_with_its_included_configuration(host: Host) -> None:
    host.write("/var/lib/lxc/lxc1/config", LXC)
    host.sh("lxc-start -n lxc1")
    found = one(host, "lxc1")
    assert (found["engine"], found["owner"]["kind"]) == ("lxc", "lxc")
    assert found["owner"]["files"] == ["/var/lib/lxc/lxc1/config"]
    assert {"cap_net_raw", "cap_sys_module"}.isdisjoint(found["capabilities"]["bounding"])
    first = set(facts(host)["observer"]["bounding"])
    assert found["init"]["bounding"] == [name for name in found["capabilities"]["bounding"] if name in first]
    assert found["seccomp"]["default_action"] == "SCMP_ACT_ALLOW" and found["net_ns"] == "own"
    host.sh("lxc-stop -k -n lxc1")
    (found,) = facts(host, "lxc1")["containers"]
    assert found["running"] is False and "cap_net_admin" in found["capabilities"]["bounding"]


def test_nspawn_by_its_template_and_by_a_command(host: Host) -> None:
    host.sh("mkdir -p /var/lib/machines; cp -a /srv/root /var/lib/machines/spawn1")
    host.write("/etc/systemd/nspawn/spawn1.nspawn", NSPAWN)
    host.sh("systemctl start systemd-nspawn@spawn1.service")
    found = one(host, "spawn1")
    assert (found["engine"], found["owner"]["unit"]) == ("nspawn", "systemd-nspawn@spawn1.service")
    assert found["owner"]["files"] == ["/etc/systemd/nspawn/spawn1.nspawn"]
    first = set(facts(host)["observer"]["bounding"])
    assert found["init"]["bounding"] == [name for name in found["capabilities"]["bounding"] if name in first]
    assert {"cap_net_raw", "cap_net_admin"}.isdisjoint(found["init"]["bounding"])
    assert (found["net_ns"], found["user_ns"]) == ("host", "host")

    host.sh("cp -a /srv/root /var/lib/machines/spawn-2")
    users = "--private-users=524288:65536 --private-users-ownership=chown"
    host.sh(
        f"systemd-run --unit=command systemd-nspawn -D /var/lib/machines/spawn-2 -M spawn-2 {users} "
        "--private-network --capability=CAP_SYS_MODULE sleep 1000; sleep 1; cat /run/systemd/machines/spawn-2"
    )
    found = one(host, "spawn-2")
    assert found["owner"]["unit"] == "command.service"
    assert found["capabilities"]["bounding"] == found["init"]["bounding"]
    assert {"cap_net_admin", "cap_sys_module"} <= set(found["init"]["bounding"])
    assert found["uid_map"] == found["init"]["uid_map"] == [{"inside": 0, "outside": 524288, "count": 65536}]
    assert (found["net_ns"], found["user_ns"]) == ("own", "own")


def test_plain_containerd_is_found_by_its_task(host: Host) -> None:
    host.write("/srv/bundle/edit.py", SPECIFICATION)
    host.sh("cd /srv/bundle && runc spec && python3 edit.py && ctr run -d --config config.json plain1")
    found = one(host, "plain1")
    assert (found["engine"], found["id"], found["owner"]["kind"]) == ("containerd", "plain1", "hand")
    assert found["capabilities"]["bounding"] == found["init"]["bounding"]
    assert found["no_new_privs"] is True is found["init"]["no_new_privs"]


def test_inside_of_a_container_it_says_what_only_the_host_can_change(host: Host) -> None:
    host.write("/srv/inside.py", INSIDE)
    run = f"docker run --rm -v {COLLECTIONS}:/c:ro -v {COLLECTION}:{COLLECTION}:ro -v /srv:/srv:ro"
    said = json.loads(host.sh(f"{run} lab:base env PYTHONPATH=/c python3 -B /srv/inside.py"))
    observer = said["observer"]
    assert observer["inside"] and observer["engine"] == "docker" and observer["seccomp"] == "filter"
    assert observer["host_only"][0].startswith("CAP_NET_ADMIN is outside of the bounding set")
    assert any("/proc/sys is read-only" in item for item in observer["host_only"])
    assert any(item["source"] == "the host outside of this container" for item in said["unseen"])


def test_everything_at_once_is_seen_and_nothing_twice(podman: Host) -> None:
    found = facts(podman)
    ids = [item["id"] for item in found["containers"]]
    assert len(set(ids)) == len(ids)
    shown = set(podman.sh("docker ps -aq --no-trunc; podman ps -aq --no-trunc").split())
    assert shown <= set(ids)
    assert {item["engine"] for item in found["containers"]} <= {"docker", "podman", "containerd", "lxc", "nspawn"}
    assert [item for item in found["unseen"] if item["source"].startswith("container ")] == []


def test_docker_with_userns_remap_and_without_it_for_one_container(host: Host) -> None:
    host.sh("docker ps -aq | xargs -r docker rm -f; chmod 711 /var/lib/docker")
    host.write("/etc/docker/daemon.json", json.dumps({"userns-remap": "default", "data-root": "/var/lib/docker/other"}))
    host.sh("systemctl restart docker")
    host.load_image()
    host.sh("docker run -d --name mapped1 --cap-add NET_ADMIN lab:base sleep 1000")
    host.sh("docker run -d --name same1 --userns host --network host lab:base sleep 1000")
    found = one(host, "mapped1")
    assert (found["user_ns"], found["net_ns"]) == ("own", "own")
    assert found["uid_map"] == found["init"]["uid_map"] and found["uid_map"][0]["outside"] >= 100000
    assert found["init"]["uid"] == found["uid_map"][0]["outside"]
    same = one(host, "same1")
    assert (same["user_ns"], same["net_ns"], same["uid_map"]) == ("host", "host", [])
    host.sh("docker stop -t 0 mapped1")
    assert facts(host, "mapped1")["containers"][0]["name"] == "mapped1"
