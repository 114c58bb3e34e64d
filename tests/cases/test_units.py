# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every line of a unit that keeps a service from netlink, under a real systemd: refused, named with file and line,
mended by the drop-in, proven by the service itself, taken back. A look-alike is allowed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host import Host
from unit_situations import BROKEN, HEALTHY, OPEN, UnitCase

UNIT = "/etc/systemd/system/w.service"
OUTPUT = "/run/w.out"
SERVICE = """\
[Unit]
Description=A client of netlink
[Service]
Type={kind}
StandardOutput=truncate:{output}
StandardError=inherit
{start}
{settings}
"""


@pytest.fixture(scope="module")
def host(lab: Path, places: Path) -> Iterator[Host]:
    with Host(places / "units", lab) as made:
        yield made


class Service:
    """The service of one case, installed and started."""

    def __init__(self, host: Host, case: UnitCase) -> None:
        self.host, self.case = host, case
        host.sh(case.prepare or "true")
        command = f"{case.command} && echo ok"
        if not case.once:
            command += " || echo refused; echo done; exec sleep infinity"
        start = f"ExecStart=/bin/sh -c '{command}'"
        if case.direct:
            start = f"ExecStart={case.command}\nExecStartPost=+/bin/sh -c 'echo ok >> {OUTPUT}'"
        kind = "oneshot" if case.once else "simple"
        text = SERVICE.format(kind=kind, output=OUTPUT, start=start, settings=case.settings)
        host.write(UNIT, text)
        if case.drop_in:
            host.write(f"{UNIT}.d/10-own.conf", f"[Service]\n{case.drop_in}\n")
        host.sh("systemctl daemon-reload")
        host.run(["systemctl", "start", "w"])
        self.workload: dict[str, Any] = {"unit": "w.service", **case.workload}

    def said(self) -> str:
        """What the service printed in its last run."""
        for _attempt in range(100):
            text = self.host.run(["cat", OUTPUT]).stdout
            if self.case.once or "done" in text:
                return text
            time.sleep(0.05)
        return text

    def again(self) -> str:
        """What it says when a service that does not stay is started once more; of another, what it said."""
        if self.case.once:
            self.host.run(["systemctl", "start", "w"])
        return self.said()

    def remove(self) -> None:
        self.host.run(["systemctl", "stop", "w"])
        self.host.sh(f"rm -rf {UNIT} {UNIT}.d {OUTPUT}; systemctl daemon-reload; systemctl reset-failed")
        self.host.run(["sh", "-c", self.case.tidy or "true"])


@pytest.fixture
def service(host: Host, case: UnitCase) -> Iterator[Service]:
    made = Service(host, case)
    yield made
    made.remove()


def by_name(case: UnitCase) -> str:
    return case.name


@pytest.mark.parametrize("case", HEALTHY, ids=by_name)
def test_a_healthy_service_is_allowed_without_a_finding(host: Host, service: Service) -> None:
    assert "ok" in service.said()
    result = host.diagnose(service.workload)
    assert result["findings"] == []
    assert result["workloads"][0]["verdict"] == "allowed", result


@pytest.mark.parametrize("case", OPEN, ids=by_name)
def test_what_cannot_be_judged_is_not_allowed(host: Host, service: Service, case: UnitCase) -> None:
    assert re.search(case.symptom, service.said()) and "ok" not in service.said(), service.said()
    result = host.diagnose(service.workload)
    assert (result["workloads"][0]["verdict"], result["findings"]) == ("unknown", []), result


@pytest.mark.parametrize("case", [UnitCase("alias", "User=daemon\n[Install]\nAlias=nick.service")], ids=by_name)
def test_a_unit_that_is_named_by_an_alias_is_the_one_that_runs(host: Host, service: Service) -> None:
    host.sh("systemctl enable w")
    result, named = host.diagnose({"unit": "nick"}), host.diagnose(service.workload)
    host.sh("systemctl disable w")
    assert named["workloads"][0]["pid"] is not None
    assert result["workloads"][0]["pid"] == named["workloads"][0]["pid"]
    assert result["findings"] == named["findings"]


@pytest.mark.parametrize("case", BROKEN, ids=by_name)
def test_the_line_that_refuses_is_named_and_lifted(host: Host, case: UnitCase, service: Service) -> None:
    assert re.search(case.symptom, service.said()), service.said()
    untouched = host.snapshot()
    result = host.diagnose(service.workload)
    assert host.snapshot() == untouched, "the diagnosis changed the host"
    assert result["findings"], result
    first = result["findings"][0]
    assert (first["cause"], first["reason"]) == (case.cause, case.reason), result["findings"]
    assert result["workloads"][0]["verdict"] == case.verdict, result
    if case.line:
        assert {"source": place_of(host, case.line), "text": case.line} in first["evidence"], first
    assert bool(first["remedy"]) == case.fix and (first["remedy"] or first["advice"]), first
    if case.fix:
        mend_and_take_back(host, case, service, first["remedy"], untouched)


