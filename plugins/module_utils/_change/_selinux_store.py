# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stored SELinux policy of a host: what it is made of, read without a tool; and semodule(8), which owns it.

Layout: libsemanage's store /var/lib/selinux/NAME/active (semanage_store.c), files in /etc/selinux/NAME.
"""

from __future__ import annotations

import bz2
import glob
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import one_line
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_wish import (
    MODULE,
    render_permissive,
)
from ansible_collections.netlink.remediation.plugins.module_utils._commands import run
from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name

STORES = "/var/lib/selinux"
CONFIGURATION = "/etc/selinux"
PRIORITY = "400"  # What semodule(8) gives to modules of the administrator.
SECONDS = 300  # A whole policy is compiled: 7 s on a server, a minute on something slow.
_SCRATCH = "/var/tmp"  # A store is tens of megabytes: more than a /tmp in memory may hold.
_PREFIX = "netlink-remediation-"
_LONGEST_RUN = 4 * SECONDS  # No run has its directory for longer.
_MOST_TEXT = 4_000_000
_NEVERALLOW = "neverallow check failed"
_BOOLEAN = re.compile(rb"^[ \t]*\(boolean (\w+) (true|false)\)", re.MULTILINE)
_EXPAND_CHECK = re.compile(r"^\s*expand-check\s*=.*$", re.MULTILINE)


def policy_name() -> str:
    """Name of the policy (SELINUXTYPE in /etc/selinux/config). Raises ChangeError where there is none."""
    try:
        with open(f"{CONFIGURATION}/config", encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file]
    except OSError as exc:
        raise ChangeError(f"{CONFIGURATION}/config cannot be read: {errno_name(exc.errno or 0)}") from None
    names = [line.partition("=")[2].strip() for line in lines if line.startswith("SELINUXTYPE=")]
    if not names or not re.fullmatch(r"[\w.-]+", names[-1]):
        raise ChangeError(f"{CONFIGURATION}/config names no policy (SELINUXTYPE=)")
    return names[-1]


def active() -> str:
    """Where the stored policy lies. Raises ChangeError where it does not."""
    path = f"{STORES}/{policy_name()}/active"
    if not os.path.isdir(f"{path}/modules"):
        raise ChangeError(f"{path} holds no policy modules: reinstall the policy package of this host")
    return path


def read_module() -> Optional[str]:
    """The text of our policy module as it is installed, None when it is not. Raises ChangeError."""
    path = f"{active()}/modules/{PRIORITY}/{MODULE}/cil"
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_TEXT)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ChangeError(f"{path} cannot be read: {errno_name(exc.errno or 0)}") from None
    return _plain(path, data).decode("utf-8", "surrogateescape")


def _plain(path: str, data: bytes) -> bytes:
    """Modules are stored compressed, unless semanage.conf says otherwise (bzip-blocksize=0)."""
    if not data.startswith(b"BZh"):
        return data
    try:
        return bz2.BZ2Decompressor().decompress(data, max_length=64 * _MOST_TEXT)
    except (OSError, ValueError, EOFError) as exc:
        raise ChangeError(f"{path} is no policy module that can be read: {exc}") from None


def local_lines(name: str) -> list[list[str]]:
    """The words of each line of a file in which the store keeps what is the host's own, such as booleans.local."""
    try:
        with open(f"{active()}/{name}", encoding="utf-8", errors="surrogateescape") as file:
            return [line.split() for line in file if line.strip() and not line.lstrip().startswith("#")]
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise ChangeError(f"{active()}/{name} cannot be read: {errno_name(exc.errno or 0)}") from None


def stored_booleans(names: Collection[str]) -> dict[str, bool]:
    """Values after the next boot: the host's own, else what the policy's modules declare. Without those not in it."""
    found: dict[str, bool] = {}
    for words in local_lines("booleans.local"):
        name, _equals, value = "".join(words).partition("=")
        if name in names:
            found[name] = value.lower() in ("1", "true")
    # Of a module that is there twice, the one with the higher priority counts.
    for path in sorted(glob.glob(f"{active()}/modules/[0-9]*/*/cil"), reverse=True):
        if found.keys() >= set(names):
            break
        with open(path, "rb") as file:
            text = _plain(path, file.read())
        for match in _BOOLEAN.finditer(text):
            if match[1].decode() in names:
                found.setdefault(match[1].decode(), match[2] == b"true")
    return found


# --- semodule ---------------------------------------------------------------------------------------------------------


def install(text: Optional[str]) -> None:
    """Install our policy module, or remove it, and load the policy. Raises ChangeError: then nothing has changed."""
    with _scratch() as place:
        words = _words(place, text)
        complaint = _semodule(words) if words else None
    if complaint is not None:
        raise _refused(complaint)


