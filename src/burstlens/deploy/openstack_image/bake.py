"""An image with the package in it: made on this machine, uploaded. What is there already is not made again."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from burstlens.deploy.openstack_image.baker import Baker
from burstlens.deploy.openstack_image.disk import Disk, Format
from burstlens.deploy.openstack_image.file import digest_of
from burstlens.deploy.openstack_image.glance import Glance
from burstlens.deploy.openstack_image.image import Image
from burstlens.deploy.openstack_image.recipe import Recipe
from burstlens.deploy.openstack_image.work_folder import work_folder


def files(recipe: Recipe, fleet: str, output: Path, say: Callable[[str], None]) -> dict[Format, Disk]:
    """The image as files in `output`, for clouds that are not reached from here.

    Raises:
        Misconfigured: it cannot be baked; the message says why.
    """
    recipe.check_extras()
    return Baker(say).bake(recipe, output, _file_name(recipe, fleet), (Format.QCOW2, Format.VMDK))


def uploaded(recipe: Recipe, fleet: str, output: Path | None, glance: Glance, say: Callable[[str], None]) -> Image:
    """The image in Glance, ready to start from.

    Args:
        recipe: what is in it.
        fleet: whose it is.
        output: folder that keeps the files, too; None keeps none.
        glance: where to.
        say: is given each line of progress.

    Raises:
        Misconfigured: it cannot be baked; the message says why.
        QuotaExceeded: Glance has no room.
        Unavailable: Glance fails.
    """
    recipe.check_extras()
    found = glance.built(recipe.build)
    if found is not None:
        say(f"{found.id}: this wheel was baked at {found.created}")
    if found is not None and output is None:
        return found
    with contextlib.ExitStack() as stack:
        if output is None:
            folder = stack.enter_context(work_folder(0))
            disk = Baker(say).bake(recipe, folder, _file_name(recipe, fleet), (Format.QCOW2,))[Format.QCOW2]
        else:
            disk = files(recipe, fleet, output, say)[Format.QCOW2]
        return found or glance.upload(disk, recipe.name(fleet), digest_of(disk.path, "sha512"), recipe.properties)


def _file_name(recipe: Recipe, fleet: str) -> str:
    return f"{recipe.name(fleet)}-{recipe.build}"
