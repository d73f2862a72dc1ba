"""An image with the package in it, from a wheel: upload, build on an instance, make.

Whatever it is interrupted by, it can be run again: an image that exists or is under way is found by its tag, and
builders that an earlier run has left are removed.
"""

import uuid
from dataclasses import dataclass

from burstlens.aws.session import AwsSession
from burstlens.clock import Clock
from burstlens.deploy.aws.builder import Builders, Say, Site
from burstlens.deploy.aws.fleet_bucket import FleetBucket
from burstlens.deploy.aws.images import Image, Images, Source
from burstlens.deploy.aws.recipe import Place, Recipe
from burstlens.deploy.wheel import Wheel
from burstlens.errors import BurstlensError, Misconfigured

_LOG_LINES = 30


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for."""

    wheel: Wheel
    site: Site
    base: str = ""
    """Empty is the newest official Debian 12."""
    extras: tuple[str, ...] = ()
    model: str = "lite0"


class Baker:
    """Bakes the images of one fleet. Two of them at a time end each other's builders, and no harm comes of it."""

    def __init__(self, session: AwsSession, fleet: str, bucket: FleetBucket, clock: Clock, say: Say) -> None:
        self._region = session.region
        self._bucket = bucket
        self._say = say
        self._images = Images(session, fleet, clock)
        self._builders = Builders(session, fleet, clock)

    async def bake(self, order: Order) -> Image:
        """The image of this order, ready to start from; baked only if there is none yet.

        Raises:
            Misconfigured: a step on the builder failed; its own words are in the message.
            Unavailable: the builder or the image takes too long.
        """
        source = Source(order.wheel.sha256, order.wheel.version, await self._images.base(order.base))
        recipe = Recipe(source, order.wheel.name, order.extras, order.model)
        try:
            image = await self._images.built(recipe.build)
            if image is None:
                image = await self._build(order, recipe)
            else:
                self._say(f"{image.id}: this wheel was baked on {source.base} at {image.created}")
            image = await self._images.available(image)
        except BaseException:
            await self._tidy_up()
            raise
        await self._builders.remove()
        return image

    async def _tidy_up(self) -> None:
        """Remove builders, and raise nothing that would hide why."""
        try:
            await self._builders.remove()
        except BurstlensError as error:
            self._say(f"a builder may be left, which the next bake ends: {error}")

    async def _build(self, order: Order, recipe: Recipe) -> Image:
        bucket, wheel, source, run = self._bucket, order.wheel, recipe.source, uuid.uuid4().hex
        place = Place(self._region, bucket.name, bucket.prefix, run, bucket.encryption)
        await bucket.upload(place.wheel_key(wheel.sha256, wheel.name), wheel.path.read_bytes())
        await self._builders.remove()
        self._say(f"starting a builder from {source.base}")
        instance = await self._builders.launch(order.site, source.base, recipe.user_data(place), recipe.build, run)
        await self._builders.stopped(instance, self._say)
        await self._check(instance, place, source.version)
        self._say(f"making an image of {instance}")
        return await self._images.create(instance, source, recipe.build)

    async def _check(self, instance: str, place: Place, version: str) -> None:
        """Raise `Misconfigured` unless the builder says that all went well."""
        said = await self._bucket.read(place.marker_key)
        if said is None:
            log = await self._bucket.read(place.log_key) or await self._builders.console(instance)
            end = "\n".join(log.strip().splitlines()[-_LOG_LINES:]) or "it left no log"
            message = f"the builder {instance} did not succeed; the end of its log:\n{end}"
            raise Misconfigured(message)
        if said.split() != ["burstlens", version]:
            message = f"the builder {instance} says it installed {said.strip()!r}, not burstlens {version}"
            raise Misconfigured(message)
