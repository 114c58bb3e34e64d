# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks on a real host: services of systemd and a container of compose are previewed, written to, left to wait
for a new start or started anew, proven and taken back.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host import Host

LINK = "ip link set lo mtu 65535"
SAY = f"{LINK} && echo ok || echo refused; exec sleep infinity"
SERVICE = """\
[Service]
ExecStart=/bin/sh -c '{command}'
StandardOutput=truncate:/run/{name}.out
{settings}
"""
COMPOSE = """\
services:
  web:
    container_name: web
    image: lab:base
    stop_grace_period: 1s
    {settings}
    command: ["sh", "-c", "{command}"]
"""
QUADLET = """\
[Container]
Image=localhost/lab:base
ContainerName=box
Exec=sleep infinity
Network=host
UserNS=auto:size=65536
AddCapability=NET_ADMIN
PodmanArgs=--pids-limit 0
StopSignal=SIGKILL
"""
PROBE = ["podman", "exec", "box", "ip", "link", "set", "lo", "mtu", "65535"]
CAGED = {"name": "caged", "unit": "caged.service"}
PLAIN = {"name": "plain", "unit": "plain.service"}
WEB = {"name": "web", "container": "web"}
ALL = [CAGED, PLAIN, WEB]
WORDS = ["restart", "recreate"]


