"""EC2 Auto Scaling: target tracking of the backlog per instance.

Sources: EC2 Auto Scaling user guide, *Scaling policy based on Amazon SQS* (the metric, and the example of 1,500
messages) and *Target tracking scaling policies* (rounding, warm-up, availability first, no data no action);
SageMaker, *Autoscale an asynchronous endpoint* (the step from zero, without which the metric divides by zero).
"""

import math
from collections import deque
from dataclasses import dataclass, field

from burstlens.scaling.observation import Observation
from burstlens.simulate.peers.samples import Period, clamped


@dataclass(slots=True)
class BacklogPerInstance:
    """Keeps visible requests ÷ instances in service at `target`, by two alarms over datapoints of `period_seconds`.

    Out to ⌈visible ÷ target⌉ when the last `out_periods` datapoints were above the target; in to the same when the last
    `in_periods` were below `in_share` of it, but not while instances start or warm up. At zero a backlog at
    `out_periods` datapoints starts one instance.
    """

    target: float = 10.0
    """Acceptable latency ÷ service time."""
    period_seconds: float = 60.0
    out_periods: int = 3
    in_periods: int = 15
    in_share: float = 0.9
    """The lower alarm's threshold, as a share of the target."""
    warmup_seconds: float = 0.0
    """From launch; instances younger than this are not in service, nor are those that still boot."""
    minimum: int = 0
    maximum: int = 100
    _size: int | None = None
    _period: Period = field(init=False)
    _points: deque[float] = field(init=False)
    """The last backlogs per instance, newest last."""

    def __post_init__(self) -> None:
        """Start without a past."""
        self._period = Period(self.period_seconds)
        self._points = deque(maxlen=max(self.out_periods, self.in_periods))

    def desired(self, observation: Observation) -> int:
        """The group's desired capacity now."""
        size = max(self.minimum, observation.instances) if self._size is None else self._size
        if self._period.due(observation.at):
            size = clamped(self._evaluated(size, observation), self.minimum, self.maximum)
        self._size = size
        return size

    def _evaluated(self, size: int, observation: Observation) -> int:
        visible = max(0, observation.depth - observation.in_flight)
        warming = self._warming(observation)
        serving = observation.instances - warming
        if size == 0:
            self._points.append(math.inf if visible else 0.0)
            return int(self._breached(self.out_periods, above=self.target))
        if serving == 0:
            # Nothing in service publishes no metric, and no data means no action.
            return size
        self._points.append(visible / serving)
        wish = math.ceil(visible / self.target)
        if self._breached(self.out_periods, above=self.target):
            return max(size, wish)
        if not warming and self._breached(self.in_periods, below=self.in_share * self.target):
            return min(size, wish)
        return size

    def _breached(self, periods: int, above: float = math.inf, below: float = 0.0) -> bool:
        points = list(self._points)[-periods:]
        return len(points) == periods and all(point > above or point < below for point in points)

    def _warming(self, observation: Observation) -> int:
        grown = sum(
            cohort.count
            for cohort in observation.cohorts
            if not cohort.booting and cohort.age_seconds < self.warmup_seconds
        )
        return min(observation.instances, observation.pending + grown)
