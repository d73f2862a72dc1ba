"""A disk file as an image in Glance: fetched, looked at, converted if it must be, uploaded.

Interrupted, it leaves nothing but perhaps a half image in Glance, and the next run removes that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from burstlens.aws.options import AwsOptions
from burstlens.deploy.openstack_image import qemu_img
from burstlens.deploy.openstack_image.disk import Disk, Format, inspect
from burstlens.deploy.openstack_image.glance import Glance
from burstlens.deploy.openstack_image.image import Image
from burstlens.deploy.openstack_image.properties import HARDWARE
from burstlens.deploy.openstack_image.source import fetched
from burstlens.deploy.openstack_image.work_folder import check_free, work_folder


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for."""

    address: str
    """Path of a file, or ``s3://BUCKET/KEY``."""
    name: str
    """Of the image."""
    format: Format | None = None
    """What the file has to be; None finds out."""


class Importer:
    """Imports into the images of one fleet."""

    def __init__(self, glance: Glance, options: AwsOptions, say: Callable[[str], None]) -> None:
        self._glance = glance
        self._options = options
        self._say = say

    def run(self, order: Order) -> Image:
        """The image of this order, ready to start from; uploaded only if it is not there yet.

        Raises:
            Misconfigured: it is no disk, or no cloud could use it.
            QuotaExceeded: Glance has no room.
            Unavailable: S3 or Glance fails.
        """
        qemu_img.check_installed()
        with (
            work_folder(0) as folder,
            fetched(order.address, self._options, folder, self._say) as source,
        ):
            found = self._glance.uploaded(order.name, source.digest)
            if found is not None:
                self._say(f"{found.id}: this file was imported at {found.created}")
                return found
            disk = self._taken(inspect(source.path, order.format), folder)
            return self._glance.upload(disk, order.name, source.digest, HARDWARE)

    def _taken(self, disk: Disk, folder: Path) -> Disk:
        """The disk in a form that clouds take."""
        qemu_img.check(disk)
        if disk.taken:
            return disk
        # Compressed, it is no larger than what the file takes up, give or take the header.
        check_free(folder, disk.path.stat().st_blocks * 512)
        self._say(f"converting {disk.format} to {Format.QCOW2}")
        return qemu_img.convert(disk, folder / "converted.qcow2", Format.QCOW2)
