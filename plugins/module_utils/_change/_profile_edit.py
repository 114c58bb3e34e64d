# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of ours in the text of AppArmor policy: a marked section, and nothing else in the text is touched. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import normal_rules
from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_text import Block, Policy

BEGIN = "# BEGIN netlink.remediation: the Ansible module apparmor_rules reads and writes these lines"
END = "# END netlink.remediation"
HEAD = "# Written by the Ansible collection netlink.remediation (module apparmor_rules)."

# One line after the other, so that no text makes it look again at what it has passed.
_LINE = re.compile(r"[^\n]*\n?")
_SPACES = " \t\r\n"  # Those of apparmor.d(5).


@dataclass
class Section:
    """Our lines in a text. start, stop: with both marks and the last line's end. rules: of ours; others: lines that
    somebody else put between the marks."""

    start: int
    stop: int
    rules: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def section_of_block(policy: Policy, block: Block) -> Optional[Section]:
    """Our section in a profile itself, not in one that is nested in it."""
    end = _end(policy, block)
    nested = [(one.start, _end(policy, one)) for one in policy.blocks if block.body <= one.start and one.start < end]
    return _section(policy.text, block.body, end, nested)


def section_of_file(text: str) -> Optional[Section]:
    """Our section in a file of rules, such as those in local/."""
    return _section(text, 0, len(text), [])


def _end(policy: Policy, block: Block) -> int:
    return len(policy.text) if block.end is None else block.end


def _section(text: str, low: int, high: int, nested: Sequence[tuple[int, int]]) -> Optional[Section]:
    found: Optional[Section] = None
    line_start = text.rfind("\n", 0, low) + 1
    for line in _LINE.finditer(text, line_start, high):
        if not line[0]:
            break
        if line.start() < low or any(start <= line.start() < stop for start, stop in nested):
            continue
        words = line[0].strip(_SPACES)
        if words == BEGIN:  # One that lost its end counts for nothing.
            found = Section(line.start(), -1)
        elif found is not None and words == END:
            found.stop = line.end()
            return found
        elif found is not None:
            _take(found, words)
    return None


def _take(section: Section, line: str) -> None:
    try:
        rules = normal_rules(line) if line.endswith(",") else []
    except ValueError:
        rules = []
    section.rules += rules
    if line and not rules:
        section.others.append(line)


def set_in_block(policy: Policy, block: Block, rules: Sequence[str]) -> str:
    """The text with these rules, and no others, in our section of a profile; a new one comes last in its block."""
    text = policy.text
    section = section_of_block(policy, block)
    if section is not None:
        return _replaced(text, section, rules)
    if not rules or block.end is None:
        return text
    line = text.rfind("\n", 0, block.end) + 1
    indent = text[line : block.end]
    if indent.strip(" \t") or line <= block.start:  # The brace does not begin its line.
        header = text.rfind("\n", 0, block.start) + 1
        indent = re.match(r"[ \t]*", text[header:])[0]  # type: ignore[index]  # It matches the empty text too.
        return f"{text[: block.end]}\n{_render(rules, [], indent + '  ')}{indent}{text[block.end :]}"
    return text[:line] + _render(rules, [], indent + "  ") + text[line:]


def set_in_file(text: str, rules: Sequence[str]) -> str:
    """The text with these rules, and no others, in our section of a file of rules; a new one comes last."""
    section = section_of_file(text)
    if section is not None:
        return _replaced(text, section, rules)
    if not rules:
        return text
    return text + ("\n" if text and not text.endswith("\n") else "") + _render(rules, [], "")


def _replaced(text: str, section: Section, rules: Sequence[str]) -> str:
    indent = re.match(r"[ \t]*", text[section.start :])[0]  # type: ignore[index]  # It matches the empty text too.
    body = _render(rules, section.others, indent) if rules else "".join(f"{indent}{line}\n" for line in section.others)
    return text[: section.start] + body + text[section.stop :]


def _render(rules: Sequence[str], others: Sequence[str], indent: str) -> str:
    return "".join(f"{indent}{line}\n" for line in (BEGIN, *others, *rules, END))


def new_profile(name: str, file: str, executable: str, rules: Sequence[str], *, abi: bool) -> str:
    """A profile that confines nothing and has these rules. file: its name; abi: the host has abi/4.0."""
    lines = [
        HEAD,
        *(["abi <abi/4.0>,"] if abi else []),
        "include <tunables/global>",
        "",
        f'profile {name} "{executable}" flags=(unconfined) {{',
        _render(rules, [], "  ").rstrip("\n"),
        f"  include if exists <local/{file}>",
        "}",
        "",
    ]
    return "\n".join(lines)


def is_ours(text: str) -> bool:
    """Whether a whole file was written by new_profile()."""
    return text.startswith(f"{HEAD}\n")
