# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._observe._daemon_json import (
    Dockerd,
    observe_dockerds,
    parse_flags,
    parse_settings,
)


@pytest.fixture
def observe(tmp_path):
    """What is seen of a host with this daemon.json."""

    def observe(text):
        (tmp_path / "etc/docker").mkdir(parents=True, exist_ok=True)
        if text is not None:
            (tmp_path / "etc/docker/daemon.json").write_text(text)
        unseen = []
        (found,) = observe_dockerds(unseen, root=str(tmp_path))
        return found, [item.source for item in unseen]

    return observe


def test_a_host_without_the_file_has_what_dockerd_does_by_itself(observe):
    assert observe(None) == (Dockerd(), [])


def test_the_file_says_where_the_data_lies_and_who_is_remapped(observe):
    found, unseen = observe('{"userns-remap": "default", "data-root": "/srv/docker"}')
    assert (found.exists, found.userns_remap, found.data_root) == (True, "default", "/srv/docker")
    assert unseen == []


@pytest.mark.parametrize("text", ["", " \n", "{}", "\ufeff{}"])
def test_nothing_is_set_by_an_empty_file(observe, text):
    found, unseen = observe(text)
    assert (found.exists, found.settings, found.invalid, unseen) == (True, {}, None, [])


@pytest.mark.parametrize("text", ["{", "[]", "1", '{"a": 1,}', "[" * 100000])
def test_a_file_that_dockerd_would_refuse_is_said(observe, text):
    found, unseen = observe(text)
    assert found.exists and found.settings == {} and found.invalid
    assert unseen == ["/etc/docker/daemon.json"]


@pytest.mark.parametrize("value", ["", None, 5, ["default"]])
def test_only_a_name_remaps(observe, value):
    import json

    found, _unseen = observe(json.dumps({"userns-remap": value, "data-root": value}))
    assert (found.userns_remap, found.data_root) == (None, "/var/lib/docker")


def test_flags_are_read_in_all_their_spellings():
    words = "-D -H fd:// --userns-remap=default --config-file /x.json -g /data --debug --live-restore=false --debug"
    assert parse_flags(words.split()) == {
        "D": "",
        "host": "fd://",
        "userns-remap": "default",
        "config-file": "/x.json",
        "data-root": "/data",
        "debug": "",
        "live-restore": "false",
    }


@given(st.lists(st.text(max_size=8), max_size=6))
def test_no_command_line_confuses_the_reader(words):
    assert all(isinstance(value, str) for value in parse_flags(words).values())


def test_the_order_of_the_keys_is_kept():
    assert list(parse_settings('{"z": 1, "a": {"y": 1, "b": 2}}')) == ["z", "a"]


def test_a_daemon_that_runs_is_seen_with_its_own_file(tmp_path):
    """A process of that name stands for the daemon: what is read is its command line."""
    (tmp_path / "d.json").write_text('{"userns-remap": "alice", "data-root": "/from-file"}')
    program = tmp_path / "dockerd"
    program.symlink_to(os.path.realpath(sys.executable))
    words = ["-c", "input('up')", f"--config-file={tmp_path}/d.json", "--data-root", "/from-flag"]
    with subprocess.Popen([str(program), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            # execve gives it its name and command line after Popen has come back.
            assert process.stdout is not None and process.stdout.read(1) == b"u"
            found = {item.pid: item for item in observe_dockerds([])}[process.pid]
        finally:
            process.kill()
    assert (found.path, found.uid, found.exists) == (f"{tmp_path}/d.json", os.geteuid(), True)
    assert (found.userns_remap, found.data_root) == ("alice", "/from-flag")
