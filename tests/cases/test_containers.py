# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every reason for which a container is kept from netlink, with real engines: refused, named, mended where the
container is defined, proven by the container itself, taken back. A look-alike is allowed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from container_situations import BROKEN, HEALTHY, NO_NETLINK, NO_PACKET, PROGRAM, BoxCase
from host import Host

UNIT = "/etc/systemd/system/w.service"
SLEEP = "sleep 1000"
PODMAN = ["podman", "import", "-", "localhost/lab:base"]
ENGINES = {
    "docker": ("docker", "lab:base", ""),
    "podman": ("podman", "localhost/lab:base", "--pids-limit 0"),
}
COMPOSE = """\
services:
  box:
    container_name: box
    image: lab:base
    command: ["sh", "-c", "{command} && echo ok || echo refused; echo done; exec sleep infinity"]
{service}
"""


@pytest.fixture(scope="module")
def plain(lab: Path, places: Path) -> Iterator[Host]:
    """A host with docker and podman."""
    with Host(places / "plain", lab, docker=True) as made:
        made.load_image(*PODMAN)
        made.write("/srv/no-netlink.json", NO_NETLINK)
        made.write("/srv/no-packet.json", NO_PACKET)
        yield made


@pytest.fixture(scope="module")
def remapped(lab: Path, places: Path) -> Iterator[Host]:
    """A host whose docker gives all containers a user namespace."""
    with Host(places / "remapped", lab) as made:
        made.write("/etc/docker/daemon.json", '{"userns-remap": "default"}\n')
        made.start_docker()
        yield made


NSPAWN = """\
test -d /var/lib/machines/box || {{
  mkdir -p /var/lib/machines/box
  id=$(docker create lab:base true)
  docker export "$id" | tar -x -C /var/lib/machines/box
  docker rm "$id"
}}
systemd-run --quiet --unit=box -p StandardOutput=truncate:/run/box.out -p StandardError=inherit \
  systemd-nspawn --quiet --link-journal=no -D /var/lib/machines/box -M box {options} {program}
"""


class Box:
    """The container of one case, made and started."""

    def __init__(self, host: Host, case: BoxCase) -> None:
        self.host, self.case = host, case
        host.sh(case.prepare or "true")
        if case.service:
            host.write("/srv/app/compose.yml", COMPOSE.format(command=case.command, service=case.service))
            host.sh("cd /srv/app && docker compose up -d --quiet-pull")
        elif case.engine == "nspawn":
            host.sh(NSPAWN.format(options=case.options, program=PROGRAM.format(command=case.command)))
        else:
            # The kernel of the tests may have no pids controller, for which podman would set a limit.
            engine, image, limit = ENGINES[case.engine]
            program = PROGRAM.format(command=case.command)
            host.sh(f"{engine} run -d --name box {case.options} {limit} {image} {program}")
        self.workload: dict[str, Any] = {"container": "box", **case.workload}

    def said(self) -> str:
        """What the container's own program printed since it was started."""
        for _attempt in range(100):
            nspawn = self.case.engine == "nspawn"
            done = self.host.run(["cat", "/run/box.out"] if nspawn else [self.case.engine, "logs", "box"])
            if "done" in done.stdout:
                break
            time.sleep(0.05)
        return done.stdout + done.stderr

    def remove(self) -> None:
        if self.case.engine == "nspawn":
            self.host.run(["machinectl", "terminate", "box"])
            self.host.run(["sh", "-c", "while systemctl -q is-active box; do sleep 0.1; done; systemctl reset-failed"])
            return
        at_once = ["-t", "0"] if self.case.engine == "podman" else []
        self.host.run([self.case.engine, "rm", "-f", *at_once, "box"])
        self.host.sh("docker network prune -f; rm -rf /srv/app")
        self.host.run(["sh", "-c", self.case.tidy or "true"])


@pytest.fixture
def host(request: pytest.FixtureRequest, case: BoxCase) -> Host:
    found: Host = request.getfixturevalue("remapped" if case.remapped else "plain")
    return found


@pytest.fixture
def box(host: Host, case: BoxCase) -> Iterator[Box]:
    made = Box(host, case)
    yield made
    made.remove()


def by_name(case: BoxCase) -> str:
    return case.name


