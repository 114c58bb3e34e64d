# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units: one question to systemd for all, files where it cannot be asked, and what a unit starts with."""

from __future__ import annotations

import os
import time

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES, capability_mask
from ansible_collections.netlink.remediation.plugins.module_utils._observe import _rewriters, _units
from ansible_collections.netlink.remediation.plugins.module_utils._observe._units import (
    DYNAMIC_UID,
    command_of_unit,
    credentials_of_unit,
    manager_of,
    observe_units,
    setting,
    units_of_processes,
    units_of_user,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Directive, Unit
from ansible_collections.netlink.remediation.plugins.module_utils._plain import from_plain, to_plain
from ansible_collections.netlink.remediation.plugins.module_utils._state import Host, Process

ADMIN, RAW = capability_mask(["cap_net_admin"]), capability_mask(["cap_net_raw"])
KEPT = capability_mask(["cap_setpcap", "cap_sys_admin"])
HOST = Host(bounding=ALL_CAPABILITIES & ~capability_mask(["cap_sys_boot"]))


class Systemd:
    """Answers "systemctl show" as it was recorded, and remembers the questions."""

    def __init__(self, *blocks, code=0, err=""):
        self.answer = (code, "\n\n".join("\n".join(f"{k}={v}" for k, v in block.items()) for block in blocks), err)
        self.questions = []

    def __call__(self, words):
        self.questions.append(list(words))
        return self.answer


def block(name, **more):
    return {"Id": name, "Names": name, "LoadState": "loaded", "NeedDaemonReload": "no", "MainPID": "0", **more}


def test_all_units_are_asked_for_at_once():
    systemd = Systemd(
        block("a.service", User="nobody", ActiveState="active", SubState="running", MainPID="7", InvocationID="00ff"),
        block("real.service", Names="alias.service real.service"),
        block("c.socket"),
    )
    unseen = []
    units = observe_units(["a", "alias.service", "c.socket", "a.service"], unseen, systemd)
    assert len(systemd.questions) == 1
    assert systemd.questions[0][:3] == ["systemctl", "show", "--no-pager"]
    assert systemd.questions[0][-4:] == ["--", "a.service", "alias.service", "c.socket"]
    assert [(given, unit.name) for given, unit in units.items()] == [
        ("a", "a.service"),
        ("alias.service", "real.service"),
        ("c.socket", "c.socket"),
        ("a.service", "a.service"),
    ]
    first = units["a"]
    assert (first.load, first.active, first.sub, first.main_pid, first.invocation) == (
        "loaded",
        "active",
        "running",
        7,
        "00ff",
    )
    assert first.properties == {"User": "nobody"}
    assert unseen == []
    assert from_plain(Unit, to_plain(first)) == first


def test_names_that_can_be_none_are_unseen_and_never_given_to_systemd():
    systemd = Systemd(block("a.service"))
    unseen = []
    units = observe_units(["--help", "x y", "t@.service", "a*", "a"], unseen, systemd)
    assert list(units) == ["--help", "a"]
    assert systemd.questions[0][-3:] == ["--", "--help.service", "a.service"]
    assert [item.source for item in unseen] == ["unit x y", "unit t@.service", "unit a*"]


@pytest.mark.parametrize(
    ("systemd", "reason"),
    [
        (Systemd(code=127, err="there is no program systemctl"), "there is no program systemctl"),
        (Systemd(code=1, err="System has not been booted\nmore"), "System has not been booted"),
        (Systemd(code=124), "exit code 124"),
    ],
)  # fmt: skip
def test_without_an_answer_the_files_are_searched_and_it_is_said(systemd, reason):
    unseen = []
    unit = observe_units(["no-such-unit-of-this-test"], unseen, systemd)["no-such-unit-of-this-test"]
    assert (unit.load, unit.fragment, unit.properties) == ("not-found", None, {})
    assert [(item.source, item.reason) for item in unseen] == [("systemctl show", reason)]


def test_another_root_is_read_without_a_question(tmp_path):
    (tmp_path / "etc/systemd/system/a.service.d").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/a.service").write_text("[Service]\nUser=nobody\nNice=1\n")
    (tmp_path / "etc/systemd/system/a.service.d/x.conf").write_text("[Service]\nUser=\n")
    systemd = Systemd()
    unit = observe_units(["a"], [], systemd, root=str(tmp_path))["a"]
    assert systemd.questions == []
    assert unit.load is None
    assert [(line.name, line.value, line.file, line.line) for line in unit.directives] == [
        ("User", "nobody", "/etc/systemd/system/a.service", 2),
        ("User", "", "/etc/systemd/system/a.service.d/x.conf", 2),
    ]


@pytest.fixture
def running(tmp_path):
    """A unit that runs since some seconds ago, with files of its own."""

    def make(since, **more):
        started = int((time.monotonic() - since) * 1e6)
        return Systemd(
            block(
                "a.service",
                MainPID=str(os.getpid()),
                FragmentPath=str(fragment),
                DropInPaths=f'"{drop_in}"',
                ExecMainStartTimestampMonotonic=str(started),
                **more,
            )
        )

    fragment, drop_in = tmp_path / "a.service", tmp_path / "with space.conf"
    fragment.write_text("[Service]\nUser=nobody\n")
    drop_in.write_text("[Service]\nAmbientCapabilities=CAP_NET_ADMIN\n")
    return make


def test_the_files_that_systemd_names_are_read_in_its_order(running, tmp_path):
    unseen = []
    unit = observe_units(["a"], unseen, running(0))["a"]
    assert [(line.name, line.file) for line in unit.directives] == [
        ("User", str(tmp_path / "a.service")),
        ("AmbientCapabilities", str(tmp_path / "with space.conf")),
    ]
    assert unseen == []


def test_a_unit_is_stale_when_its_files_are_younger_than_its_process(running):
    assert observe_units(["a"], [], running(60))["a"].stale
    assert not observe_units(["a"], [], running(-60))["a"].stale


def test_a_masked_unit_has_no_directives(running):
    unit = observe_units(["a"], [], running(0, LoadState="masked"))["a"]
    assert (unit.load, unit.directives) == ("masked", [])


def test_what_systemd_would_read_counts_when_a_reload_is_needed(running):
    unit = observe_units(["a"], [], running(0, NeedDaemonReload="yes"))["a"]
    assert unit.reload_needed
    assert (unit.fragment, unit.drop_ins, unit.directives) == (None, [], [])


def test_a_unit_that_does_not_exist_has_no_values():
    unit = observe_units(["a"], [], Systemd(block("a.service", LoadState="not-found", User="")))["a"]
    assert (unit.load, unit.properties) == ("not-found", {})


def test_a_users_manager_is_asked_as_that_user():
    systemd = Systemd(block("mine.service", User=""))
    unit = units_of_user(64999, ["mine.service"], systemd, [])["mine.service"]
    assert unit.manager == "user"
    words = systemd.questions[0]
    assert words[:5] == ["setpriv", "--reuid=64999", "--regid=64999", "--clear-groups", "env"]
    assert words[5:9] == ["XDG_RUNTIME_DIR=/run/user/64999", "systemctl", "--user", "show"]


def test_a_users_manager_that_does_not_answer_is_unseen():
    unseen = []
    unit = units_of_user(64999, ["no-unit-of-this-test.service"], Systemd(code=1, err="Permission denied"), unseen)
    assert unit["no-unit-of-this-test.service"].load == "not-found"
    assert [(item.source, item.reason) for item in unseen] == [("systemctl --user show", "Permission denied")]


def test_services_of_processes_are_asked_of_the_manager_that_runs_them():
    systemd = Systemd(block("mine.service"))
    paths = {1: "/user.slice/user@64999.service/app.slice/mine.service", 2: "/system.slice/other.service"}
    processes = [
        Process(pid, 0, 1, "x", cgroup=path, unit=path.rsplit("/", maxsplit=1)[-1]) for pid, path in paths.items()
    ]
    units = units_of_processes(processes, systemd, [])
    assert {name: unit.manager for name, unit in units.items()} == {"mine.service": "user"}
    assert len(systemd.questions) == 1


@pytest.mark.parametrize(
    ("cgroup", "uid"),
    [
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/mine.service", 1000),
        ("/user.slice/user-1000.slice/user@1000.service/init.scope", 1000),
        ("/user.slice/user-1000.slice/user@1000.service", None),
        ("/system.slice/mine.service", None),
        (None, None),
    ],
)
def test_the_cgroup_tells_the_manager(cgroup, uid):
    assert manager_of(cgroup) == uid


# --- what a unit starts with ------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def version(monkeypatch):
    """The release of systemd that the host has."""

    def installed(number):
        monkeypatch.setattr(_rewriters, "systemd_version", lambda _root: number)

    installed(257)
    return installed


def unit_of(*lines, **properties):
    """A unit of lines such as "User=nobody", and of what systemd says."""
    pairs = (line.split("=", 1) for line in ("ExecStart=/bin/true", *lines))
    directives = [Directive("Service", name, value, "/x", number) for number, (name, value) in enumerate(pairs)]
    return Unit("x.service", directives=directives, properties=properties)


def sets(credentials):
    return (credentials.euid, credentials.effective, credentials.inheritable, credentials.bounding, credentials.ambient)


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([], (0, HOST.bounding, 0, HOST.bounding, 0)),
        (["User=root"], (0, HOST.bounding, 0, HOST.bounding, 0)),
        (["User=nobody"], (65534, 0, 0, HOST.bounding, 0)),
        (["User=65534"], (65534, 0, 0, HOST.bounding, 0)),
        (["User=nobody", "User="], (0, HOST.bounding, 0, HOST.bounding, 0)),
        (["CapabilityBoundingSet=CAP_NET_RAW"], (0, RAW, 0, RAW, 0)),
        (["CapabilityBoundingSet=CAP_SYS_BOOT CAP_NET_RAW"], (0, RAW, 0, RAW, 0)),
        (["CapabilityBoundingSet="], (0, 0, 0, 0, 0)),
        (["AmbientCapabilities=CAP_NET_ADMIN"], (0, HOST.bounding, ADMIN, HOST.bounding, ADMIN)),
        (["User=nobody", "AmbientCapabilities=CAP_NET_ADMIN"], (65534, ADMIN, ADMIN, HOST.bounding, ADMIN)),
        (
            ["User=nobody", "AmbientCapabilities=CAP_NET_ADMIN", "CapabilityBoundingSet=CAP_NET_RAW"],
            (65534, 0, 0, RAW, 0),
        ),
        (["User=nobody", "RestrictAddressFamilies=AF_UNIX"], (65534, 0, KEPT, HOST.bounding, 0)),
    ],
)
def test_the_sets_are_those_that_systemd_gives(lines, wanted):
    assert sets(credentials_of_unit(unit_of(*lines), HOST)) == wanted


