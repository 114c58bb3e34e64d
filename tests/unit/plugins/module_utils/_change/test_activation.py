# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs is started anew after the files are changed, and after they are given back; and only where accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import (
    ChangeError,
    _activation,
    _file,
    _transaction,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import ActivationChange, How
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import load_receipts
from ansible_collections.netlink.remediation.plugins.module_utils._change._revert import run_receipt
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import run_changes
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._change._host import (  # noqa: F401  # pylint: disable=unused-import
    Module,
    fixture_host,
    needs_root,
    picture,
    receipt_module,
)

pytestmark = needs_root


class Daemon:
    """Reads its file when it is started; comes up with the texts that it likes."""

    def __init__(self, file: Path) -> None:
        self.file, self.run, self.up = file, 1, True
        self.log: list[str] = []
        self.likes = ("", "old\n", "new\n")

    def text(self) -> str:
        return self.file.read_text() if self.file.exists() else ""

    def identify(self, _details: Any) -> Optional[str]:
        return f"run {self.run}" if self.up else None

    def activate(self, _details: Any) -> None:
        self.run += 1
        self.up = self.text() in self.likes
        self.log.append(f"start with {self.text().strip() or 'nothing'}")
        if not self.up:
            raise ChangeError("d does not start")


@pytest.fixture(name="daemon")
def fixture_daemon(host: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    daemon = Daemon(host / "d.conf")
    monkeypatch.setitem(_activation.HOW, "daemon", How(daemon.identify, daemon.activate, kind="daemon"))
    monkeypatch.setitem(_file.THEN, "note", lambda _details: daemon.log.append("reload"))
    return daemon


def restart(daemon: Daemon, **options: Any) -> ActivationChange:
    """The change that starts it anew."""
    details = {"how": "daemon", "instance": daemon.identify({}), **options.pop("details", {})}
    return ActivationChange("daemon d", details=details, **options)


def both(daemon: Daemon, text: Optional[str] = "new\n", **options: Any) -> list[Any]:
    """The restart first: the transaction knows that it comes last."""
    return [restart(daemon, **options), FileChange.of(str(daemon.file), text, then="note")]


def test_check_mode_says_what_the_run_does_and_the_restart_comes_last(daemon, host):
    preview = run_changes(Module(check_mode=True), both(daemon))
    assert daemon.log == [] and picture(host) == {}
    result = run_changes(Module(), both(daemon))
    assert {**preview, "receipt": None} == {**result, "receipt": None}
    assert [change["kind"] for change in result["changes"]] == ["file", "activation"]
    assert (result["changes"][1]["before"], result["changes"][1]["after"]) == ("as it was started", "started anew")
    assert result["disrupts"] == ["daemon d is started anew, which interrupts what it does"]
    assert result["unvalidated"] == ["whether daemon d comes up again"]
    assert (daemon.log, daemon.run) == (["reload", "start with new"], 2)
    assert [entry.status for entry in load_receipts([])[0].changes] == ["applied", "applied"]


def test_what_does_not_come_up_is_started_anew_with_the_files_of_before(daemon, host):
    daemon.file.write_text("old\n")
    with pytest.raises(ChangeError) as caught:
        run_changes(Module(), both(daemon, "bad\n"))
    assert str(caught.value) == "d does not start; what was done before it was taken back"
    assert daemon.log == ["reload", "start with bad", "reload", "start with old"]
    assert daemon.up and daemon.text() == "old\n"
    assert load_receipts([]) == []


def test_what_was_down_before_need_not_come_up_when_it_is_taken_back(daemon):
    daemon.file.write_text("broken\n")
    daemon.up = False
    with pytest.raises(ChangeError) as caught:
        run_changes(Module(), both(daemon, "bad\n", details={"was": "down"}))
    assert "could not be taken back" not in str(caught.value)
    assert daemon.text() == "broken\n" and load_receipts([]) == []


def test_what_does_not_come_up_even_so_is_said_and_stays_in_the_receipt(daemon):
    daemon.likes = ()
    with pytest.raises(ChangeError, match="activation daemon d could not be taken back: d does not start"):
        run_changes(Module(), both(daemon))
    assert not daemon.file.exists()
    assert [entry.status for entry in load_receipts([])[0].changes] == ["reverted", "applied"]


def test_a_revert_gives_the_files_back_first_and_then_starts_it_anew_once(daemon):
    daemon.file.write_text("old\n")
    run_changes(Module(run_id="r"), both(daemon, "new\n"))
    daemon.likes = ("old\n", "new\n", "newer\n")
    run_changes(Module(run_id="r"), both(daemon, "newer\n"))
    daemon.log.clear()
    options: dict[str, Any] = {"run_id": "r", "accept": ["restart"]}
    preview = run_receipt(receipt_module(check_mode=True, **options))
    result = run_receipt(receipt_module(**options))
    assert preview == result
    assert [change["kind"] for change in result["changes"]] == ["file", "file", "activation"]
    assert result["changes"][-1]["after"] == "as it was started"
    assert daemon.log == ["reload", "reload", "start with old"]
    assert all(receipt.reverted for receipt in load_receipts([]))
    assert run_receipt(receipt_module(**options))["changed"] is False
    assert daemon.log[3:] == []


def test_a_revert_without_the_word_gives_the_files_back_and_names_what_has_to_be_restarted(daemon):
    run_changes(Module(run_id="r"), both(daemon))
    preview = run_receipt(receipt_module(run_id="r", check_mode=True))
    result = run_receipt(receipt_module(run_id="r"))
    assert preview == result
    assert [change["kind"] for change in result["changes"]] == ["file"]
    assert result["restart_required"] == [{"kind": "daemon", "name": "d"}]
    assert (daemon.text(), daemon.run) == ("", 2)
    again = run_receipt(receipt_module(run_id="r"))
    assert (again["changed"], again["restart_required"]) == (False, [{"kind": "daemon", "name": "d"}])
    daemon.activate({})
    last = run_receipt(receipt_module(run_id="r"))
    assert (last["changed"], last["restart_required"]) == (False, [])
    assert load_receipts([])[0].reverted


def test_the_word_can_come_later(daemon):
    run_changes(Module(run_id="r"), both(daemon))
    run_receipt(receipt_module(run_id="r"))
    result = run_receipt(receipt_module(run_id="r", accept=["restart"]))
    assert [change["kind"] for change in result["changes"]] == ["activation"]
    assert daemon.log[-1] == "start with nothing"
    assert run_receipt(receipt_module(run_id="r", accept=["restart"]))["changed"] is False


def test_what_somebody_else_restarted_since_is_started_anew_all_the_same(daemon):
    run_changes(Module(run_id="r"), both(daemon))
    daemon.activate({})
    assert run_receipt(receipt_module(run_id="r", accept=["restart"]))["changed"] is True
    assert daemon.log[-1] == "start with nothing"


def test_what_was_stopped_meanwhile_stays_so(daemon):
    run_changes(Module(run_id="r"), both(daemon))
    daemon.up = False
    result = run_receipt(receipt_module(run_id="r", accept=["restart"]))
    assert [change["kind"] for change in result["changes"]] == ["file"]
    assert not daemon.up and result["restart_required"] == []


def test_a_restart_that_is_not_accepted_is_in_the_receipt_for_the_revert(daemon):
    result = run_changes(Module(run_id="r"), both(daemon, deferred=True))
    assert [change["kind"] for change in result["changes"]] == ["file"]
    assert result["restart_required"] == [{"kind": "daemon", "name": "d"}]
    assert result["disrupts"] == [] and daemon.run == 1
    assert [entry.status for entry in load_receipts([])[0].changes] == ["applied", "planned"]
    daemon.activate({})
    assert run_receipt(receipt_module(run_id="r"))["restart_required"] == [{"kind": "daemon", "name": "d"}]


def test_what_was_never_started_anew_needs_no_restart_when_the_files_are_given_back(daemon):
    run_changes(Module(run_id="r"), both(daemon, deferred=True))
    result = run_receipt(receipt_module(run_id="r", accept=["restart"]))
    assert [change["kind"] for change in result["changes"]] == ["file"]
    assert (result["restart_required"], daemon.run) == ([], 1)


def test_a_restart_alone_leaves_nothing_to_revert(daemon):
    assert run_changes(Module(run_id="r"), [restart(daemon)])["changed"] is True
    result = run_receipt(receipt_module(run_id="r", accept=["restart"]))
    assert (result["changed"], daemon.run) == (False, 2)


def test_where_all_files_are_left_alone_nothing_is_restarted(daemon):
    run_changes(Module(run_id="r"), both(daemon))
    daemon.file.write_text("somebody's\n")
    result = run_receipt(receipt_module(run_id="r", accept=["restart"]))
    assert [one["kind"] for one in result["left_alone"]] == ["file"]
    assert (result["changed"], daemon.run) == (False, 2)


def test_a_restart_belongs_to_its_own_files(daemon, host):
    other = FileChange.of(f"{host}/other", "x\n")
    run_changes(Module(run_id="r"), [*both(daemon, details={"files": [str(daemon.file)]}), other])
    result = run_receipt(receipt_module(run_id="r", targets=[f"{host}/other"], accept=["restart"]))
    assert [change["target"] for change in result["changes"]] == [f"{host}/other"]
    result = run_receipt(receipt_module(run_id="r", targets=[str(daemon.file)], accept=["restart"]))
    assert [change["kind"] for change in result["changes"]] == ["file", "activation"]


def test_a_run_that_was_killed_before_the_restart_is_reverted_without_one(daemon, monkeypatch):
    def killed(_details: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(_activation.HOW, "daemon", How(daemon.identify, killed, kind="daemon"))
    monkeypatch.setattr(_transaction, "_undo", lambda *_all: [])
    with pytest.raises(KeyboardInterrupt):
        run_changes(Module(run_id="r"), both(daemon))
    assert daemon.text() == "new\n"
    result = run_receipt(receipt_module(run_id="r", accept=["restart"]))
    assert [change["kind"] for change in result["changes"]] == ["file"]
    assert daemon.log == ["reload", "reload"]


def test_who_has_to_know_is_told_when_a_killed_revert_is_repeated(daemon):
    run_changes(Module(run_id="r"), [FileChange.of(str(daemon.file), "new\n", then="note")])
    daemon.file.unlink()
    daemon.log.clear()
    run_receipt(receipt_module(run_id="r"))
    assert daemon.log == ["reload"]


def test_what_another_run_restarted_meanwhile_is_restarted_for_the_new_files(daemon):
    changes = both(daemon)
    daemon.activate({})
    run_changes(Module(), changes)
    assert daemon.log == ["start with nothing", "reload", "start with new"]
    assert load_receipts([])[0].changes[1].record["details"]["instance"] == "run 2"
    changes = [restart(daemon)]
    daemon.activate({})
    assert run_changes(Module(), changes)["changed"] is False
