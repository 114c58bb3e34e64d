# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of docker_daemon to changes: the text of daemon.json, judged by dockerd itself, and its restart."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_dockerd import (
    RunningContainer,
    docker_info,
    docker_socket,
    identify_reload,
    running_containers,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import one_line
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import ActivationChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._daemon_text import merge_settings
from ansible_collections.netlink.remediation.plugins.module_utils._change._daemon_unit import DaemonUnit, find_unit
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._remap import Remap, plan_remap
from ansible_collections.netlink.remediation.plugins.module_utils._commands import NO_PROGRAM, run
from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import PATH, parse_settings
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import read_text
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

# How dockerd begins whatever it says of its file.
UNABLE = "unable to configure the Docker daemon with file"

# What dockerd takes over when its file is read anew (docs.docker.com, "dockerd", configuration reload behavior); other
# keys count from its next start on, and so does that a key is no longer there (measured with 26.1: labels).
RELOADABLE = frozenset(
    (
        *("debug", "labels", "live-restore", "max-concurrent-downloads", "max-concurrent-uploads"),
        *("max-download-attempts", "default-runtime", "runtimes", "authorization-plugins", "insecure-registries"),
        *("registry-mirrors", "shutdown-timeout", "features"),
    )
)


@dataclass
class DaemonPlan:
    """What to change, and sentences for the user."""

    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unvalidated: list[str] = field(default_factory=list)


def plan_daemon(options: Mapping[str, Any], *, check_mode: bool) -> DaemonPlan:
    """The changes. Raises ChangeError with one sentence for what dockerd would not start with."""
    path, wanted = options["path"], options["settings"]
    _demand_options(options)
    unit = find_unit(options["service"])
    _demand_same_file(path, unit)
    before = _text(path)
    after = merge_settings(before, wanted, path)
    plan = DaemonPlan()
    if after is None:
        return plan
    old = _settings(before)
    remap = plan_remap(
        old,
        parse_settings(after),
        unit.flags,
        asked="userns-remap" in wanted,
        accept=options["accept"],
        expected=options["expect_ranges"] if check_mode else [],
    )
    plan.warnings += remap.warnings
    plan.unvalidated += remap.unvalidated
    if after != before:
        plan.unvalidated += _validate(after, unit, remap)
        plan.changes.append(FileChange.of(path, after, disrupts=remap.disrupts))
    new = parse_settings(after)
    keys = {key for key in {*old, *new} if old.get(key) != new.get(key)}
    plan.changes += _activation(options, unit, remap, keys, can_reload=keys <= RELOADABLE & set(new))
    return plan


def _demand_options(options: Mapping[str, Any]) -> None:
    if not options["path"].startswith("/"):
        raise ChangeError(f"path: {options['path']!r} is a relative path, expected an absolute one such as {PATH}")
    for key in options["settings"]:
        if not isinstance(key, str) or not key.strip():
            raise ChangeError(f"settings: {key!r} is no key of daemon.json, expected a name such as userns-remap")
    if not options["service"].endswith(".service"):
        raise ChangeError(f"service: {options['service']!r} is no service, expected a name such as docker.service")


def _demand_same_file(path: str, unit: DaemonUnit) -> None:
    read = unit.flags.get("config-file", PATH)
    if unit.loaded and read != path:
        raise ChangeError(f"path: {unit.name} does not read {path}, its dockerd reads {read}")


def _text(path: str) -> Optional[str]:
    missed: list[Unseen] = []
    text = read_text(path, "/", missed)
    if missed:
        raise ChangeError(f"{path} cannot be read: {missed[0].reason}")
    return text


def _settings(text: Optional[str]) -> dict[str, Any]:
    return parse_settings(text or "")


# --- dockerd --validate -----------------------------------------------------------------------------------------------


