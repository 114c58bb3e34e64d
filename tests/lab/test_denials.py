# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""denial_info on a whole host: what services and containers said, with unit, program and container."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from host import Host

LINK = "ip link set lo mtu 65535"
NOT_PERMITTED = "RTNETLINK answers: Operation not permitted"


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, places: Path) -> Iterator[Host]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Host(places / "denials", request.config.getoption("--lab"), docker=True) as made:
        made.sh("useradd --uid 1234 joe; systemctl log-target journal")
        yield made


@pytest.fixture(autouse=True)
def fresh(host: Host) -> Iterator[None]:
    """A journal without a line of the tests before."""
    host.sh("journalctl --quiet --rotate; sleep 1.1; journalctl --quiet --vacuum-time=1s 2>/dev/null")
    yield
    host.run(["sh", "-c", "systemctl stop u; docker rm -f box; podman rm -f box"])
    host.sh("rm -rf /etc/systemd/system/u.service*; systemctl daemon-reload; systemctl reset-failed")


def serve(host: Host, command: str, *settings: str) -> None:
    """Run a service to its end."""
    lines = ["[Service]", "Type=oneshot", f"ExecStart={command}", *settings]
    host.write("/etc/systemd/system/u.service", "\n".join(lines) + "\n")
    host.run(["sh", "-c", "systemctl daemon-reload; systemctl start u; journalctl --quiet --sync"])


def told(host: Host, **options: Any) -> list[dict[str, Any]]:
    result = host.module("denial_info", since="1h", sources=["journal", "containers"], **options)
    assert not result.get("failed"), result
    found: list[dict[str, Any]] = result["denials"]
    return found


SERVICES: dict[str, tuple[str, list[str], Optional[tuple[str, Optional[str]]]]] = {
    "without privilege": (f"/usr/sbin/{LINK}", ["User=joe"], ("ack", "EPERM")),
    "without the family of addresses": (
        f"/usr/sbin/{LINK}",
        ["RestrictAddressFamilies=AF_INET AF_UNIX"],
        ("socket", "EAFNOSUPPORT"),
    ),
    "without the capability": (f"/usr/sbin/{LINK}", ["CapabilityBoundingSet=~CAP_NET_ADMIN"], ("ack", "EPERM")),
    "that systemd cannot start": (
        "/usr/local/bin/capped",
        ["User=joe", "CapabilityBoundingSet=~CAP_NET_ADMIN"],
        ("execve", "EPERM"),
    ),
    "that is healthy": (f"/usr/sbin/{LINK}", [], None),
    "that fails otherwise": ("/bin/cat /nonexistent /etc/shadow", ["User=joe"], None),
}


@pytest.mark.parametrize("what", SERVICES)
def test_what_a_service_said_is_told_with_its_unit(host: Host, what: str) -> None:
    host.sh("cp -f /bin/true /usr/local/bin/capped; setcap cap_net_admin+ep /usr/local/bin/capped")
    command, settings, expected = SERVICES[what]
    serve(host, command, *settings)
    found = told(host)
    if expected is None:
        assert found == []
        return
    assert found, host.sh("journalctl -u u --no-pager")
    assert {(item["object"], item["errno"]) for item in found} == {expected}
    assert {(item["module"], item["source"]) for item in found} == {("program", "journal")}
    # A child that fails before its execve(2) may be gone before journald has looked whose it is.
    assert {item["unit"] for item in found} <= {"u.service", None if expected[0] == "execve" else "u.service"}
    if expected[0] != "execve":
        (denial,) = found
        # journald looks at a process when it reads its line; by then this one may be gone.
        assert denial["executable"] in (None, host.sh("readlink -f /usr/sbin/ip").strip())
        assert denial["name"] in (None, "ip")
        assert denial["uid"] == (1234 if "User=joe" in settings else 0)
        assert denial["pid"] > 1 and abs(denial["last"] - time.time()) < 60


def test_filters_name_whom_to_tell(host: Host) -> None:
    serve(host, f"/usr/sbin/{LINK}", "User=joe")
    assert len(told(host, units=["u"])) == 1
    assert told(host, units=["other"]) == []
    serve(host, f"/bin/sh -c 'echo {NOT_PERMITTED}; sleep 0.5'", "User=joe")
    shell = host.sh("readlink -f /bin/sh").strip()
    assert len(told(host, units=["other"], executables=[shell])) == 1


