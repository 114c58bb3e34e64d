# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""subid_ranges beside the tools that read and write the same files: useradd, usermod, newuidmap, getsubids."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from host import Host

FILES = "/etc/subuid /etc/subgid"


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, places: Path) -> Iterator[Host]:
    with Host(places / "subids", request.config.getoption("--lab")) as made:
        made.sh("useradd alice; useradd bob")
        yield made


@pytest.fixture(autouse=True)
def clean(host: Host) -> None:
    host.sh(f"rm -f {FILES}; rm -rf /var/lib/netlink-remediation; userdel carol 2>/dev/null || true")


def content(host: Host) -> str:
    return host.sh(f"for file in {FILES}; do ls -l $file; cat $file; done 2>&1 || true")


def test_check_mode_says_what_the_run_does_and_the_second_run_nothing(host: Host) -> None:
    host.sh("printf '# x\\nbob:100000:65536' > /etc/subuid")
    before = content(host)
    wanted = [{"user": "alice"}, {"user": "bob", "count": 70000}]
    preview = host.module("subid_ranges", check=True, ranges=wanted)
    assert content(host) == before
    done = host.module("subid_ranges", ranges=wanted)
    assert done["diff"] == preview["diff"] and done["changes"] == preview["changes"]
    assert [item["target"] for item in done["changes"]] == FILES.split()
    again = host.module("subid_ranges", ranges=wanted)
    assert (again["changed"], again["receipt"]) == (False, None)
    back = host.module("receipt", id=done["receipt"]["id"])
    assert back["changed"] and back["left_alone"] == []
    assert content(host) == before


def test_the_tools_of_the_host_accept_what_is_given(host: Host) -> None:
    """newuidmap takes a map that begins in one range and ends in the further one; the kernel takes all of it."""
    host.sh(f"for file in {FILES}; do printf 'alice:100000:1000\\nbob:101000:10\\n' > $file; done")
    host.module("subid_ranges", ranges=[{"user": "alice"}])
    assert host.sh("getsubids alice").splitlines() == ["0: alice 100000 1000", "1: alice 101010 64536"]
    mapped = host.sh(
        "setpriv --reuid alice --regid alice --clear-groups sh -ec '"
        "unshare --user sleep 100 & pid=$!; own=$(readlink /proc/self/ns/user); "
        'until [ "$(readlink /proc/$pid/ns/user)" != "$own" ]; do sleep 0.05; done; '
        "newuidmap $pid 0 100000 1000 1000 101010 64536; cat /proc/$pid/uid_map; kill $pid'"
    )
    assert [line.split() for line in mapped.splitlines()] == [["0", "100000", "1000"], ["1000", "101010", "64536"]]


def test_useradd_goes_on_behind_what_was_given(host: Host) -> None:
    host.module("subid_ranges", ranges=[{"user": "alice"}])
    host.sh("useradd carol")
    assert host.sh("cat /etc/subuid").splitlines() == ["alice:100000:65536", "carol:165536:65536"]
    assert not host.module("subid_ranges", ranges=[{"user": "carol"}])["changed"]


def test_ranges_of_usermod_that_overlap_are_not_built_upon(host: Host) -> None:
    host.sh(f"touch {FILES}; usermod --add-subuids 100000-165535 alice; usermod --add-subuids 150000-150009 bob")
    before = content(host)
    for check in (True, False):
        refused = host.module("subid_ranges", check=check, ranges=[{"user": "alice", "count": 100000}])
        assert refused["failed"] and "shares ids with /etc/subuid:2 (bob:150000:10)" in refused["msg"]
    assert content(host) == before
    gone = host.module("subid_ranges", ranges=[{"user": "bob", "start": 150000, "state": "absent", "kinds": ["uid"]}])
    assert gone["disrupts"]
    assert host.module("subid_ranges", ranges=[{"user": "alice", "count": 100000}])["changed"]
    assert host.sh("cat /etc/subuid").splitlines() == ["alice:100000:65536", "alice:165536:34464"]


def test_tools_that_change_users_wait_for_the_module_and_the_module_for_them(host: Host) -> None:
    """Both take the lock of lckpwdf(3); without it the one who writes last would lose what the other wrote."""
    holder = subprocess.Popen(
        [
            *host.enter,
            "python3",
            "-c",
            "import ctypes; ctypes.CDLL(None).lckpwdf(); print('held', flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    try:
        refused = host.module("subid_ranges", ranges=[{"user": "alice"}])
        preview = host.module("subid_ranges", check=True, ranges=[{"user": "alice"}])
    finally:
        holder.communicate("\n")
    assert refused["failed"] and "another program has been changing the users of this host" in refused["msg"]
    assert preview["changed"]
    assert host.module("subid_ranges", ranges=[{"user": "alice"}])["changed"]


def test_ids_that_come_from_elsewhere_are_said(host: Host) -> None:
    host.sh("cp /etc/nsswitch.conf /etc/nsswitch.kept; echo 'subid: sss' >> /etc/nsswitch.conf")
    try:
        done = host.module("subid_ranges", ranges=[{"user": "alice"}])
        facts = host.module("namespace_facts", netns=["/proc/1/ns/net"])
    finally:
        host.sh("mv /etc/nsswitch.kept /etc/nsswitch.conf")
    assert "subid: sss" in str(done["warnings"])
    unseen = facts["ansible_facts"]["netlink_namespaces"]["unseen"]
    assert [item["source"] for item in unseen] == ["/etc/nsswitch.conf"]
