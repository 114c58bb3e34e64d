# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter verdicts: a diagnosis as lines of text."""

from __future__ import annotations

DOCUMENTATION = r"""
name: verdicts
short_description: One readable verdict a workload, as lines of text
version_added: "0.1.0"
author:
  - The netlink.remediation authors (@netlink-remediation)
description:
  - Writes a diagnosis as lines for a person. One line says who is refused, indented lines say why, what was seen,
    which remedy there is, and what to name or accept to have it applied.
  - Control characters are shown as escapes, since names of processes and log lines are written by anybody.
positional: _input
options:
  _input:
    description: The result of M(netlink.remediation.diagnosis_info).
    type: dict
    required: true
  plan:
    description: The plan of P(netlink.remediation.plan#filter). With it, the lines say what to name or accept.
    type: dict
  findings:
    description:
      - Findings to show instead of all, for example chosen with P(netlink.remediation.select#filter).
      - Workloads without any are then left out.
    type: list
    elements: dict
seealso:
  - plugin: netlink.remediation.plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say who is refused, and why
  ansible.builtin.debug:
    msg: "{{ diagnosis | netlink.remediation.verdicts }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
  sample:
    - "agent (executable /usr/local/bin/agent): REFUSED"
    - "  cause: missing_capability / not_root (proven)"
"""

from typing import Any, Callable, Optional

from ansible.errors import AnsibleFilterError

from ansible_collections.netlink.remediation.plugins.module_utils._found import Finding
from ansible_collections.netlink.remediation.plugins.plugin_utils._arguments import decode_findings, decode_plans
from ansible_collections.netlink.remediation.plugins.plugin_utils._plain import plain
from ansible_collections.netlink.remediation.plugins.plugin_utils._report import unseen_lines, verdict_lines

WHO = "netlink.remediation.verdicts"


def verdicts(diagnosis: Any, plan: Any = None, findings: Optional[Any] = None) -> list[str]:
    """A diagnosis as lines of text, see DOCUMENTATION."""
    diagnosis = plain(diagnosis)
    if not isinstance(diagnosis, dict) or "workloads" not in diagnosis or "findings" not in diagnosis:
        raise AnsibleFilterError(f"{WHO}: the input is {diagnosis!r:.80}, expected a result of diagnosis_info")
    shown = decode_findings(WHO, diagnosis["findings"]) if findings is None else _chosen(findings)
    made = decode_plans(WHO, [plan])[0] if plan else None
    lines = verdict_lines(diagnosis["workloads"], shown, made, only_found=findings is not None)
    return lines + unseen_lines(diagnosis.get("unseen") or [])


def _chosen(findings: Any) -> list[Finding]:
    try:
        return decode_findings(WHO, findings)
    except AnsibleFilterError as error:
        raise AnsibleFilterError(
            f"{error}; findings are chosen as they are, as the JMESPath expression [?cause=='sysctl'] does"
        ) from None


class FilterModule:
    """The filter verdicts."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names of the filters of this file."""
        return {"verdicts": verdicts}
