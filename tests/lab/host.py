# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole Debian host on this kernel: systemd is process 1, a container engine runs if wanted. It starts in a second.

Its root lies over the files of debian.py, in mount, network, pid, uts, ipc and cgroup namespaces of its own, and it has
no link but lo: nothing that happens in it is seen outside. Needs root.

    python3 tests/lab/host.py start PLACE [--docker]    # PLACE/enter COMMAND... runs a command in it
    python3 tests/lab/host.py stop PLACE
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional

from debian import make_debian

HERE = Path(__file__).resolve().parent
COLLECTION = HERE.parents[1]
WORKER = HERE.parent / "cases" / "worker.py"
# What holds ansible_collections/netlink/remediation.
PATHS = [*os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(":"), *sys.path]
COLLECTIONS = next(
    (path for path in PATHS if path and Path(path, "ansible_collections/netlink/remediation").is_dir()), ""
)
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}

# Run in the new namespaces. $1: files of Debian, $2: directory of this host; further arguments: directories to share.
INIT = r"""
set -e
files=$1 place=$2; shift 2
mount --make-rprivate /
root=$place/root
mount -t overlay -o "lowerdir=$files,upperdir=$place/upper,workdir=$place/work" overlay "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o nosuid,nodev,noexec sysfs "$root/sys"
# As in any container that runs systemd, only the sysctls of the network are the host's own.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
mount --bind "$root/proc/sys/user" "$root/proc/sys/user"
mount -o remount,ro,bind "$root/proc/sys"
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755,size=8m tmpfs "$root/dev"
mkdir -p "$root/dev/pts" "$root/dev/shm" "$root/dev/net"
for node in null zero full random urandom tty net/tun; do
  touch "$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${number%%:*}" "$root/dev/${number##*:}"; done
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
# A container with a user namespace of its own may mount a proc only where one is seen whole (mount_too_revealing()).
mkdir -p "$root/run/host/proc"
mount -t proc -o nosuid,nodev,noexec proc "$root/run/host/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
# The engines keep their layers as overlays, which need another filesystem than an overlay.
for engine in docker containers containerd; do
  mkdir -p "$place/$engine" "$root/var/lib/$engine"
  mount --bind "$place/$engine" "$root/var/lib/$engine"
done
for shared; do
  mkdir -p "$root$shared"
  mount --bind "$shared" "$root$shared"
  mount -o remount,ro,bind "$root$shared"
done
hostname lab
echo lab > "$root/etc/hostname"
cd "$root"
pivot_root . mnt
umount -l mnt
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=console --show-status=0
"""

# What a fix may change: units, configuration of engines, sysctls, links. Docker's own state is not in it.
SNAPSHOT = r"""
find /etc /srv /usr/lib/systemd/system -xdev ! -path '/etc/docker/key.json' \
  -printf '%p %y %m %U %G %l\n' | sort
find /etc /srv -xdev -type f ! -path '/etc/docker/key.json' -exec sha256sum {} + | sort
getfattr -h -R -d -m - --absolute-names /srv 2>/dev/null || true
echo "== network"
ip address show | sed 's, tentative,,'
ip -4 route show table all
ip -6 route show table all
grep -r -s . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf | sort || true
"""


class HostError(Exception):
    """The host did not come up; the message ends with its console."""


