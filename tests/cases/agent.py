# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A netlink client that a case can run in any context: it does what it is told on standard input, one line each.

Standard library only, so that any python3 runs it as any user. Each line is a command with its arguments; the answer
is one line, "ok" or the name of an errno.

  link            set the loopback link up (RTM_SETLINK)
  address A/N DEV add an address
  route DST/N DEV [GATEWAY]   add a route
  unshare FLAGS   unshare(2)
  mkuser          unshare(CLONE_NEWUSER) in a child
  enter PATH      open and setns(2) to a network namespace
  open            open a netlink socket and keep it; later requests are sent through it, without an address
  setuid UID      setresuid(2)
  thread          start a thread that drops its capabilities; prints its tid, which then stays
  lower           drop the effective set, keep the permitted one
  keepup          raise the effective set to the permitted one
  run WORDS       run a command; the answer is "ok" or the first line that it printed
"""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import os
import socket
import struct
import subprocess
import sys
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
KEPT = []


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "system call")


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def request(kind, flags, body):
    kept = KEPT[0] if KEPT else None
    sock = kept or socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    message = struct.pack("=IHHII", 16 + len(body), kind, 5 | flags, 1, 0) + body
    if kept:
        sock.send(message)
    else:
        sock.sendto(message, (0, 0))
    answer = sock.recv(8192)
    code = -struct.unpack_from("=i", answer, 16)[0]
    if code:
        raise OSError(code, "ack")


def link():
    request(19, 0, struct.pack("=BxHiII", 0, 0, socket.if_nametoindex("lo"), 1, 1))


def address(text, device):
    value = ipaddress.ip_interface(text)
    family = socket.AF_INET if value.version == 4 else socket.AF_INET6
    head = struct.pack("=BBBBi", family, value.network.prefixlen, 0, 0, socket.if_nametoindex(device))
    body = attribute(2, value.ip.packed) + attribute(1, value.ip.packed)
    request(20, 0x600, head + body)


def route(text, device, gateway=None):
    value = ipaddress.ip_network(text)
    family = socket.AF_INET if value.version == 4 else socket.AF_INET6
    head = struct.pack("=BBBBBBBBI", family, value.prefixlen, 0, 0, 254, 4, 0 if gateway else 253, 1, 0)
    body = attribute(1, value.network_address.packed) + attribute(4, struct.pack("=i", socket.if_nametoindex(device)))
    if gateway:
        body += attribute(5, ipaddress.ip_address(gateway).packed)
    request(24, 0x600, head + body)


def unshare(flags):
    check(LIBC.unshare(int(flags, 0)))


def in_child(function):
    child = os.fork()
    if child == 0:
        try:
            function()
            os._exit(0)
        except OSError as exc:
            os._exit(exc.errno)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, "child")


def mkuser():
    in_child(lambda: unshare("0x10000000"))


def mknet():
    in_child(lambda: unshare("0x40000000"))


def enter(path):
    descriptor = os.open(path, os.O_RDONLY)
    check(LIBC.setns(descriptor, 0x40000000))


def open_socket():
    KEPT.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
    KEPT[0].bind((0, 0))


def setuid(uid):
    check(LIBC.setresuid(int(uid), int(uid), int(uid)))


def seteuid(uid):
    os.seteuid(int(uid))


def capset(effective, permitted):
    header = struct.pack("=Ii", 0x20080522, 0)
    low, high = 0xFFFFFFFF, 32
    data = struct.pack("=6I", effective & low, permitted & low, 0, effective >> high, permitted >> high, 0)
    check(LIBC.capset(header, data))


def permitted():
    with open("/proc/thread-self/status") as status:
        return int(next(line for line in status if line.startswith("CapPrm")).split()[1], 16)


def lower():
    capset(0, permitted())


def drop():
    capset(0, 0)


def keepup():
    capset(permitted(), permitted())


def thread():
    ready = threading.Event()
    tids = []

    def run():
        drop()
        tids.append(threading.get_native_id())
        ready.set()
        threading.Event().wait()

    threading.Thread(target=run, daemon=True).start()
    ready.wait(5)
    print(tids[0], flush=True)


def run(*words):
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        raise CommandFailedError(done.stdout.decode().partition("\n")[0] or str(done.returncode))


class CommandFailedError(Exception):
    """A command that did not succeed, with what it printed."""


COMMANDS = {
    "run": run,
    "link": link,
    "address": address,
    "route": route,
    "unshare": unshare,
    "mkuser": mkuser,
    "mknet": mknet,
    "enter": enter,
    "open": open_socket,
    "setuid": setuid,
    "seteuid": seteuid,
    "thread": thread,
    "lower": lower,
    "drop": drop,
    "keepup": keepup,
    "pid": lambda: print(os.getpid(), flush=True),
}


def main():
    print("ready", flush=True)
    for line in sys.stdin:
        name, *arguments = line.split()
        try:
            COMMANDS[name](*arguments)
            print("ok", flush=True)
        except OSError as exc:
            print(errno.errorcode.get(exc.errno, exc.errno), flush=True)
        except CommandFailedError as exc:
            print(exc, flush=True)


if __name__ == "__main__":
    main()
