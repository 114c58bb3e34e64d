# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manager's file must hold what the task says and keep what it held, in that manager's own words."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._link_persist import SECRETS, persisted_file
from ansible_collections.netlink.remediation.plugins.module_utils._change._link_plan import (
    Namespace,
    Wanted,
    parse_wanted,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Link

ENTRY = {
    "name": "e0",
    "state": "up",
    "mtu": 1400,
    "addresses": ["192.0.2.1/24", "2001:db8::1/64"],
    "routes": [
        {"dst": "default", "gateway": "192.0.2.9", "metric": 50},
        {"dst": "10.0.0.0/8", "gateway": "192.0.2.8", "table": 7, "prefsrc": "192.0.2.1"},
        {"dst": "2001:db8:5::/48"},
    ],
}
DROPIN = """\
# Written by the module netlink.remediation.link_state
[Link]
MTUBytes=1400
ActivationPolicy=up

[Address]
Address=192.0.2.1/24

[Address]
Address=2001:db8::1/64

[Route]
Destination=0.0.0.0/0
Gateway=192.0.2.9
Metric=50

[Route]
Destination=10.0.0.0/8
Gateway=192.0.2.8
Table=7
PreferredSource=192.0.2.1

[Route]
Destination=2001:db8:5::/48
Metric=1024
"""
PROFILE = """\
[connection]
id=Wired
uuid=0000-1
type=ethernet
interface-name=e0

[ipv4]
method=auto
address1=198.51.100.1/24,198.51.100.254
dns=198.51.100.53;

[ipv6]
method=auto
"""


def wanted(manager: Optional[str], entry: Any = None, kind: Optional[str] = None) -> Wanted:
    """An entry for the link e0 of a manager."""
    namespace = Namespace(None, [Link(2, "e0", kind=kind, mtu=1500, manager=manager)], [], lambda key: "0")
    return parse_wanted("links[0]", entry or ENTRY, namespace)


def write(root: Any, path: str, text: str) -> None:
    """Make a file below root."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_networkd_gets_a_drop_in_of_the_file_that_applies(tmp_path: Any) -> None:
    write(
        tmp_path,
        "run/systemd/netif/links/2",
        "ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/70-x.network\n",
    )
    file = persisted_file(wanted("systemd-networkd"), str(tmp_path))
    assert file.path == "/etc/systemd/network/70-x.network.d/50-netlink-remediation.conf"
    assert (file.text, file.mode, file.text_before) == (DROPIN, 0o644, None)
    write(tmp_path, file.path[1:], file.text)
    again = persisted_file(wanted("systemd-networkd"), str(tmp_path))
    assert again.text == again.text_before == DROPIN


def test_networkd_keeps_what_an_earlier_task_wrote(tmp_path: Any) -> None:
    write(
        tmp_path, "run/systemd/netif/links/2", "NETWORK_FILE=/etc/systemd/network/a.network\nADMIN_STATE=configured\n"
    )
    write(tmp_path, "etc/systemd/network/a.network.d/50-netlink-remediation.conf", DROPIN)
    more = persisted_file(wanted("systemd-networkd", {"name": "e0", "addresses": ["192.0.2.5/24"]}), str(tmp_path)).text
    assert more.replace("[Address]\nAddress=192.0.2.5/24\n\n", "") == DROPIN
    entry = {"name": "e0", "addresses": ["192.0.2.5/24"], "routes": [], "purge": True}
    purged = persisted_file(wanted("systemd-networkd", entry), str(tmp_path)).text
    assert purged.endswith("[Network]\nAddress=\nGateway=\n\n[Address]\nAddress=192.0.2.5/24\n")


def test_networkd_that_runs_without_a_file_for_the_link_gets_one(tmp_path: Any) -> None:
    write(tmp_path, "run/systemd/netif/links/2", "ADMIN_STATE=unmanaged\n")
    file = persisted_file(wanted(None, {"name": "e0", "state": "down"}), str(tmp_path))
    assert file.path == "/etc/systemd/network/10-netlink-remediation-e0.network"
    assert file.text.endswith("[Match]\nName=e0\n\n[Link]\nActivationPolicy=down\n")
    write(tmp_path, file.path[1:], file.text)
    assert persisted_file(wanted(None, {"name": "e0", "state": "down"}), str(tmp_path)).text == file.text


def test_networkmanager_keeps_the_profile_and_adds_to_it(tmp_path: Any) -> None:
    write(tmp_path, "run/NetworkManager/devices/2", "[device]\nmanaged=true\nconnection-uuid=0000-1\n")
    write(tmp_path, "etc/NetworkManager/system-connections/Wired.nmconnection", PROFILE)
    file = persisted_file(wanted("NetworkManager"), str(tmp_path))
    assert file.path == "/etc/NetworkManager/system-connections/Wired.nmconnection"
    assert file.text_before == PROFILE
    assert file.mode == 0o600
    for line in (
        "mtu=1400",
        "method=auto",
        "address1=198.51.100.1/24,198.51.100.254",
        "address2=192.0.2.1/24",
        "dns=198.51.100.53;",
        "route1=0.0.0.0/0,192.0.2.9,50",
        "route2=10.0.0.0/8,192.0.2.8",
        "route2_options=src=192.0.2.1,table=7",
        "address1=2001:db8::1/64",
        "route1=2001:db8:5::/48,::,1024",
    ):
        assert f"\n{line}\n" in file.text
    write(tmp_path, file.path[1:], file.text)
    again = persisted_file(wanted("NetworkManager"), str(tmp_path))
    assert again.text == again.text_before


def test_networkmanager_purge_replaces_addresses(tmp_path: Any) -> None:
    write(tmp_path, "run/NetworkManager/devices/2", "[device]\nmanaged=true\nconnection-uuid=0000-1\n")
    write(tmp_path, "run/NetworkManager/system-connections/w", PROFILE)
    entry = {"name": "e0", "addresses": ["192.0.2.7/24"], "purge": True, "state": "down"}
    file = persisted_file(wanted("NetworkManager", entry), str(tmp_path))
    assert file.path == "/etc/NetworkManager/system-connections/w"
    assert "address1=192.0.2.7/24\n" in file.text
    assert "198.51.100.1" not in file.text
    assert "autoconnect=false\n" in file.text


def test_networkmanager_without_a_profile_gets_a_new_one_that_is_always_the_same(tmp_path: Any) -> None:
    write(tmp_path, "run/NetworkManager/devices/2", "[device]\nmanaged=true\n")
    file = persisted_file(wanted("NetworkManager"), str(tmp_path))
    assert file.path == "/etc/NetworkManager/system-connections/netlink-remediation-e0.nmconnection"
    assert "interface-name=e0\n" in file.text
    assert "[ipv4]\nmethod=manual\n" in file.text
    write(tmp_path, file.path[1:], file.text)
    assert persisted_file(wanted("NetworkManager"), str(tmp_path)).text == file.text


@pytest.mark.parametrize(
    ("manager", "kind", "state", "sentence"),
    [
        (None, None, "", "persist is refused, no manager owns the link"),
        ("ifupdown", None, "", "the link belongs to ifupdown"),
        ("NetworkManager", "bridge", "[device]\nmanaged=true\n", "profile of the link is not a keyfile on disk"),
        ("NetworkManager", None, "connection-uuid=gone\n", "profile gone is not a keyfile on disk"),
        ("NetworkManager", None, "connection-uuid=0000-2\n", "holds secrets that a diff would show"),
    ],
)
def test_where_nobody_would_read_it_persist_is_refused_with_advice(
    tmp_path: Any, manager: Optional[str], kind: Optional[str], state: str, sentence: str
) -> None:
    write(tmp_path, "run/NetworkManager/devices/2", state)
    secret = PROFILE.replace("0000-1", "0000-2") + "\n[wifi-security]\npsk=hidden\n"
    write(tmp_path, "etc/NetworkManager/system-connections/secret", secret)
    with pytest.raises(ChangeError) as caught:
        persisted_file(wanted(manager, kind=kind), str(tmp_path))
    assert sentence in str(caught.value)
    assert "set persist: false" in str(caught.value)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["e*", "e[0]", "e;0", "e\x1b0"])
def test_a_name_that_the_files_would_read_as_something_else_is_refused(tmp_path: Any, name: str) -> None:
    entry = wanted("systemd-networkd")
    entry.link.name = name
    with pytest.raises(ChangeError, match="whose signs mean something else in the files of the managers"):
        persisted_file(entry, str(tmp_path))


@pytest.mark.parametrize("line", ["[wifi-security]\npsk=x", "[802-1x]\nca-cert-password=x", "[vpn-secrets]\nany=x"])
def test_a_profile_with_secrets_is_recognised(line: str) -> None:
    assert SECRETS.search(f"[connection]\nid=x\n\n{line}\n")
    assert not SECRETS.search("[wifi-security]\nkey-mgmt=wpa-psk\npsk-flags=1\n")
