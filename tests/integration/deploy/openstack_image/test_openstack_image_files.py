"""Disks as qemu-img writes them: what they are taken for, how they are converted, what is left of a failure."""

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from burstlens.deploy.openstack_image import program, qemu_img
from burstlens.deploy.openstack_image.disk import Disk, Format, inspect
from burstlens.deploy.openstack_image.work_folder import check_free, work_folder
from burstlens.errors import Misconfigured
from support.disk_files import DISK_BYTES, content, converted, needs_qemu_img, raw_disk

pytestmark = needs_qemu_img


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return raw_disk(tmp_path / "disk.raw")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where work folders are."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize(
    ("kind", "options", "wanted"),
    [
        ("qcow2", (), Format.QCOW2),
        ("qcow2", ("compat=0.10",), Format.QCOW2),
        ("vmdk", ("subformat=streamOptimized",), Format.VMDK),
        ("vmdk", ("subformat=monolithicSparse",), Format.VMDK),
        ("raw", (), Format.RAW),
    ],
)
def test_what_clouds_take_is_found_by_its_content_and_passes_the_check(
    raw: Path, kind: str, options: tuple[str, ...], wanted: Format
) -> None:
    path = raw if kind == "raw" else converted(raw, kind, *options)
    disguised = path.rename(path.with_name("export.bin"))

    disk = inspect(disguised)

    assert disk == Disk(disguised, wanted, DISK_BYTES, taken=True)
    assert disk.min_gib == 1
    qemu_img.check(disk)


@pytest.mark.parametrize("options", [("subformat=fixed",), ("subformat=dynamic",)])
def test_a_vhd_becomes_a_qcow2_with_the_same_disk(raw: Path, options: tuple[str, ...]) -> None:
    disk = inspect(converted(raw, "vpc", *options, "force_size=on"))
    assert (disk.format, disk.virtual_bytes, disk.taken) == (Format.VHD, DISK_BYTES, False)

    new = qemu_img.convert(disk, raw.with_name("new.qcow2"), Format.QCOW2)

    assert inspect(new.path) == new
    assert content(new.path, "qcow2") == raw.read_bytes()


def test_a_flat_vmdk_becomes_a_qcow2_with_the_same_disk(raw: Path) -> None:
    disk = inspect(converted(raw, "vmdk", "subformat=monolithicFlat"), Format.VMDK)
    assert (disk.path.name, disk.format, disk.taken) == ("disk-flat.vmdk", Format.RAW, False)

    new = qemu_img.convert(disk, raw.with_name("new.qcow2"), Format.QCOW2)

    assert content(new.path, "qcow2") == raw.read_bytes()


def test_a_vmdk_of_another_type_is_not_taken_as_it_is_but_converted(raw: Path) -> None:
    path = converted(raw, "vmdk", "subformat=monolithicSparse")
    path.write_bytes(path.read_bytes().replace(b'"monolithicSparse"', b'"custom"          '))
    disk = inspect(path)
    assert not disk.taken

    new = qemu_img.convert(disk, raw.with_name("new.vmdk"), Format.VMDK)

    assert inspect(new.path).taken
    assert content(new.path, "vmdk") == raw.read_bytes()


def test_a_vmdk_in_many_files_is_refused(raw: Path) -> None:
    with pytest.raises(Misconfigured, match="other files"):
        inspect(converted(raw, "vmdk", "subformat=twoGbMaxExtentSparse"))


def test_a_qcow2_over_a_file_of_this_machine_is_refused(raw: Path) -> None:
    overlay = raw.with_name("overlay.qcow2")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(raw), "-F", "raw", str(overlay)], check=True)

    with pytest.raises(Misconfigured, match="backing file"):
        inspect(overlay)


def test_a_qcow2_with_its_data_in_another_file_is_refused(raw: Path) -> None:
    data = raw.with_name("data.bin")

    with pytest.raises(Misconfigured, match="another file for its data"):
        inspect(converted(raw, "qcow2", f"data_file={data}"))


@pytest.mark.parametrize("bytes_", [b"", b"#!/bin/sh\n", bytes(4096)])
def test_what_is_no_disk_is_refused(tmp_path: Path, bytes_: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(bytes_)

    with pytest.raises(Misconfigured, match=r"notes\.txt: it is no disk"):
        inspect(path)


def test_bytes_that_look_like_no_disk_are_one_if_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(4096))

    assert inspect(path, Format.RAW) == Disk(path, Format.RAW, 4096)


def test_a_disk_that_is_not_what_is_said_is_refused(raw: Path) -> None:
    with pytest.raises(Misconfigured, match="it is qcow2, not raw"):
        inspect(converted(raw, "qcow2"), Format.RAW)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="No such file"):
        inspect(tmp_path / "missing")


def test_a_file_that_was_cut_off_does_not_pass_the_check(raw: Path) -> None:
    path = converted(raw, "qcow2")
    os.truncate(path, path.stat().st_size // 2)

    with pytest.raises(Misconfigured, match="qemu-img check failed"):
        qemu_img.check(inspect(path))


def test_of_a_conversion_that_fails_nothing_is_left(raw: Path) -> None:
    raw_disk(raw, os.urandom(2 << 20))
    broken = converted(raw, "vmdk", "subformat=streamOptimized")
    os.truncate(broken, 1 << 20)
    target = raw.with_name("new.qcow2")

    with pytest.raises(Misconfigured, match="qemu-img convert failed"):
        qemu_img.convert(inspect(broken), target, Format.QCOW2)

    assert not target.exists()


def test_without_qemu_img_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Misconfigured, match="apt-get install qemu-utils"):
        qemu_img.check_installed()


def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(Misconfigured, match=r"^to try failed: it cannot be$"):
        program.run(("sh", "-c", "echo it cannot be >&2; exit 3"), "to try")


def test_a_work_folder_is_gone_after_its_block_and_after_an_error(temporary: Path) -> None:
    def interrupted() -> None:
        with work_folder(0) as folder:
            (folder / "disk").write_bytes(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(temporary.iterdir()) == []


KILLED = """
import sys, tempfile, os, signal
tempfile.tempdir = sys.argv[1]
from burstlens.deploy.openstack_image.work_folder import work_folder
with work_folder(0) as folder:
    (folder / "disk").write_bytes(b"x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_work_folder_of_a_killed_process_is_removed_by_the_next_and_that_of_a_living_one_is_not(
    temporary: Path,
) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(temporary)], check=False)
    (left,) = temporary.iterdir()

    with work_folder(0) as first, work_folder(0) as second:
        assert not left.exists()
        assert first.exists()
        assert second.exists()
    assert list(temporary.iterdir()) == []


def test_a_folder_that_somebody_else_holds_is_left_alone(temporary: Path) -> None:
    foreign = temporary / "burstlens-image-abc"
    foreign.mkdir()
    with (foreign / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with work_folder(0):
            assert foreign.exists()


def test_too_little_room_is_said_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"GB are needed: make room, or set TMPDIR"):
        check_free(tmp_path, 1 << 60)
