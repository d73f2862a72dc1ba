"""How many instances to keep in reserve: of what was rehearsed, the cheapest that keeps the promise. Pure."""

import math

import numpy as np

from burstlens.scaling.forecast import Load, Peak
from burstlens.scaling.rehearsal import FACTORS, LEVEL_TICKS, SPANS, WINDOWS, Conditions, Rehearsal

CATCHING_UP = 1.0
"""What a request in time is worth while work that is late is caught up with, in billed seconds for each share of 1 that
may be missed: 100 s at 1 in 100. Stricter promises pay more for each request."""
DEAREST = 2.4
"""When no reserve keeps the promise, a request in time may cost this many billed seconds for each share of 1 that may
be missed (240 s at 1 in 100): there has to be an end to what one spike is worth."""
_AIM, _MOST, _LEAST = 0.95, 0.7, 0.15
"""Of the share that may be missed: what is aimed at over all requests, and the most and the least that is allowed for
the time to come, however good or bad it has been."""
_LOOK_SECONDS = 3600.0
"""A promise is kept over what has come and the next hour: a bad minute is made good slowly, not in panic."""
_NOVICE_REQUESTS, _NOVICE_SECONDS = 700, 1800.0
"""So many requests, or so long, it takes until the record is worth more than caution."""
_NOVICE_WINDOW, _NOVICE_SPAN = 1, 60
_CAUTION, _CAUTION_SECONDS = 1.0, 600.0
"""A record of ten minutes knows too few spikes: the reserve is twice as large, of an hour a sixth larger."""
_CHOOSE_TICKS = 6
_QUIET, _QUIET_SPAN = 2.5, 720
"""The last instance stays for 2.5 times as long as the longest pause that ended in the last hour, …"""
_QUIET_UNKNOWN = 2.0
"""… or that was so many ticks when there was none."""


class Insurance:
    """Follows one load; `after` is called once for each tick."""

    def __init__(self, conditions: Conditions, allowed: float) -> None:
        """`allowed` is the share of requests that may miss the deadline (0-1)."""
        self._allowed = allowed
        self._rehearsal = Rehearsal(conditions)
        self._cap, self._tick_seconds = conditions.cap, conditions.tick_seconds
        self._missed = 0.0
        self._ticks = self._quiet = 0
        self._pauses = Peak(_QUIET_SPAN)
        self._load = Load(max(*WINDOWS, LEVEL_TICKS))
        self._choice = self._novice = self._most_cautious(FACTORS)

    def _most_cautious(self, factors: tuple[float, ...]) -> int:
        """What an unknown load gets: its highest tick, times more for a stricter promise, held for five minutes."""
        wished = math.sqrt(0.01 / self._allowed)
        factor = min((f for f in factors if f >= min(wished, factors[-1]) - 1e-9), default=factors[-1])
        per_window, per_span = len(SPANS) * len(factors), len(factors)
        window, span = WINDOWS.index(_NOVICE_WINDOW), SPANS.index(_NOVICE_SPAN)
        return window * per_window + span * per_span + factors.index(factor)

    def under(self, conditions: Conditions) -> None:
        """Go on under other conditions."""
        self._rehearsal.under(conditions)

    def after(self, arrived: float, missed: float) -> int:
        """How many instances there should at least be.

        Args:
            arrived: requests of this tick.
            missed: requests of the real queue that were found late in this tick.
        """
        load = self._load
        load.after(arrived)
        self._missed += missed
        self._rehearsal.after(arrived, load)
        if self._ticks % _CHOOSE_TICKS == 0:
            self._choice = self._cheapest()
        self._ticks += 1
        caution = 1.0 + _CAUTION * min(1.0, _CAUTION_SECONDS / (max(1, load.ticks) * self._tick_seconds))
        reserve = math.ceil(float(self._rehearsal.reserve[self._choice]) * caution - 1e-9)
        return min(self._cap, max(reserve, self._last_one(arrived)))

    def _last_one(self, arrived: float) -> int:
        """1 while a request is to be expected soon: who is alone is not sent away for a pause as usual."""
        if not self._load.ticks:
            return 0
        ended, self._quiet = (self._quiet, 0) if arrived else (0, self._quiet + 1)
        pause = self._pauses.after(ended) or _QUIET_UNKNOWN
        return int(self._quiet <= _QUIET * pause)

    def _cheapest(self) -> int:
        # What came before there was anything to insure was rehearsed by nobody, so it is not in this load.
        load, seconds = self._load, self._load.ticks * self._tick_seconds
        if load.total < _NOVICE_REQUESTS and seconds < _NOVICE_SECONDS:
            return self._novice
        rehearsal = self._rehearsal
        expected = load.total / max(60.0, seconds) * _LOOK_SECONDS
        aim = self._allowed * _AIM * (load.total + expected) - self._missed
        share = min(max(aim / max(expected, 1e-9), self._allowed * _LEAST), self._allowed * _MOST)
        keeps = rehearsal.missed <= share * (load.total + expected)
        if keeps.any():
            return int(np.argmin(np.where(keeps, rehearsal.cost, np.inf)))
        return int(np.argmin(rehearsal.cost + DEAREST / self._allowed * rehearsal.missed))
