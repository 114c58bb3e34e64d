# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure this collection against its rivals, in turn and in one run, and write docs/benchmarks.md.

    python3 tests/benchmark/run.py [ROW...]      # default: all rows

The rows of this and of earlier runs are kept in build/bench/rows.json, and the page shows the newest of each.

Everything runs in network and mount namespaces of its own. The rivals come from the PyPI package "ansible", in an
environment of their own, whose ansible-core runs both sides. The time of a task is what the profile_tasks callback
says. Needs root.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Optional

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
VENV = BUILD / "venv" / "rivals"
RIVALS = "ansible==12.3.0"
ROUNDS = 3

ISOLATE = """
set -e
for place in /etc/sysctl.d /var/lib/netlink-remediation /srv; do
  mkdir -p "$place"; mount -t tmpfs -o mode=0755 tmpfs "$place"
done
mount -t sysfs sysfs /sys
ip link set lo up
exec "$@"
"""


@dataclass
class Row:
    """One line of the table: seconds of ours and of the rival, and the budget as rival / ours or ours / rival.

    unit: what both are measured in where that is not seconds.
    """

    work: str
    rival: str
    ours_seconds: float
    rival_seconds: float
    budget: float
    faster: bool  # the budget is "at least N times faster"; else "at most N times the rival's time"
    note: str = ""
    unit: str = "s"

    @property
    def ratio(self) -> float:
        return self.rival_seconds / self.ours_seconds if self.faster else self.ours_seconds / self.rival_seconds

    @property
    def kept(self) -> bool:
        return self.ratio >= self.budget if self.faster else self.ratio <= self.budget

    def line(self) -> str:
        """The row of the table in Markdown."""
        words = f"{self.ratio:.1f} times faster" if self.faster else f"{self.ratio:.2f} of its time"
        budget = f"at least {self.budget:g} times faster" if self.faster else f"at most {self.budget:g}"
        words = words.replace("its time", "it") if self.unit != "s" else words
        sides = (f"{value:.3f} {self.unit}" for value in (self.ours_seconds, self.rival_seconds))
        cells = [self.work, self.rival, *sides, words, budget]
        return "| " + " | ".join([*cells, "yes" if self.kept else "**no**"]) + " |"


def prepare() -> None:
    """The rivals' environment, made once, and the collection beside them."""
    if not (VENV / "bin" / "ansible-playbook").exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([VENV / "bin" / "pip", "-q", "install", RIVALS, "pyroute2", "jmespath"], check=True)
    tree = BUILD / "bench" / "ansible_collections" / "netlink"
    tree.mkdir(parents=True, exist_ok=True)
    link = tree / "remediation"
    if not link.exists():
        link.symlink_to(ROOT)


def play(tasks: list[dict[str, Any]], hosts: int = 1, isolate: bool = True, setup: str = "") -> dict[str, float]:
    """Seconds of each named task of a play on so many local hosts, all in one run of ansible-playbook."""
    with tempfile.TemporaryDirectory() as directory:
        book = Path(directory) / "play.yml"
        book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        inventory = "".join(f"h{number}," for number in range(hosts))
        command = [VENV / "bin" / "ansible-playbook", "-i", inventory, "-f", "10", book, "-c", "local"]
        command += ["-e", f"ansible_python_interpreter={VENV / 'bin' / 'python'}"]
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(BUILD / "bench"),
            "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks",
            "PROFILE_TASKS_TASK_OUTPUT_LIMIT": "all",
            "PROFILE_TASKS_SORT_ORDER": "none",
            "ANSIBLE_HOME": directory,
            "LC_ALL": "C.UTF-8",
        }
        wrapper = ["unshare", "-n", "-m", "--propagation", "private", "sh", "-c", ISOLATE, "sh"] if isolate else []
        wrapper += ["sh", "-ec", setup + '\nexec "$@"', "sh"] if setup else []
        done = subprocess.run([*wrapper, *command], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"the play failed:\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}")
    return {name: float(seconds) for name, seconds in re.findall(r"^(\S.*?) -+ +([\d.]+)s$", done.stdout, re.MULTILINE)}


