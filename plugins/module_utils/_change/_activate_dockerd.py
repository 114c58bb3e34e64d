# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start dockerd anew, or let it read its file anew, and see that it answers and that its containers come back."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional
from urllib.parse import quote

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import (
    START_SECONDS,
    identify_unit,
    one_line,
    restart_unit,
    show_units,
)
from ansible_collections.netlink.remediation.plugins.module_utils._commands import run
from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import Dockerd, settled

SOCKETS = ("/run/docker.sock", "/var/run/docker.sock")
_ANSWER_SECONDS = 10.0
_CONTAINER_SECONDS = 30.0
_POLL_SECONDS = 0.25


class RunningContainer(NamedTuple):
    """comes_back: whether its restart policy starts it again when the daemon is."""

    id: str
    name: str
    comes_back: bool


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_ANSWER_SECONDS)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ANSWER_SECONDS)
        self.sock.connect(self.path)


def ask_docker(path: str, question: str) -> Optional[bytes]:
    """What the API answers through a socket; None when it does not, or not with 200."""
    connection = _Connection(path)
    try:
        connection.request("GET", question)
        answer = connection.getresponse()
        content = answer.read()
        return content if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _data(path: str, question: str) -> Any:
    try:
        return json.loads(ask_docker(path, question) or b"null")
    except ValueError:
        return None


def docker_socket() -> Optional[str]:
    """Where the API can be asked on this host; None when it does not answer on a usual path."""
    return next((path for path in SOCKETS if os.path.exists(path) and ask_docker(path, "/_ping")), None)


def docker_info(path: str) -> dict[str, Any]:
    """What the daemon says of itself: DockerRootDir, LiveRestoreEnabled and more."""
    found = _data(path, "/info")
    return found if isinstance(found, dict) else {}


def running_containers(path: str) -> list[RunningContainer]:
    """The containers that run, with their names; without those that end and are started again."""
    found = []
    for item in _data(path, "/containers/json") or []:
        details = _data(path, f"/containers/{item['Id']}/json") or {}
        if details.get("State", {}).get("Status") != "running":
            continue
        policy = details.get("HostConfig", {}).get("RestartPolicy", {}).get("Name")
        name = details.get("Name", item["Id"][:12]).lstrip("/")
        found.append(RunningContainer(item["Id"], name, policy in ("always", "unless-stopped")))
    return found


def identify_dockerd(details: Mapping[str, Any]) -> Optional[str]:
    """The id of this run of the daemon, None when it does not run."""
    return identify_unit(details)


def identify_reload(details: Mapping[str, Any]) -> Optional[str]:
    """The same, with the time of the last reload."""
    instance = identify_unit(details)
    (state,) = show_units([details["unit"]], ["StateChangeTimestampMonotonic"])
    return instance and f"{instance} {state['StateChangeTimestampMonotonic']}"


def restart_dockerd(details: Mapping[str, Any]) -> None:
    """Start the daemon anew. Raises ChangeError unless it answers and the containers that should come back run again.

    details: unit; socket: of the API, None if it is not asked.
    """
    path = details.get("socket")
    info = docker_info(path) if path else {}
    containers = running_containers(path) if path else []
    restart_unit(details)
    if not path:
        return
    _demand_answer(details)
    if info.get("DockerRootDir") == docker_info(path).get("DockerRootDir"):  # Else they are in another store.
        live = info.get("LiveRestoreEnabled") is True
        _demand_containers(details, {item.id: item.name for item in containers if live or item.comes_back})


def _demand_answer(details: Mapping[str, Any]) -> None:
    deadline = time.monotonic() + _ANSWER_SECONDS
    while not ask_docker(details["socket"], "/_ping"):
        if time.monotonic() >= deadline:
            raise ChangeError(f"{details['unit']} started, but does not answer on {details['socket']}")
        time.sleep(_POLL_SECONDS)


def _demand_containers(details: Mapping[str, Any], missing: dict[str, str]) -> None:
    deadline = time.monotonic() + _CONTAINER_SECONDS
    while missing:
        for identifier in list(missing):
            state = _data(details["socket"], f"/containers/{identifier}/json") or {}
            if state.get("State", {}).get("Running"):
                del missing[identifier]
        if missing and time.monotonic() >= deadline:
            raise ChangeError(
                f"{details['unit']} started, but of its containers these do not run again: "
                + ", ".join(sorted(missing.values()))
            )
        if missing:
            time.sleep(_POLL_SECONDS)


def reload_dockerd(details: Mapping[str, Any]) -> None:
    """Let the daemon read its file anew. Raises ChangeError unless it says that it did; it goes on with the old
    settings otherwise.

    details: files: the file; keys: those that are another than when it last did. What is no longer there, as after a
    revert, is not taken over but by a restart.
    """
    settings = settled(Dockerd(details["files"][0]), "/", []).settings
    if not set(details["keys"]) <= set(settings):
        restart_dockerd(details)
        return
    begun = int(time.time())
    code, out, err = run(["systemctl", "reload", "--", details["unit"]], timeout=START_SECONDS)
    if code:
        raise ChangeError(f"{details['unit']} cannot be reloaded: {one_line(err or out)}")
    if not details.get("socket"):
        return
    filters = quote(json.dumps({"type": ["daemon"], "event": ["reload"]}))
    deadline = time.monotonic() + _ANSWER_SECONDS
    # With an end in the past the API answers at once; events have whole seconds.
    while not ask_docker(details["socket"], f"/events?since={begun}&until={int(time.time())}&filters={filters}"):
        if time.monotonic() >= deadline:
            raise ChangeError(f"{details['unit']} did not take over its file within {_ANSWER_SECONDS:.0f} seconds")
        time.sleep(_POLL_SECONDS)
