"""The bound lies below whatever can be done, and as near to it as a fluid of instances allows."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog  # type: ignore[import-untyped]

from burstlens.simulate.closed_forms import burst_billed, burst_seconds
from burstlens.simulate.commitment import Fleet, Load, commitment
from burstlens.simulate.optimum import least
from burstlens.simulate.oracle import Supply, attainable, lower_bound
from burstlens.simulate.outcome import Floats

BURST = np.array([100.0])
DAILY: dict[str, Any] = {"service_seconds": 0.5, "boot_seconds": 45.0, "deadline_seconds": 30.0, "pools": [(19, 3.6)]}
"""Prices of 3.6 an hour: a second costs 0.001."""


def spiky(seed: int, seconds: int = 120) -> Floats:
    """A few requests each second, and two spikes."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(3.0, seconds).astype(float)
    counts[rng.integers(0, seconds, 2)] += 40
    return counts


def coarse(counts: Floats, factor: int) -> Floats:
    """The same in steps that are longer by a factor."""
    return np.asarray(counts.reshape(-1, factor).sum(axis=1))


def burst(service: float, deadline: float, **changed: float) -> dict[str, Any]:
    return {
        "service_seconds": service,
        "boot_seconds": 30.0,
        "deadline_seconds": deadline,
        "pools": [(19, 3600.0)],
        "attainment": 1.0,
    } | changed


@pytest.mark.parametrize(("deadline", "instances"), [(120.0, 1), (60.0, 2)])
def test_the_best_schedule_for_a_burst_is_the_fewest_instances_that_serve_it_in_time(
    deadline: float, instances: int
) -> None:
    schedule = attainable(BURST, 1.0, **burst(1.0, deadline))

    assert schedule.billed_seconds == schedule.money == burst_billed(100, instances, 1.0, 30.0)
    assert schedule.launches == instances
    assert schedule.gap < 0.002


def test_the_bound_is_exact_where_one_instance_is_enough_for_a_burst() -> None:
    assert lower_bound(BURST, 1.0, **burst(1.0, 120.0)).billed_seconds == pytest.approx(130, rel=1e-5)


@pytest.mark.parametrize(("service", "deadline"), [(1.0, 20.0), (1.0, 60.0), (5.0, 60.0), (5.0, 120.0)])
def test_bound_then_schedule_then_what_a_burst_costs_with_any_number_of_instances(
    service: float, deadline: float
) -> None:
    bound = lower_bound(BURST, 1.0, **burst(service, deadline))
    schedule = attainable(BURST, 1.0, **burst(service, deadline))
    # The schedule is held to two steps less than the deadline, as its steps may hide as much.
    by_hand = [
        burst_billed(100, count, service, 30.0)
        for count in range(1, 20)
        if burst_seconds(100, count, service, 0.0) <= deadline - 2
    ]

    assert 0.75 * schedule.billed_seconds < bound.billed_seconds <= schedule.billed_seconds <= min(by_hand)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("changed", [{}, {"boot_seconds": 43.0, "deadline_seconds": 32.0, "minimum_seconds": 63.0}])
def test_a_longer_step_lowers_the_bound_and_raises_what_is_attained(seed: int, changed: dict[str, float]) -> None:
    counts = spiky(seed)
    fine = lower_bound(counts, 1.0, **DAILY | changed)
    rough = lower_bound(coarse(counts, 5), 5.0, **DAILY | changed)
    schedule = attainable(coarse(counts, 5), 5.0, **DAILY | changed, gap=0.2, time_limit_seconds=2.0)

    assert fine.status == rough.status == "optimal"
    assert 0.8 * fine.billed_seconds < rough.billed_seconds <= fine.billed_seconds * (1 + 1e-5)
    assert fine.billed_seconds <= schedule.billed_seconds


def test_requests_that_may_be_late_make_it_cheaper_but_are_served_all_the_same() -> None:
    counts = spiky(1)
    some = lower_bound(counts, 1.0, **DAILY, attainment=0.9)
    every = lower_bound(counts, 1.0, **DAILY, attainment=1.0)

    assert counts.sum() * 0.5 + 45 <= some.billed_seconds < 0.99 * every.billed_seconds


def test_an_excuse_for_one_burst_cannot_be_used_again_for_the_next() -> None:
    # Ten bursts, one of which may be late. Were the others allowed to lag behind by as much, a twentieth of an
    # instance would do all the time, for the work of 100 s; in time, each of nine takes 0.4 instances for 70 s.
    counts = np.zeros(430)
    counts[13:413:40] = 10
    fleet = Fleet(19, 5.0, boot=9, minimum=12)
    every = least(commitment(Load(counts, due=4, work=0.2, late=0, leave=1.0), [fleet]), 30.0)
    some = least(commitment(Load(counts, due=4, work=0.2, late=10, leave=1.0), [fleet]), 30.0)

    assert every.least == pytest.approx(10 * 28, rel=1e-5)
    assert some.least is not None
    assert 9 * 28 < some.least <= 9 * 28 + 10


