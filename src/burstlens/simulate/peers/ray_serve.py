"""Ray Serve's request-based autoscaling.

Source: `python/ray/serve/autoscaling_policy.py` (`replica_queue_length_autoscaling_policy`, `_apply_scaling_factors`,
`_apply_delay_logic`) of ray-project/ray; *Advanced Ray Serve Autoscaling* of its documentation.
"""

import math
from dataclasses import dataclass, field

from burstlens.scaling.observation import Observation
from burstlens.simulate.peers.samples import SLACK_SECONDS, Samples, clamped


@dataclass(slots=True)
class RayServe:
    """⌈n + f × (total ÷ `target_ongoing` − n)⌉ replicas, n of which run now.

    Total is the mean of the ongoing requests, queued ones included, over `look_back_seconds`. The target moves once the
    wish has been above it for `up_seconds` without a break, or below it for `down_seconds`; from zero it is ⌈f⌉ at
    once, and stays until one runs; it goes to zero only from one.
    """

    target_ongoing: float = 2.0
    """`target_ongoing_requests`."""
    up_factor: float = 1.0
    down_factor: float = 1.0
    up_seconds: float = 30.0
    down_seconds: float = 600.0
    look_back_seconds: float = 30.0
    minimum: int = 0
    maximum: int = 100
    _target: int | None = None
    _ongoing: Samples = field(init=False)
    _direction: int = 0
    """Of the wishes: 1 up, −1 down, 0 neither."""
    _since: float = 0.0

    def __post_init__(self) -> None:
        """Start without a past."""
        self._ongoing = Samples(self.look_back_seconds)

    def desired(self, observation: Observation) -> int:
        """The target number of replicas now."""
        target = max(self.minimum, observation.instances) if self._target is None else self._target
        self._ongoing.add(observation.at, observation.depth)
        if observation.running == 0:
            first = math.ceil(self.up_factor) if self._ongoing.mean > 0 else 0
            target = clamped(max(target, first), self.minimum, self.maximum)
        else:
            wish = clamped(self._wish(observation.running), self.minimum, self.maximum)
            target = self._delayed(target, wish, observation.at)
        self._target = target
        return target

    def _wish(self, running: int) -> int:
        exact = self._ongoing.mean / self.target_ongoing
        factor = self.up_factor if exact > running else self.down_factor
        wish = math.ceil(running + factor * (exact - running))
        stuck = math.ceil(exact) < running and wish == running
        return wish - 1 if stuck else wish

    def _delayed(self, target: int, wish: int, at: float) -> int:
        direction = (wish > target) - (wish < target)
        if direction != self._direction:
            self._direction, self._since = direction, at
        if not direction:
            return target
        delay = self.up_seconds if direction > 0 else self.down_seconds
        if at - self._since < delay - SLACK_SECONDS:
            return target
        self._direction = 0
        return wish if direction > 0 or target == 1 else max(1, wish)
