# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of LXC: their configuration (lxc.container.conf(5)). Incus and LXD write the same when they start one."""

from __future__ import annotations

import functools
import re
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._observe._oci import mask_of
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import USERS, Files, Place
from ansible_collections.netlink.remediation.plugins.module_utils._parts import (
    Container,
    ContainerOwner,
    Seccomp,
    SeccompRule,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import IdRange

DEFAULT_PATH = "/var/lib/lxc"
CONFIGURATION = "/etc/lxc/lxc.conf"
# Where the managers leave the configuration that they made from their own: never to be edited.
MANAGED = (
    ("incus", "/run/incus"),
    ("incus", "/var/log/incus"),
    ("lxd", "/var/snap/lxd/common/lxd/logs"),
    ("lxd", "/var/log/lxd"),
)
# lxc.include may name files that include others, or itself.
MOST_FILES = 64

_KEY = re.compile(r"lxc\.[\w.\-/]+")
_OLD = {"lxc.id_map": "lxc.idmap", "lxc.seccomp": "lxc.seccomp.profile", "lxc.aa_profile": "lxc.apparmor.profile"}
_ACTIONS = {"kill": "SCMP_ACT_KILL", "trap": "SCMP_ACT_TRAP", "allow": "SCMP_ACT_ALLOW", "notify": "SCMP_ACT_NOTIFY"}


def lxc_places(files: Files) -> list[Place]:
    """The containers of root, those of users, and those of the managers."""
    own = re.search(r"^[ \t]*lxc\.lxcpath[ \t]*=[ \t]*(/\S*)", files.text(CONFIGURATION) or "", re.MULTILINE)
    paths = [own[1].rstrip("/")] if own else []
    found: dict[str, Place] = {}
    for directory in dict.fromkeys([*paths, DEFAULT_PATH, *(f"{home}/.local/share/lxc" for home in files.homes())]):
        for name in files.names(directory):
            if files.text(f"{directory}/{name}/config") is not None:
                read = functools.partial(_read, files, name, f"{directory}/{name}/config", "lxc")
                users = directory.startswith(USERS)
                found.setdefault(name, Place(name, functools.partial(list, [name]), read, users=users))
    for engine, directory in MANAGED:
        for name in files.names(directory):
            path = f"{directory}/{name}/lxc.conf"
            if files.text(path) is not None:
                read = functools.partial(_read, files, name, path, engine)
                # The cgroup of a container in a project other than the default one is named PROJECT_NAME.
                names = [name, name.partition("_")[2] or name]
                found.setdefault(name, Place(name, functools.partial(list, names), read))
    return list(found.values())


def _read(files: Files, name: str, path: str, engine: str) -> Container:
    container = Container(name, name, engine, specification=path)
    if engine == "lxc":
        container.owner = ContainerOwner("lxc", files=[path])
    else:
        container.name = name.partition("_")[2] or name
        container.owner = ContainerOwner(engine)
    settings = read_settings(files, path)
    uid = _last(settings, "lxc.init.uid", "0")
    container.user = f"{uid}:{_last(settings, 'lxc.init.gid', '0')}"
    bounding = bounding_set(settings)
    held = bounding if uid == "0" else 0
    container.capabilities = {"bounding": bounding, "effective": held, "permitted": held}
    container.capabilities.update(inheritable=0, ambient=0)
    container.no_new_privs = _last(settings, "lxc.no_new_privs") == "1"
    container.uid_map = id_map(settings.get("lxc.idmap", []))
    _see_namespaces(container, settings)
    container.apparmor = _last(settings, "lxc.apparmor.profile")
    container.selinux = _last(settings, "lxc.selinux.context")
    container.sysctls = {key[11:]: values[-1] for key, values in settings.items() if key.startswith("lxc.sysctl.")}
    profile = _last(settings, "lxc.seccomp.profile")
    text = files.text(profile) if profile and profile.startswith("/") else None
    container.seccomp = parse_seccomp(text) if text else None
    container.seccomp_known = not profile or text is not None
    return container


def read_settings(files: Files, path: str) -> dict[str, list[str]]:
    """Key -> its values in effect, included files in their place. An empty value clears what was there before."""
    found: dict[str, list[str]] = {}
    _add_settings(files, path, found, set())
    return found


def _add_settings(files: Files, path: str, found: dict[str, list[str]], seen: set[str]) -> None:
    if path in seen or len(seen) >= MOST_FILES:
        return
    seen.add(path)
    for line in (files.text(path) or "").split("\n"):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not _KEY.fullmatch(name):
            continue
        key = _OLD.get(name, name)
        if key == "lxc.include":
            for included in _included(files, value):
                _add_settings(files, included, found, seen)
        elif value:
            found.setdefault(key, []).append(value)
        else:
            found.pop(key, None)


def _included(files: Files, value: str) -> list[str]:
    if not value.startswith("/"):
        return []
    if not files.is_directory(value):
        return [value]
    return [f"{value.rstrip('/')}/{name}" for name in files.names(value) if name.endswith(".conf")]


def bounding_set(settings: dict[str, list[str]]) -> int:
    """What lxc.cap.keep keeps, or all but what lxc.cap.drop drops."""
    keep = " ".join(settings.get("lxc.cap.keep", [])).split()
    if keep:
        return 0 if "none" in keep else mask_of(keep)
    return ALL_CAPABILITIES & ~mask_of(" ".join(settings.get("lxc.cap.drop", [])).split())


def id_map(lines: list[str]) -> list[IdRange]:
    """The maps of user ids ("u 0 100000 65536"; "b" is for both kinds of ids)."""
    found = []
    for words in map(str.split, lines):
        if len(words) == 4 and words[0] in ("u", "b") and all(re.fullmatch(r"\d{1,10}", item) for item in words[1:]):
            found.append(IdRange(*map(int, words[1:])))
    return found


def _see_namespaces(container: Container, settings: dict[str, list[str]]) -> None:
    keep = " ".join(settings.get("lxc.namespace.keep", [])).split()
    kinds = [values[-1] for key, values in settings.items() if re.fullmatch(r"lxc\.net(work)?\.\d*\.?type", key)]
    shared = _last(settings, "lxc.namespace.share.net")
    hosts = "net" in keep or (bool(kinds) and set(kinds) == {"none"})
    container.net_ns = "host" if hosts else f"container:{shared}" if shared else "own"
    container.user_ns = "own" if settings.get("lxc.idmap") and "user" not in keep else "host"


def parse_seccomp(text: str) -> Optional[Seccomp]:
    """A profile in LXC's own format (lxc.container.conf(5), SECCOMP CONFIGURATION); None for one without rules."""
    lines = [line.partition("#")[0].split() for line in text.splitlines()]
    lines = [words for words in lines if words]
    if len(lines) < 2 or lines[0] not in (["1"], ["2"]):
        return None
    allows = lines[1][0] in ("allowlist", "whitelist")
    default = _action(lines[1][1:], "SCMP_ACT_KILL" if allows else "SCMP_ACT_ALLOW")
    usual = ("SCMP_ACT_ALLOW", None) if allows else ("SCMP_ACT_KILL", None)
    rules = []
    for words in lines[2:]:
        if words[0].startswith("[") or words[0] == "reject_force_umount":
            continue
        action, number = _action(words[1:], *usual)
        rules.append(SeccompRule([words[0]], action, number, _conditions(words[1:])))
    return Seccomp(default[0], default[1], rules)


def _action(words: list[str], usual: str, number: Optional[int] = None) -> tuple[str, Optional[int]]:
    if words[:1] == ["errno"]:
        known = len(words) > 1 and re.fullmatch("[0-9]{1,5}", words[1])
        return "SCMP_ACT_ERRNO", int(words[1]) if known else 1
    return (_ACTIONS[words[0]], None) if words and words[0] in _ACTIONS else (usual, number)


def _conditions(words: list[str]) -> list[list[object]]:
    """Conditions on arguments: [index,value,operator,mask]."""
    found: list[list[object]] = []
    for item in re.findall(r"\[([^\[\]]*)\]", " ".join(words)):
        parts = [part.strip() for part in item.split(",")]
        try:
            found.append([int(parts[0], 0), int(parts[1], 0), int(parts[3], 0) if len(parts) > 3 else 0, parts[2]])
        except (ValueError, IndexError):
            continue
    return found


def _last(settings: dict[str, list[str]], key: str, default: Optional[str] = None) -> Optional[str]:
    return settings[key][-1] if settings.get(key) else default
