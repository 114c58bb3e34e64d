# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 2: the container was not given the capability, or its user cannot use it."""

from __future__ import annotations

from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._containers import (
    advice_for,
    container_remedy,
    place_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Actor, Cause, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._void import find_void
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_NET_ADMIN, CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container

CAUSE = Cause(
    "2",
    "container_without_capability",
    "The container was not given the capability, or the user that it runs as cannot use it.",
    {
        "not_granted": "The engine leaves the capability out of the container's bounding set.",
        "nonroot_user": "The container has the capability, but runs as a user other than root, who does not get it.",
        "dropped": "The container has the capability, but the program or its starter dropped it.",
        "not_applied": "Where the container is defined it is granted by now, but what runs was made before that.",
    },
)


def judge(subject: Subject) -> list[Finding]:
    """One finding for the first actor in a container that does not hold a capability."""
    container = subject.container
    if container is None:
        return []
    for actor in subject.actors:
        for operation, gate, bit, _user_ns, decision in subject.refusals(actor):
            if decision.why == "not_effective":
                if actor.credentials.permitted >> bit & 1 or find_void(subject, actor, bit):
                    return []
                return [_finding(subject, container, actor, operation, gate, bit)]
    return []


def _reason(subject: Subject, container: Container, actor: Actor, bit: int) -> str:
    if _granted_by_now(container, actor, bit):
        return "not_applied"
    if not actor.credentials.bounding >> bit & 1:
        return "dropped" if container.capabilities.get("bounding", 0) >> bit & 1 else "not_granted"
    is_root = {0, *subject.rootids()[:1]} & {actor.credentials.ruid, actor.credentials.euid}
    if is_root or _started_as_root(container):
        return "dropped"
    return "nonroot_user"


def _granted_by_now(container: Container, actor: Actor, bit: int) -> bool:
    """Whether the definition grants what the container that runs does not have: the capability, or another user."""
    if container.granted >> bit & 1 and not actor.credentials.bounding >> bit & 1:
        return True
    another_user = container.granted_user is not None and container.granted_user != container.user
    return another_user and bool((container.granted | actor.credentials.bounding) >> bit & 1)


def _finding(subject: Subject, container: Container, actor: Actor, operation: str, gate: str, bit: int) -> Finding:
    reason = _reason(subject, container, actor, bit)
    name = CAPABILITIES[bit]
    who = f"{subject.workload.name} (container {container.name} of {container.engine})"
    uid = actor.credentials.euid
    summary = {
        "not_granted": f"{who} was started without {name}: not even its root can have it.",
        "nonroot_user": f"{who} was given {name}, but runs as user {container.user}, who does not hold it.",
        "dropped": f"{who} was given {name}, but the thread that runs as uid {uid} dropped it.",
        "not_applied": f"{who} is granted {name} in {place_of(container)} by now, but was made before that.",
    }[reason]
    remedy, advice = None, ""
    if reason == "dropped":
        advice = (
            f"What starts this process (the image, or an exec as another user) drops {name}: keep it there, the "
            "container has it."
        )
    elif bit != CAP_NET_ADMIN:
        advice = f"Do not grant {name}, it is next to root: let the host do this from outside."
    else:
        wanted = _wanted(reason, container, name)
        remedy = container_remedy(subject, container, wanted, f"container {container.name} gains {name}")
        advice = "" if remedy else advice_for(container, wanted)
    return subject.finding(
        CAUSE,
        reason,
        gate=gate,
        capability=bit,
        certainty="possible" if subject.mixed else subject.certainty(operation),
        effect="may_refuse" if subject.mixed else "refuses",
        policy_owner="image" if reason == "dropped" else "container engine",
        summary=summary,
        evidence=_evidence(container, actor, bit) + subject.probe_evidence(operation),
        remedy=remedy,
        advice=advice,
        pending=reason == "not_applied",
    )


def _wanted(reason: str, container: Container, name: str) -> dict[str, Any]:
    """What the container's definition needs. Only podman gives an added capability to another user than root; with
    other engines the smallest that works is root with this capability and no other.
    """
    short = name[len("cap_") :].upper()
    if reason == "not_applied":
        return {"cap_add": [short], "recreate": True}
    if _started_as_root(container) or container.engine in ("podman", "lxc", "nspawn"):
        return {"cap_add": [short]}
    return {"cap_add": [short], "cap_drop": ["ALL"], "user": "0:0"}


def _started_as_root(container: Container) -> bool:
    return (container.user or "0").partition(":")[0] in ("", "0", "root")


def _evidence(container: Container, actor: Actor, bit: int) -> list[Evidence]:
    credentials = actor.credentials
    sets = [
        label
        for label, mask in (("effective", credentials.effective), ("bounding", credentials.bounding))
        if mask >> bit & 1
    ]
    text = f"uid {credentials.euid}; {CAPABILITIES[bit]} is in the sets: {', '.join(sets) or 'none'}"
    found = [Evidence(actor.place, text)]
    if container.specification:
        configured: Optional[int] = container.capabilities.get("bounding")
        said = "unknown" if configured is None else "granted" if configured >> bit & 1 else "not granted"
        found.append(Evidence(container.specification, f"{CAPABILITIES[bit]} {said}; user {container.user or 'root'}"))
    return found
