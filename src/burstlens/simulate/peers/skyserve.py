"""SkyServe's two autoscalers.

Source: `sky/serve/autoscalers.py` (`RequestRateAutoscaler`, `QueueLengthAutoscaler`, `_AutoscalerWithHysteresis`) and
`sky/serve/constants.py` of skypilot-org/skypilot; *SkyServe, Autoscaling* of its documentation.
"""

import math
from dataclasses import dataclass, field

from burstlens.scaling.observation import Observation
from burstlens.simulate.peers.samples import Period, Samples, clamped


@dataclass(slots=True)
class Hysteresis:
    """A target that moves once a wish for more, or for less, was heard often enough in a row.

    The last wish heard is what it moves to, and the wishes between may differ; from zero it moves at once.
    """

    up_seconds: float
    down_seconds: float
    interval_seconds: float = 20.0
    """Between two decisions (`AUTOSCALER_DEFAULT_DECISION_INTERVAL_SECONDS`)."""
    _ups: int = 0
    _downs: int = 0

    def target(self, target: int, wish: int) -> int:
        """The target after one more wish."""
        if target == 0:
            return wish
        self._ups = self._ups + 1 if wish > target else 0
        self._downs = self._downs + 1 if wish < target else 0
        if self._ups and self._ups >= int(self.up_seconds / self.interval_seconds):
            self._ups = 0
            return wish
        if self._downs and self._downs >= int(self.down_seconds / self.interval_seconds):
            self._downs = 0
            return wish
        return target


@dataclass(slots=True)
class RequestRate:
    """⌈(requests of the last `window_seconds` ÷ window) ÷ `target_qps`⌉, decided every 20 s, or 5 s at zero."""

    target_qps: float = 1.0
    """Requests per second for each replica (`target_qps_per_replica`)."""
    up_seconds: float = 300.0
    down_seconds: float = 1200.0
    interval_seconds: float = 20.0
    window_seconds: float = 60.0
    minimum: int = 0
    maximum: int = 100
    _target: int | None = None
    _period: Period = field(init=False)
    _totals: Samples = field(init=False)
    """Requests since the start."""
    _hysteresis: Hysteresis = field(init=False)

    def __post_init__(self) -> None:
        """Start without a past."""
        self._period = Period(self.interval_seconds)
        self._totals = Samples(self.window_seconds)
        self._hysteresis = Hysteresis(self.up_seconds, self.down_seconds, self.interval_seconds)

    def desired(self, observation: Observation) -> int:
        """The target number of replicas now."""
        target = self.minimum if self._target is None else self._target
        if self._target is None:
            # What the first look finds came since the books were opened.
            self._totals.add(observation.at, 0.0)
        self._totals.add(observation.at, observation.traffic.total)
        if self._period.due(observation.at) or target == 0:
            requests = observation.traffic.total - self._totals.oldest
            wish = math.ceil(requests / self.window_seconds / self.target_qps)
            target = self._hysteresis.target(target, clamped(wish, self.minimum, self.maximum))
        self._target = target
        return target


@dataclass(slots=True)
class QueueLength:
    """One more while more than `threshold` requests wait, one fewer while less do, none once none does.

    Only idle replicas are taken away.
    """

    threshold: int = 1
    """`queue_length_threshold`."""
    up_seconds: float = 300.0
    down_seconds: float = 1200.0
    interval_seconds: float = 20.0
    minimum: int = 0
    maximum: int = 100
    _target: int | None = None
    _period: Period = field(init=False)
    _hysteresis: Hysteresis = field(init=False)

    def __post_init__(self) -> None:
        """Start without a past."""
        self._period = Period(self.interval_seconds)
        self._hysteresis = Hysteresis(self.up_seconds, self.down_seconds, self.interval_seconds)

    def desired(self, observation: Observation) -> int:
        """The target number of replicas now, and not fewer than are busy."""
        target = self.minimum if self._target is None else self._target
        if self._period.due(observation.at) or target == 0:
            waiting = max(0, observation.depth - observation.in_flight)
            wish = clamped(self._wish(target, waiting), self.minimum, self.maximum)
            target = self._hysteresis.target(target, wish)
        self._target = target
        return max(target, min(observation.busy, observation.instances))

    def _wish(self, target: int, waiting: int) -> int:
        if waiting == 0:
            return 0
        # While anything waits it does not go down to zero.
        return max(1, target + (waiting > self.threshold) - (waiting < self.threshold))
