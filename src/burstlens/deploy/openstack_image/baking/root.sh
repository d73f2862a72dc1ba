# root.sh ROOT HERE: what a plain Debian in ROOT needs to be an image of burstlens.
root=$1 here=$2

for unit in units/*; do
    install --mode 0644 "$unit" "$root/etc/systemd/system/"
done
install --mode 0644 "$here/cloud.cfg" "$root/etc/cloud/cloud.cfg.d/99_burstlens.cfg"
install --mode 0644 "$here/sshd.conf" "$root/etc/ssh/sshd_config.d/burstlens.conf"
install --mode 0644 "$here/extlinux.conf" "$root/extlinux.conf"
echo 'LABEL=root / ext4 defaults,noatime 0 0' >"$root/etc/fstab"

# The package, in an environment of its own, and its model, so that no instance has to convert it.
mkdir "$root/mnt/wheels"
mount --bind wheels "$root/mnt/wheels"
cp "$here/package.sh" settings "$root/mnt/"
chroot "$root" sh -eux /mnt/package.sh
umount "$root/mnt/wheels"
rm -r "$root"/mnt/*

# SSH waits on a socket, which costs no time at boot. Nobody logs in on a console: there are no passwords.
chroot "$root" systemctl enable systemd-networkd.service systemd-resolved.service systemd-timesyncd.service ssh.socket
chroot "$root" systemctl disable ssh.service
chroot "$root" systemctl mask getty.target e2scrub_reap.service systemd-pstore.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
chroot "$root" systemctl set-default multi-user.target

# Nothing of the machine that baked it: where its packages come from, its name, its keys. An image is replaced by a
# newer one, not upgraded, so it has no sources.
rm -rf "$root"/etc/apt/sources.list* "$root"/etc/apt/auth.conf* "$root"/etc/apt/apt.conf.d/99mmdebstrap \
    "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/etc/ssh/ssh_host_* \
    "$root"/root/.cache "$root"/etc/.pwd.lock
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
echo localhost >"$root/etc/hostname"
: >"$root/etc/machine-id"
