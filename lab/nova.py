"""The stand-in for nova's hypervisor: each server that the fake compute calls ACTIVE gets a machine.

What differs from a nova with guests: there, a stopped server is SHUTOFF once its guest has shut down, or when nova's
``shutdown_timeout`` is over; here the fake compute says SHUTOFF at once, and the machine shuts down after that, even
when the server is deleted meanwhile. Its unit's ``TimeoutStopSec`` is all that limits it.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from burstlens.clouds.openstack.identity import INSTANCE_ID_FILE
from burstlens.errors import NotFound
from burstlens.openstack.errors import Conflict, translated
from lab.hypervisor import BOOT_SECONDS, Hypervisor, insisted

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection

_POWER_ACTIONS = frozenset({"create", "start", "stop"})


class NovaHypervisor(Hypervisor["Server"]):
    """Runs the servers of one project.

    Args:
        admin: a client of the cloud's administrator, to whom alone nova shows user data.
        project: the project's id.
        folder: holds each machine's disk; made when missing.
        cache: models, shared by all machines.
        boot_seconds: from the moment that a server is ACTIVE to its first process.
    """

    def __init__(
        self, admin: "Connection", project: str, folder: Path, cache: Path, boot_seconds: float = BOOT_SECONDS
    ) -> None:
        super().__init__(folder, cache, boot_seconds)
        self._admin = admin
        self._project = project

    async def _listed(self) -> dict[str, "Server"]:
        return await asyncio.to_thread(self._servers)

    def _servers(self) -> dict[str, "Server"]:
        with translated("nova: servers"):
            servers = self._admin.compute.servers(all_projects=True, project_id=self._project, status="ACTIVE")
            return {server.id: server for server in servers if server.task_state not in {"powering-off", "deleting"}}

    @contextlib.asynccontextmanager
    async def _furnished(self, instance_id: str, told: "Server", disk: Path) -> AsyncIterator[Mapping[str, str]]:
        del told
        written = disk / INSTANCE_ID_FILE.lstrip("/")
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(f"{instance_id}\n")
        yield {}

    async def _user_data(self, instance_id: str, told: "Server") -> str:
        del instance_id
        return base64.b64decode(told.user_data or "").decode()

    async def _ends_in_order(self, instance_id: str) -> bool:
        """Nova remembers that it was stopped, even of a server that was deleted a moment after that."""
        return await asyncio.to_thread(self._last_power_action, instance_id) == "stop"

    def _last_power_action(self, instance_id: str) -> str:
        with translated("nova: actions"):
            # The newest comes first; their times are whole seconds.
            actions: list[str] = [each.action for each in self._admin.compute.server_actions(instance_id)]
        return next(action for action in actions if action in _POWER_ACTIONS)

    async def _powered_off(self, instance_id: str) -> None:
        """Stop the server, as nova does itself when libvirt tells it."""
        with contextlib.suppress(NotFound):
            await insisted(lambda: asyncio.to_thread(self._stop, instance_id))

    def _stop(self, instance_id: str) -> None:
        # Whoever has it stopped or deleted already was first.
        with contextlib.suppress(Conflict), translated("nova: stop"):
            self._admin.compute.stop_server(instance_id)
