# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Error messages: every wording that was measured or reported is understood, and hostile text does no harm."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._explain import ECHO_LIMIT, explain
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._meanings import CAUSES
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._recognise import recognise
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._wordings import LAYERS, SUBJECTS, WORDINGS

WORDS = Path(__file__).with_name("wordings")
MEASURED = json.loads((WORDS / "measured.json").read_text())["rows"]
THREADS = json.loads((WORDS.parents[4] / "cases" / "real_threads.json").read_text())["threads"]
# The numbers of the catalogue; 3e is a kernel that takes signed modules only.
BY_NUMBER = {
    "1": "missing_capability",
    "1b": "file_capability_void",
    "2": "container_without_capability",
    "2b": "unit_sandbox",
    "3a": "selinux_denied",
    "3b": "apparmor_denied",
    "3c": "userns_restricted",
    "3d": "seccomp_denied",
    "3e": "module_missing",
    "4": "sysctl",
    "5": "foreign_netns",
    "6": "link_state",
    "7": "driver_refused",
    "8": "module_missing",
    "9": "already_exists",
    "10": "platform_refuses",
}
# A container without /dev/net/tun lacks no capability: the catalogue has it as module_missing, tun_node_missing.
OTHER_ENTRY = ("B059",)
COLLECTED = [{**row, "message": row["error_text"]} for row in THREADS]

# Words that fit several layers: the answer says all of them, the measured one among them.
AMBIGUOUS = re.compile(
    r"pyroute2: (?:PermissionError|OSError)\((?!.*Errno 97)"
    r"|(?:PermissionError|OSError): \[Errno (?:1|13|16|22)\] [\w ]+$"
    r"|pyroute2\.netlink\.exceptions\.NetlinkError \(1, 'Operation not permitted'\)"  # also for a TUN ioctl
    r"|genl family NLBL_MGMT"  # the kernel's ENOENT, in the words of a client
    r"|setns: Operation not permitted"  # the last line of an unshare() that failed
)
NO_NETLINK = ("client", "not_netlink")


def causes(rows):
    return [row["cause"] for row in rows]


def names(rows):
    return [f"{index}-{row['message'][:50]}" for index, row in enumerate(rows)]


def contexts(row):
    """What may be given along with the message: nothing, what strace saw, the kernel's text."""
    yield {}
    if "errno" in row:
        yield {"error": row["errno"]}
    if "extack" in row:
        yield {"extack": row["extack"]}
        yield {"error": row["errno"], "extack": row["extack"]}


@pytest.mark.parametrize("row", MEASURED + COLLECTED, ids=names(MEASURED + COLLECTED))
def test_true_cause_is_possible_and_never_ruled_out(row):
    for context in contexts(row):
        answer = explain(row["message"], **context)
        assert row["cause"] in causes(answer["can_mean"]), context
        assert row["cause"] not in causes(answer["rules_out"]), context


@pytest.mark.parametrize("row", MEASURED, ids=names(MEASURED))
def test_measured_layer_is_told(row):
    answer = explain(row["message"])
    measured = row.get("layer")
    if measured is None:
        return  # nothing was measured: a program that failed before it asked the kernel
    if AMBIGUOUS.match(row["message"]):
        assert measured in answer["layers"]
        assert len(answer["layers"]) > 1
    elif measured in NO_NETLINK:
        assert answer["layer"] in (*NO_NETLINK, "unknown")
    else:
        assert answer["layer"] == measured


@pytest.mark.parametrize("row", MEASURED, ids=names(MEASURED))
def test_errno_is_the_kernels_or_none(row):
    # A program that prints a wrong one gets none, and one that is given counts.
    answer = explain(row["message"])
    if "errno" in row:
        assert answer["errno"] in (row["errno"], None)
        assert explain(row["message"], row["errno"])["errno"] == row["errno"]


@pytest.mark.parametrize("row", THREADS, ids=[row["id"] for row in THREADS])
def test_a_real_thread_is_understood(row):
    answer = explain(row["error_text"])
    assert (answer["layer"], answer["errno"]) == (row["layer"], row["errno"])
    possible = {item["cause"]: item["reasons"] for item in answer["can_mean"]}
    assert row.get("reason") in (None, *possible[row["cause"]]) or not possible[row["cause"]]
    threads_own = BY_NUMBER[row["category"]]
    assert threads_own in possible or row["id"] in OTHER_ENTRY
    assert threads_own not in causes(answer["rules_out"]) or row["id"] in OTHER_ENTRY


