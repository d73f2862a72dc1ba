"""The one thread in which a worker process recognises, and the watch over it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import structlog

from burstlens.clock import Clock
from burstlens.messages import ErrorCode
from burstlens.recognition.base import ImageError, Recognition, Recognizer

_WATCH_SECONDS = 0.5

_log = structlog.get_logger(__name__)

Outcome = Recognition | ImageError | None


class ModelThread:
    """Recognises images one after the other, in the order in which they come, and never for longer than allowed.

    What an image may take is counted in CPU time, which neither a busy machine nor a stopped process uses up, and of
    the whole process: some decoders start threads. A thread cannot be stopped from outside: one that overruns stays
    busy, so its process must end (`stuck`).
    """

    def __init__(self, recognizer: Recognizer, decode_seconds: float, clock: Clock) -> None:
        self._recognizer = recognizer
        self._decode_seconds = decode_seconds
        self._clock = clock
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._waiting: deque[asyncio.Future[Outcome]] = deque()
        self._draining = False
        self._began: float | None = None
        """CPU time that the process had taken when the image now in work was begun, in seconds."""
        self.stuck = False

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._recognizer.model

    def drain(self) -> None:
        """From now on, begin no image."""
        self._draining = True

    async def recognise(self, image: bytes, top_k: int) -> Outcome:
        """Recognise one image; None when the thread drains or is stuck before this image was begun."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Outcome] = loop.create_future()
        self._waiting.append(outcome)
        job = self._executor.submit(self._run, image, top_k)
        job.add_done_callback(partial(_tell, loop, outcome))
        try:
            return await outcome
        finally:
            if outcome in self._waiting:
                self._waiting.remove(outcome)

    async def watch(self, on_stuck: Callable[[], None]) -> None:
        """End the wait for an image that overruns, give back those behind it, and call `on_stuck`. Then return."""
        while not self._overruns():
            await self._clock.sleep(_WATCH_SECONDS)
        self.stuck = self._draining = True
        _log.error("an image takes too long, ending this worker process", decode_seconds=self._decode_seconds)
        message = f"the picture takes more than {self._decode_seconds:g} s to decode"
        if self._waiting and not self._waiting[0].done():
            self._waiting[0].set_result(ImageError(ErrorCode.DECODE_TIMEOUT, message))
        for outcome in list(self._waiting):
            if not outcome.done():
                outcome.set_result(None)
        on_stuck()

    def close(self) -> None:
        """Begin nothing more; does not wait for what is in work."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _run(self, image: bytes, top_k: int) -> Outcome:
        if self._draining:
            return None
        self._began = time.process_time()
        try:
            return self._recognizer.recognise([image], top_k)[0]
        finally:
            self._began = None

    def _overruns(self) -> bool:
        began = self._began
        return began is not None and time.process_time() - began > self._decode_seconds


def _tell(loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[Outcome], job: "Future[Outcome]") -> None:
    """Hand the job's end to whoever waits in the event loop, which may be over."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(_settle, outcome, job)


def _settle(outcome: asyncio.Future[Outcome], job: "Future[Outcome]") -> None:
    if outcome.done():
        return
    if job.cancelled():
        outcome.set_result(None)
    elif (error := job.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(job.result())