def medians(tasks: list[dict[str, Any]], **options: Any) -> dict[str, float]:
    """The median seconds of each task over the rounds."""
    rounds = [play(tasks, **options) for _round in range(ROUNDS)]
    return {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}


def diagnosis() -> list[Row]:
    """The whole diagnosis of a host in one task, against ping and setup on the same hosts."""
    found = medians(
        [
            {"name": "warm", "ansible.builtin.ping": {}},
            {"name": "ping", "ansible.builtin.ping": {}},
            {"name": "diagnosis", "netlink.remediation.diagnosis_info": {}},
            {"name": "setup", "ansible.builtin.setup": {}},
        ],
        hosts=20,
    )
    work = "whole diagnosis of a host, one task, 20 hosts"
    return [
        Row(work, "ansible.builtin.ping", found["diagnosis"], found["ping"], 1.5, False),
        Row("the same", "ansible.builtin.setup", found["diagnosis"], found["setup"], 0.8, False),
    ]


def sysctls() -> list[Row]:
    """50 keys of 25 links, against a loop."""
    keys = [f"net/ipv4/conf/v{number}/{name}" for number in range(25) for name in ("rp_filter", "accept_redirects")]
    make = "for n in $(seq 0 2 24); do ip link add v$n type veth peer name v$((n + 1)); done"
    ours = {"netlink.remediation.sysctl_settings": {"settings": dict.fromkeys(keys, "0")}}
    rival = {
        "ansible.posix.sysctl": {
            "name": "{{ item }}",
            "value": "0",
            "sysctl_file": "/etc/sysctl.d/98-rival.conf",
            "sysctl_set": True,
            "reload": False,
        },
        "loop": keys,
    }
    tasks = [{"name": "ours", **ours}, {"name": "ours again", **ours}]
    mine = medians(tasks, setup=make)
    theirs = play([{"name": "rival", **rival}, {"name": "rival again", **rival}], setup=make)
    name = "a loop of ansible.posix.sysctl"
    return [
        Row("50 sysctl keys, first run", name, mine["ours"], theirs["rival"], 15, True),
        Row("50 sysctl keys, repeated", name, mine["ours again"], theirs["rival again"], 15, True),
    ]


def capabilities() -> list[Row]:
    """50 file capabilities, against a loop."""
    make = "for n in $(seq 50); do cp /bin/true /srv/p$n; done"
    paths = [f"/srv/p{number}" for number in range(1, 51)]
    files = [{"path": path, "capabilities": "cap_net_admin+ep"} for path in paths]
    ours = {"netlink.remediation.file_capabilities": {"files": files}}
    rival = {"community.general.capabilities": {"path": "{{ item }}", "capability": "cap_net_admin+ep"}, "loop": paths}
    mine = medians([{"name": "ours", **ours}, {"name": "ours again", **ours}], setup=make)
    theirs = play([{"name": "rival", **rival}, {"name": "rival again", **rival}], setup=make)
    name = "a loop of community.general.capabilities"
    return [
        Row("50 file capabilities, first run", name, mine["ours"], theirs["rival"], 12, True),
        Row("50 file capabilities, repeated", name, mine["ours again"], theirs["rival again"], 12, True),
    ]


def links() -> list[Row]:
    """201 links, against the network subset of setup."""
    make = "for n in $(seq 100); do ip link add a$n type veth peer name b$n; done"
    found = medians(
        [
            {"name": "warm", "ansible.builtin.ping": {}},
            {"name": "ours", "netlink.remediation.link_facts": {}},
            {"name": "rival", "ansible.builtin.setup": {"gather_subset": ["!all", "!min", "network"]}},
        ],
        setup=make,
    )
    return [Row("201 links", "setup's network subset", found["ours"], found["rival"], 4, True)]