def test_all_real_threads_are_there_once():
    assert len({row["id"] for row in THREADS}) == len(THREADS) == 126


@pytest.mark.parametrize("row", [row for row in THREADS if "told" not in row], ids=lambda row: row["id"])
def test_what_a_program_printed_is_recognised_in_a_log_as_well(row):
    found = recognise(row["error_text"])
    assert found is not None
    assert found.errno == row["errno"]
    assert row["layer"] in (found.layer, *SUBJECTS[found.subject])


@pytest.mark.parametrize("row", MEASURED + COLLECTED, ids=names(MEASURED + COLLECTED))
def test_answer_has_its_shape(row):
    answer = explain(row["message"])
    assert answer["layer"] in LAYERS
    assert set(answer["layers"]) <= set(LAYERS) - {"unknown"}
    assert answer["next"]
    assert answer["summary"].endswith(".")
    assert set(causes(answer["can_mean"]) + causes(answer["rules_out"])) <= set(CAUSES)
    assert not set(causes(answer["can_mean"])) & set(causes(answer["rules_out"]))
    assert json.loads(json.dumps(answer)) == answer


def test_bare_eperm_in_the_ack_is_privilege():
    answer = explain("RTNETLINK answers: Operation not permitted")
    assert (answer["layer"], answer["errno"], answer["program"]) == ("ack", "EPERM", "iproute2")
    assert answer["can_mean"][0]["cause"] == "missing_capability"
    assert {"sysctl", "already_exists", "module_missing", "seccomp_denied"} <= set(causes(answer["rules_out"]))


@pytest.mark.parametrize(
    ("message", "given"),
    [
        ("Error: Device can not be enslaved while up.", {}),
        ("NetlinkError(1, 'Device can not be enslaved while up')", {}),
        ("RTNETLINK answers: Operation not permitted", {"extack": "Device can not be enslaved while up"}),
        (
            "platform-linux: do-change[7]: failure 1 (Operation not permitted - Device is up. Set it down)",
            {},
        ),
    ],
)
def test_eperm_with_a_text_of_the_kernel_is_state(message, given):
    answer = explain(message, **given)
    assert answer["layer"] == "ack"
    assert answer["can_mean"][0]["cause"] == "link_state"
    assert {"missing_capability", "container_without_capability"} <= set(causes(answer["rules_out"]))


def test_strerror_given_as_extack_is_no_extack():
    assert explain("RTNETLINK answers: Operation not permitted", extack="Operation not permitted") == explain(
        "RTNETLINK answers: Operation not permitted"
    )


def test_unknown_text_of_the_kernel_is_still_no_missing_capability():
    answer = explain("NetlinkError(1, 'Frobnication needs a full moon')")
    assert "link_state" in causes(answer["can_mean"])
    assert "missing_capability" in causes(answer["rules_out"])


def test_eacces_in_the_ack_is_ipv6_not_capability():
    answer = explain("RTNETLINK answers: Permission denied")
    assert answer["can_mean"][0] == {
        "cause": "sysctl",
        "reasons": ["ipv6_disabled", "ipv6_off_at_boot"],
        "why": answer["can_mean"][0]["why"],
    }
    assert "missing_capability" in causes(answer["rules_out"])


def test_stale_errno_of_bubblewrap_is_not_believed():
    stale = explain("bwrap: loopback: Failed RTM_NEWADDR: No child processes")
    assert stale["errno"] is None
    assert "userns_restricted" in causes(stale["can_mean"])
    known = explain("bwrap: loopback: Failed RTM_NEWADDR: No child processes", "EPERM")
    assert (known["errno"], known["can_mean"][0]["cause"]) == ("EPERM", "userns_restricted")


def test_procps_words_a_read_only_mount_like_a_refusal():
    answer = explain('sysctl: permission denied on key "net.ipv4.ip_forward"')
    assert answer["errno"] is None
    assert {"sysctl", "missing_capability", "foreign_netns"} <= set(causes(answer["can_mean"]))
    read_only = explain('sysctl: permission denied on key "net.ipv4.ip_forward"', "EROFS")
    assert causes(read_only["can_mean"]) == ["sysctl", "unit_sandbox"]


