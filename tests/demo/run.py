# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Break, diagnose, preview, fix, verify, roll back: on hosts of its own, gone when it ends. Needs root.

make demo                 prints what happens
make demo ARGS=--readme   writes it into README.md as well, between its two marks
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent / "cases"), str(HERE.parent / "lab")]

from confined import confine_apparmor, serve  # noqa: E402
from debian import NoDebianError  # noqa: E402
from host import Host, kept  # noqa: E402
from machine import Machine  # noqa: E402
from machine_image import NoImageError  # noqa: E402
from minihost import MiniHost  # noqa: E402

USER = ["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups"]
MARKS = ("<!-- demo begins -->\n", "<!-- demo ends -->\n")
WIDTH = 120

BREAK = """
install -m 0750 -g 4242 "$(command -v tc)" /srv/shaper
for name in lan0 wan0 up0 six0; do
  ip link add "$name" type veth peer name "${name}p"
  ip link set "$name" up
  ip link set "${name}p" up
done
ip address add 192.0.2.1/24 dev lan0
ip address add 198.51.100.1/24 dev wan0
ip address add 203.0.113.1/24 dev up0
ip link set up0 down
for key in all lan0 wan0; do echo 0 > "/proc/sys/net/ipv4/conf/$key/rp_filter"; done
echo 0 > /proc/sys/net/ipv4/ip_forward
echo net.ipv4.ip_forward = 1 > /etc/sysctl.d/60-router.conf
echo net.ipv4.ip_forward = 0 > /etc/sysctl.d/70-hardening.conf
echo 1 > /proc/sys/net/ipv6/conf/six0/disable_ipv6
"""

# The real program of each workload: what the user sees.
COMMANDS = {
    "shaper": [*USER, "/srv/shaper", "qdisc", "replace", "dev", "wan0", "root", "pfifo"],
    "router": ["ip", "route", "get", "198.51.100.9", "from", "192.0.2.9", "iif", "lan0"],
    "six": ["ip", "-6", "address", "add", "2001:db8::1/64", "dev", "six0"],
    "uplink": ["ip", "route", "add", "233.252.0.0/24", "dev", "up0"],
    "again": ["ip", "address", "add", "192.0.2.1/24", "dev", "lan0"],
    "rootless": [*USER, "unshare", "-Ur", "ip", "link", "set", "lan0", "mtu", "1400"],
}


def workloads(rootless: int) -> list[dict[str, object]]:
    """What netlink_remediate_workloads says about them. rootless: pid of a process in a user namespace of its own."""
    tool = {"executable": "/usr/sbin/ip" if Path("/usr/sbin/ip").exists() else "/usr/bin/ip", "user": "root"}
    return [
        {"name": "shaper", "executable": "/srv/shaper", "user": "4242", "operations": ["qdisc"], "interface": "wan0"},
        {"name": "router", **tool, "operations": ["forward"]},
        {"name": "six", **tool, "operations": ["address"], "interface": "six0", "address": "2001:db8::1/64"},
        {"name": "uplink", **tool, "operations": ["route"], "route": {"dst": "233.252.0.0/24", "interface": "up0"}},
        {"name": "again", **tool, "operations": ["address"], "interface": "lan0", "address": "192.0.2.1/24"},
        {"name": "rootless", "pid": rootless},
    ]


# On a host with systemd and a container engine. Each says by itself whether netlink refuses it.
SAY = "ip link set lo mtu 65000 && echo works; exec sleep infinity"
SERVICES = {"guard": "RestrictAddressFamilies=AF_UNIX AF_INET", "tuner": "User=daemon", "vpn": ""}
SERVICE = """\
[Service]
ExecStart=/bin/sh -c '{say}'
StandardOutput=truncate:/run/{name}.out
StandardError=inherit
{settings}
"""
COMPOSE = f"""\
services:
  vpn:
    container_name: vpn
    image: lab:base
    init: true
    command: ["sh", "-c", "{SAY}"]
"""
ACCEPTED = {"netlink_remediate_accept": ["restart", "recreate"]}