def processor_time() -> float:
    """Seconds of processor time that this process and its children have used."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def best(*functions: Callable[[], Any], rounds: int = 25) -> list[float]:
    """The least processor time of each function over rounds in which they take turns."""
    least = [float("inf")] * len(functions)
    for _round in range(rounds):
        for index, function in enumerate(functions):
            start = processor_time()
            function()
            least[index] = min(least[index], processor_time() - start)
    return least


def processes() -> list[Row]:
    """Capabilities and namespaces of 1,000 processes, in process, against pscap."""
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import observe_namespaces
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import list_pids, read_threads

    sleepers = [subprocess.Popen(["sleep", "300"]) for _number in range(1000)]
    try:

        def ours() -> None:
            found = [process for process in (read_threads(pid, []) for pid in list_pids()) if process]
            assert len(observe_namespaces(found, [])[0]) >= 1 and len(found) >= 1000

        def rival() -> None:
            subprocess.run(["pscap", "-a"], stdout=subprocess.DEVNULL, check=True)

        mine, theirs = best(ours, rival)
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
    return [Row("capabilities and namespaces of 1,000 processes, in process", "pscap -a", mine, theirs, 1.0, False)]


def files() -> list[Row]:
    """File capabilities under /usr, against getcap."""
    from ansible_collections.netlink.remediation.plugins.module_utils._observe._executables import scan_capabilities

    def rival() -> None:
        subprocess.run(["getcap", "-r", "/usr"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    rival()
    mine, theirs = best(lambda: scan_capabilities("/usr", []), rival, rounds=9)
    return [Row("file capabilities under /usr", "getcap -r", mine, theirs, 1.0, False)]


def fleet() -> list[Row]:
    """The processor time that a host costs among 1,000 hosts, against that among 100."""

    def cost(hosts: int) -> float:
        start = processor_time()
        play([{"name": "diagnosis", "netlink.remediation.diagnosis_info": {}}], hosts=hosts)
        return (processor_time() - start) / hosts

    small, large = cost(100), cost(1000)
    return [Row("processor time for a host among 1,000 hosts", "among 100 hosts", large, small, 1.1, False)]


AUDIT = """
import sys
from ansible_collections.netlink.remediation.plugins.module_utils._evidence import read_denials
def kilobytes(word):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(word))
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")  # VmHWM begins anew, proc_pid_clear_refs(5)
before = kilobytes("VmRSS:")
found = read_denials(0, sources=["audit"], unseen=[], audit_log=sys.argv[1])
assert sum(denial.count for denial in found) > 0
print((kilobytes("VmHWM:") - before) / 1024)
"""


def audit() -> list[Row]:
    """The memory that 1,000,000 lines of an audit log take, as they are on most hosts and if each third is a denial."""
    rows = []
    for kind, every in (("one event in 50 a denial of its own", 50), ("each event a denial of its own", 1)):
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory) / "audit.log"
            with log.open("w", encoding="ascii") as file:
                for serial in range(1_000_000 // 3):
                    file.write(audit_event(serial, serial % every == 0))
            command = [sys.executable, "-c", AUDIT, str(log)]
            environment = {**os.environ, "PYTHONPATH": str(BUILD / "bench")}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        work = f"memory for 1,000,000 audit lines, {kind}"
        rows.append(Row(work, "50 MB", float(done.stdout), 50.0, 1.0, False, unit="MB"))
    return rows


def audit_event(serial: int, denied: bool) -> str:
    """Three lines of a log of auditd."""
    head = f"msg=audit({1796000000 + serial // 10}.{serial % 1000:03}:{serial}):"
    name = "net_admin" if denied else "chown"
    return (
        f'type=AVC {head} apparmor="DENIED" operation="capable" class="cap" profile="p{serial}" pid={serial % 4194304} '
        f'comm="c{serial}" capability=12  capname="{name}"\n'
        f"type=SYSCALL {head} arch=c000003e syscall=46 success=yes exit=32 a0=3 a1=7ffd a2=0 a3=0 items=0 ppid=1 "
        f'pid={serial % 4194304} auid=0 uid=0 gid=0 euid=0 tty=(none) ses=3 comm="c{serial}" exe="/usr/sbin/p{serial}" '
        f'subj=unconfined key=(null)\x1dARCH=x86_64 SYSCALL=sendmsg AUID="root"\n'
        f"type=PROCTITLE {head} proctitle=6970006C696E6B00736574006C6F007570\n"
    )


ROWS: dict[str, Callable[[], list[Row]]] = {
    "diagnosis": diagnosis,
    "sysctls": sysctls,
    "capabilities": capabilities,
    "links": links,
    "processes": processes,
    "files": files,
    "audit": audit,
    "fleet": fleet,
}

PAGE = """<!--
Copyright (c) 2026, the netlink.remediation authors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->

