"""What may come next, from what has come: the level of the load now, and the highest it reached lately. Pure.

Decided by measurement (docs/decisions/0017-deadline.md): for the time that a boot takes, a trend made the mean of the
last half minute dearer and no better, and what separates a cheap fleet from a punctual one is not the expected load but
the spikes. They are not predicted: the load's own recent peaks stand for the next one.
"""

from collections import deque
from collections.abc import Sequence


class Peak:
    """The largest of the last `span` values, in constant time for each (a monotonic queue)."""

    def __init__(self, span: int) -> None:
        self._span = span
        self._count = 0
        self._falling: deque[tuple[int, float]] = deque()

    def after(self, value: float) -> float:
        """Take one more value in, and return the largest of the last `span`."""
        self._count += 1
        falling = self._falling
        while falling and falling[-1][1] <= value:
            falling.pop()
        falling.append((self._count, value))
        if falling[0][0] <= self._count - self._span:
            falling.popleft()
        return falling[0][1]


class Load:
    """Arrivals in each tick since the first one that brought any."""

    def __init__(self, memory_ticks: int) -> None:
        self._recent: deque[float] = deque(maxlen=memory_ticks)
        self.total = 0.0
        """Requests that have come."""
        self.ticks = 0
        """Since the first arrival, its own tick included."""

    def after(self, arrived: float) -> None:
        """Take one more tick in."""
        if arrived or self.ticks:
            self.ticks += 1
            self.total += arrived
            self._recent.append(arrived)

    def mean(self, ticks: int) -> float:
        """Requests in a tick, over the last `ticks` of them, or fewer when there have not been so many."""
        if not self.ticks:
            return 0.0
        recent = list(self._recent)[-ticks:]
        return sum(recent) / len(recent)

    def means(self, windows: Sequence[int]) -> list[float]:
        """`mean` over each of the windows."""
        return [self.mean(ticks) for ticks in windows]
