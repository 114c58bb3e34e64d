# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a drop-in that follow from a wish and the rest of the unit, and what they come to. Pure.

A directive that is a list is only ever added to where a line is in force: CapabilityBoundingSet=CAP_NET_ADMIN where
none was would take every other capability away, and RestrictAddressFamilies=AF_NETLINK every other family.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._dropin_wish import LIFTS, Wish
from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES, capability_names
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive, Unit
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import (
    DROP_IN,
    NETLINK_CALLS,
    address_families,
    capability_set,
    effective,
    is_true,
    namespaces,
    parse_exec,
    system_calls,
)

Line = tuple[str, str]

# What a netlink workload does with namespaces: makes and enters those of the network (ip netns, with a mount namespace
# of its own), without privilege in a user namespace of its own.
KINDS = frozenset(["net", "mnt", "user"])
CALLS = (*NETLINK_CALLS, "unshare", "setns")

# Capabilities that each systemd of this decade knows; "systemctl show" leaves out what it does not know.
_KNOWN = (1 << 38) - 1

_SWITCHES = {
    "private_users": "PrivateUsers",
    "private_network": "PrivateNetwork",
    "protect_kernel_tunables": "ProtectKernelTunables",
    "no_new_privileges": "NoNewPrivileges",
}


@dataclass
class Files:
    """The assignments of a unit around our drop-in: those that systemd reads before it, and after it; and those that it
    holds itself so far."""

    before: list[Directive]
    after: list[Directive]
    ours: list[Directive] = field(default_factory=list)

    def values(self, name: str, own: Sequence[Directive] = ()) -> list[str]:
        """Values of a directive of [Service] that are in force, with `own` in the place of our drop-in."""
        return [line.value for line in effective([*self.before, *own, *self.after], "Service", name)]


def split_files(unit: Unit, path: str) -> Files:
    """path: of our drop-in, whose lines are left out. systemd sorts drop-ins by name, whatever their directory."""
    rest = [line for line in unit.directives if line.file != path]
    later = {file for file in unit.drop_ins if file.rpartition("/")[2] > DROP_IN}
    return Files(
        [line for line in rest if line.file not in later],
        [line for line in rest if line.file in later],
        [line for line in unit.directives if line.file == path],
    )


def runs_as_root(files: Files, own: Sequence[Directive] = ()) -> bool:
    """Whether its program is started as root: then it has what its bounding set leaves."""
    user = files.values("User", own)[-1:] or [""]
    return user[0] in ("", "root", "0") and not _is_on(files, "DynamicUser", own)


def _is_on(files: Files, name: str, own: Sequence[Directive] = ()) -> bool:
    """Whether a switch is on; any other word of it (PrivateUsers=self) is on as well."""
    values = files.values(name, own)
    try:
        return bool(values) and is_true(values[-1])
    except ValueError:
        return True


# --- which lines ------------------------------------------------------------------------------------------------------


def lines_for(wish: Wish, files: Files, settings: Sequence[Directive], properties: Mapping[str, str]) -> list[Line]:
    """The lines of [Service] that a wish needs. settings: its settings as lines; properties: as systemctl shows them.

    Raises ChangeError for what cannot be had from a unit of this kind.
    """
    lines = _grant_lines(wish.grant, files, settings)
    for name in LIFTS:
        if name in wish.lift:
            lines += _lift_lines(name, files, properties)
    return lines


def _grant_lines(grant: int, files: Files, settings: Sequence[Directive]) -> list[Line]:
    lines: list[Line] = []
    bounding = capability_set(files.values("CapabilityBoundingSet"))
    ambient = capability_set(files.values("AmbientCapabilities"), ambient=True) or 0
    if grant and not runs_as_root(files, settings) and grant & ~ambient:
        lines.append(("AmbientCapabilities", _words(grant & ~ambient)))
    if bounding is not None and grant & ~bounding:
        lines.append(("CapabilityBoundingSet", _words(grant & ~bounding)))
    return lines


def _words(mask: int) -> str:
    return " ".join(name.upper() for name in capability_names(mask))


