# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._change._profile_edit import (
    BEGIN,
    END,
    is_ours,
    new_profile,
    section_of_block,
    section_of_file,
    set_in_block,
    set_in_file,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_text import read_policy
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import assert_linear, texts

RULES = ["capability net_admin,", "capability net_raw,", "network netlink raw,", "network netlink,", "userns,"]
PIECES = [
    *("profile x {\n", "profile", "hat h {", "{", "}", "\n}\n", ",", "^h {", "/usr/bin/{a,b} {", "if $x {\n"),
    *(
        "capability net_admin,\n",
        "deny",
        "audit deny { ",
        "network netlink raw,",
        "userns,\n",
        "# a } comment\n",
        "\r\n",
    ),
    *(
        "#include <a>\n",
        "include if exists <local/x>\n",
        "@{X}=/a /b\n",
        '"a b"',
        '"',
        "\\",
        "(",
        f"  {BEGIN}\n",
        f"{END}\n",
    ),
]
policies = texts(PIECES, 25)
bodies = st.lists(st.sampled_from(PIECES) | texts(PIECES, 2), max_size=12).map("".join)
profiles = st.builds("profile a {{\n{}\n}}\nprofile b {{ {} }}\n{}".format, bodies, bodies, bodies)
rule_lists = st.lists(st.sampled_from(RULES), min_size=1, max_size=3, unique=True)


def own_rules(text, number):
    return [rule.text for rule in read_policy(text).blocks[number].rules]


@given(profiles, st.integers(0, 5), rule_lists)
def test_only_the_section_of_one_profile_changes(text, number, rules):
    policy = read_policy(text)
    number %= len(policy.blocks)
    block = policy.blocks[number]
    assume(block.end is not None and section_of_block(policy, block) is None)
    changed = set_in_block(policy, block, rules)
    after = read_policy(changed)
    added = len(changed) - len(text)
    # All else is there still, in front of the new lines and after them.
    assert any(
        changed[:place] + changed[place + added :] == text and changed[place:].lstrip().startswith(BEGIN)
        for place in range(block.body, block.end + 1)
    )
    assert [one.name for one in after.blocks] == [one.name for one in policy.blocks]
    if not _dangling(text[block.body : block.end]):
        assert own_rules(changed, number) == own_rules(text, number) + rules
    # A second time it is as it is, and other rules take their place.
    assert set_in_block(after, after.blocks[number], rules) == changed
    other = set_in_block(after, after.blocks[number], ["userns,"])
    assert set_in_block(read_policy(other), read_policy(other).blocks[number], rules) == changed
    assert set_in_block(after, after.blocks[number], []).replace("\n", "") == text.replace("\n", "")


def _dangling(body):
    """Whether the parser would refuse the text, because something is begun in it and not ended."""
    block = read_policy(f"profile x {{{body}\n probe_,}}")
    end = read_policy(f"profile x {{{body}\n all, }}").blocks
    return not (block.blocks and end and end[0].rules and end[0].rules[-1].text == "all,")


@given(texts(PIECES, 10), rule_lists)
def test_a_file_of_rules_gets_them_at_its_end_and_loses_only_them(text, rules):
    assume(section_of_file(text) is None)
    changed = set_in_file(text, rules)
    assert changed.startswith(text)
    if section_of_file(changed) is None:
        return
    assert section_of_file(changed).rules == rules
    assert set_in_file(changed, rules) == changed
    assert set_in_file(changed, []) in (text, text + "\n")


@given(policies)
def test_any_text_is_searched_for_our_section(text):
    policy = read_policy(text)
    for block in policy.blocks:
        section = section_of_block(policy, block)
        assert section is None or block.body <= section.start < section.stop
    section = section_of_file(text)
    assert section is None or text[section.start :].strip().startswith(BEGIN)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("profile a {\n}\n", f"profile a {{\n  {BEGIN}\n  userns,\n  {END}\n}}\n"),
        ("profile a {}", f"profile a {{\n  {BEGIN}\n  userns,\n  {END}\n}}"),
        ("  profile a { all, }", f"  profile a {{ all, \n    {BEGIN}\n    userns,\n    {END}\n  }}"),
        ("profile a {\n\tall,\n\t}\n", f"profile a {{\n\tall,\n\t  {BEGIN}\n\t  userns,\n\t  {END}\n\t}}\n"),
    ],
)
def test_where_a_new_section_goes(text, changed):
    policy = read_policy(text)
    assert set_in_block(policy, policy.blocks[0], ["userns,"]) == changed


def test_a_section_of_a_nested_profile_is_not_the_outer_one_s():
    text = f"profile a {{\n  profile b {{\n    {BEGIN}\n    userns,\n    {END}\n  }}\n}}\n"
    policy = read_policy(text)
    assert section_of_block(policy, policy.blocks[0]) is None
    assert section_of_block(policy, policy.blocks[1]).rules == ["userns,"]


def test_lines_that_somebody_else_put_into_the_section_stay():
    text = f"{BEGIN}\n  # mine\nuserns,\n/x r,\n{END}\n"
    assert set_in_file(text, ["capability net_raw,"]) == f"{BEGIN}\n# mine\n/x r,\ncapability net_raw,\n{END}\n"
    assert set_in_file(text, []) == "# mine\n/x r,\n"


def test_a_section_without_an_end_is_none():
    assert section_of_file(f"{BEGIN}\nuserns,\n") is None


def test_a_new_profile_reads_as_what_it_is():
    text = new_profile("tool", "tool", "/opt/my tool", ["userns,"], abi=True)
    (block,) = read_policy(text).blocks
    assert (block.name, block.attachment, block.flags) == ("tool", "/opt/my tool", ["unconfined"])
    assert [item.path for item in block.includes] == ["local/tool"]
    assert section_of_block(read_policy(text), block).rules == ["userns,"]
    assert is_ours(text) and not is_ours("# else\n" + text)
    assert "abi" not in new_profile("tool", "tool", "/opt/t", ["userns,"], abi=False)


@pytest.mark.parametrize("piece", [f"{BEGIN}\n", f"{END}\n", "\n", " ", "profile a {\n"])
def test_a_long_file_takes_no_more_than_its_share(piece):
    assert_linear(section_of_file, lambda count: piece * count, size=1 << 11)
