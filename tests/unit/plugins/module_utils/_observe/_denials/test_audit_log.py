# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of auditd: rotated, packed, damaged, closed, huge."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO, Optional

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials import _audit_log
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._audit_log import (
    read_audit_log,
    read_ausearch,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._text import LONGEST_LINE, lines
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

NOW = int(time.time())


def record(serial: int, when: float = NOW, profile: str = "labip") -> str:
    return (
        f'type=AVC msg=audit({when:.3f}:{serial}): apparmor="DENIED" operation="capable" class="cap" '
        f'profile="{profile}" pid=1772 comm="labip" capability=12  capname="net_admin"\n'
    )


def read(path: Path, since: float = NOW - 3600) -> tuple[list[Denial], list[Unseen], bool]:
    groups, unseen = Groups(since), list[Unseen]()
    found = read_audit_log(str(path), since, groups, unseen)
    return groups.result(unseen), unseen, found


def test_rotated_files_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_text(record(3))
    (tmp_path / "audit.log.1").write_text(record(2))
    (tmp_path / "audit.log.2.gz").write_bytes(gzip.compress(record(1).encode()))
    (tmp_path / "audit.log.old").write_text(record(9))
    (denial,), unseen, found = read(tmp_path / "audit.log")
    assert (denial.count, unseen, found) == (3, [], True)


def test_an_event_in_two_files_is_joined(tmp_path: Path) -> None:
    call = f'type=SYSCALL msg=audit({NOW}.000:5): arch=c000003e syscall=41 success=no exit=-13 pid=1772 exe="/bin/x"\n'
    (tmp_path / "audit.log.1").write_text(record(5))
    (tmp_path / "audit.log").write_text(call)
    (denial,), _unseen, _found = read(tmp_path / "audit.log")
    assert (denial.executable, denial.errno) == ("/bin/x", "EACCES")


def test_what_is_older_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_text(record(1, NOW - 7200) + record(2))
    (tmp_path / "audit.log.1").write_text(record(3, NOW - 9000))
    os.utime(tmp_path / "audit.log.1", (NOW - 8000, NOW - 8000))
    assert [denial.count for denial in read(tmp_path / "audit.log")[0]] == [1]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_text(record(1))
    (tmp_path / "audit.log.1.gz").write_bytes(gzip.compress(record(2).encode() * 999)[:-20])
    (tmp_path / "audit.log.2.gz").write_bytes(b"no gzip")
    (tmp_path / "audit.log.3.xz").write_bytes(b"")
    (tmp_path / "audit.log.4").mkdir()
    os.mkfifo(tmp_path / "audit.log.5")
    found, unseen, _there = read(tmp_path / "audit.log")
    assert found[0].count >= 1
    assert {os.path.basename(item.source) for item in unseen} == {
        *("audit.log.1.gz", "audit.log.2.gz", "audit.log.3.xz", "audit.log.4", "audit.log.5")
    }


def test_no_log_is_no_failure(tmp_path: Path) -> None:
    assert read(tmp_path / "audit.log") == ([], [], False)
    assert read(tmp_path / "none" / "audit.log") == ([], [], False)


def test_a_closed_log_is_said(tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_text(record(1))
    os.chmod(tmp_path, 0o755)
    (tmp_path / "audit.log").chmod(0o600)
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        found, unseen, _there = read(tmp_path / "audit.log")
    finally:
        if os.geteuid() != 0 and os.getuid() == 0:
            os.seteuid(0)
    assert found == [] or os.getuid() != 0
    assert os.getuid() != 0 or [item.reason for item in unseen] == ["EACCES"]


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"a" * (3 << 20) + b"\nshort\n" + b"b" * 100)
    with open(tmp_path / "x", "rb", buffering=0) as stream:
        found = list(lines(stream, 1 << 30))  # type: ignore[arg-type]
    assert [len(line) for line in found] == [LONGEST_LINE, 5, 100]


def test_no_more_is_read_than_allowed(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"line\n" * 100000)
    with open(tmp_path / "x", "rb", buffering=0) as stream:
        assert len(list(lines(stream, 1000))) == 200  # type: ignore[arg-type]


def test_a_log_that_is_too_long_says_so_packed_or_not_and_may_be_renamed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_audit_log, "MOST_BYTES", len(record(1)))
    (tmp_path / "audit.log").write_text(record(1))
    (tmp_path / "audit.log.1").write_text(record(2) + record(3))
    (tmp_path / "audit.log.2.gz").write_bytes(gzip.compress((record(4) + record(5)).encode()))
    opened = _audit_log.open_log

    def gone(path: str, unseen: list[Unseen]) -> Optional[BinaryIO]:
        stream = opened(path, unseen)
        os.unlink(path)
        return stream

    monkeypatch.setattr(_audit_log, "open_log", gone)
    (denial,), unseen, _there = read(tmp_path / "audit.log")
    assert denial.count == 3
    assert [os.path.basename(item.source) for item in unseen] == ["audit.log.2.gz", "audit.log.1"]


MEMORY = """
import resource, sys
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._audit_log import read_audit_log
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
groups, unseen = Groups(0), []
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_audit_log(sys.argv[1], 0, groups, unseen)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, sum(one.count for one in groups.result(unseen)))
"""


@pytest.mark.parametrize("subjects", [1, 10**6])
def test_memory_does_not_grow_with_the_log(tmp_path: Path, subjects: int) -> None:
    """Four times the lines, the same memory; also where each line is a denial with a subject of its own."""
    grown = []
    for count in (25000, 100000):
        path = tmp_path / f"{count}.log"
        with open(path, "w", encoding="ascii") as file:
            file.writelines(record(serial, NOW + serial, f"p{serial % subjects}") for serial in range(count))
        command = [sys.executable, "-c", MEMORY, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        kilobytes, denials = map(int, done.stdout.split())
        assert denials == count if subjects == 1 else denials >= 1000
        grown.append(kilobytes)
    assert grown[1] < grown[0] + 8000, f"{grown} KiB"
    assert grown[1] < 50 * 1024


def test_ausearch_is_asked_for_its_records_since_then() -> None:
    asked: list[list[str]] = []

    def ask(words: list[str]) -> tuple[int, str, str]:
        asked.append(words)
        return 0, record(1), ""

    groups, unseen = Groups(0), list[Unseen]()
    assert read_ausearch(ask, NOW, groups, unseen)
    assert len(groups.result(unseen)) == 1 and unseen == []
    assert time.mktime(time.strptime(" ".join(asked[0][-2:]), "%m/%d/%y %H:%M:%S")) == NOW


@pytest.mark.parametrize(("error", "answered"), [("<no matches>", True), ("Error opening config file", False)])
def test_what_ausearch_could_not_do_is_said(error: str, answered: bool) -> None:
    unseen: list[Unseen] = []
    assert read_ausearch(lambda _words: (1, "", error), NOW, Groups(0), unseen) is answered
    assert bool(unseen) is not answered


def test_what_ausearch_takes_for_malformed_is_read(tmp_path: Path) -> None:
    groups = Groups(0)
    skipped = f"Malformed event skipped, rc=9. {record(1)}"
    assert read_ausearch(lambda _words: (1, "", f"{skipped}<no matches>\n"), NOW, groups, [])
    assert [denial.subject for denial in groups.result([])] == ["labip"]
