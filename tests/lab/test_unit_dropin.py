# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""unit_dropin under a real systemd: what each line refuses is granted or lifted, proven by the service, taken back."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host import Host

UNIT = "/etc/systemd/system/w.service"
DROP_IN = f"{UNIT}.d/50-netlink-remediation.conf"
OUT = "/run/w.out"
LINK = "ip link set lo mtu 65535"
NEW_NETNS = "rm -f /run/netns/new; ip netns add new && ip netns delete new"
SERVICE = """\
[Service]
ExecStart={prefix}/bin/sh -c '({command}) && echo ok || echo refused; exec sleep 1000'
StandardOutput=truncate:{out}
StandardError=inherit
{settings}
"""


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest, places: Path) -> Iterator[Host]:
    with Host(places / "dropin", request.config.getoption("--lab")) as made:
        made.sh(LINK)  # So that the services change nothing.
        yield made


@pytest.fixture(autouse=True)
def clean(host: Host) -> Iterator[None]:
    """Nothing of a test is left, and none began with something left."""
    yield
    host.sh(
        "systemctl stop w.service other.service 'w@*.service' 2>/dev/null || true; "
        "rm -rf /etc/systemd/system/w* /etc/systemd/system/other.service* /run/systemd/system/w* "
        "/var/lib/netlink-remediation /run/w.out /etc/tests; systemctl daemon-reload; systemctl reset-failed"
    )


def install(host: Host, settings: str = "", command: str = LINK, *, prefix: str = "", text: str = "") -> None:
    """Put w.service in its place and start it."""
    host.write(UNIT, text or SERVICE.format(prefix=prefix, command=command, out=OUT, settings=settings))
    host.sh("systemctl daemon-reload")
    host.run(["systemctl", "start", "w.service"])


def said(host: Host) -> str:
    """The last word of the service."""
    for _attempt in range(100):
        words = host.run(["cat", OUT]).stdout.split()
        if words and words[-1] in ("ok", "refused"):
            return words[-1]
        time.sleep(0.05)
    return host.run(["cat", OUT]).stdout


def show(host: Host, name: str, unit: str = "w.service") -> str:
    return host.sh(f"systemctl show --value -p {name} {unit}").strip()


def call(host: Host, check: bool = False, accept: Any = (), unit: str = "w.service", **wish: Any) -> dict[str, Any]:
    """unit_dropin for one unit; it must succeed."""
    result = host.module("unit_dropin", check=check, units=[{"unit": unit, **wish}], accept=list(accept))
    assert not result.get("failed"), result
    return result


def refused(host: Host, check: bool = False, accept: Any = (), unit: str = "w.service", **wish: Any) -> str:
    """The message of unit_dropin, which must fail without a traceback and without a trace."""
    before = host.snapshot()
    result = host.module("unit_dropin", check=check, units=[{"unit": unit, **wish}], accept=list(accept))
    assert result.get("failed") and not result.get("crashed"), result
    assert host.snapshot() == before
    return str(result["msg"])


def revert(host: Host, **options: Any) -> dict[str, Any]:
    result = host.module("receipt", run="latest", **options)
    assert not result.get("failed"), result
    return result


