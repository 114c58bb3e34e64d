# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the table of benchmarks: which ratio they show, and when a budget is kept."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[2] / "benchmark" / "run.py"
SPECIFICATION = importlib.util.spec_from_file_location("netlink_benchmark", RUN)
run = importlib.util.module_from_spec(SPECIFICATION)
sys.modules[SPECIFICATION.name] = run  # dataclasses look their module up
SPECIFICATION.loader.exec_module(run)


@pytest.mark.parametrize(
    ("ours", "rival", "budget", "faster", "ratio", "kept"),
    [
        (3.0, 2.0, 1.5, False, 1.5, True),
        (3.2, 2.0, 1.5, False, 1.6, False),
        (1.0, 15.0, 15, True, 15.0, True),
        (1.0, 14.0, 15, True, 14.0, False),
    ],
)
def test_a_budget_is_kept_up_to_and_with_its_ratio(ours, rival, budget, faster, ratio, kept):
    row = run.Row("work", "rival", ours, rival, budget, faster)
    assert row.ratio == pytest.approx(ratio)
    assert row.kept is kept
    assert row.line().endswith("| yes |" if kept else "| **no** |")


def test_the_least_time_is_taken_of_functions_that_take_turns():
    calls = []
    times = run.best(lambda: calls.append("ours"), lambda: calls.append("rival"), rounds=3)
    assert calls == ["ours", "rival"] * 3
    assert all(0 <= seconds < 1 for seconds in times)


def test_newer_rows_replace_the_older_ones_and_keep_the_order_of_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "BUILD", tmp_path)
    (tmp_path / "bench").mkdir()
    rows = {
        name: run.Row(name, "rival", seconds, 1.0, 1.0, False) for name, seconds in (("links", 1.0), ("files", 2.0))
    }
    run.keep("files", [rows["files"]])
    run.keep("links", [run.Row("links", "rival", 9.0, 1.0, 1.0, False)])
    assert run.keep("links", [rows["links"]]) == [rows["links"], rows["files"]]
