# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon that starts has not come up before it answers, and its containers run."""

from __future__ import annotations

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError, _activate_dockerd
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_dockerd import (
    RunningContainer,
    ask_docker,
    docker_info,
    docker_socket,
    reload_dockerd,
    restart_dockerd,
    running_containers,
)


class Answers(BaseHTTPRequestHandler):
    """Answers with what the test put into `known`: path without its query -> text, or a list of texts, one a call."""

    def do_GET(self):
        found = self.server.known.get(self.path.partition("?")[0])
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        self.server.asked.append(self.path)
        self.send_response(404 if found is None else 200)
        self.end_headers()
        self.wfile.write((found or "").encode())

    def log_message(self, *_words):
        pass

    def address_string(self):
        return "local"


@pytest.fixture
def api(tmp_path, monkeypatch):
    """A server on a socket, with `known` and `path`; short patience, and no systemd."""
    server = socketserver.ThreadingUnixStreamServer(str(tmp_path / "docker.sock"), Answers)
    server.known, server.asked, server.path = {}, [], str(tmp_path / "docker.sock")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    for name in ("_ANSWER_SECONDS", "_CONTAINER_SECONDS"):
        monkeypatch.setattr(_activate_dockerd, name, 0.3)
    monkeypatch.setattr(_activate_dockerd, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(_activate_dockerd, "restart_unit", lambda _details: None)
    monkeypatch.setattr(_activate_dockerd, "run", lambda _words, **_options: (0, "", ""))
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def file(tmp_path):
    """A file that holds the key which changed."""
    (tmp_path / "daemon.json").write_text('{"debug": true}')
    return {"files": [f"{tmp_path}/daemon.json"], "keys": ["debug"]}


def container(policy, status="running"):
    return json.dumps(
        {
            "Name": f"/{policy}",
            "State": {"Status": status, "Running": status == "running"},
            "HostConfig": {"RestartPolicy": {"Name": policy}},
        }
    )


def test_containers_that_run_are_told_with_their_restart_policy(api):
    api.known["/containers/json"] = json.dumps([{"Id": name} for name in ("a1", "a2", "a3", "a4", "gone")])
    policies = {"a1": "always", "a2": "unless-stopped", "a3": "no"}
    api.known.update({f"/containers/{name}/json": container(policy) for name, policy in policies.items()})
    api.known["/containers/a4/json"] = container("on-failure", "restarting")
    assert running_containers(api.path) == [
        RunningContainer("a1", "always", True),
        RunningContainer("a2", "unless-stopped", True),
        RunningContainer("a3", "no", False),
    ]


def test_a_daemon_that_does_not_answer_is_no_error_of_its_own(api, tmp_path, monkeypatch):
    assert ask_docker(f"{tmp_path}/none.sock", "/_ping") is None
    api.known["/info"] = "no json"
    assert (docker_info(api.path), running_containers(api.path)) == ({}, [])
    monkeypatch.setattr(_activate_dockerd, "SOCKETS", (f"{tmp_path}/none.sock", api.path))
    assert docker_socket() is None
    api.known["/_ping"] = "OK"
    assert docker_socket() == api.path


def test_a_restart_has_worked_when_the_api_answers_and_the_containers_run(api):
    details = {"unit": "docker.service", "socket": api.path}
    api.known["/containers/json"] = json.dumps([{"Id": "a1"}, {"Id": "a2"}])
    api.known["/containers/a2/json"] = container("no")
    with pytest.raises(ChangeError, match=r"docker.service started, but does not answer on"):
        restart_dockerd(details)
    api.known["/_ping"] = "OK"
    api.known["/info"] = '{"DockerRootDir": "/var/lib/docker"}'
    api.known["/containers/a1/json"] = [container("always"), container("always", "exited")]
    with pytest.raises(ChangeError, match=r"of its containers these do not run again: always$"):
        restart_dockerd(details)
    api.known["/containers/a1/json"] = [container("always"), container("always", "exited"), container("always")]
    restart_dockerd(details)


def test_containers_of_another_store_are_not_waited_for(api):
    api.known["/containers/json"] = json.dumps([{"Id": "a1"}])
    api.known["/containers/a1/json"] = [container("always"), container("always", "exited")]
    api.known["/_ping"] = "OK"
    api.known["/info"] = ['{"DockerRootDir": "/var/lib/docker"}', '{"DockerRootDir": "/var/lib/docker/1.1"}']
    restart_dockerd({"unit": "docker.service", "socket": api.path})


def test_a_daemon_that_could_not_be_asked_before_is_not_asked(api, file):
    restart_dockerd({"unit": "docker.service", "socket": None})
    reload_dockerd({"unit": "docker.service", "socket": None, **file})
    assert api.asked == []


def test_a_reload_has_worked_when_the_daemon_says_so(api, file):
    details = {**file, "unit": "docker.service", "socket": api.path}
    api.known["/events"] = ""
    with pytest.raises(ChangeError, match="did not take over its file within"):
        reload_dockerd(details)
    api.known["/events"] = ["", '{"Action": "reload"}\n']
    reload_dockerd(details)


def test_a_reload_that_systemd_refuses_is_told(api, file, monkeypatch):
    monkeypatch.setattr(_activate_dockerd, "run", lambda _words, **_options: (1, "", "not active\n"))
    with pytest.raises(ChangeError, match=r"docker.service cannot be reloaded: not active"):
        reload_dockerd({"unit": "docker.service", "socket": api.path, **file})


def test_a_key_that_is_gone_is_taken_over_by_a_restart(api, file, monkeypatch):
    done = []
    monkeypatch.setattr(_activate_dockerd, "restart_dockerd", lambda details: done.append(details["unit"]))
    reload_dockerd({"unit": "docker.service", "socket": api.path, **file, "keys": ["debug", "labels"]})
    assert done == ["docker.service"] and api.asked == []
