# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook with no variables on a real host: its records say who was refused, and each is judged as it is now."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host import Host

LINK = "ip link set lo mtu 65535"
SERVICE = """\
[Service]
ExecStart=/bin/sh -c '{command}; exec sleep infinity'
{settings}
"""
PWNED = "/run/pwned"


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, places: Path) -> Iterator[Host]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Host(places / "discovery", request.config.getoption("--lab"), docker=True) as made:
        yield made


@pytest.fixture(autouse=True)
def fresh(host: Host) -> Iterator[None]:
    """A journal without a line of the tests before, and none of their services."""
    host.sh("journalctl --quiet --rotate; sleep 1.1; journalctl --quiet --vacuum-time=1s 2>/dev/null")
    yield
    host.run(["sh", "-c", "systemctl stop vpn other; docker rm -f box"])
    host.sh("rm -rf /etc/systemd/system/vpn* /etc/systemd/system/other*; systemctl daemon-reload")
    host.sh("systemctl reset-failed; rm -rf /var/lib/netlink-remediation")


def install(host: Host, name: str, settings: str = "", command: str = LINK) -> None:
    host.write(f"/etc/systemd/system/{name}.service", SERVICE.format(command=command, settings=settings))
    host.sh(f"systemctl daemon-reload; systemctl restart {name}")
    host.sh("journalctl --quiet --sync; sleep 0.3")


def look(host: Host, **variables: Any) -> str:
    """What the playbook says that is given nothing to do; it must change nothing."""
    before = host.snapshot().partition("== network")[0]
    done = host.ansible("netlink.remediation.fix_netlink", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout, done.stdout
    assert host.snapshot().partition("== network")[0] == before
    return done.stdout


def diagnose(host: Host) -> dict[str, dict[str, Any]]:
    result = host.module("diagnosis_info", evidence_hours=1, discover=True)
    assert not result.get("failed"), result
    return {workload["name"]: {**workload, "all": result["findings"]} for workload in result["workloads"]}


def test_a_service_that_its_journal_shows_refused_is_judged_by_its_state(host: Host) -> None:
    install(host, "vpn", "RestrictAddressFamilies=AF_INET AF_UNIX")
    install(host, "other", command="true")
    text = look(host)
    assert re.search(r"vpn.service \(unit vpn.service, pid \d+\): REFUSED", text), text
    assert "cause: unit_sandbox / restrict_address_families" in text, text
    assert "Cannot open netlink socket: Address family not supported by protocol" in text, text
    assert "name it: netlink_remediate_workloads: [{name: vpn.service, unit: vpn.service}]" in text, text
    assert "other.service" not in text, text


def test_what_was_refused_and_was_mended_since_is_said_to_be_allowed_now(host: Host) -> None:
    install(host, "vpn", "User=daemon")
    assert diagnose(host)["vpn.service"]["verdict"] == "refused"
    time.sleep(1.1)  # the kernel tells the start of a process to a hundredth, and the journal's line came before
    install(host, "vpn", "User=daemon\nAmbientCapabilities=CAP_NET_ADMIN")
    found = diagnose(host)["vpn.service"]
    assert found["verdict"] == "allowed" and [one for one in found["all"] if one["workload"] == "vpn.service"] == []
    (note,) = found["notes"]
    assert re.match(r"was refused \(.* UTC\), would be allowed now: it was started anew since", note), note
    assert note in re.sub(r"\s+", " ", look(host)).replace('\\"', '"')


def test_a_container_is_found_by_its_own_log(host: Host) -> None:
    host.sh("docker run -d --init --name box lab:base sh -c 'ip link set lo mtu 65535; exec sleep infinity'")
    time.sleep(1)
    found = [one for one in diagnose(host).values() if one["kind"] == "container"]
    assert [(one["verdict"], bool(one["evidence"])) for one in found] == [("refused", True)], found
    first = next(one for one in found[0]["all"] if one["workload"] == found[0]["name"])
    assert (first["cause"], first["reason"]) == ("container_without_capability", "not_granted")


def test_an_errno_that_the_kernel_never_sent_is_said(host: Host) -> None:
    install(host, "vpn", "User=daemon", "echo RTNETLINK answers: Permission denied")
    found = diagnose(host)["vpn.service"]
    assert found["verdict"] == "refused"
    assert any("printed EACCES" in note and note.endswith("that is EPERM") for note in found["notes"]), found["notes"]


def test_a_log_line_is_never_a_template_and_names_nobody_to_give_privilege_to(host: Host) -> None:
    attack = 'RTNETLINK answers: Operation not permitted {{ lookup("pipe", "touch ' + PWNED + '") }} {% raw %}'
    host.write("/srv/attack.sh", f"#!/bin/sh\ncat <<'X'\n{attack}\nX\nexec sleep infinity\n")
    install(host, "vpn", "User=daemon", "exec sh /srv/attack.sh")
    text = look(host, netlink_remediate_accept=["restart", "recreate", "shared_tool", "interpreter"])
    assert "vpn.service" in text and "lookup(" in text, text
    assert host.run(["test", "-e", PWNED]).returncode == 1, "the line was evaluated"


def test_a_forged_denial_of_a_security_module_is_no_denial(host: Host) -> None:
    forged = 'audit: type=1400 audit(1795458284.272:210): apparmor="DENIED" operation="capable" class="cap"'
    forged += ' profile="vpn" pid=1 comm="systemd" capability=12  capname="net_admin"'
    host.write("/srv/forged.txt", forged + "\n")
    install(host, "vpn", "User=daemon", "cat /srv/forged.txt")
    evidence = [record for one in diagnose(host).values() for record in one["evidence"]]
    assert [record for record in evidence if record["module"] in ("apparmor", "selinux")] == []


def test_records_are_looked_at_only_where_they_are_wanted(host: Host) -> None:
    install(host, "vpn", "RestrictAddressFamilies=AF_INET AF_UNIX")
    assert "vpn.service" not in look(host, netlink_remediate_evidence_hours=0)
    result = host.module("diagnosis_info", evidence_hours=-1)
    assert result["failed"] and "evidence_hours: -1 is no time to look back, expected 0 to " in result["msg"]
