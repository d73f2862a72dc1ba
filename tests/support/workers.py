"""A worker over memory queues and buckets, with a recogniser that does what its image's bytes say."""

import asyncio
import contextlib
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Sequence

from burstlens.buckets import Bucket, Buckets, Layout, open_store
from burstlens.clock import Clock, SystemClock
from burstlens.heartbeats import Heartbeats
from burstlens.lane import Lane
from burstlens.messages import ErrorCode, Request, Result, Score, utc
from burstlens.queues.base import Message, Queue, QueueOptions
from burstlens.queues.memory import MemoryQueues
from burstlens.recognition.base import ImageError, Recognition
from burstlens.worker.options import Identity, WorkerOptions
from burstlens.worker.worker import Worker

REPLIES = "responses-test"


class Scripted:
    """Labels an image with its own text.

    ``bad`` is no picture, ``defect`` raises, ``hold…`` waits for `let_go` and ``spin`` burns CPU until then.
    """

    model = "scripted"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.let_go = threading.Event()

    def recognise(self, images: Sequence[bytes], top_k: int = 5) -> list[Recognition | ImageError]:
        del top_k
        return [self._one(image.decode()) for image in images]

    def _one(self, text: str) -> Recognition | ImageError:
        self.seen.append(text)
        if text.startswith("hold"):
            self.let_go.wait(20)
        while text == "spin" and not self.let_go.is_set():
            pass
        if text == "defect":
            message = "the recogniser has a defect"
            raise RuntimeError(message)
        if text == "bad":
            return ImageError(ErrorCode.NOT_AN_IMAGE, "this is no picture")
        return Recognition((Score(label=text, score=0.5),), decode_seconds=0.01, infer_seconds=0.02)


class Bench:
    """One lane with whatever a test needs to look at."""

    def __init__(self, lane: Lane, replies: Queue, options: QueueOptions, clock: Clock) -> None:
        self.lane = lane
        self.replies = replies
        self.queue_options = options
        self.clock = clock
        self.recognizer = Scripted()
        self.heartbeats = Heartbeats(lane.buckets.fleet, clock)

    async def send(self, text: str, **changes: object) -> Request:
        values: dict[str, object] = {
            "id": f"request-{uuid.uuid4().hex}",
            "filename": f"{text}.jpg",
            "image": text.encode(),
            "reply_to": REPLIES,
            "submitted_at": utc(self.clock.now()),
        }
        request = Request.model_validate(values | changes)
        await self.lane.requests.send([Message(request.to_json())])
        return request

    async def replies_until(self, count: int) -> list[Result]:
        """Exactly so many replies; a further one would be found by the next call."""
        results: list[Result] = []
        async with asyncio.timeout(20):
            while len(results) < count:
                deliveries = await self.replies.receive(10, 20)
                await self.replies.delete(deliveries)
                results += [Result.parse(delivery.body) for delivery in deliveries]
        return results

    def worker(self, *, managed: bool = False, name: str = "worker-1", **options: object) -> Worker:
        return Worker(
            self.lane,
            self.recognizer,
            self.heartbeats,
            Identity(name, "app-tier-1", "local", managed=managed),
            WorkerOptions.model_validate({"retry_seconds": 0.02, "heartbeat_seconds": 0.05} | options),
            self.queue_options,
            self.clock,
        )

    @contextlib.asynccontextmanager
    async def working(self, **options: object) -> AsyncIterator[Worker]:
        """A worker that is drained at the end, which must not take long."""
        worker = self.worker(**options)  # type: ignore[arg-type]  # checked by the options model
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            self.recognizer.let_go.set()
            worker.drain()
            async with asyncio.timeout(20):
                await task

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.005)

    async def until_empty(self) -> None:
        """Wait until nothing is left to do in the request queue."""
        async with asyncio.timeout(20):
            while (await self.lane.requests.depth()).total:
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def bench(layout: Layout = Layout.ID, lease_seconds: float = 30.0, max_attempts: int = 3) -> AsyncIterator[Bench]:
    clock = SystemClock()
    queues = MemoryQueues(clock)
    options = QueueOptions(lease_seconds, max_attempts)
    requests = await queues.create("requests", options)
    replies = await queues.create(REPLIES, QueueOptions())
    inputs, outputs, fleet = (Bucket(open_store("memory:///")) for _ in range(3))
    yield Bench(Lane(queues, requests, Buckets(inputs, outputs, fleet, layout)), replies, options, clock)
    await queues.close()
