# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of systemd-nspawn: their settings (systemd.nspawn(5)) and the command line that runs them."""

from __future__ import annotations

import functools
import re

from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._observe._oci import mask_of
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import Files, Place
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, ContainerOwner
from ansible_collections.netlink.remediation.plugins.module_utils._state import IdRange

SETTINGS = ("/etc/systemd/nspawn", "/run/systemd/nspawn", "/var/lib/machines")
MACHINES = "/var/lib/machines"
# The command of systemd-nspawn@.service, by which machinectl starts one.
TEMPLATE = ["--boot", "--network-veth", "-U", "--settings=override"]

# What a container keeps, and one with a network of its own (systemd-nspawn(1), --capability=).
DEFAULT = mask_of(
    (
        *("audit_control", "audit_write", "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "ipc_owner"),
        *("kill", "lease", "linux_immutable", "mknod", "net_bind_service", "net_broadcast", "net_raw", "setfcap"),
        *("setgid", "setpcap", "setuid", "sys_admin", "sys_boot", "sys_chroot", "sys_nice", "sys_ptrace"),
        *("sys_resource", "sys_tty_config"),
    )
)
NETWORK = mask_of(["net_admin"])

_NETWORK_OPTION = re.compile(
    r"^(--private-network|--network-(veth|veth-extra|bridge|zone|interface|macvlan|ipvlan)(=|$)|-n$)"
)
_NETWORK_SETTINGS = ("VirtualEthernet", "VirtualEthernetExtra", "Interface", "MACVLAN", "IPVLAN", "Bridge", "Zone")
_YES = ("1", "yes", "y", "true", "t", "on")


def nspawn_places(files: Files) -> list[Place]:
    """The containers that are defined by a settings file or lie in /var/lib/machines."""
    found: list[str] = []
    for directory in SETTINGS:
        for name in files.names(directory):
            if name.endswith(".nspawn"):
                found.append(name[: -len(".nspawn")])
    for name in files.names(MACHINES):
        if not name.startswith(".") and not name.endswith(".nspawn"):
            found.append(name[:-4] if name.endswith(".raw") else name)
    return [
        Place(name, functools.partial(list, [name]), functools.partial(read_machine, files, name, TEMPLATE))
        for name in dict.fromkeys(found)
        if name
    ]


def read_machine(files: Files, name: str, arguments: list[str]) -> Container:
    """A container by its settings and the options of the systemd-nspawn that runs (or would run) it."""
    container = Container(name, name, "nspawn", owner=ContainerOwner("nspawn"), seccomp_known=False)
    settings: dict[str, list[str]] = {}
    for directory in SETTINGS:
        text = files.text(f"{directory}/{name}.nspawn")
        if text is not None:
            container.specification = f"{directory}/{name}.nspawn"
            container.owner.files = [container.specification]
            settings = parse_settings(text)
            break
    options = _options(arguments)
    container.net_ns = "own" if _private_network(arguments, settings) else "host"
    _see_users(container, options, settings)
    add = mask_of_words([*options.get("capability", []), *settings.get("Capability", [])])
    drop = mask_of_words([*options.get("drop-capability", []), *settings.get("DropCapability", [])])
    bounding = (DEFAULT | (NETWORK if container.net_ns == "own" else 0) | add) & ~drop
    user = [*options.get("user", []), *settings.get("User", [])]
    container.user = user[-1] if user else "0:0"
    held = bounding if container.user in ("0:0", "0", "root") else 0
    container.capabilities = {"bounding": bounding, "effective": held, "permitted": held}
    container.capabilities.update(inheritable=0, ambient=0)
    flags = [*options.get("no-new-privileges", []), *settings.get("NoNewPrivileges", [])]
    container.no_new_privs = bool(flags) and flags[-1].lower() in _YES
    container.selinux = "".join(options.get("selinux-context", [])[-1:]) or None
    return container


def parse_settings(text: str) -> dict[str, list[str]]:
    """Name -> values of the assignments, those of an empty value and before it left out."""
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        name, equals, value = (part.strip() for part in line.partition("="))
        if equals and value and name:
            found.setdefault(name, []).append(value)
        elif equals:
            found.pop(name, None)
    return found


def mask_of_words(values: list[str]) -> int:
    """Bit mask of lists of names, separated by space or comma; "all" is every capability."""
    names = [name for value in values for name in re.split(r"[\s,]+", value) if name]
    return ALL_CAPABILITIES if "all" in names else mask_of(names)


def _options(arguments: list[str]) -> dict[str, list[str]]:
    """Name -> values of the long options; getopt_long(3) also takes the value as a word of its own."""
    found: dict[str, list[str]] = {}
    for index, word in enumerate(arguments):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            following = "".join(arguments[index + 1 : index + 2])
            found.setdefault(name, []).append(value if equals else "" if following.startswith("-") else following)
        elif word == "-U":
            found.setdefault("private-users", []).append("pick")
        elif word == "-u":
            found.setdefault("user", []).append("".join(arguments[index + 1 : index + 2]))
    return found


def _private_network(arguments: list[str], settings: dict[str, list[str]]) -> bool:
    """The settings say it, and where they do not, the command line."""
    for name in _NETWORK_SETTINGS:
        values = settings.get(name, [])
        if values and (name != "VirtualEthernet" or values[-1].lower() in _YES):
            return True
    said = [*settings.get("Private", []), *settings.get("VirtualEthernet", [])]
    if said:
        return said[0].lower() in _YES
    return any(_NETWORK_OPTION.match(word) for word in arguments)


def _see_users(container: Container, options: dict[str, list[str]], settings: dict[str, list[str]]) -> None:
    said = [*options.get("private-users", []), *settings.get("PrivateUsers", [])]
    value = said[-1].lower() if said else "no"
    container.user_ns = "host" if value in ("no", "0", "false", "off", "n", "f") else "own"
    numbers = re.fullmatch(r"(\d{1,10})(?::(\d{1,10}))?", value)
    if container.user_ns == "own" and numbers:
        container.uid_map = [IdRange(0, int(numbers[1]), int(numbers[2] or 65536))]
