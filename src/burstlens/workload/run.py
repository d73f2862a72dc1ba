"""Runs a workload: sends each image when its moment has come, and collects what becomes of it."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from burstlens.clock import Clock, SystemClock
from burstlens.workload.client import Client, Reply
from burstlens.workload.formats import Format, Upload, upload
from burstlens.workload.images import Image
from burstlens.workload.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent, when, and where to."""

    url: str
    images: Sequence[Image]
    """Cycled through."""
    starts: Sequence[float]
    """When each request is wanted, as offsets in seconds, ascending; see `burstlens.workload.arrivals`."""
    concurrency: int | None = None
    """The most requests under way at once; None: no bound, as an open loop needs it."""
    form: Format = Format.AUTO
    timeout_seconds: float | None = None
    """For each request; None: as long as the server takes."""
    retries: int = 0
    """How often a 429 or 503 is tried again."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a plan came to. Fewer outcomes than `planned` means that it was stopped."""

    outcomes: tuple[Outcome, ...]
    """In the order in which they ended."""
    planned: int
    elapsed_seconds: float
    form: Format
    """The wire format that was spoken."""


async def run(
    plan: Plan,
    *,
    on_outcome: Callable[[Outcome], None] | None = None,
    stop: asyncio.Event | None = None,
    clock: Clock | None = None,
) -> Run:
    """Carry the plan out, calling `on_outcome` with each outcome as it ends.

    When `stop` is set, nothing more is sent, what is under way is given up, and the outcomes so far are returned.

    Raises:
        Misconfigured: the URL is not an absolute http(s) one.
    """
    clock = clock or SystemClock()
    client = Client(
        plan.url,
        plan.form,
        connections=plan.concurrency or 0,
        timeout_seconds=plan.timeout_seconds,
        retries=plan.retries,
        clock=clock,
    )
    async with client:
        workload = _Workload(client, plan.images, on_outcome or (lambda _: None), clock)
        sending = asyncio.ensure_future(workload.send_all(plan.starts, plan.concurrency or len(plan.starts)))
        stopping = asyncio.ensure_future((stop or asyncio.Event()).wait())
        try:
            await asyncio.wait((sending, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
        return Run(tuple(workload.outcomes), len(plan.starts), workload.elapsed(), client.form)


class _Workload:
    def __init__(
        self, client: Client, images: Sequence[Image], on_outcome: Callable[[Outcome], None], clock: Clock
    ) -> None:
        self._client = client
        self._images = images
        self._uploads: list[Upload] = []
        self._on_outcome = on_outcome
        self._clock = clock
        self._began = perf_counter()
        self.outcomes: list[Outcome] = []

    def elapsed(self) -> float:
        return perf_counter() - self._began

    async def send_all(self, starts: Sequence[float], concurrency: int) -> None:
        await self._client.choose_format()
        # written once for each image, not once for each request
        self._uploads = [upload(image, self._client.form) for image in self._images]
        self._began = perf_counter()
        places = asyncio.Semaphore(concurrency)
        async with asyncio.TaskGroup() as tasks:
            for index, start in enumerate(starts):
                if (early := start - self.elapsed()) > 0:
                    await self._clock.sleep(early)
                await places.acquire()
                tasks.create_task(self._send(index, start, places))

    async def _send(self, index: int, scheduled: float, places: asyncio.Semaphore) -> None:
        which = index % len(self._images)
        started = self.elapsed()
        try:
            reply = await self._client.send(self._uploads[which])
        finally:
            places.release()
        outcome = _outcome(index, self._images[which], reply, scheduled, started, self.elapsed())
        self.outcomes.append(outcome)
        self._on_outcome(outcome)


def _outcome(index: int, image: Image, reply: Reply, scheduled: float, started: float, ended: float) -> Outcome:
    answer = reply.answer
    return Outcome(
        index=index,
        image=image.name,
        scheduled_seconds=scheduled,
        started_seconds=started,
        latency_seconds=ended - started,
        status=reply.status,
        label=answer.label if answer else None,
        score=answer.score if answer else None,
        instance=answer.instance if answer else "",
        timings=answer.timings if answer else None,
        expected=image.expected,
        problem=reply.problem,
    )
