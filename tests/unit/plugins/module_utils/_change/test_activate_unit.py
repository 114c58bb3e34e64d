# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit has come up when it stays up, or when it did its work; tests/lab asks a real systemd for the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _activate_unit
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import (
    daemon_reload,
    identify_unit,
    one_line,
    restart_unit,
    show_units,
)

UP = {"Type": "simple", "ActiveState": "active", "SubState": "running", "Result": "success", "InvocationID": "i2"}
UP = {**UP, "NRestarts": "0", "ExecMainCode": "0", "ExecMainStatus": "0"}
FAILED = {**UP, "ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainCode": "1"}
FAILED = {**FAILED, "ExecMainStatus": "7"}


class Systemd:
    """Answers as systemctl and journalctl do. states: what each question after the restart finds, the last for ever."""

    def __init__(self) -> None:
        self.states: list[dict[str, str]] = [UP]
        self.restart: tuple[int, str, str] = (0, "", "")
        self.journal = ""
        self.asked: list[list[str]] = []

    def run(self, words: Sequence[str], **_options: Any) -> tuple[int, str, str]:
        self.asked.append(list(words))
        if words[0] == "journalctl":
            return 0, self.journal, ""
        if words[1] == "restart":
            return self.restart
        if words[1] == "show":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return 0, "".join(f"{name}={value}\n" for name, value in state.items()), ""
        return 0, "", ""


@pytest.fixture(name="systemd")
def fixture_systemd(monkeypatch: pytest.MonkeyPatch) -> Systemd:
    fake = Systemd()
    monkeypatch.setattr(_activate_unit, "run", fake.run)
    monkeypatch.setattr(_activate_unit, "is_running", lambda: True)
    monkeypatch.setattr(_activate_unit, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(_activate_unit, "_POLL_SECONDS", 0.01)
    return fake


@pytest.mark.parametrize(
    ("states", "why"),
    [
        ([UP], ""),
        ([{**UP, "ActiveState": "reloading"}, UP], ""),
        ([{**UP, "Type": "oneshot", "ActiveState": "inactive", "SubState": "dead"}], ""),
        ([{**UP, "Type": "oneshot", "SubState": "exited"}], ""),
        ([UP, FAILED], "a.service started and did not stay up (exit-code, status 7)"),
        ([UP, {**FAILED, "Result": "signal", "ExecMainCode": "2", "ExecMainStatus": "9"}], "(signal 9)"),
        ([UP, {**UP, "ActiveState": "inactive", "SubState": "dead"}], "(it is inactive, dead)"),
        ([UP, {**UP, "ActiveState": "activating", "SubState": "auto-restart"}], "did not stay up"),
        ([UP, {**UP, "InvocationID": "i3"}], "ended soon after its start and was started again"),
        ([UP, {**UP, "NRestarts": "1"}], "ended soon after its start and was started again"),
    ],
)
def test_a_unit_has_come_up_when_it_stays_up_or_did_its_work(systemd, states, why):
    systemd.states = states
    if not why:
        restart_unit({"unit": "a.service"})
        return
    with pytest.raises(ChangeError) as caught:
        restart_unit({"unit": "a.service"})
    assert why in str(caught.value)


def test_what_the_unit_said_last_is_part_of_the_sentence(systemd):
    systemd.restart, systemd.states = (1, "", "Job for a.service failed."), [FAILED]
    systemd.journal = "a: first\n\n  a: second  \n"
    with pytest.raises(ChangeError) as caught:
        restart_unit({"unit": "a.service"})
    assert str(caught.value) == "a.service does not start (exit-code, status 7); its journal: a: first | a: second"


def test_a_start_that_takes_too_long_is_a_failure(systemd):
    systemd.restart = (124, "", "")
    with pytest.raises(ChangeError, match=r"a\.service did not come up within 90 seconds"):
        restart_unit({"unit": "a.service"})


def test_starts_that_failed_before_do_not_count_against_it(systemd):
    restart_unit({"unit": "a.service"})
    assert [words[1] for words in systemd.asked[:2]] == ["reset-failed", "restart"]


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ("active", "i1"),
        ("activating", "i1"),
        ("deactivating", "i1"),
        ("inactive", None),
        ("failed", None),
    ],
)
def test_a_run_is_known_by_its_invocation(systemd, state, answer):
    systemd.states = [{"ActiveState": state, "InvocationID": "i1"}]
    assert identify_unit({"unit": "a.service"}) == answer


def test_a_start_that_is_under_way_is_waited_for(systemd):
    running = {"ActiveState": "deactivating", "InvocationID": "i1", "Job": "7"}
    systemd.states = [running, running, {"ActiveState": "active", "InvocationID": "i2"}]
    assert identify_unit({"unit": "a.service"}) == "i2"


def test_units_come_in_the_order_of_their_names_and_values_may_hold_equals_signs(monkeypatch):
    answer = (0, "Id=a.service\nEnvironment=A=1\n\nId=b.service\nEnvironment=\n", "")
    monkeypatch.setattr(_activate_unit, "run", lambda _words: answer)
    assert show_units(["a", "b"], ["Id", "Environment"]) == [
        {"Id": "a.service", "Environment": "A=1"},
        {"Id": "b.service", "Environment": ""},
    ]
    with pytest.raises(ChangeError, match="systemd cannot be asked about a: "):
        show_units(["a"], ["Id"])


def test_a_daemon_reload_that_fails_is_one_sentence(monkeypatch):
    monkeypatch.setattr(_activate_unit, "is_running", lambda: True)
    monkeypatch.setattr(_activate_unit, "run", lambda _words, timeout: (1, "", "Failed:\n no bus\n"))
    with pytest.raises(ChangeError, match="systemctl daemon-reload failed: Failed:; no bus"):
        daemon_reload()
    monkeypatch.setattr(_activate_unit, "is_running", lambda: False)
    daemon_reload()


def test_what_a_command_said_becomes_one_line():
    assert one_line("a\n\n b \n") == "a; b"
    assert one_line("") == "it said nothing"
