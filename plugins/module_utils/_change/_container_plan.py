# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What container_capabilities plans, and what all owners of containers have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import ALL, Request, Wish
from ansible_collections.netlink.remediation.plugins.module_utils._linux import (
    CAPABILITIES,
    capability_mask,
    capability_names,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container

ANEW = "it is down meanwhile, connections to it break, and what it wrote outside of its volumes is lost"


@dataclass
class Subject:
    """A container and what is asked for it."""

    container: Container
    requests: list[Request] = field(default_factory=list)

    @property
    def where(self) -> str:
        """For messages: the place of its first request."""
        return self.requests[0].where

    @property
    def recreate(self) -> bool:
        """Whether it shall be started anew in any case."""
        return any(request.recreate for request in self.requests)


@dataclass
class Plan:
    """What a call of the module will do. advice, security: see the module's return values; warnings: sentences."""

    accept: Collection[str] = ()
    changes: list[Change] = field(default_factory=list)
    security: list[str] = field(default_factory=list)
    advice: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def advise(self, container: Container, text: str, commands: Iterable[str] = ()) -> None:
        """What has to be done by hand."""
        self.advice.append({"container": container.name, "text": text, "commands": list(commands)})
        self.warnings.append(f"container {container.name} is not changed, but advised: {text}")

    def warn_of(self, container: Container, wish: Wish) -> None:
        """Note, once, what a container may do more."""
        self.security += [sentence for sentence in gains(container, wish) if sentence not in self.security]


def gains(container: Container, wish: Wish) -> list[str]:
    """Sentences on the privilege that a definition with this wish gives to a container, for the preview."""
    mask = capability_mask(wish.cap_add) & ~container.capabilities.get("bounding", 0)
    where = " over the HOST network" if container.net_ns == "host" else ""
    found = [f"container {container.name} gains {', '.join(capability_names(mask))}{where}"] if mask else []
    if wish.user and wish.user.partition(":")[0] in ("0", "root") and not is_root(container):
        found.append(f"container {container.name} runs as root instead of user {container.user}")
    if wish.userns == "host" and container.user_ns != "host":
        found.append(
            f"the root of container {container.name} is the root of this host, no longer remapped, while the files in "
            "its volumes still belong to the remapped ids"
        )
    return found


def is_root(container: Container) -> bool:
    """Whether its process is started as root of its user namespace."""
    return (container.user or "0").partition(":")[0] in ("", "0", "root")


def shares_network(container: Container) -> bool:
    """Whether its network namespace is that of the host or of somebody else."""
    return container.net_ns is not None and container.net_ns != "own"


def warn_of_user(plan: Plan, subjects: Sequence[Subject], wish: Wish) -> None:
    """Docker gives an added capability to root only; podman to any user."""
    for container in (subject.container for subject in subjects):
        if wish.cap_add and container.engine != "podman" and not wish.user and not is_root(container):
            plan.warnings.append(
                f"container {container.name} runs as user {container.user}, to whom {container.engine} gives no added "
                "capability: set user to root (best with cap_drop [ALL]), or set a file capability in its image"
            )


def demand_own_network(subject: Subject, wish: Wish) -> None:
    """Raise ChangeError for sysctls of a network that is not the container's own: engines refuse to start it."""
    refused = [key for key in wish.sysctls if key.startswith("net.")]
    if refused and shares_network(subject.container):
        raise ChangeError(
            f"{subject.where}: sysctls {', '.join(refused)} cannot be set, since the network is not the container's "
            f"own ({subject.container.net_ns}): use sysctl_settings on the host, or the container that owns it"
        )


def lacks(container: Container, said: Wish) -> bool:
    """Whether what runs was started without something that its definition names by now. A user by name is not told."""
    mask = capability_mask(name for name in said.cap_add if name in CAPABILITIES)
    less = mask & ~container.capabilities.get("bounding", mask)
    uid, started = ((user or "").partition(":")[0].replace("root", "0") for user in (said.user, container.user))
    other = uid.isdigit() and started.isdigit() and uid != started
    remapped = said.userns == "host" and container.user_ns == "own"
    values = any(container.sysctls.get(key, value) != value for key, value in said.sysctls.items())
    return bool(less) or other or remapped or values


def satisfied(container: Container, wish: Wish) -> bool:
    """Whether a container was made with all of a wish; one whose user is wished by name is not known to be."""
    bounding = container.capabilities.get("bounding")
    if (wish.cap_add or wish.cap_drop) and bounding is None:
        return False
    added, held = capability_mask(wish.cap_add), bounding or 0
    dropped = held & ~added if ALL in wish.cap_drop else held & capability_mask(wish.cap_drop)
    user = (wish.user or "").replace("root", "0")
    now = container.user or "0:0"
    return (
        not added & ~held
        and not dropped
        and (not user or user in (now, now.partition(":")[0]))
        and (wish.userns is None or container.user_ns == wish.userns)
        and all(container.sysctls.get(key) == value for key, value in wish.sysctls.items())
    )
