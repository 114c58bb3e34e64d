# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""diagnosis_info as a whole: bad input, snapshots, discovery, partial views, names instead of pids."""

from __future__ import annotations

import json
from typing import Any

import pytest
from minihost import MiniHost
from situations import ROOTLESS, USER


@pytest.fixture(scope="module")
def host() -> Any:
    with MiniHost() as built:
        built.sh("echo '{\"schema\": 7}' > /srv/old.json; echo '{' > /srv/broken.json; touch /srv/file")
        yield built


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"workloads": [{"name": "w", "pid": 4194303}]}, "workloads[0].pid: there is no process 4194303"),
        ({"workloads": [{"name": "w", "pid": 1, "unit": "x"}]}, "pid and unit given, expected exactly one of"),
        ({"workloads": [{"name": "w"}]}, "none of them given, expected exactly one of"),
        ({"workloads": [{"name": "w", "executable": "/srv/none"}]}, "executable: /srv/none does not exist"),
        ({"workloads": [{"name": "w", "executable": "/srv/file", "user": "no-one"}]}, "user: 'no-one' is no user"),
        ({"workloads": [{"name": "w", "pid": 1, "netns": "/srv/file"}]}, "netns: /srv/file is no network namespace"),
        (
            {"workloads": [{"name": "w", "pid": 1, "netns": "/run/netns/x"}]},
            "netns: /run/netns/x is no network namespace",
        ),
        ({"workloads": [{"name": "w", "pid": 1, "operations": ["fly"]}]}, "operations"),
        ({"workloads": [{"name": "w", "pid": 1, "address": "::1"}]}, "address: '::1' is no address with prefix length"),
        ({"snapshot": {"schema": 1, "colour": "red"}}, "snapshot: colour: unknown key of State"),
        ({"snapshot": {}}, "snapshot: schema is None, expected a snapshot of schema 1"),
        ({"snapshot_file": "/srv/old.json"}, "snapshot_file /srv/old.json: schema is 7"),
        ({"snapshot_file": "/srv/broken.json"}, "snapshot_file: /srv/broken.json is no JSON"),
        ({"snapshot_file": "/srv/none.json"}, "snapshot_file: /srv/none.json cannot be read"),
        ({"snapshot": {}, "snapshot_file": "/srv/old.json"}, "mutually exclusive"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_bad_input_gets_one_clear_sentence(host: MiniHost, options: dict[str, Any], sentence: str, check: bool) -> None:
    result = host.module("diagnosis_info", check=check, **options)
    assert result.get("failed") and not result.get("crashed"), result
    assert sentence in result["msg"]
    assert "\n" not in result["msg"]


def test_a_snapshot_is_judged_as_the_host_was_and_touches_nothing(host: MiniHost) -> None:
    agent = host.agent(*ROOTLESS)
    live = host.diagnose({"pid": agent.pid}, include_snapshot=True)
    agent.stop()
    saved = json.loads(json.dumps(live["snapshot"]))
    again = host.module("diagnosis_info", snapshot=saved)
    assert (again["workloads"], again["findings"]) == (live["workloads"], live["findings"])
    assert again["findings"][0]["reason"] == "rootless_host_network"
    assert "snapshot" not in again


def test_a_snapshot_with_a_value_that_no_host_gives_is_one_sentence(host: MiniHost) -> None:
    workload = {"pid": 1, "operations": ["address"], "interface": "lo", "address": "192.0.2.1/24"}
    saved = host.diagnose(workload, include_snapshot=True)["snapshot"]
    saved["workloads"][0]["address"] = "nonsense"
    result = host.module("diagnosis_info", snapshot=saved)
    assert result["failed"] and not result.get("crashed") and result["msg"].startswith("snapshot: 'nonsense'"), result


def test_a_snapshot_in_a_file_is_the_same(host: MiniHost) -> None:
    live = host.diagnose({"pid": 1}, include_snapshot=True)
    host.sh('printf %s "$1" > /srv/saved.json', json.dumps(live["snapshot"]))
    assert host.module("diagnosis_info", snapshot_file="/srv/saved.json")["workloads"] == live["workloads"]


def test_discovery_names_holders_that_would_be_refused_as_possible_and_leaves_out_those_that_may(
    host: MiniHost,
) -> None:
    refused, allowed, without = host.agent(*USER), host.agent(), host.agent(*USER)
    for agent in (refused, allowed):
        assert agent.do("open") == "ok"
    result = host.module("diagnosis_info")
    found = {item["pid"]: item for item in result["workloads"]}
    assert found[refused.pid]["discovered"] and found[refused.pid]["verdict"] == "refused"
    assert allowed.pid not in found and without.pid not in found
    certainties = {item["certainty"] for item in result["findings"] if item["workload"] == found[refused.pid]["name"]}
    assert certainties == {"possible"}


def test_named_workloads_are_judged_without_discovery_unless_it_is_asked_for(host: MiniHost) -> None:
    agent = host.agent(*USER)
    agent.do("open")
    assert [item["name"] for item in host.diagnose({"pid": 1})["workloads"]] == ["w"]
    both = host.diagnose({"pid": 1}, discover=True)["workloads"]
    assert both[0]["name"] == "w" and agent.pid in [item["pid"] for item in both[1:]]


def test_without_probes_nothing_is_proven_and_nothing_allowed(host: MiniHost) -> None:
    agent = host.agent(*USER)
    result = host.diagnose({"pid": agent.pid}, probe=False)
    assert result["workloads"][0]["probes"] == []
    assert (result["workloads"][0]["verdict"], result["findings"][0]["certainty"]) == ("refused", "likely")
    assert host.diagnose({"pid": 1}, probe=False)["workloads"][0]["verdict"] == "unknown"


def test_a_unit_that_does_not_run_is_unknown_and_said(host: MiniHost) -> None:
    verdict = host.diagnose({"unit": "no-such.service"})["workloads"][0]
    assert verdict["verdict"] == "unknown"
    assert verdict["unresolved"] == "there is no unit no-such.service on this host"


def test_many_workloads_are_judged_in_one_call_each_by_its_own(host: MiniHost) -> None:
    good, bad = host.agent(), host.agent(*USER)
    result = host.module(
        "diagnosis_info", workloads=[{"name": "good", "pid": good.pid}, {"name": "bad", "pid": bad.pid}]
    )
    assert [(item["name"], item["verdict"]) for item in result["workloads"]] == [
        ("good", "allowed"),
        ("bad", "refused"),
    ]
    assert {item["workload"] for item in result["findings"]} == {"bad"}


def test_the_returned_keys_are_those_of_the_documentation(host: MiniHost) -> None:
    import yaml

    from ansible_collections.netlink.remediation.plugins.modules import diagnosis_info

    documented = yaml.safe_load(diagnosis_info.RETURN)
    result = host.diagnose({"pid": host.agent(*USER).pid}, include_snapshot=True)
    assert set(result["workloads"][0]) == set(documented["workloads"]["contains"])
    probe = documented["workloads"]["contains"]["probes"]["contains"]
    assert set(result["workloads"][0]["probes"][0]) == set(probe)
    finding = documented["findings"]["contains"]
    assert set(result["findings"][0]) == set(finding)
    assert set(result["findings"][0]["evidence"][0]) == set(finding["evidence"]["contains"])
    assert set(documented) <= set(result)
