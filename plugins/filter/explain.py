# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter explain: what an error message of a program that uses netlink means."""

from __future__ import annotations

DOCUMENTATION = r"""
name: explain
short_description: Explain an error message of a program that uses netlink
version_added: "0.1.0"
author:
  - The netlink.remediation authors (@netlink-remediation)
description:
  - Says which layer of the kernel spoke, which causes the words can and cannot mean, and what to look at next.
  - The same as M(netlink.remediation.explain_info), for a text that is at hand already.
positional: _input
options:
  _input:
    description: The error text as the program printed or logged it. It may not be empty.
    type: str
    required: true
  errno:
    description: The error as name (V(EPERM)) or number (V(1)), where it is known better than from the text.
    type: raw
  extack:
    description: The text that the kernel sent with its answer, where it is known.
    type: str
seealso:
  - module: netlink.remediation.explain_info
"""

EXAMPLES = r"""
- name: Say what went wrong, in one sentence
  ansible.builtin.debug:
    msg: "{{ (result.stderr | netlink.remediation.explain).summary }}"

- name: The same with what strace has shown
  ansible.builtin.debug:
    msg: "{{ result.stderr | netlink.remediation.explain(errno='EPERM') }}"
"""

RETURN = r"""
_value:
  description:
    - A dictionary with the keys C(layer), C(layers), C(errno), C(operation), C(program), C(can_mean), C(rules_out),
      C(next) and C(summary), as M(netlink.remediation.explain_info) returns them.
  type: dict
"""

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._explain import explain as explain_text
from ansible_collections.netlink.remediation.plugins.plugin_utils._plain import plain


def explain(message: Any, errno: Any = None, extack: Any = None) -> dict[str, Any]:
    """Explain an error message, see DOCUMENTATION."""
    try:
        return explain_text(plain(message), plain(errno), plain(extack))
    except ValueError as error:
        raise AnsibleFilterError(f"netlink.remediation.explain: {error}") from error


class FilterModule:
    """The filter explain."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names of the filters of this file."""
        return {"explain": explain}
