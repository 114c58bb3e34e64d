# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File capabilities: bytes of an attribute and texts come back as they were, and whatever else there is is refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    ALL_CAPABILITIES,
    FileCapability,
    capability_bit,
    capability_mask,
    capability_names,
    format_capability_text,
    pack_file_capability,
    parse_capability_text,
    parse_file_capability,
)
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import assert_linear, texts

masks = st.integers(0, 2**64 - 1)
known = st.integers(0, ALL_CAPABILITIES)


@given(
    st.binary(max_size=30)
    | st.builds(
        lambda version, rest: bytes([1, 0, 0, version]) + rest, st.integers(0, 4), st.binary(min_size=8, max_size=20)
    )
)
def test_any_bytes_are_an_attribute_or_are_refused(raw):
    try:
        found = parse_file_capability(raw)
    except ValueError as refused:
        assert "security.capability" in str(refused)
        return
    assert len(raw) in (12, 20, 24)
    if found.version != 1:
        again = parse_file_capability(pack_file_capability(found))
        assert again == found


@given(masks, masks, st.booleans(), st.none() | st.integers(0, 2**32 - 1))
def test_an_attribute_comes_back(permitted, inheritable, effective, rootid):
    version = 2 if rootid is None else 3
    capability = FileCapability(permitted, inheritable, effective, version, rootid)
    assert parse_file_capability(pack_file_capability(capability)) == capability
    assert pack_file_capability(parse_file_capability(pack_file_capability(capability))) == pack_file_capability(
        capability
    )


@given(
    texts(
        ["cap_net_admin", "CAP_CHOWN", "net_raw", "all", "ALL", "cap_99", ",", "+ep", "=eip", "-e", "=", "+", "i", " "]
    )
)
@example("\u0130=p")
def test_any_text_is_one_or_is_refused(text):
    try:
        found = parse_capability_text(text)
    except ValueError as refused:
        assert "capability" in str(refused)
        return
    assert found.permitted | found.inheritable <= ALL_CAPABILITIES
    assert parse_capability_text(format_capability_text(found)) == found


@given(known, known, st.booleans())
def test_a_text_comes_back(permitted, inheritable, effective):
    capability = FileCapability(permitted, inheritable, effective and bool(permitted | inheritable))
    assert parse_capability_text(format_capability_text(capability)) == capability


@given(masks)
def test_names_of_a_mask_are_its_bits(mask):
    names = capability_names(mask)
    assert len(names) == bin(mask).count("1")
    assert capability_mask(capability_names(mask & ALL_CAPABILITIES)) == mask & ALL_CAPABILITIES


@given(st.text())
def test_any_name_is_a_capability_or_is_refused(name):
    try:
        assert 0 <= capability_bit(name) < ALL_CAPABILITIES.bit_length()
    except ValueError as refused:
        assert "unknown capability" in str(refused)


@pytest.mark.parametrize("piece", ["cap_net_admin,", "=e", "+ep-i", "cap_chown=p ", "x", ","])
def test_time_grows_with_the_length(piece):
    def read(text):
        try:
            parse_capability_text(text)
        except ValueError:
            pass

    assert_linear(read, lambda count: piece * (count // len(piece)))
