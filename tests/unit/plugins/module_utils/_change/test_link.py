# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A LinkChange must do exactly what its plan predicted, and its revert must give back what ip(8) showed before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("pyroute2")

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _link, _own_connection
from ansible_collections.netlink.remediation.plugins.module_utils._change._link_plan import (
    Namespace,
    parse_wanted,
    plan_link,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._links import observe_links
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._netns import (  # noqa: F401  # pylint: disable=unused-import
    fixture_netns,
    ip,
    ip_json,
)


def read_sysctl(key: str) -> Any:
    """A sysctl of the test's namespace, None when there is none."""
    try:
        with open(f"/proc/sys/{key}", encoding="ascii") as stream:
            return stream.read()
    except OSError:
        return None


def plan(**entry: Any) -> _link.LinkChange:
    """The change that an entry of the option links means in the test's namespace."""
    links, routes = observe_links(None, [])
    namespace = Namespace(None, links, routes, read_sysctl)
    made = plan_link(parse_wanted("links[0]", {"name": "v0", **entry}, namespace), namespace)
    return _link.link_change("v0", None, made.before, made.after, made.disrupts)


def picture() -> Any:
    """Addresses and routes as ip(8) shows them, without what the kernel makes by itself and without clocks."""
    addresses = [
        {key: value for key, value in item.items() if key != "tentative"}
        for item in ip_json("address", "show", "dev", "v0")[0]["addr_info"]
        if not item["local"].startswith("fe80:") or item.get("protocol") != "kernel_ll"
    ]
    routes = [
        item
        for family in ("-4", "-6")
        for item in ip_json("-N", family, "route", "show", "table", "all", "dev", "v0")
        if item["dst"] not in ("fe80::/64", "ff00::/8") and not item["dst"].startswith("fe80:")
    ]
    link = ip_json("link", "show", "v0")[0]
    # The kernel lists IPv6 addresses with the newest first, which has no meaning.
    addresses.sort(key=lambda item: item["local"] if item["family"] == "inet6" else "")
    routes.sort(key=lambda item: json.dumps(item, sort_keys=True))
    return ["UP" in link["flags"], link["mtu"], addresses, routes]


def wait_for(true: Callable[[], bool]) -> None:
    """Until it holds, for 5 s at most: the kernel brings routes of IPv6 a moment after their address or link."""
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)


LOCAL = {"2001:db8::1", "2001:db8::2", "fe80::1"}  # destinations of the routes that furnish() need not ask for


def furnish() -> None:
    """Addresses and routes of all sorts on v0, with no wait for duplicate address detection."""
    settings = [f"net.ipv6.conf.{name}.accept_dad=0" for name in ("all", "default", "v0")]
    subprocess.run(["sysctl", "-qw", *settings], check=True)
    ip("link", "set", "v0", "up")
    ip("address", "add", "192.0.2.1/24", "brd", "+", "dev", "v0", "label", "v0:x")
    ip("address", "add", "192.0.2.2/24", "dev", "v0")
    ip("address", "add", "192.0.2.3/24", "dev", "v0", "noprefixroute")
    ip("address", "add", "198.51.100.1", "peer", "198.51.100.2", "dev", "v0")
    ip("address", "add", "2001:db8::1/64", "dev", "v0", "nodad")
    ip("address", "add", "2001:db8::2/64", "dev", "v0")
    ip("address", "add", "fe80::1/64", "dev", "v0", "nodad")
    ip("route", "add", "default", "via", "192.0.2.9", "metric", "50", "mtu", "1300")
    ip("route", "add", "203.0.113.0/25", "via", "192.0.2.9", "table", "1000", "src", "192.0.2.2", "proto", "static")
    ip("route", "add", "203.0.113.128/25", "dev", "v0", "proto", "dhcp")
    ip("route", "add", "10.99.0.7", "via", "10.99.0.1", "dev", "v0", "onlink")
    ip("route", "add", "10.99.0.8", "via", "inet6", "2001:db8::9", "dev", "v0")
    ip("-6", "route", "add", "default", "via", "2001:db8::9", "metric", "77")
    ip("-6", "route", "add", "2001:db8:5::/48", "dev", "v0", "src", "2001:db8::1")
    wait_for(lambda: LOCAL.issubset(item["dst"] for item in ip_json("-6", "route", "show", "table", "local")))


