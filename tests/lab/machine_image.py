# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk and the kernel of a guest with a security module: a whole Debian, and Debian's user-mode-linux.

One disk serves AppArmor and SELinux, as the kernel's command line chooses; its SELinux labels are written here, before
any boot. Made from packages alone and kept: the first run takes two minutes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

RELEASE = "trixie"
MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# The first that can be had: from 6.7 on, AppArmor mediates user namespaces, and 7.2 is faster (seccomp, not ptrace).
KERNELS = ["forky", "trixie"]
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "mke2fs": "e2fsprogs",
    "strip": "binutils",
    "ssh-keygen": "openssh-client",
}
PACKAGES = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "udev",
    "kmod",
    "openssh-server",
    "python3",
    "python3-pyroute2",
    "python3-selinux",
    "apparmor",
    "apparmor-utils",
    "auditd",
    "selinux-policy-default",
    "selinux-utils",
    "policycoreutils",
    "policycoreutils-python-utils",
    "checkpolicy",
    "semodule-utils",
    "iproute2",
    "iputils-ping",
    "ethtool",
    "nftables",
    "iptables",
    "libcap2-bin",
    "libcap-ng-utils",
    "bubblewrap",
    "busybox-static",
    "uidmap",
    "util-linux",
    "procps",
    "attr",
    "acl",
    "sudo",
    "strace",
]

# Modules that a guest can load; the rest is hardware, which it has not.
MODULES = [
    "net",
    "crypto",
    "lib",
    "arch",
    "fs/overlayfs",
    "fs/fuse",
    "fs/autofs",
    "fs/configfs",
    "fs/binfmt_misc.ko",
    "drivers/block/loop.ko",
    *(
        f"drivers/net/{name}.ko"
        for name in ("dummy", "ifb", "tun", "tap", "veth", "macvlan", "macvtap", "vrf", "geneve")
    ),
    *(f"drivers/net/{name}" for name in ("vxlan", "ipvlan", "bonding", "team")),
]
# apparmor.service compiles each profile at the first boot. The others are kept beside, in LEFT_OUT_PROFILES.
PROFILES = ["busybox", "lsb_release", "unix-chkpwd", "unprivileged_userns"]
LEFT_OUT_PROFILES = "usr/share/lab/apparmor.d"

# Modules of SELinux's policy that stay: what a host with a network may run. Without the other two thirds, a change of
# the policy takes half as long.
POLICY = """
accountsd acct apache apt auditadm automount avahi base bind bird bootloader brctl bubblewrap cgroup chronyd clock
container cpufreqselector crio cron dbadm devicekit dhcp dmidecode dnsmasq docker firewalld ftp getty git gpg guest
haproxy hostapd hostname ifplugd inetd ipsec iptables java kerberos kismet kubernetes l2tp ldap lldpad loadkeys
logadm logrotate lpd lvm mailman mandb modemmanager mono mta netlabel netutils networkmanager nis nscd nsd ntp
openct openvpn openvswitch passenger pcscd podman policykit portmap postfix ppp quota radvd raid rpc rpcbind rsync
rtkit samba sasl screen secadm seunshare shutdown snmp ssh sssd staff stunnel su sudo sysstat systemtap tftp tor
tuned tzdata ulogd uml unconfined unprivuser userhelper usernetctl uuidd virt vlock vpn webadm wine wireshark xdg
xen xserver
"""

# What no test needs, and what waits or fails in a guest without hardware.
MASKED = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "getty.target",
    "ldconfig.service",
    "selinux-autorelabel.service",
    "selinux-autorelabel-mark.service",
    "sshd-keygen.service",
    "systemd-boot-random-seed.service",
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-binfmt.service",
    "systemd-networkd-wait-online.service",
    "systemd-sysusers.service",
    "systemd-udev-load-credentials.service",
    "systemd-update-done.service",
    "modprobe@drm.service",
    "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service",
    "systemd-pstore.service",
    "systemd-timesyncd.service",
    "systemd-udev-settle.service",
]

