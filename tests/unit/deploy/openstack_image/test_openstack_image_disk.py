"""Which files are taken for a disk. What names other files must be refused before any program opens it."""

import struct
from pathlib import Path

import pytest

from burstlens.deploy.openstack_image import qcow2, vhd, vmdk
from burstlens.errors import Misconfigured

DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=9f3ac2d1
parentCID=ffffffff
createType="{kind}"

# Extent description
{extents}
"""


def qcow2_header(*, backing_at: int = 0, cipher: int = 0, features: int = 0, version: int = 3) -> bytes:
    plain = struct.pack(">4sIQIIQI", qcow2.MAGIC, version, backing_at, 0, 16, 4 << 20, cipher)
    return plain.ljust(72, b"\0") + struct.pack(">Q", features)


def vmdk_head(
    kind: str = "streamOptimized",
    extents: str = 'RW 8192 SPARSE "disk.vmdk"',
    *,
    capacity: int = 8192,
    at: int = 1,
    more: str = "",
) -> bytes:
    header = struct.pack("<4sIIQQQQ", vmdk.SPARSE_MAGIC, 3, 0x30001, capacity, 128, at, 20)
    descriptor = (DESCRIPTOR.format(kind=kind, extents=extents) + more).encode()
    return header.ljust(512, b"\0") + descriptor.ljust(20 * 512, b"\0")


def vhd_footer(kind: int = 3) -> bytes:
    return (vhd.COOKIE.ljust(48, b"\0") + struct.pack(">Q4xI", 4 << 20, kind)).ljust(512, b"\0")


def test_the_size_of_a_qcow2_disk_is_read_from_its_header() -> None:
    assert qcow2.virtual_bytes(qcow2_header()) == 4 << 20
    assert qcow2.virtual_bytes(qcow2_header(version=2, features=0xFFFF)) == 4 << 20


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (qcow2_header(backing_at=512), "backing file"),
        (qcow2_header(features=0b100), "another file for its data"),
        (qcow2_header(features=0b101), "another file for its data"),
        (qcow2_header(features=0b10), "corrupt"),
        (qcow2_header(features=1 << 40), "features that nobody knows"),
        (qcow2_header(cipher=2), "encrypted"),
        (qcow2_header(version=4), "version 4"),
        (qcow2_header()[:40], "ends within"),
    ],
)
def test_a_qcow2_file_that_is_not_a_whole_disk_is_refused(header: bytes, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        qcow2.virtual_bytes(header)


@pytest.mark.parametrize("kind", ["streamOptimized", "monolithicSparse", "custom"])
def test_a_vmdk_file_in_one_piece_says_what_it_is(kind: str) -> None:
    assert vmdk.sparse_disk(vmdk_head(kind)) == vmdk.Sparse(kind, 4 << 20)


def test_what_a_writer_puts_round_the_type_does_not_matter() -> None:
    assert vmdk.sparse_disk(vmdk_head().replace(b'createType="', b'createType = "')).kind == "streamOptimized"


@pytest.mark.parametrize(
    "head",
    [
        vmdk_head(extents='RW 8192 FLAT "/etc/shadow" 0'),
        vmdk_head(extents='RW 8192 SPARSE "../../etc/shadow"'),
        vmdk_head(extents='RW 8192 SPARSE "a.vmdk"\nRW 8192 FLAT "b.vmdk" 0'),
        vmdk_head(extents="RW 8192 ZERO"),
        vmdk_head(extents=""),
        vmdk_head(capacity=0),
        vmdk_head(at=9),
        vmdk_head(more='parentFileNameHint="/etc/shadow"\n'),
        vmdk_head()[:512] + b"PARENTfilenamehint=x" + vmdk_head()[532:],
        vmdk_head()[:20],
    ],
)
def test_a_vmdk_file_that_leads_elsewhere_is_refused(head: bytes) -> None:
    with pytest.raises(Misconfigured, match="VMDK"):
        vmdk.sparse_disk(head)


@pytest.mark.parametrize("extent", ["FLAT", "VMFS"])
def test_the_bytes_of_a_flat_vmdk_are_those_of_the_file_beside_it(tmp_path: Path, extent: str) -> None:
    (tmp_path / "disk-flat.vmdk").write_bytes(bytes(4096))
    text = DESCRIPTOR.format(kind="monolithicFlat", extents=f'RW 8 {extent} "disk-flat.vmdk" 0')

    assert vmdk.flat_disk(tmp_path / "disk.vmdk", text.encode()) == vmdk.Flat(tmp_path / "disk-flat.vmdk", 4096)


@pytest.mark.parametrize(
    "extents",
    [
        'RW 8 FLAT "/etc/shadow" 0',
        'RW 8 FLAT "../disk-flat.vmdk" 0',
        'RW 8 FLAT ".." 0',
        'RW 8 FLAT "link" 0',
        'RW 8 FLAT "folder" 0',
        'RW 8 FLAT "missing" 0',
        'RW 9 FLAT "disk-flat.vmdk" 0',
        'RW 8 FLAT "disk-flat.vmdk" 1',
        'RW 8 SPARSE "disk-flat.vmdk"',
        'RW 4 FLAT "disk-flat.vmdk" 0\nRW 4 FLAT "disk-flat.vmdk" 4',
        "RW 8 ZERO",
        "",
    ],
)
def test_a_descriptor_of_anything_else_is_refused(tmp_path: Path, extents: str) -> None:
    (tmp_path / "disk-flat.vmdk").write_bytes(bytes(4096))
    (tmp_path / "link").symlink_to(tmp_path / "disk-flat.vmdk")
    (tmp_path / "folder").mkdir()
    text = DESCRIPTOR.format(kind="monolithicFlat", extents=extents)

    with pytest.raises(Misconfigured, match="VMDK"):
        vmdk.flat_disk(tmp_path / "disk.vmdk", text.encode())


def test_a_descriptor_with_a_parent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk-flat.vmdk").write_bytes(bytes(4096))
    text = DESCRIPTOR.format(kind="monolithicFlat", extents='RW 8 FLAT "disk-flat.vmdk" 0') + "parentFileNameHint=x"

    with pytest.raises(Misconfigured, match="parent"):
        vmdk.flat_disk(tmp_path / "disk.vmdk", text.encode())


def test_a_vhd_disk_is_whole_unless_it_is_a_difference() -> None:
    assert vhd.virtual_bytes(vhd_footer()) == 4 << 20
    with pytest.raises(Misconfigured, match="parent"):
        vhd.virtual_bytes(vhd_footer(kind=4))
    with pytest.raises(Misconfigured, match="not whole"):
        vhd.virtual_bytes(bytes(512))
