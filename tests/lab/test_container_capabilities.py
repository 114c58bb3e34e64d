# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container must get what was asked for where it is defined, keep all else, and be what it was after a revert.

With the real engines: docker with compose, podman's units, LXC.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host import Host

PROJECT = "/srv/app"
OVERRIDE = f"{PROJECT}/compose.override.yaml"
COMPOSE = """\
services:
  web:
    image: lab:base
    command: [sleep, infinity]
    stop_signal: SIGKILL
    environment: {TOKEN: "a$$b"}
    volumes: ["/srv:/data:ro", "kept:/kept", "/anonymous"]
    cap_drop: [MKNOD]
  other:
    image: lab:base
    command: [sleep, infinity]
    stop_signal: SIGKILL
volumes: {kept: {}}
"""
QUADLETS = "/etc/containers/systemd"
DROP_IN = f"{QUADLETS}/box.container.d/50-netlink-remediation.conf"
QUADLET = """\
# Mine.
[Container]
Image=localhost/lab:base
ContainerName=box
Exec=sh -c "trap 'exit 0' TERM; sleep infinity & wait"
Network=none
AddCapability=CHOWN
DropCapability=NET_ADMIN
"""
LXC = "/var/lib/lxc/cage/config"
LXC_CONFIG = """\
lxc.include = /usr/share/lxc/config/common.conf
lxc.rootfs.path = dir:/var/lib/lxc/cage/rootfs
lxc.uts.name = cage
lxc.net.0.type = empty
lxc.cap.drop = net_admin
lxc.init.cmd = /bin/sleep infinity
lxc.signal.halt = SIGKILL"""
ADD = {"container": "app-web-1", "cap_add": ["cap_net_admin"]}


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, places: Path) -> Iterator[Host]:
    with Host(places / "containers", request.config.getoption("--lab"), docker=True) as made:
        made.load_image("podman", "import", "-", "localhost/lab:base")
        # The cgroups of this host have no controllers, which podman would set limits with.
        made.write("/etc/containers/containers.conf", "[containers]\npids_limit = 0\n")
        yield made


@pytest.fixture
def app(host: Host) -> Iterator[Host]:
    """A compose project that runs."""
    host.write(f"{PROJECT}/compose.yaml", COMPOSE)
    up(host)
    yield host
    host.sh(
        f"rm -rf {PROJECT} /srv/more /var/lib/netlink-remediation; docker ps -aq | xargs -r docker rm -f -v; "
        "docker volume prune -af; docker network prune -f"
    )


@pytest.fixture
def box(host: Host) -> Iterator[Host]:
    """A unit of podman that runs."""
    host.write(f"{QUADLETS}/box.container", QUADLET)
    host.sh("systemctl daemon-reload; systemctl start box.service")
    yield host
    host.sh(
        f"systemctl stop box.service || true; rm -rf {QUADLETS}/box* /var/lib/netlink-remediation; "
        "systemctl daemon-reload; systemctl reset-failed; podman rm -af"
    )


@pytest.fixture(scope="module")
def rootfs(host: Host) -> None:
    """The files of an LXC container."""
    host.sh(
        "mkdir -p /var/lib/lxc/cage/rootfs; docker create --name files1 lab:base true; "
        "docker export files1 | tar -C /var/lib/lxc/cage/rootfs -xf -; docker rm files1; "
        "cd /var/lib/lxc/cage/rootfs; mkdir -p proc sys dev"
    )


@pytest.fixture
def cage(host: Host, rootfs: None) -> Iterator[Host]:
    """An LXC container that runs."""
    host.write(LXC, LXC_CONFIG)
    host.sh("lxc-start -n cage")
    yield host
    host.sh("lxc-stop -k -n cage || true; rm -rf /var/lib/netlink-remediation")


def up(host: Host, *words: str, project: str = PROJECT) -> None:
    host.sh('cd "$1"; shift; docker compose "$@" up -d 2>&1', project, *words)


def call(host: Host, *containers: dict[str, Any], check: bool = False, accept: tuple[str, ...] = ()) -> dict[str, Any]:
    result = host.module("container_capabilities", check=check, containers=list(containers), accept=list(accept))
    assert not result.get("crashed"), result["msg"]
    return result


def good(host: Host, *containers: dict[str, Any], **options: Any) -> dict[str, Any]:
    result = call(host, *containers, **options)
    assert not result.get("failed"), result["msg"]
    return result


