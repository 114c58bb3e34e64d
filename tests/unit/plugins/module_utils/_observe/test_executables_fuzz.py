# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any user can write and run a program of any content: it is read without an exception."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._observe._executables import read_executable

numbers = st.sampled_from([0, 1, 63, 64, 65, 4096, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1])


def elf(wide, order, offset, size, count, sections):
    """The head of an ELF file with these words on its section headers, and what follows."""
    pack = "<" if order == 1 else ">"
    head = b"\x7fELF" + bytes([2 if wide else 1, order]) + bytes(10)
    if wide:
        head += (
            bytes(24) + struct.pack(pack + "Q", offset) + bytes(10) + struct.pack(pack + "HH", size, count) + bytes(2)
        )
    else:
        head += (
            bytes(16) + struct.pack(pack + "I", offset & 0xFFFFFFFF) + bytes(10) + struct.pack(pack + "HH", size, count)
        )
        head += bytes(14)
    return head + sections


section = st.builds(
    lambda start, length: struct.pack("<IIQQQQ", 0, 3, 2, 0, start, length) + bytes(24), numbers, numbers
)
programs = st.builds(
    elf,
    st.booleans(),
    st.sampled_from([1, 2, 7]),
    numbers,
    st.sampled_from([0, 40, 64, 65535]),
    st.sampled_from([0, 1, 3, 65535]),
    st.lists(section, max_size=3).map(b"".join),
)
scripts = st.lists(
    st.sampled_from([b"#!", b"#!/bin/sh", b"/", b"\0", b" ", b"\n", b"\xff", b"-x", b"/srv", b"..", b"\r"]), max_size=6
).map(b"".join)


@given(programs | scripts | st.binary(max_size=100))
@example(elf(True, 1, 2**63, 64, 3, b""))
@example(b"#!/bin/sh\0x\n")
@example(b"#!\0\n")
def test_any_file_is_read(content):
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "program")
        path.write_bytes(content)
        found = read_executable(str(path), [])
    assert found.path == str(path)
    assert not found.drops_capabilities
