"""What a VMDK file is, read before any other program opens it. Pure, except for a look at the file beside it.

Source: VMware's "Virtual Disk Format 5.0", and how QEMU's block/vmdk.c reads it. A VMDK is a descriptor, as text, and
extents, which may be other files, by any path: whoever can have such an image stored can have /etc/shadow copied into a
disk (CVE-2022-47951). So a file that names others is never given to qemu-img.
"""

import re
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from burstlens.errors import Misconfigured

SPARSE_MAGIC = b"KDMV"
TEXT_MAGIC = b"# Disk DescriptorFile"
HEAD_BYTES = 65_536
"""Of the file, for `sparse_disk` and `flat_disk`: header and descriptor."""

TAKEN = frozenset({"streamOptimized", "monolithicSparse"})
"""What Glance, Nova and Cinder accept (`vmdk_allowed_types`)."""

SECTOR = 512
_HEADER = struct.Struct("<4sIIQQQQ")
"""Magic, version, flags, capacity, grain size, offset and size of the descriptor; the last four in sectors."""
_TYPE = re.compile(r"^\s*createType\s*=\s*\"?([A-Za-z0-9]+)", re.MULTILINE)
_EXTENT = re.compile(
    r"^[ \t]*(?:RW|RDONLY|NOACCESS)[ \t]+(\d+)[ \t]+([A-Z0-9]+)(?:[ \t]+\"([^\"\n]*)\"(?:[ \t]+(\d+))?)?", re.MULTILINE
)
_PARENT = re.compile(rb"parentFileNameHint", re.IGNORECASE)
_ALTOGETHER = "an image holds its whole disk in one file: make one where its parts are, with qemu-img convert -O vmdk"
_ALTOGETHER += " -o subformat=streamOptimized"


@dataclass(frozen=True, slots=True)
class Flat:
    """A disk whose bytes lie in a file of their own."""

    data: Path
    virtual_bytes: int


@dataclass(frozen=True, slots=True)
class Sparse:
    """A disk in one VMDK file."""

    kind: str
    """VMware's ``createType``."""
    virtual_bytes: int


def sparse_disk(head: bytes) -> Sparse:
    """The disk in a file that begins with `head` and `SPARSE_MAGIC`.

    Raises:
        Misconfigured: its data are elsewhere, or its header makes no sense.
    """
    if len(head) < _HEADER.size:
        message = "the VMDK file ends within its header"
        raise Misconfigured(message)
    *_, capacity, _, at, sectors = _HEADER.unpack_from(head)
    # QEMU takes one without a capacity for a mere descriptor, and looks for a parent in the second sector, whatever
    # the header says.
    if capacity == 0 or at != 1 or not 0 < sectors < HEAD_BYTES // SECTOR:
        message = f"the VMDK file has no disk of its own, or its descriptor is not where it belongs; {_ALTOGETHER}"
        raise Misconfigured(message)
    _refuse_parent(head)
    descriptor = head[SECTOR : (1 + sectors) * SECTOR].partition(b"\0")[0].decode(errors="replace")
    kind, extents = _read(descriptor)
    if [extent[1] for extent in extents] != ["SPARSE"] or "/" in extents[0][2] or "\\" in extents[0][2]:
        message = f"the VMDK file ({kind}) names other files for its data; {_ALTOGETHER}"
        raise Misconfigured(message)
    return Sparse(kind, capacity * SECTOR)


def flat_disk(path: Path, head: bytes) -> Flat:
    """The disk of a descriptor at `path` that begins with `head`: bytes in a file beside it, as VMware keeps it.

    Raises:
        Misconfigured: there is no such file, it is not simply beside, or it is not all.
    """
    _refuse_parent(head)
    kind, extents = _read(head.decode(errors="replace"))
    if len(extents) != 1 or extents[0][1] not in {"FLAT", "VMFS"} or int(extents[0][3] or 0) != 0:
        message = f"the VMDK file is a descriptor ({kind}) of other files; {_ALTOGETHER}"
        raise Misconfigured(message)
    count, _, name, _ = extents[0]
    if name in {"", ".", ".."} or "/" in name or "\\" in name or "\0" in name:
        message = f"the VMDK file names {name!r} for its data, which is not a file beside it; {_ALTOGETHER}"
        raise Misconfigured(message)
    data, size = path.parent / name, int(count) * SECTOR
    try:
        found = data.lstat()
    except OSError:
        message = f"the VMDK file is a descriptor, and its data are not there: put {name} beside it, on this machine"
        raise Misconfigured(message) from None
    if not stat.S_ISREG(found.st_mode) or found.st_size != size:
        message = f"{name}, which the VMDK file names for its data, is no file of {size:,} bytes"
        raise Misconfigured(message)
    return Flat(data, size)


def _read(descriptor: str) -> tuple[str, list[tuple[str, str, str, str]]]:
    """Its type, and of each extent the sectors, the type, the file and the offset."""
    kind = _TYPE.search(descriptor)
    return kind[1] if kind else "of no type", _EXTENT.findall(descriptor)


def _refuse_parent(head: bytes) -> None:
    if _PARENT.search(head):
        message = f"the VMDK file names a parent: it holds only what differs from that; {_ALTOGETHER}"
        raise Misconfigured(message)