def test_unsupported_address_family_is_the_units_sandbox():
    answer = explain("Cannot open netlink socket: Address family not supported by protocol")
    assert answer["layer"] == "socket"
    assert answer["can_mean"][0]["reasons"] == ["restrict_address_families"]
    assert "missing_capability" in causes(answer["rules_out"])


def test_sys_module_denied_to_ip_is_noise():
    answer = explain('apparmor="DENIED" operation="capable" comm="ip" capability=16  capname="sys_module"')
    assert answer["can_mean"][0]["cause"] == "unknown"


@pytest.mark.parametrize(
    ("line", "layer", "cause"),
    [
        ('apparmor="DENIED" operation="capable" class="cap" profile="p" capname="net_admin"', "ack", "apparmor_denied"),
        (
            'apparmor="DENIED" operation="create" class="net" profile="p" family="netlink" sock_type="raw"',
            "socket",
            "apparmor_denied",
        ),
        ('apparmor="DENIED" operation="userns_create" class="namespace"', "unshare", "apparmor_denied"),
        ("avc:  denied  { net_admin } for  pid=9 tclass=capability permissive=0", "ack", "selinux_denied"),
        ("avc:  denied  { create } for  pid=9 tclass=netlink_route_socket permissive=0", "socket", "selinux_denied"),
        ("avc:  denied  { bind } for  pid=9 tclass=netlink_route_socket permissive=0", "bind", "selinux_denied"),
        ("avc:  denied  { nlmsg_write } for  pid=9 tclass=netlink_route_socket", "send", "selinux_denied"),
        ("audit: type=1326 audit(1:2): pid=9 syscall=41 code=0x7ffc0000", "unknown", "seccomp_denied"),
    ],
)
def test_denials_of_security_modules_are_understood(line, layer, cause):
    answer = explain(line)
    assert (answer["layer"], answer["can_mean"][0]["cause"]) == (layer, cause)


@pytest.mark.parametrize(
    ("line", "layer", "error"),
    [
        (
            "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = -1 EAFNOSUPPORT (Address",
            "socket",
            "EAFNOSUPPORT",
        ),
        (
            "bind(3, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = -1 EACCES (Permission denied)",
            "bind",
            "EACCES",
        ),
        ("sendmsg(3, {msg_name={sa_family=AF_NETLINK}}, 0) = -1 EACCES (Permission denied)", "send", "EACCES"),
        (
            "[{nlmsg_len=36, nlmsg_type=NLMSG_ERROR, nlmsg_flags=0}, {error=-EPERM, msg=[{nlmsg_len=32}]}]",
            "ack",
            "EPERM",
        ),
        ('openat(AT_FDCWD, "/dev/net/tun", O_RDWR) = -1 ENOENT (No such file or directory)', "open", "ENOENT"),
        ("ioctl(3, TUNSETIFF, 0x7ffd) = -1 EPERM (Operation not permitted)", "ioctl", "EPERM"),
        ("setns(3, CLONE_NEWNET) = -1 EPERM (Operation not permitted)", "setns", "EPERM"),
        ("unshare(CLONE_NEWUSER) = -1 ENOSPC (No space left on device)", "unshare", "ENOSPC"),
        ('execve("/opt/agent", ["agent"], 0x7f) = -1 EPERM (Operation not permitted)', "execve", "EPERM"),
    ],
)
def test_lines_of_strace_are_understood(line, layer, error):
    answer = explain(line)
    assert (answer["layer"], answer["errno"]) == (layer, error)


def test_first_failing_line_of_a_log_counts():
    log = "starting\nCannot open netlink socket: Permission denied\nRTNETLINK answers: File exists\nexit 1"
    assert (explain(log)["layer"], explain(log)["errno"]) == ("socket", "EACCES")


def test_words_of_a_ticket_order_the_causes_but_rule_out_none():
    answer = explain("the stack ignores cap_add")
    assert answer["layer"] == "unknown"
    assert answer["can_mean"][0]["cause"] == "container_without_capability"
    assert answer["rules_out"] == []


@pytest.mark.parametrize(
    ("error", "name"),
    [
        ("EPERM", "EPERM"),
        ("eperm", "EPERM"),
        (1, "EPERM"),
        ("1", "EPERM"),
        ("-13", "EACCES"),
        (95, "EOPNOTSUPP"),
        ("ENOTSUP", "EOPNOTSUPP"),
        ("", None),
        (None, None),
    ],
)
def test_errno_is_a_name_or_a_number(error, name):
    assert explain("it failed", error)["errno"] == name


