# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lsm_facts returns is what its documentation says, and bad input is one clear sentence."""

from __future__ import annotations

import dataclasses
import os

import pytest
import yaml

from ansible_collections.netlink.remediation.plugins.module_utils._lsm_facts import lsm_facts
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Domain, Profile, ProfileRule
from ansible_collections.netlink.remediation.plugins.modules import lsm_facts as module

NOTHING = {"pids": [], "units": [], "containers": [], "executables": []}
(DOCUMENTED,) = yaml.safe_load(module.RETURN)["ansible_facts"]["contains"].values()


def keys(*path):
    found = DOCUMENTED
    for name in path:
        found = found["contains"][name]
    return set(found["contains"])


def test_every_key_is_documented():
    found = lsm_facts({**NOTHING, "pids": [os.getpid()], "executables": ["/bin/sh", "/nothing"]})
    assert set(found) == keys()
    assert set(found["processes"][0]) == keys("processes")
    assert [set(item) for item in found["executables"]] == [keys("executables")] * 2
    assert {field.name for field in dataclasses.fields(Profile)} == keys("profiles")
    assert {field.name for field in dataclasses.fields(ProfileRule)} == keys("profiles", "rules")
    assert {field.name for field in dataclasses.fields(Domain)} == keys("domains")


def test_the_holders_of_netlink_sockets_are_read_by_default():
    import socket

    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as held:
        held.bind((0, 0))
        assert os.getpid() in [item["pid"] for item in lsm_facts(NOTHING)["processes"]]
    assert lsm_facts({**NOTHING, "executables": ["/bin/sh"]})["processes"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"executables": ["bin/ip"]}, "executables: 'bin/ip' is a relative path, expected an absolute one"),
        ({"pids": [-1]}, "pids: there is no process -1, expected the pid of one that runs"),
    ],
)
def test_bad_input_is_one_clear_sentence(options, message):
    with pytest.raises(ValueError) as caught:
        lsm_facts({**NOTHING, **options})
    assert str(caught.value) == message
