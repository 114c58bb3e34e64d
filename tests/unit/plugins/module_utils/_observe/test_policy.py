# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be written to selinuxfs. What the kernel answers is tested in tests/lab."""

from __future__ import annotations

import os

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._policy import Policy, is_context


@pytest.mark.parametrize("text", ["system_u:system_r:sshd_t:s0-s0:c0.c1023", "u:r:t", "u:object_r:user_home_t:s0"])
def test_a_context_may_be_asked_about(text):
    assert is_context(text)


@pytest.mark.parametrize(
    "text", ["", "unconfined", "u:r", "u:r:t:s0 u:r:t:s0 1", "u:r:t\n", "u::t", "u:r:" + "t" * 5000]
)
def test_what_would_be_cut_or_is_none_may_not(text):
    assert not is_context(text)


@pytest.mark.skipif(os.path.exists("/sys/fs/selinux/class"), reason="this host has SELinux")
def test_where_no_policy_can_be_asked_nothing_is_known_and_that_is_said_once():
    unseen = []
    policy, context = Policy(unseen), "u:r:t:s0"
    assert policy.allows(context, context, "netlink_route_socket", "create") is None
    assert policy.allows(context, context, "capability", "net_admin") is None
    assert policy.transition(context, context) is None
    assert [(entry.source, "ENOENT" in entry.reason) for entry in unseen] == [("/sys/fs/selinux/class", True)]
