# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of sysctl_settings to changes: every mistake is found here, before anything is written."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._sysctl import (
    OPENS_USERNS,
    Trial,
    dependents_of,
    in_netns,
    needed_consents,
    refusal,
    sysctl_change,
    try_values,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._sysctl_files import (
    check_path,
    current_text,
    is_spent,
    texts_with,
    texts_without,
)
from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._rewriters import observe_rewriters
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl import (
    NO_SUCH_KEY,
    is_host_netns,
    observe_sysctls,
    read_value,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import (
    ALIASES,
    canonical_key,
    dotted_key,
    has_systemd_sysctl,
    same_value,
)

DEFAULT_PATH = "/etc/sysctl.d/99-zz-netlink-remediation.conf"


@dataclass
class SysctlPlan:
    """What a call of the module will do. unvalidated, warnings: sentences."""

    changes: list[Change] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def plan_sysctls(options: Mapping[str, Any]) -> SysctlPlan:
    """Changes for the options of the module (settings, path, persist, runtime, netns, state, supersede, accept).

    Raises ChangeError with one sentence for whatever would fail.
    """
    plan = SysctlPlan()
    netns, persist = options["netns"], options["persist"]
    if options["state"] == "absent":
        check_path(options["path"])
        keys = [_checked_key(text) for text in options["settings"]]
        plan.changes += _file_changes(texts_without(keys, options["path"]))
        return plan
    wanted = read_settings(options["settings"])
    _check_namespace(netns, persist)
    if persist:
        check_path(options["path"])
    current = _current_values(list(wanted), netns)
    trials = try_values({key: value for key, value in wanted.items() if not same_value(current[key], value)})
    shown = _as_shown(wanted, trials)
    plan.unvalidated = [
        f"the value of {dotted_key(key)}: there is no second such key in the kernel, so it cannot be tried beforehand"
        for key, trial in trials.items()
        if trial.value is None
    ]
    _check_consent(wanted, current, options)
    if options["runtime"]:
        plan.changes += _runtime_changes(shown, current, netns)
    if persist:
        plan.warnings = _check_rewriters(wanted, supersede=options["supersede"])
        plan.changes += _file_changes(texts_with(wanted, options["path"], supersede=options["supersede"]))
    return plan


def read_settings(settings: Mapping[Any, Any]) -> dict[str, str]:
    """Settings by canonical key. Raises ChangeError for what is no key or value, or for one key with two values."""
    wanted: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for text, raw in settings.items():
        key, value = _checked_key(text), _checked_value(text, raw)
        for name in (key, ALIASES.get(key, key)):
            if name in wanted and not same_value(wanted[name], value):
                raise ChangeError(
                    f"settings: {spelled[name]!r} and {text!r} are the same sysctl with two values, "
                    f"{wanted[name]!r} and {value!r}"
                )
        wanted[key], spelled[key] = value, str(text)
    return wanted


def _checked_key(text: Any) -> str:
    key = canonical_key(str(text))
    if not key.isprintable() or not key or ".." in key.split("/") or re.search(r"[*?\[\]=\s#;]", key):
        raise ChangeError(f"settings: {text!r} is no sysctl, expected a key such as net.ipv4.ip_forward")
    return key


def _checked_value(key: Any, raw: Any) -> str:
    if isinstance(raw, bool):
        return str(int(raw))
    if not isinstance(raw, (str, int)):
        raise ChangeError(f"settings: the value of {key!r} is {raw!r}, expected a text or a number")
    value = str(raw).strip()
    if not value or not value.replace("\t", " ").isprintable():
        raise ChangeError(
            f"settings: the value of {key!r} is {str(raw)!r}, expected one line of text that is printable and not empty"
        )
    return value


def _check_namespace(netns: Optional[str], persist: bool) -> None:
    if netns is None:
        return
    if not os.path.isabs(netns) or not os.path.isfile(netns):
        raise ChangeError(f"netns: {netns!r} is no absolute path that exists, expected e.g. /run/netns/blue")
    if persist and not is_host_netns(netns):
        raise ChangeError(
            f"persist: files are applied to the initial network namespace only, so with netns={netns!r} "
            "persist must be false"
        )


def _current_values(keys: list[str], netns: Optional[str]) -> dict[str, str]:
    answers = in_netns(netns, lambda: [read_value(key) for key in keys])
    values = {}
    for key, (value, number) in zip(keys, answers):
        where = f" in {netns}" if netns else ""
        if value is None and number in NO_SUCH_KEY:
            hint = ", check its name" + (
                " and whether its interface exists" if "/conf/" in key or "/neigh/" in key else ""
            )
            if re.match(r"net/ipv[46]/(conf|neigh)/[^/]+/[^/]+/", key):
                hint = "; the dot of an interface name is written as a slash (net.ipv4.conf.eth0/100.rp_filter)"
            raise ChangeError(f"settings: the kernel has no sysctl {dotted_key(key)}{where}{hint}")
        if value is None:
            raise ChangeError(f"settings: {dotted_key(key)}{where} cannot be read: {errno_name(number or 0)}")
        values[key] = value
    return values


def _as_shown(wanted: dict[str, str], trials: dict[str, Trial]) -> dict[str, str]:
    """The values as the kernel will show them, e.g. "1" for "0x1". Raises ChangeError for one that it refused."""
    shown = dict(wanted)
    for key, trial in trials.items():
        if trial.errno is not None:
            raise ChangeError(f"settings: {dotted_key(key)} cannot be {wanted[key]!r}: {refusal(trial.errno)}")
        if trial.value is not None:
            shown[key] = trial.value
    return shown


def _check_consent(wanted: dict[str, str], current: dict[str, str], options: Mapping[str, Any]) -> None:
    for key, value in wanted.items():
        needed: dict[str, str] = {}
        if options["persist"] and key in OPENS_USERNS:
            needed |= needed_consents(key, _value_at_boot(key, current[key]), value, None)
        if options["runtime"]:
            needed |= needed_consents(key, current[key], value, options["netns"])
        for word, why in needed.items():
            if word not in (options["accept"] or []):
                raise ChangeError(f"settings: {why}; add {word} to accept to do that")


def _value_at_boot(key: str, otherwise: str) -> str:
    (item,) = observe_sysctls([key], [])
    winner = item.boot if has_systemd_sysctl() else item.boot_procps
    return winner.value if winner else otherwise


def _rank(key: str) -> int:
    """Keys that move others come first, so that the values of single links are set last."""
    if key in ALIASES or "/all/" in key:
        return 0
    return 1 if "/default/" in key else 2


def _runtime_changes(wanted: dict[str, str], current: dict[str, str], netns: Optional[str]) -> list[Change]:
    keys = sorted((key for key, value in wanted.items() if not same_value(current[key], value)), key=_rank)
    dependents = in_netns(netns, lambda: [dependents_of(key) for key in keys]) if keys else []
    return [
        sysctl_change(key, current[key], wanted[key], netns=netns, dependents=moved, hold=wanted)
        for key, moved in zip(keys, dependents)
    ]


def _check_rewriters(wanted: dict[str, str], *, supersede: bool) -> list[str]:
    """Services that would write another value after boot: an error, or a warning with supersede."""
    warnings = []
    for key, entries in observe_rewriters(wanted, []).items():
        entry = entries[-1]
        if same_value(entry.value, wanted[key]):
            continue
        text = (
            f"{dotted_key(key)} would not stay {wanted[key]!r}: {entry.file}:{entry.line} makes a service write "
            f"{entry.value!r} after each boot; change it there"
        )
        if not supersede:
            raise ChangeError(text + ", or set persist to false")
        warnings.append(text)
    return warnings


def _file_changes(texts: dict[str, str]) -> list[Change]:
    changes: list[Change] = []
    for path, text in texts.items():
        if text != current_text(path):
            changes.append(FileChange.of(path, None if is_spent(text) else text))
    return changes
