# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks on hosts of their own: what is applied, what is withheld, what is pending, what is taken back."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from minihost import MiniHost
from situations import USER

# The directory that holds ansible_collections, from which this collection is imported.
SPEC = importlib.util.find_spec("ansible_collections.netlink.remediation")
COLLECTIONS = Path(next(iter(SPEC.submodule_search_locations))).parents[2]


class Play:
    """A finished run of a playbook: its return code, what it said, and which roles changed something."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code = done.returncode
        self.text = done.stdout + done.stderr
        self.changed = [part.split("]")[0] for part in done.stdout.split("TASK [") if "\nchanged: [localhost]" in part]

    def __repr__(self) -> str:
        return self.text


def play(host: MiniHost, playbook: str, *arguments: str, **variables: Any) -> Play:
    program = str(Path(sys.executable).parent / "ansible-playbook")
    command = [program, f"netlink.remediation.{playbook}", "-i", "localhost,", "-c", "local", *arguments]
    variables["ansible_python_interpreter"] = sys.executable
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
    }
    done = subprocess.run(
        [*host.enter, *command, "-e", json.dumps(variables)],
        capture_output=True, text=True, check=False, env=environment, cwd="/", timeout=300,
    )  # fmt: skip
    return Play(done)


def capabilities(host: MiniHost) -> str:
    return host.sh("getcap /srv/*").strip()


def test_nothing_is_changed_where_nothing_was_named():
    with MiniHost() as host:
        host.sh("install -m 0755 /usr/bin/python3 /srv/netd")
        agent = host.agent(*USER, python="/srv/netd")
        assert agent.do("open") == "ok"
        before = host.snapshot()
        done = play(host, "fix_netlink")
        assert done.code == 0, done
        assert (done.changed, host.snapshot()) == ([], before)


def test_a_running_process_is_pending_until_it_is_executed_anew():
    with MiniHost() as host:
        host.sh("install -m 0755 /usr/bin/python3 /srv/netd")
        agent = host.agent(*USER, python="/srv/netd")
        named = [{"name": "netd", "pid": agent.pid}]
        first = play(host, "fix_netlink", netlink_remediate_workloads=named)
        assert first.code == 0 and "netd: PENDING" in first.text, first
        assert capabilities(host) == "/srv/netd cap_net_admin=ep"
        again = play(host, "fix_netlink", netlink_remediate_workloads=named)
        assert again.code == 0 and "netd: PENDING" in again.text and again.changed == [], again
        named[0]["pid"] = host.agent(*USER, python="/srv/netd").pid
        anew = play(host, "fix_netlink", netlink_remediate_workloads=named)
        assert anew.code == 0 and "netd: allowed" in anew.text, anew


def test_privilege_is_withheld_where_it_would_not_help_and_given_where_it_does():
    with MiniHost() as host:
        host.sh("install -m 0755 $(command -v tc) /srv/one; install -m 0755 $(command -v tc) /srv/other")
        one = {"name": "one", "executable": "/srv/one", "user": "4242", "operations": ["qdisc"]}
        other = {"name": "other", "executable": "/srv/other", "user": "4242", "interface": "none0"}
        for arguments in (["--check"], []):
            done = play(host, "fix_netlink", *arguments, netlink_remediate_workloads=[one, other])
            assert done.code != 0 and "other runs as uid 4242" in done.text.split("fatal:")[1], done
            assert "would not help while link_state (missing) remains" in done.text
        assert capabilities(host) == "/srv/one cap_net_admin=ep"


def test_tags_limit_what_is_applied_and_the_rest_comes_later():
    with MiniHost() as host:
        host.sh("install -m 0755 $(command -v tc) /srv/one; ip link add v0 type veth peer name v1")
        route = {"dst": "198.51.100.0/24", "interface": "v0"}
        one = {"name": "one", "executable": "/srv/one", "user": "4242", "operations": ["route"], "route": route}
        links = play(host, "fix_netlink", "--tags", "netlink_link", netlink_remediate_workloads=[one])
        assert links.code != 0 and "netlink_capability was left out" in links.text, links
        assert links.changed == ["netlink.remediation.netlink_link : Set links"]
        assert "UP" in host.sh("ip -br link show v0") and capabilities(host) == ""
        rest = play(host, "fix_netlink", netlink_remediate_workloads=[one])
        assert rest.code == 0 and "one: FIXED, verified" in rest.text, rest
        assert rest.changed == ["netlink.remediation.netlink_capability : Set file capabilities"]


def test_what_helps_nobody_is_taken_back_and_the_host_fails():
    with MiniHost() as host:
        host.sh(
            "ip link add v0 type veth peer name v1; ip link set v0 up; echo 1 > /proc/sys/net/ipv6/conf/v0/disable_ipv6"
        )
        before = host.snapshot()
        key = "/proc/sys/net/ipv6/conf/v0/disable_ipv6"
        spoiler = subprocess.Popen([*host.enter, "sh", "-c", f"while sleep 0.3; do echo 1 > {key}; done"])
        six = {"name": "six", "pid": host.agent().pid, "operations": ["address"]}
        six.update(interface="v0", address="2001:db8::1/64")
        done = play(host, "fix_netlink", netlink_remediate_workloads=[six])
        spoiler.kill()
        spoiler.wait()
        assert done.code != 0 and "six is still refused" in done.text, done
        assert "netlink.remediation.netlink_sysctl : Set sysctls of the host" in done.changed
        assert "netlink.remediation.netlink_remediate : Take back what helped nobody" in done.changed
        assert host.snapshot() == before


def test_state_named_by_variables_is_established_and_rolled_back():
    with MiniHost() as host:
        # Up once: a link that never was shows another queueing discipline.
        host.sh("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v0 down")
        host.sh("echo 0 > /proc/sys/net/ipv4/ip_forward")
        before = host.snapshot()
        wanted = {
            "netlink_remediate_sysctl": {"net.ipv4.ip_forward": 1},
            "netlink_remediate_links": [{"name": "v0", "state": "up"}],
        }
        preview = play(host, "fix_netlink", "--check", "--diff", **wanted)
        assert preview.code == 0 and "+net.ipv4.ip_forward = 1" in preview.text, preview
        assert host.snapshot() == before
        done = play(host, "fix_netlink", **wanted)
        assert done.code == 0 and done.changed == preview.changed, done
        assert "netlink_run_id: " in done.text and "netlink_run_id: " not in preview.text
        assert host.sh("cat /proc/sys/net/ipv4/ip_forward") == "1\n"
        assert play(host, "fix_netlink", **wanted).changed == []
        preview = play(host, "rollback_netlink", "--check")
        assert "net.ipv4.ip_forward: would be taken back" in preview.text, preview
        host.sh("ip link set v0 mtu 1400")
        left = play(host, "rollback_netlink")
        assert left.changed == ["Revert the run"] and "net.ipv4.ip_forward: taken back" in left.text, left
        assert "v0: LEFT ALONE, somebody changed it since" in left.text, left
        host.sh("ip link set v0 mtu 1500")
        assert "v0: taken back" in play(host, "rollback_netlink").text
        assert host.snapshot() == before
        again = play(host, "rollback_netlink")
        assert again.changed == [] and "nothing is left to be taken back" in again.text, again


def test_variables_that_contradict_a_workload_change_nothing():
    with MiniHost() as host:
        host.sh("echo 0 > /proc/sys/net/ipv4/ip_forward")
        router = {"name": "router", "pid": host.agent().pid, "operations": ["forward"]}
        wanted = {"net/ipv4/ip_forward": 0}
        done = play(host, "fix_netlink", netlink_remediate_workloads=[router], netlink_remediate_sysctl=wanted)
        assert done.code != 0 and "netlink_remediate_sysctl and router want different things" in done.text, done
        assert done.changed == []
