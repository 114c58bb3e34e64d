# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network namespace of its own for a test, with real links, and what the real ip says of it."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def ip(*arguments: str) -> None:
    """Run ip(8) in the test's namespace."""
    subprocess.run(["ip", *arguments], check=True)


def ip_json(*arguments: str) -> Any:
    """What ip(8) prints as JSON."""
    return json.loads(subprocess.run(["ip", "-j", *arguments], check=True, capture_output=True).stdout or "[]")


@pytest.fixture(name="netns")
def fixture_netns() -> Iterator[None]:
    """Run the test in a fresh network namespace that holds a pair of links v0 (down) and p0 (up)."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    if LIBC.unshare(CLONE_NEWNET) != 0:
        pytest.fail(os.strerror(ctypes.get_errno()))
    try:
        ip("link", "add", "v0", "type", "veth", "peer", "name", "p0")
        ip("link", "set", "p0", "up")
        yield
    finally:
        LIBC.setns(home, CLONE_NEWNET)
        os.close(home)
