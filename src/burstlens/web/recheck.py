"""Looking into the output bucket for results whose reply does not come: it may have gone to another replica."""

import asyncio
import random

import structlog

from burstlens.buckets import Buckets
from burstlens.clock import Clock
from burstlens.errors import BurstlensError
from burstlens.messages import MalformedMessage
from burstlens.web.metrics import Metrics
from burstlens.web.options import WebOptions
from burstlens.web.waiters import Waiters

TICK_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class Recheck:
    """Runs until it is cancelled; its cost is bounded however many wait."""

    def __init__(self, buckets: Buckets, waiters: Waiters, options: WebOptions, clock: Clock, metrics: Metrics) -> None:
        self._buckets = buckets
        self._waiters = waiters
        self._options = options
        self._clock = clock
        self._metrics = metrics
        # Seeded by the name: replicas must differ from each other, not from run to run.
        self._random = random.Random(options.replica)  # noqa: S311  # spreads load, keeps no secret

    async def run(self) -> None:
        """Look for ever, a few at a time, at moments that differ between replicas."""
        while True:
            tick_seconds = TICK_SECONDS * self._random.uniform(0.75, 1.25)
            await self._clock.sleep(tick_seconds)
            limit = max(1, round(self._options.rechecks_per_second * tick_seconds))
            due = self._waiters.due(self._options.recheck_seconds, limit)
            await asyncio.gather(*map(self._look, due))

    async def _look(self, request_id: str) -> None:
        try:
            result = await self._buckets.get_result(request_id)
        except (BurstlensError, MalformedMessage) as error:
            self._metrics.failures.labels("recheck").inc()
            _log.warning("cannot look for a result", id=request_id, error=str(error))
            return
        if result is not None:
            self._waiters.deliver(result)
