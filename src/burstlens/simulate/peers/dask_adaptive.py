"""dask's adaptive deployments.

Source: `distributed/deploy/adaptive_core.py` (`recommendations`), `distributed/deploy/adaptive.py` and
`Scheduler.adaptive_target`, `Scheduler.workers_to_close` of dask/distributed.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from burstlens.scaling.observation import Observation
from burstlens.simulate.peers.samples import Period, clamped

UNKNOWN_TASK_SECONDS = 0.5
"""What a task is taken to last before one was measured (`distributed.scheduler.unknown-task-duration`)."""


@dataclass(slots=True)
class DaskAdaptive:
    """⌈(occupancy + queued time) ÷ `target_duration_seconds`⌉ workers, at most one for each task.

    Occupancy and queued time together are depth × the measured time of one task. A worker goes when it was named
    `wait_count` times in a row: those that have not arrived first, then idle ones; any wish for as many or more clears
    the names. Workers have no names here, so as many go as were named at each of the last `wait_count` looks.
    """

    target_duration_seconds: float = 5.0
    wait_count: int = 3
    interval_seconds: float = 5.0
    """1 s by default; a simulated tick is longer."""
    minimum: int = 0
    maximum: int = 100
    _plan: int | None = None
    _period: Period = field(init=False)
    _named: deque[int] = field(init=False)
    """How many workers each of the last looks named for closing."""

    def __post_init__(self) -> None:
        """Start without a past."""
        self._period = Period(self.interval_seconds)
        self._named = deque(maxlen=self.wait_count)

    def desired(self, observation: Observation) -> int:
        """How many workers are planned now."""
        plan = max(self.minimum, observation.instances) if self._plan is None else self._plan
        if self._period.due(observation.at):
            target = clamped(self._target(observation), self.minimum, self.maximum)
            plan = self._recommended(plan, target, observation)
        self._plan = plan
        return plan

    def _target(self, observation: Observation) -> int:
        work = observation.depth * service_seconds(observation)
        return min(observation.depth, math.ceil(work / self.target_duration_seconds))

    def _recommended(self, plan: int, target: int, observation: Observation) -> int:
        if target >= plan:
            self._named.clear()
            return target
        spare = observation.pending + observation.running - observation.busy
        self._named.append(max(0, min(plan - target, spare)))
        firm = min(self._named) if len(self._named) == self.wait_count else 0
        self._named = deque((named - firm for named in self._named), maxlen=self.wait_count)
        return plan - firm


def service_seconds(observation: Observation) -> float:
    """What one request takes on one instance, on average over the instances there are, else in the first pool."""
    measured = {prospect.name: prospect.service_seconds for prospect in observation.prospects}
    fleet = [(cohort.count, measured[cohort.pool]) for cohort in observation.cohorts if cohort.pool in measured]
    instances = sum(count for count, _ in fleet)
    if instances:
        return sum(count * seconds for count, seconds in fleet) / instances
    return next(iter(measured.values()), UNKNOWN_TASK_SECONDS)
