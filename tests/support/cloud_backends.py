"""Every cloud adapter, ready for the contract tests; a new adapter is one more entry in `BACKENDS`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from burstlens.clock import SystemClock
from burstlens.clouds.base import Cloud, Pool, Spec
from burstlens.clouds.local import LocalCloud
from burstlens.simulate.cloud import SimulatedCloud
from burstlens.simulate.site import Site
from burstlens.simulate.world import SimulatedPool, World
from support.aws_doubles import Doubles
from support.ec2 import POOL, ec2_at
from support.eventually import eventually
from support.openstack_cloud import private_cloud
from support.openstack_lab import Project

FLEETS = ("fleet-a", "fleet-b")
_LOOK_SECONDS = 0.1
_WAIT_SECONDS = 45.0

STAND_IN = (
    sys.executable,
    "-I",
    "-S",
    "-c",
    """
import os, signal, sys, time
def finish(*_):
    time.sleep(float(os.environ.get("FINISH_SECONDS", "0")))
    print("finished", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
print("ready", flush=True)
while True:
    signal.pause()
""",
)
"""A worker that holds one request: after SIGTERM it finishes that, says so, and exits."""


@dataclass(frozen=True)
class CloudBackend:
    """One cloud, however many adapters are opened on it."""

    open: Callable[[], Cloud]
    pool: Pool
    other_pool: Pool
    spec: Spec


@asynccontextmanager
async def local(folder: Path, fixture: Callable[[str], Any]) -> AsyncIterator[CloudBackend]:
    del fixture

    def open_cloud() -> LocalCloud:
        return LocalCloud(folder, SystemClock(), STAND_IN)

    pool = Pool(name="cores", cloud="local", cap=10)
    try:
        yield CloudBackend(open_cloud, pool, Pool(name="more-cores", cloud="local", cap=10, order=1), Spec({}))
    finally:
        await end_all(open_cloud(), FLEETS)


@asynccontextmanager
async def ec2(folder: Path, fixture: Callable[[str], Any]) -> AsyncIterator[CloudBackend]:
    del folder
    doubles: Doubles = fixture("doubles")
    async with ec2_at(doubles.ec2.url) as account:
        yield CloudBackend(account.cloud, POOL, replace(POOL, name="more", order=1), Spec({}))


@asynccontextmanager
async def openstack(folder: Path, fixture: Callable[[str], Any]) -> AsyncIterator[CloudBackend]:
    del folder
    project: Project = fixture("openstack_project")
    async with private_cloud(project) as private:
        yield CloudBackend(private.cloud, private.pool, replace(private.pool, name="more", order=1), Spec({}))


@asynccontextmanager
async def simulated(folder: Path, fixture: Callable[[str], Any]) -> AsyncIterator[CloudBackend]:
    del folder, fixture
    pool = Pool(name="simulated", cloud="simulated", cap=10)
    other_pool = replace(pool, name="more", order=1)
    site, clock = Site(World(pools=(SimulatedPool(pool), SimulatedPool(other_pool)))), SystemClock()
    began_at = clock.now()
    yield CloudBackend(
        lambda: SimulatedCloud(site, "simulated", lambda: clock.now() - began_at, began_at), pool, other_pool, Spec({})
    )


async def end_all(cloud: Cloud, fleets: tuple[str, ...]) -> None:
    """Leave no instance behind."""
    for fleet in fleets:
        await cloud.terminate([instance.id for instance in await cloud.instances(fleet)])
    for fleet in fleets:
        await is_gone(cloud, fleet)
    await cloud.close()


async def is_gone(cloud: Cloud, fleet: str) -> None:
    """Wait until the fleet has no instance."""

    async def empty() -> bool:
        return not await cloud.instances(fleet)

    await comes_true(empty)


async def comes_true(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what a cloud says. A real one has to work for each answer, and for what is waited for."""

    async def unhurried() -> bool:
        if not await holds():
            await asyncio.sleep(_LOOK_SECONDS)
            return False
        return True

    await eventually(unhurried, _WAIT_SECONDS)


BACKENDS: dict[str, Callable[[Path, Callable[[str], Any]], AbstractAsyncContextManager[CloudBackend]]] = {
    "local": local,
    "ec2": ec2,
    "openstack": openstack,
    "simulated": simulated,
}
"""Each by the name of its cloud; it is given a folder of its own and whatever pytest's fixtures give by name."""
