# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module apparmor_rules on a host that AppArmor guards: its parser, its kernel, and programs that are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confined import (
    NET_ADMIN_RULE,
    NETLINK_RULE,
    asking,
    client,
    confine_apparmor,
    end_service,
    serve,
)
from machine import Machine

KERNEL = "/sys/kernel/security/apparmor"
LOADED = f"{KERNEL}/profiles"
LOCAL = "/etc/apparmor.d/local/labip"
# A program in a profile that has no local/ file, with one nested in it and a hat; every line is to stay as it is.
NESTED = """\
# A comment with a } in it, and a "quote
abi <abi/4.0>,
include <tunables/global>
profile labip /usr/local/sbin/labip flags=(attach_disconnected) {
  include <abstractions/base>
  /** mrwlkix,
  network netlink raw,
  profile inner /usr/local/sbin/inner{,s} {
    include <abstractions/base>
    /** mrwlkix,
    network netlink
      raw,  # in two lines
  }
  ^a_hat { capability kill, }
}
"""
ONE_LINE = """\
abi <abi/4.0>,
include <tunables/global>
profile labip /usr/local/sbin/labip { include <abstractions/base>
 /** mrwlkix, network netlink raw, }
"""
# Fails at the first attempt to load something.
BROKEN_PARSER = """\
#!/bin/sh
case "$*" in *--replace*) if mkdir /run/failed_once 2>/dev/null; then echo no >&2; exit 1; fi ;; esac
exec /usr/sbin/apparmor_parser "$@"
"""

# Kills the module, which is above it and timeout(1), at the first attempt to load something.
DEADLY_PARSER = """\
#!/bin/sh
case "$*" in *--replace*) if mkdir /run/killed_once 2>/dev/null; then exec kill -9 $(ps -o ppid= -p $PPID); fi ;; esac
exec /usr/sbin/apparmor_parser "$@"
"""

# Profiles with their files and modes, as far as this module could change them.
SEEN = f"""
cd /etc/apparmor.d
find . -printf '%p %y %m %U %G %l\\n' | sort
find . -type f -exec sha256sum {{}} + | sort
sort {LOADED}
"""
KEPT = "/var/tmp/apparmor.d"  # Holds over a reboot.


def seen(guest: Machine) -> str:
    return guest.sh(SEEN)


@pytest.fixture(scope="module", autouse=True)
def whole(apparmor_guest: Machine) -> Iterator[None]:
    """In the end the files are as they were. What the clients ask for is so already, so nothing differs by that."""
    before = apparmor_guest.snapshot().partition("== kernel")[0]
    apparmor_guest.sh("ip link set lo mtu 65000")
    yield
    apparmor_guest.sh("ip link set lo mtu 65536")
    assert apparmor_guest.snapshot().partition("== kernel")[0] == before


@pytest.fixture
def guest(apparmor_guest: Machine) -> Iterator[Machine]:
    """The guest with a client that lacks the capability. Whatever a test makes of its profiles is taken back."""
    before = seen(apparmor_guest)
    apparmor_guest.sh(f"rm -rf {KEPT}; cp -a /etc/apparmor.d {KEPT}")
    confine_apparmor(apparmor_guest, "labip", NETLINK_RULE)
    yield apparmor_guest
    apparmor_guest.sh(f"rm -rf /etc/apparmor.d/*; cp -a {KEPT}/. /etc/apparmor.d; rm -f /usr/local/sbin/lab*")
    apparmor_guest.sh(f"for one in labip labtwo; do printf $one >{KERNEL}/.remove 2>/dev/null || true; done")
    assert seen(apparmor_guest) == before


def wish(profile: str = "labip", *rules: str, **more: Any) -> dict[str, Any]:
    return {"profile": profile, "rules": list(rules or (() if more.get("state") else (NET_ADMIN_RULE,))), **more}


