# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 3c: making a user or network namespace is restricted (limits, nesting, chroot, unmapped ids, a switch)."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import (
    FOR_ALL,
    consent_for,
    name_for,
    split_label,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Actor, Cause, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding, Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_SYS_ADMIN
from ansible_collections.netlink.remediation.plugins.module_utils._state import UserNamespace

CAUSE = Cause(
    "3c",
    "userns_restricted",
    "The host restricts the making of user or network namespaces.",
    {
        "unprivileged_userns_clone": "The switch kernel.unprivileged_userns_clone keeps user namespaces for root.",
        "max_user_namespaces": "The limit user.max_user_namespaces is 0 in this user namespace or one above it.",
        "max_net_namespaces": "The limit user.max_net_namespaces is 0 in this user namespace or one above it.",
        "nesting": "User namespaces are nested as deep as the kernel allows.",
        "chrooted": "The workload runs in a chroot, from which no user namespace can be made.",
        "unmapped_uid": "The workload's uid or gid has no mapping in its own user namespace.",
        "apparmor_restrict_unprivileged_userns": (
            "Ubuntu's switch of that name takes all privilege from user namespaces of programs without an AppArmor "
            "profile that allows them."
        ),
    },
)

# include/linux/user_namespace.h and create_user_ns(): a namespace of level 33 cannot have children.
MAX_LEVEL = 33


def judge(subject: Subject) -> list[Finding]:
    """Findings for the operations userns and netns, in the order in which create_user_ns() and its callers check."""
    operations = subject.workload.operations
    if not subject.actors:
        return []
    if "apparmor" in subject.state.host.lsm and _inside(subject):
        return [_without_privilege(subject)]
    if "userns" not in operations and "netns" not in operations:
        return []
    actor, findings = subject.actors[0], []
    if "userns" in operations:
        for check in (_switch, _nesting, _limit_user, _chrooted, _unmapped, _unprivileged):
            found = check(subject, actor)
            if found:
                findings.append(found)
    limited = None if subject.workload.target_ns is not None else _limit(subject, actor, "max_net_namespaces")
    return findings + ([limited] if limited else [])


def _chain(subject: Subject, actor: Actor) -> list[UserNamespace]:
    """The actor's user namespace and those above it."""
    chain: list[UserNamespace] = []
    known = subject.state.user_namespaces.get(actor.user_ns) if actor.user_ns is not None else None
    while known is not None:
        chain.append(known)
        known = subject.state.user_namespaces.get(known.parent) if known.parent is not None else None
    return chain


def _restricted(
    subject: Subject, reason: str, summary: str, evidence: Evidence, advice: str, remedy: Optional[Remedy] = None
) -> Finding:
    operation = "userns" if "userns" in subject.workload.operations else "netns"
    return subject.finding(
        CAUSE,
        reason,
        gate="unshare",
        certainty=subject.certainty(operation),
        summary=summary,
        evidence=[evidence, *subject.probe_evidence(operation)],
        advice="" if remedy else advice,
        remedy=remedy,
    )


def _switch(subject: Subject, actor: Actor) -> Optional[Finding]:
    host, key = subject.state.host, "kernel/unprivileged_userns_clone"
    if host.restrictions.get(key) != 0 or subject.decide(actor, CAP_SYS_ADMIN, host.initial_user_ns).allowed:
        return None
    return _restricted(
        subject,
        "unprivileged_userns_clone",
        f"{subject.workload.name} may not make a user namespace: the host keeps that for root.",
        Evidence(f"/proc/sys/{key}", "0"),
        "",
        Remedy(
            "netlink_sysctl",
            {"netlink_sysctl_settings": {"kernel.unprivileged_userns_clone": "1"}},
            adds=["every user of the host may make user namespaces"],
            consent=["world_userns"],
        ),
    )


def _inside(subject: Subject) -> bool:
    """Whether the workload is in the profile that Ubuntu's kernel gives to who made a user namespace without one."""
    parts = split_label(subject.workload.label or "")
    return any(name == FOR_ALL and mode not in ("complain", "unconfined") for name, mode in parts)


def _without_privilege(subject: Subject) -> Finding:
    """What runs in such a user namespace already: its profile denies it every capability."""
    gates = [need[0] for word in subject.workload.operations for need in subject.needs(subject.actors[0], word)]
    label = Evidence("attr/current", subject.workload.label or "")
    text = f"{subject.workload.name} made a user namespace, in which the host lets it hold no capability."
    return _by_profile(subject, gates[0] if gates else "unshare", text, [label], "likely")


