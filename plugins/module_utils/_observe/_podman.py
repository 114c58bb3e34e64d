# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of podman and CRI-O, which share a store (github.com/containers/storage): its list of containers, and the
runtime specification of each. What podman keeps beyond that (labels, pods, those not yet started) is in a database.
"""

from __future__ import annotations

import functools
import json
import os
import re
import stat
from typing import Any, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._observe._labels import owner_of_labels
from ansible_collections.netlink.remediation.plugins.module_utils._observe._oci import (
    allows_all,
    apply_specification,
    network_of_pod,
    notes_of,
)
from ansible_collections.netlink.remediation.plugins.module_utils._observe._specfiles import (
    ID,
    LONGEST,
    USERS,
    Files,
    Place,
    items,
    mapping,
    texts,
    word,
    words,
)
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container, ContainerOwner

STORE = "/var/lib/containers/storage"
RUN = "/run/containers/storage"
CONFIGURATION = "/etc/containers/storage.conf"
_SETTING = re.compile(r'^[ \t]*(graphroot|runroot|root)[ \t]*=[ \t]*"(/[^"\n]+)"', re.MULTILINE)
CRIO = "/etc/crio/crio.conf"
# Volatile ones are those that are removed when they end (podman run --rm).
LISTS = ("containers.json", "volatile-containers.json")

# podman up to 5 writes db.sql; before 4.8 a database of another kind was the default.
DATABASE = "db.sql"
CONFIGS = (
    "SELECT c.ID, c.JSON, p.Name FROM ContainerConfig c LEFT JOIN PodConfig p ON c.PodID = p.ID "
    "WHERE length(c.JSON) <= ?"
)


class Store:
    """One store with the runtime directory that belongs to it."""

    def __init__(self, files: Files, directory: str, run: str) -> None:
        self.files, self.directory, self.run = files, directory, run

    @functools.cached_property
    def records(self) -> dict[str, tuple[dict[str, Any], str]]:
        """Id -> (entry of the store's list, directory of the containers of that storage driver)."""
        found: dict[str, tuple[dict[str, Any], str]] = {}
        for name in self.files.names(self.directory):
            if name.endswith("-containers"):
                for path in LISTS:
                    for entry in map(mapping, items(self.files.data(f"{self.directory}/{name}/{path}"))):
                        identifier = word(entry.get("id"))
                        if identifier and ID.match(identifier):
                            found[identifier] = (entry, name)
        return found

    @functools.cached_property
    def configs(self) -> dict[str, tuple[dict[str, Any], Optional[str]]]:
        """Id -> (podman's own configuration of the container, name of its pod)."""
        path = f"{self.directory}/{DATABASE}"
        place = os.path.join(self.files.root, path.lstrip("/"))
        try:
            status = os.lstat(place)
        except OSError:
            return {}
        if status.st_uid != os.geteuid() or not stat.S_ISREG(status.st_mode):
            self.files.miss(path, "a database of another user is not opened; labels and pods are unknown")
            return {}
        try:
            rows = _rows(place)
        except (ImportError, OSError) as exc:
            self.files.miss(path, f"cannot be read ({exc}); labels and pods are unknown")
            return {}
        return {str(identifier): (_decoded(content), word(pod)) for identifier, content, pod in rows}

    def specification(self, identifier: str) -> tuple[Optional[str], dict[str, Any]]:
        """(path, content) of the runtime specification; without it what podman would make one from."""
        folder = self.records[identifier][1]
        for place in (self.directory, self.run):
            path = f"{place}/{folder}/{identifier}/userdata/config.json"
            content = self.files.data(path)
            if isinstance(content, dict):
                return path, content
        config = self.configs.get(identifier, ({}, None))[0]
        return (f"{self.directory}/{DATABASE}" if config else None), mapping(config.get("spec"))


def _rows(place: str) -> list[tuple[Any, Any, Any]]:
    """Raises OSError, or ImportError where Python was built without SQLite."""
    import sqlite3  # Here: a host without podman needs none.

    try:
        connection = sqlite3.connect(f"file:{_quoted(place)}?mode=ro", uri=True, timeout=1)
        try:
            return connection.execute(CONFIGS, (LONGEST,)).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as exc:
        raise OSError(str(exc)) from None


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _decoded(content: Any) -> dict[str, Any]:
    try:
        return mapping(json.loads(content))
    except (TypeError, ValueError, RecursionError):
        return {}


def podman_places(files: Files) -> list[Place]:
    """All containers in the stores of this host: those of root, those of the configuration, those of users."""
    stores: list[tuple[str, str]] = []
    for path in (CONFIGURATION, CRIO, *(f"{CRIO}.d/{name}" for name in files.names(f"{CRIO}.d"))):
        settings: dict[str, str] = dict(_SETTING.findall(files.text(path) or ""))
        stores.append((settings.get("graphroot", settings.get("root", STORE)), settings.get("runroot", RUN)))
    stores += [(f"{home}/.local/share/containers/storage", RUN) for home in files.homes()]
    found: dict[str, Place] = {}
    for directory, run in dict.fromkeys(stores):
        store = Store(files, directory, run)
        for identifier in store.records:
            names = functools.partial(_names, store, identifier)
            read = functools.partial(_read, store, identifier)
            found.setdefault(identifier, Place(identifier, names, read, users=directory.startswith(USERS)))
    return list(found.values())


def _names(store: Store, identifier: str) -> list[str]:
    """The names in the store's list, and for CRI-O that of the container in its pod."""
    names = words(store.records[identifier][0].get("names"))
    if any(name.startswith("k8s_") for name in names):
        owner = _pod(notes_of(store.specification(identifier)[1]))
        names += [owner.service] if owner.service else []
    return names


def _read(store: Store, identifier: str) -> Container:
    entry = store.records[identifier][0]
    container = Container(identifier, next(iter(words(entry.get("names"))), identifier), "podman")
    path, specification = store.specification(identifier)
    container.specification = path
    if specification:
        apply_specification(container, specification)
    notes = notes_of(specification)
    metadata = _decoded(entry.get("metadata"))
    container.image = word(metadata.get("image-name")) or notes.get("io.kubernetes.cri-o.ImageName")
    if notes.get("io.container.manager") == "cri-o" or "io.kubernetes.cri-o.ContainerType" in notes:
        container.privileged = allows_all(specification)
        return _of_crio(container, notes)
    config, pod = store.configs.get(identifier, ({}, None))
    container.privileged = notes.get("io.podman.annotations.privileged") == "TRUE" or config.get("privileged") is True
    container.owner = owner_of_labels(texts(config.get("labels")))
    container.owner.pod = container.owner.pod or pod
    _see_network(container, config)
    return container


def _see_network(container: Container, config: dict[str, Any]) -> None:
    """podman makes a network namespace itself, under a name of its own, before the runtime starts."""
    other = word(config.get("netNsCtr"))
    path = (container.net_ns or "").partition("path:")[2]
    if other:
        container.net_ns = f"container:{other}"
    elif os.path.basename(path).startswith("netns-"):
        container.net_ns = "own"


def _of_crio(container: Container, notes: dict[str, str]) -> Container:
    container.engine = "cri-o"
    container.image = notes.get("io.kubernetes.cri-o.ImageName") or container.image
    container.owner = _pod(notes)
    container.name = container.owner.service or container.name
    network_of_pod(container, notes.get("io.kubernetes.cri-o.SandboxID"))
    return container


def _pod(notes: dict[str, str]) -> ContainerOwner:
    """The pod as the kubelet's labels tell it, which CRI-O keeps as annotations and, together, in one of them."""
    labels = {**texts(_decoded(notes.get("io.kubernetes.cri-o.Labels"))), **notes}
    sandbox = notes.get("io.kubernetes.cri-o.ContainerType") == "sandbox"
    return ContainerOwner(
        "kubernetes",
        service=None if sandbox else labels.get("io.kubernetes.container.name"),
        pod=labels.get("io.kubernetes.pod.name") or notes.get("io.kubernetes.cri-o.KubeName"),
        namespace=labels.get("io.kubernetes.pod.namespace") or notes.get("io.kubernetes.cri-o.Namespace"),
    )
