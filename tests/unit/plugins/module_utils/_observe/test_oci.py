# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A runtime specification is read as the Open Container Initiative has it, and whatever else it may hold, safely."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES, CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._observe._lxc import parse_seccomp
from ansible_collections.netlink.remediation.plugins.module_utils._observe._nspawn import parse_settings
from ansible_collections.netlink.remediation.plugins.module_utils._observe._oci import (
    SETS,
    allows_all,
    apply_specification,
    mask_of,
    namespace,
    notes_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import number, texts, word
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, Seccomp
from ansible_collections.netlink.remediation.plugins.module_utils._plain import from_plain, to_plain


def container(specification):
    found = Container("id", "name", "docker")
    apply_specification(found, specification)
    return found


def test_without_capabilities_the_process_has_none():
    assert container({"process": {}}).capabilities == dict.fromkeys(SETS, 0)


def test_names_of_capabilities_that_nobody_knows_are_left_out():
    assert mask_of(["CAP_NET_ADMIN", "CAP_OF_TOMORROW", "net_raw", ""]) == 1 << 12 | 1 << 13


NAMESPACES = [
    ([{"type": "pid"}], "host"),
    ([{"type": "network"}], "own"),
    ([{"type": "network", "path": ""}], "own"),
    ([{"type": "network", "path": "/run/netns/blue"}], "path:/run/netns/blue"),
    ([None, 1, {"type": ["network"]}, {"path": "x"}], "host"),
    ("network", "host"),
]


@pytest.mark.parametrize(("namespaces", "answer"), NAMESPACES)
def test_a_namespace_that_is_not_named_is_the_hosts(namespaces, answer):
    assert namespace({"namespaces": namespaces}, "network") == answer


def test_a_profile_without_default_action_is_no_filter():
    assert container({"linux": {"seccomp": {}}}).seccomp is None
    assert container({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_LOG"}}}).seccomp == Seccomp("SCMP_ACT_LOG")


def privileged(*rules, names=CAPABILITIES):
    sets = {"bounding": [name.upper() for name in names]}
    return allows_all({"process": {"capabilities": sets}, "linux": {"resources": {"devices": list(rules)}}})


def test_a_privileged_container_has_all_capabilities_and_all_devices():
    every, none = {"allow": True, "access": "rwm"}, {"allow": False, "access": "rwm"}
    assert privileged(every) and privileged(none, every) and privileged(every, names=CAPABILITIES[:38])
    assert not privileged(none) and not privileged() and not privileged(every, names=CAPABILITIES[:20])
    assert not privileged({"allow": True, "type": "c", "major": 1, "access": "rwm"})


@pytest.mark.parametrize(
    ("rules", "allowed"),
    [
        ([], False),
        ([{"allow": False, "access": "rwm"}], False),
        ([{"allow": True, "access": "rwm"}], True),
        ([{"allow": False}, {"allow": True, "type": "c", "major": 10, "minor": 200, "access": "rwm"}], True),
        ([{"allow": False}, {"allow": True, "type": "c", "major": 10, "access": "rw"}], True),
        ([{"allow": False}, {"allow": True, "type": "c", "major": 10, "minor": 200, "access": "m"}], False),
        ([{"allow": False}, {"allow": True, "type": "b", "major": 10, "minor": 200, "access": "rwm"}], False),
        ([{"allow": False}, {"allow": True, "type": "c", "major": 1, "access": "rwm"}], False),
        ([{"allow": True}, {"allow": False, "type": "c", "major": 10, "minor": 200, "access": "w"}], False),
    ],
)
def test_the_last_rule_for_a_device_counts(rules, allowed):
    assert container({"linux": {"resources": {"devices": rules}}}).allows_tun is allowed


def test_text_that_no_file_may_hold_is_mended():
    assert word("a\ud800b") == "a?b" and texts({"\udfff": "x", "y": 1}) == {"?": "x"}
    assert [number(value) for value in (1, -1, True, 1.0, "1", 1 << 64, None)] == [1] + [None] * 6


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(["network", "user", "CAP_NET_ADMIN", "SCMP_ACT_ERRNO", "SCMP_CMP_EQ", "socket", "path"]),
)
KEYS = st.sampled_from(
    [
        *("process", "linux", "annotations", "user", "uid", "gid", "capabilities", "bounding", "noNewPrivileges"),
        *("namespaces", "type", "path", "uidMappings", "containerID", "hostID", "size", "seccomp", "defaultAction"),
        *("defaultErrnoRet", "syscalls", "names", "action", "errnoRet", "args", "index", "value", "valueTwo", "op"),
        *("sysctl", "resources", "devices", "allow", "major", "access", "apparmorProfile", "selinuxLabel"),
    ]
)
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=6)
)


@settings(deadline=None)
@given(ANYTHING)
def test_any_json_gives_a_container_that_a_snapshot_can_hold(content):
    found = container(content)
    notes_of(content)
    allows_all(content)
    plain = json.loads(json.dumps(to_plain(found)))
    assert from_plain(Container, plain) == found
    assert all(0 <= mask <= ALL_CAPABILITIES for mask in found.capabilities.values())
    json.dumps(plain, ensure_ascii=False).encode()


SMALL = LEAVES | st.lists(LEAVES, max_size=3)
RULE = st.fixed_dictionaries(
    {},
    optional={
        "names": SMALL,
        "action": LEAVES,
        "errnoRet": LEAVES,
        "args": st.lists(st.dictionaries(st.sampled_from(["index", "value", "op"]), LEAVES), max_size=2),
    },
)
NAMED = st.fixed_dictionaries(
    {
        "process": st.fixed_dictionaries({"capabilities": st.dictionaries(st.sampled_from(SETS), SMALL)}),
        "linux": st.fixed_dictionaries(
            {
                "namespaces": st.lists(st.dictionaries(st.sampled_from(["type", "path"]), LEAVES), max_size=3),
                "uidMappings": st.lists(
                    st.dictionaries(st.sampled_from(["containerID", "hostID", "size"]), LEAVES), max_size=3
                ),
                "seccomp": st.fixed_dictionaries(
                    {"defaultAction": st.text(min_size=1), "syscalls": st.lists(RULE | LEAVES, max_size=3)}
                ),
            }
        ),
    }
)


@settings(deadline=None)
@given(NAMED)
def test_wrong_types_in_the_right_place_count_as_missing(content):
    found = container(content)
    assert from_plain(Container, json.loads(json.dumps(to_plain(found)))) == found


@settings(deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_a_profile_or_settings_or_nothing(text):
    for prefix in ("", "2\nallowlist\n", "2\ndenylist errno 1\nsocket errno [0,"):
        profile = parse_seccomp(prefix + text)
        assert profile is None or from_plain(Seccomp, json.loads(json.dumps(to_plain(profile)))) == profile
    assert all(values for values in parse_settings(text).values())
