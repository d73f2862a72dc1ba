"""A hundred pictures, and bursts of requests with them."""

import asyncio
from collections.abc import Callable, Sequence

from burstlens.workload.arrivals import closed
from burstlens.workload.bundled import bundled_photos
from burstlens.workload.formats import Format
from burstlens.workload.images import Image
from burstlens.workload.outcomes import Outcome, Verdict
from burstlens.workload.run import Plan, run
from support.commands import SLOW_MACHINE_SECONDS
from support.eventually import eventually

BURST_SECONDS = 90.0
REQUESTS = 100
PHOTOS = bundled_photos()
IMAGES = tuple(
    Image(f"test_{number}.JPEG", photo.path.read_bytes(), photo.label)
    for number, photo in enumerate(PHOTOS[number % len(PHOTOS)] for number in range(REQUESTS))
)


class Burst:
    """Requests that are all sent at once."""

    def __init__(self, url: str, images: Sequence[Image] = IMAGES) -> None:
        self._planned = len(images)
        self._ended: list[Outcome] = []
        plan = Plan(url, images, closed(len(images)), concurrency=len(images), form=Format.V1, retries=5)
        self._running = asyncio.create_task(run(plan, on_outcome=self._ended.append))

    async def is_answered(self, at_least: int) -> None:
        """Wait until so many are, and see that not all are yet."""

        async def reached() -> bool:
            return len(self._ended) >= at_least

        await eventually(reached, SLOW_MACHINE_SECONDS)
        assert self.is_under_way

    @property
    def instances(self) -> set[str]:
        """The names of those that answered so far."""
        return {outcome.instance for outcome in self._ended}

    @property
    def is_under_way(self) -> bool:
        return len(self._ended) < self._planned

    async def is_answered_by(self, names: Callable[[], set[str]]) -> str:
        """Wait until one of these instances has answered something, and see that not all is answered yet."""

        def found() -> set[str]:
            return self.instances & names()

        async def some() -> bool:
            return bool(found())

        await eventually(some, SLOW_MACHINE_SECONDS)
        assert self.is_under_way
        return found().pop()

    async def all_right(self) -> bool:
        """Wait for the last answer."""
        async with asyncio.timeout(BURST_SECONDS):
            outcomes = (await self._running).outcomes
        assert [outcome for outcome in outcomes if outcome.verdict is not Verdict.RIGHT] == []
        return len(outcomes) == self._planned
