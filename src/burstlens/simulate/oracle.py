"""The least that any schedule costs, even one that knows all arrivals, and what a schedule of whole instances attains.

Both are unit commitment in a fluid (`commitment`). Needs the extra `simulate`. Why the bound is one: decision 16.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from burstlens.simulate.closed_forms import MINIMUM_SECONDS, presence_billed, work_billed
from burstlens.simulate.commitment import Fleet, Load, commitment
from burstlens.simulate.optimum import Optimum, least, least_whole
from burstlens.simulate.outcome import Floats


class Supply(NamedTuple):
    """Instances that may be had in one pool; a plain pair of cap and price will do."""

    cap: int
    price_per_hour: float
    minimum_seconds: float | None = None
    """Billed for each launch at least; None is what is said for all pools."""


class _Paid(NamedTuple):
    cap: int
    price_per_hour: float
    minimum_seconds: float


@dataclass(frozen=True, slots=True)
class Bound:
    """What no schedule undercuts."""

    feasible: bool
    """Whether any schedule could meet the deadline at all."""
    billed_seconds: float
    """Over all pools; of the schedule with the fewest, which need not be the cheapest."""
    money: float
    """Of the cheapest schedule, in the unit of the prices."""
    status: str
    """`optimal`; or why it is not feasible; or why it is a weaker bound, from closed forms only. In words."""
    solve_seconds: float
    """Wall clock in the solver."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of whole instances that serves the fluid in time."""

    feasible: bool
    """Whether one was found."""
    billed_seconds: float
    money: float
    launches: int
    instances: Floats
    """Paid for in each step: shape (pools, steps); without a schedule, no steps."""
    lead: int
    """Steps before the first of the counts."""
    gap: float
    """How much less the best one could cost, as a share of this."""
    status: str
    """`optimal`, or in words why not."""
    solve_seconds: float


def lower_bound(
    counts: Floats,
    step_seconds: float,
    *,
    service_seconds: float,
    boot_seconds: float,
    deadline_seconds: float,
    pools: Sequence[tuple[int, float] | Supply],
    minimum_seconds: float = MINIMUM_SECONDS,
    attainment: float = 0.99,
    time_limit_seconds: float = 120.0,
) -> Bound:
    """What every schedule pays that answers a share of `attainment` within the deadline, and the others ever.

    Durations are rounded to steps in the schedule's favour, so a long step makes the bound lower, never false.
    Where pools differ in boot or service time, give the shortest.

    Args:
        counts: requests in each step.
        step_seconds: length of a step.
        service_seconds: of one request on one instance, which serves one at a time.
        boot_seconds: billed, from the launch until an instance serves.
        deadline_seconds: from a request's arrival to its answer.
        pools: cap and price per hour of each.
        minimum_seconds: billed for each launch at least.
        attainment: the share of requests that has to be in time; 1 is all.
        time_limit_seconds: for the solver, for each of seconds and money; then closed forms have to do.
    """
    if not np.any(counts):
        return Bound(True, 0.0, 0.0, "optimal", 0.0)
    if deadline_seconds < service_seconds:
        return _impossible(f"a request takes {service_seconds:g} s, longer than the deadline of {deadline_seconds:g} s")
    supplies, late = _supplies(pools, minimum_seconds), _late(counts, attainment)
    floor = _closed(counts, step_seconds, service_seconds, boot_seconds, deadline_seconds, supplies, late)
    boot, due = _fit(boot_seconds, step_seconds), _cover(deadline_seconds, step_seconds)
    minimums = [max(boot, _fit(supply.minimum_seconds, step_seconds)) for supply in supplies]
    margin, work = np.zeros(max(minimums) + 1), service_seconds / step_seconds
    arrivals = np.concatenate([margin, counts, np.zeros(due), margin])

    def solved(prices: Sequence[float]) -> Optimum:
        load = Load(arrivals, due, work, late, leave=work * min(prices))
        fleets = [
            Fleet(supply.cap, price, boot, minimum)
            for supply, price, minimum in zip(supplies, prices, minimums, strict=True)
        ]
        return least(commitment(load, fleets), time_limit_seconds)

    prices = [supply.price_per_hour / 3600 for supply in supplies]
    by_seconds = solved([1.0] * len(supplies))
    if by_seconds.status == "infeasible":
        return _impossible(
            f"{sum(supply.cap for supply in supplies)} instances cannot answer {attainment:.4g} of the requests within "
            f"{deadline_seconds:g} s, however early they are launched"
        )
    billed = max(floor, (by_seconds.least or 0.0) * step_seconds)
    if len(set(prices)) == 1:
        return Bound(True, billed, billed * prices[0], _told(by_seconds), by_seconds.seconds)
    by_money = solved(prices)
    money = max(floor * min(prices), (by_money.least or 0.0) * step_seconds)
    told = _told(by_seconds if by_seconds.least is None else by_money)
    return Bound(True, billed, money, told, by_seconds.seconds + by_money.seconds)


