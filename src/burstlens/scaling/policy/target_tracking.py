"""`target-tracking`: a backlog for each instance that is aimed at. Pure."""

import math
from dataclasses import dataclass

from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions


@dataclass(frozen=True, slots=True)
class TargetTracking:
    """Out to ⌈depth / target⌉ at once; in to the largest such wish of the last `scale_in_seconds`.

    The metric is that of Amazon's guide to scaling on SQS: backlog per instance = messages / instances, and its target
    is the acceptable latency / the seconds of one request. EC2's target tracking rounds in favour of capacity: 1.5 more
    are 2 more, 1.5 fewer are 1 fewer. In whole fleets both are the ceiling. Unlike EC2's, it counts requests in flight
    (R6) and instances that boot (R1), and does not wait for alarms on the way up.

    The largest wish of a span of time is what Kubernetes' HPA calls its stabilisation window: a dip within it ends
    nothing (R8). The span is counted in samples, one for each tick; ticks whose depth was unknown have none, so that it
    may last longer than it says, and never less. After a restart it begins anew (R20).
    """

    target_backlog: float = 10.0
    scale_in_seconds: float = 300.0
    tick_seconds: float = 5.0
    min_instances: int = 0
    max_instances: int = 19

    @classmethod
    def from_options(cls, options: ScalingOptions) -> "TargetTracking":
        """The policy with the numbers of the settings."""
        return cls(
            target_backlog=options.target_backlog,
            scale_in_seconds=options.scale_in_seconds,
            tick_seconds=options.tick_seconds,
            min_instances=options.min_instances,
            max_instances=options.max_instances,
        )

    def desired(self, observation: Observation) -> int:
        """Between `min_instances` and `max_instances`, whatever was observed."""
        now = self._bounded(observation.instances)
        wish = self._wish(observation.depth)
        return wish if wish >= now else min(now, self._steady(observation, now))

    def explain(self, observation: Observation) -> str:
        """The wish of now, and what keeps the fleet larger than that."""
        wish = self._wish(observation.depth)
        said = f"depth {observation.depth} makes {wish} at {self.target_backlog:g} for each instance"
        if self.desired(observation) <= wish:
            return said
        if len(observation.window) < self._samples:
            return f"{said}, not yet steady for {self.scale_in_seconds:g} s"
        return f"{said}, and the most in the last {self.scale_in_seconds:g} s was {self._steady(observation, wish)}"

    @property
    def _samples(self) -> int:
        """So many ticks, the first and the last included, span `scale_in_seconds`."""
        return 1 + math.ceil(self.scale_in_seconds / self.tick_seconds)

    def _steady(self, observation: Observation, unknown: int) -> int:
        """The largest wish of the span; `unknown` until the samples span it."""
        span = observation.window[-self._samples :]
        return self._wish(max(span)) if len(span) == self._samples else unknown

    def _wish(self, depth: int) -> int:
        return self._bounded(math.ceil(depth / self.target_backlog))

    def _bounded(self, count: int) -> int:
        return max(self.min_instances, min(self.max_instances, count))
