# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection has added to the definition of a container, which one that was made before does not have."""

from __future__ import annotations

import json
import os
import re
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._linux import capability_bit
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, ContainerOwner
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import DROP_IN

# The marker of our compose overrides, and their names: compose loads the first that is there.
MARKER = "x-netlink-remediation"
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
_LIMIT = 1 << 20


def see_granted(container: Container, root: str = "/") -> None:
    """Fill in `granted` and `granted_user`: what an override or drop-in of this collection gives the container."""
    owner = container.owner
    if container.engine in ("lxc", "nspawn"):
        # There is no other record than the definition, as it is by now.
        container.granted = container.capabilities.get("bounding", 0)
        return
    settings: dict[str, Any] = {}
    if owner.kind == "compose" and owner.service:
        settings = _compose(owner, root)
    elif owner.kind == "quadlet":
        settings = _quadlet(owner, root)
    container.granted = _mask(settings.get("cap_add"))
    user = settings.get("user")
    container.granted_user = str(user) if user is not None else None


def _compose(owner: ContainerOwner, root: str) -> dict[str, Any]:
    places = [owner.directory] if owner.directory else []
    places += [os.path.dirname(path) for path in owner.files[:1]]
    for place in places:
        for name in OVERRIDES:
            text = _read(root + os.path.join(place, name))
            try:
                content = json.loads(text) if text else None
            except (ValueError, RecursionError):
                continue  # the user's own, in YAML
            if isinstance(content, dict) and MARKER in content:
                services = content.get("services")
                found = services.get(owner.service) if isinstance(services, dict) else None
                return found if isinstance(found, dict) else {}
    return {}


def _quadlet(owner: ContainerOwner, root: str) -> dict[str, Any]:
    found: dict[str, Any] = {"cap_add": []}
    for path in owner.files[:1]:
        # That for a file of a package or of /run lies where the administrator's are.
        places = (f"{path}.d", f"/etc/containers/systemd/{os.path.basename(path)}.d")
        text = next(filter(None, (_read(f"{root}{place}/{DROP_IN}") for place in places)), "")
        for name, value in re.findall(r"^(AddCapability|User)[ \t]*=(.*)$", text, re.MULTILINE):
            if name == "User":
                found["user"] = value.strip()
            else:
                found["cap_add"] += value.split()
    return found


def _mask(names: Any) -> int:
    mask = 0
    for name in names if isinstance(names, list) else []:
        try:
            mask |= 1 << capability_bit(str(name))
        except ValueError:
            continue
    return mask


def _read(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_LIMIT)
    except OSError:
        return None