def _lift_lines(name: str, files: Files, properties: Mapping[str, str]) -> list[Line]:
    """Nothing where nothing has to be lifted."""
    if name == "no_new_privileges" and _is_on(files, "DynamicUser"):
        raise ChangeError(
            "no_new_privileges cannot be lifted: DynamicUser= implies NoNewPrivileges=, give the unit a User= instead"
        )
    if name in _SWITCHES:
        return [(_SWITCHES[name], "no")] if _is_on(files, _SWITCHES[name]) else []
    if name == "restrict_address_families":
        families = address_families(files.values("RestrictAddressFamilies"))
        return [("RestrictAddressFamilies", "AF_NETLINK")] if families and not _has_netlink(families) else []
    if name == "restrict_namespaces":
        kinds = namespaces(files.values("RestrictNamespaces"))
        missing = KINDS - kinds if kinds is not None else frozenset()
        return [("RestrictNamespaces", " ".join(sorted(missing)))] if missing else []
    refuses = _refuses_calls(properties) or any(line.name == "SystemCallFilter" for line in files.ours)
    return [("SystemCallFilter", " ".join(CALLS))] if files.values("SystemCallFilter") and refuses else []


def _has_netlink(families: tuple[bool, frozenset[str]]) -> bool:
    return families[0] == ("AF_NETLINK" in families[1])


def _refuses_calls(properties: Mapping[str, str]) -> bool:
    """Whether a filter refuses one of CALLS, going by what systemd says (our lines included)."""
    listed = system_calls(properties.get("SystemCallFilter", ""))
    return listed is None or any((name in listed[1]) != listed[0] for name in CALLS)


def as_directives(text: Optional[str], path: str) -> list[Directive]:
    """The assignments in a drop-in that we rendered."""
    found, section = [], ""
    for number, line in enumerate((text or "").splitlines(), 1):
        if line.startswith("["):
            section = line[1:-1]
        elif not line.startswith("#"):
            name, _equals, value = line.partition("=")
            found.append(Directive(section, name, value, path, number))
    return found


# --- what they come to ------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What a directive shall come to. reach: whether a value in force (of files or of systemctl show) does that."""

    name: str
    what: str
    reach: Callable[[list[str]], bool]


def outcomes(wish: Wish, files: Files, own: Sequence[Directive]) -> list[Outcome]:
    """What must hold with our drop-in: what was asked for, and nothing that the rest of the unit has is lost to it."""
    found: list[Outcome] = []
    if wish.grant:
        found.append(_keeps("CapabilityBoundingSet", wish, files))
        found += [] if runs_as_root(files, own) else [_keeps("AmbientCapabilities", wish, files)]
    for name in LIFTS:
        if name in wish.lift:
            found += _lifted(name, wish, files)
    return found


def _keeps(name: str, wish: Wish, files: Files) -> Outcome:
    ambient = name == "AmbientCapabilities"
    initial = 0 if ambient else ALL_CAPABILITIES
    old = capability_set(files.values(name), ambient=ambient)
    needed = wish.grant
    if not _is_set(wish, name):
        needed |= (initial if old is None else old) & _KNOWN

    def reach(values: list[str]) -> bool:
        mask = capability_set(values, ambient=ambient)
        return not needed & ~(initial if mask is None else mask)

    return Outcome(name, _words(wish.grant), reach)


def _is_set(wish: Wish, name: str) -> bool:
    """Whether the settings say a directive anew: then they may narrow it."""
    return name in wish.settings.get("Service", {})


def _lifted(name: str, wish: Wish, files: Files) -> list[Outcome]:
    if name in _SWITCHES:
        return [Outcome(_SWITCHES[name], "no", _is_off)]
    if name == "restrict_address_families":
        old = address_families(files.values("RestrictAddressFamilies"))
        if _is_set(wish, "RestrictAddressFamilies"):
            old = (True, frozenset())
        return [Outcome("RestrictAddressFamilies", "AF_NETLINK", lambda values: _allows_families(values, old))]
    if name == "restrict_namespaces":
        kinds = namespaces(files.values("RestrictNamespaces"))
        wanted = KINDS if kinds is None or _is_set(wish, "RestrictNamespaces") else KINDS | kinds
        return [Outcome("RestrictNamespaces", " ".join(sorted(KINDS)), lambda values: _allows_kinds(values, wanted))]
    return []


