# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File capabilities must end as asked, in the kernel's own bytes, and what is no good must get one clear sentence."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._file_capabilities import (
    gained,
    merge,
    parse_request,
    run_files,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._revert import run_receipt
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    FILE_CAPABILITY_XATTR,
    FileCapability,
    format_capability_text,
    pack_file_capability,
    parse_capability_text,
    parse_file_capability,
)
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._change._host import (  # noqa: F401  # pylint: disable=unused-import
    Module,
    fixture_host,
    needs_root,
    picture,
    receipt_module,
)

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_NOSUID, MS_REC, MS_PRIVATE = 1, 2, 0x4000, 0x40000


def entry(path: Any, capabilities: Any = None, state: str = "present", rootid: Optional[int] = None) -> dict[str, Any]:
    """An entry of the option files."""
    return {"path": str(path), "capabilities": capabilities, "state": state, "rootid": rootid}


def stored(text: str) -> FileCapability:
    """What a file holds: a text, with "@UID" for a rootid."""
    flags, _at, rootid = text.partition("@")
    base = parse_capability_text(flags)
    version = 3 if rootid else 2
    return FileCapability(base.permitted, base.inheritable, base.effective, version, int(rootid) if rootid else None)


def program(directory: Path, name: str = "tool", mode: int = 0o755) -> Path:
    """An executable of root."""
    path = directory / name
    path.write_bytes(b"\x7fELF")
    path.chmod(mode)
    return path


def held(path: Path) -> Optional[str]:
    """What the kernel says that a file holds."""
    try:
        return format_capability_text(parse_file_capability(os.getxattr(path, FILE_CAPABILITY_XATTR)))
    except OSError:
        return None


def run(*files: dict[str, Any], check_mode: bool = False, accept: Any = ()) -> dict[str, Any]:
    """Call the module."""
    return run_files(Module(check_mode=check_mode, files=list(files), accept=list(accept)))


