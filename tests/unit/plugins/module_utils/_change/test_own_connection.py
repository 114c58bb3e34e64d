# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The link, address or route that carries the session must be recognised, however Ansible became root."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

pyroute2 = pytest.importorskip("pyroute2")

from ansible_collections.netlink.remediation.plugins.module_utils._change._own_connection import (  # noqa: E402
    Session,
    cuts,
    find_session,
    locate,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._links import observe_links  # noqa: E402
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._netns import (  # noqa: E402, F401  # pylint: disable=unused-import
    fixture_netns,
    ip,
)

STATE: dict[str, Any] = {
    "up": True,
    "mtu": 1500,
    "addresses": [{"family": "inet", "address": "192.0.2.1/24"}, {"family": "inet", "address": "192.0.2.2/24"}],
    "routes": [{"family": "inet", "dst": "default", "gateway": "192.0.2.9", "protocol": "static", "scope": "global"}],
}
OTHER_ROUTE = {"family": "inet", "dst": "10.0.0.0/8", "protocol": "static", "scope": "link"}
CLOSER = {**OTHER_ROUTE, "dst": "203.0.113.0/24"}
SESSION = Session("203.0.113.5", "192.0.2.1", {"e0", "e1"})


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("e0", {}, []),
        (
            "e0",
            {"up": False, "routes": []},
            ["it goes down", "the route default via 192.0.2.9 proto static is removed"],
        ),
        ("e1", {"mtu": 1400}, ["its MTU changes"]),
        ("e2", {"up": False, "mtu": 1400}, []),
        ("e0", {"addresses": STATE["addresses"][:1]}, []),
        ("e0", {"addresses": STATE["addresses"][1:]}, ["its address 192.0.2.1 is removed"]),
        ("e0", {"addresses": STATE["addresses"][::-1]}, ["its address 192.0.2.1 is removed"]),
        ("e0", {"routes": [*STATE["routes"], OTHER_ROUTE]}, []),
        ("e2", {"routes": [*STATE["routes"], CLOSER]}, ["the route 203.0.113.0/24 proto static scope link is added"]),
    ],
)
def test_only_what_carries_the_session_cuts_it(name: str, change: dict[str, Any], expected: list[str]) -> None:
    found = cuts(SESSION, name, STATE, {**STATE, **change})
    assert found == expected


def test_the_session_is_found_above_a_process_that_lost_its_environment() -> None:
    module = "ansible_collections.netlink.remediation.plugins.module_utils._change._own_connection"
    code = f"from {module} import find_session; print(find_session())"
    result = subprocess.run(
        ["sh", "-c", 'env -i PYTHONPATH="$PYTHONPATH" "$0" -c "$1"; true', sys.executable, code],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "SSH_CONNECTION": "fe80::5%eth0 40000 2001:db8::1 22",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == repr(Session("fe80::5", "2001:db8::1"))


def test_the_first_process_has_no_session() -> None:
    assert find_session(1) is None


@pytest.mark.usefixtures("netns")
def test_the_carriers_are_the_links_of_both_ends_and_those_below() -> None:
    ip("link", "add", "br0", "type", "bridge")
    ip("link", "set", "v0", "master", "br0")
    for name in ("v0", "br0"):
        ip("link", "set", name, "up")
    ip("link", "add", "x0", "type", "veth", "peer", "name", "y0")
    ip("address", "add", "192.0.2.1/24", "dev", "br0")
    ip("route", "add", "default", "via", "192.0.2.9")
    session = Session("203.0.113.5", "192.0.2.1")
    with pyroute2.IPRoute() as netlink:
        locate(session, observe_links(None, [])[0], netlink)
    assert {"br0", "v0"} <= session.carriers
    assert not {"x0", "y0", "lo"} & session.carriers


@pytest.mark.usefixtures("netns")
def test_without_a_route_to_the_client_the_own_address_still_counts() -> None:
    ip("link", "set", "v0", "up")
    ip("address", "add", "192.0.2.1/24", "dev", "v0")
    session = Session("203.0.113.5", "::ffff:192.0.2.1")
    with pyroute2.IPRoute() as netlink:
        locate(session, observe_links(None, [])[0], netlink)
    assert "v0" in session.carriers
