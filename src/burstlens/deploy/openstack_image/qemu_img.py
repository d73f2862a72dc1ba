"""qemu-img, on files that have been looked at: see `burstlens.deploy.openstack_image.disk`."""

import shutil
from pathlib import Path

from burstlens.deploy.openstack_image.disk import Disk, Format
from burstlens.deploy.openstack_image.program import run
from burstlens.errors import Misconfigured

_PROGRAM = "qemu-img"
_OPTIONS = {
    Format.QCOW2: ("-c",),
    Format.VMDK: ("-o", "subformat=streamOptimized"),
}
_CHECKED = frozenset({Format.QCOW2, Format.VMDK})
"""What qemu-img can check."""


def check_installed() -> None:
    """Raise `Misconfigured` unless it is there."""
    if shutil.which(_PROGRAM) is None:
        message = f"{_PROGRAM} is not installed: apt-get install qemu-utils"
        raise Misconfigured(message)


def check(disk: Disk) -> None:
    """Check that the file is whole.

    Raises:
        Misconfigured: it is not.
    """
    if disk.format in _CHECKED:
        _run("check", "-q", "-f", disk.format.of_qemu, str(disk.path))


def convert(disk: Disk, target: Path, wanted: Format) -> Disk:
    """Write the disk, compressed, to `target`, and check it.

    Raises:
        Misconfigured: it cannot be; nothing is left of `target`.
    """
    new = Disk(target, wanted, disk.virtual_bytes)
    try:
        _run(
            "convert",
            *("-f", disk.format.of_qemu, "-O", wanted.of_qemu, *_OPTIONS[wanted]),
            *(str(disk.path), str(target)),
        )
        check(new)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return new


def _run(verb: str, *words: str) -> None:
    check_installed()
    run((_PROGRAM, verb, *words), f"{_PROGRAM} {verb}")
