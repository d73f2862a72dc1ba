"""A machine of the lab, with the worker as its service; its queue and buckets are on its own disk."""

import asyncio
import contextlib
import os
import signal
import stat
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from burstlens.clouds.user_data import CREDENTIALS_FILE, worker_user_data
from lab.machine import Machine
from support.aws_lab import processes
from support.eventually import eventually

pytestmark = pytest.mark.anyio

ENVIRONMENT = {
    "BURSTLENS_CONFIG": os.devnull,
    "BURSTLENS_DATA": "/var/lib/burstlens",
    "BURSTLENS_WORKER__PROCESSES": "1",
}


@dataclass(frozen=True)
class Running:
    machine: Machine
    life: asyncio.Task[None]
    disk: Path

    @property
    def log(self) -> str:
        path = self.disk / "burstlens-worker.service.log"
        return path.read_text() if path.exists() else ""

    @property
    def environment(self) -> set[bytes]:
        (worker,) = processes(self.disk)
        return set(Path(f"/proc/{worker}/environ").read_bytes().split(b"\0"))

    async def works(self) -> None:
        async def beats() -> bool:
            folder = self.disk / "var/lib/burstlens/buckets/fleet/heartbeats"
            return folder.exists() and any(folder.iterdir())

        await eventually(beats)

    async def is_off(self) -> None:
        async with asyncio.timeout(20):
            await self.life
        assert processes(self.disk) == set()


@contextlib.asynccontextmanager
async def started(
    disk: Path, cache: Path, user_data: str, network: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """A machine while the block runs."""
    machine = Machine("test", disk, cache)
    life = asyncio.create_task(machine.run(user_data, network or {}))
    try:
        yield Running(machine, life, disk)
    finally:
        life.cancel()
        await asyncio.wait([life])


async def test_a_machine_that_shuts_down_has_its_worker_drain_first(tmp_path: Path, cache: Path) -> None:
    async with started(tmp_path / "disk", cache, worker_user_data(ENVIRONMENT)) as running:
        await running.works()
        running.machine.shutting_down.set()
        await running.is_off()
        assert '"draining"' in running.log


async def test_a_machine_whose_power_is_cut_has_no_time_for_that(tmp_path: Path, cache: Path) -> None:
    async with started(tmp_path / "disk", cache, worker_user_data(ENVIRONMENT)) as running:
        await running.works()
        running.life.cancel()
        await asyncio.wait([running.life])
        assert processes(running.disk) == set()
        assert '"draining"' not in running.log


async def test_a_worker_that_ends_well_powers_its_machine_off(tmp_path: Path, cache: Path) -> None:
    async with started(tmp_path / "disk", cache, worker_user_data(ENVIRONMENT)) as running:
        await running.works()
        (worker,) = processes(running.disk)
        os.kill(worker, signal.SIGTERM)
        await running.is_off()


async def test_a_machine_told_to_shut_down_before_its_first_service_starts_none(tmp_path: Path, cache: Path) -> None:
    machine = Machine("test", tmp_path / "disk", cache)
    machine.shutting_down.set()
    await machine.run(worker_user_data(ENVIRONMENT), {})
    assert not list((tmp_path / "disk").glob("*.log"))


async def test_credentials_reach_the_worker_and_on_the_disk_only_their_owner(tmp_path: Path, cache: Path) -> None:
    user_data = worker_user_data({**ENVIRONMENT, "AWS_REGION": "one"}, {"AWS_ACCESS_KEY_ID": "key"})
    async with started(tmp_path / "disk", cache, user_data) as running:
        await running.works()
        assert {b"AWS_REGION=one", b"AWS_ACCESS_KEY_ID=key"} <= running.environment
    kept = running.disk / CREDENTIALS_FILE.lstrip("/")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
