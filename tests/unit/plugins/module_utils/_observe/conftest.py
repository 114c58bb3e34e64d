# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real processes for the readers to read."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest

PRELUDE = """
import ctypes, os, socket, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""
EPILOGUE = """
print("ready", *globals().get("words", ()), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def running():
    """running(code, *prefix): a Python process that has carried out the code and waits, with .words that it printed.

    The prefix is a command that executes what follows it, such as ("unshare", "-n"). The code may set `words`.
    """
    with contextlib.ExitStack() as stack:

        def start(code="", *prefix):
            child = subprocess.Popen(
                [*prefix, sys.executable, "-c", PRELUDE + code + EPILOGUE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(_end, child)
            ready, *child.words = child.stdout.readline().split()
            assert ready == "ready"
            return child

        yield start


def _end(child):
    child.kill()
    child.communicate()
