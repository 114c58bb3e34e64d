# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._predicate import decide
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_NET_ADMIN
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, Host, State, UserNamespace

INIT, CHILD, GRANDCHILD, OTHER = 1, 2, 3, 4
WITH, WITHOUT = 1 << CAP_NET_ADMIN, 0


def state(nested: bool = False) -> State:
    """init above a child of uid 1000 (above a grandchild of the same) and another child of uid 65534."""
    return State(
        host=Host(nested=nested),
        user_namespaces={
            INIT: UserNamespace(INIT),
            CHILD: UserNamespace(CHILD, INIT, 1000),
            GRANDCHILD: UserNamespace(GRANDCHILD, CHILD, 1000),
            OTHER: UserNamespace(OTHER, INIT, 65534),
        },
    )


@pytest.mark.parametrize(
    ("euid", "effective", "home", "target", "allowed", "why"),
    [
        (0, WITH, INIT, INIT, True, "effective"),
        (0, WITHOUT, INIT, INIT, False, "not_effective"),
        (0, WITH, INIT, GRANDCHILD, True, "ancestor"),
        (1000, WITHOUT, INIT, CHILD, True, "owner"),
        (1000, WITHOUT, INIT, GRANDCHILD, True, "owner"),
        (1001, WITHOUT, INIT, CHILD, False, "not_effective"),
        (1000, WITH, CHILD, INIT, False, "foreign"),
        (1000, WITH, CHILD, OTHER, False, "foreign"),
        (1000, WITH, GRANDCHILD, CHILD, False, "foreign"),
        (65534, WITHOUT, INIT, OTHER, None, "unseen"),
        (0, WITH, INIT, 99, None, "unseen"),
        (0, WITH, None, INIT, None, "unseen"),
        (0, WITH, INIT, None, None, "unseen"),
    ],
)
def test_the_predicate_walks_as_the_kernel_does(euid, effective, home, target, allowed, why):
    decision = decide(state(), Credentials(euid=euid, effective=effective), home, target, CAP_NET_ADMIN)
    assert (decision.allowed, decision.why) == (allowed, why)


def test_a_nested_observer_does_not_take_its_horizon_for_the_end():
    decision = decide(state(nested=True), Credentials(euid=1000, effective=WITH), CHILD, INIT, CAP_NET_ADMIN)
    assert decision.allowed is None