def test_late_ones_of_one_burst_take_nothing_from_the_time_that_the_next_one_has() -> None:
    # Two bursts four steps apart, half of each late. The other halves have nine steps for 2 steps of work: 2/9 of an
    # instance, paid for 18 steps with its boot. The late ones cost 1 each at the end.
    counts = np.zeros(60)
    counts[[13, 17]] = 10
    fleet = Fleet(19, 5.0, boot=9, minimum=12)
    found = least(commitment(Load(counts, due=4, work=0.2, late=10, leave=1.0), [fleet]), 30.0)

    assert found.least == pytest.approx(2 / 9 * 18 * 5 + 10, rel=1e-5)


def test_a_late_request_at_the_very_end_pays_for_a_whole_launch() -> None:
    counts = np.zeros(300)
    counts[0], counts[299] = 99, 1
    schedule = attainable(counts, 1.0, **burst(0.1, 40.0, boot_seconds=10.0, attainment=0.99))

    assert schedule.billed_seconds == 120


def test_where_requests_are_few_somebody_still_has_to_be_there() -> None:
    counts = np.zeros(1000)
    counts[[0, 900]] = 1

    assert lower_bound(counts, 1.0, **DAILY).billed_seconds == 120


def test_a_pool_that_costs_nothing_is_free_in_money_but_not_in_seconds() -> None:
    pools = [(1, 0.0), (19, 3.6)]
    counts = coarse(spiky(2), 5)
    alone, both = lower_bound(counts, 5.0, **DAILY), lower_bound(counts, 5.0, **DAILY | {"pools": pools})
    schedule = attainable(counts, 5.0, **DAILY | {"pools": pools}, gap=0.2, time_limit_seconds=2.0)

    assert alone.money == pytest.approx(alone.billed_seconds / 1000)
    assert both.billed_seconds == pytest.approx(alone.billed_seconds, rel=1e-4)
    assert 0 < both.money < 0.6 * alone.money
    assert both.money <= schedule.money
    assert schedule.instances.shape[0] == 2


def test_each_pool_has_its_own_minimum() -> None:
    counts = np.array([1.0])
    per_second = lower_bound(counts, 1.0, **DAILY | {"pools": [Supply(19, 3.6, minimum_seconds=0.0)]})

    assert per_second.billed_seconds == pytest.approx(45.5)
    assert lower_bound(counts, 1.0, **DAILY | {"pools": [Supply(19, 3.6)]}).billed_seconds == 60


def test_what_no_cap_can_serve_in_time_is_told_in_words() -> None:
    bound = lower_bound(np.array([1000.0]), 1.0, **DAILY | {"pools": [(4, 1.0)]})

    assert not bound.feasible
    assert bound.status.startswith("4 instances cannot answer 0.99 of the requests within 30 s")
    assert not attainable(np.array([1000.0]), 1.0, **DAILY | {"pools": [(4, 1.0)]}).feasible


def test_a_deadline_shorter_than_a_request_takes_is_told_in_words() -> None:
    bound = lower_bound(BURST, 1.0, **DAILY | {"deadline_seconds": 0.4})

    assert (bound.feasible, bound.status) == (False, "a request takes 0.5 s, longer than the deadline of 0.4 s")


def test_steps_too_long_to_schedule_for_a_deadline_are_told_in_words() -> None:
    schedule = attainable(BURST, 20.0, **DAILY)

    assert (schedule.feasible, schedule.status) == (False, "a deadline of 30 s needs steps of half of it, or shorter")


def test_without_time_to_solve_the_closed_forms_are_the_bound() -> None:
    bound = lower_bound(spiky(0), 1.0, **DAILY, time_limit_seconds=0.0)

    assert bound.feasible
    assert bound.billed_seconds >= spiky(0).sum() * 0.5 + 45
    assert bound.status == "weaker, from closed forms: the solver ended with 'time limit'"


def test_no_requests_cost_nothing() -> None:
    assert lower_bound(np.zeros(100), 1.0, **DAILY).billed_seconds == 0


@pytest.mark.parametrize("late", [0, 5])
def test_two_solvers_agree(late: int) -> None:
    arrivals = np.concatenate([np.zeros(13), coarse(spiky(3), 5), np.zeros(30)])
    problem = commitment(Load(arrivals, 6, 0.1, late, 0.1), [Fleet(19, 1.0, 9, 12)])
    bounds = np.column_stack([np.zeros(len(problem.cost)), problem.most])
    other = linprog(problem.cost, A_ub=problem.matrix, b_ub=problem.limits, bounds=bounds, method="highs")
    found = least(problem, 30.0)

    assert found.least is not None
    assert found.least == pytest.approx(other.fun, rel=1e-5)
    assert found.least <= other.fun * (1 + 1e-6)
