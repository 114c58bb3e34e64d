# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two sets of variables of one role become one: lists of files, links, units, containers add up by what they name.

Storey 2: pure. What both name must agree, or add up where adding up is what is meant (capabilities, addresses).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    FileCapability,
    format_capability_text,
    parse_capability_text,
)

Entry = Mapping[str, Any]

# Variables that are applied as a whole for what they name -> the key that names it, and what asks for a new start.
WHOLE = {
    "netlink_unit_units": ("unit", "restart"),
    "netlink_container_containers": ("container", "recreate"),
    "netlink_userns_containers": ("container", "recreate"),
}

# How many subordinate ids a user gets where nothing else is said.
USUAL_COUNT = 65536


class ConflictError(Exception):
    """What two values are about and the two values, as text."""


def merge_variables(left: Entry, right: Entry) -> dict[str, Any]:
    """The variables of one role out of two sets of them. Raises ConflictError where they disagree."""
    merged = dict(left)
    for name, value in right.items():
        merge = _MERGE.get(name, _same)
        merged[name] = merge(name, merged[name], value) if name in merged else merge(name, value, value)
    return merged


def _same(what: str, left: Any, right: Any) -> Any:
    if left != right:
        raise ConflictError(f"{what}: {left} or {right}")
    return left


def _agree(what: str, left: Entry, right: Entry, apart: Sequence[str] = ()) -> dict[str, Any]:
    """Both dictionaries in one; what stands in both must be the same, but for the keys in `apart`."""
    for name in left:
        if name in right and name not in apart:
            _same(f"{what} {name}", left[name], right[name])
    return {**left, **right}


def _union(left: Any, right: Any) -> list[Any]:
    """What stands in either list, once each, in order; None counts as an empty list."""
    both = [*(left or []), *(right or [])]
    return [entry for index, entry in enumerate(both) if entry not in both[:index]]


