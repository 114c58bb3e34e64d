# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up input for the parsers: texts of their own words and of anything else, and what must hold for time."""

from __future__ import annotations

import time
from typing import Any, Callable

from hypothesis import strategies as st

# Characters at which some parser ends a line, a word or a number, though not all of them should.
ODD = "\0\t\n\x0b\x0c\r\x1c\x1f \x7f\x85\xa0\xad\u00b2\u0660\u1680\u2028\u2029\u3000\ufeff\ud800\udc80\U0010ffff"


def texts(words: list[str], size: int = 12) -> st.SearchStrategy[str]:
    """Texts of the words of a format, glued in any way, with what does not belong there."""
    odd = st.text(st.sampled_from(ODD + "\"'\\[](){}#;:=,.~-+%/@0179aZ"), max_size=6)
    piece = st.one_of(st.sampled_from(words), st.sampled_from(["\n", "\n", " ", "="]), odd, st.text(max_size=4))
    return st.lists(piece, max_size=size).map("".join)


def json_values(words: list[str]) -> st.SearchStrategy[Any]:
    """Values of JSON whose keys and texts are mostly words of a format."""
    word = st.one_of(st.sampled_from(words), st.text(max_size=4))
    numbers = st.one_of(st.integers(-2, 300), st.sampled_from([2**31, 2**32, 2**63, 2**64, 10**30, -(10**30)]))
    single = st.one_of(st.none(), st.booleans(), numbers, st.floats(allow_nan=False), word)
    return st.recursive(
        single,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(word, inner, max_size=5)),
        max_leaves=25,
    )


def assert_linear(function: Callable[[Any], Any], make: Callable[[int], Any], size: int = 1 << 12) -> None:
    """Eight times the input may take up to thirty times as long: a quadratic parser takes sixty-four times."""

    def seconds(count: int) -> float:
        value = make(count)
        taken = []
        for _attempt in range(3):
            begin = time.process_time()
            function(value)
            taken.append(time.process_time() - begin)
        return min(taken)

    seconds(64)  # Patterns are compiled, modules imported.
    for _attempt in range(3):  # What else the machine does may hit one measurement, hardly three.
        large = seconds(size * 8)
        if large < 0.05 or large < 30 * seconds(size):
            return
    raise AssertionError(f"{large:.2f} s for {size * 8}")
