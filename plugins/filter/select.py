# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter select: JMESPath over findings or any other data."""

from __future__ import annotations

DOCUMENTATION = r"""
name: select
short_description: Select from findings with a JMESPath expression
version_added: "0.1.0"
author:
  - The netlink.remediation authors (@netlink-remediation)
description:
  - Evaluates a JMESPath expression over findings, or over any other data.
  - Values are converted to plain types first. ansible-core 2.19 and later tag values, and JMESPath takes a tagged
    value for one of unknown type, so that comparisons and functions fail or silently select nothing.
requirements:
  - jmespath on the controller
positional: _input, expression
options:
  _input:
    description: What to select from, usually the V(findings) of M(netlink.remediation.diagnosis_info).
    type: raw
    required: true
  expression:
    description: The JMESPath expression, see U(https://jmespath.org/specification.html).
    type: str
    required: true
seealso:
  - module: netlink.remediation.diagnosis_info
"""

EXAMPLES = r"""
- name: Show the causes that are a sysctl
  ansible.builtin.debug:
    msg: "{{ diagnosis.findings | netlink.remediation.select(\"[?cause=='sysctl'].summary\") }}"
"""

RETURN = r"""
_value:
  description: What the expression selects, V(none) if nothing.
  type: raw
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.netlink.remediation.plugins.plugin_utils._plain import plain

try:
    import jmespath
except ImportError:
    jmespath = None

WHO = "netlink.remediation.select"


def select(data: Any, expression: Any) -> Any:
    """What a JMESPath expression selects from data, see DOCUMENTATION."""
    if jmespath is None:
        raise AnsibleFilterError(f"{WHO}: the Python library jmespath is missing on the controller, install it there")
    expression = plain(expression)
    if not isinstance(expression, str):
        raise AnsibleFilterError(f"{WHO}: the expression is {expression!r:.80}, expected a JMESPath text")
    try:
        return jmespath.search(expression, plain(data))
    except jmespath.exceptions.JMESPathError as error:
        reason = " ".join(str(error).split())
        raise AnsibleFilterError(f"{WHO}: the JMESPath expression {expression!r} is not valid: {reason}") from None


class FilterModule:
    """The filter select."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names of the filters of this file."""
        return {"select": select}
