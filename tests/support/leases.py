"""Autoscalers that contend for one lease, at a time of their own, over buckets that hang, fail and lose answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from obstore.store import ObjectStore

from burstlens.buckets import Bucket
from burstlens.clock import Clock, ManualClock
from burstlens.errors import Unavailable
from burstlens.scaling.lease import Lease

_T = TypeVar("_T")


class MoodyBucket(Bucket):
    """One process's way to a bucket: calls can hang before or after they have their effect, or fail."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.calls = 0
        """Under way, and not hanging."""
        self.begun = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.answers = asyncio.Event()
        self.answers.set()
        self.fault: Exception | None = None
        self.loses_creations = False
        self.hangs_at_create = False

    async def put(self, key: str, data: bytes) -> None:
        await self._moodily(lambda: super(MoodyBucket, self).put(key, data))

    async def create(self, key: str, data: bytes) -> bool:
        if self.hangs_at_create:
            self.goes_on.clear()
        return await self._moodily(lambda: super(MoodyBucket, self).create(key, data)) and not self.loses_creations

    async def delete(self, key: str) -> None:
        await self._moodily(lambda: super(MoodyBucket, self).delete(key))

    async def get(self, key: str) -> bytes:
        return await self._moodily(lambda: super(MoodyBucket, self).get(key))

    async def exists(self, key: str) -> bool:
        return await self._moodily(lambda: super(MoodyBucket, self).exists(key))

    async def list_keys(self, prefix: str = "") -> AsyncIterator[str]:
        async def listed() -> list[str]:
            return [key async for key in super(MoodyBucket, self).list_keys(prefix)]

        for key in await self._moodily(listed):
            yield key

    async def _moodily(self, call: Callable[[], Awaitable[_T]]) -> _T:
        task = asyncio.ensure_future(self._on_its_way(call))
        try:
            await self.answers.wait()
            return await task
        finally:
            task.cancel()

    async def _on_its_way(self, call: Callable[[], Awaitable[_T]]) -> _T:
        await self.goes_on.wait()
        self.calls += 1
        self.begun += 1
        try:
            if self.fault:
                raise self.fault
            return await call()
        finally:
            self.calls -= 1


class WrongClock:
    """A clock of another machine: it is off by a constant, and sleeps as long as any other."""

    def __init__(self, clock: Clock, off_seconds: float) -> None:
        self._clock = clock
        self.off_seconds = off_seconds

    def now(self) -> float:
        return self._clock.now() + self.off_seconds

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        return await self._clock.wait(event, seconds)


@dataclass
class Contender:
    """One autoscaler's part of the lease."""

    bucket: MoodyBucket
    clock: WrongClock
    lease: Lease
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def hangs(self) -> None:
        """From now on no call has an effect, or an answer."""
        self.bucket.goes_on.clear()
        self.bucket.answers.clear()

    def recovers(self) -> None:
        """What hung has its effect and its answer."""
        self.bucket.goes_on.set()
        self.bucket.answers.set()


class Race:
    """Contenders over one store."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.clock = ManualClock()
        self.contenders: list[Contender] = []
        self._stack = contextlib.AsyncExitStack()

    async def enter(self, who: str, off_seconds: float = 0.0, seat: Callable[[], str] = str) -> Contender:
        """One more, with its first look done."""
        bucket, clock = MoodyBucket(self.store), WrongClock(self.clock, off_seconds)
        contender = Contender(bucket, clock, Lease(bucket, clock, who, seat))
        self.contenders.append(contender)
        self._stack.push_async_callback(self._leave, contender, asyncio.create_task(self._contend(contender)))
        await self.settle()
        return contender

    async def pass_seconds(self, seconds: float, step_seconds: float = 0.5) -> None:
        """Let time pass; at no moment may two hold the lease."""
        for _ in range(round(seconds / step_seconds)):
            await self.clock.advance(step_seconds)
            await self.settle()
            assert len(self.owners()) <= 1, "two at once"

    def owners(self) -> Sequence[Contender]:
        return [each for each in self.contenders if each.lease.holds]

    async def settle(self) -> None:
        """Let every call that does not hang come to its end."""
        calm, before = 0, -1
        while calm < 3:
            for _ in range(10):
                await asyncio.sleep(0)
            begun = sum(each.bucket.begun for each in self.contenders)
            calm = 0 if begun != before or any(each.bucket.calls for each in self.contenders) else calm + 1
            before = begun
            await asyncio.sleep(0 if calm else 0.0005)

    async def has_term(self, term: int) -> bool:
        return await Bucket(self.store).exists(f"autoscaler/lease/{term:020d}")

    async def leave(self, contender: Contender) -> None:
        """It stops in order."""
        contender.ended.set()
        await self.settle()

    async def _contend(self, contender: Contender) -> None:
        async with contender.lease.contended():
            await contender.ended.wait()

    async def _leave(self, contender: Contender, task: asyncio.Task[None]) -> None:
        contender.recovers()
        contender.bucket.fault = None
        contender.ended.set()
        await self.settle()
        await task

    async def end(self) -> None:
        await self._stack.aclose()


@contextlib.asynccontextmanager
async def race(store: ObjectStore) -> AsyncIterator[Race]:
    """A race that leaves nothing running."""
    contest = Race(store)
    try:
        yield contest
    finally:
        await contest.end()


NO_ANSWER = Unavailable("connection reset")
