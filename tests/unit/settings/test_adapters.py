"""From settings to the real adapters."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from burstlens.buckets import Layout
from burstlens.clock import SystemClock
from burstlens.clouds.base import Pool
from burstlens.errors import Misconfigured
from burstlens.lane import Lane
from burstlens.messages import Result, utc
from burstlens.queues.base import Message
from burstlens.settings import Settings, load_settings
from burstlens.settings.adapters import identity, open_clouds, open_lane
from burstlens.settings.model import BucketSettings, PoolSettings, QueueSettings

pytestmark = pytest.mark.anyio

MEMORY = BucketSettings(inputs="memory:///", outputs="memory:///", fleet="memory:///")


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Lane]:
    lane = await open_lane(settings, SystemClock())
    try:
        yield lane
    finally:
        await lane.close()


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def bodies(lane: Lane) -> list[str]:
    return [delivery.body for delivery in await lane.requests.receive(10, 0)]


async def test_a_lane_in_files_is_below_data_and_there_again_for_the_next_process(folder: Path) -> None:
    settings = load_settings(data=folder / "state")
    async with opened(settings) as lane:
        await lane.requests.send([Message("hello")])
        await lane.buckets.create_result(Result(id="request-1", filename="a", completed_at=utc(0)))

    assert names_in(folder) == ["state"]
    async with opened(settings) as lane:
        assert await bodies(lane) == ["hello"]
        assert await lane.buckets.get_result("request-1") is not None


async def test_deployments_with_different_data_do_not_meet(folder: Path) -> None:
    async with (
        opened(load_settings(data=folder / "one")) as one,
        opened(load_settings(data=folder / "other")) as other,
    ):
        await one.requests.send([Message("for one")])
        await one.buckets.fleet.put("heartbeats/a.json", b"{}")

        assert await bodies(other) == []
        assert [key async for key in other.buckets.fleet.list_keys()] == []
        assert await bodies(one) == ["for one"]


async def test_a_lane_in_memory_leaves_no_file(folder: Path) -> None:
    settings = Settings(queue=QueueSettings(url="memory:"), buckets=MEMORY)
    async with opened(settings) as lane:
        await lane.requests.send([Message("hello")])
        assert await bodies(lane) == ["hello"]

    assert names_in(folder) == []


async def test_a_lane_has_the_queue_options_and_the_layout_of_the_settings() -> None:
    queue = QueueSettings(url="memory:", name="images", lease_seconds=0.01, max_attempts=1)
    settings = Settings(queue=queue, buckets=MEMORY.model_copy(update={"layout": Layout.FILENAME}))
    async with opened(settings) as lane:
        assert lane.requests.name == "images"
        assert lane.buckets.layout is Layout.FILENAME


@pytest.mark.parametrize("url", ["amqp:images", "sqlite:", "images", "/var/queues"])
async def test_a_queue_of_no_known_kind_is_refused_by_name(url: str) -> None:
    settings = Settings(queue=QueueSettings(url=url), buckets=MEMORY)
    with pytest.raises(Misconfigured, match=rf"queue\.url: '{url}' is no known kind of queue"):
        await open_lane(settings, SystemClock())


async def test_sqs_without_a_prefix_is_refused_unless_the_response_queue_has_a_name(aws_credentials: None) -> None:
    settings = Settings(queue=QueueSettings(url="sqs:"), buckets=MEMORY)
    with pytest.raises(Misconfigured, match=r"sqs: without a prefix needs queue\.response_name"):
        await open_lane(settings, SystemClock())


async def test_a_bucket_of_no_known_kind_is_refused_by_name() -> None:
    buckets = MEMORY.model_copy(update={"outputs": "gopher://x"})
    settings = Settings(queue=QueueSettings(url="memory:"), buckets=buckets)
    with pytest.raises(Misconfigured, match="gopher://x"):
        await open_lane(settings, SystemClock())


@pytest.mark.parametrize("url", ["sqlite:{}", "sqlite://{}"])
async def test_the_folder_of_a_queue_may_be_written_as_a_url(folder: Path, url: str) -> None:
    settings = Settings(queue=QueueSettings(url=url.format(folder / "mine")), buckets=MEMORY)
    async with opened(settings):
        assert (folder / "mine").is_dir()


async def test_the_local_cloud_keeps_its_instances_below_data(folder: Path) -> None:
    (cloud,) = open_clouds(load_settings(data=folder / "state"), SystemClock()).values()
    assert cloud.name == "local"
    assert await cloud.instances("burstlens") == []
    await cloud.close()


async def test_every_pool_has_its_cloud_and_a_cloud_is_opened_once() -> None:
    settings = Settings(pools=tuple(PoolSettings(name=name, cloud="local", cap=1) for name in "ab"))

    clouds = open_clouds(settings, SystemClock())

    assert {pool.cloud for pool in settings.fleet_pools()} == clouds.keys() == {"local"}
    assert settings.fleet_pools() == (Pool("a", "local", 1), Pool("b", "local", 1))
    await clouds["local"].close()


def test_a_worker_of_a_fleet_is_named_by_its_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURSTLENS_INSTANCE", "app-tier-3")
    monkeypatch.setenv("BURSTLENS_INSTANCE_ID", "i-0.9/x")
    monkeypatch.setenv("BURSTLENS_POOL", "lab")

    own = identity()

    assert (own.instance, own.pool, own.managed) == ("app-tier-3", "lab", True)
    assert own.worker == f"i-0-9-x-{os.getpid()}"


def test_a_worker_that_was_started_by_hand_has_the_name_of_its_host_and_may_outlive_any_autoscaler() -> None:
    own = identity()

    assert (own.instance, own.pool, own.managed) == (socket.gethostname(), "", False)
    assert own.worker.endswith(f"-{os.getpid()}")
