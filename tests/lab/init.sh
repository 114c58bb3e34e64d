#!/bin/sh
# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Process 1 of the guest: init.sh COMMAND... runs the command and switches the guest off.
# GUEST_MODPROBE: what the kernel shall run to load a module. GUEST_OUT: directory of the host that becomes /mnt.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root

# The root is the host's own, read-only. What the guest writes is kept in its memory, above it.
mount -t proc proc /proc
echo "$GUEST_MODPROBE" >/proc/sys/kernel/modprobe
mount -t tmpfs memory /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
cd /mnt/root || exit 1
mount -n --move /dev dev
mount -n --move /proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=0755 run run
mkdir run/host
pivot_root . run/host
cd /
umount -l /run/host
mount -t hostfs -o "$GUEST_OUT" out /mnt
ip link set lo up

"$@" >/mnt/output 2>&1 </dev/null
echo $? >/mnt/status
echo o >/proc/sysrq-trigger
sleep 60
