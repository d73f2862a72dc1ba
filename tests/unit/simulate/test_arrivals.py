"""When requests come in a scenario."""

from collections.abc import Callable

import numpy as np
import pytest

from burstlens.simulate.arrivals import Spikes, burst, counts, diurnal, on_off, poisson, ramp
from burstlens.simulate.outcome import Floats

HOUR = 3600.0


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def rate(offsets: Floats, start: float, end: float) -> float:
    return float(np.searchsorted(offsets, end) - np.searchsorted(offsets, start)) / (end - start)


def test_a_burst_comes_at_one_moment() -> None:
    assert burst(3, at=2).tolist() == [2.0, 2.0, 2.0]
    assert burst(0).tolist() == []


PROCESSES: list[Callable[[np.random.Generator], Floats]] = [
    lambda chance: poisson(5, HOUR, chance),
    lambda chance: diurnal(5, HOUR, chance, period=HOUR, spikes=Spikes()),
    lambda chance: ramp(0, 10, HOUR, chance),
    lambda chance: on_off(10, 60, 60, HOUR, chance),
]


@pytest.mark.parametrize("process", PROCESSES)
def test_offsets_are_ascending_within_the_scenario_and_the_same_for_the_same_seed(
    process: Callable[[np.random.Generator], Floats],
) -> None:
    offsets = process(rng())

    assert offsets.dtype == np.float64
    assert len(offsets) > 10_000
    assert (np.diff(offsets) >= 0).all()
    assert offsets[0] >= 0
    assert offsets[-1] <= HOUR
    np.testing.assert_array_equal(offsets, process(rng()))
    assert len(process(np.random.default_rng(2))) != len(offsets)


def test_poisson_arrivals_have_exponential_gaps() -> None:
    gaps = np.diff(poisson(5, 10 * HOUR, rng()))

    assert gaps.mean() == pytest.approx(1 / 5, rel=0.02)
    assert gaps.std() == pytest.approx(1 / 5, rel=0.02)


def test_a_day_is_quiet_at_its_ends_and_busy_at_noon_and_has_its_mean() -> None:
    day = diurnal(2, 24 * HOUR, rng(), swing=0.5)

    assert rate(day, 0, HOUR) == pytest.approx(1, rel=0.1)
    assert rate(day, 11.5 * HOUR, 12.5 * HOUR) == pytest.approx(3, rel=0.1)
    assert rate(day, 23 * HOUR, 24 * HOUR) == pytest.approx(1, rel=0.1)
    assert rate(day, 0, 24 * HOUR) == pytest.approx(2, rel=0.02)


def test_spikes_come_on_top_of_the_day() -> None:
    spikes = Spikes(count=4, seconds=30, times=20)
    quiet = diurnal(1, 24 * HOUR, rng())
    spiked = diurnal(1, 24 * HOUR, rng(), spikes=spikes)

    assert len(spiked) - len(quiet) == pytest.approx(4 * 30 * 20, rel=0.1)
    per_step = counts(spiked, 10)
    assert per_step.max() > 150
    assert (per_step > 100).sum() <= 4 * 4


def test_a_ramp_goes_from_one_rate_to_the_other() -> None:
    up = ramp(0, 10, 10 * HOUR, rng())
    down = ramp(10, 0, 10 * HOUR, rng())

    assert rate(up, 4.5 * HOUR, 5.5 * HOUR) == pytest.approx(5, rel=0.05)
    assert rate(up, 9 * HOUR, 10 * HOUR) == pytest.approx(9.5, rel=0.05)
    assert rate(down, 0, HOUR) == pytest.approx(9.5, rel=0.05)


def test_nothing_comes_while_it_is_off() -> None:
    offsets = on_off(10, on_seconds=60, off_seconds=240, seconds=HOUR, rng=rng())

    assert (offsets % 300 < 60).all()
    assert len(offsets) == pytest.approx(12 * 60 * 10, rel=0.05)


def test_arrivals_are_counted_in_steps_that_begin_with_their_first_moment() -> None:
    offsets = np.array([0.0, 4.9, 5.0, 12.0])

    assert counts(offsets, 5).tolist() == [2, 1, 1]
    assert counts(offsets, 5, seconds=21).tolist() == [2, 1, 1, 0, 0]
    assert counts(offsets, 5, seconds=10).tolist() == [2, 1]
    assert counts(np.zeros(0), 5).tolist() == []


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (lambda: burst(-1), "requests in a burst must be 0 or more, not -1"),
        (lambda: burst(1, at=-2), "moment of a burst"),
        (lambda: poisson(-1, 10, rng()), "arrival rate"),
        (lambda: poisson(float("nan"), 10, rng()), "arrival rate"),
        (lambda: poisson(1, 0, rng()), "length of a scenario must be above 0"),
        (lambda: poisson(1, float("inf"), rng()), "length of a scenario"),
        (lambda: diurnal(1, 10, rng(), swing=1.5), "swing of a day must be between 0 and 1"),
        (lambda: diurnal(1, 10, rng(), period=0), "period"),
        (lambda: diurnal(1, 10, rng(), spikes=Spikes(seconds=60)), "60 s does not fit into a scenario of 10 s"),
        (lambda: ramp(1, -1, 10, rng()), "arrival rate"),
        (lambda: ramp(1, 1, 0, rng()), "length of a scenario"),
        (lambda: on_off(1, 0, 1, 10, rng()), "time that it is on"),
        (lambda: counts(np.array([1.0]), 0), "a step must be above 0"),
        (lambda: counts(np.array([2.0, 1.0]), 5), "must be ascending"),
        (lambda: counts(np.array([-1.0]), 5), "not negative"),
        (lambda: counts(np.array([1.0, np.nan]), 5), "finite"),
    ],
)
def test_a_number_that_makes_no_sense_is_named(call: Callable[[], Floats], hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        call()
