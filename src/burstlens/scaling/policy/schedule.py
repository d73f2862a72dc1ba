"""`schedule`: a floor by the day and the hour under `target-tracking`. Pure."""

from dataclasses import dataclass, field

from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.target_tracking import TargetTracking
from burstlens.scaling.timetable import Shift


@dataclass(frozen=True, slots=True)
class Schedule:
    """The largest count of the shifts that hold, or what `target-tracking` wants if that is more.

    A timetable alone would leave a queue that grows outside of it waiting for ever, so it is a floor, never a ceiling.
    A shift begins to launch when it begins: boots are over a boot time later.
    """

    shifts: tuple[Shift, ...] = ()
    otherwise: TargetTracking = field(default_factory=TargetTracking)

    @classmethod
    def from_options(cls, options: ScalingOptions) -> "Schedule":
        """The policy with the entries of the settings, which were read before: see `ScalingOptions.schedule`."""
        return cls(tuple(map(Shift.parse, options.schedule)), TargetTracking.from_options(options))

    def desired(self, observation: Observation) -> int:
        """At most `max_instances`, whatever the timetable says."""
        return max(self._floor(observation), self.otherwise.desired(observation))

    def explain(self, observation: Observation) -> str:
        """The floor of this hour, and what the queue makes of it."""
        return f"the schedule has {self._floor(observation)} now; {self.otherwise.explain(observation)}"

    def _floor(self, observation: Observation) -> int:
        counts = [shift.count for shift in self.shifts if shift.holds(observation.at)]
        return min(self.otherwise.max_instances, max(counts, default=0))
