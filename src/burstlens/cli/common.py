"""What several commands share: their options, and how a tier runs until it is told to stop."""

import asyncio
import contextlib
import resource
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
import uvloop

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Settings file; without it $BURSTLENS_CONFIG, else burstlens.toml in this folder if there is one.",
        show_default=False,
    ),
]

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of queue, buckets and logs. Default: ./burstlens-data", show_default=False),
]


def run_until_signalled(tier: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a tier; SIGINT and SIGTERM set the event that it is given, a second SIGINT ends it at once.

    Raises:
        KeyboardInterrupt: it was interrupted twice.
    """
    _raise_file_limit()

    async def guarded() -> None:
        stop, interrupted = asyncio.Event(), asyncio.Event()
        task = asyncio.ensure_future(tier(stop))
        loop = asyncio.get_running_loop()

        def on_interrupt() -> None:
            if interrupted.is_set():
                task.cancel()
            interrupted.set()
            stop.set()

        # A second SIGTERM is no hurry: a service manager sends it to every process, and then so does the supervisor.
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_signal_handler(signal.SIGINT, on_interrupt)
        try:
            await task
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            with contextlib.suppress(ValueError):
                for number in (signal.SIGINT, signal.SIGTERM):
                    loop.remove_signal_handler(number)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(guarded())


def _raise_file_limit() -> None:
    """Every waiting client is an open file, and many systems allow a process no more than 1,024 unless it asks."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
