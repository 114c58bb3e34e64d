# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks on a guest: what the tests of both security modules ask of them."""

from __future__ import annotations

import re
import subprocess
from typing import Any

from confined import client
from machine import Machine


class Play:
    """A finished run of a playbook: its return code, what it said, which tasks changed something."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.text = done.returncode, done.stdout + done.stderr
        self.changed = [part.split("]")[0] for part in done.stdout.split("TASK [") if "\nchanged: [guest]" in part]

    def __repr__(self) -> str:
        return self.text


def play(machine: Machine, name: str, *words: str, **variables: Any) -> Play:
    """Run a playbook of the collection, over ssh."""
    return Play(machine.ansible(f"netlink.remediation.{name}", *words, **variables))


def again(machine: Machine, name: str) -> str:
    """Start the service NAME anew: "ok", or what its copy of ip said."""
    machine.sh('rm -f "/run/$1.status" "/run/$1.output"; systemctl restart "$1"', name)
    machine.sh('until [ -s "/run/$1.status" ]; do sleep 0.1; done', name)
    status, output = (machine.sh(f'cat "/run/$1.{kind}"', name).strip() for kind in ("status", "output"))
    return "ok" if status == "0" else output


def found_mended_and_taken_back(machine: Machine, name: str, cause: str, role_task: str) -> None:
    """The whole way of a service whose name nobody gives at first: found by what the host recorded, named, mended,
    proven by itself, unchanged by a second run, taken back.
    """
    machine.sh("ip link set dev lo mtu 65000")  # what its copy of ip will do
    assert again(machine, name) != "ok"
    files = machine.snapshot().splitlines()
    found = play(machine, "fix_netlink")
    assert (found.code, found.changed) == (0, []), found
    assert re.search(rf"{name}\.service \(unit {name}\.service, pid \d+\): REFUSED", found.text), found
    assert f"cause: {cause} / " in found.text, found
    assert f"netlink_remediate_workloads: [{{name: {name}.service, unit: {name}.service}}]" in found.text, found

    named = {"netlink_remediate_workloads": [{"name": name, "unit": name}]}
    preview = play(machine, "fix_netlink", "--check", "--diff", **named)
    assert preview.code == 0 and f"{name}: would be mended" in preview.text, preview
    assert machine.snapshot().splitlines() == files, "the preview changed the guest"
    done = play(machine, "fix_netlink", "--diff", **named)
    assert done.code == 0 and f"{name}: FIXED, verified" in done.text, done
    assert done.changed == preview.changed and role_task in done.changed[0], done
    assert _diffs(done.text) == _diffs(preview.text)
    assert again(machine, name) == "ok"
    once_more = play(machine, "fix_netlink", **named)
    assert (once_more.code, once_more.changed) == (0, []), once_more
    assert f"{name}: allowed, nothing was wrong" in once_more.text, once_more

    back = play(machine, "rollback_netlink")
    assert back.code == 0 and back.changed, back
    assert machine.snapshot().splitlines() == files, "the rollback did not restore the guest"
    assert again(machine, name) != "ok"


def _diffs(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r"[-+@]", line)]


def program_found(machine: Machine, name: str, user: str = "root") -> str:
    """What the playbook says, given nothing, of the program NAME that a user ran once."""
    done = play(machine, "audit_netlink")
    assert done.code == 0, done
    lines = done.text.splitlines()
    begin = next((number for number, line in enumerate(lines) if f"{client(name)} of" in line), None)
    assert begin is not None, done
    assert user in lines[begin], lines[begin]
    return "\n".join(lines[begin : begin + 12])
