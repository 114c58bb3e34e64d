# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cause 8 on states: code of the kernel, and the device node. Its answers themselves are in tests/cases, tests/lab."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose import diagnose
from ansible_collections.netlink.remediation.plugins.module_utils._parts import (
    Container,
    ContainerOwner,
    DeviceNode,
    Directive,
    KernelModule,
    Probe,
    Unit,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import (
    Credentials,
    Host,
    IdRange,
    NetNamespace,
    Process,
    State,
    Thread,
    UserNamespace,
    Workload,
)

USER, NET, CHILD = 1, 2, 3
NET_ADMIN, ALL = 1 << 12, (1 << 41) - 1
ROOT = Credentials(effective=ALL, permitted=ALL, bounding=ALL)
NOBODY = Credentials(*(4242,) * 8, effective=NET_ADMIN, permitted=NET_ADMIN, bounding=ALL)
ROOTLESS = {"credentials": Credentials(*(100000,) * 8, effective=ALL, permitted=ALL, bounding=ALL), "user_ns": CHILD}
FILE = "/lib/modules/6.1/kernel/x.ko"


def state(module=None, *, node=None, credentials=ROOT, user_ns=USER, probe=None, **more):
    """A process that needs a link kind, or /dev/net/tun if a node is given; probe: (answer, layer) for the device."""
    operation = "link" if node is None else "tun"
    answer, layer = probe or ("allowed", "ack" if node is None else "ioctl")
    probes = [Probe(operation, answer, layer=layer, tid=42)]
    kind = module.need.partition(" ")[2] if module and node is None else None
    workload = Workload("w", "pid", pid=42, processes=[42], probes=probes, operations=[operation], link_kind=kind)
    workload.device = node
    process = Process(42, 1, 1, "netd", [Thread(42, "netd", credentials, user_ns, NET)], **more)
    return State(
        host=Host(kernel=[6, 1], release="6.1", initial_user_ns=USER, initial_net_ns=NET, bounding=ALL),
        workloads=[workload],
        processes={42: process},
        user_namespaces={
            USER: UserNamespace(USER, uid_map=[IdRange(0, 0, 2**32 - 1)]),
            CHILD: UserNamespace(CHILD, USER, 0, [IdRange(0, 100000, 65536)], [IdRange(0, 100000, 65536)]),
        },
        net_namespaces={NET: NetNamespace(NET, user_ns)},
        modules=[module] if module else [],
    )


def disabled(found):
    found.host.restrictions["kernel/modules_disabled"] = 1
    return found


def first(found):
    result = diagnose(found)
    return result.verdicts[0].verdict, result.findings[0] if result.findings else None


def kind(**more):
    return KernelModule("kind x", **more)


@pytest.mark.parametrize(
    "module",
    [
        kind(name="x", present=True),
        kind(name="x", present=True, blocked="f:1: blacklist x"),
        kind(name="x", present=True, builtin=True),
        kind(name="x", file=FILE),
    ],
)
def test_what_is_there_or_would_be_loaded_is_no_cause(module):
    assert first(state(module)) == ("allowed", None)


def test_what_was_not_looked_for_is_neither_there_nor_missing():
    found = state(kind(name="x", present=True))
    found.modules = []
    assert first(found) == ("unknown", None)


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (kind(), "linux-modules-extra-6.1"),
        (kind(name="x"), "reboot"),
        (kind(name="x", file=FILE, blocked="/etc/f:1: install x /bin/false", sealed=True), "/etc/f:1"),
        (kind(name="x", blocked="/etc/f:1: blacklist x"), "Install"),
    ],
)
def test_what_no_module_can_mend_gets_advice(module, says):
    verdict, finding = first(state(module))
    assert (verdict, finding.cause, finding.reason, finding.remedy) == ("refused", "module_missing", "kind", None)
    assert says in finding.advice


def test_a_blacklisted_module_is_loaded_by_its_name():
    verdict, finding = first(state(kind(name="x", file=FILE, blocked="/etc/f:1: blacklist x")))
    assert (verdict, finding.reason, finding.remedy.role) == ("refused", "kind", "netlink_module")
    assert finding.remedy.variables == {"netlink_module_modules": [{"name": "x", "state": "present"}]}
    assert ("/etc/f:1", "blacklist x") in [(item.source, item.text) for item in finding.evidence]


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (kind(name="x", file=FILE), "modules_disabled"),
        (kind(name="x", file=FILE, blocked="f:1: blacklist x"), "modules_disabled"),
        (kind(), "kind"),
        (kind(name="x", present=True), None),
    ],
)
def test_modules_disabled_is_the_reason_for_what_could_be_loaded_without_it(module, reason):
    finding = first(disabled(state(module)))[1]
    assert (finding and finding.reason) == reason
    assert finding is None or finding.remedy is None


TUN = KernelModule("device tun", "tun", True)


