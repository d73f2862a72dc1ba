"""The decision log over the memory and the file store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from obstore.store import ObjectStore

from burstlens.buckets import Bucket, open_store
from burstlens.clock import ManualClock
from burstlens.errors import Unavailable
from burstlens.queues.base import Depth
from burstlens.scaling.decision import Census, Decision
from burstlens.scaling.decision_log import DecisionLog, decisions_in

pytestmark = pytest.mark.anyio

TICK_SECONDS = 5.0
WEEK_SECONDS = 7 * 86_400.0


class CountingBucket(Bucket):
    """A bucket that counts writes and looks, and can stop answering, before or after a write has happened."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.puts: list[str] = []
        self.looks = 0
        self.fault_before: Exception | None = None
        self.fault_after: Exception | None = None

    async def put(self, key: str, data: bytes) -> None:
        self.puts.append(key)
        if self.fault_before:
            raise self.fault_before
        await super().put(key, data)
        if self.fault_after:
            raise self.fault_after

    async def list_keys(self, prefix: str = "") -> AsyncIterator[str]:
        self.looks += 1
        async for key in super().list_keys(prefix):
            yield key


@dataclass
class World:
    bucket: CountingBucket
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.log = self.another()

    def another(self) -> DecisionLog:
        """Of a second autoscaler, or of a reader."""
        return DecisionLog(self.bucket, self.clock)

    async def decide(self, *depths: int, log: DecisionLog | None = None, after_seconds: float = TICK_SECONDS) -> None:
        """One tick for each depth."""
        for depth in depths:
            await self.clock.advance(after_seconds)
            await (log or self.log).append(Decision(self.clock.now(), "deadline", Depth(depth), Census(), depth))

    async def depths(self, count: int = 1_000_000) -> list[int]:
        return [decision.wanted or 0 for decision in await self.another().last(count)]

    async def keys(self) -> list[str]:
        return sorted([key async for key in self.bucket.list_keys()])


