# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 3b: the workload's AppArmor profile lacks a rule that netlink needs, or denies it."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import FOR_ALL, consent_for
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._profiles import (
    SOCKET_TYPES,
    Reading,
    Want,
    answer,
    apparmor_label,
    confining,
    read,
    records,
    wants,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._records import CITED, as_evidence
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Cause, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding, Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_NET_ADMIN, CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Profile

CAUSE = Cause(
    "3b",
    "apparmor_denied",
    "The AppArmor profile of the workload refuses what netlink needs.",
    {
        "capability": "The profile has no rule for the capability (bare EPERM in the acknowledgement).",
        "network_rule": "The profile has no rule for netlink sockets of the type that the program opens (EACCES).",
        "tun_rule": "The profile has no rule for opening /dev/net/tun (EACCES).",
        "userns": "The profile has no rule for making user namespaces (EACCES).",
        "explicit_deny": "A deny rule of the profile refuses it, which no other rule can lift.",
    },
)

# Whose profiles are made anew by the engine of containers; those of others by the tool of that name.
_ENGINES = ("docker", "podman", "containerd", "cri-o", "buildkit", "lxc", "lxd", "incus")


def judge(subject: Subject) -> list[Finding]:
    """One finding for each profile of the label and each gate at which it refuses one of the named operations."""
    found: dict[tuple[str, str, str], list[tuple[Want, Reading]]] = {}
    profiles = {profile.name: profile for profile in confining(subject) if profile.name != FOR_ALL}
    for want in wants(subject) if profiles else []:
        for profile in _refusing(subject, list(profiles.values()), want):
            reading = read(profile, want)
            reason = "explicit_deny" if reading.deny else want.reason
            found.setdefault((profile.name, reason, want.gate), []).append((want, reading))
    # About the type of socket that it opens is guessed only where nothing else refuses: one of them is let through.
    sure = {key: items for key, items in found.items() if not _by_type(subject, items)}
    return [
        _finding(subject, profiles[name], reason, items) for (name, reason, _gate), items in (sure or found).items()
    ]


def _refusing(subject: Subject, profiles: list[Profile], want: Want) -> list[Profile]:
    """The profiles of the stack that refuse a want: by their text, unless the kernel said that it lets it through; by
    the kernel's answer alone those whose text is not there to be read, or does not tell.
    """
    said = answer(subject, want)
    if said == "allowed":
        return []
    readings = [(profile, read(profile, want)) for profile in profiles]
    by_text = [profile for profile, reading in readings if reading.refuses]
    if by_text or said is None:
        return by_text
    return [profile for profile, reading in readings if not reading.allows] or profiles


def _by_type(subject: Subject, items: list[tuple[Want, Reading]]) -> bool:
    """Whether sockets of another type are let through, and it is not known which the program opens."""
    want = items[0][0]
    return want.maybe and len(items) < len(SOCKET_TYPES) and not answer(subject, want)


def _finding(subject: Subject, profile: Profile, reason: str, items: list[tuple[Want, Reading]]) -> Finding:
    want, reading = items[0]
    rules = [item.rule for item, _reading in items]
    remedy = _remedy(subject, profile, want, rules) if reason != "explicit_deny" and not reading.allows else None
    by_type = _by_type(subject, items)
    depends = by_type or (want.capability is not None and subject.mixed)
    return subject.finding(
        CAUSE,
        reason,
        gate=want.gate,
        capability=want.capability,
        certainty="possible" if by_type else _certainty(subject, profile, items),
        effect="may_refuse" if depends else "refuses",
        policy_owner=_policy_owner(profile, reason),
        summary=_summary(subject, profile, reason, rules, by_type),
        evidence=_evidence(subject, profile, items),
        remedy=remedy,
        advice="" if remedy else _advice(profile, reading, want, rules),
    )


def _summary(subject: Subject, profile: Profile, reason: str, rules: list[str], depends: bool) -> str:
    who, text = f"{subject.workload.name} runs under AppArmor's profile {profile.name}", " and ".join(map(repr, rules))
    if subject.starts:
        who = f"{subject.workload.name} would run under AppArmor's profile {profile.name}"
    if reason == "explicit_deny":
        mode = ", in complain mode too" if profile.mode == "complain" else ""
        return f"{who}, which denies explicitly what {text} would allow{mode}."
    more = " It depends on the type of socket that the program opens." if depends else ""
    return f"{who}, which has no rule {text}.{more}"


def _certainty(subject: Subject, profile: Profile, items: list[tuple[Want, Reading]]) -> str:
    """proven by the kernel's answer in that profile, or by a recorded denial of one of the workload's processes."""
    for want, _reading in items:
        pids = {denial.pid for denial in records(subject, profile, want)}
        if answer(subject, want) or pids & {*subject.workload.processes}:
            return "proven"
    return "possible" if subject.workload.discovered and not subject.workload.evidence else "likely"


def _evidence(subject: Subject, profile: Profile, items: list[tuple[Want, Reading]]) -> list[Evidence]:
    label = apparmor_label(subject) or ""
    process = subject.process
    found = [Evidence(f"/proc/{process.pid}/attr/current" if process else "attachment", label)]
    for want, reading in items:
        if reading.deny is not None:
            found.append(Evidence(f"{reading.deny.file}:{reading.deny.line}", reading.deny.text))
        elif reading.refuses:
            text = f"profile {profile.name} has no rule {want.rule!r}"
            found.append(Evidence(f"{profile.file}:{profile.line}", text))
        said = answer(subject, want)
        if said:
            text = f"the kernel answered {said} to a harmless {want.operation} request sent in the same profile"
            found.append(Evidence("probe", text))
        found += [as_evidence(denial) for denial in records(subject, profile, want)[:CITED]]
    return list(dict.fromkeys(found))


def _policy_owner(profile: Profile, reason: str) -> str:
    if profile.generator:
        return "container engine" if profile.generator in _ENGINES else profile.generator
    return f"package {profile.package}" if reason == "explicit_deny" and profile.package else "host"


def _remedy(subject: Subject, profile: Profile, want: Want, rules: list[str]) -> Optional[Remedy]:
    """The missing rules and no others; none for a profile that a tool makes anew, nor for another capability."""
    if profile.generator or profile.file is None or profile.disabled or want.capability not in (None, CAP_NET_ADMIN):
        return None
    where = " over the HOST network" if want.capability is not None and subject.host_network else ""
    consent = consent_for(profile.name, profile.executable, rules)
    return Remedy(
        "netlink_apparmor",
        {"netlink_apparmor_profiles": [{"profile": profile.name, "rules": rules}]},
        adds=[f"what profile {profile.name} confines may use: {' '.join(rules)}{where}"],
        consent=[consent] if consent else [],
    )


def _advice(profile: Profile, reading: Reading, want: Want, rules: list[str]) -> str:
    text = " ".join(rules)
    if reading.deny is not None:
        local = f", those in {profile.local} too" if profile.local else ""
        return (
            f"Take the rule in line {reading.deny.line} of {reading.deny.file} away and run apparmor_parser -r "
            f"{profile.file}: a deny rule beats all that allow{local}."
        )
    if profile.generator in _ENGINES:
        own = "security_opt: apparmor=NAME" if profile.generator in ("docker", "podman") else "in its configuration"
        return f"{profile.generator} makes this profile anew: give the container one of its own with {text!r} ({own})."
    if profile.generator:
        return (
            f"{profile.generator} makes this profile anew: connect the interface or set the option that adds {text!r}."
        )
    if profile.disabled:
        return (
            f"A link in /etc/apparmor.d/disable keeps {profile.file} from being loaded anew, and it is loaded still: "
            f"unload it, or take the link away, add {text!r} and run apparmor_parser -r {profile.file}."
        )
    if profile.file is None:
        return f"No file below /etc/apparmor.d defines profile {profile.name}: add {text!r} where it is made."
    if want.capability not in (None, CAP_NET_ADMIN):
        name = CAPABILITIES[want.capability or 0]
        return f"Do not add {name} to the profile: it is next to root. Let something that is not confined do this step."
    return f"{profile.file} would allow it, so what is loaded is older: apparmor_parser -r {profile.file}."
