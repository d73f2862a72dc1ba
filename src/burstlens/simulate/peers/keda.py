"""KEDA with the horizontal pod autoscaler (HPA) that it drives.

Sources: Kubernetes, *Horizontal Pod Autoscaling*, algorithm details and configurable scaling behaviour;
`kubernetes/pkg/controller/podautoscaler` (`GetExternalPerPodMetricReplicas`, `stabilizeRecommendationWithBehaviors`);
KEDA, *ScaledObject specification* and `pkg/scaling/executor`; its SQS scaler counts what is in flight, too.
"""

import math
from dataclasses import dataclass, field

from burstlens.scaling.observation import Observation
from burstlens.simulate.peers.samples import Period, Samples, clamped


@dataclass(slots=True)
class Keda:
    """From one on, the HPA scales towards `queue_length` requests for each instance; KEDA itself turns on and off.

    HPA: with n instances and ratio r = depth ÷ (n × queue length), stay if |1 − r| ≤ tolerance, else ⌈depth ÷ queue
    length⌉; up to at most max(n × (1 + up share), n + up count) at one sync; down to the highest wish of the last
    `stabilisation_seconds`. KEDA: to one when it polls a depth above `activation`; to none once that was not so for
    `cooldown_seconds`, whatever the HPA wants.
    """

    queue_length: float = 5.0
    """`queueLength` of the SQS trigger."""
    activation: int = 0
    """`activationQueueLength`."""
    tolerance: float = 0.1
    sync_seconds: float = 15.0
    up_share: float = 1.0
    up_count: int = 4
    stabilisation_seconds: float = 300.0
    polling_seconds: float = 30.0
    cooldown_seconds: float = 300.0
    minimum: int = 0
    maximum: int = 100
    _size: int | None = None
    """Replicas that the deployment is set to."""
    _active_at: float = -math.inf
    _poll: Period = field(init=False)
    _sync: Period = field(init=False)
    _wishes: Samples = field(init=False)

    def __post_init__(self) -> None:
        """Start without a past."""
        self._poll = Period(self.polling_seconds)
        self._sync = Period(self.sync_seconds)
        self._wishes = Samples(self.stabilisation_seconds)

    def desired(self, observation: Observation) -> int:
        """What the deployment is set to now."""
        size = max(self.minimum, observation.instances) if self._size is None else self._size
        if self._poll.due(observation.at):
            size = self._activated(size, observation)
        if self._sync.due(observation.at) and size:
            size = self._hpa(size, observation)
        self._size = size
        return size

    def _activated(self, size: int, observation: Observation) -> int:
        if observation.depth > self.activation:
            self._active_at = observation.at
            return size or max(1, self.minimum)
        if self.minimum == 0 and observation.at - self._active_at >= self.cooldown_seconds:
            return 0
        return size

    def _hpa(self, size: int, observation: Observation) -> int:
        wish = size
        exact = observation.depth / self.queue_length
        if not observation.instances or abs(1 - exact / observation.instances) > self.tolerance:
            wish = math.ceil(exact)
        wish = clamped(wish, max(1, self.minimum), self.maximum)
        self._wishes.add(observation.at, wish)
        most = max(math.ceil(size * (1 + self.up_share)), size + self.up_count)
        if wish >= size:
            return min(wish, most)
        return min(size, int(self._wishes.highest))