ENTRIES: list[dict[str, Any]] = [
    {"mtu": 1400},
    {"mtu": 1000},
    {"mtu": 1279},
    {"state": "down"},
    {"state": "down", "mtu": 1200},
    {"state": "down", "addresses": ["2001:db8::1/64", "2001:db8:9::1/64"]},
    {"addresses": ["192.0.2.77/24", "203.0.113.1/24", "2001:db8:7::1/64"]},
    {"addresses": [], "purge": True},
    {"addresses": ["192.0.2.2/24"], "purge": True},
    {"addresses": ["192.0.2.3/24", "192.0.2.50/24", "2001:db8::2/64"], "purge": True},
    {"routes": [], "purge": True},
    {"routes": [{"dst": "default", "gateway": "192.0.2.9", "metric": 50}], "purge": True},
    {"routes": [{"dst": "default", "gateway": "192.0.2.8", "metric": 50}], "purge": True},
    {"routes": [{"dst": "default", "gateway": "2001:db8::8"}]},
    {"routes": [{"dst": "10.0.0.0/8", "gateway": "192.0.2.9", "table": 5}]},
    {"addresses": ["10.1.0.1/16"], "routes": [{"dst": "10.2.0.0/16", "gateway": "10.1.0.9", "prefsrc": "10.1.0.1"}]},
    {"addresses": ["2001:db8:7::1/64"], "routes": [{"dst": "2001:db8:8::/48", "prefsrc": "2001:db8:7::1"}]},
    {"addresses": ["10.1.0.1/16"], "routes": [{"dst": "10.3.0.0/16"}], "purge": True, "mtu": 1200},
]


@pytest.mark.usefixtures("netns")
@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_the_result_is_the_predicted_one_and_revert_gives_back_what_ip_showed(entry: dict[str, Any]) -> None:
    furnish()
    pictured = picture()
    change = plan(**entry)
    assert change.read() == change.before != change.after
    change.validate()
    change.write(change.after)
    assert change.read() == change.after
    again = plan(**entry)
    assert again.before == again.after
    recorded = _link.LinkChange.from_record(json.loads(json.dumps(change.record())))
    recorded.write(recorded.before)
    assert recorded.read() == change.before
    wait_for(lambda: picture() == pictured)
    assert picture() == pictured