def revert(host: Host, result: dict[str, Any], *accept: str) -> dict[str, Any]:
    done = host.module("receipt", id=result["receipt"]["id"], accept=list(accept))
    assert not done.get("failed"), done
    return done


def ids(host: Host) -> dict[str, str]:
    lines = host.sh("docker ps --no-trunc --format '{{.Names}} {{.ID}}'").splitlines()
    return {line.split()[0]: line.split()[1] for line in lines}


def files(host: Host) -> str:
    """What can be changed of the files; the links of containers come and go."""
    return host.snapshot().partition("\n1: lo:")[0]


def works(host: Host, *enter: str) -> bool:
    return host.run([*enter, "ip", "link", "set", "lo", "up"]).returncode == 0


def kinds(result: dict[str, Any]) -> list[tuple[str, str]]:
    return [(change["kind"], change["target"]) for change in result["changes"]]


def warnings(result: dict[str, Any]) -> str:
    return json.dumps(result.get("warnings", []))


# --- compose ----------------------------------------------------------------------------------------------------------


def test_a_service_of_compose_gets_the_capability_is_unchanged_the_second_time_and_goes_back(app: Host) -> None:
    before, first = files(app), ids(app)
    assert not works(app, "docker", "exec", "app-web-1")
    foreseen = good(app, ADD, check=True, accept=("recreate",))
    assert files(app) == before
    assert ids(app) == first
    done = good(app, ADD, accept=("recreate",))
    assert (foreseen["changes"], foreseen["diff"]) == (done["changes"], done["diff"])
    assert (foreseen["security"], foreseen["disrupts"]) == (done["security"], done["disrupts"])
    assert kinds(done) == [("file", OVERRIDE), ("activation", "compose app/web")]
    assert done["security"] == ["container app-web-1 gains cap_net_admin"]
    assert "lost" in done["disrupts"][0]
    assert works(app, "docker", "exec", "app-web-1")
    second = ids(app)
    assert second["app-web-1"] != first["app-web-1"]
    assert second["app-other-1"] == first["app-other-1"]
    again = good(app, ADD, accept=("recreate",))
    assert (again["changed"], again["receipt"], ids(app)) == (False, None, second)
    revert(app, done, "recreate")
    assert files(app) == before
    assert ids(app)["app-web-1"] not in (first["app-web-1"], second["app-web-1"])
    assert not works(app, "docker", "exec", "app-web-1")
    assert good(app, ADD, check=True)["changed"]


def test_the_override_is_what_compose_loads_by_itself(app: Host) -> None:
    good(app, ADD, {"container": "app-other-1", "cap_drop": ["ALL"], "cap_add": ["NET_ADMIN"], "user": "0:0"})
    written = json.loads(app.sh(f"cat {OVERRIDE}"))
    assert written["services"]["web"] == {"cap_add": ["NET_ADMIN"]}
    up(app)
    assert works(app, "docker", "exec", "app-web-1")
    bounding = app.sh("docker exec app-other-1 grep CapBnd /proc/self/status").split()[1]
    assert int(bounding, 16) == 1 << 12
    assert not good(app, ADD, accept=("recreate",))["changed"]


def test_data_in_volumes_outlives_the_container(app: Host) -> None:
    app.sh("docker exec app-web-1 sh -c 'echo 1 > /kept/a; echo 2 > /anonymous/a; echo 3 > /root/a'")
    good(app, ADD, accept=("recreate",))
    assert app.sh("docker exec app-web-1 cat /kept/a /anonymous/a") == "1\n2\n"
    assert app.run(["docker", "exec", "app-web-1", "cat", "/root/a"]).returncode != 0


def test_without_the_word_the_file_is_written_and_the_container_is_named(app: Host) -> None:
    before = ids(app)
    done = good(app, ADD)
    assert kinds(done) == [("file", OVERRIDE)]
    assert done["restart_required"] == [{"kind": "container", "name": "app/web"}]
    assert ids(app) == before
    again = good(app, ADD)
    assert not again["changed"]
    assert again["restart_required"] == done["restart_required"]
    made = good(app, ADD, accept=("recreate",))
    assert kinds(made) == [("activation", "compose app/web")]
    assert works(app, "docker", "exec", "app-web-1")
    back = revert(app, done)
    assert back["restart_required"] == done["restart_required"]
    assert app.run(["test", "-e", OVERRIDE]).returncode != 0
    assert works(app, "docker", "exec", "app-web-1")


