# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 3a: the SELinux policy does not let the workload's domain do it. All that it denies is named at once.

The kernel was asked about the very context of a process, so what it denies is proven as by a probe; of a program that
does not run yet the domain is a prediction, the kernel's own.
"""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._domains import (
    denied,
    domain_of,
    has_selinux,
    loaded_on_demand,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import GATES, Cause, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding, Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_NET_ADMIN, CAP_SYS_ADMIN
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial, Domain, Transition
from ansible_collections.netlink.remediation.plugins.module_utils._selinux import (
    CAPABILITY_CLASSES,
    Check,
    is_shared,
    type_of,
)

CAUSE = Cause(
    "3a",
    "selinux_denied",
    "The SELinux policy does not allow the domain of the workload what netlink needs.",
    {
        "capability": "The domain is not allowed the capability, whether the process holds it or not.",
        "netlink_socket": "The domain is not allowed to make or use a netlink socket of that family.",
        "nlmsg": "The domain may use the socket, but not send messages that read or change.",
        "tun_socket": "The domain is not allowed to use /dev/net/tun or to make a TUN device.",
        "user_namespace": "The domain is not allowed to make a user namespace.",
        "module_request": "The domain may not have the kernel load a module by asking for what is in it.",
        "boolean_off": "A boolean of the policy allows it, and that is off.",
        "mislabelled": "The program has another label than the policy gives its path, and so gets a wrong domain.",
        "entrypoint": "The policy does not let the program be started into the domain that it would get.",
    },
)

ACCESS, CREATE = "/sys/fs/selinux/access", "/sys/fs/selinux/create"
_CITED = 2  # log lines that a finding repeats


def judge(subject: Subject) -> list[Finding]:
    """The label and the start first, since they decide the domain; then what the domain lacks, a finding a reason."""
    workload = subject.workload
    domain = domain_of(subject)
    # A holder of sockets that nobody named may well do without what it is not allowed.
    if domain is None or not has_selinux(subject) or (workload.discovered and not workload.evidence):
        return []
    transition = workload.transition
    refused = bool(subject.starts and transition and transition.refused)
    lacking = denied(subject, domain)
    right = _right_domain(subject, domain)
    found: list[Finding] = []
    if right is not None and transition is not None:
        still = denied(subject, right)
        cured = [check for check in lacking if check not in still]
        opens = refused and not transition.still_refused
        if cured or opens:
            found.append(_mislabelled(subject, transition, domain, right, cured))
            domain, lacking, refused = right, still, refused and not opens
    if refused and transition is not None:
        found.append(_not_started(subject, transition, domain))
    return found + _lacking(subject, domain, lacking)


def _right_domain(subject: Subject, domain: Domain) -> Optional[Domain]:
    """The domain that the program gets with its right label, or by a new start; None where that is no other one."""
    transition = subject.workload.transition
    if transition is None:
        return None
    context = transition.mended
    if not subject.starts and type_of(transition.after) != domain.type:
        # What systemd started before a label was mended gets that domain by a restart; others may have chosen theirs.
        context = (context or transition.after) if subject.unit is not None else None
    right = domain_of(subject, context) if context else None
    if right is None or (right.type == domain.type and not (subject.starts and transition.refused)):
        return None
    return right


# --- the label --------------------------------------------------------------------------------------------------------


def _mislabelled(
    subject: Subject, transition: Transition, domain: Domain, right: Domain, cured: list[Check]
) -> Finding:
    """The program lies there with a label that leads to a wrong domain, or did when it was started."""
    name = subject.workload.name
    files = [file for file in subject.state.executables.values() if not file.elsewhere]
    file = next((file for file in files if transition.file in (file.real_path, file.path)), None)
    gate = cured[0].gate if cured else "execve"
    evidence = [_denied_evidence(domain, cured)] if cured else [_start_evidence(transition)]
    if transition.mended is None:
        return subject.finding(
            CAUSE,
            "mislabelled",
            gate=gate,
            certainty="proven",
            summary=f"The label of {transition.file} leads to {right.type} by now, but {name} was started before that "
            f"and runs in {domain.type}.",
            evidence=[*evidence, _start_evidence(transition)],
            remedy=_restart(subject),
            advice=f"Start {name} anew.",
            pending=True,
        )
    label, expected = (file.label, file.expected_label) if file else (None, None)
    wanted = type_of(expected) or ""
    loose = file.writable_by if file else None
    remedy = Remedy(
        "netlink_selinux",
        {"netlink_selinux_contexts": [{"path": transition.file, "type": wanted}]},
        adds=[f"{transition.file} runs in the domain {right.type}"],
    )
    leads = f"leads to the domain {domain.type}" if cured else f"may not be executed from {type_of(transition.before)}"
    return subject.finding(
        CAUSE,
        "mislabelled",
        gate=gate,
        certainty="likely" if subject.starts else "proven",
        summary=f"{transition.file} has the type {type_of(label)}, which {leads}; the policy gives its path {wanted}, "
        f"which leads to {right.type}.",
        evidence=[Evidence(transition.file, f"label {label}; the policy's file contexts say {expected}"), *evidence],
        remedy=None if loose else remedy,
        advice=f"{loose} can be written by others than root: mend that, then restore the label." if loose else "",
    )


def _restart(subject: Subject) -> Optional[Remedy]:
    if subject.unit is None:
        return None
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._sandbox import unit_remedy

    return unit_remedy(subject, subject.unit, restart=True)


def _not_started(subject: Subject, transition: Transition, domain: Domain) -> Finding:
    what = " and ".join(transition.refused)
    return subject.finding(
        CAUSE,
        "entrypoint",
        gate="execve",
        certainty="likely",
        summary=f"SELinux does not let {type_of(transition.before)} start {transition.file} into {domain.type}: {what} "
        "is denied.",
        evidence=[_start_evidence(transition)],
        advice=f"Give {transition.file} a type that is an entrypoint of {domain.type} and that "
        f"{type_of(transition.before)} may execute, or start it in another domain. That is no matter of netlink.",
    )


def _start_evidence(transition: Transition) -> Evidence:
    denied_of_it = f"; denied: {', '.join(transition.refused)}" if transition.refused else ""
    return Evidence(CREATE, f"{transition.before} executes {transition.file} -> {transition.after}{denied_of_it}")


# --- the domain -------------------------------------------------------------------------------------------------------


def _lacking(subject: Subject, domain: Domain, checks: list[Check]) -> list[Finding]:
    """A finding for each reason: by a boolean where one allows all of some reasons, else by what is to be allowed."""
    groups: dict[tuple[str, bool], list[Check]] = {}
    for check in checks:
        groups.setdefault((_reason(check), _is_offered(check)), []).append(check)
    found = []
    while groups:
        covered = {name: _covered(groups, words) for name, words in sorted(domain.booleans.items())}
        best = max(covered, key=lambda name: len(covered[name]), default="")
        if not covered.get(best):
            break
        found.append(_boolean(subject, domain, best, [check for key in covered[best] for check in groups.pop(key)]))
    for (reason, _offered), group in groups.items():
        found.append((_unloaded if reason == "module_request" else _denied)(subject, domain, reason, group))
    return found


def _covered(groups: dict[tuple[str, bool], list[Check]], words: list[str]) -> list[tuple[str, bool]]:
    """The reasons of which a boolean allows everything; where it leaves something, a rule is needed all the same."""
    return [key for key, group in groups.items() if all(check.words in words for check in group)]


def _reason(check: Check) -> str:
    if check.object_class in CAPABILITY_CLASSES:
        return "capability"
    if check.object_class in ("tun_socket", "chr_file"):
        return "tun_socket"
    if check.object_class in ("user_namespace", "system"):
        return "user_namespace" if check.object_class == "user_namespace" else "module_request"
    return "nlmsg" if check.permission.startswith("nlmsg") else "netlink_socket"


def _is_offered(check: Check) -> bool:
    """Whether the remedy is ours to offer: netlink classes, net_admin and TUN devices, and nothing beyond."""
    if check.object_class in CAPABILITY_CLASSES:
        return check.permission == "net_admin"
    return check.object_class not in ("chr_file", "user_namespace")


def _finding(subject: Subject, domain: Domain, reason: str, checks: list[Check], summary: str) -> Finding:
    """A finding about checks that the policy denies, without remedy."""
    logged = _logged(subject, domain, checks)
    refuses = bool(logged) or any(_is_certain(subject, check) for check in checks)
    capability = None
    if _reason(checks[0]) == "capability":
        capability = CAP_NET_ADMIN if checks[0].permission == "net_admin" else CAP_SYS_ADMIN
    asked = refuses and not subject.starts and domain.context == subject.workload.label
    tail = "" if refuses else " ip and most other clients need that."
    return subject.finding(
        CAUSE,
        reason,
        gate=checks[0].gate,
        certainty="proven" if asked else "likely",
        effect="refuses" if refuses else "may_refuse",
        policy_owner="container engine" if domain.type.startswith(("container_", "spc_")) else "host",
        capability=capability,
        summary=summary + tail,
        evidence=[_denied_evidence(domain, checks), *_path_evidence(subject, domain), *logged],
    )


def _is_certain(subject: Subject, check: Check) -> bool:
    """Whether the workload cannot do without it; iproute2's ip, known by what it does, always binds."""
    return check.certain or (
        check.gate == "bind" and subject.executable is not None and subject.executable.drops_capabilities
    )


