# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._linux import FileCapability
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Executable, PersistedSysctl, Sysctl
from ansible_collections.netlink.remediation.plugins.module_utils._plain import from_plain, to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    Credentials,
    IdRange,
    Process,
    State,
    Thread,
    UserNamespace,
    Workload,
)


def test_a_state_survives_json():
    state = State(
        workloads=[Workload("w", "pid", pid=3)],
        processes={3: Process(3, 1, 0, "x", [Thread(3, "x", Credentials(groups=(1, 2), effective=1 << 40))])},
        user_namespaces={7: UserNamespace(7, uid_map=[IdRange(0, 1000, 1)], limits={"max_net_namespaces": 0})},
        executables={"/x": Executable("/x", capability=FileCapability(1, 2, True))},
        sysctls=[Sysctl("net/ipv4/ip_forward", persisted=[PersistedSysctl("1", "/etc/sysctl.conf", 3)])],
    )
    assert from_plain(State, json.loads(json.dumps(to_plain(state)))) == state


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([], r"State: expected dict, got \[\]"),
        ({"nothing": 1}, "nothing: unknown key of State"),
        ({"workloads": [{"name": "w"}]}, r"workloads\[0\].kind: missing in Workload"),
        ({"workloads": [{"name": "w", "kind": "pid", "pid": "3"}]}, r"workloads\[0\].pid: expected int, got '3'"),
        ({"workloads": [{"name": "w", "kind": "pid", "pid": True}]}, "expected int, got True"),
        ({"processes": {"x": {}}}, "processes: expected keys of type int, got 'x'"),
        ({"unseen": {}}, "unseen: expected list"),
        ({"processes": []}, "processes: expected dict"),
    ],
)
def test_a_broken_snapshot_is_refused_with_the_place(data, sentence):
    with pytest.raises(ValueError, match=sentence):
        from_plain(State, data)
