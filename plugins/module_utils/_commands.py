# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tools that own a format or a daemon: as lists of words, never through a shell, with an end to the waiting."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Optional

from ansible.module_utils.basic import AnsibleModule

NO_PROGRAM, TIMED_OUT = 127, 124
_KILL_AFTER = 5
_DIRECTORIES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_module: Optional[AnsibleModule] = None


def use(module: AnsibleModule) -> None:
    """Commands are run by this module from here on; to be called once, before the first run()."""
    global _module
    _module = module


def find(name: str) -> Optional[str]:
    """Where run() finds a program, None when it does not."""
    return shutil.which(name, path=_path())


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:{_DIRECTORIES}".strip(":")


def run(
    words: Sequence[str], *, timeout: int = 60, stdin: Optional[str] = None, cwd: Optional[str] = None
) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a command. Never raises for what the command does.

    127: there is no such program. 124: it was ended after `timeout` seconds, and with it what it started. Without
    `stdin` it reads nothing: the module's own input may be the program text of Ansible, or a terminal.
    """
    if _module is None:
        raise RuntimeError("use() was not called")
    path = _path()
    program = find(words[0])
    if program is None:
        return NO_PROGRAM, "", f"there is no program {words[0]}"
    if cwd is not None and not os.path.isdir(cwd):
        return 1, "", f"{cwd} is no directory"
    guard = shutil.which("timeout", path=path)
    command = [guard, "-k", str(_KILL_AFTER), str(timeout)] if guard else []
    begun = time.monotonic()
    try:
        with _no_input():
            code, out, err = _module.run_command(
                [*command, program, *words[1:]],
                data=stdin.encode("utf-8", "surrogateescape") if stdin else None,
                binary_data=True,
                cwd=cwd,
                environ_update={"PATH": path, "LC_ALL": "C", "LANGUAGE": "C"},
                expand_user_and_vars=False,
                handle_exceptions=False,
            )
    except OSError as exc:
        return NO_PROGRAM, "", f"{words[0]} cannot be run: {exc.strerror}"
    # timeout(1) says 124 after its SIGTERM, and dies of the SIGKILL that it sends to those who did not listen.
    if code in (TIMED_OUT, 137, -9) and time.monotonic() - begun >= timeout:
        return TIMED_OUT, out, err or f"{words[0]} did not end within {timeout} seconds"
    return code, out, err


@contextmanager
def _no_input() -> Iterator[None]:
    """Standard input is /dev/null: run_command passes on that of the module, and cannot be told otherwise."""
    kept = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.dup2(null, 0)
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(null)