BREAKS = [
    ("User=daemon", {"grant": ["cap_net_admin"]}, ["AmbientCapabilities=CAP_NET_ADMIN"]),
    ("DynamicUser=yes", {"grant": ["cap_net_admin"]}, ["AmbientCapabilities=CAP_NET_ADMIN"]),
    ("CapabilityBoundingSet=CAP_SYS_TIME", {"grant": ["CAP_NET_ADMIN"]}, ["CapabilityBoundingSet=CAP_NET_ADMIN"]),
    ("CapabilityBoundingSet=~CAP_NET_ADMIN", {"grant": ["cap_net_admin"]}, ["CapabilityBoundingSet=CAP_NET_ADMIN"]),
    ("CapabilityBoundingSet=", {"grant": ["cap_net_admin"]}, ["CapabilityBoundingSet=CAP_NET_ADMIN"]),
    (
        "User=daemon\nCapabilityBoundingSet=CAP_SYS_TIME",
        {"grant": ["cap_net_admin"]},
        ["AmbientCapabilities=CAP_NET_ADMIN", "CapabilityBoundingSet=CAP_NET_ADMIN"],
    ),
    (
        "User=daemon\nAmbientCapabilities=CAP_SYS_TIME\nNoNewPrivileges=yes",
        {"grant": ["cap_net_admin"]},
        ["AmbientCapabilities=CAP_NET_ADMIN"],
    ),
    ("PrivateUsers=yes", {"lift": ["private_users"]}, ["PrivateUsers=no"]),
    ("PrivateUsers=identity", {"lift": ["private_users"]}, ["PrivateUsers=no"]),
    (
        "RestrictAddressFamilies=AF_UNIX AF_INET",
        {"lift": ["restrict_address_families"]},
        ["RestrictAddressFamilies=AF_NETLINK"],
    ),
    ("RestrictAddressFamilies=none", {"lift": ["restrict_address_families"]}, ["RestrictAddressFamilies=AF_NETLINK"]),
    (
        "RestrictAddressFamilies=~AF_NETLINK AF_PACKET",
        {"lift": ["restrict_address_families"]},
        ["RestrictAddressFamilies=AF_NETLINK"],
    ),
    (
        "SystemCallFilter=~@network-io\nSystemCallErrorNumber=EPERM",
        {"lift": ["system_call_filter"]},
        [
            "SystemCallFilter=socket setsockopt bind getsockname sendmsg sendto recvmsg recvfrom unshare setns",
        ],
    ),
    (
        "SystemCallFilter=@basic-io @file-system @process @signal uname ioctl getuid geteuid getgid getegid madvise",
        {"lift": ["system_call_filter"]},
        [
            "SystemCallFilter=socket setsockopt bind getsockname sendmsg sendto recvmsg recvfrom unshare setns",
        ],
    ),
    (
        "User=daemon\nPrivateUsers=yes\nRestrictAddressFamilies=AF_UNIX\nCapabilityBoundingSet=CAP_CHOWN",
        {"grant": ["cap_net_admin"], "lift": ["private_users", "restrict_address_families"]},
        [
            "AmbientCapabilities=CAP_NET_ADMIN",
            "CapabilityBoundingSet=CAP_NET_ADMIN",
            "PrivateUsers=no",
            "RestrictAddressFamilies=AF_NETLINK",
        ],
    ),
]
COMMANDS = [
    ("RestrictNamespaces=yes", NEW_NETNS, "restrict_namespaces", "RestrictNamespaces=mnt net user"),
    ("RestrictNamespaces=~net", NEW_NETNS, "restrict_namespaces", "RestrictNamespaces=net"),
    (
        "ProtectKernelTunables=yes",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "protect_kernel_tunables",
        "ProtectKernelTunables=no",
    ),
    ("PrivateNetwork=yes", "ip link show lab0", "private_network", "PrivateNetwork=no"),
    (
        "User=daemon\nNoNewPrivileges=yes",
        "/srv/tc qdisc replace dev lo root pfifo",
        "no_new_privileges",
        "NoNewPrivileges=no",
    ),
]
PREPARE = (
    "ip link show lab0 >/dev/null 2>&1 || ip link add lab0 type veth peer name lab1; "
    "echo 0 > /proc/sys/net/ipv4/ip_forward; cp /usr/sbin/tc /srv/tc; setcap cap_net_admin+ep /srv/tc"
)
TIDY = (
    "ip link del lab0; echo 0 > /proc/sys/net/ipv4/ip_forward; rm /srv/tc; tc qdisc del dev lo root 2>/dev/null || true"
)


