# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command is a list of words that ends: nothing is expanded, nothing waits for ever, nothing is raised."""

from __future__ import annotations

import time

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.netlink.remediation.plugins.module_utils import _commands
from ansible_collections.netlink.remediation.plugins.module_utils._commands import run, use


@pytest.fixture(autouse=True)
def used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_commands, "_module", None)
    with patch_module_args({}):
        use(AnsibleModule(argument_spec={}))


def test_the_exit_code_and_both_outputs_come_back():
    assert run(["sh", "-c", "echo out; echo err >&2; exit 3"]) == (3, "out\n", "err\n")


def test_words_are_passed_on_as_they_are():
    words = ["$HOME", "~", "a b", "*", ";id", ""]
    assert run(["printf", "<%s>", *words])[1] == "".join(f"<{word}>" for word in words)


def test_a_program_that_does_not_exist_is_127():
    code, out, err = run(["no-such-program-here"])
    assert (code, out) == (127, "")
    assert "no-such-program-here" in err


def test_a_command_that_hangs_is_ended_also_when_it_ignores_sigterm(monkeypatch):
    monkeypatch.setattr(_commands, "_KILL_AFTER", 1)
    begun = time.monotonic()
    assert run(["sleep", "60"], timeout=1)[0] == 124
    code, out, _err = run(["sh", "-c", "trap '' TERM; echo begun; while :; do sleep 0.2; done"], timeout=1)
    assert (code, out) == (124, "begun\n")
    assert time.monotonic() - begun < 15


def test_a_command_that_was_killed_early_did_not_time_out():
    assert run(["sh", "-c", "kill -9 $$"])[0] in (137, -9)


def test_input_is_what_was_given_and_else_nothing():
    assert run(["cat"], stdin="a\nb")[1] == "a\nb"
    assert run(["cat"], timeout=5) == (0, "", "")


def test_messages_are_in_english_and_the_directory_is_the_one_named(tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run(["sh", "-c", "echo $LC_ALL"])[1] == "C\n"
    assert run(["pwd"], cwd=str(tmp_path))[1] == f"{tmp_path}\n"
    assert run(["pwd"], cwd=str(tmp_path / "none")) == (1, "", f"{tmp_path}/none is no directory")


def test_system_directories_are_searched_without_a_path(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert run(["true"])[0] == 0


def test_nothing_runs_before_a_module_is_named(monkeypatch):
    monkeypatch.setattr(_commands, "_module", None)
    with pytest.raises(RuntimeError):
        run(["true"])
