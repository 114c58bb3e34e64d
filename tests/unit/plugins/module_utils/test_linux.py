# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils import _linux

NET_ADMIN = 1 << _linux.CAP_NET_ADMIN


@pytest.mark.parametrize(
    ("text", "permitted", "inheritable", "effective"),
    [
        ("cap_net_admin+ep", NET_ADMIN, 0, True),
        ("cap_net_admin=p", NET_ADMIN, 0, False),
        ("CAP_NET_ADMIN,cap_net_raw=eip", NET_ADMIN | 1 << 13, NET_ADMIN | 1 << 13, True),
        ("cap_net_admin+ep cap_bpf+eip", NET_ADMIN | 1 << 39, 1 << 39, True),
        ("cap_net_admin+ep-p cap_net_admin+p", NET_ADMIN, 0, True),
        ("=", 0, 0, False),
        ("all=p cap_chown-p", _linux.ALL_CAPABILITIES & ~1, 0, False),
    ],
)
def test_capability_text_means_what_cap_from_text_says(text, permitted, inheritable, effective):
    found = _linux.parse_capability_text(text)
    assert (found.permitted, found.inheritable, found.effective) == (permitted, inheritable, effective)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cap_net_admin+ep cap_bpf+p", "effective flag"),
        ("cap_nothing+ep", "unknown capability 'cap_nothing'"),
        ("cap_net_admin", "not understood"),
        ("cap_net_admin+x", "not understood"),
        ("+ep", "not understood"),
        (" ", "empty"),
    ],
)
def test_a_text_that_no_file_can_hold_is_refused_with_one_sentence(text, why):
    with pytest.raises(ValueError, match=why) as caught:
        _linux.parse_capability_text(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "capability",
    [
        _linux.FileCapability(NET_ADMIN, 0, True, 2),
        _linux.FileCapability(1 << 39, NET_ADMIN, False, 2),
        _linux.FileCapability(NET_ADMIN, 0, True, 3, 100000),
        _linux.FileCapability(0, 0, False, 2),
    ],
)
def test_an_xattr_survives_packing_and_parsing(capability):
    assert _linux.parse_file_capability(_linux.pack_file_capability(capability)) == capability


def test_the_bytes_are_those_of_the_kernel():
    packed = _linux.pack_file_capability(_linux.parse_capability_text("cap_net_admin+ep"))
    assert packed.hex() == "0100000200100000000000000000000000000000"


@pytest.mark.parametrize("raw", [b"", b"\1", b"\1\0\0\2" + bytes(4), b"\1\0\0\3" + bytes(16), b"\0\0\0\7" + bytes(16)])
def test_bytes_of_a_wrong_shape_are_refused(raw):
    with pytest.raises(ValueError, match=r"security\.capability"):
        _linux.parse_file_capability(raw)


def test_canonical_text_can_be_read_again():
    for text in ("cap_net_admin=ep", "cap_net_admin=ep cap_bpf=eip", "="):
        assert _linux.format_capability_text(_linux.parse_capability_text(text)) == text


def test_names_of_unknown_bits_and_errnos_are_numbers():
    assert _linux.capability_names(1 << 63) == ["cap_63"]
    assert _linux.errno_name(-1) == "EPERM"
    assert _linux.errno_name(99999) == "errno 99999"