def _boolean(subject: Subject, domain: Domain, name: str, checks: list[Check]) -> Finding:
    checks = sorted(checks, key=lambda check: GATES.index(check.gate))
    found = _finding(
        subject,
        domain,
        "boolean_off",
        checks,
        f"SELinux refuses {_words(checks)} to {subject.workload.name} in the domain {domain.type}; the boolean {name}, "
        "which is off, would allow it.",
    )
    others = sorted(
        other for other, words in domain.booleans.items() if other != name and set(_list(checks)) <= set(words)
    )
    if others:
        found.evidence.append(Evidence("booleans", f"{', '.join(others)} would allow it too"))
    found.remedy = Remedy(
        "netlink_selinux",
        {"netlink_selinux_booleans": {name: True}},
        adds=[f"the boolean {name} is on, for all domains that it is about"],
    )
    return found


def _denied(subject: Subject, domain: Domain, reason: str, checks: list[Check]) -> Finding:
    words = _words(checks)
    summary = f"SELinux refuses {words} to {subject.workload.name}: its domain {domain.type} is not allowed it."
    found = _finding(subject, domain, reason, checks, summary)
    if is_shared(domain.type):
        found.advice = (
            f"{domain.type} is the domain of many programs, and all of them would be allowed it: give the program a "
            "domain of its own (udica for containers, sepolicy generate for services), and allow it there."
        )
    elif not _is_offered(checks[0]):
        found.advice = _beyond(domain, checks)
    else:
        over = " over the HOST network" if reason == "capability" and subject.host_network else ""
        found.remedy = Remedy(
            "netlink_selinux",
            {"netlink_selinux_allow": _allow(domain, checks)},
            adds=[f"every process in {domain.type} may use {words}{over}"],
        )
    return found