def mend_and_break(host: Host, wish: dict[str, Any], lines: list[str]) -> None:
    """Preview, apply, apply again, take back: each says and does what it should."""
    assert said(host) == "refused"
    before, run = host.snapshot(), show(host, "InvocationID")
    preview = call(host, check=True, accept=["restart"], **wish)
    assert host.snapshot() == before and show(host, "InvocationID") == run
    result = call(host, accept=["restart"], **wish)
    assert {**preview, "receipt": None} == {**result, "receipt": None}
    assert [(change["kind"], change["target"]) for change in result["changes"]] == [
        ("file", DROP_IN),
        ("activation", "unit w.service"),
    ]
    text = host.sh(f"cat {DROP_IN}")
    assert [line for line in text.splitlines() if line[0] not in "#["] == lines
    assert result["diff"][0]["before"] == "" and result["diff"][0]["after"] == text
    assert len(result["security"]) == len(lines)
    assert result["disrupts"] == ["a restart interrupts w.service"]
    assert result["unvalidated"] == ["whether unit w.service comes up again"]
    assert result["restart_required"] == []
    assert said(host) == "ok", host.run(["cat", OUT]).stdout
    again = call(host, accept=["restart"], **wish)
    assert (again["changed"], again["changes"], again["restart_required"]) == (False, [], [])
    back = revert(host, accept=["restart"])
    assert [change["kind"] for change in back["changes"]] == ["file", "activation"]
    assert host.snapshot() == before
    assert show(host, "NeedDaemonReload") == "no"
    assert said(host) == "refused"
    assert revert(host, accept=["restart"])["changed"] is False


@pytest.mark.parametrize(("settings", "wish", "lines"), BREAKS, ids=lambda value: str(value).replace("\n", " ")[:60])
def test_what_refuses_is_granted_or_lifted_and_taken_back(host, settings, wish, lines):
    install(host, settings)
    mend_and_break(host, wish, lines)


@pytest.mark.parametrize(("settings", "command", "lift", "line"), COMMANDS, ids=lambda value: value.split("=")[0])
def test_what_keeps_from_namespaces_files_and_links_is_lifted_and_taken_back(host, settings, command, lift, line):
    host.sh(PREPARE)
    try:
        install(host, settings, command)
        assert said(host) == "refused"
        before = show(host, "InvocationID")
        result = call(host, accept=["restart"], lift=[lift])
        assert line in host.sh(f"cat {DROP_IN}").splitlines()
        assert said(host) == "ok", host.run(["cat", OUT]).stdout
        assert result["changed"] and show(host, "InvocationID") != before
        assert call(host, accept=["restart"], lift=[lift])["changed"] is False
        host.sh("echo 0 > /proc/sys/net/ipv4/ip_forward")
        revert(host, accept=["restart"])
        assert said(host) == "refused"
        assert host.run(["test", "-e", f"{UNIT}.d"]).returncode == 1
    finally:
        host.sh(TIDY)


def test_nothing_else_is_lost(host):
    install(host, "CapabilityBoundingSet=CAP_SYS_TIME CAP_CHOWN\nRestrictAddressFamilies=AF_INET AF_UNIX")
    call(host, accept=["restart"], grant=["cap_net_admin"], lift=["restrict_address_families"])
    assert show(host, "CapabilityBoundingSet").split() == ["cap_chown", "cap_net_admin", "cap_sys_time"]
    assert set(show(host, "RestrictAddressFamilies").split()) == {"AF_INET", "AF_UNIX", "AF_NETLINK"}
    pid = show(host, "MainPID")
    status = host.sh(f"cat /proc/{pid}/status")
    assert "CapBnd:\t0000000002001001" in status


