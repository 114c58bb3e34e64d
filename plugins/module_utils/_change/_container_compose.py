# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of compose: a file of our own, which compose loads after the user's, and never the user's file.

It is written as JSON, which is YAML. Compose itself says what the files mean together, so no YAML is read here.
Measured with compose 2.26: beside a file of any default name, the first of OVERRIDES that exists is loaded, and no
other; lists are joined, mappings merged; with files named by -f or COMPOSE_FILE none is loaded.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import one_line
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import ActivationChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_advice import is_done
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_plan import (
    ANEW,
    Plan,
    Subject,
    warn_of_user,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_start import (
    compose_words,
    identify_service,
    inspect,
    is_failing,
    project_words,
    service_containers,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import (
    ALL,
    Wish,
    as_entry,
    beyond,
    from_entry,
    kernel_names,
    merge,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._commands import run
from ansible_collections.netlink.remediation.plugins.module_utils._observe._definitions import MARKER, OVERRIDES

BASES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_NOTE = "Written by netlink.remediation; compose joins it with the file beside it. Remove it with state absent."
_ENVIRONMENT = "com.docker.compose.project.environment_file"
_FILES = "com.docker.compose.project.config_files"
_HASH = "com.docker.compose.config-hash"
_OURS = ("cap_add", "cap_drop", "user", "userns_mode", "sysctls")


@dataclass
class Project:
    """A project of compose. files: those of the user; override: ours; content: of ours as it is, None without one.

    services: name -> subjects. environment_files: those it was started with.
    """

    name: str
    directory: str
    files: list[str]
    override: str
    content: Optional[dict[str, Any]]
    environment_files: list[str]
    services: dict[str, list[Subject]] = field(default_factory=dict)

    @property
    def details(self) -> dict[str, Any]:
        """What an ActivationChange needs of it."""
        return {
            "how": "compose",
            "project": self.name,
            "directory": self.directory,
            "bases": self.files,
            "override": self.override,
            "files": [self.override],
            "environment_files": self.environment_files,
        }


def plan_compose(subjects: Sequence[Subject], plan: Plan) -> None:
    """Add to the plan what is to be done for containers of compose. Raises ChangeError with one sentence."""
    projects: dict[tuple[str, str], list[Subject]] = {}
    for subject in subjects:
        owner = subject.container.owner
        projects.setdefault((owner.project or "", owner.directory or ""), []).append(subject)
    for members in projects.values():
        try:
            _plan_project(members, plan)
        except ChangeError as exc:
            said = str(exc)
            raise ChangeError(said if said.startswith("containers[") else f"{members[0].where}: {said}") from None


def _plan_project(members: Sequence[Subject], plan: Plan) -> None:
    services: dict[str, list[Subject]] = {}
    for subject in members:
        services.setdefault(subject.container.owner.service or "", []).append(subject)
    found = find_project(members[0])
    if isinstance(found, Project):
        found.services = services
        why = _plan_override(found, plan)
    else:
        why = found
    if why:
        for name, of_service in services.items():
            _advise(plan, of_service, name, why)


def _plan_override(project: Project, plan: Plan) -> str:
    """Returns why our file cannot be written there, "" where the plan has it."""
    base = rendered(project, None)
    for name, subjects in project.services.items():
        if name not in base["services"]:
            raise ChangeError(f"{subjects[0].where}: {', '.join(project.files)} defines no service {name} any more")
    asked = {
        name: merge(said_in(project.content, name), [request for subject in subjects for request in subject.requests])
        for name, subjects in project.services.items()
    }
    wishes = {name: beyond(wish, from_entry(base["services"][name])) for name, wish in asked.items()}
    content = content_with(project.content, wishes, base["services"])
    after = base if content is None else rendered(project, content)
    demand_only(project, base, after, content)
    for name, subjects in project.services.items():
        _demand_effect(subjects[0].where, asked[name], after["services"][name])
    if content != project.content:
        try:
            text = None if content is None else json.dumps(content, indent=2) + "\n"
            plan.changes.append(FileChange.of(project.override, text))
        except ChangeError as exc:
            return str(exc)
    for name, subjects in project.services.items():
        warn_of_user(plan, subjects, wishes[name])
        begun = len(plan.changes)
        changed = said_in(project.content, name) != said_in(content, name)
        _plan_start(project, name, after["services"][name], content, changed, plan)
        for subject in subjects if changed or len(plan.changes) > begun else []:
            plan.warn_of(subject.container, wishes[name])
    return ""


# --- the project ------------------------------------------------------------------------------------------------------


def find_project(subject: Subject) -> Union[Project, str]:
    """The project of a container, or why compose would not load a file of ours there. Raises ChangeError."""
    container, owner = subject.container, subject.container.owner
    if container.engine != "docker":
        return f"it was made by {container.engine}, and only docker compose loads a file of ours by itself"
    labels = _labels(container.id)
    compose_words()
    if labels.get("com.docker.compose.oneoff") == "True":
        return "it was made by docker compose run, for one time"
    files = [name for name in labels.get(_FILES, ",".join(owner.files)).split(",") if name]
    directory = owner.directory or ""
    overrides = [os.path.join(directory, name) for name in OVERRIDES if os.path.lexists(os.path.join(directory, name))]
    content = _own_content(overrides[0]) if overrides else None
    # The override that it was made with stands in its label; one of ours may have been reverted since.
    mine = [os.path.join(directory, name) for name in OVERRIDES]
    files = [name for name in files if name not in mine]
    why = _why_not_loaded(directory, files)
    if why or (overrides and content is None):
        return why or f"{overrides[0]} is the user's own, and compose loads one such file only"
    override = overrides[0] if overrides else os.path.join(directory, _override_of(os.path.basename(files[0])))
    given = [name for name in labels.get(_ENVIRONMENT, "").split(",") if name]
    return Project(owner.project or "", directory, files, override, content, given)


def _labels(identifier: str) -> dict[str, str]:
    (found,) = inspect("docker", [identifier])[:1] or [{}]
    labels = (found.get("Config") or {}).get("Labels") or {}
    return {str(key): str(value) for key, value in labels.items()}


def _own_content(path: str) -> Optional[dict[str, Any]]:
    """What our override says; None for a file of somebody else."""
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError, RecursionError):
        return None
    ours = isinstance(content, dict) and MARKER in content and isinstance(content.get("services"), dict)
    return content if ours and all(isinstance(one, dict) for one in content["services"].values()) else None


def _why_not_loaded(directory: str, files: Sequence[str]) -> str:
    """Why compose, called without -f, would not make the project of just these files and an override; else ""."""
    named = f"the project was started with {', '.join(files) or 'no file'}, beside which compose loads no override"
    if len(files) != 1 or os.path.dirname(files[0]) != directory.rstrip("/"):
        return named
    there = [name for name in BASES if os.path.lexists(os.path.join(directory, name))]
    if there[:1] != [os.path.basename(files[0])]:
        return named
    try:
        with open(os.path.join(directory, ".env"), encoding="utf-8", errors="replace") as file:
            if re.search(r"^[ \t]*(export[ \t]+)?COMPOSE_FILE[ \t]*=", file.read(1 << 20), re.MULTILINE):
                return f"{directory}/.env sets COMPOSE_FILE, with which compose loads no override"
    except OSError:
        pass
    return ""


def _override_of(base: str) -> str:
    stem, dot, extension = base.rpartition(".")
    return f"{stem}.override{dot}{extension}"


def rendered(project: Project, content: Optional[Mapping[str, Any]]) -> dict[str, Any]:
    """What compose makes of the user's files and of this override; `services` is a dict. Raises ChangeError."""
    found = json.loads(_compose(project, content, ["config", "--format", "json"]) or "null")
    if not isinstance(found, dict) or not isinstance(found.get("services"), dict):
        raise ChangeError(f"docker compose finds no services in {', '.join(project.files)}")
    return found


def _compose(project: Project, content: Optional[Mapping[str, Any]], words: Sequence[str]) -> str:
    """What compose prints for the user's files with this override. Nothing is left of the file."""
    with tempfile.TemporaryDirectory(prefix="netlink-remediation-") as scratch:
        files = list(project.files)
        if content is not None:
            files.append(os.path.join(scratch, "compose.override.json"))
            with open(files[-1], "w", encoding="utf-8") as file:
                json.dump(content, file)
        command = [*project_words(project.details, files), "--profile", "*", *words]
        code, out, err = run(command)
    if code:
        raise ChangeError(f"docker compose {words[0]} fails for {', '.join(project.files)}: {one_line(err or out)}")
    return out


# --- what the files say -----------------------------------------------------------------------------------------------


def said_in(content: Optional[Mapping[str, Any]], service: str) -> Wish:
    """What our file says about a service."""
    return from_entry((content or {}).get("services", {}).get(service, {}))


def content_with(
    content: Optional[Mapping[str, Any]], wishes: Mapping[str, Wish], known: Collection[str]
) -> Optional[dict[str, Any]]:
    """Our file with these wishes in place of what it says about those services; None when nothing is left to say.

    known: the services that there are: compose would not take a file with others. Keys that are not ours are kept.
    """
    services = {name: dict(one) for name, one in (content or {}).get("services", {}).items() if name in known}
    for name, wish in wishes.items():
        rest = {key: value for key, value in services.pop(name, {}).items() if key not in _OURS}
        entry = {**as_entry(wish), **rest}
        if entry:
            services[name] = entry
    if not services:
        return None
    return {**(content or {MARKER: _NOTE}), "services": dict(sorted(services.items()))}


def _together(base: Wish, ours: Wish) -> Wish:
    return Wish(
        kernel_names([*base.cap_add, *ours.cap_add]),
        kernel_names([*base.cap_drop, *ours.cap_drop]),
        ours.user or base.user,
        ours.userns or base.userns,
        dict(sorted({**base.sysctls, **ours.sysctls}.items())),
    )


def demand_only(
    project: Project, base: Mapping[str, Any], after: Mapping[str, Any], content: Optional[Mapping[str, Any]]
) -> None:
    """Raise ChangeError unless our file makes just the difference that it names, whatever else stands in the others."""
    rests = [{key: value for key, value in one.items() if key not in ("services", MARKER)} for one in (base, after)]
    differs = [] if rests[0] == rests[1] else ["what is not about services"]
    for name in sorted({*base["services"], *after["services"]}):
        old, new = (one["services"].get(name, {}) for one in (base, after))
        strange = {*(content or {}).get("services", {}).get(name, {})} - {*_OURS}
        parts = [{key: value for key, value in one.items() if key not in {*_OURS, *strange}} for one in (old, new)]
        if parts[0] != parts[1] or from_entry(new) != _together(from_entry(old), said_in(content, name)):
            differs.append(f"service {name}")
    if differs:
        raise ChangeError(
            f"{project.override} would do something else than asked: docker compose config differs in "
            + ", ".join(differs)
        )


def _demand_effect(where: str, wish: Wish, service: Mapping[str, Any]) -> None:
    """Raise ChangeError for what docker does not do in spite of the definition. cap_add wins over cap_drop there, but
    for what ALL adds."""
    whole = from_entry(service)
    kept = [name for name in wish.cap_drop if name in whole.cap_add]
    if kept:
        raise ChangeError(
            f"{where}: cap_drop {', '.join(kept)} has no effect, as the compose file adds it: remove it there"
        )
    void = [name for name in wish.cap_add if ALL in whole.cap_add and name in whole.cap_drop]
    if void:
        raise ChangeError(f"{where}: cap_add {', '.join(void)} has no effect, as the compose file adds ALL without it")
    network = str(service.get("network_mode") or "")
    of_others = network == "host" or network.startswith(("service:", "container:"))
    refused = [key for key in wish.sysctls if key.startswith("net.")] if of_others else []
    if refused:
        raise ChangeError(
            f"{where}: sysctls {', '.join(refused)} cannot be set, since the network is not the container's own "
            f"(network_mode {network}): use sysctl_settings on the host, or the container that owns it"
        )


# --- making it anew ---------------------------------------------------------------------------------------------------


def _plan_start(
    project: Project,
    name: str,
    service: Mapping[str, Any],
    content: Optional[Mapping[str, Any]],
    changed: bool,
    plan: Plan,
) -> None:
    found = service_containers(project.name, name)
    asked = any(subject.recreate for subject in project.services[name])
    if not changed and not asked and all(_has(one, service) for one in found):
        return
    details = {**project.details, "service": name, "scale": len(found)}
    details["instance"] = identify_service(details)
    details["was"] = "down" if any(map(is_failing, found)) else "up"
    names = ", ".join(str(one.get("Name")).lstrip("/") for one in found)
    disrupts = [f"container {names} is made anew: {ANEW}"]
    deferred = "recreate" not in plan.accept
    if not deferred:
        why = _why_wait(project, name, content, found)
        if why:
            deferred = True
            files = [*project.files, *([] if content is None else [project.override])]
            command = shlex.join(_up_words(project.name, project.directory, files, name))
            plan.warnings.append(f"container {names} is not made anew, since {why}; when that is fine: {command}")
    plan.changes.append(
        ActivationChange(f"compose {project.name}/{name}", disrupts=disrupts, details=details, deferred=deferred)
    )


def _has(container: Mapping[str, Any], service: Mapping[str, Any]) -> bool:
    """Whether a container was made with what the definition says; a user that it does not name is the image's."""
    host = container.get("HostConfig") or {}
    said = from_entry(service)
    user = str((container.get("Config") or {}).get("User") or "")
    return said == Wish(
        kernel_names(host.get("CapAdd") or ()),
        kernel_names(host.get("CapDrop") or ()),
        said.user if said.user is None else user,
        host.get("UsernsMode") or None,
        {str(key): str(value) for key, value in sorted((host.get("Sysctls") or {}).items())},
    )


def _why_wait(
    project: Project, name: str, content: Optional[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> str:
    """Why the containers of a service must not be made anew from here, else ""."""
    if not all((one.get("State") or {}).get("Running") for one in found):
        return "it does not run now"
    made = {((one.get("Config") or {}).get("Labels") or {}).get(_HASH) for one in found}
    for one in (project.content, None, content):
        # Each says "SERVICE HASH". Whether it was made before or after ours was written, nothing else comes along.
        made -= {*_compose(project, one, ["config", "--hash", name]).split()} if made else set()
    if made:
        return (
            "it was not made of what its files say now (they were changed since, other variables were set, or it was "
            "another version of compose), which would change as well"
        )
    for one in found:
        image = str((one.get("Config") or {}).get("Image"))
        code, out, _err = run(["docker", "image", "inspect", "--format", "{{.Id}}", image])
        if code or out.strip() != one.get("Image"):
            return f"image {image} is no longer the one that it was made of"
    return ""


# --- advice -----------------------------------------------------------------------------------------------------------


def _up_words(project: str, directory: str, files: Sequence[str], service: str) -> list[str]:
    words = ["docker", "compose", "-p", project, "--project-directory", directory]
    for name in files:
        words += ["-f", name]
    return [*words, "up", "-d", "--no-deps", "--force-recreate", service]


def _advise(plan: Plan, subjects: Sequence[Subject], service: str, why: str) -> None:
    container = subjects[0].container
    wish = merge(Wish(), [request for subject in subjects for request in subject.requests])
    recreate = any(subject.recreate for subject in subjects)
    if (wish == Wish() or all(is_done(subject.container, wish) for subject in subjects)) and not recreate:
        return
    owner = container.owner
    directory = owner.directory or ""
    files = dict.fromkeys([*owner.files, *(os.path.join(directory, name) for name in OVERRIDES)])
    there = [name for name in files if os.path.lexists(name)]
    text = f"No file is written, since {why}. "
    if wish != Wish():
        entry = json.dumps({"services": {service: as_entry(wish)}})
        text += f"Add this to what {', '.join(there[-1:]) or 'its compose file'} says: {entry} (JSON is YAML). "
    text += f"Then make it anew: {ANEW}."
    plan.advise(container, text, [shlex.join(_up_words(owner.project or "", directory, there, service))])