# Benchmarks

Written by `make bench`. Both sides run in turn on the same machine; what counts is the ratio. {machine}
The rivals are those of {rivals} on PyPI. Plays are the median of {rounds} runs (loops of a rival and the fleet: one).
Work in process and the fleet are measured in processor time, in process the least of several rounds; all else is wall
time.

| work | rival | ours | rival's | ratio | budget | kept |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

## Notes

What was profiled, and what is left:

- **Diagnosis.** Ansible sends a module as sources in a zip archive, and Python compiles each of them twice in each run,
  once to find it and once to load it. The imports were four fifths of the time above ping's; reading and judging a host
  took 10 ms. So probes, readers of links and sysctls and their causes are imported only where a workload needs them,
  and the other causes, the lookup of workloads and the dataclasses of what those have only where there is a workload. A
  host with a holder of an rtnetlink socket costs 50 ms more. Nearly half of what is left above ping's is the
  controller's: it parses all files of the archive, 116 of them ours, once for a task.
- **Noise.** All rows of this page were measured with the same code on a machine with nothing else to do. On a busy one
  and with other versions of Python, links came out 2.9 to 5.0 times faster, the diagnosis at 1.36 to 1.55 of ping's
  time, and processes and files at 0.77 to 1.07.
- **Links.** Over budget: setup needs 3.0 s where nothing else runs, which leaves 0.75 s. Of ours ping's part is 0.35 s,
  the controller's work for the archive 0.2 s, the import of pyroute2, whose package imports all its parts, 0.15 s, and
  its decoding of the dump 0.1 s. A second task of the same play has the archive already, and is 4.3 times faster than
  setup. The attributes of a link are read in one pass, and only those that are used.
- **Processes.** Two files and two namespaces are read for each process, and most of the time is the kernel's. The name
  of a namespace's link has its number, at two thirds to one third of the cost of following it.
- **Audit log.** Read in blocks of 64 KiB. Kinds of denials, events that are joined and events that are remembered are
  bounded, which is most of what a log takes that is made to be large; 100,000 lines of it are read in two seconds.
- **Files.** One listxattr(2) for each file. Ours and getcap's lie within the noise of a busy machine.
"""


def main(names: list[str]) -> Optional[str]:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return "the benchmarks need root and unshare(1), to work in namespaces of their own"
    prepare()
    sys.path.insert(0, str(BUILD / "bench"))
    measured = []
    for name in names or list(ROWS):
        rows = ROWS[name]()
        measured += rows
        print("\n".join(row.line() for row in rows), flush=True)
        write_page(keep(name, rows))
    over = [row.work for row in measured if not row.kept]
    return f"over budget: {', '.join(over)}" if over else None


def keep(name: str, rows: list[Row]) -> list[Row]:
    """Note the newest rows of a name; returns all that are known, in the order of the table."""
    kept = BUILD / "bench" / "rows.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    known[name] = [asdict(row) for row in rows]
    kept.write_text(json.dumps(known, indent=2))
    return [Row(**row) for name in ROWS for row in known.get(name, [])]


def write_page(rows: list[Row]) -> None:
    cpu = f"{os.cpu_count()} cores, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    lines = "\n".join(row.line() for row in rows)
    page = PAGE.format(machine=f"This machine: {cpu}.", rivals=RIVALS, rounds=ROUNDS, rows=lines)
    (ROOT / "docs" / "benchmarks.md").write_text(page)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
