# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's capability predicate over user namespaces (security/commoncap.c, cap_capable()), as a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import OVERFLOW_UID
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, State


@dataclass(frozen=True)
class Decision:
    """Whether a thread has a capability over a user namespace.

    allowed: None when it cannot be known from what was read. why: "effective" (held in that namespace), "ancestor"
    (held in an ancestor of it), "owner" (the euid created it), "not_effective" (right namespace, not in the effective
    set), "foreign" (the thread's user namespace is neither it nor an ancestor), "unseen".
    """

    allowed: Optional[bool]
    why: str


# Stands for a user namespace above the observer's own, which it cannot tell from others.
ABOVE = 0


def decide(
    state: State, credentials: Credentials, user_ns: Optional[int], target: Optional[int], capability: int
) -> Decision:
    """Walk from the target user namespace upwards as cap_capable() does.

    user_ns: the namespace in which the credentials count; target: the namespace that guards the object (for a network
    namespace its owner). Both are inode numbers.
    """
    if user_ns is None or target is None:
        return Decision(None, "unseen")
    if target == ABOVE:
        # Every namespace that the observer sees is its own or below it, so none of them is an ancestor of the target.
        return Decision(False, "foreign") if user_ns in state.user_namespaces else Decision(None, "unseen")
    namespace = target
    while True:
        if namespace == user_ns:
            if not credentials.effective >> capability & 1:
                return Decision(False, "not_effective")
            return Decision(True, "effective" if namespace == target else "ancestor")
        known = state.user_namespaces.get(namespace)
        if known is None:
            return Decision(None, "unseen")
        if known.parent is None:
            # The top of what the observer sees: the thread's namespace lies below or aside, unless the observer is
            # itself nested and the chain may go on out of sight.
            return Decision(None, "unseen") if state.host.nested else Decision(False, "foreign")
        if known.parent == user_ns and known.owner_uid == credentials.euid:
            return Decision(None, "unseen") if known.owner_uid == OVERFLOW_UID else Decision(True, "owner")
        namespace = known.parent