class Play:
    """A finished run of a playbook: its return code, what it said, which tasks changed something."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.text = done.returncode, done.stdout + done.stderr
        self.changed = [part.split("]")[0] for part in done.stdout.split("TASK [") if "\nchanged: [lab]" in part]

    def __repr__(self) -> str:
        return self.text


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, places: Path) -> Iterator[Host]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Host(places / "conductors", request.config.getoption("--lab"), docker=True) as made:
        yield made


@pytest.fixture
def broken(host: Host) -> Iterator[None]:
    """A service whose sandbox refuses netlink sockets, one that runs as a user, a container without the capability."""
    install(host, "caged", "RestrictAddressFamilies=AF_INET AF_UNIX")
    install(host, "plain", "User=daemon")
    compose(host, "init: true")
    assert [said(host, name) for name in ("caged", "plain", "web")] == ["refused"] * 3
    yield
    remove(host)


@pytest.fixture
def tidy(host: Host) -> Iterator[None]:
    yield
    remove(host)


def install(host: Host, name: str, settings: str, command: str = SAY) -> None:
    """A service that says whether it may use netlink."""
    host.write(f"/etc/systemd/system/{name}.service", SERVICE.format(name=name, settings=settings, command=command))
    host.sh(f"systemctl daemon-reload; systemctl start {name}")


def compose(host: Host, settings: str) -> None:
    """A container of compose that does the same."""
    host.write("/srv/app/compose.yml", COMPOSE.format(settings=settings, command=SAY))
    host.sh("cd /srv/app && docker compose up -d --quiet-pull")


def remove(host: Host) -> None:
    host.run(["sh", "-c", "systemctl stop caged plain box; docker rm -f web hand; docker network prune -f"])
    host.sh("rm -rf /srv/app /etc/systemd/system/caged* /etc/systemd/system/plain* /etc/containers/systemd/box*")
    host.sh("sed -i /^containers:900000:/d /etc/subuid /etc/subgid")
    host.sh("systemctl daemon-reload; systemctl reset-failed")
    host.sh("rm -rf /var/lib/netlink-remediation")


def said(host: Host, name: str) -> str:
    """The last thing that a service or container said about netlink."""
    for _attempt in range(100):
        done = host.run(["docker", "logs", name] if name == "web" else ["cat", f"/run/{name}.out"])
        words: list[str] = re.findall(r"^(ok|refused)$", done.stdout, re.MULTILINE)
        if words:
            break
        time.sleep(0.05)
    return words[-1] if words else done.stdout + done.stderr


def runs(host: Host) -> list[str]:
    """What tells the present runs from others: a service or container that was started anew has another."""
    units = host.sh("systemctl show -p InvocationID --value caged plain").split()
    return [*units, host.sh("docker ps --no-trunc -q -f name=web").strip()]


def files(host: Host) -> str:
    """What an engine and systemd do not change by running."""
    return host.snapshot().partition("== network")[0]


def fix(host: Host, workloads: list[dict[str, Any]], *words: str, **variables: Any) -> Play:
    variables = {f"netlink_remediate_{name}": value for name, value in variables.items()}
    variables["netlink_remediate_workloads"] = workloads
    return Play(host.ansible("netlink.remediation.fix_netlink", *words, **variables))


def rollback(host: Host, **variables: Any) -> Play:
    return Play(host.ansible("netlink.remediation.rollback_netlink", **variables))


def test_check_mode_previews_all_of_it_and_touches_nothing(host: Host, broken: None) -> None:
    before, alive = files(host), runs(host)
    for accept in ([], WORDS):
        done = fix(host, ALL, "--check", "--diff", accept=accept)
        assert done.code == 0, done
        assert len(done.changed) == 2, done
        assert "+RestrictAddressFamilies=AF_NETLINK" in done.text and "+AmbientCapabilities=CAP_NET_ADMIN" in done.text
        for name in ("caged", "plain", "web"):
            assert f"{name}: would be mended (check mode, not verified)" in done.text, done
        assert ("restart caged.service, or accept that with" in done.text) == (accept == []), done
        assert ("accept that with netlink_remediate_accept: [recreate]" in done.text) == (accept == []), done
    assert (files(host), runs(host)) == (before, alive)


def test_what_may_not_be_started_anew_waits_and_is_started_by_a_later_run(host: Host, broken: None) -> None:
    before, alive = files(host), runs(host)
    first = fix(host, ALL)
    assert first.code == 0 and len(first.changed) == 2, first
    for name, start in (("caged", "restart caged.service"), ("plain", "restart plain.service"), ("web", "recreate ")):
        assert re.search(rf"{name}: PENDING: .*{start}", first.text), first
    assert runs(host) == alive
    again = fix(host, ALL)
    assert again.code == 0 and again.changed == [] and again.text.count(": PENDING: ") == 3, again

    later = fix(host, ALL, accept=WORDS)
    assert later.code == 0 and later.text.count(": FIXED, verified") == 3, later
    assert [said(host, name) for name in ("caged", "plain", "web")] == ["ok"] * 3
    assert not set(runs(host)) & set(alive)
    for receipt in reversed(host.module("receipt_info")["receipts"]):
        back = host.module("receipt", id=receipt["id"], accept=WORDS)
        assert not back.get("failed"), back
    assert files(host) == before
    assert [said(host, name) for name in ("caged", "plain", "web")] == ["refused"] * 3


def test_what_may_be_started_anew_is_mended_once_and_taken_back_with_its_start(host: Host, broken: None) -> None:
    before, alive = files(host), runs(host)
    done = fix(host, ALL, accept=WORDS)
    assert done.code == 0 and done.text.count(": FIXED, verified") == 3, done
    assert [said(host, name) for name in ("caged", "plain", "web")] == ["ok"] * 3
    fixed = runs(host)
    assert not set(fixed) & set(alive)
    again = fix(host, ALL, accept=WORDS)
    assert again.code == 0 and again.changed == [] and again.text.count(": allowed, nothing was wrong") == 3, again
    assert runs(host) == fixed

    back = rollback(host)
    assert back.code == 0 and files(host) == before and runs(host) == fixed, back
    for name in ("caged.service", "plain.service", "app/web"):
        assert f"{name}: still runs with what is taken back" in back.text, back
    anew = rollback(host, netlink_rollback_accept=WORDS)
    assert anew.code == 0 and not set(runs(host)) & set(fixed), anew
    assert [said(host, name) for name in ("caged", "plain", "web")] == ["refused"] * 3
    last = rollback(host, netlink_rollback_accept=WORDS)
    assert last.changed == [] and "nothing is left to be taken back" in last.text, last


def test_a_container_that_needs_two_remedies_gets_them_in_two_rounds(host: Host, tidy: None) -> None:
    compose(host, 'user: "1000"')
    assert said(host, "web") == "refused"
    before = files(host)
    done = fix(host, [WEB], accept=WORDS)
    assert done.code == 0 and "web: FIXED, verified" in done.text, done
    assert said(host, "web") == "ok"
    back = rollback(host, netlink_rollback_accept=WORDS)
    assert back.code == 0 and (files(host), said(host, "web")) == (before, "refused"), back


def test_a_container_with_users_of_its_own_gets_those_of_the_host_for_the_host_network(host: Host, tidy: None) -> None:
    host.load_image("podman", "import", "-", "localhost/lab:base")
    for file in ("/etc/subuid", "/etc/subgid"):
        host.sh('echo containers:900000:131072 >> "$1"', file)
    host.write("/etc/containers/systemd/box.container", QUADLET)
    host.sh("systemctl daemon-reload; systemctl start box")
    before = files(host)
    assert host.run(PROBE).returncode != 0
    box = [{"name": "box", "container": "box"}]
    first = fix(host, box)
    assert first.code == 0 and "box: PENDING: " in first.text and "restart box.service, or accept" in first.text, first
    later = fix(host, box, accept=WORDS)
    assert later.code == 0 and "box: FIXED, verified" in later.text, later
    assert "to take this run back" in first.text and "to take this run back" not in later.text
    assert host.run(PROBE).returncode == 0
    run = re.findall(r"netlink_run_id: ([\w-]+)", first.text)[0]
    back = rollback(host, netlink_run_id=run, netlink_rollback_accept=WORDS)
    assert back.code == 0 and files(host) == before, back


def test_a_service_that_does_not_come_up_with_it_gets_back_what_it_had(host: Host, tidy: None) -> None:
    install(host, "plain", "User=daemon", "if capsh --has-a=cap_net_admin; then exit 7; fi; " + SAY)
    before = files(host)
    done = fix(host, [PLAIN], accept=WORDS)
    assert done.code != 0 and "plain.service" in done.text and "plain is still refused" in done.text, done
    assert files(host) == before and said(host, "plain") == "refused"
    assert host.sh("systemctl is-active plain").strip() == "active"


def test_a_container_started_by_hand_gets_advice_and_fails_the_host(host: Host, tidy: None) -> None:
    host.sh("docker run -d --name hand lab:base sleep infinity")
    before = files(host)
    done = fix(host, [{"name": "hand", "container": "hand"}], accept=WORDS)
    assert done.code != 0 and "--cap-add NET_ADMIN" in done.text.split("fatal:")[1], done
    assert (done.changed, files(host)) == ([], before)


def test_a_workload_found_by_its_socket_is_not_touched_and_named_by_what_lasts(host: Host, tidy: None) -> None:
    socket = (
        'import socket, time; s = socket.socket(16, 3, 0); s.bind((0, 0)); print("ok", flush=True); time.sleep(1e6)'
    )
    host.write("/srv/app/listen.py", socket)
    install(host, "plain", "User=daemon", "exec python3 /srv/app/listen.py")
    before = files(host)
    done = fix(host, [], accept=WORDS)
    assert done.code == 0 and (done.changed, files(host)) == ([], before), done
    assert re.search(r"name it: netlink_remediate_workloads: \[\{name: .*, unit: plain.service\}\]", done.text), done


def test_a_service_named_by_its_pid_is_found_again_when_it_has_another(host: Host, tidy: None) -> None:
    install(host, "plain", "User=daemon")
    pid = int(host.sh("systemctl show -p MainPID --value plain"))
    done = fix(host, [{"name": "plain", "pid": pid}], accept=WORDS)
    assert done.code == 0 and "plain: FIXED, verified" in done.text, done
    assert said(host, "plain") == "ok"


def test_a_process_that_is_gone_afterwards_reverts_nothing_and_fails_with_the_reason(host: Host, tidy: None) -> None:
    install(host, "plain", "User=daemon")
    install(host, "caged", "", "while [ ! -e /etc/systemd/system/plain.service.d ]; do sleep 0.1; done")
    gone = {"name": "gone", "pid": int(host.sh("systemctl show -p MainPID --value caged"))}
    done = fix(host, [PLAIN, gone])
    assert done.code != 0 and "Diagnose again: workloads[1].pid: there is no process" in done.text, done
    assert "plain: UNKNOWN" in done.text or "plain: PENDING" in done.text, done
    assert "to take this run back" in done.text
    host.sh("test -e /etc/systemd/system/plain.service.d/50-netlink-remediation.conf")


def test_an_audit_shows_units_and_containers(host: Host, broken: None) -> None:
    before = files(host)
    done = Play(host.ansible("netlink.remediation.audit_netlink", netlink_audit_workloads=ALL))
    assert done.code == 0 and (done.changed, files(host)) == ([], before), done
    assert re.search(r"caged \(unit caged.service, pid \d+\): REFUSED", done.text), done
    assert re.search(r"web \(container web, pid \d+\): REFUSED", done.text), done
