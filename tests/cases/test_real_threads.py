# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each thread of real_threads.json is reproduced by a case of the tables or a test, or says why it cannot be."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import apparmor_situations
import container_situations
import pytest
import selinux_situations
import thread_situations
import unit_situations

ROOT = Path(__file__).resolve().parents[2]
THREADS = json.loads(Path(__file__).with_name("real_threads.json").read_text())["threads"]
TABLES: dict[str, list[Any]] = {
    "situations": thread_situations.BROKEN,
    "units": unit_situations.BROKEN,
    "containers": container_situations.BROKEN,
    "apparmor": apparmor_situations.BROKEN,
    "selinux": selinux_situations.BROKEN,
}
# These two tables are of one cause each.
CAUSE_OF_TABLE = {"apparmor": "apparmor_denied", "selinux": "selinux_denied"}

# Not one more: who adds a thread writes its case.
NOT_REPRODUCIBLE = {
    "B079",  # no cause was found
    *("B085", "B086", "B095"),  # rules of policies and profiles for files
    *("B088", "B178", "B181", "B182"),  # Android, gVisor, WSL 1
    *("B100", "B101", "B102", "B103", "B104", "B106", "B107", "B108", "B109"),  # a switch of Ubuntu's kernel
    "B110",  # no cause was found
    *("B118", "B119"),  # signed modules
    "B135",  # a mount namespace
    *("B153", "B159", "B160", "B164"),  # drivers of cards and radios
}


def reproduced() -> list[Any]:
    return [pytest.param(row, name, id=f"{row['id']}-{name}") for row in THREADS for name in row.get("case", [])]


@pytest.mark.parametrize(("row", "name"), reproduced())
def test_the_case_of_a_thread_exists_and_has_its_cause(row: dict[str, Any], name: str) -> None:
    table, _colon, case_name = name.partition(":")
    if name.startswith("tests/"):
        assert case_name[1:] in functions_of(ROOT / table)
        return
    cases = [case for case in TABLES[table] if case.name == case_name]
    assert cases, f"there is no case {name}"
    found = {(CAUSE_OF_TABLE.get(table) or case.cause, case.reason) for case in cases}
    assert {cause for cause, _reason in found} == {row["cause"]}
    if name == row["case"][0]:
        assert (row["cause"], row["reason"]) in found


def functions_of(path: Path) -> set[str]:
    """Names of the test functions of a file."""
    return {item.name for item in ast.parse(path.read_text()).body if isinstance(item, ast.FunctionDef)}


def test_every_thread_is_reproduced_or_says_why_not() -> None:
    assert all(("case" in row) != ("not_reproducible" in row) for row in THREADS)
    assert all(row["not_reproducible"].endswith(".") for row in THREADS if "not_reproducible" in row)
    assert {row["id"] for row in THREADS if "not_reproducible" in row} == NOT_REPRODUCIBLE


def test_a_text_that_no_program_printed_is_marked_as_told() -> None:
    """Texts whose layer cannot be said are those that people told in their own words, and a few of many layers."""
    several = {"B066", "B083", "B097", "B111"}
    unknown = {row["id"] for row in THREADS if row["layer"] == "unknown" and "told" not in row}
    assert unknown <= several
