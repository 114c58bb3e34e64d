# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of units that podman's generator makes of .container files (quadlets): a drop-in of our own.

The generator itself says what the files mean together: it is run over a copy of them, and no unit is touched. Measured
with podman 5.4: drop-ins are read from the directory NAME.container.d of each of its directories, lists are joined, and
an empty assignment resets one; podman refuses a capability that is both added and dropped, so that such a list is reset
and repeated without it; of a sysctl that is set twice the last counts. Before podman 5 no drop-in is read.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import (
    identify_unit,
    one_line,
    show_units,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import ActivationChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_advice import advise_by_hand
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_plan import (
    ANEW,
    Plan,
    Subject,
    demand_own_network,
    lacks,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_start import noted
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import (
    ALL,
    Wish,
    beyond,
    engine_names,
    kernel_names,
    merge,
    to_note,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._commands import run
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import DROP_IN

OWN = "/etc/containers/systemd"
PLACES = ("/run/containers/systemd", OWN, "/usr/local/share/containers/systemd", "/usr/share/containers/systemd")
_GENERATORS = (
    "/usr/lib/systemd/system-generators/podman-system-generator",
    "/usr/local/lib/systemd/system-generators/podman-system-generator",
    "/usr/libexec/podman/quadlet",
)
_KINDS = (".container", ".volume", ".network", ".kube", ".image", ".build", ".pod")


@dataclass(frozen=True)
class Generated:
    """A unit as the generator makes it. lines: all but its command; words: those of the command that are not ours to
    change; said: what the others say."""

    lines: list[str]
    words: list[str]
    said: Wish


def plan_quadlets(subjects: Sequence[Subject], plan: Plan) -> None:
    """Add to the plan what is to be done for containers of .container files. Raises ChangeError."""
    for subject in subjects:
        try:
            _plan_one(subject, plan)
        except ChangeError as exc:
            said = str(exc)
            raise ChangeError(said if said.startswith("containers[") else f"{subject.where}: {said}") from None


def _plan_one(subject: Subject, plan: Plan) -> None:
    owner = subject.container.owner
    file = owner.files[0] if owner.files else ""
    why = _why_not(file)
    if why:
        advise_by_hand(plan, subject, why, f"[Container] of {file or 'its .container file'}", _settings)
        return
    path = drop_in_of(file)
    unit = owner.unit or f"{os.path.basename(file)[: -len('.container')]}.service"
    old = _text(path)
    base = generated(unit, path, None)
    wish = beyond(merge(noted(path), subject.requests), base.said)
    demand_own_network(subject, wish)
    text = drop_in_text(wish, base.said)
    after = generated(unit, path, text)
    _demand_only(path, base, after, wish)
    if text != old:
        try:
            plan.changes.append(FileChange.of(path, text, then="daemon_reload"))
        except ChangeError as exc:
            advise_by_hand(plan, subject, str(exc), f"[Container] of {file}", _settings)
            return
    begun = len(plan.changes)
    _plan_start(subject, unit, path, after, text != old, plan)
    if text != old or len(plan.changes) > begun:
        plan.warn_of(subject.container, wish)


def _plan_start(subject: Subject, unit: str, path: str, after: Generated, changed: bool, plan: Plan) -> None:
    container = subject.container
    if container.pid is None or not (changed or subject.recreate or lacks(container, after.said)):
        return
    details = {"how": "quadlet", "unit": unit, "container": container.name, "drop_in": path, "files": [path]}
    (state,) = show_units([unit], ["ActiveState", "SubState"])
    was = "up" if state["ActiveState"] == "active" else "down"
    plan.changes.append(
        ActivationChange(
            f"unit {unit}",
            disrupts=[f"unit {unit} is restarted, which makes container {container.name} anew: {ANEW}"],
            details={**details, "instance": identify_unit(details), "was": was},
            deferred="restart" not in plan.accept,
        )
    )


def _why_not(file: str) -> str:
    """Why no drop-in of ours is written for a .container file, else ""."""
    if not file.endswith(".container") or not any(file.startswith(f"{place}/") for place in PLACES):
        return f"{file or 'its definition'} is not a file that podman's generator reads for the whole system"
    if "@" in os.path.basename(file):
        return f"{file} is a template, and a drop-in would change all its instances"
    return ""


def drop_in_of(file: str) -> str:
    """Where our drop-in for a .container file lies: beside it where that is the administrator's place."""
    directory = os.path.dirname(file) if file.startswith(f"{OWN}/") else OWN
    return os.path.join(directory, f"{os.path.basename(file)}.d", DROP_IN)


def _text(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None


# --- the drop-in ------------------------------------------------------------------------------------------------------


def drop_in_text(wish: Wish, base: Wish) -> Optional[str]:
    """The drop-in that adds a wish to what the other files say; None when there is nothing to add."""
    settings = _settings(wish, base)
    if not settings:
        return None
    return "\n".join(["# Written by netlink.remediation.", to_note(wish), "[Container]", *settings, ""])


def _settings(wish: Wish, base: Optional[Wish] = None) -> list[str]:
    base = base or Wish()
    lines = []
    for key, ours, others, theirs in (
        ("DropCapability", wish.cap_drop, wish.cap_add, base.cap_drop),
        ("AddCapability", wish.cap_add, wish.cap_drop, base.cap_add),
    ):
        names = list(ours)
        if set(others) & set(theirs):
            lines.append(f"{key}=")
            names += [name for name in theirs if name not in others]
        lines += [f"{key}={' '.join(_spelled(kernel_names(names)))}"] if names else []
    lines += [f"User={wish.user.partition(':')[0]}"] if wish.user else []
    lines += [f"Group={wish.user.partition(':')[2]}"] if wish.user and ":" in wish.user else []
    lines += [f"UserNS={wish.userns}"] if wish.userns else []
    return lines + [_sysctl_line(key, value) for key, value in wish.sysctls.items()]


def _spelled(names: Sequence[str]) -> list[str]:
    """As podman writes capabilities; one that is unknown here as it stood."""
    return [engine_names([name])[0] if name == ALL or name.startswith("cap_") else name for name in names]


def _sysctl_line(key: str, value: str) -> str:
    return f'Sysctl="{key}={value}"' if " " in value else f"Sysctl={key}={value}"


def _together(base: Wish, ours: Wish) -> Wish:
    user = ours.user or base.user
    if ours.user and base.user and ":" not in ours.user and ":" in base.user:
        user = f"{ours.user}:{base.user.partition(':')[2]}"
    return Wish(
        kernel_names({*base.cap_add, *ours.cap_add} - {*ours.cap_drop}),
        kernel_names({*base.cap_drop, *ours.cap_drop} - {*ours.cap_add}),
        user,
        ours.userns or base.userns,
        dict(sorted({**base.sysctls, **ours.sysctls}.items())),
    )


# --- what the generator makes of it -----------------------------------------------------------------------------------


def generated(unit: str, path: str, text: Optional[str]) -> Generated:
    """The unit as the generator makes it of the files there are, with this text as our drop-in. Raises ChangeError."""
    generator = next((name for name in _GENERATORS if os.access(name, os.X_OK)), None)
    if generator is None:
        raise ChangeError("podman's systemd generator, which reads .container files, is not installed on this host")
    with tempfile.TemporaryDirectory(prefix="netlink-remediation-") as scratch:
        places = _copy(scratch, path)
        if text is not None:
            copy = _copied(scratch, path)
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            with open(copy, "w", encoding="utf-8") as file:
                file.write(text)
        _code, out, err = run(["env", f"QUADLET_UNIT_DIRS={':'.join(places)}", generator, "-dryrun"])
        found = _split(out.replace(scratch, "")).get(unit)
    if found is None:
        raise ChangeError(f"podman's generator makes no unit {unit}: {one_line(err)}")
    return _understood(found)


def _copied(scratch: str, path: str) -> str:
    return scratch + path


def _copy(scratch: str, left_out: str) -> list[str]:
    """Copy what the generator reads, but for one file; the directories to read instead."""
    places = []
    for place in PLACES:
        if os.path.isdir(place):
            places.append(_copied(scratch, place))
        for directory, _names, files in os.walk(place, followlinks=False):
            for name in files:
                path = os.path.join(directory, name)
                if path != left_out and (
                    name.endswith(_KINDS) or (directory.endswith(".d") and name.endswith(".conf"))
                ):
                    _copy_file(path, _copied(scratch, path))
    if not any(left_out.startswith(place) for place in places):
        places.append(_copied(scratch, OWN))
    return places


def _copy_file(path: str, copy: str) -> None:
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    try:
        if os.path.isfile(path):
            shutil.copyfile(path, copy)
    except OSError:
        return  # The generator cannot read it either.


def _split(text: str) -> dict[str, list[str]]:
    """Unit -> lines, of what the generator prints."""
    units: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("---") and line.endswith("---") and len(line) > len("------"):
            lines = units.setdefault(line[len("---") : -len("---")], [])
        else:
            lines.append(line)
    return units


def _understood(lines: Sequence[str]) -> Generated:
    """Tell the command of a unit from its other lines, and what it says from its other words."""
    section, image, command = "", "", ""
    others = []
    for line in lines:
        section = line if line.startswith("[") else section
        key, _equals, value = line.partition("=")
        if section == "[X-Container]":
            image = value.strip() if key == "Image" else image
        elif section == "[Service]" and key == "ExecStart":
            command = value
        elif line.strip() and not line.startswith(("#", ";")):
            others.append(line)
    try:
        words = shlex.split(command)
    except ValueError:
        raise ChangeError(f"the command that podman's generator makes is not understood: {command}") from None
    end = words.index(image) if image in words else len(words)
    said, rest = _flags(words[:end])
    return Generated(others, rest + words[end:], said)


def _flags(words: Sequence[str]) -> tuple[Wish, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in ("--cap-add", "--cap-drop", "--user", "--userns", "--sysctl")}
    rest: list[str] = []
    waiting = ""
    for word in words:
        name, equals, value = word.partition("=")
        if waiting:
            found[waiting].append(word)
            waiting = ""
        elif word in found:
            waiting = word
        elif equals and name in found:
            found[name].append(value)
        else:
            rest.append(word)
    sysctls = dict(pair.partition("=")[::2] for pair in found["--sysctl"])
    wish = Wish(
        kernel_names(name for names in found["--cap-add"] for name in names.split(",")),
        kernel_names(name for names in found["--cap-drop"] for name in names.split(",")),
        found["--user"][-1] if found["--user"] else None,
        found["--userns"][-1] if found["--userns"] else None,
        dict(sorted(sysctls.items())),
    )
    return wish, rest


def _demand_only(path: str, base: Generated, after: Generated, wish: Wish) -> None:
    """Raise ChangeError unless our drop-in makes just the difference that it names, and one that podman takes."""
    if (after.lines, after.words, after.said) != (base.lines, base.words, _together(base.said, wish)):
        why = "it does not read drop-ins (podman before 5.0)" if after == base else "it makes something else of it"
        raise ChangeError(f"{path} would not do what was asked: podman's generator says that {why}")
    both = sorted(set(after.said.cap_add) & set(after.said.cap_drop) - {ALL})
    if both:
        raise ChangeError(f"podman refuses {', '.join(both)}, which PodmanArgs= and this would both add and drop")
