"""Which reserve is followed."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from burstlens.scaling.insurance import Insurance
from burstlens.scaling.rehearsal import Conditions
from support.reserves import CONDITIONS, SPIKY, STEADY


def reserves(arrivals: Iterable[float], conditions: Conditions = CONDITIONS) -> list[int]:
    insurance = Insurance(conditions, 0.01)
    return [insurance.after(arrived, 0.0) for arrived in arrivals]


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
        return Insurance(CONDITIONS, allowed).after(40.0, 0.0)

    assert first(0.0001) > first(0.0025) > first(0.01) >= 8, "twice the work of the highest tick"


def test_r19_the_last_one_stays_for_a_pause_as_usual_and_then_goes() -> None:
    rare = ([1.0] + [0.0] * 11) * 60
    kept = reserves([*rare, *[0.0] * 40])

    assert all(kept[1 : len(rare)]), "while a request comes every minute"
    assert kept[len(rare) + 12] == 1
    assert kept[len(rare) + 20 :] == [0] * 20, "2.5 pauses of 11 ticks after the last one"


def test_r19_a_night_is_forgotten_after_an_hour_and_is_not_paid_for_the_next_evening() -> None:
    night, day = [0.0] * 2000, ([1.0] + [0.0] * 5) * 150
    kept = reserves([*day, *night, *day, *night])

    assert sum(kept[-2000:]) <= 2.5 * 5
    assert all(kept[len(day) + 2000 : len(day) + 2000 + 720]), "what came back once may come back"


def test_ticks_without_pauses_are_no_reason_to_go_at_the_first_one() -> None:
    assert reserves([*STEADY, *STEADY, 0.0])[-1] >= 1
    assert reserves([1.0, 0.0, 0.0])[-1] == 1


def test_what_the_real_queue_missed_makes_it_more_careful() -> None:
    rng = np.random.default_rng(1)
    load = rng.poisson(np.where(rng.random(1440) < 0.05, 80.0, 20.0)).astype(float)

    def kept(missed: float) -> int:
        insurance = Insurance(CONDITIONS, 0.01)
        return sum(insurance.after(arrived, missed) for arrived in load)

    assert kept(1.0) > kept(0.0), "one in twenty was late, and one in a hundred may be"
