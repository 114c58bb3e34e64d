# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An error message out of a log or ticket: which layer spoke, what it can and cannot mean, what to look at next.

Pure: text in, plain dict out. The text is hostile (anybody can write a log line): it is cut, stripped of what cannot be
printed, matched by linear patterns only, and never repeated beyond a short prefix.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Optional, Union

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._meanings import (
    EXTACK_ALSO,
    EXTACK_EXCLUDES,
    EXTACK_NEXT,
    EXTACK_UNKNOWN,
    Exclusion,
    Meaning,
    rule_for,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._recognise import (
    ERRNO_NAMES,
    ERRNO_NUMBERS,
    clean,
    errno_of,
    find_wording,
    known_extack,
    layers_of,
    operation_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._wordings import (
    ERROR_TEXTS,
    HINTS,
    SUBJECTS,
    Extack,
)

ECHO_LIMIT = 80  # characters of foreign text that an answer may repeat


@dataclass(frozen=True)
class _Answer:
    layers: tuple[str, ...]
    summary: str
    can_mean: tuple[Meaning, ...]
    rules_out: tuple[Exclusion, ...]
    next: tuple[str, ...]

    def to_plain(self, text: str) -> dict[str, Any]:
        """As plain lists, the causes that the words of the text point to first; what is possible is never ruled out."""
        hinted = {cause for cause, pattern in HINTS if pattern.search(text)}
        can_mean = sorted(self.can_mean, key=lambda row: row.cause not in hinted)
        possible = {row.cause for row in can_mean}
        return {
            "can_mean": [{"cause": row.cause, "reasons": list(row.reasons), "why": row.why} for row in can_mean],
            "rules_out": [{"cause": row.cause, "why": row.why} for row in self.rules_out if row.cause not in possible],
            "next": list(self.next),
            "summary": self.summary,
        }


_QUOTED_EXTACK = re.compile(
    r"extack='([^'\n]{1,300})'"
    r"|NetlinkError:? ?\(-?\d{1,4}, '([^'\n]{1,300})'\)"
    r"|failure \d{1,4} \([^()\n-]{1,60} - ([^()\n]{1,300})\)"
)


def explain(message: str, error: Union[str, int, None] = None, extack: Optional[str] = None) -> dict[str, Any]:
    """Explain an error message.

    message: text as printed or logged, of any length. error: name ("EPERM") or number of the errno, when it is known
    better than the message says it (from strace). extack: the kernel's own text, when it is known.
    Returns a dict with layer, layers, errno, operation, program, can_mean, rules_out, next and summary, as explain_info
    documents them. Raises ValueError with one sentence for an empty message or an unknown errno.
    """
    given = _given_errno(error)
    text = clean(message, "message")
    if not text.strip():
        raise ValueError("message is empty: give the error text as the program printed it")
    kernel_text = clean(extack, "extack").strip() if extack is not None else ""
    kernel_text = "" if _is_error_text(kernel_text) else kernel_text
    kernel_text = kernel_text or _find_extack(text)
    wording, start = find_wording(text)
    subject = wording.subject if wording else "unknown"
    known = known_extack(kernel_text or text)
    if not kernel_text and not (subject == "unknown" or "ack" in SUBJECTS[subject]):
        known = None
    found = given or errno_of(wording, text, start) or (known.errno if known else None)
    answer = _state_answer(known, kernel_text) if known or kernel_text else _rule_answer(subject, found)
    return {
        "layer": answer.layers[0],
        "layers": [layer for layer in answer.layers if layer != "unknown"],
        "errno": found,
        "operation": operation_of(text, wording, known),
        "program": wording.program if wording else None,
        **answer.to_plain(text),
    }


def _given_errno(value: Union[str, int, None]) -> Optional[str]:
    """Name of an errno given as name or number; ValueError with one sentence for one that Linux does not have."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"errno: expected a name or a number, got {type(value).__name__}")
    text = str(value)[:ECHO_LIMIT].strip()
    name = text.upper().lstrip("-")
    if re.fullmatch(r"[0-9]{1,4}", name):
        name = ERRNO_NAMES.get(int(name), "")
    if name not in ERRNO_NUMBERS:
        raise ValueError(
            f"errno {_printable(text)!r} is unknown: expected a name such as EPERM or its number such as 1"
        )
    return ERRNO_NAMES[ERRNO_NUMBERS[name]]


def _printable(text: str) -> str:
    """A short prefix of foreign text that is safe to repeat."""
    safe = "".join(char if char.isprintable() else " " for char in text[: ECHO_LIMIT + 1])
    return safe if len(safe) <= ECHO_LIMIT else safe[: ECHO_LIMIT - 3] + "..."


def _find_extack(text: str) -> str:
    """The kernel's own text where the message quotes it as such; empty when there is none."""
    for match in _QUOTED_EXTACK.finditer(text):
        quoted = next(group for group in match.groups() if group)
        if not _is_error_text(quoted):
            return quoted.strip()
    return ""


def _is_error_text(text: str) -> bool:
    # strerror() texts are no extack. The kernel's texts are ASCII: anything else is a translated strerror().
    return text.strip(" .").lower() in ERROR_TEXTS or not text.isascii()


def _state_answer(known: Optional[Extack], kernel_text: str) -> _Answer:
    """What an ack with a text of the kernel's own means: the state of the object."""
    can_mean = EXTACK_UNKNOWN
    if known:
        can_mean = (Meaning(known.cause, known.why, known.reasons), *EXTACK_ALSO.get(known.cause, ()))
    said = known.why if known else f'"{_printable(kernel_text)}"'
    summary = f"The kernel itself says what is in the way: {said}; it is not a missing capability."
    return _Answer(("ack",), summary, can_mean, EXTACK_EXCLUDES, EXTACK_NEXT)


def _rule_answer(subject: str, error: Optional[str]) -> _Answer:
    """What the table says for what was asked and how it was answered."""
    rule = rule_for(subject, error)
    layers = layers_of(subject, error)
    excludes = rule.rules_out
    if len(layers) > 1:  # then a system call may have failed, which a filter can do
        excludes = tuple(row for row in excludes if row.cause != "seccomp_denied")
    return _Answer(layers, rule.summary, rule.can_mean, excludes, rule.look_next)
