# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every cause asks of the state about one workload: who would send, from where, over what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._execve import (
    Prediction,
    after_start,
    predict_execve,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._predicate import (
    ABOVE,
    Decision,
    decide,
)
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding, Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAP_NET_ADMIN,
    CAP_SYS_ADMIN,
    CAPABILITIES,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import (
    Container,
    Executable,
    Link,
    Probe,
    Route,
    Sysctl,
    Unit,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    Credentials,
    NetNamespace,
    Process,
    State,
    Workload,
    file_key,
)

# The kernel's order of judgement; findings of a workload are sorted by it.
GATES = ("execve", "setns", "unshare", "open", "socket", "bind", "send", "ack", "target", "write", "object", "boot")

# Operations that a netlink (or TUN) request carries out with CAP_NET_ADMIN over the owner of the network namespace.
ADMIN_OPERATIONS = ("link", "address", "route", "rule", "neighbour", "qdisc", "tun", "nftables", "xfrm")

# Operations judged by the state alone; a probe of them says only whether the workload could change it by itself.
STATE_OPERATIONS = ("forward",)


@dataclass(frozen=True)
class Cause:
    """An entry of the catalogue: number and name as in the documentation, and what each reason means (one line)."""

    number: str
    name: str
    summary: str
    reasons: dict[str, str]


@dataclass(frozen=True)
class Actor:
    """One set of credentials of a workload that could send the request."""

    credentials: Credentials
    user_ns: Optional[int]
    net_ns: Optional[int]
    tid: Optional[int] = None
    name: str = ""

    @property
    def place(self) -> str:
        """Where the credentials were read, for evidence."""
        return "execve" if self.tid is None else f"/proc/{self.tid}/status"


