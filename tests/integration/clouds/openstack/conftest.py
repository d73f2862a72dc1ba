"""An adapter on an OpenStack that may misbehave."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from burstlens.clock import SystemClock
from burstlens.clouds.openstack.cloud import OpenStackCloud
from burstlens.openstack.options import OpenStackOptions
from support.openstack_stub import OpenStackStub, stub_in


@pytest.fixture
async def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenStackStub]:
    async with stub_in(tmp_path) as stub:
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(stub.clouds))
        yield stub


@pytest.fixture
async def cloud(stub: OpenStackStub) -> AsyncIterator[OpenStackCloud]:
    """It waits two seconds for each answer, and lists two servers at once."""
    cloud = OpenStackCloud(OpenStackOptions(cloud="stub", request_seconds=2.0), SystemClock(), page=2)
    yield cloud
    await cloud.close()
