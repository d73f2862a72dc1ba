"""Which pools, cap, standby and policy meet a deadline for the least money, by trying them out."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.row import Row
from burstlens.simulate.study import Run, Scenario
from burstlens.simulate.trial import Trial
from burstlens.simulate.world import SimulatedPool, World

POLICIES = ("deadline", "queue-ratio", "target-tracking")
KEPT = (0, 1, 2, 4, 8, 16, 32, 64)
"""Instances kept, as a minimum or as standby; beyond the cap there are none."""
CAP_SHARES = (0.25, 0.5, 0.75)
"""Of the highest cap, tried for the best policy: a lower one bounds what a mistake can cost."""
SAME_BILL = 1.02
"""Bills within 2 % of each other are one: a lower cap is worth more."""
HEADROOM = 1.5
"""Of a cap over the most instances at once: tomorrow may bring more than the trace did."""
DAY_SECONDS, MONTH_DAYS = 86_400.0, 30

Simulate = Callable[[Sequence[Run]], Iterator[tuple[int, Row]]]
"""`burstlens.simulate.study.rows`, with a number of processes."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run the fleet."""

    pools: tuple[SimulatedPool, ...]
    policy: str
    max_instances: int
    min_instances: int = 0
    standby: int = 0

    @property
    def kept(self) -> int:
        """Instances that stay whatever comes."""
        return self.min_instances + self.standby

    @property
    def words(self) -> str:
        """What sets it apart, in one line."""
        parts = ["+".join(each.pool.name for each in self.pools), f"cap {self.max_instances}"]
        parts += [f"minimum {self.min_instances}"] if self.min_instances else []
        parts += [f"standby {self.standby}"] if self.standby else []
        return ", ".join(parts)

    def changes(self, options: ScalingOptions) -> dict[str, object]:
        """What it changes in the options.

        The target of `target-tracking` is what Amazon's guide advises: acceptable latency ÷ seconds of a request.
        """
        changes: dict[str, object] = {
            "max_instances": self.max_instances,
            "min_instances": self.min_instances,
            "standby": self.standby,
        }
        if self.policy == "target-tracking":
            changes["target_backlog"] = max(1.0, options.deadline_seconds / options.service_seconds)
        return changes

    def run(self, scenario: Scenario) -> Run:
        """How it is tried out."""
        world: World = replace(scenario.world, pools=self.pools)
        return replace(scenario, world=world), Trial(self.policy, self.words, self.changes(scenario.options))


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate and what came of it."""

    candidate: Candidate
    row: Row

    def bill(self, seconds: float) -> float:
        """Money for so long from the start.

        A run with a minimum or standby goes on for a while after the last answer, and would go on for ever.
        """
        time = self.row.timeline
        if not len(time.at):
            return self.row.money
        prices = {each.pool.name: each.pool.price_per_hour for each in self.candidate.pools}
        rate = sum(values[-1] * prices.get(pool, 0.0) for pool, values in time.instances.items()) / 3600
        if not rate:
            return self.row.money
        return float(np.interp(seconds, time.at, time.money)) + max(0.0, seconds - float(time.at[-1])) * float(rate)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and what else there was."""

    scenario: Scenario
    budget_per_day: float | None
    tried: Sequence[Tried]
    """All, in the order in which they were tried."""

    @property
    def period_seconds(self) -> float:
        """How long what is simulated is taken to be: to its last arrival, and at least an hour."""
        arrivals = self.scenario.arrivals
        return max(3600.0, float(arrivals[-1]) if len(arrivals) else 0.0)

    def in_time(self, tried: Tried) -> bool:
        """Whether enough of its requests were answered within the deadline."""
        return tried.row.attainment >= self.scenario.options.attainment

    def per_day(self, tried: Tried) -> float:
        """The bill if the trace repeated itself day and night."""
        return tried.bill(self.period_seconds) / self.period_seconds * DAY_SECONDS

    def affordable(self, tried: Tried) -> bool:
        """Whether a day of it stays within the budget."""
        return self.budget_per_day is None or self.per_day(tried) <= self.budget_per_day

    @property
    def best(self) -> Tried | None:
        """The cheapest that is in time and within the budget; of bills that are as good as one, the lowest cap."""
        good = [tried for tried in self.tried if self.in_time(tried) and self.affordable(tried)]
        if not good:
            return None
        limit = SAME_BILL * min(self.per_day(tried) for tried in good)
        return min((tried for tried in good if self.per_day(tried) <= limit), key=self._preference)

    @property
    def by_policy(self) -> list[Tried]:
        """The best of each policy, the one to take first; of a policy that is never in time, what comes closest."""
        firsts: dict[str, Tried] = {}
        best = self.best
        if best is not None:
            firsts[best.candidate.policy] = best
        for tried in sorted(self.tried, key=self._rank):
            firsts.setdefault(tried.candidate.policy, tried)
        return list(firsts.values())

    @property
    def why_not(self) -> str:
        """Why nothing meets the deadline within the budget, and what would; empty if something does."""
        if self.best is not None:
            return ""
        options = self.scenario.options
        service = min(each.service.median_seconds for each in self.scenario.world.pools)
        boot = min(each.pending_seconds + each.boot.median_seconds for each in self.scenario.world.pools)
        closest = self.by_policy[0]
        wanted = f"{100 * options.attainment:g} % within {options.deadline_seconds:g} s"
        if service >= options.deadline_seconds:
            return f"a single request takes {service:g} s, longer than the deadline: no fleet can answer {wanted}"
        if any(self.in_time(tried) for tried in self.tried):
            cheapest = min(self.per_day(tried) for tried in self.tried if self.in_time(tried))
            return (
                f"to answer {wanted} costs at least {cheapest:.2f} a day, "
                f"more than the budget of {self.budget_per_day:.2f}: raise --budget or --deadline"
            )
        if closest.row.peak >= options.max_instances:
            return (
                f"the best attains {100 * closest.row.attainment:.2f} % and runs into the cap of "
                f"{options.max_instances}: raise --cap"
            )
        if boot >= options.deadline_seconds:
            return (
                f"a boot takes {boot:g} s, longer than the deadline: a rise that nothing announces is met only by "
                f"instances that are there already, and the most that were tried, "
                f"{max(tried.candidate.kept for tried in self.tried)}, did not suffice: raise --cap for more standby"
            )
        return f"the best attains {100 * closest.row.attainment:.2f} %: raise --deadline, or lower --attainment"

    def _rank(self, tried: Tried) -> tuple[object, ...]:
        if self.in_time(tried) and self.affordable(tried):
            return (0, self.per_day(tried), *self._preference(tried))
        return (1, -tried.row.attainment, *self._preference(tried))

    def _preference(self, tried: Tried) -> tuple[object, ...]:
        """Of what is as good as the same: the lowest cap with headroom, else the highest; cheaper; fewer kept."""
        cap = tried.candidate.max_instances
        tight = cap < HEADROOM * tried.row.peak
        return (tight, -cap if tight else cap, self.per_day(tried), tried.candidate.kept)


