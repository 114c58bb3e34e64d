# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts when a file is executed is read from real files, attributes and mounts."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    FILE_CAPABILITY_XATTR,
    FileCapability,
    pack_file_capability,
    parse_capability_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._executables import (
    read_executable,
    resolve,
    scan_capabilities,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._join import run_joined
from ansible_collections.netlink.remediation.plugins.module_utils._plain import to_plain

IP, TC, BRIDGE = (shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") for name in ("ip", "tc", "bridge"))
NET_ADMIN = parse_capability_text("cap_net_admin=ep")


def program(path, capability=None, content=b"\x7fELF", mode=0o755):
    path.write_bytes(content)
    path.chmod(mode)
    if capability is not None:
        os.setxattr(path, FILE_CAPABILITY_XATTR, pack_file_capability(capability))
    return str(path)


def test_a_plain_program_has_owner_mode_and_mount_and_no_capability(tmp_path):
    path = program(tmp_path / "tool", mode=0o4711)
    os.chown(path, 1234, 2345)
    os.chmod(path, 0o4711)
    unseen = []
    found = read_executable(path, unseen)
    assert (found.path, found.real_path, found.exists, found.interpreter) == (path, path, True, None)
    assert (found.mode, found.uid, found.gid) == (0o4711, 1234, 2345)
    assert (found.capability, found.capability_raw, found.nosuid) == (None, None, False)
    assert os.path.ismount(found.mount_point) and path.startswith(found.mount_point)
    assert found.filesystem == subprocess.check_output(["findmnt", "-nro", "FSTYPE", "-T", path], text=True).strip()
    assert unseen == []


@pytest.mark.parametrize(
    "capability", [NET_ADMIN, FileCapability(permitted=1 << 12, version=3, rootid=5000), FileCapability()]
)
def test_the_attribute_is_read_from_its_bytes(tmp_path, capability):
    found = read_executable(program(tmp_path / "tool", capability), [])
    assert found.capability == capability
    assert found.capability_raw == pack_file_capability(capability).hex()


def test_an_attribute_for_another_user_namespace_is_told(tmp_path, running):
    path = program(tmp_path / "tool", FileCapability(permitted=1 << 12, version=3, rootid=5000))
    child = running("", "unshare", "-Ur")
    os.chmod(tmp_path, 0o755)
    outcome = run_joined(lambda: to_plain(read_executable(path, [])), user_ns=f"/proc/{child.pid}/ns/user")
    assert outcome.value["capability_unmapped"] is True and outcome.value["capability"] is None


def test_links_are_followed_to_the_file_that_counts(tmp_path):
    path = program(tmp_path / "tool", NET_ADMIN)
    (tmp_path / "link").symlink_to("other")
    (tmp_path / "other").symlink_to(path)
    found = read_executable(str(tmp_path / "link"), [])
    assert (found.real_path, found.capability) == (path, NET_ADMIN)


def test_a_missing_file_does_not_exist(tmp_path):
    unseen = []
    assert not read_executable(str(tmp_path / "nothing"), unseen).exists
    assert not read_executable(program(tmp_path / "tool") + "/below", unseen).exists
    assert unseen == []


def test_a_loop_of_links_is_said(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    unseen = []
    assert not read_executable(str(tmp_path / "loop"), unseen).exists
    assert "ELOOP" in unseen[0].reason


def test_a_mount_with_nosuid_is_told_inside_of_another_mount_namespace(running, tmp_path):
    code = f"""
check(libc.mount(b"tmpfs", b"{tmp_path}", b"tmpfs", {{flags}}, None))
open("{tmp_path}/tool", "w").close()
os.symlink("{tmp_path}/tool", "{tmp_path}/link")
"""
    for flags, nosuid in ((2, True), (0, False)):
        child = running(code.format(flags=flags), "unshare", "-m")
        found = read_executable(f"{tmp_path}/link", [], root=f"/proc/{child.pid}/root")
        assert (found.exists, found.nosuid, found.real_path) == (True, nosuid, f"{tmp_path}/tool")
        assert (found.mount_point, found.filesystem) == (str(tmp_path), "tmpfs")
    assert not os.path.exists(f"{tmp_path}/tool")


def test_the_interpreter_of_a_script_counts(tmp_path):
    interpreter = program(tmp_path / "interpreter", NET_ADMIN)
    script = program(tmp_path / "script", FileCapability(1 << 13), f"#! {interpreter} -x\n".encode())
    outer = program(tmp_path / "outer", None, f"#!{script}\n".encode())
    found = read_executable(script, [])
    assert (found.real_path, found.interpreter, found.capability) == (script, interpreter, NET_ADMIN)
    assert found.script_capability == FileCapability(1 << 13)
    assert read_executable(outer, []).interpreter == interpreter


def test_the_kernel_runs_env_and_not_what_env_runs(tmp_path):
    script = program(tmp_path / "script", None, b"#!/usr/bin/env python3\n")
    assert read_executable(script, []).interpreter == os.path.realpath("/usr/bin/env")


def test_a_script_whose_interpreter_is_missing_cannot_be_executed(tmp_path):
    script = program(tmp_path / "script", None, b"#!/nonexistent/interpreter\n")
    assert not read_executable(script, []).exists


@pytest.mark.parametrize("name", ["ip", "renamed"])
def test_ip_of_iproute2_drops_its_capabilities_whatever_its_name(tmp_path, name):
    shutil.copy(IP, tmp_path / name)
    found = read_executable(str(tmp_path / name), [])
    assert found.drops_capabilities and found.raises_capabilities


@pytest.mark.parametrize("path", [TC, BRIDGE, "/bin/sh", "/bin/sleep"])
def test_other_programs_keep_their_capabilities(path):
    assert not read_executable(path, []).drops_capabilities


def test_a_text_that_names_ip_and_its_functions_is_no_ip(tmp_path):
    text = b"Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }\n\0cap_clear\0cap_set_proc\0"
    found = read_executable(program(tmp_path / "text", content=text), [])
    assert not found.drops_capabilities and not found.raises_capabilities


def test_programs_that_raise_capabilities_are_told_from_those_that_do_not():
    assert read_executable(shutil.which("setpriv"), []).raises_capabilities
    assert not read_executable("/bin/sleep", []).raises_capabilities


def test_a_program_that_wants_libraries_from_beside_itself_is_told(tmp_path):
    with open("/bin/sleep", "rb") as file:
        content = file.read()
    name = b"\0__cxa_finalize\0"  # Some name of its dynamic section.
    for origin in (b"$ORIGIN/lib", b"${ORIGIN}/l.s"):
        there = content.replace(name, b"\0" + origin.ljust(len(name) - 1, b"\0"))
        found = read_executable(program(tmp_path / "beside", content=there), [])
        assert found.origin == origin.decode()
    assert read_executable("/bin/sleep", []).origin is None


def test_a_broken_program_is_no_error(tmp_path):
    unseen = []
    with open("/bin/sleep", "rb") as file:
        head = file.read(100)
    found = read_executable(program(tmp_path / "cut", content=head), unseen)
    assert found.exists and not found.raises_capabilities and len(unseen) == 1


def test_a_path_of_root_alone_is_writable_by_nobody_else():
    assert read_executable("/bin/sh", []).writable_by is None


def test_the_first_loose_component_is_named(tmp_path):
    path = program(tmp_path / "tool")
    assert resolve(path)[1] == "/tmp" == read_executable(path, []).writable_by
    base = tmp_path / "base"
    base.mkdir(mode=0o755)
    root = str(base)
    for name, mode, uid, loose in (
        ("fine", 0o755, 0, None),
        ("group", 0o775, 0, "/group"),
        ("sticky", 0o1777, 0, "/sticky"),
        ("owned", 0o755, 1234, "/owned"),
    ):
        (base / name).mkdir()
        program(base / name / "tool")
        os.chown(base / name, uid, 0)
        os.chmod(base / name, mode)
        assert resolve(f"/{name}/tool", root) == (f"/{name}/tool", loose)
        assert read_executable(f"/{name}/tool", [], root=root).writable_by == loose
    (base / "fine" / "tool").chmod(0o757)
    assert resolve("/fine/tool", root)[1] == "/fine/tool"


def test_directories_on_the_way_of_links_and_interpreters_count(tmp_path):
    root = tmp_path / "root"
    for name in ("fine", "loose", "bin"):
        (root / name).mkdir(parents=True)
    root.chmod(0o755)
    program(root / "bin" / "tool")
    (root / "loose" / "link").symlink_to("/bin/tool")
    (root / "fine" / "link").symlink_to("../loose/link")
    (root / "loose").chmod(stat.S_IRWXU | stat.S_IWOTH)
    assert resolve("/fine/link", str(root)) == ("/bin/tool", "/loose")
    program(root / "fine" / "script", None, b"#!/loose/link\n")
    assert read_executable("/fine/script", [], root=str(root)).writable_by == "/loose"


def test_absolute_links_stay_inside_of_the_root(tmp_path):
    (tmp_path / "bin").mkdir()
    path = program(tmp_path / "bin" / "sh")
    (tmp_path / "link").symlink_to("/bin/sh")
    found = read_executable("/link", [], root=str(tmp_path))
    assert found.real_path == "/bin/sh" and found.capability_raw is None
    os.setxattr(path, FILE_CAPABILITY_XATTR, pack_file_capability(NET_ADMIN))
    assert read_executable("/link", [], root=str(tmp_path)).capability == NET_ADMIN


def test_all_files_with_capabilities_are_found_below_a_directory(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    wanted = [program(tmp_path / "a" / "one", NET_ADMIN), program(deep / "two", FileCapability())]
    program(deep / "plain")
    os.setxattr(deep / "plain", "user.note", b"x")
    (tmp_path / "link").symlink_to(wanted[0])
    (deep / "up").symlink_to(tmp_path)
    unseen = []
    assert scan_capabilities(str(tmp_path), unseen) == sorted(wanted)
    assert scan_capabilities(str(tmp_path) + "/", unseen) == sorted(wanted)
    assert unseen == []


def test_the_same_files_are_found_as_by_getcap(tmp_path):
    getcap = shutil.which("getcap", path="/usr/sbin:/sbin:/usr/bin")
    lines = subprocess.check_output([getcap, "-r", "/usr/bin", "/usr/sbin", "/usr/lib"], text=True).splitlines()
    found = [path for top in ("/usr/bin", "/usr/sbin", "/usr/lib") for path in scan_capabilities(top, [])]
    assert sorted(found) == sorted(line.split(" ")[0] for line in lines)


@pytest.mark.parametrize("moved", [True, False])
def test_a_program_is_read_however_long_it_is(tmp_path, moved):
    raw = bytearray(Path(IP).read_bytes())
    (start,), (size, count) = struct.unpack_from("<Q", raw, 40), struct.unpack_from("<HH", raw, 58)
    sections, raw[40:48] = bytes(raw[start : start + size * count]), struct.pack("<Q", 70 << 20)
    path, unseen = program(tmp_path / "ip", content=bytes(raw)), []
    if moved:
        with open(path, "r+b") as file:
            file.seek(70 << 20)  # A hole, which takes no room.
            file.write(sections)
    found = read_executable(path, unseen)
    assert found.drops_capabilities is moved
    assert [item.reason for item in unseen] == ([] if moved else ["its imports could not be read: the file is cut off"])
