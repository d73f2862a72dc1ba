"""OpenStack's adapter on a project of the lab."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from unittest import mock

import pytest

from burstlens.clock import Clock, SystemClock
from burstlens.clouds.base import Pool
from burstlens.clouds.openstack.cloud import OpenStackCloud
from burstlens.clouds.openstack.listing import PAGE
from burstlens.openstack.options import OpenStackOptions
from support.openstack_lab import Project

SDK_WARNINGS = pytest.mark.filterwarnings(
    "ignore::openstack.warnings.RemovedInSDK50Warning", "ignore::openstack.warnings.RemovedInSDK60Warning"
)
"""What openstacksdk says to itself: its own code calls what it is about to remove."""

FLAVOR, HUGE, IMAGE, NETWORK = "lab.tiny", "lab.huge", "tiny", "lab"
ZONE = "fake"
"""The lab's compute that boots no guest; beside it there may be one that does."""
POOL = Pool(name="private", cloud="openstack", cap=10, instance_types=(FLAVOR,), zones=(ZONE,), image=IMAGE)


@dataclass
class PrivateCloud:
    """One project, and adapters on it."""

    project: Project
    pool: Pool = POOL
    _opened: list[OpenStackCloud] = field(default_factory=list)

    def cloud(self, clock: Clock | None = None, page: int = PAGE, **options: object) -> OpenStackCloud:
        """An adapter of its own; it is closed with the others."""
        asked = {"cloud": self.project.cloud, "network": NETWORK, **options}
        cloud = OpenStackCloud(OpenStackOptions.model_validate(asked), clock or SystemClock(), page)
        self._opened.append(cloud)
        return cloud

    async def close(self) -> None:
        """Close all adapters."""
        for cloud in self._opened:
            await cloud.close()


@asynccontextmanager
async def private_cloud(project: Project) -> AsyncIterator[PrivateCloud]:
    """The project's cloud, as the environment names it while the block runs; its servers are left to the project."""
    private = PrivateCloud(project)
    with mock.patch.dict(os.environ, {"OS_CLIENT_CONFIG_FILE": str(project.clouds)}):
        try:
            yield private
        finally:
            await private.close()
            await asyncio.sleep(0)
