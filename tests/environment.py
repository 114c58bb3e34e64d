# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find a Python for the controller and make a virtual environment with pinned requirements.

Needs nothing but a python3 (3.9 or newer) to start from:

    python3 tests/environment.py .venv requirements.txt

The newest suitable Python on PATH or under ~/.pyenv/versions is taken; the environment variable PYTHON overrides it.
A second call with the same requirements does nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Optional

Version = tuple[int, int]

# What the pinned ansible-core releases run on.
OLDEST, NEWEST = (3, 11), (3, 14)

PROBE = "import sys, venv; print(*sys.version_info[:2], getattr(sys, '_base_executable', None) or sys.executable)"


def ask_python(command: str) -> Optional[tuple[Version, str]]:
    """Version and real path of an interpreter; None if it does not run (a pyenv shim without a version behind it)."""
    try:
        done = subprocess.run([command, "-c", PROBE], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split(maxsplit=2)
    if done.returncode or len(words) != 3:
        return None
    return (int(words[0]), int(words[1])), words[2].strip()


def installed_pythons() -> dict[Version, str]:
    """One interpreter for each minor version: those on PATH, in its order, then those that pyenv keeps."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if not folder.endswith("shims")]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"), reverse=True)
    found: dict[Version, str] = {}
    for folder in folders:
        for command in sorted(folder.glob("python3*")):
            if re.fullmatch(r"python3(\.\d+)?", command.name):
                answer = ask_python(str(command))
                if answer:
                    found.setdefault(*answer)
    return found


def controller_python() -> str:
    """The interpreter to make environments with: PYTHON if set, else the newest suitable one; exits if none is."""
    wanted = os.environ.get("PYTHON")
    if wanted:
        answer = ask_python(wanted)
        if not answer or not OLDEST <= answer[0] <= NEWEST:
            sys.exit(f"PYTHON={wanted} is not a Python {span()} with the venv module.")
        return answer[1]
    found = {version: path for version, path in installed_pythons().items() if OLDEST <= version <= NEWEST}
    if not found:
        sys.exit(f"No Python {span()} on PATH or under ~/.pyenv/versions; install one or name it with PYTHON=.")
    return found[max(found)]


def span() -> str:
    """The supported versions in words."""
    return f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"


def fingerprint(python: str, requirements: list[Path]) -> str:
    """Hash of the interpreter and of all that the requirements files say, included files too."""
    digest = hashlib.sha256(os.path.realpath(python).encode())
    for file in requirements:
        text = file.read_text()
        digest.update(text.encode())
        included = [file.parent / name for name in re.findall(r"^-r (\S+)", text, re.MULTILINE)]
        if included:
            digest.update(fingerprint(python, included).encode())
    return digest.hexdigest()


def make_venv(venv: Path, python: str, requirements: list[Path]) -> None:
    """Make VENV hold exactly the requirements, unless it does already; raises CalledProcessError if that fails."""
    stamp, wanted = venv / "requirements.sha256", fingerprint(python, requirements)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([python, "-m", "venv", "--without-pip", str(venv)], check=True)
    inside = str(venv / "bin" / "python")
    if subprocess.run([inside, "-c", "import ensurepip"], stderr=subprocess.DEVNULL, check=False).returncode:
        install_ensurepip()
    subprocess.run([inside, "-m", "ensurepip"], stdout=subprocess.DEVNULL, check=True)
    command = [inside, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run(command + [word for file in requirements for word in ("-r", str(file))], check=True)
    stamp.write_text(wanted)


def install_ensurepip() -> None:
    """Debian keeps ensurepip in python3-venv: install it as root, else say that it is missing."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit("This Python has no ensurepip: install python3-venv, or name another Python with PYTHON=.")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
    subprocess.run(["apt-get", "install", "-y", "-qq", "python3-venv"], env=environment, check=True)


def main() -> None:
    """Make the environment named first from the requirements files named after it."""
    if len(sys.argv) < 3:
        sys.exit("usage: environment.py VENV REQUIREMENTS...")
    try:
        make_venv(Path(sys.argv[1]), controller_python(), [Path(name) for name in sys.argv[2:]])
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"The virtual environment could not be made: {error}")


if __name__ == "__main__":
    main()
