# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""unit_facts under a real systemd: what we make of the files of units is what systemd makes of them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host import COLLECTIONS, Host

from ansible_collections.netlink.remediation.plugins.module_utils._linux import capability_mask
from ansible_collections.netlink.remediation.plugins.module_utils._systemd import NETLINK_CALLS

ETC = "/etc/systemd/system"
PLACES = ("/etc", "/run", "/usr/local/lib", "/usr/lib")
UTILS = "ansible_collections.netlink.remediation.plugins.module_utils."


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, places: Path) -> Iterator[Host]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Host(places / "units", request.config.getoption("--lab")) as made:
        made.sh("ip link set lo mtu 65535; useradd --uid 1234 --groups adm --create-home joe")
        yield made


@pytest.fixture(autouse=True)
def clean(host: Host) -> Iterator[None]:
    """Nothing of a test is left: its units are called u, u-... or u@..."""
    yield
    paths = " ".join(f"{place}/systemd/system/u[-@.]* {place}/systemd/system/service.d" for place in PLACES)
    host.sh(f"systemctl stop 'u[-@.]*' 2>/dev/null || true; rm -rf {paths} /opt/u; systemctl daemon-reload")


def write(host: Host, files: dict[str, bytes]) -> None:
    """Write files, all in one go ("-> TARGET" makes a link), and let systemd read them."""
    script = (
        "import json, os, sys\n"
        "for path, content in json.load(sys.stdin).items():\n"
        "    os.makedirs(os.path.dirname(path), exist_ok=True)\n"
        "    content = content.encode('latin-1')\n"
        "    if content.startswith(b'-> '):\n"
        "        os.symlink(content[3:], path)\n"
        "    else:\n"
        "        open(path, 'wb').write(content)\n"
    )
    text = json.dumps({path: content.decode("latin-1") for path, content in files.items()})
    done = host.run(["python3", "-c", script], stdin=text)
    assert done.returncode == 0, done.stderr
    host.sh("systemctl daemon-reload")


def service(*lines: str) -> bytes:
    return "\n".join(["[Service]", "ExecStart=/bin/sleep inf", *lines, ""]).encode()


def facts(host: Host, *units: str, **options: Any) -> list[dict[str, Any]]:
    result = host.module("unit_facts", units=list(units), **options)
    assert not result.get("failed"), result
    assert result["ansible_facts"]["netlink_units"]["unseen"] == []
    found: list[dict[str, Any]] = result["ansible_facts"]["netlink_units"]["units"]
    return found


def directive(unit: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in unit["directives"] if item["name"] == name)
    return found


