# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the guest's kernel and the files of whole hosts are kept."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    kept = Path(__file__).resolve().parents[2] / "build" / "lab"
    parser.addoption("--lab", type=Path, default=kept, help="directory that keeps what is downloaded (build/lab)")
