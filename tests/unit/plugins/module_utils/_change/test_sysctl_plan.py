# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of sysctl_settings become changes, or one clear sentence; on the real kernel, in own namespaces."""

from __future__ import annotations

import ctypes
import os
import subprocess

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._sysctl_plan import (
    DEFAULT_PATH,
    plan_sysctls,
    read_settings,
)
from ansible_collections.netlink.remediation.plugins.module_utils._linux import CLONE_NEWNET, CLONE_NEWNS
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import LIBC, run_joined

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for namespaces")

FORWARD = "net.ipv4.ip_forward"
SYSTEMD = "/usr/lib/systemd/systemd-sysctl"


def options(settings, **changed):
    values = {
        "settings": settings,
        "state": "present",
        "path": DEFAULT_PATH,
        "persist": True,
        "runtime": True,
        "netns": None,
        "supersede": False,
        "accept": None,
    }
    return {**values, **changed}


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(text)


def on_host(*calls, files=None, systemd=True, prepare=None, apply=False):
    """Plan calls one after the other in an own network and mount namespace whose sysctl.d holds only `files`.

    Returns for each call its changes as [target, before, after], or its error as text.
    """

    def run():
        if LIBC.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        for path in ("/etc", "/run", "/usr/lib/systemd", "/usr/lib/sysctl.d", "/usr/local/lib"):
            if os.path.isdir(path):
                subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "t", path], check=True)
        os.makedirs("/etc/sysctl.d")
        if systemd:
            write(SYSTEMD, "")
        for path, text in (files or {}).items():
            write(path, text)
        if prepare:
            prepare()
        return [one_call(call) for call in calls]

    def one_call(call):
        try:
            plan = plan_sysctls(call)
            for change in plan.changes:
                change.validate()
                if apply:
                    change.write(change.after)
                    assert change.read() == change.after
        except ChangeError as exc:
            return str(exc)
        return [[change.target, text(change.before), text(change.after)] for change in plan.changes]

    def text(value):
        return value["content"] if isinstance(value, dict) else value

    outcome = run_joined(run, timeout=60)
    assert outcome.error is None, outcome.error
    return outcome.value


def body(text):
    return [line for line in (text or "").splitlines() if not line.startswith("#")]


def test_a_setting_is_set_now_and_written_and_the_second_run_changes_nothing():
    first, second = on_host(options({FORWARD: 1}), options({"net/ipv4/ip_forward": "0x1"}), apply=True)
    assert first[0] == [FORWARD, "0", "1"]
    assert first[1][:2] == [DEFAULT_PATH, None]
    assert body(first[1][2]) == ["net.ipv4.ip_forward = 1"]
    assert second == []


def test_fifty_keys_are_set_in_one_call():
    names = """accept_local arp_accept arp_announce arp_filter arp_ignore arp_notify bc_forwarding log_martians
        proxy_arp proxy_arp_pvlan route_localnet rp_filter src_valid_mark promote_secondaries drop_gratuitous_arp
        drop_unicast_in_l2_multicast ignore_routes_with_linkdown"""
    settings = {f"net.ipv4.conf.{link}.{name}": 1 for link in ("lo", "all", "default") for name in names.split()}
    assert len(settings) == 51
    first, second = on_host(options(settings), options(settings), apply=True)
    assert len(first) == 52
    assert second == []


def test_links_keep_what_the_same_call_says_although_forwarding_moves_them():
    settings = {FORWARD: 1, "net.ipv4.conf.lo.forwarding": 0}
    first, second = on_host(options(settings, persist=False), options(settings, persist=False), apply=True)
    assert first == [[FORWARD, "0", "1"]]
    assert second == []


def test_an_unknown_key_stops_all_the_others_before_anything_is_written():
    (first, second) = on_host(
        options({FORWARD: 1, "net.ipv4.no_such_key": 1}), options({"net.ipv4.conf.eth0.100.rp_filter": 1}), apply=True
    )
    assert first == "settings: the kernel has no sysctl net.ipv4.no_such_key, check its name"
    assert "written as a slash" in second
    (third,) = on_host(options({"net.ipv4.conf.eth7.rp_filter": 1}))
    assert third.endswith("check its name and whether its interface exists")


