"""The tiers as coroutines that their owner starts and stops: alone, or all of them in one process."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from burstlens import __version__
from burstlens.clock import Clock, SystemClock
from burstlens.clouds.base import Cloud
from burstlens.heartbeats import Heartbeats
from burstlens.lane import Lane
from burstlens.settings import Settings
from burstlens.settings.adapters import WORKER_COMMAND, identity, open_clouds, open_lane, open_recognizer
from burstlens.worker.supervisor import SUPERVISED

if TYPE_CHECKING:  # a worker must not wait for the autoscaler's imports
    from burstlens.scaling.autoscaler import Autoscaler

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_log = structlog.get_logger(__name__)

RETIRE_SECONDS = 20.0
"""How long the instances of `run_all` get to drain when it ends."""


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Run one worker process until it is told to stop, or until it ends by itself."""
    from burstlens.worker.memory import bound_memory
    from burstlens.worker.worker import Worker

    clock = SystemClock()
    recognizer = await asyncio.to_thread(open_recognizer, settings)
    async with _lane(settings, clock) as lane:
        worker = Worker(
            lane,
            recognizer,
            Heartbeats(lane.buckets.fleet, clock),
            identity(),
            settings.worker,
            settings.queue_options(),
            clock,
        )
        bound_memory(settings.web.max_pixels)
        owner = _until_input_closes(stop) if SUPERVISED in os.environ else contextlib.nullcontext()
        async with owner, _when(stop, worker.drain):
            await worker.run()
    if worker.broken:
        # A thread that does not end would keep the interpreter from ending, too.
        os._exit(1)


async def supervise_workers(settings: Settings, stop: asyncio.Event) -> None:
    """Run as many worker processes as the instance has cores, until told to stop."""
    from burstlens.worker.supervisor import Supervisor

    environment = {**os.environ, **settings.spec().environment}
    supervisor = Supervisor(WORKER_COMMAND, settings.worker_processes(), environment, SystemClock())
    async with _when(stop, supervisor.drain):
        await supervisor.run()


async def run_web(settings: Settings, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Run one web replica until told to stop; `ready` is called with its URL."""
    clock = SystemClock()
    async with _lane(settings, clock) as lane, _serving(settings, lane, clock, ready):
        await stop.wait()


async def run_autoscaler(settings: Settings, stop: asyncio.Event) -> None:
    """Run the autoscaler until told to stop; the instances go on without it."""
    clock = SystemClock()
    async with (
        _lane(settings, clock) as lane,
        _owned_clouds(settings, clock) as clouds,
        _autoscaling(settings, lane, clouds, clock),
    ):
        await stop.wait()


async def run_all(settings: Settings, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Run web tier and autoscaler until told to stop, then drain every instance: nothing is left running."""
    async with whole_system(settings, ready):
        await stop.wait()


@contextlib.asynccontextmanager
async def whole_system(settings: Settings, ready: Callable[[str], None]) -> AsyncIterator["Autoscaler"]:
    """The whole system on this machine while the block runs; afterwards no instance is left.

    Raises:
        Misconfigured: the address is taken, or another autoscaler runs this fleet.
    """
    clock = SystemClock()
    async with (
        _lane(settings, clock) as lane,
        _owned_clouds(settings, clock) as clouds,
        _leaving_none(clouds, settings.fleet, clock),
        _autoscaling(settings, lane, clouds, clock) as autoscaler,
        _serving(settings, lane, clock, ready),
    ):
        yield autoscaler


@contextlib.asynccontextmanager
async def _lane(settings: Settings, clock: Clock) -> AsyncIterator[Lane]:
    lane = await open_lane(settings, clock)
    try:
        yield lane
    finally:
        await lane.close()


@contextlib.asynccontextmanager
async def _serving(settings: Settings, lane: Lane, clock: Clock, ready: Callable[[str], None]) -> AsyncIterator[None]:
    from burstlens.web.app import create_app
    from burstlens.web.server import WebServer

    app = create_app(lane, settings.web, clock, __version__)
    async with WebServer(app, settings.web, clock) as server:
        if settings.web.host not in _LOOPBACK:
            _log.warning("anybody who can reach this address may use it: there are no API keys yet", url=server.url)
        ready(server.url)
        yield


@contextlib.asynccontextmanager
async def _owned_clouds(settings: Settings, clock: Clock) -> AsyncIterator[dict[str, Cloud]]:
    """The clouds of this fleet, which nobody else may change meanwhile."""
    from burstlens.scaling.lock import AutoscalerLock

    with AutoscalerLock(settings.data.absolute() / "fleet" / "autoscaler.lock"):
        clouds = open_clouds(settings, clock)
        try:
            yield clouds
        finally:
            for cloud in clouds.values():
                await cloud.close()


@contextlib.asynccontextmanager
async def _leaving_none(clouds: Mapping[str, Cloud], fleet: str, clock: Clock) -> AsyncIterator[None]:
    """Drain every instance at the end; whoever does not want to wait for that cancels, and they are killed."""
    from burstlens.scaling.retire import retire

    try:
        yield
    finally:
        try:
            await retire(clouds.values(), fleet, clock, RETIRE_SECONDS)
        except asyncio.CancelledError:
            await retire(clouds.values(), fleet, clock, grace_seconds=0)
            raise


@contextlib.asynccontextmanager
async def _autoscaling(
    settings: Settings, lane: Lane, clouds: Mapping[str, Cloud], clock: Clock
) -> AsyncIterator["Autoscaler"]:
    from burstlens.scaling.autoscaler import Autoscaler

    spec = settings.spec()
    autoscaler = Autoscaler(
        queue=lane.requests,
        clouds=clouds,
        pools=settings.fleet_pools(),
        heartbeats=Heartbeats(lane.buckets.fleet, clock),
        options=settings.scaling,
        clock=clock,
        fleet=settings.fleet,
        spec_for=lambda _: spec,
    )
    task = asyncio.create_task(autoscaler.run())
    try:
        yield autoscaler
    finally:
        task.cancel()
        await asyncio.wait([task])


@contextlib.asynccontextmanager
async def _when(stop: asyncio.Event, act: Callable[[], None]) -> AsyncIterator[None]:
    """Call `act` once when the event is set while the block runs."""

    async def watch() -> None:
        await stop.wait()
        act()

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()


@contextlib.asynccontextmanager
async def _until_input_closes(stop: asyncio.Event) -> AsyncIterator[None]:
    """Stop when the supervisor, which holds the other end of standard input, is gone."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )

    async def watch() -> None:
        await reader.read()
        stop.set()

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
        transport.close()
