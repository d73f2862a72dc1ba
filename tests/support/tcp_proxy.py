"""A proxy before a server, which can be made to refuse, or to take every question and answer none."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class TcpProxy:
    """Passes bytes on, on a port of its own, until told otherwise; `refuse` and `hang` also end what is under way."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._hanging = False
        self.port = 0

    async def mend(self) -> None:
        """Pass everything on."""
        await self._end()
        self._hanging = False
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Listen no more."""
        await self._end()

    async def hang(self) -> None:
        """Take connections, and say nothing on them."""
        await self.mend()
        self._hanging = True

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await (asyncio.Event().wait() if self._hanging else self._pass_on(reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # whoever asks sees the end of the connection
        finally:
            self._open.discard(task)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._upstream)
        ways = [asyncio.create_task(_copy(reader, back)), asyncio.create_task(_copy(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            back.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


@contextlib.asynccontextmanager
async def proxied(host: str, port: int) -> AsyncIterator[TcpProxy]:
    """A proxy while the block runs."""
    proxy = TcpProxy(host, port)
    await proxy.mend()
    try:
        yield proxy
    finally:
        await proxy.refuse()
