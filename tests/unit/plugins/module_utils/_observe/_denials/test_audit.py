# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of the audit system; the lines are verbatim from kernels 6.1 to 6.18, AppArmor, SELinux and seccomp."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._audit import Events
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._groups import Groups
from ansible_collections.netlink.remediation.plugins.module_utils._observe._denials._kernel_log import KernelLog
from ansible_collections.netlink.remediation.plugins.module_utils._parts import Denial
from ansible_collections.netlink.remediation.plugins.module_utils._state import Unseen

CONTEXT = "unconfined_u:unconfined_r:labip_t:s0-s0:c0.c1023"
CAPABLE = (
    'apparmor="DENIED" operation="capable" class="cap" profile="labip" pid=1772 comm="labip" capability=12 '
    ' capname="net_admin"'
)
APPARMOR = f"type=AVC msg=audit(1795458249.211:189): {CAPABLE}"
SELINUX = (
    "type=AVC msg=audit(1795459500.398:96): avc:  denied  { create } for  pid=1664 "
    f'comm="labip" scontext={CONTEXT} tcontext={CONTEXT} tclass=netlink_route_socket permissive=0'
)
SYSCALL = (
    "type=SYSCALL msg=audit(1795459500.398:96): arch=c000003e syscall=41 success=no exit=-13 a0=10 a1=80003 a2=0 a3=1 "
    "items=0 ppid=1600 pid=1664 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=3 "
    f'comm="labip" exe="/usr/local/sbin/labip" subj={CONTEXT} key=(null)\x1dARCH=x86_64 SYSCALL=socket AUID="root"'
)
PROCTITLE = (
    "type=PROCTITLE msg=audit(1795459500.398:96): "
    "proctitle=2F7573722F6C6F63616C2F7362696E2F6C61626970006C696E6B00736574006465760064756D6D7930"
)


def read(*lines: str) -> list[Denial]:
    """The denials in lines of auditd's log."""
    groups = Groups(0)
    events = Events(groups, "audit")
    for line in lines:
        events.line(line.encode("utf-8", "surrogateescape"))
    events.end()
    return groups.result([])


def read_kernel(*messages: str) -> tuple[list[Denial], list[Unseen]]:
    """The denials in messages of the kernel, and what it says was lost."""
    groups, unseen = Groups(0), list[Unseen]()
    log = KernelLog(groups)
    for message in messages:
        log.message(message)
    log.end(unseen)
    return groups.result(unseen), unseen