ADDRESS, GATEWAY = "10.77.0.2", "10.77.0.1"
FILES = {
    # A fixed machine id: a first boot would preset all units.
    "etc/machine-id": "0" * 31 + "1\n",
    "etc/hostname": "lab\n",
    "etc/hosts": "127.0.0.1 localhost lab\n::1 localhost\n",
    "etc/fstab": "/dev/root / ext4 defaults 0 0\n",
    "etc/resolv.conf": "",
    "etc/selinux/config": "SELINUX=enforcing\nSELINUXTYPE=default\n",
    "etc/ssh/sshd_config.d/lab.conf": "UseDNS no\nMaxStartups 200\nMaxSessions 100\n",
    "etc/systemd/system/lab-network.service": f"""\
[Unit]
Description=The link to the machine that runs the tests
DefaultDependencies=no
After=systemd-udevd.service local-fs.target
Before=network.target ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -ec 'for i in $$(seq 50); do [ ! -e /sys/class/net/vec0 ] || break; sleep 0.1; done; \\
  ip link set lo up; ip address replace {ADDRESS}/24 dev vec0; ip link set vec0 up'
[Install]
WantedBy=sysinit.target
""",
    # Without auditd the kernel prints denials, and would leave out some of many.
    "etc/sysctl.d/lab.conf": "kernel.printk_ratelimit = 0\n",
    # lab.auditd=0 on the kernel's command line: denials stay in the kernel's log.
    "etc/systemd/system/auditd.service.d/lab.conf": "[Unit]\nConditionKernelCommandLine=!lab.auditd=0\n",
}

APT = """\
Dir::Etc::sourcelist "{0}/sources.list"; Dir::Etc::sourceparts "-";
Dir::State::lists "{0}/lists"; Dir::State::status "/dev/null"; Dir::Cache "{0}/cache";
Acquire::Languages "none"; APT::Sandbox::User "root";
"""
RECIPE = [RELEASE, MIRROR, KERNELS, PACKAGES, MODULES, PROFILES, POLICY.split(), MASKED, FILES, 2]


class NoImageError(Exception):
    """The image cannot be made on this machine; the message says why."""


def make_image(folder: Path) -> Path:
    """Make FOLDER/machine-KEY unless it is there: `disk`, `kernel` and the ssh key `id`; returns it.

    Two processes that ask at the same time wait for each other. Raises NoImageError.
    """
    key = hashlib.sha256(repr(RECIPE).encode()).hexdigest()[:12]
    made = folder.resolve() / f"machine-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "machine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
            if missing or os.geteuid() != 0:
                raise NoImageError(f"missing packages: {', '.join(missing)}" if missing else "needs root")
            part = folder / "machine.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            _make(part)
            for old in folder.glob("machine-*"):
                remove_unused(old)
            part.rename(made)
    return made


