# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_text import (
    DEEPEST,
    expand,
    read_policy,
    tokens,
    unquoted,
)
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import assert_linear, texts

PIECES = [
    *("profile x {", "profile", " x", "{", "}", "}\n", ",", "hat h {", "^h {", "/usr/bin/{a,b} {", "{a, b}", "if $x {"),
    *(
        "capability net_admin,\n",
        "deny",
        "audit deny { ",
        "network netlink raw,",
        "/dev/net/tun rw,",
        "file",
        "rw /**",
        "userns,",
        "all,",
        "flags=(complain)",
    ),
    *(
        "# BEGIN",
        "# a } comment\n",
        "#include <a>",
        "include if exists <local/x>\n",
        'include "/x"',
        "abi <abi/4.0>,\n",
    ),
    *(
        "@{X}=/a /b\n",
        "@{X}+=/c\n",
        "@{X}/y r,",
        "$x = true\n",
        '"a b"',
        '"',
        "\\",
        "(",
        ")",
        "(a, b)",
        "else {",
        "xattrs=",
    ),
]
policies = texts(PIECES, 25)


def summary(text):
    return [(block.name, block.attachment, block.flags, [rule.text for rule in block.rules]) for block in blocks(text)]


def blocks(text):
    return read_policy(text).blocks


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("profile a {}", [("a", None, [], [])]),
        ("profile a /bin/a { capability net_admin, }", [("a", "/bin/a", [], ["capability net_admin,"])]),
        (
            "/bin/{a,b} flags=(complain) { /x{a,b} r, userns, }",
            [("/bin/{a,b}", "/bin/{a,b}", ["complain"], ["userns,"])],
        ),
        (
            'profile "a b" "/x y" xattrs=(user.x="1, {") flags=(complain, attach_disconnected) {}',
            [("a b", "/x y", ["complain", "attach_disconnected"], [])],
        ),
        ("profile a (enforce) {\n}\n", [("a", None, ["enforce"], [])]),
        ("profile a flags = (kill) {}", [("a", None, ["kill"], [])]),
        (
            "profile a {\n ^h { userns, }\n hat g {}\n profile b /b { all, }\n network,\n}",
            [
                ("a", None, [], ["network,"]),
                ("a//h", None, [], ["userns,"]),
                ("a//g", None, [], []),
                ("a//b", "/b", [], ["all,"]),
            ],
        ),
        ("profile a { /b cx -> c, profile /c { } }", [("a", None, [], []), ("a///c", "/c", [], [])]),
        ("profile a { # } x\n userns, #}\n}", [("a", None, [], ["userns,"])]),
        ('profile a { "/x } , {" r, userns, }', [("a", None, [], ["userns,"])]),
        ("profile a { /x\\ { r, userns, }", [("a", None, [], ["userns,"])]),
        ("profile a { dbus peer=(name={x,y}, label=z), userns, }", [("a", None, [], ["userns,"])]),
        (
            "profile a { capability\n  net_admin # why\n  net_raw ,}",
            [("a", None, [], ["capability net_admin # why net_raw ,"])],
        ),
        (
            "profile a { capability net_admin,capability net_raw,}",
            [("a", None, [], ["capability net_admin,", "capability net_raw,"])],
        ),
        ("profile a { /a,b r, /c,{d,e} w, userns, }", [("a", None, [], ["userns,"])]),
        ("profile a { mystery x { userns, } network, }", [("a", None, [], ["network,"])]),
        ("@{X}=/a {b\n@{Y} = /c\nprofile a { @{X}/y r, }", [("a", None, [], ["@{X}/y r,"])]),
        (
            "profile a { /dev/null rw, /dev/n* r, owner /** w, file, file rw /dev/net/tun, deny w /{a,b}, }",
            [("a", None, [], ["/dev/n* r,", "owner /** w,", "file,", "file rw /dev/net/tun,", "deny w /{a,b},"])],
        ),
        ("profile a { userns, } }\nprofile b {}", [("a", None, [], ["userns,"]), ("b", None, [], [])]),
        (
            "profile a { profile b { }}\nprofile c {}",
            [("a", None, [], []), ("a//b", None, [], []), ("c", None, [], [])],
        ),
    ],
)
def test_what_a_text_defines(text, found):
    assert summary(text) == found


