# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs a kernel of its own: loadable modules, a switch that only some kernels have, arguments at boot.

Each boot is one fixture; inside.py plays the scenes in the guest, and the tests judge what it saw.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._probe import PROBES
from ansible_collections.netlink.remediation.tests.lab.guest import Guest, NoPackageError

INSIDE = Path(__file__).resolve().parent / "inside.py"
LOADABLE = {"tun", "nf_tables", "xfrm_user", "dummy"}
# Operations that are asked of a module: the probe must not ask as long as it is not loaded.
ASLEEP = {"tun", "nftables", "xfrm"}
# Nobody may make a user namespace; /proc/sys is closed by the mode of its files.
NOBODY = {**dict.fromkeys(PROBES, "EPERM"), "userns": "allowed", "forward": "EACCES"}


@pytest.fixture(scope="session")
def guest(request: pytest.FixtureRequest) -> Guest:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    try:
        return Guest(request.config.getoption("--lab") / "guest")
    except NoPackageError as exc:
        pytest.skip(str(exc))


def play(guest: Guest, out: Path, scenes: list[str], *arguments: str) -> Any:
    """Boot with these kernel arguments and play the scenes; what was seen."""
    path = os.environ.get("PYTHONPATH") or str(INSIDE.parents[5])
    command = [sys.executable, str(INSIDE), *scenes]
    guest.run(out, command, *arguments, timeout=900, PYTHONPATH=path, PYTHONDONTWRITEBYTECODE="1")
    return json.loads((out / "seen.json").read_text())


@pytest.fixture(scope="session")
def seen(guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A boot without any argument."""
    return play(guest, tmp_path_factory.mktemp("boot"), ["modules", "userns", "ipv6"])


@pytest.fixture(scope="session")
def seen_without_ipv6(guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A boot with ipv6.disable=1."""
    return play(guest, tmp_path_factory.mktemp("boot"), ["ipv6"], "ipv6.disable=1")


def names(proc_modules: str) -> set[str]:
    return {line.split()[0] for line in proc_modules.splitlines()}


def reasons(look: Any) -> list[tuple[str, str]]:
    return [(finding["cause"], finding["reason"]) for finding in look["findings"]]


# --- modules ----------------------------------------------------------------------------------------------------------

STAGES = ["nothing", "nfnetlink", "all"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("moment", ["after root", "after nobody", "after diagnosis"])
def test_no_probe_and_no_diagnosis_changes_the_loaded_modules(seen: Any, stage: str, moment: str) -> None:
    assert seen["modules"][stage][moment] == seen["modules"][stage]["before"]


def test_the_stages_are_what_they_are_called(seen: Any) -> None:
    loaded = {stage: names(seen["modules"][stage]["before"]) for stage in STAGES}
    assert not loaded["nothing"] & (LOADABLE | {"nfnetlink", "ipv6"})
    assert loaded["nfnetlink"] - loaded["nothing"] == {"nfnetlink"}
    assert loaded["all"] >= LOADABLE


def test_opening_a_family_or_the_device_plainly_does_load_modules(seen: Any) -> None:
    """Without this, a guest that cannot load modules would pass the test above."""
    opened = seen["modules"]["opened_plainly"]
    assert opened["code"] == 0
    before = names(seen["modules"]["nfnetlink"]["after diagnosis"])
    assert names(opened["after"]) - before >= {"xfrm_user", "tun"}


@pytest.mark.parametrize(("stage", "asleep"), [("nothing", ASLEEP), ("nfnetlink", ASLEEP - {"nftables"}), ("all", ())])
def test_probes_answer_unknown_for_what_is_not_loaded_and_the_truth_for_the_rest(
    seen: Any, stage: str, asleep: set[str]
) -> None:
    unknown = dict.fromkeys(asleep, "unknown")
    # Kernels before 6.13 look at the link before the other namespace.
    old = tuple(int(word) for word in seen["kernel"].split(".")[:2]) < (6, 13)
    root = {**dict.fromkeys(PROBES, "allowed"), "move": "unknown" if old else "allowed"}
    assert seen["modules"][stage]["answers"]["root"] == {**root, **unknown}
    assert seen["modules"][stage]["answers"]["nobody"] == {**NOBODY, **unknown}
    assert seen["modules"][stage]["verdicts"]["nobody"] == "refused"


# --- userns -----------------------------------------------------------------------------------------------------------

USERNS = ("userns_restricted", "unprivileged_userns_clone")


def test_with_the_switch_on_a_user_namespace_is_allowed_and_unshare_agrees(seen: Any) -> None:
    look = seen["userns"]["on"]
    assert (look["switch"], look["verdict"], look["findings"], look["unshare"]) == ("1", "allowed", [], "")


def test_with_the_switch_off_it_is_named_and_unshare_fails(seen: Any) -> None:
    look = seen["userns"]["off"]
    assert (look["switch"], look["verdict"], reasons(look)) == ("0", "refused", [USERNS])
    assert look["findings"][0]["certainty"] == "proven"
    assert "Operation not permitted" in look["unshare"]


def test_the_switch_does_not_concern_root(seen: Any) -> None:
    look = seen["userns"]["root"]
    assert (look["verdict"], look["findings"], look["unshare"]) == ("allowed", [], "")


def test_the_switch_is_not_set_without_consent_nor_by_a_preview(seen: Any) -> None:
    scene = seen["userns"]
    assert scene["no consent"]["failed"] and "world_userns" in scene["no consent"]["msg"]
    assert scene["previewed"] == "0" and scene["preview"]["receipt"] is None
    assert scene["preview"]["changed"] and scene["preview"]["changes"] == scene["fix"]["changes"]


def test_the_remedy_of_the_switch_works_once_and_is_taken_back(seen: Any) -> None:
    scene = seen["userns"]
    assert (scene["fixed"]["verdict"], reasons(scene["fixed"]), scene["fixed"]["unshare"]) == ("allowed", [], "")
    assert scene["fixed"]["files"] and not scene["off"]["files"]
    assert not scene["again"]["changed"]
    assert scene["revert"]["changed"]
    assert scene["reverted"] == scene["off"]


# --- ipv6 -------------------------------------------------------------------------------------------------------------

IPV6 = ("sysctl", "ipv6_off_at_boot")


def test_a_kernel_booted_with_ipv6_disabled_is_named_and_ip_fails(seen_without_ipv6: Any) -> None:
    scene = seen_without_ipv6["ipv6"]
    assert "ipv6.disable=1" in scene["cmdline"] and "ipv6" in names(scene["loaded"])
    assert (scene["with"]["verdict"], reasons(scene["with"])) == ("refused", [IPV6])
    assert "Operation not supported" in scene["with"]["ip"]


def test_a_kernel_without_the_module_of_ipv6_is_named_and_ip_fails(seen: Any) -> None:
    look = seen["ipv6"]["without"]
    assert (look["verdict"], reasons(look)) == ("refused", [IPV6])
    assert "Operation not supported" in look["ip"]


def test_a_kernel_with_ipv6_is_healthy_and_ip_succeeds(seen: Any) -> None:
    look = seen["ipv6"]["with"]
    assert (look["verdict"], look["findings"], look["ip"]) == ("allowed", [], "")
