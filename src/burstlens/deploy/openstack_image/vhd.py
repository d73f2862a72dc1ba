"""The footer of a VHD file. Pure. Source: Microsoft's "Virtual Hard Disk Image Format Specification" 1.0."""

import struct

from burstlens.errors import Misconfigured

COOKIE = b"conectix"
FOOTER_BYTES = 512

_SIZE_AND_TYPE = struct.Struct(">Q4xI")
_SIZE_AT = 48
_DIFFERENCING = 4


def virtual_bytes(footer: bytes) -> int:
    """Size of the disk in a file with this footer.

    Raises:
        Misconfigured: the disk is not all in this file, or the footer is missing.
    """
    if len(footer) != FOOTER_BYTES or not footer.startswith(COOKIE):
        message = "the VHD file has no footer: it is not whole"
        raise Misconfigured(message)
    size, kind = _SIZE_AND_TYPE.unpack_from(footer, _SIZE_AT)
    if kind == _DIFFERENCING:
        message = "the VHD file names a parent: it holds only what differs from that"
        raise Misconfigured(message)
    return int(size)
