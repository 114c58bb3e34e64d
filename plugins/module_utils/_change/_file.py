# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change of a whole file: written, replaced in one step, or removed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from typing import Any, Callable, Optional, TypeVar

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import daemon_reload
from ansible_collections.netlink.remediation.plugins.module_utils._change._path import (
    TEMPORARY,
    Place,
    demand_root_only,
    demand_writable,
    mount_id,
    opened_file,
    reach,
    remove_file,
    replace_file,
)
from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name

# Checksums that the kernel makes of a file's own content and identity: a copy of them would be wrong.
_NOT_COPIED = ("security.ima", "security.evm")


def _load_profiles(details: Mapping[str, Any]) -> None:
    # Imported here: it brings the reader of profiles along, which no other file needs.
    from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_profile import load_profiles

    load_profiles(details)


# What is run after a file was written, by the name in details["then"]. It takes the details, and raises ChangeError.
THEN: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "daemon_reload": lambda _details: daemon_reload(),
    "load_profiles": _load_profiles,
}

FileType = TypeVar("FileType", bound="FileChange")


class FileChange(Change):
    """A value is None (no such file) or {content: text (undecodable bytes as surrogates), mode: "0644", owner: uid,
    group: gid}. Extended attributes (SELinux label, ACL) stay those of the file that is replaced.

    details: xattrs: those of the file as it was, as hex, to give them back to one that was removed; directories: those
    that are made for the file, and removed again with it when nothing else lies in them; then: key of THEN, for what
    has to be told that the file is another one, after a revert too.
    """

    kind = "file"
    _told = False

    @classmethod
    def of(
        cls: type[FileType],
        path: str,
        content: Optional[str],
        *,
        mode: int = 0o644,
        workloads: Iterable[str] = (),
        disrupts: Iterable[str] = (),
        then: Optional[str] = None,
        seen: Optional[str] = None,
    ) -> FileType:
        """The change that gives a file this content; None removes it. mode: of a new file, others keep their own.

        Owner and group of a new file are root. then: what is run after each write, see THEN. seen: the text from which
        the content was made, "" for no file. Raises ChangeError for a path that is not root's alone to change, and for
        a file that holds something else than what was seen, which would be lost.
        """
        with reach(path) as place:
            before, xattrs = _read(place)
            if seen is not None and seen != (before["content"] if before else ""):
                raise ChangeError(f"{path} is not what was read of it: somebody changes it now, or it is too long")
            after: Optional[dict[str, Any]] = None
            if content is not None:
                new = {"mode": f"{mode:04o}", "owner": 0, "group": 0}
                after = {**(before or new), "content": content}
            details = {"xattrs": xattrs, "directories": place.missing, **({"then": then} if then else {})}
            return cls(place.path, before, after, workloads=workloads, disrupts=disrupts, details=details)

    def read(self) -> Any:
        """The file as it is now."""
        with reach(self.target) as place:
            return _read(place)[0]

    def write(self, value: Any) -> None:
        """Replace, create or remove the file, and tell who has to know. Raises ChangeError."""
        self._told = False
        self._put(value)
        self._tell()

    def _tell(self) -> None:
        if "then" in self.details:
            THEN[self.details["then"]](self.details)
        self._told = True

    def _put(self, value: Any) -> None:
        try:
            with reach(self.target) as place:
                if value is None:
                    self._remove(place)
                    return
                before, xattrs = _read(place)
                xattrs = xattrs if before else self.details["xattrs"]
                place.make_directories()
                replace_file(
                    place.directory,
                    place.name,
                    value["content"].encode("utf-8", "surrogateescape"),
                    mode=int(value["mode"], 8),
                    owner=value["owner"],
                    group=value["group"],
                    xattrs={name: bytes.fromhex(text) for name, text in xattrs.items() if name not in _NOT_COPIED},
                )
        except OSError as exc:
            raise ChangeError(
                f"{self.target} cannot be written: {exc.strerror} ({errno_name(exc.errno or 0)})"
            ) from exc

    def _remove(self, place: Place) -> None:
        if not place.missing:
            remove_file(place.directory, place.name)
            remove_file(place.directory, f".{place.name}{TEMPORARY}")
            os.fsync(place.directory)
        directory = os.path.dirname(self.target)
        for _made in self.details["directories"]:
            try:
                os.rmdir(directory)
            except FileNotFoundError:
                pass
            except OSError:
                break  # Something else lies in it by now.
            directory = os.path.dirname(directory)

    def settle(self) -> None:
        """Remove the temporary file, and directories that were made for a file that did not come.

        The write that was killed may not have come to telling who has to know.
        """
        with reach(self.target) as place:
            if place.status() is None:
                self._remove(place)
            else:
                remove_file(place.directory, f".{place.name}{TEMPORARY}")
        if not self._told:
            self._tell()

    def validate(self) -> list[str]:
        """Raise ChangeError for a file of somebody else, or one that is read-only, immutable or a mount of its own."""
        with reach(self.target) as place:
            demand_writable(place.directory, os.path.dirname(self.target))
            longest = os.fstatvfs(place.directory).f_namemax - len(f".{TEMPORARY}")
            if len(os.fsencode(place.name)) > longest:
                raise ChangeError(f"{self.target}: the name is too long, expected at most {longest} bytes")
            if place.status() is not None:
                with opened_file(self.target) as (handle, _place):
                    demand_root_only(handle, self.target)
                    demand_writable(handle, self.target)
                    if mount_id(handle) != mount_id(place.directory):
                        raise ChangeError(f"{self.target} is a mount of its own, so it cannot be replaced in one step")
        return []

    def render(self, value: Any) -> str:
        """The content, below a line with mode and owner where the change alters these."""
        if value is None:
            return ""
        other = self.after if value == self.before else self.before
        names = ("mode", "owner", "group")
        head = ""
        if other is not None and any(value[name] != other[name] for name in names):
            head = " ".join(f"{name}={value[name]}" for name in names) + "\n"
        return head + str(value["content"])


def _read(place: Place) -> tuple[Optional[dict[str, Any]], dict[str, str]]:
    """(value, extended attributes as hex) of the file in a place. Raises ChangeError for what is no regular file."""
    if place.status() is None:
        return None, {}
    with opened_file(place.path) as (handle, _place):
        status = os.fstat(handle)
        with os.fdopen(handle, "rb", closefd=False) as file:
            content = file.read().decode("utf-8", "surrogateescape")
        value = {
            "content": content,
            "mode": f"{stat.S_IMODE(status.st_mode):04o}",
            "owner": status.st_uid,
            "group": status.st_gid,
        }
        return value, _xattrs(handle)


def _xattrs(handle: int) -> dict[str, str]:
    try:
        return {name: os.getxattr(handle, name).hex() for name in sorted(os.listxattr(handle))}
    except OSError:
        return {}  # A filesystem without extended attributes.
