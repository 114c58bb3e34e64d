# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module container_capabilities: from the option `containers` to changes where each container is defined."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_advice import plan_advice
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_compose import plan_compose
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_lxc import plan_lxc
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_plan import Plan, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_quadlet import plan_quadlets
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import (
    Request,
    Wish,
    merge,
    parse_request,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import require_root
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import run_changes
from ansible_collections.netlink.remediation.plugins.module_utils._commands import use
from ansible_collections.netlink.remediation.plugins.module_utils._observe._containers import observe_containers
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

# Who defines a container -> who can change it there; for all others there is advice.
_OWNERS = {"compose": plan_compose, "quadlet": plan_quadlets, "lxc": plan_lxc}


def run_containers(module: AnsibleModule) -> dict[str, Any]:
    """The module container_capabilities. Raises ChangeError with one sentence."""
    require_root()
    use(module)
    plan = plan_containers(module.params["containers"], module.params["accept"])
    result = run_changes(module, plan.changes, unvalidated=_only_the_engine_knows(module.params["containers"], plan))
    for sentence in plan.warnings:
        module.warn(sentence)
    return {**result, "security": plan.security, "advice": plan.advice}


def _only_the_engine_knows(containers: Sequence[Mapping[str, Any]], plan: Plan) -> list[str]:
    """What shows only when the engine starts the container: whether its image has the user, its kernel the sysctl."""
    if all(change.before == change.after for change in plan.changes):
        return []
    asked = {
        f"{name} of container {entry['container']}"
        for entry in containers
        for name in ("user", "sysctls")
        if entry.get(name)
    }
    return [f"{what}: tried by the engine, when it starts the container anew" for what in sorted(asked)]


def plan_containers(containers: Sequence[Mapping[str, Any]], accept: Collection[str]) -> Plan:
    """What to do for the option `containers`. Changes nothing. Raises ChangeError for whatever would fail."""
    requests = [parse_request(f"containers[{index}]", entry) for index, entry in enumerate(containers)]
    subjects = find_subjects(requests)
    for subject in subjects:
        merge(Wish(), subject.requests)  # Contradictions, before any engine is asked.
    plan = Plan(accept)
    for kind in dict.fromkeys(subject.container.owner.kind for subject in subjects):
        members = [subject for subject in subjects if subject.container.owner.kind == kind]
        _OWNERS.get(kind, plan_advice)(members, plan)
    return plan


def find_subjects(requests: Sequence[Request]) -> list[Subject]:
    """The containers that are named, each with its requests. Raises ChangeError for one that is not there."""
    unseen: list[Unseen] = []
    names = list(dict.fromkeys(request.container for request in requests))
    there = observe_containers(unseen, only=names)
    subjects: dict[str, Subject] = {}
    for request in requests:
        container = _chosen(request, list(there.values()), unseen)
        subjects.setdefault(container.id, Subject(container)).requests.append(request)
    return list(subjects.values())


def _chosen(request: Request, there: Sequence[Container], unseen: Sequence[Unseen]) -> Container:
    name = request.container
    found = [one for one in there if name in (one.id, one.name)]
    found = found or [one for one in there if len(name) >= _SHORT_ID and one.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        which = ", ".join(f"{one.id} ({one.engine})" for one in found)
        raise ChangeError(f"{request.where}: several containers have that name, expected one of the ids {which}")
    why = "; ".join(f"{one.source}: {one.reason}" for one in unseen[:3])
    raise ChangeError(
        f"{request.where}: there is no such container, expected a name or id that container_facts shows"
        + (f" (what could not be read: {why})" if why else "")
    )


_SHORT_ID = 12  # What engines show of an id.
