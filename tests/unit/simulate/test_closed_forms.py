"""What needs no solver, against sums by hand and against trying everything."""

import itertools
import math

import numpy as np
import pytest

from burstlens.simulate.closed_forms import (
    burst_billed,
    burst_knee,
    burst_seconds,
    presence_billed,
    unreachable_share,
    work_billed,
)
from burstlens.simulate.outcome import Floats


def test_a_burst_takes_a_boot_and_the_longest_row_of_requests() -> None:
    assert burst_seconds(100, 3, 1.0, 30.0) == 30 + 34


def test_instances_that_a_burst_does_not_fill_are_billed_for_their_minimum() -> None:
    assert [burst_billed(100, count, 1.0, 30.0) for count in (1, 2, 3, 4, 19)] == [130, 160, 192, 240, 1140]


def test_up_to_the_knee_another_instance_costs_its_boot_and_beyond_it_its_minimum() -> None:
    knee = burst_knee(120, 1.0, 30.0)

    assert knee == 4
    assert burst_billed(120, 4, 1.0, 30.0) - burst_billed(120, 3, 1.0, 30.0) == 30
    assert burst_billed(120, 6, 1.0, 30.0) - burst_billed(120, 5, 1.0, 30.0) == 60
    assert burst_knee(120, 1.0, 60.0) == math.inf


@pytest.mark.parametrize("count", range(1, 20))
def test_no_burst_is_billed_less_than_its_work_its_boots_and_its_minimums(count: int) -> None:
    assert work_billed(100, count, 1.0, 30.0) <= burst_billed(100, count, 1.0, 30.0)
    assert work_billed(count * 30, count, 1.0, 30.0) == burst_billed(count * 30, count, 1.0, 30.0) == count * 60


def presence(counts: Floats, late: int = 0) -> float:
    return presence_billed(
        counts,
        1.0,
        service_seconds=0.5,
        boot_seconds=45.0,
        deadline_seconds=30.0,
        late=late,
    )


def tried(seconds: list[int], late: int) -> float:
    """The least presence, by leaving out every choice of late requests and cutting the others everywhere."""
    best = math.inf
    for kept in itertools.combinations(seconds, len(seconds) - late):
        for cuts in itertools.product((False, True), repeat=len(kept) - 1):
            cost, first = 0.0, 0
            for last in range(len(kept)):
                if last == len(kept) - 1 or cuts[last]:
                    # 0.5 + 0.5 + 45 − 30, and each may have come anywhere in its second.
                    cost += max(60.0, kept[last] - kept[first] - 1 + 16)
                    first = last + 1
            best = min(best, cost)
    return best


def test_two_requests_far_apart_cost_two_minimums() -> None:
    counts = np.zeros(2000)
    counts[[0, 1500]] = 1

    assert presence(counts) == 120


@pytest.mark.parametrize("seed", range(6))
def test_the_least_presence_is_the_best_of_all_that_can_be_tried(seed: int) -> None:
    seconds = sorted(np.random.default_rng(seed).choice(400, 7, replace=False).tolist())
    counts = np.bincount(seconds).astype(float)

    assert presence(counts) == pytest.approx(tried(seconds, 0))
    assert 0 < presence(counts, late=1) <= tried(seconds, 1) + 1e-9
    assert presence(counts, late=2) <= tried(seconds, 2) + 1e-9


def test_a_late_request_far_from_all_others_is_the_one_that_is_left_out() -> None:
    counts = np.zeros(2000)
    counts[[0, 10, 20, 1900]] = 1

    assert presence(counts, late=1) == pytest.approx(60, abs=0.1)


def test_a_burst_is_missed_whole_when_the_deadline_is_shorter_than_a_boot() -> None:
    assert unreachable_share(np.zeros(100), 45.0, 0.5, 30.0) == 1.0
    assert unreachable_share(np.zeros(100), 45.0, 0.5, 46.0) == 0.0


def test_only_requests_whose_deadline_ends_before_the_first_answer_are_out_of_reach() -> None:
    arrivals = np.arange(0.0, 100.0)

    # The first answer comes at 45.5 s, so whoever came before 15.5 s misses 30 s; with a tick of 5 s before 20.5 s.
    assert unreachable_share(arrivals, 45.0, 0.5, 30.0) == 0.16
    assert unreachable_share(arrivals, 45.0, 0.5, 30.0, tick_seconds=5.0) == 0.21


def test_standby_serves_what_it_can_until_the_first_answer() -> None:
    assert unreachable_share(np.zeros(100), 45.0, 0.5, 30.0, standby=1) == 0.09
    assert unreachable_share(np.zeros(100), 45.0, 0.5, 30.0, standby=2) == 0.0


def test_no_request_is_out_of_reach_without_any_and_each_is_when_serving_takes_longer_than_the_deadline() -> None:
    assert unreachable_share(np.zeros(0), 45.0, 0.5, 30.0) == 0.0
    assert unreachable_share(np.array([5.0, 900.0]), 0.0, 6.0, 5.0, standby=9) == 1.0