@pytest.mark.usefixtures("netns")
@pytest.mark.parametrize("entry", [ENTRIES[number] for number in (4, 7, 9, 15, 17)], ids=str)
def test_what_a_killed_write_leaves_is_recognised(entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    furnish()
    change = plan(**entry)
    done = _link.LinkChange._try
    states = []

    def spy(self: Any, *arguments: Any, **attributes: Any) -> None:
        done(self, *arguments, **attributes)
        states.append(self.read())

    monkeypatch.setattr(_link.LinkChange, "_try", spy)
    change.write(change.after)
    assert states
    for state in states:
        assert change.interrupted(state), state
    assert not change.interrupted({**change.before, "mtu": 1337})


@pytest.mark.usefixtures("netns")
def test_a_link_that_is_down_comes_up_with_addresses_and_routes() -> None:
    change = plan(
        state="up",
        mtu=1400,
        addresses=["192.0.2.1/24", "2001:db8::1/64"],
        routes=[{"dst": "default", "gateway": "192.0.2.254"}, {"dst": "default", "gateway": "2001:db8::fe"}],
    )
    assert change.before == {"up": False, "mtu": 1500, "addresses": [], "routes": []}
    change.write(change.after)
    assert change.read() == change.after
    assert ip_json("route", "show", "default")[0]["gateway"] == "192.0.2.254"
    assert ip_json("-6", "route", "show", "default")[0]["gateway"] == "2001:db8::fe"
    change.write(change.before)
    assert change.read() == change.before
    assert ip_json("address", "show", "dev", "v0")[0]["addr_info"] == []


@pytest.mark.usefixtures("netns")
def test_an_ipv6_source_address_is_waited_for_until_it_is_no_duplicate() -> None:
    route = {"dst": "2001:db8:8::/48", "prefsrc": "2001:db8:7::1"}
    change = plan(state="up", addresses=["2001:db8:7::1/64"], routes=[route])
    change.write(change.after)
    assert change.read() == change.after


@pytest.mark.usefixtures("netns")
def test_ipv6_addresses_that_the_kernel_keeps_on_down_are_predicted() -> None:
    ip("link", "set", "v0", "up")
    ip("address", "add", "2001:db8::1/64", "dev", "v0", "nodad")
    subprocess.run(["sysctl", "-qw", "net.ipv6.conf.v0.keep_addr_on_down=1"], check=True)
    change = plan(state="down")
    assert [item["address"] for item in change.after["addresses"]] == ["2001:db8::1/64"]
    change.write(change.after)
    assert change.read() == change.after


@pytest.mark.usefixtures("netns")
def test_the_diff_speaks_like_ip() -> None:
    furnish()
    change = plan(mtu=1400)
    text = change.render(change.after)
    assert text.splitlines()[0] == "v0 state up mtu 1400"
    assert "inet 192.0.2.1/24 brd 192.0.2.255 label v0:x" in text
    assert "inet 198.51.100.1 peer 198.51.100.2/32" in text
    assert "route default via 192.0.2.9 proto boot metric 50 mtu 1300" in text


@pytest.mark.usefixtures("netns")
def test_a_change_without_privilege_is_refused_by_validate() -> None:
    change = plan(mtu=1400)
    code = (
        "import json, os, sys\n"
        "from ansible_collections.netlink.remediation.plugins.module_utils._change._link import LinkChange\n"
        "record = json.loads(sys.argv[1])\n"
        "os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
        "try:\n    LinkChange.from_record(record).validate()\n"
        "except Exception as error:\n    print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", "import pyroute2\n" + code, json.dumps(change.record())],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.stdout.strip() == "v0: changing links was refused: EPERM Operation not permitted"


@pytest.mark.usefixtures("netns")
def test_a_link_or_namespace_that_is_gone_is_said() -> None:
    change = plan(mtu=1400)
    ip("link", "delete", "v0")
    with pytest.raises(ChangeError, match=r"^v0: there is no link of that name$"):
        change.read()
    sleeper = subprocess.Popen(["unshare", "-n", "sleep", "60"])
    try:
        time.sleep(0.3)
        path = f"/proc/{sleeper.pid}/ns/net"
        other = _link.link_change("lo", path, {}, {}, [])
        other.details["inode"] += 1
        with pytest.raises(ChangeError, match=r"namespace is gone, another one lies at its path"):
            other.read()
    finally:
        sleeper.kill()
        sleeper.wait()
    with pytest.raises(ChangeError, match=r"No such file or directory"):
        other.read()


@pytest.mark.usefixtures("netns")
def test_a_revert_that_cuts_the_own_connection_needs_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    change = plan(state="up", addresses=["192.0.2.1/24"])
    change.write(change.after)
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.9 40000 192.0.2.1 22")
    assert "own_connection" in change.consents(change.after, change.before)
    assert change.consents(change.after, change.after) == {}
    monkeypatch.setenv("SSH_CONNECTION", "UNKNOWN 65535 UNKNOWN 65535")  # what sshd sets where there is no TCP
    monkeypatch.setattr(_own_connection, "_parent", lambda pid: 0)
    assert change.consents(change.after, change.before) == {}


def test_a_fifo_in_place_of_a_namespace_is_refused_at_once(tmp_path: Any) -> None:
    os.mkfifo(tmp_path / "blue")
    with pytest.raises(ChangeError, match="it is no file such as /run/netns/blue"):
        _link.netns_inode(str(tmp_path / "blue"))


@pytest.mark.usefixtures("netns")
@pytest.mark.parametrize("entry", [{"state": "down"}, {"addresses": [], "purge": True}], ids=str)
def test_what_a_revert_cannot_give_back_is_said_beforehand(entry: dict[str, Any]) -> None:
    ip("link", "set", "v0", "up")
    ip("address", "add", "192.0.2.1/24", "dev", "v0")
    hops = [word for host in ("8", "9") for word in ("nexthop", "via", f"192.0.2.{host}", "dev", "v0")]
    ip("route", "add", "10.1.0.0/16", *hops)
    change = plan(**entry)
    change.write(change.after)
    change.write(change.before)
    assert not [route for route in ip_json("-N", "-4", "route", "show") if route["dst"] == "10.1.0.0/16"]
    (sentence,) = [text for text in change.disrupts if "which a revert does not bring back" in text]
    assert "v0 can lose the multipath route 10.1.0.0/16" in sentence