@pytest.mark.parametrize(
    ("message", "context", "said"),
    [
        ("", {}, "message is empty"),
        (" \n\t\x1b[0m ", {}, "message is empty"),
        (None, {}, "message: expected a text, got NoneType"),
        (7, {}, "message: expected a text, got int"),
        ("x", {"error": "EWHAT"}, "errno 'EWHAT' is unknown: expected a name such as EPERM or its number such as 1"),
        ("x", {"error": "9999"}, "errno '9999' is unknown"),
        ("x", {"error": 0}, "errno '0' is unknown"),
        ("x", {"error": True}, "errno: expected a name or a number, got bool"),
        ("x", {"error": [1]}, "errno: expected a name or a number, got list"),
        ("x", {"extack": 5}, "extack: expected a text, got int"),
        ("x", {"error": "E\x1b[31m\n" + "A" * 5000}, "errno 'E [31m AAAA"),
    ],
)
def test_bad_input_gets_one_clear_sentence(message, context, said):
    with pytest.raises(ValueError) as caught:
        explain(message, **context)
    assert str(caught.value).startswith(said)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()


def strings(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


SECRET = "S3CRET"


@pytest.mark.parametrize(
    "hostile",
    [
        "RTNETLINK answers: Operation not permitted " + SECRET,
        f"NetlinkError(1, '{'x' * ECHO_LIMIT}{SECRET}')",
        f"{{{{ lookup('pipe', 'id') }}}} {SECRET}",
        f'sysctl: permission denied on key "{SECRET}"',
    ],
)
def test_foreign_text_does_not_come_back(hostile):
    assert SECRET not in json.dumps(explain(hostile))


def test_kernel_text_comes_back_short_and_printable():
    answer = explain("RTNETLINK answers: x", extack="Bad\x1b[31m\u202e\nthing " + "y" * 5000)
    assert '"Bad' in answer["summary"]
    assert all(text.isprintable() for text in strings(answer))
    assert len(answer["summary"]) < ECHO_LIMIT + 120


fragments = st.sampled_from([row["message"] for row in MEASURED + COLLECTED])
texts = st.one_of(st.text(), st.lists(st.one_of(st.text(max_size=30), fragments), max_size=8).map(" ".join), fragments)


@settings(max_examples=400, deadline=None)
@given(texts, st.sampled_from([None, "EPERM", "EACCES", 17, ""]), st.one_of(st.none(), texts))
@example("\ud800", None, None)
def test_any_text_gets_an_answer(message, error, extack):
    try:
        answer = explain(message, error, extack)
    except ValueError as refused:
        assert "message is empty" in str(refused)
        return
    assert answer["layer"] in LAYERS
    assert not set(causes(answer["can_mean"])) & set(causes(answer["rules_out"]))
    assert all(text.isprintable() and len(text) < 300 for text in strings(answer))


PATHOLOGICAL = [
    "a", " x", "\nx", "mount ", 'argument "', "env: '", "bash: line 1: ", "/a.", "could not add a ", "avc:  denied ",
    'apparmor="DENIED" ', "NetlinkError(1, '", "failure 1 (a", "bind(AF_NETLINK", "sendmsg(", "= -1 ", "error ",
    "socket(AF_NETLINK", "Error: A", "cap_net_admin+", "RTM_NEW", "openat(/dev/net/tun", "\x1b[31m;",
]  # fmt: skip


@pytest.mark.parametrize("piece", PATHOLOGICAL)
def test_a_megabyte_costs_no_more_than_what_is_read_of_it(piece):
    # Not a stopwatch: a pattern with nested repetition would take hours here, a linear one a fraction of a second.
    begin = time.monotonic()
    explain(piece * (1_000_000 // len(piece)) + "x")
    assert time.monotonic() - begin < 10


def test_end_of_a_long_log_is_read_too():
    assert explain("noise\n" * 200_000 + "RTNETLINK answers: File exists")["errno"] == "EEXIST"


def test_no_pattern_repeats_without_bound():
    for wording in WORDINGS:
        source = wording.pattern.pattern.replace(r"\*", "").replace(r"\+", "")
        for escaped in ("[\\w.+-]", "[\\w./+-]"):
            source = source.replace(escaped, "")
        assert "*" not in source and "+" not in source, wording.pattern.pattern
