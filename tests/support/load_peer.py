"""A server on loopback that plays the parts a load generator meets, and remembers what it was sent."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

from aiohttp import BodyPartReader, web
from aiohttp.multipart import parse_content_disposition

from support.eventually import eventually


@dataclass
class Received:
    """One upload, as an independent parser of multipart bodies read it."""

    field: str
    filename: str
    content_type: str
    data: bytes
    at: float


@dataclass
class Peer:
    """The server's address and memory. `answer` decides what is said to an upload, `hold` how long that takes."""

    url: str = ""
    answer: Callable[[Received, int], web.Response] = lambda received, count: web.Response(text="bathtub")
    hold_seconds: float = 0.0
    received: list[Received] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    held: int = 0
    connections: set[object] = field(default_factory=set)
    gate: asyncio.Event | None = None
    """When set, uploads wait for it."""

    async def until_under_way(self, count: int) -> None:
        await eventually(lambda: _same(self.under_way, count))

    async def until_held(self, count: int) -> None:
        """Wait until so many uploads wait for the gate."""
        await eventually(lambda: _same(self.held, count))

    async def handle(self, request: web.Request) -> web.Response:
        self.connections.add(request.transport)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            upload = await _read(request)
            self.received.append(upload)
            count = len(self.received)
            await asyncio.sleep(self.hold_seconds)
            if self.gate is not None:
                self.held += 1
                await self.gate.wait()
            return self.answer(upload, count)
        finally:
            self.under_way -= 1


async def _same(left: int, right: int) -> bool:
    return left == right


async def _read(request: web.Request) -> Received:
    at = perf_counter()
    if not request.content_type.startswith("multipart/"):
        name = parse_content_disposition(request.headers.get("Content-Disposition"))[1].get("filename*", "")
        return Received("", name, request.content_type, await request.read(), at)
    reader = await request.multipart()
    part = await reader.next()
    assert isinstance(part, BodyPartReader)
    data = bytes(await part.read())
    assert await reader.next() is None
    return Received(part.name or "", part.filename or "", part.headers["Content-Type"], data, at)


@dataclass
class Servers:
    """Starts peers and stops them at the end of the test."""

    runners: list[web.AppRunner] = field(default_factory=list)

    async def start(self, peer: Peer, *routes: web.RouteDef) -> Peer:
        app = web.Application(client_max_size=1 << 26)
        app.add_routes(routes or [web.post("/", peer.handle)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        self.runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        peer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        return peer

    async def stop(self) -> None:
        for runner in self.runners:
            await runner.cleanup()
