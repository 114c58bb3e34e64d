# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter verdicts: lines for a person, safe for a terminal."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.netlink.remediation.plugins.filter.outcome import outcome
from ansible_collections.netlink.remediation.plugins.filter.plan import plan
from ansible_collections.netlink.remediation.plugins.filter.verdicts import verdicts
from ansible_collections.netlink.remediation.tests.unit.plugins.filter._samples import AGENT, diagnosis, finding


def test_verdicts_say_what_to_accept():
    found = diagnosis(finding())
    lines = verdicts(found, plan(found["findings"], workloads=AGENT))
    assert lines[0] == "agent (executable /opt/agent): REFUSED"
    assert "  cause: missing_capability / not_root (proven; also: link_state)" in lines
    assert "  to have it mended, accept: netlink_remediate_accept: [interpreter]" in lines
    assert not [line for line in lines if "name it" in line]


def test_verdicts_say_how_to_name_a_discovered_workload():
    found = diagnosis(finding(), kind="pid", pid=77)
    lines = verdicts(found, plan(found["findings"]))
    assert "  to have it mended, name it: netlink_remediate_workloads: [{name: agent, pid: 77}]" in lines


@pytest.mark.parametrize(
    ("role", "named"),
    [
        ("netlink_capability", "pid: 77"),
        ("netlink_unit", "unit: a.service"),
        ("netlink_container", "container: web1"),
        ("netlink_userns", "container: web1"),
    ],
)
def test_verdicts_name_what_is_started_anew_by_what_stays_the_same(role, named):
    remedy = {"role": role, "variables": {}, "consent": []}
    found = diagnosis(finding(remedy=remedy), kind="pid", pid=77, unit="a.service", container="web1")
    lines = verdicts(found, plan(found["findings"]))
    assert f"  to have it mended, name it: netlink_remediate_workloads: [{{name: agent, {named}}}]" in lines


def test_verdicts_show_refused_workloads_first_and_what_was_not_seen():
    found = diagnosis(finding(workload="other"), verdict="allowed")
    found["workloads"].append({"name": "other", "kind": "pid", "pid": 5, "verdict": "refused"})
    found["unseen"] = [{"source": f"/proc/{pid}", "reason": "EACCES"} for pid in range(7)]
    lines = verdicts(found)
    assert [line for line in lines if line.endswith(("REFUSED", "ALLOWED"))] == [
        "other (pid 5): REFUSED",
        "agent (executable /opt/agent): ALLOWED",
    ]
    assert lines[-1] == "not seen: 2 more"


def test_verdicts_of_a_selection_leave_out_the_rest():
    found = diagnosis(finding())
    found["workloads"].append({"name": "quiet", "kind": "pid", "pid": 5, "verdict": "allowed"})
    assert not [line for line in verdicts(found, findings=[finding()]) if "quiet" in line]
    assert verdicts(found, findings=[]) == ["no workload has a finding that is selected"]


def test_a_selection_that_leaves_no_whole_findings_is_one_sentence():
    with pytest.raises(AnsibleFilterError, match=r"w: unknown key .* findings are chosen as they are, as .* does$"):
        verdicts(diagnosis(finding()), findings=[{"w": "agent"}])


def test_verdicts_of_a_selection_still_name_what_could_not_be_looked_at():
    found = diagnosis(finding())
    text = "there is no unit moon.service on this host"
    lost = {"name": "moon", "kind": "unit", "unit": "moon", "verdict": "unknown", "unresolved": text}
    found["workloads"].append(lost)
    assert verdicts(found, findings=[]) == ["moon (unit moon): UNKNOWN", f"  not asked: {text}"]


@pytest.mark.parametrize(
    "workload",
    [
        {"unresolved": "no process of unit x.service is running", "probes": []},
        {"probes": [{"answer": "unknown", "detail": "no process of unit x.service is running"}]},
    ],
)
def test_what_is_unknown_is_said_with_the_reason(workload):
    found = diagnosis(verdict="unknown", **workload)
    lines = verdicts(found)
    assert lines == [
        "agent (executable /opt/agent): UNKNOWN",
        "  not asked: no process of unit x.service is running",
    ]
    assert outcome(found, found, AGENT)["lines"] == ["agent: UNKNOWN: no process of unit x.service is running"]


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\nb", "a\u202eb", "a\rb", "a\x9bb"])
def test_verdicts_never_carry_control_characters(text):
    found = diagnosis(finding(evidence=[{"source": "comm", "text": text}], summary=text))
    assert all(line.isprintable() for line in verdicts(found))


def test_verdicts_keep_lines_short():
    assert max(len(line) for line in verdicts(diagnosis(finding(summary="x" * 10000)))) <= 400


def test_verdicts_do_not_take_anything_else():
    with pytest.raises(AnsibleFilterError, match="expected a result of diagnosis_info"):
        verdicts([])
