# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is advised must be exact, keep secrets, and never make a container privileged."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change import _container_advice as advice
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_advice import (
    plan_advice,
    pod_owner,
    pod_patch,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_command import (
    podman_words,
    run_words,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_plan import (
    Plan,
    Subject,
    satisfied,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import Request, Wish
from ansible_collections.netlink.remediation.plugins.module_utils._linux import capability_mask
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, ContainerOwner

ADMIN = Wish(("cap_net_admin",))
USUAL = capability_mask(
    (
        *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service"),
        *("net_raw", "sys_chroot", "mknod", "audit_write", "setfcap"),
    )
)


def advise(container: Container, wish: Wish = ADMIN, *, recreate: bool = False) -> Plan:
    plan = Plan()
    plan_advice([Subject(container, [Request("containers[0]", container.name, "present", wish, recreate)])], plan)
    assert not plan.changes
    assert "--privileged" not in json.dumps(plan.advice)
    return plan


def container(kind: str = "hand", engine: str = "docker", **more: Any) -> Container:
    owner = {name: more.pop(name) for name in ("service", "files", "unit", "pod", "namespace") if name in more}
    more.setdefault("capabilities", {"bounding": USUAL})
    return Container("1" * 64, more.pop("name", "web"), engine, owner=ContainerOwner(kind, **owner), **more)


# --- the command ------------------------------------------------------------------------------------------------------

INSPECTED: dict[str, Any] = {
    "Id": "1" * 64,
    "Name": "/web",
    "Config": {"Hostname": "1" * 12, "User": "", "Env": None, "Cmd": ["sleep"], "Image": "img", "Entrypoint": None},
    "HostConfig": {"NetworkMode": "bridge", "RestartPolicy": {"Name": "no"}, "ShmSize": 67108864, "Runtime": "runc"},
    "Mounts": [],
}


def inspected(*, config: Any = None, host: Any = None, **more: Any) -> dict[str, Any]:
    merged = {
        "Config": {**INSPECTED["Config"], **(config or {})},
        "HostConfig": {**INSPECTED["HostConfig"], **(host or {})},
    }
    return {**INSPECTED, **merged, **more}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ""),
        ({"host": {"RestartPolicy": {"Name": "always"}}}, "--restart always"),
        ({"host": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}}, "--restart on-failure:3"),
        ({"host": {"NanoCpus": 1500000000, "Memory": 5, "MemorySwap": 10}}, "--memory 5 --cpus 1.5"),
        ({"host": {"Memory": 5, "MemorySwap": -1}}, "--memory 5 --memory-swap -1"),
        ({"host": {"PidsLimit": 9, "ShmSize": 1}}, "--pids-limit 9 --shm-size 1"),
        ({"host": {"IpcMode": "host", "PidMode": "host"}}, "--pid host --ipc host"),
        (
            {"host": {"Dns": ["192.0.2.1"], "ExtraHosts": ["a:1", "b:2"]}},
            "--dns 192.0.2.1 --add-host a:1 --add-host b:2",
        ),
        ({"host": {"NetworkMode": "host"}, "config": {"Hostname": "lab"}}, "--network host"),
        ({"host": {"NetworkMode": "container:abc"}, "config": {"Hostname": "lab"}}, "--network container:abc"),
        ({"config": {"Hostname": "lab"}}, "--hostname lab"),
        (
            {"host": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "81/udp": [{"HostIp": "::1"}]}}},
            "--publish 8080:80/tcp --publish ::1:81/udp",
        ),
        ({"host": {"Tmpfs": {"/t": "size=1m", "/u": ""}}}, "--tmpfs /t:size=1m --tmpfs /u"),
        (
            {"Mounts": [{"Type": "bind", "Source": "/a", "Destination": "/b", "RW": False, "Propagation": "rshared"}]},
            "--mount type=bind,source=/a,target=/b,readonly,bind-propagation=rshared",
        ),
        (
            {"Mounts": [{"Type": "volume", "Name": "v", "Source": "/x", "Destination": "/b", "RW": True}]},
            "--mount type=volume,source=v,target=/b",
        ),
        ({"host": {"LogConfig": {"Type": "journald"}}}, "--log-driver journald"),
        ({"config": {"Tty": True, "OpenStdin": True, "StopTimeout": 5}}, "--tty --interactive --stop-timeout 5"),
        ({"host": {"Sysctls": {"net.a": "1"}, "UsernsMode": "host"}}, "--userns host --sysctl net.a=1"),
    ],
)
def test_the_command_repeats_what_the_engine_says(given: dict[str, Any], expected: str) -> None:
    words, left_out = run_words(inspected(**given), {}, ADMIN)
    assert words[:5] == ["docker", "run", "--detach", "--name", "web"]
    assert words[-2:] == ["img", "sleep"]
    middle = words[5:-2]
    assert "--cap-add" in middle
    at = middle.index("--cap-add")
    assert middle[at : at + 2] == ["--cap-add", "NET_ADMIN"]
    assert " ".join(middle[:at] + middle[at + 2 :]) == expected
    assert left_out == []


