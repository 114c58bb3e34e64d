# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path must be walked so that nobody but root can bend it, and a file replaced so that nobody sees half of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._path import opened_file, reach
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._change._host import needs_root

pytestmark = needs_root


def resolved(path: object) -> str:
    """Where reach() ends."""
    with reach(str(path)) as place:
        return place.path


def refusal(path: object) -> str:
    """Why reach() refuses."""
    with pytest.raises(ChangeError) as caught, opened_file(str(path)):
        pass
    return str(caught.value)


def test_links_of_root_are_followed_in_all_their_forms(tmp_path):
    (tmp_path / "a").mkdir(mode=0o755)
    (tmp_path / "a" / "file").write_text("x")
    (tmp_path / "relative").symlink_to("a/./file")
    (tmp_path / "absolute").symlink_to(tmp_path / "a")
    (tmp_path / "up").symlink_to("a/../a/file")
    for name in ("relative", "absolute/file", "up", "a//file", "a/../absolute/file"):
        assert resolved(f"{tmp_path}/{name}") == f"{tmp_path}/a/file"


def test_names_that_do_not_exist_are_told_from_directories_that_do_not(tmp_path):
    with reach(f"{tmp_path}/new") as place:
        assert (place.name, place.missing, place.status()) == ("new", [], None)
    with reach(f"{tmp_path}/one/two/new") as place:
        assert (place.name, place.missing, place.path) == ("new", ["one", "two"], f"{tmp_path}/one/two/new")
        place.make_directories()
        os.close(os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=place.directory))
    assert (tmp_path / "one" / "two" / "new").exists()


def prepare(tmp_path: Path) -> None:
    """What must be refused, and why not to touch it."""
    for name, mode in (("open", 0o777), ("group", 0o775), ("sticky", 0o1777), ("foreign", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
        (tmp_path / name / "below").mkdir(mode=0o755)
        (tmp_path / name / "below" / "file").write_text("x")
        (tmp_path / name).chmod(mode)
    os.chown(tmp_path / "foreign", 1234, 0)
    (tmp_path / "trap").symlink_to("group/file")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "theirs").symlink_to("/etc/passwd")
    os.lchown(tmp_path / "theirs", 1234, 1234)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dir").mkdir()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("open/file", "open can be written by users other than root (mode 0777)"),
        ("open/below/file", "open can be written by users other than root (mode 0777)"),
        ("group/below/file", "group can be written by users other than root (mode 0775)"),
        ("sticky/file", "sticky can be written by users other than root (mode 1777)"),
        ("foreign/file", "foreign belongs to uid 1234"),
        ("trap", "group can be written"),
        ("loop", "too many symbolic links"),
        ("theirs", "theirs is a symbolic link of uid 1234"),
        ("fifo", "fifo is not a regular file"),
        ("dir", "dir is not a regular file"),
        ("dir/", "names a directory"),
        ("missing", "missing does not exist"),
        ("fifo/x", "fifo is not a directory"),
        ("missing/../dir", "missing does not exist"),
    ],
)
def test_a_way_that_others_can_bend_is_refused(tmp_path, name, why):
    prepare(tmp_path)
    assert why in refusal(f"{tmp_path}/{name}")


def test_a_directory_of_root_in_a_sticky_one_cannot_be_exchanged_and_is_fine(tmp_path):
    prepare(tmp_path)
    assert resolved(f"{tmp_path}/sticky/below/file") == f"{tmp_path}/sticky/below/file"


def test_a_relative_path_is_refused():
    assert refusal("etc/passwd") == "'etc/passwd' is not an absolute path"


def test_no_descriptor_is_left_open(tmp_path):
    prepare(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for name in ("open/file", "trap", "loop", "fifo/x", "missing/x", "fifo"):
        refusal(f"{tmp_path}/{name}")
    resolved(f"{tmp_path}/dir/../dir/new")
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "n" * 256], ids=ascii)
def test_a_name_that_no_file_can_have_is_one_clear_sentence(tmp_path, name):
    for path in (f"{tmp_path}/{name}", f"{tmp_path}/{name}/file"):
        assert "cannot be reached: " in refusal(path)


def test_a_new_file_in_a_directory_for_everybody_is_refused_like_an_old_one(tmp_path):
    tmp_path.chmod(0o1777)
    for name in ("old", "new"):
        with pytest.raises(ChangeError, match="can be written by users other than root"):
            resolved(tmp_path / name)
        (tmp_path / "old").touch()
    assert resolved(tmp_path / "sub" / "new") == f"{tmp_path}/sub/new"
