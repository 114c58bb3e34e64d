# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was made anew must be proven to be what it was before, with what was asked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change import _container_start as start
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_start import (
    bounding_of,
    compose_words,
    demand_capabilities,
    docker_has,
    identify_lxc,
    identify_service,
    inspect,
    is_failing,
    recreate_service,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import Wish

DETAILS = {
    "project": "app",
    "service": "web",
    "directory": "/srv/app",
    "bases": ["/srv/app/compose.yaml"],
    "environment_files": ["/srv/env"],
    "scale": 1,
}


def container(identifier: str = "new", *, state: Optional[dict[str, Any]] = None, **more: Any) -> dict[str, Any]:
    running = {"Running": True, "StartedAt": "now", "Pid": os.getpid(), **(state or {})}
    return {"Id": identifier, "Name": "/app-web-1", "Image": "sha256:1", "Mounts": [], "State": running, **more}


class Engine:
    """Answers commands. states: what is there at each look, the last one for ever."""

    def __init__(self) -> None:
        self.states: list[list[dict[str, Any]]] = [[container("old")], [container()]]
        self.up = (0, "", "")
        self.asked: list[list[str]] = []

    def run(self, words: Any, **_options: Any) -> tuple[int, str, str]:
        self.asked.append(list(words))
        if "version" in words:
            return 0, "2.26.1-4\n", ""
        if "ls" in words:
            return 0, " ".join(one["Id"] for one in self.states[0]), ""
        if "inspect" in words:
            found = self.states[0]
            if len(self.states) > 1:
                self.states.pop(0)
            return 0, json.dumps(found), ""
        return self.up


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    made = Engine()
    monkeypatch.setattr(start, "run", made.run)
    monkeypatch.setattr(start, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(start, "_POLL_SECONDS", 0.01)
    compose_words.cache_clear()
    yield made
    compose_words.cache_clear()


def recreate(tmp_path: Path, entry: Optional[dict[str, Any]] = None) -> None:
    override = tmp_path / "compose.override.yaml"
    if entry is not None:
        override.write_text(json.dumps({"services": {"web": entry}}))
    recreate_service({**DETAILS, "override": str(override)})


def test_a_service_is_made_anew_by_its_own_files_and_the_override_that_is_there(engine: Engine, tmp_path: Path) -> None:
    recreate(tmp_path, {"cap_add": []})
    (command,) = [words for words in engine.asked if "up" in words]
    head = ["docker", "compose", "-p", "app", "--project-directory", "/srv/app", "--env-file", "/srv/env"]
    files = ["-f", "/srv/app/compose.yaml", "-f", str(tmp_path / "compose.override.yaml")]
    assert command[: len(head) + len(files)] == [*head, *files]
    assert {"--no-deps", "--no-build", "--force-recreate"} < set(command)
    assert command[command.index("--pull") + 1] == "never"
    assert command[-3:] == ["--scale", "web=1", "web"]
    engine.asked.clear()
    (tmp_path / "compose.override.yaml").unlink()
    engine.states = [[container("new")], [container("newer")]]
    recreate(tmp_path)
    assert str(tmp_path / "compose.override.yaml") not in str(engine.asked)


MOUNT = {"Type": "bind", "Source": "/a", "Destination": "/b", "RW": True}
ANONYMOUS = {"Type": "volume", "Name": "0" * 64, "Source": "/x", "Destination": "/v", "RW": True}


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ([], "was not made anew: 0 of 1"),
        ([container("old")], "or the old ones"),
        ([container(), container("second")], "2 of 1"),
        ([container(state={"Running": False, "ExitCode": 3})], r"did not stay up: app-web-1 ended \(exit code 3\)"),
        ([container(state={"Restarting": True, "ExitCode": 1})], "did not stay up"),
        ([container(state={"Running": False, "Error": "no such\nfile"})], "no such; file"),
        ([container(Image="sha256:2")], "other image"),
        ([container(Mounts=[MOUNT])], "other mounts"),
        ([container(NetworkSettings={"Networks": {"b": {}}})], "other networks"),
        ([container(state={"Pid": 0})], "is gone again"),
    ],
)
def test_what_came_up_otherwise_is_refused(
    engine: Engine, tmp_path: Path, after: list[dict[str, Any]], why: str
) -> None:
    engine.states[1] = after
    with pytest.raises(ChangeError, match=why):
        recreate(tmp_path)


def test_one_that_starts_again_and_again_has_not_come_up(engine: Engine, tmp_path: Path) -> None:
    engine.states += [[container(state={"StartedAt": "later"})]]
    with pytest.raises(ChangeError, match="did not stay up"):
        recreate(tmp_path)


def test_a_volume_without_a_name_may_be_another_one(engine: Engine, tmp_path: Path) -> None:
    engine.states = [
        [container("old", Mounts=[ANONYMOUS, MOUNT])],
        [container(Mounts=[MOUNT, {**ANONYMOUS, "Name": "1" * 64, "Source": "/y"}])],
    ]
    recreate(tmp_path)


