"""The stand-in for nova's hypervisor, with servers made by the SDK; each worker's queue is on its own disk."""

import asyncio
import base64
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from burstlens.clouds.openstack.identity import INSTANCE_ID_FILE
from burstlens.clouds.user_data import worker_user_data
from lab.nova import NovaHypervisor
from support.aws_lab import processes
from support.eventually import eventually
from support.openstack_cloud import SDK_WARNINGS
from support.openstack_lab import Project

if TYPE_CHECKING:
    from openstack.connection import Connection

pytestmark = [
    pytest.mark.anyio,
    SDK_WARNINGS,
]

USER_DATA = worker_user_data(
    {"BURSTLENS_CONFIG": os.devnull, "BURSTLENS_DATA": "/var/lib/burstlens", "BURSTLENS_WORKER__PROCESSES": "1"}
)


class Server:
    """A server that was made without burstlens, and its machine."""

    def __init__(self, cloud: "Connection", folder: Path) -> None:
        made = cloud.compute.create_server(
            name="test",
            image_id=cloud.image.find_image("tiny", ignore_missing=False).id,
            flavor_id=cloud.compute.find_flavor("lab.tiny", ignore_missing=False).id,
            networks="none",
            availability_zone="fake",
            user_data=base64.b64encode(USER_DATA.encode()).decode(),
        )
        self.number: str = made.id
        self._cloud = cloud
        self.disk = folder / self.number

    @property
    def log(self) -> str:
        path = self.disk / "burstlens-worker.service.log"
        return path.read_text() if path.exists() else ""

    async def works(self) -> None:
        await self._until(lambda: any(self.disk.glob("var/lib/burstlens/buckets/fleet/heartbeats/*")))

    async def runs(self) -> None:
        await self._until(lambda: bool(processes(self.disk)))

    async def has_ended(self) -> None:
        await self._until(lambda: not processes(self.disk))

    async def is_off(self) -> None:
        def shut_off() -> bool:
            status: str = self._cloud.compute.get_server(self.number).status
            return status == "SHUTOFF"

        await eventually(lambda: asyncio.to_thread(shut_off))

    async def stop(self) -> None:
        await asyncio.to_thread(self._cloud.compute.stop_server, self.number)

    async def start(self) -> None:
        await asyncio.to_thread(self._cloud.compute.start_server, self.number)

    async def delete(self) -> None:
        await asyncio.to_thread(self._cloud.compute.delete_server, self.number)

    @staticmethod
    async def _until(holds: Callable[[], bool]) -> None:
        async def now() -> bool:
            return holds()

        await eventually(now)


@pytest.fixture
async def server(openstack_project: Project, tmp_path: Path, cache: Path) -> AsyncIterator[Server]:
    """A server whose worker has begun to work."""
    folder = tmp_path / "machines"
    hypervisor = NovaHypervisor(openstack_project.admin, openstack_project.number, folder, cache, boot_seconds=0)
    with openstack_project.connect() as cloud:
        async with hypervisor.running():
            server = await asyncio.to_thread(Server, cloud, folder)
            await server.works()
            yield server
    assert processes(folder) == set()


async def test_a_machine_knows_its_servers_id_as_from_cloud_init(server: Server) -> None:
    assert (server.disk / INSTANCE_ID_FILE.lstrip("/")).read_text().strip() == server.number


async def test_a_stopped_server_drains_even_when_it_is_deleted_at_once(server: Server) -> None:
    await server.stop()
    await server.is_off()
    await server.delete()
    await server.has_ended()
    assert '"draining"' in server.log


async def test_a_stopped_server_that_is_started_again_works_again(server: Server) -> None:
    await server.stop()
    await server.has_ended()
    await server.is_off()
    await server.start()
    await server.runs()


async def test_a_deleted_server_is_cut_off(server: Server) -> None:
    await server.delete()
    await server.has_ended()
    assert '"draining"' not in server.log


async def test_a_server_whose_worker_ends_well_powers_itself_off(server: Server) -> None:
    (worker,) = processes(server.disk)
    os.kill(worker, signal.SIGTERM)
    await server.is_off()