class Demo:
    """Runs things on the host and keeps what was printed. python: the interpreter of the host's modules."""

    def __init__(self, host: MiniHost | Host | Machine, python: str = "/usr/bin/python3") -> None:
        self.host, self.python = host, python
        self.printed: list[str] = []

    def say(self, text: str = "") -> None:
        for line in text.split("\n"):
            indent = " " * (len(line) - len(line.lstrip()))
            for part in textwrap.wrap(line, WIDTH, subsequent_indent=indent + "  ", drop_whitespace=bool(line)) or [""]:
                self.printed.append(part)
                print(part, flush=True)

    def head(self, text: str) -> None:
        self.say(f"\n== {text}")

    def commands(self, expect: dict[str, bool]) -> None:
        """Run the real programs; each must work or fail as expected."""
        for name, works in expect.items():
            done = self.host.run(COMMANDS[name])
            shown = " ".join(word for word in COMMANDS[name] if word not in USER)
            who = "#" if COMMANDS[name][0] != USER[0] else "$"
            text = (done.stderr.strip().split("\n")[0] if done.returncode else "ok") or "failed"
            self.say(f"{who} {shown}\n    {text}")
            if (done.returncode == 0) != works:
                sys.exit(f"demo: {shown} was expected to {'work' if works else 'fail'}")

    def play(self, playbook: str, *arguments: str, verdicts: bool = False) -> None:
        """Run a playbook of the collection on the host; print what it says, what it changed and the recap.

        verdicts: print the verdicts too; without, they are left out as they were shown before.
        """
        self.say(f"# ansible-playbook netlink.remediation.{playbook} {' '.join(arguments)}".rstrip())
        if isinstance(self.host, Machine):
            done = self.host.ansible(f"netlink.remediation.{playbook}", *arguments)
        else:
            done = self.inside(f"netlink.remediation.{playbook}", *arguments)
        for line in trim(done.stdout, verdicts):
            self.say("    " + line)
        if done.returncode != 0:
            sys.exit(f"demo: the playbook ended with {done.returncode}\n{done.stdout}{done.stderr}")

    def inside(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ansible-playbook in the host, which is controller and managed node at once."""
        program = str(Path(sys.executable).parent / "ansible-playbook")
        options = ["-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={self.python}"]
        variables = {name: value for name, value in os.environ.items() if name.startswith("ANSIBLE_")}
        variables.update(ANSIBLE_NOCOLOR="1", ANSIBLE_LOCALHOST_WARNING="0", PYTHONWARNINGS="ignore")
        words = ["env", *(f"{name}={value}" for name, value in variables.items()), program]
        return subprocess.run(
            [*self.host.enter, *words, *arguments[:1], *options, *arguments[1:]],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )


def trim(output: str, verdicts: bool) -> list[str]:
    """What a person reads of a playbook's output: messages, diffs, what changed or failed, the recap."""
    kept: list[str] = []
    task = ""
    for line in output.split("\n"):
        text = line.strip()
        if line.startswith(("TASK [", "PLAY [")):
            task = re.sub(r"^\w+ \[(?:netlink\.remediation\.)?(.*)\] \**$", r"\1", line)
        elif re.match(r'^ {8}".*",?$', line) or re.match(r'^ {4}"msg": "', line):
            message = json.loads(text.rstrip(",").removeprefix('"msg": '))
            if verdicts or not task.endswith("Verdicts"):
                kept.append(message)
        elif re.match(r"^(---|\+\+\+|@@|[+-])", line):
            kept.append("  " + line)
        elif line.startswith("changed: "):
            kept.append(f"changed: {task}")
        elif line.startswith(("fatal: ", "failed: ")):
            found = re.search(r'"msg": ("(?:[^"\\]|\\.)*")', line)
            kept.append(f"FAILED: {task}: {json.loads(found[1]) if found else line}")
        elif re.match(r"^(localhost|guest) +: ok=", line):
            kept.append(re.sub(" +", " ", text))
    return kept


def answers(demo: Demo, works: bool) -> None:
    """What the services and the container say; each must work or fail as expected."""
    for name in SERVICES:
        command = ["docker", "logs", name] if name == "vpn" else ["cat", f"/run/{name}.out"]
        for _attempt in range(100):
            done = demo.host.run(command)
            lines = (done.stdout + done.stderr).strip().split("\n")
            if lines[-1]:
                break
            time.sleep(0.05)
        demo.say(f"{'container' if name == 'vpn' else 'service'} {name}: {lines[-1]}")
        if (lines[-1] == "works") != works:
            sys.exit(f"demo: {name} was expected to {'work' if works else 'fail'}")


def run_services(host: Host) -> list[str]:
    """Two services of systemd and a container of compose."""
    demo = Demo(host)
    for name in ("guard", "tuner"):
        text = SERVICE.format(say=SAY, name=name, settings=SERVICES[name])
        host.write(f"/etc/systemd/system/{name}.service", text)
    host.write("/srv/vpn/compose.yml", COMPOSE)
    host.sh("systemctl daemon-reload; systemctl start guard tuner; cd /srv/vpn; docker compose up -d --quiet-pull")
    named = [{"name": name, "container" if name == "vpn" else "unit": name} for name in SERVICES]
    host.write("/srv/audit.json", json.dumps({"netlink_audit_workloads": named}))
    host.write("/srv/fix.json", json.dumps({"netlink_remediate_workloads": named}))
    host.write("/srv/accepted.json", json.dumps({"netlink_remediate_workloads": named, **ACCEPTED}))

    demo.say("\nAnother one, with systemd and docker: two services and a container of compose.")
    demo.head("What they say")
    answers(demo, works=False)
    demo.head("The verdicts")
    demo.play("audit_netlink", "-e", "@/srv/audit.json", verdicts=True)
    demo.head("The preview: nothing is changed")
    before = host.snapshot().partition("== network")[0]
    demo.play("fix_netlink", "-e", "@/srv/accepted.json", "--check", "--diff")
    if host.snapshot().partition("== network")[0] != before:
        sys.exit("demo: the preview changed the host")
    demo.head("The fix, restarts accepted, verified")
    demo.play("fix_netlink", "-e", "@/srv/accepted.json")
    answers(demo, works=True)
    demo.head("The rollback")
    demo.play("rollback_netlink", "-e", json.dumps({"netlink_rollback_accept": ["restart", "recreate"]}))
    if host.snapshot().partition("== network")[0] != before:
        sys.exit("demo: the rollback did not restore the host")
    answers(demo, works=False)
    return demo.printed


def run(host: MiniHost) -> list[str]:
    demo = Demo(host, sys.executable)
    host.sh(BREAK)
    rootless = host.agent(*USER, "env", "unshare", "-Ur").pid
    named = workloads(rootless)
    host.sh("cat > /srv/audit.json <<'end'\n" + json.dumps({"netlink_audit_workloads": named}) + "\nend")
    host.sh("cat > /srv/fix.json <<'end'\n" + json.dumps({"netlink_remediate_workloads": named[:5]}) + "\nend")
    broken = dict.fromkeys(COMMANDS, False)

    demo.say("A host of its own, with a broken workload of each family ($ is uid 4242, # is root).")
    demo.head("What their users see")
    demo.commands(broken)
    demo.head("The verdicts")
    demo.play("audit_netlink", "-e", "@/srv/audit.json", verdicts=True)
    demo.head("The preview: nothing is changed")
    before = host.snapshot()
    demo.play("fix_netlink", "-e", "@/srv/fix.json", "--check", "--diff")
    if host.snapshot() != before:
        sys.exit("demo: the preview changed the host")
    demo.head("The fix, verified")
    demo.play("fix_netlink", "-e", "@/srv/fix.json")
    demo.head("What their users see now")
    fixed = {name: name not in ("again", "rootless") for name in COMMANDS}
    demo.commands(fixed)
    host.sh("tc qdisc del dev wan0 root; ip route del 233.252.0.0/24; ip -6 address del 2001:db8::1/64 dev six0")
    demo.head("A second run changes nothing")
    demo.play("fix_netlink", "-e", "@/srv/fix.json")
    demo.head("The rollback")
    demo.play("rollback_netlink")
    if host.snapshot() != before:
        sys.exit("demo: the rollback did not restore the host")
    demo.say("    (files, capabilities, sysctls, links, addresses and routes are as they were)")
    demo.commands({name: broken[name] for name in ("shaper", "router", "six", "uplink")})
    return demo.printed


def relay_says(demo: Demo, works: bool) -> None:
    """Start the confined service anew and show what it was told; it must work or fail as expected."""
    demo.host.sh("rm -f /run/relay.status; systemctl restart relay; until [ -s /run/relay.status ]; do sleep 0.1; done")
    status, output = (demo.host.sh(f"cat /run/relay.{name}").strip() for name in ("status", "output"))
    demo.say(f"service relay: {output or 'works'}")
    if (status == "0") != works:
        sys.exit(f"demo: relay was expected to {'work' if works else 'fail'}")


def run_confined(machine: Machine) -> list[str]:
    """A service that its AppArmor profile refuses what it needs; nobody names it, the kernel's log does."""
    demo = Demo(machine)
    confine_apparmor(machine, "relay")
    serve(machine, "relay", "/usr/local/sbin/relay-daemon")
    demo.say("\nA third one, with AppArmor and a kernel of its own: a service whose profile lacks two rules.")
    demo.head("What it says")
    relay_says(demo, works=False)
    demo.head("Nothing is named: the host's own records say whom to look at")
    demo.play("fix_netlink", verdicts=True)
    named = ["-e", json.dumps({"netlink_remediate_workloads": [{"name": "relay", "unit": "relay"}]})]
    demo.head("The preview: nothing is changed")
    before = machine.snapshot()
    demo.play("fix_netlink", *named, "--check", "--diff")
    if machine.snapshot() != before:
        sys.exit("demo: the preview changed the guest")
    demo.head("The fix, verified")
    demo.play("fix_netlink", *named)
    relay_says(demo, works=True)
    demo.head("The rollback")
    demo.play("rollback_netlink")
    relay_says(demo, works=False)
    return demo.printed


def write_readme(lines: list[str]) -> None:
    """Put the transcript between the marks of README.md."""
    path = ROOT / "README.md"
    text = path.read_text()
    begin, end = (text.index(mark) for mark in MARKS)
    transcript = "```text\n" + "\n".join(lines) + "\n```\n"
    path.write_text(text[: begin + len(MARKS[0])] + transcript + text[end:])


def main() -> None:
    if os.geteuid() != 0:
        sys.exit("demo: needs root, to make the namespaces it works in")
    started = time.monotonic()
    with MiniHost() as host:
        lines = run(host)
    try:
        with Host(kept().parent / "hosts" / f"demo-{os.getpid()}", kept(), docker=True) as whole:
            lines += run_services(whole)
        with Machine(kept().parent / "hosts" / f"demo-guest-{os.getpid()}", kept()) as guest:
            lines += run_confined(guest)
    except (NoDebianError, NoImageError) as exc:
        print(f"\nThe parts with systemd, docker and AppArmor are left out: {exc}")
    if "--readme" in sys.argv[1:]:
        write_readme(lines)
    print(f"\ndone in {time.monotonic() - started:.0f} s, nothing is left behind")


if __name__ == "__main__":
    main()
