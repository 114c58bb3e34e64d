# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run every test, three suites at a time, and end with a table of what ran, what was skipped and why.

    python3 tests/run.py [--list] [SUITE...]        # names may be shell patterns: 'unit-*'

Each suite runs in a copy of the checkout of its own, build/trees/SUITE/ansible_collections/netlink/remediation, since
ansible-test accepts no other place. Tools come from build/venv/VERSION (made here, kept until requirements change), and
the output of each suite goes to build/log/SUITE.txt. A skip that tests/allowed-skips.txt does not list is a failure.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional
from xml.etree import ElementTree

import environment

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
COLLECTION = Path("ansible_collections", "netlink", "remediation")
TARGETS = [(3, 9), (3, 10), (3, 11), (3, 12), (3, 13)]  # what modules must run on
CORES = {"2.19": [(3, 11)], "2.21": [(3, 13), (3, 12)]}  # ansible-core and the Python to run it with, best first

RUNNING: set[int] = set()  # process groups of the suites that run now

# Receipts of a test run never mix with the machine's own.
OWN_RECEIPTS = [
    *("unshare", "--mount", "--propagation", "private", "sh", "-ec"),
    'd=/var/lib/netlink-remediation; mkdir -p -m 0700 $d; mount -t tmpfs -o mode=0700 receipts $d; exec "$@"',
    "sh",
]

# Cases on whole hosts with systemd and container engines; the files of those are made by mmdebstrap, at first use.
HOSTS = ["tests/cases/test_units.py", "tests/cases/test_containers.py"]
UNITS = ["tests/lab/test_unit_dropin.py", "tests/lab/test_unit_facts.py"]
CONTAINERS = ["tests/lab/test_container_capabilities.py", "tests/lab/test_container_facts.py"]
# Cases on guests with a security module, one guest for each of the two; first what says that it is one.
APPARMOR, SELINUX = (
    sorted(
        (str(path.relative_to(ROOT)) for path in ROOT.glob(f"tests/lab/test_{name}*.py")),
        key=lambda path: (not path.endswith("_guest.py"), path),
    )
    for name in ("apparmor", "selinux")
)
DRIVERS = "tests/lab/test_drivers.py"
NOT_ENGINES = [*UNITS, *CONTAINERS, *APPARMOR, *SELINUX, DRIVERS, "tests/lab/test_guest.py"]
# Targets of modules and roles that need systemd or a container engine: they start hosts of their own.
ON_HOSTS = [
    "apparmor_rules",
    "container_capabilities",
    "container_facts",
    "docker_daemon",
    "netlink_apparmor",
    "netlink_container",
    "netlink_unit",
    "netlink_userns",
    "subid_ranges",
    "unit_dropin",
    "unit_facts",
]
# Sanity tests whose answer depends on the ansible-core that reads the documentation; the others say the same in both.
BY_CORE = ["action-plugin-docs", "ansible-doc", "runtime-metadata", "validate-modules"]
LAB = f"--lab={BUILD / 'lab'}"

# ansible-test fetches pip's installer from a site of its own; the one that comes with Python does as well.
GET_PIP = """\
import ensurepip, subprocess, sys
ensurepip.bootstrap(default_pip=True)
words = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel") and word[:5] != "pip=="]
wanted = [word for word in words if word[:2] != "--"]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *words]) if wanted else 0)
"""

DOCS_LINT = ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self"]


@dataclass
class Suite:
    """One line of the table: a command that is run in a copy of the checkout."""

    name: str
    core: str  # key of CORES, or "any" for the newest there is
    command: list[str]
    junit: bool = False  # pytest: results are in build/log/SUITE.xml
    root: bool = False
    changes_host: bool = False  # never two of these at a time
    sandbox: bool = False  # with OWN_RECEIPTS
    ansible_test: bool = False
    timeout: int = 1500


@dataclass
class Result:
    """What became of a suite; skips are (what, why)."""

    suite: str
    passed: int = 0
    failed: int = 0
    skips: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    note: str = ""


def pytest(name: str, core: str, *arguments: str, **options: Any) -> Suite:
    """A suite of pytest."""
    report = f"--junitxml={BUILD / 'log' / name}.xml"
    command = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", report, *arguments]
    return Suite(name, core, command, junit=True, **options)


def ansible_test(kind: str, core: str, *arguments: str, part: str = "", **options: Any) -> Suite:
    """A suite of ansible-test, run by the Python that has this ansible-core. part: what of it, for the name."""
    command = ["ansible-test", kind, "--local", "--color", "no", *arguments]
    return Suite(f"{kind}{part}-{core}", core, command, ansible_test=True, **options)


