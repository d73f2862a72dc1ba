#!/bin/sh
# libvirtd.sh FOLDER NAME: libvirtd, with whatever it has in the system replaced by the lab's own below FOLDER.
# To be run in namespaces of its own for mounts and for the machine's name, which end with it and its guests.
set -eu
mkdir -p "$1/libvirt"
for pair in etc:/etc/libvirt run:/run/libvirt lib:/var/lib/libvirt cache:/var/cache/libvirt log:/var/log/libvirt; do
    own=$1/libvirt/${pair%%:*} system=${pair#*:}
    mkdir -p "$own" "$system"
    mount --bind "$own" "$system"
done
cp "$1"/etc/libvirt/*.conf /etc/libvirt/
# It does not start without this user of Debian's libvirt-daemon-system, although its configuration says root.
for file in passwd group; do
    { grep -v '^libvirt-qemu:' "/etc/$file"; grep '^root:' "/etc/$file" | sed 's/^root:/libvirt-qemu:/'; } >"$1/libvirt/$file"
    mount --bind "$1/libvirt/$file" "/etc/$file"
done
hostname "$2"
exec /usr/sbin/libvirtd --config /etc/libvirt/libvirtd.conf --pid-file /run/libvirt/libvirtd.pid
