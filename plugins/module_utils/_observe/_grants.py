# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file capabilities our own receipts say were set, to notice when a file has lost its one."""

from __future__ import annotations

import json
import os

from ansible_collections.netlink.remediation.plugins.module_utils._state import Grant

RECEIPTS = "/var/lib/netlink-remediation/receipts"


def read_grants(directory: str = RECEIPTS) -> list[Grant]:
    """The newest file capability of each path that was set and not reverted, from the receipts of this host.

    A receipt that cannot be read grants nothing. Receipts are named so that they sort by age.
    """
    grants: dict[str, Grant] = {}
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".json"))
    except OSError:
        return []
    for name in names:
        for path, capabilities in _applied(os.path.join(directory, name)):
            if capabilities is None:
                grants.pop(path, None)
            else:
                grants[path] = Grant(path, capabilities, name[: -len(".json")])
    return list(grants.values())


def _applied(path: str) -> list[tuple[str, str | None]]:
    """(path, canonical text or None) of each file capability that a receipt applied."""
    found: list[tuple[str, str | None]] = []
    try:
        with open(path, encoding="utf-8") as file:
            for change in json.load(file)["changes"]:
                if change["kind"] == "xattr" and change["status"] == "applied":
                    after = change["record"]["after"]
                    found.append((change["record"]["details"]["path"], after["capabilities"] if after else None))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return found
