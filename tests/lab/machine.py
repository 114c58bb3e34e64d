# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole Debian on a kernel of its own, with AppArmor or with SELinux enforcing; to its tests it reads like a Host.

The kernel is user-mode-linux, a program: it runs in mount, network and pid namespaces of its own, over the disk of
machine_image.py, which it only reads. It is reached by ssh over a link that leads nowhere else. Needs root.

    python3 tests/lab/machine.py start PLACE --mode apparmor    # or selinux; PLACE/enter COMMAND... runs one in it
    python3 tests/lab/machine.py stop PLACE
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Optional

from host import COLLECTION, COLLECTIONS, WORKER, kept
from machine_image import ADDRESS, GATEWAY, hold_image, make_image

MODES = {
    "apparmor": ["lsm=yama,apparmor"],
    "selinux": ["lsm=yama,selinux", "enforcing=1"],
    "selinux-permissive": ["lsm=yama,selinux", "enforcing=0"],
    "none": ["lsm=yama"],
}
MEMORY = "768M"

# Run in the new namespaces. $1: image, $2: directory of this machine; further: directories to share, "--", arguments.
# The kernel sees its own C library in /lib64 and nothing of this machine but what is shared. It drops large frames that
# it did not ask for, so none may be made on this side of the link (gso_max_segs).
INIT = rf"""
set -e
image=$1 place=$2; shift 2
mount --make-rprivate /
ip link set lo up
ip tuntap add tap0 mode tap
ip address add {GATEWAY}/24 dev tap0
ip link set tap0 up gso_max_segs 1
cd "$place/root"
mount -t tmpfs -o mode=755 tmpfs .
cd "$place/root"
mkdir lib64 dev proc tmp image place shared
mount --bind "$image" image
mount -o remount,ro,bind image
mount --bind "$image/kernel" lib64
mount --bind "$place" place
mount --rbind /dev dev
mount -t proc proc proc
while [ "$1" != -- ]; do
  mkdir -p "shared$1"
  mount --bind "$1" "shared$1"
  mount -o remount,ro,bind "shared$1"
  shift
done
shift
chroot . /lib64/linux "umid=kernel" "uml_dir=/place" "ubd0=/place/disk,/image/disk" root=/dev/ubda rw seccomp=auto \
  hostfs=/shared vec0:transport=tap,ifname=tap0,depth=64,gro=1 con=null con0=null,fd:1 systemd.show_status=0 "$@"
"""

SSH = """\
Host guest
  HostName {address}
  User root
  ProxyCommand nsenter -t {pid} -n {python} {program} connect %h %p {pid}
  IdentityFile {image}/id
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ControlMaster auto
  ControlPath {control}
  ControlPersist yes
"""

# What a fix may change: files of /etc and units, policy modules, modules of the kernel, sysctls, links.
SNAPSHOT = r"""
find /etc /srv /usr/lib/systemd/system /usr/local -xdev ! -name '*.pyc' -printf '%p %y %m %U %G %l\n' | sort
find /etc /srv /usr/local -xdev -type f -exec sha256sum {} + | sort
getfattr -h -R -d -m - --absolute-names /srv /usr/local 2>/dev/null || true
echo "== policy"
cat /sys/kernel/security/apparmor/profiles 2>/dev/null | sort || true
ls /var/lib/selinux/default/active/modules/* 2>/dev/null || true
cat /sys/fs/selinux/enforce 2>/dev/null || true
for boolean in /sys/fs/selinux/booleans/*; do [ ! -e "$boolean" ] || echo "$boolean $(cat "$boolean")"; done
echo "== kernel"
cut -d' ' -f1 /proc/modules | sort
echo "== network"
ip address show | sed 's, tentative,,'
ip -4 route show table all
ip -6 route show table all
grep -r -s . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf | sort || true
"""


class MachineError(Exception):
    """The guest did not come up; the message ends with its console."""


