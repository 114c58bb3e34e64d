# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lines in the configuration of LXC must give what was asked, keep the rest, and be found again."""

from __future__ import annotations

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change._container_lxc import (
    bounding_with,
    joined,
    lines_for,
    split,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import Wish, from_note
from ansible_collections.netlink.remediation.plugins.module_utils._linux import ALL_CAPABILITIES, capability_mask

DROP = {"lxc.cap.drop": ["sys_time net_admin"]}
KEEP = {"lxc.cap.keep": ["chown kill"]}


@pytest.mark.parametrize(
    ("base", "wish", "lines"),
    [
        (DROP, Wish(("cap_net_admin",)), ["lxc.cap.drop =", "lxc.cap.drop = sys_time"]),
        ({"lxc.cap.drop": ["net_admin"]}, Wish(("cap_net_admin",)), ["lxc.cap.drop ="]),
        (DROP, Wish((), ("cap_chown",)), ["lxc.cap.drop =", "lxc.cap.drop = chown net_admin sys_time"]),
        (KEEP, Wish(("cap_net_admin",)), ["lxc.cap.keep =", "lxc.cap.keep = chown kill net_admin"]),
        (KEEP, Wish((), ("cap_chown",)), ["lxc.cap.keep =", "lxc.cap.keep = kill"]),
        (KEEP, Wish((), ("cap_chown", "cap_kill")), ["lxc.cap.keep =", "lxc.cap.keep = none"]),
        ({"lxc.cap.keep": ["none"]}, Wish(("cap_kill",)), ["lxc.cap.keep =", "lxc.cap.keep = kill"]),
        (DROP, Wish(("cap_kill",), ("all",)), ["lxc.cap.drop =", "lxc.cap.keep =", "lxc.cap.keep = kill"]),
        (KEEP, Wish((), ("all",)), ["lxc.cap.keep =", "lxc.cap.keep = none"]),
        ({}, Wish(user="5:6"), ["lxc.init.uid = 5", "lxc.init.gid = 6"]),
        ({}, Wish(sysctls={"net.ipv4.ip_forward": "1"}), ["lxc.sysctl.net.ipv4.ip_forward = 1"]),
        (DROP, Wish(), []),
    ],
)
def test_lines_bring_a_wish(base: dict[str, list[str]], wish: Wish, lines: list[str]) -> None:
    assert lines_for(wish, base) == lines


def test_the_set_is_what_was_there_and_what_was_asked() -> None:
    admin, time, kill = (capability_mask([name]) for name in ("net_admin", "sys_time", "kill"))
    assert bounding_with(Wish(("cap_net_admin",)), DROP) == ALL_CAPABILITIES & ~time
    assert bounding_with(Wish((), ("cap_kill",)), DROP) == ALL_CAPABILITIES & ~(time | admin | kill)
    assert bounding_with(Wish(("cap_kill",), ("all",)), DROP) == kill


@pytest.mark.parametrize("theirs", ["a = b\n", "", "# comment\nlxc.cap.drop = net_admin\n"])
def test_our_lines_are_found_again_and_leave_nothing_behind(theirs: str) -> None:
    wish = Wish(("cap_net_admin",))
    text = joined(theirs, wish, DROP)
    assert text.startswith(theirs)
    assert split(text)[0] == theirs
    assert from_note(split(text)[1]) == wish
    assert joined(split(text)[0], wish, DROP) == text
    assert joined(split(text)[0], Wish(), DROP) == theirs
    assert split(text + "later = 1\n")[0] == theirs + "later = 1\n"


def test_a_last_line_without_an_end_is_ended() -> None:
    assert joined("a = b", Wish(user="0"), {}).startswith("a = b\n# BEGIN netlink.remediation\n")


def test_markers_that_are_torn_are_left_alone() -> None:
    text = "# END netlink.remediation\na = b\n# BEGIN netlink.remediation\n"
    assert split(text) == (text, "")
