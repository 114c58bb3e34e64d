# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings and remedies for the tests of plan and outcome."""

from __future__ import annotations

from ansible_collections.netlink.remediation.plugins.module_utils._found import Finding, Remedy


def finding(workload="agent", cause="missing_capability", reason="not_root", remedy=None, gate="ack", **more):
    values = {"certainty": "proven", "policy_owner": "host", "summary": f"{workload} is refused.", **more}
    return Finding(workload=workload, cause=cause, reason=reason, gate=gate, remedy=remedy, **values)


def capability(path="/opt/agent", text="cap_net_admin+ep", consent=(), adds=("cap_net_admin",), **more):
    files = [{"path": path, "capabilities": text, "state": "present", **more}]
    return Remedy("netlink_capability", {"netlink_capability_files": files}, list(adds), [], list(consent))


def sysctl(**settings):
    variables = {"netlink_sysctl_settings": {key.replace("__", "."): value for key, value in settings.items()}}
    return Remedy("netlink_sysctl", variables)


def link(**entry):
    return Remedy("netlink_link", {"netlink_link_links": [entry]})


def unit(name="agent.service", adds=("cap_net_admin",), consent=(), **wanted):
    units = [{"unit": name, **wanted}]
    return Remedy("netlink_unit", {"netlink_unit_units": units}, list(adds), [f"{name} restarts"], list(consent))


def container(name="web1", adds=("cap_net_admin",), consent=(), **wanted):
    containers = [{"container": name, **wanted}]
    return Remedy("netlink_container", {"netlink_container_containers": containers}, list(adds), [], list(consent))


def userns(**variables):
    return Remedy("netlink_userns", {f"netlink_userns_{name}": value for name, value in variables.items()})
