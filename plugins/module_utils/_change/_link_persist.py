# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that make a link's configuration last, in the words of the manager that owns the link.

systemd.network(5) for systemd-networkd, nm-settings-keyfile(5) for NetworkManager. What the files say already is kept;
with purge the addresses or routes of the task replace it.
"""

from __future__ import annotations

import glob
import os
import re
import uuid
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._link import State
from ansible_collections.netlink.remediation.plugins.module_utils._change._link_plan import Wanted
from ansible_collections.netlink.remediation.plugins.module_utils._observe._links import (
    networkd_state,
    networkmanager_state,
)

NETWORKD = "/etc/systemd/network"
KEYFILES = "/etc/NetworkManager/system-connections"
KEYFILE_DIRECTORIES = (KEYFILES, "/run/NetworkManager/system-connections", "/usr/lib/NetworkManager/system-connections")
HEADER = "# Written by the module netlink.remediation.link_state\n"
SECRETS = re.compile(
    r"^([\w-]*-)?(psk|password|password-raw|wep-key\d|pin|private-key|preshared-key|cak)\s*=|^\[vpn-secrets\]", re.M
)

# An INI file in order: (section, [(key, value)]); sections may repeat, as those of systemd do.
Section = tuple[str, list[tuple[str, str]]]


@dataclass
class PersistedFile:
    """A file to write. text_before: what it holds now, None when it does not exist."""

    path: str
    text: str
    mode: int
    text_before: Optional[str] = None
    unvalidated: list[str] = field(default_factory=list)


def persisted_file(wanted: Wanted, root: str = "/") -> PersistedFile:
    """The file for an entry of the option links. Raises ChangeError where nobody would read it at boot."""
    link = wanted.link
    if re.search(r"[^\w.@+-]", link.name):
        raise ChangeError(
            f"{wanted.where}: persist is refused for the name {link.name!r}, whose signs mean something else in the "
            "files of the managers: rename the link, or set persist: false"
        )
    if link.manager == "NetworkManager":
        return keyfile(wanted, root)
    if link.manager == "ifupdown":
        raise ChangeError(
            f"{wanted.where}: persist is refused, the link belongs to ifupdown, whose files hold commands: "
            f"edit its stanza in /etc/network/interfaces, or set persist: false"
        )
    if link.manager == "systemd-networkd" or networkd_state(link.index, root):
        return network_file(wanted, root)
    raise ChangeError(
        f"{wanted.where}: persist is refused, no manager owns the link (neither systemd-networkd nor NetworkManager), "
        "so that no file would be read at boot: let one of them manage it, or set persist: false"
    )


# --- systemd-networkd -------------------------------------------------------------------------------------------------


def network_file(wanted: Wanted, root: str = "/") -> PersistedFile:
    """A drop-in for the .network file that applies to the link, or a .network file where none does."""
    name = wanted.link.name
    applies = networkd_state(wanted.link.index, root).get("NETWORK_FILE", "")
    if applies:
        path = f"{NETWORKD}/{os.path.basename(applies)}.d/50-netlink-remediation.conf"
        head: list[Section] = []
    else:
        path = f"{NETWORKD}/10-netlink-remediation-{name}.network"
        head = [("Match", [("Name", name)])]
    text_before = _read(os.path.join(root, path.lstrip("/")))
    sections = [item for item in parse_ini(text_before or "") if item[0] != "Match"]
    text = HEADER + format_ini(head + networkd_sections(sections, wanted))
    note = f"{path}: what systemd-networkd makes of it at the next boot"
    return PersistedFile(path, text, 0o644, text_before, [note])


def networkd_sections(old: list[Section], wanted: Wanted) -> list[Section]:
    """The sections [Link], [Network], [Address] and [Route] after the task."""
    link = dict(next((pairs for name, pairs in old if name == "Link"), []))
    network = dict(next((pairs for name, pairs in old if name == "Network"), []))
    if wanted.mtu is not None:
        link["MTUBytes"] = str(wanted.mtu)
    if wanted.up is not None:
        link["ActivationPolicy"] = "up" if wanted.up else "down"
    addresses = [pairs for name, pairs in old if name == "Address"]
    routes = [pairs for name, pairs in old if name == "Route"]
    if wanted.addresses is not None:
        new = [[("Address", item["address"])] for item in wanted.addresses]
        addresses = new if wanted.purge else addresses + [item for item in new if item not in addresses]
    if wanted.routes is not None:
        new = [networkd_route(item) for item in wanted.routes]
        routes = new if wanted.purge else routes + [item for item in new if item not in routes]
    # An empty value in [Network] forgets the addresses or routes of the files before this one.
    for key, listed in (("Address", wanted.addresses), ("Gateway", wanted.routes)):
        if wanted.purge and listed is not None:
            network[key] = ""
    blocks = [("Link", list(link.items())), ("Network", list(network.items()))]
    blocks += [("Address", pairs) for pairs in addresses] + [("Route", pairs) for pairs in routes]
    return [block for block in blocks if block[1]]


def networkd_route(route: State) -> list[tuple[str, str]]:
    """The lines of a section [Route]."""
    default = "0.0.0.0/0" if route["family"] == "inet" else "::/0"
    pairs = [("Destination", default if route["dst"] == "default" else route["dst"])]
    names = (("gateway", "Gateway"), ("table", "Table"), ("metric", "Metric"), ("prefsrc", "PreferredSource"))
    return pairs + [(word, str(route[key])) for key, word in names if key in route]


# --- NetworkManager ---------------------------------------------------------------------------------------------------


def keyfile(wanted: Wanted, root: str = "/") -> PersistedFile:
    """The connection profile of the device, with the task's values in it; a new one where it has none."""
    link = wanted.link
    identifier = networkmanager_state(link.index, root).get("connection-uuid", "")
    found = find_keyfile(identifier, root) if identifier else None
    if found is None and (identifier or link.kind not in (None, "veth")):
        raise ChangeError(
            f"{wanted.where}: persist is refused, the NetworkManager profile {identifier or 'of the link'} is not a "
            f"keyfile on disk: use nmcli connection modify, or set persist: false"
        )
    if found is None:
        path, old = f"{KEYFILES}/netlink-remediation-{link.name}.nmconnection", new_profile(link.name)
    else:
        path = f"{KEYFILES}/{os.path.basename(found)}"
        old = _read(found) or ""
    if SECRETS.search(old):
        raise ChangeError(
            f"{wanted.where}: persist is refused, {found} holds secrets that a diff would show: "
            "use nmcli connection modify, or set persist: false"
        )
    text_before = _read(os.path.join(root, path.lstrip("/")))
    note = f"{path}: what NetworkManager makes of it at the next boot"
    text = format_ini(keyfile_sections(parse_ini(old), wanted))
    if text_before is not None and parse_ini(text_before) == parse_ini(text):
        text = text_before  # nothing but the layout would change
    return PersistedFile(path, text, 0o600, text_before, [note])


