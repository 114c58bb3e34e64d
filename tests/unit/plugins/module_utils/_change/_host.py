# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A place for receipts and files of a test's own, and a module object that says what AnsibleModule would."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import _receipts

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes are made by root")


class Module:
    """What run_changes() and run_receipt() use of AnsibleModule."""

    _name = "netlink.remediation.test"

    def __init__(self, *, check_mode: bool = False, **params: Any) -> None:
        self.check_mode = check_mode
        self.params = {"accept": [], "run_id": None, **params}
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Keep a warning."""
        self.warnings.append(text)


def receipt_module(*, check_mode: bool = False, **params: Any) -> Module:
    """The module receipt with these options."""
    options = {"id": None, "run": None, "targets": None, "older_than_days": None, "state": "reverted"}
    return Module(check_mode=check_mode, **{**options, **params})


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is root's alone; receipts lie in a directory beside it."""
    monkeypatch.setattr(_receipts, "STATE_DIRECTORY", str(tmp_path / "state"))
    host = tmp_path / "host"
    host.mkdir(mode=0o755)
    return host


def picture(directory: Path) -> dict[str, Any]:
    """Everything below a directory: kind, mode, owner, bytes and extended attributes of each name."""
    found: dict[str, Any] = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else None
        attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)} if content is not None else {}
        found[str(path.relative_to(directory))] = (status.st_mode, status.st_uid, status.st_gid, content, attributes)
    return found