def _is_off(values: list[str]) -> bool:
    try:
        return not values or not is_true(values[-1])
    except ValueError:
        return False


def _allows_families(values: list[str], old: Optional[tuple[bool, frozenset[str]]]) -> bool:
    new = address_families(values)
    if new is None or old is None:
        return new is None
    if new[0]:
        return old[0] and old[1] <= new[1] and _has_netlink(new)
    return _has_netlink(new) and (old[0] or new[1] <= old[1])


def _allows_kinds(values: list[str], wanted: frozenset[str]) -> bool:
    kinds = namespaces(values)
    return kinds is None or wanted <= kinds


def demand_effect(wish: Wish, files: Files, own: Sequence[Directive]) -> None:
    """Raise ChangeError, with file and line, where something that systemd reads after our lines makes them void."""
    for outcome in outcomes(wish, files, own):
        if outcome.reach(files.values(outcome.name, own)):
            continue
        sets = [line for line in [*own, *files.after] if line.name == outcome.name and line.section == "Service"]
        if not sets:
            raise ChangeError(f"{outcome.name}={outcome.what} cannot be had from this unit")
        culprit = sets[-1]
        where = "settings" if culprit in own else f"{culprit.file}:{culprit.line}"
        raise ChangeError(
            f"{outcome.name}={outcome.what} would have no effect: {where} sets {culprit.name}={culprit.value}, which "
            "systemd reads later; change it there"
        )


def demand_shown(wish: Wish, files: Files, own: Sequence[Directive], shown: Mapping[str, str]) -> None:
    """Raise ChangeError unless systemctl shows what our lines are to come to."""
    for outcome in outcomes(wish, files, own):
        text = shown.get(outcome.name)
        if text is None:
            continue  # This systemd does not know the directive.
        values = ["none"] if outcome.name == "RestrictAddressFamilies" and not text else [text]
        if not outcome.reach(values):
            raise ChangeError(
                f"systemd does not take it over: it shows {outcome.name}={text} in place of {outcome.what}"
            )
    listed = system_calls(shown.get("SystemCallFilter", ""))
    if listed and "system_call_filter" in wish.lift and not _is_set(wish, "SystemCallFilter"):
        refused = [name for name in NETLINK_CALLS if (name in listed[1]) != listed[0]]
        if refused:
            raise ChangeError(
                f"systemd does not take it over: its SystemCallFilter= still refuses {', '.join(refused)}"
            )


def bypasses(files: Files) -> bool:
    """Whether no command of the unit is bound by its User= and its sandbox."""
    commands = files.values("ExecStart")
    return bool(commands) and all("+" in parse_exec(command)[0] for command in commands)


# --- what it means ----------------------------------------------------------------------------------------------------

_MEANS: dict[str, str] = {
    "PrivateUsers": "runs in the host's user namespace, where its capabilities count for the host's network",
    "PrivateNetwork": "reaches the network of the host",
    "RestrictAddressFamilies": "may open netlink sockets",
    "RestrictNamespaces": "may make and enter namespaces ({value})",
    "SystemCallFilter": "may use the system calls {value}",
    "ProtectKernelTunables": "may write to /proc/sys and /sys, as far as its user may",
    "NoNewPrivileges": "may gain privilege by execve(2): setuid programs and file capabilities work in it",
}


def security(unit: str, lines: Iterable[Line], before: Iterable[Line], *, user: str) -> list[str]:
    """Sentences on what a unit may do more with these lines than with those of before. user: "" for root."""
    old = set(before)
    sentences = []
    for name, value in lines:
        if (name, value) in old:
            continue
        if name == "AmbientCapabilities":
            sentences.append(f"{unit} has {value} in every program that it starts, although it runs as {user}")
        elif name == "CapabilityBoundingSet":
            sentences.append(f"{unit} may have {value}, which its bounding set kept from it")
        elif name in _MEANS:
            sentences.append(f"{unit} {_MEANS[name].format(value=value)}")
        else:
            sentences.append(f"{unit} has the setting {name}={value}")
    return sentences
