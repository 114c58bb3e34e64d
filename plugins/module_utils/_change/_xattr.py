# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change of a file capability: the extended attribute security.capability, as the bytes that the kernel keeps."""

from __future__ import annotations

import errno
import os
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._path import (
    demand_root_only,
    demand_writable,
    opened_file,
)
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    FILE_CAPABILITY_XATTR,
    FileCapability,
    capability_bit,
    errno_name,
    format_capability_text,
    pack_file_capability,
    parse_file_capability,
)

_REFUSALS = {
    errno.ENOTSUP: "its filesystem keeps no file capabilities",
    errno.EOVERFLOW: "its file capability belongs to a user namespace that is neither this one nor an ancestor of it",
    errno.EINVAL: "its file capability has a form that the kernel does not accept: remove it with setcap -r first",
    errno.EPERM: "the kernel refuses it, which needs CAP_SETFCAP over the filesystem and the file's owner",
    errno.EROFS: "it lies on a read-only mount",
}


class XattrChange(Change):
    """A value is None (no file capability) or {capabilities: canonical text, xattr: the bytes as hex}.

    details: path: of the file, without symbolic links.
    """

    kind = "xattr"

    @classmethod
    def of(cls, path: str, before: Any, after: Any) -> XattrChange:
        """The change of the file capability of a file; path without symbolic links."""
        return cls(f"{path} {FILE_CAPABILITY_XATTR}", before, after, details={"path": path})

    def read(self) -> Any:
        """The file capability as it is now."""
        with opened_file(self.details["path"]) as (handle, _place):
            return read_value(handle, self.details["path"])

    def write(self, value: Any) -> None:
        """Set or remove the attribute. Raises ChangeError."""
        path = self.details["path"]
        with opened_file(path) as (handle, _place):
            demand_root_only(handle, path)
            try:
                if value is not None:
                    os.setxattr(handle, FILE_CAPABILITY_XATTR, bytes.fromhex(value["xattr"]))
                elif read_value(handle, path) is not None:
                    os.removexattr(handle, FILE_CAPABILITY_XATTR)
            except OSError as exc:
                raise _refused(path, exc) from None

    def validate(self) -> list[str]:
        """Raise ChangeError for what the kernel would refuse."""
        path = self.details["path"]
        with opened_file(path) as (handle, _place):
            demand_root_only(handle, path)
            demand_writable(handle, path)
            read_value(handle, path)
        if not own_set("CapEff") >> capability_bit("cap_setfcap") & 1:
            raise ChangeError(
                f"the file capability of {path} cannot be set without CAP_SETFCAP, which this process lacks"
            )
        return []

    def render(self, value: Any) -> str:
        """The path and the capabilities, as getcap(8) writes them."""
        return "" if value is None else f"{self.details['path']} {value['capabilities'] or value['xattr']}\n"


def read_value(handle: int, path: str) -> Optional[dict[str, Any]]:
    """The value of an open file. Raises ChangeError when the kernel does not tell it."""
    try:
        return as_value(os.getxattr(handle, FILE_CAPABILITY_XATTR))
    except OSError as exc:
        if exc.errno == errno.ENODATA:
            return None
        raise _refused(path, exc) from None


def as_value(raw: bytes) -> dict[str, Any]:
    """The value for the bytes of an attribute; capabilities is None where they mean nothing."""
    try:
        return {"capabilities": format_capability_text(parse_file_capability(raw)), "xattr": raw.hex()}
    except ValueError:
        return {"capabilities": None, "xattr": raw.hex()}


def as_capability(value: Any) -> Optional[FileCapability]:
    """What a value means to the kernel; None for no file capability, and for bytes that it ignores."""
    if value is None or value["capabilities"] is None:
        return None
    return parse_file_capability(bytes.fromhex(value["xattr"]))


def to_value(capability: Optional[FileCapability]) -> Any:
    """The value that stores a file capability; None for none, and for one without any flag."""
    if capability is None or not capability.permitted | capability.inheritable:
        return None
    return as_value(pack_file_capability(capability))


def own_set(name: str) -> int:
    """A capability set of this process as a mask, e.g. of "CapEff" or "CapBnd" (proc_pid_status(5))."""
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        return next((int(line.split()[1], 16) for line in file if line.startswith(name + ":")), 0)


def _refused(path: str, exc: OSError) -> ChangeError:
    number = exc.errno or 0
    why = _REFUSALS.get(number, exc.strerror)
    return ChangeError(f"the file capability of {path} cannot be read or set: {why} ({errno_name(number)})")
