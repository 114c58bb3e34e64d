# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that is named must be the one that is meant, and go to whom it belongs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _container
from ansible_collections.netlink.remediation.plugins.module_utils._change._container import plan_containers
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_plan import Plan, gains, lacks
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import Wish
from ansible_collections.netlink.remediation.plugins.module_utils._linux import capability_mask
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, ContainerOwner
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

LONG = "abcdef012345" + "0" * 52
THERE = [
    Container(LONG, "web", "docker", owner=ContainerOwner("compose")),
    Container("2" * 64, "twin", "docker"),
    Container("3" * 64, "twin", "podman"),
    Container("box", "box", "lxc", owner=ContainerOwner("lxc")),
]


@pytest.fixture(autouse=True)
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """What was given to whom: kind -> names of the requests, container by container."""
    given: dict[str, list[list[str]]] = {}

    def taker(kind: str) -> Any:
        def take(subjects: Any, _plan: Plan) -> None:
            given[kind] = [[request.where for request in subject.requests] for subject in subjects]

        return take

    def observe(unseen: list[Unseen], *, only: Any) -> dict[str, Container]:
        assert only
        unseen.append(Unseen("/var/lib/docker", "EACCES"))
        return {one.id: one for one in THERE}

    monkeypatch.setattr(_container, "observe_containers", observe)
    monkeypatch.setattr(_container, "_OWNERS", {kind: taker(kind) for kind in ("compose", "lxc")})
    monkeypatch.setattr(_container, "plan_advice", taker("others"))
    return given


def entry(name: str, **more: Any) -> dict[str, Any]:
    return {"container": name, "cap_add": ["NET_ADMIN"], "state": "present", **more}


def test_each_owner_gets_its_containers_with_all_that_is_asked_of_them(seen: dict[str, list[list[str]]]) -> None:
    plan_containers([entry("web"), entry("box"), entry(LONG, user="0"), entry("2" * 64), entry(LONG[:12])], ())
    assert seen == {
        "compose": [["containers[0] (web)", f"containers[2] ({LONG})", f"containers[4] ({LONG[:12]})"]],
        "lxc": [["containers[1] (box)"]],
        "others": [[f"containers[3] ({'2' * 64})"]],
    }


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([entry("none")], "there is no such container.*/var/lib/docker: EACCES"),
        ([entry(LONG[:11])], "there is no such container"),
        ([entry("we")], "there is no such container"),
        ([entry("twin")], "several containers have that name.*2222 .docker.*3333 .podman."),
        ([entry("web"), entry(LONG, state="absent")], "contradicts"),
    ],
)
def test_a_name_that_is_nobodys_or_two_and_a_contradiction_are_refused(entries: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ChangeError, match=why):
        plan_containers(entries, ())


def test_what_a_container_gains_is_said() -> None:
    wish = Wish(("cap_chown", "cap_net_admin"), user="0:0", userns="host")
    one = Container("1", "web", "docker", user="5:5", capabilities={"bounding": 1}, net_ns="host", user_ns="own")
    sentences = gains(one, wish)
    assert sentences[:2] == [
        "container web gains cap_net_admin over the HOST network",
        "container web runs as root instead of user 5:5",
    ]
    assert sentences[2].startswith("the root of container web is the root of this host, no longer remapped")
    assert len(sentences) == 3
    root = Container("1", "web", "docker", user="0:0", capabilities={"bounding": -1}, user_ns="host")
    assert gains(root, wish) == []


def test_what_runs_without_what_its_definition_says_is_noticed() -> None:
    one = Container("1", "web", "podman", capabilities={"bounding": capability_mask(["chown"])}, sysctls={"net.a": "1"})
    assert lacks(one, Wish(("cap_net_admin",)))
    assert lacks(one, Wish(sysctls={"net.a": "2"}))
    assert not lacks(one, Wish(("cap_chown", "CAP_OF_THE_FUTURE"), sysctls={"net.a": "1"}))
