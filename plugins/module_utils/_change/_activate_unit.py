# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask systemd about units, make it read their files anew, and start a unit anew and see that it stays up."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._commands import TIMED_OUT, run

START_SECONDS = 90
SETTLE_SECONDS = 2.0  # What cannot do its work for want of a privilege or a file says so within a second.
_POLL_SECONDS = 0.25
_STATE = ("Type", "ActiveState", "SubState", "Result", "InvocationID", "NRestarts", "ExecMainCode", "ExecMainStatus")
_UP = ("active", "reloading", "refreshing")


def is_running() -> bool:
    """Whether systemd is the manager of this host, sd_booted(3)."""
    return os.path.isdir("/run/systemd/system")


def show_units(names: Sequence[str], properties: Sequence[str]) -> list[dict[str, str]]:
    """Properties of units as systemd has them, in the order of the names. Raises ChangeError."""
    code, out, err = run(["systemctl", "show", f"--property={','.join(properties)}", "--", *names])
    blocks = [block for block in out.split("\n\n") if block.strip()]
    if code or len(blocks) != len(names):
        raise ChangeError(f"systemd cannot be asked about {', '.join(names)}: {one_line(err or out)}")
    return [dict(line.partition("=")[::2] for line in block.splitlines()) for block in blocks]


def daemon_reload() -> None:
    """Let systemd read the files of all units anew. Raises ChangeError."""
    if not is_running():
        return  # Whoever boots this host next reads them then.
    code, out, err = run(["systemctl", "daemon-reload"], timeout=START_SECONDS)
    if code:
        raise ChangeError(f"systemctl daemon-reload failed: {one_line(err or out)}")


def identify_unit(details: Mapping[str, Any]) -> Optional[str]:
    """The id of this run of details["unit"], None when it does not run.

    A start or stop that is under way is waited for: a run that was killed may have left one behind.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        (state,) = show_units([details["unit"]], ["ActiveState", "InvocationID", "Job"])
        if state.get("Job", "0") in ("", "0") or time.monotonic() >= deadline:
            break
        time.sleep(_POLL_SECONDS)
    if state["ActiveState"] in ("inactive", "failed"):
        return None
    return state["InvocationID"] or "?"


def restart_unit(details: Mapping[str, Any]) -> None:
    """Start details["unit"] anew. Raises ChangeError unless it comes up and stays up, with the last of its journal.

    A unit of Type=oneshot has come up when it has done its work. Of others each moment of SETTLE_SECONDS must show the
    same run: one that dies and is started again by systemd has not come up.
    """
    name, begun = details["unit"], time.time()
    run(["systemctl", "reset-failed", "--", name])  # Else systemd may refuse: it was started too often already.
    code, out, err = run(["systemctl", "restart", "--", name], timeout=START_SECONDS)
    if code == TIMED_OUT:
        raise ChangeError(_sentence(name, f"did not come up within {START_SECONDS} seconds", begun))
    state = _state_of(name)
    if code:
        raise ChangeError(_sentence(name, f"does not start ({_why(state) or one_line(err or out)})", begun))
    if not _has_ended_well(state):
        _watch(name, state, begun)


def _watch(name: str, first: dict[str, str], begun: float) -> None:
    state, deadline = first, time.monotonic() + SETTLE_SECONDS
    while True:
        if _has_ended_well(state):
            return
        if state["ActiveState"] not in _UP:
            raise ChangeError(_sentence(name, f"started and did not stay up ({_why(state)})", begun))
        if any(state.get(key) != first.get(key) for key in ("InvocationID", "NRestarts")):
            raise ChangeError(_sentence(name, "ended soon after its start and was started again", begun))
        if time.monotonic() >= deadline:
            return
        time.sleep(_POLL_SECONDS)
        state = _state_of(name)


def _has_ended_well(state: Mapping[str, str]) -> bool:
    """Whether it is a unit that works once, and has done so."""
    done = state["ActiveState"] == "inactive" or (state["ActiveState"], state["SubState"]) == ("active", "exited")
    return state.get("Type") == "oneshot" and done and state.get("Result") == "success"


def _state_of(name: str) -> dict[str, str]:
    return show_units([name], _STATE)[0]


def _why(state: Mapping[str, str]) -> str:
    """A few words on how a unit ended: "exit-code, status 1"."""
    result, status = state.get("Result", ""), state.get("ExecMainStatus", "0")
    words = result if result != "success" else f"it is {state['ActiveState']}, {state['SubState']}"
    if status == "0":
        return words
    # ExecMainCode 1 is an exit, 2 and 3 are signals (waitid(2)).
    return f"{words}, status {status}" if state.get("ExecMainCode") == "1" else f"{words} {status}"


def _sentence(name: str, what: str, begun: float) -> str:
    """With the last lines that the unit wrote, or systemd about it, since then."""
    words = ["journalctl", "--quiet", "--no-pager", "--output=cat", "--lines=4", f"--since=@{int(begun)}", "-u", name]
    code, out, _err = run(words, timeout=20)
    said = " | ".join(line.strip()[:300] for line in out.splitlines() if line.strip())
    return f"{name} {what}" + (f"; its journal: {said}" if said and not code else "")


def one_line(text: str) -> str:
    """What a command said, as part of a sentence."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())[:600] or "it said nothing"
