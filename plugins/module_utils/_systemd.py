# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd means by the lines of its units that bear on netlink (systemd.exec(5), systemd.syntax(7)).

Storey 0: does no I/O. Measured with systemd 257; tests/lab/test_unit_facts.py asks a real one for each rule here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    ALL_CAPABILITIES,
    CAPABILITIES,
    capability_names,
    errno_name,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive

DROP_IN = "50-netlink-remediation.conf"  # the name of our drop-ins, of units and quadlets

# The system calls of netlink clients, measured by refusing one after the other. ip, tc and bridge do not work without
# the first four; ip sends with sendmsg, tc, nft and Python with sendto; Python receives with recvfrom, others recvmsg.
NETLINK_CALLS = ("socket", "setsockopt", "bind", "getsockname", "sendmsg", "sendto", "recvmsg", "recvfrom")

# Directives that install a seccomp filter when they are on, and how "systemctl show" prints them when they are off.
FILTERS = {
    "RestrictAddressFamilies": "~",
    "SystemCallFilter": "~",
    "SystemCallLog": "~",
    "SystemCallArchitectures": "",
    **dict.fromkeys(
        (
            "DynamicUser",
            "LockPersonality",
            "PrivateDevices",
            "ProtectClock",
            "ProtectHostname",
            "ProtectKernelLogs",
            "ProtectKernelModules",
            "ProtectKernelTunables",
            "RestrictNamespaces",
            "RestrictRealtime",
            "RestrictSUIDSGID",
        ),
        "no",
    ),
}

# A path, also one that begins with a specifier that stands for one (systemd.unit(5)).
_ABSOLUTE = re.compile("/|%[CDELSTVYdfhty]")

# Kinds of namespaces that RestrictNamespaces= restricts; it knows the word "time" as well.
NAMESPACE_KINDS = frozenset(["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"])

_TRUE = ("1", "yes", "y", "true", "t", "on")
_FALSE = ("0", "no", "n", "false", "f", "off")
_PRIVATE_USERS = ("self", "identity", "full", "managed")
# No number that counts has more digits than one of 64 bits has in base 2.
_NUMBER = re.compile(r"\+?(0[xX][0-9a-fA-F]{1,64}|0[oO][0-7]{1,64}|0[bB][01]{1,64}|0[0-7]{0,64}|[1-9][0-9]{0,63})")

# Names of address families, include/linux/socket.h; some have two.
_FAMILIES = (
    *("AF_UNIX", "AF_INET", "AF_AX25", "AF_IPX", "AF_APPLETALK", "AF_NETROM", "AF_BRIDGE", "AF_ATMPVC", "AF_X25"),
    *("AF_INET6", "AF_ROSE", "AF_DECnet", "AF_NETBEUI", "AF_SECURITY", "AF_KEY", "AF_NETLINK", "AF_PACKET", "AF_ASH"),
    *("AF_ECONET", "AF_ATMSVC", "AF_RDS", "AF_SNA", "AF_IRDA", "AF_PPPOX", "AF_WANPIPE", "AF_LLC", "AF_IB", "AF_MPLS"),
    *("AF_CAN", "AF_TIPC", "AF_BLUETOOTH", "AF_IUCV", "AF_RXRPC", "AF_ISDN", "AF_PHONET", "AF_IEEE802154", "AF_CAIF"),
    *("AF_ALG", "AF_NFC", "AF_VSOCK", "AF_KCM", "AF_QIPCRTR", "AF_SMC", "AF_XDP", "AF_MCTP"),
)
_SAME_FAMILY = {"AF_LOCAL": "AF_UNIX", "AF_FILE": "AF_UNIX", "AF_ROUTE": "AF_NETLINK"}
_BY_UPPER = {name.upper(): name for name in _FAMILIES}


def is_true(text: str) -> bool:
    """A boolean as systemd reads it; raises ValueError with one sentence for what is none."""
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"{text!r} is no boolean of systemd, expected yes or no")


def _inverted(value: str) -> tuple[bool, str]:
    """Whether a list begins with "~", and what follows."""
    return value.startswith("~"), value[1:] if value.startswith("~") else value


def _is_boolean(text: str) -> bool:
    return text.lower() in _TRUE + _FALSE


# --- which lines are in force -----------------------------------------------------------------------------------------

Rule = Callable[[list[Directive], Directive], list[Directive]]


def effective(directives: Iterable[Directive], section: str, name: str) -> list[Directive]:
    """The assignments of a directive that are in force, in order: what an empty one resets or a later one replaces is
    left out, and so is what systemd ignores.

    An empty CapabilityBoundingSet= is in force itself: it takes everything away.
    """
    rule = _RULES.get(name, _add)
    found: list[Directive] = []
    for line in directives:
        if line.section == section and line.name == name:
            found = rule(found, line)
    return found


