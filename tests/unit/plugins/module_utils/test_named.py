# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import time

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._named import ask_kernel, read_records
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import read_process
from ansible_collections.netlink.remediation.plugins.module_utils._state import State, Workload


def test_each_process_of_a_unit_is_asked_about_with_its_own_credentials():
    # A network namespace of their own, in which root may do everything.
    script = "setpriv --reuid=4242 --regid=4242 --clear-groups sleep 60 & echo $!; exec sleep 60"
    with subprocess.Popen(["unshare", "-n", "sh", "-c", script], stdout=subprocess.PIPE, text=True) as leader:
        assert leader.stdout is not None
        other = int(leader.stdout.readline())
        try:
            state, pids = State(), [leader.pid, other]
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                state.processes = {pid: read_process(pid, []) for pid in pids}
                if state.processes[other].threads[0].credentials.effective == 0:
                    break
                time.sleep(0.05)
            workload = Workload("w", "unit", unit="w.service", processes=pids)
            state.host.protocols = [0]
            ask_kernel(state, workload)
            assert [(probe.answer, probe.tid) for probe in workload.probes] == [
                ("allowed", leader.pid),
                ("EPERM", other),
            ]
        finally:
            subprocess.run(["kill", str(other)], check=True)
            leader.kill()


@pytest.mark.parametrize("hours", [-1, 1e9, float("nan"), float("inf")])
def test_a_time_to_look_back_that_is_none_is_refused(hours):
    with pytest.raises(ValueError, match=r"evidence_hours: .* expected 0 to 8784 hours"):
        read_records(hours)
