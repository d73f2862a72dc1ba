#!/bin/sh
# guest.sh FOLDER SUITE MIRROR: make FOLDER/guest.qcow2 and guest.vmdk, a bootable Debian that runs its user data.
# To be run in a mount namespace of its own: whatever happens, no mount is left, and the loop device goes with it.
set -eu
cd "$1"
disk=guest.raw.new
rm -f "$disk"
mebibytes=1500
truncate --size ${mebibytes}M "$disk"
echo 'start=2048,type=83,bootable' | sfdisk --quiet "$disk"
mkfs.ext4 -q -F -O ^64bit,^metadata_csum,^has_journal -L root -E offset=$((2048 * 512)) "$disk" $((mebibytes - 1))M
mkdir -p root
mount -o loop,offset=$((2048 * 512)) "$disk" root

mmdebstrap --quiet --mode=root --variant=minbase --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include=linux-image-cloud-amd64,systemd-sysv,udev,ifupdown,iproute2,cloud-init,python3-minimal,curl,ca-certificates,netbase,zstd \
    --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"' \
    --essential-hook='echo MODULES=list >"$1/etc/initramfs-tools/conf.d/lab"' \
    --essential-hook='printf "%s\n" virtio_pci virtio_blk ata_piix ahci sd_mod ext4 >"$1/etc/initramfs-tools/modules"' \
    "$2" root "$3"

# Without KVM every second of a boot is ten: only what user data needs, and no waiting for clocks and updates.
mkdir -p root/etc/cloud/cloud.cfg.d
cat >root/etc/cloud/cloud.cfg.d/99-lab.cfg <<'EOF'
datasource_list: [ConfigDrive, None]
manage_etc_hosts: false
cloud_init_modules: [bootcmd, write-files, set_hostname]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
EOF
for unit in systemd-timesyncd.service systemd-pstore.service e2scrub_all.timer e2scrub_reap.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer; do
    ln -sf /dev/null "root/etc/systemd/system/$unit"
done
echo 'LABEL=root / ext4 defaults,noatime 0 1' >root/etc/fstab
cat >root/extlinux.conf <<'EOF'
DEFAULT lab
PROMPT 0
TIMEOUT 1
LABEL lab
 KERNEL /vmlinuz
 INITRD /initrd.img
 APPEND root=LABEL=root ro console=ttyS0 net.ifnames=0 quiet mitigations=off
EOF
rm -rf root/var/cache/apt/* root/var/lib/apt/lists/*
extlinux --install root
umount root

for code in /usr/lib/EXTLINUX/mbr.bin /usr/lib/syslinux/mbr/mbr.bin; do
    [ -e "$code" ] && dd if="$code" of="$disk" conv=notrunc status=none && break
done
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$disk" guest.vmdk
qemu-img convert -f raw -O qcow2 -c "$disk" guest.qcow2.new
rm "$disk"
mv guest.qcow2.new guest.qcow2
