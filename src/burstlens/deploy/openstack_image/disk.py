"""A file that is to become an image: what it is, by its content and not by its name."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from burstlens.deploy.openstack_image import qcow2, vhd, vmdk
from burstlens.errors import Misconfigured

GIB = 2**30

_MASTER_BOOT_RECORD = (510, b"\x55\xaa")
_PARTITION_TABLE = (512, b"EFI PART")


class Format(StrEnum):
    """A format of disk files, as Glance calls it."""

    QCOW2 = "qcow2"
    VMDK = "vmdk"
    VHD = "vhd"
    RAW = "raw"

    @property
    def of_qemu(self) -> str:
        """As qemu-img calls it."""
        return "vpc" if self is Format.VHD else self.value


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk in one file."""

    path: Path
    format: Format
    virtual_bytes: int
    """Size of the disk; that of the file may be less."""
    taken: bool = True
    """Whether clouds take it as it is."""

    @property
    def min_gib(self) -> int:
        """Of a flavor's disk that it fits on."""
        return -(-self.virtual_bytes // GIB)


def inspect(path: Path, declared: Format | None = None) -> Disk:
    """The disk in a file, which no other program has opened so far.

    Args:
        path: of the file; of a VMDK descriptor, the data beside it are meant.
        declared: what it has to be; `Format.RAW` also takes bytes that look like no disk.

    Raises:
        Misconfigured: it is no disk, not the declared one, or not all of the disk is in it.
    """
    try:
        with path.open("rb") as file:
            head = file.read(vmdk.HEAD_BYTES)
            file.seek(-min(vhd.FOOTER_BYTES, path.stat().st_size), 2)
            tail = file.read()
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise Misconfigured(message) from None
    try:
        disk = _disk(path, head, tail, declared)
    except Misconfigured as error:
        message = f"{path}: {error}"
        raise Misconfigured(message) from None
    # A file that is one thing to us and another to a cloud is how the files of a cloud are stolen.
    is_flat_vmdk = declared is Format.VMDK and not disk.taken
    if declared is not None and disk.format is not declared and not is_flat_vmdk:
        message = f"{path}: it is {disk.format}, not {declared}"
        raise Misconfigured(message)
    return disk


def _disk(path: Path, head: bytes, tail: bytes, declared: Format | None) -> Disk:
    if head.startswith(qcow2.MAGIC):
        return Disk(path, Format.QCOW2, qcow2.virtual_bytes(head))
    if head.startswith(vmdk.SPARSE_MAGIC):
        sparse = vmdk.sparse_disk(head)
        return Disk(path, Format.VMDK, sparse.virtual_bytes, taken=sparse.kind in vmdk.TAKEN)
    if head.lstrip().startswith(vmdk.TEXT_MAGIC):
        flat = vmdk.flat_disk(path, head)
        return Disk(flat.data, Format.RAW, flat.virtual_bytes, taken=False)
    if tail.startswith(vhd.COOKIE) or head.startswith(vhd.COOKIE):
        return Disk(path, Format.VHD, vhd.virtual_bytes(tail), taken=False)
    bootable = any(head[at:].startswith(magic) for at, magic in (_MASTER_BOOT_RECORD, _PARTITION_TABLE))
    if not head or not (bootable or declared is Format.RAW):
        message = "it is no disk: neither qcow2, VMDK nor VHD, and nothing boots from it (--format raw takes it anyway)"
        raise Misconfigured(message)
    return Disk(path, Format.RAW, path.stat().st_size)
