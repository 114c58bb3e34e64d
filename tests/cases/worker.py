# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules of the collection on request: one JSON line [name, parameters] in, one JSON line (the result) out.

Each call is a forked child, so that a module may do what it likes to its process; the imports are paid once.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import traceback

MODULES = "ansible_collections.netlink.remediation.plugins.modules."


def call(name: str, parameters: dict[str, object]) -> str:
    from ansible.module_utils.testing import patch_module_args

    captured = io.StringIO()
    sys.stdout = captured
    try:
        with patch_module_args(parameters):
            importlib.import_module(MODULES + name).main()
    except SystemExit:
        pass
    except BaseException:
        return json.dumps({"failed": True, "crashed": True, "msg": traceback.format_exc()})
    return captured.getvalue().strip().splitlines()[-1]


def main() -> None:
    for line in sys.stdin:
        name, parameters = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            with os.fdopen(writer, "w") as pipe:
                pipe.write(call(name, parameters))
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            result = pipe.read()
        os.waitpid(child, 0)
        print(result, flush=True)


if __name__ == "__main__":
    main()