@pytest.mark.parametrize(
    ("settings", "wish"),
    [
        ("", {"grant": ["cap_net_admin"]}),
        ("CapabilityBoundingSet=CAP_NET_ADMIN", {"grant": ["cap_net_admin"]}),
        ("User=daemon\nAmbientCapabilities=CAP_NET_ADMIN", {"grant": ["cap_net_admin"]}),
        ("PrivateUsers=no", {"lift": ["private_users", "private_network", "restrict_address_families"]}),
        ("SystemCallFilter=@system-service", {"lift": ["system_call_filter", "restrict_namespaces"]}),
    ],
)
def test_where_nothing_refuses_nothing_is_written_and_nothing_restarted(host, settings, wish):
    install(host, settings)
    before = show(host, "InvocationID")
    result = call(host, accept=["restart"], **wish)
    assert (result["changed"], result["changes"], result["security"]) == (False, [], [])
    assert show(host, "InvocationID") == before


# --- adding up --------------------------------------------------------------------------------------------------------


def test_a_later_call_adds_and_does_not_lose_what_was_there(host):
    install(host, "User=daemon\nRestrictAddressFamilies=AF_UNIX")
    call(host, grant=["cap_net_admin"])
    result = call(host, lift=["restrict_address_families"], accept=["restart"])
    assert said(host) == "ok"
    assert result["security"] == ["w.service may open netlink sockets"]
    assert result["diff"][0]["before"].count("AmbientCapabilities") == 1
    call(host, state="absent", grant=["cap_net_admin"])
    assert "AmbientCapabilities" not in host.sh(f"cat {DROP_IN}")
    call(host, state="exact", settings={"Service": {"Nice": 5}})
    assert "RestrictAddress" not in host.sh(f"cat {DROP_IN}")
    assert call(host, state="absent")["changed"] is True
    assert host.run(["test", "-e", f"{UNIT}.d"]).returncode == 1
    assert call(host, state="absent")["changed"] is False


def test_settings_are_lines_of_their_own(host):
    install(host)
    settings = {"Unit": {"Description": "ours"}, "Service": {"Environment": ["", '"A=1 2"', "B=3"], "PrivateTmp": True}}
    call(host, settings=settings, accept=["restart"])
    assert show(host, "Description") == "ours"
    assert show(host, "PrivateTmp") == "yes"
    assert "B=3" in show(host, "Environment")
    assert call(host, settings=settings, accept=["restart"])["changed"] is False
    call(host, settings={"Service": {"Environment": "C=1"}})
    assert show(host, "Environment") == "C=1"
    call(host, settings={"Service": {"Environment": "whatever", "PrivateTmp": ""}}, state="absent")
    assert show(host, "Environment") == "" and show(host, "Description") == "ours"


def test_two_units_in_one_call_are_changed_both_or_none(host):
    install(host, "User=daemon")
    host.write("/etc/systemd/system/other.service", "[Service]\nUser=daemon\nExecStart=/bin/sleep 1000\n")
    host.sh("systemctl daemon-reload; systemctl start other")
    units = [{"unit": "w", "grant": ["cap_net_admin"]}, {"unit": "other", "grant": ["cap_net_admin"]}]
    result = host.module("unit_dropin", units=units, accept=["restart"])
    assert [change["kind"] for change in result["changes"]] == ["file", "file", "activation", "activation"]
    assert said(host) == "ok"
    before = host.snapshot()
    units = [{"unit": "w", "settings": {"Service": {"Nice": 1}}}, {"unit": "none", "grant": ["cap_net_admin"]}]
    assert (
        host.module("unit_dropin", units=units)["msg"] == "units[1] (none): there is no unit none.service on this host"
    )
    assert host.snapshot() == before


