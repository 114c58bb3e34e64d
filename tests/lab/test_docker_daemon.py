# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docker_daemon with a real dockerd under a real systemd: checked, taken over, taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host import COLLECTION, Host

PATH = "/etc/docker/daemon.json"
ORIGINAL = '{\n\t"log-level": "warn",\n\t"max-concurrent-downloads": 2\n}\n'
ALICE = "for file in /etc/subuid /etc/subgid; do echo 'alice:100000:65536' > $file; done"


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, places: Path) -> Iterator[Host]:
    with Host(places / "daemon", request.config.getoption("--lab"), docker=True) as made:
        made.sh("useradd --system alice; useradd --system bob")
        yield made


@pytest.fixture(autouse=True)
def clean(host: Host) -> None:
    """Each test begins with the same file, which dockerd runs with, and no container."""
    host.sh(
        "rm -rf /var/lib/netlink-remediation /etc/systemd/system/docker.service.d; systemctl daemon-reload; "
        'docker ps -aq | xargs -r docker rm -f; [ "$(cat $2 2>/dev/null)" = "$1" ] || '
        '{ printf "%s\\n" "$1" > $2; systemctl reset-failed docker docker.socket; systemctl restart docker; }; '
        + ALICE,
        ORIGINAL.rstrip("\n"),
        PATH,
    )


def content(host: Host) -> str:
    return host.sh(f"cat {PATH}")


def run_of(host: Host) -> str:
    return host.sh("systemctl show -p InvocationID --value docker").strip()


def asked(host: Host, template: str) -> str:
    return host.sh('docker info --format "$1"', template).strip()


def daemon(host: Host, settings: dict[str, Any], *accept: str, check: bool = False, **options: Any) -> dict[str, Any]:
    return host.module("docker_daemon", check=check, settings=settings, accept=list(accept), **options)


def kinds(result: dict[str, Any]) -> list[str]:
    return [item["kind"] for item in result.get("changes", [])]


def test_a_key_that_can_be_read_anew_interrupts_nothing(host: Host) -> None:
    host.sh("docker run -d --name keeps --restart always lab:base sleep 1000")
    run = run_of(host)
    preview = daemon(host, {"debug": True}, "restart", check=True)
    assert content(host) == ORIGINAL
    done = daemon(host, {"debug": True}, "restart")
    assert (done["diff"], done["changes"], done["disrupts"]) == (
        preview["diff"],
        preview["changes"],
        preview["disrupts"],
    )
    assert content(host) == ORIGINAL.replace("2\n}", '2,\n\t"debug": true\n}')
    assert asked(host, "{{.Debug}}") == "true" and run_of(host) == run
    again = daemon(host, {"debug": True}, "restart")
    assert (again["changed"], again["restart_required"]) == (False, [])
    started = "docker inspect -f '{{.State.Running}} {{.State.StartedAt}}' keeps"
    before = host.sh(started)
    changed = daemon(host, {"debug": False}, "restart")
    assert (asked(host, "{{.Debug}}"), host.sh(started)) == ("false", before)
    host.module("receipt", id=changed["receipt"]["id"], accept=["restart"])
    assert (asked(host, "{{.Debug}}"), host.sh(started)) == ("true", before)


def test_the_revert_of_a_key_that_was_added_is_in_force_too(host: Host) -> None:
    """A dockerd that reads its file anew goes on with what is no longer there."""
    run = run_of(host)
    done = daemon(host, {"debug": True, "max-concurrent-downloads": 4}, "restart")
    assert run_of(host) == run
    waiting = host.module("receipt", id=done["receipt"]["id"])
    assert waiting["restart_required"] == [{"kind": "daemon", "name": "docker.service"}]
    assert (content(host), run_of(host)) == (ORIGINAL, run)
    done = daemon(host, {"debug": True}, "restart")
    host.module("receipt", id=done["receipt"]["id"], accept=["restart"])
    assert (content(host), asked(host, "{{.Debug}}")) == (ORIGINAL, "false")


def test_a_key_that_is_removed_needs_a_restart(host: Host) -> None:
    run = run_of(host)
    done = daemon(host, {"max-concurrent-downloads": None}, "restart")
    assert kinds(done) == ["file", "activation"] and run_of(host) != run


def test_without_the_word_the_file_waits_for_a_restart(host: Host) -> None:
    run = run_of(host)
    due = [{"kind": "daemon", "name": "docker.service"}]
    first = daemon(host, {"userns-remap": "alice"})
    assert (kinds(first), first["restart_required"]) == (["file"], due)
    second = daemon(host, {"userns-remap": "alice"})
    assert (second["changed"], second["restart_required"]) == (False, due)
    assert run_of(host) == run
    back = host.module("receipt", id=first["receipt"]["id"])
    assert (back["restart_required"], content(host), run_of(host)) == ([], ORIGINAL, run)


