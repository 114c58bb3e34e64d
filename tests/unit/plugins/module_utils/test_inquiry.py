# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inquiry: who may not read everything is told so first."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

ASK = """
import json, os, sys
sys.path[:] = json.loads(sys.argv[1])
from ansible_collections.netlink.remediation.plugins.module_utils._inquiry import ARGUMENTS, inquire, report
os.setresuid(*[int(sys.argv[2])] * 3)
options = {name: argument.get("default") for name, argument in ARGUMENTS.items()}
print(json.dumps(report(inquire(options))["unseen"]))
"""


def unseen_as(uid: int) -> list[str]:
    command = [sys.executable, "-c", ASK, json.dumps(sys.path), str(uid)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return [f"{item['source']}: {item['reason']}" for item in json.loads(done.stdout)]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
@pytest.mark.parametrize(("uid", "told"), [(0, False), (4242, True)])
def test_who_is_not_root_is_told_to_become_root(uid, told):
    first = (unseen_as(uid) or [""])[0]
    assert first.endswith(f"this runs as uid {uid}, which may not read it: set become to true") is told
