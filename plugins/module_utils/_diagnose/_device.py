# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies between a workload and the open /dev/net/tun: the node, its mode, the control group, the unit's lines."""

from __future__ import annotations

from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._containers import place_of
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._sandbox import (
    enabled,
    lifted,
    lines,
    unsandboxed,
    value,
)
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._subject import Actor, Subject
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CAP_DAC_OVERRIDE, TUN
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, DeviceNode, Probe, Unit
from ansible_collections.netlink.remediation.plugins.module_utils._state import IdRange

_BIND, _ALLOW = ("BindPaths", TUN), ("DeviceAllow", f"{TUN} rw")


# --- the node ---------------------------------------------------------------------------------------------------------


def _probes(subject: Subject, actor: Optional[Actor] = None) -> list[Probe]:
    tid = actor.tid if actor else None
    return [item for item in subject.workload.probes if item.operation == "tun" and tid in (None, item.tid)]


def opened(subject: Subject, actor: Actor) -> bool:
    """Whether a probe with an actor's credentials opened the node."""
    return any(item.layer == "ioctl" for item in _probes(subject, actor))


def refused_open(subject: Subject) -> Optional[str]:
    """The errno with which a probe was refused when it opened the node."""
    answers = [item.answer for item in _probes(subject) if item.layer == "open" and item.answer != "unknown"]
    return answers[0] if answers else None


def may_open(subject: Subject, actor: Actor, node: DeviceNode) -> bool:
    """Whether owner, mode and mount of the node let an actor read and write it; an access list is taken to do so."""
    if node.nodev:
        return False
    own, mode = actor.credentials, node.mode
    if own.effective >> CAP_DAC_OVERRIDE & 1 and _maps(subject, actor, node):
        return True
    if own.fsuid == node.uid:
        return mode >> 6 & 6 == 6
    if node.access_list:
        return True
    if node.gid in (own.fsgid, *own.groups):
        return mode >> 3 & 6 == 6
    return mode & 6 == 6


def _maps(subject: Subject, actor: Actor, node: DeviceNode) -> bool:
    """Whether the actor's user namespace has the owner and group of the node, so that its capability counts for it."""
    space = subject.state.user_namespaces.get(actor.user_ns) if actor.user_ns is not None else None
    if space is None or actor.user_ns == subject.state.host.initial_user_ns:
        return True
    return _holds(space.uid_map, node.uid) and _holds(space.gid_map, node.gid)


def _holds(ranges: list[IdRange], number: int) -> bool:
    return any(line.outside <= number < line.outside + line.count for line in ranges)


def container_lines(container: Container) -> str:
    """What gives a container the device, as a sentence."""
    owner, where = container.owner, place_of(container)
    by_owner = {
        "compose": f'Add devices: ["{TUN}"] to the service {owner.service} in {where} and make it anew.',
        "quadlet": f"Add AddDevice={TUN} to [Container] in {where} and restart it.",
        "lxc": f"Add lxc.mount.entry = {TUN} dev/net/tun none bind,create=file and lxc.cgroup2.devices.allow = "
        f"c 10:200 rwm to {where} and restart it.",
        "incus": f"incus config device add {container.name} tun unix-char path={TUN}",
        "lxd": f"lxc config device add {container.name} tun unix-char path={TUN}",
        "nspawn": f"Add Bind={TUN} to [Files] in {where} and DeviceAllow={TUN} rw to its unit.",
        "kubernetes": f"Give {where} the device: a device plugin for {TUN}, or a volume of hostPath type CharDevice.",
    }
    return by_owner.get(owner.kind, f"Add --device {TUN} where {container.name} is started and make it anew.")


# --- the control group and the unit -----------------------------------------------------------------------------------


def allows_devices(subject: Subject) -> Optional[bool]:
    """Whether the control group lets the device be opened: as read, else as the definition says; None: unknown."""
    node = subject.workload.device
    if node is not None and node.cgroup is not None:
        return node.cgroup
    if subject.container is not None:
        return subject.container.allows_tun or None
    unit = subject.unit
    if unit is None or unit.stale or (not _restricted(unit) and enabled(unit, "ProtectClock")):
        return None  # ProtectClock= of old releases allows the clock alone.
    return not policy_refuses(subject, unit)


def private_devices(subject: Subject, unit: Unit) -> bool:
    """Whether the unit has, or will have, a /dev of its own without the node."""
    if unsandboxed(subject) or not enabled(unit, "PrivateDevices"):
        return False
    node = subject.workload.device
    return not _binds(unit) if subject.starts else node is not None and not node.exists


def _binds(unit: Unit) -> bool:
    return any(TUN in word.split(":") for line in lines(unit, "BindPaths") for word in line.value.split())


def policy_refuses(subject: Subject, unit: Unit) -> bool:
    """Whether the unit's device policy leaves the device out (systemd.resource-control(5)): any line that allows some
    devices refuses all others. What runs since before our line allows it waits for a restart.
    """
    node = subject.workload.device
    cgroup = node.cgroup if node is not None and not subject.starts else None
    if unsandboxed(subject) or unit.manager != "system" or cgroup or not _restricted(unit):
        return False
    if _allowed(unit):
        return lifted(subject, "DeviceAllow")
    return subject.starts or not unit.stale or cgroup is False


def _restricted(unit: Unit) -> bool:
    policy = value(unit, "DevicePolicy") or "auto"
    return policy in ("closed", "strict") or enabled(unit, "PrivateDevices") or bool(lines(unit, "DeviceAllow"))


def _allowed(unit: Unit) -> bool:
    for line in lines(unit, "DeviceAllow"):
        name, _space, access = line.value.partition(" ")
        if name in (TUN, "char-misc", "char-*") and {"r", "w"} <= set(access.strip() or "rwm"):
            return True
    return False


def unit_settings(unit: Unit) -> dict[str, str]:
    """The directives that give a unit the device, less those that its files have already."""
    wanted = [_BIND] if enabled(unit, "PrivateDevices") and not _binds(unit) else []
    wanted += [_ALLOW] if _restricted(unit) and not _allowed(unit) else []
    return dict(wanted)
