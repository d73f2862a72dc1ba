"""What the commands of `burstlens image` do for a private cloud."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from burstlens.cli.image_rows import Old, Row
from burstlens.deploy.openstack_image import bake, machine
from burstlens.deploy.openstack_image.disk import Format
from burstlens.deploy.openstack_image.glance import Glance
from burstlens.deploy.openstack_image.image import Image, named, superfluous
from burstlens.deploy.openstack_image.importer import Importer, Order
from burstlens.deploy.openstack_image.recipe import Recipe
from burstlens.deploy.openstack_image.source import stem
from burstlens.deploy.wheel import wheel_at
from burstlens.errors import Misconfigured
from burstlens.openstack.session import check_installed
from burstlens.settings import Settings


class OpenStackImages:
    """The images of one fleet; `say` is given each line of progress."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        # As an interrupt, a SIGTERM lets it remove what it has made.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self._settings = settings
        self._say = say
        self._glance = Glance(settings.openstack, settings.fleet, say)

    def bake(
        self, wheel: Path | None, extras: Sequence[str], model: str, output: Path | None, *, uploaded: bool
    ) -> None:
        """Bake on this machine; upload the image, keep its files, or both."""
        fleet = self._settings.fleet
        if uploaded:
            check_installed()
        elif output is None:
            message = "--no-upload without --output keeps nothing: give a folder"
            raise Misconfigured(message)
        with wheel_at(wheel) as found:
            recipe = Recipe(found, machine.suite(), tuple(extras), model)
            if uploaded:
                image = bake.uploaded(recipe, fleet, output, self._glance, self._say)
                self._say(f"{image.id} {image.name} is ready: name it in a pool, image = {image.name!r}")
            elif output is not None:
                for disk in bake.files(recipe, fleet, output, self._say).values():
                    self._say(str(disk.path))

    def import_disk(self, address: str, name: str, disk_format: str) -> None:
        """Import a file, or an object of S3."""
        check_installed()
        order = Order(
            address, name or f"{self._settings.fleet}-{stem(address)}", Format(disk_format) if disk_format else None
        )
        image = Importer(self._glance, self._settings.aws, self._say).run(order)
        self._say(f"{image.id} {image.name} is ready: name it in a pool, image = {image.name!r}")

    def rows(self) -> list[Row]:
        """All images, the newest first."""
        found, used = self._found_and_used()
        return [_row(each, each.id in used) for each in found]

    def old(self, keep: int) -> Old:
        """All but so many, and those in use."""
        found, used = self._found_and_used()
        old = superfluous(found, used, keep)
        lines = [f"{each.id} {each.name} {each.created}" for each in old]
        return Old(lines, len(found), lambda: self._remove(old))

    def _remove(self, old: Sequence[Image]) -> None:
        for each in old:
            self._glance.remove(each)
            self._say(f"removed {each.id}")

    def _found_and_used(self) -> tuple[list[Image], set[str]]:
        """The fleet's images, and the ids of those that servers have, or will start from."""
        found = self._glance.all()
        wanted = [pool.image for pool in self._settings.fleet_pools() if pool.cloud == "openstack"]
        return found, named(found, wanted) | self._glance.in_use()


def _row(found: Image, in_use: bool) -> Row:
    details = {
        "id": found.id,
        "name": found.name,
        "version": found.version,
        "created": found.created,
        "state": found.status,
        "format": found.format,
        "bytes": found.size,
        "in_use": in_use,
        "wheel": found.wheel,
        "build": found.build,
    }
    cells = (found.id, found.name, found.created, found.status, f"{found.size / 1e6:,.0f} MB")
    return Row(cells, details, in_use)
