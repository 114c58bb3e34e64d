# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of profiles beside their rules: features of the abi, packages, the unit's line, types of sockets."""

from __future__ import annotations

import os
import shutil
import socket

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import split_label
from ansible_collections.netlink.remediation.plugins.module_utils._observe import _apparmor
from ansible_collections.netlink.remediation.plugins.module_utils._observe._apparmor import (
    label_after,
    opens_raw,
    packages_of,
    profile_of_unit,
    types_opened,
    unmediated,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import Library
from ansible_collections.netlink.remediation.plugins.module_utils._observe._sockets import socket_types
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive, Unit

# As Linux 7.2 prints them.
LABELS = [
    ("labip (enforce)", [("labip", "enforce")]),
    ("unconfined", [("unconfined", None)]),
    ("busybox (unconfined)", [("busybox", "unconfined")]),
    ("labip//&other (enforce)", [("labip", "enforce"), ("other", "enforce")]),
    ("comp//&labip (mixed)", [("comp", None), ("labip", None)]),
    ("labip//&unconfined (enforce)", [("labip", "enforce"), ("unconfined", None)]),
    ("hatp//hat (complain)", [("hatp//hat", "complain")]),
    ("with space (enforce)", [("with space", "enforce")]),
]
# The lines that count, as the files of features in /etc/apparmor.d/abi have them.
OLD = "network {af_unix {yes\n}\n}\nnamespaces {pivot_root {no\n}\n}\n"
ABI_3 = OLD + "network_v8 {af_mask {unspec unix inet netlink packet\n}\n}\n"
ABI_4 = ABI_3.replace("namespaces {", "namespaces {mask {userns_create\n}\n")


@pytest.mark.parametrize(("label", "parts"), LABELS)
def test_a_label_is_split_as_the_kernel_puts_it_together(label, parts):
    assert split_label(label) == parts


@pytest.fixture
def policy(tmp_path, monkeypatch):
    """A directory of policy with abi files, and a kernel that mediates everything."""
    for name, text in (("old", OLD), ("3.0", ABI_3), ("4.0", ABI_4)):
        (tmp_path / "abi").mkdir(exist_ok=True)
        (tmp_path / "abi" / name).write_text(text)
    kernel = tmp_path / "features"
    for name, text in (("network_v8/af_mask", "unix inet netlink"), ("namespaces/mask", "userns_create")):
        (kernel / name).parent.mkdir(parents=True)
        (kernel / name).write_text(text + "\n")
    monkeypatch.setattr(_apparmor, "PARSER_CONF", str(tmp_path / "parser.conf"))
    return tmp_path


@pytest.mark.parametrize(
    ("line", "left_out"),
    [
        ("abi <abi/4.0>,", []),
        ("  abi <abi/3.0>,", ["userns"]),
        ("abi <abi/old>,", ["network", "userns"]),
        ('abi "abi/3.0",', ["userns"]),
        ("# abi <abi/old>,", []),
        ("abi <abi/not-there>,", []),
        ("", []),
    ],
)
def test_the_features_of_the_abi_say_which_rules_are_needed(policy, line, left_out):
    (policy / "profile").write_text(f"{line}\nprofile x {{}}\n")
    found = unmediated(str(policy / "profile"), [], str(policy), str(policy / "features"))
    assert found == left_out


def test_without_an_abi_the_parser_s_default_counts(policy):
    (policy / "profile").write_text("profile x {}\n")
    (policy / "parser.conf").write_text(f"# policy-features=/x\npolicy-features={policy}/abi/3.0\n")
    assert unmediated(str(policy / "profile"), [], str(policy), str(policy / "features")) == ["userns"]


def test_what_the_kernel_does_not_know_it_does_not_ask_for(policy):
    (policy / "profile").write_text("abi <abi/4.0>,\nprofile x {}\n")
    (policy / "features/namespaces/mask").write_text("\n")
    assert unmediated(str(policy / "profile"), [], str(policy), str(policy / "features")) == ["userns"]
    shutil.rmtree(policy / "features/network_v8")
    assert unmediated(str(policy / "profile"), [], str(policy), str(policy / "features")) == ["network", "userns"]
    assert unmediated(str(policy / "profile"), [], str(policy), str(policy / "nowhere")) == []


def test_a_configuration_file_is_known_by_its_package(tmp_path):
    (tmp_path / "chrony.conffiles").write_text("/etc/apparmor.d/usr.sbin.chronyd\n/etc/chrony/chrony.conf\n")
    (tmp_path / "libx:amd64.conffiles").write_text("/etc/apparmor.d/x\n")
    (tmp_path / "other.list").write_text("/etc/apparmor.d/y\n")
    files = ["/etc/apparmor.d/usr.sbin.chronyd", "/etc/apparmor.d/x", "/etc/apparmor.d/y"]
    assert packages_of(files, str(tmp_path)) == {files[0]: "chrony", files[1]: "libx"}
    assert packages_of(files, str(tmp_path / "missing")) == {}


def unit(*lines):
    directives = [
        Directive("Service", line.partition("=")[0], line.partition("=")[2], "/etc/systemd/system/w.service", number)
        for number, line in enumerate(lines, 2)
    ]
    return Unit("w.service", load="loaded", directives=directives)


@pytest.mark.parametrize(
    ("lines", "profile"),
    [
        (["ExecStart=/x"], None),
        (["ExecStart=/x", "AppArmorProfile=labip"], "labip"),
        (["ExecStart=/x", "AppArmorProfile=-labip"], "-labip"),
        (["ExecStart=/x", "AppArmorProfile=a", "AppArmorProfile=b"], "b"),
        (["ExecStart=+/x", "AppArmorProfile=labip"], None),
    ],
)
def test_the_profile_of_a_unit_is_the_last_one_named_and_none_for_privileged_commands(lines, profile):
    assert profile_of_unit(unit(*lines)) == profile


def attach(monkeypatch, tmp_path, *headers):
    """A policy of profiles with these headers; the directory in which the kernel shows those that it has is empty."""
    (tmp_path / "policy").write_text("".join(f"profile {header} {{ }}\n" for header in headers))
    monkeypatch.setattr(_apparmor, "Library", lambda unseen: Library(unseen, str(tmp_path)))
    monkeypatch.setattr(_apparmor, "LOADED_PROFILES", str(tmp_path / "loaded"))
    return tmp_path / "loaded"


def enforced(*names):
    return dict.fromkeys(names, "enforce")


def test_of_several_profiles_the_one_with_the_longest_literal_path_attaches(monkeypatch, tmp_path):
    attach(monkeypatch, tmp_path, "wide /usr/**", "near /usr/sbin/lab*", "exact /usr/sbin/labip")
    modes = {"wide": "enforce", "near": "complain", "exact": "enforce"}
    assert label_after("/usr/sbin/labip", modes, []) == "exact (enforce)"
    assert label_after("/usr/sbin/labip", {"wide": "enforce", "near": "complain"}, []) == "near (complain)"
    assert label_after("/usr/sbin/labip", {}, []) == "unconfined"


@pytest.mark.parametrize(
    ("one", "other", "label"),
    [
        ("/usr/sbin/labip", "/usr/sbin/labi?", "unconfined"),
        ("/usr/{s,}bin/labip", "/usr/sbin/{labip,labiq}", "unconfined"),
        ("/usr/{s,}bin/labip", "/usr/s*/labip", "one (enforce)"),
        ("/usr/sb[h-j]n/labip", "/usr/sbin/labi*", "one (enforce)"),
        ("/usr/*/labip", "/usr/s*/labip", "unconfined"),
        ("/usr/sbin/*ip", "/usr/sbin/*", "other (enforce)"),
        ("/usr/sbin/lab*", "/usr/sbin/{lab*,labip}", None),
        ("/usr/sbin/labip xattrs=(user.x=y)", "/usr/sbin/lab*", None),
    ],
)
def test_the_kernel_counts_up_to_the_first_wildcard_and_takes_none_of_two_alike(
    monkeypatch, tmp_path, one, other, label
):
    attach(monkeypatch, tmp_path, f"one {one}", f"other {other}")
    assert label_after("/usr/sbin/labip", enforced("one", "other"), []) == label


def test_a_profile_that_is_called_like_the_program_attaches_to_it_unless_it_names_another(monkeypatch, tmp_path):
    attach(monkeypatch, tmp_path, "/usr/sbin/a", "/usr/sbin/b /usr/sbin/other", "x /usr/sbin/**")
    modes = enforced("/usr/sbin/a", "/usr/sbin/b", "x")
    assert label_after("/usr/sbin/a", modes, []) == "/usr/sbin/a (enforce)"
    assert label_after("/usr/sbin/b", modes, []) == "x (enforce)"


@pytest.mark.parametrize(("attachment", "label"), [("<unknown>", None), ("gone", "unconfined")])
def test_a_loaded_profile_that_no_file_defines_may_attach_to_anything(monkeypatch, tmp_path, attachment, label):
    loaded = attach(monkeypatch, tmp_path, "x /usr/sbin/other")
    (loaded / "gone.1").mkdir(parents=True)
    (loaded / "gone.1" / "name").write_text("gone\n")
    (loaded / "gone.1" / "attach").write_text(f"{attachment}\n")
    unseen = []
    assert label_after("/usr/sbin/labip", enforced("x", "gone"), unseen) == label
    assert bool(unseen) == (label is None)
    assert label_after("/usr/sbin/labip", enforced("x", "docker-default", "gone//hat"), []) == "unconfined"


def test_a_program_that_opens_raw_sockets_shows_it(tmp_path):
    assert opens_raw(os.path.realpath(shutil.which("ip")))
    assert not opens_raw(os.path.realpath("/bin/sleep"))
    (tmp_path / "empty").write_text("")
    assert not opens_raw(str(tmp_path / "empty")) and not opens_raw(str(tmp_path / "missing"))


def test_held_sockets_tell_their_type_and_those_on_which_one_only_listens_do_not_count():
    uevents, audit = 15, 9
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, uevents), socket.socket(socket.AF_NETLINK, 3, audit):
        assert socket_types(os.getpid()) == set()
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, socket.NETLINK_ROUTE):
            assert types_opened([os.getpid()], None) == ["dgram"]
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE):
                assert types_opened([os.getpid()], None) == ["dgram", "raw"]
    assert types_opened([os.getpid()], None) == []
