# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction makes all changes or none, and killed at any point it can be reverted."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError, _path, _receipts
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import load_receipts
from ansible_collections.netlink.remediation.plugins.module_utils._change._revert import run_receipt
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import run_changes
from ansible_collections.netlink.remediation.plugins.module_utils._change._xattr import (
    XattrChange,
    as_capability,
    as_value,
    to_value,
)
from ansible_collections.netlink.remediation.plugins.module_utils._linux import parse_capability_text
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._change._host import (  # noqa: F401  # pylint: disable=unused-import
    Module,
    fixture_host,
    needs_root,
    picture,
    receipt_module,
)

pytestmark = needs_root

# What the code calls to change a host, its receipts included: a run can be killed before and after each of them.
CALLS = ("mkdir", "open", "fchmod", "fchown", "setxattr", "fsync", "rename", "unlink", "removexattr", "rmdir")


class Refusing(FileChange):
    """A file that cannot be written."""

    def write(self, value: Any) -> None:
        """Fail as the kernel would."""
        raise OSError(28, "No space left on device", self.target)


class Clamping(FileChange):
    """A target that does not keep what is written, as some sysctls do."""

    def write(self, value: Any) -> None:
        """Write something else."""
        super().write({**value, "content": "other\n"} if value == self.after else value)


def capability(path: Path, text: str) -> XattrChange:
    """The change that gives a file this capability."""
    return XattrChange.of(str(path), None, to_value(parse_capability_text(text)))


def three_changes(host: Path) -> list[Change]:
    """Replace a file, make one in a new directory, set a file capability."""
    return [
        FileChange.of(f"{host}/old.conf", "new\n"),
        FileChange.of(f"{host}/d/new.conf", "new\n"),
        capability(host / "tool", "cap_net_admin+ep"),
    ]


def furnish(host: Path) -> dict[str, Any]:
    """What three_changes() starts from."""
    (host / "old.conf").write_text("old\n")
    (host / "tool").write_bytes(b"\x7fELF")
    (host / "tool").chmod(0o755)
    return picture(host)


def receipts_left() -> list[str]:
    """Names in the directory of receipts."""
    directory = _receipts.STATE_DIRECTORY + "/receipts"
    return os.listdir(directory) if os.path.isdir(directory) else []


def test_check_mode_says_what_the_run_does_and_touches_nothing(host):
    before = furnish(host)
    preview = run_changes(Module(check_mode=True), three_changes(host))
    assert picture(host) == before
    assert not os.path.exists(_receipts.STATE_DIRECTORY)
    real = run_changes(Module(), three_changes(host))
    assert real["receipt"]["path"].endswith(real["receipt"]["id"] + ".json")
    assert {**preview, "receipt": None} == {**real, "receipt": None}
    assert [change["kind"] for change in real["changes"]] == ["file", "file", "xattr"]
    assert real["diff"][0]["before"] == "old\n" and real["diff"][0]["after"] == "new\n"


def test_a_second_run_changes_nothing_and_leaves_no_receipt(host):
    furnish(host)
    run_changes(Module(), three_changes(host))
    done = FileChange.of(f"{host}/old.conf", "new\n")
    result = run_changes(Module(), [done])
    assert (result["changed"], result["diff"], result["changes"], result["receipt"]) == (False, [], [], None)
    assert len(load_receipts([])) == 1


def test_the_receipt_is_on_disk_before_the_first_step(host):
    furnish(host)
    seen: list[Any] = []

    class Watching(FileChange):
        def write(self, value: Any) -> None:
            seen.extend((entry.status, entry.target) for entry in load_receipts([])[0].changes)
            super().write(value)

    run_changes(Module(run_id="r"), [Watching.of(f"{host}/old.conf", "new\n")])
    assert seen == [("planned", f"{host}/old.conf")]
    (receipt,) = load_receipts([])
    assert (receipt.run_id, receipt.module, receipt.changes[0].status) == ("r", "netlink.remediation.test", "applied")


@pytest.mark.parametrize("kind", [Refusing, Clamping])
def test_a_step_that_fails_takes_back_all_before_it(host, kind):
    before = furnish(host)
    (host / "last.conf").write_text("last\n")
    before = picture(host)
    changes = [*three_changes(host), kind.of(f"{host}/last.conf", "never\n")]
    with pytest.raises(ChangeError) as caught:
        run_changes(Module(), changes)
    why = "No space left on device (ENOSPC)" if kind is Refusing else "does not hold what was written: found other"
    assert why in str(caught.value)
    assert "what was done before it was taken back" in str(caught.value)
    assert picture(host) == before
    assert receipts_left() == []


def test_what_cannot_be_taken_back_is_said_and_stays_in_the_receipt(host):
    furnish(host)

    class Stuck(FileChange):
        def write(self, value: Any) -> None:
            if value == self.before:
                raise ChangeError("it is stuck")
            super().write(value)

    stuck = Stuck.of(f"{host}/old.conf", "new\n")
    with pytest.raises(ChangeError) as caught:
        run_changes(Module(), [stuck, FileChange.of(f"{host}/x", "x"), Refusing.of(f"{host}/y", "y")])
    (receipt,) = load_receipts([])
    assert f"file {host}/old.conf could not be taken back: it is stuck" in str(caught.value)
    assert receipt.id in str(caught.value)
    assert [entry.status for entry in receipt.changes] == ["applied", "reverted", "reverted"]
    assert not (host / "x").exists()


