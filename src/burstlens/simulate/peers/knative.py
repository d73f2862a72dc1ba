"""Knative's pod autoscaler (KPA) by concurrency.

Source: `pkg/autoscaler/scaling/autoscaler.go` (`Scale`) and `pkg/reconciler/autoscaling/kpa/scaler.go` of
knative/serving; *Autoscaler concepts* and *Configuring scale to zero* of its documentation.
"""

import math
from dataclasses import dataclass, field

from burstlens.scaling.observation import Observation
from burstlens.simulate.peers.samples import SLACK_SECONDS, Samples, clamped


@dataclass(slots=True)
class Knative:
    """⌈mean concurrency of the stable window ÷ `target`⌉ pods, or of the panic window if that calls for twice as many.

    Concurrency is what is under work and what waits. Panic begins when the panic window's wish is at least
    `panic_threshold` × the ready pods, lasts until it has not been so for a whole stable window, and never goes down.
    A wish lies between ⌊ready ÷ `down_rate`⌋ and ⌈ready × `up_rate`⌉.
    """

    target: float = 70.0
    """Requests for each pod: 100 × the target utilisation of 70 % unless told otherwise."""
    stable_seconds: float = 60.0
    panic_seconds: float = 6.0
    """10 % of the stable window."""
    panic_threshold: float = 2.0
    up_rate: float = 1000.0
    down_rate: float = 2.0
    down_delay_seconds: float = 0.0
    """`scale-down-delay`: the highest wish of so long holds."""
    grace_seconds: float = 30.0
    """`scale-to-zero-grace-period`: how long the last pod stays once none is wanted."""
    minimum: int = 0
    maximum: int = 100
    _stable: Samples = field(init=False)
    _panic: Samples = field(init=False)
    _wishes: Samples = field(init=False)
    _panic_at: float | None = None
    _panic_pods: int = 0
    _unwanted_at: float | None = None

    def __post_init__(self) -> None:
        """Start without a past."""
        self._stable = Samples(self.stable_seconds)
        self._panic = Samples(self.panic_seconds)
        self._wishes = Samples(self.down_delay_seconds)

    def desired(self, observation: Observation) -> int:
        """How many pods there should be now."""
        at = observation.at
        for window in (self._stable, self._panic):
            window.add(at, observation.depth)
        ready = max(1, observation.running)
        panic = math.ceil(self._panic.mean / self.target)
        if panic / ready >= self.panic_threshold:
            self._panic_at = at
        elif self._panic_at is not None and at > self._panic_at + self.stable_seconds + SLACK_SECONDS:
            self._panic_at, self._panic_pods = None, 0
        wish = self._within(math.ceil(self._stable.mean / self.target), ready)
        if self._panic_at is not None:
            self._panic_pods = max(wish, self._within(panic, ready), self._panic_pods)
            wish = self._panic_pods
        self._wishes.add(at, wish)
        wish = int(self._wishes.highest)
        return clamped(self._last_one(wish, observation), self.minimum, self.maximum)

    def _within(self, wish: int, ready: int) -> int:
        return min(max(wish, math.floor(ready / self.down_rate)), math.ceil(ready * self.up_rate))

    def _last_one(self, wish: int, observation: Observation) -> int:
        if wish or not observation.instances:
            self._unwanted_at = None
            return wish
        if self._unwanted_at is None:
            self._unwanted_at = observation.at
        over = observation.at - self._unwanted_at >= self.grace_seconds - SLACK_SECONDS
        return 0 if over else 1
