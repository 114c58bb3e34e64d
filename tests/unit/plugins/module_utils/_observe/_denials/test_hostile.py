# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a log holds: no exception, no unbounded time, and nothing that the kernel did not say."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._evidence import recognise_line
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._audit import Events
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._kernel_log import KernelLog
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._programs import parse_line
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._records import parse_record
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._syslog import _line
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._plain import from_plain, to_plain

HEAD = "type=AVC msg=audit(1795458249.211:189): "
WORDS = [
    *('apparmor="DENIED"', "apparmor=", 'operation="capable"', 'operation="create"', 'capname="net_admin"', "pid=7"),
    *('family="netlink"', 'comm="ip"', "comm=6970", "comm=", 'comm="', 'profile="x"', "avc:  denied ", "{ create }"),
    *(
        "{ nlmsg_write bind }",
        "for ",
        "tclass=netlink_route_socket",
        "tclass=capability",
        "scontext=a:b:c:d",
        "permissive=1",
    ),
    *(
        "syscall=41",
        "arch=c000003e",
        "code=0x80000000",
        "sig=31",
        "auid=0",
        "exe=",
        "\x1d",
        "\x00",
        '"',
        "=",
        "\\",
        "é",
    ),
]
BODIES = st.lists(st.sampled_from(WORDS) | st.text(max_size=12), max_size=14).map(" ".join)
HEADS = st.sampled_from(
    [
        HEAD,
        "type=SYSCALL msg=audit(1795458249.211:189): ",
        "type=1326 msg=audit(1.000:1): ",
        "node=a " + HEAD,
        "type=AVC ",
        "",
    ]
)


def kept(groups: Groups) -> list[Denial]:
    """The result, which must be fit to be shown and to be sent."""
    found = groups.result([])
    for denial in found:
        plain = to_plain(denial)
        assert from_plain(Denial, plain) == denial
        for value in plain.values():
            assert not isinstance(value, str) or (value.isprintable() and len(value) <= 4096)
        assert len(denial.text) <= 1000
    return found


@given(st.lists(st.tuples(HEADS, BODIES), max_size=12))
def test_no_audit_line_is_too_strange(lines: list[tuple[str, str]]) -> None:
    groups = Groups(0)
    events = Events(groups, "audit")
    for head, body in lines:
        for line in f"{head}{body}".encode("utf-8", "surrogatepass").split(b"\n"):
            events.line(line)
    events.end()
    kept(groups)


@given(BODIES)
def test_only_records_of_netlink_are_told(body: str) -> None:
    for denial in parse_record(body):
        words = f"{denial.permission} {denial.object}"
        assert any(word in words for word in ("net", "sys_", "userns", "tun", "socket", "user_namespace", "filter"))


@given(st.sampled_from(["audit: type=1400 audit(1.000:2): ", "type=1326 audit(1.000:2): ", ""]), BODIES | st.text())
def test_no_message_of_the_kernel_is_too_strange(head: str, body: str) -> None:
    groups = Groups(0)
    log = KernelLog(groups)
    log.message(head + body)
    log.end([])
    kept(groups)


@given(st.text(max_size=60))
def test_what_a_program_calls_itself_forges_no_field(name: str) -> None:
    """The kernel writes a name with a blank, a quote or anything odd in it as digits."""
    raw = name.encode("utf-8", "surrogatepass")[:15].replace(b"\0", b"")
    plain = raw.isascii() and all(33 <= byte <= 126 and byte != 34 for byte in raw)
    written = f'"{raw.decode()}"' if plain and raw else raw.hex().upper()
    body = f'apparmor="DENIED" operation="capable" profile="labip" pid=5 comm={written} capability=0  capname="chown"'
    assert parse_record(body) == []
    (denial,) = parse_record(body.replace("chown", "net_admin"))
    assert (denial.subject, denial.pid, denial.permission) == ("labip", 5, "net_admin")


@given(st.sampled_from([HEAD, "audit: type=1400 audit(1.000:2): "]), BODIES)
def test_a_program_that_prints_a_record_is_a_program(head: str, body: str) -> None:
    denial = parse_line("journal", f'{head}apparmor="DENIED" {body}', 1.0, recognise_line)
    assert denial is None or (denial.module, denial.subject) == ("program", None)


@given(
    st.text(max_size=300)
    | st.from_regex(r"[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} \w+ \w+\[\d+\]: netlink.*", fullmatch=True)
)
def test_no_line_of_syslog_is_too_strange(line: str) -> None:
    groups = Groups(-1)
    _line(line, -1, groups, recognise_line)
    kept(groups)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([*WORDS, "netlink ", "a=", "RTNETLINK ", "\\x"]), st.sampled_from(["", " ", '"', "=", "{"]))
def test_time_grows_with_the_length_alone(word: str, between: str) -> None:
    """A line four times as long may not take sixteen times as long. The floor keeps noise of the clock out."""
    times = []
    for length in (4000, 16000):
        line = (HEAD + 'apparmor="DENIED" ' + (word + between) * length)[:length]
        best = min(_seconds(line) for _round in range(3))
        times.append(max(best, 0.002))
    assert times[1] < 12 * times[0]


def _seconds(line: str) -> float:
    start = time.process_time()
    events = Events(Groups(0), "audit")
    events.line(line.encode())
    events.end()
    parse_line("journal", line, 1.0, recognise_line)
    return time.process_time() - start