def test_remapping_shows_another_store_and_the_revert_the_old_one(host: Host) -> None:
    host.sh("docker run -d --name keeps --restart always lab:base sleep 1000")
    done = daemon(host, {"userns-remap": "alice"}, "restart")
    assert kinds(done) == ["file", "activation"]
    assert asked(host, "{{.DockerRootDir}} {{.Images}}") == "/var/lib/docker/100000.100000 0"
    assert any("/var/lib/docker/100000.100000" in text and "not lost" in text for text in done["disrupts"])
    assert any(text.endswith("in the other store: keeps") for text in done["disrupts"])
    assert not daemon(host, {"userns-remap": "alice"}, "restart")["changed"]
    host.load_image()
    assert host.sh("docker run --rm lab:base cat /proc/self/uid_map").split() == ["0", "100000", "65536"]

    for wanted in (None, ""):
        refused = daemon(host, {"userns-remap": wanted}, "restart", check=True)
        assert refused["failed"] and "accept needs userns_remap_off" in refused["msg"]
    off = daemon(host, {"userns-remap": None}, "restart", "userns_remap_off", check=True)
    assert any("is root of the host" in text for text in off["disrupts"])

    kept = host.module("receipt", id=done["receipt"]["id"])
    assert kept["restart_required"] and content(host) == ORIGINAL
    assert asked(host, "{{.DockerRootDir}}") == "/var/lib/docker/100000.100000"
    host.sh(
        "systemctl restart docker; until docker inspect -f '{{.State.Running}}' keeps | grep true; do sleep 0.2; done"
    )


def test_a_restart_that_was_not_accepted_can_be_made_later(host: Host) -> None:
    daemon(host, {"log-level": "error"})
    host.sh("docker run -d --name keeps --restart always lab:base sleep 1000")
    host.sh("docker run -d --name plain lab:base sleep 1000")
    run = run_of(host)
    done = daemon(host, {"log-level": "error"}, "restart")
    assert kinds(done) == ["activation"] and run_of(host) != run
    assert any(text.endswith("by their restart policy: keeps") for text in done["disrupts"])
    assert any(text.endswith("for they have no restart policy: plain") for text in done["disrupts"])
    assert host.sh("docker inspect -f '{{.State.Running}}' keeps plain").split() == ["true", "false"]


def test_dockremap_is_made_by_dockerd_and_not_by_a_preview(host: Host) -> None:
    """dockerd --validate would make the user, with its subordinate ids."""
    users = host.sh("cat /etc/passwd /etc/subuid")
    preview = daemon(host, {"userns-remap": "default"}, "restart", check=True)
    assert preview["changed"] and host.sh("cat /etc/passwd /etc/subuid") == users
    done = daemon(host, {"userns-remap": "default"}, "restart")
    assert done["disrupts"] == preview["disrupts"] and any("dockremap" in text for text in done["disrupts"])
    assert "dockremap:165536:65536" in host.sh("cat /etc/subuid")
    host.module("receipt", id=done["receipt"]["id"], accept=["restart"])
    assert asked(host, "{{.DockerRootDir}}") == "/var/lib/docker"
    host.sh("userdel dockremap; " + ALICE)


@pytest.mark.parametrize(
    ("settings", "options", "sentence"),
    [
        ({"no-such-key": 1}, {}, "don't match any configuration option: no-such-key"),
        ({"debug": "often"}, {}, "cannot unmarshal string"),
        ({"log-level": "loud"}, {}, "invalid logging level: loud"),
        ({"hosts": ["fd://"]}, {}, "specified both as a flag and in the configuration file: hosts"),
        ({"userns-remap": "bob"}, {}, "/etc/subuid, which gives it none: netlink.remediation.subid_ranges does"),
        ({"userns-remap": "nobody-here"}, {}, "netlink.remediation.subid_ranges does"),
        ({"debug": True}, {"path": "daemon.json"}, "expected an absolute one"),
        ({"debug": True}, {"path": "/etc/other.json"}, "its dockerd reads /etc/docker/daemon.json"),
        ({"debug": True}, {"service": "docker.socket"}, "expected a name such as docker.service"),
        ({" ": True}, {}, "no key of daemon.json"),
    ],
)
def test_what_dockerd_would_not_take_is_refused_before_anything_is_touched(
    host: Host, settings: dict[str, Any], options: dict[str, Any], sentence: str
) -> None:
    before, run = host.snapshot(), run_of(host)
    said = [daemon(host, settings, "restart", check=check, **options) for check in (True, False)]
    assert all(item["failed"] and sentence in item["msg"] and "\n" not in item["msg"] for item in said), said
    assert said[0]["msg"] == said[1]["msg"]
    assert (host.snapshot(), run_of(host)) == (before, run)


