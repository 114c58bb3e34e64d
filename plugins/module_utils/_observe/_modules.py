# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the kernel has, or would load, the code that a request needs: link kinds, qdiscs, netlink families, TUN.

The kernel is not asked for it, since that could load a module. What is registered is read, /proc/modules, what kmod
would do, and the kernel's own configuration.
"""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import NETLINK_NETFILTER, NETLINK_XFRM
from ansible_collections.netlink.remediation.plugins.module_utils._observe._depmod import (
    LONGEST_LIST,
    MODULES,
    ModuleIndex,
    Rule,
    hindrance,
    only_pretends,
    plain_name,
    read_rules,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_bytes
from ansible_collections.netlink.remediation.plugins.module_utils._parts import KernelModule
from ansible_collections.netlink.remediation.plugins.module_utils._state import State, Unseen

HELPER = "/proc/sys/kernel/modprobe"
# Options of the kernel's configuration, less CONFIG_, for link kinds (drivers/net/Kconfig and others), with the module
# where its name is not that of the kind.
KINDS = {
    "amt": "AMT",
    "bareudp": "BAREUDP",
    "batadv": "BATMAN_ADV batman_adv",
    "bond": "BONDING bonding",
    "bridge": "BRIDGE",
    "can": "CAN_DEV can_dev",
    "dummy": "DUMMY",
    "erspan": "NET_IPGRE ip_gre",
    "geneve": "GENEVE",
    "gre": "NET_IPGRE ip_gre",
    "gretap": "NET_IPGRE ip_gre",
    "gtp": "GTP",
    "hsr": "HSR",
    "ifb": "IFB",
    "ip6erspan": "IPV6_GRE ip6_gre",
    "ip6gre": "IPV6_GRE ip6_gre",
    "ip6gretap": "IPV6_GRE ip6_gre",
    "ip6tnl": "IPV6_TUNNEL ip6_tunnel",
    "ipip": "NET_IPIP",
    "ipvlan": "IPVLAN",
    "ipvtap": "IPVTAP",
    "macsec": "MACSEC",
    "macvlan": "MACVLAN",
    "macvtap": "MACVTAP",
    "netdevsim": "NETDEVSIM",
    "netkit": "NETKIT",
    "nlmon": "NLMON",
    "sit": "IPV6_SIT",
    "team": "NET_TEAM",
    "vcan": "CAN_VCAN",
    "veth": "VETH",
    "vlan": "VLAN_8021Q 8021q",
    "vrf": "NET_VRF",
    "vti": "NET_IPVTI ip_vti",
    "vti6": "IPV6_VTI ip6_vti",
    "vxcan": "CAN_VXCAN",
    "vxlan": "VXLAN",
    "wireguard": "WIREGUARD",
    "xfrm": "XFRM_INTERFACE xfrm_interface",
}
# Queueing disciplines that are a part of NET_SCHED itself (net/sched/Makefile).
PLAIN_QDISCS = ("bfifo", "blackhole", "mq", "noop", "noqueue", "pfifo", "pfifo_fast", "pfifo_head_drop")
FAMILIES = {
    "family netfilter": ("net-pf-16-proto-12", "NETFILTER_NETLINK", "nfnetlink"),
    "family nftables": ("nfnetlink-subsys-10", "NF_TABLES", "nf_tables"),
    "family xfrm": ("net-pf-16-proto-6", "XFRM_USER", "xfrm_user"),
    "device tun": ("char-major-10-200", "TUN", "tun"),
}
PROTOCOLS = {"family netfilter": NETLINK_NETFILTER, "family xfrm": NETLINK_XFRM}


@dataclass(frozen=True)
class Need:
    """name: as in Workload.needs. aliases: what the kernel asks modprobe for. option: of the kernel's configuration,
    None when not known. module: that brings it in the kernel's own tree.
    """

    name: str
    aliases: tuple[str, ...]
    option: Optional[str]
    module: str


def need_of(name: str) -> Need:
    """The aliases and the option for a need. Source: request_module() in net/core/rtnetlink.c, net/sched/sch_api.c,
    net/netlink/af_netlink.c, net/netfilter/nfnetlink.c, drivers/char/misc.c.
    """
    if name in FAMILIES:
        alias, option, module = FAMILIES[name]
        return Need(name, (alias,), option, module)
    group, _space, word = name.partition(" ")
    if group == "kind":
        known, _space, module = KINDS.get(word, "").partition(" ")
        return Need(name, (f"rtnl-link-{word}",), known or None, plain_name(module or word))
    if word in PLAIN_QDISCS:
        return Need(name, (), "NET_SCHED", "")
    file = "ingress" if word == "clsact" else word
    # Until 6.8 it was asked for by the name of the module.
    return Need(name, (f"net-sch-{word}", f"sch_{word}"), f"NET_SCH_{file.upper()}", f"sch_{plain_name(file)}")


def observe_modules(state: State) -> None:
    """Fill State.modules with what the named workloads need; what cannot be told is in State.unseen instead."""
    needs = dict.fromkeys(need for item in state.workloads if not item.discovered for need in item.needs)
    kernel = RunningKernel(state)
    for name in needs:
        found = kernel.look_for(need_of(name))
        if found is not None:
            state.modules.append(found)


class RunningKernel:
    """The kernel that runs, and the modules that are there for it."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.index = ModuleIndex(f"{MODULES}/{state.host.release}")

    @cached_property
    def loaded(self) -> set[str]:
        """Names in /proc/modules."""
        return loaded_modules()

    @cached_property
    def configuration(self) -> Optional[dict[str, str]]:
        """The options of the kernel's configuration that are set, "y" or "m"; None when it is nowhere to be read."""
        for path in ("/proc/config.gz", f"/boot/config-{self.state.host.release}", f"{self.index.directory}/config"):
            try:
                data = read_bytes(path, LONGEST_LIST)
                text = gzip.decompress(data) if path.endswith(".gz") else data
            except (OSError, EOFError, zlib.error):
                continue
            return parse_configuration(text.decode("utf-8", "replace"))
        return None

    def look_for(self, need: Need) -> Optional[KernelModule]:
        """What the kernel would do about a need; None when that cannot be told."""
        if self._registered(need):
            return KernelModule(need.name, need.module, present=True, source="registered in the kernel")
        if not need.aliases:
            return KernelModule(need.name, present=True, builtin=True, source="a part of the traffic control")
        found = self._of_index(need) if self.index.exists else None
        found = found or self._of_configuration(need)
        if found is None and self._has_traces(need.module):
            found = KernelModule(need.name, need.module, present=True, source=f"/sys/module/{need.module}")
        if found is None:
            self._say_unknown(need)
        return found

    def _registered(self, need: Need) -> bool:
        if need.name in PROTOCOLS:
            return PROTOCOLS[need.name] in self.state.host.protocols
        return need.name == "device tun" and _has_misc("tun")

    def _of_index(self, need: Need) -> Optional[KernelModule]:
        """From the lists of depmod; None where they do not tell of what is built in."""
        index, source = self.index, self.index.directory
        name = index.builtin_with({*need.aliases, need.module})
        if name:
            return KernelModule(need.name, name, present=True, builtin=True, source=source)
        name = index.module_with(need.aliases)
        if name is None and need.module in self.loaded:
            name = need.module  # From a file of somebody's own.
        if name is None:
            told = index.knows_builtin_aliases and (self.configuration is None or need.option is None)
            return KernelModule(need.name, source=source) if told and not self._foreign else None
        found = KernelModule(need.name, name, name in self.loaded, source=source, file=index.file_of(name))
        found.blocked, found.sealed = self._hindrance(name, need)
        return found

    @cached_property
    def _foreign(self) -> list[str]:
        """Modules that are loaded and that depmod has not listed: what they bring is not known."""
        return sorted(name for name in self.loaded if self.index.listed_file(name) is None)

    def _hindrance(self, name: str, need: Need) -> tuple[Optional[str], bool]:
        rule, sealed = hindrance(self._rules, self.index, name, need.aliases, self.loaded)
        if rule is None and not self._helper_there:
            return f"{HELPER}: the kernel has no program to load modules with", False
        return rule, sealed

    @cached_property
    def _rules(self) -> list[Rule]:
        return read_rules(self.state.unseen)

    @cached_property
    def _helper_there(self) -> bool:
        """Whether the program that the kernel calls to load a module on demand exists, and is none like /bin/false."""
        try:
            path = read_bytes(HELPER).decode("utf-8", "surrogateescape").strip()
        except OSError:
            return True  # Then it is not known to be missing.
        return os.path.exists(path) and not only_pretends([path])

    def _of_configuration(self, need: Need) -> Optional[KernelModule]:
        """From the kernel's configuration: what is not set is neither built in nor a module of this kernel's own."""
        if self.configuration is None or need.option is None:
            return None
        how, source = self.configuration.get(need.option), f"CONFIG_{need.option} of the kernel's configuration"
        if how == "y":
            return KernelModule(need.name, need.module, present=True, builtin=True, source=source)
        present = need.module in self.loaded
        if how == "m":
            return KernelModule(need.name, need.module, present, source=source)
        return KernelModule(need.name, need.module if present else None, present, source=source)

    def _has_traces(self, module: str) -> bool:
        return module in self.loaded or os.path.isdir(f"/sys/module/{module}")

    def _say_unknown(self, need: Need) -> None:
        reason = f"{self.index.directory} is not there, so nothing tells which modules this kernel has"
        if self.index.exists and self._foreign:
            reason = f"module {self._foreign[0]} was loaded from elsewhere, and may have it"
        elif self.index.exists:
            reason = f"{self.index.directory} does not tell what is built into this kernel"
        elif os.path.isdir(MODULES) and os.listdir(MODULES):
            reason += "; there is one of another release: after an update, the host has to be rebooted"
        self.state.unseen.append(Unseen(need.name, reason))


def parse_configuration(text: str) -> dict[str, str]:
    """The options of a kernel configuration that are "y" or "m", without CONFIG_."""
    found = {}
    for line in text.split("\n"):
        name, _equals, value = line.partition("=")
        if name.startswith("CONFIG_") and value in ("y", "m"):
            found[name[len("CONFIG_") :]] = value
    return found


def loaded_modules() -> set[str]:
    """Names of the modules that are loaded (/proc/modules); empty for a kernel without modules."""
    try:
        lines = read_bytes("/proc/modules", 1 << 22).decode("utf-8", "replace").splitlines()
    except OSError:
        return set()
    return {line.split(None, 1)[0] for line in lines if line.split()}


def _has_misc(name: str) -> bool:
    """Whether a device of the major number 10 is registered."""
    try:
        return any(line.split()[-1:] == [name.encode()] for line in read_bytes("/proc/misc").splitlines())
    except OSError:
        return False