@pytest.mark.parametrize(
    "case", [case for case in BROKEN if case.name in ("user", "PrivateUsers", "RestrictAddressFamilies")], ids=by_name
)
def test_a_service_that_was_not_restarted_waits(host: Host, service: Service) -> None:
    assert "refused" in service.said()
    remedy = host.diagnose(service.workload)["findings"][0]["remedy"]
    written = host.module("unit_dropin", units=remedy["variables"]["netlink_unit_units"])
    assert written["restart_required"] == [{"kind": "unit", "name": "w.service"}], written
    result = host.diagnose(service.workload)
    first = result["findings"][0]
    assert (first["cause"], first["reason"], first["pending"]) == ("unit_sandbox", "not_restarted", True), result
    assert result["workloads"][0]["verdict"] != "allowed"
    units = first["remedy"]["variables"]["netlink_unit_units"]
    assert host.module("unit_dropin", units=units, accept=first["remedy"]["consent"])["changed"]
    assert "ok" in service.said()
    assert host.diagnose(service.workload)["workloads"][0]["verdict"] == "allowed"


@pytest.mark.parametrize(
    "case", [case for case in BROKEN if case.name in ("PrivateDevices", "DevicePolicy")], ids=by_name
)
def test_a_service_that_may_open_the_device_by_now_waits_for_a_restart(
    host: Host, case: UnitCase, service: Service
) -> None:
    assert re.search(case.symptom, service.said())
    remedy = host.diagnose(service.workload)["findings"][0]["remedy"]
    assert host.module("unit_dropin", units=remedy["variables"]["netlink_unit_units"])["restart_required"]
    result = host.diagnose(service.workload)
    first = result["findings"][0]
    assert (first["cause"], first["reason"], first["pending"]) == (case.cause, case.reason, True), result
    assert result["workloads"][0]["verdict"] != "allowed"
    units = first["remedy"]["variables"]["netlink_unit_units"]
    assert host.module("unit_dropin", units=units, accept=first["remedy"]["consent"])["changed"]
    assert "ok" in service.said()
    assert host.diagnose(service.workload)["workloads"][0]["verdict"] == "allowed"


def test_a_service_of_a_users_own_manager_gets_advice(host: Host) -> None:
    host.write("/etc/systemd/system/user@.service.d/u.conf", "[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n")
    host.sh("useradd -u 1234 -m joe; mkdir -p /run/user/1234; chown 1234 /run/user/1234; systemctl daemon-reload")
    host.write("/home/joe/.config/systemd/user/mine.service", "[Service]\nExecStart=/bin/sleep infinity\n")
    host.sh("chown -R joe /home/joe; systemctl start user@1234")
    as_joe = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups", "env", "XDG_RUNTIME_DIR=/run/user/1234"]
    assert host.run([*as_joe, "systemctl", "--user", "start", "mine"]).returncode == 0
    result = host.diagnose({"unit": "mine.service"})
    host.sh(
        "systemctl stop user@1234; userdel -r joe; rm -r /etc/systemd/system/user@.service.d; systemctl daemon-reload"
    )
    first = result["findings"][0]
    assert (first["cause"], first["reason"], first["remedy"]) == ("unit_sandbox", "user_manager", None), result
    assert "system unit" in first["advice"]


def place_of(host: Host, line: str) -> str:
    """FILE:LINE of a line of the unit, as grep finds it; of the last one if it stands there twice."""
    return host.sh(
        f'grep -rHnxF -- "$1" {UNIT} $(ls -d {UNIT}.d 2>/dev/null || true) | tail -n 1 | cut -d: -f1,2', line
    ).strip()


def files(snapshot: str) -> str:
    """The part of a snapshot that no service changes by running."""
    return snapshot.partition("== network")[0]


def mend_and_take_back(host: Host, case: UnitCase, service: Service, remedy: dict[str, Any], untouched: str) -> None:
    assert remedy["role"] == "netlink_unit"
    call: dict[str, Any] = {"units": remedy["variables"]["netlink_unit_units"], "accept": ["restart"]}
    preview = host.module("unit_dropin", check=True, **call)
    assert not preview.get("failed"), preview
    assert host.snapshot() == untouched, "the preview changed the host"
    real = host.module("unit_dropin", run_id="case", **call)
    assert not real.get("failed"), real
    assert (real["changes"], real["diff"]) == (preview["changes"], preview["diff"])
    assert "ok" in service.again(), service.said()
    fixed = host.diagnose(service.workload)
    assert [finding for finding in fixed["findings"] if finding["effect"] not in ("none", "later")] == []
    assert fixed["workloads"][0]["verdict"] == "allowed", fixed
    assert not host.module("unit_dropin", **call)["changed"]

    host.run(["sh", "-c", case.again or "true"])
    back = host.module("receipt", run="latest", accept=["restart"])
    assert back.get("changed"), back
    assert re.search(case.symptom, service.again()), service.said()
    assert files(host.snapshot()) == files(untouched), "the rollback did not restore the files"
    assert not host.module("receipt", run="latest", accept=["restart"])["changed"]
