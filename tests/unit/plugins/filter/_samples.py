# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A finding and a diagnosis, as diagnosis_info returns them."""

from __future__ import annotations

FILE = {"path": "/opt/agent", "capabilities": "cap_net_admin+ep", "state": "present"}


def finding(**more):
    return {
        "workload": "agent",
        "cause": "missing_capability",
        "reason": "not_root",
        "certainty": "proven",
        "gate": "ack",
        "policy_owner": "host",
        "summary": "/opt/agent runs as 4242 without cap_net_admin.",
        "effect": "refuses",
        "capability": "cap_net_admin",
        "evidence": [{"source": "probe", "text": "EPERM"}],
        "also": ["link_state"],
        "remedy": {
            "role": "netlink_capability",
            "variables": {"netlink_capability_files": [FILE]},
            "adds": ["every user who may execute /opt/agent gains cap_net_admin"],
            "disrupts": [],
            "consent": ["interpreter"],
        },
        "advice": "",
        **more,
    }


def diagnosis(*findings, verdict="refused", **workload):
    entry = {"name": "agent", "kind": "executable", "executable": "/opt/agent", "pid": None, "verdict": verdict}
    return {"workloads": [{**entry, **workload}], "findings": list(findings), "unseen": []}


AGENT = [{"name": "agent", "executable": "/opt/agent", "user": "4242"}]