def test_a_bug_in_a_step_takes_back_all_before_it_too(host):
    before = furnish(host)

    class Broken(FileChange):
        def write(self, value: Any) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_changes(Module(), [*three_changes(host), Broken.of(f"{host}/y", "y")])
    assert picture(host) == before


def test_what_another_run_did_meanwhile_is_seen_under_the_lock(host):
    furnish(host)
    same, other = FileChange.of(f"{host}/old.conf", "new\n"), FileChange.of(f"{host}/old.conf", "mine\n")
    (host / "old.conf").write_text("new\n")
    assert run_changes(Module(), [same])["changed"] is False
    with pytest.raises(ChangeError, match="was changed by somebody else meanwhile"):
        run_changes(Module(), [other])
    assert (host / "old.conf").read_text() == "new\n"


def test_a_change_that_would_fail_fails_in_check_mode_with_the_same_words(host):
    furnish(host)
    messages = []
    for check_mode in (True, False):
        changes = three_changes(host)
        (host / "tool").chmod(0o777)
        with pytest.raises(ChangeError) as caught:
            run_changes(Module(check_mode=check_mode), changes)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert (host / "old.conf").read_text() == "old\n"
    assert receipts_left() == []


# --- killed -----------------------------------------------------------------------------------------------------------


def die_at(number: int) -> None:
    """From here on this process is killed at its call `number` of those that change something: before an even one,
    after an odd one."""
    count = 0

    def wrap(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            if call.__name__ == "open" and not arguments[1] & os.O_CREAT:
                return call(*arguments, **options)
            count += 1
            if count == number // 2 and not number % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return call(*arguments, **options)
            finally:
                if count == number // 2 and number % 2:
                    os.kill(os.getpid(), signal.SIGKILL)

        return counted

    for name in CALLS:
        setattr(_path.os, name, wrap(getattr(os, name)))


def killed_at(number: int, work: Callable[[], Any]) -> bool:
    """Do the work in a child that is killed at a step; False when it came to its end before."""
    child = os.fork()
    if child == 0:
        try:
            die_at(number)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def test_killed_at_any_step_a_run_can_be_reverted(host):
    before = furnish(host)
    after: list[Any] = []
    for number in range(2, 500):
        killed = killed_at(number, lambda: run_changes(Module(), three_changes(host)))
        after.append(picture(host))
        preview = run_receipt(receipt_module(run="latest", check_mode=True))
        assert picture(host) == after[-1]
        real = run_receipt(receipt_module(run="latest"))
        assert {**preview} == {**real}
        assert real["left_alone"] == []
        assert picture(host) == before, f"killed at {number}"
        assert run_receipt(receipt_module(run="latest"))["changed"] is False
        if not killed:
            break
    states = {repr(state) for state in after}
    assert not killed
    assert number > 60, "too few steps were seen"
    assert len(states) >= 4, "not every change was seen done and undone"


def test_a_revert_that_is_killed_at_any_step_can_be_repeated(host):
    before = furnish(host)
    for number in range(2, 500):
        run_changes(Module(), three_changes(host))
        killed = killed_at(number, lambda: run_receipt(receipt_module(run="latest")))
        result = run_receipt(receipt_module(run="latest"))
        assert result["left_alone"] == []
        assert picture(host) == before, f"killed at {number}"
        if not killed:
            break
    assert not killed
    assert number > 20


def test_the_next_run_clears_what_a_killed_one_left_among_the_receipts(host):
    before = furnish(host)
    for number in range(2, 500):
        if not killed_at(number, lambda: run_changes(Module(), three_changes(host))):
            break
        run_receipt(receipt_module(run="latest"))
    run_receipt(receipt_module(run="latest"))
    assert picture(host) == before
    assert all(name.endswith(".json") and not name.startswith(".") for name in receipts_left())


def test_xattr_values_mean_the_same_after_a_round_trip():
    for text in ("cap_net_admin=ep", "cap_net_admin=ip cap_net_raw=p"):
        flags = parse_capability_text(text)
        assert as_capability(to_value(flags)) == flags
    assert as_value(b"\x00\x00\x00\x01")["capabilities"] is None
    assert as_capability(as_value(b"\x00\x00\x00\x01")) is None


@pytest.mark.parametrize("check_mode", [True, False])
def test_where_no_receipt_can_be_kept_nothing_is_changed_and_check_mode_says_it(host, check_mode):
    state = Path(_receipts.STATE_DIRECTORY)
    state.mkdir()
    state.chmod(0o777)
    with pytest.raises(ChangeError, match="can be written by users other than root"):
        run_changes(Module(check_mode=check_mode), [FileChange.of(str(host / "a"), "x\n")])
    assert list(host.iterdir()) == []