def find_keyfile(identifier: str, root: str = "/") -> Optional[str]:
    """Path of the keyfile with that connection uuid; /etc shadows /run, which shadows /usr/lib."""
    for directory in KEYFILE_DIRECTORIES:
        for path in sorted(glob.glob(os.path.join(root, directory.lstrip("/"), "*"))):
            for name, pairs in parse_ini(_read(path) or ""):
                if name == "connection" and ("uuid", identifier) in pairs:
                    return path
    return None


def new_profile(name: str) -> str:
    """A profile for a device that has none; the uuid is always the same for a name."""
    identifier = uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.netlink-remediation.invalid")
    return (
        f"[connection]\nid=netlink-remediation-{name}\nuuid={identifier}\ntype=ethernet\n"
        f"interface-name={name}\n\n[ipv4]\nmethod=disabled\n\n[ipv6]\nmethod=link-local\n"
    )


def keyfile_sections(old: list[Section], wanted: Wanted) -> list[Section]:
    """The sections of a keyfile after the task."""
    sections = {name: dict(pairs) for name, pairs in old}
    connection = sections.setdefault("connection", {})
    if wanted.up is not None:
        connection.pop("autoconnect", None)
        if not wanted.up:
            connection["autoconnect"] = "false"
    if wanted.mtu is not None:
        kind = connection.get("type", "")
        wired = {"wifi": "wifi", "802-11-wireless": "wifi", "infiniband": "infiniband"}.get(kind, "ethernet")
        sections.setdefault(wired, {})["mtu"] = str(wanted.mtu)
    for family, name in (("inet", "ipv4"), ("inet6", "ipv6")):
        section = sections.setdefault(name, {})
        for key, items in (("address", wanted.addresses), ("route", wanted.routes)):
            if items is not None:
                _set_numbered(section, key, [item for item in items if item["family"] == family], wanted.purge)
        if any(re.match(r"address\d+$", key) for key in section) and section.get("method", "") in ("", "disabled"):
            section["method"] = "manual"
        if name == "ipv6" and "address1" in section and section.get("method") in ("link-local", "ignore"):
            section["method"] = "manual"
    return [(name, list(pairs.items())) for name, pairs in sections.items() if pairs]


