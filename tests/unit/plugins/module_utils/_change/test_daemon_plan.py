# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docker_daemon plans on hosts that tests with a real dockerd do not reach."""

from __future__ import annotations

import os

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _activation, _daemon_plan
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_dockerd import RunningContainer
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import How
from ansible_collections.netlink.remediation.plugins.module_utils._change._daemon_plan import plan_daemon
from ansible_collections.netlink.remediation.plugins.module_utils._change._daemon_unit import DaemonUnit
from ansible_collections.netlink.remediation.plugins.module_utils._change._remap import Remap
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._change._host import (  # noqa: F401  # pylint: disable=unused-import
    fixture_host,
    needs_root,
)

pytestmark = needs_root
RUNS = DaemonUnit("docker.service", loaded=True, runs=True, instance="ab85", since=10.0**9)
CONTAINERS = [RunningContainer("a1", "web", True), RunningContainer("b2", "job", False)]


class Daemon:
    """A host with a dockerd whose answers a test sets, and what it was asked."""

    def __init__(self, path, monkeypatch):
        self.path, self.asked, self.answer = path, [], (0, "configuration OK", "")
        self.unit, self.remap, self.containers = RUNS, Remap(store="/var/lib/docker"), CONTAINERS
        self.info = {"DockerRootDir": "/var/lib/docker", "LiveRestoreEnabled": False}
        for name, value in {
            "find_unit": lambda _name: self.unit,
            "plan_remap": lambda *_words, **_options: self.remap,
            "run": self.run,
            "docker_socket": lambda: "/run/docker.sock",
            "docker_info": lambda _path: self.info,
            "running_containers": lambda _path: self.containers,
            "identify_reload": lambda _details: "ab85 5",
        }.items():
            monkeypatch.setattr(_daemon_plan, name, value)
        for name in ("dockerd", "dockerd_reload"):
            how = How(lambda _details: "ab85", lambda _details: None, kind="daemon")
            monkeypatch.setitem(_activation.HOW, name, how)

    def run(self, words, *, stdin, timeout):
        assert timeout
        self.asked.append((words, stdin))
        return self.answer

    def plan(self, settings, *accept, check_mode=False, **options):
        given = {"path": str(self.path), "service": "docker.service", "restart": False, "expect_ranges": []}
        whole = {**given, "settings": settings, "accept": list(accept), **options}
        return plan_daemon(whole, check_mode=check_mode)

    def hows(self, settings, *accept, **options):
        return [change.details.get("how", "file") for change in self.plan(settings, *accept, **options).changes]


@pytest.fixture
def daemon(host, monkeypatch):
    path = host / "daemon.json"
    path.write_text('{"debug": false, "log-level": "warn"}')
    monkeypatch.setattr(_daemon_plan, "PATH", str(path))
    return Daemon(path, monkeypatch)


def test_dockerd_judges_the_new_text_with_the_flags_of_its_unit(daemon):
    daemon.unit = DaemonUnit("docker.service", loaded=True, program="/opt/dockerd", words=["-H", "fd://"])
    daemon.plan({"debug": True})
    words = ["/opt/dockerd", "--validate", "--config-file", "/dev/stdin", "-H", "fd://"]
    assert daemon.asked == [(words, '{"debug": true, "log-level": "warn"}')]


def test_what_it_says_becomes_one_sentence(daemon):
    daemon.answer = (1, "", 'time="x" level=info msg="mapped"\nunable to configure with file /dev/stdin: no\n')
    with pytest.raises(ChangeError) as caught:
        daemon.plan({"debug": True})
    assert str(caught.value) == (
        "settings: dockerd does not take them: unable to configure with file the new settings: no"
    )


def test_what_it_says_of_its_file_is_left_out(daemon):
    daemon.answer = (1, "", "unable to configure the Docker daemon with file /dev/stdin: no such directive: debugg\n")
    with pytest.raises(ChangeError) as caught:
        daemon.plan({"debugg": True})
    assert str(caught.value) == "settings: dockerd does not take them: no such directive: debugg"


def test_it_is_not_asked_about_what_it_would_act_upon(daemon):
    daemon.remap = Remap(hidden=True)
    daemon.plan({"userns-remap": "default"})
    assert daemon.asked[0][1] == '{"debug": false, "log-level": "warn"}'