def _merge_list(
    keys: Sequence[str],
    merge_one: Callable[[str, Entry, Entry], dict[str, Any]],
    _what: str,
    left: Sequence[Entry],
    right: Sequence[Entry],
) -> list[dict[str, Any]]:
    """Merge two lists of dicts; entries with the same values of `keys` become one."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in [*left, *right]:
        key = tuple(entry.get(name) for name in keys)
        what = " in ".join(str(part) for part in key if part is not None)
        merged[key] = merge_one(what, merged.get(key, entry), entry)
    return list(merged.values())


# --- sysctls ----------------------------------------------------------------------------------------------------------


def _merge_settings(_what: str, left: Entry, right: Entry) -> dict[str, str]:
    """sysctl settings by key: any spelling of a key is the same key (sysctl(8)), values are compared as text."""
    merged: dict[str, str] = {}
    spelling: dict[str, str] = {}
    for key, value in [*left.items(), *right.items()]:
        name = spelling.setdefault(sysctl_path(key), key)
        text = str(int(value) if isinstance(value, bool) else value).strip()
        merged[name] = _same(name, merged.get(name, text), text)
    return merged


def sysctl_path(key: str) -> str:
    """A sysctl key with slashes: the first separator decides what the other one means (sysctl.d(5))."""
    dot, slash = key.find("."), key.find("/")
    if dot < 0 or 0 <= slash < dot:
        return key
    return key.translate(str.maketrans("./", "/."))


def _merge_namespace(what: str, left: Entry, right: Entry) -> dict[str, Any]:
    return {**left, **right, "settings": _merge_settings(what, left["settings"], right["settings"])}


# --- files and links --------------------------------------------------------------------------------------------------


def _merge_file(path: str, left: Entry, right: Entry) -> dict[str, Any]:
    """One file of two remedies: the union of the capabilities, everything else must agree."""
    merged = _agree(path, left, right, ["capabilities"])
    ours, theirs = left.get("capabilities"), right.get("capabilities")
    if ours == theirs or ours is None or theirs is None:
        return merged
    if not (isinstance(ours, str) and isinstance(theirs, str)) or merged.get("state", "present") != "present":
        raise ConflictError(f"{path} capabilities: {ours} or {theirs}")
    one, other = parse_capability_text(ours), parse_capability_text(theirs)
    if one.effective != other.effective:
        raise ConflictError(f"{path} capabilities: {ours} or {theirs}")
    union = FileCapability(one.permitted | other.permitted, one.inheritable | other.inheritable, one.effective)
    return {**merged, "capabilities": format_capability_text(union)}


def _merge_link(what: str, left: Entry, right: Entry) -> dict[str, Any]:
    """One link of two remedies: addresses and routes add up, everything else must agree."""
    merged = _agree(what, left, right, ["addresses", "routes"])
    for name in ("addresses", "routes"):
        if left.get(name) is not None or right.get(name) is not None:
            merged[name] = _union(left.get(name), right.get(name))
    seen: dict[Any, Any] = {}
    for route in merged.get("routes") or []:
        target = (route.get("dst"), route.get("table"))
        _same(f"{what} route {target[0]}", seen.setdefault(target, route), route)
    return merged


# --- security modules and kernel modules ------------------------------------------------------------------------------


def _merge_union(key: str, what: str, left: Entry, right: Entry) -> dict[str, Any]:
    """Two entries in one: the list `key` adds up, everything else must agree."""
    return {**_agree(what, left, right, [key]), key: _union(left.get(key), right.get(key))}


def _merge_words(_what: str, left: Sequence[str], right: Sequence[str]) -> list[str]:
    """What stands in either list, sorted."""
    return sorted({*left, *right})


# --- units and containers ---------------------------------------------------------------------------------------------


def _merge_sums(what: str, left: Entry, right: Entry, names: Sequence[str], switch: str) -> dict[str, Any]:
    """Two entries in one: the lists `names` add up, the switch is on if either is, everything else must agree."""
    merged = _agree(what, left, right, [*names, switch, "settings", "sysctls"])
    for name in names:
        if name in merged:
            merged[name] = _union(left.get(name), right.get(name))
    if switch in merged:
        merged[switch] = bool(left.get(switch) or right.get(switch))
    return merged


def _merge_unit(unit: str, left: Entry, right: Entry) -> dict[str, Any]:
    """One unit of two remedies: grants and lifts add up, the settings of a section must agree."""
    merged = _merge_sums(unit, left, right, ["grant", "lift"], "restart")
    if "settings" in merged:
        ours, theirs = left.get("settings") or {}, right.get("settings") or {}
        both = {name: _agree(f"{unit} [{name}]", ours[name], theirs[name]) for name in ours if name in theirs}
        merged["settings"] = {**ours, **theirs, **both}
    return merged


def _merge_container(name: str, left: Entry, right: Entry) -> dict[str, Any]:
    """One container of two remedies: capabilities add up, but what one adds the other must not drop."""
    merged = _merge_sums(name, left, right, ["cap_add", "cap_drop"], "recreate")
    if "sysctls" in merged:
        merged["sysctls"] = _merge_settings(name, left.get("sysctls") or {}, right.get("sysctls") or {})
    added = {_capability(entry) for entry in merged.get("cap_add") or []}
    for entry in merged.get("cap_drop") or []:
        if _capability(entry) in added:
            raise ConflictError(f"{name} {entry}: cap_add or cap_drop")
    return merged


def _capability(name: Any) -> str:
    """A capability as engines take it: NET_ADMIN, net_admin and CAP_NET_ADMIN are one."""
    text = str(name).upper()
    return text[len("CAP_") :] if text.startswith("CAP_") else text


def _merge_range(user: str, left: Entry, right: Entry) -> dict[str, Any]:
    """Subordinate ids of one user: the larger count is enough for both, the kinds add up (both where not given)."""
    merged = _agree(f"{user} subordinate ids,", left, right, ["count", "kinds"])
    if "count" in merged:
        merged["count"] = max(entry.get("count", USUAL_COUNT) for entry in (left, right))
    if "kinds" in merged:
        both = ["uid", "gid"]
        merged["kinds"] = _union(left.get("kinds") or both, right.get("kinds") or both)
    return merged


_MERGE: dict[str, Callable[[str, Any, Any], Any]] = {
    "netlink_capability_files": functools.partial(_merge_list, ("path",), _merge_file),
    "netlink_container_containers": functools.partial(_merge_list, ("container",), _merge_container),
    "netlink_unit_units": functools.partial(_merge_list, ("unit",), _merge_unit),
    "netlink_selinux_allow": functools.partial(
        _merge_list, ("domain", "class", "target"), functools.partial(_merge_union, "permissions")
    ),
    "netlink_selinux_booleans": _agree,
    "netlink_selinux_classes": _merge_words,
    "netlink_selinux_contexts": functools.partial(_merge_list, ("path",), _agree),
    "netlink_apparmor_profiles": functools.partial(_merge_list, ("profile",), functools.partial(_merge_union, "rules")),
    "netlink_sysctl_settings": _merge_settings,
    "netlink_sysctl_namespaces": functools.partial(_merge_list, ("netns",), _merge_namespace),
    "netlink_userns_ranges": functools.partial(_merge_list, ("user",), _merge_range),
    "netlink_userns_daemon": _agree,
    "netlink_userns_containers": functools.partial(_merge_list, ("container",), _merge_container),
    "netlink_link_links": functools.partial(_merge_list, ("name", "altname", "netns"), _merge_link),
    "netlink_module_modules": functools.partial(_merge_list, ("name",), _agree),
}
