"""Web tier and autoscaler as coroutines that their owner starts and stops: alone, or both in one process."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING

import structlog

from burstlens import __version__
from burstlens.clock import Clock, SystemClock
from burstlens.clouds.base import Cloud
from burstlens.heartbeats import Heartbeats
from burstlens.lane import Lane
from burstlens.settings import Settings
from burstlens.settings.adapters import open_clouds, opened_lane
from burstlens.settings.specs import open_specs

if TYPE_CHECKING:  # a worker must not wait for the autoscaler's imports
    from burstlens.scaling.autoscaler import Autoscaler

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

_log = structlog.get_logger(__name__)

RETIRE_SECONDS = 20.0
"""How long the instances of `run_all` get to drain when it ends, where they are processes."""
_POWER_OFF_SECONDS = 90.0
"""What a machine takes beside the drain: to notice that it is to, and to shut down."""


async def run_web(settings: Settings, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Run one web replica until told to stop; `ready` is called with its URL."""
    clock = SystemClock()
    async with opened_lane(settings, clock) as lane, _serving(settings, lane, clock, ready):
        await stop.wait()


async def run_autoscaler(settings: Settings, stop: asyncio.Event) -> None:
    """Run the autoscaler until told to stop; the instances go on without it."""
    clock = SystemClock()
    async with (
        opened_lane(settings, clock) as lane,
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
        opened_lane(settings, clock) as lane,
        _owned_clouds(settings, clock) as clouds,
        _leaving_none(clouds, settings, clock),
        _serving(settings, lane, clock, ready),
        _autoscaling(settings, lane, clouds, clock) as autoscaler,
    ):
        yield autoscaler


@contextlib.asynccontextmanager
async def _serving(settings: Settings, lane: Lane, clock: Clock, ready: Callable[[str], None]) -> AsyncIterator[None]:
    from burstlens.response_queues import name_of_this_start
    from burstlens.web.app import create_app
    from burstlens.web.server import WebServer

    options = settings.with_web(replica=name_of_this_start(settings.web.replica)).web
    app = create_app(lane, options, clock, __version__)
    shared = bool(settings.queue.response_name)
    queue = contextlib.nullcontext() if shared else _own_response_queue(lane, options.response_queue, clock)
    async with queue, WebServer(app, options, clock) as server:
        if settings.web.host not in _LOOPBACK:
            _log.warning("anybody who can reach this address may use it: there are no API keys yet", url=server.url)
        ready(server.url)
        yield


def _own_response_queue(lane: Lane, name: str, clock: Clock) -> contextlib.AbstractAsyncContextManager[None]:
    """The replica's response queue while the block runs."""
    from burstlens.response_queues import ReplicaQueue

    owner = f"{socket.gethostname()} process {os.getpid()}"
    return ReplicaQueue(lane.queues, lane.buckets.fleet, name, owner, clock).owned()


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
async def _leaving_none(clouds: Mapping[str, Cloud], settings: Settings, clock: Clock) -> AsyncIterator[None]:
    """Drain every instance at the end; whoever does not want to wait for that cancels, and they are killed."""
    from burstlens.scaling.retire import retire

    only_processes = clouds.keys() <= {"local"}
    grace_seconds = RETIRE_SECONDS if only_processes else settings.worker.drain_seconds + _POWER_OFF_SECONDS
    try:
        yield
    finally:
        try:
            await retire(clouds.values(), settings.fleet, clock, grace_seconds)
        except asyncio.CancelledError:
            await retire(clouds.values(), settings.fleet, clock, grace_seconds=0)
            raise


@contextlib.asynccontextmanager
async def _autoscaling(
    settings: Settings, lane: Lane, clouds: Mapping[str, Cloud], clock: Clock
) -> AsyncIterator["Autoscaler"]:
    from burstlens.scaling.autoscaler import Autoscaler

    autoscaler = Autoscaler(
        queue=lane.requests,
        clouds=clouds,
        pools=settings.fleet_pools(),
        heartbeats=Heartbeats(lane.buckets.fleet, clock),
        options=settings.scaling,
        clock=clock,
        fleet=settings.fleet,
        spec_for=open_specs(settings, clock),
    )
    task = asyncio.create_task(autoscaler.run())
    try:
        yield autoscaler
    finally:
        task.cancel()
        await asyncio.wait([task])