def _unprivileged(subject: Subject, actor: Actor) -> Optional[Finding]:
    """Judged by the state: the probe only asks whether a user namespace may be made, not what it is worth."""
    host, key = subject.state.host, "kernel/apparmor_restrict_unprivileged_userns"
    if host.restrictions.get(key) != 1 or subject.workload.label != "unconfined":
        return None
    if subject.decide(actor, CAP_SYS_ADMIN, host.initial_user_ns).allowed:
        return None
    profile = subject.state.profiles.get(FOR_ALL)
    if profile is not None and profile.mode in ("complain", "unconfined"):
        return None
    text = f"{subject.workload.name} may make a user namespace, in which the host lets it hold no capability."
    if profile is None or profile.mode is None:
        text = f"{subject.workload.name} may not make a user namespace: it has no profile that allows it."
    evidence = [Evidence(f"/proc/sys/{key}", "1"), Evidence("attr/current", "unconfined")]
    evidence += subject.probe_evidence("userns")
    return _by_profile(subject, "unshare", text, evidence, subject.certainty("userns"))


def _by_profile(subject: Subject, gate: str, summary: str, evidence: list[Evidence], certainty: str) -> Finding:
    """A profile for that program alone; the switch would open user namespaces to everybody."""
    path = subject.executable.real_path if subject.executable is not None else None
    remedy, advice = None, "Give its program an AppArmor profile with flags=(unconfined) and the rule userns,."
    made = subject.state.profiles.get(name_for(path)) if path else None
    pending = made is not None and made.mode == "unconfined" and subject.process is not None
    if pending:
        advice = f"Start {subject.workload.name} anew: the profile that lets it is loaded, and was not when it started."
    elif path:
        name = name_for(path)
        consent = consent_for(name, path, ["userns,"])
        wanted = {"profile": name, "rules": ["userns,"], "executable": path}
        remedy = Remedy(
            "netlink_apparmor",
            {"netlink_apparmor_profiles": [wanted]},
            adds=[f"whoever runs {path} may make user namespaces and has privilege in them"],
            consent=[consent] if consent else [],
        )
    return subject.finding(
        CAUSE,
        "apparmor_restrict_unprivileged_userns",
        gate=gate,
        certainty=certainty,
        summary=summary,
        evidence=evidence,
        remedy=remedy,
        advice="" if remedy else advice,
        pending=pending,
    )


def _limit_user(subject: Subject, actor: Actor) -> Optional[Finding]:
    return _limit(subject, actor, "max_user_namespaces")


def _limit(subject: Subject, actor: Actor, limit: str) -> Optional[Finding]:
    host = subject.state.host
    for namespace in _chain(subject, actor):
        top = namespace.inode == host.initial_user_ns
        value = host.restrictions.get(f"user/{limit}") if top else namespace.limits.get(limit)
        if value != 0:
            continue
        what = "user" if limit == "max_user_namespaces" else "network"
        return _restricted(
            subject,
            limit,
            f"{subject.workload.name} may not make a {what} namespace: the limit user.{limit} is 0 "
            + ("on the host." if top else "in its user namespace or one above it."),
            Evidence(f"user.{limit} of user:[{namespace.inode}]", "0"),
            f"Root of user:[{namespace.inode}] can raise user.{limit}; it cannot be raised from outside.",
            Remedy(
                "netlink_sysctl",
                {"netlink_sysctl_settings": {f"user.{limit}": "1024"}},
                adds=[f"every user of the host may make {what} namespaces"],
                consent=["world_userns"],
            )
            if top
            else None,
        )
    return None


def _nesting(subject: Subject, actor: Actor) -> Optional[Finding]:
    level = len(_chain(subject, actor)) - 1
    if level < MAX_LEVEL:
        return None
    return _restricted(
        subject,
        "nesting",
        f"{subject.workload.name} is {level} user namespaces deep, and the kernel allows no deeper one.",
        Evidence("NS_GET_PARENT", f"{level} levels above the workload's user namespace"),
        "Start the workload fewer user namespaces deep (a sandbox in a container in a sandbox).",
    )


def _chrooted(subject: Subject, _actor: Actor) -> Optional[Finding]:
    process = subject.process
    if process is None or not process.chrooted:
        return None
    return _restricted(
        subject,
        "chrooted",
        f"{subject.workload.name} runs in a chroot, from which the kernel lets nobody make a user namespace.",
        Evidence(f"/proc/{process.pid}/root", "differs from the root of its mount namespace"),
        (
            "Use pivot_root(2) instead of chroot(2) (RootDirectory= of a unit, a container), so that the "
            "root is a real one."
        ),
    )


def _unmapped(subject: Subject, actor: Actor) -> Optional[Finding]:
    chain = _chain(subject, actor)
    if not chain:
        return None
    for kind, number, mapping in (
        ("uid", actor.credentials.euid, chain[0].uid_map),
        ("gid", actor.credentials.egid, chain[0].gid_map),
    ):
        if not any(line.outside <= number < line.outside + line.count for line in mapping):
            return _restricted(
                subject,
                "unmapped_uid",
                f"{subject.workload.name} has a {kind} without a mapping in its own user namespace.",
                Evidence(f"{kind}_map of user:[{chain[0].inode}]", f"{kind} {number} is in no range"),
                (
                    f"Map the {kind} when the user namespace is made (newuidmap, subordinate ids, unshare "
                    "--map-current-user)."
                ),
            )
    return None
