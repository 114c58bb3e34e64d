# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases import their helpers by plain name, whatever directory pytest runs from; and where whole hosts are kept."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]


@pytest.fixture(scope="session")
def lab() -> Path:
    """Where the files of Debian are kept."""
    from host import kept

    return kept()


@pytest.fixture(scope="session")
def places(lab: Path) -> Iterator[Path]:
    """A directory for hosts, on a real filesystem: the engines' overlays cannot lie on another overlay or in memory."""
    place = lab.parent / "hosts" / str(os.getpid())
    yield place
    shutil.rmtree(place, ignore_errors=True)
