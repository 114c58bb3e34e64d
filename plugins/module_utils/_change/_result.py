# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sees of changes: the return values `changes` and `diff`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change


def describe_changes(steps: Iterable[tuple[Change, Any, Any]]) -> list[dict[str, Any]]:
    """The return value `changes` for (change, value before, value after)."""
    return [
        {
            "kind": change.kind,
            "target": displayable(change.target),
            "before": displayable(before),
            "after": displayable(after),
            "workloads": change.workloads,
        }
        for change, before, after in steps
    ]


def describe_diff(steps: Iterable[tuple[Change, Any, Any]]) -> list[dict[str, str]]:
    """The return value `diff` for (change, value before, value after)."""
    return [
        {
            "before_header": displayable(change.target),
            "after_header": displayable(change.target),
            "before": displayable(change.render(before)),
            "after": displayable(change.render(after)),
        }
        for change, before, after in steps
    ]


def displayable(value: Any) -> Any:
    """Without the surrogates that stand for undecodable bytes, which JSON for the controller must not hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {displayable(key): displayable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [displayable(item) for item in value]
    return value