def test_conditions_are_known_of_each_rule_and_rules_in_a_block_of_qualifiers_are_void():
    text = "profile a {\n audit deny { capability net_admin, }\n if $x { userns, } else { network, }\n\n all,\n}"
    rules = {rule.kind: rule for rule in blocks(text)[0].rules}
    assert "capability" not in rules
    assert rules["userns"].conditional and rules["network"].conditional
    assert (rules["all"].conditional, rules["all"].line) == (False, 5)


def test_rules_for_files_in_a_block_of_qualifiers_hold_perhaps():
    (rule,) = blocks("profile a { owner { userns, /dev/net/tun rw, } }")[0].rules
    assert (rule.kind, rule.words, rule.conditional) == ("file", ["/dev/net/tun", "rw"], True)


def test_positions_are_those_of_the_braces():
    text = "# first\nprofile a { # {\n  profile b { }\n}\n"
    one, other = blocks(text)
    assert (one.line, text[one.start : one.body], text[one.end]) == (2, "profile a {", "}")
    assert (other.line, text[other.body : other.end]) == (3, " ")
    assert one.end == text.rindex("}")
    assert blocks("profile a {\n")[0].end is None


def test_includes_also_where_a_comment_could_stand():
    inner = 'userns, #include "local/x"\n include if exists <local/y z>\n#include <w>\n'
    text = f"include <tunables/global>\nprofile a {{\n {inner}}}"
    policy = read_policy(text)
    assert [item.path for item in policy.top.includes] == ["tunables/global"]
    found = [(item.path, item.base, item.if_exists) for item in policy.blocks[0].includes]
    assert found == [("local/x", False, False), ("local/y z", True, True), ("w", True, False)]


def test_variables_are_expanded():
    policy = read_policy('@{A}=/usr/bin "/o p" # no\n@{A}+=/sbin\n@{B} = @{A}/x\n$c = true\nprofile @{B} {}')
    assert policy.variables == {"A": ["/usr/bin", "/o p", "/sbin"], "B": ["@{A}/x"]}
    assert expand("@{B}/y", policy.variables) == "{/usr/bin,/o p,/sbin}/x/y"
    assert expand("@{none}/y", policy.variables) == "@{none}/y"
    assert expand("@{L}", {"L": ["@{L}@{L}"]}).startswith("@{L}")
    assert len(expand("@{L}" * 100, {"L": ["x" * 1000]})) == 400


def test_blocks_that_lie_too_deep_are_left_out():
    text = "profile a { " * (DEEPEST + 5) + "userns, " + "}" * (DEEPEST + 5) + "profile z { all, }"
    found = blocks(text)
    assert found[-1].name == "z" and len(found) == DEEPEST + 1
    assert not any(rule.kind == "userns" for block in found for rule in block.rules)


@given(policies)
def test_any_text_is_read_and_its_positions_are_in_order(text):
    last = 0
    for token in tokens(text):
        assert last <= token.start < token.stop <= len(text)
        last = token.stop
    for block in blocks(text):
        assert 0 <= block.start < block.body <= len(text)
        assert text[block.body - 1] == "{"
        assert block.end is None or (block.body <= block.end and text[block.end] == "}")
        assert block.line == text.count("\n", 0, block.start) + 1


@given(policies, st.sampled_from(["\n", " ", "\n# } comment {\n"]))
def test_what_stands_before_a_profile_does_not_change_it(text, between):
    ours = "profile ours /o { capability net_admin, }"
    assert summary(ours + between + text)[0] == summary(ours)[0]


@pytest.mark.parametrize(
    "piece",
    [
        "profile a { ",
        "include <",
        'include "',
        "a=(",
        '"',
        "\\",
        "{",
        "audit { ",
        "@{X}",
        "@{X}=a ",
        "# include <\n",
        "x,",
        "/a,",
        "flags=(",
        "$x=",
        " ",
        "\n",
        "profile a{a,",
        "deny capability net_admin, ",
    ],
)
def test_a_long_text_takes_no_more_than_its_share(piece):
    assert_linear(read_policy, lambda count: "profile a { " + piece * count, size=1 << 11)
    assert_linear(unquoted, lambda count: piece * count)
