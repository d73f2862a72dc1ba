"""`burstlens worker` as it runs on an EC2 instance: its queue and buckets are files here, its metadata on loopback."""

import functools
import io
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from burstlens.clock import SystemClock
from burstlens.lane import Lane
from burstlens.messages import Request, Result, utc
from burstlens.queues.base import Depth, Message, QueueOptions
from burstlens.settings import load_settings
from burstlens.settings.adapters import open_lane
from lab.metadata_server import ENDPOINT_VARIABLE, InstanceMetadata, MetadataServer
from support.commands import SLOW_MACHINE_SECONDS, Home, Running
from support.eventually import eventually

pytestmark = pytest.mark.anyio

REPLIES = "responses-test"
MANY = 40
"""Requests of some 0.3 s each: more than two workers can do before they see a notice."""


@functools.cache
def big_picture() -> bytes:
    """Small to send, and 49 megapixels to decode."""
    picture = io.BytesIO()
    Image.new("L", (7000, 7000), 128).save(picture, "PNG")
    return picture.getvalue()


class Deployment:
    """What the worker of a test has around it."""

    def __init__(self, home: Home, lane: Lane, server: MetadataServer, endpoint: str) -> None:
        self.lane = lane
        self.server = server
        self._home = home
        self._endpoint = endpoint
        self._ids: list[str] = []

    @property
    def instance(self) -> InstanceMetadata:
        return self.server.metadata

    async def start(self, processes: int, **environment: str) -> Running:
        variables = {"BURSTLENS_CLOUD": "ec2", ENDPOINT_VARIABLE: self._endpoint}
        return await self._home.start("worker", "--processes", processes, **variables, **environment)

    async def send(self, count: int) -> None:
        image = big_picture()
        ids = [f"request-{uuid.uuid4().hex}" for _ in range(count)]
        self._ids += ids
        sent_at = utc(SystemClock().now())
        requests = [
            Request(id=name, filename="a.png", image=image, reply_to=REPLIES, submitted_at=sent_at) for name in ids
        ]
        await self.lane.requests.send([Message(request.to_json()) for request in requests])

    async def results(self) -> list[Result]:
        found = [await self.lane.buckets.get_result(name) for name in self._ids]
        return [result for result in found if result is not None]

    async def first_results(self, count: int = 1) -> None:
        async def enough() -> bool:
            return len(await self.results()) >= count

        await eventually(enough, SLOW_MACHINE_SECONDS)

    async def everything_else_is_in_the_queue(self) -> None:
        """What was in work is answered; what was not started can be received by somebody else now."""
        depth, done = await self.lane.requests.depth(), await self.results()
        assert all(result.error is None for result in done)
        assert (depth.visible, depth.in_flight) == (len(self._ids) - len(done), 0)
        assert depth.visible > 0

    async def depth(self) -> Depth:
        return await self.lane.requests.depth()


@asynccontextmanager
async def deployment(home: Home, server: MetadataServer, endpoint: str) -> AsyncIterator[Deployment]:
    lane = await open_lane(load_settings(data=home.data), SystemClock())
    await lane.queues.create(REPLIES, QueueOptions())
    try:
        yield Deployment(home, lane, server, endpoint)
    finally:
        await lane.close()


@pytest.fixture
def server() -> Iterator[MetadataServer]:
    server = MetadataServer(InstanceMetadata("i-0abc", {"Name": "app-tier-3", "burstlens:pool": "spot"}))
    yield server
    server.stop()


@pytest.fixture
async def deployed(home: Home, server: MetadataServer) -> AsyncIterator[Deployment]:
    async with deployment(home, server, server.start()) as deployed:
        yield deployed


def from_now(seconds: float) -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


async def test_a_lone_worker_says_who_it_is_and_a_spot_notice_drains_it(home: Home, deployed: Deployment) -> None:
    await deployed.send(MANY)
    worker = await deployed.start(1)
    await home.works(1)
    await deployed.first_results()
    (beat,) = home.workers().values()
    assert (beat.instance, beat.pool, beat.worker) == ("app-tier-3", "spot", f"i-0abc-{worker.process.pid}")

    deployed.instance.spot_action = {"action": "terminate", "time": from_now(120)}
    done = await worker.ended()

    assert done.code == 0
    await deployed.everything_else_is_in_the_queue()
    (notice,) = worker.log("this instance is to end, draining")
    assert notice["reason"] == "spot notice: terminate"
    assert 100 < notice["seconds_left"] <= 120
    assert worker.log("the machine ends before the drain does, leaving requests to their leases") == []


async def test_the_drain_tag_drains_every_worker_of_an_instance_and_only_one_of_its_processes_looks(
    home: Home, deployed: Deployment
) -> None:
    await deployed.send(MANY)
    supervisor = await deployed.start(2)
    await home.works(2)
    await deployed.first_results(2)
    assert {beat.instance for beat in home.workers().values()} == {"app-tier-3"}
    assert supervisor.process.pid not in home.workers()

    deployed.instance.tags["burstlens:drain"] = "1"
    done = await supervisor.ended()

    assert done.code == 0
    assert home.processes() == set()
    await deployed.everything_else_is_in_the_queue()
    asked = deployed.server.asked
    assert [asked.count(line) for line in ("200 PUT /latest/api/token", "200 GET /latest/meta-data/instance-id")] == [
        1,
        1,
    ]


@pytest.mark.parametrize("processes", [1, 2])
async def test_an_instance_whose_time_is_up_leaves_its_requests_to_their_leases(
    home: Home, deployed: Deployment, processes: int
) -> None:
    await deployed.send(MANY)
    worker = await deployed.start(processes)
    await deployed.first_results(2)

    deployed.instance.spot_action = {"action": "terminate", "time": from_now(-1)}
    done = await worker.ended()

    assert done.code == 0
    await home.no_process_is_left()
    assert len(worker.log("the machine ends before the drain does, leaving requests to their leases")) == 1
    depth = await deployed.depth()
    assert depth.in_flight > 0
    assert depth.total + len(await deployed.results()) >= MANY


async def test_a_worker_goes_on_without_its_metadata(deployed: Deployment) -> None:
    worker = await deployed.start(1)
    await deployed.send(1)
    await deployed.first_results(1)

    deployed.server.stop()
    await worker.logged("cannot look for notices, working on")
    await deployed.send(2)
    await deployed.first_results(3)
    deployed.server.start()
    deployed.instance.tags["burstlens:drain"] = "1"

    assert (await worker.ended()).code == 0


async def test_an_instance_that_is_to_drain_before_it_has_begun_takes_nothing(deployed: Deployment) -> None:
    deployed.instance.tags["burstlens:drain"] = "1"
    await deployed.send(2)
    worker = await deployed.start(1)

    assert (await worker.ended()).code == 0
    assert await deployed.results() == []
    assert (await deployed.depth()).visible == 2
