"""Reserves, each rehearsed on the load that came."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burstlens.scaling.forecast import Load
from burstlens.scaling.rehearsal import FACTORS, SPANS, WINDOWS, Conditions, Rehearsal
from support.reserves import CONDITIONS, SPIKY, STEADY


def rehearsed(arrivals: Iterable[float], conditions: Conditions = CONDITIONS) -> Rehearsal:
    rehearsal, load = Rehearsal(conditions), Load(12)
    for arrived in arrivals:
        load.after(arrived)
        rehearsal.after(arrived, load)
    return rehearsal


def test_more_in_reserve_costs_more_and_misses_less() -> None:
    rehearsal = rehearsed(SPIKY)
    held = rehearsal.spans == 720
    order = np.argsort(rehearsal.factors[held], kind="stable")
    missed, cost = rehearsal.missed[held][order], rehearsal.cost[held][order]

    assert missed[0] > 10 * missed[-1] + 100
    assert cost[-1] > 2 * cost[0]


def test_no_fleet_does_more_than_its_instances_can() -> None:
    rehearsal = rehearsed(STEADY)

    assert rehearsal.promised == sum(STEADY)
    assert (rehearsal.cost >= sum(STEADY) * 0.5 * 0.95).all(), "work is paid for, but for what waits at the end"


@pytest.mark.parametrize("boot_seconds", [3.0, 90.0])
def test_what_was_learnt_stays_when_boots_turn_out_otherwise(boot_seconds: float) -> None:
    rehearsal, load = Rehearsal(CONDITIONS), Load(12)
    for number, arrived in enumerate(SPIKY):
        if number == 300:
            before = rehearsal.cost.copy()
            rehearsal.under(dataclasses.replace(CONDITIONS, boot_seconds=boot_seconds))
        load.after(arrived)
        rehearsal.after(arrived, load)

    assert (rehearsal.cost >= before).all()
    assert np.isfinite(rehearsal.cost).all()
    assert np.isfinite(rehearsal.missed).all()


def test_there_is_one_fleet_for_each_reserve() -> None:
    assert len(Rehearsal(CONDITIONS).cost) == len(WINDOWS) * len(SPANS) * len(FACTORS)


def test_a_reserve_is_the_highest_load_of_its_span_times_its_factor() -> None:
    rehearsal = rehearsed([*[0.0] * 3, 40.0, *[0.0] * 10])

    def reserve(span: int, factor: float) -> float:
        """Of the load in single ticks, which come first."""
        of_one_tick = len(SPANS) * len(FACTORS)
        chosen = (rehearsal.spans == span) & (rehearsal.factors == factor)
        return float(rehearsal.reserve[:of_one_tick][chosen[:of_one_tick]][0])

    assert reserve(24, 1.0) == pytest.approx(40 * 0.5 / 5)
    assert reserve(24, 2.0) == pytest.approx(2 * 40 * 0.5 / 5)
    assert reserve(6, 2.0) == 0, "it was more than six ticks ago"


def test_who_is_there_before_the_spike_misses_nothing_of_it() -> None:
    rehearsal = rehearsed([*SPIKY, *[0.0] * 20])
    ready = (rehearsal.spans == 720) & (rehearsal.factors == 2.0)

    assert rehearsal.missed[ready].min() == 0
    assert rehearsal.missed[rehearsal.factors == 0.0].min() > 1000


def test_the_first_boot_is_held_against_nobody() -> None:
    assert rehearsed([500.0] * 9).missed.max() == 0


def test_a_slower_boot_makes_no_reserve_cheaper_or_better() -> None:
    quick = rehearsed(SPIKY)
    slow = rehearsed(SPIKY, dataclasses.replace(CONDITIONS, boot_seconds=90.0))
    none = quick.factors == 0.0

    assert (slow.missed[none] >= quick.missed[none]).all()


@pytest.mark.parametrize("boots", [(45.0, 90.0, 90.0), (90.0, 45.0, 45.0), (45.0, 90.0, 45.0)])
def test_nobody_is_lost_on_the_way_when_boots_turn_out_otherwise(boots: tuple[float, ...]) -> None:
    rehearsal, load = Rehearsal(CONDITIONS), Load(12)
    for tick, arrived in enumerate([*[100.0] * 12, *[0.0] * 200]):
        if tick < 12:
            rehearsal.under(dataclasses.replace(CONDITIONS, boot_seconds=boots[tick // 4]))
        before = rehearsal.cost.copy()
        load.after(arrived)
        rehearsal.after(arrived, load)
    none = rehearsal.factors == 0.0

    assert (rehearsal.cost[none] >= 1200 * 0.5).all(), "the work was done"
    assert (rehearsal.cost[none] == before[none]).all(), "and who did it went, which nobody can who never came"


def test_nobody_misses_twice_when_requests_turn_out_to_take_less() -> None:
    """What was thought to be late already is due later than was thought."""
    helpless = dataclasses.replace(CONDITIONS, cap=0)
    rehearsal, load = Rehearsal(dataclasses.replace(helpless, service_seconds=31.0)), Load(12)
    for tick, arrived in enumerate([*[10.0] * 30, *[0.0] * 20]):
        if tick == 25:
            before = rehearsal.missed.copy()
            rehearsal.under(helpless)
        load.after(arrived)
        rehearsal.after(arrived, load)

    assert before.min() > 100
    assert rehearsal.missed == pytest.approx(before + 50), "those that came since"


def test_no_rehearsed_fleet_is_larger_than_the_cap() -> None:
    rehearsal, load = Rehearsal(dataclasses.replace(CONDITIONS, cap=3)), Load(12)
    for arrived in SPIKY:
        before = rehearsal.cost.copy()
        load.after(arrived)
        rehearsal.after(arrived, load)

        assert (rehearsal.cost - before).max() <= 3 * 5


CONDITION = st.builds(
    Conditions,
    tick_seconds=st.just(5.0),
    deadline_seconds=st.just(30.0),
    service_seconds=st.sampled_from([0.01, 0.5, 29.0, 31.0, 500.0]),
    boot_seconds=st.sampled_from([0.0, 4.0, 45.0, 90.0, 1200.0]),
    minimum_seconds=st.sampled_from([1.0, 60.0, 3600.0]),
    miss_seconds=st.sampled_from([1.01, 100.0, 1e6]),
    cap=st.sampled_from([0, 1, 50]),
)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1e4), CONDITION), max_size=30), st.sampled_from([1.0, 5.0, 60.0]))
def test_whatever_comes_under_whatever_conditions_the_records_stay_numbers_that_never_fall(
    ticks: list[tuple[float, Conditions]], tick_seconds: float
) -> None:
    rehearsal, load = Rehearsal(dataclasses.replace(CONDITIONS, tick_seconds=tick_seconds)), Load(12)
    cost, missed = rehearsal.cost.copy(), rehearsal.missed.copy()
    for arrived, conditions in ticks:
        rehearsal.under(dataclasses.replace(conditions, tick_seconds=tick_seconds))
        load.after(arrived)
        rehearsal.after(arrived, load)

        assert np.isfinite(rehearsal.cost).all()
        assert np.isfinite(rehearsal.reserve).all()
        assert (rehearsal.cost >= cost).all()
        assert (rehearsal.missed >= missed).all()
        assert (rehearsal.missed <= rehearsal.promised + 1e-6).all()
        cost, missed = rehearsal.cost.copy(), rehearsal.missed.copy()
