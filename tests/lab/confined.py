# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Netlink clients that a guest's AppArmor or SELinux confines, and what the guest records of their denials.

A client NAME is a copy of ip, /usr/local/sbin/NAME, and a script that calls it, /usr/local/sbin/NAME-daemon: a service
to be looked at. Its profile is called NAME, its domain NAME_t. They may do all that has to do with files and processes,
but nothing with netlink and no capability, unless rules are given.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import uuid4

from machine import Machine

# Rules of AppArmor, for confine_apparmor().
NETLINK_RULE = "network netlink raw,"
NET_ADMIN_RULE = "capability net_admin,"
# Rules of SELinux, for confine_selinux(); {t} is the domain.
NETLINK_CIL = "(allow {t} self (netlink_route_socket (all)))"
NET_ADMIN_CIL = "(allow {t} self (capability (net_admin)))"

DAEMON = """\
#!/bin/sh
# Asks once for what the confinement may refuse, keeps the answer, and stays.
/usr/local/sbin/{name} link set dev lo mtu 65000 >/run/{name}.output 2>&1
echo $? >/run/{name}.status
while sleep 3600; do :; done
"""

PROFILE = """\
abi <abi/4.0>,
include <tunables/global>
profile {name} /usr/local/sbin/{name}{{,-daemon}}{flags} {{
  include <abstractions/base>
  /** mrwlkix,
  signal,
  unix,
  {rules}
  include if exists <local/{name}>
}}
"""

DOMAIN = """\
(type {name}_t) (type {name}_exec_t)
(typeattributeset domain ({name}_t))
(typeattributeset file_type ({name}_exec_t))
(typeattributeset exec_type ({name}_exec_t))
(typeattributeset entry_type ({name}_exec_t))
(typeattributeset files_unconfined_type ({name}_t))
(roletype object_r {name}_exec_t)
(roletype system_r {name}_t) (roletype unconfined_r {name}_t) (roletype sysadm_r {name}_t)
(allow {name}_t exec_type (file (read open getattr map execute execute_no_trans entrypoint)))
(allow {name}_t file_type (file (execute map)))
(allow {name}_t domain (fd (use)))
(allow {name}_t domain (fifo_file (all)))
(allow {name}_t domain (unix_stream_socket (all)))
(allow {name}_t domain (process (sigchld)))
(allow {name}_t self (process (all)))
(allow {name}_t self (unix_dgram_socket (all)))
(allow {name}_t filesystem_type (dir (all)))
(allow {name}_t filesystem_type (file (all)))
(allow {name}_t filesystem_type (lnk_file (all)))
(allow {name}_t device_node (chr_file (all)))
(typetransition unconfined_t {name}_exec_t process {name}_t)
(typetransition init_t {name}_exec_t process {name}_t)
(typetransition initrc_t {name}_exec_t process {name}_t)
(allow unconfined_t {name}_t (process (all)))
(allow init_t {name}_t (process (all)))
(allow initrc_t {name}_t (process (all)))
(allow unconfined_t {name}_exec_t (file (all)))
(allow init_t {name}_exec_t (file (read open getattr map execute)))
(allow initrc_t {name}_exec_t (file (read open getattr map execute)))
(filecon "/usr/local/sbin/{name}(-daemon)?" file (system_u object_r {name}_exec_t ((s0) (s0))))
{rules}
"""


def client(name: str) -> str:
    """Path of the copy of ip."""
    return f"/usr/local/sbin/{name}"


def asking(name: str) -> list[str]:
    """A command that needs a netlink socket and CAP_NET_ADMIN, and changes nothing once it was done."""
    return [client(name), "link", "set", "dev", "lo", "mtu", "65000"]


def _install(machine: Machine, *names: str) -> None:
    for name in names:
        machine.write(f"{client(name)}-daemon", DAEMON.format(name=name))
        machine.sh('install "$(readlink -f "$(command -v ip)")" "$1"; chmod 755 "$1" "$1-daemon"', client(name))


