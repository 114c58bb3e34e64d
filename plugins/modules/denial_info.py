#!/usr/bin/python
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: denial_info
short_description: Tell what a host recorded of programs that netlink refused
version_added: "0.1.0"
description:
  - Reads denials that bear on netlink out of the audit log, the kernel log, the journal and the logs of containers, and
    counts those of one kind. With O(duration) it also watches who is refused C(CAP_NET_ADMIN) meanwhile.
  - Denials by AppArmor, SELinux and seccomp are taken from records that the kernel or the audit system delivered. What
    programs printed themselves (such as C(RTNETLINK answers)) is told as theirs, with their unit, executable or
    container, if M(netlink.remediation.explain_info) knows the words.
  - A denial is evidence, not a cause. A record tells that a program was refused, M(netlink.remediation.diagnosis_info)
    why. A lack of records proves nothing either, since C(dontaudit) and C(deny) rules leave none, AppArmor records a
    repeated denial once, and the kernel itself records nothing when a capability is missing.
  - Anybody on a host can write a log line or run a program that fails. The texts are cut, and control characters in
    them are replaced by blanks; do not use them as templates or commands.
  - Denials of the probes of this collection are left out, as is C(sys_module) of programs that load no modules, which
    is a by-product of looking for a link.
  - Nothing is changed. Run it as root; to others most logs are closed, which RV(unseen) says.
options:
  since:
    description:
      - How far to look back. A number of seconds, or a number with V(s), V(m), V(h), V(d) or V(w) after it.
    type: str
    default: 24h
  sources:
    description:
      - What to read.
      - V(audit) is the log of auditd, rotated files included. V(kernel) is the buffer of the kernel's messages.
        V(journal) is the journal of systemd, and the files of syslog where there is none. V(containers) are the logs
        that docker, podman and Kubernetes keep in files, the last mebibyte of each, and of that the newest 200 lines
        that could tell of a refusal. What was left out is in RV(unseen).
      - An event that several of them hold is counted once.
    type: list
    elements: str
    choices: [audit, kernel, journal, containers]
    default: [audit, kernel, journal, containers]
  audit_log:
    description: The log of auditd. Its rotated files lie beside it, with a number after its name.
    type: path
    default: /var/log/audit/audit.log
  ausearch:
    description:
      - Read the log of auditd through ausearch(8), which knows its place and layout from C(auditd.conf). Its answer is
        held in memory as a whole, while the file itself is read piece by piece.
      - Of denials by AppArmor it tells neither the executable nor the system call, even if the log has them.
    type: bool
    default: false
  duration:
    description:
      - For how many seconds to watch the tracepoint C(capability:cap_capable), V(0) to V(3600). It needs Linux 6.14 and
        tracefs. Without them RV(live.offers) says what else the host has.
      - It sees refusals for lack of C(CAP_NET_ADMIN) only. Denials by security modules and filters are in the logs.
    type: int
    default: 0
  pids:
    description: Tell only the denials of these processes, or of what the other filters name.
    type: list
    elements: int
    default: []
  executables:
    description: Tell only the denials of these programs (absolute paths), or of what the other filters name.
    type: list
    elements: path
    default: []
  units:
    description: Tell only the denials of these systemd units, or of what the other filters name.
    type: list
    elements: str
    default: []
  containers:
    description: Tell only the denials of containers whose id begins so, or of what the other filters name.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - netlink.remediation.attributes
  - netlink.remediation.attributes.info
author:
  - The netlink.remediation authors (@netlink-remediation)
seealso:
  - module: netlink.remediation.diagnosis_info
  - module: netlink.remediation.explain_info
  - module: netlink.remediation.lsm_facts
  - name: auditd(8)
    description: The daemon that writes the audit log.
    link: https://man7.org/linux/man-pages/man8/auditd.8.html
"""

EXAMPLES = r"""
- name: What was refused in the last day?
  netlink.remediation.denial_info:
  register: refused

- name: Say it, one line each
  ansible.builtin.debug:
    msg: "{{ refused.denials | map(attribute='permission') | list }}"

- name: What was refused to one service in the last hour?
  netlink.remediation.denial_info:
    since: 1h
    units: [vpn.service]

- name: Who is refused CAP_NET_ADMIN right now?
  netlink.remediation.denial_info:
    since: "0"
    sources: []
    duration: 20
  register: watched

- name: Read the log of auditd where it lies elsewhere
  netlink.remediation.denial_info:
    sources: [audit]
    ausearch: true
