# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""probe_info: what it returns is documented, and bad input is one sentence."""

from __future__ import annotations

import json
import os
from dataclasses import fields

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.netlink.remediation.plugins.module_utils._parts import Probe
from ansible_collections.netlink.remediation.plugins.module_utils._probing import ARGUMENTS
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials
from ansible_collections.netlink.remediation.plugins.modules import probe_info

RETURNED = yaml.safe_load(probe_info.RETURN)
OPTIONS = yaml.safe_load(probe_info.DOCUMENTATION)["options"]


def call(capsys, **arguments):
    with patch_module_args(arguments), pytest.raises(SystemExit):
        probe_info.main()
    return json.loads(capsys.readouterr().out)


def test_return_values_are_those_of_the_dataclasses():
    assert set(RETURNED["probes"]["contains"]) == {item.name for item in fields(Probe)}
    assert set(RETURNED["credentials"]["contains"]) == {item.name for item in fields(Credentials)}


def test_options_are_those_of_the_argument_spec():
    assert set(OPTIONS) == set(ARGUMENTS)
    assert OPTIONS["operations"]["choices"] == ARGUMENTS["operations"]["choices"]


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_process_is_asked_about(capsys, check_mode):
    result = call(capsys, pid=os.getpid(), operations=["userns", "userns"], _ansible_check_mode=check_mode)
    assert result["changed"] is False
    assert [item["operation"] for item in result["probes"]] == ["userns"]
    assert set(result) >= set(RETURNED)
    assert result["credentials"]["ruid"] == os.getuid()


def test_an_executable_is_asked_about(capsys):
    result = call(capsys, executable="/bin/sh", user="root", operations=["userns"])
    assert result["credentials"]["euid"] == 0
    assert result["probes"][0]["tid"] is None


def test_an_executable_that_cannot_be_started_is_not_asked_about(capsys, tmp_path):
    (tmp_path / "program").write_bytes(b"\x7fELF")
    (tmp_path / "program").chmod(0o644)
    result = call(capsys, executable=str(tmp_path / "program"), user="nobody")
    assert result["credentials"] is None
    assert [(item["answer"], item["layer"], item["sent"]) for item in result["probes"]] == [("EACCES", "execve", False)]
    assert result["notes"] == ["not_executable"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "one of the following is required: pid, executable"),
        ({"pid": 1, "executable": "/bin/sh"}, "mutually exclusive: pid|executable"),
        ({"pid": 1, "user": "root"}, "mutually exclusive: pid|user"),
        ({"pid": 2**22 + 1}, "pid: there is no process 4194305"),
        ({"pid": 0}, "pid: 0 is no process id"),
        ({"executable": "bin/sh"}, "executable: bin/sh is relative"),
        ({"executable": "/nonexistent"}, "executable: /nonexistent does not exist"),
        ({"executable": "/etc"}, "executable: /etc does not exist or is no file"),
        ({"executable": "/bin/sh", "user": "no such user"}, "user: 'no such user' is no user of this host"),
        ({"pid": 1, "operations": ["fly"]}, "value of operations must be one or more of"),
        ({"pid": 1, "operations": ["move"]}, "operations: move needs the option netns"),
        ({"pid": 1, "netns": "/run/netns/nonexistent"}, "netns: /run/netns/nonexistent does not exist"),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_bad_input_is_one_sentence(capsys, arguments, message, check_mode):
    result = call(capsys, **arguments, _ansible_check_mode=check_mode)
    assert result["failed"] is True
    assert message in result["msg"]
    assert "\n" not in result["msg"]
