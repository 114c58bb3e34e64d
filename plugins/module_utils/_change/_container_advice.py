# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do by hand for containers that cannot be changed from here: the exact command, patch or lines."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any, Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_command import (
    podman_words,
    run_words,
    wish_options,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_plan import (
    ANEW,
    Plan,
    Subject,
    demand_own_network,
    gains,
    satisfied,
    warn_of_user,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_start import docker_has, inspect
from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import (
    ALL,
    Wish,
    as_entry,
    engine_names,
    merge,
)
from ansible_collections.netlink.remediation.plugins.module_utils._commands import run
from ansible_collections.netlink.remediation.plugins.module_utils._linux import capability_mask, capability_names
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Container

# What containerd and docker give to a container whose security context adds and drops nothing.
_USUAL = capability_mask(
    (
        *("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "net_bind_service"),
        *("net_raw", "sys_chroot", "mknod", "audit_write", "setfcap"),
    )
)
_STARTS = re.compile(r"\b(docker|podman|nerdctl)\b.*\b(run|create)\b")


def plan_advice(subjects: Sequence[Subject], plan: Plan) -> None:
    """Add to the plan's advice what is to be done by hand. Raises ChangeError for what would not work."""
    for subject in subjects:
        wish = merge(Wish(), subject.requests)
        # An empty wish: nothing of ours can be there to be taken away.
        if (wish == Wish() or is_done(subject.container, wish)) and not subject.recreate:
            continue
        demand_own_network(subject, wish)
        owner = subject.container.owner.kind
        text, commands = _ADVICE.get(owner, _by_hand)(subject.container, wish)
        if wish != Wish():
            warn_of_user(plan, [subject], wish)
            text = " ".join([text, *(f"With it, {sentence}." for sentence in gains(subject.container, wish))])
        plan.advise(subject.container, text, commands)


def is_done(container: Container, wish: Wish) -> bool:
    """Whether what runs was made with all of a wish, so that there is nothing to advise."""
    return satisfied(container, wish) or (container.engine == "docker" and docker_has(container.id, wish))


def advise_by_hand(
    plan: Plan, subject: Subject, why: str, place: str, lines_for: Callable[[Wish], Sequence[str]]
) -> None:
    """Advice for an owner that is changed from here elsewhere: which lines go where, and why not from here."""
    wish = merge(Wish(), subject.requests)
    if wish != Wish() and not is_done(subject.container, wish):
        lines = "; ".join(lines_for(wish))
        plan.advise(subject.container, f"No file is written, since {why}. Add to {place}: {lines}. Then start it anew.")


# --- started by hand --------------------------------------------------------------------------------------------------


def _by_hand(container: Container, wish: Wish) -> tuple[str, list[str]]:
    name, engine = container.name, container.engine
    if wish == Wish():
        return f"Restart it, which interrupts it: {engine} starts its process anew.", [
            shlex.join([engine, "restart", name])
        ]
    if engine not in ("docker", "podman"):
        options = shlex.join(wish_options(wish))
        return f"Make it anew where it is started ({engine}), with {options}; a running container gains nothing.", []
    try:
        words, left_out = _words_of(container, wish)
    except ChangeError as exc:
        return f"Make it anew with {shlex.join(wish_options(wish))}; its command is not known here: {exc}.", []
    old = f"{name}-before"
    removed = "--rm" in words
    commands = [[engine, "stop", name]] + ([] if removed else [[engine, "rename", name, old]]) + [words]
    text = f"It was started by hand, so it has to be made anew by hand: {ANEW}."
    if left_out:
        text += f" The command leaves out {' and '.join(left_out)}: add what it needs."
    if not removed:
        text += f" Remove {old} ({engine} rm {old}) when the new one works; "
        text += f"to go back, remove the new one, then rename and start {old}."
    return text, [shlex.join(one) for one in commands]


def _words_of(container: Container, wish: Wish) -> tuple[list[str], list[str]]:
    (found,) = inspect(container.engine, [container.id])[:1] or [{}]
    if container.engine == "podman":
        command = (found.get("Config") or {}).get("CreateCommand")
        if not command:
            raise ChangeError("podman did not keep the command that made it")
        return podman_words(command, wish, str(found.get("ImageName")))
    code, out, _err = run(["docker", "image", "inspect", str(found.get("Image"))])
    images: Any = json.loads(out) if not code else []
    words, left_out = run_words(found, (images[0].get("Config") if images else None) or {}, wish)
    networks = sorted((found.get("NetworkSettings") or {}).get("Networks") or {})
    mode = str((found.get("HostConfig") or {}).get("NetworkMode"))
    others = [one for one in networks if one != mode and not (mode == "default" and one == "bridge")]
    if others and not mode.startswith("container:"):
        left_out.append(f"the further networks {', '.join(others)} (docker network connect)")
    return words, left_out


def _by_unit(container: Container, wish: Wish) -> tuple[str, list[str]]:
    """A unit whose command runs the engine."""
    unit = container.owner.unit or "its unit"
    restart = [["systemctl", "daemon-reload"], ["systemctl", "restart", unit]]
    if wish == Wish():
        return f"Restart unit {unit}, which makes it anew: {ANEW}.", [shlex.join(restart[1])]
    places = [place for path in container.owner.files for place in _lines_of(path)]
    where = ", ".join(places) or f"the files of unit {unit} (systemctl cat {unit})"
    options = shlex.join(wish_options(wish))
    text = (
        f"Unit {unit} starts it: add {options} right after the word run of the command in {where}, best in a drop-in "
        f"that sets ExecStart= anew, and restart the unit: {ANEW}."
    )
    return text, [shlex.join(one) for one in restart]


def _lines_of(path: str) -> list[str]:
    """FILE:LINE of the commands in a unit's file that run an engine."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    found, begin, text = [], 0, ""
    for number, line in enumerate(lines, 1):
        begin, text = (begin, text + line) if text else (number, line)
        if text.endswith("\\"):
            text = text[:-1] + " "
            continue
        if text.startswith("Exec") and _STARTS.search(text):
            found.append(f"{path}:{begin}")
        text = ""
    return found


def _swarm(container: Container, wish: Wish) -> tuple[str, list[str]]:
    service = container.owner.service or container.name
    if wish == Wish():
        return f"Swarm starts it anew: {ANEW}.", [shlex.join(["docker", "service", "update", "--force", service])]
    words = ["docker", "service", "update"]
    for option, names in (("--cap-add", wish.cap_add), ("--cap-drop", wish.cap_drop)):
        words += [word for name in engine_names(names) for word in (option, f"CAP_{name}" if name != "ALL" else name)]
    words += ["--user", wish.user] if wish.user else []
    words += [word for key, value in wish.sysctls.items() for word in ("--sysctl-add", f"{key}={value}")]
    text = (
        f"It is a task of the swarm service {service}, which a manager of the swarm updates, on all its nodes: {ANEW}."
    )
    if wish.userns:
        text += " A swarm service cannot have the host's user namespace."
    return text, [shlex.join([*words, service])]


def _nspawn(container: Container, wish: Wish) -> tuple[str, list[str]]:
    place = (container.owner.files or [f"/etc/systemd/nspawn/{container.name}.nspawn"])[0]
    lines = [f"Capability=CAP_{' CAP_'.join(engine_names(wish.cap_add))}"] if wish.cap_add else []
    lines += [f"DropCapability={' '.join(_dropped(wish))}"] if wish.cap_drop else []
    lines += [f"User={wish.user.partition(':')[0]}"] if wish.user else []
    text = f"Add to [Exec] in {place}: {'; '.join(lines)}. " if lines else ""
    text += "PrivateUsers=no there needs files that belong to this host's ids. " if wish.userns else ""
    text += "systemd-nspawn sets no sysctls: set them in it. " if wish.sysctls else ""
    return text + "Then start it anew, which stops all that runs in it.", [
        shlex.join(["machinectl", "reboot", container.name])
    ]


def _dropped(wish: Wish) -> list[str]:
    return ["all" if name == ALL else f"CAP_{engine_names([name])[0]}" for name in wish.cap_drop]


def _managed(container: Container, wish: Wish) -> tuple[str, list[str]]:
    """LXD and Incus keep the configuration themselves, and make that of LXC of it."""
    client = "incus" if container.owner.kind == "incus" else "lxc"
    wanted = json.dumps(as_entry(wish))
    text = (
        f"{container.owner.kind} owns its configuration, so set it there with raw.lxc (lxc.cap.drop, lxc.init.uid, "
        f"lxc.sysctl), and restart it; wanted is {wanted}."
    )
    return text, [
        shlex.join([client, "config", "edit", container.name]),
        shlex.join([client, "restart", container.name]),
    ]


# --- Kubernetes -------------------------------------------------------------------------------------------------------


def _kubernetes(container: Container, wish: Wish) -> tuple[str, list[str]]:
    owner = container.owner
    pod, namespace = owner.pod or container.name, owner.namespace or "default"
    kind, name, how = pod_owner(pod)
    kubectl = ["kubectl", "--namespace", namespace]
    if wish == Wish():
        restart = (
            [*kubectl, "rollout", "restart", f"{kind}/{name}"] if kind != "pod" else [*kubectl, "delete", "pod", pod]
        )
        return f"Make pod {namespace}/{pod} anew ({how}).", [shlex.join(restart)]
    find = [*kubectl, "get", "pod", pod, "--output", "jsonpath={.metadata.ownerReferences}"]
    text = f"Kubernetes owns it, and replaces the pods of {kind} {name} one after the other ({how}). "
    if kind == "pod":
        text = f"Kubernetes owns it: put the securityContext into what makes pod {namespace}/{pod} ({how}). "
    if wish.sysctls:
        text += "Sysctls other than the safe ones need --allowed-unsafe-sysctls of the kubelet. "
    text += "An admission policy (Pod Security) may refuse this."
    pod_spec = json.dumps(pod_patch(container, wish))
    spec = json.dumps({"spec": {"template": {"spec": pod_patch(container, wish)}}})
    patch = [*kubectl, "patch", kind, name, "--type", "strategic", "--patch", spec]
    if kind == "pod":
        return f"{text} The patch of the pod's spec is {pod_spec}.", [shlex.join(find)]
    return text, [shlex.join(find), shlex.join(patch)]


def pod_owner(pod: str) -> tuple[str, str, str]:
    """(kind, name, how sure) of what makes a pod, by the names that Kubernetes gives. A generated suffix has no vowels
    and none of 0, 1, 3."""
    letters = "[bcdfghjklmnpqrstvwxz2456789]"
    found = re.fullmatch(rf"(.+)-{letters}{{6,10}}-{letters}{{5}}", pod)
    if found:
        return (
            "deployment",
            found[1],
            "its name says that a Deployment makes it; the first command shows its ReplicaSet",
        )
    found = re.fullmatch(rf"(.+)-{letters}{{5}}", pod)
    if found:
        return "daemonset", found[1], "its name says that a DaemonSet makes it; the first command shows what does"
    found = re.fullmatch(r"(.+)-\d+", pod)
    if found:
        return "statefulset", found[1], "its name says that a StatefulSet makes it; the first command shows what does"
    return "pod", pod, "its name does not say what makes it; the command shows it"


def pod_patch(container: Container, wish: Wish) -> dict[str, Any]:
    """The strategic-merge patch of a pod's spec. Lists of capabilities are replaced as a whole, so what the container
    was given besides is repeated."""
    context: dict[str, Any] = {}
    if wish.cap_add or wish.cap_drop:
        context["capabilities"] = _capabilities(container, wish)
    if wish.user:
        uid, _colon, gid = wish.user.replace("root", "0").partition(":")
        context.update({"runAsUser": _number(uid), **({"runAsGroup": _number(gid)} if gid else {})})
        context.update({"runAsNonRoot": False} if uid == "0" else {})
    spec: dict[str, Any] = {
        "containers": [{"name": container.owner.service or container.name, "securityContext": context}]
    }
    if not context:
        spec = {}
    if wish.userns:
        spec["hostUsers"] = True
    if wish.sysctls:
        sysctls = [{"name": key, "value": value} for key, value in wish.sysctls.items()]
        spec["securityContext"] = {"sysctls": sysctls}
    return spec


def _capabilities(container: Container, wish: Wish) -> dict[str, list[str]]:
    bounding: Optional[int] = container.capabilities.get("bounding")
    given = bounding or 0
    if bounding is not None and bounding & _USUAL == _USUAL:
        given &= ~_USUAL  # Nothing was dropped, so that the rest was added.
    added = [name for name in capability_names(given) if name not in wish.cap_drop and ALL not in wish.cap_drop]
    found = {"add": engine_names(capability_names(capability_mask([*added, *wish.cap_add])))}
    if wish.cap_drop:
        found["drop"] = engine_names(wish.cap_drop)
    return {key: names for key, names in found.items() if names}


def _number(text: str) -> Any:
    return int(text) if text.isdigit() else text


_ADVICE = {
    "unit": _by_unit,
    "swarm": _swarm,
    "nspawn": _nspawn,
    "kubernetes": _kubernetes,
    "incus": _managed,
    "lxd": _managed,
}