def test_a_service_that_does_not_come_up_is_taken_back(app: Host) -> None:
    before, first = files(app), ids(app)
    result = call(app, {**ADD, "sysctls": {"net.ipv4.nope": 1}}, accept=("recreate",))
    assert "app/web cannot be made anew" in result["msg"]
    assert "net/ipv4/nope" in result["msg"]
    assert "taken back" in result["msg"]
    assert files(app) == before
    assert set(ids(app)) == set(first)
    assert app.run(["docker", "exec", "app-web-1", "true"]).returncode == 0


def test_a_service_that_ends_soon_is_taken_back(app: Host) -> None:
    command = "if ip link set lo up; then sleep 1; exit 3; fi; exec sleep infinity"
    app.write(f"{PROJECT}/compose.yaml", COMPOSE.replace("[sleep, infinity]", json.dumps(["sh", "-c", command]), 1))
    up(app)
    result = call(app, ADD, accept=("recreate",))
    assert "did not stay up: app-web-1 ended (exit code 3)" in result["msg"]
    assert app.run(["test", "-e", OVERRIDE]).returncode != 0
    assert app.run(["docker", "exec", "app-web-1", "true"]).returncode == 0


def test_a_service_that_fails_again_and_again_for_want_of_the_capability_comes_up(app: Host) -> None:
    text = COMPOSE.replace("[sleep, infinity]", json.dumps(["sh", "-c", "ip link set lo up && exec sleep infinity"]), 1)
    app.write(f"{PROJECT}/compose.yaml", text.replace("    stop_signal", "    restart: always\n    stop_signal", 1))
    up(app)
    state = "docker inspect -f '{{.State.Status}} {{.RestartCount}}' app-web-1"
    app.sh(f"until {state} | grep -q 'restarting [1-9]'; do sleep 0.1; done")
    done = good(app, ADD, accept=("recreate",))
    assert kinds(done) == [("file", OVERRIDE), ("activation", "compose app/web")]
    assert app.sh(state) == "running 0\n"
    revert(app, done, "recreate")
    app.sh(f"until {state} | grep -q 'restarting [1-9]'; do sleep 0.1; done")


def test_all_containers_of_a_service_are_made_anew_and_none_is_lost(app: Host) -> None:
    up(app, "--profile", "none")
    app.sh(f"cd {PROJECT}; docker compose up -d --scale web=2 2>&1")
    first = ids(app)
    good(app, {**ADD, "container": "app-web-2"}, accept=("recreate",))
    assert set(ids(app)) == set(first)
    assert works(app, "docker", "exec", "app-web-1")
    assert works(app, "docker", "exec", "app-web-2")


def test_a_stopped_container_is_not_started(app: Host) -> None:
    app.sh("docker stop app-web-1")
    done = good(app, ADD, accept=("recreate",))
    assert kinds(done) == [("file", OVERRIDE)]
    assert done["restart_required"] == [{"kind": "container", "name": "app/web"}]
    assert "does not run now" in warnings(done)
    assert "app-web-1" not in ids(app)


def test_what_else_changed_is_not_brought_along(app: Host) -> None:
    app.write(f"{PROJECT}/compose.yaml", COMPOSE.replace("a$$b", "c"))
    first = ids(app)
    done = good(app, ADD, accept=("recreate",))
    assert kinds(done) == [("file", OVERRIDE)]
    assert "not made of what its files say now" in warnings(done)
    assert ids(app) == first
    app.sh("docker tag lab:base lab:kept; docker commit app-other-1 lab:base")
    app.write(f"{PROJECT}/compose.yaml", COMPOSE)
    try:
        done = good(app, ADD, accept=("recreate",))
        assert "image lab:base is no longer the one" in warnings(done)
        assert ids(app) == first
    finally:
        app.sh("docker tag lab:kept lab:base; docker rmi lab:kept")
    assert good(app, ADD, accept=("recreate",))["changed"]
    assert ids(app) != first


def test_asked_to_make_it_anew_it_does_so_every_time(app: Host) -> None:
    first = ids(app)
    assert good(app, {"container": "app-web-1", "recreate": True})["restart_required"]
    done = good(app, {"container": "app-web-1", "recreate": True}, accept=("recreate",))
    assert kinds(done) == [("activation", "compose app/web")]
    assert ids(app)["app-web-1"] != first["app-web-1"]


