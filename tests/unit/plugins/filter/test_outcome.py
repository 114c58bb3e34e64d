# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter outcome: lines and reasons to fail."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.netlink.remediation.plugins.filter.outcome import outcome
from ansible_collections.netlink.remediation.plugins.filter.plan import plan
from ansible_collections.netlink.remediation.tests.unit.plugins.filter._samples import AGENT, diagnosis, finding


def done(role="netlink_capability", **result):
    return {"role": role, "workloads": ["agent"], "results": [{"changed": True, **result}]}


def receipt(*kinds, **more):
    changes = [{"kind": kind, "target": "x"} for kind in kinds or ["file"]]
    return {"id": "1", "run_id": "run-7", "module": "x.y.file_capabilities", "changes": changes, **more}


def test_outcome_gives_lines_and_reasons():
    found = diagnosis(finding())
    made = plan(found["findings"], "interpreter", AGENT)
    fixed = outcome(found, diagnosis(verdict="allowed"), AGENT, [made], [done(receipt={"id": "1", "path": "/x"})])
    assert (fixed["lines"], fixed["failures"]) == (["agent: FIXED, verified"], [])
    left = [receipt(id="1"), receipt(id="2", module="link_state")]
    refused = outcome(found, found, AGENT, [made], [done()], receipts=left)
    assert refused["revert"] == [{"id": "1", "targets": None}]
    assert refused["failures"] == ["agent is still refused: /opt/agent runs as 4242 without cap_net_admin"]


@pytest.mark.parametrize(
    ("receipts", "verdict", "said"),
    [
        ([receipt("file", "activation")], "allowed", True),
        ([receipt(), receipt(id="2")], "allowed", True),
        ([receipt("activation")], "allowed", False),
        ([receipt()], "refused", False),
        ([], "allowed", False),
    ],
    ids=["a file", "two receipts", "only a start", "what is reverted at once", "nothing"],
)
def test_outcome_says_once_how_to_take_back_what_is_left(receipts, verdict, said):
    found = diagnosis(finding())
    made = plan(found["findings"], "interpreter", AGENT)
    last = diagnosis(*([finding()] if verdict == "refused" else []), verdict=verdict)
    lines = outcome(found, last, AGENT, [made], [done()], receipts=receipts)["lines"]
    line = "to take this run back: playbook rollback_netlink with netlink_run_id: run-7"
    assert lines[1:] == ([line] if said else [])


def test_outcome_says_what_is_withheld():
    found = diagnosis(finding())
    made = plan(found["findings"], workloads=AGENT)
    refused = outcome(found, found, AGENT, [made])["failures"][0]
    assert "Its remedy has to be accepted with netlink_remediate_accept: [interpreter]" in refused


def test_outcome_says_what_has_to_be_started_anew():
    wanted = {"role": "netlink_unit", "variables": {"netlink_unit_units": [{"unit": "a.service", "grant": ["x"]}]}}
    found = diagnosis(finding(remedy=wanted), kind="unit", unit="a.service")
    agent = [{"name": "agent", "unit": "a.service"}]
    made = plan(found["findings"], workloads=agent)
    results = [done("netlink_unit", restart_required=[{"kind": "unit", "name": "a.service"}])]
    start = "takes effect with a new start: restart a.service, or accept that with netlink_remediate_accept: [restart]"
    for after, says in ((found, "PENDING"), (None, "would be mended (check mode, not verified)")):
        judged = outcome(found, after, agent, [made], results)
        assert (judged["lines"], judged["failures"]) == ([f"agent: {says}: it {start}"], [])
    later = plan(found["findings"], [], agent, done=[made], results=results)
    assert (later["pending"], later["roles"]) == (["agent"], {})


def test_outcome_reads_the_advice_of_a_module():
    wanted = {"role": "netlink_container", "variables": {"netlink_container_containers": [{"container": "web1"}]}}
    found = diagnosis(finding(remedy=wanted), kind="container", container="web1")
    agent = [{"name": "agent", "container": "web1"}]
    made = plan(found["findings"], workloads=agent)
    advice = [{"container": "web1", "text": "Patch the pod.", "commands": ["kubectl patch"]}]
    judged = outcome(found, None, agent, [made], [done("netlink_container", changed=False, advice=advice)])
    assert judged["lines"][0].startswith("agent: REFUSED: ") and judged["lines"][0].endswith("Patch the pod")


def test_outcome_reads_the_results_of_a_loop_and_of_a_skipped_task():
    found = diagnosis(finding(advice="Do it by hand.", remedy=None))
    loop = {"role": "x", "workloads": ["agent"], "results": [{"changed": True, "results": []}, {"changed": False}]}
    judged = outcome(found, diagnosis(verdict="allowed"), AGENT, [], [loop])
    assert judged["lines"] == ["agent: allowed by now, without a change of this run"]
    loop["results"][0]["results"] = [{"changed": True}]
    assert outcome(found, diagnosis(verdict="allowed"), AGENT, [], [loop])["lines"] == ["agent: FIXED, verified"]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (["netlink_unit"], "results holds 'netlink_unit', expected a dict with role, workloads and results"),
        ([{"role": "x", "workloads": [], "results": ["x"]}], "a result is 'x', expected what a module returned"),
        ({}, "results is {}, expected a list"),
    ],
)
def test_outcome_says_what_results_it_was_given(results, message):
    with pytest.raises(AnsibleFilterError, match=message):
        outcome(diagnosis(), None, AGENT, [], results)


def test_outcome_does_not_take_anything_else():
    with pytest.raises(AnsibleFilterError, match="expected a result of diagnosis_info"):
        outcome({"findings": []})
