"""What a simulated run came to: bill, latencies, fleet, and how they went over time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One entry for each tick; seconds are since the first."""

    at: Floats
    arrivals: Floats
    """Requests that came since the entry before."""
    backlog: Floats
    """Requests that still have to be done."""
    instances: Mapping[str, Floats]
    """By pool: all that exist, booting and draining ones too."""
    money: Floats
    """Billed so far, in the unit of the pools' prices."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One policy on one scenario."""

    policy: str
    requests: int
    latencies: Floats
    """Seconds from arrival to answer, ascending; in the fluid engine a sample with equal weights."""
    billed_seconds: float
    """Over all pools, minimum and increments included."""
    money: float
    """Σ over pools of billed hours × price per hour."""
    launches: int
    peak: int
    """The most instances that existed at once."""
    unanswered: int
    """Requests that were not done when the run was broken off; they count as missed."""
    timeline: Timeline

    def attainment(self, deadline_seconds: float) -> float:
        """The share of requests answered within the deadline; 1 without requests."""
        if not self.requests:
            return 1.0
        met = np.searchsorted(self.latencies, deadline_seconds, side="right") / max(1, len(self.latencies))
        return float(met) * (self.requests - self.unanswered) / self.requests

    def percentile(self, share: float) -> float:
        """The latency in seconds that `share` (0–1) of the answered requests stay within; 0 without any."""
        return float(np.quantile(self.latencies, share)) if len(self.latencies) else 0.0

    @property
    def mean_seconds(self) -> float:
        """The mean latency; 0 without any answer."""
        return float(self.latencies.mean()) if len(self.latencies) else 0.0