@pytest.mark.parametrize("case", HEALTHY, ids=by_name)
def test_a_healthy_container_is_allowed_without_a_finding(host: Host, box: Box) -> None:
    assert "ok" in box.said()
    result = host.diagnose(box.workload)
    assert result["findings"] == []
    assert result["workloads"][0]["verdict"] == "allowed", result


@pytest.mark.parametrize("case", BROKEN, ids=by_name)
def test_the_reason_is_named_and_mended_where_the_container_is_defined(host: Host, case: BoxCase, box: Box) -> None:
    assert re.search(case.symptom, box.said()), box.said()
    untouched = files(host)
    result = host.diagnose(box.workload)
    assert files(host) == untouched, "the diagnosis changed the host"
    assert result["findings"], result
    first = result["findings"][0]
    assert (first["cause"], first["reason"]) == (case.cause, case.reason), result["findings"]
    assert result["workloads"][0]["verdict"] == case.verdict, result
    if case.fix:
        mend_and_take_back(host, case, box, first["remedy"])
    elif first["remedy"] is None:
        assert case.say in first["advice"] and first["advice"], first


def test_a_unit_that_only_watches_over_its_container_is_judged_by_that(plain: Host) -> None:
    plain.write(UNIT, f"[Service]\nExecStart=/usr/bin/docker run --rm --name own lab:base {SLEEP}\n")
    plain.sh("systemctl daemon-reload; systemctl start w; until docker exec own true 2> /dev/null; do sleep 0.1; done")
    result, named = plain.diagnose({"unit": "w"}), plain.diagnose({"container": "own"})
    plain.sh(f"docker rm -f own; systemctl stop w; rm {UNIT}; systemctl daemon-reload")
    assert result["findings"] == named["findings"] != []
    assert result["workloads"][0]["verdict"] == "refused"


def test_a_unit_that_watches_over_containers_of_compose_is_not_allowed(plain: Host) -> None:
    plain.write("/srv/up/compose.yml", f"services: {{box: {{image: 'lab:base', command: {SLEEP}}}}}\n")
    plain.write(UNIT, "[Service]\nExecStart=/usr/bin/docker compose -f /srv/up/compose.yml up\n")
    plain.sh(
        "systemctl daemon-reload; systemctl start w; until docker exec up-box-1 true 2> /dev/null; do sleep 0.1; done"
    )
    result = plain.diagnose({"unit": "w"})
    plain.sh(f"docker rm -f up-box-1; systemctl stop w; rm -r /srv/up {UNIT}; systemctl daemon-reload")
    assert (result["workloads"][0]["verdict"], result["findings"]) == ("unknown", [])
    assert "name the container" in result["workloads"][0]["unresolved"]


def mend_and_take_back(host: Host, case: BoxCase, box: Box, remedy: dict[str, Any]) -> None:
    assert remedy["role"] == "netlink_container"
    untouched = files(host)
    wanted = remedy["variables"]["netlink_container_containers"]
    call: dict[str, Any] = {"containers": wanted, "accept": ["recreate"]}
    preview = host.module("container_capabilities", check=True, **call)
    assert not preview.get("failed"), preview
    assert files(host) == untouched, "the preview changed the host"

    pending = host.module("container_capabilities", containers=wanted)
    assert pending["restart_required"], pending
    waiting = host.diagnose(box.workload)["findings"][0]
    assert (waiting["cause"], waiting["reason"]) == ("container_without_capability", "not_applied"), waiting
    assert waiting["pending"]
    assert host.module("receipt", run="latest")["changed"]
    assert files(host) == untouched

    real = host.module("container_capabilities", run_id="case", **call)
    assert not real.get("failed"), real
    assert (real["changes"], real["diff"]) == (preview["changes"], preview["diff"])
    assert "ok" in box.said()
    fixed = host.diagnose(box.workload)
    assert fixed["findings"] == []
    assert fixed["workloads"][0]["verdict"] == "allowed", fixed
    assert not host.module("container_capabilities", **call)["changed"]

    back = host.module("receipt", run="latest", accept=["recreate"])
    assert back.get("changed"), back
    assert re.search(case.symptom, box.said()), box.said()
    assert files(host) == untouched, "the rollback did not restore the files"


def files(host: Host) -> str:
    """The part of a snapshot that an engine does not change by running."""
    return host.snapshot().partition("== network")[0]
