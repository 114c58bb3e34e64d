# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wished for a unit, as the option `units` says it and as our drop-in remembers it. Pure: nothing is read here.

The drop-in holds what was wished for (in comments, and the settings as they are) beside the lines that follow from it,
so that a later call adds to it, and takes single wishes back, whatever the rest of the unit looks like by then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAPABILITIES,
    capability_mask,
    capability_names,
)
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import split_words

HEADER = "# Written by the Ansible collection netlink.remediation (module unit_dropin): it reads these comments again."
LIFTS = (
    "private_users",
    "private_network",
    "restrict_address_families",
    "restrict_namespaces",
    "system_call_filter",
    "protect_kernel_tunables",
    "no_new_privileges",
)

# Values of a key of a section, in order; each is a line of its own.
Settings = dict[str, dict[str, list[str]]]

_SUFFIXES = ("automount", "device", "mount", "path", "scope", "service", "slice", "socket", "swap", "target", "timer")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_SETTINGS = "# settings"
_CAPABILITY_LISTS = ("CapabilityBoundingSet", "AmbientCapabilities")


@dataclass
class Wish:
    """grant: bit mask of capabilities; lift: some of LIFTS."""

    grant: int = 0
    lift: frozenset[str] = frozenset()
    settings: Settings = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.grant or self.lift or self.settings)


@dataclass
class Request:
    """One entry of the option. where: its place, for messages; unit: full name; restart: even if nothing changes."""

    where: str
    unit: str
    state: str
    wish: Wish
    restart: bool


# --- the option -------------------------------------------------------------------------------------------------------


def parse_request(index: int, entry: Mapping[str, Any]) -> Request:
    """One entry of the option `units`. Raises ChangeError with one sentence."""
    name, state = entry["unit"], entry["state"]
    where = f"units[{index}] ({name})"
    unit = _unit_name(f"units[{index}]", name)
    try:
        grant = capability_mask(entry["grant"] or [])
    except ValueError as exc:
        raise ChangeError(f"{where}: grant: {exc}") from None
    wish = Wish(grant, frozenset(entry["lift"] or []), _parse_settings(where, entry["settings"] or {}))
    if not wish and state != "absent" and not (entry["restart"] and state == "present"):
        raise ChangeError(f"{where}: state {state} needs grant, lift or settings")
    return Request(where, unit, state, wish, bool(entry["restart"]))


def _unit_name(where: str, name: str) -> str:
    """With its suffix, as systemctl completes it."""
    if not _UNIT.fullmatch(name) or len(name) > 255 or name.startswith("."):
        raise ChangeError(f"{where}: unit is {name!r}, expected the name of a service such as vpn.service")
    full = name if "." in name and name.rpartition(".")[2] in _SUFFIXES else f"{name}.service"
    if not full.endswith(".service") or full == ".service":
        raise ChangeError(
            f"{where}: unit is {name!r}, expected a service, for example {name.rpartition('.')[0]}.service"
        )
    if full.endswith("@.service"):
        example = full.replace("@.", "@eth0.")
        raise ChangeError(f"{where}: unit is {name!r}, which is a template: expected an instance such as {example}")
    return full


def _parse_settings(where: str, value: Any) -> Settings:
    """Values as systemd writes them; raises ChangeError for what a unit file cannot hold."""
    found: Settings = {}
    for section, keys in _mapping(f"{where}: settings", value).items():
        if not isinstance(section, str) or not _WORD.fullmatch(section) or section == "Install":
            expected = "Unit or Service" + (" ([Install] is not read from drop-ins)" if section == "Install" else "")
            raise ChangeError(f"{where}: settings has the section {section!r}, expected {expected}")
        for key, raw in _mapping(f"{where}: settings[{section}]", keys).items():
            if not isinstance(key, str) or not _WORD.fullmatch(key):
                raise ChangeError(f"{where}: settings[{section}] has the key {key!r}, expected one of systemd")
            place = f"{where}: settings[{section}][{key}]"
            values = raw if isinstance(raw, (list, tuple)) else [raw]
            if not values:
                raise ChangeError(f'{place} is an empty list, expected a value, or [""] for an empty assignment')
            found.setdefault(section, {})[key] = [_value(place, key, one) for one in values]
    return found


