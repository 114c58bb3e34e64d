# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _daemon_unit
from ansible_collections.netlink.remediation.plugins.module_utils._change._daemon_unit import DaemonUnit, find_unit

SHOWN = """\
LoadState=loaded
ActiveState={active}
SubState=running
InvocationID=ab85
StateChangeTimestampMonotonic=2500000
ExecStart={{ path={program} ; argv[]={program} -H fd:// $DOCKER_OPTS ${{ONE}}x $NONE ; ignore_errors=no ; pid=1 }}
Environment="DOCKER_OPTS=--debug --mtu 1300" ONE=--label=a=b
EnvironmentFiles={file} (ignore_errors=yes)
EnvironmentFiles={file}.missing (ignore_errors=yes)
"""


@pytest.fixture
def systemd(monkeypatch, tmp_path):
    """What systemctl says of the unit; None where systemd does not run."""
    (tmp_path / "default").write_text(
        "# DOCKER_OPTS=--nothing\n\nDOCKER_OPTS='--mtu 1400 --config-file /x.json'\nHTTP_PROXY=x\n"
    )

    def says(active="active", program="/usr/sbin/dockerd", text=SHOWN, code=0):
        shown = text and text.format(active=active, program=program, file=tmp_path / "default")
        monkeypatch.setattr(_daemon_unit, "is_running", lambda: text is not None)
        monkeypatch.setattr(_daemon_unit, "run", lambda _words: (code, shown, "no bus"))
        return find_unit("docker.service")

    return says


def test_the_flags_are_those_of_the_next_start(systemd):
    unit = systemd()
    assert unit.words == ["-H", "fd://", "--mtu", "1400", "--config-file", "/x.json", "--label=a=bx"]
    assert unit.flags == {"host": "fd://", "mtu": "1400", "config-file": "/x.json", "label": "a=bx"}
    assert unit.other_flags == ["-H", "fd://", "--mtu", "1400", "--label=a=bx"]
    assert (unit.program, unit.instance, unit.since, unit.unvalidated) == ("/usr/sbin/dockerd", "ab85", 2.5, [])


@pytest.mark.parametrize(
    ("active", "runs", "failed"),
    [("active", True, False), ("inactive", False, False), ("failed", False, True), ("activating", False, True)],
)
def test_a_unit_that_failed_is_not_one_that_does_not_run(systemd, active, runs, failed):
    unit = systemd(active)
    assert (unit.loaded, unit.runs, unit.failed, unit.instance is None) == (True, runs, failed, not runs)


def test_flags_that_a_script_gives_are_not_known(systemd):
    unit = systemd(program="/usr/local/bin/start-docker")
    assert (unit.program, unit.words) == ("dockerd", [])
    assert unit.unvalidated == ["the flags that docker.service gives to dockerd: it is not started by the unit itself"]


def test_a_host_without_the_unit_or_systemd_has_nothing_to_restart(systemd):
    assert systemd(text=None) == DaemonUnit("docker.service")
    assert systemd(text="LoadState=not-found\nActiveState=inactive\n") == DaemonUnit("docker.service")


def test_a_systemd_that_does_not_answer_is_an_error(systemd):
    with pytest.raises(ChangeError, match=r"systemd cannot be asked about docker.service: no bus"):
        systemd(code=1)
