"""A web tier that really listens, and a small worker that answers it."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
from PIL import Image

from burstlens.buckets import Bucket, Buckets, Layout, open_store
from burstlens.clock import Clock, SystemClock
from burstlens.errors import BurstlensError, NotFound
from burstlens.lane import REQUESTS, Lane
from burstlens.messages import ErrorCode, Failure, Request, Result, Score, utc
from burstlens.queues.base import Depth, Message, Queue, QueueOptions
from burstlens.queues.memory import MemoryQueue, MemoryQueues
from burstlens.web.app import create_app
from burstlens.web.options import WebOptions
from burstlens.web.server import WebServer
from burstlens.web.tier import WebTier

Answer = str | ErrorCode


def picture(colour: int = 0, size: tuple[int, int] = (32, 24), kind: str = "JPEG") -> bytes:
    """A small real picture; different colours give different bytes."""
    out = io.BytesIO()
    Image.new("RGB", size, (colour % 256, colour // 256 % 256, 128)).save(out, kind, quality=95)
    return out.getvalue()


async def memory_lane(clock: Clock | None = None, layout: Layout = Layout.ID, requests: Queue | None = None) -> Lane:
    """Queues and buckets of one process."""
    queues = MemoryQueues(clock or SystemClock())
    queue = requests or await queues.create(REQUESTS, QueueOptions())
    inputs, outputs, fleet = (Bucket(open_store("memory://")) for _ in range(3))
    return Lane(queues, queue, Buckets(inputs, outputs, fleet, layout))


class TroubledQueue(MemoryQueue):
    """A queue whose service can be in trouble for a while."""

    def __init__(self) -> None:
        super().__init__(REQUESTS, QueueOptions(), SystemClock())
        self.trouble: BurstlensError | None = None
        """Raised by every call that is made to fail."""
        self.depth_trouble: BurstlensError | None = None
        """Raised by `depth` alone."""
        self.asked = 0

    async def send(self, messages: Sequence[Message]) -> None:
        if self.trouble is not None:
            raise self.trouble
        await super().send(messages)

    async def depth(self) -> Depth:
        self.asked += 1
        trouble = self.trouble or self.depth_trouble
        if trouble is not None:
            raise trouble
        return await super().depth()


def by_size(image: bytes) -> Answer:
    """A label that only the image's own bytes give."""
    return f"label-{len(image)}-{sum(image) % 9973}"


@dataclass
class Worker:
    """Takes requests in order and answers them the way the app tier does: bucket, reply, delete."""

    lane: Lane
    clock: Clock = field(default_factory=SystemClock)
    recognise: Callable[[bytes], Answer] = by_size
    seen: list[Request] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            await self.work()

    async def work(self, wait_seconds: float = 20.0) -> int:
        """Answer one batch; return how many there were."""
        deliveries = await self.lane.requests.receive(10, wait_seconds)
        for delivery in deliveries:
            request = Request.parse(delivery.body)
            self.seen.append(request)
            result = await self.finish(request)
            await self.reply(request, result)
        await self.lane.requests.delete(deliveries)
        return len(deliveries)

    async def finish(self, request: Request) -> Result:
        """Everything but the reply."""
        image = request.image or await self.lane.buckets.get_input(request)
        answer = self.recognise(image)
        result = Result(id=request.id, filename=request.filename, completed_at=utc(self.clock.now()), model="stub")
        if isinstance(answer, ErrorCode):
            result = result.model_copy(update={"error": Failure(code=answer, message="it did not work")})
        else:
            top = tuple(Score(label=f"{answer}-{n}" if n else answer, score=1.0) for n in range(request.top_k))
            result = result.model_copy(update={"label": answer, "score": 1.0, "top": top})
        return await self.lane.buckets.put_result(request, image, result)

    async def reply(self, request: Request, result: Result) -> None:
        assert request.reply_to is not None
        with contextlib.suppress(NotFound):
            queue = await self.lane.queues.open(request.reply_to)
            await queue.send([Message(result.to_json())])


@contextlib.asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[Worker]:
    """Let the worker work until the block ends."""
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return once the condition holds; fail when it does not for ten seconds."""
    for _ in range(2000):
        if await holds():
            return
        await asyncio.sleep(0.005)
    message = "it never happened"
    raise AssertionError(message)


@dataclass
class Replica:
    """A web replica that listens on a free port of loopback, and a client of it."""

    lane: Lane
    server: WebServer
    tier: WebTier
    http: aiohttp.ClientSession

    def url(self, path: str) -> str:
        return self.server.url + path

    async def waiting(self, count: int) -> None:
        """Return once this many clients wait."""

        async def so_many() -> bool:
            return len(self.tier.waiters) == count

        await until(so_many)


@contextlib.asynccontextmanager
async def serving(lane: Lane, clock: Clock | None = None, **options: object) -> AsyncIterator[Replica]:
    """Serve a web replica over this lane until the block ends."""
    clock = clock or SystemClock()
    chosen = WebOptions.model_validate({"port": 0, "shutdown_seconds": 0.2} | options)
    app = create_app(lane, chosen, clock, "0.0.0")
    async with WebServer(app, chosen, clock) as server, aiohttp.ClientSession() as http:
        yield Replica(lane, server, app.state.tier, http)


@dataclass
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def send(
    replica: Replica, method: str, path: str, data: object = None, headers: dict[str, str] | None = None
) -> Reply:
    """One request and its answer."""
    data = io.BytesIO(data) if isinstance(data, bytes) else data
    async with replica.http.request(method, replica.url(path), data=data, headers=headers) as response:
        return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, await response.read())


def form(*parts: tuple[str, str, bytes], content_type: str | None = None) -> aiohttp.FormData:
    """A form of files: (field, file name, bytes) each."""
    data = aiohttp.FormData()
    for name, filename, content in parts:
        data.add_field(name, content, filename=filename, content_type=content_type)
    return data
