# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units: what their files say, what systemd has read of them, and the credentials that they start with."""

from __future__ import annotations

import grp
import os
import pwd
import re
import time
from collections.abc import Sequence
from typing import Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_SYS_ADMIN, capability_mask
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import printable
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import list_pids, read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._observe._unit_files import (
    SYSTEM_PATH,
    changed_at,
    drop_in_directories,
    find_files,
    read_directives,
    unit_name,
    user_path,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Unit
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, Host, Process, Unseen
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import (
    FILTERS,
    as_shown,
    effective,
    parse_exec,
    split_words,
    system_calls,
)

# Runs a command: exit code (127: there is no such program), standard output, standard error.
Ask = Callable[[Sequence[str]], tuple[int, str, str]]
Properties = dict[str, str]

# Runtime values that are kept: what bears on netlink, and what tells how the last start ended.
NETLINK_DIRECTIVES = (
    "User",
    "Group",
    "SupplementaryGroups",
    "DynamicUser",
    "CapabilityBoundingSet",
    "AmbientCapabilities",
    "NoNewPrivileges",
    "PrivateUsers",
    "PrivateNetwork",
    "NetworkNamespacePath",
    "JoinsNamespaceOf",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "SystemCallFilter",
    "SystemCallErrorNumber",
    "ProtectKernelTunables",
)
_FILTERS = tuple(name for name in FILTERS if name not in NETLINK_DIRECTIVES)
_DIRECTIVES = (*NETLINK_DIRECTIVES, *_FILTERS, "Type", "SecureBits", "DevicePolicy", "SELinuxContext")
PROPERTIES = (*_DIRECTIVES, "Result", "ExecMainCode", "ExecMainStatus")
# Assignments that are kept.
_STARTS = ("ExecStartPre", "ExecStart", "ExecStartPost", "RootDirectory", "RootImage")
ASSIGNMENTS = frozenset([*_DIRECTIVES, *_STARTS, "AppArmorProfile", "DeviceAllow", "BindPaths"])

_STATE = ("Id", "Names", "LoadState", "ActiveState", "SubState", "FragmentPath", "DropInPaths", "NeedDaemonReload")
_RUN = ("MainPID", "InvocationID", "ExecMainStartTimestampMonotonic")

# Where systemd looks for a program without a slash.
_PROGRAM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_USER_MANAGER = re.compile(r"/user@([0-9]{1,10})\.service/(?:.*/)?")

# The first of the uids that DynamicUser= takes; which one it will be is not known before the start.
DYNAMIC_UID = 61184
# From this release on, a filter for a unit with User= needs no no_new_privs; it is installed with two capabilities,
# which stay in the inheritable set.
_KEEPS_PRIVILEGES = 253
_KEPT = capability_mask(["cap_setpcap"]) | 1 << CAP_SYS_ADMIN


# --- observing --------------------------------------------------------------------------------------------------------


def observe_units(
    names: Sequence[str], unseen: list[Unseen], ask: Optional[Ask], *, root: str = "/"
) -> dict[str, Unit]:
    """The units with these names (".service" may be left out), by the name given; those that do not exist too.

    systemd is asked once for all of them. A unit that the system manager does not know is looked for among those that
    the managers of users run. A name that can be none is appended to `unseen`, as is everything that cannot be read.
    """
    full: dict[str, str] = {}
    for name in dict.fromkeys(names):
        try:
            full[name] = unit_name(name)
        except ValueError as exc:
            unseen.append(Unseen(f"unit {printable(name)}", str(exc)))
    asked = list(dict.fromkeys(full.values()))
    known = _show(asked, ["systemctl"], ask, unseen) if ask and root == "/" else {}
    units = {name: _unit(name, known.get(name), SYSTEM_PATH, root, unseen) for name in asked}
    missing = [name for name, unit in units.items() if unit.load == "not-found"]
    if missing and root == "/":
        units.update(_units_of_users(missing, ask, unseen))
    return {given: units[name] for given, name in full.items()}


def _show(names: Sequence[str], systemctl: list[str], ask: Ask, unseen: list[Unseen]) -> dict[str, Properties]:
    """What systemd says of some units, by each of their names; nothing where it cannot be asked."""
    if not names:
        return {}
    wanted = ",".join([*_STATE, *_RUN, *PROPERTIES])
    code, out, err = ask([*systemctl, "show", "--no-pager", "--property=" + wanted, "--", *names])
    if code:
        lines = (err or out).strip().splitlines()
        source = "systemctl --user show" if "--user" in systemctl else "systemctl show"
        unseen.append(Unseen(source, lines[0] if lines else f"exit code {code}"))
    found: dict[str, Properties] = {}
    for block in out.split("\n\n") if code == 0 else []:
        properties = {name: value for name, _equals, value in (line.partition("=") for line in block.splitlines())}
        for name in [*properties.get("Names", "").split(), properties.get("Id", "")]:
            found[name] = properties
    return found


def _unit(
    name: str,
    shown: Optional[Properties],
    path: Sequence[str],
    root: str,
    unseen: list[Unseen],
    manager: str = "system",
) -> Unit:
    """A unit from what systemd says of it and from its files."""
    unit = Unit(name, manager)
    if shown is None:
        files = find_files(name, path, root, unseen)
        unit.name, unit.fragment, unit.drop_ins = files.name, files.fragment, files.drop_ins
        unit.load = "masked" if files.masked else "not-found" if files.fragment is None else None
    else:
        _apply(unit, shown)
        if unit.reload_needed:
            # What systemd read is not what it would read now.
            files = find_files(unit.name, path, root, unseen)
            unit.fragment, unit.drop_ins = files.fragment, files.drop_ins
    if unit.load != "masked" and unit.fragment:
        read = [unit.fragment, *unit.drop_ins]
        unit.directives = read_directives(read, ASSIGNMENTS, root, unseen)
        started = int((shown or {}).get("ExecMainStartTimestampMonotonic") or 0)
        if unit.main_pid and started:
            names = (shown or {}).get("Names", unit.name).split()
            changed = changed_at(read, drop_in_directories(names, path), root, unseen)
            unit.stale = changed > time.time() - time.monotonic() + started / 1e6
    return unit


def _apply(unit: Unit, shown: Properties) -> None:
    """Fill in what systemd says."""
    unit.name = shown.get("Id") or unit.name
    unit.load, unit.active, unit.sub = (shown.get(key) or None for key in ("LoadState", "ActiveState", "SubState"))
    unit.reload_needed = shown.get("NeedDaemonReload") == "yes"
    unit.fragment = shown.get("FragmentPath") or None
    unit.drop_ins = split_words(shown.get("DropInPaths", ""), unescape=True)
    unit.main_pid = int(shown.get("MainPID") or 0) or None
    unit.invocation = shown.get("InvocationID") or None
    if unit.load != "not-found":
        unit.properties = {key: shown[key] for key in PROPERTIES if key in shown}


# --- the managers of users --------------------------------------------------------------------------------------------


def manager_of(cgroup: Optional[str]) -> Optional[int]:
    """The uid of the user whose manager runs what is in a cgroup; None outside of such managers."""
    match = _USER_MANAGER.search(cgroup or "")
    return int(match[1]) if match else None


def units_of_processes(processes: Sequence[Process], ask: Optional[Ask], unseen: list[Unseen]) -> dict[str, Unit]:
    """The services of processes that the managers of users run. The system may have others of the same names."""
    of_user: dict[int, list[str]] = {}
    for process in processes:
        uid = manager_of(process.cgroup)
        if uid is not None and process.unit and process.unit.endswith(".service"):
            of_user.setdefault(uid, []).append(process.unit)
    found: dict[str, Unit] = {}
    for uid, names in of_user.items():
        found.update(units_of_user(uid, list(dict.fromkeys(names)), ask, unseen))
    return found


def units_of_user(uid: int, names: Sequence[str], ask: Optional[Ask], unseen: list[Unseen]) -> dict[str, Unit]:
    """Units of a user's manager, which is asked as that user: it does not answer to root."""
    try:
        entry = pwd.getpwuid(uid)
        home, gid = entry.pw_dir, entry.pw_gid
    except KeyError:
        home, gid = "/", uid
    runtime = f"/run/user/{uid}"
    words = ["env", f"XDG_RUNTIME_DIR={runtime}", "systemctl", "--user"]
    if uid != os.geteuid():
        words = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *words]
    known = _show(names, words, ask, unseen) if ask else {}
    path = user_path(home, runtime)
    return {name: _unit(name, known.get(name), path, "/", unseen, "user") for name in names}


