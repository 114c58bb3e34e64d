# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""container_facts returns what it documents, and says in a container what only the host can change."""

from __future__ import annotations

import os

import pytest
import yaml

from ansible_collections.netlink.remediation.plugins.module_utils import _container_facts
from ansible_collections.netlink.remediation.plugins.module_utils._container_facts import container_facts, host_only
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence
from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES, CAP_NET_ADMIN
from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import Dockerd
from ansible_collections.netlink.remediation.plugins.module_utils._observe._inside import Observer
from ansible_collections.netlink.remediation.plugins.module_utils._observe._subids import (
    Overlap,
    SubordinateIds,
    SubordinateRange,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, Seccomp, SeccompRule
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, IdRange
from ansible_collections.netlink.remediation.plugins.modules import container_facts as module

RETURNED = yaml.safe_load(module.RETURN)["ansible_facts"]["contains"]["netlink_containers"]["contains"]
FREE = ("sysctls", "settings")
PROFILE = Seccomp("SCMP_ACT_ERRNO", 1, [SeccompRule(["socket", "bind", "sendmsg", "recvmsg"], "SCMP_ACT_ALLOW")])


def web(**facts):
    return Container("a" * 64, "web", "docker", **facts)


@pytest.fixture
def on_host(monkeypatch):
    """on_host(container, ...): the facts of a host with these containers, and with all else that may be there."""

    def call(*containers, wanted=(), **settings):
        ranges = [SubordinateRange("ann", 1, 2, "/etc/subuid", 1, overlaps=[Overlap(1, 2, "ben", 2)])]
        replaced = {
            "observe_containers": lambda unseen, only: {item.id: item for item in containers},
            "observe_dockerds": lambda unseen: [Dockerd(settings=settings)],
            "observe_subordinate_ids": lambda unseen: SubordinateIds(ranges, ranges),
            "observe_observer": lambda: Observer("docker", evidence=[Evidence("a", "b")], uid_map=[IdRange(0, 1, 2)]),
        }
        for name, value in replaced.items():
            monkeypatch.setattr(_container_facts, name, value)
        return container_facts(list(wanted))

    return call


def differences(value, documented, path=""):
    """Paths that are returned and not documented, or the other way round."""
    if isinstance(value, list):
        return [item for entry in value for item in differences(entry, documented, path + "[]")]
    if not isinstance(value, dict) or path.rpartition(".")[2] in FREE:
        return []
    wrong = [f"{path}.{name}" for name in set(value) ^ set(documented)]
    both = set(value) & set(documented)
    return wrong + [
        item
        for name in both
        for item in differences(value[name], documented[name].get("contains", {}), f"{path}.{name}")
    ]


def test_everything_that_is_returned_is_documented_and_the_other_way_round(on_host):
    running = web(pid=os.getpid(), seccomp=PROFILE, uid_map=[IdRange(0, 1, 2)], sysctls={"a": "b"})
    facts = on_host(running, wanted=["no-such"])
    # Of the observer's credentials nothing was told here.
    told = {**facts, "observer": {**dict.fromkeys(RETURNED["observer"]["contains"]), **facts["observer"]}}
    assert differences(told, RETURNED) == []


def test_the_init_is_as_the_kernel_shows_it(on_host):
    (found,) = on_host(web(pid=os.getpid()))["containers"]
    assert found["running"] and found["init"]["pid"] == os.getpid() and found["init"]["uid"] == os.geteuid()
    assert found["init"]["net_ns"] == os.stat("/proc/self/ns/net").st_ino
    (found,) = on_host(web())["containers"]
    assert (found["running"], found["init"]) == (False, None)


def test_a_profile_is_told_by_what_it_refuses(on_host):
    (found,) = on_host(web(seccomp=PROFILE))["containers"]
    refused = {item["call"] for item in found["seccomp"]["refuses"]}
    assert "unshare" in refused and "socket" not in refused and found["seccomp"]["rules"] == 1
    (found,) = on_host(web())["containers"]
    assert found["seccomp"] is None


def test_capabilities_are_names_and_unknown_ones_are_said_to_be_so(on_host):
    (found,) = on_host(web(capabilities={"bounding": 1 << CAP_NET_ADMIN}))["containers"]
    assert found["capabilities"]["bounding"] == ["cap_net_admin"] and found["capabilities_known"]
    (found,) = on_host(web())["containers"]
    assert not found["capabilities_known"]


def test_settings_of_docker_that_may_hold_passwords_are_left_out(on_host):
    (found,) = on_host(**{"userns-remap": "default", "proxies": {"http-proxy": "http://ann:secret@proxy"}})["dockerds"]
    assert found["settings"] == {"userns-remap": "default"}


@pytest.mark.parametrize(("wanted", "missing"), [("web", False), ("a" * 12, False), ("b" * 12, True), ("we", True)])
def test_what_is_not_there_is_unseen(on_host, wanted, missing):
    unseen = {item["source"] for item in on_host(web(), wanted=[wanted])["unseen"]}
    assert (f"container {wanted}" in unseen) is missing


def test_an_empty_name_is_one_sentence():
    with pytest.raises(ValueError, match=r"^containers: '' names no container, expected a name, an id or "):
        container_facts(["web", " "])


INSIDE = [
    (Observer(credentials=Credentials(bounding=ALL_CAPABILITIES)), []),
    (Observer(), []),
    (
        Observer(credentials=Credentials(bounding=1 << CAP_NET_ADMIN, no_new_privs=True, seccomp=2)),
        ["no_new_privs is set", "A seccomp filter", "Kernel modules"],
    ),
    (
        Observer(first_user_ns=False, uid_map=[IdRange(0, 100000, 65536)], sysctls_read_only=True),
        ["This is a user namespace below the host's (65536 ids from 100000)", "/proc/sys is read-only"],
    ),
    (Observer(first_user_ns=False), ["This is a user namespace below the host's (no id is mapped)"]),
    (Observer(credentials=Credentials()), ["CAP_NET_ADMIN is outside of the bounding set", "Kernel modules"]),
]


@pytest.mark.parametrize(("observer", "beginnings"), INSIDE)
def test_each_restriction_of_the_own_container_is_one_sentence(observer, beginnings):
    said = host_only(observer)
    assert len(said) == len(beginnings)
    assert all(item.startswith(beginning) and item.endswith(".") for item, beginning in zip(said, beginnings))


def test_on_a_host_nothing_is_left_to_another_host(on_host, monkeypatch):
    assert on_host()["unseen"][-1]["source"] == "the host outside of this container"
    monkeypatch.setattr(_container_facts, "observe_observer", Observer)
    facts = container_facts([])
    assert facts["observer"]["inside"] is False and facts["observer"]["host_only"] == []
    assert [item for item in facts["unseen"] if not item["source"].startswith("/proc")] == []
