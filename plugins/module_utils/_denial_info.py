# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What denial_info does: watch for a while if asked to, read what was recorded, report. It changes nothing."""

from __future__ import annotations

import os
import re
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._commands import NO_PROGRAM, run, use
from ansible_collections.netlink.remediation.plugins.module_utils._evidence import read_denials
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials import SOURCES
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._audit_log import AUDIT_LOG
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

LONGEST_WATCH = 3600
UNITS_OF_TIME = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

ARGUMENTS: dict[str, Any] = {
    "since": {"type": "str", "default": "24h"},
    "sources": {"type": "list", "elements": "str", "choices": list(SOURCES), "default": list(SOURCES)},
    "audit_log": {"type": "path", "default": AUDIT_LOG},
    "ausearch": {"type": "bool", "default": False},
    "duration": {"type": "int", "default": 0},
    "pids": {"type": "list", "elements": "int", "default": []},
    "executables": {"type": "list", "elements": "path", "default": []},
    "units": {"type": "list", "elements": "str", "default": []},
    "containers": {"type": "list", "elements": "str", "default": []},
}


def tell_denials(module: AnsibleModule) -> None:
    """Carry out the module's task and exit."""
    use(module)
    parameters, unseen = module.params, list[Unseen]()
    try:
        age = seconds_of(parameters["since"])
        _check(parameters)
    except ValueError as exc:
        module.fail_json(msg=str(exc))
    # First, so that what the logs say of the same time is there as well.
    live, denials = _watch(parameters["duration"], unseen)
    denials += read_denials(
        time.time() - age - parameters["duration"],
        sources=parameters["sources"],
        ask=run,
        unseen=unseen,
        audit_log=parameters["audit_log"],
        ausearch=parameters["ausearch"],
    )
    wanted = sorted((one for one in denials if is_wanted(one, parameters)), key=lambda one: -one.last)
    if os.geteuid() != 0:
        why = f"this runs as uid {os.geteuid()}, which may not read them: set become to true"
        unseen.insert(0, Unseen("logs of the system", why))
    module.exit_json(changed=False, denials=to_plain(wanted), live=live, unseen=to_plain(unseen))


def seconds_of(text: str) -> int:
    """Seconds of a time such as "90", "15m" or "24h". Raises ValueError with one sentence."""
    match = re.fullmatch(r"([0-9]{1,9})([smhdw]?)", text.strip())
    if match is None:
        raise ValueError(
            f"since: {text[:80]!r} is no time, expected a number of seconds, or one with s, m, h, d or w, as in 24h"
        )
    return int(match[1]) * UNITS_OF_TIME[match[2]]


def _check(parameters: dict[str, Any]) -> None:
    """Raises ValueError with one sentence for what cannot be done as asked."""
    if not 0 <= parameters["duration"] <= LONGEST_WATCH:
        raise ValueError(f"duration: {parameters['duration']} seconds, expected 0 to {LONGEST_WATCH}")
    path = parameters["audit_log"]
    if parameters["ausearch"]:
        code, _out, _err = run(["ausearch", "--version"])
        if code == NO_PROGRAM:
            raise ValueError("ausearch: there is no program ausearch on this host, set it to false to read the file")
    elif path != AUDIT_LOG and not os.path.isfile(path):
        raise ValueError(f"audit_log: {path} does not exist or is no file")


def _watch(seconds: int, unseen: list[Unseen]) -> tuple[dict[str, Any], list[Denial]]:
    """(return value live, denials)."""
    if not seconds:
        return {"available": None, "seconds": 0, "lost": 0, "offers": [], "why": None}, []
    # Imported here: an AnsiballZ payload is compiled in each run.
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._tracepoint import watch

    live = watch(seconds, unseen)
    told = {name: getattr(live, name) for name in ("available", "lost", "offers", "why")}
    return {**told, "seconds": seconds if live.available else 0}, live.denials


def is_wanted(denial: Denial, parameters: dict[str, Any]) -> bool:
    """Whether a denial is of one of those that were named; of anybody if nobody was."""
    units = [unit if "." in unit else f"{unit}.service" for unit in parameters["units"]]
    named = {"pid": parameters["pids"], "executable": parameters["executables"], "unit": units}
    if not any(named.values()) and not parameters["containers"]:
        return True
    if any(getattr(denial, name) in values for name, values in named.items()):
        return True
    return any(item and (denial.container or "").startswith(item) for item in parameters["containers"])
