"""The books of what arrives and what waits, kept tick by tick from two counts: depth and done. Pure."""

from dataclasses import dataclass, replace

_MOST_WAVES = 720
"""An hour of ticks. Beyond it the older half is kept half as finely: it is late anyway, and every tick walks it."""


@dataclass(frozen=True, slots=True)
class Wave:
    """Requests that were first seen together."""

    at: float
    """Seconds since the epoch."""
    count: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is known of the requests so far; a value: each tick makes the next one by `after`."""

    at: float = 0.0
    """Of the last count, in seconds since the epoch; 0 before the first."""
    arrived: float = 0.0
    """Requests that came since the count before the last."""
    seconds: float = 0.0
    """Between the last two counts; 0 before the second."""
    total: float = 0.0
    """Requests that came since the first count, what it found included."""
    backlog: tuple[Wave, ...] = ()
    """What still has to be done, the oldest first, as if it were done in the order of arrival."""

    def after(self, at: float, depth: int, done: float) -> "Traffic":
        """The books after one more count.

        Approximate counts and heartbeats that come late both bend single samples, so arrivals are read from the
        envelope of depth + done: what seems to vanish for a moment is not counted again when it comes back.

        Args:
            at: seconds since the epoch, later than before.
            depth: requests that still have to be done.
            done: requests that the fleet has finished since the first count; it never falls.
        """
        total = max(self.total, depth + done)
        arrived = total - self.total
        waves = (*self.backlog, Wave(at, arrived)) if arrived else self.backlog
        if len(waves) > _MOST_WAVES:
            waves = _coarser(waves)
        seconds = at - self.at if self.at else 0.0
        return replace(
            self, at=at, arrived=arrived, seconds=seconds, total=total, backlog=_newest(waves, min(depth, total))
        )

    def overdue(self, seconds: float) -> float:
        """Requests that wait for `seconds` or longer, and did not at the count before: each is told once."""
        oldest = self.at - seconds
        return sum(wave.count for wave in self.backlog if oldest - self.seconds < wave.at <= oldest)


def _coarser(waves: tuple[Wave, ...]) -> tuple[Wave, ...]:
    half = len(waves) // 4 * 2
    pairs = zip(waves[:half:2], waves[1:half:2], strict=True)
    return (*(Wave(older.at, older.count + newer.count) for older, newer in pairs), *waves[half:])


def _newest(waves: tuple[Wave, ...], depth: float) -> tuple[Wave, ...]:
    """The last `depth` requests of these waves: the older ones are those that were done."""
    kept: list[Wave] = []
    for wave in reversed(waves):
        if depth <= 0:
            break
        kept.append(wave if wave.count <= depth else replace(wave, count=depth))
        depth -= wave.count
    return tuple(reversed(kept))