@pytest.mark.parametrize(
    ("base", "override"),
    [
        ("compose.yml", "compose.override.yml"),
        ("docker-compose.yml", "docker-compose.override.yml"),
        ("docker-compose.yaml", "docker-compose.override.yaml"),
    ],
)
def test_the_override_is_named_like_its_base(host: Host, base: str, override: str) -> None:
    host.write(f"/srv/more/{base}", COMPOSE)
    try:
        host.sh("cd /srv/more; docker compose create other 2>&1")
        done = good(host, {**ADD, "container": "more-other-1"})
        assert kinds(done) == [("file", f"/srv/more/{override}")]
        made = json.loads(host.sh("cd /srv/more; docker compose config --format json"))
        assert made["services"]["other"]["cap_add"] == ["NET_ADMIN"]
    finally:
        host.sh("cd /srv/more; docker compose down 2>&1; rm -rf /srv/more")


OWN = "# mine\nservices:\n  web:\n    labels: {a: b}\n"


@pytest.mark.parametrize("started_with_it", [False, True])
def test_an_override_of_the_user_is_never_edited(app: Host, started_with_it: bool) -> None:
    app.write(f"{PROJECT}/docker-compose.override.yml", OWN)
    if started_with_it:
        up(app)
    before = files(app)
    done = good(app, ADD, accept=("recreate",))
    assert (done["changed"], done["changes"]) == (False, [])
    advice = done["advice"][0]
    assert advice["container"] == "app-web-1"
    assert f"{PROJECT}/docker-compose.override.yml is the user's own" in advice["text"]
    assert '{"services": {"web": {"cap_add": ["NET_ADMIN"]}}}' in advice["text"]
    assert "is not changed, but advised" in warnings(done)
    assert files(app) == before
    # The advice is good: the text can be added, and the command makes it anew.
    app.write(f"{PROJECT}/docker-compose.override.yml", OWN + '    cap_add: ["NET_ADMIN"]\n')
    app.sh("\n".join(advice["commands"]))
    assert works(app, "docker", "exec", "app-web-1")
    assert good(app, ADD)["advice"] == []


def test_a_project_of_further_files_gets_advice(app: Host) -> None:
    app.write("/srv/more/compose.yaml", COMPOSE)
    app.write("/srv/more/prod.yaml", "services: {web: {labels: {a: b}}}\n")
    up(app, "-f", "compose.yaml", "-f", "prod.yaml", project="/srv/more")
    done = good(app, {**ADD, "container": "more-web-1"}, accept=("recreate",))
    assert not done["changed"]
    assert "was started with /srv/more/compose.yaml, /srv/more/prod.yaml" in done["advice"][0]["text"]
    assert "-f /srv/more/compose.yaml -f /srv/more/prod.yaml up" in done["advice"][0]["commands"][0]
    app.write("/srv/more/.env", "COMPOSE_FILE=compose.yaml\n")
    up(app, project="/srv/more")
    done = good(app, {**ADD, "container": "more-web-1"})
    assert ".env sets COMPOSE_FILE" in done["advice"][0]["text"]


def test_a_project_that_others_can_change_gets_advice(app: Host) -> None:
    app.sh(f"chown daemon {PROJECT}")
    done = good(app, ADD, accept=("recreate",))
    assert not done["changed"]
    assert "belongs to uid 1" in done["advice"][0]["text"]


def test_absent_takes_away_ours_and_exact_replaces_it(app: Host) -> None:
    before = files(app)
    good(app, {**ADD, "sysctls": {"net.ipv4.ip_forward": 1}, "cap_drop": ["NET_RAW"]})
    good(app, {**ADD, "cap_add": ["NET_RAW"], "state": "exact"})
    assert json.loads(app.sh(f"cat {OVERRIDE}"))["services"]["web"] == {"cap_add": ["NET_RAW"]}
    good(app, {**ADD, "cap_add": ["cap_net_raw"], "state": "absent"})
    assert files(app) == before
    assert not good(app, {"container": "app-web-1", "state": "absent"})["changed"]


def test_the_host_network_is_named_in_the_preview_and_its_sysctls_are_refused(app: Host) -> None:
    text = COMPOSE.replace("    stop_signal", "    network_mode: host\n    stop_signal", 1)
    app.write(f"{PROJECT}/compose.yaml", text)
    up(app)
    assert good(app, ADD, check=True)["security"] == ["container app-web-1 gains cap_net_admin over the HOST network"]
    result = call(app, {"container": "app-web-1", "sysctls": {"net.ipv4.ip_forward": 1}}, check=True)
    assert "the network is not the container's own (network_mode host)" in result["msg"]