@contextmanager
def applied(guest: Machine, *wishes: dict[str, Any], accept: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """The result of the module: check mode has said the same and changed nothing, a second run is unchanged. Reverted
    afterwards, to what was there before."""
    options: dict[str, Any] = {"profiles": list(wishes), "accept": list(accept)}
    before = seen(guest)
    checked = guest.module("apparmor_rules", check=True, **options)
    assert not checked.get("failed"), checked
    assert seen(guest) == before
    result = guest.module("apparmor_rules", **options)
    assert result.get("changed"), result
    for key in ("changes", "diff", "disrupts", "restart_required", "unvalidated"):
        assert checked[key] == result[key]
    again = guest.module("apparmor_rules", **options)
    assert (again["changed"], again["receipt"]) == (False, None), again
    yield result
    back = guest.module("receipt", id=result["receipt"]["id"])
    assert back["changed"] and not back["left_alone"], back
    assert seen(guest) == before


def refused(guest: Machine, *wishes: dict[str, Any], accept: tuple[str, ...] = ()) -> str:
    """What the module fails with, in check mode as well; it has changed nothing."""
    before = seen(guest)
    results = [
        guest.module("apparmor_rules", check=check, profiles=list(wishes), accept=list(accept))
        for check in (True, False)
    ]
    assert all(result.get("failed") for result in results), results
    assert results[0]["msg"] == results[1]["msg"] and "\n" not in results[0]["msg"]
    assert seen(guest) == before
    return str(results[0]["msg"])


def allowed(guest: Machine, name: str = "labip") -> bool:
    return guest.run(asking(name)).returncode == 0


def mode(guest: Machine, name: str) -> str:
    """Mode in which a profile is loaded, "" when it is not."""
    lines = [line.rpartition(" ") for line in guest.sh(f"cat {LOADED}").splitlines()]
    return next((kind.strip("()") for found, _space, kind in lines if found == name), "")


def test_a_rule_in_the_local_file_lets_the_program_through_and_back(guest: Machine) -> None:
    assert not allowed(guest)
    profile = guest.sh("cat /etc/apparmor.d/labip")
    with applied(guest, wish()) as result:
        assert allowed(guest)
        assert [change["target"] for change in result["changes"]] == [LOCAL]
        assert guest.sh("stat -c '%a %u %g' " + LOCAL).strip() == "644 0 0"
        assert guest.sh("cat /etc/apparmor.d/labip") == profile
    assert not allowed(guest)


def test_each_missing_rule_is_needed_and_both_come_in_one_call(guest: Machine) -> None:
    confine_apparmor(guest, "labip", "")
    with applied(guest, wish("labip", NET_ADMIN_RULE)):
        assert not allowed(guest)
    with applied(guest, wish("labip", NETLINK_RULE)):
        assert not allowed(guest)
    with applied(guest, wish("labip", "capability  net_admin net_raw ,", "network netlink raw")):
        assert allowed(guest)
        lines = guest.sh("cat " + LOCAL).splitlines()
        assert lines[1:-1] == ["capability net_admin,", "capability net_raw,", "network netlink raw,"]


def test_a_local_file_keeps_what_it_holds(guest: Machine) -> None:
    old = "# Site rules\n  capability kill,  # mine\n/srv/x r,"
    guest.write(LOCAL, old)
    with applied(guest, wish()):
        text = guest.sh("cat " + LOCAL)
        assert text.startswith(old + "\n") and NET_ADMIN_RULE in text
        assert allowed(guest)
    assert guest.sh("cat " + LOCAL) == old


@pytest.mark.parametrize("text", [NESTED, ONE_LINE])
def test_without_a_local_file_the_profile_itself_gets_the_rule_and_keeps_all_else(guest: Machine, text: str) -> None:
    guest.write("/etc/apparmor.d/labip", text)
    guest.sh("apparmor_parser -r /etc/apparmor.d/labip")
    with applied(guest, wish()) as result:
        assert allowed(guest)
        assert [change["target"] for change in result["changes"]] == ["/etc/apparmor.d/labip"]
        ours = ("netlink.remediation", NET_ADMIN_RULE)
        kept = [line for line in guest.sh("cat /etc/apparmor.d/labip").splitlines() if not any(x in line for x in ours)]
        assert "\n".join(kept).split() == text.split()
        assert text == ONE_LINE or "\n".join(kept) + "\n" == text
    assert not allowed(guest)


def test_a_rule_for_a_nested_profile_or_a_hat_is_for_that_alone(guest: Machine) -> None:
    guest.write("/etc/apparmor.d/labip", NESTED)
    guest.sh("apparmor_parser -r /etc/apparmor.d/labip")
    inner = ["aa-exec", "-p", "labip//inner", "--", *asking("labip")]
    assert guest.run(inner).returncode != 0
    with applied(guest, wish("labip//inner"), wish("labip//a_hat", "capability net_raw,")):
        assert guest.run(inner).returncode == 0
        assert not allowed(guest)
        hat = guest.sh("sed -n '/a_hat/,$p' /etc/apparmor.d/labip")
        assert hat.split("\n")[2].strip() == "capability net_raw,"
    assert guest.run(inner).returncode != 0


def test_a_local_file_of_two_profiles_is_not_used(guest: Machine) -> None:
    confine_apparmor(guest, "labtwo", NETLINK_RULE)
    guest.sh("sed -i s,local/labtwo,local/labip, /etc/apparmor.d/labtwo")
    with applied(guest, wish()) as result:
        assert [change["target"] for change in result["changes"]] == ["/etc/apparmor.d/labip"]


@pytest.mark.parametrize("held", [NET_ADMIN_RULE, "audit  capability\n  net_admin kill ,", "capability,", "all,"])
def test_what_a_profile_has_in_whatever_spelling_is_not_written_again(guest: Machine, held: str) -> None:
    guest.write("/etc/apparmor.d/labip.d/more", held + "\n")
    guest.sh("sed -i 's,network netlink raw,& raw,; s,raw raw,raw,' /etc/apparmor.d/labip")
    guest.sh("sed -i 's,include if exists.*,include <labip.d>,' /etc/apparmor.d/labip")
    guest.sh("apparmor_parser -r /etc/apparmor.d/labip")
    assert allowed(guest)
    result = guest.module("apparmor_rules", profiles=[wish()])
    assert result["changed"] is False, result


@pytest.mark.parametrize("how", ["flag", "option", "link"])
def test_complain_mode_stays(guest: Machine, how: str) -> None:
    if how == "flag":
        confine_apparmor(guest, "labip", NETLINK_RULE, flags="complain")
    elif how == "option":
        guest.sh("apparmor_parser -r -C /etc/apparmor.d/labip")
    else:
        guest.sh(
            "ln -s /etc/apparmor.d/labip /etc/apparmor.d/force-complain/; apparmor_parser -r /etc/apparmor.d/labip"
        )
    assert mode(guest, "labip") == "complain"
    with applied(guest, wish()):
        assert mode(guest, "labip") == "complain"
        assert NET_ADMIN_RULE in guest.sh("cat " + LOCAL)
    assert mode(guest, "labip") == "complain"


def test_a_mode_that_loading_would_alter_stops_the_run(guest: Machine) -> None:
    guest.sh("sed -i 's,^profile.*,profile labip /usr/local/sbin/labip flags=(complain) {,' /etc/apparmor.d/labip")
    message = refused(guest, wish())
    assert "loaded in mode enforce" in message and "complain" in message


@pytest.mark.parametrize("how", ["disabled", "unloaded"])
def test_what_is_not_loaded_stays_so(guest: Machine, how: str) -> None:
    if how == "disabled":
        guest.sh("ln -s /etc/apparmor.d/labip /etc/apparmor.d/disable/labip")
    guest.sh("apparmor_parser -R /etc/apparmor.d/labip")
    with applied(guest, wish()) as result:
        assert mode(guest, "labip") == ""
        assert any("not loaded" in str(sentence) for sentence in result["warnings"])
    assert mode(guest, "labip") == ""


def test_a_broken_local_file_is_named_with_its_line_and_nothing_changes(guest: Machine) -> None:
    guest.write(LOCAL, "# fine\nnetwork nonsense,\n")
    message = refused(guest, wish())
    assert LOCAL in message and "line 2" in message and "/tmp" not in message


@pytest.mark.parametrize("denied", ["deny capability net_admin,", "audit deny capability,", "deny network netlink,"])
def test_a_deny_rule_is_named_with_its_line(guest: Machine, denied: str) -> None:
    guest.write(LOCAL, f"# fine\n{denied}\n")
    message = refused(guest, wish("labip", NET_ADMIN_RULE, "network netlink dgram,"))
    assert f"{LOCAL}:2" in message and denied in message


def test_a_parser_that_fails_to_load_leaves_all_as_it_was(guest: Machine) -> None:
    guest.write("/usr/local/bin/apparmor_parser", BROKEN_PARSER)
    guest.sh("chmod 755 /usr/local/bin/apparmor_parser")
    before = seen(guest)
    result = guest.module("apparmor_rules", profiles=[wish()])
    assert result["failed"] and "could not be loaded: no" in result["msg"]
    assert seen(guest) == before
    assert not allowed(guest)
    guest.sh("rm -r /usr/local/bin/apparmor_parser /run/failed_once")


@contextmanager
def killed(guest: Machine) -> Iterator[None]:
    """What runs inside is killed when it has written the files, and has not come to load them."""
    guest.write("/usr/local/bin/apparmor_parser", DEADLY_PARSER)
    guest.sh("chmod 755 /usr/local/bin/apparmor_parser")
    try:
        with pytest.raises(json.JSONDecodeError):
            yield
    finally:
        guest.sh("rm -r /usr/local/bin/apparmor_parser /run/killed_once")


def test_a_run_that_was_killed_is_finished_by_the_next_one_or_taken_back(guest: Machine) -> None:
    before, gone = seen(guest), wish("labip", state="absent")
    with killed(guest):
        guest.module("apparmor_rules", profiles=[wish()])
    assert not allowed(guest)
    assert guest.module("receipt", run="latest")["changed"]
    assert seen(guest) == before and not allowed(guest)
    with killed(guest):
        guest.module("apparmor_rules", profiles=[wish()])
    assert guest.module("apparmor_rules", profiles=[wish()])["changed"]
    assert allowed(guest)
    with killed(guest):
        guest.module("apparmor_rules", profiles=[gone])
    assert allowed(guest)
    checked = guest.module("apparmor_rules", check=True, profiles=[gone])
    result = guest.module("apparmor_rules", profiles=[gone])
    assert [change["kind"] for change in result["changes"]] == ["activation"]
    assert checked["changes"] == result["changes"]
    assert seen(guest) == before and not allowed(guest)
    assert not guest.module("apparmor_rules", profiles=[gone])["changed"]


def test_what_runs_already_has_the_rule_at_once(guest: Machine) -> None:
    serve(guest, "labd", f"{client('labip')}-daemon")
    pid = guest.sh("systemctl show --property=MainPID --value labd").strip()
    label = guest.sh(f"cat /proc/{pid}/attr/current")
    assert label == "labip (enforce)\n"
    with applied(guest, wish()) as result:
        assert guest.sh(f"cat /proc/{pid}/attr/current") == label
        assert result["restart_required"] == []
    end_service(guest, "labd")


def test_what_is_written_and_not_loaded_is_loaded(guest: Machine) -> None:
    guest.sh(f"sleep 0.1; echo '{NET_ADMIN_RULE}' > {LOCAL}")
    assert not allowed(guest)
    checked = guest.module("apparmor_rules", check=True, profiles=[wish()])
    assert not allowed(guest)
    result = guest.module("apparmor_rules", profiles=[wish()])
    assert [change["kind"] for change in result["changes"]] == ["activation"]
    assert checked["changes"] == result["changes"]
    assert allowed(guest)
    assert guest.module("apparmor_rules", profiles=[wish()])["changed"] is False


def test_absent_takes_out_what_the_module_wrote_and_says_what_stays(guest: Machine) -> None:
    guest.write(LOCAL, "capability net_raw,\n")
    guest.module("apparmor_rules", profiles=[wish("labip", NET_ADMIN_RULE, "network netlink dgram,")])
    with applied(guest, wish("labip", NET_ADMIN_RULE, "capability net_raw,", state="absent")) as result:
        assert "network netlink dgram," in guest.sh("cat " + LOCAL)
        assert not allowed(guest)
        assert any(f"{LOCAL}:1" in str(sentence) for sentence in result["warnings"])
        assert result["disrupts"] == [f"profile labip allows no more: {NET_ADMIN_RULE}"]
    assert allowed(guest)
    with applied(guest, wish("labip", state="absent")):
        assert guest.sh("cat " + LOCAL) == "capability net_raw,\n"


def test_a_cache_of_another_time_does_not_bring_a_rule_back(guest: Machine) -> None:
    result = guest.module("apparmor_rules", profiles=[wish()])
    guest.module("receipt", id=result["receipt"]["id"])
    guest.sh("apparmor_parser --replace --write-cache /etc/apparmor.d/labip")  # As the boot does.
    assert not allowed(guest)


def test_a_confined_program_may_make_user_namespaces_when_its_profile_says_so(guest: Machine) -> None:
    guest.sh('install "$(command -v unshare)" /usr/local/sbin/labip')
    asked = [client("labip"), "--user", "true"]
    assert guest.run(asked).returncode != 0
    with applied(guest, wish("labip", "userns,")):
        assert guest.run(asked).returncode == 0
    assert guest.run(asked).returncode != 0


def test_a_program_without_a_profile_gets_one_for_user_namespaces(apparmor_guest: Machine) -> None:
    guest, name = apparmor_guest, "/usr/local/bin/labsandbox"
    before = seen(guest)
    guest.sh('install "$(command -v cat)" "$1"', name)
    label = [name, "/proc/self/attr/current"]
    assert guest.run(label).stdout == "unconfined\n"
    options = wish("labsandbox", "userns,", executable=name)
    with applied(guest, options) as result:
        assert mode(guest, "labsandbox") == "unconfined"
        assert guest.run(label).stdout == "labsandbox (unconfined)\n"
        assert result["restart_required"] == []
    assert mode(guest, "labsandbox") == ""
    guest.module("apparmor_rules", profiles=[options])
    with applied(guest, wish("labsandbox", state="absent")):
        assert mode(guest, "labsandbox") == ""
        assert guest.run(label).stdout == "unconfined\n"
    assert guest.run(label).stdout == "labsandbox (unconfined)\n"
    with applied(guest, wish("labsandbox", "capability net_admin,")) as result:
        assert [change["target"] for change in result["changes"]] == ["/etc/apparmor.d/labsandbox"]
    guest.module("apparmor_rules", profiles=[wish("labsandbox", "userns,", state="absent")])
    guest.sh(f"rm {name}")
    assert seen(guest) == before


def test_programs_that_run_already_have_to_be_started_anew(apparmor_guest: Machine) -> None:
    guest, name = apparmor_guest, "/usr/local/bin/labsleep"
    guest.sh('install "$(command -v sleep)" "$1"', name)
    pid = guest.sh(f"{name} 1000 >/dev/null 2>&1 & echo $!").strip()
    with applied(guest, wish(name, "userns,", executable=name)) as result:
        assert result["restart_required"] == [{"kind": "process", "name": f"labsleep[{pid}]"}]
        assert guest.sh("head -1 /etc/apparmor.d/usr.local.bin.labsleep").startswith("# Written by")
        assert mode(guest, name) == "unconfined"
    guest.sh(f"kill {pid}; rm {name}")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (wish("none", NET_ADMIN_RULE), "defines a profile none, expected the name of one"),
        (wish("none", "userns,"), "defines a profile none: name the executable"),
        (wish("/usr/local/sbin/labip", NET_ADMIN_RULE), "what belongs to this path is called labip"),
        (wish("docker-default", NET_ADMIN_RULE), "made by docker itself"),
        (wish("snap.foo.bar", NET_ADMIN_RULE), "made by snap itself"),
        (wish("none", "capability sys_admin,"), "is no rule that this module writes, expected"),
        (wish("none", "/** rwx,"), "is no rule that this module writes, expected"),
        (wish("none", "userns,\n/** rwx,"), "is no rule that this module writes, expected"),
        (wish("none", "userns,", executable="/srv/missing"), "does not exist"),
        (wish("none", NET_ADMIN_RULE, executable="/usr/bin/setsid"), "only for userns,"),
        (wish("none", "userns,", executable="/srv/theirs/tool"), "/srv/theirs belongs to uid 65534"),
        (wish("none", "userns,", executable="/usr/bin/unshare"), "accept it with shared_tool"),
        (wish("none", "userns,", executable="/usr/bin/python3"), "accept it with interpreter"),
        (wish("none", "userns,", executable="/usr/local/sbin/labip"), "has the profile labip"),
        (wish("labip", "userns,", executable="/usr/bin/setsid"), "and not for /usr/bin/setsid"),
        (wish("../x", "userns,", executable="/usr/bin/setsid"), "is no name for a new profile"),
        (wish("local", "userns,", executable="/usr/bin/setsid"), "defines no profile local"),
        (wish("unprivileged_userns", NET_ADMIN_RULE), "/etc/apparmor.d/unprivileged_userns:"),
        (wish("unconfined", NET_ADMIN_RULE), "is no name of one profile"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(guest: Machine, entry: dict[str, Any], why: str) -> None:
    guest.sh("mkdir -p /srv/theirs; install -m755 /bin/true /srv/theirs/tool; chown 65534 /srv/theirs")
    assert why in refused(guest, entry)
    guest.sh("rm -r /srv/theirs")


def test_a_host_without_the_parser_or_the_kernel_part_is_told_so(guest: Machine) -> None:
    guest.sh("mv /usr/sbin/apparmor_parser /usr/sbin/apparmor_parser.away; rm -f /sbin/apparmor_parser")
    message = guest.module("apparmor_rules", check=True, profiles=[wish()])["msg"]
    guest.sh("mv /usr/sbin/apparmor_parser.away /usr/sbin/apparmor_parser")
    assert "there is no apparmor_parser on this host" in message
    guest.sh("umount /sys/kernel/security")
    message = guest.module("apparmor_rules", check=True, profiles=[wish()])["msg"]
    guest.sh("mount -t securityfs securityfs /sys/kernel/security")
    assert "cannot be read" in message


def test_rules_hold_over_a_reboot_and_can_be_taken_back_after_it(guest: Machine) -> None:
    name = "/usr/local/sbin/labsandbox"
    guest.sh('install "$(command -v setsid)" "$1"', name)
    result = guest.module("apparmor_rules", profiles=[wish(), wish("labsandbox", "userns,", executable=name)])
    guest.reboot()
    assert mode(guest, "labsandbox") == "unconfined"
    assert allowed(guest)
    assert guest.module("apparmor_rules", profiles=[wish()])["changed"] is False
    back = guest.module("receipt", id=result["receipt"]["id"])
    assert back["changed"] and not back["left_alone"]
    assert not allowed(guest)
    assert mode(guest, "labsandbox") == ""
    guest.reboot()
    assert not allowed(guest)
    assert mode(guest, "labsandbox") == ""
