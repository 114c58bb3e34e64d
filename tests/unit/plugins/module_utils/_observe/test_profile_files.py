# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import (
    MOST_FILES,
    Library,
    find_profiles,
    generator_of,
    loaded_modes,
    matches,
    profiles_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Profile
from ansible_collections.netlink.remediation.plugins.module_utils._plain import from_plain, to_plain

TUNABLES = "@{bin}=/{,usr/}bin\n@{opt}=/opt /srv\ninclude if exists <tunables/more>\n"


@pytest.fixture
def policy(tmp_path):
    """Writes files of policy; finds profiles in them."""

    class Policy:
        directory = str(tmp_path)

        def __init__(self):
            self.unseen = []
            self.write({"tunables/global": TUNABLES})

        def write(self, files):
            for name, text in files.items():
                path = tmp_path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text.encode("utf-8", "surrogateescape"))

        def find(self, name):
            return find_profiles([name], self.unseen, self.directory).get(name)

    return Policy()


def test_a_profile_is_found_with_its_file_attachment_and_what_it_includes(policy):
    policy.write(
        {
            "usr.bin.x": "include <tunables/global>\nprofile x @{bin}/x flags=(complain) {\n"
            "  include <abstractions/n>\n  capability net_raw,\n  include if exists <local/usr.bin.x>\n"
            "  include if exists <local/other>\n}\n",
            "abstractions/n": "include <abstractions/m>\n",
            "abstractions/m": "\nnetwork netlink raw,\ninclude <abstractions/n>\n",
            "local/usr.bin.x": "deny capability net_admin,\n",
        }
    )
    found = policy.find("x")
    where = policy.directory
    assert (found.file, found.line, found.executable) == (f"{where}/usr.bin.x", 2, "/{,usr/}bin/x")
    assert (found.local, found.flags, found.disabled) == (f"{where}/local/usr.bin.x", ["complain"], False)
    assert [(rule.text, rule.file[len(where) + 1 :], rule.line) for rule in found.rules] == [
        ("capability net_raw,", "usr.bin.x", 4),
        ("network netlink raw,", "abstractions/m", 2),
        ("deny capability net_admin,", "local/usr.bin.x", 1),
    ]
    assert from_plain(Profile, to_plain(found)) == found
    assert policy.unseen == []


def test_of_the_rules_for_files_those_count_that_stand_for_the_tun_device(policy):
    policy.write(
        {
            "x": "include <tunables/global>\n@{dev}=/dev /srv/dev\nprofile x {\n"
            "  @{dev}/net/{tun,tap*} rw,\n  @{bin}/* r,\n  /dev/*n r,\n  /dev/[a-m]** r,\n  /dev/** r,\n"
            "  @{no}/** r,\n  /{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b} w,\n}\n"
        }
    )
    assert [(rule.text, rule.conditional) for rule in policy.find("x").rules] == [
        ("@{dev}/net/{tun,tap*} rw,", False),
        ("/dev/** r,", False),
        ("@{no}/** r,", True),
        ("/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b} w,", True),
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("profile a { profile b { userns, } }", "a//b"),
        ("profile a { ^h { userns, } }", "a//h"),
        ("profile a { include <a.d> }", "a//c"),
        ("/usr/bin/x { userns, }", "/usr/bin/x"),
        ('profile "with space" { userns, }', "with space"),
        ("include <tunables/global>\nprofile @{bin}/y { userns, }", "/{,usr/}bin/y"),
        ("profile a//b { userns, }", "a//b"),
        ("include <sub>", "far"),
        ("#include <sub>", "far"),
    ],
)
def test_names_are_those_of_the_kernel(policy, text, name):
    policy.write({"source": text, "a.d/one": "hat c { userns, }", "sub/two": "profile far { userns, }"})
    found = policy.find(name)
    assert [rule.kind for rule in found.rules] == ["userns"]
    assert [one.source for one in Library([], policy.directory).all() if one.profile.name == name] == [
        f"{policy.directory}/source"
    ]


def test_the_rules_of_a_nested_profile_are_not_those_of_the_outer_one(policy):
    policy.write({"a": "profile a { network, profile b { userns, } include <inner> }", "inner": "profile c { all, }"})
    assert [rule.kind for rule in policy.find("a").rules] == ["network"]