def test_a_program_cannot_forge_a_record_of_the_kernel(host: Host) -> None:
    record = 'apparmor="DENIED" operation="capable" profile="x" pid=1 comm="ip" capability=12  capname="net_admin"'
    line = f"audit: type=1400 audit({time.time():.3f}:1): {record}"
    host.sh('logger -t kernel "$1"; echo "$1" | systemd-cat -t audit', line)
    fields = f"MESSAGE={NOT_PERMITTED}\n_TRANSPORT=kernel\nCONTAINER_ID_FULL={'f' * 64}\nUNIT=sshd.service\n"
    host.run(["logger", "--journald"], stdin=fields)
    host.sh("journalctl --quiet --sync")
    found = told(host)
    assert {item["module"] for item in found} <= {"program"}
    assert {item["container"] for item in found} == {None} and "sshd.service" not in {item["unit"] for item in found}


def test_a_line_with_templates_and_escapes_comes_as_plain_text(host: Host) -> None:
    host.sh('printf "%s" "$1" | systemd-cat', f"\x1b[31m{NOT_PERMITTED} {{{{ lookup('pipe', 'id') }}}}\x07")
    host.sh("journalctl --quiet --sync")
    (denial,) = told(host)
    assert denial["text"].isprintable() and "lookup('pipe', 'id')" in denial["text"]


def test_a_container_of_docker_is_told_by_its_log(host: Host) -> None:
    host.sh("docker run --name box lab:base sh -c 'ip link set lo mtu 65535' 2>&1 || :")
    identifier = host.sh("docker inspect --format '{{.Id}}' box").strip()
    (denial,) = [item for item in told(host) if item["container"]]
    assert (denial["container"], denial["source"], denial["object"]) == (identifier, "container", "ack")
    assert denial["text"].endswith("Operation not permitted")
    assert told(host, containers=[identifier[:12]]) == [denial]


@pytest.mark.parametrize("driver", ["journald", "k8s-file"])
def test_a_container_of_an_engine_without_such_files_is_told_too(host: Host, driver: str) -> None:
    if driver == "journald":
        host.sh("docker run --name box --log-driver journald lab:base sh -c 'ip link set lo mtu 65535' 2>&1 || :")
        identifier = host.sh("docker inspect --format '{{.Id}}' box").strip()
    else:
        path = f"/var/lib/containers/storage/overlay-containers/{'a' * 64}/userdata/ctr.log"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000000+00:00", time.gmtime())
        host.sh('mkdir -p "$(dirname "$1")"', path)
        host.write(path, f"{stamp} stderr F {NOT_PERMITTED}\n")
        identifier = "a" * 64
    host.sh("journalctl --quiet --sync; sleep 0.5")
    found = [item for item in told(host) if item["container"] == identifier]
    host.sh("rm -rf /var/lib/containers/storage/overlay-containers/aaaa*")
    assert len(found) == 1 and found[0]["unit"] is None


def test_without_a_journal_syslog_is_read(host: Host) -> None:
    log = "/var/log/syslog"
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000+00:00", time.gmtime())
    host.sh(
        "mkdir -p /run/kept; for d in /var/log/journal /run/log/journal; do [ ! -e $d ] || mount -t tmpfs none $d; done"
    )
    host.write(log, f"{stamp} lab vpnd[77]: {NOT_PERMITTED}\n")
    try:
        (denial,) = told(host)
    finally:
        host.sh("umount /var/log/journal /run/log/journal 2>/dev/null || :; rm -f /var/log/syslog")
    assert (denial["source"], denial["name"], denial["pid"]) == ("syslog", "vpnd", 77)


def test_what_the_module_says_is_json_whatever_was_logged(host: Host) -> None:
    host.sh("printf 'RTNETLINK answers: \\377\\200 Operation not permitted' | systemd-cat; journalctl --quiet --sync")
    assert json.dumps(told(host))


def test_a_unit_that_writes_very_much_hides_no_other(host: Host) -> None:
    serve(host, f"/usr/sbin/{LINK}", "User=joe")
    loud = "yes RTNETLINK answers: Permission denied | head -n 6000"
    host.sh('systemd-run --quiet --wait --unit=loud -p LogRateLimitBurst=0 sh -c "$1"; journalctl --sync', loud)
    result = host.module("denial_info", since="1h", sources=["journal"])
    assert {item["unit"] for item in result["denials"]} == {"u.service", "loud.service"}
    assert any("newest 5000 entries" in item["reason"] for item in result["unseen"])
