# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SELinux asks its policy for, and its answers."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._selinux import (
    SOCKET_CLASSES,
    checks_of,
    is_shared,
    parse_access,
    type_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import OPERATIONS


def words(operation, extended=False):
    return [check.words for check in checks_of(operation, extended)]


def test_a_change_of_a_link_asks_for_the_socket_then_for_the_message():
    kind = "netlink_route_socket"
    names = ["create", "setopt", "bind", "getattr", "write", "read", "nlmsg_write", "nlmsg_read"]
    assert words("link") == [f"{kind} {name}" for name in names]


def test_with_extended_permissions_one_permission_stands_for_all_messages():
    assert [word for word in words("route", extended=True) if "nlmsg" in word] == ["netlink_route_socket nlmsg"]


def test_messages_of_netfilter_are_not_told_apart():
    assert not [word for word in words("nftables") if "nlmsg" in word]


def test_what_ip_needs_and_others_may_do_without_is_not_certain():
    certain = {check.permission for check in checks_of("link") if check.certain}
    assert certain == {"create", "write", "read", "nlmsg_write"}


def test_a_tun_device_asks_about_its_node_and_then_about_the_device():
    assert [(check.words, check.target) for check in checks_of("tun")][-2:] == [
        ("chr_file ioctl", "node"),
        ("tun_socket create", "self"),
    ]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_known(operation):
    known = operation in SOCKET_CLASSES or operation in ("tun", "userns", "netns", "forward")
    assert known and all(check.object_class for check in checks_of(operation))


def test_the_type_is_the_third_part_of_a_context():
    assert type_of("system_u:system_r:sshd_t:s0-s0:c0.c1023") == "sshd_t"
    assert type_of("unconfined") is None and type_of(None) is None


@pytest.mark.parametrize("name", ["container_t", "svirt_lxc_net_t", "unconfined_service_t", "initrc_t", "init_t"])
def test_a_domain_of_many_programs_is_shared(name):
    assert is_shared(name)


@pytest.mark.parametrize("name", ["dnsmasq_t", "openvpn_t", "initrc_like_t", "my_container_t"])
def test_a_domain_of_one_program_is_not_shared(name):
    assert not is_shared(name)


def test_an_answer_of_the_kernel_is_read():
    assert parse_access("4203000 ffffffff 0 fffeffff 1 0\0") == (0x4203000, 0xFFFEFFFF, False)
    assert parse_access("0 ffffffff 0 ffffffff 7 1") == (0, 0xFFFFFFFF, True)


@pytest.mark.parametrize("reply", ["", "1 2 3", "x y z a b c"])
def test_what_is_no_answer_is_an_error(reply):
    with pytest.raises(ValueError, match=r"is no answer|invalid literal"):
        parse_access(reply)
