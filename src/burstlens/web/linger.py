"""Letting a client see why its upload was refused while it is still sending.

A server that answers early and closes makes the system reset the connection, and the client sees a broken pipe instead
of the answer. So the answer goes out at once, and the rest of the upload is read and dropped for a while.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from burstlens.clock import Clock

MAX_BYTES = 256 * 1024 * 1024
"""A sender that goes on beyond this is cut off."""


class Linger:
    """ASGI middleware that ends a response only when the request's body is over, or `seconds` later."""

    def __init__(self, app: ASGIApp, clock: Clock, seconds: float) -> None:
        self._app = app
        self._clock = clock
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = _Body(receive)

        async def send_and_linger(message: Message) -> None:
            if body.over or body.held_back(scope):
                await send(_closing(message) if not body.over else message)
            elif message["type"] == "http.response.start":
                await send(_closing(message))
            elif message.get("more_body", False):
                await send(message)
            else:
                await send({**message, "more_body": True})
                await self._drop(body)
                await send({"type": "http.response.body", "body": b""})

        await self._app(scope, body.receive, send_and_linger)

    async def _drop(self, body: "_Body") -> None:
        over = asyncio.Event()
        task = asyncio.create_task(body.drop(over))
        try:
            await self._clock.wait(over, self._seconds)
        finally:
            task.cancel()


class _Body:
    """The request's body, and whether all of it has come."""

    __slots__ = ("_receive", "asked", "over")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.asked = False
        self.over = False

    async def receive(self) -> Message:
        self.asked = True
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self.over = True
        return message

    def held_back(self, scope: Scope) -> bool:
        """Whether the client sends nothing before it is told to (RFC 9110, `Expect: 100-continue`)."""
        return not self.asked and any(name == b"expect" for name, _ in scope["headers"])

    async def drop(self, over: asyncio.Event) -> None:
        dropped = 0
        while not self.over and dropped < MAX_BYTES:
            dropped += len((await self.receive()).get("body", b""))
        over.set()


def _closing(message: Message) -> Message:
    if message["type"] != "http.response.start":
        return message
    return {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}
