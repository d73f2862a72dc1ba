"""A first-in-first-out queue as two cumulative curves over time: what has arrived, and what has been started. Pure.

Both are straight between their corners. Upright between them lies the backlog, and level between them the wait.
"""

from array import array
from bisect import bisect_right
from typing import TypeAlias

import numpy as np

from burstlens.simulate.outcome import Floats

_Curve: TypeAlias = "tuple[array[float], array[float]]"
"""Moments in seconds and requests so far, at each corner."""
_NOTHING = 1e-9
"""Requests; less than this is left by rounding."""


class Curves:
    """What arrived and what was started since the start; `serve` draws both curves further."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting = 0.0
        """Requests that nobody works on yet."""
        self._arrived = 0.0
        self._arrivals = (array("d", [0.0]), array("d", [0.0]))
        self._starts = (array("d", [0.0]), array("d", [0.0]))

    @property
    def started(self) -> float:
        """Requests so far."""
        return self._arrived - self.waiting

    @property
    def arrived(self) -> float:
        """Requests so far."""
        return self._arrived

    def serve(self, seconds: float, arrivals: float, rate: float) -> None:
        """Let time pass.

        Args:
            seconds: how much.
            arrivals: requests that come meanwhile, evenly.
            rate: requests that may be started each second.
        """
        growth = arrivals / seconds - rate
        if self.waiting and growth < 0 and (dry := -self.waiting / growth) < seconds:
            self._arrived += arrivals * dry / seconds
            self.waiting = 0.0
            _corner(self._starts, self.now + dry, self._arrived)
            arrivals -= arrivals * dry / seconds
        elif self.waiting or growth > 0:
            self.waiting += growth * seconds
            if self.waiting < _NOTHING:
                self.waiting = 0.0
        self._arrived += arrivals
        self.now += seconds
        _corner(self._arrivals, self.now, self._arrived)
        _corner(self._starts, self.now, self.started)

    def started_by(self, at: float) -> float:
        """Requests that were started until then."""
        return _height(self._starts, at)

    def arrived_by(self, at: float) -> float:
        """Requests that had come until then."""
        return _height(self._arrivals, at)

    def waits(self, count: int, until: float) -> tuple[Floats, Floats]:
        """For `count` requests at equal distances among the first `until`: when they were started, and how late.

        Returns:
            Seconds since the start, ascending, and seconds of waiting.
        """
        numbers = (np.arange(count) + 0.5) * (until / count)
        (came_at, came), (started_at, started) = self._arrivals, self._starts
        starts = np.interp(numbers, np.array(started), np.array(started_at))
        return starts, np.maximum(0.0, starts - np.interp(numbers, np.array(came), np.array(came_at)))


def _corner(curve: _Curve, at: float, count: float) -> None:
    times, counts = curve
    times.append(at)
    counts.append(count)


def _height(curve: _Curve, at: float) -> float:
    times, counts = curve
    after = bisect_right(times, at)
    if after == 0:
        return 0.0
    if after == len(times):
        return counts[-1]
    before = after - 1
    share = (at - times[before]) / (times[after] - times[before])
    return counts[before] + share * (counts[after] - counts[before])
