# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of depmod and the configuration of modprobe, as kmod reads them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._observe._depmod import (
    ModuleIndex,
    Rule,
    hindrance,
    module_of_file,
    parse_rules,
    read_rules,
)

FILES = {
    "modules.dep": "kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n"
    "kernel/net/ipv4/udp_tunnel.ko.xz:\nkernel/net/8021q/8021q.ko.xz:\nkernel/net/sched/sch_netem.ko:\n"
    "updates/dkms/nf-thing.ko.zst:\n",
    "modules.alias": "# Aliases\nalias rtnl-link-vxlan vxlan\nalias rtnl-link-vlan 8021q\n"
    "alias pci:v*d* other\nalias broken\n",
    "modules.builtin": "kernel/net/core/sch-plain.ko\n",
    "modules.builtin.modinfo": "dummy.alias=rtnl-link-dummy\0dummy.license=GPL\0sch.parm=rtnl-link-x\0",
}


@pytest.fixture
def index(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return ModuleIndex(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "module"),
    [("kernel/net/a/nf-thing.ko.zst", "nf_thing"), ("x.ko", "x"), ("updates/8021q.ko.xz", "8021q"), ("", "")],
)
def test_the_name_of_a_module_is_that_of_its_file(path, module):
    assert module_of_file(path) == module


@pytest.mark.parametrize(
    ("aliases", "module"),
    [
        (["rtnl-link-vxlan"], "vxlan"),
        (["rtnl_link_vlan"], "8021q"),
        (["net-sch-netem", "sch_netem"], "sch_netem"),
        (["rtnl-link-dummy"], None),
        (["pci:v0d0"], None),
        ([], None),
    ],
)
def test_a_module_is_found_by_its_alias_or_its_name(index, aliases, module):
    assert index.module_with(aliases) == module


@pytest.mark.parametrize(
    ("aliases", "module"),
    [
        (["rtnl-link-dummy"], "dummy"),
        (["sch_plain"], "sch_plain"),
        (["rtnl-link-x"], None),
        (["rtnl-link-vxlan"], None),
    ],
)
def test_what_is_built_in_is_found_by_its_alias_or_its_name(index, aliases, module):
    assert index.builtin_with(aliases) == module


def test_a_module_that_is_listed_may_have_no_file(index, tmp_path):
    assert index.exists and index.knows_builtin_aliases
    assert index.listed_file("nf-thing") == f"{tmp_path}/updates/dkms/nf-thing.ko.zst"
    assert index.file_of("nf_thing") is None and index.listed_file("none") is None
    (tmp_path / "updates/dkms").mkdir(parents=True)
    (tmp_path / "updates/dkms/nf-thing.ko.zst").touch()
    assert index.file_of("nf_thing") == f"{tmp_path}/updates/dkms/nf-thing.ko.zst"


def test_what_a_module_needs_and_what_it_is_called(index):
    assert index.needed_by("vxlan") == ["udp_tunnel"] and index.needed_by("none") == []
    assert index.aliases_of("8021q") == ["rtnl-link-vlan"] and index.aliases_of("none") == []


def test_without_lists_there_is_nothing(tmp_path):
    index = ModuleIndex(str(tmp_path / "none"))
    assert not index.exists
    assert (index.module_with(["a"]), index.builtin_with(["a"]), index.builtins) == (None, None, set())


def test_lines_are_joined_and_comments_left_out():
    text = "# blacklist a\n\nblacklist \\\n  b\ninstall c \\\n /bin/false; \\\n true\n  blacklist d # no comment\n"
    text += "alias \\\n"
    assert parse_rules(text, "f") == [
        Rule(["blacklist", "b"], "f:3"),
        Rule(["install", "c", "/bin/false;", "true"], "f:5"),
        Rule(["blacklist", "d", "#", "no", "comment"], "f:8"),
        Rule(["alias"], "f:9"),
    ]


