# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rules of AppArmor profiles mean for netlink, apparmor.d(5). Storey 0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import TUN
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Profile, ProfileRule
from ansible_collections.netlink.remediation.plugins.module_utils._tools import begins_tool, classify_tool

# The profile that Ubuntu's kernel gives to programs without one when they make a user namespace.
FOR_ALL = "unprivileged_userns"

QUALIFIERS = ("audit", "deny", "allow", "quiet", "owner", "prompt")
_KINDS = ("capability", "network", "userns", "all")
_SOCKET_TYPES = ("stream", "dgram", "seqpacket", "rdm", "raw", "packet")
_ACCEPTED = re.compile(
    r"(?:allow )?"
    r"(?:(capability)((?: (?:net_admin|net_raw))+)|(network netlink(?: raw| dgram)?|/dev/net/tun rw)|"
    r"(userns)(?: create)?) ?,?"
)
_EXPECTED = (
    'expected "capability net_admin,", "capability net_raw,", "network netlink raw,", "network netlink dgram,", '
    '"network netlink,", "userns," or "/dev/net/tun rw,"'
)
_PERMISSIONS = re.compile(r"[rwaxlkmpPcCuUi]+")


def rule_of(words: Sequence[str]) -> Optional[ProfileRule]:
    """The rule of these words, None for one of a kind that does not bear on netlink. text, file, line stay empty."""
    rest = list(words)
    qualifiers = []
    while rest and (rest[0] in QUALIFIERS or rest[0].startswith("priority=")):
        qualifiers.append(rest.pop(0))
    named = _of_files(rest) if rest and rest[0] not in _KINDS else None
    if named is None and (not rest or rest[0] not in _KINDS or "owner" in qualifiers):
        return None
    kind, words = ("file", named) if named is not None else (rest[0], rest[1:])
    rule = ProfileRule(kind, "", "", 0, words, deny="deny" in qualifiers, audit="audit" in qualifiers)
    rule.conditional = "owner" in qualifiers
    if rule.kind == "network" and any(word.startswith("(") for word in rule.words):
        # "network (create send) netlink raw,": whether that is all that a program needs is not known.
        rule.words = [word for word in rule.words if not word.startswith("(")]
        rule.conditional = not rule.deny
    return rule


def _of_files(words: Sequence[str]) -> Optional[list[str]]:
    """[path, permissions] of a rule for files that may be for /dev/net/tun, [] for "file,", None for any other rule."""
    rest = list(words[1:] if words[0] == "file" else words)
    if not rest:
        return []
    if len(rest) != 2:  # Also what is executed "-> PROFILE".
        return None
    path, permissions = rest if rest[0].lstrip('"')[:1] in ("/", "@") else reversed(rest)
    path = path.strip('"')
    if not _PERMISSIONS.fullmatch(permissions) or path[:1] not in ("/", "@") or not may_be_tun(path):
        return None
    return [path, permissions]


def may_be_tun(pattern: str) -> bool:
    """Whether a path may stand for /dev/net/tun, by what comes before its first wildcard, alternatives or variable."""
    head = re.split(r"[*?\[{@\\]", pattern, maxsplit=1)[0]
    return TUN.startswith(head) if len(head) < len(pattern) else pattern == TUN


def parse_rule(text: str) -> Optional[ProfileRule]:
    """A rule in one text, such as "capability net_admin,"; None for one of a kind that does not bear on netlink."""
    rule = rule_of(text.rstrip().rstrip(",").split())
    if rule is not None:
        rule.text = text
    return rule


def normal_rules(text: str) -> list[str]:
    """A rule that may be added, in the one spelling in which it is written; several capabilities are a rule each.

    Raises ValueError with what is wrong and what is accepted.
    """
    found = _ACCEPTED.fullmatch(" ".join(text.split()))
    if found is None:
        raise ValueError(f"{text!r:.120} is no rule that this module writes, {_EXPECTED}")
    if found[1]:
        return [f"capability {name}," for name in dict.fromkeys(found[2].split())]
    return [f"{found[3] or found[4]},"]


def name_for(path: str) -> str:
    """The name of a profile that is made for one program, as the files of profiles are called after theirs."""
    return path.strip("/").replace("/", ".")


def split_label(label: str) -> list[tuple[str, Optional[str]]]:
    """(profile, mode) of each part of a label as /proc/PID/attr/current has it: "a//&b (enforce)", "unconfined".

    The mode of a part is None where the parts have different ones ("mixed"), and of what is not confined.
    """
    found = re.fullmatch(r"(.*) \((\w+)\)", label, re.DOTALL)
    names, mode = (found[1], found[2]) if found else (label, None)
    return [(name, None if mode == "mixed" or name == "unconfined" else mode) for name in names.split("//&")]


