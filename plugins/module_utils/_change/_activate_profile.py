# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load AppArmor profiles as their files are now, in the mode that they have, and unload those whose file is gone.

A profile is always replaced (-r), never unloaded and loaded: a task whose profile was unloaded stays unconfined. The
cache is never read (-T): apparmor_parser takes what it cached when a file in local/ is removed, for it only compares
the time of the newest file there is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import one_line
from ansible_collections.netlink.remediation.plugins.module_utils._commands import NO_PROGRAM, TIMED_OUT, run
from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import (
    DIRECTORY,
    Definition,
    Library,
    loaded_modes,
)

PARSER = "apparmor_parser"
LOAD_SECONDS = 120  # Large profiles take several seconds on a slow machine.
_KERNEL = "/sys/kernel/security/apparmor"
_MODES = ("enforce", "complain", "kill", "prompt", "unconfined")


def load_profiles(details: Mapping[str, Any]) -> None:
    """Let the kernel have the profiles of the file details["source"] as it is now. Raises ChangeError.

    details["profile"]: that one is loaded with it, and unloaded when the file is gone. Otherwise nothing is loaded
    where nothing was: neither profiles that are disabled, nor those that somebody unloaded.
    """
    before = loaded_modes([])
    if before is None:
        return  # Without AppArmor, or in another boot: whoever boots with it reads the files then.
    source, new = details["source"], details.get("profile")
    if not os.path.exists(source):
        if new in before:
            unload(new)
        _forget(source)
        return
    library = Library([])
    definitions = library.definitions(source)
    names = [one.profile.name for one in definitions]
    if any(one.profile.disabled for one in definitions) or not (new or any(name in before for name in names)):
        return
    _load(source, mode_options(definitions, before))
    after = loaded_modes([]) or {}
    if new and new not in after:
        raise ChangeError(f"{source} was loaded, and the kernel has no profile {new} all the same")
    for name in names:
        if before.get(name, after.get(name)) != after.get(name):
            found = after.get(name, "not loaded")
            raise ChangeError(f"profile {name} is {found} after loading {source}, and was in mode {before[name]}")
        if name in after and name not in before and name != new and "//" not in name:
            unload(name)


def _load(source: str, options: Sequence[str]) -> None:
    words = [PARSER, "--replace", "--skip-read-cache", "--write-cache", *options, "--", source]
    code, out, err = run(words, timeout=LOAD_SECONDS)
    if code:
        raise ChangeError(f"{source} could not be loaded: {one_line(err or out)}")


def mode_options(definitions: Sequence[Definition], loaded: Mapping[str, str]) -> list[str]:
    """Options with which the profiles of one file keep the modes that they are loaded in.

    Raises ChangeError where loading them as their text says would alter one.
    """
    differ = []
    for one in definitions:
        mode, now = _mode_of(one), loaded.get(one.profile.name)
        if now in _MODES and mode is not None and now != mode:
            differ.append((one.profile.name, now, mode))
    if not differ:
        return []
    known = {loaded[one.profile.name] for one in definitions if one.profile.name in loaded}
    if known == {"complain"}:
        return ["--Complain"]  # As "apparmor_parser -C" or the boot of an earlier text left them.
    name, now, mode = differ[0]
    raise ChangeError(
        f"profile {name} is loaded in mode {now}, and its text says {mode}: loading it would alter that, so do it first"
    )


def _mode_of(definition: Definition) -> Optional[str]:
    """The mode that the text of a profile gives it, None when that is not known."""
    name = os.path.basename(definition.source)
    if os.path.lexists(f"{os.path.dirname(definition.source)}/force-complain/{name}"):
        return "complain"
    flags = [flag for flag in definition.profile.flags if flag in (*_MODES, "default_allow")]
    if "default_allow" in flags or len(flags) > 1:
        return None
    return flags[0] if flags else "enforce"


def unload(name: str) -> None:
    """Take a profile out of the kernel, with those nested in it. Raises ChangeError."""
    try:
        with open(f"{_KERNEL}/.remove", "wb", buffering=0) as file:
            file.write(name.encode("utf-8", "surrogateescape"))
    except OSError as exc:
        raise ChangeError(f"profile {name} could not be unloaded: {exc.strerror}") from None


def _forget(source: str) -> None:
    """Remove what the parser cached of a file that is gone: an older file of that name would be taken for it."""
    code, out, _err = run([PARSER, "--print-cache-dir"])
    directory = out.strip()
    if code == 0 and directory.startswith("/") and "\n" not in directory:
        try:
            os.unlink(f"{directory}/{os.path.basename(source)}")
        except OSError:
            pass  # There is none.


def loaded_at(name: str) -> Optional[int]:
    """When the kernel got a profile, in nanoseconds since the epoch; None when it has none or does not tell."""
    top, places = name.partition("//")[0], f"{_KERNEL}/policy/profiles"
    try:
        for entry in os.scandir(places):
            with open(f"{entry.path}/name", encoding="utf-8", errors="surrogateescape") as file:
                if file.read().rstrip("\n") == top:
                    # Of the directory, whose time is brought up to date also when the same policy is loaded once more.
                    # Resolved by the kernel: policy/ is a link that leads into a filesystem of its own.
                    link = os.readlink(f"{entry.path}/raw_data")
                    return os.stat(f"{entry.path}/{os.path.dirname(link)}").st_mtime_ns
    except OSError:
        pass
    return None


def identify_profile(details: Mapping[str, Any]) -> Optional[str]:
    """What tells this load of details["name"] from the next one, None when it is not loaded."""
    moment = loaded_at(details["name"])
    return None if moment is None else str(moment)


def try_policy(source: str, texts: Mapping[str, Optional[str]], place: str) -> None:
    """Let the parser compile a file as it will be, with other files as they will be, from a copy. Loads nothing.

    texts: what is not written yet, by path below DIRECTORY; None for what is removed. place: an empty directory.
    Raises ChangeError with what the parser says.
    """
    _mirror(DIRECTORY, place, texts)
    words = [PARSER, "--skip-kernel-load", "--skip-cache", "--base", place, "--", place + source[len(DIRECTORY) :]]
    code, out, err = run(words, timeout=LOAD_SECONDS)
    if code == NO_PROGRAM:
        raise ChangeError(f"there is no {PARSER} on this host, which has to check and load profiles: install apparmor")
    if code == TIMED_OUT:
        raise ChangeError(f"{PARSER} did not come to an end with {source} within {LOAD_SECONDS} seconds")
    if code:
        raise ChangeError(f"{PARSER} does not accept {source}: {one_line(err or out).replace(place, DIRECTORY)}")


def _mirror(directory: str, place: str, texts: Mapping[str, Optional[str]]) -> None:
    """Links to everything in a directory, and files of their own in the place of what is another one in `texts`.

    disable/ and force-complain/ are left out: what lies there is to be checked as well.
    """
    below = {path[len(directory) + 1 :].partition("/")[0] for path in texts if path.startswith(f"{directory}/")}
    names = set(os.listdir(directory)) if os.path.isdir(directory) else set()
    for name in sorted((names | below) - {"disable", "force-complain"}):
        path, copy = f"{directory}/{name}", f"{place}/{name}"
        if path in texts:
            text = texts[path]
            if text is not None:
                with open(copy, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                    file.write(text)
        elif name in below:
            os.mkdir(copy)
            _mirror(path, copy, texts)
        else:
            os.symlink(path, copy)
