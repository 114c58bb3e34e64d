# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that makes a container anew that somebody started by hand, from what its engine says about it.

Pure. The values of environment variables and labels never stand in it, since they may be secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.netlink.remediation.plugins.module_utils._change._container_wish import (
    ALL,
    Wish,
    engine_names,
    kernel_names,
)

# HostConfig key -> option, for a text, a number or each of a list.
_PLAIN = {
    "ContainerIDFile": "--cidfile",
    "PidMode": "--pid",
    "UTSMode": "--uts",
    "GroupAdd": "--group-add",
    "Dns": "--dns",
    "DnsOptions": "--dns-option",
    "DnsSearch": "--dns-search",
    "ExtraHosts": "--add-host",
    "SecurityOpt": "--security-opt",
    "VolumesFrom": "--volumes-from",
    "CgroupParent": "--cgroup-parent",
    "CpuShares": "--cpu-shares",
    "CpusetCpus": "--cpuset-cpus",
    "CpusetMems": "--cpuset-mems",
    "CpuPeriod": "--cpu-period",
    "CpuQuota": "--cpu-quota",
    "Memory": "--memory",
    "MemoryReservation": "--memory-reservation",
    "PidsLimit": "--pids-limit",
    "OomScoreAdj": "--oom-score-adj",
    "DeviceCgroupRules": "--device-cgroup-rule",
}
_FLAGS = {"ReadonlyRootfs": "--read-only", "Init": "--init", "PublishAllPorts": "--publish-all", "AutoRemove": "--rm"}
# What is said in another way below, or follows from the rest.
_ELSEWHERE = {
    *("Binds", "Mounts", "Tmpfs", "NetworkMode", "PortBindings", "RestartPolicy", "CapAdd", "CapDrop", "UsernsMode"),
    *("Sysctls", "Devices", "Ulimits", "NanoCpus", "LogConfig", "Runtime", "ShmSize", "IpcMode", "CgroupnsMode"),
    *("Privileged", "MaskedPaths", "ReadonlyPaths", "ConsoleSize", "MemorySwap", "Links"),
}
_NOTHING: tuple[Any, ...] = (None, "", 0, False, [], {})
_SHM_SIZE = 1 << 26


def run_words(container: Mapping[str, Any], image: Mapping[str, Any], wish: Wish) -> tuple[list[str], list[str]]:
    """(the words of docker run, what they leave out) for a container as "docker container inspect" shows it, and its
    image as "docker image inspect" does."""
    config, host = container.get("Config") or {}, container.get("HostConfig") or {}
    words = ["docker", "run", "--detach", "--name", str(container.get("Name")).lstrip("/")]
    words += _of_process(config, image)
    words += _of_host(host)
    words += _of_places(container, host)
    words += _of_network(container, host)
    words += _of_privilege(config, host, image, wish)
    entry = list(config.get("Entrypoint") or [])
    changed = entry != list(image.get("Entrypoint") or [])
    words += ["--entrypoint", entry[0] if entry else ""] if changed else []
    words.append(str(config.get("Image")))
    command = list(config.get("Cmd") or [])
    if changed or command != list(image.get("Cmd") or []):
        words += [*(entry[1:] if changed else []), *command]
    return words, _left_out(config, host, image)


def _of_process(config: Mapping[str, Any], image: Mapping[str, Any]) -> list[str]:
    words = [option for key, option in (("Tty", "--tty"), ("OpenStdin", "--interactive")) if config.get(key)]
    for key, option in (
        ("WorkingDir", "--workdir"),
        ("StopSignal", "--stop-signal"),
        ("StopTimeout", "--stop-timeout"),
    ):
        value = config.get(key)
        if value not in _NOTHING and value != image.get(key):
            words += [option, str(value)]
    return words


def _of_host(host: Mapping[str, Any]) -> list[str]:
    words = [option for key, option in _FLAGS.items() if host.get(key)]
    for key, option in _PLAIN.items():
        value = host.get(key)
        for one in value if isinstance(value, list) else [value]:
            if one not in _NOTHING:
                words += [option, str(one)]
    policy = host.get("RestartPolicy") or {}
    name, count = policy.get("Name"), policy.get("MaximumRetryCount")
    if name not in (None, "", "no"):
        words += ["--restart", f"{name}:{count}" if name == "on-failure" and count else str(name)]
    if host.get("NanoCpus"):
        words += ["--cpus", f"{host['NanoCpus'] / 1e9:g}"]
    if host.get("Memory") and host.get("MemorySwap") not in (None, 0, 2 * host["Memory"]):
        words += ["--memory-swap", str(host["MemorySwap"])]
    if host.get("ShmSize") not in (None, 0, _SHM_SIZE):
        words += ["--shm-size", str(host["ShmSize"])]
    for key, option, usual in (("IpcMode", "--ipc", "private"), ("CgroupnsMode", "--cgroupns", "private")):
        if host.get(key) not in ("", None, usual, "shareable"):
            words += [option, str(host[key])]
    words += ["--runtime", str(host["Runtime"])] if host.get("Runtime") not in (None, "", "runc") else []
    for one in host.get("Ulimits") or []:
        words += ["--ulimit", f"{one.get('Name')}={one.get('Soft')}:{one.get('Hard')}"]
    for one in host.get("Devices") or []:
        words += ["--device", f"{one.get('PathOnHost')}:{one.get('PathInContainer')}:{one.get('CgroupPermissions')}"]
    log = host.get("LogConfig") or {}
    if log.get("Type") not in (None, "", "json-file") or log.get("Config"):
        words += ["--log-driver", str(log.get("Type"))]
        words += [word for key, value in (log.get("Config") or {}).items() for word in ("--log-opt", f"{key}={value}")]
    return words