@pytest.fixture(params=["memory", "file"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(CountingBucket(open_store(tmp_path.as_uri() if request.param == "file" else "memory:///")))


async def test_what_was_decided_is_read_by_others_oldest_first(world: World) -> None:
    assert await world.depths() == []

    await world.decide(1, 2, 3)

    assert await world.depths() == [1, 2, 3]
    assert await world.depths(2) == [2, 3]
    assert await world.depths(0) == []
    assert len(await world.keys()) == 1


async def test_a_decision_that_holds_is_one_line_with_its_end(world: World) -> None:
    await world.decide(1, 0)
    began = world.clock.now()
    await world.decide(*[0] * 30)
    await world.log.flush()

    first, held = await world.another().last(10)
    assert (first.until, held.at, held.until) == (None, began, began + 30 * TICK_SECONDS)


async def test_an_idle_fleet_writes_once_a_minute_and_never_looks(world: World) -> None:
    await world.decide(0)
    writes, looks = len(world.bucket.puts), world.bucket.looks
    await world.decide(*[0] * 120)

    assert len(world.bucket.puts) - writes == 10
    assert world.bucket.looks == looks


async def test_fast_ticks_are_written_together(world: World) -> None:
    await world.decide(*range(100), after_seconds=0.25)
    assert len(world.bucket.puts) == 5

    await world.log.flush()
    assert await world.depths() == list(range(100))


async def test_a_crash_loses_no_more_than_five_seconds(world: World) -> None:
    await world.decide(*range(100), after_seconds=0.25)
    lost = world.clock.now() - (await world.another().last(1))[0].at

    assert 0 < lost <= 5


async def test_nothing_new_is_not_written(world: World) -> None:
    await world.log.flush()
    await world.decide(1)
    await world.log.flush()

    assert len(world.bucket.puts) == 1


async def test_a_write_that_failed_goes_with_the_next(world: World) -> None:
    world.bucket.fault_before = Unavailable("no answer")
    with pytest.raises(Unavailable):
        await world.decide(1)
    world.bucket.fault_before, world.bucket.fault_after = None, Unavailable("connection reset")
    with pytest.raises(Unavailable):
        await world.decide(2)
    world.bucket.fault_after = None
    await world.decide(3)

    assert await world.depths() == [1, 2, 3]


async def test_hours_without_a_bucket_are_kept_up_to_a_bound(world: World) -> None:
    world.bucket.fault_before = Unavailable("no answer")
    for depth in range(1000):
        with pytest.raises(Unavailable):
            await world.decide(depth, after_seconds=60)
    world.bucket.fault_before = None
    await world.decide(1000)

    depths = await world.depths()
    assert depths == list(range(1001 - len(depths), 1001))
    assert 200 < len(depths) < 300


async def test_a_segment_ends_after_a_quarter_of_an_hour_of_news(world: World) -> None:
    await world.decide(*range(400))

    assert len(await world.keys()) == 3
    assert await world.depths() == list(range(400))


async def test_a_segment_ends_when_it_is_large(world: World) -> None:
    for number in range(30):
        await world.clock.advance(TICK_SECONDS)
        await world.log.append(Decision(world.clock.now(), wanted=number, why="x" * 10_000))

    keys = await world.keys()
    assert len(keys) == 4
    assert max([len(await world.bucket.get(key)) for key in keys]) < 90_000
    assert await world.depths() == list(range(30))


async def test_nothing_is_said_to_have_held_while_nobody_looked(world: World) -> None:
    await world.decide(5, 5)
    await world.decide(5, 5, after_seconds=121)

    held = [decision.ended_at - decision.at for decision in await world.another().last(10)]
    assert held == [TICK_SECONDS, 0, 0]
    assert len(await world.keys()) == 3


async def test_two_autoscalers_at_the_same_moment_write_over_nothing(world: World) -> None:
    other = world.another()
    for depth in range(10):
        await world.decide(depth)
        await world.decide(100 + depth, log=other, after_seconds=0)

    assert len(await world.keys()) == 2
    assert sorted(await world.depths()) == [*range(10), *range(100, 110)]


async def test_one_that_comes_back_after_another_is_read_in_the_order_of_time(world: World) -> None:
    other = world.another()
    await world.decide(1)
    await world.decide(*range(100, 150), log=other)
    await world.decide(2, 3)

    assert await world.depths(3) == [149, 2, 3]


async def test_garbage_is_left_out(world: World) -> None:
    await world.decide(1, 2)
    (key,) = await world.keys()
    await world.bucket.put(key, b"\xff\n" + await world.bucket.get(key) + b'\n[1]\n{"at":')
    await world.bucket.put("decisions/notes.txt", b'{"at":1,"wanted":77}')
    await world.bucket.put("decisions/20010101T000000.000000Z-00000000.jsonl", b"")

    assert await world.depths() == [1, 2]


async def test_segments_that_ended_a_week_ago_are_deleted(world: World) -> None:
    await world.decide(1)
    await world.decide(2, after_seconds=WEEK_SECONDS)
    await world.decide(3, after_seconds=200)
    assert await world.depths() == [1, 2, 3], "the first ended when the second began"

    await world.decide(4, after_seconds=WEEK_SECONDS)
    assert await world.depths() == [2, 3, 4]


async def test_what_held_for_weeks_is_not_too_old(world: World) -> None:
    key = "decisions/20010101T000000.000000Z-00000000.jsonl"
    await world.bucket.put(key, f"{Decision(978_307_200.0, wanted=7).to_json()}\n".encode())
    await world.decide(8)

    assert await world.depths() == [7, 8]


async def test_of_too_many_segments_the_oldest_go(world: World) -> None:
    keys = [f"decisions/20231114T220000.{number:06}Z-00000000.jsonl" for number in range(1005)]
    for key in keys:
        await world.bucket.put(key, b"")
    await world.bucket.put("decisions/notes.txt", b"mine")
    await world.decide(1)

    assert sorted(set(keys) - set(await world.keys())) == keys[:6]
    assert "decisions/notes.txt" in await world.keys()


def test_decisions_are_found_among_lines() -> None:
    lines = [Decision(1.0).to_json(), "no decision", Decision(2.0, why="a\u2028b").to_json()]

    assert [decision.at for decision in decisions_in("\n".join(lines).encode())] == [1.0, 2.0]


async def test_a_clock_that_was_set_back_does_not_keep_what_is_decided_from_being_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.decide(1, 2)
    right = world.clock.now
    monkeypatch.setattr(world.clock, "now", lambda: right() - 3600)

    await world.decide(3, 4)

    assert sorted(await world.depths()) == [1, 2, 3, 4]
