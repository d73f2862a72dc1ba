"""What a peer remembers between two ticks: samples of the last seconds, and when it last acted."""

from collections import deque
from dataclasses import dataclass, field

SLACK_SECONDS = 1e-6
"""Clock sums are floats: a period that is over but for this is over."""


@dataclass(slots=True)
class Samples:
    """The values of the last `seconds`, the oldest first."""

    seconds: float
    _kept: deque[tuple[float, float]] = field(default_factory=deque)
    _first: float | None = None

    def add(self, at: float, value: float) -> None:
        """One more value, not earlier than those before; what is older than `seconds` is forgotten."""
        self._first = at if self._first is None else self._first
        self._kept.append((at, value))
        while self._kept[0][0] < at - self.seconds - SLACK_SECONDS:
            self._kept.popleft()

    def lower(self, by: float) -> None:
        """Take so much from every value, down to 0 at most."""
        self._kept = deque((at, max(0.0, value - by)) for at, value in self._kept)

    @property
    def full(self) -> bool:
        """Whether they reach back over all of `seconds`."""
        return self._first is not None and self._kept[-1][0] - self._first >= self.seconds - SLACK_SECONDS

    @property
    def highest(self) -> float:
        """Of the values."""
        return max(value for _, value in self._kept)

    @property
    def lowest(self) -> float:
        """Of the values."""
        return min(value for _, value in self._kept)

    @property
    def oldest(self) -> float:
        """The first of the values."""
        return self._kept[0][1]

    @property
    def mean(self) -> float:
        """Of the values, each with the same weight."""
        return sum(value for _, value in self._kept) / len(self._kept)


@dataclass(slots=True)
class Period:
    """Something that is done every so many seconds, at the first tick at which that time is over."""

    seconds: float
    _last: float | None = None

    def due(self, at: float) -> bool:
        """Whether it is time; if so, the next period begins."""
        if self._last is not None and at < self._last + self.seconds - SLACK_SECONDS:
            return False
        self._last = at
        return True


def clamped(wish: float, minimum: int, maximum: int) -> int:
    """The wish within what the peer was told to stay in."""
    return int(max(minimum, min(maximum, wish)))
