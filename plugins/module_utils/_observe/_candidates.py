# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a host's own records say was refused, as workloads that can be judged: a unit, a container, a process, a program.

Anybody can write a log line. So a record only names whom to look at, and what it names is looked up on the host.
"""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import split_label
from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import parse_cgroup
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import (
    label_file,
    list_pids,
    read_bytes,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import OPERATIONS, Unseen, Workload

if TYPE_CHECKING:
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import Library

Services = dict[str, set[str]]

MOST = 50  # workloads that are looked at; a log can name any number
TICKS = os.sysconf("SC_CLK_TCK")

# What was refused, as the words of the records have it -> the operation that is judged.
_OPERATIONS = {
    "userns_create": "userns",
    "user_namespace": "userns",
    "tun_socket": "tun",
    "/dev/net/tun": "tun",
    "netlink_xfrm_socket": "xfrm",
    "netlink_netfilter_socket": "nftables",
}


def boot_time() -> float:
    """When the host was booted, in seconds since the epoch."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def candidates(denials: Iterable[Denial], unseen: list[Unseen]) -> list[Workload]:
    """One workload for each unit, container, process or program of which refusals were recorded, with those.

    denials: newest first, which is the order of the result too. What is left out is said in `unseen`.
    """
    found: dict[str, Workload] = {}
    left_out = 0
    # Looked up when they are needed, and once: a log can name any number of them.
    services = functools.cache(_services_by_label)
    policy = functools.cache(functools.partial(_policy, unseen))
    for denial in denials:
        named = _name(denial, services, policy)
        if named is None:
            continue
        known = found.get(named.name)
        if known is None and len(found) == MOST:
            left_out += 1
            continue
        workload = found.setdefault(named.name, named)
        workload.operations = list(dict.fromkeys([*workload.operations, *named.operations]))
        workload.evidence.append(denial)
    if left_out:
        unseen.append(Unseen("what this host recorded", f"{left_out} more were refused than the {MOST} newest"))
    return list(found.values())


def _name(denial: Denial, services: Callable[[], Services], policy: Callable[[], Library]) -> Optional[Workload]:
    """Who a record is about, None where it names nobody who can be looked up.

    A container before its unit, which may be the engine's; a unit before its process, which may be gone by now.
    """
    found: Optional[Workload] = None
    if denial.module == "program" and denial.object == "not_netlink":
        return None
    if denial.container:
        found = Workload(denial.container[:12], "container", container=denial.container)
    elif denial.unit and _is_service(denial.unit):
        found = Workload(denial.unit, "unit", unit=denial.unit)
    elif denial.pid is not None and _still_runs(denial):
        found = Workload(f"{denial.name or 'process'}[{denial.pid}]", "pid", pid=denial.pid)
    elif unit := _service_of(denial, services):
        found = Workload(unit, "unit", unit=unit)
    else:
        found = _program(denial, policy)
    if found is not None:
        found.operations, found.discovered = [_operation(denial)], True
    return found


def _is_service(unit: str) -> bool:
    """Whether a unit is one to judge: the session of a user and the manager of a user's units are not."""
    return unit.endswith(".service") and not unit.startswith("user@")


def with_services(denials: Iterable[Denial]) -> list[Denial]:
    """The records; those of what ended and was confined with the service to which they belong as their unit."""
    services = functools.cache(_services_by_label)
    found = []
    for denial in denials:
        unit = None
        if not denial.unit and not denial.container and not (denial.pid is not None and _still_runs(denial)):
            unit = _service_of(denial, services)
        found.append(replace(denial, unit=unit) if unit else denial)
    return found


def _service_of(denial: Denial, services: Callable[[], Services]) -> Optional[str]:
    """The service that is confined by the profile or domain of a record, if just one is."""
    units = services().get(denial.subject, set()) if denial.subject else set()
    return next(iter(units)) if len(units) == 1 else None


def _services_by_label() -> Services:
    """The services of the system of which processes run, by what confines those: AppArmor profile, SELinux context."""
    found: Services = {}
    name = label_file()
    for pid in list_pids() if name else []:
        try:
            label = read_bytes(f"/proc/{pid}/{name}").rstrip(b"\0\n").decode("utf-8", "replace")
            _path, unit, container = parse_cgroup(read_bytes(f"/proc/{pid}/cgroup"))
        except OSError:
            continue
        if unit and not container and _is_service(unit):
            for part, _mode in split_label(label):
                if part != "unconfined":
                    found.setdefault(part, set()).add(unit)
    return found


def _policy(unseen: list[Unseen]) -> Library:
    """The AppArmor profiles of the host."""
    # Imported here: an AnsiballZ payload is compiled in each run, and most records name the program.
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import Library

    return Library(unseen)


def _program(denial: Denial, policy: Callable[[], Library]) -> Optional[Workload]:
    """The program of a record, or the one to which the profile in it belongs; for root where no user is recorded."""
    path = denial.executable
    if not path and denial.module == "apparmor" and denial.subject:
        path = _attached(denial.subject, denial.name or "", policy())
    if not path or not path.startswith("/"):
        return None
    user = str(denial.uid) if denial.uid else "root"
    name = f"{path} of {'uid ' if user.isdigit() else ''}{user}"
    return Workload(name, "executable", executable=path, user=user)


def _attached(profile_name: str, program_name: str, policy: Library) -> Optional[str]:
    """The program to which a profile is attached; where that is a pattern, the one of this name that it matches."""
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import matches

    definition = policy.find(profile_name)
    pattern = definition.profile.executable if definition else None
    if not pattern or os.path.isfile(pattern):
        return pattern
    path = os.path.join(os.path.dirname(re.split(r"[*?\[{@]", pattern, maxsplit=1)[0]), program_name)
    return path if "/" not in program_name and os.path.isfile(path) and matches(pattern, path) else None


def _operation(denial: Denial) -> str:
    for word in (denial.permission, denial.object):
        if word in OPERATIONS or word in _OPERATIONS:
            return _OPERATIONS.get(word, word)
    return "link"


def _still_runs(denial: Denial) -> bool:
    """Whether the process of a record is the one that has its pid now: it was started before, and runs the same."""
    place = f"/proc/{denial.pid}"
    try:
        stat = read_bytes(f"{place}/stat")
        end = stat.rindex(b")")
        started = int(stat[end + 2 :].split()[19]) / TICKS
        name = stat[stat.index(b"(") + 1 : end].decode("utf-8", "replace")
        same = os.readlink(f"{place}/exe") == denial.executable if denial.executable else name == denial.name
    except (OSError, ValueError):
        return False
    return same and boot_time() + started <= denial.last + 1
