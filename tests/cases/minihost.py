# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of a case's own: a process tree in namespaces of its own, in which everything may be broken.

It has its own mount, network, pid, ipc and uts namespaces, so pid 1's network namespace is the case's, and empty
directories in place of /run, /srv, /etc/sysctl.d, /etc/ufw and /var/lib/netlink-remediation. Nothing that happens in
it is
visible outside, and it ends with the test. Needs root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
AGENT = "/srv/agent.py"
ENVIRONMENT = {**os.environ, "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
SYSTEM_PYTHON = "/usr/bin/python3"

SETUP = """
set -e
mkdir -p /etc/ufw /etc/sysctl.d /var/lib/netlink-remediation /srv
for place in /run /srv /etc/sysctl.d /etc/ufw /var/lib/netlink-remediation; do
  mount -t tmpfs -o mode=0755 tmpfs "$place"
done
mount -t sysfs sysfs /sys
cp "$1" /srv/agent.py
chmod 0755 /srv/agent.py
echo ready
exec $2 sleep infinity
"""

# The last access time and the like are left out; a sysctl that cannot be read is left out as well.
SNAPSHOT = """
find /srv /etc/sysctl.d -exec stat -c '%n %F %a %u %g %s' {} + | sort
find /srv /etc/sysctl.d -type f -exec sha256sum {} + | sort
getfattr -h -R -d -m - --absolute-names /srv || true
for space in self $(ip netns list | cut -d ' ' -f 1); do
  echo "== $space"
  if [ "$space" = self ]; then run=""; else run="ip netns exec $space"; fi
  $run ip -d address show | sed 's, tentative,,'
  $run ip -4 route show table all
  $run ip -6 route show table all
  $run grep -r -s . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf | sort || true
done
"""


class Process:
    """A program that a case started inside its host; pid and tids are those inside the host."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.read()
        self.pid = int(self.ask("pid")[0])

    def read(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def ask(self, *words: str) -> list[str]:
        """Send one command to the agent; the lines of its answer, the last one being "ok" or an errno name."""
        assert self.popen.stdin is not None
        self.popen.stdin.write(" ".join(words) + "\n")
        self.popen.stdin.flush()
        lines = [self.read()]
        while lines[-1].isdigit():
            lines.append(self.read())
        return lines

    def do(self, *words: str) -> str:
        """The result of one command: "ok" or an errno name."""
        return self.ask(*words)[-1]

    def stop(self) -> None:
        self.popen.kill()
        self.popen.wait()


class MiniHost:
    """Use as a context manager; see the module's docstring."""

    def __init__(self, bounding: str | None = None) -> None:
        """bounding: change of pid 1's bounding set, in the form of setpriv(1), e.g. "-net_admin"."""
        self.processes: list[Process] = []
        self.bounding = bounding

    def __enter__(self) -> MiniHost:
        self.init = subprocess.Popen(
            [
                "unshare",
                "-n",
                "-m",
                "-p",
                "-f",
                "-i",
                "-u",
                "--mount-proc",
                "--propagation",
                "private",
                "--kill-child",
                "--",
            ]
            + ["sh", "-c", SETUP, "sh", str(HERE / "agent.py")]
            + ([f"setpriv --bounding-set={self.bounding} --inh-caps={self.bounding}"] if self.bounding else []),
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        assert self.init.stdout is not None
        assert self.init.stdout.readline() == "ready\n"
        children = Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
        self.enter = ["nsenter", "-t", children[0], "-n", "-m", "-p", "-i", "-u", "--"]
        # Without duplicate address detection nothing goes on by itself between two looks at the host.
        self.sh("ip link set lo up; for k in all default; do echo 0 > /proc/sys/net/ipv6/conf/$k/accept_dad; done")
        self.worker = subprocess.Popen(
            [*self.enter, sys.executable, str(HERE / "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_details: object) -> None:
        for process in self.processes:
            process.stop()
        self.worker.kill()
        self.worker.wait()
        self.init.kill()
        self.init.wait()

    def sh(self, script: str, *arguments: str) -> str:
        """Run a shell script as root of the host; its output. It must succeed."""
        done = self.run(["sh", "-ec", script, "sh", *arguments])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command as root of the host."""
        return subprocess.run(
            [*self.enter, *command], capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=30
        )

    def agent(self, *wrapper: str, python: str = SYSTEM_PYTHON, script: str = AGENT) -> Process:
        """Start the netlink client of agent.py below a wrapper such as ("setpriv", "--reuid", "4242")."""
        command = [*self.enter, *wrapper, *([python] if python else []), *([script] if script else [])]
        pipe = subprocess.PIPE
        process = Process(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=ENVIRONMENT))
        self.processes.append(process)
        return process

    def module(self, name: str, check: bool = False, diff: bool = True, **parameters: Any) -> dict[str, Any]:
        """The result of a module of this collection, run inside the host (in a process of its own)."""
        assert self.worker.stdin is not None and self.worker.stdout is not None
        request = {**parameters, "_ansible_check_mode": check, "_ansible_diff": diff}
        self.worker.stdin.write(json.dumps([name, request]) + "\n")
        self.worker.stdin.flush()
        line = self.worker.stdout.readline()
        assert line, f"{name} gave no result"
        result: dict[str, Any] = json.loads(line)
        return result

    def diagnose(self, *workloads: dict[str, Any], **options: Any) -> dict[str, Any]:
        """The result of diagnosis_info, which must succeed."""
        result = self.module("diagnosis_info", workloads=[{"name": "w", **item} for item in workloads], **options)
        assert not result.get("failed"), result
        return result

    def snapshot(self) -> str:
        """Everything that a fix may change: files with modes and xattrs, sysctls of the network, links, addresses,
        routes.
        """
        return self.sh(SNAPSHOT)