def suites() -> list[Suite]:
    """All suites, the longest first so that two workers end together."""
    module_utils = ".".join(COLLECTION.parts) + ".plugins.module_utils"
    live: dict[str, Any] = {"root": True, "changes_host": True, "sandbox": True}
    no_hosts = [word for target in ON_HOSTS for word in ("--exclude", target)]
    return [
        ansible_test("integration", "2.21", "--continue-on-error", *no_hosts, **live),
        ansible_test("sanity", "2.21", "--requirements"),
        pytest("lab-selinux", "2.21", *SELINUX, LAB, root=True, timeout=2400),
        pytest("lab-apparmor", "2.21", *APPARMOR, LAB, root=True, timeout=2400),
        pytest("lab-units", "2.19", *UNITS, LAB, root=True),
        pytest("lab-engines", "2.19", "tests/lab", *(f"--ignore={path}" for path in NOT_ENGINES), LAB, root=True),
        pytest("lab-containers", "2.19", *CONTAINERS, LAB, root=True),
        pytest("hosts", "2.21", *HOSTS, root=True),
        pytest("cases", "2.21", "tests/cases", *(f"--ignore={path}" for path in HOSTS), root=True, sandbox=True),
        ansible_test("integration", "2.19", "--continue-on-error", *no_hosts, **live),
        # They change nothing but hosts of their own, so they need not wait for the others. The modules run with
        # the other ansible-core in the suites lab-*.
        ansible_test("integration", "2.21", "--continue-on-error", *ON_HOSTS, part="-hosts", root=True, sandbox=True),
        ansible_test("sanity", "2.19", "--requirements", *(f"--test={name}" for name in BY_CORE)),
        pytest("kernel", "2.21", "tests/kernel", root=True),
        pytest("guest", "2.21", "tests/lab/test_guest.py", LAB, root=True),
        pytest("lab-drivers", "2.21", DRIVERS, LAB, root=True),
        pytest("unit-2.21", "2.21", "tests/unit"),
        pytest("unit-2.19", "2.19", "tests/unit"),
        Suite("targets", "2.19", ["ansible-playbook", "-i", "{inventory}", "tests/smoke/smoke.yml"], **live),
        Suite("audit", "any", ["make", "--no-print-directory", "audit"], **live),
        Suite("demo", "any", ["make", "--no-print-directory", "demo"], root=True, changes_host=True),
        pytest("house", "any", "tests/house"),
        Suite("ansible-lint", "any", ["ansible-lint", "--offline", "--strict"]),
        Suite("antsibull-docs", "any", [*DOCS_LINT, "."]),
        Suite("antsibull-changelog", "any", ["antsibull-changelog", "lint"]),
        Suite("mypy", "any", ["mypy", "--strict", "-p", module_utils]),
        Suite("ruff-check", "any", ["ruff", "check", "--no-cache", "."]),
        Suite("ruff-format", "any", ["ruff", "format", "--no-cache", "--check", "--diff", "."]),
        Suite("yamllint", "any", ["yamllint", "--strict", "."]),
        Suite("reuse", "any", ["reuse", "lint"]),
    ]


