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


def test_outcome_gives_lines_and_reasons():
    found = diagnosis(finding())
    made = plan(found["findings"], "interpreter", AGENT)
    fixed = outcome(found, diagnosis(verdict="allowed"), AGENT, [made], ["netlink_capability"])
    assert (fixed["lines"], fixed["failures"]) == (["agent: FIXED, verified"], [])
    left = [{"id": "1", "module": "file_capabilities"}, {"id": "2", "module": "link_state"}]
    refused = outcome(found, found, AGENT, [made], ["netlink_capability"], receipts=left)
    assert refused["revert"] == [{"id": "1", "targets": None}]
    assert refused["failures"] == ["agent is still refused: /opt/agent runs as 4242 without cap_net_admin"]


def test_outcome_says_what_is_withheld():
    found = diagnosis(finding())
    made = plan(found["findings"], workloads=AGENT)
    refused = outcome(found, found, AGENT, [made])["failures"][0]
    assert "Its remedy has to be accepted with netlink_remediate_accept: [interpreter]" in refused


def test_outcome_does_not_take_anything_else():
    with pytest.raises(AnsibleFilterError, match="expected a result of diagnosis_info"):
        outcome({"findings": []})
