# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our override must say what was asked, keep what it said, and make no other difference."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change import _container_compose as compose
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_compose import (
    MARKER,
    Project,
    content_with,
    demand_only,
    find_project,
    said_in,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_plan import Subject
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import Request, Wish
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, ContainerOwner

ADMIN = Wish(("cap_net_admin",))
PROJECT = Project("app", "/srv/app", ["/srv/app/compose.yaml"], "/srv/app/compose.override.yaml", None, [])
BASE: dict[str, Any] = {
    "name": "app",
    "networks": {"default": {"name": "app_default", "ipam": {}}},
    "services": {
        "web": {"cap_add": ["CHOWN"], "cap_drop": ["ALL"], "image": "i", "sysctls": {"net.a": "1"}, "user": "5"},
        "other": {"image": "i"},
    },
}


def joined(base: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """What compose makes of both, as measured: lists are joined, mappings merged, other keys come along."""
    result = copy.deepcopy(base)
    for name, entry in content["services"].items():
        service = result["services"][name]
        for key, value in entry.items():
            if isinstance(value, list):
                service[key] = service.get(key, []) + [one for one in value if one not in service.get(key, [])]
            elif isinstance(value, dict):
                service[key] = {**service.get(key, {}), **value}
            else:
                service[key] = value
    return {**result, MARKER: content[MARKER]}


def test_the_file_names_the_service_and_nothing_else() -> None:
    content = content_with(None, {"web": ADMIN}, BASE["services"])
    assert content is not None
    assert content["services"] == {"web": {"cap_add": ["NET_ADMIN"]}}
    assert MARKER in content
    assert said_in(content, "web") == ADMIN
    assert said_in(content, "other") == said_in(None, "web") == Wish()
    demand_only(PROJECT, BASE, joined(BASE, content), content)


def test_other_services_other_keys_and_the_marker_are_kept() -> None:
    old = {MARKER: "x", "x-note": "mine", "services": {"other": {"user": "0"}, "web": {"labels": {"a": "b"}}}}
    content = content_with(old, {"web": ADMIN}, BASE["services"])
    assert content == {
        **old,
        "services": {"other": {"user": "0"}, "web": {"cap_add": ["NET_ADMIN"], "labels": {"a": "b"}}},
    }
    assert old["services"]["web"] == {"labels": {"a": "b"}}  # type: ignore[index]


def test_the_file_goes_with_its_last_service_and_a_service_goes_with_the_users() -> None:
    content = content_with(None, {"web": ADMIN}, BASE["services"])
    assert content_with(content, {"web": Wish()}, BASE["services"]) is None
    assert content_with({MARKER: "x", "services": {"gone": {"user": "0"}}}, {"web": ADMIN}, BASE["services"]) == {
        MARKER: "x",
        "services": {"web": {"cap_add": ["NET_ADMIN"]}},
    }


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda after: after["services"]["other"].update(user="0"), "service other"),
        (lambda after: after["services"]["web"].update(image="j"), "service web"),
        (lambda after: after["services"]["web"].update(cap_add=["NET_ADMIN"]), "service web"),
        (lambda after: after["services"]["web"].update(sysctls={}), "service web"),
        (lambda after: after["services"].pop("other"), "service other"),
        (lambda after: after["services"].update(new={}), "service new"),
        (lambda after: after.update(name="b"), "what is not about services"),
    ],
)
def test_any_other_difference_is_refused(change: Any, why: str) -> None:
    content = content_with(None, {"web": ADMIN}, {"web", "other", "new"})
    assert content is not None
    after = joined(BASE, content)
    change(after)
    if why == "service new":
        after["services"]["new"] = {"image": "k"}
    with pytest.raises(ChangeError, match=why):
        demand_only(PROJECT, BASE, after, content)


# --- whose file it is -------------------------------------------------------------------------------------------------


def subject(directory: Path, files: list[str], engine: str = "docker") -> Subject:
    owner = ContainerOwner("compose", project="app", service="web", files=files, directory=str(directory))
    container = Container("1" * 64, "app-web-1", engine, owner=owner)
    return Subject(container, [Request("containers[0]", "app-web-1", "present", ADMIN)])


