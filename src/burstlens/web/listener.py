"""The response listener: takes replies from this replica's own queue and hands each to whoever waits for it."""

from collections.abc import Sequence

import structlog

from burstlens.clock import Clock
from burstlens.errors import BurstlensError, Misconfigured, NotFound, Throttled
from burstlens.lane import Lane
from burstlens.messages import MalformedMessage, Result
from burstlens.queues.base import Delivery, Queue, QueueOptions
from burstlens.web.metrics import Metrics
from burstlens.web.options import WebOptions
from burstlens.web.waiters import Waiters

RECEIVE_LIMIT = 10
POLL_SECONDS = 20.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

_log = structlog.get_logger(__name__)


class Listener:
    """Runs until it is cancelled. It survives whatever the queue raises: it backs off, counts, and goes on.

    A result that nobody waits for is dropped here: it lives in the output bucket.
    """

    def __init__(self, lane: Lane, waiters: Waiters, options: WebOptions, clock: Clock, metrics: Metrics) -> None:
        self._queues = lane.queues
        self._name = options.response_queue
        self._waiters = waiters
        self._clock = clock
        self._metrics = metrics
        self.failure = "the response queue is not open yet"
        """Why replies do not come in at the moment; "" when they do."""

    async def run(self) -> None:
        """Receive for ever."""
        queue: Queue | None = None
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            try:
                queue = queue or await self._queues.create(self._name, QueueOptions())
                self.failure = ""
                await self._receive(queue)
                pause_seconds = FIRST_PAUSE_SECONDS
            except BurstlensError as error:
                self.failure = f"the response queue fails: {error}"
                self._metrics.failures.labels("listen").inc()
                _log.warning("cannot receive replies", queue=self._name, error=str(error))
                if isinstance(error, NotFound):
                    queue = None
                if isinstance(error, Throttled):
                    pause_seconds = max(pause_seconds, error.retry_after_seconds)
                await self._clock.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)

    async def _receive(self, queue: Queue) -> None:
        deliveries = await queue.receive(RECEIVE_LIMIT, POLL_SECONDS)
        malformed = [delivery for delivery in deliveries if not self._hand_over(delivery)]
        if deliveries:
            await queue.delete([delivery for delivery in deliveries if delivery not in malformed])
        if malformed:
            await put_away(queue, malformed)

    def _hand_over(self, delivery: Delivery) -> bool:
        try:
            result = Result.parse(delivery.body)
        except MalformedMessage as error:
            self._metrics.replies.labels("malformed").inc()
            _log.warning("a malformed reply is put away", message=delivery.message_id, error=str(error))
            return False
        delivered = self._waiters.deliver(result)
        self._metrics.replies.labels("delivered" if delivered else "unclaimed").inc()
        return True


async def put_away(queue: Queue, malformed: Sequence[Delivery]) -> None:
    """Bury what is no result, or drop it where there is no place for dead letters: it must not come back for ever."""
    try:
        await queue.bury(malformed, "not a result")
    except Misconfigured:
        await queue.delete(malformed)