def test_an_alias_and_an_instance_are_units_as_any_other(host):
    install(host, "User=daemon\n[Install]\nAlias=walias.service\nWantedBy=multi-user.target")
    host.sh("systemctl enable w.service")
    result = call(host, unit="walias", grant=["cap_net_admin"])
    assert [change["target"] for change in result["changes"]] == [DROP_IN]
    host.sh("systemctl disable w.service")
    host.write("/etc/systemd/system/w@.service", "[Service]\nUser=daemon\nExecStart=/bin/sleep %i\n")
    host.sh("systemctl daemon-reload; systemctl start w@900.service")
    result = call(host, unit="w@900.service", grant=["cap_net_admin"], accept=["restart"])
    assert result["changes"][0]["target"] == "/etc/systemd/system/w@900.service.d/50-netlink-remediation.conf"
    assert show(host, "AmbientCapabilities", "w@900.service") == "cap_net_admin"
    assert show(host, "AmbientCapabilities", "w@901.service") == ""


# --- restarts ---------------------------------------------------------------------------------------------------------


def test_a_restart_that_is_not_accepted_is_named_until_it_is_done(host):
    install(host, "User=daemon")
    run = show(host, "InvocationID")
    result = call(host, grant=["cap_net_admin"])
    assert result["restart_required"] == [{"kind": "unit", "name": "w.service"}]
    assert [change["kind"] for change in result["changes"]] == ["file"] and result["disrupts"] == []
    assert show(host, "InvocationID") == run and said(host) == "refused"
    again = call(host, grant=["cap_net_admin"])
    assert (again["changed"], again["restart_required"]) == (False, [{"kind": "unit", "name": "w.service"}])
    accepted = call(host, grant=["cap_net_admin"], accept=["restart"])
    assert [change["kind"] for change in accepted["changes"]] == ["activation"]
    assert said(host) == "ok"
    last = call(host, grant=["cap_net_admin"], accept=["restart"])
    assert (last["changed"], last["restart_required"]) == (False, [])


def test_a_revert_without_the_word_gives_the_file_back_and_names_the_unit(host):
    install(host, "User=daemon")
    call(host, grant=["cap_net_admin"], accept=["restart"])
    result = revert(host)
    assert [change["kind"] for change in result["changes"]] == ["file"]
    assert result["restart_required"] == [{"kind": "unit", "name": "w.service"}]
    assert show(host, "NeedDaemonReload") == "no" and show(host, "AmbientCapabilities") == ""
    host.sh("systemctl restart w.service")
    assert revert(host)["restart_required"] == []


def test_what_does_not_run_is_not_started(host):
    install(host, "User=daemon")
    host.sh("systemctl stop w.service")
    result = call(host, grant=["cap_net_admin"], accept=["restart"])
    assert [change["kind"] for change in result["changes"]] == ["file"]
    assert result["restart_required"] == [] and show(host, "ActiveState") == "inactive"
    assert call(host, restart=True, accept=["restart"])["changed"] is False


def test_what_failed_for_want_of_it_is_started(host):
    install(host, text=f"[Service]\nType=oneshot\nRemainAfterExit=yes\nUser=daemon\nExecStart=/bin/sh -c '{LINK}'\n")
    assert show(host, "ActiveState") == "failed"
    call(host, grant=["cap_net_admin"], accept=["restart"])
    assert show(host, "ActiveState") == "active"
    assert call(host, grant=["cap_net_admin"], accept=["restart"])["changed"] is False
    revert(host, accept=["restart"])
    assert show(host, "ActiveState") == "failed"


def test_restart_alone_restarts(host):
    install(host)
    run = show(host, "InvocationID")
    preview = call(host, check=True, restart=True, accept=["restart"])
    result = call(host, restart=True, accept=["restart"])
    assert preview["changes"] == result["changes"]
    assert [change["kind"] for change in result["changes"]] == ["activation"]
    assert show(host, "InvocationID") != run
    waiting = call(host, restart=True)
    assert (waiting["changed"], waiting["restart_required"]) == (False, [{"kind": "unit", "name": "w.service"}])


def test_what_is_interrupted_with_it_is_said(host):
    install(host, "User=daemon")
    host.write(
        "/etc/systemd/system/other.service", "[Unit]\nRequires=w.service\n[Service]\nExecStart=/bin/sleep 1000\n"
    )
    host.sh("systemctl daemon-reload; systemctl start other")
    result = call(host, check=True, grant=["cap_net_admin"], accept=["restart"])
    assert result["disrupts"] == ["a restart interrupts w.service, and with it other.service"]


