"""The only source of time and sleep, so that tests and the simulator can bring their own."""

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time and waiting. Every room that needs either is given one."""

    def now(self) -> float:
        """Seconds since the Unix epoch, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock; at once when they are not positive."""

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Return whether `event` was set within `seconds` of this clock."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Seconds since the Unix epoch, UTC."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`; at once when they are not positive."""
        await asyncio.sleep(max(0.0, seconds))

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Return whether `event` was set within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return event.is_set()
        return True


class ManualClock:
    """Time that moves only when `advance` is called: the clock of tests and of the simulator."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []

    def now(self) -> float:
        """Seconds since the Unix epoch, UTC, as set by the owner."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return when the owner has advanced the clock by `seconds`."""
        await self.wait(asyncio.Event(), seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Return whether `event` was set before the owner advanced the clock by `seconds`."""
        if event.is_set() or seconds <= 0:
            await asyncio.sleep(0)
            return event.is_set()
        alarm = asyncio.Event()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), alarm))
        waiters = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(alarm.wait())]
        try:
            await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiter in waiters:
                waiter.cancel()
        return event.is_set()

    async def advance(self, seconds: float) -> None:
        """Move time on, waking each sleeper at its own moment, in order."""
        until = self._now + seconds
        await self._settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._now, _, alarm = heapq.heappop(self._sleepers)
            alarm.set()
            await self._settle()
        self._now = until
        await self._settle()

    async def _settle(self) -> None:
        """Let whoever was woken run until it waits again."""
        for _ in range(20):
            await asyncio.sleep(0)