RECORDS: dict[str, tuple[str, dict[str, Any]]] = {
    "apparmor capability": (
        APPARMOR,
        {
            "source": "audit",
            "module": "apparmor",
            "permission": "net_admin",
            "object": "capability",
            "subject": "labip",
            "pid": 1772,
            "name": "labip",
            "enforced": True,
            "errno": None,
            "first": 1795458249.211,
        },
    ),
    "apparmor of kernel 6.1 without a class": (
        (
            'type=AVC msg=audit(1795458249.211:189): apparmor="DENIED" operation="capable" profile="t_nocap" pid=253 '
            'comm="ip" capability=12  capname="net_admin"'
        ),
        {"permission": "net_admin", "object": "capability", "subject": "t_nocap"},
    ),
    "apparmor socket with errno": (
        (
            'type=AVC msg=audit(1795458249.721:192): apparmor="DENIED" operation="create" class="net" '
            'info="failed af match" error=-13 profile="labip" pid=1786 comm="labip" family="netlink" sock_type="raw" '
            'protocol=0 requested_mask="create" denied_mask="create"'
        ),
        {"permission": "create", "object": "netlink raw", "errno": "EACCES"},
    ),
    "apparmor socket of Ubuntu": (
        (
            'type=AVC msg=audit(1795458249.721:192): apparmor="DENIED" operation="create" class="net" profile="t_no" '
            'pid=411 comm="ip" family="netlink" sock_type="dgram" protocol=0 requested="create" denied="create"'
        ),
        {"permission": "create", "object": "netlink dgram", "subject": "t_no"},
    ),
    "apparmor user namespace": (
        (
            'type=AVC msg=audit(1795458249.721:192): apparmor="DENIED" operation="userns_create" class="namespace" '
            'profile="t_nouserns" pid=654 comm="unshare" requested="userns_create" denied="userns_create"'
        ),
        {"permission": "userns_create", "object": "user_namespace", "subject": "t_nouserns"},
    ),
    "apparmor moves an unconfined program": (
        (
            'type=AVC msg=audit(1795458249.721:192): apparmor="AUDIT" operation="userns_create" class="namespace" '
            'info="Userns create - transitioning profile" profile="unconfined" pid=223 comm="unshare" '
            'requested="userns_create" target="unprivileged_userns"'
        ),
        {"permission": "userns_create", "subject": "unconfined", "target": "unprivileged_userns", "enforced": True},
    ),
    "apparmor sys_admin of the profile that refuses all": (
        (
            'type=AVC msg=audit(1795458249.721:193): apparmor="DENIED" operation="capable" class="cap" '
            'profile="unprivileged_userns" pid=331 comm="unshare" capability=21  capname="sys_admin"'
        ),
        {"permission": "sys_admin", "subject": "unprivileged_userns"},
    ),
    "apparmor complain mode": (
        APPARMOR.replace("DENIED", "ALLOWED"),
        {"permission": "net_admin", "enforced": False},
    ),
    "apparmor type of old": (
        APPARMOR.replace("type=AVC", "type=APPARMOR_DENIED"),
        {"permission": "net_admin"},
    ),
    "apparmor tun device": (
        (
            'type=AVC msg=audit(1795458249.721:192): apparmor="DENIED" operation="open" class="file" profile="vpn" '
            'name="/dev/net/tun" pid=42 comm="openvpn" requested_mask="wr" denied_mask="wr" fsuid=0 ouid=0'
        ),
        {"permission": "wr", "object": "/dev/net/tun"},
    ),
    "apparmor with an encoded name": (
        (
            'type=AVC msg=audit(1795458249.721:192): apparmor="DENIED" operation="capable" class="cap" profile="labip" '
            'pid=17 comm=612062223D capability=12  capname="net_admin"'
        ),
        {"permission": "net_admin", "name": 'a b"='},
    ),
    "selinux netlink socket": (
        SELINUX,
        {
            "module": "selinux",
            "permission": "create",
            "object": "netlink_route_socket",
            "subject": CONTEXT,
            "target": CONTEXT,
            "pid": 1664,
            "enforced": True,
        },
    ),
    "selinux capability": (
        (
            "type=AVC msg=audit(1795459515.588:1554): avc:  denied  { net_admin } for  pid=1680 "
            f'comm="labip" capability=12  scontext={CONTEXT} tcontext={CONTEXT} tclass=capability permissive=1'
        ),
        {"permission": "net_admin", "object": "capability", "enforced": False},
    ),
    "selinux message type": (
        (
            'type=AVC msg=audit(1795459515.588:1554): avc:  denied  { nlmsg } for  pid=1680 comm="labip" nl-msgtype=16 '
            f"scontext={CONTEXT} tcontext={CONTEXT} tclass=netlink_route_socket permissive=0"
        ),
        {"permission": "nlmsg", "object": "netlink_route_socket"},
    ),
    "selinux module request": (
        (
            'type=AVC msg=audit(1795459515.588:1554): avc:  denied  { module_request } for  pid=1680 comm="ip" '
            f'kmod="rtnl-link-vrf" scontext={CONTEXT} tcontext=system_u:system_r:kernel_t:s0 tclass=system permissive=0'
        ),
        {"permission": "module_request", "object": "system"},
    ),
    "selinux tun": (
        (
            'type=AVC msg=audit(1795459515.588:1554): avc:  denied  { create } for  pid=1680 comm="ip" '
            f"scontext={CONTEXT} tcontext={CONTEXT} tclass=tun_socket permissive=0"
        ),
        {"permission": "create", "object": "tun_socket"},
    ),
    "selinux sysctl": (
        (
            'type=AVC msg=audit(1795459515.588:1554): avc:  denied  { write } for  pid=1680 comm="sysctl" '
            f'name="ip_forward" dev="proc" ino=99 scontext={CONTEXT} tcontext=system_u:object_r:sysctl_net_t:s0 '
            "tclass=file permissive=0"
        ),
        {"permission": "write", "object": "file", "target": "system_u:object_r:sysctl_net_t:s0"},
    ),
    "seccomp kills": (
        (
            "type=SECCOMP msg=audit(1795459515.588:1555): auid=0 uid=1000 gid=0 ses=3 subj=unconfined pid=77 "
            'comm="vpnd" exe="/usr/sbin/vpnd" sig=31 arch=c000003e syscall=41 compat=0 ip=0x7f code=0x80000000'
        ),
        {
            "module": "seccomp",
            "permission": "socket",
            "object": "filter",
            "executable": "/usr/sbin/vpnd",
            "uid": 1000,
            "enforced": True,
        },
    ),
    "seccomp only logs": (
        (
            "type=1326 msg=audit(1795459515.588:1555): auid=0 uid=0 gid=0 ses=3 subj=unconfined pid=77 "
            'comm="vpnd" exe="/usr/sbin/vpnd" sig=0 arch=c00000b7 syscall=211 compat=0 ip=0x7f code=0x7ffc0000'
        ),
        {"permission": "sendmsg", "enforced": False},
    ),
    "a node before the type": (f"node=web1.example {APPARMOR}", {"permission": "net_admin"}),
}


