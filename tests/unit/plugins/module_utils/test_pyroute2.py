# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shipped pyroute2 must be what the controller sent, and lie where only its owner can write."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("pyroute2")

from ansible_collections.netlink.remediation.plugins.module_utils import _pyroute2


def archive(directory: Path) -> Path:
    """An archive named after its SHA-256, with a package that says where it came from."""
    draft = directory / "draft.zip"
    with zipfile.ZipFile(draft, "w") as made:
        made.writestr(zipfile.ZipInfo("pyroute2/__init__.py"), "class IPRoute:\n    shipped = True\n")
    named = directory / f"pyroute2-{hashlib.sha256(draft.read_bytes()).hexdigest()}.zip"
    draft.rename(named)
    return named


def load(base: Path, *arguments: str) -> str:
    """What a Python without pyroute2 answers to load_pyroute2(), with base as the directory of kept copies."""
    code = (
        "import sys\n"
        "sys.path[:] = [path for path in sys.path if 'site-packages' not in path]\n"
        "sys.modules['ansible'] = None\n"
        f"source = {_pyroute2.__file__!r}\n"
        "import importlib.util as util\n"
        "spec = util.spec_from_file_location('_pyroute2', source)\n"
        "module = util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        f"module.kept_directory = lambda: {str(base)!r}\n"
        "try:\n"
        f"    found = module.load_pyroute2({', '.join(arguments)})\n"
        "    print(found and (found.IPRoute.shipped, found.__file__))\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    result = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_the_own_pyroute2_comes_first(tmp_path: Path) -> None:
    found = _pyroute2.load_pyroute2(str(archive(tmp_path)))
    assert found is not None
    assert not hasattr(found.IPRoute, "shipped")


def test_a_shipped_copy_is_kept_and_used_again(tmp_path: Path) -> None:
    base, sent = tmp_path / "kept", archive(tmp_path)
    assert load(base) == "None"
    assert load(base, repr(str(sent))) == f"(True, '{base}/{sent.stem}/pyroute2/__init__.py')"
    assert base.stat().st_mode & 0o777 == 0o700
    assert os.listdir(base) == [sent.stem]
    assert load(base).startswith("(True")
    assert load(base, "kept=False") == "None"


def test_in_check_mode_nothing_is_kept(tmp_path: Path) -> None:
    base = tmp_path / "kept"
    assert load(base, repr(str(archive(tmp_path))), "keep=False").startswith("(True")
    assert not base.exists()


def test_an_archive_that_was_altered_is_refused(tmp_path: Path) -> None:
    sent = archive(tmp_path)
    with sent.open("ab") as stream:
        stream.write(b"x")
    assert load(tmp_path / "kept", repr(str(sent))).endswith("does not have the SHA-256 in its name, it is not used")
    assert "expected a file named pyroute2-SHA256.zip" in load(tmp_path / "kept", "'/etc/passwd'")


def test_a_directory_that_others_can_write_is_not_trusted(tmp_path: Path) -> None:
    base, sent = tmp_path / "kept", archive(tmp_path)
    load(base, repr(str(sent)))
    base.chmod(0o777)
    assert load(base) == "None"
    assert "can be written by others than its owner" in load(base, repr(str(sent)))
    base.chmod(0o700)
    (base / sent.stem).chmod(0o775)
    assert load(base) == "None"
