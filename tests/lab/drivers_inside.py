# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in an emulated machine as its only program: plays each scene and writes what it saw to /mnt/seen.json.

Nothing is judged here, that is for test_drivers.py. The machine is thrown away afterwards.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Optional

from ansible_collections.netlink.remediation.tests.cases.worker import MODULES
from ansible_collections.netlink.remediation.tests.lab.inside import diagnose, module, sleeper

NET = Path("/sys/class/net")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def refusal(*command: str) -> str:
    """What a program printed when it was refused; empty if it succeeded."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or str(done.returncode)


def look(pid: int, interface: str, client: list[str], **workload: Any) -> dict[str, Any]:
    """The diagnosis of a workload, and then what its client says in the same namespaces."""
    seen = diagnose(pid=pid, interface=interface, **{"operations": ["link"], **workload})
    return {**seen, "client": refusal("nsenter", "-t", str(pid), "-n", *client)}


def facts(interface: str, netns: Optional[str] = None) -> dict[str, Any]:
    """The link as link_facts returns it."""
    result = module("link_facts", interfaces=[interface], **({"netns": [netns]} if netns else {}))
    link: dict[str, Any] = result["ansible_facts"]["netlink_links"]["namespaces"][0]["links"][0]
    return link


def name_of(directory: str, seconds: float = 20) -> str:
    """The link that a driver makes for a device."""
    deadline = time.monotonic() + seconds
    while not (Path(directory).is_dir() and os.listdir(directory)):
        assert time.monotonic() < deadline, f"no link in {directory}"
        time.sleep(0.1)
    return os.listdir(directory)[0]


# --- rfkill: radios that are simulated --------------------------------------------------------------------------------


def radio(pid: int, interface: str) -> dict[str, Any]:
    """Setting a link up, which is set down again."""
    seen = look(pid, interface, ["ip", "link", "set", interface, "up"])
    subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "link", "set", interface, "down"], check=True)
    return seen


def scene_rfkill() -> dict[str, Any]:
    """Two radios of which one is blocked, in the host's namespace and in another one."""
    run("modprobe", "mac80211_hwsim", "radios=2")
    first, second = (path.name for path in sorted(NET.glob("wlan*")))
    number = next((NET / first / "phy80211").glob("rfkill*")).name[len("rfkill") :]
    seen: dict[str, Any] = {"names": [first, second]}
    with sleeper(0) as pid, sleeper(0, "unshare", "-n") as away:
        seen["healthy"] = radio(pid, first)
        run("rfkill", "block", number)
        seen["link"] = facts(first)
        seen["blocked"] = radio(pid, first)
        seen["other radio"] = radio(pid, second)
        seen["address"] = look(
            pid, first, ["ip", "link", "set", first, "address", "02:00:00:00:00:77"], mac="02:00:00:00:00:77"
        )
        os.rename("/dev/rfkill", "/dev/rfkill.away")
        seen["no device"] = look(pid, first, ["ip", "link", "set", first, "up"])
        seen["no device facts"] = module("link_facts", interfaces=[first])["ansible_facts"]["netlink_links"]
        seen["no device change"] = module("link_state", check=True, links=[{"name": first, "mtu": 1400}])
        os.rename("/dev/rfkill.away", "/dev/rfkill")
        seen["route"] = look(
            pid,
            first,
            ["ip", "route", "add", "192.0.2.0/24", "dev", first],
            operations=["route"],
            route={"dst": "192.0.2.0/24", "interface": first},
        )
        run("rfkill", "unblock", number)
        seen["fixed"] = radio(pid, first)
        run("ip", "link", "set", first, "up")
        seen["up"] = look(pid, first, ["ip", "link", "set", first, "up"])
        run("rfkill", "block", number)
        seen["blocked while up"] = radio(pid, first)
        run("rfkill", "unblock", number)
        phy = os.readlink(f"/sys/class/net/{second}/phy80211").rpartition("/")[2]
        run("iw", "phy", phy, "set", "netns", str(away))
        seen["away"] = radio(away, second)
        run("rfkill", "block", "wifi")  # By its number it is not found from here.
        seen["away blocked"] = radio(away, second)
        seen["away link"] = facts(second, f"/proc/{away}/ns/net")
        run("rfkill", "unblock", "wifi")
        seen["away fixed"] = radio(away, second)
    return seen


