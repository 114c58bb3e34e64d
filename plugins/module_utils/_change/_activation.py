# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restart or recreation, by which files become effective for what runs already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable, NamedTuple, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ACTIVATION, Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_dockerd import (
    identify_dockerd,
    identify_reload,
    reload_dockerd,
    restart_dockerd,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import (
    identify_unit,
    restart_unit,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_start import (
    identify_lxc,
    identify_service,
    recreate_service,
    restart_lxc,
    restart_quadlet,
)

AS_STARTED, ANEW, STOPPED = "as it was started", "started anew", "not running"


def _identify_profile(details: Mapping[str, Any]) -> Optional[str]:
    # Imported here, as below: it brings the reader of profiles along, which nothing else needs.
    from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_profile import identify_profile

    return identify_profile(details)


def _load_profiles(details: Mapping[str, Any]) -> None:
    from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_profile import load_profiles

    load_profiles(details)


class How(NamedTuple):
    """identify: what tells this run from the next one, None when nothing runs. activate: start it anew; raises
    ChangeError when it does not come up and stay up. Both take the details of the change, and identify raises
    ChangeError when it cannot be known. word: of `accept`; kind: of `restart_required`."""

    identify: Callable[[Mapping[str, Any]], Optional[str]]
    activate: Callable[[Mapping[str, Any]], None]
    word: str = "restart"
    kind: str = "container"


HOW: dict[str, How] = {
    "unit": How(identify_unit, restart_unit, kind="unit"),
    "quadlet": How(identify_unit, restart_quadlet, kind="unit"),
    "compose": How(identify_service, recreate_service, word="recreate"),
    "lxc": How(identify_lxc, restart_lxc),
    "dockerd": How(identify_dockerd, restart_dockerd, kind="daemon"),
    "dockerd_reload": How(identify_reload, reload_dockerd, kind="daemon"),
    "profile": How(_identify_profile, _load_profiles, kind="process"),
}


class ActivationChange(Change):
    """target: kind and name, such as "unit foo.service". It is made after all other changes, and taken back after them.

    details: how: key of HOW; instance: identity of what runs before the change, None when nothing does; was: "down"
    when it was not up (failed, or started again and again), so that nobody can expect it to be up after a revert;
    files: targets of the changes that it makes effective, all of the receipt's if not given; and what HOW needs.
    deferred: its word was not accepted. It is recorded and not made, so that a revert knows that something else started
    it anew since; and named in restart_required.
    """

    kind = ACTIVATION
    last = True

    def __init__(
        self,
        target: str,
        before: Any = AS_STARTED,
        after: Any = ANEW,
        *,
        workloads: Iterable[str] = (),
        disrupts: Iterable[str] = (),
        details: Optional[Mapping[str, Any]] = None,
        deferred: bool = False,
    ) -> None:
        super().__init__(target, before, after, workloads=workloads, disrupts=disrupts, details=details)
        self.disrupts = self.disrupts or [f"{target} is started anew, which interrupts what it does"]
        self.deferred = deferred
        self.how = HOW[self.details["how"]]
        self._now: Any = None

    @property
    def word(self) -> str:
        """The word of `accept` that it needs."""
        return self.how.word

    @property
    def instance(self) -> dict[str, str]:
        """As it stands in restart_required."""
        return {"kind": self.how.kind, "name": self.target.partition(" ")[2]}

    def read(self) -> Any:
        """Whether what runs now is what ran before the change; "not running" when nothing does that did before.

        After files were reverted and it was not accepted to start it anew (see wait()), whether that run still lasts.
        """
        if self._now is not None:
            return self._now
        found = self.how.identify(self.details)
        if "stale" in self.details:
            return self.after if found is not None and found == self.details["stale"] else self.before
        if found == self.details["instance"]:
            return self.before
        return STOPPED if found is None else self.after

    def write(self, value: Any) -> None:
        """Start it anew, for either value. Raises ChangeError when it does not come up, unless it was not up before."""
        self._now = "being started"
        try:
            self.how.activate(self.details)
        except ChangeError:
            if value == self.after or self.details.get("was") != "down":
                raise
        self._now = value

    def validate(self) -> list[str]:
        """That it comes up again cannot be tried."""
        return [f"whether {self.target} comes up again"]

    def renew(self) -> None:
        """Remember what runs now, right before the first change."""
        self.details["instance"] = self.how.identify(self.details)

    def wait(self) -> None:
        """Remember the run that still has what was reverted, until somebody starts it anew."""
        try:
            self.details["stale"] = self.how.identify(self.details)
        except ChangeError:
            pass  # The next revert asks again.
