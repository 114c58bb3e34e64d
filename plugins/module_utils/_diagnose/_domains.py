# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SELinux makes of a workload, out of the answers of the loaded policy that the state holds."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import GATES, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAPABILITIES
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Domain, KernelModule
from ansible_collections.netlink.remediation.plugins.module_utils._selinux import (
    MODULE_REQUEST,
    Check,
    checks_of,
)


def has_selinux(subject: Subject) -> bool:
    """Whether SELinux is what labels processes on the host, and refuses (it is enforcing)."""
    host = subject.state.host
    return "selinux" in host.lsm and host.selinux == "enforcing"


def domain_of(subject: Subject, context: Optional[str] = None) -> Optional[Domain]:
    """The domain of the workload, or that of another context; None where the policy was not asked about it."""
    return subject.state.domains.get(context or subject.workload.label or "")


def checks_of_workload(subject: Subject, domain: Domain, operations: Optional[list[str]] = None) -> list[Check]:
    """What the policy is asked for while the workload does its operations, in the kernel's order, once each."""
    extended = any("nlmsg" in known.get(kind, []) for known in (domain.allowed, domain.denied) for kind in known)
    found: list[Check] = []
    for operation in subject.workload.operations if operations is None else operations:
        found += checks_of(operation, extended)
        for actor in subject.actors:
            for gate, bit, user_ns in subject.needs(actor, operation):
                found.append(Check(gate, capability_class(subject, user_ns), CAPABILITIES[bit][len("cap_") :]))
    return sorted(dict.fromkeys(found), key=lambda check: GATES.index(check.gate))


def capability_class(subject: Subject, user_ns: Optional[int]) -> str:
    """The class of capability checks over a user namespace: the kernel's first one has its own."""
    host = subject.state.host
    child = user_ns is not None and (host.nested or user_ns != host.initial_user_ns)
    return "cap_userns" if child else "capability"


def answer(domain: Domain, check: Check) -> Optional[bool]:
    """What the policy says to a check; None where it was not asked, or the answer may hold for some messages only."""
    if check.permission in domain.denied.get(check.object_class, []):
        return domain.permissive
    if check.permission in domain.partly.get(check.object_class, []):
        return None
    return True if check.permission in domain.allowed.get(check.object_class, []) else None


def denied(subject: Subject, domain: Domain) -> list[Check]:
    """What the policy denies to a domain of all that the workload needs."""
    checks = checks_of_workload(subject, domain) + ([MODULE_REQUEST] if loaded_on_demand(subject) else [])
    return [check for check in checks if answer(domain, check) is False]


def loaded_on_demand(subject: Subject) -> list[KernelModule]:
    """The modules that the kernel would load because the workload asks for what is in them."""
    if subject.state.host.restrictions.get("kernel/modules_disabled"):
        return []
    missing = [item for item in subject.state.modules if item.need in subject.workload.needs and not item.present]
    return [item for item in missing if item.name and item.file and not item.blocked]


def label_answered(subject: Subject, operation: str) -> bool:
    """Whether SELinux is known to let an operation of the workload pass: then it does not matter that a probe, which
    cannot take the label, was not judged by it.
    """
    if not has_selinux(subject):
        return subject.state.host.selinux == "permissive"
    domain, transition = domain_of(subject), subject.workload.transition
    if domain is None or (subject.starts and transition is not None and transition.refused):
        return False
    if domain.permissive:
        return True
    named = [item for item in subject.workload.operations if operation in (item, "move")]
    return all(answer(domain, check) for check in checks_of_workload(subject, domain, named))