def covers(rule: ProfileRule, wanted: ProfileRule) -> bool:
    """Whether an allow rule grants all of another one."""
    if rule.deny or rule.conditional:
        return False
    if rule.kind == "all":
        return not rule.words
    if rule.kind != wanted.kind:
        return False
    if rule.kind == "capability":
        return not rule.words or (bool(wanted.words) and set(wanted.words) <= set(rule.words))
    if rule.kind == "userns":
        return rule.words in ([], ["create"])
    if rule.kind == "file":
        return not rule.words or set(wanted.words[1]) <= set(rule.words[1])
    family, type_, rest = _network(rule.words)
    wanted_family, wanted_type, _rest = _network(wanted.words)
    return not rest and family in (None, wanted_family) and type_ in (None, wanted_type)


def refuses(rule: ProfileRule, wanted: ProfileRule) -> bool:
    """Whether a deny rule takes away something of another one."""
    if not rule.deny or rule.conditional:
        return False
    if rule.kind == "all":
        return True
    if rule.kind != wanted.kind:
        return False
    if rule.kind == "capability":
        return not rule.words or not wanted.words or bool(set(wanted.words) & set(rule.words))
    if rule.kind == "userns":
        return True
    if rule.kind == "file":
        return not rule.words or bool(set(wanted.words[1]) & set(rule.words[1]))
    one, other = _network(rule.words), _network(wanted.words)
    return all(left is None or right is None or left == right for left, right in zip(one[:2], other[:2]))


def _network(words: Sequence[str]) -> tuple[Optional[str], Optional[str], list[str]]:
    """(family, socket type, the rest) of a network rule; None means all."""
    family: Optional[str] = None
    type_: Optional[str] = None
    rest = []
    for word in words:
        if word in _SOCKET_TYPES and not (word == "packet" and family is None and len(words) > 1):
            type_ = word
        elif family is None and re.fullmatch(r"[a-z0-9_]+", word) and word not in ("tcp", "udp", "icmp"):
            family = word
        else:
            rest.append(word)
    return family, type_, rest


def granted(profile: Profile, wanted: ProfileRule) -> bool:
    """Whether a profile lets through what a rule allows, as far as its text tells."""
    if "unconfined" in (profile.mode, *profile.flags) and wanted.kind != "userns":
        return True
    if any(refuses(rule, wanted) for rule in profile.rules):
        return False
    return bool(grantors(profile, wanted))


def grantors(profile: Profile, wanted: ProfileRule) -> list[ProfileRule]:
    """The rules of a profile that together grant all of a rule; none where a part of it is missing."""
    found = []
    for one in _single(wanted):
        rule = next((rule for rule in profile.rules if covers(rule, one)), None)
        if rule is None:
            return []
        found.append(rule)
    return found


def _single(wanted: ProfileRule) -> list[ProfileRule]:
    """What several rules may grant together, as one rule each: the permissions for a file."""
    if wanted.kind != "file":
        return [wanted]
    path, permissions = wanted.words
    return [replace(wanted, words=[path, letter]) for letter in permissions]


def consent_for(name: str, executable: Optional[str], rules: Iterable[str]) -> Optional[str]:
    """The word of accept that it needs to add rules to a profile, or to make one for an executable; None for none.

    Who is confined by a profile has the capability already, so that a rule gives nothing to others. User namespaces
    are a privilege of their own: each user of the program gets them.
    """
    if name == FOR_ALL:
        return "world_userns"
    if "userns," not in rules or not executable:
        return None
    words = {_tool(path) for path in alternatives(executable)} or {"shared_tool"}  # Too many to be looked at.
    return next((word for word in ("shared_tool", "interpreter") if word in words), None)


def _tool(pattern: str) -> Optional[str]:
    """As classify_tool(), of a path that may be a pattern: what stands before its wildcard tells what it can match."""
    name, *wild = re.split(r"[*?\[]", pattern.rpartition("/")[2], maxsplit=1)
    return classify_tool(name) or ("shared_tool" if wild and begins_tool(name) else None)


def alternatives(pattern: str, most: int = 256) -> list[str]:
    """The patterns that the alternatives {a,b} of one stand for, at most that many; [] for more, or unbalanced ones."""
    found = [""]
    stack: list[tuple[list[str], list[str]]] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        if char == "\\":
            char = pattern[position : position + 2]
        if char == "{":
            stack.append((found, []))
            found = [""]
        elif char == "," and stack:
            stack[-1][1].extend(found)
            found = [""]
        elif char == "}" and stack:
            before, parts = stack.pop()
            found = [left + right for left in before for right in (*parts, *found)]
        else:
            found = [part + char for part in found]
        if len(found) > most or any(len(parts) > most for _before, parts in stack):
            return []
        position += len(char)
    return [] if stack else found
