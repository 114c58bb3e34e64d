# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of single values of SELinux: a boolean, the rule that labels a path, and the label of a file.

None of them compiles the policy: setsebool and semanage take a second or two, a label is one system call.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import one_line
from ansible_collections.netlink.remediation.plugins.module_utils._change._path import (
    demand_root_only,
    demand_writable,
    mount_id,
    opened_file,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_store import (
    CONFIGURATION,
    SECONDS,
    local_lines,
    policy_name,
    stored_booleans,
)
from ansible_collections.netlink.remediation.plugins.module_utils._commands import run
from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._libselinux import Library
from ansible_collections.netlink.remediation.plugins.module_utils._observe._policy import Policy
from ansible_collections.netlink.remediation.plugins.module_utils._observe._selinuxfs import (
    SELINUXFS,
    boolean,
    context_with,
    is_enforcing,
    own_context,
)
from ansible_collections.netlink.remediation.plugins.module_utils._selinux import type_of

LABEL_XATTR = "security.selinux"
_RULES = "file_contexts.local"
_SPECIAL = re.compile(r"([.^$*+?()\[\]{}|\\])")  # What means something in a regular expression (pcre2pattern(3)).


class SelinuxBooleanChange(Change):
    """target: the name. A value is {running: in force, stored: after the next boot}, both true or false.

    A revert leaves what was stored before. Where that was the policy's default, the store holds it as the host's own
    value from then on: setsebool(8) has no way to forget one.
    """

    kind = "selinux_boolean"

    def read(self) -> Any:
        """Both values."""
        running = boolean(self.target)
        stored = stored_booleans([self.target])
        if running is None or self.target not in stored:
            raise ChangeError(f"the policy of this host has no boolean {self.target} any more")
        return {"running": running, "stored": stored[self.target]}

    def write(self, value: Any) -> None:
        """setsebool -P sets both; the one in force may be to differ."""
        if self.read()["stored"] != value["stored"]:
            code, out, err = run(["setsebool", "-P", f"{self.target}={int(value['stored'])}"], timeout=SECONDS)
            if code:
                raise ChangeError(f"the boolean {self.target} cannot be stored: {one_line(out + err)}")
        if boolean(self.target) != value["running"]:
            _switch(self.target, value["running"])

    def interrupted(self, current: Any) -> bool:
        """One of the two may be written."""
        return all(current[name] in (self.before[name], self.after[name]) for name in self.before)

    def render(self, value: Any) -> str:
        """Both values as words."""
        words = {True: "on", False: "off"}
        return f"{self.target} is {words[value['running']]}, stored as {words[value['stored']]}\n"


def _switch(name: str, value: bool) -> None:
    """Set a boolean in force: it is written, and taken over with all that are pending."""
    try:
        for file, text in ((f"booleans/{name}", str(int(value))), ("commit_pending_bools", "1")):
            with open(f"{SELINUXFS}/{file}", "w", encoding="ascii") as handle:
                handle.write(text)
    except OSError as exc:
        raise ChangeError(f"the boolean {name} cannot be set: {exc.strerror} ({errno_name(exc.errno or 0)})") from exc


class SelinuxContextChange(Change):
    """target: a regular expression for paths, as file contexts have them (see pattern_of()). A value is the context
    that the host's own rule gives to all kinds of files there, None when it has no such rule. details: path.
    """

    kind = "selinux_context"

    @classmethod
    def of(cls, path: str, name: str, label: str) -> SelinuxContextChange:
        """The rule that gives a path this type. path: without symbolic links; label: what the file has now."""
        change = cls(pattern_of(path), None, None, details={"path": path})
        change.before = change.read()
        user, level = "system_u", ["s0"] * (label.count(":") > 2)
        if change.before and ":" in change.before:
            user, _role, _type, *level = change.before.split(":", 3)
        change.after = ":".join([user, "object_r", name, *level])
        return change

    def read(self) -> Any:
        """The host's own rule."""
        for pattern, *middle, context in (words for words in local_lines(_RULES) if len(words) >= 2):
            if pattern == self.target and not middle:
                return context
        return None

    def write(self, value: Any) -> None:
        """Add, alter or remove the rule with semanage(8), which makes the policy's files anew."""
        words = ["semanage", "fcontext", "-m" if self.read() is not None else "-a"]
        if value is None:
            words = ["semanage", "fcontext", "-d"]
        else:
            user, _role, name, *level = value.split(":", 3) if ":" in value else ("", "", value)
            words += ["-t", name, *(["-s", user] if user else []), *(["-r", level[0]] if level else [])]
        code, out, err = run([*words, self.target], timeout=SECONDS)
        if code:
            raise ChangeError(f"the file context of {self.target} cannot be set: {one_line(out + err)}")
        path = self.details["path"]
        if value == self.after and type_of(Library([]).label_of_path(path)) != type_of(value):
            raise ChangeError(f"another rule of the host's own file contexts wins for {path}: semanage fcontext -l -C")

    def render(self, value: Any) -> str:
        """As in file_contexts.local."""
        return "" if value is None else f"{self.target} {value}\n"


def pattern_of(path: str) -> str:
    """The regular expression for exactly one path, under the name that the policy's file contexts have for it.

    Raises ChangeError for a path that they cannot hold.
    """
    if not path.isprintable() or " " in path:
        raise ChangeError(f"{path!r} has a character that file contexts cannot hold, such as a space")
    for _time in range(10):  # One equivalence may lead to another; a circle of them has no end.
        other = _equivalent(path)
        if other == path:
            break
        path = other
    return _SPECIAL.sub(r"\\\1", path)


def _equivalent(path: str) -> str:
    """By the rules "/lib64 /usr/lib" of the policy and of the host, selabel_file(5)."""
    for suffix in ("", "_dist"):
        name = f"{CONFIGURATION}/{policy_name()}/contexts/files/file_contexts.subs{suffix}"
        try:
            with open(name, encoding="utf-8", errors="surrogateescape") as file:
                pairs = [line.split() for line in file if not line.startswith("#")]
        except OSError:
            continue
        for source, other in (pair for pair in pairs if len(pair) == 2):
            if path.startswith(source + "/"):
                return other + path[len(source) :]
    return path


class SelinuxLabelChange(Change):
    """target: the path and the attribute. A value is the context of the file. details: path, without symbolic links."""

    kind = "selinux_label"

    @classmethod
    def of(cls, path: str, before: str, after: str) -> SelinuxLabelChange:
        """The change of the label of a file."""
        return cls(f"{path} {LABEL_XATTR}", before, after, details={"path": path})

    def read(self) -> Any:
        """The label as the kernel shows it."""
        with opened_file(self.details["path"]) as (handle, _place):
            return read_label(handle, self.details["path"])

    def write(self, value: Any) -> None:
        """Set the attribute, which counts for the next program that is executed from the file."""
        path = self.details["path"]
        with opened_file(path) as (handle, _place):
            demand_root_only(handle, path)
            try:
                os.setxattr(handle, LABEL_XATTR, value.encode("utf-8", "surrogateescape") + b"\0")
            except OSError as exc:
                raise _refused(path, exc) from None

    def validate(self) -> list[str]:
        """Raise ChangeError for what the kernel would refuse."""
        path = self.details["path"]
        with opened_file(path) as (handle, _place):
            demand_root_only(handle, path)
            demand_writable(handle, path)
            if not _keeps_labels(handle):
                raise ChangeError(f"{path} lies on a mount whose files have no labels of their own")
            refused = _forbidden(read_label(handle, path), self.after)
        if refused:
            raise ChangeError(f"the label of {path} cannot be {self.after}: the policy denies {refused}")
        return []


def read_label(handle: int, path: str) -> str:
    """The label of an open file. Raises ChangeError where it has none."""
    try:
        return os.getxattr(handle, LABEL_XATTR).rstrip(b"\0").decode("utf-8", "surrogateescape")
    except OSError as exc:
        raise _refused(path, exc) from None


def _keeps_labels(handle: int) -> bool:
    """Whether its mount does (the option seclabel, which the kernel shows in proc_pid_mountinfo(5))."""
    number = mount_id(handle)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        options = next((line.split()[-1] for line in file if line.split()[0] == number), "seclabel")
    return "seclabel" in options.split(",")


def _forbidden(before: str, after: str) -> Optional[str]:
    """What the policy denies of giving a file another label, to this process and to the label; None for nothing."""
    own = own_context()
    policy = Policy([])
    # Most filesystems have this type; the kernel does not tell which one has which.
    if policy.allows(after, context_with("fs_t"), "filesystem", "associate") is False:
        return f"{type_of(after)} to files"
    if own is None or not is_enforcing() or policy.is_permissive(own):
        return None
    for label, permission in ((before, "relabelfrom"), (after, "relabelto")):
        if policy.allows(own, label, "file", permission) is False:
            return f"{type_of(own)} {permission}"
    return None


def _refused(path: str, exc: OSError) -> ChangeError:
    number = exc.errno or 0
    words = {
        errno.ENODATA: "it has none",
        errno.ENOTSUP: "its filesystem keeps no labels",
        errno.EINVAL: "the policy knows no such context",
        errno.EACCES: "the policy denies it",
    }
    why = words.get(number, exc.strerror)
    return ChangeError(f"the SELinux label of {path} cannot be read or set: {why} ({errno_name(number)})")
