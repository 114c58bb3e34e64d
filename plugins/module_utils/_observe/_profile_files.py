# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find AppArmor profiles in the files of a host, with what they include, and those that the kernel has loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import alternatives, may_be_tun
from ansible_collections.netlink.remediation.plugins.module_utils._linux import TUN, errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._files import (
    list_names,
    printable,
    read_text,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._profile_text import (
    Block,
    Include,
    Policy,
    expand,
    read_policy,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Profile, ProfileRule
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

DIRECTORY = "/etc/apparmor.d"
LOADED = "/sys/kernel/security/apparmor/profiles"
DEEPEST, MOST_FILES = 16, 400  # Of includes, for one profile.

# Names that apparmor_parser leaves alone in a directory (is_blacklisted in libapparmor).
IGNORED = re.compile(
    r"\..*|.*~|README|.*\.(dpkg-(new|old|dist|bak|remove)|pacsave|pacnew|rpmnew|rpmsave|orig|rej)", re.DOTALL
)
# An include of a file that may define profiles.
_INCLUDES = re.compile(r'include(?: if exists)? *(?:<(?!tunables/|abstractions/|local/)|")')
# Profiles that a tool makes for each container, machine or package, by the names that it gives them.
_GENERATED = (
    (re.compile(r"docker-default|docker-nvidia"), "docker"),
    (re.compile(r"containers-default-.*"), "podman"),
    (re.compile(r"cri-containerd\.apparmor\.d|nerdctl-default"), "containerd"),
    (re.compile(r"crio-default"), "cri-o"),
    (re.compile(r"buildkit-default"), "buildkit"),
    (re.compile(r"snap\..*|snap-update-ns\..*|/snap/.*"), "snap"),
    (re.compile(r"(libvirt|virt)-[0-9a-f-]{36}"), "libvirt"),
    (re.compile(r"lxc-.*"), "lxc"),
    (re.compile(r"lxd(_[a-z]+)?-.*"), "lxd"),
    (re.compile(r"incus(_[a-z]+)?-.*"), "incus"),
)
_LABEL = re.compile(r"(.*?)(?: \(([a-z]+)\))?\n?", re.DOTALL)


@dataclass
class Definition:
    """Where a profile is defined. source: the file that is loaded; file, policy, block: the text that it stands in,
    which may be one that the source includes."""

    profile: Profile
    source: str
    file: str
    policy: Policy
    block: Block


@dataclass
class Library:
    """The files below one directory, each read once. unseen: gets what could not be read. texts: read instead of what
    the files hold, to look at policy that is not written yet; None for a file that is to be removed.
    """

    unseen: list[Unseen]
    directory: str = DIRECTORY
    texts: dict[str, Optional[str]] = field(default_factory=dict)
    _policies: dict[str, Optional[Policy]] = field(default_factory=dict)
    _all: Optional[list[Definition]] = None

    def text(self, path: str) -> Optional[str]:
        """Text of a file, None when there is none."""
        if path not in self.texts:
            self.texts[path] = read_text(path, "/", self.unseen)
        return self.texts[path]

    def policy(self, path: str) -> Optional[Policy]:
        """What a file defines, None when there is none."""
        if path not in self._policies:
            text = self.text(path)
            self._policies[path] = None if text is None else read_policy(text)
        return self._policies[path]

    def sources(self) -> list[str]:
        """The files that are loaded at boot: those in the directory itself."""
        names = [name for name in list_names(self.directory, "/", self.unseen) if not IGNORED.fullmatch(name)]
        found = [f"{self.directory}/{name}" for name in names]
        made = [path for path in self.texts if os.path.dirname(path) == self.directory and path not in found]
        return [path for path in [*found, *made] if path in self.texts or os.path.isfile(path)]

    def all(self) -> list[Definition]:
        """Every profile that is defined."""
        if self._all is None:
            self._all = [one for source in self.sources() for one in self.definitions(source)]
        return self._all

    def find(self, name: str) -> Optional[Definition]:
        """The definition of a profile that the kernel calls so. Only files that can define it are looked at closely."""
        word = name.partition("//")[0].rstrip("/").rpartition("/")[2]
        speaking = [source for source in self.sources() if word and word in (self.text(source) or "")]
        others = [source for source in self.sources() if _INCLUDES.search(self.text(source) or "")]
        for source in dict.fromkeys([*speaking, *others]):
            for definition in self.definitions(source):
                if definition.profile.name == name:
                    return definition
        return None

    def definitions(self, source: str) -> list[Definition]:
        policy = self.policy(source)
        if policy is None:
            return []
        variables = self._variables(source, policy) if "@{" in policy.text else {}
        found: list[Definition] = []
        for file, part in self._included(policy.top.includes, [(source, policy)], profiles_only=True):
            for block in part.blocks:
                found.append(self._definition(source, file, part, block, "", variables))
                for below, piece in self._included(block.includes, [], profiles_only=True):
                    found += [
                        self._definition(source, below, piece, child, f"{block.name}//", variables)
                        for child in piece.blocks
                    ]
        return found

    def _definition(
        self, source: str, file: str, policy: Policy, block: Block, prefix: str, variables: dict[str, list[str]]
    ) -> Definition:
        name = expand(block.name, variables) if "@{" in block.name else block.name
        profile = Profile(
            name=printable(prefix + name),
            file=printable(file),
            line=block.line,
            executable=printable(expand(block.attachment, variables)) if block.attachment else None,
            local=self._local(block, source),
            generator=generator_of(prefix + name),
            flags=list(block.flags),
            disabled=os.path.lexists(f"{self.directory}/disable/{os.path.basename(source)}"),
        )
        return Definition(profile, source, file, policy, block)

    def _local(self, block: Block, source: str) -> Optional[str]:
        """The file in local/ that is for this profile: the one called like its source, else the last."""
        found = []
        for include in block.includes:
            path = os.path.normpath(self.resolve(include))
            if os.path.dirname(path) == f"{self.directory}/local" and not include.conditional:
                found.append(path)
        found.sort(key=lambda path: os.path.basename(path) == os.path.basename(source))
        return printable(found[-1]) if found else None

    def resolve(self, include: Include) -> str:
        """Path of an included file or directory."""
        return include.path if include.path.startswith("/") else f"{self.directory}/{include.path}"

    def complete(self, definition: Definition) -> Profile:
        """The profile with its rules, those of what it includes too."""
        profile = definition.profile
        profile.rules = [_at(rule, definition.file) for rule in definition.block.rules]
        held = {id(include) for include in definition.block.includes if include.conditional}
        for include in definition.block.includes:
            for file, policy in self._included([include], []):
                for rule in policy.top.rules:
                    conditional = rule.conditional or id(include) in held
                    profile.rules.append(replace(_at(rule, file), conditional=conditional))
        patterns = [rule.words[0] for rule in profile.rules if rule.kind == "file" and rule.words]
        named = any("@{" in pattern for pattern in patterns)
        source = self.policy(definition.source) if named else None
        variables = self._variables(definition.source, source) if source else {}
        kept = (_for_tun(rule, variables) for rule in profile.rules)
        profile.rules = [rule for rule in kept if rule is not None]
        return profile

    def _included(
        self, includes: Iterable[Include], first: list[tuple[str, Policy]], *, profiles_only: bool = False
    ) -> list[tuple[str, Policy]]:
        """Files with what they define, each once: the first ones, then all that is included, however deep.

        profiles_only: what no profile is defined in, such as tunables and abstractions, is not opened.
        """
        found, seen = list(first), {path for path, _policy in first}
        pending = [(self.resolve(include), 1) for include in includes]
        while pending:
            path, depth = pending.pop(0)
            if path in seen:
                continue
            if depth > DEEPEST or len(found) >= MOST_FILES:
                self.unseen.append(Unseen(printable(path), "included too deep, or among too many files"))
                break
            seen.add(path)
            if profiles_only and path.startswith((f"{self.directory}/tunables/", f"{self.directory}/abstractions/")):
                continue
            if path not in self.texts and os.path.isdir(path):
                names = [name for name in list_names(path, "/", self.unseen) if not IGNORED.fullmatch(name)]
                pending += [(f"{path}/{name}", depth + 1) for name in names]
                continue
            policy = self.policy(path)
            if policy is not None:
                found.append((path, policy))
                pending += [(self.resolve(include), depth + 1) for include in policy.top.includes]
        return found

    def _variables(self, source: str, policy: Policy) -> dict[str, list[str]]:
        variables: dict[str, list[str]] = {}
        for _path, part in self._included(policy.top.includes, [(source, policy)]):
            for name, values in part.variables.items():
                variables.setdefault(name, []).extend(values)
        return variables


def _at(rule: ProfileRule, file: str) -> ProfileRule:
    """A copy of the rule that knows its file, free of what JSON may not hold."""
    words = [printable(word) for word in rule.words]
    return replace(rule, file=printable(file), text=printable(rule.text), words=words)


def _for_tun(rule: ProfileRule, variables: dict[str, list[str]]) -> Optional[ProfileRule]:
    """A rule, None for one for files that is for others than /dev/net/tun; conditional where that cannot be told."""
    if rule.kind != "file" or not rule.words:
        return rule
    pattern = expand(rule.words[0], variables)
    if may_be_tun(pattern) and ("@{" in pattern or not alternatives(pattern)):
        return replace(rule, conditional=True)
    return rule if may_be_tun(pattern) and matches(pattern, TUN) else None


def find_profiles(names: Iterable[str], unseen: list[Unseen], directory: str = DIRECTORY) -> dict[str, Profile]:
    """Profiles by the names that the kernel gives them; those that nothing defines are missing.

    A generated one that no file defines has a generator and nothing else. mode is not filled in.
    """
    library = Library(unseen, directory)
    found = {}
    for name in names:
        definition = library.find(name)
        if definition is not None:
            found[name] = library.complete(definition)
        elif generator_of(name):
            found[name] = Profile(name, generator=generator_of(name))
    return found


def profiles_of(executable: str, unseen: list[Unseen], directory: str = DIRECTORY) -> list[Profile]:
    """The profiles that attach to a program, by its path without symbolic links; without their rules."""
    return attached(Library(unseen, directory), executable)


def attached(library: Library, executable: str) -> list[Profile]:
    """As profiles_of(), in a library that may hold what is not written yet."""
    return [one.profile for one in claiming(library, executable)]


def claiming(library: Library, executable: str) -> list[Definition]:
    """The definitions of the profiles that attach to a program."""
    found = (one for one in library.all() if "//" not in one.profile.name and one.profile.executable)
    return [one for one in found if matches(one.profile.executable or "", executable)]


def generator_of(name: str) -> Optional[str]:
    """The tool that makes a profile of this name by itself, None for one that people write."""
    name = name.partition("//")[0]
    return next((tool for pattern, tool in _GENERATED if pattern.fullmatch(name)), None)


def loaded_modes(unseen: list[Unseen], path: str = LOADED) -> Optional[dict[str, str]]:
    """The profiles that the kernel has, each with its mode; None when it cannot be asked (only the host's root may)."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")
    except OSError as exc:
        unseen.append(Unseen(path, errno_name(exc.errno or 0)))
        return None
    found = (_LABEL.fullmatch(line) for line in lines if line)
    return {printable(one[1]): one[2] for one in found if one and one[2]}


def matches(pattern: str, path: str) -> bool:
    """Whether a path is one of those that a pattern stands for, apparmor.d(5) "Globbing"."""
    return any(_matches(_pieces(part), path) for part in alternatives(pattern[:4096]))


def attachment_claims(pattern: str, path: str) -> set[int]:
    """How much of a path its attachment names before the first wildcard, for each of its alternatives that match.

    The kernel takes the profile with the most: the characters until its automaton comes to a state for the second time
    (find_attach() in security/apparmor/domain.c). Measured on Linux 7.2 with 78 pairs of patterns.
    """
    found = set()
    for part in alternatives(pattern[:4096]):
        pieces = _pieces(part)
        if _matches(pieces, path):
            first = next((place for place, piece in enumerate(pieces) if piece in ("*", "**")), len(pieces))
            whole = pieces[first - 1] == "/" and pieces[first + 1 : first + 2] in ([], ["/"])
            # A wildcard for all of a name stands for one character at least.
            found.add(first + (first < len(pieces) and whole))
    return found


def _pieces(pattern: str) -> list[str]:
    """A pattern without alternatives as literal characters, "?", "*", "**" and classes such as "[^ab]"."""
    return [piece[0] for piece in re.finditer(r"\\.|\*\*|\[\^?[^\[\]]+\]|.", pattern, re.DOTALL)]


def _matches(pieces: list[str], path: str) -> bool:
    """Keeps the set of places in the path that could be reached: the work is the product of both lengths at most."""
    places = {0}
    for piece in pieces:
        if piece in ("*", "**"):
            places = _run_on(places, path, "" if piece == "**" else "/")
        else:
            places = {place + 1 for place in places if place < len(path) and _is_one(piece, path[place])}
        if not places:
            return False
    return len(path) in places


def _run_on(places: set[int], path: str, barrier: str) -> set[int]:
    found = set(places)
    for place in range(min(places), len(path)):
        if place in found and path[place] != barrier:
            found.add(place + 1)
    return found


def _is_one(piece: str, char: str) -> bool:
    if piece == "?":
        return char != "/"
    if len(piece) > 2 and piece.startswith("["):
        body = piece[1:-1]
        inverted = body.startswith("^")
        return char != "/" and _in_class(body[inverted:], char) != inverted
    return (piece[1:] if len(piece) == 2 else piece) == char


def _in_class(body: str, char: str) -> bool:
    position = 0
    while position < len(body):
        if body[position + 1 : position + 2] == "-" and position + 2 < len(body):
            if body[position] <= char <= body[position + 2]:
                return True
            position += 3
        else:
            if body[position] == char:
                return True
            position += 1
    return False