def test_what_the_image_says_is_not_repeated() -> None:
    image = {"Entrypoint": ["/init"], "Cmd": ["run"], "User": "app", "WorkingDir": "/w", "Env": ["A=1"]}
    same = inspected(config={**image, "Labels": {}})
    words, left_out = run_words(same, image, ADMIN)
    assert (words[5:], left_out) == (["--cap-add", "NET_ADMIN", "img"], [])
    other = inspected(config={**image, "Entrypoint": ["sh", "-c"], "Cmd": ["x y"]})
    assert run_words(other, image, Wish(user="0"))[0][5:] == ["--user", "0", "--entrypoint", "sh", "img", "-c", "x y"]


def test_secrets_are_named_and_not_shown_and_the_unknown_is_said() -> None:
    one = inspected(
        config={
            "Env": ["TOKEN=secret", "PATH=/bin"],
            "Labels": {"auth": "hidden"},
            "Healthcheck": {"Test": ["CMD", "x"]},
        },
        host={"Privileged": True, "BlkioWeight": 5},
    )
    words, left_out = run_words(one, {"Env": ["PATH=/bin"]}, ADMIN)
    said = " ".join(left_out)
    assert "secret" not in said + " ".join(words)
    assert "hidden" not in said + " ".join(words)
    assert "--privileged" not in words
    for part in ("TOKEN", "auth", "health check", "BlkioWeight", "privileged"):
        assert part in said
    assert "PATH" not in said


def test_a_wish_wins_over_what_the_container_had() -> None:
    one = inspected(config={"User": "5"}, host={"CapAdd": ["CAP_CHOWN", "NET_RAW"], "CapDrop": ["NET_ADMIN", "KILL"]})
    words, _left_out = run_words(one, {}, Wish(("cap_net_admin",), ("cap_chown",), "0:0"))
    assert shlex.join(words[5:-2]) == (
        "--cap-drop CHOWN --cap-drop KILL --cap-add NET_ADMIN --cap-add NET_RAW --user 0:0"
    )


def test_the_command_that_podman_kept_loses_its_values() -> None:
    kept = shlex.split("podman run -d --env A=secret -e B=secret --env=C=secret --name web img sh -e D=mine")
    words, left_out = podman_words(kept, ADMIN, "img")
    assert words[-4:] == ["img", "sh", "-e", "D=mine"]
    assert words[:3] == ["podman", "run", "--cap-add=NET_ADMIN"]
    assert "secret" not in " ".join(words)
    assert left_out == ["the values of the environment variables A, B, C"]


# --- who else owns it -------------------------------------------------------------------------------------------------


def test_an_engine_that_cannot_be_asked_still_gets_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_engine: str, _names: Any) -> Any:
        raise ChangeError("container web cannot be known: no daemon")

    monkeypatch.setattr(advice, "inspect", refuse)
    monkeypatch.setattr(advice, "docker_has", lambda _name, _wish: False)
    plan = advise(container())
    assert "--cap-add=NET_ADMIN" in plan.advice[0]["text"]
    assert "no daemon" in plan.advice[0]["text"]
    assert plan.advice[0]["commands"] == []
    assert "--cap-add=NET_ADMIN" in advise(container(engine="containerd")).advice[0]["text"]


def test_a_unit_is_advised_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "web.service"
    file.write_text(
        "[Service]\nExecStartPre=-/usr/bin/podman rm web\n# ExecStart=podman run old\n"
        "ExecStart=/usr/bin/podman \\\n  run --name web i\n"
    )
    plan = advise(container("unit", "podman", unit="web.service", files=[str(file)]))
    assert f"{file}:4," in plan.advice[0]["text"]
    assert f"{file}:2" not in plan.advice[0]["text"]
    assert plan.advice[0]["commands"] == ["systemctl daemon-reload", "systemctl restart web.service"]
    none = advise(container("unit", "podman", unit="web.service", files=[]))
    assert "systemctl cat web.service" in none.advice[0]["text"]


@pytest.mark.parametrize(
    ("pod", "kind", "name"),
    [
        ("web-7d4b9c6f5d-x2k9p", "deployment", "web"),
        ("my-web-6c9f-x-7d4b9c6f5d-x2k9p", "deployment", "my-web-6c9f-x"),
        ("calico-node-x2k9p", "daemonset", "calico-node"),
        ("db-0", "statefulset", "db"),
        ("kube-proxy-master", "pod", "kube-proxy-master"),
        ("web", "pod", "web"),
    ],
)
def test_the_name_of_a_pod_tells_what_makes_it(pod: str, kind: str, name: str) -> None:
    assert pod_owner(pod)[:2] == (kind, name)


