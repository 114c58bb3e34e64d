# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storey 3: the only code that writes to a host. One reversible modification is a Change.

A module builds a list of changes from what it read and hands it to run_changes() of _transaction; the receipt module
builds them again from what was recorded. _kinds lists the kinds there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Optional, TypeVar

ACTIVATION = "activation"  # the kind of change that only starts something anew


class ChangeError(Exception):
    """One clear sentence for the operator: why a change cannot be made, or was not."""


ChangeType = TypeVar("ChangeType", bound="Change")


class Change:
    """One modification of one target, from the value `before` to the value `after`.

    target: what is modified, such as a path, "net.ipv4.ip_forward" or "eth0 mtu". before, after and what read() returns
    are values of the same shape, made of what JSON knows; equal means that there is nothing to do. workloads: names of
    those it is made for. disrupts: sentences on what it interrupts. details: what else a revert needs, of what JSON
    knows. One write() should be one step of the kernel (a rename, one setxattr, one write to /proc/sys): a process that
    is killed has then done it or not, which read() tells. A kind that needs more steps overrides interrupted().
    """

    kind: ClassVar[str]
    # A restart: made after all other changes, and taken back after them, since it makes their values effective.
    last: ClassVar[bool] = False

    def __init__(
        self,
        target: str,
        before: Any,
        after: Any,
        *,
        workloads: Iterable[str] = (),
        disrupts: Iterable[str] = (),
        details: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.target = target
        self.before = before
        self.after = after
        self.workloads = list(workloads)
        self.disrupts = list(disrupts)
        self.details = dict(details or {})

    def read(self) -> Any:
        """The value of the target now. Raises ChangeError or OSError when it cannot be known."""
        raise NotImplementedError

    def write(self, value: Any) -> None:
        """Bring the target to a value: `after` to apply, `before` to revert. Raises ChangeError or OSError."""
        raise NotImplementedError

    def validate(self) -> list[str]:
        """Raise ChangeError when write(self.after) would fail, and change nothing.

        Returns sentences on what cannot be tried without doing it (`unvalidated`). Called before a revert as well.
        """
        return []

    def settle(self) -> None:
        """Remove what a write() that was killed may have left beside its target, which holds `before` again."""

    def interrupted(self, current: Any) -> bool:  # noqa: ARG002  for those that override it
        """Whether `current` can be what a write() that was killed made of `before`; a revert then writes `before`."""
        return False

    def stays(self) -> Optional[str]:
        """Why a revert leaves the target as this change made it, None when it does not. Raises ChangeError."""
        return None

    def consents(self, current: Any, value: Any) -> dict[str, str]:  # noqa: ARG002  for those that override it
        """Words of `accept` that a revert from `current` to `value` needs, each with a sentence on why."""
        return {}

    def render(self, value: Any) -> str:
        """A value as the text that stands in the diff; ends with a newline unless empty."""
        return "" if value is None else f"{value}\n"

    def record(self) -> dict[str, Any]:
        """Everything that a revert needs, of what JSON knows; before and after are among the keys."""
        return {
            "target": self.target,
            "before": self.before,
            "after": self.after,
            "workloads": self.workloads,
            "details": self.details,
        }

    @classmethod
    def from_record(cls: type[ChangeType], record: Mapping[str, Any]) -> ChangeType:
        """Rebuild a change from what record() said. Raises KeyError or TypeError for something else."""
        return cls(
            record["target"],
            record["before"],
            record["after"],
            workloads=record["workloads"],
            details=record["details"],
        )