class Host:
    """Use as a context manager, or start() and stop()."""

    def __init__(self, place: Path, lab: Path, *, docker: bool = False) -> None:
        """PLACE: a directory of this host's own, on a real filesystem. LAB: where the files of Debian are kept."""
        self.place, self.docker = place.resolve(), docker
        self.debian = make_debian(lab)
        self.worker: Optional[subprocess.Popen[str]] = None
        self.cgroup = _cgroup_root() / f"lab-{os.getpid()}-{self.place.name}"

    def __enter__(self) -> Host:
        self.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self.stop()

    @property
    def enter(self) -> list[str]:
        """The words that run a command in the host."""
        return [str(self.place / "enter")]

    def start(self) -> None:
        """Boot, and wait until systemd is up; raises HostError."""
        shutil.rmtree(self.place, ignore_errors=True)
        for name in ("upper", "work", "root"):
            (self.place / name).mkdir(parents=True)
        self.cgroup.mkdir()
        script = self.place / "init.sh"
        script.write_text(INIT)
        spaces = ["--net", "--mount", "--pid", "--uts", "--ipc", "--cgroup"]
        command = ["unshare", *spaces, "--fork", "--kill-child", "--", "sh", str(script)]
        with (self.place / "console").open("wb") as console:
            self.init = subprocess.Popen(
                [*command, str(self.debian / "root"), str(self.place), *self.shared()],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                preexec_fn=self._enter_cgroup,
            )
        try:
            self._wait()
            if self.docker:
                self.start_docker()
        except BaseException:
            self.stop()
            raise

    def _enter_cgroup(self) -> None:
        (self.cgroup / "cgroup.procs").write_text(str(os.getpid()))

    def shared(self) -> list[str]:
        """Directories that the host has too, read-only: the collection and the Python environment of the tests."""
        wanted = [str(COLLECTION), COLLECTIONS, sys.prefix, sys.base_prefix]
        wanted += [path for path in os.environ.get("PYTHONPATH", "").split(":") if path]
        return [path for path in dict.fromkeys(wanted) if path not in ("", "/", "/usr", "/usr/local")]

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.init.poll() is None:
            children = Path(f"/proc/{self.init.pid}/task/{self.init.pid}/children").read_text().split()
            if children:
                self._write_enter(int(children[0]))
                done = self.run(["systemctl", "is-system-running"])
                if done.stdout.strip() in ("running", "degraded"):
                    self.sh("ip link set lo up")
                    return
            time.sleep(0.05)
        raise HostError((self.place / "console").read_text(errors="replace")[-4000:])

    def _write_enter(self, pid: int) -> None:
        variables = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
        enter = self.place / "enter"
        enter.write_text(f'#!/bin/sh\nexec nsenter -t {pid} -m -n -p -u -i -C -- env -i {variables} "$@"\n')
        enter.chmod(0o755)
        python = self.place / "python"
        python.write_text(f'#!/bin/sh\nexec {enter} /usr/bin/python3 "$@"\n')
        python.chmod(0o755)
        (self.place / "pids").write_text(json.dumps([self.init.pid, str(self.cgroup)]))

    def start_docker(self) -> None:
        """Start the engine, with the image lab:base in it."""
        self.sh("systemctl start docker")
        self.load_image()

    def load_image(self, *command: str) -> None:
        """Import the image lab:base, also into the store that a remapped engine or podman has of its own."""
        with (self.debian / "image.tar").open("rb") as image:
            words = list(command) or ["docker", "import", "-", "lab:base"]
            done = subprocess.run([*self.enter, *words], stdin=image, capture_output=True, text=True, check=False)
        if done.returncode:
            raise HostError(f"{words}: {done.stderr}")

    def stop(self) -> None:
        """End it with all its processes."""
        if self.worker is not None:
            self.worker.kill()
            self.worker.wait()
        self.init.kill()
        self.init.wait()
        tidy(self.place, self.cgroup)

    def run(
        self, command: list[str], timeout: float = 60, stdin: Optional[str] = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root of the host."""
        words = [*self.enter, *command]
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout, **given)

    def sh(self, script: str, *arguments: str, timeout: float = 60) -> str:
        """Run a shell script as root of the host; its output. It must succeed."""
        done = self.run(["sh", "-ec", script, "sh", *arguments], timeout)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, content: str) -> None:
        """Write a file in the host, with its directories."""
        self.run(["sh", "-ec", 'mkdir -p "$(dirname "$1")"; cat > "$1"', "sh", path], stdin=content)

    def module(self, name: str, check: bool = False, diff: bool = True, **parameters: Any) -> dict[str, Any]:
        """The result of a module of this collection, run by the host's own Python (in a process of its own)."""
        if self.worker is None:
            self.worker = subprocess.Popen(
                [*self.enter, "env", f"PYTHONPATH={self._imports()}", "python3", "-B", str(WORKER)],
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

    def _imports(self) -> str:
        import ansible

        return f"{COLLECTIONS}:{Path(ansible.__file__).parents[1]}"

    def ansible(self, *words: str, timeout: float = 300, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run ansible-playbook in the host, which is controller and managed node at once."""
        given = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3", **variables}
        prefix = [
            "env",
            f"PYTHONPATH={self._imports()}",
            f"ANSIBLE_COLLECTIONS_PATH={COLLECTIONS}",
            "PYTHONDONTWRITEBYTECODE=1",
        ]
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "lab,", "-e", json.dumps(given), *words]
        return self.run([*prefix, *command], timeout)

    def diagnose(self, *workloads: dict[str, Any], **options: Any) -> dict[str, Any]:
        """The result of diagnosis_info, which must succeed."""
        result = self.module("diagnosis_info", workloads=[{"name": "w", **item} for item in workloads], **options)
        assert not result.get("failed"), result
        return result

    def snapshot(self) -> str:
        """Everything that a fix may change: files of /etc and /srv, sysctls of the network, links, addresses."""
        return self.sh(SNAPSHOT)


def _cgroup_root() -> Path:
    """Where cgroup2 is mounted, also beside version 1."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        if words[words.index("-") + 1] == "cgroup2":
            return Path(words[4])
    raise HostError("no cgroup2 is mounted on this machine")


def tidy(place: Path, cgroup: Path) -> None:
    """Remove what a host leaves once its first process is gone: its cgroups and its directory."""
    for _attempt in range(50):
        folders = sorted((path for path in cgroup.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
        try:
            for folder in [*folders, cgroup]:
                folder.rmdir()
            break
        except OSError:
            time.sleep(0.1)
    shutil.rmtree(place, ignore_errors=True)


def main() -> None:
    """The command line; see the head of this file."""
    verb, place = sys.argv[1], Path(sys.argv[2])
    if verb == "start":
        Host(place, Path(os.environ.get("LAB", kept())), docker="--docker" in sys.argv).start()
    else:
        pid, cgroup = json.loads((place / "pids").read_text())
        os.kill(pid, signal.SIGKILL)
        tidy(place, Path(cgroup))


def kept() -> Path:
    """build/lab of the checkout, also seen from a copy of it below build/trees."""
    parts = COLLECTION.parts
    top = Path(*parts[: parts.index("trees") - 1]) if "trees" in parts and "build" in parts else COLLECTION
    return top / "build" / "lab"


if __name__ == "__main__":
    main()