def _add(found: list[Directive], line: Directive) -> list[Directive]:
    if not line.value:
        return []
    found.append(line)  # A new list for each line would cost the square of their number.
    return found


def _replace(_found: list[Directive], line: Directive) -> list[Directive]:
    return [line] if line.value else []


def _switch(found: list[Directive], line: Directive) -> list[Directive]:
    return [line] if _is_boolean(line.value) else found


def _private_users(found: list[Directive], line: Directive) -> list[Directive]:
    return [line] if _is_boolean(line.value) or line.value in _PRIVATE_USERS else found


def _path(found: list[Directive], line: Directive) -> list[Directive]:
    return _replace(found, line) if not line.value or _ABSOLUTE.match(line.value) else found


def _capabilities(found: list[Directive], line: Directive) -> list[Directive]:
    if not _capability_sum(_inverted(line.value)[1]):
        return [line]
    found.append(line)
    return found


def _families(found: list[Directive], line: Directive) -> list[Directive]:
    return [line] if line.value == "none" else _add(found, line)


def _namespaces(found: list[Directive], line: Directive) -> list[Directive]:
    if _is_boolean(line.value):
        return [line]
    return _add(found, line) if not line.value or _kinds(line.value) is not None else found


_RULES: dict[str, Rule] = {
    **dict.fromkeys((name for name, off in FILTERS.items() if off == "no"), _switch),
    "User": _replace,
    "Group": _replace,
    "Type": _replace,
    "NoNewPrivileges": _switch,
    "PrivateNetwork": _switch,
    "PrivateUsers": _private_users,
    "NetworkNamespacePath": _path,
    "CapabilityBoundingSet": _capabilities,
    "AmbientCapabilities": _capabilities,
    "RestrictAddressFamilies": _families,
    "RestrictNamespaces": _namespaces,
    "SystemCallErrorNumber": _replace,
}


# --- what they say ----------------------------------------------------------------------------------------------------


def capability_set(values: Sequence[str], *, ambient: bool = False) -> Optional[int]:
    """The bit mask that lines of CapabilityBoundingSet= (or AmbientCapabilities=) make; None when there is no line.

    A line that names no capability replaces what was there ("" by nothing, "~" by everything), and so does one that
    finds the initial value: everything for the bounding set, nothing for the ambient set.
    """
    if not values:
        return None
    initial = 0 if ambient else ALL_CAPABILITIES
    mask = initial
    for value in values:
        invert, text = _inverted(value)
        named = _capability_sum(text)
        if not named or mask == initial:
            mask = ALL_CAPABILITIES & ~named if invert else named
        else:
            mask = mask & ~named if invert else mask | named
    return mask & ALL_CAPABILITIES


def _capability_sum(text: str) -> int:
    """The named capabilities; what systemd does not know is left out. Numbers may be octal or hexadecimal."""
    mask = 0
    for word in split_words(text):
        if word.lower() in CAPABILITIES:
            mask |= 1 << CAPABILITIES.index(word.lower())
        elif _NUMBER.fullmatch(word):
            number = _integer(word)
            mask |= 1 << number if number <= 62 else 0
    return mask


def _integer(word: str) -> int:
    digits = word.lstrip("+")
    return int(digits, 8) if re.fullmatch("0[0-7]+", digits) else int(digits, 0)


def address_families(values: Sequence[str]) -> Optional[tuple[bool, frozenset[str]]]:
    """What lines of RestrictAddressFamilies= leave: (True, names) only these, (False, names) all but these, None all.

    The first line decides whether names are allowed or refused; a name that systemd does not know is left out.
    """
    names: Optional[set[str]] = None
    allow = False
    for value in values:
        if value in ("", "none"):
            names, allow = None, value == "none"
            continue
        invert, text = _inverted(value)
        if names is None:
            names, allow = set(), not invert
        listed = {name for name in map(_family, split_words(text, strict=True)) if name}
        names = names - listed if invert == allow else names | listed
    return (allow, frozenset(names or ())) if allow or names else None


def _family(word: str) -> Optional[str]:
    upper = word.upper()
    return _BY_UPPER.get(_SAME_FAMILY.get(upper, upper))


def namespaces(values: Sequence[str]) -> Optional[frozenset[str]]:
    """The kinds of namespaces that lines of RestrictNamespaces= still allow to be created; None: no restriction."""
    allowed: Optional[frozenset[str]] = None
    for value in values:
        kinds = _kinds(value)
        if not value:
            allowed = None
        elif _is_boolean(value):
            allowed = frozenset() if is_true(value) else NAMESPACE_KINDS
        elif kinds is not None and value.startswith("~"):
            allowed = (NAMESPACE_KINDS if allowed is None else allowed) - kinds
        elif kinds is not None:
            allowed = kinds | (allowed or frozenset())
    return None if allowed == NAMESPACE_KINDS else allowed