def _mapping(where: str, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise ChangeError(f"{where} is {value!r}, expected a dictionary such as Service: {{PrivateUsers: false}}")
    return value


def _value(place: str, key: str, raw: Any) -> str:
    if isinstance(raw, bool):
        return "yes" if raw else "no"
    if not isinstance(raw, (str, int, float)):
        raise ChangeError(f"{place} is {raw!r}, expected a text, a number, true or false, or a list of these")
    text = str(raw).strip()
    if not text.replace("\t", " ").isprintable() or text.endswith("\\"):
        raise ChangeError(
            f"{place} is {str(raw)!r}, expected one line of printable text without a backslash at its end"
        )
    if key in _CAPABILITY_LISTS:
        for word in split_words(text[1:] if text.startswith("~") else text):
            if word.lower() not in CAPABILITIES and not re.fullmatch("[0-9]{1,2}", word):
                raise ChangeError(f"{place} names {word!r}, which is no capability, expected e.g. CAP_NET_ADMIN")
    return text


# --- adding up --------------------------------------------------------------------------------------------------------


def merge(before: Wish, requests: Sequence[Request]) -> Wish:
    """What is wished after all requests for one unit. Raises ChangeError when one of them takes another back."""
    after = before
    for request in requests:
        after = _wanted(after, request)
    for request in requests:
        if _wanted(after, request) != after:
            others = ", ".join(other.where for other in requests if other is not request)
            raise ChangeError(f"{request.where} contradicts {others}: each unit needs one answer")
    return after


def _wanted(current: Wish, request: Request) -> Wish:
    wish = request.wish
    if request.state == "exact" or (request.state == "absent" and not wish):
        return wish
    if request.state == "absent":
        return Wish(current.grant & ~wish.grant, current.lift - wish.lift, _without(current.settings, wish.settings))
    return Wish(current.grant | wish.grant, current.lift | wish.lift, _with(current.settings, wish.settings))


def _with(settings: Settings, more: Settings) -> Settings:
    """A key that is named again has the new values, whatever it had."""
    merged = {section: dict(keys) for section, keys in settings.items()}
    for section, keys in more.items():
        merged.setdefault(section, {}).update(keys)
    return merged


def _without(settings: Settings, less: Settings) -> Settings:
    """Without the keys that are named, whatever their values."""
    left = {
        section: {key: values for key, values in keys.items() if key not in less.get(section, {})}
        for section, keys in settings.items()
    }
    return {section: keys for section, keys in left.items() if keys}


# --- our drop-in ------------------------------------------------------------------------------------------------------


def render(wish: Wish, lines: Iterable[tuple[str, str]]) -> Optional[str]:
    """The drop-in for a wish and the lines of [Service] that follow from it; None when nothing would be in it."""
    own = [f"{name}={value}" for name, value in lines]
    if not own and not wish.settings:
        return None
    text = [HEADER]
    text += [f"# grant: {' '.join(capability_names(wish.grant))}"] if wish.grant else []
    text += [f"# lift: {' '.join(name for name in LIFTS if name in wish.lift)}"] if wish.lift else []
    text += ["[Service]", *own] if own else []
    text += [_SETTINGS] if wish.settings else []
    for section, keys in wish.settings.items():
        text += [f"[{section}]", *(f"{key}={value}" for key, values in keys.items() for value in values)]
    return "\n".join(text) + "\n"


def is_ours(text: str) -> bool:
    """Whether a drop-in was written by this module."""
    return text.startswith(HEADER)


def recover(text: str) -> Wish:
    """The wish that a drop-in of ours was written for. What somebody added to its generated lines is not in it."""
    wish, section, in_settings = Wish(), "", False
    for line in text.splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if line == _SETTINGS:
            in_settings = True
        elif line.startswith("# grant:"):
            wish.grant = capability_mask([name for name in line[8:].split() if name in CAPABILITIES])
        elif line.startswith("# lift:"):
            wish.lift = frozenset(line[7:].split()) & frozenset(LIFTS)
        elif line.startswith("[") and line.rstrip().endswith("]"):
            section = line.strip()[1:-1]
        elif in_settings and equals and not line.startswith(("#", ";")):
            wish.settings.setdefault(section, {}).setdefault(key, []).append(value)
    return wish
