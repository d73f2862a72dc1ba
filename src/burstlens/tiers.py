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
    from burstlens.scaling.lease import Lease
    from burstlens.scaling.lock import AutoscalerLock

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
    """Run the autoscaler until told to stop, as standby while another one has the fleet; the instances go on."""
    clock = SystemClock()
    async with (
        opened_lane(settings, clock) as lane,
        _opened_clouds(settings, clock) as clouds,
        _contended(settings, lane, _lock(settings), clock) as lease,
        _autoscaling(settings, lane, clouds, clock, lease),
    ):
        await stop.wait()


async def run_all(settings: Settings, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Run web tier and autoscaler until told to stop, then drain every instance: nothing is left running.

    Instances of a fleet that another autoscaler has, on another machine, go on.
    """
    async with whole_system(settings, ready):
        await stop.wait()


@contextlib.asynccontextmanager
async def whole_system(settings: Settings, ready: Callable[[str], None]) -> AsyncIterator["Autoscaler"]:
    """The whole system on this machine while the block runs; afterwards no instance is left.

    Raises:
        Misconfigured: the address is taken, or another process of this machine runs a fleet in this folder.
    """
    clock = SystemClock()
    async with opened_lane(settings, clock) as lane:
        with _lock(settings) as lock:
            async with (
                _opened_clouds(settings, clock) as clouds,
                _contended(settings, lane, lock, clock) as lease,
                _leaving_none(clouds, settings, clock, lease),
                _serving(settings, lane, clock, ready),
                _autoscaling(settings, lane, clouds, clock, lease) as autoscaler,
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
async def _opened_clouds(settings: Settings, clock: Clock) -> AsyncIterator[dict[str, Cloud]]:
    clouds = open_clouds(settings, clock)
    try:
        yield clouds
    finally:
        for cloud in clouds.values():
            await cloud.close()


def _lock(settings: Settings) -> "AutoscalerLock":
    from burstlens.scaling.lock import AutoscalerLock

    return AutoscalerLock(settings.data.absolute() / "fleet" / "autoscaler.lock")


@contextlib.asynccontextmanager
async def _contended(settings: Settings, lane: Lane, lock: "AutoscalerLock", clock: Clock) -> AsyncIterator["Lease"]:
    """The lease of the fleet, striven for while the block runs."""
    from burstlens.scaling.lease import Lease

    with contextlib.closing(lock):
        lock.seat()  # a folder that cannot be used is found out now
        lease = Lease(lane.buckets.fleet, clock, f"{socket.gethostname()} process {os.getpid()}", lock.seat)
        async with lease.contended():
            yield lease


@contextlib.asynccontextmanager
async def _leaving_none(
    clouds: Mapping[str, Cloud], settings: Settings, clock: Clock, lease: "Lease"
) -> AsyncIterator[None]:
    """Drain every instance at the end; whoever does not want to wait for that cancels, and they are killed.

    Those of a fleet that another autoscaler has are not touched.
    """
    from burstlens.scaling.retire import retire

    only_processes = clouds.keys() <= {"local"}
    grace_seconds = RETIRE_SECONDS if only_processes else settings.worker.drain_seconds + _POWER_OFF_SECONDS
    try:
        yield
    finally:
        if not lease.was_last:
            clouds = {}
        try:
            await retire(clouds.values(), settings.fleet, clock, grace_seconds)
        except asyncio.CancelledError:
            await retire(clouds.values(), settings.fleet, clock, grace_seconds=0)
            raise


@contextlib.asynccontextmanager
async def _autoscaling(
    settings: Settings, lane: Lane, clouds: Mapping[str, Cloud], clock: Clock, lease: "Lease"
) -> AsyncIterator["Autoscaler"]:
    from burstlens.scaling.autoscaler import Autoscaler
    from burstlens.scaling.decision_log import DecisionLog
    from burstlens.scaling.ledger import Ledger

    pools = settings.fleet_pools()
    autoscaler = Autoscaler(
        queue=lane.requests,
        clouds=clouds,
        pools=pools,
        heartbeats=Heartbeats(lane.buckets.fleet, clock),
        options=settings.scaling,
        clock=clock,
        fleet=settings.fleet,
        spec_for=open_specs(settings, clock),
        ledger=Ledger(lane.buckets.fleet) if any(pool.price_per_hour for pool in pools) else None,
        log=DecisionLog(lane.buckets.fleet, clock),
        lease=lease,
    )
    task = asyncio.create_task(autoscaler.run())
    try:
        yield autoscaler
    finally:
        task.cancel()
        await asyncio.wait([task])