def _units_of_users(names: Sequence[str], ask: Optional[Ask], unseen: list[Unseen]) -> dict[str, Unit]:
    """Those of some units that the managers of users run."""
    of_user: dict[int, list[str]] = {}
    wanted = set(names)
    for pid in list_pids():
        try:
            path = printable(os.fsdecode(read_bytes(f"/proc/{pid}/cgroup")))
        except OSError:
            continue
        match = _USER_MANAGER.search(path)
        for name in wanted & set(path[match.end() - 1 :].split()[0].split("/")) if match else ():
            of_user.setdefault(int(match[1]) if match else 0, []).append(name)
            wanted.discard(name)
    found: dict[str, Unit] = {}
    for uid, theirs in of_user.items():
        found.update(units_of_user(uid, theirs, ask, unseen))
    return found


# --- what a unit starts with ------------------------------------------------------------------------------------------


def setting(unit: Unit, name: str, section: str = "Service") -> Optional[str]:
    """The value of a directive as "systemctl show" prints it: what systemd has read, else what the files say."""
    if name in unit.properties:
        return unit.properties[name]
    return as_shown(name, [line.value for line in effective(unit.directives, section, name)])


def command_of_unit(unit: Unit) -> tuple[str, Optional[str], list[str]]:
    """Prefix characters, path and arguments of the first ExecStart= in force; the path is None when there is none.

    A program named without a slash is looked for as systemd does.
    """
    lines = effective(unit.directives, "Service", "ExecStart")
    prefix, path, arguments = parse_exec(lines[0].value) if lines else ("", "", [])
    if path and "/" not in path:
        places = [f"{directory}/{path}" for directory in _PROGRAM_PATH]
        path = next((place for place in places if os.access(place, os.X_OK)), path)
    return prefix, path or None, arguments