def test_a_unit_that_refuses_to_be_restarted_by_hand_is_named(host):
    install(host, "User=daemon\n[Unit]\nRefuseManualStop=yes")
    result = call(host, grant=["cap_net_admin"], accept=["restart"])
    assert [change["kind"] for change in result["changes"]] == ["file"]
    assert result["restart_required"] == [{"kind": "unit", "name": "w.service"}]
    assert "w.service is not restarted: it has RefuseManualStop=yes" in str(result["warnings"])
    host.sh(f"sed -i /Refuse/d {UNIT}; systemctl daemon-reload")


# --- failures are taken back ------------------------------------------------------------------------------------------

DYING = "test -e /run/w.ok && exec sleep 1000; echo cannot work with this; exit 7"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("", r"w.service started and did not stay up \(exit-code, status 7\)"),
        # A busy host may be looked at in the millisecond between the two runs.
        (
            "Restart=always\nRestartSec=1ms",
            "w.service (ended soon after its start and was started again|started and did)",
        ),
        ("Type=oneshot\nRemainAfterExit=yes", r"w.service does not start \(exit-code, status 7\)"),
        ("Type=notify\nTimeoutStartSec=5", r"w.service does not start \(exit-code, status 7\)"),
    ],
    ids=["simple", "flapping", "oneshot", "notify"],
)
def test_a_unit_that_does_not_come_up_is_given_back_its_files_and_started_with_them(host, more, why):
    """It comes up as root and not as the user that the settings ask for."""
    ready = "systemd-notify --ready; " if "notify" in more else ""
    wait = "exit 0" if "oneshot" in more else "exec sleep 1000"
    command = f"if test $(id -u) = 0; then {ready}{wait}; fi; sleep 0.5; echo cannot work with this; exit 7"
    install(host, text=f"[Service]\nNotifyAccess=all\nExecStart=/bin/sh -c '{command}'\n{more}\n")
    assert show(host, "ActiveState") == "active"
    before, run = host.snapshot(), show(host, "InvocationID")
    result = host.module(
        "unit_dropin", units=[{"unit": "w", "settings": {"Service": {"User": "daemon"}}}], accept=["restart"]
    )
    assert result["failed"] and re.search(why, result["msg"]), result["msg"]
    assert "its journal: cannot work with this" in result["msg"]
    assert "what was done before it was taken back" in result["msg"] and "\n" not in result["msg"]
    assert host.snapshot() == before
    assert show(host, "ActiveState") == "active" and show(host, "InvocationID") != run
    assert show(host, "NeedDaemonReload") == "no"
    assert host.module("receipt_info")["receipts"] == []


def test_a_run_killed_before_the_restart_is_reverted(host):
    """The restart hangs in a slow stop; the module is killed with SIGKILL meanwhile."""
    install(host, text="[Service]\nUser=daemon\nExecStart=/bin/sleep 1000\nExecStop=/bin/sleep 3\n")
    before = host.snapshot()
    kill_at(host, "restart")
    assert "AmbientCapabilities" in host.sh(f"cat {DROP_IN}")
    (receipt,) = host.module("receipt_info")["receipts"]
    assert {change["status"] for change in receipt["changes"]} == {"planned"}
    # The restart that was begun comes to its end with the drop-in; so it takes another one.
    result = revert(host, accept=["restart"])
    assert [change["kind"] for change in result["changes"]] == ["file", "activation"]
    assert host.snapshot() == before
    assert show(host, "NeedDaemonReload") == "no" and show(host, "AmbientCapabilities") == ""
    assert show(host, "ActiveState") == "active"
    status = host.sh(f"cat /proc/{show(host, 'MainPID')}/status")
    assert "CapAmb:\t0000000000000000" in status


