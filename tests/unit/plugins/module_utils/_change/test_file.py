# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A FileChange must keep all of a file but its content, and give back all of it."""

from __future__ import annotations

import os

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._change._host import (  # noqa: F401  # pylint: disable=unused-import
    fixture_host,
    needs_root,
    picture,
)

pytestmark = needs_root


def through_a_receipt(change: FileChange) -> FileChange:
    """The change as a later run finds it."""
    return FileChange.from_record(change.record())


def test_a_replaced_file_keeps_mode_owner_and_attributes_and_gets_all_back(host):
    path = host / "a b.conf"
    path.write_bytes(b"old \xff\n")
    path.chmod(0o640)
    os.chown(path, 12, 34)
    os.setxattr(path, "user.note", b"kept")
    before = picture(host)
    change = FileChange.of(str(path), "new\n")
    change.write(change.after)
    assert path.read_bytes() == b"new\n"
    assert change.read() == change.after
    status = path.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o640, 12, 34)
    assert os.getxattr(path, "user.note") == b"kept"
    back = through_a_receipt(change)
    back.write(back.before)
    assert picture(host) == before


def test_text_that_was_not_seen_is_not_replaced(host):
    path = host / "list"
    FileChange.of(str(path), "new\n", seen="")
    path.write_text("a\nb\n")
    assert FileChange.of(str(path), "a\nb\nc\n", seen="a\nb\n").before["content"] == "a\nb\n"
    for seen in ("", "a\n"):
        with pytest.raises(ChangeError, match="is not what was read of it"):
            FileChange.of(str(path), "a\nc\n", seen=seen)


def test_a_new_file_is_roots_and_goes_with_the_directories_made_for_it(host):
    change = FileChange.of(f"{host}/one/two/new.conf", "x\n", mode=0o600)
    assert change.before is None
    change.write(change.after)
    assert change.read() == change.after == {"content": "x\n", "mode": "0600", "owner": 0, "group": 0}
    assert (host / "one").stat().st_mode & 0o7777 == 0o755
    back = through_a_receipt(change)
    back.write(back.before)
    assert picture(host) == {}


def test_a_directory_that_somebody_else_uses_by_now_stays(host):
    change = FileChange.of(f"{host}/one/new.conf", "x\n")
    change.write(change.after)
    (host / "one" / "other").write_text("theirs")
    through_a_receipt(change).write(None)
    assert list(picture(host)) == ["one", "one/other"]


def test_a_removed_file_comes_back_with_its_attributes(host):
    path = host / "gone.conf"
    path.write_text("text\n")
    path.chmod(0o604)
    os.setxattr(path, "user.note", b"kept")
    before = picture(host)
    change = FileChange.of(str(path), None)
    change.write(change.after)
    assert not path.exists()
    assert change.read() is None
    back = through_a_receipt(change)
    back.write(back.before)
    assert picture(host) == before


def test_a_link_stays_a_link(host):
    (host / "real.conf").write_text("old\n")
    (host / "link.conf").symlink_to("real.conf")
    change = FileChange.of(f"{host}/link.conf", "new\n")
    assert change.target == f"{host}/real.conf"
    change.write(change.after)
    assert (host / "link.conf").is_symlink()
    assert (host / "real.conf").read_text() == "new\n"


def test_what_a_killed_write_left_is_removed(host):
    change = FileChange.of(f"{host}/one/new.conf", "x\n")
    (host / "one").mkdir()
    (host / "one" / ".new.conf.netlink-remediation.tmp").write_text("half")
    through_a_receipt(change).settle()
    assert picture(host) == {}


@pytest.mark.parametrize("name", ["dir", "null"])
def test_what_is_no_regular_file_is_refused(host, name):
    (host / "dir").mkdir()
    (host / "null").symlink_to("/dev/null")
    with pytest.raises(ChangeError, match=r"not a regular file|users other than root"):
        FileChange.of(f"{host}/{name}", "x\n")


def test_the_diff_shows_the_content():
    change = FileChange("/x", None, {"content": "a\n", "mode": "0644", "owner": 0, "group": 0})
    assert (change.render(change.before), change.render(change.after)) == ("", "a\n")


def test_a_name_too_long_to_be_replaced_in_one_step_is_refused_beforehand(host):
    with pytest.raises(ChangeError, match="the name is too long, expected at most"):
        FileChange.of(str(host / ("n" * 240)), "x\n").validate()
    assert list(host.iterdir()) == []


@pytest.mark.parametrize(("owner", "mode"), [(4242, 0o644), (0, 0o666)])
def test_a_file_that_somebody_else_can_write_is_refused(host, owner, mode):
    path = host / "theirs.conf"
    path.write_text("old\n")
    os.chown(path, owner, 0)
    path.chmod(mode)
    with pytest.raises(ChangeError, match=r"belongs to uid 4242|can be written by users other than root"):
        FileChange.of(str(path), "new\n").validate()