@pytest.mark.parametrize("line, expected", RECORDS.values(), ids=RECORDS)
def test_a_record_tells_who_was_refused_what(line: str, expected: dict[str, Any]) -> None:
    (denial,) = read(line)
    assert {name: getattr(denial, name) for name in expected} == expected
    assert denial.text == line


NO_DENIALS = {
    "the look-up of ip": APPARMOR.replace("net_admin", "sys_module").replace("=12", "=16"),
    "another capability": APPARMOR.replace("net_admin", "chown"),
    "another class": SELINUX.replace("netlink_route_socket", "file"),
    "another socket": APPARMOR.replace('operation="capable"', 'operation="create" family="inet"'),
    "a grant": SELINUX.replace("denied", "granted"),
    "another module request": SELINUX.replace("{ create }", "{ module_request }").replace(
        "pid=1664", 'kmod="netdev-eth0" pid=1664'
    ),
    "a status": 'type=AVC msg=audit(1.000:1): apparmor="STATUS" operation="profile_load" name="netlink" pid=1',
    "an audit rule of apparmor": APPARMOR.replace("DENIED", "AUDIT"),
    "user space": SELINUX.replace("type=AVC", "type=USER_AVC").replace("avc: ", "msg='avc: "),
    "a filter that refused another call": RECORDS["seccomp kills"][0].replace("syscall=41", "syscall=2"),
    # A program cannot forge the head of a line; what it says stands in a message of user space.
    "a message of user space": f"type=USER_CMD msg=audit(1.000:1): pid=1 uid=0 msg='cmd={CAPABLE}'",
    "a record inside a record": f'type=PROCTITLE msg=audit(1.000:1): proctitle="{APPARMOR}"',
}


@pytest.mark.parametrize("line", NO_DENIALS.values(), ids=NO_DENIALS)
def test_what_is_no_refusal_of_netlink_leaves_nothing(line: str) -> None:
    assert read(line) == []


def test_sys_admin_counts_where_a_namespace_was_asked_for() -> None:
    line = SELINUX.replace("{ create }", "{ sys_admin }").replace("netlink_route_socket", "capability")
    assert len(read(line)) == 1
    assert len(read(line, SYSCALL.replace("syscall=41", "syscall=308"))) == 1
    assert read(line, SYSCALL.replace("syscall=41", "syscall=257")) == []