def plan(scenario: Scenario, simulate: Simulate, budget_per_day: float | None = None) -> Iterator[tuple[int, Plan]]:
    """Search in four steps: pools, then policies and what is kept, then the cap.

    Args:
        scenario: its options' `max_instances` is the highest cap that may be recommended.
        simulate: runs what is to be tried.
        budget_per_day: the most that a day may cost, in the unit of the pools' prices.

    Yields:
        After each simulation, how many are still to come at least, and the plan so far.
    """
    scenario = replace(scenario, arrivals=scenario.arrivals + _lead_seconds(scenario))
    tried: list[Tried] = []

    def step(candidates: Sequence[Candidate]) -> Iterator[tuple[int, Plan]]:
        known = {each.candidate for each in tried}
        fresh = [each for each in dict.fromkeys(candidates) if each not in known and each.kept <= each.max_instances]
        left = len(fresh)
        for index, row in simulate([candidate.run(scenario) for candidate in fresh]):
            tried.append(Tried(fresh[index], row))
            left -= 1
            yield left, Plan(scenario, budget_per_day, tuple(tried))

    def leader() -> Tried:
        return Plan(scenario, budget_per_day, tuple(tried)).by_policy[0]

    highest = scenario.options.max_instances
    yield from step(
        [
            Candidate(pools, "deadline", most(pools, highest), standby=count)
            for pools in mixes(scenario.world.pools)
            for count in KEPT
        ]
    )
    pools, cap = leader().candidate.pools, leader().candidate.max_instances
    yield from step(
        [
            candidate
            for policy in POLICIES
            for count in KEPT
            for candidate in (
                Candidate(pools, policy, cap, standby=count),
                Candidate(pools, policy, cap, min_instances=count),
            )
        ]
    )
    first = leader()
    caps = [*(round(cap * part) for part in CAP_SHARES), math.ceil(HEADROOM * first.row.peak)]
    yield from step([replace(first.candidate, max_instances=max(1, min(cap, each))) for each in caps])


def _lead_seconds(scenario: Scenario) -> float:
    """A start before the first arrival, so that what is kept is there when it comes."""
    boots = [each.pending_seconds + each.boot.median_seconds for each in scenario.world.pools]
    return 2 * max(boots) + 2 * scenario.options.tick_seconds


def mixes(pools: Sequence[SimulatedPool]) -> list[tuple[SimulatedPool, ...]]:
    """All of the pools, and each for itself."""
    return list(dict.fromkeys([tuple(pools), *((each,) for each in pools)]))


def most(pools: Sequence[SimulatedPool], cap: int) -> int:
    """What the cap comes to in these pools, which may have room for fewer."""
    return min(cap, sum(each.pool.cap for each in pools))
