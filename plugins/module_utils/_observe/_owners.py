# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd units and quadlets (podman-systemd.unit(5)) that start containers."""

from __future__ import annotations

import functools
import re
from typing import Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import Files
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, ContainerOwner

# Where quadlets lie, and what systemd's generator makes of them; the directories of users are added.
QUADLETS = ("/etc/containers/systemd", "/run/containers/systemd", "/usr/share/containers/systemd")
GENERATED = "/run/systemd/generator"
UNITS = ("/etc/systemd/system", "/run/systemd/system")

_SOURCE = re.compile(r"^SourcePath=(/\S.*?)\s*$", re.MULTILINE)
_INSTANCE = re.compile(r"@[^.]+\.")
_STARTS = re.compile(r"^Exec\w+=.*?\b(?:docker|podman|nerdctl)\b.*?\b(?:run|start|create)\b.*$", re.MULTILINE)


class Owners:
    """Finds the unit that starts a container; files are read when they are needed, each once."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def see(self, container: Container, unit: Optional[str]) -> None:
        """Complete the owner of a container. unit: the service in whose cgroup it or its monitor is."""
        if container.owner.kind not in ("hand", "unit"):
            return
        name = container.owner.unit or unit or self._starter(container.name)
        if name is None:
            return
        pod = container.owner.pod
        quadlet = self._quadlet(name)
        if quadlet:
            container.owner = ContainerOwner("quadlet", unit=name, files=[quadlet, *self._drop_ins(quadlet)], pod=pod)
        else:
            container.owner = ContainerOwner("unit", unit=name, files=self._unit_files(name), pod=pod)

    def _quadlet(self, unit: str) -> Optional[str]:
        """The file from which a unit was generated, as the generator notes it in the unit."""
        template = _INSTANCE.sub("@.", unit)
        for directory in (GENERATED, *(f"/run/user/{uid}/systemd/generator" for uid in self.files.names("/run/user"))):
            for name in dict.fromkeys((unit, template)):
                source = _SOURCE.search(self.files.text(f"{directory}/{name}") or "")
                if source and source[1].endswith(".container"):  # A .pod or .kube cannot name a capability.
                    return source[1]
        return None

    def _drop_ins(self, quadlet: str) -> list[str]:
        names = [name for name in self.files.names(f"{quadlet}.d") if name.endswith(".conf")]
        return [f"{quadlet}.d/{name}" for name in names]

    def _unit_files(self, unit: str) -> list[str]:
        paths = [f"{directory}/{unit}" for directory in UNITS]
        return [path for path in paths if self.files.text(path) is not None][:1]

    def _starter(self, name: str) -> Optional[str]:
        """The unit with a command that runs a container of that name."""
        wanted = re.compile(rf"(?:\s--name[ =]|\sstart(?:\s+-\S+)*\s){re.escape(name)}(?:\s|$)")
        for unit, commands in self._commands.items():
            expanded = commands.replace("%n", unit).replace("%N", unit.rpartition(".")[0])
            if any(wanted.search(line) for line in expanded.splitlines()):
                return unit
        return None

    @functools.cached_property
    def _commands(self) -> dict[str, str]:
        found = {}
        for directory in UNITS:
            for name in self.files.names(directory):
                path = f"{directory}/{name}"
                if name.endswith(".service") and not self.files.is_link(path):  # An alias, or masked.
                    text = (self.files.text(path) or "").replace("\\\n", " ")
                    found[name] = "\n".join(_STARTS.findall(text))
        return {name: commands for name, commands in found.items() if commands}
