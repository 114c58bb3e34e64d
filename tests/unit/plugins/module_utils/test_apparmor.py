# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import (
    alternatives,
    consent_for,
    covers,
    granted,
    normal_rules,
    parse_rule,
    refuses,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Profile

ADMIN = parse_rule("capability net_admin,")
RAW = parse_rule("network netlink raw,")
USERNS = parse_rule("userns,")
TUN = parse_rule("/dev/net/tun rw,")


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("capability net_admin,", ["capability net_admin,"]),
        ("allow  capability\n net_admin net_raw net_admin ,", ["capability net_admin,", "capability net_raw,"]),
        ("network netlink", ["network netlink,"]),
        ("network netlink dgram,", ["network netlink dgram,"]),
        ("userns create,", ["userns,"]),
        ("/dev/net/tun   rw", ["/dev/net/tun rw,"]),
    ],
)
def test_rules_have_one_spelling(text, rules):
    assert normal_rules(text) == rules


@pytest.mark.parametrize(
    "text",
    [
        "",
        "capability,",
        "capability sys_admin,",
        "deny capability net_admin,",
        "network,",
        "network inet raw,",
        "network netlink stream,",
        "capability net_admin, capability net_raw,",
        "userns, } profile x { all,",
        "userns,,",
        "userns, # comment",
        "#include <tunables/global>",
        "/dev/net/tun rwx,",
        "/dev/net/** rw,",
        "/dev/net/tun rw, /etc/shadow rw,",
        "capability net_adm\u0131n,",
    ],
)
def test_anything_else_is_refused_with_what_is_accepted(text):
    with pytest.raises(ValueError, match="is no rule that this module writes, expected"):
        normal_rules(text)


@pytest.mark.parametrize(
    ("rule", "wanted", "granted_"),
    [
        ("capability net_raw net_admin,", ADMIN, True),
        ("capability,", ADMIN, True),
        ("audit capability net_admin,", ADMIN, True),
        ("priority=3 allow capability net_admin,", ADMIN, True),
        ("all,", ADMIN, True),
        ("allow all,", RAW, True),
        ("capability net_raw,", ADMIN, False),
        ("deny capability net_admin,", ADMIN, False),
        ("network,", RAW, True),
        ("network netlink,", RAW, True),
        ("network raw,", RAW, True),
        ("network netlink raw,", RAW, True),
        ("network netlink dgram,", RAW, False),
        ("network inet raw,", RAW, False),
        ("network inet,", RAW, False),
        ("network (create) netlink raw,", RAW, False),
        ("network netlink raw,", parse_rule("network netlink,"), False),
        ("network packet,", parse_rule("network netlink,"), False),
        ("userns,", USERNS, True),
        ("userns create,", USERNS, True),
        ("capability,", USERNS, False),
        ("/dev/net/tun rw,", TUN, True),
        ("/dev/net/tun mrwk,", TUN, True),
        ('rw "/dev/net/*",', TUN, True),
        ("file,", TUN, True),
        ("allow file /** rwlk,", TUN, True),
        ("all,", TUN, True),
        ("/dev/net/tun r,", TUN, False),
        ("deny /dev/net/tun rw,", TUN, False),
        ("owner /dev/net/tun rw,", TUN, False),
        ("capability,", TUN, False),
        ("file,", USERNS, False),
    ],
)
def test_what_an_allow_rule_grants(rule, wanted, granted_):
    assert covers(parse_rule(rule), wanted) is granted_


@pytest.mark.parametrize(
    ("rule", "wanted", "taken"),
    [
        ("deny capability net_admin,", ADMIN, True),
        ("audit deny capability,", ADMIN, True),
        ("deny capability kill,", ADMIN, False),
        ("deny all,", ADMIN, True),
        ("capability net_admin,", ADMIN, False),
        ("deny network,", RAW, True),
        ("deny network netlink,", RAW, True),
        ("deny network raw,", RAW, True),
        ("deny network netlink dgram,", RAW, False),
        ("deny network netlink dgram,", parse_rule("network netlink,"), True),
        ("deny network inet,", RAW, False),
        ("deny network packet,", RAW, False),
        ("deny userns,", USERNS, True),
        ("deny userns create,", USERNS, True),
        ("deny /dev/net/tun w,", TUN, True),
        ("audit deny /dev/** wl,", TUN, True),
        ("deny file,", TUN, True),
        ("deny /dev/net/tun m,", TUN, False),
        ("/dev/net/tun rw,", TUN, False),
    ],
)
def test_what_a_deny_rule_takes_away(rule, wanted, taken):
    assert refuses(parse_rule(rule), wanted) is taken


def test_a_deny_rule_wins_and_a_conditional_rule_decides_nothing():
    allow, deny = parse_rule("capability net_admin,"), parse_rule("deny capability net_admin,")
    assert granted(Profile("p", rules=[allow]), ADMIN)
    assert not granted(Profile("p", rules=[allow, deny]), ADMIN)
    deny.conditional = True
    assert granted(Profile("p", rules=[allow, deny]), ADMIN)
    allow.conditional = True
    assert not granted(Profile("p", rules=[allow]), ADMIN)
    assert granted(Profile("p", flags=["unconfined"]), ADMIN)
    assert not granted(Profile("p", flags=["unconfined"]), USERNS)


def test_two_rules_may_grant_what_none_of_them_does():
    read, write = parse_rule("/dev/net/tun r,"), parse_rule("/dev/net/* w,")
    assert granted(Profile("p", rules=[read, write]), TUN)
    assert not granted(Profile("p", rules=[read, read]), TUN)


@pytest.mark.parametrize("text", ["/dev/null rw,", "/dev/net/tunnel rw,", "/bin/x px -> y,", "/dev/net/tun,", "rw r,"])
def test_a_rule_for_other_files_is_none(text):
    assert parse_rule(text) is None


@pytest.mark.parametrize("text", ["/x r,", "owner capability net_admin,", "", "signal,", "include <x>", "deny"])
def test_rules_of_other_kinds_are_none(text):
    assert parse_rule(text) is None


@pytest.mark.parametrize(
    ("name", "executable", "rules", "word"),
    [
        ("x", "/usr/bin/unshare", ["userns,"], "shared_tool"),
        ("x", "/usr/bin/unshare", ["capability net_admin,"], None),
        ("x", "/{usr/,}bin/{foo,bwrap}", ["userns,"], "shared_tool"),
        ("x", "/usr/bin/python3.[0-9]*", ["userns,"], "interpreter"),
        ("x", "/opt/**", ["userns,"], "shared_tool"),
        ("x", "/usr/bin/un*", ["userns,"], "shared_tool"),
        ("x", "/usr/bin/pyt[h]on3", ["userns,"], "shared_tool"),
        ("x", "/opt/vpn/agent*", ["userns,"], None),
        ("x", "/usr/bin/{bwrap,b}" + "{a,b}" * 8, ["userns,"], "shared_tool"),
        ("x", "/opt/vpn/agent", ["userns,"], None),
        ("x", None, ["userns,"], None),
        ("unprivileged_userns", None, ["capability net_admin,"], "world_userns"),
    ],
)
def test_what_needs_consent(name, executable, rules, word):
    assert consent_for(name, executable, rules) == word


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        ("/a", ["/a"]),
        ("/{a,b{c,d}}x", ["/ax", "/bcx", "/bdx"]),
        ("/{,usr/}bin", ["/bin", "/usr/bin"]),
        ("/a\\{b", ["/a\\{b"]),
        ("/{a", []),
        ("/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", []),
    ],
)
def test_alternatives_of_a_pattern(pattern, parts):
    assert alternatives(pattern) == parts
