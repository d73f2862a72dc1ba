"""One worker process: takes requests in, keeps them moving, says that it lives, and drains when it is told to."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from burstlens.clock import Clock
from burstlens.errors import BurstlensError
from burstlens.heartbeats import Heartbeats
from burstlens.lane import Lane
from burstlens.queues.base import Delivery, QueueOptions
from burstlens.recognition.base import Recognizer
from burstlens.worker.ending import end_in_time
from burstlens.worker.handler import Handler
from burstlens.worker.leases import LeaseKeeper
from burstlens.worker.model_thread import ModelThread
from burstlens.worker.options import Identity, WorkerOptions
from burstlens.worker.pulse import Pulse

_FINISHING = 4
"""Requests that may be on their way to bucket, reply and delete while the model is already at the next."""

_log = structlog.get_logger(__name__)


class Worker:
    """Receives requests one by one and runs the model in one thread that never has to wait for the next image.

    A request whose earlier attempt ended without an answer may be what kills workers. It is worked on with nothing else
    held, so that it can only use up its own attempts.
    """

    def __init__(
        self,
        lane: Lane,
        recognizer: Recognizer,
        heartbeats: Heartbeats,
        identity: Identity,
        options: WorkerOptions,
        queue_options: QueueOptions,
        clock: Clock,
    ) -> None:
        self._lane = lane
        self._options = options
        self._clock = clock
        self._model_thread = ModelThread(recognizer, options.decode_seconds, clock)
        self._leases = LeaseKeeper(lane.requests, queue_options.lease_seconds, clock)
        self._handler = Handler(
            lane,
            self._model_thread,
            identity,
            clock,
            max_attempts=queue_options.max_attempts,
            retry_seconds=options.retry_seconds,
        )
        self._pulse = Pulse(heartbeats, identity, options, clock, recognizer.model)
        self._ready = asyncio.Semaphore(1 + options.prefetch)
        self._finishing = asyncio.Semaphore(_FINISHING)
        self._handling: set[asyncio.Task[None]] = set()
        self._draining = asyncio.Event()
        self._lost_part = False

    def drain(self) -> None:
        """Stop receiving, give back what was not started, finish what was; then `run` returns. May be called again."""
        if not self._draining.is_set():
            _log.info("draining", held=self._leases.held)
        self._model_thread.drain()
        self._draining.set()

    @property
    def broken(self) -> bool:
        """Whether the process must end, with an error, once `run` has returned: a part of it cannot go on."""
        return self._model_thread.stuck or self._lost_part

    async def run(self) -> None:
        """Work until drained."""
        background = [
            asyncio.create_task(self._leases.run()),
            asyncio.create_task(self._pulse.run(lambda: self._leases.held, self.drain, self._draining)),
            asyncio.create_task(self._model_thread.watch(self.drain)),
            asyncio.create_task(end_in_time(self._options, self._clock, self.drain)),
        ]
        for task in background:
            task.add_done_callback(self._on_background_end)
        try:
            await self._take_in()
            await self._finish()
        finally:
            for task in (*background, *self._handling):
                task.cancel()
            await asyncio.gather(*background, *self._handling, return_exceptions=True)
            self._model_thread.close()
            await self._pulse.stop()

    def _on_background_end(self, task: "asyncio.Task[None]") -> None:
        """Without lease keeper or heartbeat this worker would do harm: end it, so that it is replaced."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a part of the worker died", exc_info=error)
            self._lost_part = True
            self.drain()

    async def _take_in(self) -> None:
        while not self._draining.is_set():
            await self._or_drain(self._ready.acquire())
            if self._draining.is_set():
                return
            delivery = await self._receive()
            if delivery is None:
                self._ready.release()
                continue
            self._leases.hold(delivery)
            if delivery.attempt > 1 and self._handling:
                await self._or_drain(asyncio.wait(self._handling))
            task = asyncio.create_task(self._handle(delivery))
            self._handling.add(task)
            task.add_done_callback(self._handling.discard)
            if delivery.attempt > 1:
                await self._or_drain(asyncio.wait([task]))

    async def _receive(self) -> Delivery | None:
        """One request, or None when there was none, the queue did not answer, or the worker drains."""
        receive = asyncio.create_task(self._lane.requests.receive(1, self._options.receive_wait_seconds))
        try:
            await self._or_drain(asyncio.wait([receive]))
        finally:
            if not receive.done():
                receive.cancel()
        try:
            deliveries = await receive
        except asyncio.CancelledError:
            return None
        except BurstlensError as error:
            _log.warning("cannot receive, trying again", error=str(error))
            await self._or_drain(self._clock.sleep(self._options.retry_seconds))
            return None
        if deliveries and self._draining.is_set():
            with contextlib.suppress(BurstlensError):  # then the lease just runs out
                await self._lane.requests.release(deliveries)
            return None
        return deliveries[0] if deliveries else None

    async def _or_drain(self, waiting: Awaitable[object]) -> None:
        """Wait for `waiting`, but no longer than until the worker drains."""
        wait = asyncio.ensure_future(waiting)
        drain = asyncio.create_task(self._draining.wait())
        try:
            await asyncio.wait([wait, drain], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (wait, drain):
                task.cancel()

    async def _handle(self, delivery: Delivery) -> None:
        recognised, release = self._slot()
        try:
            ending, model_seconds = await self._handler.handle(delivery, recognised)
            self._pulse.count(ending, model_seconds)
        except Exception:  # noqa: BLE001 - a defect costs this one attempt, not the worker; the queue counts it
            _log.exception("attempt failed", message_id=delivery.message_id, attempt=delivery.attempt)
            self._pulse.count_crash()
            with contextlib.suppress(BurstlensError):  # then the lease just runs out
                await self._lane.requests.extend([delivery], self._options.retry_seconds)
        finally:
            self._leases.drop(delivery)
            release()

    def _slot(self) -> tuple[Callable[[], Awaitable[None]], Callable[[], None]]:
        """How a request moves from its place before the model to one behind it, and how it leaves."""
        finishing = False

        async def recognised() -> None:
            nonlocal finishing
            await self._finishing.acquire()
            finishing = True
            self._ready.release()

        def release() -> None:
            (self._finishing if finishing else self._ready).release()

        return recognised, release

    async def _finish(self) -> None:
        """Let what is held end; what outlasts the drain is left to its lease."""
        if self._handling:
            done = asyncio.Event()
            everything = asyncio.gather(*self._handling)
            everything.add_done_callback(lambda _: done.set())
            if not await self._clock.wait(done, self._options.drain_seconds):
                _log.warning("drain took too long, leaving requests to their leases", held=self._leases.held)
