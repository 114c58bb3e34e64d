# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the guest as its only program: inside.py SCENE... plays each scene and writes what it saw to /mnt/seen.json.

Nothing is judged here, that is for test_guest.py. The kernel is thrown away afterwards, so a scene may do as it likes.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.netlink.remediation.plugins.module_utils._observe._probe import PROBES, Context, probe
from ansible_collections.netlink.remediation.plugins.module_utils._state import OPERATIONS
from ansible_collections.netlink.remediation.tests.cases.worker import MODULES, call

SWITCH = Path("/proc/sys/kernel/unprivileged_userns_clone")
NOBODY = 65534
NETLINK_XFRM = 6


def modules() -> str:
    return Path("/proc/modules").read_text()


def modprobe(*names: str) -> None:
    for name in names:
        subprocess.run([os.environ["GUEST_MODPROBE"], name], check=True)


def module(name: str, check: bool = False, **parameters: Any) -> dict[str, Any]:
    """The result of a module of this collection, run in a child so that it cannot leave a trace in this process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "w") as pipe:
            pipe.write(call(name, {**parameters, "_ansible_check_mode": check, "_ansible_diff": True}))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        result: dict[str, Any] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return result


def diagnose(**workload: Any) -> dict[str, Any]:
    """The verdict and the findings for one workload."""
    result = module("diagnosis_info", workloads=[{"name": "w", **workload}])
    assert not result.get("failed"), result
    return {"verdict": result["workloads"][0]["verdict"], "findings": result["findings"]}


@contextmanager
def sleeper(uid: int, *wrapper: str) -> Iterator[int]:
    """The pid of a process of this user."""
    process = subprocess.Popen([*wrapper, "sleep", "infinity"], user=uid, group=uid, extra_groups=[])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def client(uid: int, *command: str) -> str:
    """What a real program printed on its standard error; empty if it succeeded."""
    done = subprocess.run(command, user=uid, group=uid, extra_groups=[], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or str(done.returncode)


# --- modules: what probes do to the list of loaded modules ------------------------------------------------------------


def ask(pid: int, other: str) -> dict[str, str]:
    """The answers to all probes, in the process's own network namespace; those for another one are asked as well."""
    probe(Context(pid=pid), PROBES, target_netns=other)
    own = probe(Context(pid=pid), [word for word in PROBES if word != "move"])
    return {item.operation: item.answer for item in own + probe(Context(pid=pid), ["move"], target_netns=other)}


def stage() -> dict[str, Any]:
    """All probes, as root and as nobody, and the whole diagnosis of both, with /proc/modules before and after."""
    seen: dict[str, Any] = {"before": modules(), "answers": {}}
    with sleeper(0) as root, sleeper(NOBODY) as nobody, sleeper(0, "unshare", "-n") as other:
        for name, pid in (("root", root), ("nobody", nobody)):
            seen["answers"][name] = ask(pid, f"/proc/{other}/ns/net")
            seen[f"after {name}"] = modules()
        workload = {"operations": list(OPERATIONS), "interface": "lo", "address": "192.0.2.1/24"}
        workloads = [{"name": "root", "pid": root, **workload}, {"name": "nobody", "pid": nobody, **workload}]
        result = module("diagnosis_info", workloads=workloads)
        seen["verdicts"] = {item["name"]: item["verdict"] for item in result["workloads"]}
        seen["after diagnosis"] = modules()
    return seen


def open_plainly() -> None:
    """What a careless probe would do, as nobody."""
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM).close()
    os.close(os.open("/dev/net/tun", os.O_RDWR))


def scene_modules() -> dict[str, Any]:
    """Probes with nothing loaded, with nfnetlink alone, and with all that they could load."""
    # The node is there on every host before its module is, so that who opens it loads the module.
    Path("/dev/net").mkdir()
    os.mknod("/dev/net/tun", 0o020666, os.makedev(10, 200))
    Path("/dev/net/tun").chmod(0o666)
    seen = {"nothing": stage()}
    modprobe("nfnetlink")
    seen["nfnetlink"] = stage()
    child = os.fork()
    if child == 0:
        try:
            open_plainly()
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    seen["opened_plainly"] = {"code": code, "after": modules()}
    modprobe("tun", "nf_tables", "xfrm_user", "dummy")
    seen["all"] = stage()
    return seen


# --- userns: the switch that Debian and Ubuntu have -------------------------------------------------------------------


def look_at_userns(pid: int) -> dict[str, Any]:
    return {
        "switch": SWITCH.read_text().strip(),
        "unshare": client(NOBODY, "unshare", "--user", "true"),
        "files": sorted(str(path) for path in Path("/etc/sysctl.d").glob("*netlink-remediation*")),
        **diagnose(pid=pid, operations=["userns"]),
    }


def scene_userns() -> dict[str, Any]:
    """The switch on, off, set by the remedy, and taken back."""
    seen: dict[str, Any] = {}
    with sleeper(NOBODY) as nobody, sleeper(0) as root:
        seen["on"] = look_at_userns(nobody)
        SWITCH.write_text("0")
        seen["off"] = look_at_userns(nobody)
        seen["root"] = {
            "unshare": client(0, "unshare", "--user", "true"),
            **diagnose(pid=root, operations=["userns"]),
        }
        settings = seen["off"]["findings"][0]["remedy"]["variables"]["netlink_sysctl_settings"]
        consent = seen["off"]["findings"][0]["remedy"]["consent"]
        seen["no consent"] = module("sysctl_settings", settings=settings)
        seen["preview"] = module("sysctl_settings", settings=settings, accept=consent, check=True)
        seen["previewed"] = SWITCH.read_text().strip()
        seen["fix"] = module("sysctl_settings", settings=settings, accept=consent)
        seen["fixed"] = look_at_userns(nobody)
        seen["again"] = module("sysctl_settings", settings=settings, accept=consent)
        seen["revert"] = module("receipt", id=seen["fix"]["receipt"]["id"])
        seen["reverted"] = look_at_userns(nobody)
    return seen


# --- ipv6: a kernel that was booted without it ------------------------------------------------------------------------


def look_at_ipv6() -> dict[str, Any]:
    with sleeper(0) as pid:
        seen = diagnose(pid=pid, operations=["address"], interface="lo", address="2001:db8::1/64")
    seen["ip"] = client(0, "ip", "-6", "address", "add", "2001:db8::1/64", "dev", "lo")
    return seen


def scene_ipv6() -> dict[str, Any]:
    """Without the module of IPv6, and with it; the kernel's command line says whether it comes up."""
    seen: dict[str, Any] = {"without": look_at_ipv6()}
    modprobe("ipv6")
    return {**seen, "with": look_at_ipv6(), "loaded": modules(), "cmdline": Path("/proc/cmdline").read_text()}


SCENES = {"modules": scene_modules, "userns": scene_userns, "ipv6": scene_ipv6}


def main() -> None:
    for name in ("diagnosis_info", "sysctl_settings", "receipt"):
        importlib.import_module(MODULES + name)  # Once, before module() forks: imports are slow in the guest.
    seen: dict[str, Any] = {"kernel": os.uname().release}
    for name in sys.argv[1:]:
        seen[name] = SCENES[name]()
        Path("/mnt/seen.json").write_text(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main()