@dataclass
class Subject:
    """A workload in its state. The causes read it and never change it."""

    state: State
    workload: Workload

    @cached_property
    def process(self) -> Optional[Process]:
        """The workload's main process, if it is one that runs."""
        for pid in self.workload.processes:
            if pid in self.state.processes:
                return self.state.processes[pid]
        return None

    @cached_property
    def parent(self) -> Optional[Process]:
        """The parent of the main process, if it was read."""
        return self.state.processes.get(self.process.parent) if self.process else None

    @cached_property
    def executable(self) -> Optional[Executable]:
        """The file that the workload executes, as read."""
        path = self.workload.executable or (self.process.executable if self.process else None)
        return self.file(path) if path else None

    def file(self, path: str) -> Optional[Executable]:
        """A file as the workload sees it: files of another mount namespace are kept under their own key."""
        mnt_ns = self.process.mnt_ns if self.process else None
        return self.state.executables.get(file_key(path, mnt_ns)) or self.state.executables.get(path)

    @cached_property
    def starts(self) -> bool:
        """Whether nothing runs, and what would be started is judged: an executable, or a unit that does not run."""
        return self.workload.credentials is not None and not self.workload.processes

    @cached_property
    def container(self) -> Optional[Container]:
        """The container in which the workload runs, if it was read."""
        return self.state.containers.get(self.process.container or "") if self.process else None

    @cached_property
    def unit(self) -> Optional[Unit]:
        """The service whose sandbox the workload has, if it was read: not for what runs in a container, nor in a scope,
        which starts nothing.
        """
        if self.process is None:
            return self.state.units.get(self.workload.unit or "")
        found = None if self.process.container else self.state.units.get(self.process.unit or "")
        return found if found and found.name.endswith(".service") else None

    def claimed_by_unit(self, actor: Optional[Actor], bit: int) -> bool:
        """Whether a line of the unit is why an actor (None: a start that fails) lacks a capability: cause 2b then."""
        if self.unit is None:
            return False
        # Imported here: an AnsiballZ payload is compiled in each run, and most workloads are of no unit.
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._sandbox import (
            blames_bounding_set,
            claims,
        )

        return bool(claims(self, actor, bit)) if actor else blames_bounding_set(self, None, bit)

    def foreign_by_unit(self, gate: str) -> bool:
        """Whether a line of the unit is why its capabilities do not count for its network namespace: cause 2b then."""
        if self.unit is None:
            return False
        from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._sandbox import (
            blames_private_users,
        )

        return blames_private_users(self, gate)

    @cached_property
    def filters(self) -> int:
        """The most seccomp filters that a process of the workload has; 0 where the kernel does not tell."""
        processes = (self.state.processes.get(pid) for pid in self.workload.processes)
        return max((process.seccomp_filters or 0 for process in processes if process), default=0)

    @cached_property
    def prediction(self) -> Optional[Prediction]:
        """What execve would grant, for a workload that is not started yet."""
        if not self.starts or self.executable is None or self.workload.credentials is None:
            return None
        return self.predict(self.workload.credentials, self.executable)

    def predict(self, before: Credentials, file: Executable) -> Prediction:
        """What execve of a file would grant to credentials in this workload's user namespace."""
        own = self.state.user_namespaces.get(self.user_ns) if self.user_ns is not None else None
        return predict_execve(
            before,
            file,
            self.state.host.kernel,
            rootids=self.rootids(),
            uid_map=own.uid_map if own else None,
            gid_map=own.gid_map if own else None,
        )

    def rootids(self) -> tuple[int, ...]:
        """Uids, as the observer sees them, that are root of the workload's user namespace or of an ancestor."""
        found: list[int] = []
        namespace = self.state.user_namespaces.get(self.user_ns) if self.user_ns is not None else None
        while namespace is not None:
            found += [line.outside for line in namespace.uid_map if line.inside == 0]
            parent = namespace.parent
            namespace = self.state.user_namespaces.get(parent) if parent is not None else None
        return tuple(found) or (0,)

    @cached_property
    def user_ns(self) -> Optional[int]:
        """The user namespace of the workload's main thread."""
        if self.process and self.process.threads:
            return self.process.threads[0].user_ns
        return self.workload.user_ns

    @cached_property
    def actors(self) -> list[Actor]:
        """Every distinct set of credentials that could send: threads, or what execve would grant. Main thread first."""
        if self.starts:
            prediction = self.prediction
            if prediction is None or prediction.credentials is None or self.executable is None:
                return []
            return [
                Actor(after_start(prediction.credentials, self.executable), self.workload.user_ns, self.workload.net_ns)
            ]
        seen: dict[tuple[object, ...], Actor] = {}
        for pid in self.workload.processes:
            process = self.state.processes.get(pid)
            for thread in process.threads if process else []:
                if self.workload.tid is not None and thread.tid != self.workload.tid:
                    continue
                key = (thread.credentials, thread.user_ns, thread.net_ns)
                seen.setdefault(key, Actor(thread.credentials, thread.user_ns, thread.net_ns, thread.tid, thread.name))
        return list(seen.values())

    @cached_property
    def enters(self) -> bool:
        """Whether the workload has to enter the namespace it names, instead of naming it in a request (moving a
        link).
        """
        workload = self.workload
        if workload.target_ns is None or all(actor.net_ns == workload.target_ns for actor in self.actors):
            return False
        return not self.moves_link

    @cached_property
    def moves_link(self) -> bool:
        """A link operation on a link of the workload's own namespace that names another one is a move."""
        workload = self.workload
        if workload.target_ns is None or not workload.interface or "netns" in workload.operations:
            return False
        if workload.operations != ["link"] or not self.actors or self.actors[0].net_ns == workload.target_ns:
            return False
        return find_link(self.state.net_namespaces.get(self.actors[0].net_ns or -1), workload.interface) is not None

    @cached_property
    def net_ns(self) -> Optional[int]:
        """The namespace on which the operations work: where the named objects are looked for."""
        if self.workload.target_ns is not None and not self.moves_link:
            return self.workload.target_ns
        return self.actors[0].net_ns if self.actors else self.workload.net_ns

    @cached_property
    def namespace(self) -> Optional[NetNamespace]:
        """The observed network namespace on which the operations work."""
        return self.state.net_namespaces.get(self.net_ns) if self.net_ns is not None else None

    @cached_property
    def host_network(self) -> bool:
        """Whether that is the namespace of the host itself (of pid 1)."""
        return self.net_ns is not None and self.net_ns == self.state.host.initial_net_ns

    def owner(self, net_ns: Optional[int]) -> Optional[int]:
        """Inode of the user namespace that owns a network namespace, ABOVE where a nested observer may not ask for it
        (ioctl_nsfs(2): EPERM for one that is neither its own nor below), None when unseen."""
        known = self.state.net_namespaces.get(net_ns) if net_ns is not None else None
        if known is not None and known.owner is None and self.state.host.nested:
            return ABOVE
        return known.owner if known else None

    def decide(self, actor: Actor, capability: int, user_ns: Optional[int]) -> Decision:
        """Whether an actor holds a capability over a user namespace."""
        return decide(self.state, actor.credentials, actor.user_ns, user_ns, capability)

    def needs(self, actor: Actor, operation: str) -> list[tuple[str, int, Optional[int]]]:
        """The capability checks that one operation meets, in the kernel's order: (gate, capability, user namespace)."""
        checks: list[tuple[str, int, Optional[int]]] = []
        if self.enters:
            checks.append(("setns", CAP_SYS_ADMIN, self.owner(self.workload.target_ns)))
            checks.append(("setns", CAP_SYS_ADMIN, actor.user_ns))
        elif operation == "netns":
            checks.append(("unshare", CAP_SYS_ADMIN, actor.user_ns))
        if operation in ADMIN_OPERATIONS and not (operation == "tun" and self.may_attach(actor)):
            checks.append(("ack", CAP_NET_ADMIN, self.owner(self.net_ns)))
            if self.moves_link:
                checks.append(("target", CAP_NET_ADMIN, self.owner(self.workload.target_ns)))
        elif operation == "action":
            initial = ABOVE if self.state.host.nested else self.state.host.initial_user_ns
            checks.append(("ack", CAP_NET_ADMIN, initial))
        return checks

    def may_attach(self, actor: Actor) -> bool:
        """Whether the named link is a TUN device that an actor may open without any capability: it has no owner and no
        group, or they are the actor's (tun_not_capable, drivers/net/tun.c).
        """
        link = find_link(self.namespace, self.workload.interface)
        if link is None or link.tun is None:
            return False
        own = actor.credentials
        return link.tun.owner in (None, own.euid) and link.tun.group in (None, own.fsgid, *own.groups)

    def refusals(self, actor: Actor) -> list[tuple[str, str, int, Optional[int], Decision]]:
        """Checks that refuse an actor: (operation, gate, capability, user namespace, decision), in order, once each."""
        found: dict[tuple[str, int, Optional[int]], tuple[str, str, int, Optional[int], Decision]] = {}
        for operation in self.workload.operations:
            for gate, capability, user_ns in self.needs(actor, operation):
                decision = self.decide(actor, capability, user_ns)
                if decision.allowed is False:
                    found.setdefault((gate, capability, user_ns), (operation, gate, capability, user_ns, decision))
        return list(found.values())

    @cached_property
    def mixed(self) -> bool:
        """Whether some threads of the workload are refused and others are not: it depends on which of them sends."""
        refused = [bool(self.refusals(actor)) for actor in self.actors]
        return any(refused) and not all(refused)

    def answer(self, probe: Probe) -> str:
        """What a probe tells of the workload: that of TUN asks for a device of its own, which needs the capability."""
        made_anew = probe.operation == "tun" and (probe.layer, probe.answer) == ("ioctl", "EPERM")
        return "allowed" if made_anew and all(map(self.may_attach, self.actors)) else probe.answer

    def refused_by_probe(self, operation: str) -> Optional[str]:
        """The errno that a probe of the operation got, None when it was allowed, unknown or not sent."""
        for probe in self.workload.probes:
            if probe.operation != operation or self.answer(probe) in ("allowed", "unknown"):
                continue
            if operation != "tun" or probe.layer != "open":  # The privilege is asked for behind the open device.
                return probe.answer
        return None

    def sysctl(self, key: str) -> Optional[Sysctl]:
        """An observed sysctl of the namespace on which the operations work, by canonical key."""
        for item in self.state.sysctls:
            if item.key == key and item.net_ns == self.net_ns:
                return item
        return None

    def certainty(self, operation: str) -> str:
        """proven when a probe of the operation was refused too, possible for a workload that nobody named and of which
        no refusal was recorded, else likely.
        """
        if self.refused_by_probe(operation):
            return "proven"
        return "possible" if self.workload.discovered and not self.workload.evidence else "likely"

    def probe_evidence(self, operation: str) -> list[Evidence]:
        """The probe that was refused, as evidence."""
        answer = self.refused_by_probe(operation)
        return [Evidence("probe", f"the kernel answered {answer} to a harmless {operation} request")] if answer else []

    def finding(
        self,
        cause: Cause,
        reason: str,
        *,
        gate: str,
        summary: str,
        certainty: str,
        effect: str = "refuses",
        policy_owner: str = "host",
        capability: Optional[int] = None,
        evidence: Optional[list[Evidence]] = None,
        remedy: Optional[Remedy] = None,
        advice: str = "",
        pending: bool = False,
    ) -> Finding:
        """A finding of this workload; reason must be one that the cause lists."""
        if reason not in cause.reasons:
            raise KeyError(f"{cause.name} has no reason {reason}")
        return Finding(
            workload=self.workload.name,
            cause=cause.name,
            reason=reason,
            certainty=certainty,
            gate=gate,
            policy_owner=policy_owner,
            summary=summary,
            effect=effect,
            capability=None if capability is None else CAPABILITIES[capability],
            evidence=evidence or [],
            remedy=remedy,
            advice=advice,
            pending=pending,
        )


def find_link(namespace: Optional[NetNamespace], name: Optional[str]) -> Optional[Link]:
    """A link of a namespace by name or altname."""
    for link in (namespace.links or []) if namespace and name else []:
        if name == link.name or name in link.altnames:
            return link
    return None


def find_routes(namespace: Optional[NetNamespace], dst: str, table: int) -> list[Route]:
    """The routes of a namespace to exactly one destination in one table."""
    return (
        [route for route in (namespace.routes or []) if namespace and route.dst == dst and route.table == table]
        if namespace
        else []
    )
