# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a user is when they start a program."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._login import login_credentials


def test_root_holds_the_bounding_set():
    found = login_credentials("root", 0xFF)
    assert (found.ruid, found.euid, found.effective, found.permitted, found.bounding) == (0, 0, 0xFF, 0xFF, 0xFF)


def test_others_hold_nothing_and_are_in_their_groups():
    found = login_credentials("nobody", 0xFF)
    assert found.ruid == found.euid == found.suid == found.fsuid > 0
    assert (found.effective, found.permitted, found.bounding) == (0, 0, 0xFF)
    assert found.egid in found.groups


def test_a_number_needs_no_entry_in_the_user_database():
    found = login_credentials("3999999999", 0)
    assert (found.euid, found.egid, found.groups) == (3999999999, 3999999999, (3999999999,))


def test_a_number_and_a_name_of_the_same_user_are_the_same():
    assert login_credentials("0", 7) == login_credentials("root", 7)


def test_an_unknown_name_is_one_sentence():
    with pytest.raises(ValueError, match="'no such user' is no user of this host"):
        login_credentials("no such user", 0)
