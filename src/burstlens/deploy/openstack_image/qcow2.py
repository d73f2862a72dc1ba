"""The header of a qcow2 file, read before any other program opens it. Pure.

Source: QEMU's docs/interop/qcow2.txt. A qcow2 may name files of the machine that opens it as its backing file or as its
data (CVE-2024-32498, CVE-2024-4467): whoever can have such an image stored can have /etc/shadow copied into a disk.
"""

import struct

from burstlens.errors import Misconfigured

MAGIC = b"QFI\xfb"
HEADER_BYTES = 80

_HEADER = struct.Struct(">4sIQIIQI")
_FEATURES = struct.Struct(">Q")
_FEATURES_AT = 72
_CORRUPT, _EXTERNAL_DATA = 1 << 1, 1 << 2
_KNOWN = 0b11111
"""Dirty, corrupt, external data, compression type, extended level 2."""


def virtual_bytes(header: bytes) -> int:
    """Size of the disk in a file that begins with these `HEADER_BYTES`.

    Raises:
        Misconfigured: the disk is not all in this file, or it is in no state to be used.
    """
    if len(header) < HEADER_BYTES:
        message = "the qcow2 file ends within its header"
        raise Misconfigured(message)
    _, version, backing_at, _, _, size, cipher = _HEADER.unpack_from(header)
    features: int = _FEATURES.unpack_from(header, _FEATURES_AT)[0] if version >= 3 else 0
    problems = {
        f"the qcow2 file is of version {version}, which nobody knows": version not in {2, 3},
        "the qcow2 file names a backing file: an image holds its whole disk (qemu-img convert makes one that does)": (
            backing_at != 0
        ),
        "the qcow2 file names another file for its data: an image holds its whole disk": bool(
            features & _EXTERNAL_DATA
        ),
        "the qcow2 file is encrypted, so that no cloud can boot it": cipher != 0,
        "the qcow2 file is marked as corrupt: qemu-img check tells more": bool(features & _CORRUPT),
        "the qcow2 file has features that nobody knows": bool(features & ~_KNOWN),
    }
    for problem, there in problems.items():
        if there:
            raise Misconfigured(problem)
    return int(size)
