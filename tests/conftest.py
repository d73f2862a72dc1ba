"""What every test may use."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from burstlens.recognition.catalog import catalogue_model
from support.aws_doubles import CREDENTIALS, Doubles
from support.commands import Home, home_in
from support.openstack_lab import Project, needed_lab, own_project

# A shell without job control starts what it puts into the background deaf to SIGINT, and so are then all commands that
# a test starts, and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with a model that was converted once for all tests."""
    folder = tmp_path_factory.mktemp("cache")
    catalogue_model("lite0", folder)
    return folder


@pytest.fixture
async def home(tmp_path: Path, cache: Path) -> AsyncIterator[Home]:
    """A folder to run commands in."""
    async with home_in(tmp_path, cache) as home:
        yield home


@pytest.fixture(scope="session")
def doubles() -> Iterator[Doubles]:
    """AWS on loopback."""
    doubles = Doubles()
    yield doubles
    doubles.stop()


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that a double takes, and nothing else of AWS in the environment."""
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def openstack_lab() -> Iterator[Path]:
    """Folder of an OpenStack on this machine; without one, tests that want it are skipped."""
    yield from needed_lab()


@pytest.fixture
def openstack_project(openstack_lab: Path, tmp_path: Path) -> Iterator[Project]:
    """A project of that OpenStack that only this test uses."""
    with own_project(openstack_lab, tmp_path) as project:
        yield project