def _kinds(value: str) -> Optional[frozenset[str]]:
    """The kinds that a line names; None when it names another word, which makes systemd ignore the whole line."""
    words = frozenset(_inverted(value)[1].split())
    return words & NAMESPACE_KINDS if words <= NAMESPACE_KINDS | {"time"} else None


def system_calls(property_value: str) -> Optional[tuple[bool, dict[str, Optional[str]]]]:
    """SystemCallFilter as "systemctl show" prints it, sets expanded: whether it is an allow list, and for each call the
    errno name that answers it ("SIGSYS" for kill, None: what SystemCallErrorNumber= says). None: no filter.

    An allow list never comes with an errno name, not even for a call that was refused with one.
    """
    inverted, text = _inverted(property_value)
    calls: dict[str, Optional[str]] = {}
    for word in text.split():
        name, _colon, answer = word.partition(":")
        calls[name] = _answer(answer) if answer else None
    return (not inverted, calls) if calls else None


def _answer(text: str) -> str:
    if text == "kill":
        return "SIGSYS"
    return errno_name(int(text)) if re.fullmatch("[0-9]{1,4}", text) else text


def as_shown(name: str, values: Sequence[str]) -> Optional[str]:
    """What "systemctl show" prints for a directive with these lines in force; None when there is none.

    The sets of a SystemCallFilter= stay as written, and so do specifiers.
    """
    if not values:
        return None
    if name in ("CapabilityBoundingSet", "AmbientCapabilities"):
        return " ".join(capability_names(capability_set(values, ambient=name == "AmbientCapabilities") or 0))
    if name == "RestrictAddressFamilies":
        allow, families = address_families(values) or (False, frozenset())
        return ("" if allow else "~") + " ".join(sorted(families))
    if name == "RestrictNamespaces":
        kinds = namespaces(values)
        return "no" if kinds is None else " ".join(sorted(kinds)) or "yes"
    rule = _RULES.get(name)
    if rule in (_switch, _private_users):
        return "yes" if not _is_boolean(values[-1]) or is_true(values[-1]) else "no"
    if rule is _path:
        parts = [part for part in values[-1].split("/") if part not in ("", ".")]
        return ("/" if values[-1].startswith("/") else "") + "/".join(parts)
    return values[-1] if rule is _replace else " ".join(values)


def parse_exec(value: str) -> tuple[str, str, list[str]]:
    """An Exec line as (prefix characters, path, arguments), of its first command where ";" separates more.

    Quotes and escapes are removed; specifiers and variables are left as written. The name that "@" gives to the
    program in place of its path is left out.
    """
    text = value.lstrip()
    match = re.match(r"[@:+!|-]*", text)
    prefix = match.group() if match else ""
    words = split_words(text[len(prefix) :], unescape=True)
    if ";" in words:
        words = words[: words.index(";")]
    arguments = [";" if word == "\\;" else word for word in words[1:]]
    return prefix, words[0] if words else "", arguments[1:] if "@" in prefix else arguments


# --- words ------------------------------------------------------------------------------------------------------------

_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_CODE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(000[0-9a-fA-F]{5}|0010[0-9a-fA-F]{4})|([0-3][0-7]{2})")


def split_words(text: str, *, unescape: bool = False, strict: bool = False) -> list[str]:
    """The words of a value, quotes removed. A word without its closing quote ends the value, and is left out if strict.

    unescape: escapes such as \\x20 are decoded, as in Exec lines; else a backslash stands for the character after it.
    Source: extract_first_word() in src/basic/extract-word.c.
    """
    words: list[str] = []
    word: Optional[str] = None
    quote, place = "", 0
    while place < len(text):
        char = text[place]
        place += 1
        if char == "\\" and place < len(text):
            piece, length = _escaped(text, place) if unescape else (text[place], 1)
            word, place = (word or "") + piece, place + length
        elif char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote, word = char, word or ""
        elif not quote and char in " \t\n\r":
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + char
    return words if word is None or (quote and strict) else [*words, word]


def _escaped(text: str, place: int) -> tuple[str, int]:
    """What the escape after a backslash stands for, and its length; an unknown one stands for itself."""
    code = _CODE.match(text, place)
    if code:
        digits = code.group(code.lastindex or 0)
        number = int(digits, 8 if code.lastindex == 4 else 16)
        return "\ufffd" if 0xD800 <= number < 0xE000 else chr(number), len(code.group())
    char = text[place]
    if char in "\\\"'":
        return char, 1
    return _ESCAPES.get(char, "\\" + char), 1
