"""The tiers as coroutines that their owner starts and stops: alone, or all of them in one process."""

import asyncio
import contextlib
import os
import secrets
import socket
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
from burstlens.worker.options import Identity
from burstlens.worker.supervisor import SUPERVISED

if TYPE_CHECKING:  # a worker must not wait for the autoscaler's imports
    from burstlens.scaling.autoscaler import Autoscaler

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_log = structlog.get_logger(__name__)

CLOUD = "BURSTLENS_CLOUD"
"""Set by the cloud that a worker is an instance of, where the worker has to ask that cloud who it is."""

RETIRE_SECONDS = 20.0
"""How long the instances of `run_all` get to drain when it ends."""


async def run_worker(settings: Settings, stop: asyncio.Event) -> None:
    """Run one worker process until it is told to stop, or until it ends by itself."""
    if SUPERVISED in os.environ:
        async with _until_input_closes(stop):
            await _work(settings, stop, identity())
    else:
        async with _on_its_cloud(settings, stop) as environment:
            await _work(settings, stop, identity(environment))


async def _work(settings: Settings, stop: asyncio.Event, own: Identity) -> None:
    from burstlens.worker.memory import bound_memory
    from burstlens.worker.worker import Worker

    clock = SystemClock()
    recognizer = await asyncio.to_thread(open_recognizer, settings)
    async with _lane(settings, clock) as lane:
        heartbeats = Heartbeats(lane.buckets.fleet, clock)
        worker = Worker(lane, recognizer, heartbeats, own, settings.worker, settings.queue_options(), clock)
        bound_memory(settings.web.max_pixels)
        async with _when(stop, worker.drain):
            await worker.run()
    if worker.broken:
        # A thread that does not end would keep the interpreter from ending, too.
        os._exit(1)


async def supervise_workers(settings: Settings, stop: asyncio.Event) -> None:
    """Run as many worker processes as the instance has cores, until told to stop."""
    from burstlens.worker.supervisor import Supervisor

    async with _on_its_cloud(settings, stop) as environment:
        own = {**environment, **settings.spec().environment}
        supervisor = Supervisor(WORKER_COMMAND, settings.worker_processes(), own, SystemClock())
        async with _when(stop, supervisor.drain):
            await supervisor.run()


@contextlib.asynccontextmanager
async def _on_its_cloud(settings: Settings, stop: asyncio.Event) -> AsyncIterator[Mapping[str, str]]:
    """Heed what the cloud says while the block runs. The value is the environment, with who this instance is.

    Only one process of an instance does this, for all of them.

    Raises:
        Unavailable: the cloud does not say who this is.
    """
    if os.environ.get(CLOUD) != "ec2":
        yield os.environ
        return
    from burstlens.clouds.ec2.metadata import Metadata, own_environment
    from burstlens.clouds.ec2.notice import heeding_notices

    clock = SystemClock()
    metadata = Metadata(clock)
    names = await own_environment(metadata, clock)
    async with heeding_notices(metadata, stop, clock, settings.worker.drain_seconds) as limit:
        yield {**os.environ, **names}
    if limit.expired():
        # The machine is about to go, and a thread in the middle of an image would not let the interpreter end.
        os._exit(0)


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
        _serving(settings, lane, clock, ready),
        _autoscaling(settings, lane, clouds, clock) as autoscaler,
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
    async with _response_queue(settings, lane, clock), WebServer(app, settings.web, clock) as server:
        if settings.web.host not in _LOOPBACK:
            _log.warning("anybody who can reach this address may use it: there are no API keys yet", url=server.url)
        ready(server.url)
        yield


def _response_queue(settings: Settings, lane: Lane, clock: Clock) -> contextlib.AbstractAsyncContextManager[None]:
    """The replica's own response queue while the block runs; one that all replicas share is nobody's to remove."""
    from burstlens.response_queues import ReplicaQueue

    if settings.queue.response_name:
        return contextlib.nullcontext()
    owner = f"{socket.gethostname()} process {os.getpid()} {secrets.token_hex(4)}"
    return ReplicaQueue(lane.queues, lane.buckets.fleet, settings.web.response_queue, owner, clock).owned()


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

    specs = {pool.cloud: settings.spec(pool.cloud) for pool in settings.fleet_pools()}
    autoscaler = Autoscaler(
        queue=lane.requests,
        clouds=clouds,
        pools=settings.fleet_pools(),
        heartbeats=Heartbeats(lane.buckets.fleet, clock),
        options=settings.scaling,
        clock=clock,
        fleet=settings.fleet,
        spec_for=lambda pool: specs[pool.cloud],
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