"""

RETURN = r"""
denials:
  description: One entry for each kind of denial, that of the newest record first; 1000 at most.
  returned: success
  type: list
  elements: dict
  contains:
    source:
      description:
        - Where the newest record was read - V(audit), V(kernel), V(journal), V(syslog), V(container) or V(tracepoint).
      type: str
    module:
      description:
        - Who refused, as the record says - V(apparmor), V(selinux), V(seccomp), V(capability) for the tracepoint, or
          V(program) where a program only told that it was refused.
      type: str
    permission:
      description:
        - What was wanted, such as V(net_admin), V(create), V(nlmsg_write) or V(userns_create); a system call for
          V(seccomp); an operation such as V(link), V(address) or V(request) for V(program).
      type: str
    object:
      description:
        - Of what, such as V(capability), V(netlink raw), V(netlink_route_socket), V(user_namespace), V(/dev/net/tun);
          V(filter) for V(seccomp); for V(program) the layer that spoke, as
          RV(netlink.remediation.explain_info#module:layer) has it.
      type: str
    first:
      description: Time of the oldest record, in seconds since the epoch.
      type: float
    last:
      description: Time of the newest record, in seconds since the epoch.
      type: float
    count:
      description: How many records there are.
      type: int
    subject:
      description: AppArmor profile or SELinux context of the program, else null.
      type: str
    target:
      description: SELinux context of the object, or the AppArmor profile that the program was moved to, else null.
      type: str
    errno:
      description: Name of the error, where the record tells it.
      type: str
    enforced:
      description: Whether it was refused, and not only logged (complain mode, permissive, a filter that logs).
      type: bool
    succeeded:
      description:
        - Whether the system call went well all the same; null where that is unknown or says nothing, as of
          sendmsg(2), which the kernel answers later.
      type: bool
    pid:
      description: Process of the newest record, if known.
      type: int
    uid:
      description: Its effective uid, if known.
      type: int
    name:
      description: Its name (comm), if known.
      type: str
    executable:
      description: Its executable, if known.
      type: str
    unit:
      description: Its systemd unit, if known.
      type: str
    container:
      description: The id of its container, if known.
      type: str
    command:
      description: Its command line, the first 200 characters, if known.
      type: str
    syscall:
      description: The system call in which it was refused, if known.
      type: str
    door:
      description:
        - How the kernel was asked, of the tracepoint only - V(rtnetlink), V(nfnetlink), V(genetlink), V(xfrm),
          V(multicast), V(netlink), V(sock_diag), V(tun), V(ioctl), V(iptables), V(sysfs), V(sysctl), or the name of a
          function of the kernel.
      type: str
    opener:
      description:
        - Of the tracepoint only, whether it is the opener of the socket that lacks the capability, which counts where a
          message is sent without an address.
      type: bool
    user_ns:
      description: Of the tracepoint only, inode of the user namespace of the process, null where it was gone already.
      type: int
    owner_ns:
      description:
        - Of the tracepoint only, inode of the user namespace over which the capability was asked for, mostly the one
          that owns the network namespace. Where it differs from RV(denials[].user_ns), privilege of the process does
          not reach there.
      type: int
    text:
      description: The newest record as it stands, its first 1000 characters.
      type: str
  sample:
    - source: audit
      module: apparmor
      permission: net_admin
      object: capability
      first: 1795458249.211
      last: 1795458251.4
      count: 3
      subject: labip
      target: null
      errno: null
      enforced: true
      succeeded: null
      pid: 1772
      uid: 0
      name: ip
      executable: /usr/sbin/ip
      unit: null
      container: null
      command: ip link set eth0 mtu 1400
      syscall: sendmsg
      door: null
      opener: null
      user_ns: null
      owner_ns: null
      text: >-
        type=AVC msg=audit(1795458251.400:189): apparmor="DENIED" operation="capable" class="cap" profile="labip"
        pid=1772 comm="ip" capability=12  capname="net_admin"
live:
  description: The watch of the tracepoint.
  returned: success
  type: dict
  contains:
    available:
      description: Whether it could be watched; null where O(duration) is V(0).
      type: bool
    seconds:
      description: For how long it was watched.
      type: int
    lost:
      description: Events that the kernel had no room for. If there are any, denials may be missing or counted too low.
      type: int
    offers:
      description: What else this host has to show refusals, one sentence each; empty where it was watched.
      type: list
      elements: str
    why:
      description: Why it could not be watched, else null.
      type: str
  sample:
    available: true
    seconds: 20
    lost: 0
    offers: []
    why: null
unseen:
  description: What could not be read, was lost by the audit system, or was left out for want of room.
  returned: success
  type: list
  elements: dict
  contains:
    source:
      description: What was tried.
      type: str
    reason:
      description: Why it failed.
      type: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.netlink.remediation.plugins.module_utils._denial_info import ARGUMENTS, tell_denials


def main() -> None:
    """Run the module."""
    tell_denials(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True))


if __name__ == "__main__":
    main()
