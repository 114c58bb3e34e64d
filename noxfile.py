# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# /// script
# dependencies = ["nox>=2025.02.09", "antsibull-nox==1.10.0"]
# ///
"""Sessions for developers: nox -l lists them, nox -e lint runs one. make test runs everything, without nox."""

from __future__ import annotations

import shutil
import sys

import nox

try:
    import antsibull_nox
except ImportError:
    sys.exit("The sessions come from antsibull-nox: pip install antsibull-nox")

# Keep in step with CORES in tests/run.py: the oldest and the newest supported ansible-core.
CORES = {"2.19": "3.11", "2.21": "3.13"}


def forget_temporary_output() -> None:
    """Remove what antsibull-nox cannot copy back out of its temporary tree."""
    shutil.rmtree("tests/output/.tmp", ignore_errors=True)


antsibull_nox.load_antsibull_nox_toml()

for core, python in CORES.items():
    for kind in ("units", "sanity", "integration"):
        antsibull_nox.add_ansible_test_session(
            name=f"{kind}-{core}",
            description=f"Run ansible-test {kind} with ansible-core {core} and Python {python}, without a container",
            ansible_test_params=[kind, "--local", "--requirements", "--python", python],
            default=False,
            ansible_core_version=core,
            ansible_core_source="pypi",
            handle_coverage="never",
            callback_after=forget_temporary_output,
        )

if __name__ == "__main__":
    nox.main()
