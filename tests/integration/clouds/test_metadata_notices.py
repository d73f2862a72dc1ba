"""Notices as an instance finds them in its metadata, and what it makes of them, on a clock of the test's own."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from burstlens.clock import ManualClock
from burstlens.clouds.ec2.metadata import Metadata
from burstlens.clouds.ec2.notice import WATCH_SECONDS, Notice, find_notice, heeding_notices
from lab.metadata_server import ENDPOINT_VARIABLE, InstanceMetadata, MetadataServer
from support.eventually import eventually

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0
IN_TWO_MINUTES = "2023-11-14T22:15:20Z"
SPOT = {"action": "terminate", "time": IN_TWO_MINUTES}
DRAIN_TAG = {"Name": "app-tier-3", "burstlens:drain": ""}
SHORT, LONG = 60.0, 600.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetadataServer]:
    server = MetadataServer(InstanceMetadata("i-0abc", {"Name": "app-tier-3"}))
    monkeypatch.setenv(ENDPOINT_VARIABLE, server.start())
    yield server
    server.stop()


@asynccontextmanager
async def advancing(clock: ManualClock, seconds: float = WATCH_SECONDS) -> AsyncIterator[None]:
    """Time that passes in steps while the block runs."""

    async def advance() -> None:
        while True:
            await clock.advance(seconds)
            await asyncio.sleep(0.001)

    task = asyncio.create_task(advance())
    try:
        yield
    finally:
        task.cancel()


async def test_without_a_notice_there_is_none(server: MetadataServer) -> None:
    assert await find_notice(Metadata(ManualClock()), LONG) is None
    assert len(server.asked) == 4


async def test_a_spot_notice_says_when_the_machine_goes(server: MetadataServer) -> None:
    server.metadata.spot_action = SPOT
    assert await find_notice(Metadata(ManualClock()), SHORT) == Notice("spot notice: terminate", NOW + 120)


@pytest.mark.parametrize("action", [{"action": "hibernate"}, {"action": "stop", "time": "soon"}, {}])
async def test_a_spot_notice_is_one_whatever_it_says(server: MetadataServer, action: dict[str, str]) -> None:
    server.metadata.spot_action = action
    assert await find_notice(Metadata(ManualClock()), SHORT) == Notice(f"spot notice: {json.dumps(action)}")


async def test_the_autoscaler_s_tag_is_a_notice_even_when_it_is_empty(server: MetadataServer) -> None:
    server.metadata.tags = DRAIN_TAG
    assert await find_notice(Metadata(ManualClock()), SHORT) == Notice("tag burstlens:drain")


async def test_what_takes_the_machine_away_comes_first(server: MetadataServer) -> None:
    server.metadata.tags = DRAIN_TAG
    server.metadata.rebalance = IN_TWO_MINUTES
    server.metadata.spot_action = SPOT
    assert await find_notice(Metadata(ManualClock()), LONG) == Notice("spot notice: terminate", NOW + 120)


@pytest.mark.parametrize(("drain_seconds", "heeded"), [(SHORT, False), (110.0, False), (111.0, True), (LONG, True)])
async def test_a_mere_risk_counts_only_where_a_drain_may_outlast_the_two_minutes(
    server: MetadataServer, drain_seconds: float, heeded: bool
) -> None:
    server.metadata.rebalance = IN_TWO_MINUTES
    notice = await find_notice(Metadata(ManualClock()), drain_seconds)
    assert notice == (Notice("rebalance recommendation") if heeded else None)


async def test_work_goes_on_until_a_notice_and_ends_in_its_own_time_after_it(server: MetadataServer) -> None:
    clock, stop = ManualClock(NOW), asyncio.Event()
    async with advancing(clock), heeding_notices(Metadata(clock), stop, clock, SHORT) as limit:

        async def asked_twice() -> bool:
            return server.asked.count("404 GET /latest/meta-data/spot/instance-action") >= 2

        await eventually(asked_twice)
        assert not stop.is_set()
        server.metadata.tags = DRAIN_TAG
        await stop.wait()
        drained_at = clock.now()

        async def ten_minutes_have_passed() -> bool:
            return clock.now() > drained_at + 600

        await eventually(ten_minutes_have_passed)
    assert not limit.expired()


async def test_work_that_would_outlast_the_machine_is_cut_off_before_its_end(server: MetadataServer) -> None:
    clock, stop = ManualClock(NOW), asyncio.Event()
    server.metadata.spot_action = SPOT
    async with advancing(clock), heeding_notices(Metadata(clock), stop, clock, LONG) as limit:
        await stop.wait()
        await asyncio.Event().wait()

    assert limit.expired()
    assert clock.now() >= NOW + 110


async def test_a_spot_notice_overtakes_a_drain(server: MetadataServer) -> None:
    clock, stop = ManualClock(NOW), asyncio.Event()
    server.metadata.tags = DRAIN_TAG
    async with advancing(clock), heeding_notices(Metadata(clock), stop, clock, LONG) as limit:
        await stop.wait()
        server.metadata.spot_action = SPOT
        await asyncio.Event().wait()

    assert limit.expired()


async def test_metadata_that_does_not_answer_is_no_reason_to_stop(
    server: MetadataServer, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, stop = ManualClock(NOW), asyncio.Event()
    server.stop()
    async with advancing(clock), heeding_notices(Metadata(clock), stop, clock, SHORT):

        async def ten_looks() -> bool:
            return clock.now() > NOW + 10 * WATCH_SECONDS

        await eventually(ten_looks)
        assert not stop.is_set()
        server.metadata.tags = DRAIN_TAG
        server.start()
        await stop.wait()
    assert capsys.readouterr().out.count("cannot look for notices") == 1


@pytest.mark.parametrize("error", [ZeroDivisionError, TimeoutError])
async def test_what_ends_the_block_otherwise_is_not_hidden(server: MetadataServer, error: type[Exception]) -> None:
    clock = ManualClock(NOW)
    with pytest.raises(error):
        async with heeding_notices(Metadata(clock), asyncio.Event(), clock, SHORT):
            raise error
    assert not server.metadata.spot_action
