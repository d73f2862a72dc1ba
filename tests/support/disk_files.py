"""Small disks as files, made by the real qemu-img."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

needs_qemu_img = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is missing: qemu-utils has it")

DISK_BYTES = 4 << 20


def raw_disk(path: Path, mark: bytes = b"burstlens") -> Path:
    """A disk that a BIOS would boot from, with some data on it."""
    disk = bytearray(DISK_BYTES)
    # A partition of all but the first sector; Glance checks that such a table makes sense.
    disk[446:462] = struct.pack("<B3sB3sII", 0x80, b"\0\2\0", 0x83, b"\0\2\0", 1, DISK_BYTES // 512 - 1)
    disk[510:512] = b"\x55\xaa"
    disk[1 << 20 : (1 << 20) + len(mark)] = mark
    path.write_bytes(disk)
    return path


def converted(raw: Path, kind: str, *options: str) -> Path:
    """The same disk in another of qemu's formats, with options such as ``subformat=monolithicFlat``."""
    target = raw.with_suffix(f".{kind}")
    words = [word for option in options for word in ("-o", option)]
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, *words, str(raw), str(target)], check=True)
    return target


def content(path: Path, kind: str) -> bytes:
    """The bytes of the disk in a file."""
    target = path.with_name(f"{path.name}.content")
    subprocess.run(["qemu-img", "convert", "-f", kind, "-O", "raw", str(path), str(target)], check=True)
    try:
        return target.read_bytes()
    finally:
        target.unlink()