def in_host(host: Host, script: str, *arguments: str) -> Any:
    """What a script says with our code, run by the host's own Python: it prints JSON."""
    words = ["env", f"PYTHONPATH={COLLECTIONS}", "python3", "-B", "-c", script, *arguments]
    done = host.run(words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- the value of each directive --------------------------------------------------------------------------------------

LINES: dict[str, list[list[str]]] = {
    "CapabilityBoundingSet": [
        [""],
        ["~"],
        ["CAP_NET_ADMIN"],
        ["CAP_NET_ADMIN", "CAP_NET_RAW"],
        ["~CAP_NET_ADMIN"],
        ["~CAP_NET_ADMIN", "CAP_NET_ADMIN"],
        ["~CAP_NET_ADMIN", "CAP_NET_ADMIN", "CAP_NET_RAW"],
        ["CAP_NET_ADMIN CAP_NET_RAW", "~CAP_NET_RAW"],
        ["CAP_NET_ADMIN", ""],
        ["", "CAP_NET_ADMIN"],
        ["~", "CAP_NET_ADMIN"],
        ["CAP_NET_ADMIN", "~"],
        ["", "~CAP_NET_ADMIN"],
        ["CAP_NET_ADMIN", "CAP_BOGUS"],
        ["~CAP_BOGUS"],
        ["12 CAP_BOGUS cap_net_raw 0x0b 013 0b11"],
        ["CAP_NET_ADMIN", "41"],
        ["CAP_NET_ADMIN", "63"],
        ["CAP_NET_ADMIN,CAP_NET_RAW"],
        ["\"CAP_NET_ADMIN\" 'CAP_NET_RAW'"],
        ['CAP_NET_ADMIN "CAP_NET_RAW'],
        ["CAP_NET_RAW ~CAP_NET_ADMIN"],
        ["~~CAP_NET_ADMIN"],
        ["CAP_NET_ADMIN # CAP_NET_RAW"],
    ],
    "AmbientCapabilities": [
        [""],
        ["~"],
        ["CAP_NET_ADMIN"],
        ["~CAP_NET_ADMIN"],
        ["CAP_NET_ADMIN", "~CAP_NET_ADMIN"],
        ["CAP_NET_ADMIN", "~CAP_NET_ADMIN", "~CAP_NET_RAW"],
        ["CAP_NET_ADMIN", "CAP_NET_RAW", ""],
        ["~", "CAP_NET_ADMIN"],
    ],
    "RestrictAddressFamilies": [
        [""],
        ["~"],
        ["none"],
        ["NONE"],
        ["~none"],
        ["AF_INET AF_INET6"],
        ["AF_INET", "AF_NETLINK"],
        ["~AF_NETLINK"],
        ["~AF_NETLINK", "AF_NETLINK"],
        ["AF_INET", "~AF_INET"],
        ["none", "AF_INET"],
        ["none", "~AF_INET"],
        ["AF_INET", "none"],
        ["AF_INET", "", "~AF_UNIX"],
        ["~AF_INET", "AF_NETLINK"],
        ["af_route AF_LOCAL AF_FILE"],
        ["AF_DECNET 16 NETLINK AF_UNSPEC"],
        ["AF_BOGUS"],
        ["~AF_BOGUS"],
        ['AF_INET "AF_UNIX'],
        ["AF_UNIX ~AF_NETLINK"],
        ["yes"],
        ["AF_SMC AF_MCTP AF_XDP AF_KCM AF_QIPCRTR AF_VSOCK AF_CAN AF_IB AF_PACKET AF_BRIDGE"],
    ],
    "RestrictNamespaces": [
        [""],
        ["yes"],
        ["no"],
        ["net"],
        ["~net"],
        ["net", "user"],
        ["~net", "~user"],
        ["net", "~net"],
        ["~net", "net"],
        ["yes", "net"],
        ["yes", "~net"],
        ["no", "net"],
        ["no", "~net"],
        ["no", "", "net"],
        ["net", ""],
        ["net bogus"],
        ["net", "user,mnt"],
        ["NET"],
        ["~"],
        ["~", "net"],
        ["net", "~"],
        ["~~net"],
        ['"net" user'],
        ["time"],
        ["time", "yes"],
    ],
    "PrivateUsers": [["yes"], ["self"], ["identity"], ["yes", ""], ["yes", "maybe"], ["SELF"], ["off"]],
    "NetworkNamespacePath": [
        ["/run/netns/x"],
        ["/run/netns/x", ""],
        ["/run/netns/x", "relative", "%n"],
        ["/run//netns/./x/"],
    ],
    "User": [["joe"], ["joe", ""], ["0"], ["joe", "root"]],
    "SupplementaryGroups": [["adm"], ["adm", "disk"], ["adm", "", "disk"]],
    **{
        name: [["yes"], ["1"], ["On"], ["TRUE"], ["maybe"], ["yes", ""], ["yes", "2"], ["yes", "no"], ['"yes"'], ["f"]]
        for name in ("NoNewPrivileges", "PrivateNetwork", "ProtectKernelTunables", "DynamicUser")
    },
}
DEFAULTS = {"RestrictAddressFamilies": "~", "NetworkNamespacePath": "", "User": "", "SupplementaryGroups": ""}


@pytest.mark.parametrize("name", LINES)
def test_the_effective_value_is_what_systemd_makes_of_the_lines(host: Host, name: str) -> None:
    files = {
        f"u-{number}.service": service(*(f"{name}={value}" for value in values))
        for number, values in enumerate(LINES[name])
    }
    write(host, {f"{ETC}/{file}": content for file, content in files.items()})
    units = facts(host, *files)
    assert [unit["name"] for unit in units] == list(files)
    for unit, values in zip(units, LINES[name]):
        found = directive(unit, name)
        effective = DEFAULTS.get(name, "no") if found["effective"] is None else found["effective"]
        assert effective == found["runtime"], values
        assert [(line["value"], line["line"]) for line in found["lines"]] == list(zip(values, itertools.count(3)))


SYNTAX: dict[str, bytes] = {
    "plain": b"User=joe\n",
    "continued": b"SupplementaryGroups=adm \\\ndisk\nUser=joe\n",
    "comments between": b"SupplementaryGroups=adm \\\n# comment \\\n;c2\ndisk \\\n  # x\n kmem\nUser=joe\n",
    "blank ends it": b"SupplementaryGroups=adm \\\n\nUser=joe\n",
    "two backslashes": b"Group=adm\\\\\nUser=joe\n",
    "end of file": b"SupplementaryGroups=adm \\",
    "section continued": b"SupplementaryGroups=adm \\\n[Unit]\nUser=joe\n",
    "name continued": b"Group\\\n=adm\nUser=joe\n",
    "comment with backslash": b"# comment \\\nUser=joe\n",
    "spaces": b"\tUser\t=\tjoe \t\n  Group  =  adm\n",
    "unknown section": b"[X-Foo]\nUser=joe\n[Bogus]\nGroup=adm\n",
    "other case": b"[service]\nUser=joe\n[Service]\ngroup=adm\n",
    "twice": b"User=joe\n[Unit]\nDescription=x\n[Service]\nGroup=adm\n",
    "carriage returns": b"User=joe\r\nSupplementaryGroups=adm \\\r\ndisk\r\n",
    "only carriage returns": b"User=joe\rGroup=adm\r",
    "zero": b"User=joe\0Group=adm\n",
    "no equals sign": b"User\nGroup=adm\n",
    "no name": b"=foo\nUser=joe\n",
    "no comment": b"Environment=A=1 # no comment\nUser=joe\n",
    "no-break space": "User\u00a0=joe\nGroup=adm\n".encode(),
    "not UTF-8": b"User=joe\nUser=\xff\xfe\nGroup=adm\n",
    "not UTF-8 in a comment": b"User=joe\n# \xff\nGroup=adm\n",
    "no end of the section": b"User=joe\n[Bogus\nGroup=adm\n",
    "comment behind the section": b"User=joe\n[Unit] # x\n[Service]\nGroup=adm\n",
    "mark": b"\xef\xbb\xbfUser=joe\n\xef\xbb\xbfGroup=adm\n",
}


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf", b"# x\n\xef\xbb\xbf"], ids=["", "mark", "mark below"])
def test_files_are_parsed_as_systemd_parses_them(host: Host, prefix: bytes) -> None:
    names = {title: f"u-{number}.service" for number, title in enumerate(SYNTAX)}
    write(
        host,
        {
            f"{ETC}/{names[title]}": prefix + b"[Service]\nExecStart=/bin/true\n" + text
            for title, text in SYNTAX.items()
        },
    )
    units = {unit["name"]: unit for unit in facts(host, *names.values())}
    for title, name in names.items():
        for key in ("User", "Group", "SupplementaryGroups"):
            found = directive(units[name], key)
            words = (found["effective"] or "").split()
            assert words == (found["runtime"] or "").replace('"', "").replace("\\\\\\", "\\").split(), (title, key)


# --- which files count ------------------------------------------------------------------------------------------------

SEARCH = f"""
import json, subprocess, sys
from {UTILS}_observe._units import observe_units
from {UTILS}_plain import to_plain
def ask(words):
    done = subprocess.run(list(words), capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr
print(json.dumps([to_plain(observe_units(sys.argv[1:], [], way)) for way in (ask, None)]))
"""


def both_ways(host: Host, *units: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The units with the files that systemd names, and with those that our own search finds."""
    asked, searched = in_host(host, SEARCH, *units)
    return asked, searched


@pytest.mark.parametrize(
    ("unit", "fragment", "names"),
    [
        ("u-b-c.service", "u-b-c.service", ["u-b-c", "u-b-", "u-", "u-b", "u-b-c-"]),
        ("u-b-c@i-j.service", "u-b-c@.service", ["u-b-c@i-j", "u-b-c@", "u-b-", "u-", "u-b-@i-j", "u-b-@", "u-@i-j",
                                                 "u-@", "u-b-c@i-"]),
        ("u--y-.service", "u--y-.service", ["u--y-", "u--", "u-", "u--y-@"]),
        ("u@x.service", "u@x.service", ["u@x", "u@"]),
    ],
)  # fmt: skip
def test_drop_ins_are_found_in_systemds_order(host: Host, unit: str, fragment: str, names: list[str]) -> None:
    directories = [f"{place}/systemd/system/{name}.service.d" for place in ("/etc", "/usr/lib") for name in names]
    directories += [f"{place}/systemd/system/service.d" for place in PLACES]
    files = {f"{ETC}/{fragment}": service()}
    for number, (one, other) in enumerate(itertools.combinations(directories, 2)):
        files.update({f"{one}/{number}.conf": b"", f"{other}/{number}.conf": b""})
    write(host, files)
    asked, searched = both_ways(host, unit)
    assert asked[unit]["drop_ins"] == searched[unit]["drop_ins"]
    assert len(asked[unit]["drop_ins"]) > 20
    assert asked[unit]["fragment"] == searched[unit]["fragment"] == f"{ETC}/{fragment}"


def test_masks_links_templates_and_aliases_are_found_as_systemd_finds_them(host: Host) -> None:
    extra = {"service.d/00.conf": b"", "u-x.service.d/masked.conf": b"-> /dev/null", "u-x.service.d/empty.conf": b""}
    files = {
        "u-x.service": service("User=joe"),
        "u-x.service.d/gone.conf": b"-> nowhere",
        "u-x.service.d/.hidden.conf": b"",
        "u-x.service.d/no": b"",
        "u-alias.service": b"-> u-x.service",
        "u-far.service": b"-> /usr/lib/systemd/system/u-low.service",
        "u-far.service.d/1.conf": b"",
        "u-t@.service": service("User=%i"),
        "u-t@own.service": service(),
        "u-t@own.service.d/1.conf": b"",
        "u-s@.service": b"-> u-t@.service",
        "u-s@.service.d/2.conf": b"",
        "u-masked.service": b"-> /dev/null",
        "u-masked.service.d/1.conf": b"",
        "u-empty.service": b"",
        "u-only.service.d/1.conf": service("User=joe"),
        "u-linked.service": b"-> /opt/u/u-linked.service",
        "u-renamed.service": b"-> /opt/u/u-linked.service",
        "u-circle.service": b"-> u-elcric.service",
        "u-elcric.service": b"-> u-circle.service",
        **extra,
    }
    write(
        host,
        {
            "/usr/lib/systemd/system/u-low.service": service(),
            "/usr/lib/systemd/system/u-x.service": service("User=root"),
            "/usr/lib/systemd/system/u-x.service.d/masked.conf": service("User=root"),
            "/opt/u/u-linked.service": service("User=joe"),
            **{f"{ETC}/{name}": content for name, content in files.items()},
        },
    )
    units = ["u-x", "u-alias", "u-far", "u-low", "u-t@joe", "u-t@own", "u-s@joe", "u-masked", "u-empty", "u-only",
             "u-linked", "u-renamed", "u-circle", "u-nothing"]  # fmt: skip
    asked, searched = both_ways(host, *units)
    for name in units:
        for key in ("name", "fragment", "drop_ins", "directives"):
            assert asked[name][key] == searched[name][key], name
        assert searched[name]["load"] == (asked[name]["load"] if asked[name]["load"] != "loaded" else None), name
    assert {asked[name]["load"] for name in units} == {"loaded", "masked", "not-found"}


def test_the_line_that_is_told_is_the_line_of_the_file(host: Host) -> None:
    write(
        host,
        {
            f"{ETC}/u.service": service("# x", "User=joe", "RestrictAddressFamilies=AF_INET \\", "# y", " AF_UNIX"),
            "/run/systemd/system/u.service.d/10.conf": b"\n[Service]\nRestrictAddressFamilies=\nUser=\n",
            "/usr/lib/systemd/system/u.service.d/20.conf": b"[Service]\nRestrictAddressFamilies=AF_NETLINK\n",
        },
    )
    (unit,) = facts(host, "u")
    found = directive(unit, "RestrictAddressFamilies")
    for line in [*found["lines"], *directive(unit, "User")["lines"]]:
        text = host.sh(f"sed -n {line['line']}p {line['file']}").strip()
        assert text.partition("=")[2].rstrip(" \\") == line["value"].partition("  ")[0]
    assert [(line["in_force"], line["reset"]) for line in found["lines"]] == [
        (False, False),
        (False, True),
        (True, False),
    ]
    assert found["effective"] == found["runtime"] == "AF_NETLINK"
    assert directive(unit, "User")["effective"] is None


# --- what runs --------------------------------------------------------------------------------------------------------


def test_a_change_of_the_files_needs_a_reload_and_then_a_restart(host: Host) -> None:
    write(host, {f"{ETC}/u.service": service()})
    host.sh("systemctl start u; sleep 0.1")
    (unit,) = facts(host, "u")
    assert (unit["active"], unit["reload_needed"], unit["stale"], unit["result"]) == ("active", False, False, "success")
    assert unit["main_pid"] == int(host.sh("systemctl show --value -p MainPID u"))
    host.write(f"{ETC}/u.service.d/x.conf", "[Service]\nUser=joe\n")
    (unit,) = facts(host, "u")
    assert (unit["reload_needed"], unit["stale"], unit["drop_ins"]) == (True, True, [f"{ETC}/u.service.d/x.conf"])
    assert (directive(unit, "User")["effective"], directive(unit, "User")["runtime"]) == ("joe", "")
    host.sh("systemctl daemon-reload")
    (unit,) = facts(host, "u")
    assert (unit["reload_needed"], unit["stale"], directive(unit, "User")["runtime"]) == (False, True, "joe")
    before = unit["invocation"]
    host.sh("systemctl restart u")
    (unit,) = facts(host, "u")
    assert (unit["reload_needed"], unit["stale"]) == (False, False)
    assert unit["invocation"] != before
    host.sh(f"rm {ETC}/u.service.d/x.conf; systemctl daemon-reload")
    assert facts(host, "u")[0]["stale"]


def test_without_names_the_holders_of_netlink_sockets_are_read(host: Host) -> None:
    hold = "import socket, time; s = socket.socket(16, 3, 0); s.bind((0, 0)); time.sleep(1000)"
    write(host, {f"{ETC}/u.service": f"[Service]\nExecStart=/usr/bin/python3 -c '{hold}'\nUser=joe\n".encode()})
    assert "u.service" not in [unit["name"] for unit in facts(host)]
    host.sh("systemctl start u; for i in $(seq 100); do ss -f netlink -p | grep -q python3 && break; sleep 0.1; done")
    (unit,) = (unit for unit in facts(host, check=True) if unit["name"] == "u.service")
    assert directive(unit, "User")["effective"] == "joe"
    assert unit["commands"][0]["value"].startswith("/usr/bin/python3 -c ")


def test_units_of_other_types_are_read_too(host: Host) -> None:
    write(host, {f"{ETC}/u.socket": b"[Socket]\nListenStream=/run/u.sock\nRestrictNamespaces=yes\n"})
    socket, scope, missing, target = facts(host, "u.socket", "init.scope", "u-none.service", "basic.target")
    assert directive(socket, "RestrictNamespaces")["effective"] == "yes"
    assert scope["directives"] == target["directives"] == []
    assert (missing["load"], missing["fragment"]) == ("not-found", None)


@pytest.fixture
def joe(host: Host) -> Iterator[list[str]]:
    """Joe's own service manager runs; the words that run a command as he does."""
    host.write(f"{ETC}/user@.service.d/u.conf", "[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n")
    host.sh("systemctl daemon-reload; systemctl start user@1234")
    yield ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups", "env", "XDG_RUNTIME_DIR=/run/user/1234"]
    host.sh(f"systemctl stop user@1234; rm -rf {ETC}/user@.service.d /home/joe/.config; systemctl daemon-reload")


def test_a_unit_of_a_users_manager_is_found_while_it_runs(host: Host, joe: list[str]) -> None:
    host.write("/home/joe/.config/systemd/user/u-mine.service", service("RestrictAddressFamilies=AF_UNIX").decode())
    host.sh("chown -R joe /home/joe")
    assert facts(host, "u-mine")[0]["load"] == "not-found"
    assert host.run([*joe, "systemctl", "--user", "start", "u-mine"]).returncode == 0
    (unit,) = facts(host, "u-mine")
    assert (unit["manager"], unit["load"], unit["active"]) == ("user", "loaded", "active")
    assert unit["fragment"] == "/home/joe/.config/systemd/user/u-mine.service"
    found = directive(unit, "RestrictAddressFamilies")
    assert found["effective"] == found["runtime"] == "AF_UNIX"
    asked, searched = both_ways(host, "u-mine")
    for key in ("name", "manager", "fragment", "drop_ins", "directives"):
        assert asked["u-mine"][key] == searched["u-mine"][key]


def test_a_process_of_a_user_is_not_judged_by_the_systems_unit_of_that_name(host: Host, joe: list[str]) -> None:
    write(host, {f"{ETC}/u-mine.service": service("RestrictAddressFamilies=AF_UNIX")})
    host.write("/home/joe/.config/systemd/user/u-mine.service", service().decode())
    host.sh("systemctl start u-mine; chown -R joe /home/joe")
    assert host.run([*joe, "systemctl", "--user", "start", "u-mine"]).returncode == 0
    pid = host.run([*joe, "systemctl", "--user", "show", "--value", "-p", "MainPID", "u-mine"]).stdout
    found = host.diagnose({"pid": int(pid)}, include_snapshot=True)
    assert found["snapshot"]["units"]["u-mine.service"]["manager"] == "user"
    assert found["findings"][0]["reason"] == "user_manager"
    found = host.diagnose({"unit": "u-mine.service"}, include_snapshot=True)
    assert found["snapshot"]["units"]["u-mine.service"]["manager"] == "system"


@pytest.mark.parametrize("bad", ["two words", "u@.service", "a/b", ""])
def test_a_name_that_can_be_none_is_said_in_one_sentence(host: Host, bad: str) -> None:
    result = host.module("unit_facts", units=["dbus", bad], check=True)
    assert result["failed"]
    assert result["msg"].startswith(f"units: {bad!r} is ")
    assert "expected" in result["msg"]


# --- what a unit starts with ------------------------------------------------------------------------------------------

STARTS: list[list[str]] = [
    [],
    ["User=joe"],
    ["User=root"],
    ["User=joe", "Group=disk"],
    ["User=joe", "SupplementaryGroups=disk kmem"],
    ["Group=adm", "SupplementaryGroups=disk"],
    ["User=joe", "AmbientCapabilities=CAP_NET_ADMIN"],
    ["User=joe", "AmbientCapabilities=CAP_NET_ADMIN", "CapabilityBoundingSet=CAP_NET_RAW"],
    ["User=joe", "AmbientCapabilities=CAP_NET_ADMIN", "NoNewPrivileges=yes"],
    ["AmbientCapabilities=CAP_NET_ADMIN"],
    ["CapabilityBoundingSet=CAP_NET_RAW"],
    ["CapabilityBoundingSet=CAP_NET_RAW", "NoNewPrivileges=yes"],
    ["CapabilityBoundingSet="],
    ["ProtectClock=yes"],
    ["PrivateDevices=yes"],
    ["ProtectKernelModules=yes"],
    ["ProtectKernelLogs=yes"],
    ["ProtectKernelTunables=yes"],
    ["ProtectHostname=yes"],
    ["LockPersonality=yes"],
    ["RestrictSUIDSGID=yes"],
    ["RestrictRealtime=yes"],
    ["RestrictNamespaces=net"],
    ["SystemCallArchitectures=native"],
    ["RestrictAddressFamilies=AF_UNIX"],
    ["RestrictAddressFamilies=none"],
    ["SystemCallFilter=@system-service"],
    ["User=joe", "RestrictAddressFamilies=AF_UNIX"],
    ["User=joe", "RestrictAddressFamilies=AF_UNIX", "CapabilityBoundingSet=CAP_NET_ADMIN"],
    ["User=joe", "RestrictAddressFamilies=AF_UNIX", "AmbientCapabilities=CAP_NET_ADMIN"],
    ["User=joe", "SystemCallFilter=@system-service"],
    ["User=joe", "SystemCallFilter=~capset:EPERM"],
    ["User=joe", "SystemCallFilter=~capget:EPERM"],
    ["User=joe", "SystemCallFilter=~prctl:EPERM"],
    ["User=joe", "SystemCallFilter=~socket:EPERM"],
    ["DynamicUser=yes"],
    ["DynamicUser=yes", "User=joe"],
]
SANDBOX = ["User=joe", "NoNewPrivileges=yes", "CapabilityBoundingSet=CAP_NET_RAW CAP_NET_ADMIN",
           "AmbientCapabilities=CAP_NET_ADMIN", "RestrictAddressFamilies=AF_UNIX"]  # fmt: skip

PREDICT = f"""
import json, subprocess, sys
from {UTILS}_diagnose._execve import predict_execve
from {UTILS}_observe._executables import read_executable
from {UTILS}_observe._host import observe_host
from {UTILS}_observe._proc import parse_credentials
from {UTILS}_observe._units import command_of_unit, credentials_of_unit, observe_units
from {UTILS}_plain import to_plain
def ask(words):
    done = subprocess.run(list(words), capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr
host, found = observe_host([]), []
for name, unit in observe_units(sys.argv[1:], [], ask).items():
    program = read_executable(command_of_unit(unit)[1], [])
    predicted = predict_execve(credentials_of_unit(unit, host), program, host.kernel).credentials
    with open("/run/" + name, "rb") as status:
        found.append([to_plain(predicted), to_plain(parse_credentials(status.read()))])
print(json.dumps(found))
"""


def test_a_unit_starts_with_the_credentials_that_are_foretold(host: Host) -> None:
    starts = [("cat", lines) for lines in STARTS]
    starts += [(f"{prefix}/bin/cat", SANDBOX) for prefix in ("-", "!", "!!", "+", "@", ":")]
    files: dict[str, bytes] = {}
    for number, (command, lines) in enumerate(starts):
        words = "cat " if command.startswith("@") else ""
        head = ["[Service]", "Type=oneshot", f"StandardOutput=truncate:/run/u-{number}.service"]
        text = "\n".join([*head, f"ExecStart={command} {words}/proc/self/status", *lines, ""])
        files[f"u-{number}.service"] = text.encode()
    write(host, {f"{ETC}/{name}": content for name, content in files.items()})
    host.sh("systemctl start " + " ".join(files))
    for (predicted, real), start in zip(in_host(host, PREDICT, *files), starts):
        dynamic = "DynamicUser=yes" in start[1] and "User=joe" not in start[1]
        for key in predicted:
            if dynamic and (key.endswith(("uid", "gid")) or key == "groups"):
                assert real[key] != 0
            elif key != "securebits":
                assert predicted[key] == real[key], (start, key)


@pytest.mark.parametrize("line", ["User=nobody-here", "User=4321", "Group=none-here"])
def test_systemd_starts_no_unit_whose_user_does_not_exist(host: Host, line: str) -> None:
    write(host, {f"{ETC}/u.service": b"[Service]\nType=oneshot\nExecStart=/bin/true\n" + line.encode() + b"\n"})
    assert host.run(["systemctl", "start", "u"]).returncode != 0
    assert host.sh("systemctl show --value -p ExecMainStatus u").strip() in ("216", "217")
    script = PREDICT.split("host, found", maxsplit=1)[0] + (
        "try:\n    credentials_of_unit(observe_units(['u'], [], ask)['u'], observe_host([]))\n"
        "except ValueError as exc:\n    print(json.dumps(str(exc)))\n"
    )
    assert in_host(host, script).endswith("of this host, so systemd cannot start it")


# --- what a client needs ----------------------------------------------------------------------------------------------

PYTHON = (
    "import socket, struct; s = socket.socket(16, 3, 0); "
    "s.sendto(struct.pack('=IHHII', 32, 16, 5, 1, 0) + struct.pack('=BBHiII', 0, 0, 0, 1, 1, 1), (0, 0)); "
    "raise SystemExit(-struct.unpack_from('=i', s.recv(65536), 16)[0])"
)
CLIENTS = {
    "ip": ["ip", "link", "set", "lo", "mtu", "65535"],
    "tc": ["tc", "qdisc", "show", "dev", "lo"],
    "python": ["python3", "-c", PYTHON],
}
NEEDS = {
    "ip": {"socket", "setsockopt", "bind", "getsockname", "sendmsg", "recvmsg"},
    "tc": {"socket", "setsockopt", "bind", "getsockname", "sendto", "recvmsg"},
    "python": {"socket", "sendto", "recvfrom"},
}


def works_without(host: Host, client: str, call: str) -> bool:
    words = ["systemd-run", "--quiet", "--wait", "-p", f"SystemCallFilter=~{call}:EPERM", "--", *CLIENTS[client]]
    done: subprocess.CompletedProcess[str] = host.run(words)
    return done.returncode == 0


@pytest.mark.parametrize("client", CLIENTS)
def test_the_calls_of_netlink_clients_are_those_that_are_named(host: Host, client: str) -> None:
    calls = [*NETLINK_CALLS, "connect", "getsockopt", "recvmmsg", "sendmmsg", "poll"]
    refused = {call for call in calls if not works_without(host, client, call)}
    assert refused - {"sendto", "sendmsg"} == NEEDS[client] - {"sendto", "sendmsg"}
    assert refused & {"sendto", "sendmsg"} >= NEEDS[client] & {"sendto", "sendmsg"}
    assert set().union(*NEEDS.values()) == set(NETLINK_CALLS)


def test_the_bounding_set_of_the_host_is_what_its_units_get(host: Host) -> None:
    write(host, {f"{ETC}/u.service": service()})
    shown = directive(facts(host, "u")[0], "CapabilityBoundingSet")
    assert shown["effective"] is None
    assert capability_mask(shown["runtime"].split()) >= capability_mask(["cap_net_admin"])
