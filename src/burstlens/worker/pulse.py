"""A worker's sign of life, and the ends it comes to by itself: lifetime over, or idle with no autoscaler alive."""

import asyncio
from collections.abc import Callable

import structlog

from burstlens import __version__
from burstlens.clock import Clock
from burstlens.errors import BurstlensError
from burstlens.heartbeats import Heartbeats
from burstlens.messages import Heartbeat, WorkerState, utc
from burstlens.worker.handler import Ending
from burstlens.worker.options import Identity, WorkerOptions

_SMOOTHING = 0.1
"""Weight of the newest request in the smoothed service time."""

_log = structlog.get_logger(__name__)


class Pulse:
    """Counts what the worker did and writes it into the fleet bucket every few seconds."""

    def __init__(
        self, heartbeats: Heartbeats, identity: Identity, options: WorkerOptions, clock: Clock, model: str
    ) -> None:
        self._heartbeats = heartbeats
        self._identity = identity
        self._options = options
        self._clock = clock
        self._model = model
        self._started_at = self._busy_at = clock.now()
        self._done = 0
        self._failed = 0
        self._service_seconds: float | None = None

    def count(self, ending: Ending, model_seconds: float) -> None:
        """Note how one delivery ended; `model_seconds` is 0 when the model was not asked."""
        self._busy_at = self._clock.now()
        if ending is Ending.ERROR_RESULT:
            self._failed += 1
        elif ending is Ending.LABELLED:
            self._done += 1
            before = self._service_seconds if self._service_seconds is not None else model_seconds
            self._service_seconds = before + _SMOOTHING * (model_seconds - before)

    def count_crash(self) -> None:
        """Note an attempt that ended in a defect."""
        self._busy_at = self._clock.now()
        self._failed += 1

    async def run(self, held: Callable[[], int], drain: Callable[[], None], draining: asyncio.Event) -> None:
        """Beat until cancelled, and call `drain` when this worker's time is over."""
        while True:
            try:
                state = WorkerState.DRAINING if draining.is_set() else self._working_state(held())
                await self._heartbeats.send(self._heartbeat(held(), state))
                if not draining.is_set() and await self._is_over(held()):
                    drain()
            except BurstlensError as error:
                _log.warning("heartbeat failed", error=str(error))
            await self._clock.sleep(self._options.heartbeat_seconds)

    async def stop(self) -> None:
        """Say that this worker ended in order; whoever keeps the fleet's books takes the heartbeat away later."""
        try:
            await self._heartbeats.send(self._heartbeat(0, WorkerState.STOPPED))
        except BurstlensError as error:
            _log.warning("the last heartbeat failed", error=str(error))

    async def _is_over(self, held: int) -> bool:
        now = self._clock.now()
        if 0 < self._options.lifetime_seconds <= now - self._started_at:
            _log.info("lifetime is over")
            return True
        if held:
            self._busy_at = now
        if not self._identity.managed or now - self._busy_at < self._options.orphan_seconds:
            return False
        age_seconds = await self._heartbeats.autoscaler_age_seconds()
        orphan = age_seconds is None or age_seconds > self._options.orphan_seconds
        if orphan:
            _log.info("idle and no autoscaler alive, ending", autoscaler_age_seconds=age_seconds)
        return orphan

    def _working_state(self, held: int) -> WorkerState:
        return WorkerState.BUSY if held else WorkerState.IDLE

    def _heartbeat(self, held: int, state: WorkerState) -> Heartbeat:
        return Heartbeat(
            worker=self._identity.worker,
            instance=self._identity.instance,
            pool=self._identity.pool,
            state=state,
            started_at=utc(self._started_at),
            sent_at=utc(self._clock.now()),
            done=self._done,
            failed=self._failed,
            held=held,
            service_seconds=self._service_seconds,
            software=__version__,
            model=self._model,
        )
