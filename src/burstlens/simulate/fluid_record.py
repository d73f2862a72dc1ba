"""What a run of the fluid engine leaves behind: the timeline, and latencies drawn from the curves."""

from array import array

import numpy as np

from burstlens.simulate.cohort_fleet import CohortFleet
from burstlens.simulate.curves import Curves
from burstlens.simulate.outcome import Floats, Timeline
from burstlens.simulate.spread import quantiles

_SAMPLE = 10_000
"""Latencies in an outcome."""
_FINE = 1024
"""Equally likely service times to draw from."""


class FluidRecord:
    """Notes of one run, tick by tick."""

    def __init__(self, fleet: CohortFleet) -> None:
        self._fleet = fleet
        self._pools = sorted(fleet.pools, key=lambda pool: pool.name)
        self._at = array("d")
        self._arrived = array("d")
        self._backlog = array("d")
        self._money = array("d")
        self._instances = [array("d") for _ in self._pools]
        self._work = [array("d") for _ in self._pools]

    @property
    def peak(self) -> int:
        """The most instances at once."""
        return int(np.sum([np.array(counts) for counts in self._instances], axis=0).max(initial=0))

    def note(self, now: float, arrived: float, backlog: float) -> None:
        """A tick has done what it does.

        Args:
            now: seconds since the start.
            arrived: requests so far.
            backlog: requests that still have to be done.
        """
        self._at.append(now)
        self._arrived.append(arrived)
        self._backlog.append(backlog)
        self._money.append(self._fleet.money(now))
        for pool, instances, work in zip(self._pools, self._instances, self._work, strict=True):
            instances.append(pool.count)
            work.append(0.0)

    def serve(self, seconds: float) -> None:
        """The fleet works as it is for so long, in the tick that was noted last."""
        for pool, work in zip(self._pools, self._work, strict=True):
            work[-1] += pool.rate * seconds

    def timeline(self) -> Timeline:
        """One entry for each tick."""
        return Timeline(
            at=np.array(self._at),
            arrivals=np.diff(np.array(self._arrived), prepend=0.0),
            backlog=np.array(self._backlog),
            instances={pool.name: np.array(counts) for pool, counts in zip(self._pools, self._instances, strict=True)},
            money=np.array(self._money),
        )

    def latencies(self, curves: Curves, answered: float, rng: np.random.Generator) -> Floats:
        """Of requests at equal distances among those that were answered: waiting, and a service time of who served.

        A pool serves its share of what the whole fleet can do in the tick in which a request is started.
        """
        if not answered:
            return np.zeros(0)
        started_at, waits = curves.waits(_SAMPLE, answered)
        ticks = np.searchsorted(np.array(self._at), started_at, side="right") - 1
        work = np.cumsum([np.array(work)[ticks] for work in self._work], axis=0)
        served_by = (work <= rng.uniform(size=_SAMPLE) * work[-1]).sum(axis=0)
        services = np.array([quantiles(pool.simulated.service, _FINE) for pool in self._pools])
        drawn = services[np.minimum(served_by, len(self._pools) - 1), rng.integers(_FINE, size=_SAMPLE)]
        return np.sort(waits + drawn)
