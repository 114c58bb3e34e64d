# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action that runs the module of the same name and brings pyroute2 to a node that has none."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import io
import zipfile
from typing import Any, Optional

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()


class ShippingActionModule(ActionBase):
    """Controller half of the modules that may need pyroute2.

    The module runs as it is. Only if its result has `pyroute2_missing`, the controller's copy is transferred and the
    module runs once more. Asynchronous tasks are not repeated: the first result is not known here.
    """

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Run the module, twice if pyroute2 has to be shipped."""
        result = super().run(tmp, task_vars)
        asynchronous = bool(self._task.async_val)
        answer = self._execute_module(task_vars=task_vars, wrap_async=asynchronous)
        if answer.get("pyroute2_missing") and not asynchronous and self._may_ship():
            archive = pack_pyroute2()
            if archive is None:
                display.warning("pyroute2 is missing on the node and on the controller: install it on one of them")
            else:
                answer = self._run_with(archive, task_vars)
        answer.pop("pyroute2_missing", None)
        result.update(answer)
        return result

    def _may_ship(self) -> bool:
        from ansible.module_utils.parsing.convert_bool import boolean

        return bool(boolean(self._task.args.get("ship_pyroute2", True), strict=False))

    def _run_with(self, archive: bytes, task_vars: Any) -> dict[str, Any]:
        shell = self._connection._shell
        if not shell.tmpdir:
            self._make_tmp_path()
        remote = shell.join_path(shell.tmpdir, f"pyroute2-{hashlib.sha256(archive).hexdigest()}.zip")
        display.vv(f"shipping pyroute2 to {remote}")
        self._transfer_data(remote, archive)
        self._fixup_perms2((shell.tmpdir, remote))
        arguments = {**self._task.args, "_pyroute2_path": remote}
        try:
            return self._execute_module(module_args=arguments, task_vars=task_vars)
        finally:
            self._remove_tmp_path(shell.tmpdir)


@functools.lru_cache(maxsize=1)
def pack_pyroute2() -> Optional[bytes]:
    """The controller's pyroute2 as a zip archive of its Python files, the same bytes each time; None: it has none."""
    try:
        files = importlib.metadata.distribution("pyroute2").files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    sources = sorted((path for path in files if path.suffix == ".py" and path.parts[0] == "pyroute2"), key=str)
    if not sources:
        return None
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sources:
            archive.writestr(zipfile.ZipInfo(str(path)), path.locate().read_bytes(), zipfile.ZIP_DEFLATED)
    return stream.getvalue()
