"""Reserves: what is rehearsed, and what is followed."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import pytest

from burstlens.scaling.forecast import Load
from burstlens.scaling.insurance import Insurance
from burstlens.scaling.rehearsal import Conditions, Rehearsal

CONDITIONS = Conditions(
    tick_seconds=5.0,
    deadline_seconds=30.0,
    service_seconds=0.5,
    boot_seconds=45.0,
    minimum_seconds=60.0,
    miss_seconds=100.0,
    cap=50,
)
STEADY = [30.0] * 720
"""Three instances' work, for an hour."""
SPIKY = ([0.0] * 50 + [100.0] * 10) * 12
"""Ten instances' work for 50 s, out of silence, every five minutes."""


def reserves(arrivals: Iterable[float], conditions: Conditions = CONDITIONS) -> list[int]:
    insurance, load = Insurance(conditions, 0.01), Load(12)
    found = []
    for arrived in arrivals:
        load.after(arrived)
        found.append(insurance.after(arrived, 0.0, load))
    return found


def rehearsed(arrivals: Iterable[float], conditions: Conditions = CONDITIONS) -> Rehearsal:
    rehearsal, load = Rehearsal(conditions), Load(12)
    for arrived in arrivals:
        load.after(arrived)
        rehearsal.after(arrived, load)
    return rehearsal


def test_nothing_is_kept_before_anybody_came() -> None:
    assert reserves([0.0] * 100) == [0] * 100


def test_a_steady_load_needs_no_more_than_its_work() -> None:
    assert max(reserves(STEADY)[-60:]) <= 4


def test_spikes_out_of_silence_are_waited_for() -> None:
    kept = reserves(SPIKY)[-60:]

    assert min(kept) >= 5, "also in the silence, since nobody who boots would be in time"
    assert max(reserves([30.0 * 100 / 180] * 720)[-60:]) < min(kept), "the same work without spikes needs fewer"


def test_the_cap_holds() -> None:
    assert max(reserves(SPIKY, dataclasses.replace(CONDITIONS, cap=3))) == 3


def test_a_stricter_promise_keeps_more_while_nothing_is_known() -> None:
    def first(allowed: float) -> int:
        load = Load(12)
        load.after(40.0)
        return Insurance(CONDITIONS, allowed).after(40.0, 0.0, load)

    assert first(0.0001) > first(0.0025) > first(0.01) >= 8, "twice the work of the highest tick"


def test_r19_the_last_one_stays_for_a_pause_as_usual_and_then_goes() -> None:
    rare = ([1.0] + [0.0] * 11) * 60
    kept = reserves([*rare, *[0.0] * 40])

    assert all(kept[1 : len(rare)]), "while a request comes every minute"
    assert kept[len(rare) + 12] == 1
    assert kept[len(rare) + 20 :] == [0] * 20, "2.5 pauses of 11 ticks after the last one"


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
