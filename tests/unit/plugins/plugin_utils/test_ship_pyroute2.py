# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that is shipped must hold the whole package, and be the same each time."""

from __future__ import annotations

import io
import zipfile

import pytest

from ansible_collections.netlink.remediation.plugins.plugin_utils._ship_pyroute2 import pack_pyroute2


def test_the_archive_holds_the_package_and_nothing_else_and_is_reproducible() -> None:
    pytest.importorskip("pyroute2")
    packed = pack_pyroute2()
    assert packed is not None
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert "pyroute2/__init__.py" in names
    assert all(name.startswith("pyroute2/") and name.endswith(".py") for name in names)
    assert names == sorted(names)
    pack_pyroute2.cache_clear()
    assert pack_pyroute2() == packed