# --- pure -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "state", "capabilities", "rootid", "after"),
    [
        (None, "present", "cap_net_admin+ep", None, "cap_net_admin=ep"),
        (None, "present", "CAP_NET_ADMIN,cap_net_raw+ep", None, "cap_net_admin,cap_net_raw=ep"),
        ("cap_net_raw=ep", "present", "cap_net_admin+ep", None, "cap_net_admin,cap_net_raw=ep"),
        ("cap_net_admin=eip", "present", "cap_net_admin+ep", None, "cap_net_admin=eip"),
        ("cap_net_admin,cap_net_raw=ep", "present", "cap_net_admin+p", None, "cap_net_admin,cap_net_raw=ep"),
        ("cap_net_raw=p", "present", "cap_net_admin+i", None, "cap_net_admin=i cap_net_raw=p"),
        ("cap_net_admin=p", "present", {"permitted": ["net_admin"], "effective": True}, None, "cap_net_admin=ep"),
        ("cap_net_raw=ep@1000", "present", "cap_net_admin+ep", None, "cap_net_admin,cap_net_raw=ep@1000"),
        ("cap_net_raw=ep@1000", "present", "cap_net_raw+ep", 2000, "cap_net_raw=ep@2000"),
        ("cap_net_raw=ep", "present", "cap_net_raw+ep", 2000, "cap_net_raw=ep@2000"),
        ("cap_net_raw=ep", "present", "cap_net_raw+ep", 0, "cap_net_raw=ep"),
        ("cap_net_raw=ep", "exact", "cap_net_admin+p", None, "cap_net_admin=p"),
        ("cap_net_raw=ep@1000", "exact", "cap_net_admin+ep", None, "cap_net_admin=ep@1000"),
        ("cap_net_admin=eip", "exact", {"permitted": ["cap_net_admin"]}, None, "cap_net_admin=p"),
        ("cap_net_raw=ep", "absent", None, None, None),
        (None, "absent", "cap_net_raw+ep", None, None),
        ("cap_net_admin,cap_net_raw=ep", "absent", "cap_net_admin+ep", None, "cap_net_raw=ep"),
        ("cap_net_admin,cap_net_raw=ep", "absent", "cap_net_admin", None, "cap_net_raw=ep"),
        ("cap_net_admin=eip", "absent", "cap_net_admin+ep", None, "cap_net_admin=i"),
        ("cap_net_admin=ep", "absent", {"effective": True}, None, "cap_net_admin=p"),
        ("cap_net_admin=ep", "absent", "cap_net_admin,cap_net_raw", None, None),
        ("cap_net_admin=ep", "absent", "cap_net_raw+ep", None, "cap_net_admin=ep"),
    ],
)
def test_a_request_makes_of_a_file_what_it_says(before, state, capabilities, rootid, after):
    request = parse_request("files[0]", entry("/x", capabilities, state, rootid))
    result = merge(stored(before) if before else None, [request])
    assert (result and pack_file_capability(result)) == (after and pack_file_capability(stored(after)))
    assert merge(result, [request]) == result


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        (None, "cap_net_admin=ep", "cap_net_admin=p"),
        ("cap_net_admin=ep", "cap_net_admin=ep", ""),
        ("cap_net_admin=eip", "cap_net_admin=ep", ""),
        ("cap_net_admin=p", "cap_net_admin=ep", "cap_net_admin=p"),
        ("cap_net_admin=ep", "cap_net_admin=eip", "cap_net_admin=p"),
        ("cap_net_admin=ep", "cap_net_admin=ep@1000", ""),
        ("cap_net_admin=ep@1000", "cap_net_admin=ep@2000", "cap_net_admin=p"),
        ("cap_net_raw=ep", "cap_net_admin,cap_net_raw=ep", "cap_net_admin=p"),
        ("cap_net_raw=ep", None, ""),
    ],
)
def test_what_a_change_adds_is_told_from_what_it_takes(before, after, names):
    mask = gained(stored(before) if before else None, stored(after) if after else None)
    assert mask == (stored(names).permitted if names else 0)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (entry("/x", "cap_net_admni+ep"), "files[0] (/x): unknown capability 'cap_net_admni'"),
        (entry("/x", {"permitted": ["cap_nonsense"]}), "unknown capability 'cap_nonsense'"),
        (entry("/x", "cap_net_admin"), "is not understood at 'cap_net_admin'"),
        (entry("/x", "cap_net_admin+ep cap_net_raw+p"), "the effective flag of a file holds for all"),
        (entry("/x", "cap_net_admin="), "names no permitted or inheritable capability"),
        (entry("/x", " "), "empty capability text"),
        (entry("/x", None), "state present needs capabilities, such as cap_net_admin+ep"),
        (entry("/x", None, "exact"), "state exact needs capabilities"),
        (entry("/x", {"permited": []}), "unknown set 'permited', expected permitted, inheritable, effective"),
        (entry("/x", {"permitted": "cap_net_admin"}), "expected a list of names"),
        (entry("/x", {"permitted": ["cap_net_admin"], "effective": ["x"]}), "expected true or false"),
        (entry("/x", {"effective": True}), "names no permitted or inheritable capability"),
        (entry("/x", ["cap_net_admin+ep"]), "expected a text such as cap_net_admin+ep, or a dict of sets"),
        (entry("/x", "cap_net_admin+ep", rootid=-1), "rootid -1 is not possible, expected a uid"),
        (entry("/x", "cap_net_admin+ep", "absent", 5), "rootid 5 is not possible, expected state present or exact"),
        (entry("bin/x", "cap_net_admin+ep"), "path is relative, expected an absolute path"),
    ],
)
def test_an_entry_that_is_no_good_gets_one_sentence(files, why):
    with pytest.raises(ChangeError) as caught:
        parse_request("files[0]", files)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


# --- on real files ----------------------------------------------------------------------------------------------------


@needs_root
def test_the_preview_is_the_run_and_the_revert_gives_back_the_bytes(host):
    one, two = program(host), program(host, "two")
    os.setxattr(two, FILE_CAPABILITY_XATTR, pack_file_capability(stored("cap_net_raw=ep@1000")))
    before = picture(host)
    files = [entry(one, "cap_net_admin+ep"), entry(two, "cap_net_admin+ep")]
    preview = run(*files, check_mode=True)
    assert picture(host) == before
    real = run(*files)
    assert preview["changes"] == real["changes"]
    assert preview["diff"] == real["diff"]
    assert (held(one), held(two)) == ("cap_net_admin=ep", "cap_net_admin,cap_net_raw=ep [rootid=1000]")
    assert real["diff"][1]["before"] == f"{two} cap_net_raw=ep [rootid=1000]\n"
    assert run(*files)["changed"] is False
    run_receipt(receipt_module(id=real["receipt"]["id"]))
    assert picture(host) == before