class Machine:
    """Use as a context manager, or start() and stop()."""

    def __init__(self, place: Path, lab: Path, *, mode: str = "apparmor", auditd: bool = True) -> None:
        """PLACE: a directory of this guest's own. LAB: where the image is kept. MODE: one of MODES.

        Without AUDITD, denials are found in the kernel's log.
        """
        self.place, self.mode, self.auditd = place.resolve(), mode, auditd
        self.image = make_image(lab)
        self.worker: Optional[subprocess.Popen[str]] = None
        self.outlives = False

    def __enter__(self) -> Machine:
        self.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self.stop()

    def start(self) -> None:
        """Boot from a fresh disk, and wait until systemd is up; raises MachineError."""
        shutil.rmtree(self.place, ignore_errors=True)
        (self.place / "root").mkdir(parents=True)
        self._boot()

    def _boot(self, *arguments: str) -> None:
        """Boot from the disk as it is."""
        script = self.place / "init.sh"
        script.write_text(INIT)
        # Killed with the process that asked for it, unless it is to outlive that (the command line).
        bond = [] if self.outlives else ["setpriv", "--pdeathsig", "KILL"]
        spaces = ["--mount", "--net", "--pid", "--fork", "--kill-child"]
        words = [str(self.image), str(self.place), *self.shared(), "--", f"mem={MEMORY}", *MODES[self.mode], *arguments]
        if not self.auditd:
            words.append("lab.auditd=0")
        held = hold_image(self.image)
        with (self.place / "console").open("ab") as console:
            self.init = subprocess.Popen(
                [*bond, "unshare", *spaces, "--", "sh", str(script), *words],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": "/tmp"},
                start_new_session=True,
                pass_fds=[held],
            )
        os.close(held)
        # The path of a socket may have 107 bytes.
        self.sockets = Path(tempfile.mkdtemp(prefix="lab-"))
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def shared(self) -> list[str]:
        """Directories that the guest sees at the same place, read-only: the collection and ansible's Python."""
        wanted = [str(COLLECTION), COLLECTIONS, str(_ansible())]
        paths = [path for path in dict.fromkeys(wanted) if path not in ("", "/", "/usr", "/usr/local")]
        return [path for path in paths if not any(path.startswith(f"{other}/") for other in paths)]

    def _wait(self) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and self.init.poll() is None:
            children = Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
            if children:
                break
            time.sleep(0.02)
        else:
            raise MachineError(self._console())
        self._write_enter(int(children[0]))
        while self.run(["true"]).returncode:
            if time.monotonic() > deadline or self.init.poll() is not None:
                raise MachineError(self._console())
            time.sleep(0.2)
        options = "ro,context=system_u:object_r:usr_t:s0" if self.mode.startswith("selinux") else "ro"
        for path in self.shared():
            self.sh('mkdir -p "$1"; mount -t hostfs -o "$2,hostfs=$1" lab "$1"', path, options)
        state = self.run(["systemctl", "is-system-running", "--wait"], 180).stdout.strip()
        if state not in ("running", "degraded"):
            raise MachineError(f"{state}\n{self._console()}")

    def _console(self) -> str:
        return (self.place / "console").read_text(errors="replace")[-4000:]

    def _write_enter(self, pid: int) -> None:
        values = {"address": ADDRESS, "pid": pid, "image": self.image, "control": self.sockets / "ssh"}
        values.update(python=sys.executable, program=Path(__file__).resolve())
        (self.place / "ssh.conf").write_text(SSH.format(**values))
        enter = self.place / "enter"
        program = [sys.executable, str(Path(__file__).resolve()), "enter", str(self.place)]
        enter.write_text(f'#!/bin/sh\nexec {shlex.join(program)} -- "$@"\n')
        enter.chmod(0o755)
        (self.place / "pids").write_text(json.dumps([self.init.pid, str(self.sockets)]))

    def ssh(self, *command: str) -> list[str]:
        """The words that run a command in the guest."""
        return ["ssh", "-F", str(self.place / "ssh.conf"), "guest", shlex.join(command)]

    def stop(self) -> None:
        """End it with all its processes."""
        self._cut()
        self.init.kill()
        self.init.wait()
        shutil.rmtree(self.place, ignore_errors=True)

    def _cut(self) -> None:
        """End what is connected to the guest."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()
            self.worker = None
        leave(self.place, self.sockets)

    def reboot(self, *arguments: str) -> None:
        """Shut down as `systemctl poweroff` does, and boot again from the same disk, with further kernel arguments."""
        self.run(["systemctl", "poweroff"], 60)
        self._cut()
        try:
            self.init.wait(60)
        except subprocess.TimeoutExpired as exc:
            raise MachineError(self._console()) from exc
        self._boot(*arguments)

    def run(
        self, command: list[str], timeout: float = 60, stdin: Optional[str] = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root of the guest."""
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run(self.ssh(*command), capture_output=True, text=True, check=False, timeout=timeout, **given)

    def sh(self, script: str, *arguments: str, timeout: float = 60) -> str:
        """Run a shell script as root of the guest; its output. It must succeed."""
        done = self.run(["sh", "-ec", script, "sh", *arguments], timeout)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, content: str) -> None:
        """Write a file in the guest, with its directories."""
        done = self.run(["sh", "-ec", 'mkdir -p "$(dirname "$1")"; cat > "$1"', "sh", path], stdin=content)
        assert done.returncode == 0, done.stderr

    def module(self, name: str, check: bool = False, diff: bool = True, **parameters: Any) -> dict[str, Any]:
        """The result of a module of this collection, run by the guest's own Python (in a process of its own)."""
        if self.worker is None:
            self.worker = subprocess.Popen(
                self.ssh("env", f"PYTHONPATH={COLLECTIONS}:{_ansible()}", "python3", "-B", str(WORKER)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
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

    def ansible(self, *words: str, timeout: float = 600, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run ansible-playbook on this machine, with the guest as its only host (`guest`), over ssh."""
        given = {
            "ansible_ssh_common_args": f"-F {shlex.quote(str(self.place / 'ssh.conf'))}",
            "ansible_ssh_args": "",
            "ansible_pipelining": True,
            "ansible_python_interpreter": "/usr/bin/python3",
            **variables,
        }
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "guest,", "-e", json.dumps(given), *words]
        environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS, "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def snapshot(self) -> str:
        """Everything that a fix may change; see SNAPSHOT."""
        return self.sh(SNAPSHOT, timeout=120)


def _ansible() -> Path:
    """The directory that ansible is imported from."""
    import ansible

    return Path(ansible.__file__).parents[1]


def leave(place: Path, sockets: Path) -> None:
    """Close the connection to a guest."""
    close = ["ssh", "-F", str(place / "ssh.conf"), "-O", "exit", "guest"]
    subprocess.run(close, capture_output=True, check=False)
    shutil.rmtree(sockets, ignore_errors=True)


def connect(address: str, port: int, pid: int) -> None:
    """Carry what ssh says to the guest and back, until one of them ends it or the guest's first process is gone."""
    guest = os.pidfd_open(pid)
    with socket.create_connection((address, port), 1) as link, selectors.DefaultSelector() as waiting:
        link.settimeout(None)
        waiting.register(guest, selectors.EVENT_READ)
        waiting.register(0, selectors.EVENT_READ)
        waiting.register(link, selectors.EVENT_READ)
        while True:
            for key, _events in waiting.select():
                if key.fd == guest:
                    return
                data = os.read(key.fd, 1 << 16)
                if not data:
                    return
                if key.fd == 0:
                    link.sendall(data)
                else:
                    while data:
                        data = data[os.write(1, data) :]


def main() -> None:
    """The command line; see the head of this file."""
    verb, place = sys.argv[1], sys.argv[2]
    if verb == "connect":
        connect(place, int(sys.argv[3]), int(sys.argv[4]))
    elif verb == "enter":
        words = ["ssh", "-F", f"{place}/ssh.conf", *(["-t"] if sys.stdin.isatty() else []), "guest"]
        os.execvp("ssh", [*words, shlex.join(sys.argv[4:])])
    elif verb == "start":
        parser = argparse.ArgumentParser()
        parser.add_argument("--mode", choices=MODES, default="apparmor")
        parser.add_argument("--no-auditd", action="store_false", dest="auditd")
        options = parser.parse_args(sys.argv[3:])
        machine = Machine(Path(place), Path(os.environ.get("LAB", kept())), mode=options.mode, auditd=options.auditd)
        machine.outlives = True
        machine.start()
    elif verb == "stop":
        pid, sockets = json.loads((Path(place) / "pids").read_text())
        leave(Path(place), Path(sockets))
        os.kill(pid, signal.SIGKILL)
        shutil.rmtree(place, ignore_errors=True)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
