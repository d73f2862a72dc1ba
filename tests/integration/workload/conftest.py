"""What the tests of the workload generator share."""

from collections.abc import AsyncIterator

import pytest

from support.load_peer import Servers


@pytest.fixture
async def servers(anyio_backend: str) -> AsyncIterator[Servers]:
    started = Servers()
    yield started
    await started.stop()
