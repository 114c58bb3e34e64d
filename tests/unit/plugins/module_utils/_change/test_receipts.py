# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receipts must sort by age, survive being read back, and never be lost to a broken one; one run holds the lock."""

from __future__ import annotations

import os
import stat
import time

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _receipts
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import (
    Entry,
    load_receipts,
    locked,
    new_receipt,
    remove,
    save,
    select_receipts,
)
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._change._host import (  # noqa: F401  # pylint: disable=unused-import
    fixture_host,
    needs_root,
)

pytestmark = needs_root


def entry(status: str = "applied") -> Entry:
    """A change on record."""
    return Entry("file", "/x", status, {"before": None, "after": "\udcff", "workloads": []})


def test_a_receipt_is_read_back_as_it_was_saved(host):
    receipt = new_receipt("m", "run 1", [entry()])
    save(receipt)
    assert load_receipts([]) == [receipt]
    assert stat.S_IMODE(os.stat(receipt.path).st_mode) == 0o600
    for directory in (_receipts.STATE_DIRECTORY, _receipts.STATE_DIRECTORY + "/receipts"):
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    remove(receipt)
    assert load_receipts([]) == []


def test_reading_makes_no_directory(host):
    assert load_receipts([]) == []
    assert not os.path.exists(_receipts.STATE_DIRECTORY)


def test_ids_sort_by_age_although_the_clock_was_set_back(host):
    first = new_receipt("m", None, [])
    first.id = "29990101T000000.000000Z-ffffff"
    save(first)
    second = new_receipt("m", None, [])
    assert second.id > first.id
    assert second.run_id == second.id


def test_a_broken_receipt_is_named_and_hides_no_other(host):
    good, bad, odd = (new_receipt("m", None, []) for _number in range(3))
    for receipt in (good, bad, odd):
        save(receipt)
    with open(bad.path, "w") as file:
        file.write('{"id": "x"')
    with open(odd.path, "w") as file:
        file.write('{"id": 5}')
    broken: list[str] = []
    assert [receipt.id for receipt in load_receipts(broken)] == [good.id]
    assert sorted(bad.path in text or odd.path in text for text in broken) == [True, True]


def test_selection_by_id_run_and_latest(host):
    one, two, three = new_receipt("m", "a", []), new_receipt("m", "b", []), new_receipt("m", "b", [])
    receipts = [one, two, three]
    assert select_receipts(receipts, id=two.id) == [two]
    assert select_receipts(receipts, run_id="b") == [three, two]
    assert select_receipts(receipts, run="latest") == [three, two]
    assert select_receipts([], run="latest") == []


def test_a_run_that_only_started_something_anew_is_not_the_newest(host):
    record = {"before": "a", "after": "b"}
    wrote = new_receipt("m", "wrote", [Entry("file", "/x", "applied", record)])
    started = new_receipt("m", "started", [Entry("activation", "unit w.service", "applied", record)])
    assert select_receipts([wrote, started], run="latest") == [wrote]
    assert select_receipts([started], run="latest") == [started]


def test_selection_of_what_is_not_there_is_refused(host):
    receipts = [new_receipt("m", "a", [])]
    with pytest.raises(ChangeError, match="no receipt on this host has the run_id c"):
        select_receipts(receipts, run_id="c")
    with pytest.raises(ChangeError, match=r"no receipt on this host has the id \.\./x"):
        select_receipts(receipts, id="../x")


def test_a_second_run_gives_up_with_one_sentence(host, monkeypatch):
    monkeypatch.setattr(_receipts, "LOCK_SECONDS", 0.3)
    with locked():
        start = time.monotonic()
        with pytest.raises(ChangeError, match="another run has been changing this host"), locked():
            pass
        assert time.monotonic() - start >= 0.3
    with locked():
        pass


def test_a_state_directory_of_somebody_else_is_refused(host):
    os.mkdir(_receipts.STATE_DIRECTORY)
    os.chown(_receipts.STATE_DIRECTORY, 1234, 1234)
    with pytest.raises(ChangeError, match="belongs to uid 1234"), locked():
        pass


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"applied"', '"done"'),
        ('"before"', '"behind"'),
        ('"time": "', '"time": "at '),
        ('"id": "', '"id": "../../'),
    ],
)
def test_a_receipt_that_somebody_edited_is_said_to_be_broken(host, old, new):
    receipt = new_receipt("m", None, [entry()])
    save(receipt)
    with open(receipt.path) as file:
        text = file.read()
    assert old in text
    with open(receipt.path, "w") as file:
        file.write(text.replace(old, new, 1))
    broken: list[str] = []
    assert load_receipts(broken) == []
    assert len(broken) == 1 and receipt.path in broken[0]