@pytest.mark.parametrize(
    ("node", "more", "reason"),
    [
        (DeviceNode(cgroup=True), {}, None),
        (DeviceNode(mode=0o600, cgroup=True), {}, None),
        (DeviceNode(mode=0o660, gid=4242, cgroup=True), {"credentials": NOBODY}, None),
        (DeviceNode(exists=False), {"probe": ("ENOENT", "open")}, "tun_node_missing"),
        (DeviceNode(right=False), {"probe": ("ENOTTY", "ioctl")}, "tun_node_missing"),
        (DeviceNode(mode=0o600), {"credentials": NOBODY, "probe": ("EACCES", "open")}, "tun_node_mode"),
        (DeviceNode(mode=0o664), {"credentials": NOBODY, "probe": ("EACCES", "open")}, "tun_node_mode"),
        (DeviceNode(mode=0o066, uid=4242), {"credentials": NOBODY, "probe": ("EACCES", "open")}, "tun_node_mode"),
        (DeviceNode(nodev=True), {"probe": ("EACCES", "open")}, "tun_node_mode"),
        (DeviceNode(mode=0o600), {**ROOTLESS, "probe": ("EACCES", "open")}, "tun_node_mode"),
        (DeviceNode(mode=0o600, uid=100007, gid=100007, cgroup=True), ROOTLESS, None),
        (DeviceNode(cgroup=False), {}, "tun_device_cgroup"),
    ],
)
def test_the_node_its_mode_and_the_control_group(node, more, reason):
    finding = first(state(TUN, node=node, **more))[1]
    assert (finding and (finding.cause, finding.reason)) == (reason and ("module_missing", reason)), finding
    if finding and more.get("probe", ("", ""))[0] in ("ENOENT", "EACCES"):
        assert finding.certainty == "proven"


def test_a_probe_that_opened_the_node_outweighs_its_mode():
    """An access list may allow it."""
    assert first(state(TUN, node=DeviceNode(mode=0o600, cgroup=True), credentials=NOBODY)) == ("allowed", None)


@pytest.mark.parametrize(("made_by", "remedy"), [("devtmpfs", "netlink_module"), ("tmpfs", None), (None, None)])
def test_a_missing_node_comes_with_the_module_where_the_kernel_makes_nodes(made_by, remedy):
    absent = KernelModule("device tun", "tun", False, file=FILE)
    node = DeviceNode(exists=False, made_by=made_by)
    finding = first(state(absent, node=node, probe=("ENOENT", "open")))[1]
    assert (finding.remedy and finding.remedy.role) == remedy
    assert finding.remedy or "mknod" in finding.advice


@pytest.mark.parametrize(
    ("owner", "says"),
    [
        (ContainerOwner("hand"), "--device /dev/net/tun"),
        (ContainerOwner("compose", "p", "s", ["/srv/c.yml"]), 'devices: ["/dev/net/tun"]'),
        (ContainerOwner("quadlet", files=["/etc/x.container"]), "AddDevice=/dev/net/tun"),
        (ContainerOwner("lxc", files=["/var/lib/lxc/x/config"]), "lxc.cgroup2.devices.allow = c 10:200 rwm"),
        (ContainerOwner("kubernetes", pod="p", namespace="n", service="s"), "CharDevice"),
        (ContainerOwner("incus"), "incus config device add box tun unix-char path=/dev/net/tun"),
        (ContainerOwner("nspawn", files=["/etc/systemd/nspawn/x.nspawn"]), "Bind=/dev/net/tun"),
    ],
)
def test_each_kind_of_container_is_told_in_its_own_words(owner, says):
    found = state(TUN, node=DeviceNode(exists=False), probe=("ENOENT", "open"), container="box")
    found.containers["box"] = Container("box", "box", "docker", owner=owner)
    finding = first(found)[1]
    assert (finding.reason, finding.policy_owner) == ("tun_node_missing", "container engine")
    assert says in finding.advice and finding.remedy is None


@pytest.mark.parametrize(
    ("lines", "settings"),
    [
        ({"PrivateDevices": ["yes"]}, {"BindPaths": "/dev/net/tun", "DeviceAllow": "/dev/net/tun rw"}),
        ({"DevicePolicy": ["closed"]}, {"DeviceAllow": "/dev/net/tun rw"}),
        ({"DevicePolicy": ["strict"], "DeviceAllow": ["/dev/kvm"]}, {"DeviceAllow": "/dev/net/tun rw"}),
        ({"DeviceAllow": ["/dev/net/tun r"]}, {"DeviceAllow": "/dev/net/tun rw"}),
        ({"DeviceAllow": ["char-misc"]}, None),
        ({"DevicePolicy": ["closed"], "DeviceAllow": ["/dev/net/tun rwm"]}, None),
        ({"DeviceAllow": ["/dev/null", ""]}, None),
        ({}, None),
    ],
)
def test_a_unit_gets_the_one_device_and_no_more(lines, settings):
    private = "PrivateDevices" in lines
    node = DeviceNode(exists=not private, cgroup=None)
    probe = ("ENOENT", "open") if private else None
    found = state(TUN, node=node, unit="w.service", probe=probe)
    directives = [Directive("Service", name, one, "/u", 1) for name, values in lines.items() for one in values]
    found.units["w.service"] = Unit("w.service", directives=directives, main_pid=42)
    finding = first(found)[1]
    units = finding.remedy.variables["netlink_unit_units"] if finding else None
    assert units == (settings and [{"unit": "w.service", "settings": {"Service": settings}}])
