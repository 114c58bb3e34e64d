# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._apparmor_rules import (
    parse_wishes,
    plan_profiles,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import Library, find_profiles
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._change._host import needs_root

pytestmark = needs_root


def wishes(*entries):
    return parse_wishes([{"rules": [], "executable": None, "state": "present", **entry} for entry in entries])


@pytest.fixture
def policy(tmp_path):
    """Writes files of policy, and plans."""

    class Policy:
        directory = str(tmp_path)
        loaded: dict = {}

        def write(self, **files):
            for name, text in files.items():
                path = tmp_path / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)

        def plan(self, *entries, accept=()):
            return plan_profiles(wishes(*entries), accept, self.loaded, self.directory)

        def after(self, plan):
            """The plan's files as a library."""
            return Library(
                [], self.directory, {change.target: (change.after or {}).get("content") for change in plan.changes}
            )

    return Policy()


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([{"profile": ""}], "profiles[0].profile: '' is no name of one profile"),
        ([{"profile": "a\nb"}], "is no name of one profile"),
        ([{"profile": "a//&b"}], "is no name of one profile"),
        ([{"profile": "x" * 2000}], "is no name of one profile"),
        ([{"profile": "a"}], "profiles[0]: profile a needs rules"),
        (
            [{"profile": "a", "rules": ["capability sys_admin,"]}],
            "profiles[0].rules: 'capability sys_admin,' is no rule",
        ),
        ([{"profile": "a", "rules": [""]}], "profiles[0].rules: '' is no rule"),
        ([{"profile": "a", "rules": ["", "userns,"]}], "profiles[0].rules: '' is no rule"),
        ([{"profile": "a", "rules": ["userns,"], "executable": "/x/*"}], "profiles[0].executable: '/x/*'"),
        ([{"profile": "a", "rules": ["userns,"], "executable": "x"}], "no absolute path"),
        (
            [{"profile": "a", "rules": ["userns,"]}, {"profile": "a", "rules": ["userns create,"], "state": "absent"}],
            "profiles[1]: 'userns,' of profile a contradicts profiles[0]",
        ),
    ],
)
def test_bad_input_is_one_sentence(entries, why):
    with pytest.raises(ChangeError) as caught:
        wishes(*entries)
    assert why in str(caught.value) and "\n" not in str(caught.value)


def test_rules_that_ansible_split_at_their_commas_are_what_was_meant():
    (wish,) = wishes({"profile": "a", "rules": ["capability net_admin", " userns", ""]})
    assert wish.rules == ["capability net_admin,", "userns,"]


@pytest.mark.parametrize("name", ["/usr/sbin/vpnd", "{directory}/vpn", "{directory}/local/vpn"])
def test_a_path_in_place_of_a_name_is_told_the_name(policy, name):
    policy.write(vpn="profile agent /usr/sbin/vpnd { }\n")
    policy.write(**{"local/vpn": ""})
    entry = {"profile": name.format(directory=policy.directory), "rules": ["capability net_admin,"]}
    with pytest.raises(ChangeError, match=r"called agent$" if "local" not in name else r"as /proc/PID/attr/current"):
        policy.plan(entry)


def test_several_profiles_and_entries_become_one_change_for_each_file(policy):
    policy.write(
        x="profile x { include if exists <local/x> }\nprofile y { profile z { } }\n", **{"local/x": "# mine\n"}
    )
    plan = policy.plan(
        {"profile": "x", "rules": ["capability net_admin,"]},
        {"profile": "y", "rules": ["userns,"]},
        {"profile": "y//z", "rules": ["network netlink raw,"]},
        {"profile": "x", "rules": ["capability net_raw,", "capability net_admin,"]},
    )
    assert [change.target for change in plan.changes] == [f"{policy.directory}/local/x", f"{policy.directory}/x"]
    after = policy.after(plan)
    for name, rules in {
        "x": ["capability net_admin,", "capability net_raw,"],
        "y": ["userns,"],
        "y//z": ["network netlink raw,"],
    }.items():
        assert [rule.text for rule in after.complete(after.find(name)).rules] == rules
    assert all(change.details["source"] == f"{policy.directory}/x" for change in plan.changes)
    assert all(change.details["then"] == "load_profiles" for change in plan.changes)


def test_what_is_there_already_is_no_change(policy):
    policy.write(x="profile x { capability, network netlink, userns, }")
    rules = ["capability net_admin,", "network netlink raw,", "userns,"]
    assert policy.plan({"profile": "x", "rules": rules}).changes == []
    assert policy.plan({"profile": "x", "rules": rules, "state": "absent"}).changes == []
    assert policy.plan({"profile": "none", "state": "absent"}).changes == []


