"""A folder for the commands of each test, with a model that was converted once for all."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from burstlens.recognition.catalog import cached_model
from support.commands import Home, home_in


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    cached_model("lite0", folder)
    return folder


@pytest.fixture
async def home(tmp_path: Path, cache: Path) -> AsyncIterator[Home]:
    async with home_in(tmp_path, cache) as home:
        yield home