def attainable(
    counts: Floats,
    step_seconds: float,
    *,
    service_seconds: float,
    boot_seconds: float,
    deadline_seconds: float,
    pools: Sequence[tuple[int, float] | Supply],
    minimum_seconds: float = MINIMUM_SECONDS,
    attainment: float = 0.99,
    time_limit_seconds: float = 60.0,
    gap: float = 0.001,
) -> Schedule:
    """The cheapest schedule of whole instances that is found in time: for minutes, or an hour at steps of 5 s.

    Durations are rounded to steps against the schedule, so that it holds in continuous time; requests are a fluid,
    which real ones follow to within one service time. Arguments are those of `lower_bound`; `gap` is how far from the
    best it may stop, as a share.
    """
    supplies, late = _supplies(pools, minimum_seconds), _late(counts, attainment)
    # A request may come at the end of its step, and is there in the next; its deadline runs from the step's begin.
    due = _fit(deadline_seconds, step_seconds) - 2
    if due < 0:
        return _no_schedule(f"a deadline of {deadline_seconds:g} s needs steps of half of it, or shorter", 0.0)
    boot = _cover(boot_seconds, step_seconds)
    minimums = [max(boot, _cover(supply.minimum_seconds, step_seconds)) for supply in supplies]
    # Where all prices are equal, so that they may be 0, the seconds are what counts.
    equal = len({supply.price_per_hour for supply in supplies}) == 1
    fleets = [
        Fleet(supply.cap, 1.0 if equal else supply.price_per_hour, boot, minimum)
        for supply, minimum in zip(supplies, minimums, strict=True)
    ]
    lead, work = max(minimums) + 1, service_seconds / step_seconds
    tail = due + lead + math.ceil(late * work / max(1, sum(fleet.cap for fleet in fleets)))
    arrivals = np.concatenate([np.zeros(lead + 1), counts, np.zeros(tail)])
    problem = commitment(Load(arrivals, due, work, late, leave=math.inf), fleets)
    found = least_whole(problem, time_limit_seconds, gap)
    if found.solution is None:
        return _no_schedule(f"no schedule found: {found.status}", found.seconds)
    instances = np.round(problem.instances(found.solution))
    launches = np.round(problem.launched(found.solution))
    seconds = instances.sum(axis=1) * step_seconds
    money = sum(float(each) * supply.price_per_hour / 3600 for each, supply in zip(seconds, supplies, strict=True))
    count = int(launches[:, -1].sum())
    return Schedule(True, float(seconds.sum()), money, count, instances, lead, found.gap, found.status, found.seconds)


def _late(counts: Floats, attainment: float) -> int:
    """Whole requests that may be late."""
    return math.floor((1 - attainment) * float(np.sum(counts)) + 1e-6)


def _supplies(pools: Sequence[tuple[int, float] | Supply], minimum_seconds: float) -> list[_Paid]:
    whole = [Supply(*pool) for pool in pools]
    return [
        _Paid(one.cap, one.price_per_hour, minimum_seconds if one.minimum_seconds is None else one.minimum_seconds)
        for one in whole
    ]


def _closed(
    counts: Floats, step: float, service: float, boot: float, deadline: float, supplies: Sequence[_Paid], late: int
) -> float:
    """Billed seconds that no schedule undercuts, without a solver."""
    minimum = min(supply.minimum_seconds for supply in supplies)
    present = presence_billed(
        counts,
        step,
        service_seconds=service,
        boot_seconds=boot,
        deadline_seconds=deadline,
        minimum_seconds=minimum,
        late=late,
    )
    return max(present, work_billed(float(np.sum(counts)), 1, service, boot, minimum))


def _fit(seconds: float, step_seconds: float) -> int:
    """Whole steps within a time; the last bit of a quotient makes no step."""
    return math.floor(seconds / step_seconds + 1e-9)


def _cover(seconds: float, step_seconds: float) -> int:
    """Whole steps that hold a time."""
    return math.ceil(seconds / step_seconds - 1e-9)


def _impossible(reason: str) -> Bound:
    return Bound(False, math.inf, math.inf, reason, 0.0)


def _no_schedule(reason: str, seconds: float) -> Schedule:
    return Schedule(False, math.inf, math.inf, 0, np.zeros((0, 0)), 0, math.inf, reason, seconds)


def _told(found: Optimum) -> str:
    if found.least is not None:
        return "optimal"
    return f"weaker, from closed forms: the solver ended with {found.status!r}"
