# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables behind explain: complete, and of one vocabulary."""

from __future__ import annotations

import errno

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._meanings import CAUSES, RULES, rule_for
from ansible_collections.netlink.remediation.plugins.module_utils._diagnose._wordings import (
    ERROR_TEXTS,
    EXTACKS,
    LAYERS,
    SUBJECTS,
    WORDINGS,
)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_has_an_answer_for_any_errno(subject):
    assert rule_for(subject, None).can_mean
    assert rule_for(subject, "EXFULL").can_mean


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.subjects[0]}-{'-'.join(rule.errnos)}")
def test_a_rule_speaks_the_catalogues_words(rule):
    possible = {row.cause for row in rule.can_mean}
    excluded = {row.cause for row in rule.rules_out}
    assert possible | excluded <= set(CAUSES)
    assert not possible & excluded
    assert "unknown" not in excluded
    assert set(rule.subjects) <= set(SUBJECTS)
    assert all(hasattr(errno, name) for name in rule.errnos)
    assert rule.summary.endswith(".")
    assert rule.look_next


def test_every_rule_can_be_reached():
    reached = {
        id(rule_for(subject, name)) for subject in SUBJECTS for name in [None, *errno.errorcode.values(), "EOPNOTSUPP"]
    }
    assert [rule.summary for rule in RULES if id(rule) not in reached] == []


def test_wordings_speak_of_known_subjects_and_errnos():
    assert {wording.subject for wording in WORDINGS} <= set(SUBJECTS)
    assert {layer for layers in SUBJECTS.values() for layer in layers} <= set(LAYERS)
    for wording in WORDINGS:
        assert wording.errno in (None, "unreliable") or hasattr(errno, wording.errno)
    assert {row.cause for row in EXTACKS} <= set(CAUSES)
    assert all(hasattr(errno, name) for name in ERROR_TEXTS.values())


def test_every_subject_is_worded():
    assert set(SUBJECTS) - {wording.subject for wording in WORDINGS} == {"unknown"}


# The reasons of the catalogue (docs/docsite/rst/causes.rst and docs/design.md).
REASONS = {
    "missing_capability": "not_root dropped held_not_raised stale_socket",
    "file_capability_void": "nosuid no_new_privs script outside_bounding_set dropped_by_program rootid permitted_only"
    " ambient_cleared lost secure_mode child_process",
    "container_without_capability": "not_granted nonroot_user dropped not_applied",
    "unit_sandbox": "capability_bounding_set private_users restrict_address_families no_new_privileges private_network"
    " system_call_filter protect_kernel_tunables not_restarted user_manager",
    "selinux_denied": "capability netlink_socket nlmsg tun_socket boolean_off mislabelled",
    "apparmor_denied": "capability network_rule tun_rule userns explicit_deny",
    "userns_restricted": "apparmor_restrict_unprivileged_userns unprivileged_userns_clone max_user_namespaces"
    " max_net_namespaces nesting chrooted unmapped_uid",
    "seccomp_denied": "filter",
    "sysctl": "ip_forward rp_filter ipv6_disabled ipv6_off_at_boot not_persistent overridden rewritten_by_service"
    " read_only",
    "foreign_netns": "userns_remap rootless_host_network other_owner cannot_join target_netns socket_of_other_netns"
    " init_only_operation",
    "link_state": "missing wrong_netns down up no_address busy enslaved protected_group",
    "driver_refused": "sriov_trust rfkill mode_locked",
    "platform_refuses": "gvisor wsl1 openvz fargate android",
    "module_missing": "kind modules_disabled tun_node_missing tun_node_mode tun_device_cgroup",
    "already_exists": "same different",
    "unknown": "",
}


def test_reasons_are_those_of_the_catalogue():
    assert set(REASONS) == set(CAUSES)
    said = [row for rule in RULES for row in rule.can_mean] + list(EXTACKS)
    for row in said:
        assert set(row.reasons) <= set(REASONS[row.cause].split()), row