def test_a_user_that_gets_nothing_from_docker_is_warned_of(app: Host) -> None:
    app.write(f"{PROJECT}/compose.yaml", COMPOSE.replace("    stop_signal", '    user: "1000"\n    stop_signal', 1))
    up(app)
    assert "to whom docker gives no added capability" in warnings(good(app, ADD, check=True))
    whole = {**ADD, "user": "0:0", "cap_drop": ["ALL"]}
    done = good(app, whole, accept=("recreate",))
    assert "container app-web-1 runs as root instead of user 1000:0" in done["security"]
    assert works(app, "docker", "exec", "app-web-1")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"container": "nobody", "cap_add": ["NET_ADMIN"]}, "there is no such container"),
        ({"container": "app-web-1"}, "needs at least one of cap_add"),
        ({"container": "app-web-1", "cap_add": ["NET_ADMN"]}, "unknown capability 'NET_ADMN'"),
        ({"container": "app-web-1", "cap_add": ["ALL"]}, "is as good as root"),
        ({"container": "app-web-1", "user": "a b"}, "user 'a b' is not possible"),
        ({"container": "app-web-1", "sysctls": {"kernel.pid_max": 1}}, "kernel.pid_max"),
        ({"container": "app-web-1", "userns": "private"}, "must be one of: host"),
    ],
)
def test_bad_input_gets_one_sentence_before_anything_is_touched(app: Host, entry: dict[str, Any], why: str) -> None:
    for check in (True, False):
        result = call(app, entry, check=check, accept=("recreate",))
        assert why in result["msg"]
        assert "\n" not in result["msg"]
    assert app.run(["test", "-e", OVERRIDE]).returncode != 0


def test_compose_that_is_missing_is_said(app: Host) -> None:
    hidden = "/usr/libexec/docker/cli-plugins/docker-compose"
    app.sh(f"mv {hidden} /root/kept; mv /usr/bin/docker-compose /root/kept2 2>/dev/null || true")
    try:
        result = call(app, ADD, check=True)
    finally:
        app.sh(f"mv /root/kept {hidden}; mv /root/kept2 /usr/bin/docker-compose 2>/dev/null || true")
    assert "docker compose, which reads and starts what it defines, is not installed" in result["msg"]


def test_a_container_is_exempted_from_the_remapping_of_its_user_namespace(
    request: pytest.FixtureRequest, places: Path
) -> None:
    exempt = {"container": "app-web-1", "userns": "host"}
    look = "docker exec app-web-1 cat /proc/self/uid_map"
    with Host(places / "remapped", request.config.getoption("--lab")) as host:
        host.write("/etc/docker/daemon.json", '{"userns-remap": "default"}\n')
        host.start_docker()
        host.write(f"{PROJECT}/compose.yaml", COMPOSE)
        up(host)
        assert host.sh(look).split() == ["0", "100000", "65536"]
        done = good(host, exempt, accept=("recreate",))
        assert "no longer remapped" in done["security"][0]
        assert host.sh(look).split()[:2] == ["0", "0"]
        assert not good(host, exempt, accept=("recreate",))["changed"]
        revert(host, done, "recreate")
        assert host.sh(look).split() == ["0", "100000", "65536"]


# --- others of docker -------------------------------------------------------------------------------------------------


