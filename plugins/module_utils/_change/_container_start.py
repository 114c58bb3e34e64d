# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask docker, podman and LXC about what runs, start it anew, and prove that it came up as it was before."""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import (
    SETTLE_SECONDS,
    one_line,
    restart_unit,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import (
    Wish,
    from_entry,
    from_note,
    kernel_names,
)
from ansible_collections.netlink.remediation.plugins.module_utils._commands import NO_PROGRAM, run
from ansible_collections.netlink.remediation.plugins.module_utils._linux import capability_mask, capability_names

UP_SECONDS = 300  # Stopping alone may take as long as the service is granted for it.
_STOP_SECONDS = 30
_POLL_SECONDS = 0.5
_LONGEST_PAUSE = timedelta(minutes=2)  # Twice the longest time that docker waits between two attempts.
PROJECT, SERVICE, ONE_OFF = (f"com.docker.compose.{name}" for name in ("project", "service", "oneoff"))


# --- docker and podman ------------------------------------------------------------------------------------------------


def ask(words: Sequence[str], what: str) -> str:
    """What a command prints. Raises ChangeError; what: a few words on what it was asked for."""
    code, out, err = run(words)
    if code == NO_PROGRAM:
        raise ChangeError(f"{what} cannot be known: {err}")
    if code:
        raise ChangeError(f"{what} cannot be known: {' '.join(words[:3])} says: {one_line(err or out)}")
    return out


