# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AppArmor profiles of workloads: which one confines them, or would after execve, and what it says of netlink.

Which profile attaches is read from the text of the profiles: the kernel shows "<unknown>" for every attachment that is
a pattern (parser 4.1, Linux 7.2), and the parser makes a pattern of each path.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterable, Sequence
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import FOR_ALL, name_for, split_label
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import (
    list_names,
    printable,
    read_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import (
    DIRECTORY,
    Library,
    attachment_claims,
    claiming,
    find_profiles,
    generator_of,
    loaded_modes,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sockets import socket_types
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Profile, Unit
from ansible_collections.netlink.remediation.plugins.module_utils._state import State, Unseen, Workload
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import effective, parse_exec

UNCONFINED = "unconfined"
RESTRICTION = "kernel/apparmor_restrict_unprivileged_userns"
CONFFILES = "/var/lib/dpkg/info"
KERNEL_FEATURES = "/sys/kernel/security/apparmor/features"
LOADED_PROFILES = "/sys/kernel/security/apparmor/policy/profiles"
PARSER_CONF = "/etc/apparmor/parser.conf"
# Kind of rule, the word that stands for it in a file of features, and where the kernel shows it. Measured on Linux 7.2:
# "network" (without _v8), which older files have, mediates nothing there.
MEDIATED = (("network", "network_v8", "network_v8/af_mask"), ("userns", "userns_create", "namespaces/mask"))
_ABI = re.compile(r"^[ \t]*abi[ \t]+(?:<([^<>\n]+)>|\"?([^\"<>,\n]+)\"?)[ \t]*,", re.MULTILINE)
_DEFAULT_ABI = re.compile(r"^[ \t]*policy-features[ \t]*=[ \t]*(\S+)", re.MULTILINE)
# What programs have in them that open SOCK_RAW: libnetlink of iproute2, which is linked statically, and the names of
# libraries that open nothing else.
RAW = (b"Cannot open netlink socket", b"libmnl.so.", b"libnl-3.so.", b"libnl-genl-3.so.", b"libnl-route-3.so.")
MAX_PROGRAM = 64 << 20


def observe_profiles(state: State) -> None:
    """Fill in label and socket_types of each workload, and State.profiles with those that the labels name.

    What cannot be read is appended to State.unseen; the label of what does not run yet is None where it is not known.
    """
    modes = loaded_modes(state.unseen)
    for workload in state.workloads:
        workload.label = _label_of(state, workload, modes)
        if workload.label not in (None, UNCONFINED):
            workload.socket_types = types_opened(workload.processes, workload.executable)
    names = {name for item in state.workloads for name, _mode in split_label(item.label or UNCONFINED)} - {UNCONFINED}
    if state.host.restrictions.get(RESTRICTION):
        names |= _for_namespaces(state, modes or {})
    state.profiles = read_profiles(names, modes, state.unseen) if names else {}
    labels = [item.label for item in state.workloads if item.label]
    for name, mode in (part for label in labels for part in split_label(label)):
        if name in state.profiles and mode is not None:
            state.profiles[name].mode = mode


def _for_namespaces(state: State, modes: dict[str, str]) -> set[str]:
    """Profiles that count under Ubuntu's switch: the one of everybody, and those made for programs that run already,
    which get them when they are started anew.
    """
    makers = [item for item in state.workloads if "userns" in item.operations]
    programs = [state.processes[pid].executable or "" for item in makers for pid in item.processes]
    made = {name_for(path) for path in programs} & set(modes)
    return made | {FOR_ALL} if makers else set()


def read_profiles(names: Iterable[str], modes: Optional[dict[str, str]], unseen: list[Unseen]) -> dict[str, Profile]:
    """Profiles by name, with the mode in which they are loaded; those that no file has are there without rules."""
    wanted = sorted(names)
    found = find_profiles(wanted, unseen)
    for name in wanted:
        profile = found.setdefault(name, Profile(name, generator=generator_of(name)))
        profile.mode = (modes or {}).get(name)
    files = {profile.file: None for profile in found.values() if profile.file}
    packages = packages_of(list(files))
    for profile in found.values():
        if profile.file:
            profile.package = packages.get(profile.file)
            profile.unmediated = unmediated(profile.file, unseen)
    return found


def unmediated(path: str, unseen: list[Unseen], directory: str = DIRECTORY, kernel: str = KERNEL_FEATURES) -> list[str]:
    """The kinds of rules (network, userns) of which profiles in a file have no need: its abi, that is the file of
    features that it names, or the kernel leaves them out.

    directory: of the policy; kernel: the directory in which the kernel shows its own features.
    """
    found = _ABI.search(read_text(path, "/", unseen) or "")
    features = None
    if found:
        name = found[1] or found[2]
        features = name if name.startswith("/") else f"{directory}/{name}"
    else:
        default = _DEFAULT_ABI.search(read_text(PARSER_CONF, "/", unseen) or "")
        features = default[1] if default else None
    text = read_text(features, "/", unseen) if features else None
    missing = []
    for kind, word, place in MEDIATED:
        left_out = text is not None and not re.search(rf"\b{word}\b", text)
        if left_out or (os.path.isdir(kernel) and not _shows(f"{kernel}/{place}", word)):
            missing.append(kind)
    return missing


def _shows(path: str, word: str) -> bool:
    """Whether the kernel shows a feature: by a file, and by a word in it where that has another name."""
    try:
        words = read_bytes(path).decode("ascii", "replace").split()
    except OSError:
        return False
    return word in words or word in path.split("/")


def _label_of(state: State, workload: Workload, modes: Optional[dict[str, str]]) -> Optional[str]:
    for pid in workload.processes:
        process = state.processes.get(pid)
        if process is not None and process.label is not None:
            return process.label
    if workload.processes or workload.credentials is None or not workload.executable or modes is None:
        return None
    unit = state.units.get(workload.unit or "") if workload.unit else None
    named = profile_of_unit(unit) if unit is not None else None
    if named is not None:
        name = named.lstrip("-")
        if name in modes or not named.startswith("-"):
            return label_text(name, modes) if name in modes else None
    file = state.executables.get(workload.executable)
    return label_after((file.real_path if file else None) or workload.executable, modes, state.unseen)


def label_after(real: str, modes: dict[str, str], unseen: list[Unseen]) -> Optional[str]:
    """The label that execve of a file gives to who is not confined; None where it is not known.

    real: path without symbolic links, as the kernel knows it; of a script it is the script's own. modes: the profiles
    that are loaded, see loaded_modes(). Measured on Linux 7.2: where two have the same claim, neither is taken.
    """
    library = Library(unseen)
    named = library.find(real) if real in modes else None
    if real in modes and (named is None or named.profile.executable in (None, real)):
        return label_text(real, modes)
    if _hidden(library, modes, unseen):
        return None
    found = {one.profile.name: one for one in claiming(library, real) if one.profile.name in modes}
    claims = {name: attachment_claims(one.profile.executable or "", real) for name, one in found.items()}
    if any(one.block.xattrs for one in found.values()) or any(len(each) > 1 for each in claims.values()):
        return None  # Under a condition, or the longer of two alternatives: what the kernel makes of it is not known.
    best = max((max(each) for each in claims.values()), default=0)
    winners = [name for name, each in claims.items() if max(each) == best]
    return label_text(winners[0], modes) if len(winners) == 1 else UNCONFINED


def _hidden(library: Library, modes: dict[str, str], unseen: list[Unseen]) -> bool:
    """Whether a profile is loaded that no file defines, and the kernel does not tell to which programs it attaches."""
    defined = {one.profile.name for one in library.all()}
    strays = {name for name in modes if name not in defined and "//" not in name and not generator_of(name)}
    if not strays:
        return False
    for place in list_names(LOADED_PROFILES, "/", unseen):
        name, attachment = (_line(f"{LOADED_PROFILES}/{place}/{word}") for word in ("name", "attach"))
        if name in strays and attachment == "<unknown>":
            unseen.append(Unseen(f"attachment of AppArmor profile {name}", "it is loaded, and no file defines it"))
            return True
    return False


def _line(path: str) -> str:
    try:
        return printable(read_bytes(path).decode("utf-8", "surrogateescape").rstrip("\n"))
    except OSError:
        return ""


def label_text(name: str, modes: dict[str, str]) -> str:
    """A profile as the kernel shows it in /proc/PID/attr."""
    return f"{name} ({modes[name]})"


def profile_of_unit(unit: Unit) -> Optional[str]:
    """AppArmorProfile= of a unit, with its "-" where a profile that is not loaded does no harm; None for none.

    A command with "+" is started without it (measured on systemd 257).
    """
    commands = effective(unit.directives, "Service", "ExecStart")
    if commands and "+" in parse_exec(commands[0].value)[0]:
        return None
    lines = effective(unit.directives, "Service", "AppArmorProfile")
    return lines[-1].value.strip() or None if lines else None


def types_opened(pids: Sequence[int], path: Optional[str]) -> list[str]:
    """Types of the netlink sockets that processes open: of those that they hold, else as the program shows, which is
    the file at a path or that of the first process. Empty where that does not tell.
    """
    held = {kind for pid in pids for kind in socket_types(pid)}
    if held:
        return sorted(held)
    program = f"/proc/{pids[0]}/exe" if pids else path
    return ["raw"] if program and opens_raw(program) else []


def opens_raw(path: str) -> bool:
    """Whether a program is one of those that are known to open its netlink sockets as SOCK_RAW."""
    try:
        with open(path, "rb", buffering=0) as file:
            size = min(os.fstat(file.fileno()).st_size, MAX_PROGRAM)
            with mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as data:
                return any(data.find(text) >= 0 for text in RAW)
    except (OSError, ValueError):
        return False  # Not readable, or empty: not known.


def packages_of(files: Sequence[str], directory: str = CONFFILES) -> dict[str, str]:
    """File -> package, of those that are configuration files of a Debian package (conffiles of dpkg)."""
    wanted, found = set(files), {}
    try:
        lists = [entry for entry in os.scandir(directory) if entry.name.endswith(".conffiles")] if wanted else []
    except OSError:
        return {}
    for entry in lists:
        try:
            with open(entry.path, encoding="utf-8", errors="surrogateescape") as lines:
                for path in wanted & {line.rstrip("\n") for line in lines}:
                    found[path] = entry.name[: -len(".conffiles")].partition(":")[0]
        except OSError:
            continue
    return found
