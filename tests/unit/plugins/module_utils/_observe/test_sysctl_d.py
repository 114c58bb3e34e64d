# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, lines and winners of sysctl.d, and that systemd-sysctl and procps themselves agree with our reading."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._observe._sysctl_d import (
    Boot,
    Winners,
    boot_files,
    canonical_key,
    dotted_key,
    glob_matches,
    parse_lines,
    read_boot,
    same_value,
)


@pytest.mark.parametrize(
    "text",
    [
        "net.ipv4.conf.eth0/100.rp_filter",
        "net/ipv4/conf/eth0.100/rp_filter",
        "-net.ipv4.conf.eth0/100.rp_filter",
        " -net/ipv4/conf/eth0.100/rp_filter\t",
        "/net/ipv4/conf/eth0.100/rp_filter",
        "net//ipv4/./conf/eth0.100/rp_filter/",
    ],
)
def test_every_spelling_of_a_key_is_the_same_key(text):
    assert canonical_key(text) == "net/ipv4/conf/eth0.100/rp_filter"


def test_a_dotted_name_without_a_slash_is_another_key():
    assert canonical_key("net.ipv4.conf.eth0.100.rp_filter") == "net/ipv4/conf/eth0/100/rp_filter"


def test_the_dotted_form_names_the_same_key():
    assert dotted_key("net/ipv4/conf/eth0.100/rp_filter") == "net.ipv4.conf.eth0/100.rp_filter"


@given(st.text())
def test_a_canonical_key_stays_what_it_is(text):
    key = canonical_key(text)
    if "/" in key and not key.startswith("-"):
        assert canonical_key(key) == key


def test_lines_keep_their_number_value_and_meaning():
    text = "# c\n; c\n\n a.b = 1 2\t3 \n-c.d=x=y\n-e.f\nnonsense\nkey=\n"
    found = [(line.key, line.value, line.number, line.ignore_errors) for line in parse_lines(text, "f")]
    assert found == [
        ("a/b", "1 2\t3", 4, False),
        ("c/d", "x=y", 5, True),
        ("e/f", None, 6, False),
        ("key", "", 8, False),
    ]


@given(st.binary(max_size=4000))
@settings(max_examples=300)
def test_no_bytes_make_the_parser_fail(data):
    text = data.decode("utf-8", "surrogateescape")
    lines = parse_lines(text, "f")
    winners = Winners(Boot(lines, lines))
    for key in ("net/ipv4/ip_forward", "net/ipv4/conf/eth0/rp_filter"):
        winners.systemd(key)
        winners.procps(key)
        winners.assignments(key)


@given(st.text(alphabet="ab*?[]!^-/.\\", max_size=60))
def test_no_pattern_makes_matching_fail(pattern):
    assert glob_matches(pattern, "a/b/ab") in (True, False)


def test_a_hostile_pattern_is_matched_in_bounded_time():
    assert not glob_matches("a" + "*a" * 400 + "b", "a" * 250)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("4096\t131072\t6291456", "4096 131072  6291456", True),
        ("1", "01", True),
        ("16", "0x10", True),
        ("8", "010", True),
        ("1", "0", False),
        ("1 2", "1", False),
        ("|/bin/x a  b", "|/bin/x a b", False),
        ("x", "x\n", True),
        ("1", "1_0", False),
        (None, "1", False),
        (None, None, True),
    ],
)
def test_values_are_compared_as_the_kernel_reads_them(one, other, same):
    assert same_value(one, other) is same


def write(root, path, text):
    target = os.path.join(root, path.lstrip("/"))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "w", encoding="utf-8", errors="surrogateescape") as handle:
        handle.write(text)


def test_files_are_sorted_by_name_and_masked_by_name(tmp_path):
    root = str(tmp_path)
    for path in (
        "/usr/lib/sysctl.d/50-a.conf",
        "/run/sysctl.d/10-b.conf",
        "/etc/sysctl.d/90-c.conf",
        "/etc/sysctl.d/README",
    ):
        write(root, path, "")
    write(root, "/usr/lib/sysctl.d/90-c.conf", "")
    write(root, "/usr/lib/sysctl.d/60-masked.conf", "a=1")
    write(root, "/run/sysctl.d/70-dangling.conf", "a=1")
    os.symlink("/dev/null", os.path.join(root, "etc/sysctl.d/60-masked.conf"))
    os.symlink("/nowhere", os.path.join(root, "etc/sysctl.d/70-dangling.conf"))
    assert boot_files(root) == [
        "/run/sysctl.d/10-b.conf",
        "/usr/lib/sysctl.d/50-a.conf",
        "/etc/sysctl.d/60-masked.conf",
        "/etc/sysctl.d/70-dangling.conf",
        "/etc/sysctl.d/90-c.conf",
    ]
    assert read_boot([], root=root).lines == []


def test_a_link_inside_another_root_does_not_lead_out_of_it(tmp_path):
    root = str(tmp_path)
    write(root, "/etc/sysctl.conf", "net.ipv4.ip_forward=1\n")
    write(root, "/etc/sysctl.d/10.conf", "")
    os.symlink("/etc/sysctl.conf", os.path.join(root, "etc/sysctl.d/99-sysctl.conf"))
    boot = read_boot([], root=root)
    assert [(line.key, line.file) for line in boot.lines] == [("net/ipv4/ip_forward", "/etc/sysctl.d/99-sysctl.conf")]
    assert boot.conf_is_linked


