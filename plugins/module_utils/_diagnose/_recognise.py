# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a text words a refusal of netlink, and how: the part of explain() that a reader of logs needs too.

Pure. The text is hostile (anybody can write a log line): it is cut, stripped of what cannot be printed, and matched by
linear patterns only.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._wordings import (
    ERROR_TEXTS,
    EXTACKS,
    SUBJECTS,
    WORDINGS,
    Extack,
    Wording,
)

READ_LIMIT = 32768  # characters of a message that are looked at: the first and the last half of this

# Two names can have one number; the kernel's own come first (include/uapi/asm-generic/errno.h).
ERRNO_NAMES = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP", errno.EAGAIN: "EAGAIN", errno.EDEADLK: "EDEADLK"}
ERRNO_NUMBERS = {name: value for name, value in vars(errno).items() if name.startswith("E")}

# Of the calls on a netlink socket only socket() itself answers with these.
_SOCKET_ERRNOS = ("EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT")

_ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_NUMBER = r"(?:\[errno |os error |errno ?[=:]? ?|system error |error:? ?\(|failure |error:? |\((?=-))(-?\d{1,4})\b"
_NAME = r"\b(E[A-Z0-9]{2,15})\b"
_TEXT = "|".join(re.escape(text) for text in sorted(ERROR_TEXTS, key=len, reverse=True))
_ERRNO = re.compile(rf"(?i:{_NUMBER})|{_NAME}|(?i:({_TEXT}))")

_OPERATIONS = tuple(
    (operation, re.compile(pattern))
    for operation, pattern in (
        ("link", r"\bRTM_(?:NEW|DEL|SET|GET)LINK\b|\bip link\b"),
        ("address", r"\bRTM_(?:NEW|DEL|GET)ADDR\b|\bip (?:-6 )?addr"),
        ("route", r"\bRTM_(?:NEW|DEL|GET)ROUTE\b|\bip (?:-6 )?route\b|\broute (?:add|delete|del)\b"),
        ("rule", r"\bRTM_(?:NEW|DEL|GET)RULE\b|\bip (?:-6 )?rule\b"),
        ("neighbour", r"\bRTM_(?:NEW|DEL|GET)NEIGH\b|\bip neigh"),
        ("qdisc", r"\bRTM_(?:NEW|DEL|GET)(?:QDISC|TCLASS|TFILTER)\b|\btc (?:qdisc|class|filter)\b"),
        ("action", r"\bRTM_(?:NEW|DEL|GET)ACTION\b|\btc actions?\b"),
        ("xfrm", r"\bip xfrm\b"),
        ("tun", r"\bTUNSETIFF\b|\bip tuntap\b"),
        ("forward", r"\bip_forward\b|\.forwarding\b"),
    )
)


def clean(text: object, name: str) -> str:
    """The part of a text that is looked at, without escapes and control characters; lines stay lines."""
    if not isinstance(text, str):
        raise ValueError(f"{name}: expected a text, got {type(text).__name__}")
    if len(text) > READ_LIMIT:
        text = text[: READ_LIMIT // 2] + "\n" + text[-READ_LIMIT // 2 :]
    lines = _ESCAPES.sub("", text).splitlines()
    return "\n".join("".join(char if char.isprintable() else " " for char in line).strip() for line in lines)


def find_wording(text: str) -> tuple[Optional[Wording], int]:
    """The wording that stands first in the text, and where; a general one only when there is no other."""
    found = []
    for index, wording in enumerate(WORDINGS):
        match = wording.pattern.search(text)
        if match:
            found.append((wording.general, match.start(), index))
    if not found:
        return None, 0
    _general, start, index = min(found)
    return WORDINGS[index], start


def errno_of(wording: Optional[Wording], text: str, start: int) -> Optional[str]:
    """Name of the errno that the words mean: the wording's own, else the one printed nearest after it."""
    if wording and wording.errno:
        return None if wording.errno == "unreliable" else wording.errno
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", start)
    line_end = len(text) if line_end < 0 else line_end
    for part in (text[start:line_end], text[line_start:start], text[line_end:], text[:line_start]):
        name = _first_errno(part)
        if name:
            return name
    return None


def _first_errno(text: str) -> Optional[str]:
    for match in _ERRNO.finditer(text):
        number, name, words = match.groups()
        if words:
            return ERROR_TEXTS[words.lower()]
        code = abs(int(number)) if number else ERRNO_NUMBERS.get(name)
        if code in ERRNO_NAMES:
            return ERRNO_NAMES[code]
    return None


def known_extack(text: str) -> Optional[Extack]:
    return next((row for row in EXTACKS if row.pattern.search(text)), None)


def operation_of(text: str, wording: Optional[Wording], known: Optional[Extack]) -> Optional[str]:
    for operation, pattern in _OPERATIONS:
        if pattern.search(text):
            return operation
    return (wording.operation if wording else None) or (known.operation if known else None)


def layers_of(subject: str, error: Optional[str]) -> tuple[str, ...]:
    """The layers that a subject's refusal with an errno can come from, the likeliest first."""
    layers = SUBJECTS[subject]
    only_socket = layers[0] == "unknown" and "socket" in layers and error in _SOCKET_ERRNOS
    return ("socket",) if only_socket else layers


# Words that fit much else count only where the line itself speaks of the network.
_NETWORK = re.compile(
    r"netlink|rtnl|\bnet(?:work|ns|_admin)?\b|\btun(?:nel)?\b|\blink\b|\broute|\bif(?:ace|name)\b|interface|addr"
    r"|protocol not supported|wireguard|\bwg\d|namespace|socket|nexthop|iptables|nft",
    re.IGNORECASE,
)
# Known to be about something else, or about what was typed.
_NEVER = ("elsewhere", "syntax")


@dataclass(frozen=True)
class Recognised:
    """How a line words a refusal: subject and layer as in _wordings; errno, operation and program where it tells."""

    subject: str
    layer: str
    errno: Optional[str]
    operation: Optional[str]
    program: Optional[str]


def recognise(line: str) -> Optional[Recognised]:
    """What a line of a log says of a refusal; None where it is not the wording of one. Never raises."""
    text = clean(line, "line")
    wording, start = find_wording(text)
    known = known_extack(text)
    if wording is None:
        return Recognised("ack", "ack", known.errno, known.operation, None) if known else None
    if wording.subject in _NEVER or (wording.general and not known and not _NETWORK.search(text)):
        return None
    error = errno_of(wording, text, start) or (known.errno if known else None)
    layer = layers_of(wording.subject, error)[0]
    return Recognised(wording.subject, layer, error, operation_of(text, wording, known), wording.program)