def test_what_the_boot_does_not_load_is_no_source(policy):
    for name in (".hidden", "x.dpkg-old", "README", "x~", "sub/x"):
        policy.write({name: "profile gone { }"})
    assert policy.find("gone") is None
    assert find_profiles(["gone", "docker-default"], [], policy.directory) == {
        "docker-default": Profile("docker-default", generator="docker")
    }
    assert find_profiles(["x"], [], policy.directory + "/missing") == {}


def test_a_disabled_profile_says_so(policy):
    policy.write({"x": "profile x { }", "disable/x": ""})
    assert policy.find("x").disabled


def test_a_condition_around_an_include_is_known_of_its_rules(policy):
    policy.write({"x": "profile x { if $y { include <n> } }", "n": "userns,"})
    assert [rule.conditional for rule in policy.find("x").rules] == [True]


def test_a_path_out_of_local_is_no_local_file(policy):
    policy.write({"x": "profile x { include if exists <local/../abstractions/n> include if exists <local/d/e> }"})
    assert policy.find("x").local is None


def test_endless_includes_come_to_an_end_and_are_said(policy):
    policy.write({"x": "profile x { include <many> }"})
    policy.write({f"many/{number}": f"include <many>\ninclude <many/{number}>\n" for number in range(MOST_FILES + 9)})
    policy.find("x")
    assert "among too many files" in policy.unseen[0].reason


def test_bytes_that_are_no_text_survive(policy):
    policy.write({"x": "# \udcff\nprofile x /bin/\udcfe { capability net_admin, }"})
    assert to_plain(policy.find("x"))["executable"] == "/bin/\ufffd"


def test_profiles_of_a_program(policy):
    policy.write(
        {"x": "include <tunables/global>\nprofile x @{opt}/t* { profile c /opt/tool {} }\nprofile y /opt/tool/* {}"}
    )
    assert [one.name for one in profiles_of("/opt/tool", [], policy.directory)] == ["x"]
    assert [one.name for one in profiles_of("/srv/t", [], policy.directory)] == ["x"]
    assert profiles_of("/opt/other", [], policy.directory) == []


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/b/c", False),
        ("/a/**", "/a/b/c", True),
        ("/a/**/c", "/a/b/d/c", True),
        ("/{,usr/}bin/x", "/usr/bin/x", True),
        ("/bin/?x", "/bin/ax", True),
        ("/bin/?x", "/bin//x", False),
        ("/bin/[a-c]", "/bin/b", True),
        ("/bin/[^a-c]", "/bin/b", False),
        ("/bin/[^a-c]", "/bin/d", True),
        ("/bin/[ac-]", "/bin/-", True),
        ("/bin/\\*", "/bin/*", True),
        ("/bin/\\*", "/bin/a", False),
        ("/bin/a.c", "/bin/abc", False),
        ("/bin/[a", "/bin/[a", True),
        ("/bin/x", "/bin/xy", False),
        ("/{a", "/{a", False),
    ],
)
def test_patterns_of_paths(pattern, path, fits):
    assert matches(pattern, path) is fits


def test_a_wild_pattern_takes_its_share_of_time():
    assert not matches("/" + "**a" * 500 + "b", "/" + "a" * 2000)


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("docker-default", "docker"),
        ("containers-default-0.57.1", "podman"),
        ("cri-containerd.apparmor.d", "containerd"),
        ("snap.firefox.firefox", "snap"),
        ("libvirt-0a1b2c3d-0000-1111-2222-333344445555", "libvirt"),
        ("libvirt-0a1b2c3d-0000-1111-2222-333344445555//qemu_bridge_helper", "libvirt"),
        ("lxc-c1_</var/lib/lxc>", "lxc"),
        ("libvirtd", None),
        ("dockerd", None),
        ("snapper", None),
    ],
)
def test_profiles_that_tools_make(name, tool):
    assert generator_of(name) == tool


def test_modes_of_loaded_profiles(tmp_path):
    loaded = tmp_path / "profiles"
    loaded.write_text("a b (complain)\n/usr/bin/x//c (enforce)\nodd\n")
    assert loaded_modes([], str(loaded)) == {"a b": "complain", "/usr/bin/x//c": "enforce"}
    unseen = []
    assert loaded_modes(unseen, str(tmp_path / "none")) is None
    assert unseen[0].reason == "ENOENT"
