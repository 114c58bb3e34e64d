# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the option `profiles` to changes: rules in files of policy, tried by the parser, and profiles loaded anew."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Callable, Optional

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import (
    consent_for,
    grantors,
    normal_rules,
    parse_rule,
    refuses,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_profile import (
    loaded_at,
    mode_options,
    try_policy,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._activation import ActivationChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._file import FileChange
from ansible_collections.netlink.remediation.plugins.module_utils._change._path import demand_root_only, opened_file
from ansible_collections.netlink.remediation.plugins.module_utils._change._profile_edit import (
    is_ours,
    new_profile,
    section_of_block,
    section_of_file,
    set_in_block,
    set_in_file,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._receipts import (
    PLANNED,
    load_receipts,
    require_root,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._transaction import run_changes
from ansible_collections.netlink.remediation.plugins.module_utils._commands import use
from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_files import (
    DIRECTORY,
    IGNORED,
    LOADED,
    Definition,
    Library,
    attached,
    generator_of,
    loaded_modes,
    matches,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Profile, ProfileRule
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

_ENABLED = "/sys/module/apparmor/parameters/enabled"
_NEW_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_./@%+:=~ -]+")
_LONGEST_NAME = 1024


@dataclass
class Wish:
    """One entry of the option. where: for sentences; rules: in their one spelling, none means all (state absent)."""

    where: str
    profile: str
    rules: list[str]
    executable: Optional[str]
    present: bool


@dataclass
class ProfilePlan:
    """What a call of the module will do. stale: files whose profiles were loaded before they were last changed."""

    library: Library
    loaded: Mapping[str, str]
    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    disrupts: dict[str, list[str]] = field(default_factory=dict)
    restart_required: list[dict[str, str]] = field(default_factory=list)
    before: dict[str, Optional[str]] = field(default_factory=dict)
    after: dict[str, Optional[str]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    stale: dict[str, str] = field(default_factory=dict)

    def put(self, path: str, text: Optional[str], source: str) -> None:
        """A file shall have this text; source: the file that is loaded with it."""
        self.before.setdefault(path, self.library.text(path))
        self.after[path] = text
        self.sources[path] = source
        known = {path: old for path, old in self.library.texts.items() if path not in self.after}
        self.library = Library(self.library.unseen, self.library.directory, {**known, **self.after})


class PolicyFile(FileChange):
    """A file of policy, with the check by the parser; a revert is that of any file. trial: raises ChangeError."""

    trial: Optional[Callable[[], None]] = None

    def validate(self) -> list[str]:
        """Let the parser read it."""
        found = super().validate()
        if self.trial is not None:
            self.trial()
        return found


class Reload(ActivationChange):
    """A profile that was loaded before its file was last changed is loaded anew."""

    trial: Optional[Callable[[], None]] = None

    def validate(self) -> list[str]:
        """Let the parser read it."""
        if self.trial is not None:
            self.trial()
        return []


def run_profiles(module: AnsibleModule) -> dict[str, Any]:
    """The module apparmor_rules. Raises ChangeError with one sentence."""
    require_root()
    use(module)
    wishes = parse_wishes(module.params["profiles"])
    if not wishes:
        return run_changes(module, [])
    loaded = _demand_apparmor()
    plan = plan_profiles(wishes, module.params["accept"], loaded)
    with tempfile.TemporaryDirectory(prefix="netlink-remediation-") as place:
        _add_trials(plan, place)
        result = run_changes(module, plan.changes, restart_required=plan.restart_required)
    for sentence in plan.warnings:
        module.warn(sentence)
    return result


def _demand_apparmor() -> dict[str, str]:
    """The profiles that are loaded, with their modes. Raises ChangeError on a host that AppArmor does not guard."""
    try:
        with open(_ENABLED, encoding="ascii") as file:
            enabled = file.read().strip() == "Y"
    except OSError:
        enabled = False
    if not enabled:
        raise ChangeError("the kernel of this host runs without AppArmor: it has no profiles to change")
    unseen: list[Unseen] = []
    loaded = loaded_modes(unseen)
    if loaded is None:
        raise ChangeError(
            f"{LOADED} cannot be read ({unseen[0].reason}): only the host itself can load profiles, not a container"
        )
    return loaded


# --- the option -------------------------------------------------------------------------------------------------------


def parse_wishes(entries: Sequence[Mapping[str, Any]]) -> list[Wish]:
    """The entries of the option `profiles`. Raises ChangeError with one sentence for what is no good."""
    wishes = [_wish(f"profiles[{index}]", entry) for index, entry in enumerate(entries)]
    sides: dict[tuple[str, str], Wish] = {}
    for wish in wishes:
        for rule in wish.rules:
            other = sides.setdefault((wish.profile, rule), wish)
            if other.present != wish.present:
                raise ChangeError(f"{wish.where}: {rule!r} of profile {wish.profile} contradicts {other.where}")
    return wishes


def _wish(where: str, entry: Mapping[str, Any]) -> Wish:
    name, executable, present = entry["profile"], entry["executable"], entry["state"] == "present"
    if not name or len(name) > _LONGEST_NAME or not name.isprintable() or "//&" in name or name == "unconfined":
        raise ChangeError(
            f"{where}.profile: {name!r:.120} is no name of one profile, expected one as /proc/PID/attr/current shows it"
        )
    rules = []
    texts = entry["rules"]
    if len(texts) > 1 and not texts[-1]:  # Ansible splits a rule that is no list at its commas, the last one too.
        texts = texts[:-1]
    for text in texts:
        try:
            rules += normal_rules(text)
        except ValueError as exc:
            raise ChangeError(f"{where}.rules: {exc}") from None
    if present and not rules:
        raise ChangeError(f"{where}: profile {name} needs rules, such as 'capability net_admin,'")
    if executable is not None and not _PLAIN_PATH.fullmatch(executable):
        raise ChangeError(
            f"{where}.executable: {executable!r:.120} is no absolute path without wildcards, quotes and the like"
        )
    return Wish(where, name, list(dict.fromkeys(rules)), executable, present)


# --- the plan ---------------------------------------------------------------------------------------------------------


def plan_profiles(
    wishes: Iterable[Wish], accept: Collection[str], loaded: Mapping[str, str], directory: str = DIRECTORY
) -> ProfilePlan:
    """The changes for the wishes. Reads the host. Raises ChangeError with one sentence for whatever would fail."""
    plan = ProfilePlan(Library([], directory), loaded)
    for wish in wishes:
        try:
            definition = plan.library.find(wish.profile)
            if wish.present:
                _present(plan, wish, definition, accept)
                continue
            if definition is not None:
                _absent(plan, wish, definition)
            _find_unfinished(plan, wish.profile)
        except ChangeError as exc:
            raise ChangeError(f"{wish.where}: {exc}") from None
    for path, text in plan.after.items():
        if text != plan.before[path]:
            plan.changes.append(_file_change(plan, path, text))
    touched = {plan.sources[path] for path, text in plan.after.items() if text != plan.before[path]}
    for source, name in plan.stale.items():
        if source not in touched:
            plan.changes.append(_reload(name, source, gone=plan.library.text(source) is None))
    return plan


def _file_change(plan: ProfilePlan, path: str, text: Optional[str]) -> PolicyFile:
    source = plan.sources[path]
    seen, disrupts = plan.before[path] or "", plan.disrupts.get(path, ())
    change = PolicyFile.of(path, text, disrupts=disrupts, then="load_profiles", seen=seen)
    change.details["source"] = source
    if source in plan.made:
        change.details["profile"] = plan.made[source]
    return change


def _reload(name: str, source: str, *, gone: bool) -> Reload:
    """gone: there is no such file any more, so the profile is unloaded."""
    why = f"profile {name} was loaded before its files were last changed, and gets everything that they say by now"
    details: dict[str, Any] = {"how": "profile", "name": name, "source": source, "files": []}
    if gone:
        details["profile"] = name
    change = Reload(f"profile {name}", "as it was loaded", "loaded anew", disrupts=[why], details=details)
    change.renew()
    return change


def _add_trials(plan: ProfilePlan, place: str) -> None:
    """Each file that is loaded is tried once, with all changes."""
    texts = {path: text for path, text in plan.after.items() if text != plan.before[path]}
    done: set[str] = set()
    for change in plan.changes:
        source = change.details["source"]
        if source not in done and plan.library.text(source) is not None:
            folder = f"{place}/{len(done)}"
            os.mkdir(folder)
            change.trial = partial(_try, plan, source, texts, folder)  # type: ignore[attr-defined]
            done.add(source)


def _try(plan: ProfilePlan, source: str, texts: Mapping[str, Optional[str]], place: str) -> None:
    try_policy(source, texts, place)
    definitions = plan.library.definitions(source)
    if not any(one.profile.disabled for one in definitions):
        mode_options(definitions, plan.loaded)


def _present(plan: ProfilePlan, wish: Wish, definition: Optional[Definition], accept: Collection[str]) -> None:
    _demand_not_generated(wish.profile, definition)
    if definition is None:
        _make(plan, wish, accept)
        return
    profile = plan.library.complete(definition)
    _demand_same_program(profile, wish)
    missing = []
    for rule in wish.rules:
        holders = _holders(profile, rule)
        if not holders:
            missing.append(rule)
        elif any(_is_stale(plan, profile.name, holder.file) for holder in holders):
            plan.stale[definition.source] = profile.name
    if missing:
        _demand_consent(wish.profile, profile.executable, missing, accept)
        _add(plan, definition, missing)
    _say_what_is_not_loaded(plan, profile, changed=bool(missing))


def _demand_not_generated(name: str, definition: Optional[Definition]) -> None:
    generator = generator_of(name)
    if generator and (definition is None or definition.profile.generator):
        raise ChangeError(
            f"profile {name} is made by {generator} itself, which would undo a rule in it: run that program with a "
            f"profile of its own, or change it where {generator} is configured"
        )


def _demand_same_program(profile: Profile, wish: Wish) -> None:
    if wish.executable is None or not profile.executable or "//" in profile.name:
        return
    path = os.path.realpath(wish.executable)
    if not matches(profile.executable, path):
        raise ChangeError(
            f"profile {profile.name} ({profile.file}:{profile.line}) is for {profile.executable}, and not for {path}"
        )


def _holders(profile: Profile, text: str) -> list[ProfileRule]:
    """The rules of a profile that grant what a rule would; none when they do not. Raises ChangeError for a deny."""
    wanted = parse_rule(text)
    if wanted is None:
        return []
    for rule in profile.rules:
        if refuses(rule, wanted):
            raise ChangeError(
                f"{rule.file}:{rule.line} has {rule.text!r}, and nothing in profile {profile.name} can allow what a "
                "deny rule refuses: take that one out first"
            )
    return grantors(profile, wanted)


def _is_stale(plan: ProfilePlan, name: str, file: str) -> bool:
    """Whether a file was changed after the kernel got the profile that it is a part of."""
    if name not in plan.loaded or file in plan.after:
        return False
    moment = loaded_at(name)
    try:
        return moment is not None and os.stat(file).st_mtime_ns > moment
    except OSError:
        return False


def _demand_consent(name: str, executable: Optional[str], rules: Sequence[str], accept: Collection[str]) -> None:
    word = consent_for(name, executable, list(rules))
    if word is None or word in accept:
        return
    whom = "every program of this host" if word == "world_userns" else f"everybody who runs {executable}"
    quoted = ", ".join(f"'{rule}'" for rule in rules)
    raise ChangeError(f"{quoted} in profile {name} is a privilege for {whom}: accept it with {word}")


def _add(plan: ProfilePlan, definition: Definition, rules: Sequence[str]) -> None:
    """Into our section where there is one, else into the file in local/, else into the profile itself."""
    library, local = plan.library, definition.profile.local
    section = section_of_block(definition.policy, definition.block)
    if section is None and local is not None and _is_for_one(library, local):
        text = library.text(local) or ""
        known = section_of_file(text)
        plan.put(local, set_in_file(text, _merged(known.rules if known else [], rules)), definition.source)
        return
    _demand_one_use(library, definition)
    if definition.block.end is None:
        raise ChangeError(f"{definition.file}: profile {definition.profile.name} has no end")
    text = set_in_block(definition.policy, definition.block, _merged(section.rules if section else [], rules))
    plan.put(definition.file, text, definition.source)


def _merged(old: Sequence[str], new: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*old, *new]))


def _is_for_one(library: Library, local: str) -> bool:
    """Whether one profile alone includes a file, which is no directory: a rule in it widens no other."""
    if os.path.isdir(local):
        return False
    users = [
        one.profile.name
        for one in library.all()
        for include in one.block.includes
        if os.path.normpath(library.resolve(include)) == local
    ]
    return len(users) == 1


def _demand_one_use(library: Library, definition: Definition) -> None:
    """A file that is included in several places defines as many profiles with the same text."""
    others = [
        one.profile.name
        for one in library.all()
        if one.file == definition.file and one.block is definition.block and one.profile.name != definition.profile.name
    ]
    if others:
        raise ChangeError(
            f"{definition.file} defines {', '.join(sorted(others))} with the same text as {definition.profile.name}: "
            "a rule in it would be for all of them, so write it where you want it"
        )


def _say_what_is_not_loaded(plan: ProfilePlan, profile: Profile, *, changed: bool) -> None:
    if profile.disabled:
        plan.warnings.append(f"profile {profile.name} is disabled (a link in disable/): it stays so, and is not loaded")
    elif changed and profile.name not in plan.loaded:
        plan.warnings.append(f"profile {profile.name} is not loaded: it stays so, and has the rules when it is")


# --- a profile of our own ---------------------------------------------------------------------------------------------


def _make(plan: ProfilePlan, wish: Wish, accept: Collection[str]) -> None:
    """A new profile for a program that has none."""
    directory = plan.library.directory
    if wish.profile in plan.loaded:
        raise ChangeError(
            f"profile {wish.profile} is loaded, but no file below {directory} defines it: whatever loaded it has to "
            "have the rules"
        )
    if wish.executable is None:
        raise ChangeError(_no_such_profile(plan, wish))
    executable = _demand_program(wish.executable)
    name = _file_name(wish.profile, executable)
    _demand_no_other(plan, executable)
    if "userns," not in wish.rules:
        raise ChangeError(
            f"{executable} has no profile, so AppArmor refuses it nothing that {', '.join(wish.rules)} would allow: a "
            "profile is made only for userns,"
        )
    _demand_consent(wish.profile, executable, wish.rules, accept)
    path = f"{directory}/{name}"
    if plan.library.text(path) is not None or os.path.lexists(path):
        raise ChangeError(f"{path} exists, and defines no profile {wish.profile}")
    if os.path.lexists(f"{directory}/disable/{name}"):
        raise ChangeError(f"the link {directory}/disable/{name} keeps a profile in {path} from being loaded: remove it")
    text = new_profile(wish.profile, name, executable, wish.rules, abi=os.path.isfile(f"{directory}/abi/4.0"))
    plan.put(path, text, path)
    plan.made[path] = wish.profile
    plan.restart_required += [{"kind": "process", "name": who} for who in running(executable)]


def _no_such_profile(plan: ProfilePlan, wish: Wish) -> str:
    """What is wrong with a name that no file defines. Often it is the path of the program, or of the file."""
    sentence = f"no file below {plan.library.directory} defines a profile {wish.profile}"
    if wish.profile.startswith("/"):
        found = [one.profile for one in plan.library.all() if wish.profile in (one.source, one.profile.file)]
        found += attached(plan.library, os.path.realpath(wish.profile))
        names = ", ".join(dict.fromkeys(profile.name for profile in found))
        if names:
            return f"{sentence}: what belongs to this path is called {names}"
    if "userns," in wish.rules:
        return f"{sentence}: name the executable for which to make one"
    return f"{sentence}, expected the name of one as /proc/PID/attr/current shows it"


def _demand_program(path: str) -> str:
    """Path without symbolic links of a program that only root can change. Raises ChangeError."""
    real = os.path.realpath(path)
    if not os.path.isfile(real):
        raise ChangeError(f"executable {path} does not exist or is no file")
    if not _PLAIN_PATH.fullmatch(real):
        raise ChangeError(f"executable {path} leads to {real!r:.120}, which has characters that a profile cannot name")
    with opened_file(real) as (handle, _place):
        demand_root_only(handle, real)
    return real


def _file_name(name: str, executable: str) -> str:
    """Name of the file of a new profile."""
    if name == executable:
        name = executable[1:].replace("/", ".")
    if not _NEW_NAME.fullmatch(name) or IGNORED.fullmatch(name):
        raise ChangeError(
            f"{name!r:.120} is no name for a new profile, expected one of letters, digits and _ . + - that its file "
            "can have, or the path of the executable"
        )
    return name


def _demand_no_other(plan: ProfilePlan, executable: str) -> None:
    for other in attached(plan.library, executable):
        if not other.disabled:
            raise ChangeError(
                f"{executable} has the profile {other.name} ({other.file}:{other.line}) already: add the rules to that"
            )


def running(executable: str) -> list[str]:
    """Processes that run a program, as "name[pid]"."""
    wanted, found = os.stat(executable), []
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            status = os.stat(f"/proc/{pid}/exe")
            if (status.st_dev, status.st_ino) == (wanted.st_dev, wanted.st_ino):
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    found.append(f"{file.read().strip()}[{pid}]")
        except OSError:
            continue  # It ended, or is a thread of the kernel.
    return found


# --- absent -----------------------------------------------------------------------------------------------------------


def _absent(plan: ProfilePlan, wish: Wish, definition: Definition) -> None:
    """Take rules out of our sections; a file that is ours alone goes when nothing is left in it."""
    name, library = definition.profile.name, plan.library
    gone: list[str] = []
    section = section_of_block(definition.policy, definition.block)
    if section is not None and _keeps(section.rules, wish) != section.rules:
        kept = _keeps(section.rules, wish)
        gone += [rule for rule in section.rules if rule not in kept]
        ours = is_ours(definition.policy.text) and definition.file == definition.source
        text: Optional[str] = set_in_block(definition.policy, definition.block, kept)
        if ours and not kept and not section.others:
            plan.made[definition.source] = name
            text = None
        plan.put(definition.file, text, definition.source)
        plan.disrupts[definition.file] = [f"profile {name} allows no more: {', '.join(gone)}"]
    local = definition.profile.local
    below = section_of_file(library.text(local) or "") if local is not None else None
    if local is not None and below is not None and _keeps(below.rules, wish) != below.rules:
        kept = _keeps(below.rules, wish)
        lost = [rule for rule in below.rules if rule not in kept]
        text = set_in_file(library.text(local) or "", kept)
        plan.put(local, text if text or not _may_go(definition, library, local) else None, definition.source)
        plan.disrupts[local] = [f"profile {name} allows no more: {', '.join(lost)}"]
    _say_what_is_left(plan, wish)


def _find_unfinished(plan: ProfilePlan, name: str) -> None:
    """A run that was killed may have taken rules out of the files of a profile, and not have come to load it: then the
    kernel has them still, and no file tells. Its receipt does.
    """
    moment = loaded_at(name) if name in plan.loaded else None
    if moment is None:
        return
    for receipt in load_receipts([]):
        begun = datetime.fromisoformat(receipt.time).timestamp() + 1  # It leaves out what is less than a second.
        for entry in receipt.changes:
            details = entry.record.get("details", {})
            if entry.status == PLANNED and details.get("then") == "load_profiles" and moment < begun * 1e9:
                source = details["source"]
                known = {one.profile.name for one in plan.library.definitions(source)}
                if name in {*known, details.get("profile")}:
                    plan.stale[source] = name


def _keeps(rules: Sequence[str], wish: Wish) -> list[str]:
    return [rule for rule in rules if wish.rules and rule not in wish.rules]


def _may_go(definition: Definition, library: Library, local: str) -> bool:
    """Whether the profile is valid without the file."""
    return all(
        include.if_exists
        for include in definition.block.includes
        if os.path.normpath(library.resolve(include)) == local
    )


def _say_what_is_left(plan: ProfilePlan, wish: Wish) -> None:
    definition = plan.library.find(wish.profile)
    if definition is None:
        return
    profile = plan.library.complete(definition)
    for text in wish.rules:
        wanted = parse_rule(text)
        for rule in grantors(profile, wanted)[:1] if wanted is not None else []:
            plan.warnings.append(
                f"profile {profile.name} still allows {text.rstrip(',')}: {rule.file}:{rule.line} has {rule.text!r}"
            )
