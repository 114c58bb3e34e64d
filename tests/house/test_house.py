# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the house that no other tool checks: storeys, action groups, completeness, what is shipped."""

from __future__ import annotations

import ast
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
UTILS = "ansible_collections.netlink.remediation.plugins.module_utils."

# What a storey may import: of this collection, itself and the names given; of others, what is not forbidden.
STOREY_0 = {"_apparmor", "_found", "_linux", "_parts", "_plain", "_selinux", "_state", "_systemd", "_tools"}
STOREYS = {"_observe": {"_observe", "_pyroute2"} | STOREY_0, "_diagnose": {"_diagnose"} | STOREY_0}


def imports_of(file: Path) -> set[str]:
    """Full names of the modules that a Python file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("storey", sorted(STOREYS))
def test_a_storey_imports_only_downwards(storey: str) -> None:
    for file in (ROOT / "plugins/module_utils" / storey).rglob("*.py"):
        for name in imports_of(file):
            if name.startswith(UTILS):
                assert name[len(UTILS) :].split(".")[0] in STOREYS[storey], f"{file.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("module", sorted(f"{name}.py" for name in STOREY_0))
def test_the_ground_floor_imports_only_the_ground_floor(module: str) -> None:
    names = {
        name[len(UTILS) :].split(".")[0]
        for name in imports_of(ROOT / "plugins/module_utils" / module)
        if name.startswith(UTILS)
    }
    assert names <= STOREY_0


def test_the_judgement_does_no_input_or_output() -> None:
    forbidden = re.compile(r"(os|subprocess|socket|ctypes|fcntl|shutil|pathlib|ansible\..*)$")
    for file in (ROOT / "plugins/module_utils/_diagnose").rglob("*.py"):
        tree = ast.parse(file.read_text())
        assert not [name for name in imports_of(file) if forbidden.match(name)], file.name
        calls = [
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert "open" not in calls, file.name


def test_only_the_change_storey_reads_and_writes_receipts() -> None:
    for file in (ROOT / "plugins").rglob("*.py"):
        if "/var/lib/netlink-remediation/receipts" in file.read_text() and "modules" not in file.parts:
            assert "_change" in file.parts or "_observe" in file.parts, file


@pytest.mark.parametrize("file", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_function_fits_a_screen(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= 60, f"{node.name} has {lines} lines"


def test_the_action_groups_name_the_modules_there_are() -> None:
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
    changing = [name for name in MODULES if not name.endswith(("_facts", "_info"))]
    assert groups == {"netlink": MODULES, "netlink_change": changing}


@pytest.mark.parametrize("name", MODULES + ROLES)
def test_each_module_and_role_has_an_integration_target(name: str) -> None:
    assert (ROOT / "tests/integration/targets" / name / "tasks/main.yml").is_file()


@pytest.mark.parametrize("role", ROLES)
def test_each_role_describes_all_its_defaults(role: str) -> None:
    specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text()) or {}
    assert set(defaults) <= set(options)
    assert all(option.startswith(f"{role}_") for option in options)
    assert (ROOT / "roles" / role / "README.md").is_file()


def test_what_galaxy_gets_is_the_collection_and_nothing_else(tmp_path: Path) -> None:
    command = ["ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    with tarfile.open(next(tmp_path.glob("netlink-remediation-*.tar.gz"))) as archive:
        names = set(archive.getnames())
    for module in MODULES:
        assert f"plugins/modules/{module}.py" in names
    assert {"README.md", "LICENSE", "CHANGELOG.rst", "meta/runtime.yml", "playbooks/fix_netlink.yml"} <= names
    private = re.compile(r"(build|tests/output|\.venv|\.nox|\.git|\.\w+_cache|.*/?__pycache__)(/|$)")
    assert not [name for name in names if private.match(name)]


def test_the_version_is_that_of_the_changelog() -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert f"v{version}" in (ROOT / "CHANGELOG.rst").read_text()


def test_no_prose_speaks_of_things_to_come() -> None:
    pattern = re.compile(r"\b(TODO|FIXME|XXX|TBD)\b")
    for suffix in ("py", "yml", "md", "rst"):
        for file in ROOT.rglob(f"*.{suffix}"):
            if not {"build", ".venv"} & set(file.relative_to(ROOT).parts) and file.name != "test_house.py":
                assert not pattern.search(file.read_text(errors="replace")), file
