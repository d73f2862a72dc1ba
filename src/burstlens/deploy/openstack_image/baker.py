"""Makes the disk of an image on this machine, as root: a Debian with the package in it.

Everything that is mounted is so in namespaces of its own, which end with the process that does it; it is bound to die
with this one. What lies in the work folder goes with it.
"""

import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from burstlens.clouds.user_data import environment_file
from burstlens.deploy.image import unit_files
from burstlens.deploy.openstack_image import baking, machine, qemu_img
from burstlens.deploy.openstack_image.disk import Disk, Format, inspect
from burstlens.deploy.openstack_image.file import digest_of
from burstlens.deploy.openstack_image.program import run
from burstlens.deploy.openstack_image.recipe import Recipe
from burstlens.deploy.openstack_image.work_folder import check_free, work_folder

NAMESPACES = ("unshare", "--mount", "--propagation=private", "--pid", "--kill-child", "--mount-proc")
_MIB = 1 << 20
_SYSTEM_MIB = 700
"""A Debian with all packages of the recipe takes up some 420 MiB; the rest is for logs and pictures under way."""
_UNPACKED = 5
"""Installed and compiled, wheels take up three to four times their size."""
_STEP_MIB = 1024
"""Flavors have disks of whole GiB."""
_WORK_BYTES = 5 << 30
"""Wheels, the disk as it is made, and the two files that it becomes, with what the largest extras add."""


@dataclass(frozen=True, slots=True)
class Baker:
    """Bakes; `say` is given each line of progress."""

    say: Callable[[str], None]

    def bake(self, recipe: Recipe, output: Path, name: str, formats: Iterable[Format]) -> dict[Format, Disk]:
        """Write the disk to files ``NAME.FORMAT``, each with its ``.sha256``; if they are all there, they are kept.

        Raises:
            Misconfigured: this machine cannot, or a step failed; its own words are in the message.
        """
        targets = {kind: output / f"{name}.{kind}" for kind in formats}
        if not all(_sums(target).exists() and target.exists() for target in targets.values()):
            machine.check_can_bake()
            output.mkdir(parents=True, exist_ok=True)
            with work_folder(_WORK_BYTES) as folder:
                raw = self._make(recipe, folder)
                for kind, target in targets.items():
                    self.say(f"writing {target}")
                    _publish(qemu_img.convert(raw, folder / target.name, kind).path, target)
        return {kind: inspect(target, kind) for kind, target in targets.items()}

    def _make(self, recipe: Recipe, folder: Path) -> Disk:
        """The disk, as it is."""
        self.say(f"fetching the wheels of burstlens[{recipe.all_extras}]")
        self._fetch_wheels(recipe, folder / "wheels")
        for name in ("apt", "units", "baking"):
            (folder / name).mkdir()
        machine.copy_apt(folder / "apt")
        texts = {folder / "units" / name: text for name, text in unit_files().items()}
        texts |= {folder / "baking" / name: text for name, text in baking.texts().items()}
        own = {"DISK_MIB": str(_disk_mib(folder / "wheels")), "BOOT_CODE": str(machine.boot_code())}
        texts[folder / "settings"] = environment_file({**recipe.settings, **own})
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        self.say(f"making a Debian {recipe.suite} with it, which takes some minutes")
        run((*NAMESPACES, "sh", "-eux", str(folder / "baking/disk.sh"), str(folder)), "to bake")
        return inspect(folder / "disk.raw", Format.RAW)

    def _fetch_wheels(self, recipe: Recipe, folder: Path) -> None:
        """Everything that the image gets of Python, with the configuration that pip has here, for Debian's Python."""
        wanted = f"{recipe.wheel.path}[{recipe.all_extras}]"
        pip = (sys.executable, "-m", "pip", "--quiet", "--python", "/usr/bin/python3")
        run((*pip, "wheel", "--wheel-dir", str(folder), wanted), "pip wheel")


def _disk_mib(wheels: Path) -> int:
    size = sum(path.stat().st_size for path in wheels.iterdir()) / _MIB
    return -(-int(_SYSTEM_MIB + _UNPACKED * size) // _STEP_MIB) * _STEP_MIB


def _publish(made: Path, target: Path) -> None:
    """Put a file where it is wanted, which may be another file system: all of it, or nothing under its name."""
    sums = f"{digest_of(made, 'sha256')}  {target.name}\n"
    new = target.with_name(f"{target.name}.new")
    check_free(target.parent, made.stat().st_size)
    try:
        shutil.move(made, new)
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    _sums(target).write_text(sums)


def _sums(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")
