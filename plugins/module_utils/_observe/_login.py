# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credentials with which a user of this host starts a program."""

from __future__ import annotations

import os
import pwd

from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials


def login_credentials(user: str, bounding: int) -> Credentials:
    """Credentials of a plain login of a user, given by name or number; a number need not be in the user database.

    bounding: bounding set of a login (that of pid 1). root holds it, others hold nothing. Raises ValueError with one
    sentence for a name that the host does not know.
    """
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
        uid, gid = entry.pw_uid, entry.pw_gid
        groups = tuple(os.getgrouplist(entry.pw_name, gid))
    except KeyError:
        if not user.isdigit():
            raise ValueError(f"{user!r} is no user of this host, expected a name or a number") from None
        uid = gid = int(user)
        groups = (gid,)
    held = bounding if uid == 0 else 0
    return Credentials(
        uid, uid, uid, uid, gid, gid, gid, gid, groups, effective=held, permitted=held, bounding=bounding
    )
