"""Heartbeats over the memory and the file store."""

from pathlib import Path

import pytest

from burstlens.buckets import Bucket, open_store
from burstlens.clock import ManualClock
from burstlens.heartbeats import Heartbeats
from burstlens.messages import Heartbeat, WorkerState, utc

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "file"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    return Bucket(open_store(tmp_path.as_uri() if request.param == "file" else "memory:///"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def heartbeats(bucket: Bucket, clock: ManualClock) -> Heartbeats:
    return Heartbeats(bucket, clock)


def beat(worker: str = "i1-1", state: WorkerState = WorkerState.IDLE, sent_at: float = 1000.0) -> Heartbeat:
    return Heartbeat(
        worker=worker, instance="app-tier-1", pool="cores", state=state, started_at=utc(900.0), sent_at=utc(sent_at)
    )


async def test_every_worker_has_one_heartbeat_and_it_is_its_last(heartbeats: Heartbeats) -> None:
    assert await heartbeats.all() == []

    last = beat("i1-1", WorkerState.BUSY, 1003.0)
    for one in (beat("i1-1"), beat("i1-2"), last):
        await heartbeats.send(one)

    assert sorted(await heartbeats.all(), key=lambda b: b.worker) == [last, beat("i1-2")]


async def test_all_includes_old_ones(heartbeats: Heartbeats, clock: ManualClock) -> None:
    await heartbeats.send(beat(sent_at=clock.now()))
    await clock.advance(1_000_000)
    assert len(await heartbeats.all()) == 1


async def test_a_removed_worker_is_forgotten_and_may_be_removed_again(heartbeats: Heartbeats) -> None:
    await heartbeats.send(beat("i1-1"))
    await heartbeats.send(beat("i1-2"))

    for _ in range(2):
        await heartbeats.remove("i1-1")

    assert await heartbeats.all() == [beat("i1-2")]


@pytest.mark.parametrize("written", [b"", b"{", b"[]", b'{"version": 1, "worker": "i2-1"}', b"\xff\xfe"])
async def test_what_cannot_be_read_hides_nobody_else(heartbeats: Heartbeats, bucket: Bucket, written: bytes) -> None:
    await heartbeats.send(beat())
    await bucket.put("heartbeats/i2-1.json", written)

    assert await heartbeats.all() == [beat()]


async def test_a_newer_minor_version_can_be_read(heartbeats: Heartbeats, bucket: Bucket) -> None:
    await bucket.put("heartbeats/i1-1.json", beat().model_dump_json().replace("{", '{"mood": "fine", ', 1).encode())
    assert await heartbeats.all() == [beat()]


async def test_the_autoscaler_s_age_is_none_until_it_beats_and_then_grows(
    heartbeats: Heartbeats, clock: ManualClock
) -> None:
    assert await heartbeats.autoscaler_age_seconds() is None

    await heartbeats.send_autoscaler()
    assert await heartbeats.autoscaler_age_seconds() == pytest.approx(0, abs=1e-3)
    await clock.advance(7.5)
    assert await heartbeats.autoscaler_age_seconds() == pytest.approx(7.5, abs=1e-3)
    await heartbeats.send_autoscaler()
    assert await heartbeats.autoscaler_age_seconds() == pytest.approx(0, abs=1e-3)


async def test_an_autoscaler_s_beat_that_cannot_be_read_is_none(heartbeats: Heartbeats, bucket: Bucket) -> None:
    await heartbeats.send_autoscaler()
    await bucket.put("autoscaler.json", b"{")
    assert await heartbeats.autoscaler_age_seconds() is None


async def test_the_autoscaler_is_no_worker(heartbeats: Heartbeats) -> None:
    await heartbeats.send_autoscaler()
    assert await heartbeats.all() == []
