# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter plan: from findings to one dictionary of variables per role."""

from __future__ import annotations

DOCUMENTATION = r"""
name: plan
short_description: Merge the remedies of findings into one dictionary of variables per role
version_added: "0.1.0"
author:
  - The netlink.remediation authors (@netlink-remediation)
description:
  - Decides which remedies of a diagnosis are applied, and merges them into the variables of one call per role.
  - A remedy is applied only for a workload that the user named, never for one that was merely discovered, since
    anybody on a host can run a program that fails.
  - A remedy that needs consent is withheld until its words are in O(accept).
  - A remedy that adds privilege is withheld while another cause of the same workload keeps refusing it, since the
    privilege would not help.
  - Files are merged by path, units and containers by name (their capabilities add up), sysctls by key, links by name
    and network namespace (their addresses and routes add up). Workloads that want different values of the same thing
    are an error that names both.
  - For a workload that only waits for a new start nothing but that start is planned.
  - Reads nothing but its arguments.
positional: _input
options:
  _input:
    description: The V(findings) that M(netlink.remediation.diagnosis_info) returns.
    type: list
    elements: dict
    required: true
  accept:
    description: What the user consents to, see O(netlink.remediation.file_capabilities#module:accept).
    type: list
    elements: str
    default: []
  workloads:
    description:
      - The workloads that the user named, as in O(netlink.remediation.diagnosis_info#module:workloads), or their names.
    type: list
    elements: raw
    default: []
  settings:
    description: Sysctl settings (key to value) to apply on top, whatever was found.
    type: dict
    default: {}
  links:
    description: Links to bring into a state on top, as in O(netlink.remediation.link_state#module:links).
    type: list
    elements: dict
    default: []
  done:
    description: Plans of earlier rounds on the same host. What they applied is not planned again.
    type: list
    elements: dict
    default: []
  results:
    description: What the roles did in earlier rounds, see P(netlink.remediation.outcome#filter).
    type: list
    elements: dict
    default: []
seealso:
  - plugin: netlink.remediation.outcome
    plugin_type: filter
  - module: netlink.remediation.diagnosis_info
"""

EXAMPLES = r"""
- name: Diagnose
  netlink.remediation.diagnosis_info:
    workloads: "{{ my_workloads }}"
  register: diagnosis

- name: Set the file capabilities of the plan
  ansible.builtin.include_role:
    name: netlink.remediation.netlink_capability
  vars:
    plan: "{{ diagnosis.findings | netlink.remediation.plan(workloads=my_workloads) }}"
    netlink_capability_files: "{{ plan.roles.netlink_capability.variables.netlink_capability_files }}"
  when: "'netlink_capability' in plan.roles"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    roles:
      description:
        - Role to what it is called with. Holds only the roles that have something to do.
        - Each has C(variables) (dict), C(accept) (list of words) and C(workloads) (names of those it serves).
      type: dict
      sample:
        netlink_capability:
          variables:
            netlink_capability_files:
              - path: /usr/local/bin/agent
                capabilities: cap_net_admin+ep
                state: present
          accept: []
          workloads: [agent]
    remedies:
      description:
        - The remedies that are applied. Each has C(workload), C(cause), C(reason), C(role), C(variables), C(summary),
          C(adds) and C(disrupts).
      type: list
      elements: dict
    withheld:
      description:
        - The remedies that are not applied. Each has C(workload), C(cause), C(reason), C(role), C(why) (a sentence) and
          C(missing), the words of O(accept) that are missing, and V(name the workload) where that is what is missing.
      type: list
      elements: dict
    advice:
      description: What no role can mend. Each has C(workload), C(cause), C(reason) and C(text).
      type: list
      elements: dict
    pending:
      description: Workloads for which all is done but a new start.
      type: list
      elements: str
    again:
      description:
        - The dictionaries in O(workloads), to be diagnosed again when the plan was applied. A process whose unit or
          container may be started anew is named by that instead of by its C(pid).
      type: list
      elements: dict
"""

from typing import Any, Callable, Optional

from ansible.errors import AnsibleFilterError

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._plan import (
    Item,
    PlanError,
    make_plan,
    name_again,
)
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain
from ansible_collections.netlink.remediation.plugins.plugin_utils._arguments import (
    decode_calls,
    decode_findings,
    decode_named,
    decode_plans,
    decode_words,
)
from ansible_collections.netlink.remediation.plugins.plugin_utils._plain import plain

WHO = "netlink.remediation.plan"


def plan(
    findings: Any,
    accept: Any = (),
    workloads: Any = (),
    settings: Optional[dict[str, Any]] = None,
    links: Any = (),
    done: Any = (),
    results: Any = (),
) -> dict[str, Any]:
    """The plan for the findings of one host as a plain dict, see DOCUMENTATION."""
    extra = []
    if settings:
        extra.append(
            _wanted("netlink_remediate_sysctl", "netlink_sysctl", {"netlink_sysctl_settings": plain(settings)})
        )
    if links:
        extra.append(_wanted("netlink_remediate_links", "netlink_link", {"netlink_link_links": plain(links)}))
    words = decode_words(WHO, "accept", accept)
    named = decode_named(WHO, workloads)
    earlier = [item for other in decode_plans(WHO, done) for item in other.remedies]
    try:
        made = make_plan(decode_findings(WHO, findings), words, named, extra, earlier, decode_calls(WHO, results))
    except PlanError as error:
        raise AnsibleFilterError(f"{WHO}: {error}") from None
    entries = [entry for entry in plain(workloads) or [] if isinstance(entry, dict)]
    made.again = name_again(entries, [*earlier, *made.remedies], words)
    result: dict[str, Any] = to_plain(made)
    return result


def _wanted(variable: str, role: str, variables: dict[str, Any]) -> Item:
    return Item(variable, "wanted", "by_variable", role, variables)


class FilterModule:
    """The filter plan."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names of the filters of this file."""
        return {"plan": plan}
