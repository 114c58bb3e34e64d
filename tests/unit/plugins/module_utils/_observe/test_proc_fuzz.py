# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel shows in /proc holds names that users choose: cgroups, mount points, programs."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._observe._cgroups import engine_of, parse_cgroup
from ansible_collections.netlink.remediation.plugins.module_utils._observe._mountinfo import parse_mountinfo
from ansible_collections.netlink.remediation.plugins.module_utils._observe._namespaces import parse_map
from ansible_collections.netlink.remediation.plugins.module_utils._observe._proc import parse_credentials
from ansible_collections.netlink.remediation.plugins.module_utils._state import Credentials, IdRange
from ansible_collections.netlink.remediation.tests.unit.plugins.module_utils._fuzz import ODD, assert_linear, texts

ID = "0123456789abcdef" * 4
CGROUPS = [
    *("0::", "1:name=systemd:", "5:devices:", "/", "system.slice", "ssh.service", "user@1000.service", "_odd.scope"),
    *(f"docker-{ID}.scope", f"libpod-{ID}", f"libpod-conmon-{ID}", f"x:cri-containerd:{ID}", "lxc.payload.box"),
    *("machine-box.scope/payload", "machine-\\x2d\\xff.scope/payload/", "kubepods", ID, ":", "::"),
]
# A name that a user gives to a directory: anything but a slash and a line feed, which the kernel would escape.
names = st.text(st.sampled_from(ODD.replace("\0", "").replace("\n", "") + "abc-@.:\\"), min_size=1, max_size=8)


@given(texts(CGROUPS))
@example("0::/user.slice/a\x0c0::/system.slice/ssh.service\n")
def test_any_cgroup_is_read(text):
    path, unit, container = parse_cgroup(text.encode("utf-8", "surrogatepass"))
    assert all(isinstance(item, (str, type(None))) for item in (path, unit, container))
    engine_of(path or "/")


@given(names)
def test_the_name_of_a_cgroup_is_no_further_line(name):
    raw = f"0::/user.slice/{name}\n".encode("utf-8", "surrogateescape" if name.isprintable() else "surrogatepass")
    path, unit, container = parse_cgroup(raw)
    assert path is not None and path.startswith("/user.slice/")
    assert (unit, container) == (None, None) or "/" not in name


@given(st.lists(st.tuples(names, st.sampled_from(["rw", "ro,nosuid"]), st.sampled_from(["", "shared:1 master:2 "]))))
def test_each_mount_is_one_whatever_its_name(mounts):
    def escaped(name):
        for char in "\\ \t\n":
            name = name.replace(char, f"\\{ord(char):03o}")
        return name.encode("utf-8", "surrogatepass")

    lines = [
        b"36 35 98:0 / /%s %s %s- fuse src rw,a=b\n" % (escaped(name), options.encode(), optional.encode())
        for name, options, optional in mounts
    ]
    found = list(parse_mountinfo(b"".join(lines)))
    wanted = [("/" + name, options) for name, options, _optional in mounts]
    assert [(mount.point.encode("utf-8", "surrogateescape"), mount.options) for mount in found] == [
        (name.encode("utf-8", "surrogatepass"), options) for name, options in wanted
    ]
    assert {(mount.filesystem, mount.super_options) for mount in found} <= {("fuse", "rw,a=b")}


@given(
    st.binary(max_size=200)
    | texts(["36 35 98:0 / / rw", " - ", "ext4 /dev/sda1 rw", "\\040", "\n"]).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
)
def test_any_table_of_mounts_is_read(data):
    assert all(mount.filesystem is not None for mount in parse_mountinfo(data))


@given(st.lists(st.builds(IdRange, *[st.integers(0, 2**32 - 1)] * 3), max_size=5))
def test_an_id_map_comes_back(ranges):
    text = "".join(f"{item.inside:10} {item.outside:10} {item.count:10}\n" for item in ranges)
    assert parse_map(text.encode()) == ranges


STATUS = """\
Name:\t{name}
Umask:\t0022
State:\tS (sleeping)
Tgid:\t7
Uid:\t{uids}
Gid:\t{gids}
FDSize:\t64
Groups:\t{groups}
NStgid:\t7
VmPeak:\t    8 kB
CapInh:\t{caps[0]:016x}
CapPrm:\t{caps[1]:016x}
CapEff:\t{caps[2]:016x}
CapBnd:\t{caps[3]:016x}
CapAmb:\t{caps[4]:016x}
NoNewPrivs:\t{nnp}
Seccomp:\t{seccomp}
Seccomp_filters:\t1
Speculation_Store_Bypass:\tvulnerable
"""
ids = st.integers(0, 2**32 - 1)
masks = st.integers(0, 2**64 - 1)


@given(
    names,
    st.tuples(ids, ids, ids, ids),
    st.tuples(ids, ids, ids, ids),
    st.lists(ids, max_size=4),
    st.tuples(masks, masks, masks, masks, masks),
    st.booleans(),
    st.integers(0, 2),
)
def test_credentials_are_those_of_the_status(name, uids, gids, groups, caps, nnp, seccomp):
    fields = {
        "uids": "\t".join(map(str, uids)),
        "gids": "\t".join(map(str, gids)),
        "groups": " ".join([*map(str, groups), ""]),
    }
    text = STATUS.format(name=name, caps=caps, nnp=int(nnp), seccomp=seccomp, **fields)
    found = parse_credentials(text.encode("utf-8", "surrogatepass"))
    sets = {"inheritable": caps[0], "permitted": caps[1], "effective": caps[2], "bounding": caps[3], "ambient": caps[4]}
    assert found == Credentials(*uids, *gids, tuple(groups), no_new_privs=nnp, seccomp=seccomp, **sets)


@pytest.mark.parametrize("piece", ["/a", "0::/a\n", "a-", "\\x2d", f"/{ID}", "lxc/", "machine-a.scope/", ":", "\r"])
def test_time_grows_with_the_length(piece):
    assert_linear(parse_cgroup, lambda count: (piece * (count // len(piece))).encode())
    assert_linear(lambda data: list(parse_mountinfo(data)), lambda count: (piece * (count // len(piece))).encode())
    assert_linear(engine_of, lambda count: piece * (count // len(piece)))
