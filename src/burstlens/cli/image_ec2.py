"""What the commands of `burstlens image` do on EC2."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from burstlens.aws.session import AwsSession
from burstlens.cli.image_rows import Old, Row
from burstlens.clock import SystemClock
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.bake import Baker, Order
from burstlens.deploy.aws.export import Exporter
from burstlens.deploy.aws.fleet_bucket import FleetBucket
from burstlens.deploy.aws.images import Image, Images, superfluous
from burstlens.deploy.aws.stack_image import builder_site, image_in_use, use_image
from burstlens.deploy.wheel import wheel_at
from burstlens.errors import NotFound
from burstlens.settings import Settings

Result = TypeVar("Result")


class Ec2Images:
    """The images of one fleet; `say` is given each line of progress."""

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._clock = SystemClock()
        self._account = Account(AwsSession(settings.aws), settings.fleet, self._clock, say)
        self._images = Images(self._account.session, settings.fleet, self._clock)

    def bake(
        self, wheel: Path | None, extras: Sequence[str], model: str, base: str, instance_type: str, subnet: str
    ) -> None:
        """Bake, and put the image into the launch template."""
        settings, session = self._settings, self._account.session
        bucket = FleetBucket(session, settings)
        site = builder_site(self._account, instance_type, subnet or self._subnet())
        with wheel_at(wheel) as found:
            order = Order(found, site, base, tuple(extras), model)
            baked = _run(Baker(session, settings.fleet, bucket, self._clock, self._say).bake(order))
        if use_image(self._account, baked.id, baked.root_device):
            self._say(f"{baked.id} is in the launch template: every new instance starts from it")
        else:
            self._say(f"{baked.id} was in the launch template already")

    def export(self, image_id: str, role: str) -> None:
        """Export this image, or for an empty id the one in use."""
        session = self._account.session
        bucket = FleetBucket(session, self._settings)
        exporter = Exporter(session, self._settings.fleet, bucket, self._clock, self._say, role)
        key, size = _run(exporter.export(self._named_or_used(image_id)))
        self._say(f"s3://{bucket.name}/{key} {size / 1e9:.2f} GB")

    def rows(self) -> list[Row]:
        """All images, the newest first."""
        found, used = self._found_and_used()
        return [_row(each, each.id in used) for each in found]

    def old(self, keep: int) -> Old:
        """All but so many, and those in use."""
        found, used = self._found_and_used()
        old = superfluous(found, used, keep)
        lines = [f"{each.id} {each.source.version} {each.created}" for each in old]
        return Old(lines, len(found), lambda: _run(self._remove(old)))

    async def _remove(self, old: Sequence[Image]) -> None:
        for each in old:
            await self._images.remove(each)
            self._say(f"removed {each.id}")

    def _named_or_used(self, image_id: str) -> Image:
        if image_id:
            return _run(self._images.get(image_id))
        found, used = self._found_and_used()
        for each in found:
            if each.id in used:
                return each
        message = f"no image of {self._settings.fleet} is in use; name one, see: burstlens image list"
        raise NotFound(message)

    def _found_and_used(self) -> tuple[list[Image], set[str]]:
        """The fleet's images, and the ids of those that instances start from."""
        used = {pool.image for pool in self._settings.fleet_pools() if pool.image}
        with suppress(NotFound):  # without a stack there is no launch template
            used.add(image_in_use(self._account))
        return _run(self._images.all()), used

    def _subnet(self) -> str:
        zones = (zone for pool in self._settings.fleet_pools() for zone in pool.zones)
        return next((zone for zone in zones if zone.startswith("subnet-")), "")


def _row(found: Image, in_use: bool) -> Row:
    details = {
        "id": found.id,
        "name": found.name,
        "version": found.source.version,
        "created": found.created,
        "state": found.state,
        "gigabytes": found.gigabytes,
        "in_use": in_use,
        "base": found.source.base,
        "wheel": found.source.wheel,
    }
    return Row((found.id, found.name, found.created, found.state, f"{found.gigabytes} GiB"), details, in_use)


def _run(work: Coroutine[None, None, Result]) -> Result:
    """Run it to its end; SIGINT and SIGTERM cancel it, so that it removes what it has made.

    Raises:
        KeyboardInterrupt: it was cancelled.
    """

    async def cancellable() -> Result:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
