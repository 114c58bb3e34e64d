# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots a second kernel on this machine's own files: Debian's user-mode-linux, an ordinary program.

Its root is the host's, read-only, with memory above it for what the guest writes; so every program and interpreter of
the host is there, at its own path, and nothing that the guest does is seen outside. Needs root, to read all files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = ("user-mode-linux", "kmod", "libkmod2")

MODPROBE = """\
#!/bin/sh
files=$(dirname "$0")/files
LD_LIBRARY_PATH=$files/{libraries} exec "$files/modprobe" -d "$files" "$@"
"""


class NoPackageError(Exception):
    """The packages cannot be had on this machine."""


class BootError(Exception):
    """The guest did not run its command to the end; the message ends with its console."""


class Guest:
    """A kernel with its modules, unpacked in a directory that is kept from run to run."""

    def __init__(self, folder: Path) -> None:
        """Download and unpack into FOLDER what is not there; raises NoPackageError."""
        self.folder, self.files = folder.resolve(), folder.resolve() / "files"
        self.modprobe = self.folder / "modprobe"
        if not self.modprobe.exists():
            self._unpack()

    def _unpack(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        packages = self.folder / "packages"
        packages.mkdir(parents=True)
        download(packages)
        for package in packages.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(self.files)], check=True)
        shutil.rmtree(packages)
        # kmod is told by its name what to do, and looks for lib/modules below the directory that it is given.
        kmod = next(path for path in self.files.rglob("bin/kmod") if not path.is_symlink())
        (self.files / "modprobe").symlink_to(kmod.relative_to(self.files))
        for place, target in (("lib", "../usr/lib/uml/modules"), ("usr/lib", "uml/modules")):
            (self.files / place).mkdir(parents=True, exist_ok=True)
            (self.files / place / "modules").symlink_to(target)
        libraries = next(self.files.rglob("libkmod.so.2")).parent.relative_to(self.files)
        self.modprobe.write_text(MODPROBE.format(libraries=libraries))
        self.modprobe.chmod(0o755)

    def run(self, out: Path, command: list[str], *arguments: str, timeout: float = 300, **variables: str) -> str:
        """Boot with these kernel arguments, run the command with these variables as the only program, switch off.

        The directory OUT is /mnt in the guest. Returns what the command printed; raises BootError if it failed.
        """
        console = out / "console"
        variables.update(GUEST_OUT=str(out), GUEST_MODPROBE=str(self.modprobe))
        kernel = [str(self.files / "usr/bin/linux.uml"), "mem=1G", f"uml_dir={out}", "umid=guest"]
        root = ["root=/dev/root", "rootfstype=hostfs", "hostfs=/", "ro"]
        screen = ["quiet", "con=null", "con0=null,fd:1", "console=tty0"]
        # What the kernel does not know becomes the environment of process 1; what follows "--", its arguments.
        words = [*(f"{name}={value}" for name, value in variables.items()), f"init={HERE / 'init.sh'}", "--", *command]
        assert not [word for word in words if " " in word], "the kernel splits its arguments at each space"
        with console.open("wb") as log:
            machine = subprocess.Popen(
                [*kernel, *root, *screen, *arguments, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=out,
                env={"PATH": "/usr/bin:/bin", "HOME": str(out)},
                start_new_session=True,
            )
            try:
                machine.wait(timeout)
            except subprocess.TimeoutExpired:
                pass
            finally:
                # Each program of the guest is a process here; those that are left end with it.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(machine.pid, signal.SIGKILL)
                machine.wait()
        said, status = (out / name for name in ("output", "status"))
        output = said.read_text(errors="replace") if said.exists() else ""
        if not status.exists() or status.read_text() != "0\n":
            raise BootError(f"{output}\n--- console\n{console.read_text(errors='replace')[-4000:]}")
        return output


def download(folder: Path) -> None:
    """Fetch the packages with apt, at first with the lists this machine has, then with fresh ones kept in FOLDER."""
    for place in ("lists/partial", "cache/archives/partial"):
        (folder / place).mkdir(parents=True)
    apt = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
    own = [*apt, "-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"]
    said = ""
    for step in ([*apt, "download", *PACKAGES], [*own, "update"], [*own, "download", *PACKAGES]):
        try:
            done = subprocess.run(step, cwd=folder, capture_output=True, text=True, check=False)
        except OSError as exc:
            raise NoPackageError(f"no apt-get: {exc}") from exc
        said += done.stderr
        if all(list(folder.glob(f"{name}_*.deb")) for name in PACKAGES):
            return
    raise NoPackageError(f"apt-get has no {', '.join(PACKAGES)}: {said.strip()}")