def test_a_run_killed_before_the_daemon_reload_is_reverted(host):
    install(host, "User=daemon")
    before = host.snapshot()
    kill_at(host, "daemon-reload")
    assert "AmbientCapabilities" in host.sh(f"cat {DROP_IN}") and show(host, "NeedDaemonReload") == "yes"
    result = revert(host, accept=["restart"])
    assert [change["kind"] for change in result["changes"]] == ["file"]
    assert host.snapshot() == before
    assert show(host, "NeedDaemonReload") == "no"


def kill_at(host: Host, verb: str) -> None:
    """Run unit_dropin with a systemctl that hangs at a verb (after it began, for restart), and kill it there."""
    host.write(
        "/srv/bin/systemctl",
        "#!/bin/sh\n"
        f'if [ "$1" = {verb} ]; then [ {verb} = restart ] && /usr/bin/systemctl --no-block "$@"; '
        'touch /run/w.hangs; sleep 30; exit 1; fi\nexec /usr/bin/systemctl "$@"\n',
    )
    host.sh("chmod +x /srv/bin/systemctl; rm -f /run/w.hangs")
    arguments = {"units": [{"unit": "w", "grant": ["cap_net_admin"]}], "accept": ["restart"]}
    words = ["env", f"PYTHONPATH={host._imports()}", "PATH=/srv/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    module = f"{Path(__file__).parents[2]}/plugins/modules/unit_dropin.py"
    given = json.dumps({"ANSIBLE_MODULE_ARGS": arguments})
    script = (
        "import json, sys\nfrom ansible.module_utils.testing import patch_module_args\n"
        "from ansible_collections.netlink.remediation.plugins.modules import unit_dropin\n"
        "with patch_module_args(json.loads(sys.argv[1])['ANSIBLE_MODULE_ARGS']):\n    unit_dropin.main()\n"
    )
    assert Path(module).exists()
    with subprocess.Popen(
        [*host.enter, *words, "python3", "-B", "-c", script, given], stdout=subprocess.PIPE, text=True
    ) as process:
        for _attempt in range(200):
            if host.run(["test", "-e", "/run/w.hangs"]).returncode == 0:
                break
            time.sleep(0.05)
        else:
            process.kill()
            raise AssertionError("it never came to systemctl")
        host.sh("pkill -KILL -f 'unit_dropin[.]main'; rm -rf /srv/bin")
        process.wait()


# --- refused beforehand -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("settings", "wish", "why"),
    [
        ("", {"settings": {"Service": {"Nise": 1}}}, "Unknown key 'Nise' in section [Service]"),
        ("", {"settings": {"Service": {"Nice": 99}}}, "Nice priority out of range, ignoring: 99"),
        ("", {"settings": {"Srevice": {"Nice": 9}}}, "Unknown section 'Srevice'"),
        ("", {"settings": {"Service": {"ExecStart": ["", "/nowhere"]}}}, "Command /nowhere is not executable"),
        ("", {"settings": {"Service": {"ExecStart": "/bin/true"}}}, "more than one ExecStart="),
        ("DynamicUser=yes", {"lift": ["no_new_privileges"]}, "DynamicUser= implies NoNewPrivileges="),
        (
            "CapabilityBoundingSet=CAP_CHOWN",
            {"grant": ["cap_net_admin"], "settings": {"Service": {"CapabilityBoundingSet": ""}}},
            "would have no effect: settings sets CapabilityBoundingSet=,",
        ),
    ],
)
def test_what_systemd_would_not_take_is_refused_in_check_mode_too(host, check, settings, wish, why):
    install(host, settings)
    message = refused(host, check=check, **wish)
    assert message.startswith("units[0] (w.service): ") or "systemd does not accept the drop-in" in message
    assert why in message and "\n" not in message


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("folder", ["/etc/systemd/system/w.service.d", "/run/systemd/system/w.service.d"])
def test_a_drop_in_that_is_read_later_and_resets_is_named(host, check, folder):
    host.write(f"{folder}/zz-late.conf", "# a comment\n[Service]\nPrivateUsers=yes\n")
    install(host, "PrivateUsers=yes")
    message = refused(host, check=check, lift=["private_users"])
    assert f"{folder}/zz-late.conf:3 sets PrivateUsers=yes, which systemd reads later" in message


