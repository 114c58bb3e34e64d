# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken back, what is left alone because somebody changed it since, and which receipts may go."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import load_receipts, save
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


def write(path: Any, content: Any, run_id: Any = None) -> str:
    """Give a file this content in a run; the id of the receipt."""
    result = run_changes(Module(run_id=run_id), [FileChange.of(str(path), content)])
    return str(result["receipt"]["id"])


def test_receipts_of_a_run_are_reverted_newest_first_and_once(host):
    path = host / "a.conf"
    path.write_text("0\n")
    before = picture(host)
    first, second = write(path, "1\n", "r"), write(path, "2\n", "r")
    preview = run_receipt(receipt_module(run_id="r", check_mode=True))
    result = run_receipt(receipt_module(run_id="r"))
    assert preview == result
    assert result["receipts"] == [second, first]
    steps = [(change["before"]["content"], change["after"]["content"]) for change in result["changes"]]
    assert steps == [("2\n", "1\n"), ("1\n", "0\n")]
    assert picture(host) == before
    assert all(receipt.reverted for receipt in load_receipts([]))
    write(path, "2\n", "other")
    again = run_receipt(receipt_module(run_id="r"))
    assert (again["changed"], again["changes"], again["left_alone"]) == (False, [], [])
    assert path.read_text() == "2\n"


def test_latest_is_the_newest_run_also_when_it_was_reverted(host):
    write(host / "a", "1\n", "old")
    write(host / "b", "1\n", "new")
    assert run_receipt(receipt_module(run="latest"))["changed"] is True
    assert run_receipt(receipt_module(run="latest"))["changed"] is False
    assert list(picture(host)) == ["a"]


def test_what_somebody_changed_since_is_left_alone_and_said(host):
    result = run_changes(Module(), [FileChange.of(f"{host}/{name}", "ours\n") for name in ("a", "b")])
    (host / "a").write_text("theirs\n")
    reverted = run_receipt(receipt_module(id=result["receipt"]["id"]))
    (left,) = reverted["left_alone"]
    assert (left["kind"], left["target"], left["found"]["content"]) == ("file", f"{host}/a", "theirs\n")
    assert [change["target"] for change in reverted["changes"]] == [f"{host}/b"]
    assert list(picture(host)) == ["a"]
    assert [entry.status for entry in load_receipts([])[0].changes] == ["applied", "reverted"]


def test_what_somebody_reverted_by_hand_is_nothing_to_do(host):
    name = write(host / "a", "x\n")
    (host / "a").unlink()
    result = run_receipt(receipt_module(id=name))
    assert (result["changed"], result["left_alone"]) == (False, [])
    assert load_receipts([])[0].reverted


def test_a_target_that_cannot_be_read_any_more_is_left_alone(host):
    (host / "d").mkdir()
    name = write(host / "d" / "a", "x\n")
    (host / "d").chmod(0o777)
    (left,) = run_receipt(receipt_module(id=name))["left_alone"]
    assert left["found"] is None
    assert "can be written by users other than root" in left["why"]


def test_single_targets_can_be_reverted_and_the_rest_later(host):
    result = run_changes(Module(), [FileChange.of(f"{host}/{name}", "ours\n") for name in ("a", "b")])
    name = result["receipt"]["id"]
    run_receipt(receipt_module(id=name, targets=[f"{host}/b"]))
    assert list(picture(host)) == ["a"]
    run_receipt(receipt_module(id=name))
    assert list(picture(host)) == []


def test_a_record_of_an_unknown_kind_is_left_alone(host):
    write(host / "a", "x\n")
    (receipt,) = load_receipts([])
    receipt.changes[0].kind = "teapot"
    save(receipt)
    (left,) = run_receipt(receipt_module(run="latest"))["left_alone"]
    assert left["kind"] == "teapot" and "is not understood" in left["why"]
    assert (host / "a").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "state reverted needs exactly one of id, run_id, run; given: none"),
        ({"id": "x", "run": "latest"}, "given: id and run"),
        ({"run": "latest", "older_than_days": 1.0}, "older_than_days 1.0 is not possible"),
        ({"state": "pruned"}, "state pruned needs exactly one of id, run_id, run, older_than_days"),
        ({"state": "pruned", "older_than_days": -1.0}, "older_than_days -1.0 is not possible"),
        ({"id": "nowhere"}, "no receipt on this host has the id nowhere"),
        ({"run_id": "nowhere"}, "no receipt on this host has the run_id nowhere"),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_bad_input_gets_one_sentence(host, options, why, check_mode):
    write(host / "a", "x\n")
    before = picture(host)
    with pytest.raises(ChangeError) as caught:
        run_receipt(receipt_module(check_mode=check_mode, **options))
    assert why in str(caught.value)
    assert picture(host) == before


def test_nothing_to_revert_on_a_host_that_was_never_changed(host):
    result = run_receipt(receipt_module(run="latest"))
    assert (result["changed"], result["receipts"]) == (False, [])


def test_prune_by_age_takes_only_what_is_old_and_reverted(host):
    names = [write(host / name, "x\n") for name in "abc"]
    run_receipt(receipt_module(id=names[0]))
    run_receipt(receipt_module(id=names[1]))
    for receipt in load_receipts([]):
        if receipt.id != names[1]:
            receipt.time = "2020-01-01T00:00:00+00:00"
            save(receipt)
    preview = run_receipt(receipt_module(state="pruned", older_than_days=90.0, check_mode=True))
    assert len(load_receipts([])) == 3
    result = run_receipt(receipt_module(state="pruned", older_than_days=90.0))
    assert preview == result
    assert result["receipts"] == [names[0]]
    assert names[0] in result["diff"][0]["before"] and names[0] not in result["diff"][0]["after"]
    assert [receipt.id for receipt in load_receipts([])] == names[1:]
    assert run_receipt(receipt_module(state="pruned", older_than_days=90.0))["changed"] is False


def test_prune_by_name_takes_what_is_not_reverted_and_leaves_the_host(host):
    name = write(host / "a", "x\n")
    assert run_receipt(receipt_module(state="pruned", id=name))["changed"] is True
    assert load_receipts([]) == []
    assert (host / "a").read_text() == "x\n"


def test_a_record_without_what_its_kind_needs_is_left_alone(host):
    name = write(host / "a", "x\n")
    receipt = load_receipts([])[0]
    receipt.changes[0].kind = "sysctl"
    receipt.changes[0].record["details"] = {}
    save(receipt)
    result = run_receipt(receipt_module(id=name))
    assert result["changed"] is False
    assert "is not understood" in result["left_alone"][0]["why"]
