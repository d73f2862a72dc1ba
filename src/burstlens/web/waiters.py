"""Who waits for which result in this replica."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from enum import StrEnum

from burstlens.clock import Clock
from burstlens.messages import Result


class Ending(StrEnum):
    """Why a wait ended without a result. The request itself goes on."""

    TIMED_OUT = "timed-out"
    CLIENT_GONE = "client-gone"
    STOPPING = "stopping"
    """This replica shuts down."""


class Waiter:
    """One client that waits for one result."""

    __slots__ = ("_clock", "_outcome", "_settled")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._settled = asyncio.Event()
        self._outcome: Result | Ending | None = None

    @property
    def outcome(self) -> Result | Ending:
        """How it ended, `TIMED_OUT` as long as it did not."""
        return self._outcome or Ending.TIMED_OUT

    def settle(self, outcome: Result | Ending) -> None:
        """End the wait; a result is never replaced by an ending."""
        if not isinstance(self._outcome, Result):
            self._outcome = outcome
        self._settled.set()

    async def wait(self, seconds: float) -> Result | Ending:
        """Return the outcome, after `seconds` at the latest."""
        if seconds > 0:
            await self._clock.wait(self._settled, seconds)
        return self.outcome


class _Expectation:
    __slots__ = ("checked_at", "waiters")

    def __init__(self, checked_at: float) -> None:
        self.checked_at = checked_at
        self.waiters: list[Waiter] = []


class Waiters:
    """All waits of this replica, by request id; several may wait for one result."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expected: OrderedDict[str, _Expectation] = OrderedDict()
        self._count = 0
        self.stopping = False
        """Whether every wait ends at once."""

    def __len__(self) -> int:
        return self._count

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._expected

    @contextlib.contextmanager
    def expect(self, request_id: str) -> Iterator[Waiter]:
        """Wait for this result. Enter before the request is sent: its reply may come at once."""
        waiter = Waiter(self._clock)
        if self.stopping:
            waiter.settle(Ending.STOPPING)
        expectation = self._expected.get(request_id)
        if expectation is None:
            expectation = self._expected[request_id] = _Expectation(self._clock.now())
        expectation.waiters.append(waiter)
        self._count += 1
        try:
            yield waiter
        finally:
            self._count -= 1
            expectation.waiters.remove(waiter)
            if not expectation.waiters:
                del self._expected[request_id]

    def deliver(self, result: Result) -> bool:
        """Hand the result to everybody who waits for it; return whether anybody did."""
        expectation = self._expected.get(result.id)
        if expectation is None:
            return False
        for waiter in expectation.waiters:
            waiter.settle(result)
        return True

    def due(self, age_seconds: float, limit: int) -> list[str]:
        """Up to `limit` ids whose result nobody looked for during `age_seconds`; they count as looked for now."""
        now = self._clock.now()
        due: list[str] = []
        for request_id, expectation in self._expected.items():
            if len(due) >= limit or expectation.checked_at > now - age_seconds:
                break
            due.append(request_id)
        for request_id in due:
            self._expected[request_id].checked_at = now
            self._expected.move_to_end(request_id)
        return due

    def stop(self) -> None:
        """End every wait, now and from now on, with `STOPPING`."""
        self.stopping = True
        for expectation in self._expected.values():
            for waiter in expectation.waiters:
                waiter.settle(Ending.STOPPING)
