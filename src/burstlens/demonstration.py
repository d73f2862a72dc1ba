"""The whole system at work: a burst of real images, on a fleet that grows from nothing and shrinks back to it."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from burstlens.scaling.decision import Decision
from burstlens.settings import Settings, load_settings
from burstlens.settings.model import BucketSettings
from burstlens.tiers import whole_system
from burstlens.workload.arrivals import closed
from burstlens.workload.bundled import bundled_photos
from burstlens.workload.formats import Format
from burstlens.workload.images import Image
from burstlens.workload.outcomes import Outcome, Verdict
from burstlens.workload.run import Plan, Run, run

TICK_SECONDS = 0.25
WINDOW_TICKS = 6
SHRINK_SECONDS = 60.0
"""The fleet has this long to become empty again before the demonstration counts as failed."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What was seen."""

    run: Run
    decisions: tuple[Decision, ...]
    shrank: bool
    """Whether the fleet came back to zero instances by itself."""

    @property
    def ok(self) -> bool:
        """Every request was answered with its photo's own label, and the fleet is gone."""
        right = [outcome for outcome in self.run.outcomes if outcome.verdict is Verdict.RIGHT]
        return self.shrank and len(right) == self.run.planned


def settings_for(data: Path) -> Settings:
    """Settings that keep everything in `data` and look and decide a few times a second, since the burst is so short.

    A burstlens.toml that happens to be here, and addresses in the environment, are for another deployment.
    """
    settings = load_settings(Path(os.devnull), data=data)
    own = {"queue": settings.queue.model_copy(update={"url": ""}), "buckets": BucketSettings(), "pools": ()}
    settings = settings.model_copy(update=own)
    return settings.with_web(port=0, host="127.0.0.1").with_scaling(tick_seconds=TICK_SECONDS, window=WINDOW_TICKS)


async def demonstrate(
    settings: Settings, requests: int, stop: asyncio.Event, on_outcome: Callable[[Outcome], None]
) -> Demonstration:
    """Send a burst of `requests`, all at once, and watch until the fleet is empty or `stop` is set."""
    images = tuple(Image(photo.path.name, photo.path.read_bytes(), photo.label) for photo in bundled_photos())
    urls: list[str] = []
    async with whole_system(settings, urls.append) as autoscaler:
        plan = Plan(urls[0], images, closed(requests), concurrency=requests, form=Format.V1, retries=5)
        done = await run(plan, on_outcome=on_outcome, stop=stop)
        shrank = await _until(lambda: bool(autoscaler.recent) and _is_empty(autoscaler.recent[-1]), stop)
        return Demonstration(done, tuple(autoscaler.recent), shrank)


def _is_empty(decision: Decision) -> bool:
    return decision.census is not None and decision.census.total == 0 and not decision.launched


async def _until(is_over: Callable[[], bool], stop: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(SHRINK_SECONDS):
            while not (over := is_over()) and not stop.is_set():  # noqa: ASYNC110 - decisions come by the tick
                await asyncio.sleep(TICK_SECONDS)
    except TimeoutError:
        return False
    return over