def test_a_command_that_fails_says_its_reason_and_not_its_progress(engine: Engine, tmp_path: Path) -> None:
    engine.up = (1, "", " Container app-web-1  Recreate\nError response from daemon: no\n Container x  Error\n")
    with pytest.raises(ChangeError, match=r"cannot be made anew: Error response from daemon: no$"):
        recreate(tmp_path)


def test_a_capability_that_did_not_arrive_is_noticed(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine
    monkeypatch.setattr(start, "bounding_of", lambda _pid: 1)
    recreate(tmp_path, {"cap_add": ["CHOWN"]})
    engine.states = [[container("old")], [container()]]
    with pytest.raises(ChangeError, match="came up without cap_net_admin"):
        recreate(tmp_path, {"cap_add": ["NET_ADMIN"]})


def test_the_bounding_set_is_that_of_the_process() -> None:
    text = Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0]
    assert bounding_of(os.getpid()) == int(text, 16)
    assert bounding_of(0) is None
    demand_capabilities("x", os.getpid(), int(text, 16))


def test_the_identity_of_a_service_is_what_runs_of_it(engine: Engine) -> None:
    engine.states = [[container("b"), container("a"), container("c", state={"Running": False})]]
    assert identify_service(DETAILS) == "a,b"
    engine.states = [[container("c", state={"Running": False})]]
    assert identify_service(DETAILS) is None


def test_the_identity_of_an_lxc_container_is_its_init(engine: Engine) -> None:
    engine.up = (0, f"{os.getpid()}\n", "")
    found = identify_lxc({"name": "x", "path": "/var/lib/lxc"})
    assert found is not None
    assert found.startswith(f"{os.getpid()}:")
    engine.up = (1, "", "")
    assert identify_lxc({"name": "x", "path": "/var/lib/lxc"}) is None


@pytest.mark.parametrize(
    ("state", "count", "failing"),
    [
        ({"Restarting": True}, 0, True),
        ({"StartedAt": "2020-01-01T00:00:00.123456789Z"}, 5, False),
        ({"StartedAt": f"{datetime.now(timezone.utc).isoformat()[:19]}.123456789Z"}, 5, True),
        ({"StartedAt": f"{datetime.now(timezone.utc).isoformat()[:19]}.123456789Z"}, 0, False),
        ({"StartedAt": ""}, 5, False),
    ],
)
def test_one_that_is_started_again_and_again_is_known(state: dict[str, Any], count: int, failing: bool) -> None:
    assert is_failing(container(state=state, RestartCount=count)) is failing


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"docker": (0, "2.26.1-4\n")}, ("docker", "compose")),
        ({"docker": (1, ""), "docker-compose": (0, "v2.3.4\n")}, ("docker-compose",)),
        ({"docker": (0, "")}, None),
        ({"docker": (127, ""), "docker-compose": (0, "1.29.2\n")}, None),
    ],
)
def test_compose_is_found_as_a_plugin_or_a_program(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[int, str]], words: Optional[tuple[str, ...]]
) -> None:
    compose_words.cache_clear()
    monkeypatch.setattr(start, "run", lambda command: (*answers.get(command[0], (127, "")), ""))
    if words is None:
        with pytest.raises(ChangeError, match="is not installed on this host"):
            compose_words()
    else:
        assert compose_words() == words
    compose_words.cache_clear()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((127, "", "there is no program docker"), "there is no program docker"),
        ((1, "", "Cannot connect to the\nDocker daemon"), "Cannot connect to the; Docker daemon"),
        ((0, "no JSON", ""), "not understood"),
    ],
)
def test_an_engine_that_does_not_answer_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str, str], why: str
) -> None:
    monkeypatch.setattr(start, "run", lambda _command: answer)
    with pytest.raises(ChangeError, match=why):
        inspect("docker", ["web"])
    assert docker_has("web", Wish()) is False


@pytest.mark.parametrize(
    ("wish", "has"),
    [
        (Wish(("cap_net_admin",)), True),
        (Wish(("cap_net_raw",)), False),
        (Wish((), ("all",)), True),
        (Wish(user="0"), True),
        (Wish(user="1"), False),
        (Wish(userns="host"), False),
        (Wish(sysctls={"net.a": "1"}), True),
        (Wish(sysctls={"net.b": "1"}), False),
    ],
)
def test_docker_says_what_a_container_was_made_with(engine: Engine, wish: Wish, has: bool) -> None:
    host = {"CapAdd": ["CAP_NET_ADMIN"], "CapDrop": ["ALL"], "Sysctls": {"net.a": "1"}, "UsernsMode": ""}
    engine.states = [[{"HostConfig": host, "Config": {"User": "0"}}]]
    assert docker_has("web", wish) is has
