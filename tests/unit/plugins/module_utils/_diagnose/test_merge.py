# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging: remedies of several workloads become one call of a role, or an error that names who disagrees."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._merge import sysctl_path
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._plan import PlanError, make_plan
from ansible_collections.netlink.remediation.plugins.module_utils._found import Remedy
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._diagnose._samples import (
    capability,
    container,
    finding,
    link,
    sysctl,
    unit,
    userns,
)


def merged(*remedies):
    """The variables of the one role that these remedies of workloads 0, 1, ... become."""
    names = [str(number) for number in range(len(remedies))]
    found = [finding(name, gate="object", remedy=remedy) for name, remedy in zip(names, remedies)]
    roles = list(make_plan(found, named=dict.fromkeys(names, False)).roles.values())
    assert len(roles) == 1
    return roles[0].variables


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.100/x", "net/ipv4/conf/eth0.100/x"),
        ("net.ipv4.conf.eth0/100.x", "net/ipv4/conf/eth0.100/x"),
        ("plain", "plain"),
    ],
)
def test_the_first_separator_of_a_sysctl_key_decides(key, path):
    assert sysctl_path(key) == path


def test_capabilities_of_one_file_add_up():
    both = merged(capability(), capability(text="cap_net_raw+ep"), capability(path="/opt/other"))
    assert [(entry["path"], entry["capabilities"]) for entry in both["netlink_capability_files"]] == [
        ("/opt/agent", "cap_net_admin,cap_net_raw=ep"),
        ("/opt/other", "cap_net_admin+ep"),
    ]


@pytest.mark.parametrize(
    ("left", "right", "about"),
    [
        (capability(), capability(text="cap_net_raw+p"), "/opt/agent capabilities"),
        (capability(), capability(rootid=7), None),
        (capability(rootid=8), capability(rootid=7), "/opt/agent rootid: 8 or 7"),
        (sysctl(net__ipv4__ip_forward="1"), sysctl(net__ipv4__ip_forward="0"), "net.ipv4.ip_forward: 1 or 0"),
        (link(name="eth1", netns=None, state="up"), link(name="eth1", netns=None, state="down"), "eth1 state"),
        (link(name="eth1", state="up"), link(name="eth1", netns="/run/netns/x", state="down"), None),
        (
            link(name="e", routes=[{"dst": "default", "gateway": "10.0.0.1"}]),
            link(name="e", routes=[{"dst": "default", "gateway": "10.0.0.2"}]),
            "e route default",
        ),
    ],
)
def test_workloads_that_disagree_are_an_error_that_names_both(left, right, about):
    found = [finding("left", gate="object", remedy=left), finding("right", gate="object", remedy=right)]
    named = {"left": False, "right": False}
    if about is None:
        assert make_plan(found, named=named).roles
        return
    with pytest.raises(PlanError) as raised:
        make_plan(found, named=named)
    assert str(raised.value).startswith("left and right want different things of " + about)


def test_sysctls_merge_whatever_the_spelling_of_key_and_value():
    slashes = Remedy("netlink_sysctl", {"netlink_sysctl_settings": {"net/ipv4/ip_forward": 1}})
    dots = Remedy("netlink_sysctl", {"netlink_sysctl_settings": {"net.ipv4.ip_forward": "1", "net.core.somaxconn": 9}})
    plan = make_plan([finding("a", remedy=slashes), finding("b", remedy=dots)], named={"a": False, "b": False})
    assert plan.roles["netlink_sysctl"].variables == {
        "netlink_sysctl_settings": {"net/ipv4/ip_forward": "1", "net.core.somaxconn": "9"}
    }