def test_the_command_for_a_container_started_by_hand_makes_the_same_one(app: Host) -> None:
    app.sh(
        "docker run -d --name hand1 --stop-signal KILL -e TOKEN=secret -l a=hidden --restart on-failure:3 "
        "--network none --cap-add NET_RAW --cap-drop CHOWN -v /srv:/data:ro -v kept2:/kept -v /anonymous --user 1000 "
        "--tmpfs /t:size=1m --read-only --ulimit nofile=500:600 --hostname hh -w /srv "
        "--device /dev/null:/dev/n2 lab:base sleep infinity"
    )
    old = json.loads(app.sh("docker inspect hand1"))[0]
    wish = {"container": "hand1", "cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"], "user": "0:0"}
    done = good(app, wish, accept=("recreate",))
    assert not done["changed"]
    advice = done["advice"][0]
    assert "TOKEN" in advice["text"]
    assert "secret" not in json.dumps(done)
    assert "hidden" not in json.dumps(done)
    assert "--privileged" not in json.dumps(done)
    # The old one is the way back: it stays until the user removes it.
    assert "Remove hand1-before (docker rm hand1-before) when the new one works" in advice["text"]
    app.sh("\n".join(advice["commands"]))
    new = json.loads(app.sh("docker inspect hand1"))[0]
    wanted = {
        "CapAdd": ["NET_ADMIN", "NET_RAW"],
        "CapDrop": ["ALL"],
        "Binds": None,
        "Mounts": new["HostConfig"]["Mounts"],
    }
    assert new["HostConfig"] == {**old["HostConfig"], **wanted}
    for key in ("Image", "Args"):
        assert new[key] == old[key]
    places = [sorted((m["Type"], m["Source"], m["Destination"], m["RW"]) for m in one["Mounts"]) for one in (old, new)]
    assert places[0] == places[1]
    assert new["Config"] == {**old["Config"], "User": "0:0", "Env": None, "Labels": {}, "Volumes": None} | {
        key: new["Config"][key] for key in ("Env", "Volumes")
    }
    assert works(app, "docker", "exec", "hand1")
    assert good(app, wish)["advice"] == []


def test_the_command_of_a_unit_is_named_with_its_line(host: Host) -> None:
    start = (
        "ExecStart=/usr/bin/docker run --rm --name dock1 --stop-signal KILL \\\n --network none lab:base sleep infinity"
    )
    host.write("/etc/systemd/system/dock.service", f"[Service]\n{start}\n")
    host.sh(
        "systemctl daemon-reload; systemctl start dock; until docker exec dock1 true; do sleep 0.1; done 2>/dev/null"
    )
    try:
        done = good(host, {"container": "dock1", "cap_add": ["NET_ADMIN"]})
        assert "/etc/systemd/system/dock.service:2" in done["advice"][0]["text"]
        assert "--cap-add=NET_ADMIN" in done["advice"][0]["text"]
        assert done["advice"][0]["commands"] == ["systemctl daemon-reload", "systemctl restart dock.service"]
    finally:
        host.sh("docker rm -f dock1; systemctl stop dock; rm /etc/systemd/system/dock.service; systemctl daemon-reload")


def test_the_command_that_podman_kept_makes_the_same_container(host: Host) -> None:
    host.sh("podman run -d --name hand3 --network none -e TOKEN=secret localhost/lab:base sleep infinity")
    try:
        done = good(host, {"container": "hand3", "cap_add": ["NET_ADMIN"]})
        assert "secret" not in json.dumps(done)
        commands = done["advice"][0]["commands"]
        host.sh(commands[0].replace("stop", "stop -t 0"))
        host.sh("\n".join(commands[1:]))
        assert works(host, "podman", "exec", "hand3")
    finally:
        host.sh("podman rm -f -t 0 hand3; podman rm -f -i -t 0 hand3-before")


# --- quadlets ---------------------------------------------------------------------------------------------------------

BOX = {"container": "box", "cap_add": ["NET_ADMIN"]}


def test_a_unit_of_podman_gets_the_capability_is_unchanged_the_second_time_and_goes_back(box: Host) -> None:
    before = files(box)
    assert not works(box, "podman", "exec", "box")
    wish = {**BOX, "sysctls": {"net.ipv4.ip_forward": True, "net.ipv4.ping_group_range": "0 100"}}
    foreseen = good(box, wish, check=True, accept=("restart",))
    assert files(box) == before
    done = good(box, wish, accept=("restart",))
    assert (foreseen["changes"], foreseen["diff"]) == (done["changes"], done["diff"])
    assert kinds(done) == [("file", DROP_IN), ("activation", "unit box.service")]
    assert works(box, "podman", "exec", "box")
    values = "/proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/ping_group_range"
    assert box.sh(f"podman exec box cat {values}").split() == ["1", "0", "100"]
    assert not good(box, wish, accept=("restart",))["changed"]
    revert(box, done, "restart")
    assert files(box) == before
    assert box.sh("systemctl is-active box.service") == "active\n"
    assert not works(box, "podman", "exec", "box")


