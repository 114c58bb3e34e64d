# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter outcome: what became of the workloads between two diagnoses."""

from __future__ import annotations

DOCUMENTATION = r"""
name: outcome
short_description: Compare the diagnoses before and after remedies were applied
version_added: "0.1.0"
author:
  - The netlink.remediation authors (@netlink-remediation)
description:
  - Says for each workload whether it is mended, pending or still refused, which changes did not help any workload that
    they were made for and are to be reverted, and why the host fails.
  - What takes effect only with a new start is V(pending) until then, for example a unit whose restart was not accepted,
    or a running process that got a file capability. That neither fails the host nor reverts anything.
  - Nothing counts as mended that no role has changed.
  - Only workloads that the user named can fail a host.
positional: _input
options:
  _input:
    description: The result of M(netlink.remediation.diagnosis_info) before anything was applied.
    type: dict
    required: true
  after:
    description: The result of the last diagnosis. Leave it out in check mode, where nothing can be verified.
    type: dict
  workloads:
    description:
      - The workloads that the user named, as in O(netlink.remediation.diagnosis_info#module:workloads), or their names.
    type: list
    elements: raw
    default: []
  plans:
    description: The plans of P(netlink.remediation.plan#filter), one for each round.
    type: list
    elements: dict
    default: []
  results:
    description:
      - What the roles that ran to their end did. Each has C(role), C(workloads) (names of those it was called for) and
        C(results), what its modules returned.
    type: list
    elements: dict
    default: []
  receipts:
    description: The receipts that the run left on the host, from M(netlink.remediation.receipt_info).
    type: list
    elements: dict
    default: []
  errors:
    description: Sentences that say what stopped a role.
    type: list
    elements: str
    default: []
seealso:
  - plugin: netlink.remediation.plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say what became of the workloads
  ansible.builtin.debug:
    msg: "{{ outcome.lines }}"
  vars:
    outcome: "{{ before | netlink.remediation.outcome(after, my_workloads, [plan], [sysctls]) }}"
    sysctls:
      role: netlink_sysctl
      workloads: "{{ plan.roles.netlink_sysctl.workloads }}"
      results: ["{{ result_of_sysctl_settings }}"]
"""

RETURN = r"""
_value:
  description: The outcome.
  type: dict
  contains:
    results:
      description:
        - Each has C(workload), C(before) and C(after) (verdicts, C(after) is null where nothing was verified), C(why)
          (a sentence, may be empty) and C(state).
        - C(state) is V(allowed) (without a change), V(fixed), V(preview) (check mode), V(pending), V(partial) (a role
          was left out), V(unknown), V(refused), or V(reported) for a workload that the user did not name.
      type: list
      elements: dict
    revert:
      description:
        - What is to be reverted, since all workloads that it was made for are still refused. Newest first.
        - Each has C(id), the id of a receipt, and C(targets), the targets in it, or null for all of it.
      type: list
      elements: dict
    failures:
      description: Why the host fails, one sentence each. Empty if it does not.
      type: list
      elements: str
    lines:
      description:
        - The results as text, one line for each workload that the user named, and one on how to take back what the run
          leaves on the host.
      type: list
      elements: str
"""

from typing import Any, Callable, Optional

from ansible.errors import AnsibleFilterError

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._outcome import judge_outcome
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.plugins.plugin_utils._arguments import (
    decode_calls,
    decode_findings,
    decode_named,
    decode_plans,
)
from ansible_collections.netlink.remediation.plugins.plugin_utils._plain import plain
from ansible_collections.netlink.remediation.plugins.plugin_utils._report import (
    clean,
    describe_unknown,
    outcome_lines,
    rollback_lines,
)

WHO = "netlink.remediation.outcome"


def outcome(
    before: Any,
    after: Optional[Any] = None,
    workloads: Any = (),
    plans: Any = (),
    results: Any = (),
    errors: Any = (),
    receipts: Any = (),
) -> dict[str, Any]:
    """What became of the workloads, as a plain dict, see DOCUMENTATION."""
    first, last = plain(before), plain(after)
    judged = judge_outcome(
        _verdicts(first),
        None if last is None else _verdicts(last),
        decode_findings(WHO, (last or first)["findings"]),
        decode_named(WHO, workloads),
        decode_plans(WHO, plans),
        decode_calls(WHO, results),
        [clean(error) for error in plain(errors)],
        plain(receipts),
    )
    unknown = {workload["name"]: describe_unknown(workload) for workload in (last or first)["workloads"]}
    for item in judged.results:
        if item.state == "unknown":
            item.why = item.why or unknown.get(item.workload, "")
    result: dict[str, Any] = to_plain(judged)
    lines = outcome_lines(judged) + rollback_lines(plain(receipts), judged)
    return {**result, "lines": lines, "failures": [clean(text) for text in judged.failures]}


def _verdicts(diagnosis: Any) -> dict[str, str]:
    if not isinstance(diagnosis, dict) or "workloads" not in diagnosis or "findings" not in diagnosis:
        raise AnsibleFilterError(f"{WHO}: a diagnosis is {diagnosis!r:.80}, expected a result of diagnosis_info")
    return {workload["name"]: workload["verdict"] for workload in diagnosis["workloads"]}


class FilterModule:
    """The filter outcome."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names of the filters of this file."""
        return {"outcome": outcome}
