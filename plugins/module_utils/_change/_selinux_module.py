# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of an SELinux policy as a whole: our policy module in it, and domains that are permissive for a while."""

from __future__ import annotations

import os
from typing import Any, Callable, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._change import Change, ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change._activate_unit import one_line
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_store import (
    build,
    install,
    read_module,
)
from ansible_collections.netlink.remediation.plugins.module_utils._change._selinux_wish import recover
from ansible_collections.netlink.remediation.plugins.module_utils._commands import run
from ansible_collections.netlink.remediation.plugins.module_utils._linux import errno_name
from ansible_collections.netlink.remediation.plugins.module_utils._observe._policy import Policy
from ansible_collections.netlink.remediation.plugins.module_utils._observe._selinuxfs import SELINUXFS, context_with

TIMER = "netlink-remediation-permissive"
Trial = Callable[[], tuple[bytes, list[str]]]


class SelinuxModuleChange(Change):
    """target: the policy module and its priority. A value is its text, None when it is not installed. semodule(8) does
    all of it or nothing. trial: raises ChangeError when the policy cannot be compiled with it, before anything is done,
    and returns the policy with sentences on what could not be tried.
    """

    kind = "selinux_module"
    trial: Optional[Trial] = None

    def read(self) -> Any:
        """The text that is installed."""
        return read_module()

    def write(self, value: Any) -> None:
        """Install the text or remove the module; what it allows must then be in force."""
        install(value)
        if value is not None and value == self.after:
            demand_in_force(value)

    def validate(self) -> list[str]:
        """Compile it aside, where that was asked for."""
        return [] if self.trial is None else self.trial()[1]


def demand_in_force(text: str) -> None:
    """Raise ChangeError unless the loaded policy allows all that the text of a policy module allows."""
    policy = Policy([])
    for (domain, target, cls), names in recover(text).items():
        source = context_with(domain)
        other = source if target == "self" else context_with(target)
        refused = sorted(name for name in names if not policy.allows(source, other, cls, name))
        if refused:
            raise ChangeError(
                f"the loaded policy does not allow {domain} {', '.join(refused)} ({cls}) although the installed policy "
                "module does: a constraint forbids it, the module is disabled (semodule --list-modules=full), or the "
                "stored policy is not the one that is loaded (load_policy)"
            )


class SelinuxPermissiveChange(Change):
    """Domains that are permissive in the loaded policy only: neither a reboot nor the next load of the stored policy
    keeps that, and a timer loads it. A value is the sorted list of those of details["domains"] that are permissive.

    details: domains; minutes: after which the timer comes. trial: as above; what it compiles is what is loaded.
    """

    kind = "selinux_permissive"
    trial: Optional[Trial] = None
    _built: Optional[bytes] = None

    def read(self) -> Any:
        """Those that the kernel calls permissive now."""
        policy = Policy([])
        return sorted(name for name in self.details["domains"] if policy.is_permissive(context_with(name)))

    def write(self, value: Any) -> None:
        """Load a policy in which they are permissive, with a timer set before; or the stored one."""
        run(["systemctl", "stop", f"{TIMER}.timer"])
        if not value:
            load_stored()
            return
        policy = self._built or build(read_module(), value, strict=False)[0]
        self._built = None
        _set_timer(self.details["minutes"])
        _load(policy)

    def validate(self) -> list[str]:
        """Compile the policy, where that was asked for."""
        if self.trial is None:
            return []
        self._built, said = self.trial()
        return said

    def render(self, value: Any) -> str:
        """A line for each of them."""
        return "".join(f"{name} is permissive\n" for name in value)


def load_stored() -> None:
    """Load the policy that is stored, as at boot. Booleans keep the values in force. Raises ChangeError."""
    code, out, err = run(["load_policy"], timeout=120)
    if code:
        raise ChangeError(f"the stored policy cannot be loaded: {one_line(out + err)}")


def _set_timer(minutes: int) -> None:
    options = [
        "--quiet",
        "--collect",
        f"--unit={TIMER}",
        f"--on-active={minutes}min",
        "--timer-property=AccuracySec=1s",
    ]
    code, out, err = run(["systemd-run", *options, "load_policy"])
    if code:
        raise ChangeError(f"the timer that ends it cannot be set: {one_line(out + err)}")


def _load(policy: bytes) -> None:
    """Let the kernel take a policy, which it does as a whole or not at all (security/selinux/selinuxfs.c)."""
    try:
        handle = os.open(f"{SELINUXFS}/load", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(handle, policy)
        finally:
            os.close(handle)
    except OSError as exc:
        raise ChangeError(
            f"the kernel does not load the policy: {exc.strerror} ({errno_name(exc.errno or 0)})"
        ) from exc