@needs_root
def test_entries_for_one_file_are_one_change_under_all_its_names(host):
    path = program(host)
    (host / "link").symlink_to("tool")
    os.link(path, host / "hard")
    files = [
        entry(path, "cap_net_admin+ep"),
        entry(host / "link", "cap_net_raw+ep"),
        entry(host / "hard", "cap_bpf+ep"),
    ]
    result = run(*files)
    assert len(result["changes"]) == 1
    assert held(path) == "cap_net_admin,cap_net_raw,cap_bpf=ep"
    assert run(*files)["changed"] is False


@needs_root
@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("cap_net_admin+ep", "present"), ("cap_net_admin+ep", "absent")),
        (("cap_net_admin+ep", "exact"), ("cap_net_raw+ep", "exact")),
        (("cap_net_admin+ep", "exact"), ("cap_net_raw+ep", "present")),
        ((None, "absent"), ("cap_net_raw+ep", "present")),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_entries_that_contradict_each_other_are_an_error(host, one, two, check_mode):
    path = program(host)
    before = picture(host)
    with pytest.raises(ChangeError, match="contradicts"):
        run(entry(path, *one), entry(path, *two), check_mode=check_mode)
    assert picture(host) == before


def spoil(host: Path) -> None:
    """Files that must not get a capability."""
    program(host, "good")
    (host / "script").write_text("#!/usr/bin/env python3\n")
    (host / "dir").mkdir()
    os.chown(program(host, "foreign"), 1234, 0)
    program(host, "open", 0o757)
    for name in ("bash", "python3.11", "ip", "busybox", "docker"):
        program(host, name)
    (host / "innocent").symlink_to("bash")
    (host / "loose").mkdir()
    program(host / "loose")
    (host / "loose").chmod(0o777)
    os.setxattr(program(host, "namespaced"), FILE_CAPABILITY_XATTR, pack_file_capability(stored("cap_net_raw=ep@1000")))


@needs_root
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing", "missing does not exist"),
        ("dir", "dir is not a regular file"),
        ("script", "ignores file capabilities of a script and looks at its interpreter /usr/bin/env"),
        ("foreign", "foreign belongs to uid 1234"),
        ("open", "open can be written by users other than root (mode 0757)"),
        ("loose/tool", "loose can be written by users other than root (mode 0777)"),
        ("bash", "bash is an interpreter or shell, and everybody who may run it would gain cap_net_admin"),
        ("innocent", "set accept to [interpreter]"),
        ("python3.11", "set accept to [interpreter]"),
        ("ip", "set accept to [shared_tool]"),
        ("busybox", "set accept to [shared_tool]"),
        ("docker", "set accept to [shared_tool]"),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_file_that_must_not_get_a_capability_stops_the_whole_call(host, name, why, check_mode):
    spoil(host)
    before = picture(host)
    with pytest.raises(ChangeError) as caught:
        run(entry(host / "good", "cap_net_admin+ep"), entry(host / name, "cap_net_admin+ep"), check_mode=check_mode)
    assert why in str(caught.value)
    assert str(caught.value).startswith(f"files[1] ({host}/{name}): ")
    assert picture(host) == before


@needs_root
def test_what_is_accepted_is_done_and_what_takes_privilege_away_needs_no_word(host):
    spoil(host)
    assert run(entry(host / "bash", "cap_net_admin+ep"), accept=["interpreter"])["changed"] is True
    assert run(entry(host / "bash", "cap_net_admin+ep"))["changed"] is False
    assert run(entry(host / "bash", state="absent"))["changed"] is True
    assert held(host / "bash") is None


@needs_root
def test_a_capability_for_one_user_namespace_is_never_widened(host):
    spoil(host)
    path = host / "namespaced"
    for state in ("present", "exact"):
        with pytest.raises(ChangeError, match="would widen it to the whole host"):
            run(entry(path, "cap_net_raw+ep", state, rootid=0))
    run(entry(path, "cap_net_admin+ep", "exact"))
    assert held(path) == "cap_net_admin=ep [rootid=1000]"