def _unloaded(subject: Subject, domain: Domain, reason: str, checks: list[Check]) -> Finding:
    """The module is loaded for it, since who may ask for one module may ask for any."""
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._causes.module_missing import load

    remedies = [load(module) for module in loaded_on_demand(subject)]
    names = ", ".join(module.name or "" for module in loaded_on_demand(subject))
    summary = (
        f"SELinux does not let {subject.workload.name} have the kernel load {names}: its domain {domain.type} is not "
        "allowed system { module_request }. The kernel then says that it does not know it."
    )
    found = _finding(subject, domain, reason, checks, summary)
    entries = [entry for remedy in remedies for entry in remedy.variables["netlink_module_modules"]]
    adds = [words for remedy in remedies for words in remedy.adds]
    found.remedy = Remedy("netlink_module", {"netlink_module_modules": entries}, adds=adds)
    return found


def _beyond(domain: Domain, checks: list[Check]) -> str:
    """What to do about a permission that no finding offers to add."""
    names = ", ".join(check.permission for check in checks)
    if checks[0].object_class == "capability":
        return f"Do not add {names}: it is next to root. Let another domain enter the namespace."
    if checks[0].object_class == "cap_userns":
        return (
            f"It is not for netlink alone: allow {domain.type} {names} of class cap_userns, which counts only in user "
            "namespaces other than the host's, in a policy module of your own."
        )
    where = " on the type of /dev/net/tun" if checks[0].target == "node" else ""
    return (
        f"It is not for netlink alone: allow {domain.type} {names} of class {checks[0].object_class}{where} with "
        "netlink_selinux_allow, and name that class in netlink_selinux_classes."
    )


def _allow(domain: Domain, checks: list[Check]) -> list[dict[str, object]]:
    """Entries of netlink_selinux_allow, one a class, for the domain itself."""
    found: dict[str, list[str]] = {}
    for check in checks:
        found.setdefault(check.object_class, []).append(check.permission)
    return [
        {"domain": domain.type, "class": kind, "permissions": sorted(permissions), "target": "self"}
        for kind, permissions in found.items()
    ]


# --- words and evidence -----------------------------------------------------------------------------------------------


def _list(checks: list[Check]) -> list[str]:
    return [check.words for check in checks]


def _words(checks: list[Check]) -> str:
    """Permissions by class: "netlink_route_socket { create bind }"."""
    found: dict[str, list[str]] = {}
    for check in checks:
        found.setdefault(check.object_class, []).append(check.permission)
    return " and ".join(f"{kind} {{ {' '.join(permissions)} }}" for kind, permissions in found.items())


def _denied_evidence(domain: Domain, checks: list[Check]) -> Evidence:
    hidden = [check for check in checks if check.permission in domain.hidden.get(check.object_class, [])]
    said = f"; {_words(hidden)} is denied without a line in the log (dontaudit)" if hidden else ""
    return Evidence(ACCESS, f"{domain.context}: the loaded policy denies {_words(checks)}{said}")


def _path_evidence(subject: Subject, domain: Domain) -> list[Evidence]:
    """How a workload that does not run would come to the domain."""
    transition = subject.workload.transition
    shown = subject.starts and transition is not None and transition.after == domain.context
    return [_start_evidence(transition)] if transition is not None and shown else []


def _logged(subject: Subject, domain: Domain, checks: list[Check]) -> list[Evidence]:
    """Denials of these checks that the host recorded of the workload."""
    wanted = {(check.object_class, check.permission) for check in checks}
    records: list[Denial] = [
        record
        for record in subject.workload.evidence
        if record.module == "selinux"
        and record.enforced
        and not record.succeeded
        and (record.object, record.permission) in wanted
        and type_of(record.subject) == domain.type
    ]
    if not records:
        return []
    from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._records import as_evidence

    return [as_evidence(record) for record in sorted(records, key=lambda record: -record.last)[:_CITED]]
