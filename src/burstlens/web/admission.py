"""Whether another upload may come in: bounds on the backlog, on the clients that wait, and on memory."""

import asyncio
import contextlib
from collections.abc import Iterator

import structlog

from burstlens.clock import Clock
from burstlens.errors import BurstlensError
from burstlens.queues.base import Queue
from burstlens.web.metrics import Metrics
from burstlens.web.options import WebOptions
from burstlens.web.problems import Kind, Problem
from burstlens.web.waiters import Waiters

FRESH_SECONDS = 1.0
"""The depth is asked for at most this often, and only while there is traffic."""
STALE_SECONDS = 5.0
"""A depth older than this is worth waiting for a new one."""

_log = structlog.get_logger(__name__)


class Holding:
    """The bytes that one upload holds in memory."""

    __slots__ = ("_admission", "_bytes")

    def __init__(self, admission: "Admission") -> None:
        self._admission = admission
        self._bytes = 0

    def add(self, count: int) -> None:
        """Hold `count` bytes more.

        Raises:
            Problem: all uploads together hold too much.
        """
        self._admission.hold(count)
        self._bytes += count

    def release(self) -> None:
        """Hold nothing any more."""
        self._admission.free(self._bytes)
        self._bytes = 0


class Admission:
    """Refuses what would only pile up. An unknown depth is not zero: the last one known, plus what was sent since."""

    def __init__(self, requests: Queue, waiters: Waiters, options: WebOptions, clock: Clock, metrics: Metrics) -> None:
        self._requests = requests
        self._waiters = waiters
        self._options = options
        self._clock = clock
        self._metrics = metrics
        self._depth = 0
        self._sent_since = 0
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._held_bytes = 0

    async def enter(self) -> None:
        """Let one more upload in.

        Raises:
            Problem: there is too much work already.
        """
        await self._refresh()
        if max(self._depth + self._sent_since, len(self._waiters)) >= self._options.max_backlog:
            detail = f"More than {self._options.max_backlog} requests are waiting; try again later."
            raise Problem.retry(Kind.BUSY, detail, self._options.retry_after_seconds)

    def note_sent(self) -> None:
        """Count a request that was sent to the queue since its depth was last seen."""
        self._sent_since += 1

    @contextlib.contextmanager
    def holding(self) -> Iterator[Holding]:
        """Account for the memory of one upload until the block ends, or `release` is called."""
        holding = Holding(self)
        try:
            yield holding
        finally:
            holding.release()

    def hold(self, count: int) -> None:
        """Count `count` bytes more in memory.

        Raises:
            Problem: that is too much.
        """
        if self._held_bytes + count > self._options.max_held_bytes:
            detail = "Too many uploads are under way; try again later."
            raise Problem.retry(Kind.BUSY, detail, self._options.retry_after_seconds)
        self._held_bytes += count
        self._metrics.held_bytes.set(self._held_bytes)

    def free(self, count: int) -> None:
        """Count `count` bytes less in memory."""
        self._held_bytes -= count
        self._metrics.held_bytes.set(self._held_bytes)

    async def stop(self) -> None:
        """Ask for no depth any more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _refresh(self) -> None:
        age_seconds = self._clock.now() - self._asked_at
        if age_seconds >= FRESH_SECONDS and self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        if age_seconds >= STALE_SECONDS and self._asking is not None:
            await asyncio.wait([self._asking])

    async def _ask(self) -> None:
        sent_before = self._sent_since
        try:
            self._depth = (await self._requests.depth()).total
            self._sent_since -= sent_before
            self._metrics.backlog.set(self._depth)
        except BurstlensError as error:
            self._metrics.failures.labels("depth").inc()
            _log.warning("depth is unknown", error=str(error))
        finally:
            self._asked_at = self._clock.now()
            self._asking = None
