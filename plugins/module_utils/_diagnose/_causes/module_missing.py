# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 8: the kernel lacks the code that the operation needs, or the workload cannot open /dev/net/tun.

A module that is not loaded is no cause: the kernel loads it on demand, unless something keeps it from that.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._device import (
    allows_devices,
    container_lines,
    may_open,
    opened,
    policy_refuses,
    private_devices,
    refused_open,
    unit_settings,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._sandbox import evidence, unit_remedy
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Cause, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._found import Evidence, Finding, Remedy
from ansible_collections.netlink.remediation.plugins.module_utils._linux import TUN
from ansible_collections.netlink.remediation.plugins.module_utils._parts import DeviceNode, KernelModule, Unit

CAUSE = Cause(
    "8",
    "module_missing",
    "The kernel lacks the code that the operation needs, or the workload cannot open /dev/net/tun.",
    {
        "kind": "No module has the link kind, qdisc, netlink family or device, or it is kept from being loaded.",
        "modules_disabled": "It is not loaded, and kernel.modules_disabled refuses every module until the next boot.",
        "tun_node_missing": "There is no /dev/net/tun where the workload looks for it.",
        "tun_node_mode": "Owner, mode or mount of /dev/net/tun refuse it to the workload.",
        "tun_device_cgroup": "The workload's control group refuses the character device 10:200.",
    },
)

DISABLED = "kernel/modules_disabled"
_UDEV = 'KERNEL=="tun", MODE="0666" in /etc/udev/rules.d/90-tun.rules'
_WORDS = {"kind": "link kind", "qdisc": "queueing discipline", "family": "netlink family", "device": "device"}


def judge(subject: Subject) -> list[Finding]:
    """One finding for each piece of code that the kernel lacks, and one for the device node."""
    modules = {item.need: item for item in subject.state.modules}
    found = _device(subject) if "tun" in subject.workload.operations else []
    for need in subject.workload.needs:
        module = modules.get(need)
        if module is not None and not module.present and not _seen(subject, need):
            found += _code(subject, module)
    return found


def _seen(subject: Subject, need: str) -> bool:
    """Whether a link of the kind is there, whoever brought it."""
    links = subject.namespace.links if subject.namespace else None
    return any(f"kind {link.kind}" == need for link in links or [])


# --- code of the kernel -----------------------------------------------------------------------------------------------


def _code(subject: Subject, module: KernelModule) -> list[Finding]:
    if module.name is None:
        return [_unknown_to_the_kernel(subject, module)]
    if subject.state.host.restrictions.get(DISABLED):
        return [_disabled(subject, module)]
    if module.blocked:
        return [_blocked(subject, module)]
    return [] if module.file else [_not_on_disk(subject, module)]


def _code_finding(subject: Subject, module: KernelModule, reason: str, **more: Any) -> Finding:
    gate = {"family": "socket", "device": "open"}.get(module.need.partition(" ")[0], "object")
    lines = [Evidence(module.source, f"{module.need}: {module.name or 'nothing has it'}"), *more.pop("evidence", [])]
    return subject.finding(CAUSE, reason, gate=gate, certainty="likely", evidence=lines, **more)


def words_of(need: str) -> str:
    """A need for people: "kind dummy" is the link kind dummy."""
    group, _space, name = need.partition(" ")
    return f"the {_WORDS[group]} {name}"


def _unknown_to_the_kernel(subject: Subject, module: KernelModule) -> Finding:
    release = subject.state.host.release
    return _code_finding(
        subject,
        module,
        "kind",
        policy_owner="platform",
        summary=f"Kernel {release} has no {words_of(module.need)[4:]}, neither built in nor as a module.",
        advice=f"Check the spelling. If it is right, install the package with further modules of kernel {release} "
        f"(Ubuntu: linux-modules-extra-{release}; Fedora, RHEL: kernel-modules-extra-{release}), the driver's own "
        "package, or another kernel. In a virtual machine or container of a provider, that is the provider's to do.",
    )


def _disabled(subject: Subject, module: KernelModule) -> Finding:
    return _code_finding(
        subject,
        module,
        "modules_disabled",
        summary=f"Module {module.name}, which has {words_of(module.need)}, is not loaded, and "
        "kernel.modules_disabled=1 refuses every module until the next boot.",
        evidence=[Evidence("/proc/sys/kernel/modules_disabled", "1")],
        advice=f"Let {module.name} be loaded before the switch is set: a line {module.name} in "
        "/etc/modules-load.d/netlink.conf, then reboot. The switch cannot be set back.",
    )


def _blocked(subject: Subject, module: KernelModule) -> Finding:
    place, _colon, line = (module.blocked or "").partition(": ")
    advice = ""
    if module.sealed:
        advice = f"Remove that line from {place}; it refuses the module under its own name too."
    elif module.file is None:
        advice = f"Install the file of module {module.name} for kernel {subject.state.host.release}."
    return _code_finding(
        subject,
        module,
        "kind",
        summary=f"Module {module.name}, which has {words_of(module.need)}, is not loaded, and {place} keeps it from "
        "being loaded on demand.",
        evidence=[Evidence(place, line)],
        remedy=None if advice else load(module),
        advice=advice,
    )


def _not_on_disk(subject: Subject, module: KernelModule) -> Finding:
    release = subject.state.host.release
    return _code_finding(
        subject,
        module,
        "kind",
        summary=f"Module {module.name}, which has {words_of(module.need)}, is not loaded, and its file for kernel "
        f"{release} is not on disk.",
        advice=f"If the kernel was updated since the last boot, reboot; else install the modules of kernel {release} "
        "again.",
    )


def load(module: KernelModule) -> Remedy:
    """The call of the role netlink_module that loads a module, now and at each boot."""
    return Remedy(
        "netlink_module",
        {"netlink_module_modules": [{"name": module.name, "state": "present"}]},
        adds=[f"kernel module {module.name} is loaded, now and at each boot"],
    )


# --- /dev/net/tun -----------------------------------------------------------------------------------------------------


def _device(subject: Subject) -> list[Finding]:
    """The first gate between the workload and the open device: the node, its mode, the control group."""
    unit, node = subject.unit, subject.workload.device
    if unit is not None and (private_devices(subject, unit) or policy_refuses(subject, unit)):
        return [_of_unit(subject, unit)]
    if node is None or (subject.starts and unit is not None):
        return []
    if not node.exists or not node.right:
        return [_missing(subject, node)]
    closed = [actor for actor in subject.actors if not opened(subject, actor) and not may_open(subject, actor, node)]
    if closed:
        return [_mode(subject, node, "may_refuse" if len(closed) < len(subject.actors) else "refuses")]
    return [_cgroup(subject, node)] if allows_devices(subject) is False else []


def _node_finding(subject: Subject, reason: str, errno: str, **more: Any) -> Finding:
    """A finding at the opening of the device; the probe does not imitate the control group."""
    asked = refused_open(subject) == errno
    lines = more.pop("evidence", [])
    if asked:
        lines = [*lines, Evidence("probe", f"opening {TUN} as the workload: {errno}")]
    owner = "container engine" if subject.container else "unit" if subject.unit else "host"
    more.setdefault("policy_owner", owner)
    return subject.finding(
        CAUSE, reason, gate="open", certainty="proven" if asked else "likely", evidence=lines, **more
    )


def _of_unit(subject: Subject, unit: Unit) -> Finding:
    """A line of the unit takes the device away; BindPaths= and DeviceAllow= give it back and nothing else."""
    private = private_devices(subject, unit)
    reason, errno = ("tun_node_missing", "ENOENT") if private else ("tun_device_cgroup", "EPERM")
    names = ("PrivateDevices",) if private else ("DevicePolicy", "DeviceAllow")
    settings = unit_settings(unit)
    text = f"{evidence(unit, *names)[0].text.partition('=')[0]}=" if evidence(unit, *names) else "The unit"
    if not settings:
        return _node_finding(
            subject,
            reason,
            errno,
            policy_owner="unit",
            summary=f"{unit.name} may use {TUN} by now, but {subject.workload.name} was started before.",
            remedy=unit_remedy(subject, unit, restart=True),
            advice=f"Restart {unit.name}.",
            pending=True,
        )
    return _node_finding(
        subject,
        reason,
        errno,
        policy_owner="unit",
        summary=f"{text} of {unit.name} "
        + (f"gives it a /dev without {TUN}." if private else f"does not let it open {TUN} (10:200)."),
        evidence=evidence(unit, *names),
        remedy=unit_remedy(subject, unit, settings={"Service": settings}, adds=f"{unit.name} may open {TUN}"),
    )


def _missing(subject: Subject, node: DeviceNode) -> Finding:
    """No node: in a container it is given to it; on the host it comes with the module."""
    module = next((item for item in subject.state.modules if item.need == "device tun"), None)
    old = f"rm {TUN} && " if node.exists else ""
    make = f"mkdir -p /dev/net && mknod {TUN} c 10 200 && chmod 0666 {TUN}"
    remedy, advice = None, f"{old}{make}, in the root directory of the workload."
    if subject.container is not None:
        advice = container_lines(subject.container)
    elif node.made_by == "devtmpfs" and module and not module.present and module.file and not module.sealed:
        disabled = subject.state.host.restrictions.get(DISABLED)
        remedy, advice = (None, advice) if disabled else (load(module), "")
    what = f"There is no {TUN}" if not node.exists else f"{TUN} is not the character device 10:200"
    return _node_finding(
        subject,
        "tun_node_missing",
        "ENOENT",
        summary=f"{what} where {subject.workload.name} looks for it.",
        evidence=[Evidence(TUN, "no such file" if not node.exists else f"mode {node.mode:04o}, another file")],
        remedy=remedy,
        advice=advice,
    )


def _mode(subject: Subject, node: DeviceNode, effect: str) -> Finding:
    why, advice = "lies on a mount with the option nodev", "Mount what it lies on without nodev."
    if not node.nodev:
        why = f"is of {node.uid}:{node.gid}, mode {node.mode:04o}"
        advice = f"chmod 0666 {TUN}, and for the next boot {_UDEV}: the kernel asks for cap_net_admin all the same."
    if subject.container is not None:
        advice = f"Give {TUN} the mode 0666 on the host, and {container_lines(subject.container)}"
    return _node_finding(
        subject,
        "tun_node_mode",
        "EACCES",
        effect=effect,
        summary=f"{TUN} {why}, which refuses it to {subject.workload.name}.",
        evidence=[Evidence(TUN, why)],
        advice=advice,
    )


def _cgroup(subject: Subject, node: DeviceNode) -> Finding:
    advice = "Allow c 10:200 rw in that control group, where its manager has its configuration."
    if subject.container is not None:
        advice = container_lines(subject.container)
    return _node_finding(
        subject,
        "tun_device_cgroup",
        "EPERM",
        summary=f"The control group of {subject.workload.name} does not let it open {TUN} (10:200).",
        evidence=[Evidence(node.cgroup_source, "no line allows c 10:200 rw")],
        advice=advice,
    )
