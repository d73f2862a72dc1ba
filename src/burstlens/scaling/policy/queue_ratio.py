"""`queue-ratio`: the classic, by queue length alone. Pure."""

from dataclasses import dataclass

from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions


@dataclass(frozen=True, slots=True)
class QueueRatio:
    """The classic: out to ⌈q / out divisor⌉ at once, in to ⌈q / in divisor⌉ once that wish is steady, else stay.

    Steady means that the wish was the same at every sample of a full window. The wish is compared, not the depth, so
    that jitter within one step does not put scale-in off (R8).

    Since the two ratios differ, a depth of 3 or more that stands still for longer than the window makes the fleet swing
    between both sizes. That is the classic, kept as it is to be compared with; a depth of 0 never swings (R19).
    """

    min_instances: int = 0
    max_instances: int = 19
    scale_out_divisor: int = 2
    scale_in_divisor: int = 10
    window: int = 6

    @classmethod
    def from_options(cls, options: ScalingOptions) -> "QueueRatio":
        """The policy with the numbers of the settings."""
        return cls(
            min_instances=options.min_instances,
            max_instances=options.max_instances,
            scale_out_divisor=options.scale_out_divisor,
            scale_in_divisor=options.scale_in_divisor,
            window=options.window,
        )

    def desired(self, observation: Observation) -> int:
        """Between `min_instances` and `max_instances`, whatever was observed."""
        now = self._bounded(observation.instances)
        out = self._bounded(ceil_ratio(observation.depth, self.scale_out_divisor))
        if out > now:
            return out
        wishes = {
            self._bounded(ceil_ratio(depth, self.scale_in_divisor)) for depth in observation.window[-self.window :]
        }
        if len(observation.window) < self.window or len(wishes) > 1:
            return now
        return min(now, *wishes)

    def _bounded(self, count: int) -> int:
        return max(self.min_instances, min(self.max_instances, count))


def ceil_ratio(amount: int, divisor: int) -> int:
    """⌈amount / divisor⌉, exact for integers of any size."""
    return -(-amount // divisor)
