# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd's parser says of a drop-in decides; what it says of the rest of the unit does not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _unit_dropin
from ansible_collections.netlink.remediation.plugins.module_utils._change._unit_dropin import (
    DropIn,
    plan_units,
    try_dropin,
)
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._change._host import (  # noqa: F401  # pylint: disable=unused-import
    fixture_host,
    needs_root,
)

PATH = "/etc/systemd/system/a.service.d/50-netlink-remediation.conf"
OLD = "/etc/systemd/system/a.service:6: Special user nobody configured, this is not safe!\n"


class Analyze:
    """systemd-analyze verify: what it says of the unit as it is, and what it says more with the drop-in."""

    def __init__(self, more: str, code: int = 0) -> None:
        self.more, self.code = more, code
        self.seen: list[str] = []

    def run(self, words: Sequence[str], **_options: Any) -> tuple[int, str, str]:
        place = next((word for word in words if word.startswith("SYSTEMD_UNIT_PATH=")), "")
        if not place:
            return 1, "", OLD
        assert place.endswith(":"), "without the colon the default directories are not searched"
        copy = f"{place[len('SYSTEMD_UNIT_PATH=') : -1]}/a.service.d/50-netlink-remediation.conf"
        with open(copy, encoding="utf-8") as file:
            self.seen.append(file.read())
        return self.code, "", OLD + self.more.format(copy=copy)


@pytest.mark.parametrize(
    ("more", "code", "why"),
    [
        ("", 1, ""),
        ("{copy}:3: Unknown key 'Foo' in section [Service], ignoring.\n", 0, "line 3: Unknown key 'Foo'"),
        ("a.service: Command /nowhere is not executable\n", 1, "a.service: Command /nowhere is not executable"),
    ],
)
def test_only_what_the_drop_in_brings_counts(monkeypatch, more, code, why):
    analyze = Analyze(more, code)
    monkeypatch.setattr(_unit_dropin, "run", analyze.run)
    if why:
        with pytest.raises(ChangeError) as caught:
            try_dropin("a.service", PATH, "[Service]\nFoo=1\n")
        assert f"systemd does not accept the drop-in {PATH}: {why}" in str(caught.value)
        assert "Special user" not in str(caught.value) and "/tmp" not in str(caught.value)
    else:
        assert try_dropin("a.service", PATH, "[Service]\nFoo=1\n") == []
    assert analyze.seen == ["[Service]\nFoo=1\n"]


@pytest.mark.parametrize("code", [124, 127])
def test_where_nothing_can_be_tried_that_is_said(monkeypatch, code):
    monkeypatch.setattr(_unit_dropin, "run", lambda _words, **_options: (code, "", ""))
    (sentence,) = try_dropin("a.service", PATH, "[Service]\n")
    assert sentence.startswith(f"whether systemd understands {PATH}")


@needs_root
def test_a_drop_in_is_looked_at_after_it_was_written_and_not_when_it_is_taken_back(host):
    looked: list[str] = []
    change = DropIn.of(f"{host}/a.service.d/50-netlink-remediation.conf", "[Service]\n")
    change.look = lambda: looked.append(os.listdir(host)[0])
    change.write(change.after)
    change.write(change.before)
    assert looked == ["a.service.d"]
    assert os.listdir(host) == []


def test_no_unit_is_no_change():
    plan = plan_units([], [])
    assert (plan.changes, plan.security, plan.restart_required) == ([], [], [])
