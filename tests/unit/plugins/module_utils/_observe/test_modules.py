# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel has, or would load: the words for a need, and what the lists and the configuration make of it."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._depmod import ModuleIndex
from ansible_collections.netlink.remediation.plugins.module_utils._observe._modules import (
    RunningKernel,
    need_of,
    parse_configuration,
)
from ansible_collections.netlink.remediation.plugins.module_utils._state import Host, State, Workload

LISTS = {
    "modules.dep": "kernel/drivers/net/vxlan.ko:\nkernel/net/foo.ko:\n",
    "modules.alias": "alias rtnl-link-vxlan vxlan\nalias nfnetlink-subsys-10 nf_tables\n",
    "modules.builtin": "kernel/net/bridge.ko\n",
    "modules.builtin.modinfo": "dummy.alias=rtnl-link-dummy\0",
}


def kernel(tmp_path, *, lists=None, options=None, loaded=(), protocols=()):
    """A kernel with these lists of modules and this configuration; what is loaded is told too."""
    for name, text in (LISTS if lists is None else lists).items():
        (tmp_path / name).write_text(text)
    found = RunningKernel(State(host=Host(release="0.0.0-of-no-host", protocols=list(protocols))))
    found.index = ModuleIndex(str(tmp_path))
    found.__dict__.update(loaded=set(loaded), configuration=options, _rules=[], _helper_there=True)
    return found


@pytest.mark.parametrize(
    ("name", "aliases", "option", "module"),
    [
        ("kind dummy", ("rtnl-link-dummy",), "DUMMY", "dummy"),
        ("kind gretap", ("rtnl-link-gretap",), "NET_IPGRE", "ip_gre"),
        ("kind my-own", ("rtnl-link-my-own",), None, "my_own"),
        ("qdisc netem", ("net-sch-netem", "sch_netem"), "NET_SCH_NETEM", "sch_netem"),
        ("qdisc clsact", ("net-sch-clsact", "sch_clsact"), "NET_SCH_INGRESS", "sch_ingress"),
        ("qdisc pfifo", (), "NET_SCHED", ""),
        ("family xfrm", ("net-pf-16-proto-6",), "XFRM_USER", "xfrm_user"),
        ("device tun", ("char-major-10-200",), "TUN", "tun"),
    ],
)
def test_what_the_kernel_asks_for(name, aliases, option, module):
    need = need_of(name)
    assert (need.aliases, need.option, need.module) == (aliases, option, module)


def test_each_workload_says_what_it_needs():
    assert Workload("w", "pid").needs == []
    many = Workload("w", "pid", operations=["link", "nftables", "tun"], link_kind="vxlan")
    assert many.needs == ["kind vxlan", "family netfilter", "family nftables", "device tun"]


@pytest.mark.parametrize(
    ("name", "options", "loaded", "expected"),
    [
        ("kind vxlan", None, (), ("vxlan", False, False)),
        ("kind vxlan", None, ("vxlan",), ("vxlan", True, False)),
        ("kind dummy", None, (), ("dummy", True, True)),
        ("kind bridge", None, (), ("bridge", True, True)),
        ("kind nosuch", None, (), (None, False, False)),
        ("kind nosuch", {}, (), (None, False, False)),
        ("kind nosuch", None, ("nosuch",), ("nosuch", True, False)),
        ("kind ifb", {"IFB": "y"}, (), ("ifb", True, True)),
        ("kind ifb", {}, (), (None, False, False)),
        ("kind ifb", {"IFB": "m"}, (), ("ifb", False, False)),
        ("qdisc pfifo", None, (), (None, True, True)),
    ],
)
def test_what_the_lists_say_and_the_configuration_where_they_are_silent(tmp_path, name, options, loaded, expected):
    found = kernel(tmp_path, options=options, loaded=loaded).look_for(need_of(name))
    assert (found.name, found.present, found.builtin) == expected


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("kind vxlan", {"VXLAN": "y"}, ("vxlan", True)),
        ("kind vxlan", {"VXLAN": "m"}, ("vxlan", False)),
        ("kind vxlan", {}, (None, False)),
    ],
)
def test_without_lists_the_configuration_tells(tmp_path, name, options, expected):
    found = kernel(tmp_path, lists={}, options=options).look_for(need_of(name))
    assert (found.name, found.present) == expected


@pytest.mark.parametrize(("name", "options"), [("kind nosuch", {}), ("kind nosuch", None), ("kind nosuchvxlan", None)])
def test_what_nothing_tells_is_said_and_not_claimed(tmp_path, name, options):
    found = kernel(tmp_path, lists={}, options=options)
    assert found.look_for(need_of(name)) is None
    assert [item.source for item in found.state.unseen] == [name]


def test_what_was_loaded_from_elsewhere_may_have_what_no_module_of_the_list_has(tmp_path):
    found = kernel(tmp_path, loaded=["vxlan", "of_somebody"])
    assert found.look_for(need_of("kind nosuch")) is None
    assert "of_somebody" in found.state.unseen[0].reason
    assert found.look_for(need_of("kind vxlan")).present


def test_lists_of_before_5_2_do_not_tell_what_is_built_in(tmp_path):
    old = {name: text for name, text in LISTS.items() if name != "modules.builtin.modinfo"}
    found = kernel(tmp_path, lists=old)
    assert found.look_for(need_of("kind gretap")) is None
    assert found.look_for(need_of("kind vxlan")).name == "vxlan"


def test_a_family_that_is_registered_is_there(tmp_path):
    assert kernel(tmp_path, protocols=[6]).look_for(need_of("family xfrm")).present
    assert not kernel(tmp_path).look_for(need_of("family xfrm")).present


def test_the_configuration_is_what_is_set():
    text = '# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=m\nCONFIG_D="y"\nCONFIG_E=12\nB=y\n'
    assert parse_configuration(text) == {"B": "y", "C": "m"}
