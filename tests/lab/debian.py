# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a whole Debian: systemd, the container engines, Python; and an image of them for containers.

Made by mmdebstrap from the packages of one release, and kept: the first run takes one or two minutes.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

RELEASE = "trixie"
PACKAGES = [
    "systemd",
    "systemd-sysv",
    "systemd-container",
    "dbus",
    "iproute2",
    "iptables",
    "nftables",
    "libcap2-bin",
    "procps",
    "util-linux",
    "attr",
    "busybox-static",
    "passwd",
    "uidmap",
    "python3",
    "ca-certificates",
    "docker.io",
    "docker-cli",
    "docker-compose",
    "containerd",
    "runc",
    "podman",
    "crun",
    "conmon",
    "netavark",
    "aardvark-dns",
    "lxc",
]

# A container needs a shell, the tools of the network and Python; the rest only makes the image large.
LEFT_OUT = [
    "usr/lib/modules",
    "proc",
    "sys",
    "dev",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/cache",
    "usr/share",
    "usr/libexec",
    "usr/lib/systemd",
    "usr/lib/podman",
    "usr/bin/docker*",
    "usr/sbin/dockerd",
    "usr/sbin/docker-proxy",
    "usr/bin/containerd*",
    "usr/bin/ctr",
    "usr/bin/podman",
    "usr/bin/crun",
    "usr/sbin/runc",
    "usr/bin/perl*",
    "usr/lib/x86_64-linux-gnu/perl*",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/x86_64-linux-gnu/systemd",
]

# What no test needs and what only fails or waits on a host without hardware.
MASKED = [
    "systemd-modules-load.service",
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
    "systemd-timesyncd.service",
    "systemd-networkd-wait-online.service",
    "e2scrub_reap.service",
    "e2scrub_all.timer",
    "fstrim.timer",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "getty.target",
    "console-getty.service",
    "lxc-net.service",
    "lxc.service",
    "lxc-monitord.service",
    "podman-auto-update.timer",
    "podman-restart.service",
    "systemd-firstboot.service",
]
DISABLED = [
    "docker.service",
    "docker.socket",
    "containerd.service",
    "podman.socket",
    "podman.service",
    "systemd-networkd.service",
]


class NoDebianError(Exception):
    """The files cannot be had on this machine; the message says why."""


def make_debian(folder: Path) -> Path:
    """Make FOLDER/debian-KEY with `root` (a directory) and `image.tar`, unless it is there; returns it.

    Two processes that ask at the same time wait for each other. Raises NoDebianError.
    """
    key = hashlib.sha256(repr([RELEASE, PACKAGES, LEFT_OUT, MASKED, DISABLED]).encode()).hexdigest()[:12]
    made = folder.resolve() / f"debian-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            for old in folder.glob("debian-*"):
                shutil.rmtree(old)
            part = folder / "part"
            shutil.rmtree(part, ignore_errors=True)
            _bootstrap(part / "root")
            _settle(part / "root")
            _pack(part / "root", part / "image.tar")
            part.rename(made)
    return made


def _bootstrap(root: Path) -> None:
    if not shutil.which("mmdebstrap"):
        raise NoDebianError("there is no mmdebstrap on this machine")
    root.parent.mkdir(parents=True)
    options = ["--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", "--format=directory"]
    options += ["--aptopt=APT::Install-Recommends false", "--dpkgopt=force-unsafe-io"]
    options += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    done = subprocess.run(["mmdebstrap", *options, RELEASE, str(root)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoDebianError(f"mmdebstrap {RELEASE}: {done.stderr.strip()[-2000:]}")


def _settle(root: Path) -> None:
    """A fixed machine id (a first boot would preset all units), and only what tests want starts at boot."""
    (root / "etc/machine-id").write_text("0" * 31 + "1\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text("")
    systemctl = ["chroot", str(root), "systemctl", "--quiet"]
    subprocess.run([*systemctl, "mask", *MASKED], check=True, capture_output=True)
    subprocess.run([*systemctl, "disable", *DISABLED], check=True, capture_output=True)
    default = root / "etc/systemd/system/default.target"
    default.unlink(missing_ok=True)
    default.symlink_to("/usr/lib/systemd/system/multi-user.target")


def _pack(root: Path, image: Path) -> None:
    left_out = [f"--exclude=./{pattern}" for pattern in LEFT_OUT]
    subprocess.run(["tar", "-C", str(root), "--numeric-owner", *left_out, "-cf", str(image), "."], check=True)