@pytest.mark.parametrize("value", ["abc", "99999999999", "-1 -1 -1"])
def test_a_value_that_the_kernel_refuses_is_an_error_beforehand(value):
    (found,) = on_host(options({"net.ipv4.tcp_syn_retries": value}))
    assert found.startswith(f"settings: net.ipv4.tcp_syn_retries cannot be {value!r}: the kernel does not accept")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({FORWARD: 1, "net/ipv4/ip_forward": 0}, "the same sysctl with two values"),
        ({FORWARD: 1, "net.ipv4.conf.all.forwarding": 0}, "the same sysctl with two values"),
        ({"net.ipv4.conf.*.rp_filter": 1}, "is no sysctl"),
        ({"": 1}, "is no sysctl"),
        ({"net/../kernel/hostname": 1}, "is no sysctl"),
        ({FORWARD: None}, "expected a text or a number"),
        ({FORWARD: [1]}, "expected a text or a number"),
        ({FORWARD: " "}, "not empty"),
        ({FORWARD: "1\nkernel.core_pattern=|/x"}, "one line of text"),
        ({FORWARD: "1\x1b[0m"}, "one line of text"),
        ({FORWARD: "\ud800"}, "one line of text"),
        ({"net.ipv4.\ud800": 1}, "is no sysctl"),
    ],
)
def test_what_is_no_setting_is_one_clear_sentence(settings, words):
    with pytest.raises(ChangeError, match=words):
        read_settings(settings)


def test_the_same_key_twice_with_one_value_is_one_setting():
    assert read_settings({FORWARD: True, "net/ipv4/ip_forward": "1", "-net.ipv4.ip_forward": 1}) == {
        "net/ipv4/ip_forward": "1"
    }


LATER = {"/etc/sysctl.d/zz.conf": "# mine\nnet/ipv4/ip_forward = 0\n"}


def test_a_later_file_that_would_win_is_named_with_its_line():
    (found,) = on_host(options({FORWARD: 1}), files=LATER)
    assert found == (
        "net.ipv4.ip_forward would not be '1' after the next boot: /etc/sysctl.d/zz.conf:2 sets it to '0' "
        f"and is applied after {DEFAULT_PATH}; change that line, "
        "set path to /etc/sysctl.d/zz_netlink-remediation.conf, "
        "or set supersede to true"
    )


def test_a_later_file_with_the_same_value_is_no_error():
    (found,) = on_host(options({FORWARD: 0}), files=LATER)
    assert [change[0] for change in found] == [DEFAULT_PATH]


def test_supersede_writes_a_file_that_sorts_later_and_leaves_the_other_alone():
    calls = [options({FORWARD: value}, supersede=True) for value in (1, 1, 0)]
    gone = options({FORWARD: None}, state="absent")
    first, second, third, fourth = on_host(*calls, gone, files=LATER, apply=True)
    place = "/etc/sysctl.d/zz_netlink-remediation.conf"
    assert [change[0] for change in first] == [FORWARD, DEFAULT_PATH, place]
    assert second == []
    assert sorted(change[0] for change in third) == [DEFAULT_PATH, place, FORWARD]
    assert [[change[0], change[2]] for change in fourth] == [[DEFAULT_PATH, None], [place, None]]


def test_a_line_that_excludes_the_key_is_named():
    (found,) = on_host(options({FORWARD: 1}), files={"/etc/sysctl.d/zz.conf": "-net.ipv4.ip_forward\n"})
    assert "/etc/sysctl.d/zz.conf:1 excludes it" in found


def test_a_later_glob_does_not_win():
    files = {"/etc/sysctl.d/zz.conf": "net.ipv4.conf.*.rp_filter = 1\n"}
    (found,) = on_host(options({"net.ipv4.conf.lo.rp_filter": 2}), files=files)
    assert [change[0] for change in found] == ["net.ipv4.conf.lo.rp_filter", DEFAULT_PATH]


