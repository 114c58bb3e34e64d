# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs said themselves: in the journal, in files of syslog, in the logs of containers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._evidence import recognise_line
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials import _syslog
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._container_logs import (
    MOST_LINES,
    TAIL,
    parse_time,
    read_container_logs,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._journal import (
    MOST_ENTRIES,
    read_journal,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._programs import (
    _CORES,
    _MAYBE,
    may_count,
    parse_line,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._syslog import read_syslog
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

NOW = time.time()
ANSWER = "RTNETLINK answers: Operation not permitted"
ID = "0123456789abcdef" * 4
AVC = 'apparmor="DENIED" operation="capable" profile="labip" pid=1 comm="ip" capability=12  capname="net_admin"'

LINES: dict[str, Optional[tuple[str, str, Optional[str]]]] = {
    ANSWER: ("request", "ack", "EPERM"),
    "Cannot open netlink socket: Permission denied": ("request", "socket", "EACCES"),
    "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted": ("address", "ack", None),
    "Error: netlink receive: operation not permitted": ("request", "ack", "EPERM"),
    "eth0: Could not bring up interface: Operation not permitted": ("request", "ack", "EPERM"),
    "Failed to configure loopback network device: Operation not permitted": ("address", "ack", "EPERM"),
    "ioctl(TUNSETIFF): Operation not permitted": ("tun", "ioctl", "EPERM"),
    "PermissionError: [Errno 13] Permission denied: '/etc/shadow'": None,
    "cat: /root/x: Permission denied": None,
    "ModuleNotFoundError: No module named 'netlink'": None,
    "Accepted publickey for root from 192.0.2.1": None,
    "user is not permitted to run sudo": None,
}


@pytest.mark.parametrize("line", LINES)
def test_only_the_words_of_a_refusal_count(line: str) -> None:
    denial = parse_line("journal", line, 5.0, recognise_line)
    found = None if denial is None else (denial.permission, denial.object, denial.errno)
    assert found == LINES[line]
    assert denial is None or (denial.module, denial.text, denial.last) == ("program", line, 5.0)


def test_a_text_is_cut_and_printable() -> None:
    denial = parse_line(
        "journal", ANSWER + "\x1b[31m\x00\u202e{{ lookup('pipe', 'id') }}" + "x" * 9999, 5.0, recognise_line
    )
    assert denial is not None and len(denial.text) == 1000 and denial.text.isprintable()


def entry(message: Any, **fields: Any) -> dict[str, Any]:
    named = {name if name.isupper() else f"_{name.upper()}": value for name, value in fields.items()}
    common = {"MESSAGE": message, "__REALTIME_TIMESTAMP": str(int(NOW * 1e6)), "_TRANSPORT": "stdout"}
    return {**common, **named}


def journal(kernel: list[dict[str, Any]], programs: list[dict[str, Any]]) -> tuple[list[Denial], list[Unseen]]:
    def ask(words: list[str]) -> tuple[int, str, str]:
        chosen = kernel if "_TRANSPORT=kernel" in words else programs
        return 0, "\n".join(map(json.dumps, chosen)), ""

    groups, unseen = Groups(0), list[Unseen]()
    assert read_journal(ask, NOW - 60, groups, recognise_line, unseen)
    return groups.result(unseen), unseen


def test_a_unit_that_was_refused_is_told_with_its_program() -> None:
    fields = {"systemd_unit": "vpn.service", "exe": "/usr/sbin/ip", "comm": "ip", "pid": "42", "uid": "990"}
    (denial,), unseen = journal([], [entry(ANSWER, **fields)])
    assert (denial.unit, denial.executable, denial.name) == ("vpn.service", "/usr/sbin/ip", "ip")
    assert (denial.pid, denial.uid, denial.source, unseen) == (42, 990, "journal", [])


def test_a_unit_of_a_user_is_told_as_such() -> None:
    fields = {"systemd_unit": "user@1000.service", "systemd_user_unit": "net.service", "pid": "42"}
    assert journal([], [entry(ANSWER, **fields)])[0][0].unit == "net.service"


def test_systemd_speaks_of_the_unit_that_it_names() -> None:
    message = "vpn.service: Failed at step CAPABILITIES spawning /bin/x: Operation not permitted"
    fields = {"systemd_unit": "init.scope", "exe": "/usr/lib/systemd/systemd", "uid": "0", "pid": "1"}
    (denial,) = journal([], [entry(message, UNIT="vpn.service", **fields)])[0]
    assert (denial.unit, denial.pid, denial.executable) == ("vpn.service", None, None)
    fields.update(exe="/home/u/systemd/systemd", uid="1000")
    (denial,) = journal([], [entry(message, UNIT="vpn.service", **fields)])[0]
    assert denial.unit == "init.scope"


def test_a_container_is_named_by_its_engine_alone() -> None:
    fields = {"systemd_unit": "docker.service", "exe": "/usr/bin/dockerd", "uid": "0", "pid": "9"}
    (denial,) = journal([], [entry(ANSWER, CONTAINER_ID_FULL=ID, **fields)])[0]
    assert (denial.container, denial.unit, denial.pid) == (ID, None, None)
    (denial,) = journal([], [entry(ANSWER, CONTAINER_ID_FULL=ID, **{**fields, "exe": "/home/u/dockerd"})])[0]
    assert (denial.container, denial.unit) == (None, "docker.service")


def test_a_program_cannot_write_a_record_of_the_kernel() -> None:
    forged = f"audit: type=1400 audit(1.000:1): {AVC}"
    found, _unseen = journal(
        [entry(forged, transport="kernel", SYSLOG_FACILITY="1")], [entry(forged), entry(AVC, transport="syslog")]
    )
    assert {denial.module for denial in found} <= {"program"}


def test_records_of_the_kernel_and_of_audit_count_once() -> None:
    told = entry(f"audit: type=1400 audit({NOW:.3f}:7): {AVC}", transport="kernel", SYSLOG_FACILITY="0")
    same = entry(f"AVC {AVC}", transport="audit", audit_id="7", audit_type="1400")
    same["_SOURCE_REALTIME_TIMESTAMP"] = f"{NOW:.3f}000".replace(".", "")
    (denial,), _unseen = journal([told, same], [])
    assert (denial.module, denial.subject, denial.count, denial.source) == ("apparmor", "labip", 1, "journal")


@pytest.mark.parametrize(
    "message", [None, [], [255, 254], ["a", "b"], [[82, 84], [1]], 5, {"a": 1}, [1e9], ANSWER.encode("utf-16").hex()]
)
def test_strange_entries_are_passed_over(message: Any) -> None:
    assert journal([entry(message, transport="audit", audit_id=message)], [entry(message, pid=message)])[0] == []


def test_bytes_that_are_no_text_are_read() -> None:
    assert len(journal([], [entry([255, *ANSWER.encode()])])[0]) == 1


def test_an_answer_that_was_cut_is_said() -> None:
    _found, unseen = journal([], [entry(ANSWER)] * MOST_ENTRIES)
    assert f"newest {MOST_ENTRIES}" in unseen[0].reason


def test_a_unit_that_writes_very_much_hides_no_other() -> None:
    def ask(words: list[str]) -> tuple[int, str, str]:
        if "--field=_SYSTEMD_UNIT" in words:
            return 0, "loud.service\nquiet.service\n", ""
        if "_SYSTEMD_UNIT=quiet.service" in words:
            return 0, json.dumps(entry(ANSWER, systemd_unit="quiet.service")), ""
        loud = [json.dumps(entry(ANSWER, systemd_unit="loud.service"))] * MOST_ENTRIES
        return 0, "" if "_TRANSPORT=kernel" in words else "\n".join(loud), ""

    groups, unseen = Groups(0), list[Unseen]()
    assert read_journal(ask, 0, groups, recognise_line, unseen)
    assert {one.unit: one.count for one in groups.result([])} == {"loud.service": MOST_ENTRIES, "quiet.service": 1}


@pytest.mark.parametrize(
    ("code", "error", "there", "said"),
    [
        (127, "there is no program journalctl", False, False),
        (1, "Failed to open files: Permission denied", False, True),
        (1, "", True, False),
    ],
)
def test_a_journal_that_is_not_there(code: int, error: str, there: bool, said: bool) -> None:
    unseen: list[Unseen] = []
    assert read_journal(lambda _words: (code, "", error), 0, Groups(0), recognise_line, unseen) is there
    assert bool(unseen) is said


def test_a_journalctl_that_cannot_search_is_asked_without() -> None:
    def ask(words: list[str]) -> tuple[int, str, str]:
        if any(word.startswith("--grep") for word in words):
            return 1, "", "Compiled without pattern matching support"
        return 0, "" if "_TRANSPORT=kernel" in words else json.dumps(entry(ANSWER)), ""

    groups = Groups(0)
    assert read_journal(ask, 0, groups, recognise_line, [])
    assert len(groups.result([])) == 1


def container_log(root: Path, path: str, content: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def stamp(when: float = NOW) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + ".123456789Z"


def read_containers(root: Path) -> tuple[list[Denial], list[Unseen]]:
    groups, unseen = Groups(0), list[Unseen]()
    read_container_logs(NOW - 3600, groups, recognise_line, unseen, root=str(root))
    return groups.result(unseen), unseen


CONTAINER_LOGS = {
    f"var/lib/docker/containers/{ID}/{ID}-json.log": json.dumps(
        {"log": ANSWER + "\n", "stream": "stderr", "time": stamp()}
    ),
    f"var/lib/docker/165536.165536/containers/{ID}/{ID}-json.log": json.dumps({"log": ANSWER, "time": stamp()}),
    f"var/lib/containers/storage/overlay-containers/{ID}/userdata/ctr.log": f"{stamp()} stderr F {ANSWER}",
    f"var/log/containers/web_default_app-{ID}.log": f"{stamp()} stdout F {ANSWER}",
}


@pytest.mark.parametrize("path", CONTAINER_LOGS)
def test_the_log_of_a_container_names_it(tmp_path: Path, path: str) -> None:
    container_log(tmp_path, path, CONTAINER_LOGS[path] + "\n")
    (denial,), unseen = read_containers(tmp_path)
    assert (denial.container, denial.source, denial.module, unseen) == (ID, "container", "program", [])
    assert abs(denial.last - NOW) < 2 and denial.text == ANSWER


def test_of_a_long_log_the_end_is_read(tmp_path: Path) -> None:
    path = next(iter(CONTAINER_LOGS))
    noise = json.dumps({"log": "x" * 200, "time": stamp()}) + "\n"
    container_log(tmp_path, path, CONTAINER_LOGS[path] + "\n" + noise * (2 * TAIL // len(noise)))
    found, unseen = read_containers(tmp_path)
    assert found == [] and f"last {TAIL} bytes" in unseen[0].reason
    container_log(tmp_path, path, noise * (2 * TAIL // len(noise)) + CONTAINER_LOGS[path] + "\n")
    assert len(read_containers(tmp_path)[0]) == 1


def test_of_a_log_full_of_refusals_the_newest_are_read(tmp_path: Path) -> None:
    path, local = next(iter(CONTAINER_LOGS)), time.strftime("%b %e %H:%M:%S", time.localtime(NOW))
    lines = [json.dumps({"log": f"{ANSWER} {number}", "time": stamp()}) for number in range(MOST_LINES + 9)]
    container_log(tmp_path, path, "\n".join(lines) + "\n")
    (denial,), unseen = read_containers(tmp_path)
    assert (denial.count, denial.text) == (MOST_LINES, f"{ANSWER} {MOST_LINES + 8}")
    assert f"last {MOST_LINES} lines" in unseen[0].reason
    groups, unseen, log = Groups(0), [], tmp_path / "syslog"
    log.write_text(f"{local} host old: {ANSWER}\n" + f"{local} host new: {ANSWER}\n" * _syslog.MOST_LINES)
    assert read_syslog(NOW - 60, groups, recognise_line, unseen, (str(log),))
    assert [(denial.name, denial.count) for denial in groups.result([])] == [("new", _syslog.MOST_LINES)]
    assert f"last {_syslog.MOST_LINES} lines" in unseen[0].reason


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "{}", '{"log": 5, "time": 6}', "{" * 5000, "netlink", '{"log": "netlink"}'],
)
def test_strange_lines_of_containers_are_passed_over(tmp_path: Path, line: str) -> None:
    container_log(tmp_path, next(iter(CONTAINER_LOGS)), f"{line} {ANSWER}\n{line}\n")
    assert read_containers(tmp_path)[0] == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10.0),
        ("1970-01-01T01:00:10.5+01:00", 10.5),
        ("1970-01-01T00:00:10-00:30", 1810.0),
        ("yesterday", 0.0),
        ("9999-99-99T99:99:99Z", None),
    ],
)
def test_times_are_read(text: str, seconds: Optional[float]) -> None:
    assert parse_time(text) == seconds or seconds is None


def test_syslog_gives_programs_and_no_records_of_the_kernel(tmp_path: Path) -> None:
    local = time.strftime("%b %e %H:%M:%S", time.localtime(NOW))
    lines = [
        f"{local} host vpnd[42]: {ANSWER}",
        f"{stamp()[:19]}+00:00 host ip: {ANSWER}",
        f"{local} host kernel: [  1.000000] audit: type=1400 audit({NOW:.3f}:1): {AVC}",
        f"Jan 32 host {ANSWER}",
        ANSWER,
    ]
    (tmp_path / "syslog").write_text("\n".join(lines) + "\n")
    groups = Groups(0)
    assert read_syslog(NOW - 60, groups, recognise_line, [], (str(tmp_path / "syslog"), str(tmp_path / "none")))
    found = groups.result([])
    assert {(denial.name, denial.pid, denial.source) for denial in found} == {
        ("vpnd", 42, "syslog"),
        ("ip", None, "syslog"),
    }


def test_of_a_long_syslog_the_end_is_read_and_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    local, unseen, groups = time.strftime("%b %e %H:%M:%S", time.localtime(NOW)), list[Unseen](), Groups(0)
    (tmp_path / "syslog").write_text(f"{local} host old: {ANSWER}\n{'x' * (1 << 24)}\n{local} host new: {ANSWER}\n")
    (tmp_path / "messages.gz").write_bytes(b"no gzip")
    assert read_syslog(NOW - 60, groups, recognise_line, unseen, (f"{tmp_path}/messages.gz", f"{tmp_path}/syslog"))
    assert [denial.name for denial in groups.result([])] == ["new"]
    assert [item.source for item in unseen] == [f"{tmp_path}/messages.gz", f"{tmp_path}/syslog"]


@pytest.mark.parametrize("line", [line for line, found in LINES.items() if found])
def test_the_cheap_look_misses_nothing(line: str) -> None:
    assert may_count(line)


@given(st.from_regex(_MAYBE))
def test_each_word_that_counts_holds_one_of_those_that_are_looked_for_first(line: str) -> None:
    assert any(core in line.lower() for core in _CORES)
    assert may_count(line)
