"""This machine as one that bakes: whether it can, and where it has its packages from."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from burstlens.deploy.openstack_image.program import PATH
from burstlens.errors import Misconfigured

_TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.ext4": "e2fsprogs",
    "sfdisk": "fdisk",
    "extlinux": "extlinux",
    "qemu-img": "qemu-utils",
    "/usr/bin/python3": "python3",
}
"""Programs, and the packages of Debian that have them."""
_BOOT_CODE = tuple(map(Path, ("/usr/lib/EXTLINUX/mbr.bin", "/usr/lib/syslinux/mbr/mbr.bin")))
"""From extlinux or syslinux-common: what the BIOS starts from the first sector of the disk."""
_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))


def check_can_bake() -> None:
    """Raise `Misconfigured`, in one line that says what to do, unless this machine can bake."""
    if os.geteuid() != 0 or _release().get("ID") != "debian" or platform.machine() != "x86_64":
        message = "to bake an image takes root on Debian, on x86-64: run this there, in a virtual machine if need be"
        raise Misconfigured(message)
    missing = sorted(package for tool, package in _TOOLS.items() if shutil.which(tool, path=PATH) is None)
    if missing:
        message = f"to bake an image takes what is not installed here: apt-get install {' '.join(missing)}"
        raise Misconfigured(message)


def suite() -> str:
    """Code name of this machine's Debian, which is the image's, too: wheels are built here that are installed there.

    Raises:
        Misconfigured: it has none.
    """
    name = _release().get("VERSION_CODENAME")
    if not name:
        message = "this Debian has no code name (VERSION_CODENAME in /etc/os-release): bake on a released one"
        raise Misconfigured(message)
    return name


def boot_code() -> Path:
    """File of the boot loader's first sector."""
    return _first(_BOOT_CODE, "the boot code of extlinux")


def copy_apt(folder: Path) -> None:
    """Write what apt knows on this machine of where packages are, and how they are fetched, to the folder."""
    shutil.copyfile(_first(_SOURCES, "apt's sources"), folder / "sources")
    dumped = subprocess.run(("apt-config", "dump", "Acquire"), capture_output=True, text=True, check=True)  # noqa: S607
    (folder / "options").write_text(dumped.stdout)
    for found in Path("/etc/apt").glob("auth.conf*"):
        (shutil.copytree if found.is_dir() else shutil.copyfile)(found, folder / found.name)


def _first(paths: tuple[Path, ...], what: str) -> Path:
    for path in paths:
        if path.is_file():
            return path
    message = f"{what}: none of {', '.join(map(str, paths))} is there"
    raise Misconfigured(message)


def _release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}
