# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the guest's kernel and the files of whole hosts are kept, and where hosts are made."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from machine import Machine

# The tests import host.py by plain name, as its command line does with debian.py.
sys.path.insert(0, str(Path(__file__).resolve().parent))


def pytest_addoption(parser: pytest.Parser) -> None:
    kept = Path(__file__).resolve().parents[2] / "build" / "lab"
    parser.addoption("--lab", type=Path, default=kept, help="directory that keeps what is downloaded (build/lab)")


@pytest.fixture(scope="session")
def places(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory for hosts, on a real filesystem: the engines' overlays cannot lie on another overlay or in memory."""
    place: Path = request.config.getoption("--lab").parent / "hosts" / str(os.getpid())
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def apparmor_guest(request: pytest.FixtureRequest, places: Path) -> Iterator[Machine]:
    """A guest with AppArmor and auditd, for all tests of a run: what they change they must take back."""
    yield from _machine(request, places, "apparmor")


@pytest.fixture(scope="session")
def selinux_guest(request: pytest.FixtureRequest, places: Path) -> Iterator[Machine]:
    """A guest with SELinux enforcing and auditd, for all tests of a run: what they change they must take back."""
    yield from _machine(request, places, "selinux")


def _machine(request: pytest.FixtureRequest, places: Path, mode: str) -> Iterator[Machine]:
    from machine import Machine

    with Machine(places / mode, request.config.getoption("--lab"), mode=mode) as machine:
        yield machine
