"""The app tier of one instance, as coroutines: one worker process, or one for each core under a supervisor."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping

from burstlens.clock import SystemClock
from burstlens.clouds.user_data import CLOUD
from burstlens.heartbeats import Heartbeats
from burstlens.settings import Settings
from burstlens.settings.adapters import WORKER_COMMAND, identity, open_recognizer, opened_lane
from burstlens.worker.options import Identity
from burstlens.worker.supervisor import SUPERVISED


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
    async with opened_lane(settings, clock) as lane:
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
        Misconfigured, Unavailable: the cloud does not say who this is.
    """
    cloud = os.environ.get(CLOUD)
    if cloud == "openstack":
        from burstlens.clouds.openstack.identity import own_environment as own_of_openstack

        # It tells nothing to heed: a drain comes as the SIGTERM of a shutdown.
        yield {**os.environ, **own_of_openstack()}
        return
    if cloud != "ec2":
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
