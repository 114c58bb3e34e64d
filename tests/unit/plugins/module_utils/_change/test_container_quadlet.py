# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our drop-in for a .container file must add what was asked and nothing that podman refuses."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_quadlet import (
    _demand_only,
    _split,
    _understood,
    _why_not,
    drop_in_of,
    drop_in_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import Wish, from_note

# As podman 5.4.2 prints it.
NETWORK = """\
---n-network.service---
[X-Network]

[Service]
ExecStart=/usr/bin/podman network create --ignore systemd-n
Type=oneshot

"""
WEB = """\
---web.service---
[X-Container]
Image=localhost/lab:base
Exec=sleep "a b" 'c%%d'
AddCapability=CHOWN CAP_KILL
PodmanArgs=--cap-add NET_ADMIN --tty

[Unit]
# mine
SourcePath=/etc/containers/systemd/web.container

[Service]
Environment=PODMAN_SYSTEMD_UNIT=%n
ExecStart=/usr/bin/podman run --name systemd-%N --cidfile=%t/%N.cid --replace --rm --cgroups=split \
--network systemd-n --sdnotify=conmon -d --cap-drop all --cap-add chown --cap-add cap_kill \
--sysctl net.ipv4.ip_forward=1 --sysctl "net.ipv4.ping_group_range=0 100" --user 5:6 --env A=b \
--cap-add NET_ADMIN --tty localhost/lab:base sleep --user x "a b" c%%d
"""
SAID = Wish(
    ("cap_chown", "cap_kill", "cap_net_admin"),
    ("all",),
    "5:6",
    None,
    {"net.ipv4.ip_forward": "1", "net.ipv4.ping_group_range": "0 100"},
)


def test_what_the_generator_makes_is_understood() -> None:
    units = _split(NETWORK + WEB)
    assert list(units) == ["n-network.service", "web.service"]
    found = _understood(units["web.service"])
    assert found.said == SAID
    assert found.words[-6:] == ["localhost/lab:base", "sleep", "--user", "x", "a b", "c%%d"]
    assert "--tty" in found.words
    assert "SourcePath=/etc/containers/systemd/web.container" in found.lines
    assert not [line for line in found.lines if "mine" in line or "Image" in line]


@pytest.mark.parametrize(
    ("wish", "base", "lines"),
    [
        (Wish(("cap_net_admin",)), Wish(), ["AddCapability=NET_ADMIN"]),
        (Wish(("cap_net_admin", "cap_net_raw")), Wish(("cap_chown",)), ["AddCapability=NET_ADMIN NET_RAW"]),
        (
            Wish(("cap_net_admin",)),
            Wish((), ("cap_net_admin", "cap_kill")),
            ["DropCapability=", "DropCapability=KILL", "AddCapability=NET_ADMIN"],
        ),
        (Wish((), ("cap_chown",)), Wish(("cap_chown",)), ["DropCapability=CHOWN", "AddCapability="]),
        (Wish(("cap_kill",), ("all",)), Wish(("cap_chown",)), ["DropCapability=ALL", "AddCapability=KILL"]),
        (Wish(user="5:6", userns="host"), Wish(), ["User=5", "Group=6", "UserNS=host"]),
        (Wish(sysctls={"net.a": "1", "net.b": "0 1"}), Wish(), ["Sysctl=net.a=1", 'Sysctl="net.b=0 1"']),
    ],
)
def test_the_drop_in_adds_a_wish_and_resets_what_podman_would_refuse(wish: Wish, base: Wish, lines: list[str]) -> None:
    text = drop_in_text(wish, base)
    assert text is not None
    assert text.split("[Container]\n")[1].splitlines() == lines
    assert from_note(text) == wish


def test_there_is_no_drop_in_without_a_wish() -> None:
    assert drop_in_text(Wish(), SAID) is None


def generated(words: str, extra: str = "") -> str:
    return f"[Service]\n{extra}ExecStart=/usr/bin/podman run {words} i sleep\n"


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (generated("-d"), generated("-d"), "does not read drop-ins"),
        (generated("-d"), generated("--cap-add net_admin"), "something else"),
        (generated("-d"), generated("-d --cap-add net_admin --cap-add kill"), "something else"),
        (generated("-d"), generated("-d --cap-add net_admin", "Restart=no\n"), "something else"),
        (
            generated("-d --cap-drop net_admin"),
            generated("-d --cap-drop net_admin --cap-add net_admin"),
            "something else",
        ),
    ],
)
def test_a_drop_in_that_does_something_else_is_refused(before: str, after: str, why: str) -> None:
    old, new = _understood(before.splitlines()), _understood(after.splitlines())
    with pytest.raises(ChangeError, match=why):
        _demand_only("/etc/x", old, new, Wish(("cap_net_admin",)))


def test_a_drop_in_that_does_what_was_asked_is_taken() -> None:
    old = _understood(generated("-d --user 5:6").splitlines())
    new = _understood(generated("-d --cap-add net_admin --user 0:6").splitlines())
    _demand_only("/etc/x", old, new, Wish(("cap_net_admin",), user="0"))


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("/etc/containers/systemd/a.container", "/etc/containers/systemd/a.container.d/50-netlink-remediation.conf"),
        (
            "/etc/containers/systemd/x/a.container",
            "/etc/containers/systemd/x/a.container.d/50-netlink-remediation.conf",
        ),
        (
            "/usr/share/containers/systemd/a.container",
            "/etc/containers/systemd/a.container.d/50-netlink-remediation.conf",
        ),
    ],
)
def test_the_drop_in_lies_where_the_administrators_files_lie(file: str, path: str) -> None:
    assert _why_not(file) == ""
    assert drop_in_of(file) == path


@pytest.mark.parametrize(
    "file",
    [
        "",
        "/home/a/.config/containers/systemd/a.container",
        "/etc/containers/systemd/a@.container",
        "/etc/containers/systemd/a.kube",
    ],
)
def test_files_of_users_and_templates_are_left_to_their_owners(file: str) -> None:
    assert _why_not(file)