def _set_numbered(section: dict[str, str], key: str, items: list[State], purge: bool) -> None:
    """Put items into address1, address2, ... (route1, route1_options, ...); purge: instead of what is there."""
    numbers = sorted(int(name[len(key) :]) for name in section if re.match(rf"{key}\d+$", name))
    present = [(section.pop(f"{key}{number}"), section.pop(f"{key}{number}_options", "")) for number in numbers]
    lines = [keyfile_line(item) for item in items]
    if purge:
        present = [item for item in present if _bare(item[0]) in [_bare(line[0]) for line in lines]]
    known = [(_bare(line) if key == "address" else line, options) for line, options in present]
    present += [line for line in lines if line not in known]
    for number, (line, options) in enumerate(present, start=1):
        section[f"{key}{number}"] = line
        if options:
            section[f"{key}{number}_options"] = options


def _bare(line: str) -> str:
    # An address line may carry a gateway: address1=192.0.2.1/24,192.0.2.254
    return line.split(",", 1)[0]


def keyfile_line(item: State) -> tuple[str, str]:
    """The value of addressN or routeN, and of routeN_options."""
    if "address" in item:
        return item["address"], ""
    default = "0.0.0.0/0" if item["family"] == "inet" else "::/0"
    full = "/32" if item["family"] == "inet" else "/128"
    dst = default if item["dst"] == "default" else item["dst"]
    words = [dst if "/" in dst else dst + full]
    if "gateway" in item or "metric" in item:
        unspecified = "0.0.0.0" if item["family"] == "inet" else "::"
        words.append(item.get("gateway", unspecified))
    if "metric" in item:
        words.append(str(item["metric"]))
    options = [f"{word}={item[key]}" for key, word in (("prefsrc", "src"), ("table", "table")) if key in item]
    return ",".join(words), ",".join(options)


# --- INI --------------------------------------------------------------------------------------------------------------


def parse_ini(text: str) -> list[Section]:
    """Sections in order, with their assignments in order; comments are dropped."""
    sections: list[Section] = []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            sections.append((line[1:-1], []))
        elif "=" in line and not line.startswith(("#", ";")) and sections:
            key, _equals, value = line.partition("=")
            sections[-1][1].append((key.strip(), value.strip()))
    return sections


def format_ini(sections: list[Section]) -> str:
    """The text of sections, one blank line between them."""
    blocks = ["".join([f"[{name}]\n", *(f"{key}={value}\n" for key, value in pairs)]) for name, pairs in sections]
    return "\n".join(blocks)


def _read(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return None