def hold_image(image: Path) -> int:
    """A file descriptor; as long as a process has it, the image is not removed."""
    held = os.open(image / "id", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
    return held


def remove_unused(image: Path) -> None:
    """Remove an image unless a process holds it."""
    with (image / "id").open() as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        shutil.rmtree(image)


def _make(part: Path) -> None:
    root, work = part / "root", part / "work"
    _bootstrap(root)
    unpacked = _fetch_kernel(work)
    _install_kernel(unpacked, root, part / "kernel")
    _settle(root)
    _shrink_policy(root)
    _give_keys(root, part / "id")
    _label(root)
    disk = part / "disk"
    with disk.open("wb") as file:
        file.truncate(3 << 30)
    options = ["-O", "^has_journal,^metadata_csum_seed,^orphan_file", "-E", "lazy_itable_init=1,root_owner=0:0"]
    run(["mke2fs", "-q", "-t", "ext4", *options, "-L", "lab", "-d", str(root), str(disk)])
    shutil.rmtree(root)
    shutil.rmtree(work)


def run(command: list[str], **options: object) -> str:
    """The output of a command, which must succeed; raises NoImageError."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise NoImageError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return str(done.stdout)


def _bootstrap(root: Path) -> None:
    options = ["--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", "--format=directory"]
    options += ["--aptopt=APT::Install-Recommends false", "--dpkgopt=force-unsafe-io"]
    options += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
    run(["mmdebstrap", *options, RELEASE, str(root), MIRROR])


def _fetch_kernel(work: Path) -> Path:
    """The package user-mode-linux of the first suite that has it, unpacked."""
    said = []
    for suite in KERNELS:
        place = work / suite
        for name in ("lists/partial", "cache/archives/partial"):
            (place / name).mkdir(parents=True)
        (place / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {suite} main\n")
        (place / "apt.conf").write_text(APT.format(place))
        apt = {"env": {**os.environ, "APT_CONFIG": str(place / "apt.conf")}, "cwd": place}
        try:
            run(["apt-get", "-qq", "update"], **apt)
            run(["apt-get", "-qq", "download", "user-mode-linux"], **apt)
            run(["dpkg-deb", "-x", str(next(place.glob("user-mode-linux_*.deb"))), str(place / "files")])
        except NoImageError as error:
            said.append(str(error))
        else:
            return place / "files"
    raise NoImageError("\n".join(said))


def _install_kernel(unpacked: Path, root: Path, kernel: Path) -> None:
    """The modules go to the disk; the kernel is a program that wants this Debian's C library beside it."""
    kernel.mkdir()
    for source in ("lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu/libc.so.6"):
        shutil.copy(root / "usr" / source, kernel)
    shutil.copy(unpacked / "usr/bin/linux.uml", kernel / "linux")
    modules = next((unpacked / "usr/lib/uml/modules").iterdir())
    target = root / "usr/lib/modules" / modules.name
    target.mkdir(parents=True)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copy(modules / name, target)
    for name in MODULES:
        source = modules / "kernel" / name
        if source.is_dir():
            shutil.copytree(source, target / "kernel" / name)
        elif source.exists():
            (target / "kernel" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / "kernel" / name)
    run(["strip", "--strip-debug", *map(str, target.rglob("*.ko"))])
    run(["chroot", str(root), "depmod", modules.name])
    (kernel / "version").write_text(f"{modules.name}\n")


def _settle(root: Path) -> None:
    for name, content in FILES.items():
        path = root / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    aside = root / LEFT_OUT_PROFILES
    aside.mkdir(parents=True)
    for path in (root / "etc/apparmor.d").iterdir():
        if path.is_file() and path.name not in PROFILES:
            path.rename(aside / path.name)
    systemctl = ["chroot", str(root), "systemctl", "--quiet"]
    run([*systemctl, "mask", *MASKED])
    run([*systemctl, "enable", "lab-network.service"])
    # It takes three seconds; who needs it calls it by D-Bus.
    (root / "usr/lib/systemd/system/multi-user.target.wants/systemd-logind.service").unlink()
    default = root / "etc/systemd/system/default.target"
    default.unlink(missing_ok=True)
    default.symlink_to("/usr/lib/systemd/system/multi-user.target")


def _shrink_policy(root: Path) -> None:
    modules = {path.name for path in (root / "var/lib/selinux/default/active/modules/100").iterdir()}
    command = ["semodule", "-s", "default", "--noreload", "-X", "100", "--remove", *sorted(modules - {*POLICY.split()})]
    run(["unshare", "--mount", "chroot", str(root), *command])


def _give_keys(root: Path, key: Path) -> None:
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key)])
    for old in (root / "etc/ssh").glob("ssh_host_*"):
        old.unlink()
    host_key = root / "etc/ssh/ssh_host_ed25519_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(host_key)])
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    authorized = root / "root/.ssh/authorized_keys"
    shutil.copy(key.with_suffix(".pub"), authorized)
    authorized.chmod(0o600)


def _label(root: Path) -> None:
    """Write the labels of SELinux's policy; a kernel without SELinux lets root store any."""
    contexts = "/etc/selinux/default/contexts/files/file_contexts"
    # setfiles mounts /proc where there is none; in a namespace of its own that ends with it.
    run(["unshare", "--mount", "chroot", str(root), "/usr/sbin/setfiles", "-F", "-q", "-m", contexts, "/"])
    if not os.getxattr(root / "usr/sbin/sshd", "security.selinux").startswith(b"system_u:object_r:sshd_exec_t"):
        raise NoImageError("setfiles wrote no labels")
