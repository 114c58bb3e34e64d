# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""denial_info: what it returns is documented, and bad input is one sentence."""

from __future__ import annotations

import json
import time
from dataclasses import fields

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.netlink.remediation.plugins.module_utils._denial_info import ARGUMENTS, seconds_of
from ansible_collections.netlink.remediation.plugins.module_utils._observe._tracepoint import Live
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.modules import denial_info

RETURNED = yaml.safe_load(denial_info.RETURN)
OPTIONS = yaml.safe_load(denial_info.DOCUMENTATION)["options"]


def call(capsys, **arguments):
    with patch_module_args(arguments), pytest.raises(SystemExit):
        denial_info.main()
    return json.loads(capsys.readouterr().out)


def test_return_values_are_those_of_the_dataclasses():
    assert set(RETURNED["denials"]["contains"]) == {item.name for item in fields(Denial)}
    assert set(RETURNED["live"]["contains"]) == {item.name for item in fields(Live)} - {"denials"}


def test_options_are_those_of_the_argument_spec():
    assert set(OPTIONS) == set(ARGUMENTS)
    for name, option in OPTIONS.items():
        assert option.get("default") == ARGUMENTS[name]["default"]
        assert option.get("choices") == ARGUMENTS[name].get("choices")


@pytest.fixture
def log(tmp_path):
    """An audit log with a denial of each of two programs, one an hour old."""
    lines = []
    for serial, (age, name) in enumerate([(3600, "old"), (60, "new")]):
        when = time.time() - age
        lines.append(
            f'type=AVC msg=audit({when:.3f}:{serial}): apparmor="DENIED" operation="capable" profile="{name}" '
            f'pid={serial + 70} comm="{name}" capability=12  capname="net_admin"\n'
            f"type=SYSCALL msg=audit({when:.3f}:{serial}): arch=c000003e syscall=46 success=yes exit=32 "
            f'pid={serial + 70} uid=0 euid=0 comm="{name}" exe="/usr/sbin/{name}"\n'
        )
    (tmp_path / "audit.log").write_text("".join(lines))
    return str(tmp_path / "audit.log")


@pytest.mark.parametrize("check_mode", [False, True])
def test_denials_of_a_log_are_told(capsys, log, check_mode):
    result = call(capsys, sources=["audit"], audit_log=log, _ansible_check_mode=check_mode)
    assert result["changed"] is False
    assert [item["subject"] for item in result["denials"]] == ["new", "old"]
    assert set(result) >= set(RETURNED) and set(result["denials"][0]) == set(RETURNED["denials"]["contains"])
    assert result["live"] == {"available": None, "seconds": 0, "lost": 0, "offers": [], "why": None}


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"since": "10m"}, ["new"]),
        ({"since": "2h"}, ["new", "old"]),
        ({"since": "0"}, []),
        ({"pids": [70]}, ["old"]),
        ({"executables": ["/usr/sbin/new"]}, ["new"]),
        ({"pids": [70], "executables": ["/usr/sbin/new"]}, ["new", "old"]),
        ({"units": ["vpn"]}, []),
        ({"containers": ["f00"]}, []),
    ],
)
def test_what_is_not_wanted_is_left_out(capsys, log, arguments, names):
    result = call(capsys, sources=["audit"], audit_log=log, **arguments)
    assert [item["name"] for item in result["denials"]] == names


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("15m", 900), ("24h", 86400), (" 2d ", 172800), ("1w", 604800)]
)
def test_times_are_understood(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"since": "yesterday"}, "since: 'yesterday' is no time, expected a number of seconds"),
        ({"since": "-5"}, "since: '-5' is no time"),
        ({"duration": -1}, "duration: -1 seconds, expected 0 to 3600"),
        ({"duration": 3601}, "duration: 3601 seconds, expected 0 to 3600"),
        ({"audit_log": "/nonexistent"}, "audit_log: /nonexistent does not exist or is no file"),
        ({"audit_log": "/etc"}, "audit_log: /etc does not exist or is no file"),
        ({"sources": ["rumour"]}, "value of sources must be one or more of"),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_bad_input_is_one_sentence(capsys, arguments, message, check_mode):
    result = call(capsys, **arguments, _ansible_check_mode=check_mode)
    assert result["failed"] is True
    assert message in result["msg"]
    assert "\n" not in result["msg"]
