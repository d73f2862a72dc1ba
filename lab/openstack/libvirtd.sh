#!/bin/sh
# libvirtd.sh FOLDER: libvirtd with every folder that it has in the system replaced by one below FOLDER.
# To be run in a mount namespace of its own, which ends with it and its guests.
set -eu
for pair in etc:/etc/libvirt run:/run/libvirt lib:/var/lib/libvirt log:/var/log/libvirt; do
    own=$1/libvirt/${pair%%:*} system=${pair#*:}
    mkdir -p "$own" "$system"
    mount --bind "$own" "$system"
done
cp "$1"/etc/libvirt/*.conf /etc/libvirt/
exec /usr/sbin/libvirtd --config /etc/libvirt/libvirtd.conf
