# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wished of an SELinux policy, as the options say it and as our policy module holds it. Pure: reads no host.

The policy module is text in CIL (the language that semodule(8) compiles) with one rule a line, sorted, so that equal
wishes give equal bytes, and a later call adds to it and takes single permissions back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._selinux import CAPABILITY_CLASSES, is_shared

MODULE = "netlink_remediation"
HEADER = "; Written by the Ansible collection netlink.remediation (module selinux_policy): it reads these lines again."
CAPABILITIES = ("net_admin", "net_raw")

# Domain, target ("self" or a type) and class.
Key = tuple[str, str, str]
# Permissions by key; none has an empty set.
Rules = dict[Key, frozenset[str]]

_LONGEST = 128
_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")  # With the dots of types that stand in a block of CIL.
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NETLINK = re.compile(r"netlink(_[a-z0-9]+)*_socket")
_RULE = re.compile(r"\(allow ([\w.-]+) ([\w.-]+) \((\w+) \(([\w ]+)\)\)\)", re.ASCII)


@dataclass(frozen=True)
class Request:
    """One entry of the option `allow`. where: its place, for messages. cls: None with state absent means all classes
    of the domain."""

    where: str
    domain: str
    target: str
    cls: Optional[str]
    permissions: frozenset[str]
    state: str

    @property
    def key(self) -> Key:
        """Under which its permissions stand."""
        return self.domain, self.target, self.cls or ""


# --- the options ------------------------------------------------------------------------------------------------------


def parse_request(index: int, entry: Mapping[str, Any], classes: Collection[str]) -> Request:
    """One entry of the option `allow`; classes: those that the user names besides ours. Raises ChangeError."""
    where, state = f"allow[{index}]", entry["state"]
    domain = checked_type(f"{where}: domain", entry["domain"])
    target = checked_type(f"{where}: target", entry["target"])
    cls = entry["class"] or None
    permissions = frozenset(entry["permissions"] or [])
    for name in [*([cls] if cls else []), *sorted(permissions)]:
        if not _WORD.fullmatch(name) or len(name) > _LONGEST:
            raise ChangeError(f"{where}: {name!r:.140} is no name of a class or permission, expected e.g. net_admin")
    request = Request(where, domain, "self" if target == domain else target, cls, permissions, state)
    if state == "absent":
        if permissions and cls is None:
            raise ChangeError(f"{where}: permissions without class: name the class that they are of")
        return request
    if cls is None or not permissions:
        raise ChangeError(f"{where}: state {state} needs class and permissions")
    demand_own_domain(f"{where}: domain", domain)
    _demand_class(request, cls, classes)
    return request


def checked_type(where: str, name: str) -> str:
    """The name of a type. Raises ChangeError for what can be none, before it comes near a policy."""
    if not _TYPE.fullmatch(name) or len(name) > _LONGEST:
        raise ChangeError(f"{where} is {name!r:.140}, expected the name of an SELinux type such as vpn_t")
    return name


def demand_own_domain(where: str, domain: str) -> None:
    """Raise ChangeError for a domain in which many programs run."""
    if is_shared(domain):
        raise ChangeError(
            f"{where} is {domain}, in which many programs run, so that each of them would gain it: give this program a "
            "domain of its own"
        )


def is_ours_to_give(cls: str, permission: str) -> bool:
    """Whether a permission belongs to netlink, so that nobody has to name its class."""
    if cls in CAPABILITY_CLASSES:
        return permission in CAPABILITIES
    return cls == "tun_socket" or _NETLINK.fullmatch(cls) is not None


def _demand_class(request: Request, cls: str, classes: Collection[str]) -> None:
    other = sorted(name for name in request.permissions if not is_ours_to_give(cls, name))
    if other and cls not in classes:
        raise ChangeError(
            f"{request.where}: {cls} {', '.join(other)} is not what netlink needs (a netlink socket, tun_socket, or "
            f"{' or '.join(CAPABILITIES)} of {' or '.join(CAPABILITY_CLASSES)}): add {cls} to classes to allow it"
        )


# --- adding up --------------------------------------------------------------------------------------------------------


def merge(before: Rules, requests: Sequence[Request]) -> Rules:
    """The rules after all requests. Raises ChangeError when one of them takes another back."""
    after = before
    for request in requests:
        after = _wanted(after, request)
    for request in requests:
        if _wanted(after, request) != after:
            others = ", ".join(other.where for other in requests if other.domain == request.domain)
            raise ChangeError(f"{others} contradict each other about {request.domain}: each rule needs one answer")
    return after


def _wanted(rules: Rules, request: Request) -> Rules:
    left = dict(rules)
    if request.state == "absent" and request.cls is None:
        return {key: names for key, names in left.items() if key[0] != request.domain}
    names = left.pop(request.key, frozenset())
    if request.state == "absent":
        names = names - request.permissions if request.permissions else frozenset()
    else:
        names = request.permissions | (names if request.state == "present" else frozenset())
    return {**left, **({request.key: names} if names else {})}


def added(before: Rules, after: Rules) -> Rules:
    """What the second rules allow and the first do not."""
    new = {key: names - before.get(key, frozenset()) for key, names in after.items()}
    return {key: names for key, names in sorted(new.items()) if names}


def needs_strictness(rules: Rules) -> bool:
    """Whether some of it is beyond netlink, so that the policy's neverallow rules are to be asked."""
    return any(not is_ours_to_give(key[2], name) for key, names in rules.items() for name in names)


def security(rules: Rules) -> list[str]:
    """One sentence for each rule on what its domain may do more."""
    return [
        f"each process of {domain} may {', '.join(sorted(names))} ({cls}, "
        f"{'its own' if target == 'self' else f'of {target}'})"
        for (domain, target, cls), names in sorted(rules.items())
    ]


# --- our policy module ------------------------------------------------------------------------------------------------


def render(rules: Rules) -> Optional[str]:
    """The policy module; None when nothing would be in it."""
    if not rules:
        return None
    lines = [
        f"(allow {domain} {target} ({cls} ({' '.join(sorted(names))})))"
        for (domain, target, cls), names in sorted(rules.items())
    ]
    return "\n".join([HEADER, *lines]) + "\n"


def recover(text: Optional[str]) -> Rules:
    """The rules of a policy module that render() wrote. Raises ChangeError for anything else: it would be lost."""
    if text is None:
        return {}
    head, *lines = text.splitlines() or [""]
    if head != HEADER:
        raise ChangeError(
            f"the policy module {MODULE} of this host was not written by this module: remove it with semodule -r "
            f"{MODULE} first"
        )
    rules: Rules = {}
    for number, line in enumerate(lines, start=2):
        found = _RULE.fullmatch(line)
        if found is None:
            raise ChangeError(
                f"line {number} of the policy module {MODULE} was changed by somebody else ({line!r:.80}): remove the "
                f"module with semodule -r {MODULE} first"
            )
        domain, target, cls, names = found.groups()
        rules[domain, target, cls] = rules.get((domain, target, cls), frozenset()) | frozenset(names.split())
    return {key: names for key, names in rules.items() if names}


def render_permissive(domains: Collection[str]) -> str:
    """A policy module that makes domains permissive."""
    return "".join(f"(typepermissive {domain})\n" for domain in sorted(domains))