def credentials_of_unit(unit: Unit, host: Host) -> Credentials:
    """The credentials with which systemd executes the first ExecStart= of a unit.

    Raises ValueError with one sentence for a user or group that this host does not have (then the unit cannot start),
    and for a unit of a user's manager. The uid that DynamicUser= takes is not known beforehand; it is the first of
    them here. With PrivateUsers= the sets count in a user namespace of the unit's own.
    """
    if unit.manager != "system":
        raise ValueError(f"{unit.name} is a unit of a user's manager, whose credentials are known only while it runs")
    prefix = command_of_unit(unit)[0]
    privileged = "+" in prefix  # Neither User= nor the sandbox.
    uid, gid, groups = _ids(unit, as_root=privileged or "!" in prefix.replace("!!", ""))
    bounding, ambient = host.bounding, 0
    if not privileged:
        bounding &= _mask(setting(unit, "CapabilityBoundingSet"), bounding)
        ambient = bounding & _mask(setting(unit, "AmbientCapabilities"), 0)
    filters = not privileged and any(setting(unit, name) not in (None, off) for name, off in FILTERS.items())
    implied = filters and uid != 0 and _implies_no_new_privs(unit)
    held = bounding if uid == 0 else ambient
    return Credentials(
        *(uid, uid, uid, uid, gid, gid, gid, gid, groups),
        effective=held,
        permitted=held,
        inheritable=ambient | (_KEPT & bounding if filters and uid != 0 and not implied else 0),
        bounding=bounding,
        ambient=ambient,
        no_new_privs=implied
        or (not privileged and "yes" in (setting(unit, "NoNewPrivileges"), setting(unit, "DynamicUser"))),
        seccomp=2 if filters else 0,
        securebits=None if privileged else _securebits(unit),
    )


def _securebits(unit: Unit) -> Optional[int]:
    """SecureBits=, which is shown as a number; of what the files say only the bit that takes root its privilege."""
    shown = setting(unit, "SecureBits") or ""
    return int(shown) if shown.isdigit() else 1 if "noroot" in shown.split() else None


def _mask(shown: Optional[str], default: int) -> int:
    """A capability set as it is shown; what this collection has no name for is left out."""
    if shown is None:
        return default
    return capability_mask(word for word in shown.split() if not word[4:].isdigit())


def _implies_no_new_privs(unit: Unit) -> bool:
    """Whether a filter for another user than root comes with no_new_privs, which "systemctl show" does not tell.

    systemd 257 needs it when the filter refuses the calls with which it would drop what it kept for the filter.
    """
    # Imported here: an AnsiballZ payload is compiled in each run, and most runs need nothing of it.
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._rewriters import systemd_version

    version = systemd_version("/")
    if version is not None and version < _KEEPS_PRIVILEGES:
        return True
    listed = system_calls(unit.properties.get("SystemCallFilter", ""))
    if listed is None:
        return False
    return any((name in listed[1]) != listed[0] for name in ("capget", "capset", "prctl"))


def _ids(unit: Unit, *, as_root: bool) -> tuple[int, int, tuple[int, ...]]:
    """User, group and supplementary groups; as_root: the command runs as root, with the groups of the user."""
    user, group = setting(unit, "User"), setting(unit, "Group")
    if not user and setting(unit, "DynamicUser") == "yes":
        user = unit.name.rpartition(".")[0]
    more = [_group(name, unit) for name in (setting(unit, "SupplementaryGroups") or "").split()]
    uid, gid, own = 0, 0, []
    if user and user not in ("root", "0"):
        entry = _user(user, unit)
        uid, gid = (entry.pw_uid, entry.pw_gid) if entry else (DYNAMIC_UID, DYNAMIC_UID)
        gid = _group(group, unit) if group and entry else gid
        own = os.getgrouplist(entry.pw_name, gid) if entry else [gid]
    elif group:
        gid = _group(group, unit)
    groups = tuple(sorted({*own, *more}))
    return (0, 0, groups) if as_root else (uid, gid, groups)


def _user(name: str, unit: Unit) -> Optional[pwd.struct_passwd]:
    """The entry of a user; None for one that DynamicUser= makes up at the start."""
    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except (KeyError, OverflowError):
        if setting(unit, "DynamicUser") == "yes":
            return None
        raise ValueError(f"User={name} of {unit.name} is no user of this host, so systemd cannot start it") from None


def _group(name: str, unit: Unit) -> int:
    try:
        return grp.getgrgid(int(name)).gr_gid if name.isdigit() else grp.getgrnam(name).gr_gid
    except (KeyError, OverflowError):
        raise ValueError(f"{name} of {unit.name} is no group of this host, so systemd cannot start it") from None