def test_ranges_with_which_no_container_would_start_are_refused(host: Host) -> None:
    """dockerd itself starts with them, and the kernel refuses the map of each container."""
    host.sh("printf 'alice:100000:65536\\nalice:120000:65536\\n' > /etc/subuid")
    refused = daemon(host, {"userns-remap": "alice"}, "restart", check=True)
    assert "/etc/subuid:2 (alice:120000:65536) the kernel refuses the ids of user alice" in refused["msg"]
    host.sh("printf 'alice:100000:1000\\n' > /etc/subuid; printf 'bob:100000:1\\nalice:100000:65536\\n' > /etc/subgid")
    said = str(daemon(host, {"userns-remap": "alice"}, "restart", check=True)["warnings"])
    assert "gives user alice 1000 ids" in said and "are ids of bob too" in said


def test_a_preview_counts_on_ranges_that_the_same_play_gives(host: Host) -> None:
    preview = daemon(host, {"userns-remap": "bob"}, check=True, expect_ranges=["bob"])
    assert preview["changed"] and any("/etc/subuid by then" in text for text in preview["unvalidated"])
    assert daemon(host, {"userns-remap": "bob"}, expect_ranges=["bob"])["failed"]


def test_flags_of_the_unit_are_judged_with_the_file(host: Host) -> None:
    host.write(
        "/etc/systemd/system/docker.service.d/x.conf", "[Service]\nEnvironment=DOCKER_OPTS=--userns-remap=alice\n"
    )
    host.sh("systemctl daemon-reload")
    for value in ("alice", "default"):
        refused = daemon(host, {"userns-remap": value}, "restart", check=True)
        assert "as a flag" in refused["msg"]
    host.write(
        "/etc/systemd/system/docker.service.d/x.conf", '[Service]\nEnvironment="DOCKER_OPTS=--debug --mtu 1400"\n'
    )
    host.sh("systemctl daemon-reload")
    assert "specified both as a flag" in daemon(host, {"mtu": 1300}, check=True)["msg"]
    host.write(
        "/etc/systemd/system/docker.service.d/x.conf", "[Service]\nEnvironment=DOCKER_OPTS=--config-file=/etc/d.json\n"
    )
    host.sh("systemctl daemon-reload")
    assert "its dockerd reads /etc/d.json" in daemon(host, {"mtu": 1300}, check=True)["msg"]


def test_a_daemon_that_does_not_come_up_is_taken_back(host: Host) -> None:
    host.sh("docker run -d --name keeps --restart always lab:base sleep 1000")
    failed = daemon(host, {"storage-driver": "btrfs", "debug": True}, "restart")
    assert failed["failed"] and "docker.service does not start" in failed["msg"]
    assert "what was done before it was taken back" in failed["msg"]
    assert content(host) == ORIGINAL
    assert asked(host, "{{.Driver}} {{.Debug}}") == "overlay2 false"
    assert host.sh("docker inspect -f '{{.State.Running}}' keeps").strip() == "true"
    assert host.module("receipt_info")["receipts"] == []


def test_a_broken_file_is_not_guessed_at_and_a_failed_daemon_is_started_by_what_mends_it(host: Host) -> None:
    host.write(PATH, '{"debug": tru}')
    assert "is not understood" in daemon(host, {"debug": True}, check=True)["msg"]
    host.write(PATH, '{"storage-driver": "btrfs"}')
    host.run(["systemctl", "restart", "docker"])
    done = daemon(host, {"storage-driver": None}, "restart")
    assert kinds(done) == ["file", "activation"]
    assert host.sh("systemctl is-active docker").strip() == "active"
    assert content(host) == "{}"


def test_a_run_that_is_killed_while_dockerd_restarts_can_be_taken_back(host: Host) -> None:
    request = json.dumps(["docker_daemon", {"settings": {"userns-remap": "alice"}, "accept": ["restart"]}])
    host.write("/root/request", request + "\n")
    worker = f"env PYTHONPATH={host._imports()} python3 -B {COLLECTION}/tests/cases/worker.py"
    host.sh(
        f"setsid {worker} < /root/request & "
        f"until grep -q userns {PATH}; do sleep 0.05; done; kill -9 -- -$! || true; wait || true"
    )
    back = host.module("receipt", run="latest", accept=["restart"])
    assert back["changed"] and back["left_alone"] == []
    host.sh("systemctl reset-failed docker; systemctl start docker")
    assert (content(host), asked(host, "{{.DockerRootDir}}")) == (ORIGINAL, "/var/lib/docker")


def test_a_daemon_that_does_not_run_is_not_started(host: Host) -> None:
    host.sh("systemctl stop docker docker.socket")
    done = daemon(host, {"debug": True}, "restart")
    assert (kinds(done), done["restart_required"]) == (["file"], [])
    assert host.run(["systemctl", "is-active", "docker"]).stdout.strip() == "inactive"
    host.module("receipt", id=done["receipt"]["id"], accept=["restart"])
    assert host.run(["systemctl", "is-active", "docker"]).stdout.strip() == "inactive"
    host.sh("systemctl start docker")