def test_commands_that_bypass_the_sandbox_are_said(host):
    install(host, "User=daemon", prefix="+")
    assert said(host) == "ok"
    assert "each ExecStart= of w.service begins with +" in refused(host, grant=["cap_net_admin"])


@pytest.mark.parametrize(
    ("unit", "prepare", "why"),
    [
        ("none", "true", "units[0] (none): there is no unit none.service on this host"),
        ("w.socket", "true", "units[0]: unit is 'w.socket', expected a service"),
        ("w@", "true", "which is a template"),
        ("wm", "ln -s /dev/null /etc/systemd/system/wm.service", "systemd does not load wm.service (masked)"),
        ("wb", "printf '[Service]\nType=simple\n' > /etc/systemd/system/wb.service", "(bad-setting)"),
        ("wu", "mkdir -p /etc/systemd/user; touch /etc/systemd/user/wu.service", "a unit of users' own managers"),
    ],
)
def test_what_is_no_loadable_service_of_the_system_is_refused(host, unit, prepare, why):
    host.sh(f"{prepare}; systemctl daemon-reload")
    assert why in refused(host, unit=unit, grant=["cap_net_admin"])
    host.sh("rm -f /etc/systemd/user/wu.service")


def test_a_file_of_somebody_else_is_not_touched_unless_it_is_to_be_replaced(host):
    install(host, "User=daemon")
    host.write(DROP_IN, "[Service]\nNice=3\n")
    host.sh("systemctl daemon-reload")
    before = host.snapshot()
    assert "was not written by this module" in refused(host, grant=["cap_net_admin"])
    call(host, grant=["cap_net_admin"], state="exact")
    assert show(host, "Nice") == "0"
    revert(host)
    assert host.snapshot() == before and show(host, "Nice") == "3"


def test_a_directory_that_others_can_write_is_refused(host):
    install(host, "User=daemon")
    host.sh(f"mkdir -p {UNIT}.d; chmod 777 {UNIT}.d")
    assert "can be written by users other than root" in refused(host, grant=["cap_net_admin"])


def test_without_systemd_one_sentence_says_so(host):
    name = shutil.which("unshare")
    assert name is not None
    script = (
        "mount -t tmpfs tmpfs /run; python3 -B - <<'EOF'\n"
        "from ansible.module_utils.testing import patch_module_args\n"
        "from ansible_collections.netlink.remediation.plugins.modules import unit_dropin\n"
        "with patch_module_args({'units': [{'unit': 'w', 'grant': ['cap_net_admin']}]}):\n    unit_dropin.main()\nEOF"
    )
    done = host.run(["env", f"PYTHONPATH={host._imports()}", "unshare", "--mount", "sh", "-c", script])
    assert json.loads(done.stdout)["msg"].startswith("systemd does not run on this host"), done


def test_without_systemd_analyze_it_is_said_that_nothing_was_tried(host):
    install(host, "User=daemon")
    assert os.path.exists("/usr/bin/env")
    host.sh("mount --bind /bin/false /usr/bin/systemd-analyze; umount /usr/bin/systemd-analyze")
    host.sh("mv /usr/bin/systemd-analyze /usr/bin/systemd-analyze.away")
    try:
        result = call(host, check=True, grant=["cap_net_admin"])
    finally:
        host.sh("mv /usr/bin/systemd-analyze.away /usr/bin/systemd-analyze")
    assert result["unvalidated"] == [
        f"whether systemd understands {DROP_IN}, since there is no systemd-analyze that can tell"
    ]
