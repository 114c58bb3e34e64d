# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the option `units` to changes: one drop-in a unit, tried by systemd's own parser, and the restarts it needs."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import (
    is_running,
    one_line,
    show_units,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._dropin_lines import (
    Files,
    as_directives,
    bypasses,
    demand_effect,
    demand_shown,
    lines_for,
    runs_as_root,
    security,
    split_files,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._dropin_wish import (
    Request,
    Wish,
    is_ours,
    merge,
    parse_request,
    recover,
    render,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import require_root
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import run_changes
from ansible_collections.netlink.remediation.plugins.module_utils._change._unit_restart import (
    RESTART_PROPERTIES,
    plan_restart,
)
from ansible_collections.netlink.remediation.plugins.module_utils._commands import NO_PROGRAM, TIMED_OUT, run, use
from ansible_collections.netlink.remediation.plugins.module_utils._linux import capability_names
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_credentials
from ansible_collections.netlink.remediation.plugins.module_utils._observe._rewriters import systemd_version
from ansible_collections.netlink.remediation.plugins.module_utils._observe._units import observe_units
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive, Unit
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import DROP_IN, FILTERS

UNITS = "/etc/systemd/system"
# Where files of units lie that each user's own manager reads, systemd.unit(5).
_USER_UNITS = (
    "/etc/systemd/user",
    "/usr/local/lib/systemd/user",
    "/usr/lib/systemd/user",
    "/home/*/.config/systemd/user",
)
_SHOWN = (
    *("CapabilityBoundingSet", "AmbientCapabilities", "RestrictAddressFamilies", "RestrictNamespaces"),
    *("SystemCallFilter", "PrivateUsers", "PrivateNetwork", "ProtectKernelTunables", "NoNewPrivileges"),
)


@dataclass
class UnitPlan:
    """What a call of the module will do. security: what units may do more; the others as in the module's result."""

    changes: list[Change] = field(default_factory=list)
    security: list[str] = field(default_factory=list)
    restart_required: list[dict[str, str]] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class DropIn(FileChange):
    """A drop-in that systemd has to take over: what it then shows for the unit is looked at, also after a daemon-reload
    without complaint. A revert is that of any file. trial: raises ChangeError when the text is no good, before anything
    is written; look: raises ChangeError when systemd does not show what the text is for."""

    trial: Optional[Callable[[], list[str]]] = None
    look: Optional[Callable[[], None]] = None

    def validate(self) -> list[str]:
        """Let systemd's own parser read it."""
        found = super().validate()
        return found if self.trial is None else [*found, *self.trial()]

    def write(self, value: Any) -> None:
        """Write it, let systemd read it, and look."""
        super().write(value)
        if value == self.after and self.look is not None:
            self.look()


def run_units(module: AnsibleModule) -> dict[str, Any]:
    """The module unit_dropin. Raises ChangeError with one sentence."""
    require_root()
    use(module)
    if not is_running():
        raise ChangeError(
            "systemd does not run on this host (there is no /run/systemd/system): it has no units to change"
        )
    plan = plan_units(module.params["units"], module.params["accept"])
    result = run_changes(module, plan.changes, unvalidated=plan.unvalidated, restart_required=plan.restart_required)
    for sentence in plan.warnings:
        module.warn(sentence)
    return {**result, "security": plan.security}


def plan_units(entries: Sequence[Mapping[str, Any]], accept: Sequence[str]) -> UnitPlan:
    """Changes for the option `units`. Raises ChangeError with one sentence for whatever would fail."""
    requests = [parse_request(index, entry) for index, entry in enumerate(entries)]
    plan = UnitPlan()
    names = list(dict.fromkeys(request.unit for request in requests))
    if not names:
        return plan
    shown = dict(zip(names, show_units(names, ("Id", "LoadState", *RESTART_PROPERTIES))))
    together: dict[str, list[Request]] = {}
    for request in requests:
        together.setdefault(shown[request.unit]["Id"], []).append(request)
    states = {state["Id"]: state for state in shown.values()}
    unseen: list[Unseen] = []
    units = observe_units(list(together), unseen, run)
    for name, wanted in together.items():
        try:
            _plan_unit(plan, units.get(name) or Unit(name), states[name], wanted, accept)
        except ValueError as exc:
            raise ChangeError(f"{wanted[0].where}: {exc}") from None
        except ChangeError as exc:
            raise ChangeError(f"{wanted[0].where}: {exc}") from None
    return plan


def _plan_unit(
    plan: UnitPlan, unit: Unit, state: Mapping[str, str], requests: Sequence[Request], accept: Sequence[str]
) -> None:
    path = f"{UNITS}/{unit.name}.d/{DROP_IN}"
    old = _text_of(path)
    ours = old if old is not None and is_ours(old) else ""
    if old and not ours and requests[0].state != "exact" and (requests[0].state == "present" or requests[0].wish):
        raise ChangeError(f"{path} was not written by this module: use state exact to replace it")
    wish = merge(recover(ours), requests)
    files, text = Files([], []), None
    if wish:
        _demand_loaded(unit, state["LoadState"])
        files = split_files(unit, path)
        text = _text_for(wish, files, path, unit)
    own = as_directives(text, path)
    if text != old:
        change = DropIn.of(path, text, then="daemon_reload")
        if text is None:
            change.details["directories"] = [os.path.dirname(path)]  # Goes too if nothing else lies in it.
        else:
            change.trial = partial(try_dropin, unit.name, path, text)
            change.look = partial(_look, unit.name, wish, files, own)
        plan.changes.append(change)
        user = "" if runs_as_root(files, own) else _user_of(files, own)
        plan.security += security(unit.name, _service(own), _service(as_directives(ours, path)), user=user)
    restart = plan_restart(
        unit.name,
        state,
        path if text is not None or text != old else None,
        due=text != old or any(request.restart for request in requests),
        accepted="restart" in accept,
    )
    plan.changes += restart.changes
    plan.restart_required += restart.restart_required
    plan.warnings += restart.warnings


def _text_of(path: str) -> Optional[str]:
    found = FileChange.of(path, None).before
    return found["content"] if found else None


def _text_for(wish: Wish, files: Files, path: str, unit: Unit) -> Optional[str]:
    """The drop-in. Raises ChangeError where it could not have the effect that is wished for."""
    settings = as_directives(render(Wish(settings=wish.settings), []), path)
    text = render(wish, lines_for(wish, files, settings, unit.properties))
    own = as_directives(text, path)
    if (wish.grant or wish.lift) and bypasses(Files([*files.before, *own], files.after)):
        raise ChangeError(
            f"each ExecStart= of {unit.name} begins with +, so that User= and the sandbox do not hold for it: there is "
            "nothing to grant or to lift"
        )
    init = read_credentials(1, 1)
    if init is not None and wish.grant & ~init.bounding:
        names = ", ".join(capability_names(wish.grant & ~init.bounding))
        raise ChangeError(
            f"systemd itself cannot have {names} on this host: it is not in the bounding set of process 1"
        )
    _demand_no_filters(wish, files, own, unit)
    demand_effect(wish, files, own)
    return text


def _demand_no_filters(wish: Wish, files: Files, own: Sequence[Directive], unit: Unit) -> None:
    """Before 253, systemd needs no_new_privs to install a filter for a unit with User=, whatever the unit says."""
    version = systemd_version("/")
    if "no_new_privileges" not in wish.lift or runs_as_root(files, own) or version is None or version >= 253:
        return
    filters = [name for name, off in FILTERS.items() if unit.properties.get(name, off) not in ("", off)]
    if filters:
        raise ChangeError(
            f"no_new_privileges cannot be lifted: systemd {version} sets it for {filters[0]}= of a unit with User= too"
        )


def _demand_loaded(unit: Unit, load: str) -> None:
    """load: of the system manager, which does not know what users' managers run."""
    name = unit.name
    if load == "loaded":
        return
    if load != "not-found":
        raise ChangeError(f"systemd does not load {name} ({load}): mend or unmask it first")
    if unit.manager == "user" or any(glob.glob(f"{folder}/{name}") for folder in _USER_UNITS):
        raise ChangeError(
            f"{name} is a unit of users' own managers, which cannot grant what they do not have: make it a unit of the "
            "system, with User="
        )
    raise ChangeError(f"there is no unit {name} on this host")


def _service(lines: Sequence[Directive]) -> list[tuple[str, str]]:
    return [(line.name, line.value) for line in lines if line.section == "Service"]


def _user_of(files: Files, own: Sequence[Directive]) -> str:
    users = files.values("User", own)
    return f"user {users[-1]}" if users else "a user of its own"


def _look(name: str, wish: Wish, files: Files, own: Sequence[Directive]) -> None:
    """After the daemon-reload: what systemd shows now."""
    demand_shown(wish, files, own, show_units([name], _SHOWN)[0])


# --- trial ------------------------------------------------------------------------------------------------------------


def try_dropin(name: str, path: str, text: str) -> list[str]:
    """Let systemd-analyze read the unit with this drop-in, from a directory of its own that comes first.

    Raises ChangeError for a line that it does not understand, and for what it says of the unit with it but not
    without it. Returns sentences on what could not be tried.
    """
    with tempfile.TemporaryDirectory(prefix="netlink-remediation-") as place:
        folder = f"{place}/{os.path.basename(os.path.dirname(path))}"
        os.mkdir(folder)
        copy = f"{folder}/{DROP_IN}"
        with open(copy, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        said = _verify(name, place)
        if said is None:
            return [f"whether systemd understands {path}, since there is no systemd-analyze that can tell"]
        own = [line.replace(f"{copy}:", "line ") for line in said if copy in line]
    rest = [line for line in said if copy not in line]
    known = (_verify(name, "") or []) if rest else []
    wrong = own or [line for line in rest if line not in known]
    if wrong:
        raise ChangeError(f"systemd does not accept the drop-in {path}: {one_line(chr(10).join(wrong))}")
    return []


def _verify(name: str, place: str) -> Optional[list[str]]:
    """What systemd-analyze says of a unit, line by line, with the drop-ins in a directory (if any) in front of all
    others. Its exit code differs from release to release."""
    words = ["env", f"SYSTEMD_UNIT_PATH={place}:", "systemd-analyze", "verify", "--man=no", name]
    code, out, err = run(words if place else ["systemd-analyze", "verify", "--man=no", name])
    if code in (NO_PROGRAM, TIMED_OUT):
        return None
    return [line for line in (out + err).splitlines() if line.strip()]