@pytest.mark.parametrize("what", ["directory", "fifo"])
def test_what_is_no_file_is_reported_and_does_not_block(tmp_path, what):
    root, unseen = str(tmp_path), []
    write(root, "/etc/sysctl.d/10.conf", "a=1")
    path = os.path.join(root, "etc/sysctl.d/20.conf")
    os.mkdir(path) if what == "directory" else os.mkfifo(path)
    assert len(read_boot(unseen, root=root).lines) == 1
    assert [item.source for item in unseen] == ["/etc/sysctl.d/20.conf"]


def test_an_overlay_shows_the_winner_after_a_change(tmp_path):
    root = str(tmp_path)
    write(root, "/etc/sysctl.d/50.conf", "a.b=1\n")
    boot = read_boot([], root=root, overlay={"/etc/sysctl.d/60.conf": "x\na.b=2\n"})
    line = Winners(boot).systemd("a/b")
    assert (line.file, line.number, line.value) == ("/etc/sysctl.d/60.conf", 2, "2")


# (files by name, key, value under systemd-sysctl, value under procps); "" is the untouched value of a new namespace.
# Of IPv6: a value written to net/ipv4/conf/default is copied by the kernel to every link that never had its own.
TRANSMITS = "net/ipv6/conf/lo/dad_transmits"
CASES = {
    "the later file wins": (
        {"a": "net.ipv4.ip_forward=1", "b": "net/ipv4/ip_forward = 0"},
        "net/ipv4/ip_forward",
        "0",
        "0",
    ),
    "an explicit key beats a later glob": (
        {"a": f"{TRANSMITS}=5", "b": "net.ipv6.conf.*.dad_transmits=2"},
        TRANSMITS,
        "5",
        "5",
    ),
    "the last glob wins": (
        {"a": "net/ipv6/conf/l*/dad_transmits=5", "b": "net.ipv6.conf.*.dad_transmits=2"},
        TRANSMITS,
        "2",
        "2",
    ),
    "an exclusion keeps globs away": (
        {"a": "net.ipv6.conf.*.dad_transmits=2", "b": f"-{TRANSMITS}"},
        TRANSMITS,
        "",
        "",
    ),
    "an exclusion undoes an earlier line only under systemd": (
        {"a": f"{TRANSMITS}=5", "b": f"-{TRANSMITS}"},
        TRANSMITS,
        "",
        "5",
    ),
    "a glob after a dash excludes nothing": (
        {"a": "net.ipv6.conf.*.dad_transmits=2", "b": "-net.ipv6.conf.l*.dad_transmits"},
        TRANSMITS,
        "2",
        "2",
    ),
    "an ignored error is still an assignment": ({"a": f"-{TRANSMITS}=5"}, TRANSMITS, "5", "5"),
    "the other name of a variable counts": (
        {"a": "net.ipv4.ip_forward=1", "b": "net.ipv4.conf.all.forwarding=0"},
        "net/ipv4/ip_forward",
        "0",
        "0",
    ),
    "an equal line keeps its place under systemd": (
        {"a": "net.ipv4.ip_forward=1", "b": "net.ipv4.conf.all.forwarding=0\nnet.ipv4.ip_forward=1"},
        "net/ipv4/ip_forward",
        "0",
        "1",
    ),
    "a question mark matches one character": ({"a": "net.ipv6.conf.?o.dad_transmits=2"}, TRANSMITS, "2", "2"),
    "a star does not cross a slash": ({"a": "net/ipv6/*/dad_transmits=2"}, TRANSMITS, "", ""),
}
APPLY = r"""
import os, subprocess, sys
base, program, key = sys.argv[1:]
for path in ("/etc/sysctl.d", "/run", "/usr/lib/sysctl.d", "/usr/local/lib"):
    subprocess.run(["mount", "-t", "tmpfs", "t", path], check=True)
names = sorted(os.listdir(base))
if program == "systemd":
    for name in names:
        os.symlink(f"{base}/{name}", f"/etc/sysctl.d/{name}")
    subprocess.run(["/lib/systemd/systemd-sysctl", "--prefix=/net"], check=True, stderr=subprocess.DEVNULL)
else:
    subprocess.run(["sysctl", "-q", "-e", "-p", *[f"{base}/{name}" for name in names]], check=True)
print(open(f"/proc/sys/{key}").read().strip())
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root for namespaces")


@needs_root
@pytest.mark.parametrize("program", ["systemd", "procps"])
@pytest.mark.parametrize("case", CASES)
def test_the_program_itself_agrees_with_the_predicted_winner(tmp_path, case, program):
    files, key, systemd, procps = CASES[case]
    for name, text in files.items():
        write(str(tmp_path), f"files/{name}.conf", text + "\n")
    lines = [
        line
        for name in sorted(files)
        for line in parse_lines((tmp_path / "files" / f"{name}.conf").read_text(), f"{name}.conf")
    ]
    winners = Winners(Boot(lines))
    winner = winners.systemd(key) if program == "systemd" else winners.procps(key)
    assert (winner.value if winner else "") == (systemd if program == "systemd" else procps)

    def run(key_files):
        command = ["unshare", "-nm", "--propagation", "private", "python3", "-c", APPLY, key_files, program, key]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    untouched = tmp_path / "none"
    untouched.mkdir()
    (untouched / "a.conf").write_text("# nothing\n")
    assert run(str(tmp_path / "files")) == (winner.value if winner else run(str(untouched)))