class Runner:
    """Runs suites; knows the interpreters, the environments and where things lie."""

    def __init__(self) -> None:
        self.pythons = environment.installed_pythons()
        self.host = threading.Lock()
        self.making = threading.Lock()
        (BUILD / "log").mkdir(parents=True, exist_ok=True)

    def python_of(self, core: str) -> Optional[tuple[int, int]]:
        """The Python to run an ansible-core with, None if this machine has none."""
        wanted = [v for c in reversed(CORES) for v in CORES[c]] if core == "any" else CORES[core]
        return next((version for version in wanted if version in self.pythons), None)

    def environment_of(self, version: tuple[int, int]) -> Path:
        """bin folder of the environment for this Python; made at its first use."""
        venv = BUILD / "venv" / "{}.{}".format(*version)
        with self.making:
            environment.make_venv(venv, self.pythons[version], [ROOT / "tests" / "requirements.txt"])
        return venv / "bin"

    def run(self, suite: Suite) -> Result:
        """Run one suite to its end, or find the reason why it cannot run."""
        version = self.python_of(suite.core)
        if version is None:
            return Result(suite.name, skips=[("all", f"no Python for ansible-core {suite.core} on this machine")])
        if suite.root and os.geteuid() != 0:
            return Result(suite.name, skips=[("all", "needs root")])
        try:
            folder = self.environment_of(version)
        except (subprocess.CalledProcessError, OSError) as error:
            return Result(suite.name, failed=1, note=f"no environment: {error}")
        tree = copy_checkout(suite.name)
        command, env = list(suite.command), self.variables(suite, folder, tree)
        if suite.name == "targets":
            command = [self.inventory(tree) if word == "{inventory}" else word for word in command]
        if suite.ansible_test and "sanity" not in command:
            command += ["--python", "{}.{}".format(*version)]
        if suite.sandbox and os.geteuid() == 0:
            command = OWN_RECEIPTS + command
        with self.host if suite.changes_host else threading.Lock():
            started = time.monotonic()
            code, note = execute(command, tree / COLLECTION, env, suite)
            result = judge(suite, code, note)
            result.seconds = time.monotonic() - started
        return result

    def variables(self, suite: Suite, folder: Path, tree: Path) -> dict[str, str]:
        """The environment variables of a suite: its tools first on PATH, its tree for imports and collections."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}
        path = [str(folder)]
        if suite.ansible_test:
            # Sanity tests compile and import for each Python whose own folder is on PATH.
            path += [str(Path(self.pythons[version]).parent) for version in TARGETS if version in self.pythons]
            kept["HOME"] = str(home_of_ansible_test())
        else:
            kept["ANSIBLE_COLLECTIONS_PATH"] = kept["PYTHONPATH"] = kept["MYPYPATH"] = str(tree)
            kept["ANSIBLE_INJECT_FACT_VARS"] = "false"
        kept["PATH"] = os.pathsep.join([*path, kept.get("PATH", ""), "/usr/sbin", "/sbin"])
        kept.update(LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1", ANSIBLE_NOCOLOR="1")
        return kept

    def inventory(self, tree: Path) -> str:
        """Path of an inventory with one local host for each interpreter that modules must run on."""
        lines = [
            "py{}.{} ansible_connection=local ansible_python_interpreter={}".format(*version, self.pythons[version])
            for version in TARGETS
            if version in self.pythons
        ]
        file = tree / "hosts.ini"
        file.write_text("\n".join(lines) + "\n")
        return str(file)

    def missing_targets(self) -> list[tuple[str, str]]:
        """A skip for each Python that modules must run on and this machine has not."""
        absent = [version for version in TARGETS if version not in self.pythons]
        return [("Python {}.{}".format(*version), "no such interpreter on this machine") for version in absent]


def home_of_ansible_test() -> Path:
    """A home folder for ansible-test with the installers of pip it asks for."""
    home = BUILD / "home"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    pattern = "venv/*/lib/python3*/site-packages/ansible_test/_internal/python_requirements.py"
    for version in {"25.2", *(found for file in BUILD.glob(pattern) for found in pip_versions(file))}:
        (cache / f"get_pip_{version.replace('.', '_')}.py").write_text(GET_PIP)
    return home


def pip_versions(file: Path) -> list[str]:
    """Versions of pip that an ansible-test names."""
    return re.findall(r"pip(?:=|': )'(\d+\.\d+(?:\.\d+)?)'", file.read_text())


def copy_checkout(name: str) -> Path:
    """Copy what git does not ignore to a tree of the suite's own; returns the folder to use as collections path."""
    tree = BUILD / "trees" / name
    shutil.rmtree(tree, ignore_errors=True)
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for path in subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split("\0"):
        if path and (ROOT / path).is_file():
            target = tree / COLLECTION / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, target)
    # A repository of its own: ansible-test and reuse would ask the outer one, which ignores build/.
    subprocess.run(["git", "init", "--quiet", str(tree / COLLECTION)], check=True)
    return tree


def execute(command: list[str], folder: Path, env: dict[str, str], suite: Suite) -> tuple[int, str]:
    """Run the command with its output in the log; (exit status, note). The whole process group ends with it."""
    with (BUILD / "log" / f"{suite.name}.txt").open("wb") as log:
        log.write(f"$ {' '.join(command)}\n".encode())
        log.flush()
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        RUNNING.add(process.pid)
        try:
            return process.wait(suite.timeout), ""
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return 1, f"stopped after {suite.timeout} s"
        finally:
            RUNNING.discard(process.pid)


def stop(number: int, _frame: object) -> None:
    """End all that runs when the tests are interrupted: suites are sessions of their own, and would go on."""
    for group in list(RUNNING):
        os.killpg(group, signal.SIGKILL)
    os._exit(128 + number)


