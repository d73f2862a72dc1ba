"""Who owns a response queue, and when it goes; queues and bucket in memory, time by hand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from random import Random

import pytest
from pydantic import TypeAdapter
from structlog.testing import capture_logs

from burstlens.buckets import Bucket, open_store
from burstlens.clock import ManualClock
from burstlens.errors import Misconfigured, Unavailable
from burstlens.messages import RESPONSES, ReplyQueueName
from burstlens.queues.base import QueueOptions
from burstlens.queues.memory import MemoryQueues
from burstlens.response_queues import ReplicaQueue, Rhythm, Signs, name_of_this_start, sweep
from burstlens.web.options import WebOptions

pytestmark = pytest.mark.anyio

RHYTHM = Rhythm(beat_seconds=10, silent_seconds=600, sweep_seconds=300)
STEP_SECONDS = 5


class WatchedBucket(Bucket):
    """A bucket that can be out of reach, and that says when nobody is asking it anything."""

    failing = False
    asked = 0

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        if self.failing:
            message = "the bucket is out of reach"
            raise Unavailable(message)
        self.asked += 1
        try:
            yield
        finally:
            self.asked -= 1

    async def put(self, key: str, data: bytes) -> None:
        with self._asking():
            await super().put(key, data)

    async def create(self, key: str, data: bytes) -> bool:
        with self._asking():
            return await super().create(key, data)

    async def get(self, key: str) -> bytes:
        with self._asking():
            return await super().get(key)

    async def delete(self, key: str) -> None:
        with self._asking():
            await super().delete(key)

    async def list_keys(self, prefix: str = "") -> AsyncIterator[str]:
        with self._asking():
            keys = [key async for key in super().list_keys(prefix)]
        for key in keys:
            yield key

    async def quiet(self) -> None:
        """Return once nobody asks, and what was answered has been dealt with."""
        turns = 0
        while turns < 20:
            await asyncio.sleep(0)
            turns = 0 if self.asked else turns + 1


@dataclass
class World:
    clock: ManualClock = field(default_factory=ManualClock)
    bucket: WatchedBucket = field(default_factory=lambda: WatchedBucket(open_store("memory:///")))

    def __post_init__(self) -> None:
        self.queues = MemoryQueues(self.clock)
        self.signs = Signs(self.bucket, self.clock)

    async def pass_time(self, seconds: float) -> None:
        until = self.clock.now() + seconds
        while self.clock.now() < until:
            await self.clock.advance(min(STEP_SECONDS, until - self.clock.now()))
            await self.bucket.quiet()

    async def queue(self, name: str) -> None:
        await self.queues.create(name, QueueOptions())

    def owned(self, name: str, owner: str = "host process 1 a") -> AbstractAsyncContextManager[None]:
        return ReplicaQueue(self.queues, self.bucket, name, owner, self.clock, RHYTHM, Random(1)).owned()

    async def sweep(self) -> list[str]:
        return await sweep(self.queues, self.signs, "responses-own", RHYTHM.silent_seconds)

    async def left(self) -> tuple[list[str], set[str]]:
        return await self.queues.names("responses-"), await self.signs.queues()


async def test_the_sign_of_life_is_there_before_the_queue_and_both_go_at_the_end() -> None:
    world = World()
    async with world.owned("responses-web"):
        assert await world.left() == ([], {"responses-web"})
        await world.queue("responses-web")
        await world.pass_time(35)
        sign = await world.signs.read("responses-web")
        assert sign is not None
        assert world.signs.age_seconds(sign) == 5
        assert sign.owner == "host process 1 a"
    assert await world.left() == ([], set())


async def test_the_queue_of_an_owner_that_is_gone_is_swept_by_another_replica_after_a_while() -> None:
    world = World()
    await world.queue("responses-killed")
    await world.signs.send("responses-killed", "killed")
    async with world.owned("responses-web"):
        await world.queue("responses-web")
        await world.pass_time(RHYTHM.silent_seconds)
        assert await world.left() == (["responses-killed", "responses-web"], {"responses-killed", "responses-web"})
        await world.pass_time(2 * RHYTHM.sweep_seconds)
        assert await world.left() == (["responses-web"], {"responses-web"})


async def test_only_response_queues_that_fell_silent_are_swept() -> None:
    world = World()
    for name in ("requests", "responses-own", "responses-alive", "responses-silent"):
        await world.queue(name)
    for name in ("responses-own", "responses-silent"):
        await world.signs.send(name, name)
    await world.pass_time(RHYTHM.silent_seconds + 1)
    await world.signs.send("responses-alive", "alive")
    assert await world.sweep() == ["responses-silent"]
    assert await world.queues.names() == ["requests", "responses-alive", "responses-own"]
    assert await world.sweep() == []


async def test_a_queue_without_a_sign_is_given_the_same_time_from_when_it_was_first_seen() -> None:
    world = World()
    await world.queue("responses-old-version")
    assert await world.sweep() == []
    await world.pass_time(RHYTHM.silent_seconds)
    assert await world.sweep() == []
    await world.pass_time(1)
    assert await world.sweep() == ["responses-old-version"]
    assert await world.left() == ([], set())


async def test_an_owner_that_was_only_starting_keeps_its_queue() -> None:
    world = World()
    await world.queue("responses-late")
    await world.sweep()
    async with world.owned("responses-late"):
        await world.pass_time(3 * RHYTHM.silent_seconds)
        assert await world.sweep() == []
        assert await world.queues.names() == ["responses-late"]


async def test_a_mark_never_takes_the_place_of_an_owner_s_sign() -> None:
    world = World()
    await world.signs.send("responses-web", "owner")
    await world.signs.mark("responses-web")
    sign = await world.signs.read("responses-web")
    assert sign is not None
    assert sign.owner == "owner"


async def test_a_sign_that_cannot_be_read_is_made_anew_and_then_ages() -> None:
    world = World()
    await world.bucket.put("replicas/responses-x.json", b'{"of": "another version"}')
    assert await world.sweep() == []
    await world.pass_time(RHYTHM.silent_seconds + 1)
    assert await world.sweep() == ["responses-x"]
    assert await world.left() == ([], set())


async def test_each_start_of_a_replica_has_a_name_of_its_own_that_a_reply_can_be_sent_to() -> None:
    names = [name_of_this_start(replica) for replica in ("web", "web", "x" * 60)]
    assert len(set(names)) == 3
    assert names[0].startswith("web-")
    for name in names:
        assert WebOptions(replica=name).replica == name
        TypeAdapter(ReplyQueueName).validate_python(f"{RESPONSES}{name}")


@pytest.mark.parametrize("foreign", ["requests", "a b", "responses-", "responses-a.b", "responses-" + "x" * 61])
async def test_a_sign_of_what_is_no_response_queue_sweeps_nothing_and_stops_nothing(foreign: str) -> None:
    world = World()
    await world.queue("requests")
    for name in (foreign, "responses-silent"):
        await world.signs.send(name, "who?")
    await world.queue("responses-silent")
    await world.pass_time(RHYTHM.silent_seconds + 1)
    assert await world.sweep() == ["responses-silent"]
    assert await world.queues.names() == ["requests"]


async def test_a_replica_starts_serves_and_stops_without_its_bucket_and_speaks_once_it_is_back() -> None:
    world = World()
    world.bucket.failing = True
    with capture_logs() as logs:
        async with world.owned("responses-web"):
            await world.queue("responses-web")
            await world.pass_time(600)
        assert await world.queues.names() == []
        assert {log["event"] for log in logs} == {
            "the replica's sign of life failed",
            "cannot sweep response queues",
            "what is left of the response queue is for others to sweep",
        }
        world.bucket.failing = False
        async with world.owned("responses-web"):
            pass
    assert await world.left() == ([], set())


async def test_a_sign_whose_queue_no_backend_could_hold_goes_and_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    remove = world.queues.remove

    async def picky(name: str) -> None:
        if name.endswith("-dead"):
            raise Misconfigured(name)
        await remove(name)

    monkeypatch.setattr(world.queues, "remove", picky)
    for name in ("responses-a-dead", "responses-b"):
        await world.signs.send(name, "gone")
    await world.queue("responses-b")
    await world.pass_time(RHYTHM.silent_seconds + 1)
    assert await world.sweep() == ["responses-a-dead", "responses-b"]
    assert await world.left() == ([], set())


async def test_replicas_do_not_sweep_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    asked: list[float] = []
    names = world.queues.names

    async def noted(prefix: str = "") -> list[str]:
        asked.append(world.clock.now())
        return await names(prefix)

    monkeypatch.setattr(world.queues, "names", noted)
    replicas = [
        ReplicaQueue(world.queues, world.bucket, f"responses-{n}", f"{n}", world.clock, RHYTHM, Random(n))
        for n in range(5)
    ]
    started_at = world.clock.now()
    tasks = [replica.owned() for replica in replicas]
    await asyncio.gather(*(task.__aenter__() for task in tasks))
    await world.pass_time(1.5 * RHYTHM.sweep_seconds + RHYTHM.beat_seconds)
    assert len(set(asked)) > 3
    assert min(asked) - started_at >= RHYTHM.sweep_seconds / 2
    await asyncio.gather(*(task.__aexit__(None, None, None) for task in tasks))