def build(text: Optional[str], permissive: Collection[str], *, strict: bool) -> tuple[bytes, list[str]]:
    """Compile the whole policy of this host beside it, with our module as this text and further domains permissive.

    Returns the policy as the kernel loads it, and sentences on what could not be tried. strict: neverallow rules count
    as well, which semodule looks at only where semanage.conf has expand-check=1. Raises ChangeError when semodule does
    not accept it.
    """
    with _scratch() as place:
        words = _words(place, text)
        if permissive:
            words += ["-X", PRIORITY, "-i", _put(place, f"{MODULE}_permissive", render_permissive(permissive))]
        command = ["-p", place, "-n", *(words or ["-B"])]
        said: list[str] = []
        _copy_policy(place)
        if strict:
            _set_check(place, on=True)
        complaint = _semodule(command)
        if strict and complaint and _NEVERALLOW in complaint:
            ours = about_us(complaint)
            if ours:
                raise ChangeError(f"a neverallow rule of the policy forbids it: {one_line(ours.replace(place, ''))}")
            said = ["whether a neverallow rule forbids it, since the policy of this host violates such rules itself"]
            _set_check(place, on=False)
            complaint = _semodule(command)
        if complaint is not None:
            raise _refused(complaint.replace(place, ""))
        return _compiled(place), said


@contextmanager
def _scratch() -> Iterator[str]:
    """A directory for a while. What cannot be written there is a ChangeError."""
    try:
        _tidy()
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_SCRATCH) as place:
            yield place
    except OSError as exc:
        raise ChangeError(f"the policy cannot be compiled in {_SCRATCH}: {exc!s:.300}") from None


def _tidy() -> None:
    """Remove what runs that were killed have left. Raises OSError."""
    for entry in os.scandir(_SCRATCH):
        if not entry.name.startswith(_PREFIX):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # Another run has just ended.
        if stat.S_ISDIR(status.st_mode) and status.st_uid == 0 and time.time() - status.st_mtime > _LONGEST_RUN:
            shutil.rmtree(entry.path, ignore_errors=True)


def _words(place: str, text: Optional[str]) -> list[str]:
    """The arguments that bring our policy module to a text. place: a directory for the file that semodule reads."""
    if text is not None:
        return ["-X", PRIORITY, "-i", _put(place, MODULE, text)]
    return [] if read_module() is None else ["-X", PRIORITY, "-r", MODULE]


def _put(place: str, name: str, text: str) -> str:
    """semodule names the module after its file."""
    path = f"{place}/{name}.cil"
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    return path


def _semodule(words: Sequence[str]) -> Optional[str]:
    """What it complains about, None when it did what it was to do."""
    code, out, err = run(["semodule", *words], timeout=SECONDS)
    # What it says of users of the policy that this host does not have, it says each time.
    said = [line for line in (out + err).splitlines() if "libsemanage.add_user" not in line]
    return "\n".join(said) or f"exit code {code}" if code else None


def _refused(complaint: str) -> ChangeError:
    return ChangeError(f"semodule does not accept the policy module {MODULE}: {one_line(complaint)}")


def about_us(complaint: str) -> str:
    """Of what semodule says of violated neverallow rules, in paragraphs, those that name our policy module."""
    return "\n".join(part for part in complaint.split("\n\n") if f"/{MODULE}/cil:" in part)


def _compiled(place: str) -> bytes:
    paths = glob.glob(f"{place}{CONFIGURATION}/{policy_name()}/policy/policy.*")
    if len(paths) != 1:
        raise ChangeError(f"semodule compiled {len(paths)} policies where one was expected")
    with open(paths[0], "rb") as file:
        return file.read()


def _copy_policy(place: str) -> None:
    """The store, and the files that semodule needs beside it; not those that it makes anew. With their labels: its
    domain may write where those are, and nowhere else.
    """
    name = policy_name()
    shutil.copytree(f"{STORES}/{name}", f"{place}{STORES}/{name}", symlinks=True)
    made_anew = shutil.ignore_patterns("policy.*", "*.bin")
    shutil.copytree(f"{CONFIGURATION}/{name}", f"{place}{CONFIGURATION}/{name}", symlinks=True, ignore=made_anew)
    for file in ("config", "semanage.conf"):
        if os.path.exists(f"{CONFIGURATION}/{file}"):
            shutil.copy2(f"{CONFIGURATION}/{file}", f"{place}{CONFIGURATION}/{file}")
    for folder in (STORES, CONFIGURATION):
        shutil.copystat(folder, f"{place}{folder}")


def _set_check(place: str, *, on: bool) -> None:
    """Whether semodule looks at neverallow rules, in the copy of semanage.conf."""
    path = f"{place}{CONFIGURATION}/semanage.conf"
    with open(path, "a+", encoding="utf-8", errors="surrogateescape") as file:
        file.seek(0)
        text = with_check(file.read(), on=on)
        file.seek(0)
        file.truncate()
        file.write(text)


def with_check(text: str, *, on: bool) -> str:
    """A semanage.conf(5) with expand-check set."""
    line = f"expand-check={int(on)}"
    changed, times = _EXPAND_CHECK.subn(line, text)
    # Before the sections, whose lines begin with [ and which have no such key.
    return changed if times else f"{line}\n{text}"