@pytest.mark.parametrize(
    ("prefix", "uid", "held", "no_new_privs", "seccomp"),
    [
        ("", 65534, ADMIN, True, 2),
        ("-@:", 65534, ADMIN, True, 2),
        ("!!", 65534, ADMIN, True, 2),
        ("!", 0, ADMIN | RAW, True, 2),
        ("-+", 0, HOST.bounding, False, 0),
    ],
)
def test_a_prefix_of_the_command_can_lift_the_user_or_everything(prefix, uid, held, no_new_privs, seccomp):
    unit = unit_of(
        "ExecStart=",
        f"ExecStart={prefix}/bin/true",
        "User=nobody",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW",
        "AmbientCapabilities=CAP_NET_ADMIN",
        "RestrictAddressFamilies=none",
    )
    found = credentials_of_unit(unit, HOST)
    assert (found.euid, found.permitted, found.no_new_privs, found.seccomp) == (uid, held, no_new_privs, seccomp)


def test_what_systemd_has_read_counts_more_than_the_files():
    unit = unit_of("User=nobody", User="root", CapabilityBoundingSet="cap_net_raw", RestrictAddressFamilies="")
    found = credentials_of_unit(unit, HOST)
    assert (found.euid, found.bounding, found.seccomp) == (0, RAW, 2)
    assert setting(unit, "User") == "root"
    assert setting(unit_of("User=nobody"), "User") == "nobody"
    assert setting(unit, "Group") is None