def confine_apparmor(machine: Machine, name: str, rules: str = "", flags: str = "") -> None:
    """Install the client and load its profile, also when there is one already; flags: "complain", "unconfined"."""
    _install(machine, name)
    flags = f" flags=({flags})" if flags else ""
    machine.write(f"/etc/apparmor.d/{name}", PROFILE.format(name=name, rules=rules, flags=flags))
    machine.sh('apparmor_parser -r "/etc/apparmor.d/$1"', name)


def free_apparmor(machine: Machine, name: str) -> None:
    """Take away the client and its profile."""
    machine.sh('apparmor_parser -R "/etc/apparmor.d/$1"; rm -f "/etc/apparmor.d/$1" "/etc/apparmor.d/local/$1"', name)
    machine.sh('rm -f "$1" "$1-daemon"', client(name))


def confine_selinux(machine: Machine, domains: Mapping[str, str], module: str = "lab") -> None:
    """Install clients, and their domains as one module: name -> further rules, in which {t} is the domain.

    Takes a long time, whatever is in the module: make all that the tests of a file need in one call.
    """
    rules = {name: further.format(t=f"{name}_t") for name, further in domains.items()}
    install_cil(machine, {module: "".join(DOMAIN.format(name=name, rules=rules[name]) for name in domains)})
    _install(machine, *domains)
    machine.sh('restorecon "$@"', *(path for name in domains for path in (client(name), f"{client(name)}-daemon")))


def install_cil(machine: Machine, modules: Mapping[str, str]) -> None:
    """Install modules written in CIL, all at once: name -> text."""
    paths = {name: f"/root/{name}.cil" for name in modules}
    for name, text in modules.items():
        machine.write(paths[name], text)
    machine.sh('semodule -i "$@"', *paths.values(), timeout=300)


def remove_modules(machine: Machine, *modules: str) -> None:
    """Remove modules of SELinux's policy, all at once."""
    machine.sh('semodule -r "$@"', *modules, timeout=300)


def serve(machine: Machine, unit: str, command: str, *settings: str) -> None:
    """Write and start a service; settings: AppArmorProfile=NAME, SELinuxContext=system_u:system_r:NAME_t:s0, ...

    Without such a setting, NAME-daemon as command is confined by its attachment or its label.
    """
    lines = ["[Service]", "Type=exec", f"ExecStart={command}", *settings]
    machine.write(f"/etc/systemd/system/{unit}.service", "\n".join(lines) + "\n")
    machine.sh('systemctl daemon-reload; systemctl reset-failed "$1" 2>&- || true; systemctl restart "$1"', unit)


def end_service(machine: Machine, unit: str) -> None:
    """Stop and remove a service of serve()."""
    machine.sh('systemctl stop "$1"; rm "/etc/systemd/system/$1.service"; systemctl daemon-reload', unit)


@contextmanager
def without_auditd(machine: Machine) -> Iterator[None]:
    """During the block, denials are found in the kernel's log alone."""
    machine.sh("systemctl stop auditd")
    yield
    # Else systemd would refuse the sixth start in ten seconds.
    machine.sh("systemctl reset-failed auditd audit-rules; systemctl start auditd")


@contextmanager
def recorded(machine: Machine) -> Iterator[list[str]]:
    """After the block, the list holds the denials that the guest recorded in it, whether auditd runs or not.

    Those that a profile or a domain would have had, were it not for its complain or permissive mode, are among them.
    """
    begin, end = f"begin-{uuid4()}", f"end-{uuid4()}"
    machine.sh('auditctl -m "$1" >/dev/null', begin)
    lines: list[str] = []
    yield lines
    machine.sh('auditctl -m "$1" >/dev/null', end)
    for _attempt in range(50):
        log = machine.sh("cat /var/log/audit/audit.log 2>/dev/null || true; dmesg")
        if end in log:
            break
        time.sleep(0.1)
    between = log[log.index(begin) : log.index(end)].splitlines()
    words = ("avc:  denied", 'apparmor="DENIED"', 'apparmor="ALLOWED"')
    lines += [line for line in between if any(word in line for word in words)]