def test_a_file_may_be_written_before_docker_is_installed(daemon):
    daemon.path.unlink()
    daemon.unit, daemon.answer = DaemonUnit("docker.service"), (127, "", "")
    plan = daemon.plan({"debug": True}, "restart")
    assert [change.after["content"] for change in plan.changes] == ['{\n  "debug": true\n}\n']
    assert plan.unvalidated == ["whether dockerd takes the settings: it is not installed"]


def test_a_dockerd_that_cannot_judge_is_said(daemon):
    daemon.answer = (125, "", "unknown flag: --validate\nSee 'dockerd --help'.\n")
    plan = daemon.plan({"debug": True})
    assert plan.changes and [text.partition(":")[0] for text in plan.unvalidated] == [
        "whether dockerd takes the settings"
    ]


def test_nothing_is_asked_or_planned_when_nothing_changes(daemon):
    assert daemon.hows({"debug": False, "mtu": None}, "restart") == []
    daemon.path.unlink()
    assert daemon.hows({"mtu": None}, "restart") == []
    assert daemon.asked == []


@pytest.mark.parametrize(
    ("settings", "options", "how"),
    [
        ({"debug": True}, {}, "dockerd_reload"),
        ({"debug": True, "labels": ["a=b"]}, {}, "dockerd_reload"),
        ({"debug": None}, {}, "dockerd"),
        ({"debug": True, "mtu": 1400}, {}, "dockerd"),
        ({"debug": True}, {"restart": True}, "dockerd"),
    ],
)
def test_a_restart_is_planned_only_where_a_reload_is_not_enough(daemon, settings, options, how):
    assert daemon.hows(settings, **options) == ["file", how]


def test_a_file_that_waits_for_a_restart_still_does(daemon):
    daemon.unit = DaemonUnit("docker.service", loaded=True, runs=True, instance="ab85", since=0.5)
    os.utime(daemon.path)
    assert daemon.hows({"debug": False}) == ["dockerd"]
    assert daemon.hows({"debug": True}) == ["file", "dockerd"]


def test_a_restart_that_is_asked_for_is_planned_without_a_change(daemon):
    assert daemon.hows({}, "restart", restart=True) == ["dockerd"]


@pytest.mark.parametrize(
    ("unit", "how"),
    [
        (DaemonUnit("docker.service", loaded=True), ["file"]),
        (DaemonUnit("docker.service", loaded=True, failed=True), ["file", "dockerd"]),
    ],
)
def test_a_daemon_that_is_down_is_started_only_if_it_failed(daemon, unit, how):
    daemon.unit = unit
    plan = daemon.plan({"debug": True}, "restart")
    assert [change.details.get("how", "file") for change in plan.changes] == how
    assert [change.details["was"] for change in plan.changes[1:]] == ["down"] * (len(how) - 1)


@pytest.mark.parametrize(
    ("info", "containers", "said"),
    [
        ({}, CONTAINERS, ["by their restart policy: web", "for they have no restart policy: job"]),
        ({"LiveRestoreEnabled": True}, CONTAINERS, []),
        ({}, [], []),
        ({"DockerRootDir": "/else"}, CONTAINERS, ["since they are in the other store: web, job"]),
        ({"DockerRootDir": "/else", "LiveRestoreEnabled": True}, CONTAINERS, ["no longer knows them: web, job"]),
    ],
)
def test_what_a_restart_does_to_containers_is_said_by_name(daemon, info, containers, said):
    daemon.info, daemon.containers = {**daemon.info, **info}, containers
    *_file, restart = daemon.plan({"mtu": 1400}, "restart").changes
    first, *others = restart.disrupts
    assert first == "docker.service is restarted: the API does not answer meanwhile"
    assert len(others) == len(said) and all(text.endswith(end) for text, end in zip(others, said))


@pytest.mark.parametrize(
    ("settings", "options", "sentence"),
    [
        ({"debug": True}, {"path": "daemon.json"}, "path: 'daemon.json' is a relative path"),
        ({"debug": True}, {"path": "/etc/other.json"}, "does not read /etc/other.json"),
        ({"debug": True}, {"service": "docker"}, "service: 'docker' is no service"),
        ({"": True}, {}, "settings: '' is no key of daemon.json"),
    ],
)
def test_options_that_cannot_be_meant_are_one_sentence(daemon, settings, options, sentence):
    with pytest.raises(ChangeError, match=sentence):
        daemon.plan(settings, **options)


def test_a_file_that_cannot_be_read_is_an_error(daemon):
    daemon.path.unlink()
    daemon.path.mkdir()
    with pytest.raises(ChangeError, match="cannot be read: not a regular file"):
        daemon.plan({"debug": True})
