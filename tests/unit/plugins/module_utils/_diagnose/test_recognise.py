# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of logs: what explain() knows is recognised, and what only looks like it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._explain import explain
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._recognise import recognise
from ansible_collections.netlink.remediation.plugins.module_utils._evidence import recognise_line
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._programs import may_count

THREADS = json.loads((Path(__file__).parents[4] / "cases" / "real_threads.json").read_text())["threads"]
PRINTED = [row for row in THREADS if "told" not in row]
KNOWN = {
    "RTNETLINK answers: Operation not permitted": ("ack", "EPERM", None),
    "Error: Device for nexthop is not up.": ("ack", "ENETDOWN", "route"),
    "Nexthop has invalid gateway": ("ack", "ENETUNREACH", "route"),
    "Cannot open netlink socket: Permission denied": ("socket", "EACCES", None),
    "bwrap: loopback: Failed RTM_NEWADDR: No child processes": ("ack", None, "address"),
    "netlink-cmd (NS 0) error: Permission denied, type=RTM_NEWADDR(20)": ("ack", "EACCES", "address"),
    "PermissionError: [Errno 1] Operation not permitted: netlink socket": ("unknown", "EPERM", None),
    "could not add route 10.0.0.0/8: operation not permitted": ("ack", "EPERM", None),
}


@pytest.mark.parametrize("line", KNOWN)
def test_the_words_of_a_refusal_are_recognised_as_they_are_explained(line: str) -> None:
    words, explained = recognise(line), explain(line)
    assert words is not None
    assert (words.layer, words.errno, words.operation) == KNOWN[line]
    assert (words.layer, words.errno, words.operation) == (
        explained["layer"],
        explained["errno"],
        explained["operation"],
    )


@pytest.mark.parametrize("row", PRINTED, ids=[row["id"] for row in PRINTED])
def test_what_was_printed_in_a_real_thread_is_recognised(row: dict[str, Any]) -> None:
    words = recognise(row["error_text"])
    assert words is not None and words.errno == row["errno"]
    assert words.layer == row["layer"]
    # A record of a security module is taken from the kernel, whoever repeats it.
    record = words.subject == "module_probe"
    assert (recognise_line(row["error_text"]) is None) is record
    assert record or may_count(row["error_text"])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "all is well",
        "PermissionError: [Errno 13] Permission denied: '/etc/shadow'",
        "OSError: [Errno 28] No space left on device",
        "ModuleNotFoundError: No module named 'pyroute2'",
        "Error: Unable to find a match: some-package.",
        'Error: argument "x" is wrong: "dev" is unknown',
        "rm: cannot remove 'x': Operation not permitted",
    ],
)
def test_what_only_looks_like_it_is_not(line: str) -> None:
    assert recognise(line) is None


@given(st.text())
def test_no_line_is_too_strange(line: str) -> None:
    recognise(line)