def test_sysctl_conf_is_the_last_word_only_where_procps_is_used():
    files = {"/etc/sysctl.conf": "net.ipv4.ip_forward=0\n"}
    (with_systemd,) = on_host(options({FORWARD: 1}), files=files)
    (without,) = on_host(options({FORWARD: 1}, supersede=True), files=files, systemd=False)
    (inside,) = on_host(options({FORWARD: 1}, path="/etc/sysctl.conf"), files=files, systemd=False)
    assert [change[0] for change in with_systemd] == [FORWARD, DEFAULT_PATH]
    assert "/etc/sysctl.conf:1 sets it to '0'" in without
    assert inside[1] == ["/etc/sysctl.conf", "net.ipv4.ip_forward=0\n", "net.ipv4.ip_forward = 1\n"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("sysctl.conf", "is no absolute path"),
        ("/etc/sysctl.d/../x.conf", "is no absolute path"),
        ("/etc/sysctl.conf", "is not read at boot"),
        ("/etc/sysctl.d/x", "is not read at boot"),
        ("/opt/x.conf", "is not read at boot"),
        ("/etc/sysctl.d/link.conf", "is a symbolic link to /dev/null"),
        ("/etc/sysctl.d/dir.conf", "is not a regular file"),
        ("/run/sysctl.d/a.conf", "/etc/sysctl.d/a.conf hides it by its name"),
    ],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_path_that_is_not_applied_at_boot_is_refused(path, words, state):
    def prepare():
        os.symlink("/dev/null", "/etc/sysctl.d/link.conf")
        os.mkdir("/etc/sysctl.d/dir.conf")

    files = {"/etc/sysctl.d/a.conf": "#\n"}
    (found,) = on_host(options({FORWARD: 1}, path=path, state=state), files=files, prepare=prepare)
    if state == "absent" and "hides" in words:
        assert found == []
    else:
        assert words in found


def test_a_service_that_writes_the_key_itself_is_named():
    files = {
        "/etc/ufw/ufw.conf": "ENABLED=yes\n",
        "/etc/default/ufw": "IPT_SYSCTL=/etc/ufw/sysctl.conf\n",
        "/etc/ufw/sysctl.conf": "net/ipv4/ip_forward=0\n",
    }
    refused, superseded = on_host(options({FORWARD: 1}), options({FORWARD: 1}, supersede=True), files=files)
    assert "/etc/ufw/sysctl.conf:1 makes a service write '0'" in refused
    assert [change[0] for change in superseded] == [FORWARD, DEFAULT_PATH]


def test_absent_removes_the_line_and_leaves_the_value_in_force():
    files = {DEFAULT_PATH: "# mine\nnet.ipv4.ip_forward = 1\nnet.ipv4.tcp_sack = 1\n"}
    (found,) = on_host(options({"net/ipv4/ip_forward": None}, state="absent"), files=files)
    assert found == [[DEFAULT_PATH, files[DEFAULT_PATH], "# mine\nnet.ipv4.tcp_sack = 1\n"]]


def test_another_namespace_has_no_files():
    holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        netns = f"/proc/{holder.pid}/ns/net"
        persisted, runtime, gone = on_host(
            options({FORWARD: 1}, netns=netns),
            options({FORWARD: 1}, netns=netns, persist=False),
            options({FORWARD: 1}, netns="/run/netns/none", persist=False),
            apply=True,
        )
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert "persist must be false" in persisted
    assert runtime == [[f"{FORWARD} in {netns}", "0", "1"]]
    assert "is no absolute path that exists" in gone


def test_a_read_only_proc_sys_is_an_error_only_where_something_must_be_written():
    def prepare():
        subprocess.run(["mount", "--bind", "/proc/sys", "/proc/sys"], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", "/proc/sys"], check=True)

    refused, unchanged = on_host(options({FORWARD: 1}), options({FORWARD: 0}, persist=False), prepare=prepare)
    assert "mounted read-only" in refused
    assert unchanged == []


def test_user_namespaces_for_all_need_consent():
    with open("/proc/sys/user/max_user_namespaces", encoding="ascii") as handle:
        value = handle.read().strip()
    key = "user.max_user_namespaces"
    files = {"/etc/sysctl.d/10.conf": f"{key} = 0\n"}
    refused, accepted = on_host(options({key: value}), options({key: value}, accept=["world_userns"]), files=files)
    assert "add world_userns to accept" in refused
    assert [change[0] for change in accepted] == [DEFAULT_PATH]


def test_cutting_the_own_ipv6_connection_needs_consent(monkeypatch):
    monkeypatch.setenv("SSH_CONNECTION", "2001:db8::2 50000 2001:db8::1 22")
    settings = {"net.ipv6.conf.all.disable_ipv6": 1}
    refused, accepted = on_host(options(settings), options(settings, accept=["own_connection"]))
    assert "2001:db8::1" in refused
    assert "add own_connection to accept" in refused
    assert accepted[0] == ["net.ipv6.conf.all.disable_ipv6", "0", "1"]
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.2 50000 192.0.2.1 22")
    (allowed,) = on_host(options(settings))
    assert allowed == accepted