@pytest.fixture(autouse=True)
def labels(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What docker says of the container's labels."""
    found: dict[str, str] = {}
    monkeypatch.setattr(compose, "inspect", lambda _engine, _names: [{"Config": {"Labels": found}}])
    monkeypatch.setattr(compose, "compose_words", lambda: ("docker", "compose"))
    return found


@pytest.mark.parametrize(
    ("base", "override"),
    [
        ("compose.yaml", "compose.override.yaml"),
        ("compose.yml", "compose.override.yml"),
        ("docker-compose.yml", "docker-compose.override.yml"),
        ("docker-compose.yaml", "docker-compose.override.yaml"),
    ],
)
def test_a_project_with_one_file_of_a_default_name_gets_an_override_of_that_name(
    tmp_path: Path, labels: dict[str, str], base: str, override: str
) -> None:
    (tmp_path / base).touch()
    labels["com.docker.compose.project.environment_file"] = "/srv/prod.env"
    found = find_project(subject(tmp_path, [str(tmp_path / base)]))
    assert isinstance(found, Project)
    assert found.override == str(tmp_path / override)
    assert (found.files, found.content) == ([str(tmp_path / base)], None)
    assert found.environment_files == ["/srv/prod.env"]


def test_our_own_override_is_known_by_its_marker_wherever_its_name_stands(
    tmp_path: Path, labels: dict[str, str]
) -> None:
    base, ours = tmp_path / "compose.yaml", tmp_path / "docker-compose.override.yml"
    base.touch()
    content = {MARKER: "x", "services": {"web": {"cap_add": ["NET_ADMIN"]}}}
    ours.write_text(json.dumps(content))
    labels["com.docker.compose.project.config_files"] = f"{base},{ours}"
    found = find_project(subject(tmp_path, [str(base), str(ours)]))
    assert isinstance(found, Project)
    assert (found.files, found.override, found.content) == ([str(base)], str(ours), content)
    ours.unlink()
    found = find_project(subject(tmp_path, [str(base), str(ours)]))
    assert isinstance(found, Project), "one that was reverted since is not missed"
    assert found.override == str(tmp_path / "compose.override.yaml")


@pytest.mark.parametrize(
    "text", ["services: {}\n", "{}", '{"services": {}}', '{"x-netlink-remediation": 1}', "[1]", "\x00", "[" * 100_000]
)
def test_an_override_that_is_not_ours_is_the_users(tmp_path: Path, text: str) -> None:
    (tmp_path / "compose.yaml").touch()
    (tmp_path / "compose.override.yml").write_text(text)
    found = find_project(subject(tmp_path, [str(tmp_path / "compose.yaml")]))
    assert found == f"{tmp_path}/compose.override.yml is the user's own, and compose loads one such file only"


def test_ours_does_not_count_where_compose_loads_another_one_before_it(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").touch()
    (tmp_path / "compose.override.yaml").write_text(json.dumps({MARKER: "x", "services": {}}))
    (tmp_path / "compose.override.yml").write_text("services: {}\n")
    found = find_project(subject(tmp_path, [str(tmp_path / "compose.yaml")]))
    assert found == f"{tmp_path}/compose.override.yml is the user's own, and compose loads one such file only"


@pytest.mark.parametrize(
    "files", [["prod.yaml"], ["compose.yaml", "prod.yaml"], ["docker-compose.yml"], ["sub/compose.yaml"], []]
)
def test_a_project_of_other_files_would_not_load_an_override(tmp_path: Path, files: list[str]) -> None:
    (tmp_path / "compose.yaml").touch()
    (tmp_path / "docker-compose.yml").touch()
    found = find_project(subject(tmp_path, [str(tmp_path / name) for name in files]))
    assert isinstance(found, str)
    assert "beside which compose loads no override" in found


def test_a_variable_that_names_the_files_is_seen(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").touch()
    (tmp_path / ".env").write_text("A=1\n export COMPOSE_FILE = compose.yaml\n")
    found = find_project(subject(tmp_path, [str(tmp_path / "compose.yaml")]))
    assert isinstance(found, str)
    assert ".env sets COMPOSE_FILE" in found


def test_containers_of_podman_and_of_one_run_have_no_file(tmp_path: Path, labels: dict[str, str]) -> None:
    (tmp_path / "compose.yaml").touch()
    assert "made by podman" in str(find_project(subject(tmp_path, [str(tmp_path / "compose.yaml")], "podman")))
    labels["com.docker.compose.oneoff"] = "True"
    assert "docker compose run" in str(find_project(subject(tmp_path, [str(tmp_path / "compose.yaml")])))
