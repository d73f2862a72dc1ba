"""Rehearsals: many ways to keep instances in reserve, each played through on the load that really came. Pure.

Where a boot takes longer than a request may wait, somebody has to be there before it comes. How many is a question of
how this load behaves, and it is answered by trying: every *reserve* drives a fleet of its own, in numbers only, through
the arrivals as they come. What it would have cost and how many requests would have missed the deadline is its record,
and the policy follows the cheapest that has kept its promise.

Times are in ticks unless the name says seconds; all fleets advance together, one array element each.
"""

import itertools
import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burstlens.scaling.forecast import Load, Peak

Floats = NDArray[np.float64]

WINDOWS = (1, 3, 12)
"""The load is measured over so many ticks …"""
SPANS = (1, 6, 24, 60, 180, 720)
"""… its highest value over so many (5 s to an hour, at 5 s a tick) …"""
FACTORS = (0.0, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
"""… and so many times that is kept in reserve; 0 is no reserve at all."""
LEVEL_TICKS = 6
"""The load that is expected to go on is the mean of so many ticks."""
_LOOK_BEYOND_TICKS = 2
"""How far beyond the moment at which a launch of this tick helps the fleet is judged."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What every rehearsed fleet goes by."""

    tick_seconds: float
    deadline_seconds: float
    service_seconds: float
    boot_seconds: float
    minimum_seconds: float
    """Billed for a launch at least."""
    miss_seconds: float
    """What one request in time is worth, in billed seconds."""
    cap: int

    @property
    def boot_ticks(self) -> int:
        """After so many a launch serves."""
        return max(1, math.ceil(self.boot_seconds / self.tick_seconds))

    @property
    def horizon_ticks(self) -> int:
        """How far the load is looked ahead: no further than a launch of now can help."""
        late = self.boot_seconds + self.tick_seconds - self.deadline_seconds + self.service_seconds
        return math.ceil(late / self.tick_seconds) + _LOOK_BEYOND_TICKS

    def catch_up_seconds(self, work_seconds: Floats, arriving_per_second: float) -> Floats:
        """In what time work that comes too late is best worked off.

        k more instances cost `minimum_seconds` each and are done after w / k seconds, in which every request that
        comes misses the deadline, too: k·m + v·λ·w / k is least at w / k = √(m·w / (v·λ)).
        """
        price = self.miss_seconds * max(arriving_per_second, 1e-9)
        longest = max(self.deadline_seconds, self.minimum_seconds / 4)
        least: Floats = np.clip(np.sqrt(self.minimum_seconds * work_seconds / price), self.tick_seconds / 2, longest)
        return least


class Rehearsal:
    """One fleet for each reserve, and its record."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        reserves = list(itertools.product(WINDOWS, SPANS, FACTORS))
        self.spans = np.array([span for _, span, _ in reserves])
        self.factors = np.array([factor for _, _, factor in reserves])
        self._peaks = [[Peak(span) for span in SPANS] for _ in WINDOWS]
        size = len(reserves)
        self._running, self._booting = np.zeros(size), np.zeros(size)
        self._launches: deque[Floats] = deque(np.zeros(size) for _ in range(conditions.boot_ticks))
        self._served = np.zeros(size)
        self._due = 0.0
        self._totals: deque[float] = deque(
            [0.0], maxlen=1 + math.ceil(conditions.deadline_seconds / conditions.tick_seconds) + 2
        )
        self.reserve = np.zeros(size)
        """Instances that each wants to be there now."""
        self.cost = np.zeros(size)
        """Billed seconds of each."""
        self.missed = np.zeros(size)
        """Requests that would have missed the deadline, without those of the first boot, which nobody could serve."""
        self.promised = 0.0
        """Requests that came since then."""

    def under(self, conditions: Conditions) -> None:
        """Go on under other conditions: what was learnt stays."""
        while len(self._launches) < conditions.boot_ticks:
            self._launches.append(np.zeros_like(self._running))
        while len(self._launches) > conditions.boot_ticks:
            last = self._launches.pop()
            self._launches[-1] = self._launches[-1] + last
        self._conditions = conditions

    def after(self, arrived: float, load: Load) -> None:
        """Play one more tick, in which so many requests arrived; `load` has them already."""
        conditions = self._conditions
        total = self._totals[-1] + arrived
        self._totals.append(total)
        self._serve(total)
        self._count_missed(arrived, load)
        self.cost += (self._running + self._booting) * conditions.tick_seconds
        to_erlangs = conditions.service_seconds / conditions.tick_seconds
        peaks = [
            peak.after(mean * to_erlangs)
            for mean, row in zip(load.means(WINDOWS), self._peaks, strict=True)
            for peak in row
        ]
        self.reserve = np.repeat(peaks, len(FACTORS)) * self.factors
        self._scale(arrived, load.mean(LEVEL_TICKS), total)

    def _serve(self, total: float) -> None:
        conditions = self._conditions
        self._served = np.minimum(
            total, self._served + self._running * conditions.tick_seconds / conditions.service_seconds
        )
        ready = self._launches.popleft()
        self._running = self._running + ready
        self._booting = self._booting - ready

    def _count_missed(self, arrived: float, load: Load) -> None:
        conditions = self._conditions
        # A quarter of a tick early, since within a tick nobody sees who waits.
        age = max(0.0, (conditions.deadline_seconds - conditions.service_seconds) / conditions.tick_seconds - 0.25)
        whole, part = int(age), age % 1.0
        due = (1 - part) * self._total_before(whole) + part * self._total_before(whole + 1)
        if load.ticks > conditions.boot_ticks + whole + 3:
            self.missed += np.clip(due - np.maximum(self._served, self._due), 0.0, None)
        self.promised += arrived
        # Requests that take less than was thought are due later than was thought: who was counted is not counted again.
        self._due = max(self._due, due)

    def _total_before(self, ticks: int) -> float:
        return self._totals[max(0, len(self._totals) - 1 - ticks)]

    def _scale(self, arrived: float, level: float, total: float) -> None:
        conditions = self._conditions
        backlog, there = total - self._served, self._running + self._booting
        horizon = conditions.horizon_ticks
        until = (
            horizon * conditions.tick_seconds
            + conditions.deadline_seconds
            - conditions.service_seconds
            - conditions.tick_seconds / 2
        )
        work = (backlog + level * horizon) * conditions.service_seconds
        late = work - self._running * until - self._booting * max(0.0, until - conditions.boot_seconds / 2)
        too_late = np.maximum(late, 0.0)
        more = np.ceil(too_late / conditions.catch_up_seconds(too_late, level / conditions.tick_seconds))
        reserve = np.ceil(self.reserve - 1e-9)
        launched = np.clip(np.minimum(np.maximum(reserve, there + more), conditions.cap) - there, 0.0, None)
        self._launches.append(launched)
        self._booting = self._booting + launched
        busy = np.minimum(
            self._running, np.ceil(backlog) + math.ceil(arrived * conditions.service_seconds / conditions.tick_seconds)
        )
        spare = np.clip(np.minimum(self._running - busy, there - reserve), 0.0, None)
        self._running = self._running - np.where(late <= 0, spare, 0.0)