def judge(suite: Suite, code: int, note: str) -> Result:
    """Turn an exit status and what the suite wrote into numbers."""
    result = Result(suite.name, note=note)
    text = (BUILD / "log" / f"{suite.name}.txt").read_text(errors="replace")
    report = BUILD / "log" / f"{suite.name}.xml"
    if suite.junit and not note and report.exists():
        for case in ElementTree.parse(report).iter("testcase"):
            name = "{}::{}".format(case.get("classname"), case.get("name"))
            skipped = case.find("skipped")
            if skipped is not None:
                result.skips.append((name, skipped.get("message") or ""))
            elif case.find("failure") is not None or case.find("error") is not None:
                result.failed += 1
            else:
                result.passed += 1
        report.unlink()
    elif suite.ansible_test:
        bad = re.search(r"^FATAL: The (\d+) \w+ test\(s\) listed below", text, re.MULTILINE)
        result.failed = int(bad[1]) if bad else 0
        begun = re.findall(r"^Running (?:sanity test|\S+ integration test)", text, re.MULTILINE)
        result.passed = len(begun) - result.failed
    elif code == 0:
        result.passed = 1
    if suite.ansible_test:
        said = re.findall(r"^WARNING: (.*[Ss]kip.*)$", text, re.MULTILINE)
        result.skips += [(line, "said by ansible-test") for line in said]
    if code != 0 and not result.failed:
        result.failed = 1
        result.passed -= bool(result.passed)
        result.note = result.note or f"exit status {code}"
    if code == 0 and not result.passed and not result.skips:
        result.failed, result.note = 1, "nothing was run"
    return result


def allowed_skips() -> list[str]:
    """The patterns of tests/allowed-skips.txt."""
    lines = (ROOT / "tests" / "allowed-skips.txt").read_text().splitlines()
    return [line.partition(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def announce(result: Result) -> None:
    """One line for a suite that ended, and the end of its output if it failed."""
    word = "FAILED" if result.failed else "ok" if result.passed else "skipped"
    print(f"{word:8} {result.suite:20} {result.seconds:6.0f} s  {result.note}", flush=True)
    log = BUILD / "log" / f"{result.suite}.txt"
    if result.failed and log.exists():
        for line in log.read_text(errors="replace").splitlines()[-60:]:
            print(f"    | {line}")


def report(results: list[Result], seconds: float) -> bool:
    """Print the table, the skips and a closing line like pytest's; True if all is well."""
    patterns = allowed_skips()
    print(f"\n{'suite':20} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}  note")
    for result in results:
        numbers = f"{result.passed:7} {result.failed:7} {len(result.skips):8} {result.seconds:8.0f}"
        print(f"{result.suite:20} {numbers}  {result.note}")
    unlisted = 0
    for result in results:
        for what, why in result.skips:
            listed = any(fnmatch.fnmatchcase(f"{result.suite}: {what}", pattern) for pattern in patterns)
            unlisted += not listed
            note = "" if listed else " and NOT LISTED in tests/allowed-skips.txt"
            print(f"skipped{note}: {result.suite}: {what} ({why})")
    failed = sum(result.failed for result in results) + unlisted
    passed = sum(result.passed for result in results)
    skipped = sum(len(result.skips) for result in results) - unlisted
    parts = [f"{failed} failed"] * bool(failed) + [f"{passed} passed"] + [f"{skipped} skipped"] * bool(skipped)
    print(f"\n{' ' + ', '.join(parts) + f' in {seconds:.2f}s ':=^80}")
    return not failed


def main() -> int:
    """Run what the command line names, or everything."""
    parser = argparse.ArgumentParser(description="Run the tests of netlink.remediation.")
    parser.add_argument("suites", nargs="*", default=["*"], help="names or shell patterns (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names of all suites")
    arguments = parser.parse_args()
    chosen = [suite for suite in suites() if any(fnmatch.fnmatchcase(suite.name, name) for name in arguments.suites)]
    if arguments.list or not chosen:
        print("\n".join(suite.name for suite in suites()))
        return not arguments.list
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    runner, started, results = Runner(), time.monotonic(), []
    # Three, for two cores: many a test waits for a service to come up and stay up.
    with ThreadPoolExecutor(3) as workers:
        for future in as_completed([workers.submit(runner.run, suite) for suite in chosen]):
            results.append(future.result())
            announce(results[-1])
    results.sort(key=lambda result: [suite.name for suite in chosen].index(result.suite))
    if any(result.suite == "targets" for result in results):
        next(result for result in results if result.suite == "targets").skips += runner.missing_targets()
    return not report(results, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
