# disk.sh WORK: make WORK/disk.raw, as root, from what WORK holds: settings, apt/, units/, wheels/.
# To be run in namespaces of its own for mounts and processes: whoever kills it leaves no mount, and the loop device goes
# with the last of them.
here=$(dirname "$(realpath "$0")")
cd "$1"
set -a
. ./settings
set +a

# extlinux cannot read what 64bit and metadata_csum make of a file system.
truncate --size "$DISK_MIB"M disk.raw
echo 'start=2048,type=83,bootable' | sfdisk --quiet disk.raw
mkfs.ext4 -q -F -O '^64bit,^metadata_csum' -L root -E "offset=$((2048 * 512))" disk.raw "$(((DISK_MIB - 2) * 1024))k"
mkdir root
mount -o "loop,offset=$((2048 * 512))" disk.raw root

# The initial RAM disk holds the drivers of every disk that a cloud may give it, and no others.
mmdebstrap --quiet --mode=root --variant=minbase \
    --aptopt=apt/options --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --include="$PACKAGES" \
    --setup-hook='cp -a apt/auth.conf* "$1/etc/apt/" 2>/dev/null || true' \
    --essential-hook="install -D --mode 0644 '$here/initramfs.conf' \"\$1/etc/initramfs-tools/conf.d/burstlens\"" \
    --essential-hook="install --mode 0644 '$here/initramfs.modules' \"\$1/etc/initramfs-tools/modules\"" \
    --customize-hook="sh -eux '$here/root.sh' \"\$1\" '$here'" \
    "$SUITE" root apt/sources

extlinux --install root
umount root
dd if="$BOOT_CODE" of=disk.raw conv=notrunc status=none