@pytest.mark.parametrize(
    ("rules", "changes"),
    [
        ("/dev/net/tun rw,", 0),
        ("/dev/net/tun r, @{dev}/net/t* w,", 0),
        ("/dev/net/tun r,", 1),
        ("/dev/null rw,", 1),
        ("owner /dev/net/tun rw,", 1),
    ],
)
def test_what_two_rules_grant_together_is_there_already(policy, rules, changes):
    policy.write(x=f"@{{dev}}=/dev\nprofile x {{ {rules} include if exists <local/x> }}")
    plan = policy.plan({"profile": "x", "rules": ["/dev/net/tun rw,"]})
    assert len(plan.changes) == changes
    texts = [change.after["content"] for change in plan.changes]
    assert all("\n/dev/net/tun rw,\n" in text for text in texts), texts


def test_a_deny_rule_for_the_tun_device_is_said(policy):
    policy.write(x="profile x { file, deny /dev/net/* w, }")
    with pytest.raises(ChangeError, match="x:1 has 'deny /dev/net/\\* w,', and nothing in profile x can allow"):
        policy.plan({"profile": "x", "rules": ["/dev/net/tun rw,"]})


def test_a_directory_in_local_is_no_file_to_write(policy):
    policy.write(x="profile x { include if exists <local/x> }", **{"local/y": ""})
    os.mkdir(f"{policy.directory}/local/x")
    plan = policy.plan({"profile": "x", "rules": ["userns,"]})
    assert [change.target for change in plan.changes] == [f"{policy.directory}/x"]


def test_a_file_that_is_too_long_to_be_read_as_a_whole_is_not_cut(policy):
    policy.write(x="profile x { include if exists <local/x> }", **{"local/x": "#" * 80 + "\n"})
    assert policy.plan({"profile": "x", "rules": ["userns,"]}).changes
    policy.write(**{"local/x": ("#" * 80 + "\n") * 20000})
    with pytest.raises(ChangeError, match=r"local/x is not what was read of it: .* too long"):
        policy.plan({"profile": "x", "rules": ["userns,"]})


def test_a_text_that_defines_two_profiles_is_left_to_people(policy):
    policy.write(x="profile x { include <x.d> }\nprofile y { include <x.d> }")
    os.mkdir(f"{policy.directory}/x.d")
    policy.write(**{"x.d/hat": "^h { capability kill, }"})
    with pytest.raises(ChangeError, match=r"x\.d/hat defines y//h with the same text as x//h"):
        policy.plan({"profile": "x//h", "rules": ["userns,"]})


def test_an_existing_profile_of_a_shared_tool_needs_consent_for_user_namespaces_alone(policy):
    policy.write(x="profile x /usr/bin/unshare { }", unprivileged_userns="profile unprivileged_userns { }")
    assert policy.plan({"profile": "x", "rules": ["capability net_admin,"]}).changes
    with pytest.raises(ChangeError, match="accept it with shared_tool"):
        policy.plan({"profile": "x", "rules": ["userns,"]})
    assert policy.plan({"profile": "x", "rules": ["userns,"]}, accept=["shared_tool"]).changes
    with pytest.raises(ChangeError, match="every program of this host: accept it with world_userns"):
        policy.plan({"profile": "unprivileged_userns", "rules": ["capability net_admin,"]})


def test_the_modes_that_profiles_are_loaded_in_are_said_where_nothing_is_loaded(policy):
    policy.write(x="profile x { }")
    assert policy.plan({"profile": "x", "rules": ["userns,"]}).warnings == [
        "profile x is not loaded: it stays so, and has the rules when it is"
    ]
    policy.loaded = {"x": "enforce"}
    assert policy.plan({"profile": "x", "rules": ["userns,"]}).warnings == []
    policy.loaded = {"y": "enforce"}
    with pytest.raises(ChangeError, match="profile y is loaded, but no file"):
        policy.plan({"profile": "y", "rules": ["userns,"]})


def test_taking_out_all_removes_a_local_file_that_nothing_else_is_in_if_the_profile_allows_that(policy):
    policy.write(x="profile x { include if exists <local/x> }", y="profile y { include <local/y> }", **{"local/y": ""})
    for name in ("x", "y"):
        for change in policy.plan({"profile": name, "rules": ["userns,"]}).changes:
            change.details.pop("then")
            change.write(change.after)
        assert [rule.text for rule in find_profiles([name], [], policy.directory)[name].rules] == ["userns,"]
    (gone, emptied) = policy.plan({"profile": "x", "state": "absent"}, {"profile": "y", "state": "absent"}).changes
    assert gone.after is None
    assert emptied.after["content"] == ""
    assert emptied.disrupts == ["profile y allows no more: userns,"]