def test_sysctls_of_namespaces_merge_by_namespace():
    def in_netns(path, **settings):
        return Remedy("netlink_sysctl", {"netlink_sysctl_namespaces": [{"netns": path, "settings": settings}]})

    found = [
        finding("a", remedy=in_netns("/run/netns/a", x="1")),
        finding("b", remedy=in_netns("/run/netns/a", y="2")),
        finding("c", remedy=in_netns("/run/netns/c", x="0")),
    ]
    plan = make_plan(found, named=dict.fromkeys("abc", False))
    assert plan.roles["netlink_sysctl"].variables["netlink_sysctl_namespaces"] == [
        {"netns": "/run/netns/a", "settings": {"x": "1", "y": "2"}},
        {"netns": "/run/netns/c", "settings": {"x": "0"}},
    ]


def test_links_add_up_addresses_and_routes():
    one = link(name="eth1", state="up", addresses=["10.0.0.1/24"])
    other = link(name="eth1", addresses=["10.0.0.1/24", "10.0.0.2/24"], routes=[{"dst": "default"}])
    plan = make_plan(
        [finding("a", gate="object", remedy=one), finding("b", gate="object", remedy=other)],
        named={"a": False, "b": False},
    )
    assert plan.roles["netlink_link"].variables["netlink_link_links"] == [
        {
            "name": "eth1",
            "state": "up",
            "addresses": ["10.0.0.1/24", "10.0.0.2/24"],
            "routes": [{"dst": "default"}],
        }
    ]


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        (
            unit(grant=["cap_net_admin"], lift=["private_users"]),
            unit(grant=["cap_net_raw", "cap_net_admin"], restart=True),
            {"grant": ["cap_net_admin", "cap_net_raw"], "lift": ["private_users"], "restart": True},
        ),
        (
            unit(settings={"Service": {"User": "a"}, "Unit": {"After": ["x"]}}),
            unit(settings={"Service": {"User": "a", "Group": "b"}}),
            {"settings": {"Service": {"User": "a", "Group": "b"}, "Unit": {"After": ["x"]}}},
        ),
        (unit(restart=True), unit(restart=False), {"restart": True}),
    ],
)
def test_units_merge_by_name(left, right, both):
    assert merged(left, right) == {"netlink_unit_units": [{"unit": "agent.service", **both}]}
    assert len(merged(left, unit("other.service"))["netlink_unit_units"]) == 2


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        (
            container(cap_add=["NET_ADMIN"]),
            container(cap_add=["NET_ADMIN"], cap_drop=["ALL"], user="0:0"),
            {"cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"], "user": "0:0"},
        ),
        (
            container(sysctls={"net.ipv4.ip_forward": 1}),
            container(sysctls={"net/ipv4/ip_forward": "1", "net.core.somaxconn": "9"}, recreate=True),
            {"sysctls": {"net.ipv4.ip_forward": "1", "net.core.somaxconn": "9"}, "recreate": True},
        ),
    ],
)
def test_containers_merge_by_name(left, right, both):
    assert merged(left, right) == {"netlink_container_containers": [{"container": "web1", **both}]}
    assert len(merged(left, container("web2"))["netlink_container_containers"]) == 2


def test_what_user_namespaces_want_merges_by_user_key_and_container():
    left = userns(
        ranges=[{"user": "app", "count": 65536, "kinds": ["uid"]}],
        daemon={"userns-remap": "app"},
        containers=[{"container": "web1", "userns": "host"}],
    )
    right = userns(
        ranges=[{"user": "app", "count": 131072}, {"user": "other"}],
        daemon={"icc": False},
        containers=[{"container": "web1", "userns": "host", "recreate": True}],
    )
    assert merged(left, right) == {
        "netlink_userns_ranges": [{"user": "app", "count": 131072, "kinds": ["uid", "gid"]}, {"user": "other"}],
        "netlink_userns_daemon": {"userns-remap": "app", "icc": False},
        "netlink_userns_containers": [{"container": "web1", "userns": "host", "recreate": True}],
    }