def inspect(engine: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """What the engine says about containers. Raises ChangeError."""
    if not names:
        return []
    text = ask([engine, "container", "inspect", *names], f"container {', '.join(names)}")
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise ChangeError(f"what {engine} says about {', '.join(names)} is not understood: {exc}") from None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def service_containers(project: str, service: str) -> list[dict[str, Any]]:
    """All containers of a service of compose, running or not, in the order of their names."""
    filters = [f"label={PROJECT}={project}", f"label={SERVICE}={service}", f"label={ONE_OFF}=False"]
    words = ["docker", "container", "ls", "--all", "--quiet", "--no-trunc"]
    for text in filters:
        words += ["--filter", text]
    found = inspect("docker", ask(words, f"which containers {project}/{service} has").split())
    return sorted(found, key=lambda one: str(one.get("Name")))


@functools.cache
def compose_words() -> tuple[str, ...]:
    """The words that call compose version 2 or later, as a plugin of docker or a program of its own. Raises ChangeError
    where there is none."""
    for words in (("docker", "compose"), ("docker-compose",)):
        code, out, _err = run([*words, "version", "--short"])
        major = out.strip().lstrip("v").partition(".")[0]
        if not code and major.isdigit() and int(major) >= 2:
            return words
    raise ChangeError("docker compose, which reads and starts what it defines, is not installed on this host")


def project_words(details: Mapping[str, Any], files: Sequence[str]) -> list[str]:
    """The words that call compose for a project, made of these files. details: of an ActivationChange."""
    words = [*compose_words(), "-p", details["project"], "--project-directory", details["directory"]]
    for name in details["environment_files"]:
        words += ["--env-file", name]
    for name in files:
        words += ["-f", name]
    return words


def is_up(container: Mapping[str, Any]) -> bool:
    """Whether it runs, and is not between two attempts."""
    state = container.get("State") or {}
    return bool(state.get("Running")) and not state.get("Restarting") and not state.get("Dead")


def is_failing(container: Mapping[str, Any]) -> bool:
    """Whether it is started again and again: it waits for the next attempt, or was restarted and runs for a moment."""
    state = container.get("State") or {}
    if state.get("Restarting"):
        return True
    try:
        begun = datetime.strptime(str(state.get("StartedAt"))[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return False
    return bool(container.get("RestartCount")) and datetime.now(timezone.utc) - begun < _LONGEST_PAUSE


def docker_has(identifier: str, wish: Wish) -> bool:
    """Whether docker made a container with all of a wish; False where docker cannot be asked."""
    try:
        (found,) = inspect("docker", [identifier])[:1] or [{}]
    except ChangeError:
        return False
    host, config = found.get("HostConfig") or {}, found.get("Config") or {}
    sysctls = host.get("Sysctls") or {}
    return (
        {*wish.cap_add} <= {*kernel_names(host.get("CapAdd") or ())}
        and {*wish.cap_drop} <= {*kernel_names(host.get("CapDrop") or ())}
        and wish.user in (None, config.get("User"))
        and wish.userns in (None, host.get("UsernsMode"))
        and all(sysctls.get(key) == value for key, value in wish.sysctls.items())
    )


# --- compose ----------------------------------------------------------------------------------------------------------


def identify_service(details: Mapping[str, Any]) -> Optional[str]:
    """The ids of the containers of a service that run, None when none does."""
    found = service_containers(details["project"], details["service"])
    return ",".join(sorted(str(one.get("Id")) for one in found if (one.get("State") or {}).get("Running"))) or None


def recreate_service(details: Mapping[str, Any]) -> None:
    """Make all containers of a service anew. Raises ChangeError unless they come up, stay up, and have the image,
    mounts and networks of before, and the capabilities that our override names."""
    project, service = details["project"], details["service"]
    before = service_containers(project, service)
    override, files = details["override"], list(details["bases"])
    if os.path.exists(override):
        files.append(override)
    words = project_words(details, files)
    words += ["up", "--detach", "--no-deps", "--no-build", "--pull", "never", "--force-recreate"]
    code, out, err = run([*words, "--scale", f"{service}={details['scale']}", service], timeout=UP_SECONDS)
    if code:
        raise ChangeError(f"{project}/{service} cannot be made anew: {_reason(err or out)}")
    _demand_anew(
        f"{project}/{service}",
        before,
        lambda: service_containers(project, service),
        details["scale"],
        capability_mask(_override_of(override, service).cap_add),
    )


def _override_of(path: str, service: str) -> Wish:
    """What our override says about a service."""
    try:
        with open(path, encoding="utf-8") as file:
            return from_entry(json.load(file)["services"][service])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Wish()


def _reason(text: str) -> str:
    """Of what compose says, the last line that is not about its progress."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("Container ", "Network ", "Volume ", "time="))]
    return one_line((said or lines or [""])[-1])


def _demand_anew(
    name: str,
    before: Sequence[Mapping[str, Any]],
    look: Callable[[], list[dict[str, Any]]],
    count: int,
    capabilities: int,
) -> None:
    """Raise ChangeError unless there are `count` new containers that stay up and are what those of before were."""
    after = look()
    old = {one.get("Id") for one in before}
    if len(after) != count or any(one.get("Id") in old for one in after):
        raise ChangeError(f"{name} was not made anew: {len(after)} of {count} containers are there, or the old ones")
    _demand_up(name, after)
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        _demand_up(name, look(), after)
    for what, read in (("image", _image), ("mounts", _mounts), ("networks", _networks)):
        wanted, found = ([read(one) for one in many] for many in (before, after))
        if before and any(one not in wanted for one in found):
            raise ChangeError(f"{name} came up with other {what} than before")
    for one in after:
        demand_capabilities(name, int((one.get("State") or {}).get("Pid") or 0), capabilities)


def _demand_up(
    name: str, containers: Sequence[Mapping[str, Any]], first: Optional[Sequence[Mapping[str, Any]]] = None
) -> None:
    begun = {one.get("Id"): (one.get("State") or {}).get("StartedAt") for one in first or containers}
    for one in containers:
        state = one.get("State") or {}
        if is_up(one) and begun.get(one.get("Id")) == state.get("StartedAt"):
            continue
        said = one_line(str(state.get("Error") or "")) if state.get("Error") else f"exit code {state.get('ExitCode')}"
        raise ChangeError(f"{name} started and did not stay up: {str(one.get('Name')).lstrip('/')} ended ({said})")


def _image(container: Mapping[str, Any]) -> Any:
    return container.get("Image")


def _mounts(container: Mapping[str, Any]) -> Any:
    """Of a volume without a name, only where it is: podman's units make it anew each time."""
    found = []
    for one in container.get("Mounts") or []:
        name = str(one.get("Name") or "")
        source = "" if len(name) == 64 else str(one.get("Source"))
        found.append([str(one.get("Type")), str(one.get("Destination")), source, bool(one.get("RW"))])
    return sorted(found)


def _networks(container: Mapping[str, Any]) -> Any:
    return sorted((container.get("NetworkSettings") or {}).get("Networks") or {})


# --- units of podman --------------------------------------------------------------------------------------------------


def restart_quadlet(details: Mapping[str, Any]) -> None:
    """Start the unit anew, which makes the container anew. Raises ChangeError as recreate_service() does."""
    name = details["container"]
    before = _podman_container(name)
    restart_unit(details)
    _demand_anew(
        details["unit"],
        before,
        lambda: _podman_container(name),
        1,
        capability_mask(noted(details["drop_in"]).cap_add),
    )


def _podman_container(name: str) -> list[dict[str, Any]]:
    code, _out, _err = run(["podman", "container", "exists", name])
    return [] if code else inspect("podman", [name])


def noted(path: str) -> Wish:
    """What our lines in a file were written for; an empty wish where there are none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return from_note(file.read())
    except OSError:
        return Wish()


# --- LXC --------------------------------------------------------------------------------------------------------------


def lxc_pid(details: Mapping[str, Any]) -> int:
    """Process id of the init of an LXC container, 0 when it does not run."""
    code, out, _err = run(["lxc-info", "-n", details["name"], "-P", details["path"], "-p", "-H"])
    return int(out.strip()) if not code and out.strip().isdigit() else 0


def identify_lxc(details: Mapping[str, Any]) -> Optional[str]:
    """Process id and start of the init of the container, None when it does not run."""
    pid = lxc_pid(details)
    if not pid:
        return None
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return f"{pid}:{file.read().rpartition(')')[2].split()[19]}"
    except OSError:
        return None


def restart_lxc(details: Mapping[str, Any]) -> None:
    """Stop and start the container, or the unit that runs it. Raises ChangeError unless it stays up and its init may
    have what our lines give."""
    name = details["name"]
    if details.get("unit"):
        restart_unit(details)
    else:
        place = ["-n", name, "-P", details["path"]]
        run(["lxc-stop", *place, "-t", str(_STOP_SECONDS)], timeout=2 * _STOP_SECONDS)
        code, out, err = run(["lxc-start", *place], timeout=UP_SECONDS)
        if code:
            raise ChangeError(f"LXC container {name} does not start: {one_line(err or out)}")
    first = identify_lxc(details)
    time.sleep(SETTLE_SECONDS)
    if first is None or identify_lxc(details) != first:
        raise ChangeError(f"LXC container {name} started and did not stay up")
    demand_capabilities(f"LXC container {name}", lxc_pid(details), capability_mask(noted(details["config"]).cap_add))


# --- proof ------------------------------------------------------------------------------------------------------------


def bounding_of(pid: int) -> Optional[int]:
    """The bounding set of a process, None when it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            return next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd:"))
    except (OSError, StopIteration):
        return None


def demand_capabilities(name: str, pid: int, mask: int) -> None:
    """Raise ChangeError unless the bounding set of a process has all of the mask."""
    bounding = bounding_of(pid)
    if bounding is None:
        raise ChangeError(f"{name} came up, and process {pid} of it is gone again")
    if mask & ~bounding:
        missing = ", ".join(capability_names(mask & ~bounding))
        raise ChangeError(f"{name} came up without {missing}, although its definition adds it")
