# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task of the module link_state: read, plan all links, refuse what cuts the own connection, make the changes."""

from __future__ import annotations

import os
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._link import (
    LinkChange,
    link_change,
    netns_inode,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._link_persist import persisted_file
from ansible_collections.netlink.remediation.plugins.module_utils._change._link_plan import (
    Namespace,
    Plan,
    parse_wanted,
    plan_link,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._own_connection import (
    Session,
    cuts,
    find_session,
    locate,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import require_root, run_changes
from ansible_collections.netlink.remediation.plugins.module_utils._observe._links import (
    inside_netns,
    is_initial_netns,
    observe_links,
)
from ansible_collections.netlink.remediation.plugins.module_utils._pyroute2 import require_pyroute2
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

ROUTE_ARGUMENTS: dict[str, Any] = {
    "dst": {"type": "str", "required": True},
    "gateway": {"type": "str"},
    "table": {"type": "int"},
    "metric": {"type": "int"},
    "prefsrc": {"type": "str"},
}
LINK_ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str"},
    "altname": {"type": "str"},
    "state": {"type": "str", "choices": ["up", "down"]},
    "mtu": {"type": "int"},
    "addresses": {"type": "list", "elements": "str"},
    "routes": {"type": "list", "elements": "dict", "options": ROUTE_ARGUMENTS},
    "purge": {"type": "bool", "default": False},
    "netns": {"type": "path"},
}
ARGUMENTS: dict[str, Any] = {
    "links": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": LINK_ARGUMENTS,
        "mutually_exclusive": [["name", "altname"]],
        "required_one_of": [["name", "altname"]],
    },
    "persist": {"type": "bool", "default": False},
}


def run(module: AnsibleModule) -> dict[str, Any]:
    """The common result of a change module. Raises ChangeError with one sentence for what cannot be done."""
    require_root()
    pyroute2 = require_pyroute2(module)
    plans = plan_all(module.params["links"])
    refuse_cuts(plans, module.params["accept"], pyroute2)
    changes: list[Change] = [change_of(plan, netns) for plan, netns in plans]
    unvalidated = [sentence for plan, _netns in plans if plan.before != plan.after for sentence in plan.unvalidated]
    if module.params["persist"]:
        changes += persist(plans, unvalidated)
    return run_changes(module, changes, unvalidated=unvalidated)


def plan_all(entries: list[dict[str, Any]]) -> list[tuple[Plan, Optional[str]]]:
    """A plan for each entry, with the path of its namespace. Raises ChangeError for the first that cannot be done."""
    namespaces: dict[int, Namespace] = {}
    plans: list[tuple[Plan, Optional[str]]] = []
    seen: set[tuple[int, str]] = set()
    for index, entry in enumerate(entries):
        where, netns = f"links[{index}]", entry.get("netns")
        if netns is not None and not os.path.isabs(netns):
            raise ChangeError(f"{where}: netns {netns!r} is no absolute path, expected e.g. /run/netns/blue")
        inode = netns_inode(netns)
        if inode not in namespaces:
            namespaces[inode] = read_namespace(netns)
        wanted = parse_wanted(where, entry, namespaces[inode])
        if (inode, wanted.link.name) in seen:
            raise ChangeError(f"{wanted.where}: the link is listed twice, expected one entry for each link")
        seen.add((inode, wanted.link.name))
        plans.append((plan_link(wanted, namespaces[inode]), netns))
    return plans


def read_namespace(netns: Optional[str]) -> Namespace:
    """Links, routes and sysctls of a network namespace. Raises ChangeError when they cannot be read."""
    unseen: list[Unseen] = []
    links, routes = observe_links(netns, unseen)
    if unseen:
        raise ChangeError(f"{unseen[0].source}: {unseen[0].reason}")

    def sysctl(key: str) -> Optional[str]:
        # /proc/sys/net shows the network namespace of the thread that opens it.
        try:
            with inside_netns(netns), open(f"/proc/sys/{key}", encoding="ascii") as stream:
                return stream.read()
        except OSError:
            return None

    return Namespace(netns, links, routes, sysctl)


def refuse_cuts(plans: list[tuple[Plan, Optional[str]]], accept: list[str], pyroute2: Any) -> None:
    """Raise ChangeError when a plan would cut the session of Ansible and that was not accepted."""
    session = find_session() if "own_connection" not in accept else None
    if session is None:
        return
    own = [plan for plan, netns in plans if netns_inode(netns) == netns_inode(None)]
    if not own:
        return
    locate_session(session, pyroute2)
    for plan in own:
        reasons = cuts(session, plan.wanted.link.name, plan.before, plan.after)
        if reasons:
            raise ChangeError(
                f"{plan.wanted.where}: this can cut the connection of Ansible from {session.client} to "
                f"{session.server} ({', '.join(reasons)}), expected accept: [own_connection]"
            )


def locate_session(session: Session, pyroute2: Any) -> None:
    """Find the links that carry the session."""
    links, _routes = observe_links(None, [])
    with pyroute2.IPRoute() as netlink:
        locate(session, links, netlink)


def change_of(plan: Plan, netns: Optional[str]) -> LinkChange:
    """The change that a plan means."""
    return link_change(plan.wanted.link.name, netns, plan.before, plan.after, plan.disrupts)


def persist(plans: list[tuple[Plan, Optional[str]]], unvalidated: list[str]) -> list[Change]:
    """The changes of the managers' files. Raises ChangeError where none would be read at boot."""
    changes: list[Change] = []
    for plan, netns in plans:
        if netns or not is_initial_netns():
            place = netns or "this network namespace"
            raise ChangeError(
                f"{plan.wanted.where}: persist is refused in {place}, no manager configures links there at boot: "
                "let what creates the namespace do it, or set persist: false"
            )
        file = persisted_file(plan.wanted)
        changes.append(FileChange.of(file.path, file.text, mode=file.mode))
        unvalidated += file.unvalidated if file.text != file.text_before else []
    return changes
