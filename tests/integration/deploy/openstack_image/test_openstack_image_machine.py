"""The machine that bakes: whether it can, and that nothing stays mounted on it, whoever dies."""

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from burstlens.deploy.openstack_image import machine, recipe
from burstlens.errors import Misconfigured

DEBIAN = {"ID": "debian", "VERSION_CODENAME": "bookworm"}


def pretend(monkeypatch: pytest.MonkeyPatch, user: int = 0, **release: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: DEBIAN | release)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")


def test_it_takes_root(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, user=1000)

    with pytest.raises(Misconfigured, match="takes root on Debian, on x86-64"):
        machine.check_can_bake()


def test_it_takes_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, ID="fedora")

    with pytest.raises(Misconfigured, match="takes root on Debian, on x86-64"):
        machine.check_can_bake()


def test_what_is_missing_is_named_as_apt_knows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)
    monkeypatch.setattr(shutil, "which", lambda tool, **_: None if tool in {"extlinux", "sfdisk"} else tool)

    with pytest.raises(Misconfigured, match=r"apt-get install extlinux fdisk$"):
        machine.check_can_bake()


def test_a_debian_without_a_code_name_is_no_base(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, VERSION_CODENAME="")

    with pytest.raises(Misconfigured, match="no code name"):
        machine.suite()


def test_the_apt_of_this_machine_is_copied(tmp_path: Path) -> None:
    if not any(path.is_file() for path in machine._SOURCES):
        pytest.skip("this machine's apt has no sources of Debian's")
    machine.copy_apt(tmp_path)

    assert (tmp_path / "sources").read_text()
    assert "Acquire" in (tmp_path / "options").read_text()


def test_every_package_of_the_image_is_one_of_debians() -> None:
    if shutil.which("apt-cache") is None or "debian" not in platform.freedesktop_os_release().get("ID", ""):
        pytest.skip("this machine has no apt of Debian's")
    known = subprocess.run(["apt-cache", "pkgnames"], capture_output=True, text=True, check=True).stdout.split()
    if len(known) < 10_000:
        pytest.skip("apt has no lists: apt-get update")

    assert set(recipe.PACKAGES) <= set(known)


BAKES = """
import sys
from burstlens.deploy.openstack_image.baker import NAMESPACES
from burstlens.deploy.openstack_image.program import run
run((*NAMESPACES, "sh", "-eu", "-c", sys.argv[1], "sh", sys.argv[2]), "to bake")
"""
MOUNTS = """
cd "$1"
truncate --size 8M disk.raw
mkfs.ext4 -q disk.raw
mkdir root
mount -o loop disk.raw root
mount | grep root >mounted
sleep 1000
"""


def until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.05)


def processes_of(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in (path / "cmdline").read_bytes():
                found.append(path.name)
    return found


def loop_devices(disk: Path) -> bytes:
    return subprocess.run(["losetup", "--associated", str(disk)], capture_output=True, check=True).stdout


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mkfs.ext4") is None, reason="it takes root, and e2fsprogs")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_whoever_ends_a_bake_leaves_no_mount_no_loop_device_and_no_process(
    tmp_path: Path, number: signal.Signals
) -> None:
    mounted, disk = tmp_path / "mounted", tmp_path / "disk.raw"
    bake = subprocess.Popen([sys.executable, "-c", BAKES, MOUNTS, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        until(lambda: bake.poll() is not None or (mounted.exists() and bool(mounted.read_text())))
        assert bake.poll() is None
        assert loop_devices(disk)
        assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    finally:
        bake.send_signal(number)
        bake.wait()

    until(lambda: processes_of(tmp_path) == [])
    until(lambda: not loop_devices(disk))
