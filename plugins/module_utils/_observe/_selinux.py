# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SELinux domains of workloads, what the loaded policy answers for them, and how they come to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import TUN
from ansible_collections.netlink.remediation.plugins.module_utils._observe._executables import read_executable
from ansible_collections.netlink.remediation.plugins.module_utils._observe._libselinux import (
    Denied,
    Library,
    booleans_for,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._policy import Policy, is_context
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._observe._units import command_of_unit, setting
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Domain, Executable, Transition, Unit
from ansible_collections.netlink.remediation.plugins.module_utils._selinux import (
    CAPABILITY_CLASSES,
    MODULE_REQUEST,
    Check,
    checks_of,
    type_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Process, State, Workload, file_key

LABEL_XATTR = "security.selinux"

# A check, and the context of its object: None for the process itself, "" for one that cannot be read.
Question = tuple[Check, Optional[str]]


def observe_domains(state: State, *, labels: bool = False) -> None:
    """Fill in the label and transition of each workload, and State.domains with what the policy answers for them.

    labels: find out which label the policy has for each program, and not only for those that are refused.
    """
    policy, library = Policy(state.unseen), Library(state.unseen)
    refused: dict[Denied, None] = {}
    for workload in state.workloads:
        if workload.unresolved:
            continue
        process = next((state.processes[pid] for pid in workload.processes if pid in state.processes), None)
        start = None if process else _look_at_start(state, workload, None, policy, library)
        if labels and start:
            start.file.expected_label = library.label_of_path(start.file.real_path or start.file.path)
        label = process.label if process else workload.transition.after if workload.transition else None
        if label is None:
            continue
        workload.label = label
        questions = _questions(workload, process, policy)
        denied = ask_domain(state, label, questions, policy)
        if not _matters(state, workload, denied):
            continue
        refused.update(dict.fromkeys(denied))
        if process and not process.container:
            start = _look_at_start(state, workload, process, policy, library)
        if start:
            refused.update(dict.fromkeys(_look_at_label(state, workload, start, questions, policy, library)))
    if refused:
        for name, allowed in booleans_for(refused, state.unseen).items():
            for context, _target, kind, permission in allowed:
                state.domains[context].booleans.setdefault(name, []).append(f"{kind} {permission}")


def _matters(state: State, workload: Workload, denied: Sequence[Denied]) -> bool:
    """Whether to find out why something is denied: who was not named, and of whom no refusal was recorded, may well do
    without it.
    """
    if state.host.selinux != "enforcing" or (workload.discovered and not workload.evidence):
        return False
    return bool(denied or (workload.transition and workload.transition.refused))


def _questions(workload: Workload, process: Optional[Process], policy: Policy) -> list[Question]:
    """What the policy is asked about a workload, and the context of the object where that is not its own."""
    checks = [check for operation in workload.operations for check in checks_of(operation, policy.extended)]
    names = ["net_admin"]
    if workload.target_ns is not None or {"netns", "userns"} & set(workload.operations):
        names.append("sys_admin")
    checks += [Check("ack", kind, name) for kind in CAPABILITY_CLASSES for name in names]
    checks += [MODULE_REQUEST] if workload.needs else []
    targets: dict[str, Optional[str]] = {"self": None}
    if any(check.target == "node" for check in checks):
        # The node as the workload sees it.
        targets["node"] = read_file_label(f"/proc/{process.pid}/root{TUN}" if process else TUN) or ""
    if MODULE_REQUEST in checks:
        targets["kernel"] = policy.kernel_context()
    return [(check, targets[check.target]) for check in checks]


def read_file_label(path: str) -> Optional[str]:
    """The SELinux context of a file, None when it has none or cannot be read."""
    try:
        return os.getxattr(path, LABEL_XATTR).rstrip(b"\0").decode("utf-8", "replace") or None
    except OSError:
        return None


def ask_domain(state: State, context: str, questions: Sequence[Question], policy: Policy) -> list[Denied]:
    """Ask the policy about a domain and keep the answers in State.domains.

    What an enforcing kernel would refuse: (context, context of the object, class, permission).
    """
    domain = state.domains.get(context)
    if domain is None:
        domain = Domain(context, type_of(context) or context, policy.is_permissive(context))
        state.domains[context] = domain
    denied = []
    for check, target in questions:
        if target == "":
            continue
        question = (context, target or context, check.object_class, check.permission)
        allowed = policy.allows(*question)
        if allowed is None:
            continue
        _keep(domain.allowed if allowed else domain.denied, check)
        if allowed and check.permission == "nlmsg":
            _keep(domain.partly, check)
        if not allowed:
            denied.append(question)
            if not policy.logs(*question):
                _keep(domain.hidden, check)
    return [] if domain.permissive else denied


def _keep(answers: dict[str, list[str]], check: Check) -> None:
    known = answers.setdefault(check.object_class, [])
    if check.permission not in known:
        known.append(check.permission)


# --- how a workload comes to its domain -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """How a workload's program is started.

    before: context of who executes it. file: the program, its label read. chosen: the context that the unit asks for
    (SELinuxContext=), which needs no rule of the policy. bounds: permissions of class process2 that a new domain needs.
    """

    before: str
    file: Executable
    chosen: Optional[str]
    bounds: list[str]

    def outcome(self, label: str, policy: Policy) -> tuple[Optional[str], list[str]]:
        """(context that it gives if the file has this label, what the policy refuses of it).

        The order and the fall-back to the old domain are those of selinux_bprm_creds_for_exec().
        """
        after = self.chosen or policy.transition(self.before, label)
        if after is None:
            return None, []
        bounded = after != self.before and policy.bounds_start(self.before, after, self.bounds)
        if bounded and not self.chosen:
            after = self.before
        checks = [(self.before, label, "file", "execute")]
        if after == self.before:
            checks.append((after, label, "file", "execute_no_trans"))
        else:
            checks += [(self.before, after, "process", "transition"), (after, label, "file", "entrypoint")]
        refused = [f"process2 {name}" for name in self.bounds if bounded and self.chosen]
        return after, refused + [f"{check[2]} {check[3]}" for check in checks if policy.allows(*check) is False]


def _look_at_start(
    state: State, workload: Workload, process: Optional[Process], policy: Policy, library: Library
) -> Optional[Start]:
    """How the program of a workload is started, and the workload's transition; None where that is not known."""
    start = _start(state, workload, process, policy, library)
    after, refused = start.outcome(start.file.label or "", policy) if start else (None, [])
    if start is None or after is None:
        return None
    workload.transition = Transition(start.before, start.file.real_path or start.file.path, after, refused)
    return start


def _start(
    state: State, workload: Workload, process: Optional[Process], policy: Policy, library: Library
) -> Optional[Start]:
    unit = state.units.get(workload.unit or (process.unit if process else None) or "")
    if unit is not None and (unit.manager != "system" or (process is not None and process.pid != unit.main_pid)):
        unit = None  # what another process of the unit executed
    file = _file(state, workload, process, unit)
    if unit is not None and process is not None and file is not None and _went_on(state, process, unit, file):
        return None
    if unit is not None:
        before = label_of_process(1)
    elif process is None:
        before = _login_context(workload.user or "root", library)
    else:
        parent = state.processes.get(process.parent)
        before = parent.label if parent else None
    if file is None or before is None:
        return None
    credentials = process.threads[0].credentials if process else workload.credentials
    bounds = ["nnp_transition"] if credentials is not None and credentials.no_new_privs else []
    bounds += ["nosuid_transition"] if file.nosuid else []
    return Start(before, file, _chosen(unit, policy) if unit else None, bounds)


def _file(state: State, workload: Workload, process: Optional[Process], unit: Optional[Unit]) -> Optional[Executable]:
    """The file whose label counts, with the label read: a script itself. None where only others can see it."""
    if unit is not None:
        if setting(unit, "RootDirectory") or setting(unit, "RootImage"):
            return None
        path = command_of_unit(unit)[1] or ""
    elif process is None:
        path = workload.executable or ""
    else:
        script = _script(state, process)
        path = script.path if script else process.executable or ""
    if path and path not in state.executables and unit is not None:
        state.executables[path] = read_executable(path, state.unseen)
    hidden = process is not None and file_key(path, process.mnt_ns) in state.executables
    file = state.executables.get(path)
    if file is None or file.elsewhere or hidden or not file.real_path:
        return None
    file.label = read_file_label(file.real_path)
    return file if file.label else None


def _went_on(state: State, process: Process, unit: Unit, file: Executable) -> bool:
    """Whether the command of a unit, such as env or sh -c "exec ...", has executed another program since: how that came
    to its domain is not known.
    """
    if process.executable not in (file.real_path, file.interpreter):
        return True
    script = _script(state, process)
    return script is not None and script.path not in (file.path, *command_of_unit(unit)[2])


def _script(state: State, process: Process) -> Optional[Executable]:
    """The script that a process runs, if it was read."""
    script = state.executables.get("".join(process.arguments[1:2]))
    ours = script is not None and script.interpreter is not None and script.interpreter == process.executable
    return script if ours else None


def _chosen(unit: Unit, policy: Policy) -> Optional[str]:
    """The context that a unit asks for: the last one; none for a command with "+", and with a "-" before it, which has
    systemd go on without it, only one that the policy knows.
    """
    context = (setting(unit, "SELinuxContext") or "").split()[-1:]
    wanted = context[0] if context else ""
    if wanted.startswith("-") and not policy.knows(wanted[1:]):
        return None
    wanted = wanted[1:] if wanted.startswith("-") else wanted
    return wanted if is_context(wanted) and "+" not in command_of_unit(unit)[0] else None


def label_of_process(pid: int) -> Optional[str]:
    """The SELinux context of a process, None when it cannot be read."""
    try:
        return read_bytes(f"/proc/{pid}/attr/current").rstrip(b"\0\n").decode("utf-8", "replace") or None
    except OSError:
        return None


def _login_context(user: str, library: Library) -> Optional[str]:
    """The context that a user has after a login over ssh, which has a level where the policy has levels."""
    own = label_of_process(os.getpid()) or ""
    through = "system_u:system_r:sshd_t" + (":s0" if own.count(":") > 2 else "")
    return library.login_context(user, through)


def _look_at_label(
    state: State, workload: Workload, start: Start, questions: Sequence[Question], policy: Policy, library: Library
) -> list[Denied]:
    """Whether the file of a workload that is refused has its right label, and what the right one would change.

    What the policy denies to a program that is started anew, now or with the right label.
    """
    transition, file = workload.transition, start.file
    if transition is None or file.label is None:
        return []
    file.expected_label = library.label_of_path(transition.file)
    contexts = [transition.after]
    if file.expected_label and type_of(file.expected_label) != type_of(file.label):
        transition.mended, transition.still_refused = start.outcome(file.expected_label, policy)
        contexts += [transition.mended] if transition.mended else []
    return [denied for context in contexts for denied in ask_domain(state, context, questions, policy)]