@pytest.mark.parametrize(
    ("left", "right", "about"),
    [
        (
            unit(settings={"Service": {"User": "a"}}),
            unit(settings={"Service": {"User": "b"}}),
            r"agent.service \[Service\] User: a or b",
        ),
        (unit(state="present"), unit(state="absent"), "agent.service state: present or absent"),
        (container(user="0:0"), container(user="7"), "web1 user: 0:0 or 7"),
        (container(userns="host"), container(userns=""), "web1 userns: host or "),
        (container(sysctls={"a.b": 1}), container(sysctls={"a/b": 2}), "a.b: 1 or 2"),
        (container(cap_add=["NET_RAW"]), container(cap_drop=["cap_net_raw"]), "web1 cap_net_raw: cap_add or cap_drop"),
        (userns(daemon={"userns-remap": "a"}), userns(daemon={"userns-remap": None}), ".* userns-remap: a or None"),
        (userns(ranges=[{"user": "a", "start": 1}]), userns(ranges=[{"user": "a", "start": 2}]), "a sub.* start: 1 or"),
    ],
)
def test_units_and_containers_that_cannot_be_both_are_an_error(left, right, about):
    with pytest.raises(PlanError, match=f"^0 and 1 want different things of {about}"):
        merged(left, right)


def policy(**variables):
    return Remedy("netlink_selinux", {f"netlink_selinux_{name}": value for name, value in variables.items()})


def profile(name, *rules, **more):
    return Remedy("netlink_apparmor", {"netlink_apparmor_profiles": [{"profile": name, "rules": list(rules), **more}]})


def module(name, state="present"):
    return Remedy("netlink_module", {"netlink_module_modules": [{"name": name, "state": state}]})


def rule(domain, kind, *permissions):
    return {"domain": domain, "class": kind, "permissions": list(permissions), "target": "self"}


def test_rules_of_one_domain_and_class_add_up_and_booleans_and_labels_stand_beside_them():
    both = merged(
        policy(allow=[rule("vpn_t", "netlink_route_socket", "create", "bind")], booleans={"vpn_can_route": True}),
        policy(
            allow=[rule("vpn_t", "netlink_route_socket", "nlmsg_write", "bind"), rule("vpn_t", "tun_socket", "create")],
            contexts=[{"path": "/srv/vpn", "type": "vpn_exec_t"}],
            classes=["b", "a"],
        ),
    )
    assert both == {
        "netlink_selinux_allow": [
            rule("vpn_t", "netlink_route_socket", "create", "bind", "nlmsg_write"),
            rule("vpn_t", "tun_socket", "create"),
        ],
        "netlink_selinux_booleans": {"vpn_can_route": True},
        "netlink_selinux_contexts": [{"path": "/srv/vpn", "type": "vpn_exec_t"}],
        "netlink_selinux_classes": ["a", "b"],
    }


def test_rules_of_one_profile_add_up():
    both = merged(profile("relay", "userns,", executable="/srv/relay"), profile("relay", "capability net_admin,"))
    assert both["netlink_apparmor_profiles"] == [
        {"profile": "relay", "rules": ["userns,", "capability net_admin,"], "executable": "/srv/relay"}
    ]


def test_modules_are_named_once():
    both = merged(module("dummy"), module("tun"), module("dummy"))
    assert [entry["name"] for entry in both["netlink_module_modules"]] == ["dummy", "tun"]


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        (policy(booleans={"x": True}), policy(booleans={"x": False}), "x: True or False"),
        (
            policy(contexts=[{"path": "/srv/a", "type": "a_t"}]),
            policy(contexts=[{"path": "/srv/a", "type": "b_t"}]),
            "/srv/a type: a_t or b_t",
        ),
        (profile("p", executable="/srv/a"), profile("p", executable="/srv/b"), "p executable: /srv/a or /srv/b"),
        (module("dummy"), module("dummy", "absent"), "dummy state: present or absent"),
    ],
)
def test_what_two_workloads_want_differently_of_a_security_module_is_said(one, other, what):
    with pytest.raises(PlanError, match=what):
        merged(one, other)