def scene_mode() -> dict[str, Any]:
    """What cfg80211 refuses while a link is up: another type."""
    name = sorted(path.name for path in NET.glob("wlan*"))[0]
    run("ip", "link", "set", name, "up")
    seen = {"up": refusal("iw", "dev", name, "set", "type", "monitor")}
    run("ip", "link", "set", name, "down")
    return {**seen, "down": refusal("iw", "dev", name, "set", "type", "monitor")}


# --- sriov: a virtual function of an emulated card --------------------------------------------------------------------


def give(pid: int, interface: str, mac: str) -> dict[str, Any]:
    return look(pid, interface, ["ip", "link", "set", "dev", interface, "address", mac], mac=mac)


def scene_sriov() -> dict[str, Any]:
    """A virtual function that got no address, one of its own, and one from the card; untrusted and trusted."""
    run("modprobe", "igb")
    run("modprobe", "igbvf")
    card = next(path.parents[1].name for path in NET.glob("*/device/sriov_numvfs"))
    run("ip", "link", "set", card, "up")
    place = NET / card / "device"
    (place / "sriov_numvfs").write_text("1")
    device = os.readlink(place / "virtfn0").rpartition("/")[2]
    name = name_of(f"/sys/bus/pci/devices/{device}/net")
    seen: dict[str, Any] = {"card": card, "name": name}
    with sleeper(0) as pid, sleeper(0, "unshare", "-n") as away:
        seen["card itself"] = give(pid, card, "52:54:00:00:00:99")
        run("ip", "link", "set", card, "vf", "0", "mac", "00:00:00:00:00:00")
        seen["no address kept"] = give(pid, name, "02:aa:00:00:00:01")
        seen["its own address kept"] = give(pid, name, "02:aa:00:00:00:02")
        run("ip", "link", "set", card, "vf", "0", "mac", "02:bb:00:00:00:01")
        seen["another address kept"] = give(pid, name, "02:aa:00:00:00:03")
        seen["the kept address"] = give(pid, name, "02:bb:00:00:00:01")
        run("modprobe", "-r", "igbvf")
        run("modprobe", "igbvf")
        name = name_of(f"/sys/bus/pci/devices/{device}/net")
        seen["link"] = facts(name)
        seen["set up"] = look(pid, name, ["ip", "link", "set", name, "up"])
        seen["came with it"] = give(pid, name, "02:aa:00:00:00:04")
        run("ip", "link", "set", card, "vf", "0", "mac", "02:bb:00:00:00:02")
        run("modprobe", "-r", "igbvf")
        run("modprobe", "igbvf")
        name = name_of(f"/sys/bus/pci/devices/{device}/net")
        seen["from outside"] = give(pid, name, "02:bb:00:00:00:02")
        run("ip", "link", "set", name, "netns", str(away))
        seen["away"] = give(away, name, "02:aa:00:00:00:05")
        run("ip", "link", "set", card, "vf", "0", "trust", "on")
        seen["trusted"] = give(away, name, "02:aa:00:00:00:06")
    return seen


SCENES = {"rfkill": scene_rfkill, "mode": scene_mode, "sriov": scene_sriov}


def main() -> None:
    for name in ("diagnosis_info", "link_facts", "link_state"):
        importlib.import_module(MODULES + name)  # Once, before module() forks: imports are slow in the guest.
    importlib.import_module("pyroute2")
    seen: dict[str, Any] = {"kernel": os.uname().release}
    for name, scene in SCENES.items():
        started = time.monotonic()
        seen[name] = scene()
        seen[f"seconds of {name}"] = round(time.monotonic() - started, 1)
        Path("/mnt/seen.json").write_text(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main()
