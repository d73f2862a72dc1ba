"""The fluid engine: rates instead of requests, cohorts instead of instances, under the pure parts of the real loop.

What a run costs depends on its ticks, not on its requests. It leaves out that single requests wait by chance (two that
come together, although the fleet is idle on average), lists that are late, and every failure but that of launches. Work
begins up to half a service time late, since it is spread evenly over the instances.
"""

from collections import deque

import numpy as np

from burstlens.errors import Misconfigured
from burstlens.scaling.limits import guard, without_standby
from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy import policy_from
from burstlens.scaling.policy.base import Policy
from burstlens.scaling.tally import Vanished
from burstlens.scaling.traffic import Traffic
from burstlens.simulate.clock import EMPTY_SECONDS, START, UNANSWERED_SECONDS
from burstlens.simulate.cohort_fleet import CohortFleet
from burstlens.simulate.curves import Curves
from burstlens.simulate.fluid_record import FluidRecord
from burstlens.simulate.outcome import Floats, Outcome
from burstlens.simulate.world import World

_NOTHING = 1e-6
"""Requests; less than this is rounding."""


def flow(counts: Floats, world: World, options: ScalingOptions, policy: Policy | None = None) -> Outcome:
    """Run a scenario to its end.

    That is when all is answered and no instance is left, at the latest `EMPTY_SECONDS` after the last answer; or
    `UNANSWERED_SECONDS` after the arrivals. What is left then is billed until there.

    Args:
        counts: requests that come in each tick of `options.tick_seconds`, evenly; fractions are fine.
        world: pools, and how clouds and queue behave.
        options: of the autoscaler.
        policy: the one that `options` names if None; fresh for this run if it keeps a memory.

    Raises:
        ValueError: the counts are negative, not finite or not one row.
        Misconfigured: there is no policy of the name in `options`, or there is a budget, which only single instances
            can keep.
    """
    if counts.ndim != 1 or not np.isfinite(counts).all() or (counts < 0).any():
        message = "the arrivals of each tick must be one row of finite numbers, 0 or more"
        raise ValueError(message)
    if options.budget_per_hour is not None or options.budget_per_day is not None:
        message = "the fluid engine knows no budgets: leave out budget_per_hour and budget_per_day, or use event"
        raise Misconfigured(message)
    run = _Run(world, options, policy or policy_from(options))
    for count in counts.tolist():
        run.tick(count)
    ends_at = run.now + UNANSWERED_SECONDS
    while run.unanswered and run.now < ends_at:
        run.tick(0.0)
    if not run.unanswered:
        ends_at = run.now + EMPTY_SECONDS
    while run.instances and run.now < ends_at:
        run.tick(0.0)
    return run.outcome(options.policy if policy is None else type(policy).__name__)