def _validate(text: str, unit: DaemonUnit, remap: Remap) -> list[str]:
    """What dockerd says of the file together with the flags of the unit. Raises ChangeError when it refuses.

    It makes the user dockremap when it is asked about userns-remap=default, so then it is asked about the rest.
    """
    judged = merge_settings(text, {"userns-remap": None}, "the file") if remap.hidden else text
    words = [unit.program, "--validate", "--config-file", "/dev/stdin", *unit.other_flags]
    code, out, err = run(words, stdin=judged or "{}", timeout=30)
    if code == NO_PROGRAM:
        return ["whether dockerd takes the settings: it is not installed"]
    if code and "unknown flag: --validate" in err:
        return ["whether dockerd takes the settings: it cannot be asked, as versions before 23.0 have no --validate"]
    if code:
        said = one_line(_without_log(err or out)).replace(f"{UNABLE} /dev/stdin: ", "")
        said = said.replace("/dev/stdin", "the new settings")
        raise ChangeError(f"settings: dockerd does not take them: {said}")
    return unit.unvalidated


def _without_log(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("time=")]
    return "\n".join(lines) or text


# --- restart or reload ------------------------------------------------------------------------------------------------


def _activation(
    options: Mapping[str, Any], unit: DaemonUnit, remap: Remap, keys: set[str], *, can_reload: bool
) -> list[ActivationChange]:
    """What makes the keys effective that change. A daemon that does not run starts with the file that there is then."""
    if not unit.runs and not unit.failed:
        return []
    pending = _written_since(options["path"], unit)
    if not (keys or options["restart"] or pending):
        return []
    accepted = "restart" in options["accept"]
    reload = can_reload and not options["restart"] and unit.runs and not pending
    socket = docker_socket() if unit.runs else None
    containers = running_containers(socket) if socket and not reload else []
    info = docker_info(socket) if socket else {}
    live = info.get("LiveRestoreEnabled") is True
    # What the daemon runs with, not what its file said: that may have been written long before this call. A store that
    # is not known yet is not the one that it has.
    moved = info["DockerRootDir"] != remap.store if "DockerRootDir" in info else remap.moved
    details: dict[str, Any] = {
        "how": "dockerd_reload" if reload else "dockerd",
        "unit": unit.name,
        "instance": identify_reload({"unit": unit.name}) if reload else unit.instance,
        "socket": socket,
        "keys": sorted(keys),
        "files": [options["path"]],
        **({"was": "down"} if unit.failed else {}),
    }
    disrupts = [f"{unit.name} reads its settings anew, which interrupts nothing"]
    if not reload:
        disrupts = _interrupted(unit, containers, moved=moved, live=live)
    return [ActivationChange(f"daemon {unit.name}", disrupts=disrupts, details=details, deferred=not accepted)]


def _written_since(path: str, unit: DaemonUnit) -> bool:
    """Whether the file was written after the daemon was started or read it anew."""
    try:
        written = os.stat(path).st_mtime
    except OSError:
        return False
    boot = time.time() - time.monotonic()
    return unit.runs and unit.since > 0 and written > boot + unit.since


def _interrupted(unit: DaemonUnit, containers: Sequence[RunningContainer], *, moved: bool, live: bool) -> list[str]:
    """Sentences on what a restart of the daemon does to the containers that run."""
    said = [f"{unit.name} is restarted: the API does not answer meanwhile"]
    names = ", ".join(item.name for item in containers)
    if not containers:
        return said
    if moved and live:
        return [*said, f"with live-restore these containers go on, but the daemon no longer knows them: {names}"]
    if moved:
        return [*said, f"these containers are stopped and stay so, since they are in the other store: {names}"]
    if live:
        return said
    back = ", ".join(item.name for item in containers if item.comes_back)
    stay = ", ".join(item.name for item in containers if not item.comes_back)
    said += [f"these containers are stopped and started again by their restart policy: {back}"] * bool(back)
    said += [f"these containers are stopped and stay so, for they have no restart policy: {stay}"] * bool(stay)
    return said