def test_kubernetes_gets_a_patch_that_keeps_what_was_added() -> None:
    pod = container("kubernetes", "cri-containerd", pod="web-7d4b9c6f5d-x2k9p", namespace="vpn", service="gw")
    pod.capabilities = {"bounding": USUAL | capability_mask(["sys_time"])}
    plan = advise(pod, Wish(("cap_net_admin",), user="0"))
    find, patch = (shlex.split(command) for command in plan.advice[0]["commands"])
    assert find[:6] == ["kubectl", "--namespace", "vpn", "get", "pod", "web-7d4b9c6f5d-x2k9p"]
    assert patch[:8] == ["kubectl", "--namespace", "vpn", "patch", "deployment", "web", "--type", "strategic"]
    context = {
        "capabilities": {"add": ["NET_ADMIN", "SYS_TIME"]},
        "runAsUser": 0,
        "runAsNonRoot": False,
    }
    spec = {"containers": [{"name": "gw", "securityContext": context}]}
    assert json.loads(patch[-1]) == {"spec": {"template": {"spec": spec}}}
    assert "gains cap_net_admin" in plan.advice[0]["text"]


def test_a_patch_repeats_all_where_something_was_dropped_and_drops_what_was_asked() -> None:
    pod = container("kubernetes", pod="p", capabilities={"bounding": capability_mask(["chown", "kill"])})
    assert pod_patch(pod, ADMIN)["containers"][0]["securityContext"] == {
        "capabilities": {"add": ["CHOWN", "KILL", "NET_ADMIN"]}
    }
    assert pod_patch(pod, Wish(("cap_net_admin",), ("all",)))["containers"][0]["securityContext"] == {
        "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}
    }
    whole = pod_patch(pod, Wish(userns="host", sysctls={"net.a": "1"}))
    assert whole == {"hostUsers": True, "securityContext": {"sysctls": [{"name": "net.a", "value": "1"}]}}


@pytest.mark.parametrize(
    ("kind", "engine", "command"),
    [
        ("swarm", "docker", "docker service update --cap-add CAP_NET_ADMIN web"),
        ("nspawn", "nspawn", "machinectl reboot web"),
        ("incus", "incus", "incus restart web"),
        ("lxd", "lxd", "lxc restart web"),
    ],
)
def test_each_owner_gets_its_own_command(monkeypatch: pytest.MonkeyPatch, kind: str, engine: str, command: str) -> None:
    monkeypatch.setattr(advice, "docker_has", lambda _name, _wish: False)
    plan = advise(container(kind, engine))
    assert command in plan.advice[0]["commands"]
    assert plan.warnings == [f"container web is not changed, but advised: {plan.advice[0]['text']}"]


def test_the_host_network_is_said_and_its_sysctls_are_refused() -> None:
    pod = container("kubernetes", "cri-o", pod="p", net_ns="host")
    assert "over the HOST network" in advise(pod).advice[0]["text"]
    with pytest.raises(ChangeError, match="not the container's own"):
        advise(pod, Wish(sysctls={"net.ipv4.ip_forward": "1"}))


def test_there_is_no_advice_for_what_is_there_already() -> None:
    pod = container("kubernetes", "cri-o", pod="p", capabilities={"bounding": USUAL | capability_mask(["net_admin"])})
    assert advise(pod).advice == []
    assert advise(pod, Wish()).advice == []
    assert advise(pod, Wish(), recreate=True).advice != []


@pytest.mark.parametrize(
    ("wish", "done"),
    [
        (ADMIN, False),
        (Wish(("cap_chown",)), True),
        (Wish((), ("cap_net_admin",)), True),
        (Wish((), ("cap_chown",)), False),
        (Wish(user="5"), True),
        (Wish(user="5:6"), True),
        (Wish(user="5:7"), False),
        (Wish(user="root"), False),
        (Wish(userns="host"), False),
        (Wish(sysctls={"net.a": "1"}), True),
        (Wish(sysctls={"net.a": "2"}), False),
    ],
)
def test_what_a_container_has_is_known(wish: Wish, done: bool) -> None:
    one = container(user="5:6", sysctls={"net.a": "1"}, user_ns="own")
    assert satisfied(one, wish) is done


def test_a_user_that_gets_nothing_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "docker_has", lambda _name, _wish: False)
    warned = "gives no added capability"
    assert warned in advise(container("swarm", user="5:5")).warnings[0]
    assert warned not in str(advise(container("swarm", user="5:5"), Wish(("cap_net_admin",), user="0")).warnings)
    assert warned not in str(advise(container("unit", "podman", user="5:5")).warnings)
