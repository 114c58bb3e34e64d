# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots Debian's ordinary kernel in an emulated machine (QEMU): it has the drivers that user-mode-linux has not.

QEMU, the kernel and all programs of the guest come from one tree of Debian's files, kept below build/lab; QEMU runs in
it, and the guest has it as its root, read-only, over 9p. Nothing is installed, and there is no network. Needs root.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import lzma
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

from guest import BootError
from host import COLLECTION
from machine_image import MIRROR, RELEASE, NoImageError, hold_image, remove_unused, run

PACKAGES = [
    "qemu-system-x86",
    "linux-image-amd64",
    "busybox-static",
    "coreutils",
    "dash",
    "iproute2",
    "iw",
    "mount",
    "python3",
    "python3-pyroute2",
    "rfkill",
    "util-linux",
]
# Directories of the kernel's modules that are kept: radios that are simulated, a card with virtual functions, 9p.
MODULES = [
    *("net/rfkill", "net/wireless", "net/mac80211", "drivers/net/wireless/virtual", "lib/crypto"),
    *("drivers/net/ethernet/intel/igb", "drivers/net/ethernet/intel/igbvf", "drivers/i2c/algos", "drivers/dca"),
    *("fs/9p", "net/9p", "fs/netfs"),
]

# What the kernel starts, from its memory: it fetches the root.
FIRST = """\
#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for name in $(/bin/busybox cat /modules/order); do /bin/busybox insmod "/modules/$name"; done
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=512000,ro root /root
/bin/busybox mount --move /dev /root/dev
/bin/busybox mount --move /proc /root/proc
exec /bin/busybox switch_root /root /bin/sh /init
"""
# Process 1 of the guest: it runs /srv/command, and switches the machine off. /mnt is the only thing it can write to.
INIT = """\
export PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 HOME=/root PYTHONPATH=/srv
mount -t sysfs sysfs /sys
for place in /run /tmp /var/lib; do mount -t tmpfs memory "$place"; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 out /mnt
ip link set lo up
sh /srv/command >/mnt/output 2>&1 </dev/null
echo $? >/mnt/status
sync
exec busybox poweroff -f
"""
# Run in namespaces of its own. $1: the tree, $2: the guest's /srv, $3: its /mnt; further: devices of the machine.
# The sources are compiled on this side, where that is fast.
START = """\
set -e
mount --make-rprivate /
cd "$1"
mount --bind "$2" srv
mount --bind "$3" mnt
mount --rbind /dev dev
mount -t proc proc proc
shift 3
chroot . python3 -m compileall -q /srv
exec chroot . qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 512 -M q35 -nodefaults \\
  -no-user-config -display none -no-reboot -serial stdio -kernel /boot/vmlinuz -initrd /boot/initrd \\
  -append "console=ttyS0 quiet mitigations=off net.ifnames=0 panic=-1" \\
  -fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \\
  -device virtio-9p-pci,fsdev=root,mount_tag=root \\
  -fsdev local,id=out,path=/mnt,security_model=none -device virtio-9p-pci,fsdev=out,mount_tag=out "$@"
"""
# A card of which up to seven virtual functions can be made; its other end is nowhere.
CARD = [
    *("-netdev", "hubport,id=cable,hubid=0", "-device", "pcie-root-port,id=rp1"),
    *("-device", "igb,bus=rp1,netdev=cable,romfile="),
]
RECIPE = [RELEASE, MIRROR, PACKAGES, MODULES, FIRST, INIT, 1]


