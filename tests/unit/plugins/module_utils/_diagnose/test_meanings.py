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
