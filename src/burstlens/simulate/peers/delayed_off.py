"""DelayedOff, tick by tick.

Sources: Gandhi, Gupta, Harchol-Balter, Kozuch, *Optimality analysis of energy-performance trade-off for server farm
management*, Performance Evaluation 67 (2010); Gandhi, Harchol-Balter, Raghunathan, Kozuch, *AutoScale: dynamic, robust
capacity management for multi-tier data centers*, ACM TOCS 30 (2012), for the packing factor.
"""

import math
from dataclasses import dataclass, field

from burstlens.scaling.observation import Observation
from burstlens.simulate.peers.samples import Samples, clamped


@dataclass(slots=True)
class DelayedOff:
    """On when all are busy, off after `wait_seconds` of idleness.

    As many as there are requests, since each that finds all busy starts one. With the most recently busy instance taken
    first, as many have been idle for `wait_seconds` as were idle at each look since then.
    """

    wait_seconds: float = 120.0
    packing: float = 1.0
    """Requests that one instance may hold before another is started: 1 is DelayedOff, more is AutoScale's factor."""
    minimum: int = 0
    maximum: int = 100
    _idle: Samples = field(init=False)

    def __post_init__(self) -> None:
        """Start without a past."""
        self._idle = Samples(self.wait_seconds)

    def desired(self, observation: Observation) -> int:
        """How many should be on or on their way now."""
        self._idle.add(observation.at, max(0, observation.running - observation.busy))
        off = int(self._idle.lowest) if self._idle.full else 0
        wanted = math.ceil(observation.depth / self.packing)
        size = clamped(max(wanted, observation.instances - off), self.minimum, self.maximum)
        self._idle.lower(max(0, observation.instances - size))
        return size
