# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of LXC: lines of our own at the end of their configuration, lxc.container.conf(5).

Measured with LXC 6.0: an empty lxc.cap.drop or lxc.cap.keep clears what was there before, included files too; having
both is an error unless the other one was cleared; "lxc.cap.keep = none" keeps nothing; of other keys the last counts.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import (
    is_running,
    one_line,
    show_units,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import ActivationChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_advice import advise_by_hand
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_plan import (
    Plan,
    Subject,
    demand_own_network,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_start import (
    bounding_of,
    identify_lxc,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import (
    ALL,
    Wish,
    beyond,
    from_note,
    merge,
    to_note,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._commands import run
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    ALL_CAPABILITIES,
    capability_mask,
    capability_names,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._lxc import bounding_set, read_settings
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import Files

BEGIN, END = "# BEGIN netlink.remediation", "# END netlink.remediation"


def plan_lxc(subjects: Sequence[Subject], plan: Plan) -> None:
    """Add to the plan what is to be done for containers of LXC. Raises ChangeError with one sentence."""
    for subject in subjects:
        try:
            _plan_one(subject, plan)
        except ChangeError as exc:
            said = str(exc)
            raise ChangeError(said if said.startswith("containers[") else f"{subject.where}: {said}") from None


def _plan_one(subject: Subject, plan: Plan) -> None:
    container = subject.container
    path = (container.owner.files or [container.specification or ""])[0]
    text = _text(path)
    theirs, ours = split(text)
    base = _settings(theirs)
    wish = beyond(merge(from_note(ours), subject.requests), _said(base))
    _demand_possible(subject, wish)
    demand_own_network(subject, wish)
    after = joined(theirs, wish, base)
    if after != text:
        _demand_taken(container.id, path, after, base, wish)
        try:
            plan.changes.append(FileChange.of(path, after))
        except ChangeError as exc:
            advise_by_hand(plan, subject, str(exc), path, lambda wanted: lines_for(wanted, base))
            return
    begun = len(plan.changes)
    _plan_start(subject, path, wish, after != text, plan)
    if after != text or len(plan.changes) > begun:
        plan.warn_of(container, wish)


def _plan_start(subject: Subject, path: str, wish: Wish, changed: bool, plan: Plan) -> None:
    container = subject.container
    held = bounding_of(container.pid) if container.pid is not None else None
    if container.pid is None or held is None:
        return
    # No container has what its host has not.
    missing = capability_mask(wish.cap_add) & ~held & (bounding_of(1) or 0)
    left = capability_mask(name for name in wish.cap_drop if name != ALL) & held
    if not (changed or subject.recreate or missing or left):
        return
    place, _slash, name = os.path.dirname(path).rpartition("/")
    details = {"how": "lxc", "name": name, "path": place, "config": path, "files": [path], "unit": _unit_of(name)}
    plan.changes.append(
        ActivationChange(
            f"lxc {name}",
            disrupts=[f"container {name} is stopped and started: all that runs in it is down meanwhile"],
            details={**details, "instance": identify_lxc(details)},
            deferred="restart" not in plan.accept,
        )
    )


def _unit_of(name: str) -> Optional[str]:
    """The unit that runs the container, if one does: systemd would take a stop behind its back for a failure."""
    unit = f"lxc@{name}.service"
    if not is_running():
        return None
    (state,) = show_units([unit], ["ActiveState"])
    return unit if state["ActiveState"] == "active" else None


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError as exc:
        raise ChangeError(f"{path or 'its configuration'} cannot be read: {exc.strerror}") from None


def _demand_possible(subject: Subject, wish: Wish) -> None:
    if wish.userns:
        raise ChangeError(
            f"{subject.where}: userns host is not possible for LXC, since the files of a container belong to the ids "
            "that lxc.idmap maps: make it anew without lxc.idmap"
        )
    if wish.user and not wish.user.replace(":", "", 1).isdigit():
        raise ChangeError(
            f"{subject.where}: user {wish.user!r} is not possible for LXC, expected a uid such as 0 or 0:0"
        )


# --- the configuration ------------------------------------------------------------------------------------------------


def split(text: str) -> tuple[str, str]:
    """What others wrote, and our lines."""
    end = f"\n{text}".rfind(f"\n{END}\n")
    begin = f"\n{text}".rfind(f"\n{BEGIN}\n", 0, end + 1)
    if begin < 0:
        return text, ""
    end += len(END) + 1
    return text[:begin] + text[end:], text[begin:end]


def joined(theirs: str, wish: Wish, base: Mapping[str, list[str]]) -> str:
    """The configuration with our lines at its end, if there are any to write."""
    lines = lines_for(wish, base)
    if not lines:
        return theirs
    start = theirs if not theirs or theirs.endswith("\n") else theirs + "\n"
    return start + "\n".join([BEGIN, to_note(wish), *lines, END, ""])


def lines_for(wish: Wish, base: Mapping[str, list[str]]) -> list[str]:
    """The lines that bring a wish to a container with these settings."""
    keeps = bool(base.get("lxc.cap.keep"))
    lines = []
    if wish.cap_add or wish.cap_drop:
        new = bounding_with(wish, base)
        if ALL in wish.cap_drop and not keeps:
            lines.append("lxc.cap.drop =")
        if keeps or ALL in wish.cap_drop:
            lines += ["lxc.cap.keep =", f"lxc.cap.keep = {_words(new) or 'none'}"]
        else:
            dropped = _words(ALL_CAPABILITIES & ~new)
            lines += ["lxc.cap.drop ="] + ([f"lxc.cap.drop = {dropped}"] if dropped else [])
    if wish.user:
        uid, _colon, gid = wish.user.partition(":")
        lines += [f"lxc.init.uid = {uid}"] + ([f"lxc.init.gid = {gid}"] if gid else [])
    return lines + [f"lxc.sysctl.{key} = {value}" for key, value in wish.sysctls.items()]


def bounding_with(wish: Wish, base: Mapping[str, list[str]]) -> int:
    """The bounding set that a container with these settings has with a wish."""
    added = capability_mask(wish.cap_add)
    return added if ALL in wish.cap_drop else (bounding_set(dict(base)) | added) & ~capability_mask(wish.cap_drop)


def _words(mask: int) -> str:
    return " ".join(name[len("cap_") :] for name in capability_names(mask))


def _said(base: Mapping[str, list[str]]) -> Wish:
    """What the configuration of others gives already."""
    held = bounding_set(dict(base))
    uid, gid = ((base.get(key) or [""])[-1] for key in ("lxc.init.uid", "lxc.init.gid"))
    sysctls = {key[len("lxc.sysctl.") :]: values[-1] for key, values in base.items() if key.startswith("lxc.sysctl.")}
    return Wish(
        tuple(capability_names(held)),
        tuple(capability_names(ALL_CAPABILITIES & ~held)) if held else (ALL,),
        (f"{uid}:{gid}" if gid else uid) or None,
        None,
        sysctls,
    )


def _settings(text: str) -> dict[str, list[str]]:
    """The settings of a configuration, with what it includes."""
    with tempfile.TemporaryDirectory(prefix="netlink-remediation-") as scratch:
        path = _written(scratch, text)
        return read_settings(Files("/", []), path)


def _written(scratch: str, text: str) -> str:
    path = os.path.join(scratch, "config")
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    return path


def _demand_taken(name: str, path: str, text: str, base: Mapping[str, list[str]], wish: Wish) -> None:
    """Raise ChangeError unless LXC itself reads the configuration, and it says just what was asked."""
    if bounding_set(_settings(text)) != bounding_with(wish, base):
        raise ChangeError(f"{path} would not do what was asked: its lines on capabilities are not understood")
    with tempfile.TemporaryDirectory(prefix="netlink-remediation-") as scratch:
        copy = _written(scratch, text)
        code, out, err = run(["lxc-info", "-n", name, "--rcfile", copy, "-c", "lxc.rootfs.path"])
    if code:
        raise ChangeError(f"LXC does not take {path} with these lines: {one_line(err or out)}")
