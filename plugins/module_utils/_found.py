# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a diagnosis finds, as dataclasses.

Storey 0: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional


@dataclass(frozen=True)
class Evidence:
    """One observed line: where it was read, what it says."""

    source: str
    text: str


@dataclass
class Remedy:
    """The role to run and its variables. adds: privilege gained; disrupts: what is interrupted;
    consent: the words of `accept` that are still missing."""

    role: str
    variables: dict[str, Any]
    adds: list[str] = field(default_factory=list)
    disrupts: list[str] = field(default_factory=list)
    consent: list[str] = field(default_factory=list)


@dataclass
class Finding:
    """Workload + cause + reason + certainty (proven, likely, possible) + evidence + remedy (or advice).

    effect: "refuses" (the operation fails now because of it), "may_refuse" (it depends on what the program does),
    "later" (the operation works now and will not after the next boot) or "none" (nothing fails). pending: the host is
    mended already, the workload only has to be executed anew.
    """

    workload: str
    cause: str
    reason: str
    certainty: str
    gate: str
    policy_owner: str
    summary: str
    effect: str = "refuses"
    capability: Optional[str] = None
    evidence: list[Evidence] = field(default_factory=list)
    also: list[str] = field(default_factory=list)
    remedy: Optional[Remedy] = None
    advice: str = ""
    pending: bool = False
