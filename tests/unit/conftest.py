# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests with made-up input try the same few examples in every run, and keep nothing."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "unit",
    derandomize=True,
    max_examples=60,
    deadline=None,  # A busy machine is no bug; what takes long is compared with itself (_fuzz.assert_linear).
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unit")
