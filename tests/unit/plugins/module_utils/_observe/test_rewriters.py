# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that write sysctls by themselves are found in their configuration, and only where they are enabled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._observe._rewriters import (
    observe_rewriters,
    parse_ini,
    shell_value,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import PersistedSysctl

FORWARD = "net/ipv4/ip_forward"
ETH0 = "net/ipv4/conf/eth0/forwarding"


def write(root, path, text=""):
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def found(root, *keys):
    return observe_rewriters(keys, [], root=str(root))


@pytest.mark.parametrize(("enabled", "expected"), [("yes", True), ("no", False)])
def test_ufw_writes_its_sysctl_file_when_it_is_enabled(tmp_path, enabled, expected):
    write(tmp_path, "/etc/ufw/ufw.conf", f"# comment\nENABLED={enabled}\nLOGLEVEL=low\n")
    write(tmp_path, "/etc/default/ufw", 'IPV6=yes\nIPT_SYSCTL="/etc/ufw/sysctl.conf"\n')
    write(tmp_path, "/etc/ufw/sysctl.conf", "#net/ipv4/ip_forward=1\nnet/ipv4/ip_forward=0\n")
    assert found(tmp_path, FORWARD) == (
        {FORWARD: [PersistedSysctl("0", "/etc/ufw/sysctl.conf", 2)]} if expected else {}
    )


def networkd(root, version=252):
    write(root, "/run/systemd/netif/state")
    write(root, f"/usr/lib/systemd/libsystemd-shared-{version}.so")


def test_networkd_counts_only_when_it_is_enabled(tmp_path):
    write(tmp_path, "/etc/systemd/network/10.network", "[Match]\nName=eth*\n[Network]\nIPForward=yes\n")
    assert found(tmp_path, FORWARD, ETH0) == {}
    networkd(tmp_path)
    assert found(tmp_path, FORWARD, ETH0) == {FORWARD: [PersistedSysctl("1", "/etc/systemd/network/10.network", 4)]}


def test_a_network_file_that_matches_no_link_writes_nothing(tmp_path):
    networkd(tmp_path)
    write(tmp_path, "/etc/systemd/network/10.network", "[Match]\nName=!eth*\n[Network]\nIPForward=yes\n")
    assert ETH0 not in found(tmp_path, ETH0)


def test_only_the_first_network_file_of_a_link_counts(tmp_path):
    networkd(tmp_path, 257)
    write(tmp_path, "/etc/systemd/network/10.network", "[Match]\nName=eth0\n[Network]\nIPv4Forwarding=no\n")
    write(tmp_path, "/usr/lib/systemd/network/20.network", "[Match]\nName=eth0\n[Network]\nIPv4Forwarding=yes\n")
    assert found(tmp_path, ETH0) == {ETH0: [PersistedSysctl("0", "/etc/systemd/network/10.network", 4)]}


@pytest.mark.parametrize(("version", "key"), [(252, FORWARD), (257, ETH0)])
def test_masquerading_switches_the_host_or_since_256_the_link(tmp_path, version, key):
    networkd(tmp_path, version)
    write(tmp_path, "/etc/systemd/network/10.network", "[Match]\nName=eth0\n[Network]\nIPMasquerade=ipv4\n")
    assert list(found(tmp_path, FORWARD, ETH0)) == [key]


def test_a_drop_in_of_networkd_conf_writes_the_host(tmp_path):
    networkd(tmp_path, 257)
    write(tmp_path, "/etc/systemd/networkd.conf", "[Network]\n#IPv4Forwarding=no\n")
    write(tmp_path, "/etc/systemd/networkd.conf.d/a.conf", "[Network]\nIPv4Forwarding=yes\n")
    assert found(tmp_path, FORWARD) == {FORWARD: [PersistedSysctl("1", "/etc/systemd/networkd.conf.d/a.conf", 2)]}


@pytest.mark.parametrize(("word", "value"), [("no", "0"), ("strict", "1"), ("loose", "2")])
def test_networkd_sets_reverse_path_filtering_of_a_link(tmp_path, word, value):
    networkd(tmp_path)
    write(tmp_path, "/etc/systemd/network/10.network", f"[Match]\nName=eth0\n[Network]\nIPv4ReversePathFilter={word}\n")
    key = "net/ipv4/conf/eth0/rp_filter"
    assert found(tmp_path, key)[key][0].value == value


def test_a_condition_that_cannot_be_judged_is_unseen(tmp_path):
    networkd(tmp_path)
    write(
        tmp_path, "/etc/systemd/network/10.network", "[Match]\nMACAddress=00:11:22:33:44:55\n[Network]\nIPForward=yes\n"
    )
    unseen = []
    assert observe_rewriters([FORWARD], unseen, root=str(tmp_path)) == {}
    assert unseen[0].source == "/etc/systemd/network/10.network:2"


def test_a_profile_of_networkmanager_without_ipv6_writes_its_interface(tmp_path):
    key = "net/ipv6/conf/eth0/disable_ipv6"
    profile = "[connection]\nid=x\ninterface-name=eth0\n[ipv6]\nmethod=disabled\n"
    write(tmp_path, "/etc/NetworkManager/system-connections/x.nmconnection", profile)
    assert found(tmp_path, key) == {}
    (tmp_path / "run/NetworkManager").mkdir(parents=True)
    assert found(tmp_path, key)[key][0].line == 5


@given(st.text())
def test_no_text_makes_the_readers_fail(text):
    shell_value(text, "ENABLED")
    parse_ini(text, "f")
