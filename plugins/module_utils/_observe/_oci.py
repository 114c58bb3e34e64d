# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime specification of the Open Container Initiative: the config.json that runc, crun and others execute.

Its words are those of https://github.com/opencontainers/runtime-spec (config.md, config-linux.md). What is of a wrong
type counts as missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import capability_bit
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import (
    items,
    mapping,
    number,
    texts,
    word,
    words,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, Seccomp, SeccompRule
from ansible_collections.netlink.remediation.plugins.module_utils._state import IdRange

SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")


def apply_specification(container: Container, specification: Any) -> None:
    """Fill a container with what its runtime specification says."""
    process = mapping(mapping(specification).get("process"))
    linux = mapping(mapping(specification).get("linux"))
    user = mapping(process.get("user"))
    if user:
        container.user = f"{number(user.get('uid')) or 0}:{number(user.get('gid')) or 0}"
    sets = mapping(process.get("capabilities"))
    # Without the member, the process has none at all.
    container.capabilities = {name: mask_of(words(sets.get(name))) for name in SETS}
    container.no_new_privs = process.get("noNewPrivileges") is True
    container.user_ns = namespace(linux, "user")
    container.net_ns = namespace(linux, "network")
    container.uid_map = id_map(linux.get("uidMappings"))
    container.seccomp = seccomp(linux.get("seccomp"))
    container.seccomp_known = True
    container.apparmor = word(process.get("apparmorProfile"))
    container.selinux = word(process.get("selinuxLabel"))
    container.sysctls = texts(linux.get("sysctl"))
    container.allows_tun = allows_tun(linux)


def notes_of(specification: Any) -> dict[str, str]:
    """What engines note in the specification for themselves."""
    return texts(mapping(specification).get("annotations"))


def mask_of(names: Iterable[str]) -> int:
    """Bit mask of capability names; one that this kernel's world does not know has no bit."""
    mask = 0
    for name in names:
        try:
            mask |= 1 << capability_bit(name)
        except ValueError:
            continue
    return mask


def namespace(linux: dict[str, Any], kind: str) -> str:
    """ "host" where the container shares it with the engine, "own", or "path:" and the file of the one it joins."""
    for item in items(linux.get("namespaces")):
        if mapping(item).get("type") == kind:
            path = word(mapping(item).get("path"))
            return f"path:{path}" if path else "own"
    return "host"


def id_map(mappings: Any) -> list[IdRange]:
    """The lines of linux.uidMappings or linux.gidMappings."""
    found = []
    for item in map(mapping, items(mappings)):
        inside, outside, count = (number(item.get(name)) for name in ("containerID", "hostID", "size"))
        if inside is not None and outside is not None and count is not None:
            found.append(IdRange(inside, outside, count))
    return found


def seccomp(profile: Any) -> Optional[Seccomp]:
    """linux.seccomp; None when there is no filter."""
    default = word(mapping(profile).get("defaultAction"))
    if default is None:
        return None
    rules = map(_rule, map(mapping, items(profile.get("syscalls"))))
    return Seccomp(default, number(profile.get("defaultErrnoRet")), [rule for rule in rules if rule])


def _rule(entry: dict[str, Any]) -> Optional[SeccompRule]:
    names, action = words(entry.get("names")), word(entry.get("action"))
    if not names or action is None:
        return None
    arguments = [
        [number(item.get("index")) or 0, number(item.get("value")) or 0, number(item.get("valueTwo")) or 0, operator]
        for item in map(mapping, items(entry.get("args")))
        for operator in [word(item.get("op"))]
        if operator
    ]
    return SeccompRule(names, action, number(entry.get("errnoRet")), arguments)


def allows_tun(linux: dict[str, Any]) -> bool:
    """Whether the rules of linux.resources.devices, of which the last one that fits counts, allow /dev/net/tun."""
    allowed = False
    for rule in map(mapping, items(mapping(linux.get("resources")).get("devices"))):
        numbers = number(rule.get("major")), number(rule.get("minor"))
        fits = (
            word(rule.get("type")) in (None, "a", "c")
            and numbers[0] in (None, -1, 10)
            and numbers[1] in (None, -1, 200)
        )
        access = set(word(rule.get("access")) or "rwm")
        if fits and (access & {"r", "w"} if not rule.get("allow") else {"r", "w"} <= access):
            allowed = rule.get("allow") is True
    return allowed


def allows_all(specification: Any) -> bool:
    """Whether it is privileged, where the engine notes that nowhere: with all capabilities and every device."""
    linux = mapping(mapping(specification).get("linux"))
    rules = map(mapping, items(mapping(linux.get("resources")).get("devices")))
    every = any(rule.get("allow") is True and not rule.get("major") and rule.get("access") == "rwm" for rule in rules)
    sets = mapping(mapping(mapping(specification).get("process")).get("capabilities"))
    # Those that the oldest supported kernels have, up to CAP_AUDIT_READ: older engines know no more.
    oldest = (1 << 38) - 1
    return every and mask_of(words(sets.get("bounding"))) & oldest == oldest


def network_of_pod(container: Container, sandbox: Optional[str]) -> None:
    """The containers of a pod join the network namespace that was made for its first one, the sandbox."""
    if (container.net_ns or "").startswith("path:"):
        container.net_ns = "own" if sandbox in (None, container.id) else f"container:{sandbox}"
