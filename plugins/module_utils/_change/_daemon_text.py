# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the keys of a JSON object and keep the rest of its text byte for byte: order, blanks, spelling of numbers."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import parse_settings

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class Member(NamedTuple):
    """start: of the key; value: where the value begins; end: behind it."""

    key: str
    start: int
    value: int
    end: int


def merge_settings(text: Optional[str], wanted: Mapping[str, Any], path: str) -> Optional[str]:
    """The text of a file with these top-level keys replaced or added, and without those whose value is None.

    None for a file that is not there and stays so. Raises ChangeError for a text that dockerd would not understand.
    """
    try:
        found = parse_settings(text or "")
    except ValueError as exc:
        raise ChangeError(f"{path} is not understood ({exc}): mend it first") from None
    missing = [key for key, value in wanted.items() if value is None and key not in found]
    todo = {key: value for key, value in wanted.items() if key not in missing and not _same(found, key, value)}
    if not todo:
        return text
    result = text if text is not None and text.strip("\ufeff \t\r\n") else "{}\n"
    for key, value in todo.items():
        result = _without(result, key, path) if value is None else _with(result, key, value, path)
    expected = {**found, **{key: value for key, value in todo.items() if value is not None}}
    expected = {key: value for key, value in expected.items() if not (key in todo and todo[key] is None)}
    if json.dumps(parse_settings(result)) != json.dumps(expected):
        raise ChangeError(f"{path} cannot be changed without touching its other keys")  # Better than a broken file.
    return result


def _same(found: Mapping[str, Any], key: str, value: Any) -> bool:
    """1 and true are different here, other than in Python."""
    return value is not None and key in found and json.dumps(found[key]) == json.dumps(value)


def _members(text: str, path: str) -> tuple[int, list[Member]]:
    """(where the object begins, its members)."""
    opening = text.index("{")
    place = _skip(text, opening + 1)
    found: list[Member] = []
    while text[place] != "}":
        start = place
        key, place = _DECODER.raw_decode(text, place)
        value = _skip(text, _skip(text, place) + 1)  # Behind the colon.
        _value, place = _DECODER.raw_decode(text, value)
        found.append(Member(key, start, value, place))
        place = _skip(text, place)
        place = _skip(text, place + 1) if text[place] == "," else place
    twice = [key for key, count in Counter(member.key for member in found).items() if count > 1]
    if twice:
        raise ChangeError(f"{path} has the key {min(twice)} twice: mend it first")
    return opening, found


def _skip(text: str, place: int) -> int:
    match = _BLANK.match(text, place)
    return match.end() if match else place


def _with(text: str, key: str, value: Any, path: str) -> str:
    opening, members = _members(text, path)
    lead = text[opening + 1 : members[0].start] if members else "\n  "
    indent = lead.rpartition("\n")[2] if "\n" in lead else None
    for member in members:
        if member.key == key:
            return text[: member.value] + _written(value, indent) + text[member.end :]
    line = f"{json.dumps(key)}: {_written(value, indent)}"
    if not members:
        closing = text.index("}", opening)
        return f"{text[:opening]}{{{lead}{line}\n{text[closing:]}"
    end = members[-1].end
    return f"{text[:end]},{' ' if indent is None else lead}{line}{text[end:]}"


def _written(value: Any, indent: Optional[str]) -> str:
    """The value as JSON; below the indent of its line, if the object has a line for each key."""
    if indent is None:
        return json.dumps(value)
    return json.dumps(value, indent=indent or None).replace("\n", f"\n{indent}")


def _without(text: str, key: str, path: str) -> str:
    opening, members = _members(text, path)
    (index,) = [number for number, member in enumerate(members) if member.key == key]
    if index + 1 < len(members):
        return text[: members[index].start] + text[members[index + 1].start :]
    if index:
        return text[: members[index - 1].end] + text[members[index].end :]
    return text[: opening + 1] + text[_skip(text, members[index].end) :]
