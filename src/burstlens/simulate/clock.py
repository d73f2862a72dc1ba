"""The time of a simulated run: when it starts, when it ends, and how it stands still within a tick."""

import asyncio

START = 1_699_833_600.0
"""When every run starts, in seconds since the epoch: Monday, 13 November 2023, 00:00 UTC, for schedules have days."""
UNANSWERED_SECONDS = 3600.0
"""So long after the last arrival a run is broken off while there are requests that nobody answered."""
EMPTY_SECONDS = 1800.0
"""So long after the last answer a fleet that does not go away, such as a standing one, is billed."""


class SteppedClock:
    """Time that its owner sets. A `burstlens.clock.Clock`, except that nobody can wait by it."""

    def __init__(self) -> None:
        self._elapsed = 0.0

    def elapsed(self) -> float:
        """Seconds since the start of the run."""
        return self._elapsed

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return START + self._elapsed

    def set(self, seconds: float) -> None:
        """Go to so many seconds since the start of the run."""
        self._elapsed = seconds

    async def sleep(self, seconds: float) -> None:
        """Return at once when there is nothing to wait for.

        Raises:
            RuntimeError: there is.
        """
        if seconds > 0:
            message = "nothing may wait within a simulated tick: its time stands still"
            raise RuntimeError(message)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Return whether `event` is set.

        Raises:
            RuntimeError: it is not, and there would be something to wait for.
        """
        if not event.is_set():
            await self.sleep(seconds)
        return event.is_set()
