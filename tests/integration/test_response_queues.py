"""Response queues of real processes: what an orderly end and a kill leave behind, in files and on AWS."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from burstlens.lane import Lane
from support.aws_doubles import Doubles
from support.commands import SLOW_MACHINE_SECONDS, Home
from support.deployments import DEPLOYMENTS, lane_of, written_settings
from support.eventually import eventually

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("aws_credentials")]

TESTS = Path(__file__).parents[1]


async def left(lane: Lane) -> tuple[list[str], list[str]]:
    signs = [key async for key in lane.buckets.fleet.list_keys("replicas")]
    return await lane.queues.names("responses-"), sorted(signs)


@asynccontextmanager
async def replica(config: Path, name: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that owns this queue; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "support.replica", str(config), name),
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("where", DEPLOYMENTS)
async def test_the_queue_of_a_killed_replica_is_swept_by_another_and_no_living_one_is(
    tmp_path: Path, doubles: Doubles, where: str
) -> None:
    config = written_settings(tmp_path, where, doubles)
    async with (
        replica(config, "responses-a"),
        replica(config, "responses-b"),
        replica(config, "responses-c") as victim,
        lane_of(config) as lane,
    ):
        victim.kill()
        await victim.wait()
        assert await lane.queues.names("responses-") == ["responses-a", "responses-b", "responses-c"]

        async def swept() -> bool:
            names, signs = await left(lane)
            assert {"responses-a", "responses-b"} <= set(names)
            return len(names) == len(signs) == 2

        await eventually(swept, SLOW_MACHINE_SECONDS)


@pytest.mark.parametrize(("command", "where"), [("web", "files"), ("web", "aws"), ("up", "files")])
async def test_a_response_queue_comes_and_goes_with_its_web_replica(
    home: Home, doubles: Doubles, command: str, where: str
) -> None:
    config = written_settings(home.folder, where, doubles)
    tier = await home.start(command)
    await tier.url()
    async with lane_of(config) as lane:

        async def there() -> bool:
            names, signs = await left(lane)
            assert signs == [f"replicas/{name}.json" for name in names] or not names
            return len(names) == len(signs) == 1 and names[0].startswith("responses-web-")

        await eventually(there, SLOW_MACHINE_SECONDS)
        assert (await tier.end(signal.SIGTERM)).code == 0
        assert await left(lane) == ([], [])
        assert "requests" in await lane.queues.names()


async def test_a_replica_that_is_started_again_has_another_queue_since_sqs_keeps_old_names_for_a_minute(
    home: Home, doubles: Doubles
) -> None:
    config = written_settings(home.folder, "aws", doubles)
    names: list[str] = []
    async with lane_of(config) as lane:

        async def there() -> bool:
            return len(await lane.queues.names("responses-")) == 1

        for _ in range(2):
            web = await home.start("web")
            await web.url()
            await eventually(there, SLOW_MACHINE_SECONDS)
            names += await lane.queues.names("responses-")
            assert (await web.end(signal.SIGTERM)).code == 0
    assert len(set(names)) == 2


async def test_the_one_queue_that_the_settings_name_has_no_owner_and_stays(home: Home, doubles: Doubles) -> None:
    config = written_settings(home.folder, "aws", doubles)
    config.write_text(config.read_text().replace("[queue]", "[queue]\nresponse_name = 'shared-by-all'"))
    web = await home.start("web")
    await web.url()
    async with lane_of(config) as lane:

        async def there() -> bool:
            return (await lane.queues.open("responses-any")).name == "responses-any"

        await eventually(there, SLOW_MACHINE_SECONDS)
        assert (await web.end(signal.SIGTERM)).code == 0
        assert await there()
        assert (await left(lane))[1] == []