@needs_root
def test_warnings_say_who_gains_and_that_ip_drops_it(host):
    spoil(host)
    module = Module(files=[entry(host / "ip", "cap_net_admin+ep")], accept=["shared_tool"])
    run_files(module)
    assert any("every user of this host gains cap_net_admin" in text for text in module.warnings)
    assert any("ip of iproute2 drops its capabilities" in text for text in module.warnings)
    quiet = Module(files=[entry(program(host, "private", 0o750), "cap_net_admin+ep")])
    run_files(quiet)
    assert quiet.warnings == []


def in_child(function: Any) -> str:
    """Call a function in a child with a mount namespace of its own; what it returned."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            assert LIBC.unshare(CLONE_NEWNS) == 0
            assert LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0
            os.write(writer, str(function()).encode())
        except BaseException as exc:
            os.write(writer, repr(exc).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        answer = file.read().decode()
    os.waitpid(child, 0)
    return answer


def answer_of(*files: dict[str, Any], check_mode: bool) -> str:
    """The sentence with which the module fails, or what it changed."""
    try:
        return str(run(*files, check_mode=check_mode)["changed"])
    except ChangeError as exc:
        return str(exc)


@needs_root
@pytest.mark.parametrize(
    ("flags", "kind", "why"),
    [
        (MS_RDONLY, b"tmpfs", "read-only mount"),
        (MS_NOSUID, b"tmpfs", "nosuid"),
        (0, b"proc", "keeps no file capabilities"),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_mount_where_it_cannot_work_is_named(host, flags, kind, why, check_mode):
    path = host / "mnt" / "tool"

    def attempt() -> str:
        (host / "mnt").mkdir()
        assert LIBC.mount(b"none", bytes(host / "mnt"), kind, 0, b"mode=0755" if kind == b"tmpfs" else None) == 0
        if kind == b"proc":
            return answer_of(entry(host / "mnt" / "version", "cap_net_admin+ep"), check_mode=check_mode)
        program(host / "mnt")
        assert LIBC.mount(b"none", bytes(host / "mnt"), kind, flags | 32, b"mode=0755") == 0
        return answer_of(entry(path, "cap_net_admin+ep"), check_mode=check_mode) + f" {held(path)}"

    answer = in_child(attempt)
    assert why in answer
    assert answer.endswith("None") or kind == b"proc"


@needs_root
@pytest.mark.parametrize("check_mode", [True, False])
def test_without_root_or_the_capability_one_sentence_says_so(host, check_mode):
    path = program(host)

    def as_user() -> str:
        os.setresuid(1234, 1234, 1234)
        return answer_of(entry(path, "cap_net_admin+ep"), check_mode=check_mode)

    def without_setfcap() -> str:
        header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        assert LIBC.capget(header, data) == 0
        data[0] &= ~(1 << 31)
        assert LIBC.capset(header, data) == 0
        return answer_of(entry(path, "cap_net_admin+ep"), check_mode=check_mode)

    assert in_child(as_user) == "this module needs root, it runs as uid 1234: set become to true"
    assert "cannot be set without CAP_SETFCAP" in in_child(without_setfcap)
    assert held(path) is None


# --- what community.general.capabilities 13.5.0 gets wrong ------------------------------------------------------------


@needs_root
def test_both_clauses_of_a_set_arrive(host):
    path = program(host)
    assert run(entry(path, "cap_net_admin=eip cap_net_raw=ep"))["changed"] is True
    assert held(path) == "cap_net_admin=eip cap_net_raw=ep"
    assert run(entry(path, "cap_net_admin=eip cap_net_raw=ep"))["changed"] is False


@needs_root
def test_adding_replaces_nothing(host):
    path = program(host)
    os.setxattr(path, FILE_CAPABILITY_XATTR, pack_file_capability(stored("cap_net_raw=ep")))
    run(entry(path, "cap_net_admin+ep"))
    assert held(path) == "cap_net_admin,cap_net_raw=ep"


@needs_root
def test_spaces_and_links_in_paths_are_no_trouble(host):
    path = program(host, "a tool with = and spaces")
    (host / "link to it").symlink_to(path.name)
    assert run(entry(host / "link to it", "cap_net_admin+ep"))["changed"] is True
    assert held(path) == "cap_net_admin=ep"
    if shutil.which("getcap"):
        told = subprocess.run(["getcap", str(path)], check=True, capture_output=True, text=True).stdout
        assert told == f"{path} cap_net_admin=ep\n"