class Emulated:
    """A tree of files that is kept from run to run, and the machines that boot from it."""

    def __init__(self, lab: Path) -> None:
        """Make LAB/emulated-KEY unless it is there (two minutes); raises NoImageError."""
        if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
            raise NoImageError("needs root, and the package mmdebstrap")
        key = hashlib.sha256(repr(RECIPE).encode()).hexdigest()[:12]
        self.image = lab.resolve() / f"emulated-{key}"
        lab.mkdir(parents=True, exist_ok=True)
        with (lab / "emulated.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.image.exists():
                part = lab / "emulated.part"
                shutil.rmtree(part, ignore_errors=True)
                _make(part)
                for old in lab.glob("emulated-*"):
                    remove_unused(old)
                part.rename(self.image)

    def run(self, out: Path, command: list[str], devices: list[str], timeout: float = 300) -> str:
        """Boot with these devices, run the command as the only program, switch off.

        It finds the collection in /srv/ansible_collections, and OUT is /mnt. Returns what it printed; raises BootError
        if it failed.
        """
        sources, shared = out / "srv", out / "mnt"
        shared.mkdir(parents=True)
        _copy_sources(sources)
        (sources / "command").write_text(f"exec {shlex.join(command)}\n")
        words = [str(self.image / "root"), str(sources), str(shared), *devices]
        spaces = ["--mount", "--net", "--pid", "--fork", "--kill-child"]
        console, held = out / "console", hold_image(self.image)
        with console.open("wb") as log:
            machine = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", *spaces, "--", "sh", "-c", START, "sh", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TMPDIR": "/mnt"},
                start_new_session=True,
                pass_fds=[held],
            )
        os.close(held)
        try:
            machine.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(machine.pid, signal.SIGKILL)
            machine.wait()
        said, status = (shared / name for name in ("output", "status"))
        output = said.read_text(errors="replace") if said.exists() else ""
        if not status.exists() or status.read_text() != "0\n":
            raise BootError(f"{output}\n--- console\n{console.read_text(errors='replace')[-4000:]}")
        return output


def _copy_sources(sources: Path) -> None:
    """The collection and the half of ansible that runs on managed nodes."""
    import ansible

    place = sources / "ansible_collections/netlink/remediation"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("plugins", "tests/cases", "tests/lab"):
        shutil.copytree(COLLECTION / name, place / name, ignore=ignored)
    package = Path(ansible.__file__).parent
    for name in ("module_utils", "_vendor"):
        shutil.copytree(package / name, sources / "ansible" / name, ignore=ignored)
    for name in ("__init__.py", "release.py"):
        shutil.copy(package / name, sources / "ansible")


def _make(part: Path) -> None:
    part.mkdir()
    root = part / "root"
    options = ["--quiet", "--variant=extract", "--format=directory", f"--include={','.join(PACKAGES)}"]
    options += ["--aptopt=APT::Install-Recommends false", "--dpkgopt=path-exclude=/usr/lib/modules/*/kernel/*"]
    options += [f"--dpkgopt=path-include=/usr/lib/modules/*/kernel/{name}/*" for name in MODULES]
    options += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    run(["mmdebstrap", *options, RELEASE, str(root), MIRROR])
    for name in ("bin", "sbin", "lib", "lib64"):
        if not (root / name).exists():
            (root / name).symlink_to(f"usr/{name}")
    for name in ("dev", "proc", "sys", "run", "tmp", "root", "mnt", "srv", "var/lib"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "init").write_text(INIT)
    kernel = next((root / "boot").glob("vmlinuz-*"))
    kernel.rename(kernel.with_name("vmlinuz"))
    (root / "boot/initrd").write_bytes(_initrd(root, kernel.name.partition("-")[2]))
    run(["chroot", str(root), "python3", "-m", "compileall", "-q", "-x", "/(test|idlelib)/", "/usr/lib/python3.13"])
    run(["chroot", str(root), "python3", "-m", "compileall", "-q", "/usr/lib/python3/dist-packages/pyroute2"])
    (part / "id").touch()


def _initrd(root: Path, version: str) -> bytes:
    """An archive with a shell, FIRST, and the modules that are needed before there is a root."""
    run(["chroot", str(root), "depmod", version])
    command = ["chroot", str(root), "modprobe", "--set-version", version, "--show-depends"]
    said = "".join(run([*command, name]) for name in ("9p", "9pnet_virtio"))
    paths = dict.fromkeys(line.split()[1] for line in said.splitlines() if line.startswith("insmod "))
    files = {Path(path).stem: lzma.decompress((root / path.lstrip("/")).read_bytes()) for path in paths}
    archive = b"".join(_member(name, 0o40755) for name in ("bin", "dev", "proc", "root", "modules"))
    archive += _member("bin/busybox", 0o100755, (root / "usr/bin/busybox").read_bytes())
    archive += _member("init", 0o100755, FIRST.encode())
    archive += b"".join(_member(f"modules/{name}", 0o100644, content) for name, content in files.items())
    return archive + _member("modules/order", 0o100644, " ".join(files).encode()) + _member("TRAILER!!!", 0)


def _member(name: str, mode: int, content: bytes = b"") -> bytes:
    """A file in cpio's format "newc" (initramfs buffer format of the kernel's documentation)."""
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % number for number in fields) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
