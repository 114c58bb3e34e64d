# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where pyroute2 (0.7 to 0.9) comes from on a node: its own, another interpreter's, or the controller's copy.

The order is: the interpreter's own pyroute2; a respawn under an interpreter that has it; the copy that the controller
shipped earlier, kept below kept_directory(); the archive that it ships now. The controller ships only after the module
said with `pyroute2_missing: true` in its result that the node has none. The import costs 0.2 s: call only when needed.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib
import io
import os
import pwd
import re
import shutil
import stat
import sys
import tempfile
import traceback
import zipfile
from types import ModuleType
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:  # readers use load_pyroute2() without Ansible
    from ansible.module_utils.basic import AnsibleModule

# Options of every module that may need pyroute2; the second one is set by the action plugin only.
PYROUTE2_ARGUMENTS: dict[str, Any] = {
    "ship_pyroute2": {"type": "bool", "default": True},
    "_pyroute2_path": {"type": "path"},
}
INTERPRETERS = ("/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3")
_ARCHIVE = re.compile(r"pyroute2-([0-9a-f]{64})\.zip$")
_KEPT = re.compile(r"pyroute2-[0-9a-f]{64}$")


def kept_directory() -> str:
    """Directory for the shipped copies: below /var/lib for root, else in the home directory of the effective user."""
    if os.geteuid() == 0:
        return "/var/lib/netlink-remediation"
    return os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, ".cache", "netlink-remediation")


def load_pyroute2(path: Optional[str] = None, *, kept: bool = True, keep: bool = True) -> Optional[ModuleType]:
    """The pyroute2 module, or None when this interpreter has none and no shipped copy is at hand. Never respawns.

    path: archive that the action plugin transferred (option `_pyroute2_path`); its name carries its SHA-256, which is
    checked. kept: may use a copy shipped earlier. keep: may keep the archive's content for the next time.
    Raises ValueError with one sentence for an archive that is not what its name says.
    """
    module = _import()
    if module is None and kept:
        module = _import_from(_kept_copy())
    if module is None and path:
        module = _import_from(_unpack(path, keep))
    return module


def require_pyroute2(module: AnsibleModule) -> ModuleType:
    """pyroute2 for a module that cannot work without it; respawns where that helps, else ends the module.

    The result then has `pyroute2_missing: true`, on which the action plugin ships the controller's copy.
    """
    from ansible.module_utils.basic import missing_required_lib

    found = _import()
    if found is None:
        _respawn()
        try:
            found = load_module_pyroute2(module)
        except ValueError as error:
            module.fail_json(msg=str(error))
    if found is not None:
        return found
    name, purpose = "pyroute2 (0.7 to 0.9)", "to read and set links"
    text = missing_required_lib(name, reason=purpose, url="https://pyroute2.org")
    module.fail_json(msg=text, pyroute2_missing=True, exception=_failure())
    raise AssertionError("fail_json does not return")


def load_module_pyroute2(module: AnsibleModule) -> Optional[ModuleType]:
    """load_pyroute2() as the options of PYROUTE2_ARGUMENTS say; in check mode nothing is kept on the node."""
    ships = bool(module.params["ship_pyroute2"])
    path = module.params.get("_pyroute2_path") if ships else None
    return load_pyroute2(path, kept=ships, keep=not module.check_mode)


def _respawn() -> None:
    from ansible.module_utils.common import respawn

    if respawn.has_respawned():
        return
    mine = os.path.realpath(sys.executable)
    # A virtual environment's interpreter is a link to one of these without being the same: compare the prefix as well.
    others = [path for path in INTERPRETERS if os.path.realpath(path) != mine or sys.prefix != sys.base_prefix]
    interpreter = respawn.probe_interpreters_for_module(others, "pyroute2")
    if interpreter:
        respawn.respawn_module(interpreter)


def _import() -> Optional[ModuleType]:
    # A pyroute2 too old for this Python fails with other errors than ImportError: it is as good as none.
    try:
        module = importlib.import_module("pyroute2")
    except Exception:  # pylint: disable=broad-except
        return None
    return module if hasattr(module, "IPRoute") else None


def _failure() -> str:
    try:
        importlib.import_module("pyroute2")
    except Exception:  # pylint: disable=broad-except
        return traceback.format_exc()
    return "the module pyroute2 has no IPRoute"


def _import_from(directory: Optional[str]) -> Optional[ModuleType]:
    if directory is None:
        return None
    for name in [name for name in sys.modules if name == "pyroute2" or name.startswith("pyroute2.")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    sys.path.insert(0, directory)
    module = _import()
    if module is None:
        sys.path.remove(directory)
    return module


def _only_mine(path: str) -> bool:
    """Whether a directory exists that belongs to us (or root) and that nobody else can write, links not followed."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o022


def _kept_copy() -> Optional[str]:
    """The newest copy that was shipped earlier."""
    base = kept_directory()
    if not _only_mine(base):
        return None
    copies = [os.path.join(base, name) for name in os.listdir(base) if _KEPT.match(name)]
    copies = [path for path in copies if _only_mine(path)]
    return max(copies, key=os.path.getmtime, default=None)


def _unpack(path: str, keep: bool) -> str:
    """Check the archive against the hash in its name and unpack it; returns the directory that holds the package."""
    match = _ARCHIVE.search(path)
    if not match:
        raise ValueError(f"_pyroute2_path {path!r}: expected a file named pyroute2-SHA256.zip")
    with open(path, "rb") as stream:
        content = stream.read()
    if hashlib.sha256(content).hexdigest() != match[1]:
        raise ValueError(f"the pyroute2 archive {path!r} does not have the SHA-256 in its name, it is not used")
    base = kept_directory() if keep else tempfile.gettempdir()
    if keep:
        os.makedirs(base, mode=0o700, exist_ok=True)
        if not _only_mine(base):
            raise ValueError(f"{base!r} can be written by others than its owner, pyroute2 is not kept there")
    fresh = tempfile.mkdtemp(prefix=".pyroute2-", dir=base)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(fresh)
        if not keep:
            return _delete_at_exit(fresh)
        kept = os.path.join(base, f"pyroute2-{match[1]}")
        if not os.path.isdir(kept):
            os.rename(fresh, kept)
            return kept
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    shutil.rmtree(fresh, ignore_errors=True)
    return kept


def _delete_at_exit(directory: str) -> str:

    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
