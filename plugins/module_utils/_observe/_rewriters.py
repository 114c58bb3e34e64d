# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that write sysctls out of their own configuration, after sysctl.d was applied: ufw, systemd-networkd,
NetworkManager. Only what is enabled counts.

TuneD is left out on purpose: by default it applies sysctl.d again after its own values (reapply_sysctl in
tuned-main.conf).
"""

from __future__ import annotations

import glob
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import (
    list_names,
    printable,
    read_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import names_of, parse_lines
from ansible_collections.netlink.remediation.plugins.module_utils._parts import PersistedSysctl
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

_TRUE = ("1", "yes", "y", "true", "t", "on")

# Options of a .network file that set a key of the links it matches (systemd.network(5)).
_LINK_OPTIONS = {
    "IPv4Forwarding": ("net/ipv4/conf/{}/forwarding", dict.fromkeys(_TRUE, "1"), "0"),
    "IPv6Forwarding": ("net/ipv6/conf/{}/forwarding", dict.fromkeys(_TRUE, "1"), "0"),
    "IPv4ReversePathFilter": ("net/ipv4/conf/{}/rp_filter", {"no": "0", "strict": "1", "loose": "2"}, None),
}
_NETWORK_OPTIONS = (*_LINK_OPTIONS, "IPForward", "IPMasquerade")
_FORWARD4 = "net/ipv4/ip_forward"
_FORWARD6 = "net/ipv6/conf/all/forwarding"


@dataclass(frozen=True)
class Setting:
    """One line of an ini file: section, name, value, where it stands."""

    section: str
    name: str
    value: str
    file: str
    line: int


Found = Iterator[tuple[str, PersistedSysctl]]


def observe_rewriters(
    keys: Iterable[str], unseen: list[Unseen], *, root: str = "/"
) -> dict[str, list[PersistedSysctl]]:
    """What enabled services write by themselves, by canonical key; keys that none writes are left out."""
    wanted = set(keys)
    found: dict[str, list[PersistedSysctl]] = {}
    services = (_ufw(root, unseen), _networkd(_interfaces(wanted), root, unseen), _network_manager(root, unseen))
    for key, entry in itertools.chain(*services):
        if key in wanted:
            found.setdefault(key, []).append(entry)
    return found


def shell_value(text: str, name: str) -> Optional[str]:
    """The last NAME=value of a file of shell assignments, quotes removed."""
    matches = re.findall(rf"^[ \t]*{name}=[\"']?([^\"'#\s]*)", text, re.MULTILINE)
    return str(matches[-1]) if matches else None


def parse_ini(text: str, file: str) -> list[Setting]:
    """Settings of a systemd or NetworkManager configuration file, in order; what is no setting is skipped."""
    found, section = [], ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip(" \t\r")
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            section = line[1:-1]
            continue
        name, equals, value = line.partition("=")
        if equals:
            found.append(Setting(section, name.strip(" \t"), value.strip(" \t"), file, number))
    return found


def _ufw(root: str, unseen: list[Unseen]) -> Found:
    """ufw runs "sysctl -p" on IPT_SYSCTL when it starts and is enabled (ufw_start() in ufw-init-functions)."""
    if shell_value(read_text("/etc/ufw/ufw.conf", root, unseen) or "", "ENABLED") not in ("yes", "YES"):
        return
    path = shell_value(read_text("/etc/default/ufw", root, unseen) or "", "IPT_SYSCTL")
    if not path or not path.startswith("/"):
        return
    for line in parse_lines(read_text(path, root, unseen) or "", path):
        if line.value is not None:
            for name in names_of(line.key):
                yield name, line.assignment()


def _enabled(unit: str, runtime: str, root: str) -> bool:
    """A unit that runs (its runtime file exists) or that some target wants at boot."""
    links = glob.glob(os.path.join(glob.escape(root), f"etc/systemd/system/*.wants/{unit}"))
    return bool(links) or os.path.exists(os.path.join(root, runtime))


def _networkd(interfaces: set[str], root: str, unseen: list[Unseen]) -> Found:
    if not _enabled("systemd-networkd.service", "run/systemd/netif/state", root):
        return
    for setting in _drop_ins("/{}/systemd/networkd.conf", root, unseen):
        for name, keys in (
            ("IPv4Forwarding", (_FORWARD4, "net/ipv4/conf/all/forwarding", "net/ipv4/conf/default/forwarding")),
            ("IPv6Forwarding", (_FORWARD6, "net/ipv6/conf/default/forwarding")),
        ):
            if (setting.section, setting.name) == ("Network", name):
                for key in keys:
                    yield key, PersistedSysctl(_on(setting.value), printable(setting.file), setting.line)
    taken: set[str] = set()
    for path in _merged("/{}/systemd/network", ".network", root, unseen):
        settings = parse_ini(read_text(path, root, unseen) or "", path) + _drop_ins_of(path, root, unseen)
        options = [setting for setting in settings if setting.section == "Network" and setting.name in _NETWORK_OPTIONS]
        matched = _matched(settings, interfaces, unseen if options else []) - taken
        taken |= matched  # Only the first file that matches a link is applied.
        for setting in options if matched else []:
            yield from _network_option(setting, matched, root)


def _network_option(setting: Setting, interfaces: set[str], root: str) -> Found:
    value = setting.value.lower()
    if setting.name in _LINK_OPTIONS:
        pattern, words, other = _LINK_OPTIONS[setting.name]
        written = words.get(value, other)
        for interface in sorted(interfaces) if written is not None else []:
            yield pattern.format(interface), PersistedSysctl(written or "", printable(setting.file), setting.line)
    if setting.name in ("IPForward", "IPMasquerade") and value in (*_TRUE, "ipv4", "ipv6", "both"):
        # IPMasquerade=yes is the old word for ipv4; IPForward=yes means both.
        ipv6 = value != "ipv4" and not (setting.name == "IPMasquerade" and value in _TRUE)
        # Since 256 IPMasquerade= switches the links, before that the whole host (NEWS of 256).
        per_link = setting.name == "IPMasquerade" and (systemd_version(root) or 0) >= 256
        entry = PersistedSysctl("1", printable(setting.file), setting.line)
        for version, whole, on in (("4", _FORWARD4, value != "ipv6"), ("6", _FORWARD6, ipv6)):
            keys = [f"net/ipv{version}/conf/{name}/forwarding" for name in sorted(interfaces)] if per_link else [whole]
            for key in keys if on else []:
                yield key, entry


def _matched(settings: list[Setting], interfaces: set[str], unseen: list[Unseen]) -> set[str]:
    """Interfaces that the [Match] section of a .network file fits, by Name= only; other conditions are not judged."""
    conditions = [setting for setting in settings if setting.section == "Match"]
    names = [pattern for setting in conditions if setting.name == "Name" for pattern in setting.value.split()]
    others = [setting for setting in conditions if setting.name != "Name"]
    if others:
        unseen.append(
            Unseen(printable(f"{others[0].file}:{others[0].line}"), f"[Match] {others[0].name}= is not judged")
        )
    if not names:
        return set()
    inverted = names[0].startswith("!")
    patterns = [name.lstrip("!") for name in names]
    return {name for name in interfaces if any(fnmatchcase(name, pattern) for pattern in patterns) != inverted}


def _network_manager(root: str, unseen: list[Unseen]) -> Found:
    """A profile with ipv6.method=disabled sets disable_ipv6 of its interface (nm-settings(5))."""
    if not _enabled("NetworkManager.service", "run/NetworkManager", root):
        return
    directory = "/etc/NetworkManager/system-connections"
    for name in list_names(directory, root, unseen):
        path = f"{directory}/{name}"
        settings = {(s.section, s.name): s for s in parse_ini(read_text(path, root, unseen) or "", path)}
        method, interface = settings.get(("ipv6", "method")), settings.get(("connection", "interface-name"))
        automatic = settings.get(("connection", "autoconnect"))
        if method is None or interface is None or (automatic is not None and automatic.value == "false"):
            continue
        if method.value == "disabled":
            key = f"net/ipv6/conf/{interface.value}/disable_ipv6"
            yield key, PersistedSysctl("1", printable(method.file), method.line)


def _on(value: str) -> str:
    return "1" if value.lower() in _TRUE else "0"


def _interfaces(wanted: set[str]) -> set[str]:
    """Interfaces that exist, and those that the wanted keys name."""
    named = {key.split("/")[3] for key in wanted if re.match(r"net/ipv[46]/conf/[^/]+/", key)}
    try:
        named |= set(os.listdir("/proc/sys/net/ipv4/conf"))
    except OSError:
        pass
    return named - {"all", "default", "lo"}


def _merged(pattern: str, suffix: str, root: str, unseen: list[Unseen]) -> list[str]:
    """Files of /etc, /run, /usr/local/lib and /usr/lib by name, an earlier directory hiding the later ones."""
    chosen: dict[str, str] = {}
    for base in ("etc", "run", "usr/local/lib", "usr/lib", "lib"):
        directory = pattern.format(base)
        for name in list_names(directory, root, unseen):
            if name.endswith(suffix):
                chosen.setdefault(name, f"{directory}/{name}")
    return [chosen[name] for name in sorted(chosen, key=os.fsencode)]


def _drop_ins_of(path: str, root: str, unseen: list[Unseen]) -> list[Setting]:
    """Settings of the drop-ins of a .network file (NAME.network.d/*.conf)."""
    paths = _merged(f"/{{}}/systemd/network/{os.path.basename(path)}.d", ".conf", root, unseen)
    return [setting for name in paths for setting in parse_ini(read_text(name, root, unseen) or "", name)]


def _drop_ins(pattern: str, root: str, unseen: list[Unseen]) -> list[Setting]:
    """Settings of a main configuration file (the first that exists) and then of its drop-ins."""
    places = [pattern.format(base) for base in ("etc", "run", "usr/local/lib", "usr/lib")]
    main = [path for path in places if read_text(path, root, unseen) is not None][:1]
    paths = main + _merged(pattern + ".d", ".conf", root, unseen)
    return [setting for path in paths for setting in parse_ini(read_text(path, root, unseen) or "", path)]


def systemd_version(root: str) -> Optional[int]:
    """Major version of the installed systemd, from the name of its shared library; None when unknown."""
    paths = [
        path
        for place in ("usr/lib/systemd", "usr/lib/*/systemd", "usr/lib64/systemd", "lib/systemd")
        for path in glob.glob(os.path.join(glob.escape(root), place, "libsystemd-shared-*.so"))
    ]
    match = re.search(r"shared-([0-9]{1,4})", os.path.basename(paths[0])) if paths else None
    return int(match.group(1)) if match else None
