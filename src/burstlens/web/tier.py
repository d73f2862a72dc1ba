"""Everything that one web replica is made of, started and stopped together."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request as HttpRequest
from starlette.types import Receive

from burstlens.clock import Clock
from burstlens.lane import Lane
from burstlens.messages import Result
from burstlens.web.admission import Admission, Holding
from burstlens.web.listener import Listener
from burstlens.web.metrics import Metrics
from burstlens.web.options import WebOptions
from burstlens.web.recheck import Recheck
from burstlens.web.submission import Submission, Submitter
from burstlens.web.upload import UploadReader
from burstlens.web.waiters import Ending, Waiter, Waiters

_log = structlog.get_logger(__name__)


class WebTier:
    """One replica: what its routes share. It belongs to one app and holds all of its state."""

    def __init__(self, lane: Lane, options: WebOptions, clock: Clock) -> None:
        self.lane = lane
        self.options = options
        self.metrics = Metrics()
        self.waiters = Waiters(clock)
        self.metrics.waiting.set_function(lambda: len(self.waiters))
        self.admission = Admission(lane.requests, self.waiters, options, clock, self.metrics)
        self.uploads = UploadReader(options)
        self.submitter = Submitter(lane, self.admission, options, clock, self.metrics)
        self.listener = Listener(lane, self.waiters, options, clock, self.metrics)
        self._recheck = Recheck(lane.buckets, self.waiters, options, clock, self.metrics)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to receive replies."""
        self._tasks = [asyncio.create_task(self.listener.run()), asyncio.create_task(self._recheck.run())]
        for task in self._tasks:
            task.add_done_callback(_report)

    @property
    def failure(self) -> str:
        """Why no results come in at the moment; "" when they do."""
        if any(task.done() for task in self._tasks):
            return "a background task has died"
        return self.listener.failure

    async def stop(self) -> None:
        """End every wait and every task; requests that are under way end in the output bucket."""
        self.waiters.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.admission.stop()

    async def exchange(
        self,
        submission: Submission,
        send: Callable[[Submission], Awaitable[Result | None]],
        wait_seconds: float,
        http: HttpRequest,
        held: Holding,
    ) -> Result | Ending:
        """Send a request and wait for its result, at most `wait_seconds`, and no longer than its client does.

        When it ends as `TIMED_OUT` or `STOPPING`, the image is kept, so that its id means something to every replica.
        The request's body must have been read.
        """
        with self.waiters.expect(submission.request_id) as waiter:
            result = await send(submission)
            if result is not None:
                return result
            if submission.image is None:
                held.release()
            outcome = await _while_connected(http, waiter, wait_seconds)
            if outcome is Ending.CLIENT_GONE:
                self.metrics.clients_gone.inc()
            elif isinstance(outcome, Ending):
                await self.submitter.keep(submission)
                outcome = waiter.outcome  # the result may have come meanwhile
        return outcome


def _report(task: asyncio.Task[None]) -> None:
    """Say that a task which should run for ever has died: that is a defect, and the replica is no longer ready."""
    if not task.cancelled():
        _log.error("a background task has died", exc_info=task.exception())


def tier_of(http: HttpRequest) -> WebTier:
    """The replica that serves this request."""
    tier: WebTier = http.app.state.tier
    return tier


async def _while_connected(http: HttpRequest, waiter: Waiter, seconds: float) -> Result | Ending:
    """Wait, but end as soon as the client is gone: the server says so when asked for more of a body that is over."""
    if seconds <= 0:
        return waiter.outcome
    watch = asyncio.create_task(_settle_when_gone(http.receive, waiter))
    try:
        return await waiter.wait(seconds)
    finally:
        watch.cancel()


async def _settle_when_gone(receive: Receive, waiter: Waiter) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    waiter.settle(Ending.CLIENT_GONE)
