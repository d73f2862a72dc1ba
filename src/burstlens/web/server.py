"""Serving an app over HTTP inside somebody else's event loop."""

import asyncio
import contextlib
import math
import resource
import socket
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI

from burstlens.clock import Clock
from burstlens.errors import Misconfigured
from burstlens.web.options import WebOptions
from burstlens.web.tier import WebTier

KEEP_ALIVE_SECONDS = 75
"""Longer than clients and load balancers keep an idle connection, so that none sends into one that is being closed."""

SPARE_FILES = 128
"""Files that the process needs for itself: without them, its queue and its autoscaler fail, not only a client."""

FAREWELL_SECONDS = 2
"""From the last answers to the end of whatever still does not end."""


class WebServer:
    """One listening socket with an app behind it: ``async with`` it, or `start` and `stop` it.

    Its owner brings the event loop (uvloop is the fast one) and handles signals.
    """

    def __init__(self, app: FastAPI, options: WebOptions, clock: Clock, listening: socket.socket | None = None) -> None:
        """Prepare; `listening` is a bound socket to use instead of the options' host and port."""
        self._options = options
        self._clock = clock
        self._tier: WebTier = app.state.tier
        self._socket = listening
        self._server = _Server(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=min(options.max_connections, _files() - SPARE_FILES),
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=math.ceil(options.shutdown_seconds) + FAREWELL_SECONDS,
            )
        )
        self._address: tuple[str, int] | None = None
        self._ended = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on, once it was started."""
        if self._address is None:
            message = "the server was not started"
            raise RuntimeError(message)
        return self._address

    @property
    def url(self) -> str:
        """The same as a URL without a path."""
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen; when it returns, requests are served.

        Raises:
            Misconfigured: the address cannot be used.
        """
        if self._socket is None:
            self._socket = _bind(self._options.host, self._options.port)
        host, port, *_ = self._socket.getsockname()
        self._address = (host, port)
        self._serving = asyncio.create_task(self._server.serve([self._socket]))
        self._serving.add_done_callback(lambda _: self._ended.set())
        started = asyncio.create_task(self._server.ready.wait())
        await asyncio.wait([started, self._serving], return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._serving.done():
            await self._serving

    async def wait(self) -> None:
        """Return when it has ended; raises what ended it, if it was not `stop`."""
        if self._serving is not None:
            await asyncio.shield(self._serving)

    async def stop(self) -> None:
        """Stop accepting, let waiting clients have what comes within `shutdown_seconds`, then tell them and end."""
        if self._serving is None:
            return
        self._server.should_exit = True
        if not await self._clock.wait(self._ended, self._options.shutdown_seconds):
            self._tier.waiters.stop()
        await asyncio.wait([self._serving])
        if self._socket is not None:
            self._socket.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, saying when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _files() -> int:
    """How many files this process may have open."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if allowed == resource.RLIM_INFINITY else max(allowed, 2 * SPARE_FILES)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        message = f"cannot listen on {host} port {port}: {error.strerror or error}"
        raise Misconfigured(message) from error
