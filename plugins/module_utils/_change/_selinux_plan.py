# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of selinux_policy to changes: every mistake is found here, before anything is touched."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.parsing.convert_bool import boolean as as_bool

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import is_running
from ansible_collections.netlink.remediation.plugins.module_utils._change._path import demand_root_only, opened_file
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import require_root
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_module import (
    SelinuxModuleChange,
    SelinuxPermissiveChange,
    demand_in_force,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_store import (
    PRIORITY,
    build,
    read_module,
    stored_booleans,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_values import (
    SelinuxBooleanChange,
    SelinuxContextChange,
    SelinuxLabelChange,
    read_label,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_wish import (
    MODULE,
    Request,
    Rules,
    added,
    checked_type,
    demand_own_domain,
    merge,
    needs_strictness,
    parse_request,
    recover,
    render,
    security,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import run_changes
from ansible_collections.netlink.remediation.plugins.module_utils._commands import find, use
from ansible_collections.netlink.remediation.plugins.module_utils._observe._libselinux import Library
from ansible_collections.netlink.remediation.plugins.module_utils._observe._selinuxfs import (
    boolean,
    booleans,
    classes,
    has_type,
    is_active,
    own_context,
    permissions_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._selinux import type_of

# The programs that an option needs, and the packages of Debian and Fedora that have them.
_TOOLS = {
    "allow": (["semodule"], "policycoreutils"),
    "booleans": (["setsebool"], "policycoreutils"),
    "contexts": (["semanage"], "policycoreutils-python-utils"),
    "permissive": (["semodule", "load_policy"], "policycoreutils"),
}
_LONGEST_PERMISSIVE = 1440  # A day.
_BOOLEAN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,200}")


@dataclass
class SelinuxPlan:
    """What a call of the module will do. security: what domains may do more. text: of our policy module afterwards;
    strict: the policy's neverallow rules are to be asked about it. unvalidated: as in the module's result.
    """

    changes: list[Change] = field(default_factory=list)
    security: list[str] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)
    text: Optional[str] = None
    strict: bool = False


def run_selinux(module: AnsibleModule) -> dict[str, Any]:
    """The module selinux_policy. Raises ChangeError with one sentence."""
    require_root()
    use(module)
    requests = [parse_request(*entry, module.params["classes"]) for entry in enumerate(module.params["allow"])]
    if not is_active():
        raise ChangeError(
            "SELinux is not in force on this host (/sys/fs/selinux shows no loaded policy): there is nothing to change"
        )
    own = type_of(own_context())
    if own is None or not has_type(own):
        raise ChangeError(f"the kernel answers no questions about its policy here (this process runs as {own})")
    plan = plan_selinux(requests, module.params, check_mode=module.check_mode)
    return {**run_changes(module, plan.changes, unvalidated=plan.unvalidated), "security": plan.security}


def plan_selinux(requests: list[Request], options: Mapping[str, Any], *, check_mode: bool) -> SelinuxPlan:
    """Changes for the options of the module. Raises ChangeError with one sentence for whatever would fail."""
    plan = SelinuxPlan()
    rules = _plan_rules(plan, requests)
    plan.changes += _plan_booleans(options["booleans"])
    plan.changes += _plan_contexts(options["contexts"])
    permissive = _plan_permissive(options)
    if permissive is not None:
        permissive.trial = partial(build, plan.text, permissive.after, strict=plan.strict)
        plan.changes.append(permissive)
        plan.security += [
            f"SELinux refuses nothing to processes of {name} for {permissive.details['minutes']} minutes"
            for name in sorted(set(permissive.after) - set(permissive.before))
        ]
    elif rules is not None and (check_mode or plan.strict):
        # Otherwise semodule itself does all or nothing, and comes before all other changes.
        rules.trial = partial(build, plan.text, (), strict=plan.strict)
    return plan


def _demand_tools(option: str) -> None:
    programs, package = _TOOLS[option]
    for program in programs:
        if find(program) is None:
            raise ChangeError(f"{option}: there is no {program} on this host: install the package {package}")


def _similar(name: str, names: Iterable[str]) -> str:
    import difflib  # Only where somebody made a mistake.

    found = difflib.get_close_matches(name, list(names), n=3, cutoff=0.7)
    return f", it has {', '.join(found)}" if found else ""


# --- rules ------------------------------------------------------------------------------------------------------------


def _plan_rules(plan: SelinuxPlan, requests: list[Request]) -> Optional[SelinuxModuleChange]:
    installed = plan.text = read_module()
    if not requests:
        return None
    _demand_tools("allow")
    before = recover(installed)
    after = merge(before, requests)
    for request in requests:
        if request.state != "absent":
            _demand_known(request)
    plan.text = render(after)
    if plan.text == installed:
        if installed is not None:
            demand_in_force(installed)
        return None
    new: Rules = added(before, after)
    plan.security += security(new)
    plan.strict = needs_strictness(new)
    if new:
        plan.unvalidated.append(
            "whether a constraint of the policy takes back what a rule allows: only the kernel tells"
        )
    change = SelinuxModuleChange(f"{MODULE} (priority {PRIORITY})", installed, plan.text)
    plan.changes.append(change)
    return change


def _demand_known(request: Request) -> None:
    """Raise ChangeError for a type, class or permission that the loaded policy does not have."""
    cls = request.cls or ""
    known = permissions_of(cls)
    if not known:
        raise ChangeError(f"{request.where}: the policy of this host has no class {cls}{_similar(cls, classes())}")
    for name in sorted(request.permissions - set(known)):
        raise ChangeError(
            f"{request.where}: the class {cls} has no permission {name} in the policy of this host, expected some of "
            f"{', '.join(known)}"
        )
    for name in (request.domain, request.target):
        if name != "self":
            _demand_type(request.where, name)


def _demand_type(where: str, name: str) -> None:
    if not has_type(name):
        other = f", expected {name}_t" if has_type(f"{name}_t") else " (an attribute of types is none)"
        raise ChangeError(f"{where}: the policy of this host has no type {name}{other}")


# --- booleans ---------------------------------------------------------------------------------------------------------


def _plan_booleans(wanted: Mapping[Any, Any]) -> list[Change]:
    if not wanted:
        return []
    _demand_tools("booleans")
    values = {str(name): _checked_value(str(name), raw) for name, raw in wanted.items()}
    running = {name: boolean(name) if _BOOLEAN.fullmatch(name) else None for name in values}
    stored = stored_booleans([name for name, value in running.items() if value is not None])
    changes: list[Change] = []
    for name, value in values.items():
        if running[name] is None or name not in stored:
            raise ChangeError(
                f"booleans: the policy of this host has no boolean {name!r:.140}{_similar(name, booleans())}"
            )
        before, after = {"running": running[name], "stored": stored[name]}, {"running": value, "stored": value}
        if before != after:
            changes.append(SelinuxBooleanChange(name, before, after))
    return changes


def _checked_value(name: str, raw: Any) -> bool:
    try:
        return bool(as_bool(raw))
    except TypeError:
        raise ChangeError(f"booleans: the value of {name} is {raw!r:.80}, expected true or false") from None


# --- labels -----------------------------------------------------------------------------------------------------------


def _plan_contexts(entries: Iterable[Mapping[str, Any]]) -> list[Change]:
    found: dict[str, tuple[str, list[Change]]] = {}
    for index, entry in enumerate(entries):
        where, name = f"contexts[{index}]", entry["type"]
        real, changes = _plan_context(where, entry["path"], checked_type(f"{where}: type", name))
        if found.setdefault(real, (name, changes))[0] != name:
            raise ChangeError(f"{where}: {real} is to have the type {name} and also {found[real][0]}")
    return [change for _name, changes in found.values() for change in changes]


def _plan_context(where: str, path: str, name: str) -> tuple[str, list[Change]]:
    """The path without symbolic links; the rule for it, unless the policy gives it this type anyway, and the label."""
    if not os.path.isabs(path):
        raise ChangeError(f"{where}: path is {path!r:.140}, expected the absolute path of a program")
    _demand_type(where, name)
    changes: list[Change] = []
    try:
        with opened_file(path) as (handle, place):
            demand_root_only(handle, path)
            real, label = place.path, read_label(handle, path)
        user, role, old, *level = label.split(":", 3)
        if type_of(Library([]).label_of_path(real)) != name:
            _demand_tools("contexts")
            changes.append(SelinuxContextChange.of(real, name, label))
    except ChangeError as exc:
        raise ChangeError(f"{where}: {exc}") from None
    if old != name:
        changes.append(SelinuxLabelChange.of(real, label, ":".join([user, role, name, *level])))
    return real, changes


# --- permissive -------------------------------------------------------------------------------------------------------


def _plan_permissive(options: Mapping[str, Any]) -> Optional[SelinuxPermissiveChange]:
    names, minutes = sorted(set(options["permissive"])), options["permissive_minutes"]
    if not 1 <= minutes <= _LONGEST_PERMISSIVE:
        raise ChangeError(f"permissive_minutes is {minutes}, expected a number from 1 to {_LONGEST_PERMISSIVE}")
    if not names:
        return None
    _demand_tools("permissive")
    if not is_running():
        raise ChangeError("permissive: systemd does not run on this host, so that nothing would end it in time")
    for name in names:
        demand_own_domain("permissive", checked_type("permissive", name))
        _demand_type("permissive", name)
    change = SelinuxPermissiveChange("permissive domains", [], names, details={"domains": names, "minutes": minutes})
    change.before = change.read()
    if change.before == names:
        return None
    if "selinux_permissive" not in options["accept"]:
        fresh = ", ".join(name for name in names if name not in change.before)
        raise ChangeError(
            f"permissive: SELinux would refuse nothing to {fresh} for {minutes} minutes; add selinux_permissive to "
            "accept to do that"
        )
    return change