def test_a_file_of_an_earlier_directory_hides_that_of_a_later_one(tmp_path):
    for directory, name, text in [
        ("etc/modprobe.d", "b.conf", "blacklist one"),
        ("usr/lib/modprobe.d", "b.conf", "blacklist hidden"),
        ("run/modprobe.d", "a.conf", "blacklist two"),
        ("lib/modprobe.d", "c.txt", "blacklist no_conf"),
    ]:
        (tmp_path / directory).mkdir(parents=True, exist_ok=True)
        (tmp_path / directory / name).write_text(text)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cmdline").write_text("ro modprobe.blacklist=three,four module_blacklist=five quiet\n")
    rules = read_rules([], root=str(tmp_path))
    assert [(rule.words, rule.place) for rule in rules] == [
        (["blacklist", "two"], "/run/modprobe.d/a.conf:1"),
        (["blacklist", "one"], "/etc/modprobe.d/b.conf:1"),
        (["blacklist", "three"], "/proc/cmdline"),
        (["blacklist", "four"], "/proc/cmdline"),
        (["module_blacklist", "five"], "/proc/cmdline"),
    ]


@pytest.mark.parametrize(
    ("line", "sealed"),
    [
        ("blacklist vxlan", False),
        ("alias rtnl-link-vxlan off", False),
        ("alias rtnl_link_v* null", False),
        ("alias rtnl-link-vxlan 8021q", False),
        ("alias rtnl-link-vxlan sch_plain", False),
        ("install vxlan /bin/false", True),
        ("install udp-tunnel /bin/true", True),
        ("module_blacklist vxlan", True),
        ("module_blacklist udp_tunnel", True),
    ],
)
def test_a_line_that_keeps_a_module_from_being_loaded(index, line, sealed):
    rules = parse_rules(f"options vxlan a=1\n{line}\n", "f")
    assert hindrance(rules, index, "vxlan", ["rtnl-link-vxlan"], ()) == (f"f:2: {line}", sealed)


@pytest.mark.parametrize(
    "line",
    [
        "blacklist udp_tunnel",
        "blacklist vxlan2",
        "blacklist",
        "install vxlan /sbin/modprobe --ignore-install vxlan",
        "install vxlan",
        "install other /bin/false",
        "alias rtnl-link-vxlan vxlan",
        "alias rtnl-link-vxlan 8021q\nalias rtnl-link-vxlan vxlan",
        "alias other off",
        "alias rtnl-link-vxlan",
        "softdep vxlan pre: x",
    ],
)
def test_a_line_that_does_not_keep_it_from_being_loaded(index, line):
    assert hindrance(parse_rules(line, "f"), index, "vxlan", ["rtnl-link-vxlan"], ()) == (None, False)


def test_an_install_line_of_what_is_loaded_already_does_not_count(index):
    rules = parse_rules("install udp_tunnel /bin/false", "f")
    assert hindrance(rules, index, "vxlan", [], ["udp_tunnel"]) == (None, False)


def test_a_line_that_refuses_altogether_is_named_before_one_that_can_be_passed_by(index):
    rules = parse_rules("blacklist vxlan\ninstall vxlan /bin/false", "f")
    assert hindrance(rules, index, "vxlan", [], ()) == ("f:2: install vxlan /bin/false", True)


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_only_a_newline_ends_a_line(separator):
    assert parse_rules(f"# a comment{separator}blacklist vxlan\n", "f") == []


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab \t#\\\n\x0b\u2028-*[install blacklist alias"), max_size=200))
def test_any_text_is_some_rules_with_lines_that_there_are(text):
    rules = parse_rules(text, "f")
    places = [int(rule.place.partition(":")[2]) for rule in rules]
    assert places == sorted(set(places)) and all(1 <= place <= text.count("\n") + 1 for place in places)
    assert all(rule.words and not rule.words[0].startswith("#") for rule in rules)
    rule, sealed = hindrance(rules, ModuleIndex("/nowhere"), "a", ["a-b"], ())
    assert rule is not None or not sealed
