"""A run's decision log in the simulator: what it would have predicted, beside what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from burstlens.clouds.base import Pool
from burstlens.errors import Misconfigured
from burstlens.scaling.decision import Decision
from burstlens.scaling.observation import Prospect
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Policy
from burstlens.simulate.outcome import Floats, Outcome
from burstlens.simulate.world import Duration, SimulatedPool, World

_ENOUGH = 20
"""Requests of each instance to tell a fleet's pace by: the one under work in the end is not counted, which is 5 %."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went. Seconds are since its first tick; every value holds until the next tick, the last one on."""

    at: Floats
    backlog: Floats
    """Requests that still had to be done."""
    instances: Floats
    """All that existed, in any state."""
    launches: int

    @classmethod
    def of(cls, decisions: Sequence[Decision]) -> "Course":
        """What a log tells. Ticks that knew neither depth nor fleet are left out; what a tick launched existed then."""
        known = [d for d in decisions if d.depth is not None and d.census is not None]
        return cls(
            at=np.array([d.at - decisions[0].at for d in known]),
            backlog=np.array([float(d.depth.total) if d.depth else 0.0 for d in known]),
            instances=np.array([float(d.census.total if d.census else 0) + len(d.launched) for d in known]),
            launches=sum(len(d.launched) for d in decisions),
        )

    @classmethod
    def of_outcome(cls, outcome: Outcome) -> "Course":
        """What the simulator tells."""
        line = outcome.timeline
        return cls(line.at, line.backlog, np.sum(list(line.instances.values()), axis=0), outcome.launches)

    def figures(self, seconds: float) -> "Figures":
        """Its first `seconds` in a few numbers."""
        spans = np.diff(np.minimum(np.append(self.at, max(seconds, self.at[-1])), seconds))
        waiting = np.flatnonzero(self.backlog)
        if not len(waiting):
            return Figures(self.launches, float(np.dot(self.instances, spans)), int(self.instances.max()), 0.0, 0.0)
        until = self.at[waiting[-1] + 1] if waiting[-1] + 1 < len(self.at) else seconds
        busy_seconds = float(until - self.at[waiting[0]])
        return Figures(
            launches=self.launches,
            instance_seconds=float(np.dot(self.instances, spans)),
            peak=int(self.instances.max()),
            busy_seconds=busy_seconds,
            mean_backlog=float(np.dot(self.backlog, spans)) / busy_seconds,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """A run in a few numbers."""

    launches: int
    instance_seconds: float
    """While instances existed, whether they were billed or not."""
    peak: int
    """The most instances at once."""
    busy_seconds: float
    """From the first tick that saw requests to the first after which none was left for good."""
    mean_backlog: float
    """Requests that still had to be done, on average over these."""

    def errors(self, real: "Figures") -> dict[str, float]:
        """How far each figure is from the real one, as a share of that; 0 where both are 0."""
        pairs = {name: (getattr(self, name), getattr(real, name)) for name in self.__slots__}
        return {
            name: (mine - its) / its if its else (0.0 if not mine else np.inf) for name, (mine, its) in pairs.items()
        }


@dataclass(frozen=True, slots=True)
class Recording:
    """What a log tells of everything outside the policy, as the simulator takes it, and how the run went."""

    arrivals: Floats
    """Seconds since the first tick, ascending."""
    world: World
    tick_seconds: float
    """Between two ticks, on the median: what a tick itself takes comes on top of the setting."""
    seconds: float
    """From the first tick to the last."""
    course: Course

    @classmethod
    def of(cls, decisions: Sequence[Decision], options: ScalingOptions, heartbeat_seconds: float) -> "Recording":
        """Read a log, the oldest first.

        Boots take what the autoscaler had measured in the end; requests do, too, at the pace of the whole fleet while
        it had no lack of them. The replay begins with no instances, so the log should begin at rest.

        Args:
            decisions: of one run.
            options: of that run; the log has its own tick.
            heartbeat_seconds: between two heartbeats of one worker, as set for that run.

        Raises:
            Misconfigured: there are fewer than two decisions that know depth and fleet, or no pools.
        """
        course = Course.of(decisions)
        if len(course.at) < 2:
            message = "a replay needs at least two decisions that saw the queue and the fleet; see --last"
            raise Misconfigured(message)
        gaps = [later.at - earlier.ended_at for earlier, later in pairwise(decisions)]
        return cls(
            arrivals=_arrivals(decisions, heartbeat_seconds),
            world=World(_pools(decisions), heartbeat_seconds=heartbeat_seconds),
            tick_seconds=min(max(median(gaps), 0.01), 60.0) if gaps else options.tick_seconds,
            seconds=decisions[-1].ended_at - decisions[0].at,
            course=course,
        )

    def predicted(self, options: ScalingOptions, policy: Policy | None = None) -> Course:
        """What the simulator makes of the same arrivals, with the policy that `options` name if None is given."""
        from burstlens.simulate.event import simulate

        own = options.model_copy(update={"tick_seconds": self.tick_seconds})
        return Course.of_outcome(simulate(self.arrivals, self.world, own, policy))


def _arrivals(decisions: Sequence[Decision], heartbeat_seconds: float) -> Floats:
    """What came between two counts came evenly; what the first one found was there.

    What the depth does not show was told by workers, who count what they have done: it came since they last did.
    """
    began = decisions[0].at
    parts = [np.empty(0)]
    total, depth, since, grown = 0.0, 0, began, began
    for decision in decisions:
        if decision.load is None or decision.depth is None:
            continue
        came = decision.load.total - total
        if came < 0:
            # Another autoscaler, which began its count with what it found.
            came = max(0, decision.depth.total - depth)
        count = round(came)
        seen = min(count, max(0, decision.depth.total - depth))
        told_since = min(since, max(grown, decision.at - heartbeat_seconds))
        parts.append(_evenly(since - began, decision.at - began, seen))
        parts.append(_evenly(told_since - began, decision.at - began, count - seen))
        total, depth, since = decision.load.total, decision.depth.total, decision.ended_at
        grown = decision.at if count else grown
    return np.sort(np.concatenate(parts))


def _evenly(since: float, until: float, count: int) -> Floats:
    return since + (until - since) * (np.arange(count) + 0.5) / max(1, count)


def _pools(decisions: Sequence[Decision]) -> tuple[SimulatedPool, ...]:
    """As they were seen in the end, with the most instances that they ever had or had room for."""
    caps: dict[str, int] = {}
    latest: Mapping[str, Prospect] = {}
    for decision in decisions:
        for prospect in decision.prospects:
            there = decision.pools.get(prospect.name, 0)
            caps[prospect.name] = max(caps.get(prospect.name, 0), there + prospect.room)
        latest = {prospect.name: prospect for prospect in decision.prospects} or latest
    if not latest:
        message = "this log names no pools: it is of a version that cannot be replayed"
        raise Misconfigured(message)
    slowness = _slowness(decisions, latest)
    return tuple(
        SimulatedPool(
            Pool(
                name,
                "simulated",
                cap=caps[name],
                order=order,
                price_per_hour=prospect.price_per_hour,
                billing=prospect.billing,
            ),
            boot=Duration(prospect.boot_seconds),
            service=Duration(prospect.service_seconds * slowness),
        )
        for order, (name, prospect) in enumerate(latest.items())
    )


def _slowness(decisions: Sequence[Decision], prospects: Mapping[str, Prospect]) -> float:
    """How many times longer requests took than the last estimates say; 1 if the log cannot tell.

    Measured over the ticks in which every running instance had something to do, and none came or went. And nobody
    finishes more than it can: where a run was over before any worker had told its pace, the estimates are what settings
    assume, and the instances that were there bound how long a request can have taken.
    """
    known = [
        (d.at, d.depth.total, d.census.running, d.load.total, d.pools)
        for d in decisions
        if d.depth is not None and d.census is not None and d.load is not None
    ]
    expected = finished = 0.0
    possible = done = 0.0
    begun, steady = 0, False
    for (since, depth, running, total, pools), (at, later_depth, later_running, later_total, later_pools) in pairwise(
        known
    ):
        most = later_pools if later_running > running else pools
        speeds = [count / prospects[name].service_seconds for name, count in most.items() if name in prospects]
        speed = sum(speeds) / max(1, sum(most.values()))
        went = later_total - total + depth - later_depth
        if depth:
            possible += (at - since) * max(running, later_running) * speed
            done += went
        if running != later_running or min(depth, later_depth) < 2 * running:
            steady = False
            continue
        expected += (at - since) * running * speed
        finished += went
        begun, steady = begun if steady else begun + running, True
    pace = expected / finished if expected and finished >= _ENOUGH * begun else 1.0
    return min(pace, possible / done) if possible and done >= _ENOUGH else pace
