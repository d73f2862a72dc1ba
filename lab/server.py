"""A server as a process of its own, on loopback, for as long as a block runs."""

import asyncio
import contextlib
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Sequence

from burstlens.errors import Misconfigured

HOST = "127.0.0.1"
MOTO = ("-m", "moto.server", "-H", HOST, "-p", "{port}")
"""All of AWS that there is here."""

_START_SECONDS = 60.0


@contextlib.asynccontextmanager
async def serving(python_arguments: Sequence[str], port: int, **environment: str) -> AsyncIterator[str]:
    """Serve while the block runs; the value is the server's URL.

    Args:
        python_arguments: what this Python is to run; ``{port}`` stands for the port.
        port: 0 takes a free one.
        environment: of the server, besides this process's own.

    Raises:
        Misconfigured: the port is taken, or the server does not start.
    """
    port = _free(port)
    # In a session of its own, so that a Ctrl-C leaves it to us: what runs on it still has to be ended there.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *(argument.replace("{port}", str(port)) for argument in python_arguments)),
        env={**os.environ, **environment},
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
        start_new_session=True,
    )
    try:
        await _until_it_answers(port, process)
        yield f"http://{HOST}:{port}"
    finally:
        # It keeps nothing that is worth an orderly end.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _free(port: int) -> int:
    """The port, or any that nobody listens on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            message = f"port {port} cannot be used: {error.strerror}; choose another with --port"
            raise Misconfigured(message) from error
        number: int = probe.getsockname()[1]
        return number


async def _until_it_answers(port: int, process: Process) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return
    message = f"the server on port {port} ended with code {process.returncode}; is the extra `dev` installed?"
    raise Misconfigured(message)