class _Run:
    """One scenario under way; times are in seconds since its start."""

    def __init__(self, world: World, options: ScalingOptions, policy: Policy) -> None:
        self._world = world
        self._options = options
        self._policy = policy
        self._rng = np.random.default_rng(world.seed)
        self._fleet = CohortFleet(world, options, self._rng)
        self._curves = Curves()
        self._service_seconds = 0.0
        self._window: deque[int] = deque(maxlen=options.window_ticks)
        self._traffic = Traffic()
        self._vanished = Vanished(options.depth_stale_seconds)
        self._done = 0
        self._record = FluidRecord(self._fleet)

    @property
    def now(self) -> float:
        """Where it has come to."""
        return self._curves.now

    @property
    def unanswered(self) -> bool:
        """Whether requests still have to be done."""
        return self._depth(self.now) > _NOTHING

    @property
    def instances(self) -> int:
        """How many exist."""
        return self._fleet.pending + self._fleet.running

    def tick(self, arrivals: float) -> None:
        """Look, decide and act, then let requests come and be done until the next tick."""
        now = self.now
        self._fleet.pass_time(now)
        self._fleet.interrupt(now)
        self._fleet.learn()
        utilisation = self._utilisation()
        seen = self._observe(now, utilisation)
        wanted = self._policy.desired(without_standby(seen, self._options.standby))
        allowance = self._fleet.allowance(now)
        guarded = guard(wanted, seen.depth, seen.pending, seen.instances, allowance, self._options)
        missing = guarded.count - seen.instances
        if missing > 0:
            self._fleet.grow(missing, allowance, now)
        elif missing < 0:
            self._fleet.shrink(-missing, utilisation, now)
        self._record.note(now, self._curves.arrived, self._depth(now))
        self._serve(arrivals)

    def outcome(self, name: str) -> Outcome:
        """What it has come to, for the policy of this name."""
        arrived, answered = self._curves.arrived, self._answered(self.now)
        return Outcome(
            policy=name,
            requests=round(arrived),
            latencies=self._record.latencies(self._curves, answered, self._rng),
            billed_seconds=self._fleet.billed_seconds(self.now),
            money=self._fleet.money(self.now),
            launches=self._fleet.launches,
            peak=self._record.peak,
            unanswered=round(arrived - answered),
            timeline=self._record.timeline(),
        )

    def _observe(self, now: float, utilisation: float) -> Observation:
        world, fleet = self._world, self._fleet
        in_flight = self._by_chance(mean_in_flight := self._under_work())
        luck = in_flight - mean_in_flight
        true_depth = max(0.0, self._depth(now - world.depth_lag_seconds) + luck)
        if world.depth_error_share:
            true_depth *= 1 + self._rng.uniform(-world.depth_error_share, world.depth_error_share)
        depth = int(true_depth + 0.5)
        self._window.append(depth)
        self._count(now, depth, luck)
        running = fleet.running
        return Observation(
            depth=depth,
            window=tuple(self._window),
            pending=fleet.pending,
            running=running,
            busy=running - fleet.idle(utilisation),
            at=START + now,
            in_flight=min(depth, int(in_flight + 0.5)),
            cohorts=fleet.seen(now),
            prospects=fleet.prospects(now),
            traffic=self._traffic,
        )

    def _count(self, now: float, depth: int, luck: float) -> None:
        """Keep the books as `burstlens.scaling.knowledge` does; what is by chance still under work is not done yet."""
        told_at = now - self._fleet.beat_age(now, self._world.heartbeat_seconds)
        self._done = max(self._done, int(self._answered(told_at) - luck + 0.5))
        self._vanished.look(self._traffic.total, depth, self._done, START + now)
        self._traffic = self._traffic.after(START + now, depth, self._done + self._vanished.count)

    def _serve(self, arrivals: float) -> None:
        """Until the next tick; the rate grows at each moment in between at which a boot is over."""
        tick_seconds = self._options.tick_seconds
        ends_at = self.now + tick_seconds
        while (left_seconds := ends_at - self.now) > _NOTHING:
            self._fleet.pass_time(self.now)
            rate = self._fleet.rate
            if rate:
                self._service_seconds = self._fleet.running / rate
            seconds = min(left_seconds, self._fleet.next_ready - self.now)
            self._curves.serve(seconds, arrivals * seconds / tick_seconds, rate)
            self._record.serve(seconds)

    def _answered(self, at: float) -> float:
        """Requests that were done until then: what was started a service time before."""
        return self._curves.started_by(at - self._service_seconds)

    def _depth(self, at: float) -> float:
        return self._curves.arrived_by(at) - self._answered(at)

    def _under_work(self) -> float:
        return min(self._fleet.running, self._curves.started - self._answered(self.now))

    def _by_chance(self, mean: float) -> float:
        """How many are under work if requests come by chance within a tick, and do not wait.

        Policies that compare one depth with the next, such as the classic, live on this noise.
        """
        if self._curves.waiting or not mean:
            return mean
        tick_seconds = self._options.tick_seconds
        ticks, share = divmod(self._service_seconds / tick_seconds, 1.0)
        began = self.now - ticks * tick_seconds
        candidates = self._curves.started_by(began) - self._curves.started_by(began - tick_seconds)
        lucky = self._rng.binomial(round(candidates), share)
        return min(float(self._fleet.running), max(0.0, mean - share * candidates) + lucky)

    def _utilisation(self) -> float:
        """The share of the fleet's rate that is used."""
        running = self._fleet.running
        return 1.0 if self._curves.waiting or not running else min(1.0, self._under_work() / running)