def test_modprobe_may_be_refused_to_load() -> None:
    line = APPARMOR.replace("net_admin", "sys_module").replace('comm="labip"', 'comm="modprobe"')
    assert [denial.permission for denial in read(line)] == ["sys_module"]


def test_the_records_of_an_event_are_joined() -> None:
    other = SYSCALL.replace(":96)", ":97)").replace("/usr/local/sbin/labip", "/bin/other")
    (denial,) = read(SELINUX, other, SYSCALL, PROCTITLE, "type=EOE msg=audit(1795459500.398:96): ")
    assert denial.executable == "/usr/local/sbin/labip"
    assert (denial.syscall, denial.succeeded, denial.errno, denial.uid) == ("socket", False, "EACCES", 0)
    assert denial.command == "/usr/local/sbin/labip link set dev dummy0"


def test_a_call_that_succeeded_is_told_except_for_sending() -> None:
    opened = SYSCALL.replace("success=no exit=-13", "success=yes exit=3")
    assert read(SELINUX, opened)[0].succeeded is True
    assert read(SELINUX, opened.replace("syscall=41", "syscall=46"))[0].succeeded is None


def test_each_permission_of_a_record_is_a_denial() -> None:
    found = read(SELINUX.replace("{ create }", "{ nlmsg_read nlmsg_write }"))
    assert sorted(denial.permission for denial in found) == ["nlmsg_read", "nlmsg_write"]


def test_the_same_again_is_counted() -> None:
    later = APPARMOR.replace("1795458249.211:189", "1795458250.500:190").replace("pid=1772", "pid=1773")
    (denial,) = read(APPARMOR, later)
    assert (denial.count, denial.first, denial.last, denial.pid) == (2, 1795458249.211, 1795458250.5, 1773)
    assert denial.text == later


def test_an_event_that_two_logs_hold_counts_once() -> None:
    groups = Groups(0)
    log, events = KernelLog(groups), Events(groups, "audit")
    events.line(APPARMOR.encode())
    events.end()
    log.message(f"audit: type=1400 audit(1795458249.211:189): {CAPABLE}")
    log.end([])
    assert [(denial.source, denial.count) for denial in groups.result([])] == [("audit", 1)]


def test_the_kernel_log_has_the_same_records() -> None:
    text = f"audit: type=1400 audit(1795458284.272:210): {CAPABLE}"
    (denial,), unseen = read_kernel(text)
    assert (denial.source, denial.module, denial.permission) == ("kernel", "apparmor", "net_admin")
    assert (denial.last, denial.text, unseen) == (1795458284.272, text, [])


def test_two_records_of_one_event_in_the_kernel_log_are_two_denials() -> None:
    texts = [
        f"audit: type=1400 audit(5.000:7): avc:  denied  {{ {word} }} for  pid=1 scontext=a:b:c:d tcontext=a:b:c:d "
        "tclass=netlink_route_socket permissive=1"
        for word in ("create", "bind")
    ]
    assert len(read_kernel(*texts)[0]) == 2


@pytest.mark.parametrize(
    "message",
    [
        f"process audit: type=1400 audit(1.000:1): {CAPABLE}",
        f"audit: type=1107 audit(1.000:1): pid=1 msg='{CAPABLE}'",
        f"audit: type=1400 audit(1.000:1): pid=1 {CAPABLE}",
    ],
)
def test_a_message_of_the_kernel_counts_only_from_its_beginning(message: str) -> None:
    assert read_kernel(message)[0] == []


def test_what_the_audit_system_lost_is_said() -> None:
    _found, unseen = read_kernel(
        "audit: audit_lost=12 audit_rate_limit=0 audit_backlog_limit=64", "kauditd_printk_skb: 25 callbacks suppressed"
    )
    assert "lost 12" in unseen[0].reason and "25" in unseen[1].reason