def test_podman_is_not_given_what_it_refuses(box: Host) -> None:
    good(box, {**BOX, "cap_drop": ["CHOWN"]}, accept=("restart",))
    bounding = int(box.sh("podman exec box grep CapBnd /proc/self/status").split()[1], 16)
    assert bounding & 1 << 12
    assert not bounding & 1
    state = {"container": "box", "cap_drop": ["ALL"], "cap_add": ["NET_ADMIN"], "user": "1000", "state": "exact"}
    good(box, state, accept=("restart",))
    # The line of the user stays: it adds CHOWN.
    assert int(box.sh("podman exec box grep CapBnd /proc/self/status").split()[1], 16) == 1 << 12 | 1
    assert works(box, "podman", "exec", "box")


def test_a_unit_of_podman_that_does_not_come_up_is_taken_back(box: Host) -> None:
    before = files(box)
    result = call(box, {**BOX, "sysctls": {"net.ipv4.nope": 1}}, accept=("restart",))
    assert "box.service does not start" in result["msg"]
    assert files(box) == before
    assert box.sh("systemctl is-active box.service") == "active\n"


def test_without_the_word_the_unit_is_named(box: Host) -> None:
    done = good(box, BOX)
    assert kinds(done) == [("file", DROP_IN)]
    assert done["restart_required"] == [{"kind": "unit", "name": "box.service"}]
    assert "--cap-add net_admin" in box.sh("systemctl show -p ExecStart box.service")
    assert not works(box, "podman", "exec", "box")
    assert good(box, BOX)["restart_required"] == done["restart_required"]
    revert(box, done)
    assert "--cap-add net_admin" not in box.sh("systemctl show -p ExecStart box.service")


# --- LXC --------------------------------------------------------------------------------------------------------------

CAGE = {"container": "cage", "cap_add": ["NET_ADMIN"], "sysctls": {"net.ipv4.ip_forward": 1}}


def test_a_container_of_lxc_gets_the_capability_is_unchanged_the_second_time_and_goes_back(cage: Host) -> None:
    assert not works(cage, "lxc-attach", "-n", "cage", "--")
    foreseen = good(cage, CAGE, check=True, accept=("restart",))
    assert cage.sh(f"cat {LXC}") == LXC_CONFIG
    waiting = good(cage, CAGE)
    assert waiting["restart_required"] == [{"kind": "container", "name": "cage"}]
    revert(cage, waiting)
    assert cage.sh(f"cat {LXC}") == LXC_CONFIG
    done = good(cage, CAGE, accept=("restart",))
    assert (foreseen["changes"], foreseen["diff"]) == (done["changes"], done["diff"])
    assert kinds(done) == [("file", LXC), ("activation", "lxc cage")]
    assert works(cage, "lxc-attach", "-n", "cage", "--")
    assert cage.sh("lxc-attach -n cage -- cat /proc/sys/net/ipv4/ip_forward") == "1\n"
    bounding = int(cage.sh("grep CapBnd /proc/$(lxc-info -n cage -pH)/status").split()[1], 16)
    assert not bounding & 1 << 16, "what common.conf drops stays dropped"
    assert not good(cage, CAGE, accept=("restart",))["changed"]
    revert(cage, done, "restart")
    assert cage.sh(f"cat {LXC}") == LXC_CONFIG
    assert not works(cage, "lxc-attach", "-n", "cage", "--")


def test_lxc_keeps_only_what_is_added_if_all_is_dropped(cage: Host) -> None:
    good(cage, {"container": "cage", "cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"]}, accept=("restart",))
    assert int(cage.sh("grep CapBnd /proc/$(lxc-info -n cage -pH)/status").split()[1], 16) == 1 << 12
    good(cage, {"container": "cage", "state": "absent"}, accept=("restart",))
    assert cage.sh(f"cat {LXC}") == LXC_CONFIG + "\n"


def test_a_container_of_lxc_that_does_not_come_up_is_taken_back(cage: Host) -> None:
    result = call(cage, {**CAGE, "sysctls": {"net.ipv4.nope": 1}}, accept=("restart",))
    assert "LXC container cage does not start" in result["msg"]
    assert cage.sh(f"cat {LXC}") == LXC_CONFIG
    assert cage.sh("lxc-info -n cage -s -H") == "RUNNING\n"


def test_lxc_has_no_user_names_and_no_namespace_of_the_host(cage: Host) -> None:
    assert "expected a uid" in call(cage, {"container": "cage", "user": "root"})["msg"]
    assert "userns host is not possible for LXC" in call(cage, {"container": "cage", "userns": "host"})["msg"]
