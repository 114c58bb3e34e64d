# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stored policy is read as libsemanage writes it, compressed or not; what is damaged gets one sentence."""

from __future__ import annotations

import bz2
import os
from pathlib import Path

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change import _selinux_store as store
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._change._host import needs_root

MODULE = "modules/400/netlink_remediation/cil"
# What semodule of policycoreutils 3.8 says of two violations, the first by another module.
VIOLATIONS = """\
neverallow check failed at /x/var/lib/selinux/default/tmp/modules/100/base/cil:13082
  (neverallow base_typeattr_21 scsi_generic_device_t (chr_file (write append)))
    <root>
    allow at /x/var/lib/selinux/default/tmp/modules/400/lab/cil:20
      (allow laba_t device_node (chr_file (write)))

neverallow check failed at /x/var/lib/selinux/default/tmp/modules/100/base/cil:9412
  (neverallow base_typeattr_11 self (capability (sys_module)))
    <root>
    allow at /x/var/lib/selinux/default/tmp/modules/400/netlink_remediation/cil:2
      (allow laba_t self (capability (sys_module)))

Failed to generate binary
semodule:  Failed!
"""


@pytest.fixture(name="active")
def fixture_active(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a store for the policy "strict", with two modules of which one is compressed."""
    monkeypatch.setattr(store, "STORES", str(tmp_path / "stores"))
    monkeypatch.setattr(store, "CONFIGURATION", str(tmp_path / "etc"))
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/config").write_text(
        "# SELINUXTYPE=no\nSELINUX=enforcing\nSELINUXTYPE=default\nSELINUXTYPE=strict\n"
    )
    active = tmp_path / "stores/strict/active"
    (active / "modules/100/base").mkdir(parents=True)
    (active / "modules/100/base/cil").write_bytes(bz2.compress(b"(boolean one false)\n(boolean two true)\n"))
    (active / "modules/100/other").mkdir()
    (active / "modules/100/other/cil").write_bytes(b"; (boolean four true)\n(boolean three false)\n")
    return active


@pytest.mark.parametrize("written", [lambda text: text, bz2.compress])
def test_our_module_is_read_compressed_or_not(active: Path, written):
    assert store.read_module() is None
    (active / MODULE).parent.mkdir(parents=True)
    (active / MODULE).write_bytes(written("; ä\n(allow a_t self (capability (net_admin)))\n".encode()))
    assert store.read_module() == "; ä\n(allow a_t self (capability (net_admin)))\n"


def test_a_damaged_module_gets_one_sentence(active: Path):
    (active / MODULE).parent.mkdir(parents=True)
    (active / MODULE).write_bytes(b"BZh9 is what it begins with, no more")
    with pytest.raises(ChangeError, match="is no policy module that can be read"):
        store.read_module()


def test_a_boolean_has_the_hosts_own_value_else_that_of_the_policy(active: Path):
    assert store.stored_booleans(["one", "two", "three", "four"]) == {"one": False, "two": True, "three": False}
    (active / "booleans.local").write_text("# This file is auto-generated\n\none=1\n three = 0\nfive=1\n")
    assert store.stored_booleans(["one", "two", "three"]) == {"one": True, "two": True, "three": False}
    assert store.stored_booleans([]) == {}


def test_of_a_module_that_is_there_twice_the_higher_priority_counts(active: Path):
    (active / "modules/400/base").mkdir(parents=True)
    (active / "modules/400/base/cil").write_bytes(b"(boolean one true)\n")
    assert store.stored_booleans(["one", "two"]) == {"one": True, "two": True}


@needs_root
def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "_SCRATCH", str(tmp_path))
    for name in ("old", "new", "other"):
        (tmp_path / f"netlink-remediation-{name}/x").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "netlink-remediation-link").symlink_to(tmp_path / "elsewhere")
    os.chown(tmp_path / "netlink-remediation-other", 4242, 4242)
    for name in ("netlink-remediation-old", "netlink-remediation-other", "elsewhere"):
        os.utime(tmp_path / name, (1, 1))
    store._tidy()
    assert {path.name.rpartition("-")[2] for path in tmp_path.iterdir()} == {"new", "other", "link", "elsewhere"}


def test_without_a_store_or_a_policy_there_is_one_sentence(active: Path, tmp_path: Path):
    assert store.active() == str(active)
    (tmp_path / "etc/config").write_text("SELINUXTYPE=../../x\n")
    with pytest.raises(ChangeError, match="names no policy"):
        store.active()
    (tmp_path / "etc/config").write_text("SELINUXTYPE=other\n")
    with pytest.raises(ChangeError, match="holds no policy modules"):
        store.active()
    (tmp_path / "etc/config").unlink()
    with pytest.raises(ChangeError, match="ENOENT"):
        store.active()


@pytest.mark.parametrize(
    ("text", "on", "expected"),
    [
        ("a=1\nexpand-check=0\n[x]\n", True, "a=1\nexpand-check=1\n[x]\n"),
        ("  expand-check = 1\n", False, "expand-check=0\n"),
        ("[x]\n# expand-check=0\n", True, "expand-check=1\n[x]\n# expand-check=0\n"),
        ("", True, "expand-check=1\n"),
    ],
)
def test_the_neverallow_check_is_switched_in_the_configuration(text: str, on: bool, expected: str):
    assert store.with_check(text, on=on) == expected


def test_of_violated_rules_only_ours_count():
    ours = store.about_us(VIOLATIONS)
    assert "sys_module" in ours
    assert "chr_file" not in ours
    assert store.about_us(VIOLATIONS.replace("netlink_remediation", "other")) == ""