def _of_places(container: Mapping[str, Any], host: Mapping[str, Any]) -> list[str]:
    words = []
    for mount in container.get("Mounts") or []:
        kind, target = mount.get("Type"), mount.get("Destination")
        source = mount.get("Name") if kind == "volume" else mount.get("Source")
        if kind == "tmpfs":
            words += ["--mount", f"type=tmpfs,target={target}"]
            continue
        text = f"type={kind},source={source},target={target}" + ("" if mount.get("RW") else ",readonly")
        propagation = mount.get("Propagation")
        if kind == "bind" and propagation not in (None, "", "rprivate"):
            text += f",bind-propagation={propagation}"
        words += ["--mount", text]
    for target, options in (host.get("Tmpfs") or {}).items():
        words += ["--tmpfs", f"{target}:{options}" if options else str(target)]
    return words


def _of_network(container: Mapping[str, Any], host: Mapping[str, Any]) -> list[str]:
    config = container.get("Config") or {}
    mode = str(host.get("NetworkMode") or "default")
    words = [] if mode in ("default", "bridge") else ["--network", mode]
    endpoint = ((container.get("NetworkSettings") or {}).get("Networks") or {}).get(mode) or {}
    identifier = str(container.get("Id"))[:12]
    address = (endpoint.get("IPAMConfig") or {}).get("IPv4Address")
    words += ["--ip", address] if address else []
    if mode not in ("default", "bridge", "host", "none"):
        names = [identifier, str(container.get("Name")).lstrip("/")]
        words += [
            word for name in endpoint.get("Aliases") or [] if name not in names for word in ("--network-alias", name)
        ]
    if not mode.startswith("container:") and mode != "host":
        hostname = str(config.get("Hostname") or "")
        words += ["--hostname", hostname] if hostname not in ("", identifier) else []
        for port, places in (host.get("PortBindings") or {}).items():
            for place in places or []:
                address, number = place.get("HostIp") or "", place.get("HostPort") or ""
                words += ["--publish", (f"{address}:" if address else "") + (f"{number}:" if number else "") + port]
    return words


def _of_privilege(
    config: Mapping[str, Any], host: Mapping[str, Any], image: Mapping[str, Any], wish: Wish
) -> list[str]:
    added = set(kernel_names(host.get("CapAdd") or ())) - set(wish.cap_drop) | set(wish.cap_add)
    dropped = set(kernel_names(host.get("CapDrop") or ())) - set(wish.cap_add) | set(wish.cap_drop)
    words = []
    for option, names in (("--cap-drop", {ALL} if ALL in dropped else dropped), ("--cap-add", added)):
        for name in engine_names(kernel_names(names)):
            words += [option, name]
    user = wish.user or str(config.get("User") or "")
    words += ["--user", user] if user and user != image.get("User") else []
    userns = wish.userns or host.get("UsernsMode")
    words += ["--userns", str(userns)] if userns else []
    for key, value in {**(host.get("Sysctls") or {}), **wish.sysctls}.items():
        words += ["--sysctl", f"{key}={value}"]
    return words


def _left_out(config: Mapping[str, Any], host: Mapping[str, Any], image: Mapping[str, Any]) -> list[str]:
    """What the command does not say, in words."""
    own = [line for line in config.get("Env") or [] if line not in (image.get("Env") or [])]
    variables = sorted(line.partition("=")[0] for line in own)
    labels = sorted(
        key for key, value in (config.get("Labels") or {}).items() if (image.get("Labels") or {}).get(key) != value
    )
    found = [f"the values of the environment variables {', '.join(variables)} (--env)"] if variables else []
    found += [f"the labels {', '.join(labels)} (--label)"] if labels else []
    found += ["that it is privileged, which makes all of this needless"] if host.get("Privileged") else []
    found += ["the health check"] if config.get("Healthcheck") not in (None, {}, image.get("Healthcheck")) else []
    known = {*_PLAIN, *_FLAGS, *_ELSEWHERE}
    others = sorted(key for key, value in host.items() if key not in known and value not in _NOTHING)
    return found + ([f"the settings {', '.join(others)}"] if others else [])


def podman_words(command: Sequence[str], wish: Wish, image: str) -> tuple[list[str], list[str]]:
    """The same for podman, which keeps the command that made a container; its variables lose their values."""
    end = command.index(image) if image in command else len(command)
    words: list[str] = []
    variables: list[str] = []
    before = ""
    for word in command[:end]:
        value = word[len("--env=") :] if word.startswith("--env=") else word if before in ("-e", "--env") else None
        if value is not None:
            variables.append(value.partition("=")[0])
            word = word.replace(value, variables[-1])
        words.append(word)
        if word in ("run", "create") and not {"run", "create"} & set(words[:-1]):
            words += wish_options(wish)
        before = word
    left_out = [f"the values of the environment variables {', '.join(variables)}"] if variables else []
    return [*words, *command[end:]], left_out


def wish_options(wish: Wish) -> list[str]:
    """The options of docker run and podman run for a wish."""
    words = [f"--cap-drop={name}" for name in engine_names(wish.cap_drop)]
    words += [f"--cap-add={name}" for name in engine_names(wish.cap_add)]
    words += [f"--user={wish.user}"] if wish.user else []
    words += [f"--userns={wish.userns}"] if wish.userns else []
    return words + [f"--sysctl={key}={value}" for key, value in wish.sysctls.items()]