@pytest.mark.parametrize(
    ("shown", "no_new_privs"),
    [("~", False), ("~socket", False), ("~capset", True), ("~prctl:EPERM", True), ("capget capset prctl", False),
     ("read write", True)],
)  # fmt: skip
def test_a_filter_without_the_calls_that_it_needs_implies_no_new_privs(shown, no_new_privs, version):
    assert credentials_of_unit(unit_of("User=nobody", SystemCallFilter=shown), HOST).no_new_privs is no_new_privs
    assert not credentials_of_unit(unit_of(SystemCallFilter=shown), HOST).no_new_privs
    version(252)
    assert credentials_of_unit(unit_of("User=nobody", SystemCallFilter=shown), HOST).no_new_privs is (shown != "~")


def test_a_dynamic_user_has_no_uid_yet_and_no_new_privileges():
    found = credentials_of_unit(unit_of("DynamicUser=yes", "User=made-up-by-this-test"), HOST)
    assert (found.euid, found.no_new_privs, found.seccomp) == (DYNAMIC_UID, True, 2)
    assert credentials_of_unit(unit_of("DynamicUser=yes"), HOST).euid == DYNAMIC_UID


@pytest.mark.parametrize(
    "line", ["User=nobody-of-this-test", "User=64998", "User=99999999999999999999", "Group=none-of-this-test"]
)
def test_a_user_or_group_that_does_not_exist_is_said_in_one_sentence(line):
    with pytest.raises(ValueError, match=r"of x\.service is no (user|group) of this host, so systemd cannot start it$"):
        credentials_of_unit(unit_of(line), HOST)


def test_the_first_command_in_force_is_what_is_started(tmp_path, monkeypatch):
    unit = unit_of("ExecStart=", "ExecStart=-/bin/a 'b c'", "ExecStart=/bin/d")
    assert command_of_unit(unit) == ("-", "/bin/a", ["b c"])
    assert command_of_unit(Unit("x.service")) == ("", None, [])
    (tmp_path / "tool").write_text("")
    (tmp_path / "tool").chmod(0o755)
    monkeypatch.setattr(_units, "_PROGRAM_PATH", ("/nowhere", str(tmp_path)))
    assert command_of_unit(unit_of("ExecStart=", "ExecStart=tool x")) == ("", str(tmp_path / "tool"), ["x"])
    assert command_of_unit(unit_of("ExecStart=", "ExecStart=no-such-tool"))[1] == "no-such-tool"


def test_the_unit_of_a_users_manager_has_credentials_only_while_it_runs():
    with pytest.raises(ValueError, match="a unit of a user's manager"):
        credentials_of_unit(Unit("x.service", "user"), HOST)
