# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of the host are those of the running kernel."""

from __future__ import annotations

import os

from ansible_collections.netlink.remediation.plugins.module_utils._observe import _host
from ansible_collections.netlink.remediation.plugins.module_utils._observe._host import observe_host
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC, run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_credentials
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain

CLONE_NEWNS = 0x00020000


def test_kernel_and_observer_are_read():
    host = observe_host([])
    assert host.release == os.uname().release
    assert host.release.startswith(".".join(map(str, host.kernel))) and len(host.kernel) == 2
    assert host.euid == os.geteuid()
    assert host.effective == read_credentials(os.getpid(), os.getpid()).effective
    assert host.bounding == read_credentials(1, 1).bounding
    assert host.nested is False


def test_registered_protocols_are_those_with_a_socket_of_the_kernel():
    protocols = observe_host([]).protocols
    assert {0, 16} <= set(protocols)
    assert protocols == sorted(set(protocols))


def test_an_observer_in_a_child_user_namespace_is_nested(running):
    child = running("", "unshare", "-Ur")
    outcome = run_joined(lambda: observe_host([]).nested, user_ns=f"/proc/{child.pid}/ns/user")
    assert outcome.value is True


def test_switches_are_read_where_the_kernel_has_them():
    restrictions = observe_host([]).restrictions
    assert set(restrictions) == {key for key in _host.RESTRICTIONS if os.path.exists(f"/proc/sys/{key}")}
    with open("/proc/sys/user/max_user_namespaces", encoding="ascii") as file:
        assert restrictions["user/max_user_namespaces"] == int(file.read())


def test_a_missing_list_of_security_modules_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(_host, "LSM_LIST", str(tmp_path / "lsm"))
    unseen = []
    assert "capability" in observe_host(unseen).lsm
    assert [item.source for item in unseen] == [str(tmp_path / "lsm")]
    (tmp_path / "lsm").write_text("lockdown,capability,yama")
    assert observe_host([]).lsm == ["lockdown", "capability", "yama"]


def test_hidden_processes_are_said_to_those_from_whom_they_are_hidden():
    def look():
        LIBC.unshare(CLONE_NEWNS)
        LIBC.mount(None, b"/", None, 0x44000, None)
        LIBC.mount(b"proc", b"/proc", b"proc", 0, b"hidepid=invisible")
        root: list = []
        observe_host(root)
        os.setresuid(65534, 65534, 65534)
        other: list = []
        observe_host(other)
        return to_plain([root, other])

    as_root, as_nobody = run_joined(look).value
    assert "/proc" not in [item["source"] for item in as_root]
    assert "hidepid=invisible" in next(item["reason"] for item in as_nobody if item["source"] == "/proc")
